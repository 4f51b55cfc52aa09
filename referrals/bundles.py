"""Bundles: what one agency gets of one finding, sealed to its key: what the ruling releases."""

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from compliance import audit, determinations, evidence, lifecycle
from compliance.audit import checkpoints, entries
from compliance.audit.entries import AuditEntry
from compliance.determinations import Obligation
from compliance.errors import KeyUnusable, Tampered
from compliance.evidence import Item
from compliance.roles import User
from compliance.vault import age, keys, stream
from referrals import agencies, docket, filings
from referrals.agencies import AgencyKey
from referrals.docket import Referral
from referrals.sealing import bag, sshsig

PIECE = 2**20
MEND = "Put the storage back from a backup; sealing is tried again."
PRINCIPAL = "dutyline-service"
TERMS = (
    "For the investigation, prevention and prosecution of the suspected offence named here. "
    "Not to be used against anybody for lawful expression. A retraction is to be honoured."
)


class Bundle(models.Model):
    """The sealed ZIP of one referral, as a layout: small bytes inline, evidence by reference."""

    referral = models.OneToOneField(Referral, models.PROTECT, related_name="bundle")
    agency_key = models.ForeignKey(AgencyKey, models.PROTECT, related_name="+")
    layout = models.JSONField()
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    manifest_sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"bundle of {self.referral.number}"


class SealedHeader(models.Model):
    """The age header that opens one stored item to one agency's key. Its bytes never change."""

    item = models.ForeignKey(Item, models.PROTECT, related_name="+")
    agency_key = models.ForeignKey(AgencyKey, models.PROTECT, related_name="+")
    header = models.BinaryField()
    issued_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        constraints = [
            models.UniqueConstraint(fields=["item", "agency_key"], name="one_header_for_one_key")
        ]

    def __str__(self) -> str:
        return f"header {self.pk}"


@dataclass(frozen=True)
class Draft:
    """A bundle that is laid out and hashed, and not on record yet."""

    key: AgencyKey
    headers: dict[uuid.UUID, bytes]
    layout: bag.Layout
    sha256: str
    manifest_sha256: str


def prepare(referral: Referral) -> Draft:
    """Lay out and hash the bundle of a referral. Reads every sealed byte, changes no record.

    Not within a transaction: the manifest proves counsel's signature, so the log is sealed first.
    """
    key = agencies.sealing_key(referral.agency)
    recipient = age.parse_recipient(key.recipient)
    items = filings.released_items(referral)
    headers = {item.pk: _header(item, key, recipient) for item in items}
    members = [_member(item, headers[item.pk]) for item in items]
    manifest = _canonical(manifest_of(referral, items, key))
    signature = sshsig.sign(service_key(), manifest, sshsig.NAMESPACE).encode("ascii")
    members += [
        _small("data/manifest.json.age", manifest, recipient),
        _small("data/manifest.json.sig.age", signature, recipient),
    ]
    layout = bag.lay_out(
        referral.number, members, info=_info(referral), tags=bag.open_scripts(), when=timezone.now()
    )
    digest = bag.sha256_of(layout, read_object)
    return Draft(key, headers, layout, digest, sha256(manifest).hexdigest())


@transaction.atomic
def seal(referral: Referral, draft: Draft) -> Bundle:
    """Put a prepared bundle on record; the referral is sealed from here."""
    docket.require_owed(referral)
    sealed = lifecycle.advance(referral, docket.State.SEALED, by=None)
    return _put_on_record(Bundle(referral=sealed), draft)


def renew(referral: Referral) -> None:
    """Seal a waiting bundle anew if its key was revoked or expired, so that the agency opens it."""
    if agencies.is_usable(referral.bundle.agency_key):
        return
    draft = prepare(referral)
    with transaction.atomic():
        docket.require_sealed(referral)
        bundle = _put_on_record(Bundle.objects.select_for_update().get(referral=referral), draft)
        audit.record("bundle.renewed", bundle, by=None, key=draft.key.fingerprint)
    referral.refresh_from_db()  # forgets the bundle it had


