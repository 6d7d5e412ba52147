"""The reader never looks past its window, and the writer never writes a length that does not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tlsocket.errors import ApiMisuse, InvalidMessage, Reason
from tlsocket.wire import Reader, Writer

NUMBERS: list[tuple[Callable[[Reader], int], int]] = [
    (lambda reader: reader.u8("field"), 1),
    (lambda reader: reader.u16("field"), 2),
    (lambda reader: reader.u24("field"), 3),
    (lambda reader: reader.u32("field"), 4),
]

VECTORS: list[tuple[Callable[..., bytes], int]] = [
    (lambda reader, *bounds: reader.opaque8("field", *bounds), 1),
    (lambda reader, *bounds: reader.opaque16("field", *bounds), 2),
    (lambda reader, *bounds: reader.opaque24("field", *bounds), 3),
    (lambda reader, *bounds: reader.sub8("field", *bounds).rest(), 1),
    (lambda reader, *bounds: reader.sub16("field", *bounds).rest(), 2),
    (lambda reader, *bounds: reader.sub24("field", *bounds).rest(), 3),
]


def refusal(read: Callable[[], object]) -> Reason:
    with pytest.raises(InvalidMessage) as caught:
        read()
    assert "field" in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(("read", "size"), NUMBERS)
def test_reads_a_number_in_network_order(read: Callable[[Reader], int], size: int) -> None:
    reader = Reader(bytes(range(1, size + 1)) + b"rest")
    assert read(reader) == int.from_bytes(bytes(range(1, size + 1)), "big")
    assert reader.rest() == b"rest"


@pytest.mark.parametrize(("read", "size"), NUMBERS)
def test_refuses_a_number_that_the_window_cuts(read: Callable[[Reader], int], size: int) -> None:
    # The bytes are there, behind the window: only the check can stop the read.
    assert refusal(lambda: read(Reader(bytes(8), 2, 2 + size - 1))) is Reason.TRUNCATED_MESSAGE


@pytest.mark.parametrize(("read", "size"), VECTORS)
def test_reads_a_vector_and_stops_behind_it(read: Callable[..., bytes], size: int) -> None:
    reader = Reader((3).to_bytes(size, "big") + b"abcd")
    assert read(reader) == b"abc"
    assert reader.rest() == b"d"
    assert reader.at_end


@pytest.mark.parametrize(("read", "size"), VECTORS)
@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_refuses_a_vector_that_the_window_cuts(read: Callable[..., bytes], size: int, missing: int) -> None:
    data = (3).to_bytes(size, "big") + b"abc"
    end = max(len(data) - missing, 0)
    assert refusal(lambda: read(Reader(data + b"beyond", 0, end))) is Reason.TRUNCATED_MESSAGE


@pytest.mark.parametrize(("read", "size"), VECTORS)
@pytest.mark.parametrize("bounds", [(4, 5), (1, 2)])
def test_refuses_a_length_outside_its_type(read: Callable[..., bytes], size: int, bounds: tuple[int, int]) -> None:
    data = (3).to_bytes(size, "big") + b"abc"
    assert refusal(lambda: read(Reader(data), *bounds)) is Reason.LENGTH_OUT_OF_RANGE


def test_takes_exactly_what_is_left_and_no_byte_more() -> None:
    assert Reader(b"abc").take(3, "field") == b"abc"
    assert refusal(lambda: Reader(b"abc").take(4, "field")) is Reason.TRUNCATED_MESSAGE
    assert refusal(lambda: Reader(b"abc", 2).take(-1, "field")) is Reason.TRUNCATED_MESSAGE


def test_reads_vectors_of_uint16() -> None:
    assert Reader(b"\x04\x00\x01\x00\x02").u16_vector8("field") == (1, 2)
    assert Reader(b"\x00\x04\x00\x01\x00\x02").u16_vector16("field") == (1, 2)


@pytest.mark.parametrize("data", ["03000100", "00", "0600010002"])
def test_refuses_vectors_of_uint16_that_are_odd_empty_or_too_long_for_their_type(data: str) -> None:
    assert refusal(lambda: Reader(bytes.fromhex(data)).u16_vector8("field", 2, 4)) is Reason.LENGTH_OUT_OF_RANGE
    assert refusal(lambda: Reader(bytes.fromhex("00" + data)).u16_vector16("field", 2, 4)) is Reason.LENGTH_OUT_OF_RANGE


def test_refuses_a_vector_of_uint16_that_the_window_cuts() -> None:
    assert refusal(lambda: Reader(b"\x04\x00\x01\x00\x02", 0, 4).u16_vector8("field")) is Reason.TRUNCATED_MESSAGE


def test_finish_tells_how_many_bytes_trail() -> None:
    reader = Reader(b"abc")
    reader.u8("field")
    assert refusal(lambda: reader.finish("field")) is Reason.TRAILING_DATA
    reader.rest()
    reader.finish("field")


def test_a_sub_reader_cannot_leave_its_vector() -> None:
    outer = Reader(b"\x01\xaa\xbb")
    inner = outer.sub8("field")
    assert inner.u8("field") == 0xAA
    assert refusal(lambda: inner.u8("field")) is Reason.TRUNCATED_MESSAGE
    assert outer.u8("field") == 0xBB


def test_repr_shows_positions_and_no_bytes() -> None:
    writer = Writer()
    writer.raw(b"secret")
    assert repr(Reader(b"secret")) == "<Reader at 0 of 6>"
    assert repr(writer) == "<Writer of 6 bytes>"


def test_writes_numbers_and_vectors() -> None:
    writer = Writer()
    writer.u8(0x01)
    writer.u16(0x0203)
    writer.u24(0x040506)
    writer.u32(0x0708090A)
    writer.opaque8(b"a")
    writer.opaque16(b"b")
    writer.opaque24(b"c")
    writer.u16_vector8((0x0B0C,))
    writer.u16_vector16((0x0D0E,))
    assert writer.getvalue().hex() == "0102030405060708090a016100016200000163020b0c00020d0e"


def test_blocks_state_the_length_of_what_is_inside() -> None:
    writer = Writer()
    with writer.block24():
        writer.u8(1)
        with writer.block16(), writer.block8():
            writer.raw(b"ab")
    assert writer.getvalue().hex() == "000006010003026162"


@pytest.mark.parametrize(
    "write",
    [
        lambda writer: writer.u8(0x100),
        lambda writer: writer.u8(-1),
        lambda writer: writer.u16(0x10000),
        lambda writer: writer.u24(0x1000000),
        lambda writer: writer.u32(0x100000000),
        lambda writer: writer.opaque8(bytes(0x100)),
        lambda writer: writer.opaque16(bytes(0x10000)),
        lambda writer: writer.opaque24(bytes(0x1000000)),
        lambda writer: writer.u16_vector8((0x10000,)),
        lambda writer: writer.u16_vector8((0,) * 0x80),
    ],
)
def test_refuses_to_write_what_does_not_fit(write: Callable[[Writer], None]) -> None:
    with pytest.raises(ApiMisuse):
        write(Writer())


def test_refuses_a_block_that_outgrew_its_length() -> None:
    writer = Writer()
    with pytest.raises(ApiMisuse, match="256 does not fit"), writer.block8():
        writer.raw(bytes(0x100))


def test_an_error_inside_a_block_is_the_one_that_is_raised() -> None:
    with pytest.raises(LookupError), Writer().block8():
        raise LookupError
