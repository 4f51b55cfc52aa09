"""Signatures: SSHSIG over Ed25519, which stock `ssh-keygen -Y verify` checks without us."""

import base64
import binascii
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha512

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

NAMESPACE = "dutyline-manifest@v1"

_KIND = b"ssh-ed25519"
_MAGIC = b"SSHSIG"
_COLUMNS = 70
_SIGNATURE_SIZE = 64
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_SIGNER_LINE = re.compile(
    r"(?P<principals>\S+)\s+"
    r'(?:(?!ssh-|ecdsa-|sk-)(?P<options>(?:[^\s"]|"[^"]*")+)\s+)?'
    r"(?P<key>(?P<kind>(?:ssh|ecdsa|sk)-\S+)\s.*)"
)
_NAMESPACES = re.compile(r'namespaces="(?P<names>[^"]+)"', re.IGNORECASE)


PrivateKey = Ed25519PrivateKey


class BadSignature(ValueError):
    """The signature is not by this key, over this message, for this purpose."""


class OtherSigner(BadSignature):
    """The signature is by another key or for another namespace."""


class BadKey(ValueError):
    """This is not a public key, or a list of signers, that we can read."""


@dataclass(frozen=True)
class Signer:
    """One line of an allowed_signers file: who may sign, with which key, for which purposes."""

    principals: str
    key: Ed25519PublicKey
    namespaces: tuple[str, ...] | None

    def may_sign(self, namespace: str) -> bool:
        """Say whether this line covers `namespace`; a line that names none covers all."""
        return self.namespaces is None or namespace in self.namespaces


def private_key(seed: bytes) -> PrivateKey:
    """Return the key that grows from 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed)


def sign(private_key: Ed25519PrivateKey, message: bytes, namespace: str) -> str:
    """Sign `message` for `namespace` and return the armored signature (sealing, section 9)."""
    signature = private_key.sign(_signed(message, namespace))
    return _armor(_blob(private_key.public_key(), namespace, signature))


def verify(armored: str, message: bytes, namespace: str, public_key: Ed25519PublicKey) -> None:
    """Accept the signature silently, or raise BadSignature."""
    blob = _dearmor(armored)
    signature = blob[-_SIGNATURE_SIZE:]
    # Key, namespace and hash are known, so all but the last 64 bytes are: nothing to parse.
    if blob != _blob(public_key, namespace, signature):
        raise OtherSigner("The signature is by another key or for another namespace.")
    try:
        public_key.verify(signature, _signed(message, namespace))
    except InvalidSignature:
        raise BadSignature("The message is not the one that was signed.") from None


def find_signer(armored: str, message: bytes, namespace: str, signers: Iterable[Signer]) -> Signer:
    """Return the allowed signer whose signature this is, or raise BadSignature."""
    for signer in signers:
        if signer.may_sign(namespace):
            with suppress(OtherSigner):
                verify(armored, message, namespace, signer.key)
                return signer
    raise BadSignature("No allowed signer's key made this signature.")


def public_line(public_key: Ed25519PublicKey, comment: str) -> str:
    """Write a public key as one line, as in `id_ed25519.pub`."""
    _require_one_line(comment)
    encoded = base64.b64encode(_key_blob(public_key)).decode()
    return f"{_KIND.decode()} {encoded} {comment}".rstrip()


def parse_public_line(line: str) -> Ed25519PublicKey:
    """Read the Ed25519 key of a line like `ssh-ed25519 AAAA... comment`."""
    kind, encoded, *_comment = [*line.split(maxsplit=2), "", ""]
    if kind != _KIND.decode():
        raise BadKey("This is not an ssh-ed25519 public key.")
    blob = _decode(encoded, BadKey("The key is not canonical base64."))
    head = _string(_KIND) + (32).to_bytes(4)
    if len(blob) != len(head) + 32 or not blob.startswith(head):
        raise BadKey("The key is not an Ed25519 key of 32 bytes.")
    return Ed25519PublicKey.from_public_bytes(blob[len(head) :])


def allowed_signer(principal: str, namespace: str, public_key: Ed25519PublicKey) -> str:
    """Write one line of an allowed_signers file."""
    for word in (principal, namespace):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9@._-]*", word):
            raise BadKey(f"{word!a} cannot stand in a list of signers.")
    return f'{principal} namespaces="{namespace}" {public_line(public_key, "")}'


def parse_allowed_signers(text: str) -> tuple[Signer, ...]:
    """Read the Ed25519 lines of an allowed_signers file; other kinds of key cannot match ours."""
    signers = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            signers += _parse_signer(entry, number)
    return tuple(signers)


def _parse_signer(entry: str, number: int) -> list[Signer]:
    match = _SIGNER_LINE.fullmatch(entry)
    if match is None:
        raise BadKey(f"Line {number} of the list of signers has no public key.")
    if match["kind"] != _KIND.decode():
        return []
    return [
        Signer(
            principals=match["principals"],
            key=parse_public_line(match["key"]),
            namespaces=_namespaces(match["options"], number),
        )
    ]


def _namespaces(options: str | None, number: int) -> tuple[str, ...] | None:
    if options is None:
        return None
    match = _NAMESPACES.fullmatch(options)
    if match is None:
        # Passing over valid-before or cert-authority would accept what its author forbade.
        raise BadKey(f"Line {number} of the list of signers: only namespaces is understood.")
    return tuple(match["names"].split(","))


def _signed(message: bytes, namespace: str) -> bytes:
    digest = sha512(message).digest()
    return _MAGIC + _preamble(namespace) + _string(digest)


def _blob(public_key: Ed25519PublicKey, namespace: str, signature: bytes) -> bytes:
    return (
        _MAGIC
        + (1).to_bytes(4)
        + _string(_key_blob(public_key))
        + _preamble(namespace)
        + _string(_string(_KIND) + _string(signature))
    )


def _preamble(namespace: str) -> bytes:
    return _string(namespace.encode("ascii")) + _string(b"") + _string(b"sha512")


def _key_blob(public_key: Ed25519PublicKey) -> bytes:
    return _string(_KIND) + _string(public_key.public_bytes_raw())


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4) + value


def _armor(blob: bytes) -> str:
    encoded = base64.b64encode(blob).decode()
    lines = [encoded[at : at + _COLUMNS] for at in range(0, len(encoded), _COLUMNS)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def _dearmor(armored: str) -> bytes:
    broken = BadSignature("This is not an armored SSH signature.")
    body = armored.removeprefix(f"{_BEGIN}\n").removesuffix(f"\n{_END}\n")
    blob = _decode(body.replace("\n", ""), broken)
    if _armor(blob) != armored:
        raise broken
    return blob


def _decode(encoded: str, broken: ValueError) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise broken from None
    if base64.b64encode(blob).decode() != encoded:
        raise broken
    return blob


def _require_one_line(comment: str) -> None:
    if not comment.isprintable():
        raise BadKey("A comment is one line of printable characters.")
