"""Keys: a file key opens for its own item alone; keys are rotated and destroyed in order."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance import lifecycle
from compliance.audit.entries import AuditEntry
from compliance.errors import KeeperAway, KeyUnusable, Stale
from compliance.lifecycle import Work
from compliance.vault import keys, providers
from compliance.vault.keys import FileKeyWrap, Kek, State
from compliance.vault.providers import Context

UNOPENED = "A wrapped key does not open under its key and context"
pytestmark = pytest.mark.usefixtures("worker", "db")
Kept = dict[uuid.UUID, bytes]


@pytest.fixture
def kept() -> Kept:
    """Five items with their file keys, wrapped."""
    made = {uuid.uuid4(): keys.new_file_key() for _ in range(5)}
    for item, key in made.items():
        keys.keep(item, key)
    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two."""
    monkeypatch.setattr(keys, "BATCH", 2)


@pytest.fixture
def retired(kept: Kept) -> Kek:
    """The key of this year, retired."""
    return keys.retire(keys.current())


def opened(kept: Kept) -> Kept:
    """Return the file keys as they open now."""
    return {item: keys.file_key(item) for item in kept}


def events(*names: str) -> list[Any]:
    """Return what the log says, oldest first, under these names."""
    found = AuditEntry.objects.filter(event__in=names).order_by("pk")
    return [(each.event, each.actor_ref, each.additional_data) for each in found]


