"""A finding that becomes a referral: ten rooms, top to bottom."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from typing import Any

from joserfc.jwk import OKPKey

from compliance import determinations, evidence, findings, preservation
from compliance.audit import checkpoints, notes, signing, verification
from compliance.audit.context import acting
from compliance.audit.entries import AuditEntry
from compliance.determinations import Decision, Determination
from compliance.evidence import Item
from compliance.findings import Finding
from compliance.roles import User
from compliance.vault import age
from referrals import bundles, delivery, docket, receipts
from referrals.agencies import Agency
from referrals.clients import LiaisonClient
from referrals.docket import Referral
from tests.cast import IMMINENT

Make = Callable[..., Any]


def test_finding_to_closure(
    record: Make, attach: Make, ana: User, ben: User, carla: User, profile: object,
    agency: Agency, lee: LiaisonClient, identity: age.Identity, liaison_key: OKPKey,
) -> None:  # fmt: skip
    # Findings and evidence: Ana records what she found and attaches the post.
    finding: Finding = record(IMMINENT)
    item: Item = attach(finding, b"Tonight.", "post.txt")
    # Ben reads it, then confirms.
    assert b"".join(evidence.read(item, purpose="Second review.", by=ben)) == b"Tonight."
    findings.confirm(finding, because="Credible and close.", by=ben)
    # Determinations: the worker proposes, Carla signs.
    assert determinations.propose_due() == 1
    proposed = Determination.objects.get(finding=finding)
    accepted = Decision("duty", "bka", accept=True, because="Every condition is met.")
    signed = determinations.sign(
        proposed, decisions=[accepted], because="The duty holds.", by=carla
    )
    assert [each.recipient for each in signed.obligations.all()] == ["bka"]
    # Preservation: the hold counts from the signature.
    assert preservation.place_due() == 1
    assert preservation.is_held(signed)
    # Docket, bundles, delivery: entered, sealed, delivered, each once.
    assert (docket.enter_due(), bundles.seal_due(), delivery.deliver_due()) == (1, 1, 1)
    assert (docket.enter_due(), bundles.seal_due(), delivery.deliver_due()) == (0, 0, 0)
    referral = Referral.objects.get(obligation__determination=signed)
    assert not referral.is_overdue
    # Lee collects the bundle, opens it with the agency's own key, and acknowledges.
    with acting(client=lee.client_id):
        receipts.read(referral, by=lee)
        sealed = b"".join(receipts.collect(referral, by=lee))
        with zipfile.ZipFile(io.BytesIO(sealed)) as archive:
            member = next(name for name in archive.namelist() if str(item.pk) in name)
            with archive.open(member) as source:
                assert b"".join(age.open_file(source, [identity])) == b"Tonight."
        receipts.acknowledge(
            referral,
            agency_reference="A-1",
            receipt_sha256=hashlib.sha256(sealed).hexdigest(),
            by=lee,
        )
    # Carla closes; the log is sealed, and proves the delivery to anybody.
    closed = docket.close(referral, because="Acknowledged.", by=carla)
    assert closed.state == docket.State.CLOSED
    assert checkpoints.seal_due() > 0
    proof, entry = receipts.proof(referral)
    assert notes.verify_proof(proof, entry, signing.vkey()).size == AuditEntry.objects.count()
    assert verification.verify().good
