"""Roles: the people of the provider, which step each role may take, and who came and went."""

from enum import StrEnum
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import models, transaction
from django.dispatch import receiver

from compliance import audit
from compliance.errors import NotPermitted

STANDING = ("role", "is_staff", "is_active")
NOBODY = 0  # the number of an account that does not exist


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
    RECORD_PROCESS = "record_process"
    DECIDE_PROCESS = "decide_process"
    PROPOSE_SHREDDING = "propose_shredding"
    APPROVE_SHREDDING = "approve_shredding"
    RECORD_REQUEST = "record_request"
    ANSWER_REQUEST = "answer_request"
    ENROL_AGENCY = "enrol_agency"
    APPROVE_AGENCY = "approve_agency"
    READ_LOG = "read_log"
    ASK_ERASURE = "ask_erasure"
    APPROVE_ERASURE = "approve_erasure"
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
            Permission.RECORD_PROCESS,
            Permission.RECORD_REQUEST,
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
            Permission.RECORD_PROCESS,
            Permission.DECIDE_PROCESS,
            Permission.PROPOSE_SHREDDING,
            Permission.APPROVE_SHREDDING,
            Permission.RECORD_REQUEST,
            Permission.ANSWER_REQUEST,
            Permission.APPROVE_AGENCY,
            Permission.READ_LOG,
            Permission.APPROVE_ERASURE,
            Permission.VIEW_MATTER,
            Permission.VIEW_REGISTER,
        }
    ),
    Role.AUDITOR: frozenset({Permission.READ_LOG, Permission.VIEW_REGISTER}),
    Role.CUSTODIAN: frozenset(
        {
            Permission.ENROL_AGENCY,
            Permission.APPROVE_AGENCY,
            Permission.ASK_ERASURE,
            Permission.PROPOSE_SHREDDING,
            Permission.VIEW_REGISTER,
        }
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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; another standing or password leaves its event, through whatever door it came."""
        chosen = self._password is not None  # type: ignore[attr-defined]  # not merely rehashed
        with transaction.atomic():
            was = self._stored()
            super().save(*args, **kwargs)
            if was:  # of a new account, its creation says it all
                self._tell(was, self._stored(), "changed" if chosen else "rehashed")

    def _stored(self) -> dict[str, Any]:
        rows = type(self)._base_manager.filter(pk=self.pk)
        return rows.values("password", *STANDING).first() or {}

    def _tell(self, was: dict[str, Any], now: dict[str, Any], how: str) -> None:
        """Leave the event of another password, and of another standing with both of them."""
        if was.pop("password") != now.pop("password"):
            audit.record(f"user.password_{how}", self, by=None)
        if was != now:
            is_moved = was["is_active"] != now["is_active"]
            done = ("activated" if now["is_active"] else "deactivated") if is_moved else "granted"
            audit.record(f"user.{done}", self, by=None, was=was, now=now)

    def may(self, permission: Permission) -> bool:
        """Tell whether this person's role allows the step."""
        return self.is_active and permission in ROLES.get(self.role, frozenset())


def require(by: User, permission: Permission) -> None:
    """Let `by` pass, or raise NotPermitted with the role and the step in words."""
    if not by.may(permission):
        step = permission.replace("_", " ")
        raise NotPermitted(f"The role {by.role or 'none'} may not {step}.")


def prove_again(*, by: User) -> None:
    """Put on record that a person who is signed in has just shown once more who they are."""
    audit.record("user.proved_again", by, by=by)


# Django's own signals: they come from every door there is, or will be. What cannot be put on record
# does not happen: without its event nobody is signed in, for the answer is then an error.


@receiver(user_logged_in)
def _signed_in(user: User, **told: Any) -> None:
    audit.record("user.signed_in", user, by=user)


@receiver(user_logged_out)
def _signed_out(user: User | None, **told: Any) -> None:
    if user is not None:
        audit.record("user.signed_out", user, by=user)


@receiver(user_login_failed)
def _failed_to_sign_in(credentials: dict[str, Any], **told: Any) -> None:
    """Name the person who was tried, if there is one: what was typed may be a password."""
    typed = str(credentials.get(User.USERNAME_FIELD, ""))
    tried = User.objects.filter(username=typed).first() or User(pk=NOBODY)
    audit.record("user.sign_in_failed", tried, by=None)
