"""Middleware: who acts in this request, which law it speaks of, and what a page may load."""

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from compliance import releases
from compliance.audit.context import Acting, acting_late, client_ref, new_cid, user_ref

Handler = Callable[[HttpRequest], HttpResponseBase]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class ContentSecurityPolicy:
    """Give every answer the strict policy: nothing inline, nothing from elsewhere.

    An answer that brings a policy of its own is evidence, and its policy is stricter still.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.handler(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class WhoActs:
    """Name the actor of a request for the audit log, asked whenever an entry is written."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        cid, address = new_cid(), remote_address(request)

        def ask() -> Acting:
            if client := getattr(request, "liaison", None):
                return Acting(client_ref(client.client_id), cid=cid, remote_addr=address)
            # REST framework puts None here while nobody is authenticated.
            user = request.user if request.user and request.user.is_authenticated else None
            return Acting(user_ref(user) if user else "anonymous", user, cid, remote_addr=address)

        with acting_late(ask):
            return self.handler(request)


class OneLaw:
    """Let a page that only reads speak of one law, though another may begin meanwhile."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return self.handler(request)
        with releases.steady():
            return self.handler(request)


def remote_address(request: HttpRequest) -> str | None:
    """Return the address that the outermost trusted proxy saw, never what the client claims.

    What is no address (a Unix socket, a hop with a port) is unknown: the log takes addresses only.
    """
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop]
    seen = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES and len(hops) >= settings.TRUSTED_PROXIES:
        seen = hops[-settings.TRUSTED_PROXIES]
    try:
        return str(ip_address(seen.partition("%")[0]))  # no log of ours needs the interface
    except ValueError:
        return None
