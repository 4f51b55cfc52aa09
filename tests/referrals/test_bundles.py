"""Bundles: what the ruling releases, sealed to one agency, and nothing else of the finding."""

import io
import json
import os
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from compliance import determinations, evidence, findings, lifecycle
from compliance.audit import notes, signing, verification
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.errors import KeyUnusable, Tampered, WrongState
from compliance.evidence import Item
from compliance.lifecycle import Work
from compliance.roles import User
from compliance.vault import age
from referrals import agencies, bundles, docket
from referrals.agencies import Agency
from referrals.bundles import Bundle, Draft, SealedHeader
from referrals.docket import Referral
from referrals.management import demo_samples
from referrals.sealing import bag, sshsig
from tests.cast import IMMINENT

Make = Callable[..., Any]

CLASSES = ("C_pub", "C_priv", "SUSP", *findings.CLASSES)
MARKS = {name: f"marker-of-{name.lower()}" for name in CLASSES}


def sealed_bytes(draft: Draft) -> bytes:
    """The whole ZIP of a draft."""
    return b"".join(bag.read_range(draft.layout, 0, draft.layout.size, bundles.read_object))


def opened(data: bytes, identity: age.Identity) -> dict[str, bytes]:
    """Every sealed member, opened with the agency's own key, by its name in the bag."""
    members = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.endswith(".age"):
                with archive.open(name) as source:
                    members[name.partition("/")[2]] = b"".join(age.open_file(source, [identity]))
    return members


def manifest(data: bytes, identity: age.Identity) -> dict[str, Any]:
    """What the sealed manifest says."""
    told: dict[str, Any] = json.loads(opened(data, identity)["data/manifest.json.age"])
    return told


def change(item: Item, at: int) -> bytes:
    """Flip a bit of a stored object, as whoever owns the storage can; return what was there."""
    path = Path(default_storage.path(item.sealed_name))
    before = path.read_bytes()
    after = bytearray(before)
    after[at] ^= 1
    path.write_bytes(after)
    return before


def events(referral: Referral) -> list[str]:
    """What the log says of a referral; the field diffs are left out."""
    entries = AuditEntry.objects.filter(object_pk=str(referral.pk)).order_by("id")
    return [each.event for each in entries if not each.event.endswith((".created", ".updated"))]


@pytest.fixture
def marked(
    record: Make, attach: Make, profile: object, ben: User, sign: Make, agency: Agency,
    worker: None,
) -> Referral:  # fmt: skip
    """A referral of a finding that has a marked word in every class of what it holds."""
    finding = record(
        IMMINENT,
        statement=MARKS["SUSP"],
        particulars={name: {"said": MARKS[name]} for name in findings.CLASSES},
    )
    for name in ("C_pub", "C_priv"):
        said = MARKS[name]
        url = f"https://social.example.org/{MARKS['META']}"
        attach(finding, said.encode(), f"{said}.txt", field_class=name, source_url=url)
    findings.confirm(finding, because="Credible.", by=ben)
    determinations.propose_due()
    signed = sign(Determination.objects.get(finding=finding))
    return docket.enter(signed.obligations.get())


