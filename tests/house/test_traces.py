"""Everything leaves its trace: every address, command and room, or the table says why it need not.

And no trace says in public more than codes: who, what, which record, when.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.core.management import get_commands
from django.test import Client
from test_addresses import ADDRESSES, sample
from test_rules_of_the_house import VERBS

from compliance.admin.desk import Desk
from compliance.audit import entries
from compliance.audit.entries import AuditEntry
from compliance.lifecycle import Work
from compliance.models import AuditEntry as Logged
from compliance.roles import Permission, User
from config.celery import BELLS
from referrals.docket import Referral
from referrals.management.commands import work
from tests.cast import PASSWORD
from tests.referrals.api.conftest import Program

REFERRALS = "api/v1/referrals"
ONE = f"{REFERRALS}/{sample('<str:x>')}"
EXHIBIT = f"admin/compliance/item/{sample('<str:x>')}/"
UPLOADS = f"admin/compliance/finding/{sample('<uuid:x>')}/uploads/"

# Addresses that leave no event, and why that is right.
SILENT = {
    ".well-known/oauth-authorization-server": "says how to sign in; the same to everybody",
    "api/schema": "says how to call; the same to everybody",
    "log/checkpoint": "public, and an event would make it another",
    "log/tile/1": "public hashes",
    "admin/": "names what waits; each record behind it is a page with an event",
    "admin/jsi18n/": "words of the buttons",
    "admin/autocomplete/": "no desk has a field that completes itself: answers 403",
    "admin/r/nothing/nothing/": "no record has an address outside the desk: answers 404",
    "admin/password_change/done/": "says that it is done",
    sample("admin/compliance/auditentry/<str:x>/proof/"): "auditentry.shown: test_log.py",
    sample("admin/compliance/auditentry/<str:x>/public/"): "auditentry.shown: test_log.py",
    f"{UPLOADS}{sample('<uuid:x>')}/": "what is missing of one's own upload",
    REFERRALS: "an agency's own numbers and states, asked for every few seconds",
    f"{ONE}/receipt": "the proof of an event that the agency was told of; it holds codes only",
}
# Addresses of the API, what is sent there if anything is, and what that leaves.
CALLED: dict[str, tuple[dict[str, str] | None, str]] = {
    ONE: (None, "referral.read"),
    f"{ONE}/bundle": (None, "bundle.collected"),
    f"{ONE}/information-requests": (
        {
            "asks": "preservation",
            "legal_process": "preservation_letter",
            "process_reference": "7",
        },
        "informationrequest.received",
    ),
    f"{ONE}/acknowledge": ({"agency_reference": "SZ-17"}, "referral.acknowledged"),
}
# Rooms beside the pages of the desk, and what is left there: walked in tests/compliance/admin.
ROOMS = {
    f"admin/referrals/referral/{sample('<str:x>')}/custody/": "referral.shown: test_custody.py",
    f"{EXHIBIT}view/": "item.shown",
    f"{EXHIBIT}content/": "evidence.viewed",
    f"{EXHIBIT}copy/": "evidence.viewed",
    UPLOADS: "upload.begun",
    f"{UPLOADS}{sample('<uuid:x>')}/parts/{sample('<int:x>')}/": "upload.continued",
    f"{UPLOADS}{sample('<uuid:x>')}/complete/": "evidence.attached",
}
# Steps of a desk that do more than call one verb, and the verb that leaves the event.
AROUND = {
    "admin._record": "findings.record",
    "exhibits._open": "evidence.read",  # once the password is given
    "sheet._handed_over": "provenance.export",
    "counsel._resolve": "conflicts.resolve",
    "rulebooks._submit": "drafts.submit",
    "rulebooks._rewrite": "drafts.draft",
}
# Commands, and what they leave.
COMMANDS = {
    "demo": "the events of every room",
    "work": "the events of every room",
    "up": "the events of desk and worker, which it runs",
    "erase": "auditentry.erased",
    "export_audit": "log.exported",
    "keygen": "kek.created, of a key-encryption key that it made; a use of the others is an event",
    "export_escrow": "nothing: it opens nothing; whoever has the key in the safe does",
    "shredding_certificate": "nothing: it writes again what an event certified",
    "rotate_kek": "kek.retired, kek.rewrapped, kek.destroyed",
    "open_bundle": "nothing: an agency runs it, without a database",
    "transparency_report": "transparencyreport.made, once: what it prints is public",
    "rulebook": "nothing: it reads the law, which is public, and takes no step",
    "verify_audit": "nothing: whoever checks the log may have no right to write it",
    "verify_receipt": "nothing: it runs without a database",
}
# What the worker calls, and the event of each effect.
WORK = {
    "releases.take_in_due": "release.shipped",
    "determinations.propose_due": "determination.proposed",
    "preservation.place_due": "hold.placed",
    "requests.weigh_due": "",  # prolonged: tests/compliance/test_requests.py
    "docket.enter_due": "referral.entered",
    "retractions.retract_due": "",  # of what was overturned: tests/referrals/test_retractions.py
    "bundles.seal_due": "referral.sealed",
    "delivery.deliver_due": "referral.delivered",
    "clients.sweep_due": "",  # what has expired says nothing any more
    "checkpoints.seal_due": "",  # the log itself: an event would want to be sealed again
    "anchors.cosign_due": "",  # so would a cosignature
    "anchors.stamp_due": "",  # and a stamp
    "evidence.sweep_due": "",  # upload.swept: tests/compliance/test_evidence.py
    "shredding.shred_due": "",  # shredding.shredded: tests/referrals/test_shredding.py
    "agencies.warn_due": "",  # agencykey.warned: tests/referrals/test_agencies.py
    "escrow.escrow_due": "",  # kek.escrowed: tests/compliance/vault/test_escrow.py
    "keys.rewrap_due": "",  # kek.rewrapped: tests/compliance/vault/test_keys.py
    "keys.destroy_due": "",  # kek.destroyed: the same
}
DESKS = [desk for desk in admin.site._registry.values() if isinstance(desk, Desk)]
OBJECT = r"[a-z]+\.[a-z]+:(?:\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
PUBLIC = {
    "v": r"1",
    "id": r"\d+",
    "ts": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "event": r"[a-z]+\.[a-z_]+",
    "obj": OBJECT,
    "actor": r"anonymous|user:\d+|(?:liaison|system|command):[a-z0-9_-]+",
    "cid": r"[0-9a-f]{32}|None",
    "c": r"[0-9a-f]{64}",
}


def is_bare(entry: AuditEntry) -> bool:
    """Tell whether the public part holds codes and nothing else."""
    said = json.loads(entries.public_data(entry))
    return said.keys() == PUBLIC.keys() and all(
        re.fullmatch(form, str(said[name])) for name, form in PUBLIC.items()
    )


@pytest.fixture
def left(db: None) -> Callable[[], list[str]]:
    """Say which events came since the last time, each of them bare."""
    seen: set[int] = set()

    def news() -> list[str]:
        new = list(AuditEntry.objects.exclude(pk__in=seen).order_by("pk"))
        seen.update(entry.pk for entry in new)
        assert all(map(is_bare, new))
        return [entry.event for entry in new]

    return news


@pytest.fixture
def reader(carla: User, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Somebody who may read every page of the desk."""
    monkeypatch.setattr(User, "may", lambda self, permission: True)
    browser = Client()
    browser.force_login(carla)
    return browser


