"""A stand-in for the transit engine of Vault and OpenBao, made from its documented HTTP contract.

No server of either installs with the tools of the tests. This one speaks the seven calls that we
make, and says no as is documented: with the status and the `errors` of the real one.
"""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "s.sample-token"  # noqa: S105


class Refusal(Exception):
    """A status, and what it says."""

    def __init__(self, status: int, *errors: str) -> None:
        self.status, self.errors = status, errors


class Engine:
    """The keys of the engine, and the state of the server around it."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.fails_with: int = 0
        self.seen: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> Any:
        """Answer one call."""
        if self.fails_with:
            raise Refusal(self.fails_with, "Vault is sealed")
        if token != TOKEN:
            raise Refusal(403, "permission denied")
        self.seen.append(body)
        match [method, *path.removeprefix("/v1/transit/").split("/")]:
            case ["POST" | "PUT", "keys", name]:
                made = {"key": AESGCM(os.urandom(32)), "type": body["type"], "deletable": False}
                self.keys.setdefault(name, made)
            case ["GET", "keys", name]:
                if name not in self.keys:
                    raise Refusal(404)
                return {"name": name, "type": self.keys[name]["type"]}
            case ["POST" | "PUT", "keys", name, "config"]:
                self.keys[name]["deletable"] = body["deletion_allowed"]
            case ["DELETE", "keys", name]:
                if not self.keys[name]["deletable"]:
                    raise Refusal(400, "deletion is not allowed for this key")
                del self.keys[name]
            case ["POST" | "PUT", "encrypt", name]:
                nonce = os.urandom(12)
                plain, bound = (base64.b64decode(body[n]) for n in ("plaintext", "associated_data"))
                sealed = nonce + self._key(name).encrypt(nonce, plain, bound)
                return {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}"}
            case ["POST" | "PUT", "decrypt", name]:
                return {"plaintext": self._opened(name, body)}
            case _:
                raise Refusal(404, "no handler for route")
        return None

    def _key(self, name: str) -> Any:
        if name not in self.keys:
            raise Refusal(400, "encryption key not found")
        return self.keys[name]["key"]

    def _opened(self, name: str, body: dict[str, Any]) -> str:
        key, text = self._key(name), body["ciphertext"]
        if not text.startswith("vault:v1:"):
            raise Refusal(400, "invalid ciphertext: no prefix")
        try:
            sealed = base64.b64decode(text.removeprefix("vault:v1:"), validate=True)
            bound = base64.b64decode(body["associated_data"])
            return base64.b64encode(key.decrypt(sealed[:12], sealed[12:], bound)).decode()
        except (ValueError, InvalidTag):
            raise Refusal(400, "cipher: message authentication failed") from None


@contextmanager
def serving() -> Iterator[tuple[str, Engine]]:
    """Serve an engine for the length of the block: its address, and itself."""
    engine = Engine()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            try:
                token = self.headers.get("X-Vault-Token", "")
                status, said = 200, {"data": engine.answer(self.command, self.path, token, body)}
            except Refusal as refusal:
                status, said = refusal.status, {"errors": [*refusal.errors]}
            told = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", engine
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
