"""Roles: who may take which step, spelled out once more and by hand."""

from collections.abc import Callable

import pytest
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
enrol_agency        .         .        .        x
approve_agency      .         x        .        x
read_log            .         x        x        .
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
