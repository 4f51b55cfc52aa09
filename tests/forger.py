"""The forger: owns the database, and changes the log in raw SQL."""

from django.db import connection

from compliance.audit import entries, tree
from compliance.audit.checkpoints import AuditLeaf, AuditTile
from compliance.audit.entries import AuditEntry


def sql(statement: str, *values: object) -> None:
    """Run a statement past every verb."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def entry_at(idx: int) -> int:
    """Return the entry under a leaf."""
    return AuditLeaf.objects.get(idx=idx).entry_id


def rebuild_tree() -> None:
    """Make all leaves and tiles from the entries as they are now, as a careful forger would."""
    sql("DELETE FROM compliance_audittile")
    for leaf in AuditLeaf.objects.order_by("idx"):
        data = tree.leaf_hash(entries.public_data(AuditEntry.objects.get(pk=leaf.entry_id)))
        sql("UPDATE compliance_auditleaf SET hash = %s WHERE idx = %s", data, leaf.idx)
    leaves = [bytes(leaf.hash) for leaf in AuditLeaf.objects.order_by("idx")]
    for (level, n), data in tree.append(0, leaves, dict).items():
        AuditTile.objects.create(level=level, n=n, data=data)


def cut_to(size: int) -> None:
    """Shorten the log to an older signed state, leaving nothing behind."""
    pks = list(AuditLeaf.objects.filter(idx__gte=size).values_list("entry_id", flat=True))
    sql("DELETE FROM compliance_auditleaf WHERE idx >= %s", size)
    for pk in pks:
        sql("DELETE FROM compliance_auditentry WHERE id = %s", pk)
    sql("DELETE FROM compliance_auditcheckpoint WHERE size > %s", size)
    rebuild_tree()
