"""Filings: what comes after something was delivered adds to it, corrects it, and says what."""

from collections.abc import Callable
from typing import Any

import pytest

from compliance import determinations, findings
from compliance.determinations import Determination, Obligation
from compliance.errors import WrongState
from compliance.findings import Finding
from compliance.jurisdictions import digest
from compliance.overturnings import Overturning
from compliance.roles import User
from compliance.vault import age
from referrals import bundles, delivery, docket, filings, receipts
from referrals.clients import LiaisonClient
from referrals.docket import FilingType, Referral
from tests.cast import IMMINENT
from tests.referrals.test_bundles import manifest, sealed_bytes

Make = Callable[..., Any]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("worker")]


def was_told(referral: Referral, **changes: Any) -> None:
    """Let an agency have been told something else before, as an owner of the database can."""
    Obligation.objects.filter(pk=referral.obligation_id).update(**changes)


def send() -> None:
    """Enter, seal and deliver what is owed."""
    docket.enter_due()
    bundles.seal_due()
    delivery.deliver_due()


@pytest.fixture
def second(
    delivered: Referral, overtake: Callable[[Finding], Determination]
) -> Callable[..., Referral]:
    """Sign a newer determination after an agency was told something else; return what follows."""

    def make(**before: Any) -> Referral:
        was_told(delivered, **before)
        overtake(delivered.obligation.determination.finding)
        docket.enter_due()
        return Referral.objects.exclude(pk=delivered.pk).get()

    return make


class TestEnter:
    def test_says_nothing_again(
        self, delivered: Referral, overtake: Callable[[Finding], Determination]
    ) -> None:
        overtake(delivered.obligation.determination.finding)
        assert docket.enter_due() == 0

    def test_is_a_supplement_that_only_adds(
        self, second: Callable[..., Referral], delivered: Referral
    ) -> None:
        later = second(release=["META", "SUSP"])
        assert later.filing_type == FilingType.SUPPLEMENT
        assert list(later.prior_referrals.all()) == [delivered]

    @pytest.mark.parametrize(
        "before",
        [
            {"release": ["C_pub", "ID", "META", "PAY", "SUSP", "TRAF"]},
            {"because": ["eu-tco-14-5"]},
            {"release": ["PAY"], "because": ["eu-tco-14-5"]},
        ],
    )
    def test_is_a_correction_that_takes_anything_away(
        self, second: Callable[..., Referral], before: dict[str, Any]
    ) -> None:
        assert second(**before).filing_type == FilingType.CORRECTION

    def test_changes_its_mind_with_the_law_while_it_is_on_its_way(
        self, second: Callable[..., Referral], delivered: Referral, move: Make, sign: Make
    ) -> None:
        later = second(release=["META", "SUSP"])
        was_told(later, release=["META"])
        was_told(delivered, release=["META", "PAY"])
        move(us_sca_covered=True)
        sign(delivered.obligation.determination.finding.determinations.get(is_newest=True))
        docket.enter_due()
        later.refresh_from_db()
        assert later.filing_type == FilingType.CORRECTION

    def test_follows_the_last_of_several(
        self, second: Callable[..., Referral], delivered: Referral, move: Make, sign: Make
    ) -> None:
        later = second(release=["META", "SUSP"])
        send()
        was_told(later, release=["META"])
        move(us_sca_covered=True)
        sign(delivered.obligation.determination.finding.determinations.get(is_newest=True))
        send()
        last = Referral.objects.latest("entered_at")
        assert filings.before(last) == [delivered, later]
        assert filings.heading(last)["version"] == 3


