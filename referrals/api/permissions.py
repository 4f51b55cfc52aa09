"""Permissions: what is not named is refused; each action names the scope that it takes."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from referrals.api.authentication import Liaison
from referrals.clients import Scope

if TYPE_CHECKING:  # the views read this module while they load
    from rest_framework.views import APIView


class DenyAll(BasePermission):
    """The default of every view: nobody."""

    code = "not_permitted"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Refuse."""
        return False


class MayRead(BasePermission):
    """Clients with the scope to read."""

    code = "not_permitted"
    scope = Scope.READ

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Let a liaison's client pass that has the scope."""
        return isinstance(request.user, Liaison) and self.scope in request.user.client.scopes


class MayAcknowledge(MayRead):
    """Clients with the scope to acknowledge."""

    scope = Scope.ACKNOWLEDGE


class MayAsk(MayRead):
    """Clients with the scope to ask for more; what was asked may be read by all that read."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Let a client pass that has the scope of what it does."""
        self.scope = Scope.READ if request.method in SAFE_METHODS else Scope.REQUEST
        return super().has_permission(request, view)
