"""Time-stamps: an authority says that a signed state existed at a time (RFC 3161). Optional.

What is stamped is the note as the log signed it, so `openssl ts -verify` checks the token against
the checkpoint's own file. Needs the extra `timestamps` and, in the settings, the authority's
address and the certificates it is trusted under.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography import x509
from django.conf import settings
from django.db import models

from compliance import outbound
from compliance.audit.checkpoints import AuditCheckpoint
from compliance.errors import Refused

PACKAGE = "rfc3161_client"


class Unstamped(Refused):
    """The time-stamping authority gave no token that holds."""


class AuditTimestamp(models.Model):
    """An authority's answer for one signed state: a TimeStampResp in DER."""

    checkpoint = models.OneToOneField(AuditCheckpoint, models.PROTECT, related_name="timestamp")
    token = models.BinaryField()
    stamped_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.checkpoint} stamped"


def last() -> AuditTimestamp | None:
    """Return the newest time-stamp, or None."""
    return AuditTimestamp.objects.select_related("checkpoint").order_by("-checkpoint_id").first()


def ask(signed: AuditCheckpoint) -> AuditTimestamp:
    """Have a state stamped; the caller saves what comes back. Raises Unstamped or NoAnswer."""
    library: Any = import_module(PACKAGE)
    note = signed.note.encode()
    request = library.TimestampRequestBuilder().data(note).build()
    kind = {"Content-Type": "application/timestamp-query"}
    said = outbound.post(settings.TIMESTAMP_URL, request.as_bytes(), kind, in_clear=True)
    if said.status != 200:
        raise Unstamped(f"The time-stamping authority answered {said.status}.")
    try:
        answer = library.decode_timestamp_response(said.body)
        _trusting(library.VerifierBuilder.from_request(request)).verify_message(answer, note)
    except (ValueError, library.VerificationError) as error:
        raise Unstamped from error
    return AuditTimestamp(checkpoint=signed, token=said.body, stamped_at=answer.tst_info.gen_time)


def fault(stamp: AuditTimestamp) -> str | None:
    """Say what is wrong with a kept token, if anything is."""
    library: Any = import_module(PACKAGE)
    try:
        answer = library.decode_timestamp_response(bytes(stamp.token))
        verifier = _trusting(library.VerifierBuilder())
        verifier.verify_message(answer, stamp.checkpoint.note.encode())
    except (ValueError, library.VerificationError):
        return "has a time-stamp that does not fit it"
    same = answer.tst_info.gen_time == stamp.stamped_at
    return None if same else "was stamped at another time than is said"


def _trusting(builder: Any) -> Any:
    """Return a verifier that trusts the certificates of the settings."""
    pem = Path(settings.TIMESTAMP_ROOTS).read_bytes()
    for root in x509.load_pem_x509_certificates(pem):
        builder = builder.add_root_certificate(root)
    return builder.build()
