"""Random data in both directions at once over one TLS socket, with random sizes of send and receive, and digests.

Used by our side and, in a process of its own, by the standard library's: imports nothing of ours. Written against the
interface of `ssl`; the data of a direction follows from its seed, so that a digest says all.
"""

from __future__ import annotations

import hashlib
import random
import select
import selectors
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["MODES", "Digests", "exchange"]

WAIT = 30.0
BLOCK = 1 << 20
LARGEST = 17
"""Sizes are powers of two up to this one, evenly by exponent: many small, some far above a record."""


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 of what was sent and of what was received."""

    sent: str
    received: str


class Source:
    """Hands out `total` bytes in pieces of random size."""

    def __init__(self, seed: int, total: int) -> None:
        self._random = random.Random(seed)
        self._block = self._random.randbytes(BLOCK + (1 << LARGEST))
        self._left = total
        self._hash = hashlib.sha256()

    def piece(self) -> bytes:
        """The next piece, b"" at the end."""
        size = min(int(2 ** self._random.uniform(0, LARGEST)), self._left)
        start = self._random.randrange(BLOCK)
        data = self._block[start : start + size]
        self._left -= size
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Of all pieces."""
        return self._hash.hexdigest()


class Sink:
    """Takes `total` bytes with reads of random size, by `recv` and by `recv_into`."""

    def __init__(self, seed: int, total: int) -> None:
        self._random = random.Random(seed)
        self._buffer = bytearray(1 << LARGEST)
        self._hash = hashlib.sha256()
        self.left = total

    def take(self, sock: ssl.SSLSocket) -> None:
        """One read. A size above what is left shows if the peer sends more than it should."""
        size = int(2 ** self._random.uniform(0, LARGEST))
        if self._random.random() < 0.5:
            data: bytes | memoryview = sock.recv(size)
            count = len(data)
        else:
            count = sock.recv_into(self._buffer, size)
            data = memoryview(self._buffer)[:count]
        if not count:
            raise EOFError(f"closed {self.left} bytes early")
        self._hash.update(data)
        self.left -= count

    def digest(self) -> str:
        """Of all that was read."""
        return self._hash.hexdigest()


def with_threads(sock: ssl.SSLSocket, source: Source, sink: Sink) -> None:
    """A blocking socket, one thread writing and one reading."""
    errors: list[BaseException] = []

    def send() -> None:
        try:
            while data := source.piece():
                view = memoryview(data)
                while view:
                    view = view[sock.send(view) :]
        except BaseException as error:  # raised by the reader's thread below
            errors.append(error)

    sock.settimeout(WAIT)
    writer = threading.Thread(target=send, daemon=True)
    writer.start()
    try:
        while sink.left > 0:
            sink.take(sock)
    finally:
        writer.join(WAIT)
    if errors:
        raise errors[0]
    if writer.is_alive():
        raise TimeoutError("the writer is still busy")


def in_turns(sock: ssl.SSLSocket, source: Source, sink: Sink) -> None:
    """A blocking socket and one thread, which OpenSSL wants: writes a piece, then reads what is there."""
    sock.settimeout(WAIT)
    more = True
    while more or sink.left > 0:
        if more:
            data = source.piece()
            more = bool(data)
            sock.sendall(data)
        while sink.left > 0 and (sock.pending() or select.select([sock], [], [], 0 if more else WAIT)[0]):
            sink.take(sock)


def with_selectors(sock: ssl.SSLSocket, source: Source, sink: Sink) -> None:
    """A non-blocking socket and `selectors`; a send that would block is repeated with the same data."""
    sock.setblocking(False)
    data = source.piece()
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        while data or sink.left > 0:
            events = 0
            try:
                while data:
                    data = data[sock.send(data) :] or source.piece()
            except ssl.SSLWantWriteError:
                events |= selectors.EVENT_WRITE
            except ssl.SSLWantReadError:
                events |= selectors.EVENT_READ
            try:
                while sink.left > 0:
                    sink.take(sock)
            except ssl.SSLWantReadError:
                events |= selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                events |= selectors.EVENT_WRITE
            if data or sink.left > 0:
                selector.modify(sock, events or selectors.EVENT_READ | selectors.EVENT_WRITE)
                if not selector.select(WAIT):
                    raise TimeoutError(f"nothing to do for {WAIT} s, {sink.left} bytes to come")
    sock.settimeout(WAIT)


MODES: dict[str, Callable[[ssl.SSLSocket, Source, Sink], None]] = {
    "threads": with_threads,
    "turns": in_turns,
    "selectors": with_selectors,
}


def exchange(sock: ssl.SSLSocket, mode: str, *, seed: int, total: int, close_first: bool) -> Digests:
    """Send `total` bytes and receive as many at the same time, then close in good order."""
    source, sink = Source(seed, total), Sink(seed + 1, total)
    MODES[mode](sock, source, sink)
    if not close_first and sock.recv(1) != b"":
        raise EOFError("more data than there should be")
    sock.unwrap().close()
    return Digests(source.digest(), sink.digest())
