"""The calls of the reader that need no descriptor, and what it does after a failure or when it is misused.

What records may hold is in test_reader.py; the same over sockets in the tests of the laws.
"""

from __future__ import annotations

import sys

import pytest

from tests.record.support import (
    HANDSHAKE,
    End,
    RecordingOwner,
    inner_record,
    joined,
    message,
    plain_record,
    refused,
)
from tlsocket._record import (
    CLOSED,
    HAVE_DATA,
    TRUNCATED,
    WANT_READ,
    RecordReader,
    RecordWriter,
)
from tlsocket.errors import ApiMisuse, Reason, TLSError

CLOSE_NOTIFY = b"\x01\x00\x15"


def bare() -> End:
    """Before any key: the state of the first flight."""
    return End(key=None, application=False)


# -- the sans-IO face


def test_eof_without_close_notify_is_truncation_after_what_came_before() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"abc\x17") + inner_record(1, b"def\x17")[:-1])
    end.reader.feed_eof()
    assert end.reader.read(2, end.owner) == b"ab"
    assert end.reader.pending() == 1
    assert end.reader.read(2, end.owner) == b"c"
    for _ in range(2):
        assert end.reader.read(2, end.owner) == TRUNCATED
        assert end.reader.advance(end.owner) == TRUNCATED


def test_an_eof_behind_data_counts_one() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"abc\x17"))
    end.reader.feed_eof()
    assert end.reader.read(10, end.owner) == b"abc"
    assert end.reader.pending() == 1
    assert end.reader.read(10, end.owner) == TRUNCATED
    assert end.reader.pending() == 0


def test_advance_stops_at_data_and_read_delivers_it() -> None:
    end = End()
    end.reader.feed(inner_record(0, message(4, b"") + b"\x16") + inner_record(1, b"data\x17"))
    assert end.reader.advance(end.owner) == HAVE_DATA
    assert end.owner.messages == [message(4, b"")]
    assert end.reader.pending() == 4
    assert end.reader.advance(end.owner) == HAVE_DATA
    assert end.reader.read(3, end.owner) == b"dat"
    assert end.reader.pending() == 1
    assert end.reader.read(3, end.owner) == b"a"
    assert end.reader.advance(end.owner) == WANT_READ


def test_want_never_passes_law_1() -> None:
    end = End()
    record = inner_record(0, b"x" * 500 + b"\x17")
    assert end.reader.want(0) == 5
    assert end.reader.want(100) == 122
    end.reader.feed(record[:3])
    assert (end.reader.want(0), end.reader.want(100)) == (2, 119)
    end.reader.feed(record[3:10])
    assert end.reader.want(0) == len(record) - 10
    assert end.reader.want(100) == len(record) - 10
    assert end.reader.want(1000) == 1022 - 10
    end.reader.feed(record[10:])
    assert end.reader.read(100, end.owner) == b"x" * 100
    assert end.reader.want(1000) == 0, "there is data to deliver first"


def test_want_of_an_absurd_size_is_still_a_size() -> None:
    assert 0 < End().reader.want(sys.maxsize) <= 2**20


def test_want_refuses_a_header_that_begins_no_record() -> None:
    end = bare()
    end.reader.feed(b"hello")
    with refused(Reason.NOT_TLS):
        end.reader.want(0)


def test_read_and_read_into_of_nothing_take_nothing() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"data\x17"))
    assert end.reader.read(0, end.owner) == b""
    assert end.reader.read_into(bytearray(), 0, end.owner) == 0
    assert end.reader.read(10, end.owner) == b"data"


def test_read_into_takes_its_size_from_the_buffer_or_the_argument() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"0123456789\x17"))
    buffer = bytearray(b"........")
    assert end.reader.read_into(buffer, 3, end.owner) == 3
    assert buffer == b"012....."
    assert end.reader.read_into(buffer, 0, end.owner) == 7
    assert buffer == b"3456789."
    assert end.reader.read_into(buffer, 100, end.owner) == WANT_READ


@pytest.mark.parametrize("room", [1, 2, 9, 10, 11, 12, 30])
def test_never_a_byte_beyond_the_callers_slice(room: int) -> None:
    end = End()
    end.reader.feed(inner_record(0, b"0123456789\x17\0\0") + inner_record(1, b"abcdef\x17") + inner_record(2, b"g\x17"))
    received = b""
    for _ in range(40):
        memory = bytearray(b"\xaa" * (room + 64))
        count = end.reader.read_into(memoryview(memory)[32 : 32 + room], 0, end.owner)
        assert memory[:32] == memory[32 + room :] == b"\xaa" * 32
        if count == WANT_READ:
            break
        received += memory[32 : 32 + count]
    assert received == b"0123456789abcdefg"


