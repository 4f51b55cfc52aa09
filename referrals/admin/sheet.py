"""Sheet: the chain of custody at the desk, to read, to print and to hand over."""

from typing import cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_safe

from compliance import readings
from compliance.admin.desk import Desk, Step, person
from compliance.admin.forms import Asking
from compliance.roles import Permission, User
from referrals import custody, processes, provenance
from referrals.models import Referral


def _handed_over(referral: Referral, *, by: User) -> HttpResponse:
    """Return the chain of custody as a file to keep."""
    data = provenance.export(referral, by=by)
    name = f"{referral}.custody.jsonld"
    return HttpResponse(
        data,
        content_type="application/ld+json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


EXPORT = Step(
    "export-custody", "Export the chain of custody", Permission.READ_LOG, _handed_over,
    "It is exported.", Asking,
    hint="CASE/UCO JSON-LD, each event with its proof. The export is an event itself.",
)  # fmt: skip


class WithSheet(Desk):
    """A desk of referrals, with the chain of custody of each."""

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of every desk, and that of the chain of custody."""
        seen = self.admin_site.admin_view(require_safe(self.custody_view))
        address = path("<str:object_id>/custody/", seen, name="referrals_referral_custody")
        return [address, *super().get_urls()]

    def custody_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show every touch of a referral on one page, made for paper too."""
        return _show(self, request, object_id)


def _show(desk: Desk, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show every touch of a referral on one page, made for paper too."""
    record = cast("Referral | None", desk.get_object(request, object_id))
    if record is None:
        raise Http404
    if not desk.has_view_permission(request, record):
        raise PermissionDenied
    readings.show(record, by=person(request))
    around = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "list": "Referrals",
        "title": f"Chain of custody of {record}",
        "original": record,
        "exhibits": processes.exhibits(record),
        "chain": custody.chain(record),
        "now": timezone.now(),
        "origin": settings.LOG_ORIGIN,
    }
    return TemplateResponse(request, "admin/referrals/referral/custody.html", around)
