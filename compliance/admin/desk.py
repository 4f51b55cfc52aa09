"""Desk: one record, one page to read, and the buttons of its verbs. Both apps stand on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import display_for_field, label_for_field
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateformat import format as in_words
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from compliance import readings, roles
from compliance.admin import history
from compliance.admin.forms import Asking, Decision
from compliance.errors import NotPermitted, Refused
from compliance.models import AuditEntry
from compliance.roles import Permission, User

NOT_BY_READING = "Nothing was done yet. The step is taken on this page, with its button."


class Bounded(Paginator):  # type: ignore[type-arg]
    """Pages of a list that may hold millions of rows."""

    most = 10_000  # counted no further: on a big table the count costs more than the page

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, up to `most`."""
        rows = cast("models.QuerySet[Any]", self.object_list)
        return rows.order_by()[: self.most].count()


def anybody(record: Any, user: User) -> bool:
    """Let the role alone decide."""
    return True


@dataclass(frozen=True)
class Step:
    """What a person does: for whom and when, what it asks, the verb it calls, what it says then."""

    name: str
    label: str
    permission: Permission
    verb: Callable[..., Any]
    done: str
    form: type[Asking] = Decision
    is_open: Callable[[Any, User], bool] = anybody
    hint: str = ""

    def is_for(self, user: User, record: Any) -> bool:
        """Tell whether `user` is shown this step now. The verb decides again, by itself."""
        return user.may(self.permission) and self.is_open(record, user)

    def asked(self, record: Any, *filled_in: Any) -> Asking:
        """Return the form of this step, empty or as it was filled in."""
        name = f"{self.name}-{record.pk}" if record else self.name
        return self.form(record, *filled_in, auto_id=f"{name}-%s")

    def take(self, form: Asking, *about: Any, by: User) -> Any:
        """Call the verb with what the form holds, or return None and leave the reasons there."""
        if form.is_valid():
            try:
                return self.verb(*about, by=by, **form.cleaned_data)
            except Refused as refusal:
                form.add_error(None, refusal.message.splitlines())
        return None


@dataclass(frozen=True)
class Button:
    """A step as a page shows it: with its form, and where that is sent."""

    step: Step
    action: str
    form: Asking


