"""Models: the index Django asks for, in the order a referral meets them."""

from compliance import audit
from referrals.agencies import Agency, AgencyKey
from referrals.bundles import Bundle, SealedHeader
from referrals.clients import AccessToken, LiaisonClient, SeenOnce, StoredReply
from referrals.delivery import Attempt
from referrals.docket import Referral
from referrals.inquiries import InformationRequest
from referrals.receipts import Acknowledgement
from referrals.retractions import Retraction
from referrals.routes import Route

__all__ = [
    "AccessToken",
    "Acknowledgement",
    "Agency",
    "AgencyKey",
    "Attempt",
    "Bundle",
    "InformationRequest",
    "LiaisonClient",
    "Referral",
    "Retraction",
    "Route",
    "SealedHeader",
    "SeenOnce",
    "StoredReply",
]

# django-auditlog keeps the field diffs of what is evidential.
audit.watch(Agency)
audit.watch(AgencyKey)
audit.watch(LiaisonClient)
audit.watch(Route, exclude=("address",))
audit.watch(Referral, exclude=("external_ref",))
audit.watch(Retraction)
audit.watch(Attempt, exclude=("failed_because",))
audit.watch(Acknowledgement, exclude=("agency_reference",))
audit.watch(InformationRequest, exclude=("process_reference",))
