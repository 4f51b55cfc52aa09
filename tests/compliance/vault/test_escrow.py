"""Escrow: what lies in the safe opens a stored object with stock age alone."""

import shutil
import subprocess
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from compliance import checks
from compliance.audit.entries import AuditEntry
from compliance.evidence import Item
from compliance.vault import age, escrow, keys, providers
from compliance.vault.escrow import EscrowedKey
from compliance.vault.keys import FileKeyWrap

YEAR = f"{timezone.now().year}"
pytestmark = pytest.mark.usefixtures("worker", "db")


@pytest.fixture(params=["X25519", "mlkem768x25519"])
def safe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> age.Identity:
    """The secret key in the safe, whose public half the settings name for this year."""
    identity = age.generate_identity(request.param)
    named = {"local": {}, "escrow": {YEAR: str(identity.recipient)}}
    monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", named)
    return identity


def name(monkeypatch: pytest.MonkeyPatch, **told: Any) -> None:
    """Let the settings name this for the safe."""
    named = {"local": {}, "escrow": told}
    monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", named)


class TestEscrowDue:
    def test_puts_every_key_of_the_period_into_the_safe_in_batches(
        self, safe: age.Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys, "BATCH", 2)
        kept = {uuid.uuid4(): keys.new_file_key() for _ in range(3)}
        for item, key in kept.items():
            keys.keep(item, key)
        while escrow.escrow_due():
            pass
        found = EscrowedKey.objects.select_related("wrap")
        assert {e.wrap.subject: age.unwrap(bytes(e.header), [safe]) for e in found} == kept
        assert str(found[0]) == f"escrow of wrap {found[0].wrap_id}"
        told = AuditEntry.objects.filter(event="kek.escrowed").order_by("pk")
        assert [each.additional_data and each.additional_data["wraps"] for each in told] == [2, 1]

    def test_does_nothing_where_no_safe_is_named_or_for_another_year(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys.keep(uuid.uuid4(), keys.new_file_key())
        assert escrow.escrow_due() == 0
        name(monkeypatch, **{"2001": str(age.generate_identity().recipient)})
        assert escrow.escrow_due() == 0

    def test_follows_a_key_that_is_rotated(self, safe: age.Identity) -> None:
        keys.keep(uuid.uuid4(), keys.new_file_key())
        escrow.escrow_due()
        keys.retire(keys.current())
        assert (keys.rewrap_due(), escrow.escrow_due()) == (1, 0)
        assert EscrowedKey.objects.count() == 1

    def test_keeps_nothing_of_what_was_shredded_meanwhile(self, safe: age.Identity) -> None:
        wrap = keys.keep(uuid.uuid4(), keys.new_file_key())
        ready = escrow._sealed(keys.current())
        keys.forget(wrap.subject)
        escrow._keep(keys.current(), ready)
        assert not EscrowedKey.objects.exists()

    def test_goes_with_its_wrap(self, safe: age.Identity) -> None:
        wrap = keys.keep(uuid.uuid4(), keys.new_file_key())
        escrow.escrow_due()
        keys.forget(wrap.subject)
        assert not EscrowedKey.objects.exists()
        assert not FileKeyWrap.objects.exists()


class TestRecipients:
    @pytest.mark.parametrize("text", ["age1nonsense", 7, ""])
    def test_refuse_what_is_no_public_key(
        self, monkeypatch: pytest.MonkeyPatch, text: object
    ) -> None:
        name(monkeypatch, **{YEAR: text})
        with pytest.raises(ImproperlyConfigured, match="escrow takes a year and the public age"):
            escrow.recipients()
        (error,) = checks.key_providers_are_at_hand()
        assert error.id == "dutyline.E003"

    def test_are_no_provider_that_unwraps(self, safe: age.Identity) -> None:
        assert checks.key_providers_are_at_hand() == []
        assert providers.first() == "local"


class TestExportEscrow:
    @pytest.fixture
    def exported(self, safe: age.Identity, item: Item, tmp_path: Path) -> Path:
        keys.keep(uuid.uuid4(), keys.new_file_key())  # of an upload that never became an item
        escrow.escrow_due()
        call_command("export_escrow", out=tmp_path / "out", stdout=(out := StringIO()))
        assert out.getvalue().startswith("1 headers. ")
        return tmp_path / "out"

    def test_gives_what_opens_the_object_and_names_it(
        self, exported: Path, item: Item, safe: age.Identity
    ) -> None:
        assert (exported / "objects").read_text() == f"{item.pk} {item.sealed_name}\n"
        header = (exported / f"{item.pk}.header").read_bytes()
        with default_storage.open(item.sealed_name, "rb") as file:
            whole = header + file.read()
        if safe.kind == "X25519" and shutil.which("age"):  # age older than 1.3 knows no other
            (exported / "identity").write_text(f"{safe}\n")
            told = ["age", "-d", "-i", str(exported / "identity")]
            done = subprocess.run(told, input=whole, capture_output=True, check=True)
            assert done.stdout == b"Tonight."
        (exported / "whole").write_bytes(whole)
        with (exported / "whole").open("rb") as source:
            assert b"".join(age.open_file(source, [safe])) == b"Tonight."

    def test_says_when_there_is_no_place(self, tmp_path: Path) -> None:
        (tmp_path / "out").touch()
        with pytest.raises(CommandError, match=r"^The headers cannot be written: File exists\.$"):
            call_command("export_escrow", out=tmp_path / "out")
