"""Just enough DER (X.690) to look inside a certificate and to put one together again.

`cryptography` parses and builds certificates. This module is for the two or three places where it has no call:
an algorithm identifier that it cannot write, and boundaries within a structure. No general ASN.1 here.
"""

from __future__ import annotations

__all__ = ["OCTET_STRING", "SEQUENCE", "DerError", "elements", "encode", "encode_integer", "split"]

OCTET_STRING = 0x04
SEQUENCE = 0x30


class DerError(ValueError):
    """The bytes are not DER of the shape that was expected."""


def split(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element of `data`: its tag, its content, and the bytes after it."""
    if len(data) < 2:
        raise DerError("an element ends before its length")
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        start += count
        if not 1 <= count <= 4 or len(data) < start:
            raise DerError("a length is not DER")
        length = int.from_bytes(data[2:start], "big")
        if length < 0x80 or data[2] == 0:
            raise DerError("a length is not in its shortest form")
    end = start + length
    if len(data) < end:
        raise DerError("an element ends before its content does")
    return data[0], data[start:end], data[end:]


def elements(content: bytes) -> list[bytes]:
    """The elements of a constructed value's content, each with its header."""
    found = []
    while content:
        rest = split(content)[2]
        found.append(content[: len(content) - len(rest)])
        content = rest
    return found


def encode(tag: int, *contents: bytes) -> bytes:
    """One element with `contents` joined."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def encode_integer(value: int) -> bytes:
    """An INTEGER that is not negative."""
    return encode(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
