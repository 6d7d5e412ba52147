"""One extension, one block of them: what all messages with extensions share (RFC 9846 section 4.3).

    struct {
        ExtensionType extension_type;
        opaque extension_data<0..2^16-1>;
    } Extension;

A typed block (`tlsocket.extensions.blocks`) is a frozen dataclass with one field per extension that the message may
carry and we understand; its `rows` say which codec fills which field. Everything else survives in `unknown`.
This module knows no extension by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from tlsocket.errors import ApiMisuse, InvalidMessage, PeerMisbehaved, Reason
from tlsocket.registry import ExtensionType, describe
from tlsocket.wire import Reader, Writer

__all__ = ["Codec", "ExtensionBlock", "Rows"]

T = TypeVar("T")

_unpack_header = Struct(">HH").unpack_from

# Codec and data -> value, for codecs that `repeats`. What a stranger can fill it with is bounded both ways.
_MEMORY_ENTRIES = 1024
_MEMORY_BYTES = 256
_memory: dict[tuple[int, bytes], Any] = {}


class Codec(NamedTuple, Generic[T]):
    """How the `extension_data` of one extension is read and written.

    `parse` is given a window on exactly the extension's data; what it leaves unread is an error of the peer. It may
    answer None for data that is legal and says nothing to us: that is then kept as if the extension were unknown.
    """

    parse: Callable[[Reader], T]
    serialize: Callable[[Writer, T], None]
    repeats: bool = False
    """Most peers send the same few values, so a parsed one is kept for the next time."""


Rows = Mapping[int, tuple[str, Codec[Any]]]
"""Extension type -> the block's field and its codec, in the order in which we send them."""


@dataclass(frozen=True, kw_only=True)
class ExtensionBlock:
    """A parsed or to be sent block of extensions: None (or False, for those without data) means absent.

    Without slots, unlike the other values: what is absent stays the class's default, so a parsed block costs what is in
    it and not a store for each extension that there is.
    """

    unknown: tuple[tuple[int, bytes], ...] = ()
    """Type and data of the extensions that have no field here, in the order in which they came."""
    _order: tuple[int, ...] | None = field(default=None, init=False, repr=False, compare=False)

    vector: ClassVar[str] = "Extension"
    """The name of the block in its message, for errors."""
    rows: ClassVar[Rows] = {}
    forbidden: ClassVar[frozenset[int]] = frozenset()
    """What `tlsocket.extensions.table` forbids in this message."""
    forbidden_only_with: ClassVar[int | None] = None
    """The extension without which the message is of an older version, to which the table does not apply."""
    last: ClassVar[int | None] = None
    """The extension behind which no other may stand."""

    @property
    def present(self) -> tuple[int, ...]:
        """The types of all extensions in the block: in the order received, or in that in which they will be sent."""
        if self._order is not None:
            return self._order
        known = []
        for code, (name, _) in self.rows.items():
            value = getattr(self, name)
            # By identity: 0 is a value (a selected_identity, a max_early_data_size), and equals False.
            if value is not None and value is not False:
                known.append(code)
        extra = [code for code, _ in self.unknown]
        if known and known[-1] == self.last:
            return (*known[:-1], *extra, known[-1])
        return (*known, *extra)

    @classmethod
    def parse(cls, reader: Reader) -> Self:
        """Read the block with its length.

        A type that appears twice or may not stand in this message is the peer's mistake. Index arithmetic rather
        than `Reader` calls, and one window moved from extension to extension: half the time of a ClientHello is
        spent in this loop.
        """
        window = reader.sub16(cls.vector)
        data, position, end = window.data, window.position, window.end
        if position == end:
            return cls()
        rows, forbidden = cls.rows, cls.forbidden
        values: dict[str, Any] = {}
        order: dict[int, None] = {}
        unknown: list[tuple[int, bytes]] = []
        misplaced: int | None = None
        while position < end:
            start = position + 4
            if start > end:
                raise InvalidMessage(Reason.TRUNCATED_MESSAGE, cls.vector)
            code, length = _unpack_header(data, position)
            position = start + length
            if position > end:
                raise InvalidMessage(Reason.TRUNCATED_MESSAGE, describe(ExtensionType, code))
            if code in order:
                raise PeerMisbehaved(Reason.DUPLICATE_EXTENSION, describe(ExtensionType, code))
            order[code] = None
            row = rows.get(code)
            if row is None:
                if code in forbidden:
                    misplaced = code
                unknown.append((code, data[start:position]))
                continue
            name, codec = row
            key = None
            if codec.repeats and length <= _MEMORY_BYTES:
                key = (id(codec), data[start:position])
                value = _memory.get(key)
                if value is not None:
                    values[name] = value
                    continue
            window.position = start
            window.end = position
            value = codec.parse(window)
            if window.position != position:
                raise InvalidMessage(Reason.TRAILING_DATA, describe(ExtensionType, code))
            if key is not None:
                if len(_memory) >= _MEMORY_ENTRIES:
                    _memory.clear()
                _memory[key] = value
            if value is None:
                unknown.append((code, data[start:position]))
            else:
                values[name] = value
        if misplaced is not None and (cls.forbidden_only_with is None or cls.forbidden_only_with in order):
            raise PeerMisbehaved(Reason.EXTENSION_NOT_ALLOWED, f"{describe(ExtensionType, misplaced)} in {cls.vector}")
        if cls.last in order and code != cls.last:
            # RFC 9846 section 4.3.11: "Servers MUST check that it is the last extension and otherwise fail".
            raise PeerMisbehaved(Reason.PSK_NOT_LAST)
        if unknown:
            values["unknown"] = tuple(unknown)
        values["_order"] = tuple(order)
        block = object.__new__(cls)
        block.__dict__.update(values)
        return block

    def serialize(self, writer: Writer) -> None:
        """Write the block with its length, in the order of `present`."""
        rows = self.rows
        unknown = dict(self.unknown)
        buffer = writer.buffer
        with writer.block16():
            for code in self.present:
                writer.u16(code)
                if code in unknown:
                    writer.opaque16(unknown[code])
                    continue
                # `with writer.block16()` by hand, for the same reason as in `parse`.
                start = len(buffer) + 2
                buffer += b"\0\0"
                name, codec = rows[code]
                codec.serialize(writer, getattr(self, name))
                length = len(buffer) - start
                if length > 0xFFFF:
                    raise ApiMisuse(Reason.API_MISUSE, f"{describe(ExtensionType, code)} of {length} bytes")
                buffer[start - 2] = length >> 8
                buffer[start - 1] = length & 0xFF
