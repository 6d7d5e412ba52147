"""Where PEM blocks begin and end (RFC 7468): the one scanner of all readers.

What is in a block is for `certificates`, `keys` and `formats.reading` to say.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MAXIMUM_ITEMS", "pem_blocks"]

MAXIMUM_ITEMS = 100_000
"""Certificates and keys in one container."""


def pem_blocks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each block: its label, its body's bytes, and the whole block. A block that is cut off comes with an empty whole.

    One pass over `data`, whatever is in it.
    """
    position = end = 0
    for _ in range(MAXIMUM_ITEMS):
        begin = data.find(b"-----BEGIN ", position)
        if begin < 0:
            return
        label_end = data.find(b"-----", begin + 11, begin + 11 + 64)
        if label_end < 0:
            position = begin + 11
            continue
        label = data[begin + 11 : label_end]
        if 0 <= end < label_end:
            end = data.find(b"-----END ", label_end)
        following = data.find(b"-----BEGIN ", label_end, end if end >= 0 else len(data))
        if end < 0 or following >= 0 or not data.startswith(label + b"-----", end + 9):
            yield label, b"", b""
            # The next block may be whole; without any END there is none.
            if end < 0:
                return
            position = following if following >= 0 else end + 9
            continue
        position = end + 9 + len(label) + 5
        yield label, data[label_end + 5 : end], data[begin:position] + b"\n"