class TestSupplement:
    @pytest.fixture
    def more(
        self, delivered: Referral, record: Make, attach: Make, ben: User, sign: Make
    ) -> Finding:
        """New evidence about the finding that was referred: a finding of its own, signed."""
        first = delivered.obligation.determination.finding
        finding: Finding = record(IMMINENT, supplements=first, statement="A second post.")
        attach(finding, b"At eight.")
        findings.confirm(finding, because="Credible.", by=ben)
        determinations.propose_due()
        sign(finding.determinations.get())
        return finding

    def test_is_filed_beside_the_first(
        self, delivered: Referral, more: Finding, identity: age.Identity
    ) -> None:
        send()
        referral = Referral.objects.get(obligation__determination__finding=more)
        assert (referral.filing_type, referral.state) == (FilingType.SUPPLEMENT, "delivered")
        data = b"".join(bundles.read(referral.bundle, 0, referral.bundle.size))
        told = manifest(data, identity)
        assert told["referral"]["prior_referrals"] == [delivered.number]
        changes = told["changes"]
        assert changes["since"] == delivered.number
        (item,) = more.items.all()
        assert changes["items"] == {
            "added": {str(item.pk): item.sealed_sha256},  # for nobody viewed what is in it
            "changed": {},
            "withdrawn": {},
        }  # fmt: skip
        assert set(changes["fields"]["added"]) == {
            "ID", "META", "TRAF", "law", "statement", "withheld",
        }  # fmt: skip

    def test_of_a_supplement_names_both(
        self, delivered: Referral, more: Finding, record: Make, ben: User, sign: Make
    ) -> None:
        send()
        third = findings.confirm(record(IMMINENT, supplements=more), because="Credible.", by=ben)
        determinations.propose_due()
        sign(third.determinations.get())
        send()
        referral = Referral.objects.get(obligation__determination__finding=third)
        assert referral.prior_referrals.count() == 2

    def test_of_what_was_taken_back_stands_alone(
        self, delivered: Referral, more: Finding, overturn: Callable[..., Overturning]
    ) -> None:
        overturn(delivered.obligation.determination.finding)
        send()
        referral = Referral.objects.get(obligation__determination__finding=more)
        assert referral.filing_type == FilingType.INITIAL

    def test_is_about_a_confirmed_finding(self, finding: Finding, record: Make) -> None:
        with pytest.raises(WrongState, match="is recorded; only a confirmed finding is supplement"):
            record(supplements=finding)


class TestChanges:
    def test_say_by_id_and_digest_what_was_added_changed_and_withdrawn(
        self, second: Callable[..., Referral], delivered: Referral, identity: age.Identity
    ) -> None:
        later = second(release=["META", "ID", "PAY"], withhold={"TRAF": "not_required"})
        finding = later.obligation.determination.finding
        (item,) = finding.items.all()
        told = manifest(sealed_bytes(bundles.prepare(later)), identity)["changes"]
        assert told["since"] == delivered.number
        assert told["items"] == {
            "added": {str(item.pk): item.sha256}, "changed": {}, "withdrawn": {},
        }  # fmt: skip
        assert told["fields"] == {
            "added": {
                "TRAF": digest({"said": finding.particulars["TRAF"]}),
                "statement": digest({"said": finding.statement}),
            },
            "changed": {"withheld": digest({"said": later.obligation.withhold})},
            "withdrawn": {},
        }

    def test_name_what_does_not_go_any_more(
        self, second: Callable[..., Referral], delivered: Referral
    ) -> None:
        later = second(because=["eu-tco-14-5"])
        was_told(later, release=["META"])
        later.refresh_from_db()
        told = filings.changes(later)
        assert set(told["fields"]["withdrawn"]) == {"ID", "TRAF", "statement"}
        assert set(told["fields"]["changed"]) == {"law"}
        assert len(told["items"]["withdrawn"]) == 1


class TestCorrection:
    def test_ends_the_download_of_what_it_replaces_once_it_is_delivered(
        self, second: Callable[..., Referral], delivered: Referral, lee: LiaisonClient
    ) -> None:
        second(because=["eu-tco-14-5"])
        assert receipts.collect(delivered, by=lee)
        send()
        with pytest.raises(docket.Corrected, match="A correction replaces this referral"):
            receipts.collect(delivered, by=lee)

    def test_is_not_what_a_supplement_is(
        self, second: Callable[..., Referral], delivered: Referral, lee: LiaisonClient
    ) -> None:
        second(release=["META"])
        send()
        assert receipts.collect(delivered, by=lee)
