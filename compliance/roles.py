"""Roles: the people of the provider, and which step each role may take."""

from enum import StrEnum
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models

from compliance.errors import NotPermitted


class Permission(StrEnum):
    """A step that a person may be allowed to take."""

    RECORD_FINDING = "record_finding"
    CONFIRM_FINDING = "confirm_finding"
    VIEW_EVIDENCE = "view_evidence"
    ASSERT_FACT = "assert_fact"
    SIGN_DETERMINATION = "sign_determination"
    PROPOSE_RETRACTION = "propose_retraction"
    SIGN_RETRACTION = "sign_retraction"
    SIGN_PROFILE = "sign_profile"
    DRAFT_RULES = "draft_rules"
    APPROVE_RULES = "approve_rules"
    RELEASE_HOLD = "release_hold"
    CLOSE_REFERRAL = "close_referral"
    ENROL_AGENCY = "enrol_agency"
    APPROVE_AGENCY = "approve_agency"
    READ_LOG = "read_log"
    VIEW_MATTER = "view_matter"  # findings, exhibits, determinations, holds, referrals
    VIEW_REGISTER = "view_register"  # agencies, the provider's profile, the law, the work


class Role(models.TextChoices):
    """What a person is here for."""

    REVIEWER = "reviewer", "reviewer"
    COUNSEL = "counsel", "counsel"
    AUDITOR = "auditor", "auditor"
    CUSTODIAN = "custodian", "custodian of keys and agencies"


ROLES: dict[str, frozenset[Permission]] = {
    Role.REVIEWER: frozenset(
        {
            Permission.RECORD_FINDING,
            Permission.CONFIRM_FINDING,
            Permission.PROPOSE_RETRACTION,
            Permission.VIEW_EVIDENCE,
            Permission.ASSERT_FACT,
            Permission.VIEW_MATTER,
            Permission.VIEW_REGISTER,
        }
    ),
    Role.COUNSEL: frozenset(
        {
            Permission.VIEW_EVIDENCE,
            Permission.ASSERT_FACT,
            Permission.SIGN_DETERMINATION,
            Permission.PROPOSE_RETRACTION,
            Permission.SIGN_RETRACTION,
            Permission.SIGN_PROFILE,
            Permission.DRAFT_RULES,
            Permission.APPROVE_RULES,
            Permission.RELEASE_HOLD,
            Permission.CLOSE_REFERRAL,
            Permission.APPROVE_AGENCY,
            Permission.READ_LOG,
            Permission.VIEW_MATTER,
            Permission.VIEW_REGISTER,
        }
    ),
    Role.AUDITOR: frozenset({Permission.READ_LOG, Permission.VIEW_REGISTER}),
    Role.CUSTODIAN: frozenset(
        {Permission.ENROL_AGENCY, Permission.APPROVE_AGENCY, Permission.VIEW_REGISTER}
    ),
}


class UserManager(DjangoUserManager["User"]):
    """Makes accounts; the first one comes from `createsuperuser`, with a role like all others."""

    def create_superuser(self, *args: Any, **fields: Any) -> "User":
        """Create a person who may sign in at the desk. Nobody is above the roles."""
        return super().create_user(*args, **fields, is_staff=True)


class User(AbstractUser):
    """A person of the provider. Deactivated when they leave, never deleted."""

    role = models.CharField(max_length=20, choices=Role)
    email = models.EmailField(unique=True)

    objects: ClassVar[UserManager] = UserManager()
    REQUIRED_FIELDS = ["email", "role"]

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="user_is_never_above_the_roles", condition=models.Q(is_superuser=False)
            ),
            models.CheckConstraint(
                name="user_has_a_known_role", condition=models.Q(role__in=Role.values)
            ),
        ]

    def may(self, permission: Permission) -> bool:
        """Tell whether this person's role allows the step."""
        return self.is_active and permission in ROLES.get(self.role, frozenset())


def require(by: User, permission: Permission) -> None:
    """Let `by` pass, or raise NotPermitted with the role and the step in words."""
    if not by.may(permission):
        step = permission.replace("_", " ")
        raise NotPermitted(f"The role {by.role or 'none'} may not {step}.")
