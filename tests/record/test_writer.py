"""Sealing without waiting: fragments, the order of control and key changes, ends, and the caller's own memory.

RFC 9846 sections 5.1 and 6.1. What the kernel does with the bytes is in test_laws.py. Records are opened here with
`cryptography` alone.
"""

from __future__ import annotations

import gc
import os
import sys

import pytest

from tests.record.support import (
    ALERT,
    HANDSHAKE,
    End,
    RecordingOwner,
    contents,
    message,
    plain_record,
    protection,
    refused,
    split_records,
    unprotect,
)
from tlsocket._record import CLOSED, MAX_PLAINTEXT, RecordWriter, tls13_protection
from tlsocket.errors import ApiMisuse, Reason

KEY_UPDATE = message(24, b"\0")
DATA = 23
CHANGE_CIPHER_SPEC = 20


# -- fragments


@pytest.mark.parametrize("length", [1, MAX_PLAINTEXT - 1, MAX_PLAINTEXT, MAX_PLAINTEXT + 1, 5 * MAX_PLAINTEXT, 700001])
def test_data_becomes_as_few_records_as_can_be(length: int) -> None:
    data = os.urandom(length)
    found = contents(End().seal(data))
    assert [kind for kind, _ in found] == [DATA] * -(-length // MAX_PLAINTEXT)
    assert all(len(part) == MAX_PLAINTEXT for _, part in found[:-1])
    assert b"".join(part for _, part in found) == data


def test_no_data_makes_no_record() -> None:
    assert End().seal(b"") == b""


def test_a_long_handshake_flight_is_fragmented_too() -> None:
    end = End(key=None, application=False)
    flight = os.urandom(2 * MAX_PLAINTEXT + 5)
    end.writer.queue(HANDSHAKE, flight)
    records = split_records(end.writer.data_to_send())
    assert [len(record) - 5 for record in records] == [MAX_PLAINTEXT, MAX_PLAINTEXT, 5]
    assert b"".join(record[5:] for record in records) == flight


def test_unprotected_records_say_what_they_are() -> None:
    end = End(key=None, application=False)
    end.writer.queue(HANDSHAKE, b"hello")
    end.writer.queue(ALERT, b"\x01\x5a")
    assert end.writer.data_to_send() == plain_record(HANDSHAKE, b"hello") + plain_record(ALERT, b"\x01\x5a")


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_written(make: type) -> None:
    assert contents(End().seal(make(b"data"))) == [(DATA, b"data")]


def test_what_is_no_contiguous_buffer_is_refused() -> None:
    end = End()
    with pytest.raises(TypeError):
        end.writer.write("text", end.owner)  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        end.writer.write(memoryview(b"abcdef")[::2], end.owner)
    assert end.seal(b"x")


# -- order


def test_control_goes_before_data_in_the_order_of_the_queue() -> None:
    end = End()
    end.writer.queue(HANDSHAKE, b"one")
    end.writer.queue(ALERT, b"\x01\x5a")
    end.writer.queue(HANDSHAKE, b"two")
    assert contents(end.seal(b"data")) == [
        (HANDSHAKE, b"one"),
        (ALERT, b"\x01\x5a"),
        (HANDSHAKE, b"two"),
        (DATA, b"data"),
    ]


def test_a_key_change_divides_what_is_before_from_what_is_after() -> None:
    end = End()
    end.writer.queue(HANDSHAKE, KEY_UPDATE)
    end.writer.queue_key(protection(2))
    end.writer.queue(HANDSHAKE, b"after")
    first, second, third = split_records(end.seal(b"data"))
    assert unprotect(first, 0, key=1) == (HANDSHAKE, KEY_UPDATE)
    assert unprotect(second, 0, key=2) == (HANDSHAKE, b"after")
    assert unprotect(third, 1, key=2) == (DATA, b"data")


def test_a_first_key_protects_what_follows_and_nothing_before() -> None:
    end = End(key=None, application=False)
    end.writer.queue(HANDSHAKE, b"server hello")
    end.writer.queue_key(protection())
    end.writer.queue(HANDSHAKE, b"the rest")
    first, second = split_records(end.writer.data_to_send())
    assert first == plain_record(HANDSHAKE, b"server hello")
    assert unprotect(second, 0) == (HANDSHAKE, b"the rest")


def test_a_change_cipher_spec_is_never_protected_and_takes_no_number() -> None:
    end = End()
    end.writer.queue(CHANGE_CIPHER_SPEC, b"\x01")
    first, second = split_records(end.seal(b"data"))
    assert first == plain_record(CHANGE_CIPHER_SPEC, b"\x01")
    assert unprotect(second, 0) == (DATA, b"data")


def test_callables_are_asked_when_their_turn_comes_and_in_order() -> None:
    end = End()
    asked: list[int] = []
    keys = {number: protection(number) for number in (2, 3)}

    def key(number: int) -> None:
        def give() -> object:
            asked.append(number)
            return keys[number]

        end.writer.queue_key_update(KEY_UPDATE, give)  # type: ignore[arg-type]

    key(2)
    key(3)
    assert asked == []
    first, second, third = split_records(end.seal(b"data"))
    assert asked == [2, 3]
    assert unprotect(first, 0, key=1) == (HANDSHAKE, KEY_UPDATE)
    assert unprotect(second, 0, key=2) == (HANDSHAKE, KEY_UPDATE)
    assert unprotect(third, 0, key=3) == (DATA, b"data")


def test_what_a_callable_queues_comes_after_everything_queued_before() -> None:
    end = End()

    def give() -> object:
        end.writer.queue(HANDSHAKE, b"late")
        return protection(2)

    end.writer.queue_key(give)  # type: ignore[arg-type]
    end.writer.queue(HANDSHAKE, b"early")
    found = contents(end.seal(b"data"), key=2)
    assert found == [(HANDSHAKE, b"early"), (HANDSHAKE, b"late"), (DATA, b"data")]


def test_a_callable_that_fails_ends_the_writing_and_nothing_goes_out_under_the_old_key() -> None:
    end = End()

    def fail() -> object:
        raise ZeroDivisionError

    end.writer.queue(HANDSHAKE, KEY_UPDATE)
    end.writer.queue_key(fail)  # type: ignore[arg-type]
    end.writer.queue(HANDSHAKE, b"never")
    with pytest.raises(ZeroDivisionError):
        end.writer.write(b"data", end.owner)
    assert contents(end.writer.data_to_send()) == [(HANDSHAKE, KEY_UPDATE)]
    with refused(Reason.INTERNAL):
        end.writer.write(b"data", end.owner)
    end.writer.queue(HANDSHAKE, b"never")
    assert end.writer.data_to_send() == b""


def test_only_bytes_can_be_queued() -> None:
    end = End()
    for payload in (None, bytearray(b"x"), "x"):
        with pytest.raises(TypeError):
            end.writer.queue(HANDSHAKE, payload)  # type: ignore[arg-type]
    assert not RecordWriter().has_output


# -- ends


def test_close_notify_goes_once_and_refuses_what_follows() -> None:
    end = End()
    end.writer.write(b"data", end.owner)
    queued = [end.writer.close_notify_queued]
    end.writer.queue_close_notify()
    end.writer.queue_close_notify()
    assert [*queued, end.writer.close_notify_queued] == [False, True]
    assert end.writer.write(b"more", end.owner) == CLOSED
    assert end.writer.seal_into(b"more", bytearray(100), end.owner) == (CLOSED, 0)
    end.writer.queue(HANDSHAKE, KEY_UPDATE)
    end.writer.queue_key_update(KEY_UPDATE, protection(2))
    end.writer.queue_fatal_alert(80)
    assert contents(end.writer.data_to_send()) == [(DATA, b"data"), (ALERT, b"\x01\x00")]
    assert not end.writer.has_output


def test_nothing_follows_a_fatal_alert() -> None:
    end = End()
    end.writer.queue_fatal_alert(20)
    end.writer.queue_fatal_alert(80)
    end.writer.queue_close_notify()
    end.writer.queue(HANDSHAKE, KEY_UPDATE)
    end.writer.queue_key(protection(2))
    assert end.writer.write(b"data", end.owner) == CLOSED
    assert contents(end.writer.data_to_send()) == [(ALERT, b"\x02\x14")]


@pytest.mark.parametrize("description", [-1, 256])
def test_an_alert_that_is_no_byte_is_refused(description: int) -> None:
    end = End()
    with pytest.raises(ValueError):
        end.writer.queue_fatal_alert(description)
    assert end.seal(b"x")


def test_data_that_was_written_before_an_alert_still_goes() -> None:
    end = End()
    end.writer.write(b"data", end.owner)
    end.writer.queue_fatal_alert(80)
    assert contents(end.writer.data_to_send()) == [(DATA, b"data"), (ALERT, b"\x02\x50")]


def test_no_data_before_it_is_due() -> None:
    end = End(application=False)
    with pytest.raises(ApiMisuse) as caught:
        end.writer.write(b"data", end.owner)
    assert caught.value.reason is Reason.HANDSHAKE_NOT_DONE
    end.writer.open_application()
    assert contents(end.seal(b"data")) == [(DATA, b"data")]


def test_after_discard_nothing_is_left() -> None:
    end = End()
    end.writer.write(b"data", end.owner)
    end.writer.queue(HANDSHAKE, KEY_UPDATE)
    end.writer.discard()
    end.writer.discard()
    assert end.writer.data_to_send() == b""
    assert end.writer.write(b"data", end.owner) == CLOSED


# -- output


def test_has_output_is_true_from_queue_to_delivery() -> None:
    end = End(key=None)
    seen = [end.writer.has_output]
    end.writer.queue(HANDSHAKE, b"x")
    seen.append(end.writer.has_output)
    end.writer.data_to_send()
    seen.append(end.writer.has_output)
    assert seen == [False, True, False]


def test_outputs_of_several_writes_are_joined() -> None:
    end = End()
    for number in range(50):
        end.writer.write(bytes([number]) * 3000, end.owner)
    found = contents(end.writer.data_to_send())
    assert found == [(DATA, bytes([number]) * 3000) for number in range(50)]
    assert end.writer.data_to_send() == b""


# -- seal_into


@pytest.mark.parametrize("room", [0, 21, 22, 23, 40, 16406, 16407, 16428, 16429, 50000])
def test_seal_into_takes_what_fits_as_whole_records(room: int) -> None:
    end = End()
    end.writer.data_to_send()
    data = os.urandom(40000)
    memory = bytearray(b"\xaa" * (room + 64))
    taken, written = end.writer.seal_into(data, memoryview(memory)[32 : 32 + room], end.owner)
    assert memory[:32] == memory[32 + room :] == b"\xaa" * 32
    assert written <= room
    assert memory[32 + written : 32 + room] == b"\xaa" * (room - written)
    found = contents(bytes(memory[32 : 32 + written]))
    assert b"".join(part for _, part in found) == data[:taken]
    assert taken == len(data) or room - written <= 22
    assert all(part for _, part in found), "no empty records to fill up"


def test_seal_into_goes_on_where_it_stopped() -> None:
    end = End()
    end.writer.data_to_send()
    data = os.urandom(100000)
    stream = b""
    offset = 0
    out = bytearray(30000)
    while offset < len(data):
        taken, written = end.writer.seal_into(data[offset:], out, end.owner)
        assert taken > 0
        offset += taken
        stream += out[:written]
    assert b"".join(part for _, part in contents(stream)) == data


def test_seal_into_refuses_to_overtake_queued_output() -> None:
    end = End()
    end.writer.data_to_send()
    end.writer.queue(HANDSHAKE, KEY_UPDATE)
    with pytest.raises(ApiMisuse):
        end.writer.seal_into(b"data", bytearray(100), end.owner)
    end.writer.data_to_send()
    end.writer.write(b"data", end.owner)
    with pytest.raises(ApiMisuse):
        end.writer.seal_into(b"data", bytearray(100), end.owner)


def test_seal_into_stands_back_for_a_key_update() -> None:
    end = End(key=None)
    end.writer.queue_key(protection(limit=4))
    assert contents(end.seal(b"1") + end.seal(b"2")) == [(DATA, b"1"), (DATA, b"2")]

    class Renewing(RecordingOwner):
        def on_send_limit(self) -> None:
            end.writer.queue_key_update(KEY_UPDATE, protection(2))

    out = bytearray(100)
    assert end.writer.seal_into(b"data", out, Renewing()) == (0, 0)
    assert contents(end.writer.data_to_send(), first=2) == [(HANDSHAKE, KEY_UPDATE)]
    taken, written = end.writer.seal_into(b"data", out, Renewing())
    assert (taken, contents(bytes(out[:written]), key=2)) == (4, [(DATA, b"data")])


def test_a_seal_that_breaks_down_leaves_no_plaintext_behind() -> None:
    class Broken:
        def encrypt_into(self, *arguments: object) -> int:
            raise MemoryError

    end = End(key=None)
    end.writer.queue_key(tls13_protection(Broken(), bytes(12), 2**20))
    end.writer.data_to_send()
    out = bytearray(100)
    with pytest.raises(MemoryError):
        end.writer.seal_into(b"plaintext", out, end.owner)
    assert b"plain" not in out
    with refused(Reason.INTERNAL):
        end.writer.write(b"data", end.owner)
    assert end.writer.data_to_send() == b""


def test_buffers_are_released_after_every_call() -> None:
    end = End()
    end.writer.data_to_send()
    data, out = bytearray(b"data"), bytearray(100)
    end.writer.seal_into(data, out, end.owner)
    with pytest.raises((TypeError, BufferError)):
        end.writer.seal_into(data, b"read only", end.owner)
    end.writer.write(data, end.owner)
    with pytest.raises(ApiMisuse):
        end.writer.seal_into(data, out, end.owner)
    end.writer.queue_close_notify()
    end.writer.write(data, end.owner)
    data.clear()
    out.clear()


def test_sealing_from_within_sealing_is_an_error_not_a_deadlock() -> None:
    end = End()
    caught: list[BaseException] = []

    def give() -> object:
        for call in (lambda: end.writer.write(b"x", end.owner), end.writer.data_to_send):
            with pytest.raises(ApiMisuse) as one:
                call()
            caught.append(one.value)
        return protection(2)

    end.writer.queue_key(give)  # type: ignore[arg-type]
    assert contents(end.seal(b"data"), key=2) == [(DATA, b"data")]
    assert len(caught) == 2


def test_sealing_and_opening_leak_no_references() -> None:
    sender, receiver = End(), End()
    data = b"x" * 3000
    receiver.reader.feed(sender.seal(data))
    receiver.reader.read(4000, receiver.owner)
    gc.collect()
    before = sys.getrefcount(data), sys.getrefcount(sender.owner), sys.getrefcount(receiver.owner)
    nones = sys.getrefcount(None)
    for _ in range(200):
        receiver.reader.feed(sender.seal(data))
        assert receiver.reader.read(4000, receiver.owner) == data
    assert (sys.getrefcount(data), sys.getrefcount(sender.owner), sys.getrefcount(receiver.owner)) == before
    assert abs(sys.getrefcount(None) - nones) < 100
