"""The desk's site."""

from django.contrib.admin import AdminSite


class DeskSite(AdminSite):
    """The desk of the legal team."""

    site_header = "Dutyline"
