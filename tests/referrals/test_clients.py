"""Clients: Cleo admits a program, Carla hears its thumbprint, and only then may it call."""

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone
from joserfc.jwk import ECKey, OKPKey

from compliance.audit.entries import AuditEntry
from compliance.errors import Malformed, NotPermitted, SamePerson, WrongState
from compliance.roles import User
from referrals import clients
from referrals.agencies import Agency, State
from referrals.clients import AccessToken, LiaisonClient, Scope, SeenOnce, StoredReply

KEY = OKPKey.generate_key("Ed25519")
JWK = {"kty": "OKP", "crv": "Ed25519", "x": KEY.as_dict(private=False)["x"]}
NO_KEY = r"^This is not an Ed25519 public key in JWK form\.$"


def happened(client: LiaisonClient) -> list[tuple[str, str]]:
    """Tell what the log says of a client, and who did it; the field diffs are left out."""
    entries = AuditEntry.objects.filter(object_pk=str(client.pk)).order_by("id")
    told = entries.filter(event__startswith="liaisonclient.")
    told = told.exclude(event__regex=r"\.(created|updated)$")
    return list(told.values_list("event", "actor_ref"))


def in_days(days: int) -> Any:
    return timezone.now() + timedelta(days=days)


@pytest.fixture
def add(agency: Agency, cleo: User) -> Callable[..., LiaisonClient]:
    """Admit Lee's program as Cleo."""

    def make(**changes: Any) -> LiaisonClient:
        told = {"client_id": "lee", "public_key": JWK, "scopes": [Scope.READ], "by": cleo}
        return clients.admit(agency, **{"expires_at": in_days(30)} | told | changes)

    return make


