"""Servers of other people, on loopback, over real TLS: what each does is given as a function."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone

Talk = Callable[[Any], None]  # of a socket


def certificate(folder: Path, name: str, *, loopback: bool = True) -> Path:
    """Write a key and a certificate that signs itself, for `name` and perhaps 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if loopback:
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    now = timezone.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def _wrapped(plain: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    return context.wrap_socket(plain, server_side=True) if context else plain


def _tls(pem: Path, asks_for: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if asks_for is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks_for)
    return context


@contextmanager
def serving(talk: Talk, pem: Path | None = None, *, asks_for: Path | None = None) -> Iterator[str]:
    """Serve one connection after another with `talk`; yield the address.

    Without `pem` the server speaks in clear. With `asks_for` it wants a client's certificate,
    signed by the one in that file.
    """
    context = _tls(pem, asks_for) if pem else None
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with plain, suppress(OSError), _wrapped(plain, context) as line:
                talk(line)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if pem else ''}://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def hear(line: ssl.SSLSocket) -> tuple[str, dict[str, str], bytes]:
    """Read one request: its first line, its headers in lower case, its body."""
    with line.makefile("rb") as file:
        first = file.readline().decode().strip()
        headers: dict[str, str] = {}
        while (row := file.readline().decode().strip()) != "":
            name, _, value = row.partition(":")
            headers[name.lower()] = value.strip()
        return first, headers, file.read(int(headers.get("content-length", 0)))


def say(line: ssl.SSLSocket, status: str, body: bytes = b"", *more: str) -> None:
    """Answer a request and end."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *more]
    line.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    line.close()
