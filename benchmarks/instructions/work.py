"""What is counted: records sealed and opened over a socket pair. Runs under valgrind, in either of two source trees.

It imports nothing but the extension and what needs no TLS, so that the tree before may differ from this one elsewhere.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tlsocket._record import RecordReader, RecordWriter, tls13_protection

KEY, IV = bytes(16), bytes(12)
LIMIT = 1 << 24
SIZES = (64, 16384)


class Owner:
    """What a connection is to the record layer; none of it is expected here."""

    def on_failure(self, error: BaseException, /) -> BaseException:
        return error

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name} was called")


def sealed_records(size: int) -> Iterator[bytes]:
    """Records of TLS 1.3 as a peer would send them (RFC 9846 section 5.2), sealed by other code than ours."""
    aead, plaintext, number = AESGCM(KEY), bytes(size) + b"\x17", 0
    header = b"\x17\x03\x03" + (size + 17).to_bytes(2, "big")
    while True:
        yield header + aead.encrypt(number.to_bytes(12, "big"), plaintext, header)
        number += 1


def seal(size: int, count: int) -> None:
    """Send `count` records of `size` bytes; a plain socket takes them."""
    writer, data = RecordWriter(), bytes(size)
    owner: Any = Owner()
    writer.queue_key(tls13_protection(AESGCM(KEY), IV, LIMIT))
    writer.open_application()
    left, right = socket.socketpair()
    with left, right:
        for _ in range(count):
            if writer.send(left, data, None, owner) != size:
                raise RuntimeError("not sent")
            right.recv(size + 64)


def open_(size: int, count: int) -> None:
    """Receive `count` records of `size` bytes that a plain socket sends."""
    reader, records = RecordReader(RecordWriter()), sealed_records(size)
    owner: Any = Owner()
    reader.set_key(tls13_protection(AESGCM(KEY), IV, LIMIT), False)
    reader.open_application()
    left, right = socket.socketpair()
    with left, right:
        for _ in range(count):
            right.sendall(next(records))
            got = reader.recv(left, size, None, owner)
            if not isinstance(got, bytes) or len(got) != size:
                raise RuntimeError("not received")


WORKS = {"seal": seal, "open": open_}


if __name__ == "__main__":
    WORKS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
