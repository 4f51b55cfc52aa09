"""The docket and the agencies at the desk."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from compliance import preservation
from compliance.models import Hold
from compliance.roles import User
from compliance.vault import age
from referrals import agencies, clients, inquiries, receipts, retractions
from referrals.agencies import Agency, AgencyKey
from referrals.clients import LiaisonClient
from referrals.docket import Referral
from referrals.retractions import Retraction
from referrals.routes import Route
from tests.cast import NOW
from tests.conftest import desk_of

Sits = Callable[[User], Any]
PRIVATE = json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True))
LATER = {"expires_at": "2998-01-01T00:00", "zone": "UTC"}


@pytest.fixture
def added(cleo: User) -> Agency:
    """An agency that Cleo enrolled and nobody approved."""
    return agencies.enrol(authority="bka", name="Sample desk", by=cleo)


@pytest.fixture
def acknowledged(delivered: Referral, lee: LiaisonClient) -> Referral:
    """The referral, acknowledged by Lee."""
    said = receipts.acknowledge(
        delivered, agency_reference="SZ-17", receipt_sha256=delivered.bundle.sha256, by=lee
    )
    return said.referral


class TestReferral:
    def test_tells_how_far_it_has_come(
        self, sits: Sits, carla: User, acknowledged: Referral
    ) -> None:
        text = sits(carla).reads(acknowledged)
        for told in (
            f"<h1>Referral {acknowledged}</h1>",
            "SZ-17",
            acknowledged.bundle.sha256,
            "identity of reviewers",
            "pickup",
            "First read</dt><dd>",
            f"/admin/compliance/determination/{acknowledged.obligation.determination_id}/",
        ):
            assert told in text, told
        assert "The due time passed" not in text

    def test_tells_what_has_not_happened_yet(
        self, sits: Sits, carla: User, entered: Referral
    ) -> None:
        Referral.objects.update(due_at=None)
        text = sits(carla).reads(entered)
        assert "the law names no time" in text
        assert text.count("<dd>not yet</dd>") == 4
        assert "None yet. A sealed referral is delivered within seconds." in text

    def test_says_that_it_is_late(self, sits: Sits, carla: User, entered: Referral) -> None:
        Referral.objects.update(due_at=entered.entered_at)
        assert "The due time passed before the agency could get it." in sits(carla).reads(entered)


class TestWithdraw:
    def test_keeps_a_referral_from_its_agency(
        self, sits: Sits, carla: User, sealed: Referral
    ) -> None:
        seat = sits(carla)
        assert "step-close" not in seat.reads(sealed)
        page = seat.takes(sealed, "withdraw", because="A parody.")
        sealed.refresh_from_db()
        assert (sealed.state, sealed.withdrawn_by) == ("withdrawn", carla)
        assert page.said == ["The referral is withdrawn; the agency never gets it."]
        assert "by carla: A parody." in page.content.decode()

    def test_shows_what_the_worker_did_meanwhile_and_keeps_the_words(
        self, sits: Sits, carla: User, sealed: Referral
    ) -> None:
        page = sits(carla).takes(sealed, "withdraw", because="A parody.", version=1)
        assert page.said == [
            "Somebody else changed this record since you read it. Read it again, then decide."
        ]
        text = page.content.decode()
        assert "A parody.</textarea>" in text
        assert '<input type="hidden" name="version" value="2"' in text
        sealed.refresh_from_db()
        assert sealed.state == "sealed"

    def test_comes_too_late_after_delivery(
        self, sits: Sits, carla: User, delivered: Referral
    ) -> None:
        seat = sits(carla)
        assert "step-withdraw" not in seat.reads(delivered)
        page = seat.takes(delivered, "withdraw", because="A parody.")
        assert page.said == [f"{delivered} is delivered; it cannot become withdrawn."]


class TestClose:
    @pytest.mark.slow
    def test_ends_what_the_agency_acknowledged(
        self, sits: Sits, carla: User, acknowledged: Referral
    ) -> None:
        seat = sits(carla)
        assert seat.takes(acknowledged, "close", because="").said == [
            "A reason is missing. Say in a sentence why you decide so."
        ]
        page = seat.takes(acknowledged, "close", because="They took it over.")
        acknowledged.refresh_from_db()
        assert (acknowledged.state, acknowledged.closed_by) == ("closed", carla)
        assert "by carla: They took it over." in page.content.decode()

    def test_is_refused_to_reviewers(self, sits: Sits, ana: User, acknowledged: Referral) -> None:
        seat = sits(ana)
        assert "step-close" not in seat.reads(acknowledged)
        assert seat.takes(acknowledged, "close", because="Done.").status_code == 403


class TestEnrol:
    TYPED = {"authority": "europol", "name": "Sample desk", "environment": "test"}

    def test_puts_an_agency_on_record(self, sits: Sits, cleo: User) -> None:
        page = sits(cleo).begins(Agency, "enrol", **self.TYPED)
        agency = Agency.objects.get()
        assert (agency.authority, agency.name, agency.environment) == tuple(self.TYPED.values())
        assert (agency.state, agency.added_by) == ("added", cleo)
        text = page.content.decode()
        assert "<h1>Sample desk</h1>" in text
        assert "Without an approved key nothing can be sealed to this agency." in text
        assert "Without an approved client this agency cannot fetch its referrals." in text

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"name": ""}, "The agency&#x27;s name wants 1 to 200 characters."),
            ({"authority": "ms-authority@DE"}, "Select a valid choice. ms-authority@DE is not"),
            ({"authority": ""}, "This field is required."),
            ({"environment": "moon"}, "Select a valid choice. moon is not"),
        ],
    )
    def test_keeps_what_was_typed_when_it_is_refused(
        self, sits: Sits, cleo: User, changes: dict[str, str], sentence: str
    ) -> None:
        page = sits(cleo).begins(Agency, "enrol", **self.TYPED | changes)
        assert page.status_code == 400
        assert sentence in page.content.decode()
        assert "name" in changes or 'value="Sample desk"' in page.content.decode()
        assert not Agency.objects.exists()

    def test_happens_once_for_an_authority(self, sits: Sits, cleo: User, added: Agency) -> None:
        page = sits(cleo).begins(Agency, "enrol", **self.TYPED | {"authority": "bka"})
        assert b"An agency is enrolled for bka already." in page.content

    def test_offers_no_authority_that_stands_for_another(self, sits: Sits, cleo: User) -> None:
        text = sits(cleo).browser.get(f"{desk_of(Agency)}enrol/").content.decode()
        assert 'value="ms-authority@FR"' in text
        assert 'value="ms-authority@DE"' not in text

    def test_is_offered_and_allowed_to_custodians_alone(
        self, sits: Sits, carla: User, cleo: User
    ) -> None:
        way = f"{desk_of(Agency)}enrol/"
        assert way in sits(cleo).browser.get(desk_of(Agency)).content.decode()
        seat = sits(carla)
        assert way not in seat.browser.get(desk_of(Agency)).content.decode()
        assert seat.begins(Agency, "enrol", **self.TYPED).status_code == 403
        assert not Agency.objects.exists()


class TestApprove:
    @pytest.mark.slow
    def test_is_for_a_second_person(
        self, sits: Sits, cleo: User, carla: User, added: Agency
    ) -> None:
        first, second = sits(cleo), sits(carla)
        assert "step-approve" not in first.reads(added)
        assert first.takes(added, "approve").said == [
            "A second person must approve what you added."
        ]
        assert "step-approve" in second.reads(added)
        page = second.takes(added, "approve")
        assert page.said == ["The agency is approved. What is owed to it is entered next."]
        added.refresh_from_db()
        assert added.approved_by == carla
        assert "step-approve" not in page.content.decode()


class TestKey:
    @pytest.mark.slow
    def test_is_added_then_approved_by_what_the_agency_reads_out(
        self, sits: Sits, cleo: User, carla: User, added: Agency, identity: age.Identity
    ) -> None:
        first, second = sits(cleo), sits(carla)
        page = first.takes(added, "add-key", recipient=str(identity.recipient), **LATER)
        key = AgencyKey.objects.get()
        assert (key.recipient, key.added_by) == (str(identity.recipient), cleo)
        assert f"{desk_of(key)}{key.pk}/" in page.content.decode()
        assert "step-approve" not in first.reads(key)
        text = second.reads(key)
        assert "shown once it is approved" in text
        assert key.fingerprint not in text
        page = second.takes(key, "approve", fingerprint="00")
        assert page.said == ["The fingerprint that the agency read out is not the one of this key."]
        assert 'value="00"' in page.content.decode()
        page = second.takes(key, "approve", fingerprint=f" {key.fingerprint.upper()} ")
        key.refresh_from_db()
        assert (key.state, key.approved_by) == ("approved", carla)
        assert key.fingerprint in page.content.decode()

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"recipient": "age1nonsense"}, "This is not an age public key."),
            ({"recipient": ""}, "This is not an age public key."),
            ({"expires_at": ""}, "To be used until: This field is required."),
            ({"expires_at": "2020-01-01T00:00"}, "The key's last day must lie in the future."),
            ({"expires_at": "9999-12-31T23:59"}, "Give a time between 1970 and 2999."),
        ],
    )
    def test_keeps_what_was_typed_when_it_is_refused(
        self,
        sits: Sits,
        cleo: User,
        added: Agency,
        identity: age.Identity,
        changes: dict[str, str],
        sentence: str,
    ) -> None:
        typed = {"recipient": str(identity.recipient), **LATER} | changes
        page = sits(cleo).takes(added, "add-key", **typed)
        assert page.status_code == 400
        assert sentence in page.said[0]
        assert typed["recipient"] in page.content.decode()
        assert not AgencyKey.objects.exists()

    def test_goes_with_its_agency_when_that_is_revoked(
        self, sits: Sits, carla: User, agency: Agency
    ) -> None:
        page = sits(carla).takes(agency, "revoke", because="The office closed.")
        assert page.said == [
            "The agency is revoked. Nothing more goes to it, and its clients cannot call."
        ]
        agency.refresh_from_db()
        assert (agency.state, agency.revoked_because) == ("revoked", "The office closed.")
        assert "step-revoke" not in page.content.decode()

    def test_is_revoked_with_a_reason(self, sits: Sits, carla: User, agency: Agency) -> None:
        key, seat = agency.keys.get(), sits(carla)
        page = seat.takes(key, "revoke", because="A laptop was lost.")
        assert page.said == ["The key is revoked. Nothing is sealed to it from now on."]
        key.refresh_from_db()
        assert (key.state, key.revoked_because) == ("revoked", "A laptop was lost.")
        assert "step-revoke" not in page.content.decode()
        assert 'class="state state-revoked"' in seat.reads(agency)


class TestRoute:
    @pytest.mark.slow
    def test_is_added_then_approved_by_what_the_agency_reads_out(
        self, sits: Sits, cleo: User, carla: User, agency: Agency
    ) -> None:
        address = "https://intake.agency.example.org/in"
        first, second = sits(cleo), sits(carla)
        assert "this agency collects its bundles at the liaison API" in first.reads(agency)
        page = first.takes(agency, "add-route", way="https", address=address)
        route = Route.objects.get()
        assert page.said == ["The route is on record. It counts once a second person approved it."]
        assert f"{desk_of(route)}{route.pk}/" in page.content.decode()
        text = second.reads(route)
        assert "shown once it is approved" in text
        assert address not in text
        page = second.takes(route, "approve", address="https://elsewhere.example.org/")
        assert page.said == ["The address that the agency read out is not the one of this route."]
        page = second.takes(route, "approve", address=address)
        assert page.said == ["The route is approved. What is owed to this agency is sent on it."]
        assert address in page.content.decode()
        page = second.takes(route, "revoke", because="They moved.")
        assert page.said == ["The route is revoked. Nothing more is sent on it."]

    def test_keeps_what_was_typed_when_it_is_refused(
        self, sits: Sits, cleo: User, agency: Agency
    ) -> None:
        page = sits(cleo).takes(agency, "add-route", way="https", address="http://plain")
        assert page.said == ["The address wants the form https://HOST/PATH."]
        assert 'value="http://plain"' in page.content.decode()
        assert not Route.objects.exists()


class TestClient:
    @pytest.fixture
    def typed(self, liaison_key: OKPKey) -> dict[str, Any]:
        """What Cleo fills in for Lee's program."""
        return {
            "client_id": "lee",
            "public_key": json.dumps(liaison_key.as_dict(private=False)),
            "scopes": ["referrals:read"],
            "networks": "192.0.2.0/24\n2001:db8::/32",
            **LATER,
        }

    @pytest.mark.slow
    def test_is_admitted_then_approved_by_what_the_agency_reads_out(
        self, sits: Sits, cleo: User, carla: User, added: Agency, typed: dict[str, Any]
    ) -> None:
        first, second = sits(cleo), sits(carla)
        page = first.takes(added, "admit", **typed)
        client = LiaisonClient.objects.get()
        assert page.said == ["The client is on record. It counts once a second person approved it."]
        assert client.scopes == ["referrals:read"]
        assert client.networks == ["192.0.2.0/24", "2001:db8::/32"]
        assert "step-approve" not in first.reads(client)
        text = second.reads(client)
        assert "192.0.2.0/24, 2001:db8::/32" in text
        assert clients.thumbprint(client) not in text
        assert second.takes(client, "approve", thumbprint_heard="x").said == [
            "The thumbprint that the agency read out is not the one of this key."
        ]
        page = second.takes(client, "approve", thumbprint_heard=clients.thumbprint(client))
        assert page.said == ["The client is approved. It can call the liaison API."]
        client.refresh_from_db()
        assert (client.state, client.approved_by) == ("approved", carla)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"client_id": "l e e"}, "A client id is made of letters, digits and hyphens"),
            ({"public_key": ""}, "Public key (JWK): This field is required."),
            ({"public_key": "age1x"}, "Public key (JWK): Paste the whole key, from { to }."),
            ({"public_key": "[" * 9999}, "Public key (JWK): Paste the whole key, from { to }."),
            ({"public_key": '{"kty": "OKP", "crv": "Ed25519", "x": "\\ud800"}'}, "This is not an"),
            ({"public_key": "[1]"}, "Public key (JWK): Paste the whole key, from { to }."),
            ({"public_key": '{"kty": "OKP"}'}, "This is not an Ed25519 public key in JWK form."),
            ({"public_key": '{"kty": "OKP", "crv": "Ed25519", "x": 5}'}, "This is not an Ed25519"),
            ({"public_key": PRIVATE}, "This JWK holds a private key."),
            ({"scopes": []}, "Scopes are "),
            ({"scopes": ["all"]}, "What it may do: Select a valid choice. all is not"),
            ({"networks": "everywhere"}, "'everywhere' is not a network such as 192.0.2.0/24."),
            ({"expires_at": "2020-01-01T00:00"}, "The client's last day must lie in the future."),
        ],
    )
    def test_keeps_what_was_typed_when_it_is_refused(
        self,
        sits: Sits,
        cleo: User,
        added: Agency,
        typed: dict[str, Any],
        changes: dict[str, Any],
        sentence: str,
    ) -> None:
        page = sits(cleo).takes(added, "admit", **typed | changes)
        assert page.status_code == 400
        assert sentence in page.said[0]
        text = page.content.decode()
        assert '<details class="step step-admit" open>' in text
        assert (typed | changes)["networks"] in text
        assert not LiaisonClient.objects.exists()

    def test_is_revoked_with_a_reason(self, sits: Sits, carla: User, lee: LiaisonClient) -> None:
        page = sits(carla).takes(lee, "revoke", because="Lee left.")
        assert page.said == ["The client is revoked; its tokens end with it."]
        lee.refresh_from_db()
        assert not lee.is_usable

    def test_is_admitted_by_custodians_alone(
        self, sits: Sits, carla: User, added: Agency, typed: dict[str, Any]
    ) -> None:
        seat = sits(carla)
        text = seat.reads(added)
        assert "step-admit" not in text
        assert "step-add-key" not in text
        assert seat.takes(added, "admit", **typed).status_code == 403


