"""open_bundle: what an agency runs on a bundle it has fetched. It needs no database."""

import hashlib
import json
import re
import tempfile
import unicodedata
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeVar, cast
from zipfile import BadZipFile, ZipFile

from django.core.management.base import BaseCommand, CommandError

from compliance.vault import age
from referrals.sealing import fixity, sshsig

MANIFEST = "data/manifest.json.age"
SIGNATURE = "data/manifest.json.sig.age"
COUNSEL = "data/manifest.counsel.sig.age"
TERMS = "data/terms.txt.age"

_WHOLE_LIMIT = 1 << 26
_NAME_BYTES, _SUFFIX_BYTES = 150, 20
_FAILURES = (OSError, EOFError, ValueError, RuntimeError, BadZipFile, age.AgeError)
_ON_NO_DISK = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE
)

T = TypeVar("T")
Say = Callable[[str], object]


class Unopened(ValueError):
    """The bundle did not open; the message says what failed, and where."""


class Command(BaseCommand):
    """Open a sealed bundle, after checking all of it."""

    help = "Check a sealed bundle, open it with your age identity, and write its items to a folder."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the four things the command needs."""
        parser.add_argument("zip", type=Path, help="the bundle")
        parser.add_argument("--identity", type=Path, required=True, help="your age identity file")
        parser.add_argument(
            "--signers", type=Path, required=True, help="allowed_signers file of the sender"
        )
        parser.add_argument("--out", type=Path, required=True, help="folder to create")

    def handle(self, *args: Any, **options: Any) -> None:
        """Open the bundle, or say in one line why not."""
        try:
            open_bundle(
                options["zip"],
                identity=options["identity"],
                signers=options["signers"],
                out=options["out"],
                say=self.stdout.write,
            )
        except _FAILURES as error:
            raise CommandError(_one_line(_reason(error))) from error


def open_bundle(bundle: Path, *, identity: Path, signers: Path, out: Path, say: Say) -> None:
    """Check `bundle` from outside in and write its items to the new folder `out`."""
    identities = _identities(identity)
    allowed = _signers(signers)
    if out.exists() or out.is_symlink():
        raise Unopened(f"{out} is already there; nothing was overwritten.")
    with _naming(bundle), ZipFile(bundle) as archive:
        bag = fixity.check(archive)
    say(f"Fixity holds: {len(bag.payload)} sealed files, {bag.payload_bytes} bytes, as packed.")
    with ZipFile(bundle) as archive, tempfile.TemporaryDirectory(dir=out.parent) as beside:
        opened = Path(beside) / "opened"
        opened.mkdir(mode=0o700)
        _Opening(archive, bag, identities, opened, say).run(allowed)
        opened.rename(out)
    say(f"Everything is in {out}.")


@dataclass(frozen=True)
class Item:
    """What the signed manifest says of an item that opens."""

    id: str
    name: str
    size: int
    sha256: str
    member: str


@dataclass(frozen=True)
class Sealed:
    """What the signed manifest says of an item that nobody at the sender viewed."""

    member: str
    sealed_sha256: str


@dataclass(frozen=True)
class Manifest:
    """The signed manifest, as far as opening needs it; unknown keys are fine."""

    number: str
    version: int
    items: tuple[Item | Sealed, ...]
    terms_sha256: str | None

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest":
        """Read a manifest, or raise Unopened."""
        with _naming("manifest.json"):
            told = json.loads(text)
        if not isinstance(told, dict) or told.get("schema") != "manifest/1":
            raise Unopened("manifest.json: the schema is not manifest/1.")
        referral: Any = told.get("referral")
        viewed: Any = told.get("items")
        unviewed: Any = told.get("unviewed", [])
        lists = isinstance(viewed, list) and isinstance(unviewed, list)
        if not isinstance(referral, dict) or not lists:
            raise Unopened("manifest.json: there is no referral, or no list of items.")
        return cls(
            number=str(referral.get("number")),
            version=_within(told, "bundle", "version", int) or 1,
            items=tuple(_item(entry, at) for at, entry in enumerate(viewed + unviewed, 1)),
            terms_sha256=_within(told, "terms", "sha256", str),
        )


def _item(entry: Any, number: int) -> Item | Sealed:
    is_sealed = isinstance(entry, dict) and "sealed_sha256" in entry
    found = Sealed if is_sealed else Item
    for field in fields(found):
        if not isinstance(entry, dict) or type(entry.get(field.name)) is not field.type:
            raise Unopened(f"manifest.json: item {number} has no usable {field.name}.")
    return found(**{field.name: entry[field.name] for field in fields(found)})


def _within(told: Any, name: str, key: str, kind: type[T]) -> T | None:
    """Return a value of a part of the manifest; None if it has no such part."""
    if name not in told:
        return None
    if not isinstance(told[name], dict) or type(told[name].get(key)) is not kind:
        raise Unopened(f"manifest.json: {name} has no usable {key}.")
    return cast(T, told[name][key])


class _Opening:
    """One bundle on its way into one folder that nobody else sees yet."""

    def __init__(
        self,
        archive: ZipFile,
        bag: fixity.Checked,
        identities: Sequence[age.Identity],
        folder: Path,
        say: Say,
    ) -> None:
        self.archive, self.bag, self.identities = archive, bag, identities
        self.folder, self.say = folder, say
        self.taken: set[str] = set()
        self.opened = {MANIFEST, SIGNATURE, COUNSEL, TERMS}

    def run(self, allowed: Sequence[sshsig.Signer]) -> None:
        """Open and check everything the signed manifest names."""
        # 1. The manifest opens. 2. It is signed. 3. The terms are the ones that it names. 4. Every
        # item is what it says, and opens unless nobody at the sender viewed it.
        message = self._keep(MANIFEST)
        self._check_signatures(message, allowed)
        manifest = Manifest.from_json(message)
        self.say(
            f"This is referral {_one_line(manifest.number)}, bundle {manifest.version}: "
            f"{len(manifest.items)} items."
        )
        self._keep_terms(manifest.terms_sha256)
        for item in manifest.items:
            if isinstance(item, Item):
                self._write(item)
            else:
                self._leave(item)
        for path in sorted(self.bag.payload - self.opened):
            self.say(f"Left sealed, because the signed manifest does not name it: {path}")

    def _check_signatures(self, message: bytes, allowed: Sequence[sshsig.Signer]) -> None:
        service = self._signer(SIGNATURE, message, allowed)
        self.say(f"The service's signature is good, by {_one_line(service.principals)}.")
        if COUNSEL not in self.bag.members:
            self.say("Counsel signed in the log: manifest.json has the entry and its receipt.")
            return
        counsel = self._signer(COUNSEL, message, allowed)
        if counsel.key == service.key:
            raise Unopened(f"{COUNSEL}: counsel's signature was made with the service's own key.")
        self.say(f"Counsel's signature is good, by {_one_line(counsel.principals)}.")

    def _signer(self, path: str, message: bytes, allowed: Sequence[sshsig.Signer]) -> sshsig.Signer:
        armored = self._keep(path)
        with _naming(path):
            return sshsig.find_signer(armored.decode("ascii"), message, sshsig.NAMESPACE, allowed)

    def _keep(self, path: str) -> bytes:
        """Open a small member whole, and keep a copy of it beside the items."""
        data = bytearray()
        for piece in self._open(path):
            data += piece
            if len(data) > _WHOLE_LIMIT:
                raise Unopened(f"{path}: too long to be what it claims to be.")
        name = PurePath(path).stem
        (self.folder / name).write_bytes(data)
        self.taken.add(_folded(name))
        return bytes(data)

    def _write(self, item: Item) -> None:
        name = self._free_name(item)
        digest, size = hashlib.sha256(), 0
        with (self.folder / name).open("xb") as target:
            for piece in self._open(item.member):
                digest.update(piece)
                size += target.write(piece)
        if (size, digest.hexdigest()) != (item.size, item.sha256):
            raise Unopened(f"{item.member}: opened, but not the item the manifest describes.")
        self.opened.add(item.member)
        self.say(f"Opened, and as the manifest says: {name} ({size} bytes, sha256 {item.sha256})")

    def _leave(self, item: Sealed) -> None:
        """Check an item that nobody at the sender viewed: its seal is whole, and it stays shut."""
        with self._member(item.member) as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
        if digest != item.sealed_sha256:
            raise Unopened(f"{item.member}: not the sealed object the manifest describes.")
        self.opened.add(item.member)
        self.say(f"Sealed: nobody at the sender viewed {item.member}. It wants a legal process.")

    def _keep_terms(self, digest: str | None) -> None:
        """Open the terms of use, and check that they are the ones the manifest names."""
        if digest is None:
            return
        if hashlib.sha256(self._keep(TERMS)).hexdigest() != digest:
            raise Unopened(f"{TERMS}: not the terms that the manifest names.")
        self.say(f"The terms of use are in terms.txt (sha256 {digest}).")

    def _open(self, path: str) -> Iterator[bytes]:
        with self._member(path) as source:
            yield from age.open_file(source, self.identities)

    @contextmanager
    def _member(self, path: str) -> Iterator[BinaryIO]:
        if path not in self.bag.payload:
            raise Unopened(f"{path}: not in the bundle.")
        with _naming(path), self.archive.open(self.bag.members[path]) as source:
            yield cast(BinaryIO, source)

    def _free_name(self, item: Item) -> str:
        name = safe_name(item.name) or safe_name(item.id) or "item"
        for candidate in (name, safe_name(f"{item.id}-{name}")):
            if _folded(candidate) not in self.taken:
                self.taken.add(_folded(candidate))
                return candidate
        raise Unopened(f"manifest.json: item {item.id} would overwrite another.")


def safe_name(name: str) -> str:
    """Make a file name that is harmless everywhere out of what a stranger chose; maybe empty."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    # Control, format (they turn text around), unassigned; line and paragraph separators.
    seen = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c.isprintable())
    bare = _shortened(_ON_NO_DISK.sub("_", seen)).lstrip("-. ").rstrip(". ")
    return f"_{bare}" if _DEVICE.fullmatch(bare) else bare


def _shortened(name: str) -> str:
    suffix = PurePath(name).suffix.encode()
    if len(suffix) > _SUFFIX_BYTES:
        suffix = b""
    stem = name.encode().removesuffix(suffix)[: _NAME_BYTES - len(suffix)]
    return stem.decode(errors="ignore") + suffix.decode()


def _folded(name: str) -> str:
    """Return what a disk that ignores case and composition compares."""
    return unicodedata.normalize("NFKC", name).casefold()


def _identities(path: Path) -> list[age.Identity]:
    with _naming(path):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        found = [age.parse_identity(line) for line in lines if line and line[0] != "#"]
    if not found:
        raise Unopened(f"{path}: there is no identity in this file.")
    return found


def _signers(path: Path) -> tuple[sshsig.Signer, ...]:
    with _naming(path):
        return sshsig.parse_allowed_signers(path.read_text(encoding="utf-8"))


@contextmanager
def _naming(where: Path | str) -> Iterator[None]:
    """Put the place in front of whatever fails inside."""
    try:
        yield
    except _FAILURES as error:
        raise Unopened(f"{where}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _one_line(text: str) -> str:
    """Keep a stranger's text from moving the cursor of whoever reads it."""
    return "".join(c if c.isprintable() else "?" for c in text)