def of_desks() -> Iterator[str]:
    """Return the addresses of all desks: their lists, pages, beginnings and steps."""
    for desk in DESKS:
        here = f"admin/{desk.opts.app_label}/{desk.opts.model_name}/"
        steps = [*desk.steps, *([desk.begin] if desk.begin else [])]
        yield from (here, sample(f"{here}<str:object_id>/"), f"admin/{desk.opts.app_label}/")
        yield sample(f"{here}<str:object_id>/history/")
        yield from (sample(f"{here}<str:object_id>/{step.name}/") for step in steps)
        yield from (f"{here}{step.name}/" for step in steps)


class TestAddresses:
    def test_are_all_walked_here_or_silent_for_a_reason(self) -> None:
        doors = {"admin/login/", "admin/logout/", "admin/password_change/", "api/token"}
        known = {*SILENT, *CALLED, *ROOMS, *doors, *of_desks()}
        assert set(ADDRESSES) - known == set()
        assert {*SILENT, *CALLED, *ROOMS, *doors} <= set(ADDRESSES)

    def test_of_lists_and_pages_leave_who_read_them(
        self, reader: Client, delivered: Referral, carla: User, left: Callable[[], list[str]]
    ) -> None:
        Work.objects.create(key="sample", topic="none", subject=delivered.pk, cid="0" * 32)
        left()
        for desk in DESKS:
            name, here = (
                desk.opts.model_name,
                f"/admin/{desk.opts.app_label}/{desk.opts.model_name}/",
            )
            assert reader.get(here).status_code == 200
            assert left() == [f"{name}.listed"]
            record = desk.model._default_manager.first()
            if record is not None:
                assert reader.get(f"{here}{record.pk}/").status_code == 200, here
                assert left() == [f"{name}.shown"]
                assert reader.get(f"{here}{record.pk}/history/").status_code == 200, here
                assert left() == [f"{name}.traced"]

    def test_that_search_keep_what_was_asked_to_themselves(
        self, reader: Client, left: Callable[[], list[str]]
    ) -> None:
        left()
        reader.get("/admin/compliance/finding/?q=A+name%00é")
        assert left() == ["finding.listed"]
        entry = AuditEntry.objects.get(event="finding.listed")
        assert entry.additional_data == {"asked": "q=A+name%00%C3%A9"}

    @pytest.mark.parametrize("name", ["list_", "show"])
    def test_show_no_page_whose_reading_cannot_be_put_on_record(
        self, reader: Client, carla: User, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        def broken(*args: Any, **kwargs: Any) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(f"compliance.readings.{name}", broken)
        reader.raise_request_exception = False
        last = Logged.objects.first()
        where = "" if name == "list_" else f"{last and last.pk}/"
        answer = reader.get(f"/admin/compliance/auditentry/{where}")
        assert answer.status_code == 500
        assert "user.created" not in answer.content.decode()

    def test_of_steps_call_verbs_that_leave_an_event(self) -> None:
        verbs = {
            f"{re.sub(r'.*/|[.]py', '', module)}.{name}"
            for module, names in VERBS.items()
            for name in names
        }
        for desk in DESKS:
            for step in [*desk.steps, *([desk.begin] if desk.begin else [])]:
                module = step.verb.__module__.rpartition(".")[2]
                called = f"{module}.{step.verb.__name__}"
                assert AROUND.get(called, called) in verbs, (desk, step.name, called)

    def test_of_the_api_leave_what_the_agency_did(
        self, lee: Any, liaison_key: Any, delivered: Referral, left: Callable[[], list[str]],
        settings: Any,
    ) -> None:  # fmt: skip
        cache.clear()
        settings.BASE_URL = "http://localhost:8000"
        program = Program(lee.client_id, liaison_key)
        left()
        assert program.token
        assert left() == ["liaisonclient.signed_in"]
        digest = {"receipt_sha256": delivered.bundle.sha256}
        for address, (said, event) in CALLED.items():
            where = f"/{address.replace(ONE, f'{REFERRALS}/{delivered.pk}')}"
            if said is None:
                answer = program.get(where)
            else:
                told = {"If-Match": f'"{delivered.version}"', "Idempotency-Key": event}
                said |= digest if "agency_reference" in said else {}
                answer = program.post(where, said, headers=told)
            assert answer.status_code == 200, answer.content
            assert event in left()

    def test_of_the_api_leave_whom_they_did_not_let_in(
        self, lee: Any, liaison_key: Any, other: Any, left: Callable[[], list[str]], settings: Any
    ) -> None:
        cache.clear()
        settings.BASE_URL = "http://localhost:8000"
        program, stranger = Program(lee.client_id, liaison_key), Program("nobody", other)
        assert program.token
        left()
        assert stranger.ask_token().status_code == 401
        assert program.ask_token(proof="").status_code == 400
        assert program.get(proof=stranger.proof("GET", f"/{REFERRALS}")).status_code == 401
        assert left() == ["liaisonclient.refused"] * 3
        who = AuditEntry.objects.filter(event="liaisonclient.refused").order_by("pk")
        assert [(entry.actor_ref, entry.object_pk) for entry in who] == [
            ("anonymous", "0"), ("liaison:lee", str(lee.pk)), ("anonymous", str(lee.pk)),
        ]  # fmt: skip

    @pytest.fixture
    def other(self, liaison_key: Any) -> Any:
        return type(liaison_key).generate_key("Ed25519")


class TestDoors:
    def test_leave_who_came_went_and_changed_a_password(
        self, carla: User, left: Callable[[], list[str]]
    ) -> None:
        browser = Client(REMOTE_ADDR="192.0.2.9")
        left()
        browser.post("/admin/login/", {"username": "carla", "password": PASSWORD})
        assert left() == ["user.signed_in"]
        new = {"new_password1": "a-new-horse-battery", "new_password2": "a-new-horse-battery"}
        browser.post("/admin/password_change/", {"old_password": PASSWORD, **new})
        assert left() == ["user.password_changed"]
        browser.post("/admin/logout/")
        assert left() == ["user.signed_out"]
        browser.post("/admin/logout/")
        assert left() == []
        last = AuditEntry.objects.filter(object_pk=str(carla.pk)).first()
        assert last is not None
        assert (last.actor_ref, last.remote_addr) == (f"user:{carla.pk}", "192.0.2.9")

    @pytest.mark.parametrize(
        ("typed", "named"), [("carla", True), ("a-password-typed-in-haste", False), ("", None)]
    )
    def test_leave_who_did_not_get_in_without_what_was_typed(
        self, carla: User, left: Callable[[], list[str]], typed: str, named: bool | None
    ) -> None:
        left()
        Client().post("/admin/login/", {"username": typed, "password": "a-wrong-password"})
        assert left() == ([] if named is None else ["user.sign_in_failed"])
        for entry in AuditEntry.objects.filter(event="user.sign_in_failed"):
            assert entry.object_pk == (str(carla.pk) if named else "0")
            assert entry.actor_ref == "anonymous"
            said = str([getattr(entry, name) for name in ("additional_data", *entries.PRIVATE)])
            assert "haste" not in said
            assert "wrong" not in said


class TestCommands:
    def test_are_all_in_the_table(self) -> None:
        ours = {name for name, app in get_commands().items() if app in ("compliance", "referrals")}
        assert ours == set(COMMANDS)


class TestWorker:
    def test_calls_what_the_table_names(self) -> None:
        called = {f"{room.__module__.rpartition('.')[2]}.{room.__name__}" for room in work.ROOMS}
        assert called == set(WORK)
        assert len(BELLS) >= len(called) - 1

    def test_leaves_an_event_of_each_effect(self, delivered: Referral) -> None:
        """The scene was played by the worker, room by room, but for the hold."""
        work.pass_through()
        events = dict(AuditEntry.objects.values_list("event", "actor_ref"))
        for event in filter(None, WORK.values()):
            assert events[event] in ("system:worker", "system:upgrade"), event
        assert all(map(is_bare, AuditEntry.objects.all()))

    def test_leaves_what_failed(self, signed: Any, left: Callable[[], list[str]]) -> None:
        left()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("compliance.preservation.Hold.objects.create", lambda **told: 1 / 0)
            work.pass_through()
        assert "work.failed" in left()
        failed = AuditEntry.objects.filter(event="work.failed")
        assert {"error": "ZeroDivisionError"} in [entry.additional_data for entry in failed]


class TestPublicPart:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("object_pk", "ana@example.org"),
            ("actor_ref", "user:ana"),
            ("cid", "192.0.2.1"),
            ("event", "finding.seen by ana"),
        ],
    )
    def test_is_not_bare_with_a_name_or_an_address_in_it(
        self, ana: User, name: str, value: str
    ) -> None:
        entry = AuditEntry.objects.latest()
        assert is_bare(entry)
        setattr(entry, name, value)
        assert not is_bare(entry)

    def test_lets_every_role_be_granted_in_codes(self) -> None:
        assert all(re.fullmatch(r"[a-z_]+", step) for step in Permission)