class TestAgency:
    def test_tells_its_whole_story_on_one_page(
        self, sits: Sits, ana: User, agency: Agency, lee: LiaisonClient
    ) -> None:
        text = sits(ana).reads(agency)
        for told in (
            f"{desk_of(lee)}{lee.pk}/",
            f"{desk_of(AgencyKey)}{agency.keys.get().pk}/",
            "agencykey.approved",
            "liaisonclient.approved",
        ):
            assert told in text, told


class TestRetraction:
    def test_is_read_word_for_word_and_signed_by_counsel(
        self, sits: Sits, ben: User, carla: User, delivered: Referral, retraction: Retraction
    ) -> None:
        front = sits(carla).browser.get("/admin/").content.decode()
        assert f"The {retraction}" in front
        text = sits(carla).reads(retraction)
        assert "The account was in other hands" in text
        assert delivered.number in text
        assert delivered.bundle.sha256 in text
        assert '<span class="class">TRAF</span>' in text
        assert "step-sign" not in sits(ben).reads(retraction)
        page = sits(carla).takes(retraction, "sign", because="Seen.")
        assert page.said == ["The retraction is signed. It is entered in the docket next."]

    def test_and_what_it_takes_back_lead_to_each_other(
        self, sits: Sits, carla: User, delivered: Referral, retraction: Retraction
    ) -> None:
        signed = retractions.sign(retraction, because="Seen.", by=carla)
        referral = retractions.enter(signed).referral
        seat = sits(carla)
        assert f'After: <a href="/admin/referrals/referral/{referral.pk}/">' in seat.reads(
            delivered
        )
        Referral.objects.filter(pk=referral.pk).update(due_at=NOW)
        text = seat.reads(referral)
        assert f'Before: <a href="/admin/referrals/referral/{delivered.pk}/">' in text
        assert "What counsel signed" in text
        assert "and the agency has not acknowledged it" in text
        retraction.refresh_from_db()
        assert "The due time passed" in seat.reads(retraction)


