"""The desk's place in Django: our AdminSite instead of the stock one."""

from django.contrib.admin.apps import AdminConfig


class DeskConfig(AdminConfig):
    """Put our site under django.contrib.admin."""

    default_site = "config.site.DeskSite"