def _put_on_record(bundle: Bundle, draft: Draft) -> Bundle:
    agencies.require_usable(draft.key)
    for item, header in draft.headers.items():
        SealedHeader.objects.get_or_create(
            item_id=item, agency_key=draft.key, defaults={"header": header}
        )
    bundle.agency_key, bundle.layout = draft.key, draft.layout.to_json()
    bundle.size, bundle.sha256 = draft.layout.size, draft.sha256
    bundle.manifest_sha256, bundle.made_at = draft.manifest_sha256, timezone.now()
    bundle.save()
    return bundle


def seal_due() -> int:
    """Seal every referral that was entered, most urgent first; revoke what was taken back."""
    sealed = lifecycle.pull("seal", docket.owed(docket.State.ENTERED), seal, prepare=prepare)
    taken_back = Bundle.objects.filter(referral__in=docket.of_overturned(), revoked_at=None)
    return sealed + lifecycle.pull(
        "revoke", taken_back, revoke, named=lambda each: each.referral_id
    )


@transaction.atomic
def revoke(bundle: Bundle) -> Bundle:
    """Revoke a bundle and every header that its agency ever had of the finding's items."""
    current = Bundle.objects.select_for_update().get(pk=bundle.pk)
    referral = current.referral
    current.revoked_at = timezone.now()
    current.save(update_fields=["revoked_at"])
    headers = SealedHeader.objects.filter(
        item__finding=referral.obligation.determination.finding,
        agency_key__agency=referral.agency,
        revoked_at=None,
    )
    for header in headers:
        header.revoked_at = current.revoked_at
        header.save(update_fields=["revoked_at"])
    audit.record("bundle.revoked", current, by=None)
    return current


