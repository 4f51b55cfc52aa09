"""Roles: who may take which step, spelled out once more and by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as Permit
from django.contrib.auth.signals import user_logged_out
from django.db import IntegrityError, transaction

from compliance import roles
from compliance.audit.entries import AuditEntry
from compliance.errors import NotPermitted
from compliance.roles import Permission, Role, User

pytestmark = pytest.mark.usefixtures("worker")

# One row a step, one column a role, x = may. Read it aloud to counsel before changing it.
TABLE = """
                    reviewer  counsel  auditor  custodian
record_finding      x         .        .        .
confirm_finding     x         .        .        .
view_evidence       x         x        .        .
assert_fact         x         x        .        .
sign_determination  .         x        .        .
propose_retraction  x         x        .        .
sign_retraction     .         x        .        .
sign_profile        .         x        .        .
draft_rules         .         x        .        .
approve_rules       .         x        .        .
release_hold        .         x        .        .
close_referral      .         x        .        .
record_process      x         x        .        .
decide_process      .         x        .        .
propose_shredding   .         x        .        x
approve_shredding   .         x        .        .
record_request      x         x        .        .
answer_request      .         x        .        .
enrol_agency        .         .        .        x
approve_agency      .         x        .        x
read_log            .         x        x        .
ask_erasure         .         .        .        x
approve_erasure     .         x        .        .
view_matter         x         x        .        .
view_register       x         x        x        x
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [
    (role, step, mark == "x")
    for step, *marks in ROWS
    for role, mark in zip(HEAD, marks, strict=True)
]


class TestMay:
    def test_is_asked_here_for_every_role_and_every_step(self) -> None:
        assert {(role, step) for role, step, _ in CELLS} == {
            (role, step) for role in Role.values for step in Permission
        }

    @pytest.mark.parametrize(("role", "step", "allowed"), CELLS)
    def test_answers_as_the_table_says(self, role: str, step: str, allowed: bool) -> None:
        assert User(role=role).may(Permission(step)) is allowed

    @pytest.mark.parametrize("step", list(Permission))
    def test_is_no_for_whoever_has_left_or_never_had_a_role(self, step: Permission) -> None:
        assert not any(User(role=role, is_active=False).may(step) for role in Role)
        assert not User(role="").may(step)


class TestRequire:
    def test_lets_whoever_may_pass(self) -> None:
        roles.require(User(role=Role.AUDITOR), Permission.READ_LOG)

    def test_names_the_role_and_the_step(self) -> None:
        with pytest.raises(NotPermitted, match=r"^The role auditor may not close referral\.$"):
            roles.require(User(role=Role.AUDITOR), Permission.CLOSE_REFERRAL)

    def test_speaks_of_no_role_when_there_is_none(self) -> None:
        with pytest.raises(NotPermitted, match="The role none may not read log"):
            roles.require(User(role=""), Permission.READ_LOG)


class TestCreateSuperuser:
    def test_makes_a_person_like_all_others(self, person: Callable[[str, str], User]) -> None:
        otto = person("otto", Role.AUDITOR)
        assert otto.is_staff
        assert not otto.is_superuser
        assert otto.check_password("correct-horse-battery")
        assert not otto.may(Permission.RECORD_FINDING)

    def test_keeps_the_password_out_of_the_log(self, otto: User) -> None:
        otto.set_password("another-horse-battery")
        otto.save()
        assert otto.password not in str(list(AuditEntry.objects.values()))


class TestSave:
    def events(self, otto: User) -> list[tuple[str, Any]]:
        about = AuditEntry.objects.filter(object_pk=str(otto.pk), action=AuditEntry.Action.ACCESS)
        return list(about.order_by("pk").values_list("event", "additional_data"))

    def test_leaves_the_event_of_a_grant_with_both_standings(self, otto: User) -> None:
        otto.role = Role.COUNSEL
        otto.save()
        otto.is_active = False
        otto.save()
        otto.is_active = True
        otto.save()
        was = {"role": "auditor", "is_staff": True, "is_active": True}
        now = was | {"role": "counsel"}
        gone = now | {"is_active": False}
        assert self.events(otto) == [
            ("user.granted", {"was": was, "now": now}),
            ("user.deactivated", {"was": now, "now": gone}),
            ("user.activated", {"was": gone, "now": now}),
        ]

    def test_leaves_none_of_what_is_not_saved_or_not_another(self, otto: User) -> None:
        otto.role = Role.COUNSEL
        otto.save(update_fields=["first_name"])
        otto.refresh_from_db()
        otto.save()
        assert self.events(otto) == []

    def test_tells_a_new_password_from_a_new_hash_of_the_old_one(
        self, otto: User, settings: Any
    ) -> None:
        otto.set_password("another-horse-battery")
        otto.save()
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS
        ]  # fmt: skip
        assert otto.check_password("another-horse-battery")
        assert self.events(otto) == [
            ("user.password_changed", None), ("user.password_rehashed", None)
        ]  # fmt: skip

    def test_is_refused_with_its_event(self, otto: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*args: Any, **kwargs: Any) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(roles.audit, "record", broken)
        otto.role = Role.COUNSEL
        with pytest.raises(OSError, match="full"):
            otto.save()
        assert User.objects.get(pk=otto.pk).role == Role.AUDITOR

    def test_leaves_whom_it_put_into_a_group_and_what_that_may(self, otto: User) -> None:
        group = Group.objects.create(name="a group")
        group.permissions.add(Permit.objects.first())  # type: ignore[arg-type]
        otto.groups.add(group)
        events = AuditEntry.objects.filter(changes__isnull=False).order_by("pk")
        told = [(entry.event, sorted(entry.changes)) for entry in events]
        assert told[-3:] == [
            ("group.created", ["id", "name"]),
            ("group.updated", ["permissions"]),
            ("user.updated", ["groups"]),
        ]


class TestProveAgain:
    def test_is_on_record(self, otto: User) -> None:
        roles.prove_again(by=otto)
        entry = AuditEntry.objects.get(event="user.proved_again")
        assert (entry.actor_ref, entry.object_pk) == (f"user:{otto.pk}", str(otto.pk))


class TestSignOut:
    def test_of_somebody_whom_the_session_no_longer_knows_leaves_nothing(self, db: None) -> None:
        user_logged_out.send(sender=None, request=None, user=None)
        assert not AuditEntry.objects.filter(event="user.signed_out").exists()


class TestTheDatabase:
    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"is_superuser": True}, "user_is_never_above_the_roles"),
            ({"role": "emperor"}, "user_has_a_known_role"),
        ],
    )
    def test_refuses_a_person_above_or_beside_the_roles(
        self, otto: User, change: dict[str, object], name: str
    ) -> None:
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            User.objects.filter(pk=otto.pk).update(**change)

    def test_refuses_two_people_with_one_address(self, otto: User, ana: User) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=ana.pk).update(email=otto.email)
