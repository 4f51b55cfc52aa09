#!/usr/bin/env python3
"""Check what the audit log hands out: one file, Python 3.11 and openssl 3, nothing else of anybody.

    verify_log.py receipt RECEIPT ENTRY --vkey log.vkey
    verify_log.py checkpoint NOTE --vkey log.vkey
    verify_log.py consistency OLD NEW --tiles https://…/log --vkey log.vkey
    verify_log.py export FOLDER --vkey log.vkey

receipt      the entry is in the log.
checkpoint   the log signed this state.
consistency  the newer state continues the older one; `--tiles` may also name a folder of tiles.
export       every entry of the folder is in the log, none was changed, and none is missing in
             between, if the export says so. Whoever got the private part checks it too.

With `--witness FILE` (a witness's key, may be repeated) and `--quorum N` the state must also be
cosigned by so many of them. Exit 0 = proven, 1 = not proven, with one line that says why.
Formats: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-tiles; the tree is
RFC 6962's, checked as RFC 9162 section 2.1.3.2 says.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

LOG, WITNESS = b"\x01", b"\x04"
WIDTH, HASH = 256, 32
PREFIX = bytes.fromhex("302a300506032b6570032100")  # of an Ed25519 key in DER (RFC 8410)
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
EXPORT = "dutyline-export/v1"


class Unproven(Exception):
    """It is not proven; the message says why, in one line."""


def must(holds, why):
    if not holds:
        raise Unproven(why)


def unb64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Unproven(f"{text[:60]!r} is not base64") from None
    must(base64.b64encode(data).decode() == text, f"{text[:60]!r} is not the shortest base64")
    return data


def number(text):
    must(NUMBER.fullmatch(text), f"{text[:60]!r} is no size or index")
    return int(text)


def read(path):
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Unproven(f"{path} cannot be read: {error.strerror}") from None


def read_text(path):
    try:
        return read(path).decode()
    except UnicodeDecodeError:
        raise Unproven(f"{path} is not text") from None


# --- keys and notes


def read_key(path, kind):
    """Return name, id and public key of a vkey file: name+id+base64(kind || key)."""
    name, _, rest = read_text(path).strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = unb64(encoded)
    must(data[:1] == kind and len(data) == 33 and name, f"{path} holds no key of this kind")
    own = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    must(own.hex() == key_id, f"the key in {path} has another id")
    return name, own, data[1:]


def is_signed(public, signature, message):
    """Let openssl check one Ed25519 signature."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("k", PREFIX + public), ("s", signature), ("m", message)):
            Path(folder, name).write_bytes(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "k"]
        command += ["-rawin", "-in", "m", "-sigfile", "s"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        except FileNotFoundError:
            raise Unproven("openssl is not installed") from None
    return done.returncode == 0


def open_note(note, key):
    """Return the text of a note that `key` signed. Unknown keys are ignored, bad ones are not."""
    name, key_id, public = key
    text, gap, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    must(gap and lines.pop() == "", "a note is text, an empty line and signatures")
    signatures = []
    for line in lines:
        must(re.fullmatch(r"— [^\s+]+ \S+", line), "a signature line is malformed")
        _, who, encoded = line.split(" ")
        data = unb64(encoded)
        if (who, data[:4]) == (name, key_id):
            signatures.append(data[4:])
    must(signatures, f"it is not signed by {name}")
    must(all(is_signed(public, each, f"{text}\n".encode()) for each in signatures),
         f"the signature of {name} does not fit")  # fmt: skip
    return f"{text}\n"


def is_cosigned(note, key):
    """Tell whether a witness cosigned the note (tlog-cosignature: the time is signed too)."""
    name, key_id, public = key
    text, _, tail = note.rpartition("\n\n")
    for line in tail.splitlines():
        _, who, encoded = line.split(" ")
        data = unb64(encoded)
        if (who, data[:4]) == (name, key_id) and len(data) > 12:
            time = int.from_bytes(data[4:12], "big")
            message = f"cosignature/v1\ntime {time}\n{text}\n".encode()
            must(is_signed(public, data[12:], message), f"the cosignature of {name} does not fit")
            return True
    return False


def open_checkpoint(note, key, asked):
    """Return size and root of a state that the log signed, and as many witnesses as are asked."""
    lines = open_note(note, key).split("\n")
    must(len(lines) == 4 and lines[0] == key[0], f"this is no checkpoint of {key[0]}")
    size, root = number(lines[1]), unb64(lines[2])
    seen = {each[0] for each in asked.witnesses if is_cosigned(note, each)}
    must(len(seen) >= asked.quorum, f"{len(seen)} witnesses cosigned it, {asked.quorum} must")
    return size, root


# --- the tree


def leaf_hash(data):
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_inclusion(index, size, data, proof, root):
    must(index < size, f"the log has no entry {index}")
    must(all(len(each) == HASH for each in (*proof, root)), "a step of the proof is no hash")
    fn, sn, acc = index, size - 1, leaf_hash(data)
    for step in proof:
        must(sn, "the proof is too long")
        if fn & 1 or fn == sn:
            acc = node_hash(step, acc)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            acc = node_hash(acc, step)
        fn, sn = fn >> 1, sn >> 1
    must(sn == 0, "the proof is too short")
    must(acc == root, "the proof leads to another root")


def tile_path(level, n, width):
    digits = f"{n:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = re.findall("...", digits)
    path = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]])
    return f"tile/{level}/{path}" + ("" if width == WIDTH else f".p/{width}")


