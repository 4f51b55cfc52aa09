"""Addresses of the liaison API."""

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.routers import SimpleRouter

from referrals.api.tokens import Metadata, Token
from referrals.api.views import Referrals

router = SimpleRouter(trailing_slash=False)
router.register("referrals", Referrals, basename="referral")

urlpatterns = [
    path(".well-known/oauth-authorization-server", Metadata.as_view(), name="metadata"),
    path("api/token", Token.as_view(), name="token"),
    path("api/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/v1/", include(router.urls)),
]
