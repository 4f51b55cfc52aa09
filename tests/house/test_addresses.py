"""Every address has a keeper: a stranger is turned away unless the table opens the door."""

import re
import uuid
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

# What anybody may see or send, and the answer to a stranger who brings nothing.
FORM = "application/x-www-form-urlencoded"
OPEN = {
    ("GET", "admin/login/"): 200,
    ("POST", "admin/login/"): 200,  # the form again, with what is missing
    ("PUT", "admin/login/"): 200,
    ("GET", ".well-known/oauth-authorization-server"): 200,
    ("GET", "api/schema"): 200,
    ("POST", "api/token"): 400,
}
TURNED_AWAY = {302, 401, 403, 404, 405}
BACK = ("/admin/login/?next=/admin/", "/admin/")  # to sign in, or to the page that asks for it
ONE = str(uuid.UUID(int=1))
SAMPLES = {"<int:": "1", "<path:": "nothing", "<str:": ONE, "<uuid:": ONE, "<": "1"}


def addresses(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, here)
        else:
            yield here


def sample(address: str) -> str:
    """Write an address with arguments that name nothing."""
    address = re.sub(r"\(\?P<pk>.*?\{12\}\)", str(uuid.UUID(int=1)), address)
    address = re.sub(r"\(\?P<app_label>(\w+)[^)]*\)", r"\1", address)
    for kind, value in SAMPLES.items():
        address = re.sub(rf"{re.escape(kind)}[^>]*>", value, address)
    return re.sub(r"\(\?P.*?\)(?=/|\$|$)|[\^$]|\\Z", "", address)


ADDRESSES = sorted({sample(each) for each in addresses(get_resolver().url_patterns)})


class TestStranger:
    def test_finds_every_address_of_both_doors_here(self) -> None:
        assert "admin/compliance/finding/" in ADDRESSES
        assert f"api/v1/referrals/{uuid.UUID(int=1)}/acknowledge" in ADDRESSES
        assert {address for _, address in OPEN} <= set(ADDRESSES)

    @pytest.mark.parametrize("address", ADDRESSES)
    def test_is_turned_away(self, db: None, address: str) -> None:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = Client().generic(method, f"/{address}", content_type=FORM)
            if (method, address) in OPEN:
                assert answer.status_code == OPEN[method, address], method
            else:
                assert answer.status_code in TURNED_AWAY, method
                assert answer.status_code != 302 or answer["Location"].startswith(BACK), method
            assert "Content-Security-Policy" in answer