def tiles_of(base, size):
    """Return a reader of the tiles that a log of `size` entries serves at `base`."""

    @cache
    def tile(level, n):
        width = min(WIDTH, (size >> (8 * level)) - n * WIDTH)
        # A partial tile may be gone once the full one is there (tlog-tiles).
        for asked in dict.fromkeys((width, WIDTH)):
            if data := fetch(base, tile_path(level, n, asked)):
                must(len(data) == asked * HASH, f"tile {level}/{n} has another size")
                return data
        raise Unproven(f"tile {level}/{n} is not there")

    return tile


def fetch(base, path):
    """Return a file of the log from its address or from a folder, None if it is not there."""
    if not base.startswith(("http://", "https://")):
        found = Path(base, path)
        return found.read_bytes() if found.is_file() else None
    try:
        with urllib.request.urlopen(f"{base.rstrip('/')}/{path}", timeout=60) as answer:
            return answer.read(WIDTH * HASH + 1)
    except urllib.error.HTTPError as error:
        must(error.code == 404, f"{base} answered {error.code}")
        return None
    except OSError as error:
        raise Unproven(f"{base} cannot be reached: {error}") from None


def root_of(size, tile):
    """Return the root over the first `size` leaves, from the tiles."""
    return subtree(0, size, tile) if size else hashlib.sha256().digest()


def subtree(start, end, tile):
    width = 1 << ((end - start).bit_length() - 1)
    if width == end - start:
        return complete(start, width, tile)
    return node_hash(subtree(start, start + width, tile), subtree(start + width, end, tile))


def complete(start, width, tile):
    level, within = divmod(width.bit_length() - 1, 8)
    n, offset = divmod(start >> (8 * level), WIDTH)
    data = tile(level, n)[offset * HASH : (offset + (1 << within)) * HASH]
    hashes = [data[i : i + HASH] for i in range(0, len(data), HASH)]
    must(len(hashes) == 1 << within, f"tile {level}/{n} is too short")
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[i : i + 2]) for i in range(0, len(hashes), 2)]
    return hashes[0]


# --- what can be asked


def receipt(asked):
    """The entry is in the log."""
    head, _, note = read_text(asked.receipt).partition("\n\n")
    lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    must(lines[0] == "c2sp.org/tlog-proof@v1" and len(lines) > 1, "this is no receipt")
    must(lines[1].startswith("index "), "the receipt says no index")
    index = number(lines[1].removeprefix("index "))
    size, root = open_checkpoint(note, asked.key, asked)
    check_inclusion(index, size, read(asked.entry), [unb64(line) for line in lines[2:]], root)
    return f"the entry is number {index} of {size} in the log {asked.key[0]}"


