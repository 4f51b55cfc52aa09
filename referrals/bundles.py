"""Bundles: what one agency gets of one finding, sealed to its key: what the ruling releases."""

import base64
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.utils import timezone

from compliance import audit, lifecycle
from compliance.errors import KeyUnusable, Stale, Tampered
from compliance.evidence import Item
from compliance.vault import age, keys, stream
from referrals import agencies, docket, manifests, processes
from referrals.agencies import AgencyKey
from referrals.docket import Referral
from referrals.manifests import Because, Edition
from referrals.processes import LegalProcess
from referrals.sealing import bag, sshsig

PIECE = 2**20
MEND = "Put the storage back from a backup; sealing is tried again."
PRINCIPAL = "dutyline-service"


class Bundle(models.Model):
    """One version of a referral's sealed ZIP as a layout: small bytes inline, evidence by name.

    A version is never changed. A header that is issued anew makes the next one.
    """

    Because = Because

    referral = models.ForeignKey(Referral, models.PROTECT, related_name="bundles")
    version = models.PositiveIntegerField(default=1)
    because = models.CharField(max_length=20, choices=Because, default=Because.FIRST)
    agency_key = models.ForeignKey(AgencyKey, models.PROTECT, related_name="+")
    layout = models.JSONField()
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    manifest_sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ["view"]
        ordering = ["referral", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["referral", "version"], name="one_bundle_a_version")
        ]

    def __str__(self) -> str:
        return f"bundle {self.version} of {self.referral.number}"


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
    edition: Edition
    headers: dict[uuid.UUID, bytes]
    layout: bag.Layout
    sha256: str
    manifest_sha256: str


def prepare(referral: Referral, because: str = Because.FIRST) -> Draft:
    """Lay out and hash the next bundle of a referral. Reads every sealed byte, changes no record.

    Not within a transaction: the manifest proves counsel's signature, so the log is sealed first.
    """
    key = agencies.sealing_key(referral.agency)
    recipient = age.parse_recipient(key.recipient)
    edition = _next(referral, because)
    exhibits = processes.exhibits(referral)
    headers = {e.item.pk: _header(e.item, key, recipient) for e in exhibits if e.is_open}
    members = [_member(e.item, e.member, headers.get(e.item.pk, b"")) for e in exhibits]
    manifest = manifests.canonical(manifests.describe(referral, exhibits, key, edition))
    signature = sshsig.sign(service_key(), manifest, sshsig.NAMESPACE).encode("ascii")
    members += [
        _small("data/manifest.json.age", manifest, recipient),
        _small("data/manifest.json.sig.age", signature, recipient),
        _small(manifests.TERMS_MEMBER, manifests.terms_of(referral).text, recipient),
    ]
    layout = bag.lay_out(
        referral.number,
        members,
        info=_info(referral, edition),
        tags=bag.open_scripts(),
        when=timezone.now(),
    )
    digest = bag.sha256_of(layout, read_object)
    return Draft(key, edition, headers, layout, digest, sha256(manifest).hexdigest())


@transaction.atomic
def seal(referral: Referral, draft: Draft) -> Bundle:
    """Put a prepared bundle on record; the referral is sealed from here."""
    docket.require_owed(referral)
    sealed = lifecycle.advance(referral, docket.State.SEALED, by=None)
    return _put_on_record(sealed, draft)


def renew(referral: Referral) -> None:
    """Seal a waiting bundle anew if its key was revoked or expired, so that the agency opens it."""
    if agencies.is_usable(referral.bundle.agency_key):
        return
    draft = prepare(referral, Because.AGENCY_KEY)
    with transaction.atomic():
        docket.require_sealed(referral)
        _renewed(referral, draft)


@transaction.atomic
def answer(process: LegalProcess, draft: Draft) -> Bundle:
    """Open to the agency what a legal process names, in the next version of the bundle."""
    referral = Referral.objects.select_for_update().get(pk=process.referral_id)
    lifecycle.advance(process, processes.State.ANSWERED, by=None)
    docket.revise(referral)
    return _renewed(referral, draft)


def _renewed(referral: Referral, draft: Draft) -> Bundle:
    bundle = _put_on_record(referral, draft)
    audit.record(
        "bundle.renewed",
        bundle,
        by=None,
        key=draft.key.fingerprint,
        because=bundle.because,
        sha256=bundle.sha256,
        replaces=draft.edition.replaces,
    )
    return bundle


def _put_on_record(referral: Referral, draft: Draft) -> Bundle:
    agencies.require_usable(draft.key)
    edition = draft.edition
    if edition != _next(referral, edition.because):
        raise Stale(f"Another bundle of {referral} was made meanwhile.")
    for item, header in draft.headers.items():
        SealedHeader.objects.get_or_create(
            item_id=item, agency_key=draft.key, defaults={"header": header}
        )
    return Bundle.objects.create(
        referral=referral,
        version=edition.version,
        because=edition.because,
        agency_key=draft.key,
        layout=draft.layout.to_json(),
        size=draft.layout.size,
        sha256=draft.sha256,
        manifest_sha256=draft.manifest_sha256,
    )


def _next(referral: Referral, because: str) -> Edition:
    """Return the edition that comes after what is on record."""
    last = referral.bundles.first()
    return Edition(last.version + 1 if last else 1, because, last.sha256 if last else None)


def seal_due() -> int:
    """Seal every referral that was entered, most urgent first; open what a process asks for.

    What was taken back is revoked.
    """
    sealed = lifecycle.pull("seal", docket.owed(docket.State.ENTERED), seal, prepare=prepare)
    opened = lifecycle.pull("answer", processes.unanswered(), answer, prepare=_asked_for)
    taken_back = Bundle.objects.filter(referral__in=docket.of_overturned(), revoked_at=None)
    return sealed + opened + lifecycle.pull("revoke", taken_back, revoke, named=_named)


def _asked_for(process: LegalProcess) -> Draft:
    return prepare(process.referral, Because.LEGAL_PROCESS)


def _named(bundle: Bundle) -> str:
    return f"{bundle.referral_id}:{bundle.version}"


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


def _header(item: Item, key: AgencyKey, recipient: Any) -> bytes:
    """Return the header of an item for a key: the stored one if there is one, else a new one."""
    known = SealedHeader.objects.filter(item=item, agency_key=key).first()
    return bytes(known.header) if known else age.header(keys.file_key(item.pk), [recipient])


def _member(item: Item, path: str, header: bytes) -> bag.Member:
    """Make the member of an item, after one reading of all its object: the digests of both.

    Without a header it is what lies in the storage, which no key of an agency opens.
    """
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
        path, header, body, crc32=item.sealed_crc32, sha256=together.hexdigest()
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


def _info(referral: Referral, edition: Edition) -> dict[str, str]:
    return {
        "Bundle-Version": str(edition.version),
        "Source-Organization": settings.LOG_ORIGIN,
        "Bundle-Environment": referral.agency.environment,
    }