class TestAdmit:
    def test_puts_the_program_on_record_and_lets_nobody_call_yet(
        self, add: Callable[..., LiaisonClient], agency: Agency, cleo: User
    ) -> None:
        added = add(
            scopes=[Scope.READ, Scope.ACKNOWLEDGE, Scope.READ],
            networks=["192.0.2.0/24", "2001:db8::1"],
            public_key=JWK | {"kid": "key-1", "use": "sig"},
        )
        added.refresh_from_db()
        assert (str(added), added.agency, added.added_by) == ("lee", agency, cleo)
        assert added.public_key == JWK
        assert added.scopes == ["referrals:acknowledge", "referrals:read"]
        assert added.networks == ["192.0.2.0/24", "2001:db8::1"]
        assert (added.state, added.is_usable) == (State.ADDED, False)

    def test_is_one_event_with_the_thumbprint(
        self, add: Callable[..., LiaisonClient], cleo: User
    ) -> None:
        added = add()
        assert happened(added) == [("liaisonclient.added", f"user:{cleo.pk}")]
        entry = AuditEntry.objects.get(event="liaisonclient.added")
        assert entry.additional_data == {"thumbprint": KEY.thumbprint()}

    def test_is_refused_to_counsel(self, add: Callable[..., LiaisonClient], carla: User) -> None:
        with pytest.raises(NotPermitted, match="The role counsel may not enrol agency"):
            add(by=carla)

    def test_wants_a_plain_client_id(self, add: Callable[..., LiaisonClient]) -> None:
        for client_id in ("", "-lee", "lee desk", "lée", "lee.desk", "x" * 41, "lee\n", "lee\0"):
            with pytest.raises(Malformed, match=r"letters, digits and hyphens \(40 at most\)\.$"):
                add(client_id=client_id)
        for client_id in ("7", "Lee-2", "x" * 40):
            assert add(client_id=client_id).client_id == client_id

    def test_gives_each_name_once(self, add: Callable[..., LiaisonClient]) -> None:
        add()
        with pytest.raises(Malformed, match=r"^There is a client lee already\.$"):
            add()

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            (
                {"scopes": []},
                "Scopes are referrals:read, referrals:acknowledge, referrals:req",
            ),
            ({"scopes": ["referrals:read", "admin"]}, "Scopes are referrals:read"),
            ({"scopes": "referrals:read"}, "Scopes are referrals:read"),
            ({"expires_at": timezone.now()}, r"The client's last day must lie in the future\."),
            ({"networks": ["192.0.2.1/24"]}, r"'192\.0\.2\.1/24' is not a network such as"),
            ({"networks": ["192.0.2.0/24", "here"]}, "'here' is not a network such as 192"),
            ({"networks": [""]}, "'' is not a network such as 192"),
        ],
    )
    def test_refuses_what_it_cannot_use(
        self, add: Callable[..., LiaisonClient], changes: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(Malformed, match=sentence):
            add(**changes)
        assert not LiaisonClient.objects.exists()

    def test_refuses_a_private_key_and_says_that_it_is_spent(
        self, add: Callable[..., LiaisonClient]
    ) -> None:
        sentence = r"^This JWK holds a private key\. Never send it; make a new one\.$"
        for member in ("d", "k", "p", "q", "dp", "dq", "qi", "oth"):
            with pytest.raises(Malformed, match=sentence) as refusal:
                add(public_key=JWK | {member: "canary"})
            assert "canary" not in str(refusal.value)

    def test_refuses_what_is_no_ed25519_key(self, add: Callable[..., LiaisonClient]) -> None:
        for jwk in (
            {},
            [],
            None,
            "key",
            JWK | {"kty": "EC"},
            JWK | {"crv": "X25519"},
            JWK | {"x": JWK["x"][:-1]},
            JWK | {"x": 5},
            OKPKey.generate_key("X25519").as_dict(private=False),
            OKPKey.generate_key("Ed448").as_dict(private=False),
            ECKey.generate_key("P-256").as_dict(private=False),
            {"kty": "oct", "k": "AAAA"},
        ):
            with pytest.raises(Malformed, match=NO_KEY):
                add(public_key=jwk)


class TestApprove:
    def test_is_a_second_persons_step(self, add: Callable[..., LiaisonClient], carla: User) -> None:
        added = add()
        approved = clients.approve(added, thumbprint_heard=f" {KEY.thumbprint()}\n", by=carla)
        assert (approved.state, approved.approved_by, approved.is_usable) == (
            State.APPROVED,
            carla,
            True,
        )
        assert happened(added)[1:] == [("liaisonclient.approved", f"user:{carla.pk}")]

    def test_is_refused_to_the_person_who_admitted_it(
        self, add: Callable[..., LiaisonClient], cleo: User
    ) -> None:
        added = add()
        with pytest.raises(SamePerson, match=r"^A second person must approve what you added\.$"):
            clients.approve(added, thumbprint_heard=KEY.thumbprint(), by=cleo)

    def test_is_refused_to_a_reviewer(self, add: Callable[..., LiaisonClient], ana: User) -> None:
        with pytest.raises(NotPermitted, match="The role reviewer may not approve agency"):
            clients.approve(add(), thumbprint_heard=KEY.thumbprint(), by=ana)

    @pytest.mark.parametrize(
        "heard",
        ["", KEY.thumbprint()[:-1], KEY.thumbprint().swapcase()],
        ids=["nothing", "cut short", "in other letters"],
    )
    def test_refuses_the_thumbprint_of_another_key(
        self, add: Callable[..., LiaisonClient], carla: User, heard: str
    ) -> None:
        added = add()
        with pytest.raises(Malformed, match="read out is not the one of this key"):
            clients.approve(added, thumbprint_heard=heard, by=carla)
        added.refresh_from_db()
        assert added.state == State.ADDED

    def test_happens_once_and_never_after_a_revocation(
        self, lee: LiaisonClient, carla: User
    ) -> None:
        for state in (State.APPROVED, State.REVOKED):
            with pytest.raises(WrongState, match=f"lee is {state}; it cannot become approved"):
                clients.approve(lee, thumbprint_heard=clients.thumbprint(lee), by=carla)
            if state == State.APPROVED:
                clients.revoke(lee, because="Laptop lost.", by=carla)


class TestRevoke:
    def test_ends_an_approved_client_and_one_that_waits(
        self, lee: LiaisonClient, add: Callable[..., LiaisonClient], carla: User
    ) -> None:
        for client in (lee, add(client_id="mia")):
            revoked = clients.revoke(client, because=" Laptop lost. ", by=carla)
            assert (revoked.state, revoked.revoked_because) == (State.REVOKED, "Laptop lost.")
            assert not revoked.is_usable
            assert happened(client)[-1] == ("liaisonclient.revoked", f"user:{carla.pk}")

    def test_wants_a_reason(self, lee: LiaisonClient, carla: User) -> None:
        with pytest.raises(Malformed, match=r"^A reason is missing\. .* you decide so\.$"):
            clients.revoke(lee, because=" ", by=carla)

    def test_is_refused_to_a_reviewer(self, lee: LiaisonClient, ana: User) -> None:
        with pytest.raises(NotPermitted, match="may not approve agency"):
            clients.revoke(lee, because="Laptop lost.", by=ana)


class TestIsUsable:
    def test_needs_client_and_agency_approved_and_time_left(self, lee: LiaisonClient) -> None:
        assert lee.is_usable
        lee.expires_at = timezone.now()
        assert not lee.is_usable
        lee.expires_at = in_days(1)
        for record in (lee, lee.agency):
            for state in (State.ADDED, State.REVOKED):
                record.state = state
                assert not lee.is_usable
            record.state = State.APPROVED
        assert lee.is_usable


class TestMayComeFrom:
    @pytest.mark.parametrize(
        ("networks", "address", "may"),
        [
            ([], "198.51.100.7", True),
            ([], None, True),
            (["192.0.2.0/24"], "192.0.2.0", True),
            (["192.0.2.0/24"], "192.0.2.255", True),
            (["192.0.2.0/24"], "192.0.3.0", False),
            (["192.0.2.0/24"], "::ffff:192.0.2.7", True),
            (["192.0.2.0/24"], "::ffff:192.0.3.7", False),
            (["192.0.2.0/24"], "2001:db8::1", False),
            (["192.0.2.0/24"], None, False),
            (["192.0.2.0/24"], "", False),
            (["192.0.2.0/24"], "unix:", False),
            (["192.0.2.7"], "192.0.2.7", True),
            (["192.0.2.7"], "192.0.2.8", False),
            (["2001:db8::/32"], "2001:db8:1::7", True),
            (["2001:db8::/32"], "192.0.2.7", False),
            (["198.51.100.0/24", "2001:db8::/32", "192.0.2.0/24"], "192.0.2.7", True),
        ],
    )
    def test_holds_the_address_against_the_networks(
        self, networks: list[str], address: str | None, may: bool
    ) -> None:
        assert LiaisonClient(networks=networks).may_come_from(address) == may


class TestFindClient:
    def test_gives_the_client_of_exactly_this_name_whatever_its_state(
        self, lee: LiaisonClient, carla: User
    ) -> None:
        assert clients.find_client("lee") == lee
        clients.revoke(lee, because="Laptop lost.", by=carla)
        assert clients.find_client("lee") == lee
        for name in ("", "LEE", "lee ", "lee\0", "le", "x" * 10_000):
            assert clients.find_client(name) is None

    def test_brings_the_agency_along(
        self, lee: LiaisonClient, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(1):
            found = clients.find_client("lee")
            assert found is not None
            assert found.is_usable


@pytest.mark.usefixtures("worker")
class TestTokens:
    def test_are_found_by_what_was_given_out_and_by_nothing_else(self, lee: LiaisonClient) -> None:
        token = clients.issue_token(lee, "thumb")
        kept = AccessToken.objects.get()
        assert (kept.client, kept.thumbprint) == (lee, "thumb")
        assert clients.find_token(token) == kept
        assert token not in str(vars(kept))
        entry = AuditEntry.objects.get(event="liaisonclient.signed_in")
        assert (entry.object_pk, entry.additional_data) == (str(lee.pk), {"key": "thumb"})
        for other in ("", token[:-1], token + " ", kept.digest):
            assert clients.find_token(other) is None

    def test_end_with_their_time(self, lee: LiaisonClient) -> None:
        token = clients.issue_token(lee, "thumb")
        AccessToken.objects.update(expires_at=timezone.now())
        assert clients.find_token(token) is None


class TestUseOnce:
    def test_is_true_the_first_time_alone(self, db: None) -> None:
        life = timedelta(minutes=1)
        assert clients.use_once("this", life=life)
        assert not clients.use_once("this", life=life)
        assert clients.use_once("that", life=life)
        assert SeenOnce.objects.count() == 2

    def test_leaves_the_transaction_around_it_whole(self, db: None) -> None:
        with transaction.atomic():
            for _ in range(2):
                clients.use_once("this", life=timedelta(minutes=1))
        assert SeenOnce.objects.count() == 1

    @pytest.mark.services
    @pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has one writer at a time by construction"
    )
    def test_is_true_for_one_of_many_at_once(self, transactional_db: None) -> None:
        start = Barrier(6)

        def use(_: int) -> bool:
            try:
                start.wait(timeout=10)
                return clients.use_once("this", life=timedelta(minutes=1))
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(use, range(6))) == [False] * 5 + [True]


