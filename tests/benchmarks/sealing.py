"""Sealing and opening a file, against the least it could cost and against the stock age program.

The serial bound is what a file would take if only it were copied (1 MiB at a time) and its 64 KiB
chunks then passed through ChaCha20-Poly1305 in memory: seconds of the one plus seconds of the
other. Every contender is a fresh process and all files lie in memory where the system has such a
place. Our part times itself, from opening the file to closing its copy, for a server is already
running when an upload arrives; the age program is timed from start to end, which costs it some
milliseconds of its second. All seal to one X25519 key, which every age program knows.
"""

import io
import os
import re
import resource
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from compliance.vault import age, stream
from referrals.sealing import bag, sshsig
from tests.benchmarks import measure

MIB = 2**20
SMALL = 100_000  # bytes of one exhibit of a text
BOUND = "of the serial bound"
AGE = "age"


@dataclass(frozen=True)
class Sizes:
    """How much is sealed, and how often."""

    mib: int  # of the file
    large: int  # MiB of the file that memory is taken of
    items: int  # small files
    rounds: int


FULL, TINY = Sizes(256, 1024, 200, 5), Sizes(1, 2, 2, 1)


def figures(sizes: Sizes) -> Iterator[object]:
    """Yield the figures of sealing."""
    with measure.folder(room=4 * max(sizes.mib, sizes.large) * MIB) as where:
        identity = age.generate_identity(age.X25519Identity.kind)
        (where / "identity").write_text(f"{identity}\n", encoding="ascii")
        (where / "recipient").write_text(f"{identity.recipient}\n", encoding="ascii")
        yield from of_a_file(where, sizes.mib, sizes.rounds)
        yield from of_small_files(where, sizes.items, sizes.rounds)
        yield from of_memory(where, sizes.large)


# --- what is measured


def of_a_file(where: Path, mib: int, rounds: int) -> list[object]:
    """Compare sealing and opening one file with the bound and with age."""
    _fill(where / "plain", mib)
    alone = ("copy", "encrypt", "decrypt", "seal", "record", "open")
    contenders: dict[str, Callable[[], float]] = {part: _part(part, where) for part in alone}
    stock = _version()
    if stock:
        contenders |= {
            "age seals": _age(where, "-R", "recipient", "-o", "by-age.age", "plain"),
            "age opens": _age(where, "-d", "-i", "identity", "-o", "by-age", "sealed.age"),
        }
    # Every part finds what it reads, whatever its turn is.
    contenders["seal"]()
    taken = measure.in_turn(contenders, rounds=rounds)
    for name in ("copied", "sealed.age", "recorded", "opened", "by-age.age", "by-age", "plain"):
        (where / name).unlink(missing_ok=True)
    copy, encrypt, decrypt = taken["copy"], taken["encrypt"], taken["decrypt"]
    seal, opened, record = taken["seal"], taken["open"], taken["record"]
    return [
        measure.speed(f"sealing {mib} MiB", seal, copy, encrypt, against=BOUND, at_least=0.85),
        measure.speed(f"opening {mib} MiB", opened, copy, decrypt, against=BOUND, at_least=0.85),
        measure.speed(
            f"sealing {mib} MiB and taking its digests", record, seal, against="of sealing alone"
        ),
        *(
            measure.speed(
                f"{ours} {mib} MiB",
                taken[part],
                taken[theirs],
                against=f"times as fast as {stock}{_as_asked(stock)}",
                at_least=1.2,
            )
            if stock
            else measure.absent(f"{ours} {mib} MiB against the age program", AGE)
            for ours, part, theirs in (
                ("sealing", "seal", "age seals"),
                ("opening", "open", "age opens"),
            )
        ),
    ]


