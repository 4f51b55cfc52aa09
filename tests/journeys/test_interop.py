"""Interop: the real tools of others open what we seal, and we open what they seal."""

import io
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from compliance.vault import age, stream

pytestmark = [pytest.mark.stock, pytest.mark.slow]

HERE = Path(__file__).parent
TYPAGE = "age-encryption@0.3.1"
CLASSIC, HYBRID = age.X25519, "mlkem768x25519"
SIZES = [0, 1, stream.CHUNK, 2 * stream.CHUNK + 17]


class Tool(Protocol):
    """Somebody else's age: makes keys, seals to a recipient, opens with an identity."""

    kinds: tuple[str, ...]

    def keygen(self, kind: str) -> tuple[str, str]: ...
    def seal(self, data: bytes, recipient: str) -> bytes: ...
    def open(self, sealed: bytes, identity: str) -> bytes: ...


def run(*words: Any, **more: Any) -> bytes:
    """Run a tool, and return what it wrote on standard output."""
    done = subprocess.run([str(each) for each in words], capture_output=True, **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Command:
    """The age program: Debian's, or a newer one that knows the hybrid keys too."""

    def __init__(self, folder: Path) -> None:
        self.program = shutil.which("age") or pytest.skip("not installed: age")
        self.folder = folder
        version = re.match(rb"v?(\d+)\.(\d+)", run(self.program, "--version"))
        is_new = version is None or tuple(map(int, version.groups())) >= (1, 3)
        self.kinds = (CLASSIC, HYBRID) if is_new else (CLASSIC,)

    def keygen(self, kind: str) -> tuple[str, str]:
        text = run("age-keygen", *(["-pq"] if kind == HYBRID else [])).decode()
        return text.splitlines()[-1], re.search(r"public key: (\S+)", text)[1]  # type: ignore[index]

    def seal(self, data: bytes, recipient: str) -> bytes:
        return run(self.program, "-r", recipient, input=data)

    def open(self, sealed: bytes, identity: str) -> bytes:
        path = self.folder / "identity"
        path.write_text(identity)
        return run(self.program, "-d", "-i", path, input=sealed)


class Pyrage:
    """rage, through its Python binding."""

    kinds = (CLASSIC,)

    def __init__(self, folder: Path) -> None:
        self.rage = pytest.importorskip("pyrage")

    def keygen(self, kind: str) -> tuple[str, str]:
        identity = self.rage.x25519.Identity.generate()
        return str(identity), str(identity.to_public())

    def seal(self, data: bytes, recipient: str) -> bytes:
        return bytes(self.rage.encrypt(data, [self.rage.x25519.Recipient.from_str(recipient)]))

    def open(self, sealed: bytes, identity: str) -> bytes:
        return bytes(self.rage.decrypt(sealed, [self.rage.x25519.Identity.from_str(identity)]))


class Typage:
    """typage, which runs in browsers too, fetched from its registry into a folder of its own."""

    kinds = (CLASSIC, HYBRID)

    def __init__(self, folder: Path) -> None:
        if not (shutil.which("npm") and shutil.which("node")):
            pytest.skip("not installed: node and npm")
        self.folder = folder
        install = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund",
                   "--ignore-scripts", TYPAGE]  # fmt: skip
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"not to be had here: npm's {TYPAGE}")
        shutil.copy(HERE / "typage.mjs", folder)

    def keygen(self, kind: str) -> tuple[str, str]:
        identity, recipient = self._run("keygen", kind).decode().split()
        return identity, recipient

    def seal(self, data: bytes, recipient: str) -> bytes:
        return self._run("seal", recipient, data)

    def open(self, sealed: bytes, identity: str) -> bytes:
        return self._run("open", identity, sealed)

    def _run(self, verb: str, key: str, data: bytes | None = None) -> bytes:
        given, made = self.folder / "given", self.folder / "made"
        given.write_bytes(data or b"")
        run("node", "typage.mjs", verb, key, *([given] if data is not None else []), made,
            cwd=self.folder)  # fmt: skip
        return made.read_bytes()


TOOLS: dict[str, Callable[[Path], Tool]] = {"age": Command, "pyrage": Pyrage, "typage": Typage}


@pytest.fixture(scope="module", params=TOOLS)
def tool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """Each tool in turn."""
    return TOOLS[request.param](tmp_path_factory.mktemp(request.param))


def sealed_by_us(data: bytes, recipient: age.Recipient) -> bytes:
    """Seal as a bundle's member is sealed: a header before a payload."""
    key, target = os.urandom(16), io.BytesIO()
    target.write(age.header(key, [recipient]))
    stream.seal(key, io.BytesIO(data), target)
    return target.getvalue()


class TestFormat:
    def test_what_we_seal_opens_there(self, tool: Tool) -> None:
        for kind in tool.kinds:
            identity, recipient = tool.keygen(kind)
            for size in SIZES:
                data = os.urandom(size)
                sealed = sealed_by_us(data, age.parse_recipient(recipient))
                assert tool.open(sealed, identity) == data, (kind, size)

    def test_what_is_sealed_there_opens_here(self, tool: Tool) -> None:
        for kind in tool.kinds:
            identity = age.generate_identity(kind)
            for size in SIZES:
                data = os.urandom(size)
                sealed = tool.seal(data, str(identity.recipient))
                opened = b"".join(age.open_file(io.BytesIO(sealed), [identity]))
                assert opened == data, (kind, size)

    def test_keys_are_read_alike(self, tool: Tool) -> None:
        for kind in tool.kinds:
            identity, recipient = tool.keygen(kind)
            assert str(age.parse_identity(identity).recipient) == recipient

    def test_a_tool_that_does_not_know_a_kind_of_key_seals_to_nobody(self, tool: Tool) -> None:
        for kind in {CLASSIC, HYBRID} - {*tool.kinds}:
            with pytest.raises(Exception):  # noqa: B017, PT011 (each tool has its own)
                tool.seal(b"data", str(age.generate_identity(kind).recipient))
