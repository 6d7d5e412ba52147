"""Bounded reader and back-patching writer for the presentation language (RFC 9846 section 3).

Every access of a `Reader` is checked against the window it was given, so bytes from a peer can raise nothing but
`InvalidMessage`. A sub-reader is a window on the same bytes: nothing is copied until a field is taken. Each reading
method is told the name of the field it reads ("ClientHello.random"), which becomes the detail of the error.

What a field means is not known here, and neither is where the bytes came from: see `tlsocket.messages` and
`tlsocket.extensions` for the first, `tlsocket._record` for the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import error as StructError
from struct import pack, unpack_from
from typing import TYPE_CHECKING

from tlsocket.errors import ApiMisuse, InvalidMessage, Reason

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Reader", "Writer"]

_PLACEHOLDERS = (b"", bytes(1), bytes(2), bytes(3))


def _truncated(field: str) -> InvalidMessage:
    return InvalidMessage(Reason.TRUNCATED_MESSAGE, field)


def _out_of_range(field: str, length: int) -> InvalidMessage:
    return InvalidMessage(Reason.LENGTH_OUT_OF_RANGE, f"{field} has {length} bytes")


class Reader:
    """A window on `data` from `position` to `end`; reading moves `position` forward and never past `end`.

    The vector methods take the length as the prefix states it, `minimum` and `maximum` being the floor and the
    ceiling in bytes of `opaque field<floor..ceiling>` (RFC 9846 section 3.4).
    """

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    def __repr__(self) -> str:
        return f"<Reader at {self.position} of {self.end}>"

    @property
    def at_end(self) -> bool:
        """True when nothing is left in the window."""
        return self.position == self.end

    def finish(self, field: str) -> None:
        """Raise TRAILING_DATA unless the whole window was read."""
        if self.position != self.end:
            raise InvalidMessage(Reason.TRAILING_DATA, f"{self.end - self.position} bytes behind {field}")

    # Numbers (RFC 9846 section 3.3)

    def u8(self, field: str) -> int:
        """One `uint8`."""
        position = self.position
        if position >= self.end:
            raise _truncated(field)
        self.position = position + 1
        return self.data[position]

    def u16(self, field: str) -> int:
        """One `uint16`."""
        position = self.position
        stop = position + 2
        if stop > self.end:
            raise _truncated(field)
        self.position = stop
        data = self.data
        return data[position] << 8 | data[position + 1]

    def u24(self, field: str) -> int:
        """One `uint24`."""
        return int.from_bytes(self.take(3, field), "big")

    def u32(self, field: str) -> int:
        """One `uint32`."""
        return int.from_bytes(self.take(4, field), "big")

    # Opaque data

    def take(self, length: int, field: str) -> bytes:
        """Exactly `length` bytes: `opaque field[length]`."""
        position = self.position
        stop = position + length
        if length < 0 or stop > self.end:
            raise _truncated(field)
        self.position = stop
        return self.data[position:stop]

    def rest(self) -> bytes:
        """All that is left, perhaps nothing."""
        position = self.position
        self.position = self.end
        return self.data[position : self.end]

    def opaque8(self, field: str, minimum: int = 0, maximum: int = 0xFF) -> bytes:
        """`opaque field<minimum..maximum>` whose length takes one byte."""
        start = self.position + 1
        if start > self.end:
            raise _truncated(field)
        length = self.data[start - 1]
        return self._opaque(field, start, length, minimum, maximum)

    def opaque16(self, field: str, minimum: int = 0, maximum: int = 0xFFFF) -> bytes:
        """`opaque field<minimum..maximum>` whose length takes two bytes."""
        start = self.position + 2
        if start > self.end:
            raise _truncated(field)
        data = self.data
        return self._opaque(field, start, data[start - 2] << 8 | data[start - 1], minimum, maximum)

    def opaque24(self, field: str, minimum: int = 0, maximum: int = 0xFFFFFF) -> bytes:
        """`opaque field<minimum..maximum>` whose length takes three bytes."""
        start = self.position + 3
        if start > self.end:
            raise _truncated(field)
        return self._opaque(field, start, int.from_bytes(self.data[start - 3 : start], "big"), minimum, maximum)

    def _opaque(self, field: str, start: int, length: int, minimum: int, maximum: int) -> bytes:
        if not minimum <= length <= maximum:
            raise _out_of_range(field, length)
        stop = start + length
        if stop > self.end:
            raise _truncated(field)
        self.position = stop
        return self.data[start:stop]

    # Vectors of structures: the caller reads from the window until it is `at_end`

    def sub8(self, field: str, minimum: int = 0, maximum: int = 0xFF) -> Reader:
        """The window of a vector whose length takes one byte."""
        length = self.u8(field)
        return self._sub(field, length, minimum, maximum)

    def sub16(self, field: str, minimum: int = 0, maximum: int = 0xFFFF) -> Reader:
        """The window of a vector whose length takes two bytes."""
        length = self.u16(field)
        return self._sub(field, length, minimum, maximum)

    def sub24(self, field: str, minimum: int = 0, maximum: int = 0xFFFFFF) -> Reader:
        """The window of a vector whose length takes three bytes."""
        length = self.u24(field)
        return self._sub(field, length, minimum, maximum)

    def _sub(self, field: str, length: int, minimum: int, maximum: int) -> Reader:
        if not minimum <= length <= maximum:
            raise _out_of_range(field, length)
        start = self.position
        stop = start + length
        if stop > self.end:
            raise _truncated(field)
        self.position = stop
        return Reader(self.data, start, stop)

    # Vectors of uint16: what most of a ClientHello consists of, hence one C call for all elements

    def u16_vector8(self, field: str, minimum: int = 2, maximum: int = 0xFE) -> tuple[int, ...]:
        """`uint16 field<minimum..maximum>` whose length takes one byte."""
        return self._u16_vector(field, self.u8(field), minimum, maximum)

    def u16_vector16(self, field: str, minimum: int = 2, maximum: int = 0xFFFE) -> tuple[int, ...]:
        """`uint16 field<minimum..maximum>` whose length takes two bytes."""
        return self._u16_vector(field, self.u16(field), minimum, maximum)

    def _u16_vector(self, field: str, length: int, minimum: int, maximum: int) -> tuple[int, ...]:
        if not minimum <= length <= maximum or length & 1:
            raise _out_of_range(field, length)
        position = self.position
        stop = position + length
        if stop > self.end:
            raise _truncated(field)
        self.position = stop
        return unpack_from(f">{length >> 1}H", self.data, position)


class Writer:
    """Appends to `buffer`; the length of a block is written when the block ends.

    A value that does not fit its field is an error of ours, not of the peer: `ApiMisuse`.

        with writer.block16():
            writer.u16(group)
            writer.opaque16(key_exchange)
    """

    __slots__ = ("buffer",)

    def __init__(self) -> None:
        self.buffer = bytearray()

    def __repr__(self) -> str:
        return f"<Writer of {len(self.buffer)} bytes>"

    def getvalue(self) -> bytes:
        """What was written so far."""
        return bytes(self.buffer)

    def u8(self, value: int) -> None:
        """One `uint8`."""
        try:
            self.buffer.append(value)
        except ValueError:
            raise _does_not_fit(value, 1) from None

    def u16(self, value: int) -> None:
        """One `uint16`."""
        try:
            self.buffer += value.to_bytes(2, "big")
        except OverflowError:
            raise _does_not_fit(value, 2) from None

    def u24(self, value: int) -> None:
        """One `uint24`."""
        try:
            self.buffer += value.to_bytes(3, "big")
        except OverflowError:
            raise _does_not_fit(value, 3) from None

    def u32(self, value: int) -> None:
        """One `uint32`."""
        try:
            self.buffer += value.to_bytes(4, "big")
        except OverflowError:
            raise _does_not_fit(value, 4) from None

    def raw(self, data: bytes) -> None:
        """`data` without a length."""
        self.buffer += data

    def opaque8(self, data: bytes) -> None:
        """`data` behind a length of one byte."""
        self.u8(len(data))
        self.buffer += data

    def opaque16(self, data: bytes) -> None:
        """`data` behind a length of two bytes."""
        self.u16(len(data))
        self.buffer += data

    def opaque24(self, data: bytes) -> None:
        """`data` behind a length of three bytes."""
        self.u24(len(data))
        self.buffer += data

    def u16_vector8(self, values: Sequence[int]) -> None:
        """A vector of `uint16` behind a length of one byte."""
        self.opaque8(_pack_u16(values))

    def u16_vector16(self, values: Sequence[int]) -> None:
        """A vector of `uint16` behind a length of two bytes."""
        self.opaque16(_pack_u16(values))

    def block8(self) -> _Block:
        """A `with` block whose contents stand behind their length in one byte."""
        return _Block(self.buffer, 1)

    def block16(self) -> _Block:
        """A `with` block whose contents stand behind their length in two bytes."""
        return _Block(self.buffer, 2)

    def block24(self) -> _Block:
        """A `with` block whose contents stand behind their length in three bytes."""
        return _Block(self.buffer, 3)


class _Block:
    __slots__ = ("_buffer", "_size", "_start")

    def __init__(self, buffer: bytearray, size: int) -> None:
        buffer += _PLACEHOLDERS[size]
        self._buffer = buffer
        self._size = size
        self._start = len(buffer)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        size, start = self._size, self._start
        length = len(self._buffer) - start
        try:
            self._buffer[start - size : start] = length.to_bytes(size, "big")
        except OverflowError:
            raise _does_not_fit(length, size) from None


def _pack_u16(values: Sequence[int]) -> bytes:
    try:
        return pack(f">{len(values)}H", *values)
    except StructError:
        raise ApiMisuse(Reason.API_MISUSE, "a value does not fit a uint16") from None


def _does_not_fit(value: int, size: int) -> ApiMisuse:
    return ApiMisuse(Reason.API_MISUSE, f"{value} does not fit a number or length of {size} bytes")
