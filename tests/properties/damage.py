"""Ways to alter what crosses a wire: legal ones (cuts, other fragments) and hostile ones, as hypothesis strategies.

A hostile change is a list of `Edit`, whose places are fractions of whatever they are applied to, so that one list fits
a flight of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.properties.wire import Alter, split_records
from tlsocket.config import Role
from tlsocket.connection import Connection
from tlsocket.registry import ContentType

roles = st.sampled_from(list(Role))
cuts = st.lists(st.one_of(st.integers(1, 8), st.integers(1, 700)), min_size=1, max_size=12)
"""Lengths of pieces, used over and over."""


class Edit(NamedTuple):
    """One change to a string of bytes."""

    kind: str
    place: float
    """0 is the first byte, 1 the last."""
    size: int
    data: bytes

    def apply(self, whole: bytes) -> bytes:
        """`whole` with the change made."""
        at = min(int(self.place * len(whole)), max(len(whole) - 1, 0))
        before, here, after = whole[:at], whole[at : at + self.size], whole[at + self.size :]
        if self.kind == "flip":
            return before + bytes(byte ^ 1 << self.size % 8 for byte in whole[at : at + 1]) + whole[at + 1 :]
        if self.kind == "drop":
            return before + after
        if self.kind == "duplicate":
            return before + here + here + after
        if self.kind == "insert":
            return before + self.data + here + after
        if self.kind == "overwrite":
            return before + self.data + whole[at + len(self.data) :]
        if self.kind == "exchange":
            return before + after[: self.size] + here + after[self.size :]
        return before  # truncate


def edits(*kinds: str) -> st.SearchStrategy[list[Edit]]:
    """One change or a few, of these kinds."""
    edit = st.builds(
        Edit,
        st.sampled_from(kinds),
        st.floats(0, 1),
        st.one_of(st.integers(1, 8), st.integers(1, 300)),
        st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\0\0", b"\xff\xff", b"\xff\xff\xff"])),
    )
    return st.lists(edit, min_size=1, max_size=3)


ALL_KINDS = ("flip", "drop", "duplicate", "insert", "overwrite", "exchange", "truncate")


def edited(whole: bytes, changes: Iterable[Edit]) -> bytes:
    """`whole` with all changes made."""
    for change in changes:
        whole = change.apply(whole)
    return whole


def pieces(stream: bytes, lengths: list[int]) -> Iterator[bytes]:
    """`stream` cut into pieces of these lengths, over and over."""
    start = index = 0
    while start < len(stream):
        yield stream[start : start + lengths[index % len(lengths)]]
        start += lengths[index % len(lengths)]
        index += 1


def in_flight(sender: Role, number: int, change: Callable[[bytes], Iterable[bytes]]) -> Alter:
    """An `Alter` of one flight only."""

    def alter(who: Role, flight_number: int, flight: bytes) -> Iterable[bytes]:
        return change(flight) if (who, flight_number) == (sender, number) else (flight,)

    return alter


def cut_off(sender: Role, number: int, position: int) -> Alter:
    """An `Alter` that ends one direction inside a flight."""

    def alter(who: Role, flight_number: int, flight: bytes) -> Iterable[bytes]:
        if who is not sender or flight_number < number:
            return (flight,)
        return (flight[: min(position, len(flight) - 1)],) if flight_number == number else ()

    return alter


def plaintext_refragmented(lengths: list[int]) -> Alter:
    """Every unprotected handshake record as many (RFC 9846 section 5.1)."""

    def alter(_sender: Role, _number: int, flight: bytes) -> Iterable[bytes]:
        for record in split_records(flight):
            # A protected one of TLS 1.2 begins with its explicit nonce: zero, where no message of ours begins so.
            if record[0] != ContentType.HANDSHAKE or record[5] == 0:
                yield record
                continue
            for piece in pieces(record[5:], lengths):
                yield record[:3] + len(piece).to_bytes(2, "big") + piece

    return alter


class HookedWriter:
    """Stands in for a connection's writer during its handshake: `change` makes payloads of each handshake payload.

    The sender has hashed the messages already and they are sealed afterwards: the receiver opens, under the right
    keys, what an honest peer never sends.
    """

    def __init__(self, connection: Connection, change: Callable[[bytes], Iterable[bytes]]) -> None:
        self._writer = connection.writer
        self._change = change
        handshake: Any = connection._handshake
        handshake.writer = self

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._writer, attribute)

    def queue(self, content_type: int, payload: bytes) -> None:
        """See `RecordWriter.queue`."""
        if content_type != ContentType.HANDSHAKE:
            self._writer.queue(content_type, payload)
            return
        for changed in self._change(payload):
            self._writer.queue(content_type, changed)