def of_small_files(where: Path, items: int, rounds: int) -> list[object]:
    """Compare sealing many small files here with starting one age process for each."""
    name, stock = f"sealing {items} files of 100 KB to a key", _version()
    if not stock:
        return [measure.absent(f"{name} against the age program", AGE)]
    (where / "small").write_bytes(os.urandom(SMALL))
    run = _age(where, "-R", "recipient", "-o", "small.age", "small")
    plain = (where / "small").read_bytes()
    hybrid = age.generate_identity().recipient
    classic = age.parse_recipient((where / "recipient").read_text(encoding="ascii"))
    taken = measure.in_turn(
        {
            "age": lambda: sum(run() for _ in range(items)),
            "hybrid": lambda: measure.timed(lambda: _seal_all(plain, items, hybrid)),
            "classic": lambda: measure.timed(lambda: _seal_all(plain, items, classic)),
            "bundles": lambda: measure.timed(lambda: _bundle_all(plain, items, hybrid)),
        },
        rounds=min(rounds, 3),
        seconds=20,
    )
    against = f"times as fast as {stock} started for each, to an X25519 key"
    return [
        measure.speed(
            f"{name} that outlasts quantum computers",
            taken["hybrid"], taken["age"], against=against, at_least=10,
        ),
        measure.speed(
            f"{name} of the classic kind", taken["classic"], taken["age"], against=against
        ),
        measure.speed(
            f"{items} whole bundles of one such file",
            taken["bundles"], taken["hybrid"], against="of sealing their files alone",
        ),
    ]  # fmt: skip


def of_memory(where: Path, mib: int) -> list[object]:
    """Say what sealing and opening a large file needs at the most."""
    _fill(where / "plain", mib)
    sealing = _peak_of("seal", where)
    recording = _peak_of("record", where)
    (where / "plain").unlink()
    (where / "recorded").unlink()
    opening = _peak_of("open", where)
    return [
        measure.mebibytes(f"memory to seal {mib} MiB", [sealing], at_most=40),
        measure.mebibytes(f"memory to seal {mib} MiB and take its digests", [recording]),
        measure.mebibytes(f"memory to open {mib} MiB", [opening], at_most=40),
    ]


# --- the parts, each in a process of its own


def copy(where: Path) -> float:
    """Copy the file."""

    def work() -> None:
        with (
            open(where / "plain", "rb", buffering=0) as source,
            open(where / "copied", "wb", buffering=0) as target,
        ):
            while data := source.read(MIB):
                target.write(data)

    return measure.timed(work)


def encrypt(where: Path) -> float:
    """Pass as many chunks as the file has through the cipher, all in one place."""
    aead, nonce = ChaCha20Poly1305(bytes(32)), bytes(12)
    chunk, room = os.urandom(stream.CHUNK), bytearray(stream.SEALED_CHUNK)
    count = (where / "plain").stat().st_size // stream.CHUNK

    def work() -> None:
        for _ in range(count):
            aead.encrypt_into(nonce, chunk, None, room)

    return measure.timed(work)


def decrypt(where: Path) -> float:
    """Pass them back."""
    aead, nonce, room = ChaCha20Poly1305(bytes(32)), bytes(12), bytearray(stream.CHUNK)
    chunk = aead.encrypt(nonce, os.urandom(stream.CHUNK), None)
    count = (where / "plain").stat().st_size // stream.CHUNK

    def work() -> None:
        for _ in range(count):
            aead.decrypt_into(nonce, chunk, None, room)

    return measure.timed(work)


def seal(where: Path) -> float:
    """Seal the file, header and all."""
    recipient = age.parse_recipient((where / "recipient").read_text(encoding="ascii"))

    def work() -> None:
        file_key = os.urandom(stream.FILE_KEY)
        with (
            open(where / "plain", "rb", buffering=0) as source,
            open(where / "sealed.age", "wb", buffering=0) as target,
        ):
            target.write(age.header(file_key, [recipient]))
            sealer = stream.Sealer(file_key, target.write)
            while data := source.read(MIB):
                sealer.update(data)
            sealer.finish()

    return measure.timed(work)


def record(where: Path) -> float:
    """Seal the file as an upload is sealed: with two SHA-256 and a CRC-32 on the way."""

    def work() -> None:
        with (
            open(where / "plain", "rb", buffering=0) as source,
            open(where / "recorded", "wb", buffering=0) as target,
        ):
            stream.seal(os.urandom(stream.FILE_KEY), source, target)

    return measure.timed(work)


