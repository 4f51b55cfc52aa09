"""Who is seen to call."""

from typing import Any

import pytest
from django.test import RequestFactory

from config.middleware import remote_address


class TestRemoteAddress:
    @pytest.mark.parametrize(
        ("proxies", "forwarded", "remote", "seen"),
        [
            (0, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
            (1, "203.0.113.9, 198.51.100.4", "192.0.2.1", "198.51.100.4"),
            (2, "203.0.113.9, 198.51.100.4", "192.0.2.1", "203.0.113.9"),
            (3, "203.0.113.9, 198.51.100.4", "192.0.2.1", "192.0.2.1"),
            (1, "198.51.100.4:443", "192.0.2.1", None),
            (0, "", "", None),
        ],
    )
    def test_is_what_the_outermost_trusted_proxy_saw(
        self, settings: Any, proxies: int, forwarded: str, remote: str, seen: str | None
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR=remote)
        assert remote_address(request) == seen