class Desk(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and a page for each record, both to read, and the steps of the record's verbs."""

    actions = None  # actions_on_top stays: without both places Django writes an inline style
    paginator = Bounded
    list_per_page = 50
    show_full_result_count = False
    preserve_filters = False  # what was searched for stays in the list's own address
    show_facets = ShowFacets.NEVER
    sortable_by = ()  # each order but the model's own would read the whole table
    change_list_template = "admin/desk_list.html"
    called = ""
    seen_with: Permission  # which no desk goes without
    shown: tuple[str, ...] = ()
    begin: Step | None = None
    steps: tuple[Step, ...] = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a record is made by a verb."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those read whose role may."""
        return isinstance(request.user, User) and request.user.may(self.seen_with)

    has_module_permission = has_view_permission

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the filters beside a list alone: no address searches what a record says."""
        named = [each if isinstance(each, str) else cast(Any, each)[0] for each in self.list_filter]
        ways = ("exact", "id__exact", "isempty")
        return lookup in {f"{name}__{way}" for name in named for way in ways}

    def get_urls(self) -> list[URLPattern]:
        """Return the list, the page and the steps; Django's ways to edit do not exist here."""
        name, seen = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        begun = [(f"{self.begin.name}/", self.begin_view, self.begin.name)] if self.begin else []
        taken = [(f"<str:object_id>/{s.name}/", self._taking(s), s.name) for s in self.steps]
        addresses: list[tuple[str, Callable[..., HttpResponseBase], str]] = [
            ("", require_safe(self.changelist_view), "changelist"),
            *begun,
            *taken,
            ("<str:object_id>/history/", require_safe(self.trace_view), "trace"),
            ("<str:object_id>/", require_safe(self.change_view), "change"),
        ]
        return [path(where, seen(view), name=f"{name}_{what}") for where, view, what in addresses]

    def _taking(self, step: Step) -> Callable[..., HttpResponseBase]:
        def view(request: HttpRequest, object_id: str) -> HttpResponseBase:
            return self.take(request, object_id, step=step)

        return view

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List the records; who may begin a new one gets the way to it."""
        readings.list_(self.model, request.GET.urlencode(), by=person(request))
        around: dict[str, Any] = {"title": title(self)}
        if self.begin and self.begin.is_for(person(request), None):
            around |= {"begin": self.begin, "begin_at": address(self.model, self.begin.name)}
        return super().changelist_view(request, around | (extra_context or {}))

    def begin_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the form of a new record, or make it. What was typed survives a refusal."""
        step = cast(Step, self.begin)
        _require(person(request), step.permission)
        posted = request.method == "POST"
        form = step.asked(None, *([request.POST] if posted else []))
        if posted and (made := step.take(form, by=person(request))) is not None:
            messages.success(request, step.done)
            return redirect(address(made))
        if posted:
            form.tell_again()
        page = self.page(request, "begin", title=step.label, step=step, form=form)
        page.status_code = 400 if posted else 200
        return page

    def take(self, request: HttpRequest, object_id: str, *, step: Step) -> HttpResponseBase:
        """Take a step, or show the page again with what was typed and why it was refused."""
        record, user = self._found(request, object_id), person(request)
        if not self.has_view_permission(request, record):
            raise PermissionDenied  # before any page: a step's address shows the record too
        if request.method != "POST":
            messages.error(request, NOT_BY_READING)
            page = self._home(request, record, status=405)
            page["Allow"] = "POST"
            return page
        _require(user, step.permission)
        form = step.asked(record, request.POST, request.FILES)
        answer = step.take(form, record, by=user)
        if isinstance(answer, HttpResponseBase):
            return answer
        if answer is not None:
            messages.success(request, step.done)
            return redirect(address(self.home(record)))
        for complaint in form.complaints():
            messages.error(request, complaint)
        record.refresh_from_db()
        form.tell_again(record)
        return self._home(request, record, Button(step, request.path, form), status=400)

    def _found(self, request: HttpRequest, object_id: str) -> Any:
        record = self.get_object(request, object_id)
        if record is None:
            raise Http404
        return record

    def _home(
        self, request: HttpRequest, record: Any, tried: Button | None = None, *, status: int
    ) -> HttpResponse:
        home = self.home(record)
        desk = cast(Desk, self.admin_site.get_model_admin(type(home)))
        return desk.show(request, home, tried, status=status)

    def home(self, record: Any) -> models.Model:
        """Return the record whose page holds the steps of this one."""
        return cast(models.Model, record)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one record from top to bottom."""
        return self.show(request, self._seen(request, object_id))

    def trace_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what the log holds about a record, newest first, with diffs and proofs."""
        record = self._seen(request, object_id)
        _require(person(request), Permission.READ_LOG)
        readings.trace(record, by=person(request))
        asked = request.GET.get("before", "")
        before = AuditEntry.objects.filter(pk=int(asked)).first() if asked.isdecimal() else None
        told = history.told(record, before)
        more = told[history.SHOWN - 1].entry if len(told) > history.SHOWN else None
        title = f"{self.headline(record)}: history"
        return self.page(
            request, "history", title=title, record=address(record),
            told=told[: history.SHOWN], more=more,
        )  # fmt: skip

    def _seen(self, request: HttpRequest, object_id: str) -> Any:
        """Return a record that the person may see."""
        record = self._found(request, object_id)
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        return record

    def show(
        self, request: HttpRequest, record: Any, tried: Button | None = None, *, status: int = 200
    ) -> HttpResponse:
        """Return the page of a record, with the step that was tried in vain, if one was."""
        readings.show(record, by=person(request))
        page = self.page(
            request,
            "page",
            title=self.headline(record),
            original=record,
            rows=[row for row in (self.row(record, name) for name in self.shown) if row[1]],
            steps=buttons(self, person(request), record, tried),
            timeline=timeline(record, *self.parts(record)),
            history=address(record, "trace") if _reads_log(request) else None,
            **self.story(request, record, tried),
        )
        page.status_code = status
        return page

    def page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        """Return a page of this desk: its own template, or the one that fits every record."""
        own = f"admin/{self.opts.app_label}/{self.opts.model_name}/{name}.html"
        around = {**self.admin_site.each_context(request), "opts": self.opts, "list": title(self)}
        return TemplateResponse(request, [own, f"admin/desk_{name}.html"], around | context)

    def headline(self, record: Any) -> str:
        """Return what stands over the page of a record."""
        return capfirst(str(record))

    def row(self, record: Any, name: str) -> tuple[str, object]:
        """Return the label and the value of one field, in words; nothing where nothing is."""
        field, value = self.opts.get_field(name), getattr(record, name)
        return capfirst(str(label_for_field(name, self.model, self))), self._said(field, value)

    def _said(self, field: Any, value: Any) -> object:
        if isinstance(value, datetime):
            return moment(value)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, models.Model) and self.admin_site.is_registered(type(value)):
            return format_html('<a href="{}">{}</a>', address(value), value)
        return display_for_field(value, field, "")

    def parts(self, record: Any) -> Iterable[models.Model]:
        """Return the records whose events belong to this record's story."""
        return ()

    def story(self, request: HttpRequest, record: Any, tried: Button | None) -> dict[str, Any]:
        """Return what the page of this kind of record needs beside its fields."""
        return {}


