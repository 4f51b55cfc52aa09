"""The referrals app: getting it to the right agency, sealed, on time."""

from django.apps import AppConfig


class ReferralsConfig(AppConfig):
    """The second half of a finding's journey."""

    name = "referrals"
