"""A witness, written from C2SP tlog-witness and tlog-cosignature v1 and from nothing of ours.

It keeps, for each log it knows, the last state that it cosigned, and refuses what does not
continue it. Proofs are checked by the arithmetic that third-party vectors judge.
"""

import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from compliance.audit import tree


def _id(name: str, material: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]


class Witness:
    """Somebody at an agency who watches logs."""

    def __init__(self, name: str) -> None:
        self.name, self.key = name, Ed25519PrivateKey.generate()
        self.material = b"\x04" + self.key.public_key().public_bytes_raw()
        self.logs: dict[str, bytes] = {}  # origin: public key
        self.seen: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.answers: list[tuple[int, str]] = []  # what it says instead of judging, in turn
        self.lock = threading.Lock()

    @property
    def vkey(self) -> str:
        """Return its key as logs and their readers are configured with it."""
        material = base64.b64encode(self.material).decode()
        return f"{self.name}+{_id(self.name, self.material).hex()}+{material}"

    def trust(self, vkey: str) -> None:
        """Watch the log of this key."""
        name, _, rest = vkey.partition("+")
        self.logs[name] = base64.b64decode(rest.partition("+")[2])

    def add_checkpoint(self, body: str) -> tuple[int, str]:
        """Judge one request: the status, and what is said."""
        with self.lock:  # old size and new state change together, or a race turns the log back
            self.asked.append(body)
            return self.answers.pop(0) if self.answers else self._judge(body)

    def _judge(self, body: str) -> tuple[int, str]:
        head, _, note = body.partition("\n\n")
        first, *lines = head.split("\n")
        old = int(first.removeprefix("old "))
        text, _, signatures = note.rpartition("\n\n")
        text += "\n"
        origin, size_line, root_line = text.split("\n")[:3]
        size, root = int(size_line), base64.b64decode(root_line)
        if origin not in self.logs:
            return 404, ""
        if not self._is_signed(origin, text, signatures):
            return 403, ""
        if old > size:
            return 400, ""
        known, known_root = self.seen.get(origin, (0, tree.EMPTY))
        if old != known or (old == size and root != known_root):
            return 409, f"{known}\n"
        if 0 < old < size:
            try:
                steps = [base64.b64decode(line) for line in lines]
                tree.verify_consistency(old, size, known_root, root, steps)
            except tree.Unproven:
                return 422, ""
        elif lines:
            return 422, ""
        self.seen[origin] = (size, root)
        return 200, self._cosign(text)

    def _is_signed(self, origin: str, text: str, signatures: str) -> bool:
        material = self.logs[origin]
        for line in signatures.splitlines():
            _, name, encoded = line.split(" ")
            data = base64.b64decode(encoded)
            if (name, data[:4]) == (origin, _id(origin, material)):
                try:
                    Ed25519PublicKey.from_public_bytes(material[1:]).verify(data[4:], text.encode())
                except InvalidSignature:
                    return False
                return True
        return False

    def _cosign(self, text: str) -> str:
        now = int(time.time())
        signature = self.key.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
        data = _id(self.name, self.material) + now.to_bytes(8) + signature
        return f"— {self.name} {base64.b64encode(data).decode()}\n"


@contextmanager
def serving(witness: Witness, *, wrap: Any = None) -> Iterator[str]:
    """Let a witness answer at an address of this machine; `wrap` puts TLS around its socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length).decode()
            status, told = (
                witness.add_checkpoint(body) if self.path == "/w/add-checkpoint" else (404, "")
            )
            self.send_response(status)
            kind = "text/x.tlog.size" if status == 409 else "text/plain; charset=utf-8"
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *args: None  # a caller that does not trust us hangs up
        if wrap:
            server.socket = wrap(server.socket)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            scheme = "https" if wrap else "http"
            yield f"{scheme}://127.0.0.1:{server.server_address[1]}/w"
        finally:
            server.shutdown()
            thread.join()
