"""Desk: one record, one page to read, and the buttons of its verbs. Both apps stand on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import display_for_field, label_for_field
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from compliance.admin.forms import Asking, Decision
from compliance.errors import Refused
from compliance.models import AuditEntry
from compliance.roles import Permission, User

COUNTED = 10_000  # a list counts no further: on a big table the count costs more than the page


class Bounded(Paginator):  # type: ignore[type-arg]
    """Pages of a list that may hold millions of rows."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, up to COUNTED."""
        rows = cast("models.QuerySet[Any]", self.object_list)
        return rows.order_by()[:COUNTED].count()


def anybody(record: Any, user: User) -> bool:
    """Let the role alone decide."""
    return True


@dataclass(frozen=True)
class Step:
    """One button: whom it is for and when, what it asks, the verb it calls, what it says then."""

    name: str
    label: str
    permission: Permission
    verb: Callable[..., Any]
    done: str
    form: type[Asking] = Decision
    is_open: Callable[[Any, User], bool] = anybody

    def is_for(self, user: User, record: Any) -> bool:
        """Tell whether `user` is shown this button now. The verb decides again, by itself."""
        return user.may(self.permission) and self.is_open(record, user)


class Desk(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and a page for each record, both to read, and the buttons of the record's verbs."""

    actions = None  # actions_on_top stays: without both places Django writes an inline style
    paginator = Bounded
    list_per_page = 50
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    shown: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a record is made by a verb."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    def get_urls(self) -> list[URLPattern]:
        """Return the list, the page and the buttons; Django's ways to edit do not exist here."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", self.admin_site.admin_view(self.changelist_view), name=f"{name}_changelist"),
            *self.pages(name),
            *(
                path(
                    f"<str:object_id>/{step.name}/",
                    self.admin_site.admin_view(require_POST(partial(self.take, step=step))),
                    name=f"{name}_{step.name}",
                )
                for step in self.steps
            ),
            path(
                "<str:object_id>/",
                self.admin_site.admin_view(self.change_view),
                name=f"{name}_change",
            ),
        ]

    def pages(self, name: str) -> Iterable[URLPattern]:
        """Return the pages that this desk has beside the list and the record."""
        return ()

    def take(self, request: HttpRequest, object_id: str, *, step: Step) -> HttpResponseBase:
        """Call the verb of a button; a refusal is told in its own words."""
        record = self.get_object(request, object_id)
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        form = step.form(record, request.POST, request.FILES)
        for complaint in form.complaints():
            messages.error(request, complaint)
        if form.is_valid():
            try:
                answer = step.verb(record, by=person(request), **form.cleaned_data)
            except Refused as refusal:
                messages.error(request, refusal.message)
            else:
                if isinstance(answer, HttpResponseBase):
                    return answer
                messages.success(request, step.done)
        return redirect(address(self.home(record)))

    def home(self, record: Any) -> models.Model:
        """Return the record whose page follows a button."""
        return cast(models.Model, record)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one record from top to bottom."""
        record = self.get_object(request, object_id)
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        return self.page(
            request,
            "page",
            title=capfirst(str(record)),
            original=record,
            rows=[self.row(record, name) for name in self.shown],
            steps=buttons(self, person(request), record),
            timeline=timeline(record, *self.parts(record)),
            **self.story(request, record),
        )

    def page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        """Return a page of this desk: its own template, or the one that fits every record."""
        own = f"admin/{self.opts.app_label}/{self.opts.model_name}/{name}.html"
        around = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, [own, "admin/desk_page.html"], around | context)

    def row(self, record: Any, name: str) -> tuple[str, object]:
        """Return the label and the value of one field."""
        field, value = self.opts.get_field(name), getattr(record, name)
        shown = display_for_field(value, cast("models.Field[Any, Any]", field), "none")
        return capfirst(str(label_for_field(name, self.model, self))), shown

    def parts(self, record: Any) -> Iterable[models.Model]:
        """Return the records whose events belong to this record's story."""
        return ()

    def story(self, request: HttpRequest, record: Any) -> dict[str, Any]:
        """Return what the page of this kind of record needs beside its fields."""
        return {}


def person(request: HttpRequest) -> User:
    """Return the person at the desk."""
    return cast(User, request.user)


def address(record: models.Model, step: str = "change") -> str:
    """Return where a record's page, or one of its buttons, is."""
    name = f"admin:{record._meta.app_label}_{record._meta.model_name}_{step}"
    return reverse(name, args=[record.pk])


def buttons(desk: type[Desk] | Desk, user: User, record: Any) -> list[dict[str, Any]]:
    """Return the buttons that `user` may press on `record` now, each with its form."""
    return [
        {
            "step": step,
            "form": step.form(record, auto_id=f"{step.name}-{record.pk}-%s"),
            "action": address(record, step.name),
        }
        for step in desk.steps
        if step.is_for(user, record)
    ]


def timeline(*records: models.Model) -> models.QuerySet[AuditEntry]:
    """Return what happened to these records, oldest first; field diffs stay in the log."""
    about = models.Q()
    for record in records:
        kind = ContentType.objects.get_for_model(record)
        about |= models.Q(content_type=kind, object_pk=str(record.pk))
    events = AuditEntry.objects.filter(about, action=AuditEntry.Action.ACCESS)
    return events.select_related("actor").order_by("timestamp", "id")
