"""A time-stamping authority of the tests' own: stock openssl behind an address of this machine."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa_config]
dir = {folder}
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


class Authority:
    """It stamps what it is asked to, and keeps its certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "openssl.cnf"
        self.roots = folder / "ca.pem"
        self.asked = 0
        self.status = 200
        self.config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
        (folder / "serial").write_text("01\n", encoding="utf-8")
        self._certify()

    def _certify(self) -> None:
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key"),
            *("-out", "ca.pem", "-subj", "/CN=root", "-extensions", "ca"),
        )
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key"),
            *("-out", "tsa.pem", "-subj", "/CN=tsa", "-extensions", "tsa"),
            *("-CA", "ca.pem", "-CAkey", "ca.key"),
        )

    def _openssl(self, *words: str) -> None:
        command = ["openssl", *words, "-config", str(self.config)]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def stamp(self, query: bytes) -> bytes:
        """Answer a TimeStampReq with a TimeStampResp."""
        self.asked += 1
        (self.folder / "query").write_bytes(query)
        self._openssl(
            *("ts", "-reply", "-section", "tsa_config", "-queryfile", "query", "-out", "answer")
        )
        return (self.folder / "answer").read_bytes()

    def verifies(self, data: bytes, token: bytes) -> bool:
        """Let stock openssl check a token against what it is said to stamp."""
        (self.folder / "data").write_bytes(data)
        (self.folder / "token").write_bytes(token)
        command = ["openssl", "ts", "-verify", "-data", "data", "-in", "token", "-CAfile", "ca.pem"]
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True)
        return done.returncode == 0


@contextmanager
def serving(authority: Authority) -> Iterator[str]:
    """Let an authority answer at an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(authority.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(authority.stamp(query))

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/stamp"
        finally:
            server.shutdown()
            thread.join()
