"""Models: the index Django asks for, in the order a finding meets them."""

from django.contrib.auth.models import Group

from compliance import audit
from compliance.audit.checkpoints import AuditCheckpoint, AuditCosignature, AuditLeaf, AuditTile
from compliance.audit.entries import AuditEntry, AuditOutbox
from compliance.audit.timestamps import AuditTimestamp
from compliance.conflicts import ConflictDecision
from compliance.determinations import Determination, Obligation
from compliance.documents import RuleDocument, RuleDocumentVersion
from compliance.erasures import Erasure
from compliance.evidence import Item, View
from compliance.facts import FactAssertion, ProviderProfile
from compliance.findings import Finding, Rung
from compliance.lifecycle import Work
from compliance.overturnings import Overturning
from compliance.parts import Part, PartedUpload
from compliance.preservation import Hold
from compliance.releases import Release
from compliance.requests import SubjectRequest
from compliance.roles import User
from compliance.transparency import TransparencyReport
from compliance.vault.escrow import EscrowedKey
from compliance.vault.keys import FileKeyWrap, Kek
from compliance.vault.uploads import Unclaimed

__all__ = [
    "AuditCheckpoint",
    "AuditCosignature",
    "AuditEntry",
    "AuditLeaf",
    "AuditOutbox",
    "AuditTile",
    "AuditTimestamp",
    "ConflictDecision",
    "Determination",
    "Erasure",
    "EscrowedKey",
    "FactAssertion",
    "FileKeyWrap",
    "Finding",
    "Hold",
    "Item",
    "Kek",
    "Obligation",
    "Overturning",
    "Part",
    "PartedUpload",
    "ProviderProfile",
    "Release",
    "RuleDocument",
    "RuleDocumentVersion",
    "Rung",
    "SubjectRequest",
    "TransparencyReport",
    "Unclaimed",
    "User",
    "View",
    "Work",
]

# django-auditlog keeps the field diffs of what is evidential; words and names stay out of them.
audit.watch(User, exclude=("password", "last_login"), linked=("groups", "user_permissions"))
audit.watch(Group, linked=("permissions",))
audit.watch(Finding, exclude=("statement", "particulars"))
audit.watch(Rung, exclude=("basis",))
audit.watch(FactAssertion, exclude=("value", "source", "reason"))
audit.watch(ProviderProfile)
audit.watch(Item, exclude=("name", "source_url", "source_account", "acquired_by"))
audit.watch(Determination, exclude=("snapshot", "result", "explanation"))
audit.watch(Obligation, exclude=("release", "withhold", "reason"))
audit.watch(ConflictDecision, exclude=("because", "citation"))
audit.watch(Hold)
audit.watch(Overturning)
audit.watch(Kek)
audit.watch(Erasure)
audit.watch(SubjectRequest, exclude=("identifiers",))
audit.watch(RuleDocumentVersion, exclude=("reports",))
audit.watch(Release)
