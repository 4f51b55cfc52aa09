"""The Merkle tree: RFC 6962 hashes and proofs, RFC 9162 checks, C2SP tiles. Arithmetic only.

A reader `At` answers for the complete subtree of 2^height leaves that starts at leaf n * 2^height.
A reader `Tiles` answers for a tile: up to 256 hashes of 32 bytes, joined.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256

At = Callable[[int, int], bytes]
Tiles = Callable[[int, int], bytes]

HASH = 32
WIDTH = 256
HEIGHT = 8
EMPTY = sha256().digest()
_KEPT = 2**16  # hashes that a reader remembers


class Unproven(ValueError):
    """The proof does not show what it is said to show."""


def leaf_hash(data: bytes) -> bytes:
    """Hash one record (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Hash 2^n neighbours into the root above them."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]  # node_hash
    return hashes[0]


def root(size: int, at: At) -> bytes:
    """Return the root of the first `size` leaves."""
    return subtree(0, size, at) if size else EMPTY


def subtree(start: int, end: int, at: At) -> bytes:
    """Hash the leaves from `start` to `end`, split as RFC 6962 splits them."""
    split = _split(end - start)
    if split == end - start:
        return at(split.bit_length() - 1, start // split)
    return node_hash(subtree(start, start + split, at), subtree(start + split, end, at))


def _split(width: int) -> int:
    """Return `width` if it is a power of two, else the largest power below it."""
    return 1 << (width.bit_length() - 1)


def _halves(start: int, end: int) -> int:
    """Return where RFC 6962 cuts a range of two leaves or more in two."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def inclusion_proof(index: int, size: int, at: At) -> list[bytes]:
    """Show that leaf `index` is in the tree of `size` (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise Unproven(f"A tree of {size} leaves has no leaf {index}.")
    return _path(index, 0, size, at)


def _path(index: int, start: int, end: int, at: At) -> list[bytes]:
    if end - start == 1:
        return []
    cut = _halves(start, end)
    if index < cut:
        return [*_path(index, start, cut, at), subtree(cut, end, at)]
    return [*_path(index, cut, end, at), subtree(start, cut, at)]


def consistency_proof(first: int, second: int, at: At) -> list[bytes]:
    """Show that the tree of `second` continues the tree of `first` (RFC 6962 section 2.1.2)."""
    if not 0 < first <= second:
        raise Unproven(f"There is no proof from size {first} to size {second}.")
    return _subproof(first, 0, second, True, at)


def _subproof(first: int, start: int, end: int, known: bool, at: At) -> list[bytes]:
    if first == end:
        return [] if known else [subtree(start, end, at)]
    cut = _halves(start, end)
    if first <= cut:
        return [*_subproof(first, start, cut, known, at), subtree(cut, end, at)]
    return [*_subproof(first, cut, end, False, at), subtree(start, cut, at)]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], signed: bytes
) -> None:
    """Raise unless `proof` leads from `leaf` to the root `signed` (RFC 9162 section 2.1.3.2)."""
    _hashes_only(leaf, signed, *proof)
    if not 0 <= index < size:
        raise Unproven(f"A tree of {size} leaves has no leaf {index}.")
    fn, sn, acc = index, size - 1, leaf
    for step in proof:
        if sn == 0:
            raise Unproven("The proof is too long.")
        if fn & 1 or fn == sn:
            acc = node_hash(step, acc)
            fn, sn = _climb(fn, sn)
        else:
            acc = node_hash(acc, step)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Unproven("The proof is too short.")
    if acc != signed:
        raise Unproven("The proof leads to another root.")


def verify_consistency(
    first: int, second: int, root1: bytes, root2: bytes, proof: Sequence[bytes]
) -> None:
    """Raise unless the second tree continues the first (RFC 9162 section 2.1.4.2)."""
    if not 0 < first <= second:
        raise Unproven(f"There is no proof from size {first} to size {second}.")
    if first == second:
        if proof or root1 != root2:
            raise Unproven("Trees of one size have one root and need no proof.")
        return
    _hashes_only(root1, root2, *proof)
    if not proof:
        raise Unproven("The proof is empty.")
    # A first tree that is complete is its own first step: the proof leaves it out.
    steps = [root1, *proof] if first & (first - 1) == 0 else list(proof)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if sn == 0:
            raise Unproven("The proof is too long.")
        if fn & 1 or fn == sn:
            old, new = node_hash(step, old), node_hash(step, new)
            fn, sn = _climb(fn, sn)
        else:
            new = node_hash(new, step)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Unproven("The proof is too short.")
    if (old, new) != (root1, root2):
        raise Unproven("The proof leads to other roots.")


def _climb(fn: int, sn: int) -> tuple[int, int]:
    """Skip the levels at which the right edge has no sibling."""
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _hashes_only(*hashes: bytes) -> None:
    if any(len(each) != HASH for each in hashes):
        raise Unproven("A hash is not 32 bytes long.")


def split_tile(data: bytes) -> list[bytes]:
    """Cut a tile into its hashes."""
    return [data[i : i + HASH] for i in range(0, len(data), HASH)]


def tile_path(level: int, n: int, width: int = WIDTH) -> str:
    """Return where a tile lies under the address of a log (C2SP tlog-tiles)."""
    digits = f"{n:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    partial = "" if width == WIDTH else f".p/{width}"
    return f"{level}/" + "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]]) + partial


def reader(tiles: Tiles) -> At:
    """Read complete subtrees of any height from tiles; neighbours share what was hashed."""

    @lru_cache(maxsize=_KEPT)
    def at(height: int, n: int) -> bytes:
        level, within = divmod(height, HEIGHT)
        tile, offset = divmod(n << within, WIDTH)
        hashes = split_tile(tiles(level, tile))[offset : offset + (1 << within)]
        if len(hashes) != 1 << within:
            raise Unproven(f"Tile {tile} of level {level} is too short.")
        return fold(hashes)

    return at


def append(size: int, hashes: Sequence[bytes], tiles: Tiles) -> dict[tuple[int, int], bytes]:
    """Add leaf hashes to a tree of `size`; return every tile that grew, as (level, n): data."""
    grown: dict[tuple[int, int], bytes] = {}
    level, new = 0, list(hashes)
    while new:
        first, width = divmod(size >> (HEIGHT * level), WIDTH)
        kept = split_tile(tiles(level, first))[:width] if width else []
        if len(kept) != width:
            raise Unproven(f"Tile {first} of level {level} is too short.")
        row = kept + new
        cut = [row[i : i + WIDTH] for i in range(0, len(row), WIDTH)]
        grown |= {(level, first + i): b"".join(tile) for i, tile in enumerate(cut)}
        # Only a full tile is hashed upward (tlog-tiles).
        level, new = level + 1, [fold(tile) for tile in cut if len(tile) == WIDTH]
    return grown
