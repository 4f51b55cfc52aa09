"""Bech32 (BIP 173), the text of age keys: a mistyped letter is noticed. No limit on length."""

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
# What each five bits that leave at the top take with them, in the arithmetic of BIP 173.
REMAINDERS = [0]
for generator in (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3):
    REMAINDERS += [generator ^ other for other in REMAINDERS]


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
    values = [VALUES[letter] for letter in tail]
    if _checksum(prefix, values) != 1:
        raise ValueError("The checksum of the key is wrong: it was mistyped or is incomplete.")
    bits = "".join(f"{value:05b}" for value in values[:-6])
    size, padding = divmod(len(bits), 8)
    if padding > 4 or "1" in bits[size * 8 :]:
        raise ValueError("The key ends in bits that mean nothing.")
    return prefix, int("0" + bits[: size * 8], 2).to_bytes(size, "big")


def _checksum(prefix: str, values: list[int]) -> int:
    """Divide as BIP 173 does; a text whose checksum is right leaves 1."""
    spread = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    rest = 1
    for value in spread + values:
        rest = (rest & 0x1FFFFFF) << 5 ^ value ^ REMAINDERS[rest >> 25]
    return rest
