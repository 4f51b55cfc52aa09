"""Sealing and opening a file, against the least it could cost and against the stock age program.

The serial bound is what a file would take if only it were copied (1 MiB at a time) and its 64 KiB
chunks then passed through ChaCha20-Poly1305 in memory: seconds of the one plus seconds of the
other, of the processor, for each of these runs on one core and the neighbours' work is not ours.
Digests are taken in threads and age is another program: those are timed by the clock.

Every contender is a fresh process and all files lie in memory where the system has such a place.
Our part times itself, from opening the file to closing its copy, for a server is already running
when an upload arrives; the age program is timed from start to end, which costs it some
milliseconds of its second. All seal to one X25519 key, which every age program knows.
"""

import hashlib
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
Taken = tuple[float, float]  # seconds: by the clock, and of the processor


@dataclass(frozen=True)
class Sizes:
    """How much is sealed, and how often."""

    mib: int  # of the file
    large: int  # MiB of the file that memory is taken of
    items: int  # small files
    rounds: int


FULL, TINY = Sizes(256, 1024, 50, 5), Sizes(1, 2, 2, 1)


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
    processor: dict[str, list[float]] = {part: [] for part in PARTS}
    contenders = {part: _part(part, where, seconds) for part, seconds in processor.items()}
    stock = _version()
    if stock:
        contenders |= {
            "age seals": _age(where, "-R", "recipient", "-o", "by-age.age", "plain"),
            "age opens": _age(where, "-d", "-i", "identity", "-o", "by-age", "sealed.age"),
        }
    _run("seal", where)  # so that opening finds something, whatever its turn is
    taken = measure.in_turn(contenders, rounds=rounds, seconds=45)
    for name in ("copied", "sealed.age", "recorded", "opened", "by-age.age", "by-age", "plain"):
        (where / name).unlink(missing_ok=True)
    copied, sealing, opening = processor["copy"], processor["seal"], processor["open"]
    encrypting, decrypting = processor["encrypt"], processor["decrypt"]
    return [
        measure.speed(
            f"sealing {mib} MiB", sealing, copied, encrypting, against=BOUND, at_least=0.85
        ),
        measure.speed(
            f"opening {mib} MiB", opening, copied, decrypting, against=BOUND, at_least=0.85
        ),
        measure.speed(
            f"sealing {mib} MiB and taking its digests",
            taken["record"],
            taken["seal"],
            against="of sealing alone",
        ),
        measure.speed(
            f"taking in {mib} MiB, sealed, with two SHA-256 and a CRC-32",
            taken["record"],
            taken["hash"],
            against="of one SHA-256 alone",
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
        rounds=2 * rounds,
        seconds=15,
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
    *_, sealing = _run("seal", where)
    *_, recording = _run("record", where)
    (where / "plain").unlink()
    (where / "recorded").unlink()
    *_, opening = _run("open", where)
    return [
        measure.mebibytes(f"memory to seal {mib} MiB", [sealing], at_most=40),
        measure.mebibytes(f"memory to seal {mib} MiB and take its digests", [recording]),
        measure.mebibytes(f"memory to open {mib} MiB", [opening], at_most=40),
    ]


# --- the parts, each in a process of its own


def copy(where: Path) -> Taken:
    """Copy the file."""

    def work() -> None:
        with (
            open(where / "plain", "rb", buffering=0) as source,
            open(where / "copied", "wb", buffering=0) as target,
        ):
            while data := source.read(MIB):
                target.write(data)

    return _timed(work)


def encrypt(where: Path) -> Taken:
    """Pass as many chunks as the file has through the cipher, all in one place."""
    aead, nonce = ChaCha20Poly1305(bytes(32)), bytes(12)
    chunk, room = os.urandom(stream.CHUNK), bytearray(stream.SEALED_CHUNK)
    count = (where / "plain").stat().st_size // stream.CHUNK

    def work() -> None:
        for _ in range(count):
            aead.encrypt_into(nonce, chunk, None, room)

    return _timed(work)


def decrypt(where: Path) -> Taken:
    """Pass them back."""
    aead, nonce, room = ChaCha20Poly1305(bytes(32)), bytes(12), bytearray(stream.CHUNK)
    chunk = aead.encrypt(nonce, os.urandom(stream.CHUNK), None)
    count = (where / "plain").stat().st_size // stream.CHUNK

    def work() -> None:
        for _ in range(count):
            aead.decrypt_into(nonce, chunk, None, room)

    return _timed(work)


def seal(where: Path) -> Taken:
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

    return _timed(work)


def record(where: Path) -> Taken:
    """Seal the file as an upload is sealed: with two SHA-256 and a CRC-32 on the way."""

    def work() -> None:
        with (
            open(where / "plain", "rb", buffering=0) as source,
            open(where / "recorded", "wb", buffering=0) as target,
        ):
            stream.seal(os.urandom(stream.FILE_KEY), source, target)

    return _timed(work)


def open_again(where: Path) -> Taken:
    """Open the sealed file, header and all."""
    identity = age.parse_identity((where / "identity").read_text(encoding="ascii"))

    def work() -> None:
        with (
            open(where / "sealed.age", "rb") as source,
            open(where / "opened", "wb", buffering=0) as target,
        ):
            for plain in age.open_file(source, [identity]):
                target.write(plain)

    return _timed(work)


def digest(where: Path) -> Taken:
    """Read the file for its SHA-256 and nothing else."""

    def work() -> None:
        digest = hashlib.sha256()
        with open(where / "plain", "rb", buffering=0) as source:
            while data := source.read(MIB):
                digest.update(data)

    return _timed(work)


PARTS: dict[str, Callable[[Path], Taken]] = {
    "copy": copy,
    "encrypt": encrypt,
    "decrypt": decrypt,
    "seal": seal,
    "record": record,
    "hash": digest,
    "open": open_again,
}
LEAVES = {"copy": "copied", "seal": "sealed.age", "record": "recorded", "open": "opened"}


# --- how they are run


def _part(name: str, where: Path, processor: list[float]) -> Callable[[], float]:
    """Return a contender that also notes its seconds of the processor."""

    def run() -> float:
        clock, used, _ = _run(name, where)
        processor.append(used)
        return clock

    return run


def _run(name: str, where: Path) -> list[float]:
    """Run a part; return its seconds by the clock and of the processor, and its peak in MiB."""
    if name in LEAVES:
        (where / LEAVES[name]).unlink(missing_ok=True)
    return [float(word) for word in measure.output("-m", __name__, name, where).split()]


def _timed(work: Callable[[], object]) -> Taken:
    started, clock = time.process_time(), measure.timed(work)
    return clock, time.process_time() - started


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
    print(*PARTS[part](Path(folder)), _peak())