class TestCurrent:
    def test_is_one_key_a_year_and_is_made_once(self) -> None:
        kek = keys.current()
        assert (kek.provider, kek.key_id, kek.state) == ("local", f"{timezone.now().year}", "made")
        assert str(kek) == f"key {kek.key_id} of local"
        assert keys.current() == kek
        assert keys.current("2024").key_id == "2024"

    def test_names_who_made_it(self) -> None:
        keys.current()
        keys.current()
        assert [each[:2] for each in events("kek.made")] == [("kek.made", "system:worker")]

    def test_takes_a_key_over_that_another_worker_put_on_record(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kek = keys.current()
        monkeypatch.setattr(keys, "providers", providers)
        assert keys._make("local", kek.period, 1) == kek

    def test_is_kept_by_whom_the_settings_name_first(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        first = keys.current()
        other = providers.load("local", {"folder": str(tmp_path)})
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", {"aws": {}, "local": {}})
        monkeypatch.setattr(providers, "_loaded", lambda kind, options: other)
        assert (keys.current().provider, first.provider) == ("aws", "local")

    def test_is_one_in_use_at_a_time(self) -> None:
        keys.current("2024")
        with pytest.raises(IntegrityError), transaction.atomic():
            Kek.objects.create(provider="local", key_id="2024-9", period="2024")


class TestKeep:
    def test_puts_on_record_a_wrap_that_says_nothing(self) -> None:
        item, key = uuid.uuid4(), keys.new_file_key()
        wrap = keys.keep(item, key)
        wrap.refresh_from_db()
        assert (wrap.subject, wrap.provider) == (item, "local")
        assert wrap.key_id == f"{timezone.now().year}"
        assert key not in bytes(wrap.blob)
        assert str(wrap) == f"wrap {wrap.pk}"
        assert keys.file_key(item) == key

    def test_happens_once_for_each_item(self) -> None:
        item = uuid.uuid4()
        keys.keep(item, keys.new_file_key())
        with pytest.raises(IntegrityError), transaction.atomic():
            keys.keep(item, keys.new_file_key())

    @pytest.mark.parametrize("replaced", [False, True], ids=["lost", "replaced"])
    def test_takes_no_new_item_under_a_key_that_lost_the_old_ones(
        self, settings: Any, replaced: bool
    ) -> None:
        wrap = keys.keep(uuid.uuid4(), keys.new_file_key())
        path = settings.KEYS_DIR / f"kek-{wrap.key_id}"
        path.unlink()
        if replaced:
            providers.named("local").make(wrap.key_id)
        with pytest.raises(KeyUnusable):
            keys.keep(uuid.uuid4(), keys.new_file_key())
        assert path.exists() is replaced
        assert FileKeyWrap.objects.count() == 1

    def test_wraps_nothing_under_a_key_that_is_retired_meanwhile(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kek = keys.current()
        keys.retire(kek)
        monkeypatch.setattr(keys, "current", lambda: kek)
        with pytest.raises(Stale, match="was retired meanwhile"):
            keys.keep(uuid.uuid4(), keys.new_file_key())
        assert not FileKeyWrap.objects.exists()


class TestFileKey:
    def test_is_refused_for_what_has_none(self) -> None:
        with pytest.raises(KeyUnusable, match=r"There is no key for this item\."):
            keys.file_key(uuid.uuid4())

    @pytest.mark.parametrize(
        "change",
        [{"blob": bytes(44)}, {"key_id": "2000"}, {"subject": uuid.UUID(int=7)}],
        ids=lambda change: next(iter(change)),
    )
    def test_is_refused_once_the_row_was_changed(self, change: dict[str, Any]) -> None:
        wrap = keys.keep(uuid.uuid4(), keys.new_file_key())
        FileKeyWrap.objects.filter(pk=wrap.pk).update(**change)
        with pytest.raises(KeyUnusable):
            keys.file_key(change.get("subject", wrap.subject))

    def test_of_one_item_does_not_open_by_the_wrap_of_another(self) -> None:
        one, other = (keys.keep(uuid.uuid4(), keys.new_file_key()) for _ in range(2))
        FileKeyWrap.objects.filter(pk=one.pk).update(blob=bytes(other.blob))
        with pytest.raises(KeyUnusable, match=UNOPENED):
            keys.file_key(one.subject)


class TestRewrapDue:
    @pytest.mark.usefixtures("small")
    def test_moves_all_to_a_new_key_in_batches_of_one_event_each(
        self, retired: Kek, kept: Kept
    ) -> None:
        while keys.rewrap_due():
            pass
        heir = keys.current()
        assert heir.key_id == f"{retired.key_id}-2"
        assert (keys.wraps(retired).count(), keys.wraps(heir).count()) == (0, 5)
        assert opened(kept) == kept
        assert events("kek.rewrapped") == [
            ("kek.rewrapped", "system:worker", {"heir": str(heir.pk), "wraps": count})
            for count in (2, 2, 1)
        ]

    def test_does_nothing_while_no_key_is_retired(self, kept: Kept) -> None:
        assert keys.rewrap_due() == 0
        assert events("kek.rewrapped") == []

    @pytest.mark.usefixtures("small")
    def test_loses_nothing_where_it_is_cut_short(
        self, retired: Kek, kept: Kept, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = lifecycle.finish
        left = iter([None, OSError("the worker is gone")])

        def cut(row: Work) -> None:
            if error := next(left, None):
                raise error
            finish(row)

        monkeypatch.setattr(lifecycle, "finish", cut)
        keys.rewrap_due()  # one batch, then
        keys.rewrap_due()  # nothing: the second batch was rolled back whole
        assert keys.wraps(retired).count() == 3
        assert opened(kept) == kept
        Work.objects.update(available_at=timezone.now())
        while keys.rewrap_due():
            pass
        assert keys.wraps(retired).count() == 0
        assert opened(kept) == kept

    def test_lets_go_of_what_was_shredded_while_it_was_moved(
        self, retired: Kek, kept: Kept
    ) -> None:
        kek = keys.moving().get()
        ready = keys._rewrapped(kek)
        gone = keys.wraps(retired)[0]
        FileKeyWrap.objects.filter(pk=gone.pk).delete()
        keys._move(kek, ready)
        assert not FileKeyWrap.objects.filter(subject=gone.subject).exists()
        assert keys.wraps(keys.current()).count() == 4

    def test_moves_nothing_under_an_heir_that_was_retired_meanwhile(
        self, retired: Kek, kept: Kept
    ) -> None:
        ready = keys._rewrapped(retired)
        keys.retire(ready[0])
        with pytest.raises(Stale):
            keys._move(retired, ready)

    def test_waits_for_a_provider_that_is_away(
        self, retired: Kek, kept: Kept, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys.current()

        class Away:
            def rewrap(self, blob: bytes, was: Context, now: Context) -> bytes:
                raise KeeperAway

        with monkeypatch.context() as patch:
            patch.setattr(providers, "_loaded", lambda kind, options: Away())
            assert keys.rewrap_due() == 0
        (owed,) = lifecycle.failing()
        assert owed.last_error == KeeperAway().message
        Work.objects.update(available_at=timezone.now())
        assert keys.rewrap_due() == 1
        assert opened(kept) == kept

    def test_moves_what_another_provider_kept(
        self, kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        keys.retire(keys.current())
        keepers = {
            "local": providers.load("local", {}),
            "vault": providers.load("local", {"folder": str(tmp_path)}),
        }
        monkeypatch.setattr("django.conf.settings.KEY_PROVIDERS", {"vault": {}, "local": {}})
        monkeypatch.setattr(providers, "_loaded", lambda kind, options: keepers[kind])
        assert keys.rewrap_due() == 1
        assert {*FileKeyWrap.objects.values_list("provider", flat=True)} == {"vault"}
        assert opened(kept) == kept


class TestDestroyDue:
    def test_destroys_a_key_that_has_wrapped_nothing_for_long(
        self, retired: Kek, kept: Kept, settings: Any
    ) -> None:
        keys.rewrap_due()
        path = settings.KEYS_DIR / f"kek-{retired.key_id}"
        assert keys.destroy_due() == 0
        Kek.objects.filter(pk=retired.pk).update(retired_at=timezone.now() - keys.GRACE)
        assert path.exists()
        assert keys.destroy_due() == 1
        retired.refresh_from_db()
        assert (retired.state, path.exists()) == (State.DESTROYED, False)
        assert events("kek.destroyed")[0][:2] == ("kek.destroyed", "system:worker")
        assert opened(kept) == kept

    def test_spares_a_key_that_wraps_something(self, retired: Kek, kept: Kept) -> None:
        assert keys.destroy_due(grace=timedelta(0)) == 0
        assert opened(kept) == kept


class TestOpenOne:
    def test_is_content_with_a_key_that_wraps_nothing(self) -> None:
        keys.open_one(keys.current())

    def test_refuses_a_key_that_does_not_open_what_it_closed(
        self, kept: Kept, settings: Any
    ) -> None:
        kek = keys.current()
        (settings.KEYS_DIR / f"kek-{kek.key_id}").unlink()
        with pytest.raises(KeyUnusable):
            keys.open_one(kek)


class TestNewKeys:
    @pytest.mark.parametrize(("new", "size"), [(keys.new_file_key, 16), (keys.new_seed, 32)])
    def test_are_drawn_anew_and_long_enough(self, new: Callable[[], bytes], size: int) -> None:
        drawn = {new() for _ in range(9)}
        assert len(drawn) == 9
        assert {len(each) for each in drawn} == {size}