class TestPrepare:
    def test_says_who_what_under_which_law_and_on_whose_word(
        self, entered: Referral, item: Item, identity: age.Identity, ana: User, ben: User
    ) -> None:
        draft = bundles.prepare(entered)
        told = manifest(sealed_bytes(draft), identity)
        determination, finding = entered.obligation.determination, item.finding
        del told["log_receipt"], told["log_entry"]
        assert told == {
            "schema": "manifest/1",
            "referral": {
                "number": entered.number,
                "id": str(entered.pk),
                "filing_type": "initial",
                "version": 1,
                "prior_referrals": [],
            },
            "environment": "test",
            "agency": "bka",
            "sealed_to": entered.agency.keys.get().fingerprint,
            "law": {
                "release": determination.release.sha256,
                "rules": determinations.legal_basis(entered.obligation),
                "rule_time": determination.rule_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "result": determination.result_sha256,
            },
            "kind": "duty",
            "statement": finding.statement,
            "particulars": {
                "META": {"url": "https://social.example.org/p/1"},
                "ID": {"account": "@sample-1"},
                "TRAF": {"ip": "192.0.2.7", "port": "51234"},
            },
            "items": [
                {
                    "id": str(item.pk),
                    "exhibit": 1,
                    "name": "post.txt",
                    "size": 8,
                    "sha256": item.sha256,
                    "media_type": "text/plain",
                    "member": f"data/{item.pk}.age",
                    "viewed_by_human": False,
                    "view_scope": "none",
                    "publicly_available": True,
                    "source_url": "https://social.example.org/p/1",
                    "acquired_at": item.acquired_at.isoformat(),
                    "acquired_by": bundles.pseudonym(ana),
                }
            ],
            "released": sorted(entered.obligation.release),
            "withheld": {"STAFF": "standing"},
            "confirmed": {
                "by": bundles.pseudonym(ben),
                "at": findings.Finding.objects.get().confirmed_at.isoformat(),
            },
            "signed": {
                "by": bundles.pseudonym(determination.signed_by),
                "at": determination.signed_at.isoformat(),
            },
            "terms": bundles.TERMS,
        }

    def test_carries_the_proof_that_counsels_signature_is_in_the_log(
        self, entered: Referral, identity: age.Identity
    ) -> None:
        told = manifest(sealed_bytes(bundles.prepare(entered)), identity)
        entry = json.loads(told["log_entry"])
        assert entry["event"] == "determination.signed"
        assert entry["obj"].endswith(str(entered.obligation.determination_id))
        state = notes.verify_proof(told["log_receipt"], told["log_entry"].encode(), signing.vkey())
        assert 0 < state.size <= AuditEntry.objects.count()

    def test_signs_the_manifest_with_the_key_that_allowed_signers_names(
        self, entered: Referral, identity: age.Identity
    ) -> None:
        members = opened(sealed_bytes(bundles.prepare(entered)), identity)
        message = members["data/manifest.json.age"]
        armored = members["data/manifest.json.sig.age"].decode()
        signers = sshsig.parse_allowed_signers(bundles.allowed_signers())
        signer = sshsig.find_signer(armored, message, sshsig.NAMESPACE, signers)
        assert signer.principals == bundles.PRINCIPAL
        with pytest.raises(sshsig.BadSignature):
            sshsig.find_signer(armored, message + b" ", sshsig.NAMESPACE, signers)

    @pytest.mark.stock
    @pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="not installed: ssh-keygen")
    def test_signs_it_so_that_ssh_keygen_agrees(
        self, entered: Referral, identity: age.Identity, tmp_path: Path
    ) -> None:
        members = opened(sealed_bytes(bundles.prepare(entered)), identity)
        (tmp_path / "signers").write_text(bundles.allowed_signers())
        (tmp_path / "sig").write_bytes(members["data/manifest.json.sig.age"])
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", bundles.PRINCIPAL,
             "-n", sshsig.NAMESPACE, "-s", "sig"],
            input=members["data/manifest.json.age"], cwd=tmp_path, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def test_names_in_clear_the_sender_and_the_number_alone(self, entered: Referral) -> None:
        with zipfile.ZipFile(io.BytesIO(sealed_bytes(bundles.prepare(entered)))) as archive:
            info = archive.read(f"{entered.number}/bag-info.txt").decode()
            names = {name.partition("/")[2] for name in archive.namelist()}
        assert set(info.splitlines()) >= {
            f"Source-Organization: {settings.LOG_ORIGIN}",
            "Bundle-Environment: test",
            f"External-Identifier: {entered.number}",
        }
        assert len(info.splitlines()) == 5  # with Bagging-Date and Payload-Oxum
        assert {"open.sh", "open.ps1", "bagit.txt"} <= names

    def test_changes_no_record(self, entered: Referral) -> None:
        before = events(entered)
        bundles.prepare(entered)
        entered.refresh_from_db()
        assert (entered.state, events(entered)) == (docket.State.ENTERED, before)
        assert not SealedHeader.objects.exists()

    def test_takes_the_header_that_is_on_record(
        self, entered: Referral, item: Item, identity: age.Identity
    ) -> None:
        key = entered.agency.keys.get()
        first, second = (bundles.prepare(entered).headers[item.pk] for _ in range(2))
        assert first != second  # each wrapping is drawn anew
        SealedHeader.objects.create(item=item, agency_key=key, header=first)
        assert bundles.prepare(entered).headers == {item.pk: first}
        data = sealed_bytes(bundles.prepare(entered))
        assert opened(data, identity)[f"data/{item.pk}.age"] == b"Tonight."

    @pytest.mark.parametrize("at", [0, 20, -1])
    def test_refuses_an_object_that_was_changed(
        self, entered: Referral, item: Item, at: int
    ) -> None:
        change(item, at)
        with pytest.raises(
            Tampered,
            match=f"The sealed object of exhibit 1 of {item.finding} was changed. Put the storage",
        ):
            bundles.prepare(entered)

    def test_refuses_an_object_that_was_cut_short(self, entered: Referral, item: Item) -> None:
        path = Path(default_storage.path(item.sealed_name))
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(Tampered, match="was changed"):
            bundles.prepare(entered)

    def test_refuses_an_object_that_is_gone(self, entered: Referral, item: Item) -> None:
        default_storage.delete(item.sealed_name)
        with pytest.raises(Tampered, match=r"of exhibit 1 of F-.* is missing\. Put the storage"):
            bundles.prepare(entered)

    def test_refuses_when_the_agency_has_no_usable_key(
        self, entered: Referral, carla: User
    ) -> None:
        agencies.revoke_key(entered.agency.keys.get(), because="Laptop lost.", by=carla)
        with pytest.raises(
            KeyUnusable, match=r"The agency bka has no .* key\. Add one and have it"
        ):
            bundles.prepare(entered)