def test_a_read_only_buffer_is_refused_and_nothing_is_lost() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"data\x17"))
    with pytest.raises((TypeError, BufferError)):
        end.reader.read_into(b"....", 4, end.owner)
    with pytest.raises((TypeError, BufferError)):
        end.reader.open_into(b"", b"....", end.owner)
    assert end.reader.read(10, end.owner) == b"data"


def test_buffers_are_released_after_every_call() -> None:
    end = End()
    source, target = bytearray(inner_record(0, b"data\x17")), bytearray(2)
    end.reader.open_into(source, target, end.owner)
    end.reader.read_into(target, 0, end.owner)
    end.reader.feed(source[:5] + b"\0")
    source.clear()
    target.clear()


def test_open_into_works_in_the_callers_memory() -> None:
    end = End()
    records = [inner_record(number, bytes([65 + number]) * 10 + b"\x17") for number in range(3)]
    source = b"".join(records) + records[0][:7]
    buffer = bytearray(100)
    consumed, produced, outcome = end.reader.open_into(source, buffer, end.owner)
    assert (consumed, produced, outcome) == (3 * len(records[0]), 30, WANT_READ)
    assert buffer[:30] == b"A" * 10 + b"B" * 10 + b"C" * 10


def test_open_into_fills_a_small_buffer_and_keeps_the_rest_of_one_record() -> None:
    end = End()
    records = [inner_record(number, bytes([65 + number]) * 10 + b"\x17") for number in range(2)]
    source = b"".join(records)
    buffer = bytearray(4)
    received = b""
    start = 0
    for _ in range(20):
        consumed, produced, outcome = end.reader.open_into(source[start:], buffer, end.owner)
        assert (produced > 0) == (outcome == HAVE_DATA)
        start += consumed
        received += buffer[:produced]
        if outcome == WANT_READ:
            break
    assert received == b"A" * 10 + b"B" * 10


def test_open_into_reports_an_end_behind_data_on_the_next_call() -> None:
    end = End()
    source = inner_record(0, b"data\x17") + inner_record(1, CLOSE_NOTIFY)
    assert end.reader.open_into(source, bytearray(20), end.owner) == (len(source), 4, HAVE_DATA)
    assert end.reader.pending() == 1
    assert end.reader.open_into(b"", bytearray(20), end.owner) == (0, 0, CLOSED)
    assert end.reader.pending() == 0


def test_open_into_refuses_to_overtake_bytes_fed_before() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"first\x17"))
    with pytest.raises(ApiMisuse):
        end.reader.open_into(inner_record(1, b"second\x17"), bytearray(20), end.owner)
    assert end.reader.read(10, end.owner) == b"first"


def test_take_unread_gives_what_follows_the_close_notify() -> None:
    end = End()
    end.reader.feed(inner_record(0, CLOSE_NOTIFY) + b"220 plain")
    assert end.reader.advance(end.owner) == CLOSED
    end.reader.feed(b" text")
    assert end.reader.take_unread() == b"220 plain text"
    assert end.reader.take_unread() == b""


# -- failures and misuse


def test_an_error_is_told_once_and_raised_for_ever() -> None:
    end = End()
    end.reader.feed(plain_record(22, b"x"))
    for _ in range(4):
        with refused(Reason.UNPROTECTED_RECORD):
            end.reader.read(10, end.owner)
        with refused(Reason.UNPROTECTED_RECORD):
            end.reader.advance(end.owner)
        with refused(Reason.UNPROTECTED_RECORD):
            end.reader.open_into(b"", bytearray(4), end.owner)
    assert len(end.owner.failures) == 1


def test_what_is_fed_after_a_failure_is_forgotten() -> None:
    end = End()
    end.reader.feed(plain_record(22, b"x"))
    with refused(Reason.UNPROTECTED_RECORD):
        end.reader.read(10, end.owner)
    end.reader.feed(inner_record(0, b"data\x17"))
    assert end.reader.take_unread() == b""


def test_an_error_of_a_callback_is_raised_as_it_is_and_ends_the_connection() -> None:
    class Odd(RecordingOwner):
        def on_handshake_message(self, message: bytes, /) -> bool:
            raise ZeroDivisionError

    end, owner = End(), Odd()
    end.reader.feed(inner_record(0, message(4, b"") + b"\x16") + inner_record(1, b"data\x17"))
    with pytest.raises(ZeroDivisionError):
        end.reader.read(10, owner)
    for _ in range(2):
        with refused(Reason.INTERNAL):
            end.reader.read(10, owner)


def test_an_interruption_in_a_callback_is_raised_once_and_ends_the_connection() -> None:
    class Interrupted(RecordingOwner):
        def on_handshake_message(self, message: bytes, /) -> bool:
            raise KeyboardInterrupt

    end, owner = End(), Interrupted()
    end.reader.feed(inner_record(0, message(4, b"") + b"\x16"))
    with pytest.raises(KeyboardInterrupt):
        end.reader.read(10, owner)
    with refused(Reason.INTERNAL):
        end.reader.read(10, owner)