class TestReplies:
    def test_are_kept_byte_for_byte_under_client_and_key(
        self, lee: LiaisonClient, add: Callable[..., LiaisonClient]
    ) -> None:
        body = b'{"b": 1,  "a": 2}'
        assert clients.find_reply(lee, "key") is None
        clients.keep_reply(lee, "key", "mark", 200, body)
        kept = clients.find_reply(lee, "key")
        assert kept is not None
        assert (bytes(kept.body), kept.status, kept.fingerprint) == (body, 200, "mark")
        assert str(kept) == f"reply {kept.pk}"
        assert in_days(6) < kept.expires_at < in_days(8)
        assert clients.find_reply(lee, "other") is None
        assert clients.find_reply(add(client_id="mia"), "key") is None

    def test_are_one_for_each_key(self, lee: LiaisonClient) -> None:
        clients.keep_reply(lee, "key", "mark", 200, b"1")
        with pytest.raises(IntegrityError), transaction.atomic():
            clients.keep_reply(lee, "key", "mark", 200, b"2")


class TestLock:
    def test_gives_the_row_as_it_is_on_record(self, lee: LiaisonClient) -> None:
        LiaisonClient.objects.update(scopes=[Scope.READ])
        with transaction.atomic():
            assert clients.lock(lee).scopes == [Scope.READ]