class TestRelease:
    """The promise of the house: no byte leaves that the ruling does not allow."""

    @pytest.mark.slow
    @given(released=st.sets(st.sampled_from(CLASSES)))
    def test_lets_out_the_released_classes_and_no_word_of_another(
        self, marked: Referral, identity: age.Identity, released: set[str]
    ) -> None:
        marked.obligation.release = sorted(released)
        marked.obligation.withhold = {name: "standing" for name in CLASSES if name not in released}
        data = sealed_bytes(bundles.prepare(marked))
        clear = b"\n".join(opened(data, identity).values()).decode()
        # The source of an item is metadata, and goes with an item only.
        has_item = bool(released & {"C_pub", "C_priv"})
        for name, said in MARKS.items():
            assert (said in clear) == (name in released), name
            assert said.encode() not in data
        told = manifest(data, identity)
        assert ("source_url" in str(told)) == (has_item and "META" in released)
        assert told["released"] == sorted(released)
        assert set(told["withheld"]) == set(CLASSES) - released
        assert {each["name"] for each in told["items"]} == {
            f"{MARKS[name]}.txt" for name in released & {"C_pub", "C_priv"}
        }
        assert len(opened(data, identity)) == len(told["items"]) + 2

    @pytest.mark.slow
    def test_keeps_the_private_message_from_the_one_and_gives_it_to_the_other(
        self, record: Make, attach: Make, enrol: Make, profile: object, ben: User, sign: Make
    ) -> None:
        sample = demo_samples.read("munich")
        finding = record(sample.facts, particulars=sample.particulars)
        attach(finding, b"the message", "message.txt", field_class="C_priv")
        attach(finding, b"the profile", "profile.pdf", field_class="C_pub")
        findings.confirm(finding, because="Real and close.", by=ben)
        determinations.propose_due()
        sign(Determination.objects.get(), take_up=["fbi"])
        identities = {name: age.generate_identity(age.X25519) for name in ("bka", "fbi")}
        for name, identity in identities.items():
            enrol(name, identity)
        assert (docket.enter_due(), bundles.seal_due()) == (2, 2)
        got = {}
        for bundle in Bundle.objects.all():
            name = bundle.referral.agency.authority
            data = b"".join(bundles.read(bundle, 0, bundle.size))
            got[name] = opened(data, identities[name])
        assert {name: b"the message" in each.values() for name, each in got.items()} == {
            "bka": False,
            "fbi": True,
        }
        assert all(b"the profile" in each.values() for each in got.values())
        said = json.loads(got["bka"]["data/manifest.json.age"])
        assert said["withheld"] == {"C_priv": "us_sca_2702a", "STAFF": "standing"}
        assert "message.txt" not in str(said)

    def test_opens_to_the_agency_alone(self, sealed: Referral, identity: age.Identity) -> None:
        data = b"".join(bundles.read(sealed.bundle, 0, sealed.bundle.size))
        assert opened(data, identity)
        with pytest.raises(age.AgeError):
            opened(data, age.generate_identity())


