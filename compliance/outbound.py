"""Outbound: the one door to other people's servers. TLS, no redirect, no way into our own network.

Addresses come from people and from the name service, and both may be wrong or hostile. So a name
is resolved once, every address that it gives is judged, and the one that was judged is called.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from threading import Timer
from urllib.parse import urlsplit

from django.conf import settings

from compliance.errors import Refused

# IPv6 addresses that carry an IPv4 address, which may be one of ours (RFC 6052, RFC 3056).
DISGUISED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("2002::/16"))
ANSWER_LIMIT = 64 * 1024  # bytes of an answer's body
PATIENCE = 30.0  # seconds for a whole exchange


class NoAnswer(Refused):
    """The other side's server did not answer as it must."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True)
class Answer:
    """What a server said: its status, its headers, and a body of at most ANSWER_LIMIT bytes."""

    status: int
    headers: Message
    body: bytes


def post(
    url: str,
    body: bytes | Iterable[bytes],
    headers: Mapping[str, str],
    *,
    seconds: float = PATIENCE,
    in_clear: bool = False,
) -> Answer:
    """Send `body` to `url` and return the answer, whatever its status, or raise NoAnswer.

    A body in pieces wants Content-Length among the headers. Servers' certificates are judged by
    the authorities of the system, or by those that SSL_CERT_FILE names; a server that wants ours
    (mutual TLS) gets DUTYLINE_OUTBOUND_IDENTITY. `seconds` is for the whole exchange. `in_clear`
    takes http:// as well, for what is public when asked and signed when answered.
    """
    host, port, target = parsed(url, in_clear=in_clear)
    tls = _tls() if url.startswith("https:") else None
    line = _Line(host, _resolved(host, port), port, seconds, tls)
    try:
        return _asked(line, target, body, headers)
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer("The server's certificate does not hold.", permanent=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(
            f"The server gave no whole answer within {seconds:g} seconds."
            if line.is_cut or isinstance(error, TimeoutError)
            else "The server could not be reached, or broke off."
        ) from error
    finally:
        line.end()


def parsed(url: str, *, in_clear: bool = False) -> tuple[str, int, str]:
    """Take an address apart into host, port and what comes after them, or raise NoAnswer."""
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError as error:
        raise NoAnswer("The address cannot be read.", permanent=True) from error
    is_taken = parts.scheme == "https" or (in_clear and parts.scheme == "http")
    if not is_taken or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise NoAnswer("The address wants the form https://HOST/PATH.", permanent=True)
    return parts.hostname, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.OUTBOUND_IDENTITY:
        context.load_cert_chain(settings.OUTBOUND_IDENTITY)
    return context


class _Line(http.client.HTTPConnection):
    """A connection to the address that was judged; it is cut when patience ends."""

    def __init__(
        self, host: str, address: str, port: int, seconds: float, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port, timeout=seconds)
        self.default_port = 443 if tls else 80  # which the Host header does not name
        self._address, self._seconds, self._tls = address, seconds, tls
        self._patience: Timer | None = None
        self.is_cut = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self._seconds)
        if self._tls:
            self.sock = self._tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
        # Every wait of a socket ends after a while, but drop by drop a server could go on for ever.
        self._patience = Timer(self._seconds, self._cut, [self.sock])
        self._patience.start()
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()

    def _cut(self, sock: socket.socket) -> None:
        self.is_cut = True
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def end(self) -> None:
        """Hang up."""
        if self._patience is not None:
            self._patience.cancel()
        self.close()


def _resolved(host: str, port: int) -> str:
    """Return an address of `host`, if all of its addresses may be called."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoAnswer("The server's name does not resolve.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not all(map(_may_be_called, addresses)):
        raise NoAnswer(
            "The server's name leads into a network that is not called. "
            "Name the network in DUTYLINE_OUTBOUND_NETWORKS if that is meant.",
            permanent=True,
        )
    return addresses[0]


def _may_be_called(address: str) -> bool:
    found = ipaddress.ip_address(address)
    if any(found in network for network in settings.OUTBOUND_NETWORKS):
        return True
    return (
        found.is_global
        and not found.is_multicast
        and not any(found in network for network in DISGUISED)
    )


def _asked(
    line: _Line, target: str, body: bytes | Iterable[bytes], headers: Mapping[str, str]
) -> Answer:
    with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
        line.request("POST", target, body, dict(headers))
    with line.getresponse() as response:
        found = response.read(ANSWER_LIMIT + 1)
    if line.is_cut:
        raise TimeoutError
    if len(found) > ANSWER_LIMIT:
        raise NoAnswer(f"The server's answer is longer than {ANSWER_LIMIT} bytes.")
    if 300 <= response.status < 400:
        raise NoAnswer("The server redirects, which is not followed.", permanent=True)
    return Answer(response.status, response.headers, found)