def test_an_owner_that_fails_to_take_a_failure_does_not_keep_the_reader_alive() -> None:
    class Unable(RecordingOwner):
        def on_failure(self, error: BaseException, /) -> BaseException:
            raise ZeroDivisionError

    end, owner = End(), Unable()
    end.reader.feed(plain_record(22, b"x") + inner_record(0, b"data\x17"))
    with pytest.raises(ZeroDivisionError):
        end.reader.read(10, owner)
    with refused(Reason.UNPROTECTED_RECORD):
        end.reader.read(10, owner)
    assert end.reader.take_unread() == b""


def test_a_kept_error_keeps_no_frames() -> None:
    end = End()
    end.reader.feed(plain_record(22, b"x"))
    with refused(Reason.UNPROTECTED_RECORD):
        end.reader.read(10, end.owner)
    raised = []
    for _ in range(2):
        with pytest.raises(TLSError) as caught:
            end.reader.read(10, end.owner)
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert raised[0].args == raised[1].args


@pytest.mark.parametrize("call", ["read", "advance", "feed", "read_into", "open_into", "take_unread"])
def test_a_callback_that_reads_from_its_own_connection_gets_an_error_not_a_deadlock(call: str) -> None:
    end = End()

    def again(whole: bytes, /) -> bool:
        calls = {
            "read": lambda: end.reader.read(10, end.owner),
            "advance": lambda: end.reader.advance(end.owner),
            "feed": lambda: end.reader.feed(bytes(100000)),
            "read_into": lambda: end.reader.read_into(bytearray(4), 0, end.owner),
            "open_into": lambda: end.reader.open_into(b"", bytearray(4), end.owner),
            "take_unread": end.reader.take_unread,
        }
        with pytest.raises(ApiMisuse):
            calls[call]()
        return True

    end.owner.on_handshake_message = again  # type: ignore[method-assign]
    end.reader.feed(inner_record(0, message(4, b"") + b"\x16") + inner_record(1, b"data\x17"))
    assert end.reader.read(10, end.owner) == b"data"


def test_a_discard_from_a_callback_takes_effect_when_the_call_ends() -> None:
    end = End()

    def drop(whole: bytes, /) -> bool:
        end.reader.discard()
        return True

    end.owner.on_handshake_message = drop  # type: ignore[method-assign]
    end.reader.feed(inner_record(0, message(4, b"") + b"\x16") + inner_record(1, b"data\x17"))
    assert end.reader.read(2, end.owner) == b"da"
    assert end.reader.read(2, end.owner) == TRUNCATED
    assert not end.reader.protected


def test_after_discard_nothing_is_left() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"data\x17"))
    assert end.reader.advance(end.owner) == HAVE_DATA
    end.reader.discard()
    end.reader.discard()
    assert end.reader.pending() == 0
    assert end.reader.read(10, end.owner) == TRUNCATED
    end.reader.feed(b"anything")
    assert end.reader.take_unread() == b""


def test_a_reader_needs_a_writer() -> None:
    with pytest.raises(TypeError):
        RecordReader(None)  # type: ignore[arg-type]
    assert not RecordReader(RecordWriter()).protected


def test_messages_and_data_of_a_real_writer_arrive_in_order() -> None:
    with joined() as (left, right):
        left.writer.queue(HANDSHAKE, message(24, b"\0"))
        assert left.send(b"x") == 1
        assert right.recv(1) == b"x"
        assert right.owner.messages == [message(24, b"\0")]


def test_advance_asks_a_source_record_by_record_and_no_further() -> None:
    stream = inner_record(0, message(4, b"") + b"\x16") + inner_record(1, b"data\x17") + inner_record(2, b"more\x17")
    rest = memoryview(stream)
    asked: list[int] = []

    def source(size: int) -> bytes:
        nonlocal rest
        asked.append(size)
        piece, rest = bytes(rest[:size]), rest[size:]
        return piece

    end = End()
    assert end.reader.advance(end.owner, source) == HAVE_DATA
    assert asked == [5, 21, 5, 21]
    assert bytes(rest) == inner_record(2, b"more\x17")
    assert end.owner.messages == [message(4, b"")]
    assert end.reader.read(10, end.owner) == b"data"
    assert end.reader.advance(end.owner, lambda size: b"") == WANT_READ
    with refused(Reason.UNKNOWN_CONTENT_TYPE):
        end.reader.advance(end.owner, lambda size: b"nonsense"[:size])


def test_recv_into_leaves_what_stands_behind_the_data() -> None:
    """The inner content type is opened into the caller's memory too, where room is; it does not stay there."""
    with joined() as (sender, receiver):
        sender.send(b"data")
        buffer = bytearray(b"\xaa" * 32)
        assert receiver.reader.recv_into(receiver.socket, buffer, 32, 5.0, receiver.owner) == 4
        assert buffer == b"data" + b"\xaa" * 28