@pytest.mark.usefixtures("worker")
class TestSweepDue:
    def test_forgets_what_expired_and_nothing_else(self, lee: LiaisonClient) -> None:
        def fill() -> None:
            token = clients.issue_token(lee, "thumb")
            clients.use_once(token, life=timedelta(minutes=1))
            clients.keep_reply(lee, secrets.token_hex(4), "mark", 200, b"{}")

        rows: tuple[type[models.Model], ...] = (AccessToken, SeenOnce, StoredReply)
        fill()
        for model in rows:
            model._default_manager.update(expires_at=timezone.now())
        fill()
        assert clients.sweep_due() == 3
        left = [list(model._default_manager.values_list("expires_at", flat=True)) for model in rows]
        assert [[at > timezone.now() for at in each] for each in left] == [[True]] * 3
        assert clients.sweep_due() == 0


class TestTheDatabase:
    @pytest.mark.parametrize("state", [State.APPROVED, State.REVOKED])
    def test_refuses_a_state_without_its_stamp(
        self, add: Callable[..., LiaisonClient], state: State
    ) -> None:
        add()
        changes: list[Mapping[str, Any]] = [{"state": state}, {f"{state}_at": timezone.now()}]
        for change in changes:
            with pytest.raises(IntegrityError, match="is_stamped"), transaction.atomic():
                LiaisonClient.objects.update(**change)

    def test_lets_nobody_approve_alone(self, add: Callable[..., LiaisonClient], cleo: User) -> None:
        add()
        alone = {"state": State.APPROVED, "approved_at": timezone.now(), "approved_by": cleo}
        with pytest.raises(IntegrityError, match="by_a_second_person"), transaction.atomic():
            LiaisonClient.objects.update(**alone)
