"""rotate_kek: what a period's key wrapped opens under another; cut short, it goes on."""

import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from compliance.audit.entries import AuditEntry
from compliance.lifecycle import Work
from compliance.management.commands import rotate_kek
from compliance.vault import keys
from compliance.vault.keys import Kek
from tests.journeys.test_kill import Provider

YEAR = f"{timezone.now().year}"
ITEM = uuid.UUID(int=7)


def rotate(*words: str) -> str:
    """Run the command and return what it printed."""
    call_command("rotate_kek", *words, stdout=(out := StringIO()))
    return out.getvalue()


@pytest.fixture
def key(worker: None, db: None) -> bytes:
    """The file key of one item."""
    file_key = keys.new_file_key()
    keys.keep(ITEM, file_key)
    return file_key


class TestRotateKek:
    def test_moves_all_and_says_which_key_is_in_use(self, key: bytes) -> None:
        told = rotate()
        assert told == (
            f"key {YEAR} of local: retired, wraps 0\nkey {YEAR}-2 of local: made, wraps 1\n"
        )
        assert keys.file_key(ITEM) == key
        entry = AuditEntry.objects.get(event="kek.retired")
        assert entry.actor_ref == "command:rotate_kek"

    def test_can_destroy_the_old_key_at_once(self, key: bytes, settings: Any) -> None:
        assert f"key {YEAR} of local: destroyed" in rotate(YEAR, "--destroy")
        assert not (settings.KEYS_DIR / f"kek-{YEAR}").exists()
        assert keys.file_key(ITEM) == key

    def test_goes_on_where_it_was_cut_short(self, key: bytes) -> None:
        keys.retire(keys.current())
        assert rotate().splitlines()[-1] == f"key {YEAR}-2 of local: made, wraps 1"

    def test_waits_for_what_another_worker_has_in_hand(
        self, key: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        passes = iter([lambda: 0, keys.rewrap_due])
        monkeypatch.setattr(keys, "rewrap_due", lambda: next(passes)())
        monkeypatch.setattr(rotate_kek, "PAUSE", 0)

        class Terminal(StringIO):
            def isatty(self) -> bool:
                return True

        call_command("rotate_kek", stdout=(out := Terminal()))
        assert out.getvalue().startswith("1 wraps to move\n")

    def test_says_why_nothing_moves(self, key: bytes, settings: Any) -> None:
        (settings.KEYS_DIR / f"kek-{YEAR}").unlink()
        with pytest.raises(CommandError, match=r"^Moving fails, and is tried again by the worker:"):
            rotate()

    def test_knows_no_period_without_a_key(self, db: None) -> None:
        with pytest.raises(CommandError, match=r"^There is no key of 2001\.$"):
            rotate("2001")

    def test_passes_a_refusal_on(self, key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", {"aws": {}})
        Work.objects.all().delete()
        monkeypatch.setattr(keys, "retire", lambda kek: keys._require_in_use(Kek()))
        with pytest.raises(CommandError, match="was retired meanwhile"):
            rotate()


FILL = """
import uuid
from compliance.audit.context import acting
from compliance.vault import keys
from django.db import transaction
with acting("command:tests"), transaction.atomic():
    for number in range(2000):
        keys.keep(uuid.UUID(int=number), number.to_bytes(16, "big"))
"""
CHECK = """
import uuid
from compliance.vault import keys
assert all(keys.file_key(uuid.UUID(int=n)) == n.to_bytes(16, "big") for n in range(2000))
"""


@pytest.mark.slow
def test_a_rotation_killed_many_times_loses_no_key_and_ends(tmp_path: Path) -> None:
    provider = Provider(tmp_path)
    provider.manage("migrate")
    provider.run(FILL)
    left = f"SELECT count(*) FROM compliance_filekeywrap WHERE key_id = '{YEAR}'"  # noqa: S608
    killed = 0
    while provider.ask(left) != [(0,)]:
        before = provider.ask(left)
        process = provider.start("manage.py", "rotate_kek")
        while process.poll() is None and provider.ask(left) == before:
            pass
        process.kill()
        process.communicate()
        killed += process.returncode != 0
        provider.let_leases_expire()
    assert killed >= 2
    provider.manage("rotate_kek")
    provider.run(CHECK)
    assert provider.ask("SELECT count(DISTINCT key_id) FROM compliance_filekeywrap") == [(1,)]
