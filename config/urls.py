"""Addresses: the desk, the liaison API, and the public log."""

from django.contrib import admin
from django.urls import include, path, register_converter

from config import log

register_converter(log.TileConverter, "tile")

urlpatterns = [
    path("admin/", admin.site.urls),
    path("log/checkpoint", log.checkpoint),
    path("log/tile/<tile:address>", log.tile),
    path("", include("referrals.api.urls")),
]
handler400 = "config.refusals.bad_request"
handler404 = "config.refusals.not_found"
handler500 = "config.refusals.server_error"
