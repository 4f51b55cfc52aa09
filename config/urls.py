"""Addresses: the desk and the liaison API."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("referrals.api.urls")),
]
handler400 = "referrals.api.errors.bad_request"
handler404 = "referrals.api.errors.not_found"
handler500 = "referrals.api.errors.server_error"
