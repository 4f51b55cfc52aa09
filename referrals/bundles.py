"""Bundles: what one agency gets of one finding, sealed to its key: what the ruling releases."""

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from compliance import evidence, lifecycle
from compliance.audit import checkpoints
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.evidence import Item
from compliance.roles import User
from compliance.vault import age, keys, stream
from referrals import agencies, docket
from referrals.agencies import AgencyKey
from referrals.docket import Referral
from referrals.sealing import bag, sshsig

PIECE = 2**20
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
    """Lay out and hash the bundle of a referral. Reads every sealed byte, changes nothing."""
    key = agencies.sealing_key(referral.agency)
    recipient = age.parse_recipient(key.recipient)
    items = released_items(referral)
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
    return Draft(key, headers, layout, bag.sha256_of(layout, read_object), _sha256(manifest))


@transaction.atomic
def seal(referral: Referral, draft: Draft) -> Bundle:
    """Put a prepared bundle on record; the referral is sealed from here."""
    sealed = lifecycle.advance(referral, docket.State.SEALED, by=None)
    for item, header in draft.headers.items():
        SealedHeader.objects.get_or_create(
            item_id=item, agency_key=draft.key, defaults={"header": header}
        )
    return Bundle.objects.create(
        referral=sealed,
        agency_key=draft.key,
        layout=draft.layout.to_json(),
        size=draft.layout.size,
        sha256=draft.sha256,
        manifest_sha256=draft.manifest_sha256,
    )


def seal_due() -> int:
    """Seal every referral that was entered, most urgent first."""
    owed = Referral.objects.filter(state=docket.State.ENTERED).order_by("due_at")
    return lifecycle.pull("seal", owed, seal, prepare=prepare)


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


def released_items(referral: Referral) -> list[Item]:
    """Return the items whose class of content the ruling releases to this agency."""
    finding = referral.obligation.determination.finding
    return list(finding.items.filter(field_class__in=referral.obligation.release))


def manifest_of(referral: Referral, items: list[Item], key: AgencyKey) -> dict[str, Any]:
    """Return the manifest: only released classes, and the code of what was withheld."""
    obligation = referral.obligation
    determination = obligation.determination
    finding = determination.finding
    released = set(obligation.release)
    return {
        "schema": "manifest/1",
        "referral": {"number": referral.number, "id": str(referral.pk), "filing_type": "initial"},
        "environment": referral.agency.environment,
        "agency": referral.agency.authority,
        "sealed_to": key.fingerprint,
        "law": _law(determination, obligation.because),
        "kind": obligation.kind,
        "statement": finding.statement if "SUSP" in released else None,
        "particulars": {
            name: values for name, values in finding.particulars.items() if name in released
        },
        "items": [_described(item, with_source="META" in released) for item in items],
        "released": sorted(released),
        "withheld": obligation.withhold,
        "confirmed": _act(finding.confirmed_by, finding.confirmed_at),
        "signed": _act(determination.signed_by, determination.signed_at),
        "terms": TERMS,
        "log_receipt": _log_receipt(determination),
    }


def service_key() -> sshsig.PrivateKey:
    """Return the key with which the service signs manifests, made at first use."""
    path = settings.KEYS_DIR / "service-signing-key"
    if not path.exists():
        keys.make_secret(path, keys.new_seed())
    return sshsig.private_key(base64.b64decode(path.read_bytes()))


def allowed_signers() -> str:
    """Return the allowed_signers file that `ssh-keygen -Y verify` reads."""
    line = sshsig.allowed_signer(PRINCIPAL, sshsig.NAMESPACE, service_key().public_key())
    return f"{line}\n"


def _law(determination: Determination, because: list[str]) -> dict[str, Any]:
    return {
        "release": determination.release.sha256,
        "rules": because,
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


def pseudonym(person: User | None) -> str:
    """Return the name under which an agency knows a person of the provider."""
    if person is None:
        return "none"
    drawn = salted_hmac("referrals.bundles.pseudonym", str(person.pk), algorithm="sha256")
    return f"{person.role}-{drawn.hexdigest()[:8]}"


def _act(person: User | None, at: Any) -> dict[str, str]:
    return {"by": pseudonym(person), "at": at.isoformat()}


def _log_receipt(determination: Determination) -> str:
    """Return the proof that counsel's signature is in the log, sealing the log if need be."""
    entry = AuditEntry.objects.get(event="determination.signed", object_pk=str(determination.pk))
    checkpoints.seal_due()
    return checkpoints.receipt(entry)


def _header(item: Item, key: AgencyKey, recipient: Any) -> bytes:
    """Return the header of an item for a key: the stored one if there is one, else a new one."""
    known = SealedHeader.objects.filter(item=item, agency_key=key).first()
    return bytes(known.header) if known else age.header(keys.file_key(item.pk), [recipient])


def _member(item: Item, header: bytes) -> bag.Member:
    body = bag.Stored(item.sealed_name, 0, item.sealed_size)
    digest = bag.sha256_of([bag.Inline(header), body], read_object)
    return bag.Member.stored(
        f"data/{item.pk}.age", header, body, crc32=item.sealed_crc32, sha256=digest
    )


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


def _sha256(data: bytes) -> str:
    return bag.sha256_of([bag.Inline(data)], read_object)