def checkpoint(asked):
    """The log signed this state."""
    size, _ = open_checkpoint(read_text(asked.note), asked.key, asked)
    return f"the log {asked.key[0]} signed a state of {size} entries"


def consistency(asked):
    """The newer state continues the older one: both roots follow from the same tiles."""
    states = [open_checkpoint(read_text(path), asked.key, asked) for path in (asked.old, asked.new)]
    (old, old_root), (new, new_root) = states
    must(old <= new, f"the log had {old} entries, and has {new}")
    tile = tiles_of(asked.tiles, new)
    must(root_of(new, tile) == new_root, "the tiles are not those of the newer state")
    must(root_of(old, tile) == old_root, f"the first {old} entries are not those signed before")
    return f"the state of {new} entries continues the one of {old}"


def export(asked):
    """Every entry of the folder is in the log, as it was written."""
    folder = Path(asked.folder)
    head, line, *rest = open_note(read_text(folder / "manifest"), asked.key).split("\n")
    must(head == EXPORT and rest == [""], "the manifest is not one of an export")
    manifest = json.loads(line)
    must({"checkpoint", "entries.jsonl"} <= set(manifest["files"]), "the manifest names too little")
    for name, digest in manifest["files"].items():
        must(re.fullmatch(r"[a-z.]+", name), "the manifest names a file elsewhere")
        found = hashlib.sha256(read(folder / name)).hexdigest()
        must(found == digest, f"{name} is not the one of the manifest")
    size, root = open_checkpoint(read_text(folder / "checkpoint"), asked.key, asked)
    must(size == manifest["size"], "the checkpoint is not the one of the manifest")
    before, count, private = None, 0, 0
    with (folder / "entries.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            index, count = row["index"], count + 1
            try:
                proof = [unb64(step) for step in row["proof"]]
                check_inclusion(index, size, row["entry"].encode(), proof, root)
                private += check_private(row)
            except Unproven as error:
                raise Unproven(f"number {index} of the log: {error}") from None
            must(before is None or index > before, f"number {index} comes after {before}")
            must(before is None or not manifest["whole"] or index == before + 1,
                 f"between {before} and {index} entries are missing")  # fmt: skip
            before = index
    must(count == manifest["count"], f"there are {count} entries, not {manifest['count']}")
    said = "without a gap" if manifest["whole"] else "as chosen by the log's owner"
    return f"{count} entries, {said}, are in the log {asked.key[0]} of {size}; {private} in private"


def check_private(row):
    """Compare the private part, if it is there, with the commitment in the entry."""
    if row.get("private") is None:
        return 0
    found = hmac.digest(bytes.fromhex(row["salt"]), row["private"].encode(), "sha256").hex()
    must(found == json.loads(row["entry"])["c"], "the private part is another one")
    return 1


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--vkey", required=True, metavar="FILE", help="the log's public key")
    common.add_argument("--witness", action="append", default=[], metavar="FILE")
    common.add_argument("--quorum", type=int, default=0, metavar="N")
    verbs = parser.add_subparsers(required=True, metavar="WHAT")
    for verb, files in (
        (receipt, ["receipt", "entry"]),
        (checkpoint, ["note"]),
        (consistency, ["old", "new"]),
        (export, ["folder"]),
    ):
        own = verbs.add_parser(verb.__name__, parents=[common], help=verb.__doc__)
        own.set_defaults(verb=verb)
        for name in files:
            own.add_argument(name)
        if verb is consistency:
            own.add_argument("--tiles", required=True, metavar="BASE")
    return parser


def main():
    parser = arguments()
    asked = parser.parse_args()
    if asked.quorum > len(asked.witness):
        parser.error("--quorum is larger than the number of witnesses")
    try:
        asked.key = read_key(asked.vkey, LOG)
        asked.witnesses = [read_key(path, WITNESS) for path in asked.witness]
        print(f"PROVEN: {asked.verb(asked)}")
    except Unproven as error:
        print(f"NOT PROVEN: {error}", file=sys.stderr)
        return 1
    except (KeyError, TypeError, ValueError):
        print("NOT PROVEN: a file has another form than is agreed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