class TestDescribed:
    @pytest.mark.parametrize(
        ("ranges", "scope"), [([], "none"), ([(0, 3)], "part"), ([(0, 3), (0, 8)], "whole")]
    )
    def test_says_how_much_of_an_item_a_person_really_saw(
        self,
        entered: Referral,
        item: Item,
        identity: age.Identity,
        ben: User,
        ranges: list[tuple[int, int]],
        scope: str,
    ) -> None:
        for start, stop in ranges:
            list(evidence.read(item, purpose="Review.", start=start, stop=stop, by=ben))
        (told,) = manifest(sealed_bytes(bundles.prepare(entered)), identity)["items"]
        assert (told["viewed_by_human"], told["view_scope"]) == (scope != "none", scope)


class TestPseudonym:
    def test_is_one_for_each_person_and_says_the_role_alone(self, ana: User, ben: User) -> None:
        first, second = bundles.pseudonym(ana), bundles.pseudonym(ben)
        assert first != second
        assert first == bundles.pseudonym(User.objects.get(pk=ana.pk))
        assert first.startswith("reviewer-")
        assert "ana" not in first


class TestSeal:
    def test_puts_the_bundle_on_record(self, entered: Referral, item: Item) -> None:
        draft = bundles.prepare(entered)
        bundle = bundles.seal(entered, draft)
        assert bundle.referral.state == docket.State.SEALED
        assert bundle.agency_key == entered.agency.keys.get()
        data = b"".join(bundles.read(bundle, 0, bundle.size))
        assert (bundle.size, bundle.sha256) == (len(data), bundles.sha256(data).hexdigest())
        assert str(bundle) == f"bundle of {entered.number}"
        header = SealedHeader.objects.get()
        assert (header.item, header.agency_key) == (item, bundle.agency_key)
        assert bytes(header.header) == draft.headers[item.pk]
        assert str(header) == f"header {header.pk}"
        assert events(entered) == ["referral.entered", "referral.sealed"]

    def test_keeps_the_digest_of_the_signed_manifest(
        self, sealed: Referral, identity: age.Identity
    ) -> None:
        data = b"".join(bundles.read(sealed.bundle, 0, sealed.bundle.size))
        message = opened(data, identity)["data/manifest.json.age"]
        assert sealed.bundle.manifest_sha256 == bundles.sha256(message).hexdigest()

    def test_is_refused_once_the_referral_is_withdrawn(
        self, entered: Referral, carla: User
    ) -> None:
        draft = bundles.prepare(entered)
        docket.withdraw(entered, because="A parody.", by=carla)
        with pytest.raises(WrongState, match="is withdrawn; it cannot become sealed"):
            bundles.seal(entered, draft)
        assert not Bundle.objects.exists()
        assert not SealedHeader.objects.exists()

    def test_happens_once_though_two_workers_prepared_it(self, entered: Referral) -> None:
        mine, theirs = bundles.prepare(entered), bundles.prepare(entered)
        kept = bundles.seal(entered, mine)
        with pytest.raises(WrongState, match="is sealed; it cannot become sealed"):
            bundles.seal(entered, theirs)
        assert list(Bundle.objects.all()) == [kept]
        assert events(entered).count("referral.sealed") == 1

    def test_is_refused_to_a_key_that_was_revoked_meanwhile(
        self, entered: Referral, carla: User
    ) -> None:
        draft = bundles.prepare(entered)
        agencies.revoke_key(draft.key, because="Laptop lost.", by=carla)
        with pytest.raises(KeyUnusable, match=r"The key .* of bka was revoked or expired while it"):
            bundles.seal(entered, draft)
        entered.refresh_from_db()
        assert entered.state == docket.State.ENTERED

    def test_is_refused_to_a_key_that_expired_meanwhile(self, entered: Referral) -> None:
        draft = bundles.prepare(entered)
        entered.agency.keys.update(expires_at=timezone.now() - timedelta(seconds=1))
        with pytest.raises(KeyUnusable, match="revoked or expired"):
            bundles.seal(entered, draft)


def try_again() -> int:
    """Let the pauses pass, then seal what is owed."""
    Work.objects.update(available_at=timezone.now())
    return bundles.seal_due()


