"""Addresses: the desk and the liaison API."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("referrals.api.urls")),
]
handler400 = "config.refusals.bad_request"
handler404 = "config.refusals.not_found"
handler500 = "config.refusals.server_error"