def open_again(where: Path) -> float:
    """Open the sealed file, header and all."""
    identity = age.parse_identity((where / "identity").read_text(encoding="ascii"))

    def work() -> None:
        with (
            open(where / "sealed.age", "rb") as source,
            open(where / "opened", "wb", buffering=0) as target,
        ):
            for plain in age.open_file(source, [identity]):
                target.write(plain)

    return measure.timed(work)


PARTS: dict[str, Callable[[Path], float]] = {
    "copy": copy,
    "encrypt": encrypt,
    "decrypt": decrypt,
    "seal": seal,
    "record": record,
    "open": open_again,
}
LEAVES = {"copy": "copied", "seal": "sealed.age", "record": "recorded", "open": "opened"}


# --- how they are run


def _part(name: str, where: Path) -> Callable[[], float]:
    def run() -> float:
        if name in LEAVES:
            (where / LEAVES[name]).unlink(missing_ok=True)
        return float(measure.output("-m", __name__, name, where).split()[0])

    return run


def _peak_of(name: str, where: Path) -> float:
    (where / LEAVES[name]).unlink(missing_ok=True)
    return float(measure.output("-m", __name__, name, where).split()[1])


def _peak() -> float:
    """Return the largest size this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _age(where: Path, *words: str) -> Callable[[], float]:
    target = where / words[words.index("-o") + 1]

    def run() -> float:
        target.unlink(missing_ok=True)
        started = time.perf_counter()
        subprocess.run([AGE, *words], cwd=where, check=True, capture_output=True)
        return time.perf_counter() - started

    return run


def _version() -> str | None:
    """Return "age 1.3.2", or None where there is no age program."""
    if shutil.which(AGE) is None:
        return None
    said = subprocess.run([AGE, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(?:\.\d+)+", said)
    return f"age {found.group() if found else 'of an unknown version'}"


def _as_asked(stock: str) -> str:
    numbers = [int(number) for number in re.findall(r"\d+", stock)]
    return "" if numbers >= [1, 3] else ", where the target asks for 1.3 or newer"


def _fill(path: Path, mib: int) -> None:
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))


def _seal_all(plain: bytes, items: int, recipient: age.Recipient) -> None:
    for _ in range(items):
        _sealed(plain, recipient)


def _sealed(plain: bytes, recipient: age.Recipient) -> tuple[bytes, bytes]:
    """Return header and payload of an age file."""
    file_key, out = os.urandom(stream.FILE_KEY), io.BytesIO()
    sealer = stream.Sealer(file_key, out.write)
    sealer.update(plain)
    sealer.finish()
    return age.header(file_key, [recipient]), out.getvalue()


def _bundle_all(plain: bytes, items: int, recipient: age.Recipient) -> None:
    """Seal each file and make its bundle: manifest, signature, layout and all digests."""
    key, manifest = sshsig.private_key(bytes(32)), bytes(2000)
    for _ in range(items):
        header, body = _sealed(plain, recipient)
        stored = bag.Stored("object", 0, len(body))
        signature = sshsig.sign(key, manifest, sshsig.NAMESPACE).encode("ascii")

        def read(name: str, start: int, length: int, body: bytes = body) -> list[bytes]:
            return [body[start : start + length]]

        members = [
            bag.Member.stored(
                "data/post.age",
                header,
                stored,
                crc32=zlib.crc32(body),
                sha256=bag.sha256_of([bag.Inline(header), stored], read),
            ),
            bag.Member.inline("data/manifest.json.age", b"".join(_sealed(manifest, recipient))),
            bag.Member.inline(
                "data/manifest.json.sig.age", b"".join(_sealed(signature, recipient))
            ),
        ]
        layout = bag.lay_out(
            "R-2222-2222", members, info={}, tags=bag.open_scripts(), when=datetime.now(UTC)
        )
        bag.sha256_of(layout, read)


if __name__ == "__main__":
    part, folder = sys.argv[1:]
    print(PARTS[part](Path(folder)), _peak())