class TestSealDue:
    def test_seals_what_is_owed_and_the_second_time_nothing(self, entered: Referral) -> None:
        assert (bundles.seal_due(), bundles.seal_due()) == (1, 0)
        entered.refresh_from_db()
        assert entered.state == docket.State.SEALED

    def test_goes_on_once_an_expired_key_has_a_successor(
        self, entered: Referral, cleo: User, carla: User
    ) -> None:
        entered.agency.keys.update(expires_at=timezone.now() - timedelta(days=1))
        assert bundles.seal_due() == 0
        (failing,) = lifecycle.failing()
        assert failing.subject == entered.pk
        assert failing.last_error == (
            "The agency bka has no approved, unexpired key. Add one and have it approved; "
            "what waits for it then goes on by itself."
        )
        newer = agencies.add_key(
            entered.agency,
            str(age.generate_identity().recipient),
            expires_at=timezone.now() + timedelta(days=9),
            by=cleo,
        )
        agencies.approve_key(newer, fingerprint=newer.fingerprint, by=carla)
        assert try_again() == 1
        assert Bundle.objects.get().agency_key == newer
        assert not lifecycle.failing().exists()

    def test_seals_nothing_over_a_changed_object_until_it_is_put_back(
        self, entered: Referral, item: Item
    ) -> None:
        before = change(item, 0)
        assert bundles.seal_due() == 0
        assert "was changed" in lifecycle.failing().get().last_error
        assert not Bundle.objects.exists()
        Path(default_storage.path(item.sealed_name)).write_bytes(before)
        assert try_again() == 1

    def test_passes_over_what_was_withdrawn(self, entered: Referral, carla: User) -> None:
        docket.withdraw(entered, because="A parody.", by=carla)
        assert bundles.seal_due() == 0
        assert not Bundle.objects.exists()


class TestInTransactions:
    @pytest.mark.django_db(transaction=True)
    def test_prepares_outside_and_seals_within(self, entered: Referral) -> None:
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            bundles.prepare(entered)
        assert bundles.seal_due() == 1
        assert verification.verify().good


class TestRead:
    def test_gives_any_range_of_the_same_bytes(self, sealed: Referral) -> None:
        bundle, draw = sealed.bundle, random.Random(7)  # noqa: S311
        whole = b"".join(bundles.read(bundle, 0, bundle.size))
        for _ in range(50):
            start, stop = sorted(draw.sample(range(bundle.size + 1), 2))
            assert b"".join(bundles.read(bundle, start, stop)) == whole[start:stop]

    def test_reads_large_objects_piece_by_piece(
        self, record: Make, attach: Make, ana: User
    ) -> None:
        item = attach(record(), os.urandom(2 * bundles.PIECE))
        pieces = list(bundles.read_object(item.sealed_name, 5, bundles.PIECE + 7))
        assert [len(piece) for piece in pieces] == [bundles.PIECE, 7]
        with default_storage.open(item.sealed_name) as source:
            assert b"".join(pieces) == source.read()[5 : bundles.PIECE + 12]

    def test_ends_where_an_object_ends(self, item: Item) -> None:
        pieces = bundles.read_object(item.sealed_name, 0, item.sealed_size + 1)
        assert sum(map(len, pieces)) == item.sealed_size


class TestStoredObjects:
    def test_names_each_object_with_its_full_size(self, sealed: Referral, item: Item) -> None:
        assert bundles.stored_objects(sealed.bundle) == ((item.sealed_name, item.sealed_size),)


class TestServiceKey:
    def test_is_made_once_and_private(self, settings: Any) -> None:
        first = bundles.allowed_signers()
        path = settings.KEYS_DIR / "service-signing-key"
        assert path.stat().st_mode & 0o077 == 0
        assert bundles.allowed_signers() == first
        assert first.startswith(f'dutyline-service namespaces="{sshsig.NAMESPACE}" ssh-ed25519 ')
        assert first.endswith("\n")

    @pytest.mark.parametrize("text", ["", "c2hvcnQ=", "not base64"])
    def test_is_refused_when_the_file_is_no_key(self, settings: Any, text: str) -> None:
        settings.KEYS_DIR.mkdir(parents=True)
        (settings.KEYS_DIR / "service-signing-key").write_text(text)
        with pytest.raises(KeyUnusable, match="The service's signing key file is not base64 of 32"):
            bundles.service_key()
