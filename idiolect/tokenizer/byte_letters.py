"""The printable letter GPT-2 gave each byte, so that byte sequences can be vocabulary keys in a text file."""

import functools


@functools.cache
def letter_of_byte() -> tuple[str, ...]:
    """Letter of each of the 256 bytes: itself where printable, else from U+0100 on, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, spare = [], 0x100
    for byte in range(256):
        letters.append(chr(byte if byte in printable else spare))
        spare += byte not in printable
    return tuple(letters)


@functools.cache
def byte_of_letter() -> dict[str, int]:
    """The way back."""
    return {letter: byte for byte, letter in enumerate(letter_of_byte())}


def token_bytes(token: str) -> bytes | None:
    """The bytes a byte-level token stands for; None when it holds a letter outside the alphabet."""
    table = byte_of_letter()
    try:
        return bytes([table[letter] for letter in token])
    except KeyError:
        return None
