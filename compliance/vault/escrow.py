"""Escrow: each file key also goes to an age key whose secret half lies in a safe.

Only the public key is here, so nothing here opens what is in escrow. What is kept is an age header:
with the stored object behind it, it is a file that stock age opens. A key is named per period, and
its secret half is to be destroyed in the safe when the period is shredded.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils import timezone

from compliance import audit, lifecycle
from compliance.vault import age, keys, providers
from compliance.vault.age import Recipient
from compliance.vault.keys import FileKeyWrap, Kek


class EscrowedKey(models.Model):
    """The file key of one wrap, for the safe. It goes when the wrap goes."""

    wrap = models.OneToOneField(FileKeyWrap, models.CASCADE, related_name="escrowed")
    fingerprint = models.CharField(max_length=64)
    header = models.BinaryField()
    sealed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"escrow of {self.wrap}"


def recipients() -> dict[str, Recipient]:
    """Return the key of each period that the settings name, or raise ImproperlyConfigured."""
    named: Mapping[str, Any] = settings.KEY_PROVIDERS.get(providers.ESCROW, {})
    try:
        return {period: age.parse_recipient(text) for period, text in named.items()}
    except (age.KeyTextError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"{providers.VARIABLE}: escrow takes a year and the public age key of that year."
        ) from error


def escrow_due() -> int:
    """Put in escrow what is wrapped under a period that has a key in the safe, in batches."""
    return lifecycle.pull("escrow", _owed(), _keep, prepare=_sealed, named=_batch)


def _owed() -> models.QuerySet[Kek]:
    """Return the keys that wrap something not in escrow yet, each with the `next` of it."""
    of_it = FileKeyWrap.objects.filter(
        provider=models.OuterRef("provider"), key_id=models.OuterRef("key_id"), escrowed=None
    )
    first = models.Subquery(of_it.order_by("pk").values("pk")[:1])
    named = Kek.objects.filter(period__in=recipients()).exclude(state=Kek.State.DESTROYED)
    return named.annotate(next=first).exclude(next=None)


def _batch(kek: Any) -> str:
    return f"{kek.pk}:{kek.next}"


def _sealed(kek: Kek) -> tuple[str, dict[int, bytes]]:
    """Return whom the next batch is for, and its headers by the ids of the wraps."""
    recipient = recipients()[kek.period]
    batch = keys.wraps(kek).filter(escrowed=None)[: keys.BATCH]
    headers = {wrap.pk: age.header(keys.file_key(wrap.subject), [recipient]) for wrap in batch}
    return age.fingerprint(recipient), headers


def _keep(kek: Kek, ready: tuple[str, dict[int, bytes]]) -> None:
    """Put a batch on record, but for what was shredded meanwhile, in one event."""
    fingerprint, headers = ready
    mine = FileKeyWrap.objects.select_for_update(of=("self",))  # PostgreSQL locks no outer join
    here = mine.filter(pk__in=headers, escrowed=None)
    kept = [EscrowedKey(wrap=w, fingerprint=fingerprint, header=headers[w.pk]) for w in here]
    EscrowedKey.objects.bulk_create(kept)
    audit.record("kek.escrowed", kek, by=None, recipient=fingerprint, wraps=len(kept))
