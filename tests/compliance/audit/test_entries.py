"""Entries: what is written, by whom, once, and so that it can be derived again from the table."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from auditlog.diff import model_instance_diff
from auditlog.registry import auditlog
from django.db import connection, models, transaction
from django.test.utils import isolate_apps
from django.utils import timezone
from hypothesis import given, strategies

from compliance import audit
from compliance.audit import entries, tree
from compliance.audit.context import NobodyActs, acting
from compliance.audit.entries import AppendOnly, AuditEntry, AuditOutbox
from compliance.errors import Malformed


def stored(entry):
    return AuditEntry.objects.get(pk=entry.pk)


def owed(entry):
    return bytes(AuditOutbox.objects.get(entry=entry).hash)


def rederived(entry):
    """Say what is wrong with an entry, as the table returns it."""
    return entries.fault(stored(entry), owed(entry))


LOST = "has lost its private part, and nobody erased it"


class TestRecord:
    def test_it_says_who_did_what_to_which_record_and_why(self, ana):
        with acting("system:worker", cid="c1", remote_addr="192.0.2.1"):
            entry = stored(
                audit.record("evidence.viewed", ana, by=ana, purpose="review", start=0, stop=9)
            )
        assert entry.event == "evidence.viewed"
        assert (entry.actor, entry.actor_ref, entry.actor_email) == (
            ana,
            f"user:{ana.pk}",
            ana.email,
        )
        assert (entry.cid, entry.remote_addr, entry.purpose) == ("c1", "192.0.2.1", "review")
        assert (entry.object_pk, entry.object_id, entry.object_repr) == (str(ana.pk), ana.pk, "ana")
        assert entry.additional_data == {"start": 0, "stop": 9}
        assert entry.action == AuditEntry.Action.ACCESS
        assert str(entry) == f"entry {entry.pk} evidence.viewed"

    def test_without_a_person_the_context_acts(self, ana):
        with acting("system:worker", purpose="sealing"):
            entry = stored(audit.record("bundle.sealed", ana, by=None))
        assert (entry.actor, entry.actor_ref, entry.actor_email) == (None, "system:worker", None)
        assert (entry.purpose, entry.additional_data) == ("sealing", None)

    def test_a_liaison_client_is_named_in_a_column_of_its_own(self, ana):
        with acting(client="lee"):
            entry = stored(audit.record("referral.acknowledged", ana, by=None))
        assert (entry.actor_ref, entry.liaison_client) == ("liaison:lee", "lee")

    def test_when_nobody_acts_nothing_is_written(self, ana):
        before = AuditEntry.objects.count()
        with pytest.raises(NobodyActs):
            audit.record("bundle.sealed", ana, by=None)
        assert AuditEntry.objects.count() == before

    @pytest.mark.parametrize("event", ["", "sealed", "Bundle.sealed", "bundle.sealed by ana"])
    def test_an_event_is_a_noun_and_a_verb(self, ana, event):
        with acting("system:worker"), pytest.raises(Malformed, match="is no event"):
            audit.record(event, ana, by=None)

    @pytest.mark.parametrize(
        ("detail", "problem"),
        [
            ({"share": 0.5}, "no floats"),
            ({"digest": b"raw"}, "as text, not bytes"),
            ({"when": {"größe": 1}}, "are ASCII"),
            ({"ids": [[1.5]]}, "no floats"),
            ({"name": "\ud800"}, "whole characters"),
        ],
    )
    def test_detail_without_one_json_form_is_refused(self, ana, detail, problem):
        with pytest.raises(Malformed, match=problem):
            audit.record("finding.recorded", ana, by=ana, **detail)

    def test_ids_are_written_as_text(self, ana):
        entry = audit.record("finding.recorded", ana, by=ana, item=UUID(int=5))
        assert stored(entry).additional_data == {"item": "00000000-0000-0000-0000-000000000005"}

    def test_a_failed_transaction_leaves_nothing(self, ana):
        before = AuditEntry.objects.count(), AuditOutbox.objects.count()
        with transaction.atomic():
            audit.record("finding.recorded", ana, by=ana)
            transaction.set_rollback(True)
        assert (AuditEntry.objects.count(), AuditOutbox.objects.count()) == before


class TestDerivation:
    """Every column, read back, leads to the same leaf: the property the whole log stands on."""

    @pytest.mark.parametrize(
        "address", ["192.0.2.7", "2001:db8::1", "::1.2.3.4", "::ffff:192.0.2.7"]
    )
    def test_an_address_has_one_form(self, ana, address):
        with acting("system:worker", remote_addr=address):
            entry = audit.record("finding.recorded", ana, by=None)
        assert rederived(entry) is None

    @given(
        purpose=strategies.text(strategies.characters(codec="utf-8", exclude_characters="\x00")),
        detail=strategies.dictionaries(
            strategies.sampled_from(["a", "B", "ids", "sha256"]),
            strategies.recursive(
                strategies.none()
                | strategies.booleans()
                | strategies.integers(-(2**53), 2**53)
                | strategies.uuids()
                | strategies.text(strategies.characters(codec="utf-8", exclude_characters="\x00")),
                lambda inner: (
                    strategies.lists(inner, max_size=3).map(tuple)
                    | strategies.dictionaries(
                        strategies.sampled_from(["x", "Y"]), inner, max_size=2
                    )
                ),
                max_leaves=5,
            ),
        ),
        moment=strategies.datetimes(
            datetime(2000, 1, 1),  # noqa: DTZ001
            datetime(2100, 1, 1),  # noqa: DTZ001
            timezones=strategies.timezones(),
        ),
    )
    @pytest.mark.slow
    def test_whatever_was_said_comes_back(self, ana, purpose, detail, moment):
        entry = AuditEntry(
            event="finding.recorded",
            content_type=audit.record("user.seen", ana, by=ana).content_type,
            object_pk=ana.pk,
            additional_data=detail,
            purpose=purpose,
            timestamp=moment,
            actor=ana,
        )
        entry.save()
        assert rederived(entry) is None
        assert entries.public_data(stored(entry)) == entries.public_data(entry)

    def test_the_entries_that_auditlog_makes_come_back_too(self, ana):
        with acting("system:worker"):
            ana.first_name = "Ana"
            ana.save()
        for entry in AuditEntry.objects.all():
            assert rederived(entry) is None

    def test_the_salt_hides_equal_entries_from_each_other(self, ana):
        first, second = (audit.record("finding.recorded", ana, by=ana) for _ in range(2))
        assert first.commitment != second.commitment

    def test_an_erased_entry_is_still_itself(self, ana):
        entry = stored(audit.record("finding.recorded", ana, by=ana, purpose="review"))
        for name in ("salt", *entries.PRIVATE):
            setattr(entry, name, None)
        assert entries.fault(entry, owed(entry)) == LOST
        audit.record(entries.ERASED, entry, by=ana)
        assert entries.fault(entry, owed(entry)) is None

    def test_an_entry_is_erased_wholly_or_not_at_all(self, ana):
        entry = stored(audit.record("finding.recorded", ana, by=ana, purpose="review"))
        audit.record(entries.ERASED, entry, by=ana)
        entry.salt = None
        entry.purpose = "another"
        assert entries.fault(entry, owed(entry)) == LOST

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"remote_addr": "nowhere"}, "private"),
            ({"additional_data": {"a": 1.5}}, "private"),
            ({"content_type_id": 10**6}, "public"),
        ],
    )
    def test_what_no_writer_of_ours_could_have_written_is_a_fault(self, ana, changes, part):
        entry = stored(audit.record("finding.recorded", ana, by=ana))
        for name, value in changes.items():
            setattr(entry, name, value)
        assert entries.fault(entry, owed(entry)).startswith(f"has another {part} part than its ")


class TestPublicData:
    def test_it_is_canonical_and_holds_codes_only(self, ana):
        with acting(user=ana, cid="c1", remote_addr="192.0.2.1"):
            entry = stored(audit.record("finding.recorded", ana, by=ana, purpose="a secret"))
        moment = timezone.localtime(entry.timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert entries.public_data(entry).decode() == (
            f'{{"actor":"user:{ana.pk}","c":"{bytes(entry.commitment).hex()}","cid":"c1",'
            f'"event":"finding.recorded","id":{entry.pk},"obj":"compliance.user:{ana.pk}",'
            f'"ts":"{moment}","v":1}}'
        )

    def test_it_is_what_the_leaf_is_made_of(self, ana):
        entry = audit.record("finding.recorded", ana, by=ana)
        assert owed(entry) == tree.leaf_hash(entries.public_data(stored(entry)))

    def test_a_uuid_stands_as_its_text(self, ana):
        entry = stored(audit.record("finding.recorded", ana, by=ana))
        entry.object_pk = str(UUID(int=5))
        assert json.loads(entries.public_data(entry))["obj"].endswith(f"user:{UUID(int=5)}")


class TestWatch:
    def test_each_change_is_one_entry_with_its_fields(self, person):
        ben = person("ben", "reviewer")
        with acting("system:worker", cid="c9"):
            ben.first_name = "Ben"
            ben.save()
            ben.save()
            pk = ben.pk
            ben.delete()
        made = AuditEntry.objects.filter(object_pk=str(pk)).order_by("pk")
        assert [entry.event for entry in made] == ["user.created", "user.updated", "user.deleted"]
        assert [entry.action for entry in made] == [0, 1, 2]
        assert made[1].changes == {"first_name": ["", "Ben"]}
        assert (made[1].cid, made[1].actor_ref) == ("c9", "system:worker")
        assert all(rederived(entry) is None for entry in made)

    def test_a_password_is_not_in_it(self, ana):
        with acting("system:worker"):
            ana.set_password("correct-horse-battery")
            ana.save()
        assert "password" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))

    @isolate_apps("compliance")
    def test_words_and_bytes_are_left_out(self):
        class Sample(models.Model):
            sealed = models.BinaryField()
            because = models.TextField()
            note = models.CharField(max_length=9)
            kept = models.CharField(max_length=9)

            class Meta:
                app_label = "compliance"

            def __str__(self):
                return "sample"

        try:
            assert audit.watch(Sample, exclude=("note",)) is Sample
            new = Sample(sealed=b"\xff", because="Ana said so.", note="n", kept="k")
            diff = model_instance_diff(None, new)
        finally:
            auditlog.unregister(Sample)
        assert diff["kept"] == ("None", "k")
        assert not {"sealed", "because", "note"} & set(diff)

    def test_when_nobody_acts_the_change_itself_fails(self, ana):
        ana.first_name = "Ana"
        with pytest.raises(NobodyActs):
            ana.save()


class TestAppendOnly:
    """Refused in words by the ORM; raw SQL meets the triggers (test_append_only)."""

    def test_an_entry_is_not_saved_twice(self, ana):
        entry = stored(audit.record("finding.recorded", ana, by=ana))
        with pytest.raises(AppendOnly, match="only ever added to"):
            entry.save()

    def test_an_entry_is_not_deleted(self, ana):
        with pytest.raises(AppendOnly):
            audit.record("finding.recorded", ana, by=ana).delete()

    def test_nor_are_many(self, ana):
        every = AuditEntry.objects.all()
        for forbidden in (
            lambda: every.update(event="a.b"),
            lambda: every.delete(),
            lambda: AuditEntry.objects.bulk_create([]),
            lambda: AuditEntry.objects.bulk_update([], ["event"]),
        ):
            with pytest.raises(AppendOnly):
                forbidden()

    def test_who_acted_cannot_be_deleted(self, ana):
        audit.record("finding.recorded", ana, by=ana)
        with acting("system:worker"), pytest.raises(models.ProtectedError):
            ana.delete()

    def test_the_stock_table_is_gone(self, db):
        assert "auditlog_logentry" not in connection.introspection.table_names()
        assert "compliance_auditentry" in connection.introspection.table_names()

    def test_a_leaf_says_what_it_is_of(self, ana):
        entry = audit.record("finding.recorded", ana, by=ana)
        assert str(AuditOutbox.objects.get(entry=entry)) == f"leaf of entry {entry.pk}"
