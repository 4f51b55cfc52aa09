"""Fixity: what an agency, or a custodian without any key, checks of a bag in its hands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from zipfile import ZipFile, ZipInfo

from referrals.sealing.bag import (
    BAGIT,
    MANIFEST,
    TAG_MANIFEST,
    BadBag,
    require_distinct,
    require_safe,
)

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>\S+)")
_OXUM = re.compile(r"^Payload-Oxum: (\S+)$", re.MULTILINE)
_TAG_LIMIT = 1 << 24


@dataclass(frozen=True)
class Checked:
    """A bag whose fixity holds, and the way to its members."""

    reference: str
    members: Mapping[str, ZipInfo]
    payload: frozenset[str]
    payload_bytes: int


def check(archive: ZipFile) -> Checked:
    """Check the fixity of a bag laid out by us, or raise BadBag saying where it fails."""
    # 1. One folder, safe and distinct names. 2. BagIt 1.0. 3. Every tag file, and 4. every
    # payload file is listed once and matches. 5. Payload-Oxum agrees with what is there.
    reference, members = _one_folder(archive)
    payload = frozenset(path for path in members if path.startswith("data/"))
    if _tag_file(archive, members, "bagit.txt") != BAGIT.decode():
        raise BadBag("bagit.txt does not declare BagIt 1.0 in UTF-8.")
    tagged = members.keys() - payload - {TAG_MANIFEST}
    _check_manifest(archive, members, TAG_MANIFEST, tagged)
    _check_manifest(archive, members, MANIFEST, set(payload))
    payload_bytes = sum(members[path].file_size for path in payload)
    oxum = _OXUM.findall(_tag_file(archive, members, "bag-info.txt"))
    if oxum != [f"{payload_bytes}.{len(payload)}"]:
        raise BadBag("bag-info.txt: Payload-Oxum does not agree with the payload.")
    return Checked(reference, members, payload, payload_bytes)


def _one_folder(archive: ZipFile) -> tuple[str, dict[str, ZipInfo]]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    for entry in entries:
        require_safe(entry.filename)
    folders = {entry.filename.partition("/")[0] for entry in entries}
    if len(folders) != 1:
        raise BadBag("The ZIP does not hold exactly one folder.")
    reference = folders.pop()
    paths = [entry.filename.removeprefix(f"{reference}/") for entry in entries]
    require_distinct(paths)
    return reference, dict(zip(paths, entries, strict=True))


def _check_manifest(
    archive: ZipFile, members: Mapping[str, ZipInfo], name: str, expected: set[str]
) -> None:
    listed: dict[str, str] = {}
    for line in _tag_file(archive, members, name).splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match["path"] in listed:
            raise BadBag(f"{name} has a malformed or repeated line: {line[:300]!a}")
        listed[match["path"]] = match["sha256"]
    strays = sorted(expected ^ set(listed))
    if strays:
        raise BadBag(f"{strays[0][:300]!a} is not both in the bag and in {name}.")
    for path, digest in listed.items():
        with archive.open(members[path]) as source:
            if file_digest(source, "sha256").hexdigest() != digest:  # type: ignore[arg-type]
                raise BadBag(f"{path} is not what {name} says.")


def _tag_file(archive: ZipFile, members: Mapping[str, ZipInfo], path: str) -> str:
    if path not in members:
        raise BadBag(f"{path} is missing.")
    with archive.open(members[path]) as source:
        data = source.read(_TAG_LIMIT + 1)
    if len(data) > _TAG_LIMIT:
        raise BadBag(f"{path} is too long for a tag file.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadBag(f"{path} is not UTF-8.") from None