def read(bundle: Bundle, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes of the sealed ZIP from `start` up to `stop`."""
    return bag.read_range(bag.Layout.from_json(bundle.layout), start, stop, read_object)


def stored_objects(bundle: Bundle) -> tuple[tuple[str, int], ...]:
    """Return the name and full size of every stored object that the bundle refers to."""
    segments = bag.Layout.from_json(bundle.layout).segments
    return tuple((part.name, part.length) for part in segments if isinstance(part, bag.Stored))


def read_object(name: str, offset: int, length: int) -> Iterator[bytes]:
    """Yield a range of a stored object."""
    with default_storage.open(name, "rb") as source:
        source.seek(offset)
        while length and (piece := source.read(min(PIECE, length))):
            length -= len(piece)
            yield piece


def manifest_of(referral: Referral, items: list[Item], key: AgencyKey) -> dict[str, Any]:
    """Return the manifest: only released classes, and the code of what was withheld."""
    obligation = referral.obligation
    determination = obligation.determination
    finding = determination.finding
    released, signed = filings.released_classes(referral), filings.signature(referral)
    return {
        "schema": "manifest/1",
        "referral": filings.heading(referral),
        "environment": referral.agency.environment,
        "agency": referral.agency.authority,
        "sealed_to": key.fingerprint,
        "law": _law(obligation),
        "kind": obligation.kind,
        "statement": finding.statement if "SUSP" in released else None,
        "particulars": {
            name: values for name, values in finding.particulars.items() if name in released
        },
        "items": [_described(item, with_source="META" in released) for item in items],
        "released": sorted(released),
        "withheld": filings.withheld(referral),
        "confirmed": _act(finding, "confirmed"),
        "signed": _act(signed, "signed"),
        "terms": TERMS,
        **filings.about(referral),
        **_log_receipt(signed),
    }


def service_key() -> sshsig.PrivateKey:
    """Return the key with which the service signs manifests, made at first use."""
    path = settings.KEYS_DIR / "service-signing-key"
    if not path.exists():
        keys.make_secret(path, keys.new_seed())
    try:
        return sshsig.private_key(base64.b64decode(path.read_bytes(), validate=True))
    except ValueError as error:
        raise KeyUnusable("The service's signing key file is not base64 of 32 bytes.") from error


def allowed_signers() -> str:
    """Return the allowed_signers file that `ssh-keygen -Y verify` reads."""
    line = sshsig.allowed_signer(PRINCIPAL, sshsig.NAMESPACE, service_key().public_key())
    return f"{line}\n"


def _law(obligation: Obligation) -> dict[str, Any]:
    determination = obligation.determination
    return {
        "release": determination.release.sha256,
        "rules": determinations.legal_basis(obligation),
        "rule_time": determination.rule_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "result": determination.result_sha256,
    }


def _described(item: Item, *, with_source: bool) -> dict[str, Any]:
    viewed = evidence.was_viewed(item)
    source = {
        "source_url": item.source_url,
        "acquired_at": item.acquired_at.isoformat(),
        "acquired_by": pseudonym(item.attached_by),
    }
    return {
        "id": str(item.pk),
        "exhibit": item.exhibit,
        "name": item.name,
        "size": item.size,
        "sha256": item.sha256,
        "media_type": item.media_type,
        "member": f"data/{item.pk}.age",
        "viewed_by_human": viewed != "none",
        "view_scope": viewed,
        "publicly_available": item.field_class == evidence.FieldClass.PUBLIC,
        **(source if with_source else {}),
    }


def pseudonym(person: User) -> str:
    """Return the name under which an agency knows a person of the provider."""
    drawn = salted_hmac("referrals.bundles.pseudonym", str(person.pk), algorithm="sha256")
    return f"{person.role}-{drawn.hexdigest()[:8]}"


def _act(record: Any, state: str) -> dict[str, str]:
    by, at = getattr(record, f"{state}_by"), getattr(record, f"{state}_at")
    return {"by": pseudonym(by), "at": at.isoformat()}


def _log_receipt(signed: models.Model) -> dict[str, str]:
    """Return the entry of counsel's signature and the proof that it is in the log."""
    event = f"{signed._meta.model_name}.signed"
    entry = AuditEntry.objects.get(event=event, object_pk=str(signed.pk))
    checkpoints.seal_due()
    return {
        "log_receipt": checkpoints.receipt(entry),
        "log_entry": entries.public_data(entry).decode(),
    }


def _header(item: Item, key: AgencyKey, recipient: Any) -> bytes:
    """Return the header of an item for a key: the stored one if there is one, else a new one."""
    known = SealedHeader.objects.filter(item=item, agency_key=key).first()
    return bytes(known.header) if known else age.header(keys.file_key(item.pk), [recipient])


def _member(item: Item, header: bytes) -> bag.Member:
    """Make the member of an item, after one reading of all its object: the digests of both."""
    body = bag.Stored(item.sealed_name, 0, item.sealed_size)
    alone, together = sha256(), sha256(header)
    try:
        for piece in read_object(body.name, body.offset, body.length):
            alone.update(piece)
            together.update(piece)
    except FileNotFoundError as error:
        raise Tampered(f"The sealed object of {_cited(item)} is missing. {MEND}") from error
    if alone.hexdigest() != item.sealed_sha256:
        raise Tampered(f"The sealed object of {_cited(item)} was changed. {MEND}")
    return bag.Member.stored(
        f"data/{item.pk}.age", header, body, crc32=item.sealed_crc32, sha256=together.hexdigest()
    )


def _cited(item: Item) -> str:
    return f"{item} of {item.finding}"


def _small(path: str, plain: bytes, recipient: Any) -> bag.Member:
    """Seal a few bytes under a key of their own."""
    key, parts = keys.new_file_key(), bytearray()
    sealer = stream.Sealer(key, parts.extend)
    sealer.update(plain)
    sealer.finish()
    return bag.Member.inline(path, age.header(key, [recipient]) + bytes(parts))


def _info(referral: Referral) -> dict[str, str]:
    return {
        "Source-Organization": settings.LOG_ORIGIN,
        "Bundle-Environment": referral.agency.environment,
    }


def _canonical(manifest: dict[str, Any]) -> bytes:
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, indent=1)
    return f"{text}\n".encode()