class TestInquiry:
    def test_to_preserve_leads_to_the_hold_which_counsel_extends(
        self, sits: Sits, carla: User, delivered: Referral, lee: LiaisonClient
    ) -> None:
        preservation.place_due()
        hold = Hold.objects.get()
        request = inquiries.receive(
            delivered, asks="preservation", legal_process="preservation_letter",
            process_reference="7", by=lee,
        )  # fmt: skip
        seat = sits(carla)
        text = seat.reads(request)
        assert f"/admin/compliance/hold/{hold.pk}/" in text
        assert "Extend it there before you answer" in text
        page = seat.takes(hold, "extend", because="A letter came.", kept_until="", zone="UTC")
        assert page.said == ["The hold is extended."]
        assert "A letter came." in page.content.decode()
        assert "lasts until it is released" in seat.reads(request)
        assert "step-extend" not in seat.reads(hold)

    def test_is_answered_in_words_that_the_agency_reads(
        self, sits: Sits, ana: User, carla: User, delivered: Referral, lee: LiaisonClient
    ) -> None:
        request = inquiries.receive(
            delivered, asks="data", classes=["STAFF"], legal_process="mlat",
            process_reference="MLA-17", text="Who saw it?", by=lee,
        )  # fmt: skip
        seat = sits(carla)
        assert f"Request {request} about referral {delivered}" in seat.reads(request)
        assert str(request) in seat.reads(delivered)
        front = seat.browser.get("/admin/").content.decode()
        assert f"Request {request}</a>" in front
        assert "from Sample desk bka, received" in front
        assert "step-answer" not in sits(ana).reads(request)
        assert "Say in a sentence" in seat.takes(request, "refuse", reply="").said[0]
        page = seat.takes(request, "answer", reply="The treaty office has it.")
        assert page.said == ["The request is answered. The agency reads it over the API."]
        request.refresh_from_db()
        assert (request.state, request.answered_by) == ("answered", carla)
        assert "step-answer" not in seat.reads(request)


class TestReference:
    def test_offers_the_agencys_own_word_until_counsel_noted_another(
        self, sits: Sits, carla: User, acknowledged: Referral
    ) -> None:
        seat = sits(carla)
        assert 'value="SZ-17"' in seat.reads(acknowledged)
        page = seat.takes(acknowledged, "note-reference", external_ref="CAS 12/3/2026")
        assert page.said == ["The external reference is on record."]
        assert 'value="CAS 12/3/2026"' in page.content.decode()
