"""Inquiries: Lee asks for more under legal process, Carla answers, and nobody gives orders."""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted, Stale, WrongState
from compliance.roles import User
from compliance.vault import age
from referrals import inquiries
from referrals.agencies import Agency
from referrals.clients import LiaisonClient, Scope
from referrals.docket import Referral
from referrals.inquiries import InformationRequest, State, TaskingNotSupported

LETTER = {"asks": "preservation", "legal_process": "preservation_letter", "process_reference": "7"}


@pytest.fixture
def asked(delivered: Referral, lee: LiaisonClient) -> InformationRequest:
    """Lee's letter, which asks that what is held be kept."""
    return inquiries.receive(delivered, **LETTER, by=lee)


def receive(referral: Referral, by: LiaisonClient, **changes: Any) -> InformationRequest:
    return inquiries.receive(referral, **LETTER | changes, by=by)


class TestReceive:
    def test_puts_on_record_what_is_asked_and_under_which_process(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        request = receive(
            delivered, lee, asks="data", classes=["STAFF"], legal_process="search_warrant",
            process_reference=" 2 Gs 17/26 ", text=" Who saw it? ", version=delivered.version,
        )  # fmt: skip
        assert (request.state, request.client, request.referral) == ("received", lee, delivered)
        assert (request.classes, request.process_reference) == (["STAFF"], "2 Gs 17/26")
        assert request.text == "Who saw it?"
        assert request.number.startswith("Q-")
        entry = AuditEntry.objects.get(event="informationrequest.received")
        assert (entry.actor_ref, entry.object_pk) == ("liaison:lee", str(request.pk))
        assert entry.additional_data == {"referral": str(delivered.pk)}
        assert list(inquiries.about(delivered)) == list(inquiries.waiting()) == [request]

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"asks": "everything"}, "each from its list"),
            ({"legal_process": "a telephone call"}, "each from its list"),
            ({"process_reference": " "}, "process_reference wants 1 to 100"),
            ({"process_reference": "x" * 101}, "process_reference wants 1 to 100"),
            ({"text": "x" * 2001}, "text wants no more than 2000"),
            ({"classes": ["STAFF"]}, "classes is for data alone"),
            ({"asks": "data"}, "of those that the referral withholds"),
            ({"asks": "data", "classes": ["META"]}, "of those that the referral withholds"),
            ({"asks": "data", "classes": ["STAFF", "LIVE"]}, "of those that the referral with"),
        ],
    )
    def test_is_refused_where_it_asks_for_what_nobody_may(
        self, delivered: Referral, lee: LiaisonClient, wrong: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(Malformed, match=told):
            receive(delivered, lee, **wrong)
        assert not InformationRequest.objects.exists()

    def test_is_refused_about_another_version(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        with pytest.raises(Stale):
            receive(delivered, lee, version=delivered.version - 1)

    def test_is_refused_to_another_agency_and_without_the_scope(
        self, delivered: Referral, enrol: Callable[..., Agency], admit: Callable[..., LiaisonClient]
    ) -> None:
        europol = enrol("europol", age.generate_identity())
        stranger = admit(europol, OKPKey.generate_key("Ed25519"), "mia")
        reader = admit(delivered.agency, OKPKey.generate_key("Ed25519"), "kim", scopes=[Scope.READ])
        for client, told in ((stranger, "addressed to another agency"), (reader, "lacks the sco")):
            before = AuditEntry.objects.count()
            with pytest.raises(NotPermitted, match=told):
                receive(delivered, client)
            with pytest.raises(NotPermitted, match=told):
                inquiries.refuse_tasking(delivered, request_sha256="0" * 64, by=client)
            assert AuditEntry.objects.count() == before


class TestRefuseTasking:
    def test_keeps_who_gave_the_order_and_the_digest_of_its_words(
        self, delivered: Referral, lee: LiaisonClient
    ) -> None:
        with pytest.raises(TaskingNotSupported, match="Serve legal process instead"):
            inquiries.refuse_tasking(delivered, request_sha256="0f" * 32, by=lee)
        entry = AuditEntry.objects.get(event="tasking.refused")
        assert (entry.actor_ref, entry.object_pk) == ("liaison:lee", str(delivered.pk))
        assert entry.additional_data == {"agency": "bka", "request": "0f" * 32}
        assert not InformationRequest.objects.exists()


class TestIsTasking:
    @pytest.mark.parametrize(
        "order",
        [
            {"asks": "monitoring"},
            {"asks": " Watch "},
            {"asks": "data", "search": "every account"},
            {"Monitor": "@sample-1", "classes": ["SUB"]},
        ],
    )
    def test_knows_an_order_by_what_it_asks_or_by_a_member_of_its_own(self, order: Any) -> None:
        assert inquiries.is_tasking(order)

    @pytest.mark.parametrize("request_", [LETTER, {}, [], None, "watch", {"text": "watch"}])
    def test_takes_nothing_else_for_one(self, request_: Any) -> None:
        assert not inquiries.is_tasking(request_)


class TestAnswer:
    @pytest.mark.parametrize("verb", ["answer", "refuse"])
    def test_tells_the_agency_what_counsel_says(
        self, verb: str, asked: InformationRequest, carla: User
    ) -> None:
        to = {"answer": State.ANSWERED, "refuse": State.REFUSED}[verb]
        done = getattr(inquiries, verb)(asked, reply=" It is kept. ", version=1, by=carla)
        assert (done.state, done.reply) == (to, "It is kept.")
        assert InformationRequest.objects.get().reply == "It is kept."
        assert getattr(done, f"{to}_by") == carla
        assert AuditEntry.objects.filter(event=f"informationrequest.{to}").count() == 1
        assert not inquiries.waiting().exists()
        with pytest.raises(WrongState):
            inquiries.answer(done, reply="Again.", by=carla)

    def test_wants_a_sentence_and_counsel(
        self, asked: InformationRequest, ana: User, carla: User
    ) -> None:
        with pytest.raises(Malformed, match="Say in a sentence"):
            inquiries.refuse(asked, reply=" ", by=carla)
        with pytest.raises(NotPermitted):
            inquiries.answer(asked, reply="It is kept.", by=ana)
        asked.refresh_from_db()
        assert asked.state == State.RECEIVED
