"""Providers: whoever keeps the keys, a wrap opens for its own item and under its own key alone."""

import sys
import uuid
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from compliance.errors import KeyUnusable
from compliance.vault import keys, providers
from compliance.vault.providers import Context, KeyProvider

ITEM = "7c1c4187-2c17-4347-af92-2568684b5d77"
OURS, THEIRS = Context(ITEM, "2026"), Context(str(uuid.UUID(int=7)), "2026")
LATER = Context(ITEM, "2026-2")
FILE_KEY = b"sixteen bytes ok"
EACH = pytest.mark.parametrize(
    "provider",
    ["local", *(pytest.param(kind, marks=pytest.mark.slow) for kind in providers.KINDS[1:])],
    indirect=True,
)


@EACH
class TestKeyProvider:
    def test_wraps_what_opens_again(self, provider: KeyProvider) -> None:
        provider.make("2026")
        blobs = [provider.wrap(FILE_KEY, OURS) for _ in range(2)]
        assert [provider.unwrap(blob, OURS) for blob in blobs] == [FILE_KEY, FILE_KEY]
        assert blobs[0] != blobs[1]
        assert not any(FILE_KEY in blob for blob in blobs)

    def test_makes_a_key_once(self, provider: KeyProvider) -> None:
        provider.make("2026")
        blob = provider.wrap(FILE_KEY, OURS)
        provider.make("2026")
        assert provider.unwrap(blob, OURS) == FILE_KEY

    def test_refuses_the_context_of_another_item(self, provider: KeyProvider) -> None:
        provider.make("2026")
        blob = provider.wrap(FILE_KEY, OURS)
        with pytest.raises(KeyUnusable):
            provider.unwrap(blob, THEIRS)

    def test_refuses_the_wrap_of_another_key(self, provider: KeyProvider) -> None:
        for key_id in ("2026", "2027"):
            provider.make(key_id)
        blob = provider.wrap(FILE_KEY, OURS)
        with pytest.raises(KeyUnusable):
            provider.unwrap(blob, Context(ITEM, "2027"))

    @pytest.mark.parametrize("blob", [b"", b"x", bytes(44), b"vault:v1:AAAA"])
    def test_refuses_what_is_no_wrap(self, provider: KeyProvider, blob: bytes) -> None:
        provider.make("2026")
        with pytest.raises(KeyUnusable):
            provider.unwrap(blob, OURS)

    def test_refuses_a_changed_wrap(self, provider: KeyProvider) -> None:
        provider.make("2026")
        blob = bytearray(provider.wrap(FILE_KEY, OURS))
        blob[-3] ^= 1
        with pytest.raises(KeyUnusable):
            provider.unwrap(bytes(blob), OURS)

    def test_moves_a_wrap_to_another_key(self, provider: KeyProvider) -> None:
        for key_id in ("2026", "2026-2"):
            provider.make(key_id)
        moved = provider.rewrap(provider.wrap(FILE_KEY, OURS), OURS, LATER)
        provider.destroy("2026")
        assert provider.unwrap(moved, LATER) == FILE_KEY
        with pytest.raises(KeyUnusable):
            provider.unwrap(moved, OURS)

    def test_opens_and_wraps_nothing_any_more_once_a_key_is_destroyed(
        self, provider: KeyProvider
    ) -> None:
        provider.make("2026")
        blob = provider.wrap(FILE_KEY, OURS)
        provider.destroy("2026")
        provider.destroy("2026")  # a second time changes nothing
        with pytest.raises(KeyUnusable):
            provider.unwrap(blob, OURS)
        with pytest.raises(KeyUnusable):
            provider.wrap(FILE_KEY, OURS)

    def test_has_its_settings_in_order(self, provider: KeyProvider) -> None:
        provider.check()

    def test_serves_an_item_from_end_to_end(
        self, provider: KeyProvider, worker: None, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = {provider.kind: {}}
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", settings)
        monkeypatch.setattr(providers, "_loaded", lambda kind, options: provider)
        item, key = uuid.uuid4(), keys.new_file_key()
        wrap = keys.keep(item, key)
        assert wrap.provider == provider.kind
        assert keys.file_key(item) == key
        provider.destroy(wrap.key_id)
        with pytest.raises(KeyUnusable):
            keys.file_key(item)


class TestContext:
    def test_has_one_canonical_form(self) -> None:
        told = f'{{"item":"{ITEM}","kek":"2026","v":"1"}}'
        assert OURS.canonical() == told.encode()
        assert OURS.strings() == {"item": ITEM, "kek": "2026", "v": "1"}


class TestLoad:
    @pytest.mark.parametrize(
        ("kind", "options", "told"),
        [
            ("gcp", {}, "knows local, aws, vault, pkcs11, but not gcp"),
            ("local", {"dir": "/"}, "local takes texts called folder"),
            ("local", {"folder": 7}, "local takes texts called folder"),
            ("local", {"folder": ""}, "local takes texts called folder"),
        ],
    )
    def test_says_what_is_wrong_with_the_settings(
        self, kind: str, options: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"^DUTYLINE_KEY_PROVIDERS:? {told}"):
            providers.load(kind, options)

    @pytest.mark.parametrize(
        ("kind", "module", "wanted"),
        [
            ("aws", "boto3", "region"),
            ("vault", "hvac", "token_file, url"),
            ("pkcs11", "pkcs11", "library, pin_file, token"),
        ],
    )
    @pytest.mark.slow
    def test_names_the_options_that_are_missing(self, kind: str, module: str, wanted: str) -> None:
        pytest.importorskip(module, reason=f"{module} is not installed")
        with pytest.raises(ImproperlyConfigured, match=f"{kind} takes .*, and wants {wanted}\\."):
            providers.load(kind, {})

    @pytest.mark.parametrize(
        ("kind", "module"), [("aws", "boto3"), ("vault", "hvac"), ("pkcs11", "pkcs11")]
    )
    def test_names_the_extra_that_is_missing(
        self, kind: str, module: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, f"compliance.vault.providers.{kind}", raising=False)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImproperlyConfigured, match=rf"Install dutyline\[{kind}\]"):
            providers.load(kind, {})


class TestNamed:
    def test_refuses_a_keeper_that_the_settings_forgot(self) -> None:
        with pytest.raises(KeyUnusable, match="names aws no more, which keeps this key"):
            providers.named("aws")

    def test_lets_the_first_wrap_what_is_new(self, monkeypatch: pytest.MonkeyPatch) -> None:
        named: dict[str, Any] = {"vault": {}, "local": {}}
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", named)
        assert providers.first() == "vault"