def person(request: HttpRequest) -> User:
    """Return the person at the desk."""
    return cast(User, request.user)


def _reads_log(request: HttpRequest) -> bool:
    return person(request).may(Permission.READ_LOG)


def _require(user: User, permission: Permission) -> None:
    """Let `user` pass, or answer 403 with the role and the step in words."""
    try:
        roles.require(user, permission)
    except NotPermitted as refusal:
        raise PermissionDenied(refusal.message) from refusal


def title(desk: "admin.ModelAdmin[Any]") -> str:
    """Return what people call the records of a desk."""
    return getattr(desk, "called", "") or capfirst(str(desk.opts.verbose_name_plural))


def address(record: models.Model | type[models.Model], step: str = "change") -> str:
    """Return where a record's page or one of its steps is, or where a kind of record begins."""
    name = f"admin:{record._meta.app_label}_{record._meta.model_name}_{step}"
    return reverse(name, args=[record.pk] if isinstance(record, models.Model) else [])


def moment(at: datetime) -> str:
    """Return an instant as every page of the desk writes it."""
    return in_words(at.astimezone(UTC), "j M Y, H:i \\U\\T\\C")


def at(name: str) -> Callable[[Any], str]:
    """Return a column of a list that holds an instant."""

    @admin.display(description=name.removesuffix("_at").replace("_", " "), empty_value="-")
    def column(record: Any) -> Any:
        value = getattr(record, name)
        return moment(value) if value else None

    return column


@admin.display(description="state")
def standing(record: Any) -> str:
    """Return the state of a record as a chip."""
    said = record.get_state_display()
    return format_html('<span class="state state-{}">{}</span>', record.state, said)


def buttons(
    desk: type[Desk] | Desk, user: User, record: Any, tried: Button | None = None
) -> list[Button]:
    """Return the steps that `user` may take on `record` now; a tried one as it was filled in."""
    wanted = [
        Button(step, address(record, step.name), step.asked(record))
        for step in desk.steps
        if step.is_for(user, record)
    ]
    return [tried if tried and tried.action == each.action else each for each in wanted]


def timeline(*records: models.Model) -> models.QuerySet[AuditEntry]:
    """Return what happened to these records, oldest first; diffs and readings stay in the log."""
    keys: dict[type[models.Model], list[str]] = {}
    for record in records:
        keys.setdefault(type(record), []).append(str(record.pk))
    about = models.Q()
    for model, named in keys.items():
        kind = ContentType.objects.get_for_model(model)
        about |= models.Q(content_type=kind, object_pk__in=named)
    done = AuditEntry.objects.filter(about, action=AuditEntry.Action.ACCESS)
    read = [f"{model._meta.model_name}.{how}" for model in keys for how in readings.HOW]
    events = done.exclude(event__in=read)
    return events.select_related("actor").order_by("timestamp", "id")
