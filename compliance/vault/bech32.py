"""Bech32 (BIP 173), the text of age keys: a mistyped letter is noticed. No limit on length."""

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def encode(prefix: str, data: bytes) -> str:
    """Write data of any length, in lower case."""
    padding = -len(data) * 8 % 5
    bits = f"{int.from_bytes(data, 'big') << padding:0{len(data) * 8 + padding}b}"
    values = [int(bits[start : start + 5], 2) for start in range(0, len(bits), 5)]
    checksum = _checksum(prefix, [*values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [checksum >> shift & 31 for shift in range(25, -1, -5)]
    return prefix + "1" + "".join(ALPHABET[value] for value in values)


def decode(text: str) -> tuple[str, bytes]:
    """Read the prefix, in lower case, and the data, or raise ValueError."""
    prefix, _, tail = text.lower().rpartition("1")
    one_case = text.isascii() and text in (text.lower(), text.upper())
    if not one_case or len(tail) < 6 or not set(tail) <= set(ALPHABET):
        raise ValueError("A key is Bech32 text, all of it in upper or all in lower case.")
    values = [ALPHABET.index(letter) for letter in tail]
    if _checksum(prefix, values) != 1:
        raise ValueError("The checksum of the key is wrong: it was mistyped or is incomplete.")
    bits = "".join(f"{value:05b}" for value in values[:-6])
    size, padding = divmod(len(bits), 8)
    if padding > 4 or "1" in bits[size * 8 :]:
        raise ValueError("The key ends in bits that mean nothing.")
    return prefix, bytes(int(bits[start : start + 8], 2) for start in range(0, size * 8, 8))


def _checksum(prefix: str, values: list[int]) -> int:
    """Divide as BIP 173 does; a text whose checksum is right leaves 1."""
    spread = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    rest = 1
    for value in spread + values:
        top, rest = rest >> 25, (rest & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(GENERATORS):
            rest ^= generator * (top >> bit & 1)
    return rest
