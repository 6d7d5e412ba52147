"""Laws 1, 2 and 5 of the design over real descriptors: one sentence, one test, quoted in its docstring.

Law 3 (threads) is in test_laws_threads.py, laws 10 and 11 in test_laws_quiet.py. Not the record layer's, and tested
elsewhere: reading ahead is the asyncio transport's, `do_handshake` and `unwrap` themselves the drop-in's.
"""

from __future__ import annotations

import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable
from itertools import accumulate

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.record.support import (
    ALERT,
    BOUND,
    HANDSHAKE,
    End,
    RecordingOwner,
    Task,
    Untouchable,
    contents,
    inner_record,
    joined,
    message,
    plain_record,
    protection,
    readable,
    receive_exactly,
    refused,
    small_pair,
    split_records,
    tcp_pair,
    unprotect,
    unread,
    until,
    wired,
)
from tlsocket._record import (
    BAD_LENGTH,
    CLOSED,
    HAVE_DATA,
    MAX_PLAINTEXT,
    STOPPED,
    SYSTEM_ERROR,
    TIMED_OUT,
    TRUNCATED,
    WANT_READ,
    WANT_WRITE,
    tls12_protection,
)
from tlsocket.errors import Reason, TLSError

KEY_UPDATE = message(24, b"\0")
CLOSE_NOTIFY = b"\x01\x00\x15"
DATA = 23
SHORT = 0.15
"""Seconds that a test waits to see that something does not happen."""


# -- law 1: select() stays honest


@pytest.mark.parametrize("seed", range(6))
def test_1_holds_at_most_the_rest_of_one_record(seed: int) -> None:
    """ "After any receive the library holds at most a partial record or the undelivered rest of one record
    (`pending() > 0`), never a further complete record." """
    rng = random.Random(seed)
    sizes = [rng.choice((1, 2, 10, 22, 23, 100, rng.randrange(1, 3000))) for _ in range(60)]
    records = [
        inner_record(i, bytes([i]) * size + b"\x17" + bytes(rng.choice((0, 0, 7)))) for i, size in enumerate(sizes)
    ]
    ends, totals = list(accumulate(map(len, records))), list(accumulate(sizes))
    with wired() as (end, raw):
        raw.sendall(b"".join(records))
        delivered = 0
        while delivered < totals[-1]:
            part = end.recv(rng.choice((1, 5, 21, 22, 23, 50, 1000, 5000)))
            assert isinstance(part, bytes)
            assert part
            delivered += len(part)
            taken = ends[-1] - unread(end.socket)
            complete = sum(1 for border in ends if border <= taken)
            assert end.reader.pending() == totals[complete - 1] - delivered, "all complete records are opened"
            before_last = totals[complete - 2] if complete > 1 else 0
            assert delivered >= before_last, "and only the last has an undelivered rest"


@pytest.mark.parametrize("size", [1, 10, 100, 1000, 5000])
def test_1_one_read_takes_at_most_n_plus_22(size: int) -> None:
    """ "With n bytes of room left in the caller's buffer, one read takes at most n + 22 bytes: every complete record
    in it fits, since each loses at least that much." """
    with wired() as (end, raw):
        stream = b"".join(inner_record(i, b"abcdefgh\x17") for i in range(400))
        raw.sendall(stream)
        part = end.recv(size)
        assert isinstance(part, bytes)
        taken = len(stream) - unread(end.socket)
        assert taken <= max(size + 22, 30)
        assert len(part) + end.reader.pending() == 8 * (taken // 30)


def test_1_reads_exactly_the_rest_of_a_record_that_does_not_fit() -> None:
    """ "When the current record's length is known and it does not fit, exactly its rest is read." """
    with wired(tcp_pair()) as (end, raw):
        large = inner_record(0, b"x" * MAX_PLAINTEXT + b"\x17")
        raw.sendall(large + inner_record(1, b"next\x17"))
        until(lambda: unread(end.socket) == len(large) + 26)
        assert end.recv(10) == b"x" * 10
        assert unread(end.socket) == 26
        assert end.reader.pending() == MAX_PLAINTEXT - 10


def test_1_a_handshake_never_reads_past_the_current_record() -> None:
    """ "During `do_handshake` and `unwrap`, reads never pass the current record." """
    with wired() as (end, raw):
        end.owner.go_on = False
        raw.sendall(inner_record(0, message(20, b"finished") + b"\x16") + inner_record(1, b"data\x17"))
        raw.sendall(inner_record(2, CLOSE_NOTIFY) + b"220 plain text")
        assert end.reader.pull(end.socket, 5.0, end.owner) == STOPPED
        assert unread(end.socket) == 26 + 24 + 14
        assert end.reader.pull(end.socket, 5.0, end.owner) == HAVE_DATA
        assert unread(end.socket) == 24 + 14
        assert end.reader.read(10, end.owner) == b"data"
        assert end.reader.pull(end.socket, 5.0, end.owner) == CLOSED
        assert end.reader.take_unread() == b""
        assert raw.send(b"!") == 1
        assert end.socket.recv(100) == b"220 plain text!"


@pytest.mark.parametrize("kind", ["padded close_notify", "bad record", "bad header", "padded fatal alert"])
def test_1_an_end_behind_data_counts_one_and_is_reported_without_the_descriptor(kind: str) -> None:
    """ "An end that was read behind data all the same (a padded alert, an error) counts as 1 in `pending()`, and the
    next `recv` reports it without touching the descriptor." """
    behind = {
        "padded close_notify": inner_record(1, CLOSE_NOTIFY + b"\0"),
        "bad record": inner_record(7, b"wrong number\x17"),
        "bad header": plain_record(22, b""),
        "padded fatal alert": inner_record(1, b"\x02\x28\x15\0"),
    }[kind]

    class Judging(RecordingOwner):
        def on_alert(self, level: int, description: int, /) -> bool:
            raise TLSError(Reason.ALERT_RECEIVED)

    with wired() as (end, raw):
        end.owner = Judging()
        raw.sendall(inner_record(0, b"data\x17") + behind)
        assert end.recv(1000) == b"data"
        assert not readable(end.socket), "select() has nothing to say any more"
        assert end.reader.pending() == 1
        for _ in range(3):
            if kind == "padded close_notify":
                assert end.reader.recv(Untouchable(), 100, 0, end.owner) == b""
            else:
                with pytest.raises(TLSError):
                    end.reader.recv(Untouchable(), 100, 0, end.owner)
            assert end.reader.pending() == 0


@pytest.mark.parametrize("pair", [socket.socketpair, tcp_pair], ids=["unix", "tcp"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_1_an_alert_behind_data_stays_in_the_kernel(
    pair: Callable[[], tuple[socket.socket, socket.socket]], version: str
) -> None:
    """ "An alert is read by itself": behind data it stays in the kernel, and who asks `select` alone sees the
    end; what is behind it stays there too, being the next protocol's."""
    near, far = pair()
    with near, far:
        left, right = End(near), End(far)
        if version == "1.2":
            left.writer.queue_key(tls12_protection(AESGCM(bytes(16)), bytes(4), 2**20))
            right.reader.set_key(tls12_protection(AESGCM(bytes(16)), bytes(4), 2**20))
        sealed = [left.seal(part) for part in (b"last ", b"words", b"", b"!!")]
        left.writer.queue_close_notify()
        near.sendall(b"".join((*sealed, left.writer.data_to_send(), b"220 plain text")))
        received: list[bytes | int] = []
        while not received or received[-1] != b"":
            assert readable(far), "nothing to see, and yet no end"
            received.append(right.recv(1000, 0))
            assert right.reader.pending() == 0
        if version == "1.3":  # where two bytes of data look like an alert, and are read by themselves
            assert received == [b"last words", b"!!", b""]
        else:
            assert received == [b"last words!!", b""]
        assert right.reader.take_unread() == b""
        assert far.recv(100) == b"220 plain text"


@pytest.mark.parametrize("cut", range(1, 24))
def test_1_an_alert_that_arrives_in_two_parts_is_seen_too(cut: int) -> None:
    """ "An alert is read by itself": of one that is not there as a whole the rest is readable when it comes."""
    alert = inner_record(1, CLOSE_NOTIFY)
    with wired() as (end, raw):
        raw.sendall(inner_record(0, b"data\x17") + alert[:cut])
        assert end.recv(1000) == b"data"
        assert end.recv(1000, 0) == WANT_READ
        assert not readable(end.socket), "half a record is held and no reason to come back"
        raw.sendall(alert[cut:])
        assert readable(end.socket)
        assert end.recv(1000, 0) == b""


def test_1_a_look_at_what_comes_takes_it_once() -> None:
    """A read that looks first takes exactly what it saw, whatever arrives meanwhile."""
    with joined(), wired(tcp_pair()) as (end, raw):
        data = os.urandom(2_000_000)
        left = End()
        sealed = b"".join(left.seal(data[start : start + 777]) for start in range(0, len(data), 777))
        left.writer.queue_close_notify()
        sender = Task(lambda: raw.sendall(sealed + left.writer.data_to_send()))
        received = bytearray()
        while part := end.recv(random.Random(len(received)).choice((1, 100, 800, 5000, 100_000))):
            assert isinstance(part, bytes)
            received += part
        sender.done()
        assert received == data


@pytest.mark.parametrize("body", [KEY_UPDATE, message(4, b"ticket" * 30)], ids=["KeyUpdate", "ticket"])
def test_1_a_message_behind_data_in_the_same_read_is_handled_with_it(body: bytes) -> None:
    """ "never a further complete record": a KeyUpdate or a ticket behind data does not stay for a later call."""
    with wired() as (end, raw):
        raw.sendall(inner_record(0, b"data\x17") + inner_record(1, body + b"\x16") + inner_record(2, b"more\x17"))
        assert end.recv(1000) == b"datamore"
        assert end.owner.messages == [body]
        assert end.reader.pending() == 0
        assert not readable(end.socket)


@pytest.mark.parametrize("timeout", [0, SHORT])
def test_1_part_of_a_message_and_no_more_bytes_is_a_value_not_a_loop(timeout: float) -> None:
    """ "select() stays honest": with half a message held there is nothing to read, and recv says so."""
    with wired() as (end, raw):
        raw.sendall(inner_record(0, message(4, b"ticket")[:6] + b"\x16"))
        assert Task(lambda: end.recv(100, timeout)).done() == (WANT_READ if timeout == 0 else TIMED_OUT)
        raw.sendall(inner_record(1, message(4, b"ticket")[6:] + b"\x16") + inner_record(2, b"data\x17"))
        assert end.recv(100) == b"data"
        assert end.owner.messages == [message(4, b"ticket")]


def test_1_a_read_of_an_absurd_size_stays_in_its_buffer() -> None:
    """ "one read takes at most n + 22 bytes", and the sum must not overflow for n near the largest integer."""
    with joined(), wired(tcp_pair()) as (end, raw):
        data = os.urandom(300_000)
        sender = Task(lambda: raw.sendall(End().seal(data)))
        received = b""
        while len(received) < len(data):
            part = end.recv(sys.maxsize)
            assert isinstance(part, bytes)
            assert part
            received += part
        sender.done()
        assert received == data


# -- law 2: a retried send means what it meant in OpenSSL


@pytest.mark.parametrize("timeout", [0, 5.0, None])
def test_2_send_returns_what_is_wholly_in_the_kernel(timeout: float | None) -> None:
    """ "`send` returns n only when those n bytes are sealed and wholly in the kernel, nothing sealed remaining
    ours." """
    with wired(tcp_pair()) as (end, raw):
        data = os.urandom(50_000)
        assert end.send(data, timeout) == len(data)
        assert not end.writer.has_output
        found = contents(receive_exactly(raw, len(data) + 4 * 22))
        assert b"".join(part for _, part in found) == data


def test_2_a_part_taken_is_would_block_even_if_records_went_out() -> None:
    """ "If the kernel takes part, `send` raises would-block, even if records went out." """
    with wired(small_pair()) as (end, raw):
        assert end.send(bytes(60_000), 0) == WANT_WRITE
        assert unread(raw) > 0
        assert end.writer.has_output


def test_2_the_next_send_must_offer_at_least_what_is_sealed() -> None:
    """ "the next `send` must offer at least the sealed plaintext's length (shorter: `SSLError`, BAD_LENGTH)" """
    with wired(small_pair()) as (end, raw):
        data = os.urandom(60_000)
        assert end.send(data, 0) == WANT_WRITE
        for shorter in (59_999, 1, 0):
            assert end.send(data[:shorter], 0) == BAD_LENGTH
        assert end.send(data, 0) == WANT_WRITE
        drained = Task(lambda: receive_exactly(raw, 60_000 + 4 * 22))
        assert end.send(data + b"and more", 5.0) == 60_008
        assert b"".join(part for _, part in contents(drained.done())) == data


def test_2_a_retry_flushes_without_sealing_again_and_returns_that_count() -> None:
    """ "flushes without sealing again, and returns that count." """
    with wired(small_pair()) as (end, raw):
        keys = protection(9)
        end.writer.queue_key(keys)
        data = os.urandom(60_000)
        assert end.send(data, 0) == WANT_WRITE
        assert keys.sequence_number == 4
        stream = b""
        raw.settimeout(BOUND)
        outcome = WANT_WRITE
        while outcome == WANT_WRITE:
            stream += raw.recv(1000)
            outcome = end.send(data + b"more than before", 0)
            assert keys.sequence_number == 4
        assert outcome == len(data)
        stream += receive_exactly(raw, len(data) + 4 * 22 - len(stream))
        assert b"".join(part for _, part in contents(stream, key=9)) == data
        assert not end.writer.has_output


def test_2_at_most_64_kib_or_the_measured_room_is_sealed_before_a_system_call() -> None:
    """ "On a non-blocking socket at most 64 KiB, or the kernel's measured room if larger, is sealed before a system
    call." The measure is what it took whole the time before; one step tries twice that."""
    with wired(tcp_pair(send_buffer=4_000_000)) as (end, _):
        keys = protection(9)
        end.writer.queue_key(keys)
        data = bytes(8_000_000)
        taken_whole = 32768
        for _ in range(40):
            before = keys.sequence_number
            outcome = end.send(data, 0)
            sealed = (keys.sequence_number - before) * MAX_PLAINTEXT
            assert sealed <= max(65536, 2 * taken_whole)
            if outcome == WANT_WRITE:
                break
            assert outcome <= sealed
            taken_whole = outcome
        assert outcome == WANT_WRITE, "the buffer must fill up for the test to mean anything"


def test_2_after_a_short_write_no_more_than_64_kib_or_what_it_took_is_sealed() -> None:
    """ "or the kernel's measured room if larger": a kernel with little room gets little at a time."""
    with wired(small_pair()) as (end, raw):
        keys = protection(9)
        end.writer.queue_key(keys)
        data = bytes(1_000_000)
        raw.settimeout(BOUND)
        for _ in range(3):
            before = keys.sequence_number
            while end.send(data, 0) == WANT_WRITE:
                assert keys.sequence_number - before <= 4
                raw.recv(100_000)
            assert keys.sequence_number - before <= 4


def test_2_control_queues_behind_the_tail() -> None:
    """ "Close, KeyUpdate and alerts queue behind the tail." """
    with wired(small_pair()) as (end, raw):
        data = os.urandom(60_000)
        assert end.send(data, 0) == WANT_WRITE
        end.writer.queue(ALERT, b"\x01\x5a")
        end.writer.queue_key_update(KEY_UPDATE, protection(2))
        end.writer.queue_close_notify()
        flushing = Task(lambda: end.writer.flush(end.socket, BOUND))
        stream = receive_exactly(raw, 60_000 + 4 * 22 + 24 + 27 + 24)
        assert flushing.done() == 0
        records = split_records(stream)
        opened = [unprotect(record, number) for number, record in enumerate(records[:6])]
        assert b"".join(part for _, part in opened[:4]) == data
        assert opened[4:] == [(ALERT, b"\x01\x5a"), (HANDSHAKE, KEY_UPDATE)]
        assert unprotect(records[6], 0, key=2) == (ALERT, b"\x01\x00")


@pytest.mark.parametrize("pair", [small_pair, lambda: tcp_pair(1, 1)], ids=["unix", "tcp"])
def test_2_would_block_at_every_point_seals_every_record_once(
    pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    """ "Records are never re-sealed and sequence numbers never rewound." """
    rng = random.Random(1)
    with wired(pair()) as (end, raw):
        keys = protection(9)
        end.writer.queue_key(keys)
        data = rng.randbytes(400_000)
        stream = bytearray()
        raw.setblocking(False)
        offset = blocked = number = 0
        offered = 0
        deadline = time.monotonic() + BOUND
        while offset < len(data):
            assert time.monotonic() < deadline
            size = max(offered, rng.randrange(1, 30_000))
            outcome = end.send(data[offset : offset + size], 0)
            assert keys.sequence_number >= number
            number = keys.sequence_number
            if outcome == WANT_WRITE:
                blocked += 1
                offered = size
                try:
                    stream += raw.recv(rng.randrange(1, 3000))
                except BlockingIOError:
                    select.select([raw], [], [], 1)
            else:
                assert outcome > 0
                offset += outcome
                offered = 0
        assert blocked > 10
        raw.setblocking(True)
        raw.settimeout(BOUND)
        until_length = len(data) + 22 * number
        stream += receive_exactly(raw, until_length - len(stream))
        found = contents(bytes(stream), key=9)
        assert len(found) == number
        assert b"".join(part for _, part in found) == data


def test_2_a_waiting_send_takes_everything() -> None:
    """ "`send` returns n only when those n bytes are sealed and wholly in the kernel": all of them when it may wait."""
    with joined() as (left, right):
        data = os.urandom(3_000_000)
        sending = Task(lambda: left.send(data, None))
        assert right.recv_all(len(data)) == data
        assert sending.done() == len(data)


# -- law 5: no plaintext before authentication


def test_5_no_plaintext_before_authentication() -> None:
    """ "No plaintext before authentication, none left in a buffer after a failure." """
    with wired() as (end, raw):
        record = bytearray(inner_record(0, b"S" * 3000 + b"\x17"))
        record[-1] ^= 1
        raw.sendall(record)
        memory = bytearray(b"\xaa" * 5000)
        with refused(Reason.BAD_RECORD_MAC):
            end.reader.recv_into(end.socket, memory, 0, 5.0, end.owner)
        assert b"S" not in memory
        assert end.reader.pending() == 0


def test_5_sending_leaves_the_callers_memory_alone() -> None:
    """ "Sending: one copy into the record buffer, sealed in place." """
    with wired(small_pair()) as (end, raw):
        data = bytearray(random.Random(5).randbytes(40_000))
        before = bytes(data)
        assert end.send(memoryview(data), 0) == WANT_WRITE
        data[:] = bytes(40_000)
        draining = Task(lambda: receive_exactly(raw, 40_000 + 3 * 22))
        assert end.send(memoryview(data), 5.0) == 40_000
        assert bytes(data) == bytes(40_000)
        assert b"".join(part for _, part in contents(draining.done())) == before, "sealed once, from what it was then"


@pytest.mark.parametrize("padding", [0, 1, 200])
@pytest.mark.parametrize("room", [99, 100, 101, 102, 301, 302, 400])
def test_5_never_a_byte_beyond_the_callers_length(room: int, padding: int) -> None:
    """ "Receiving: straight into the destination only where the whole inner plaintext, type and padding included,
    fits; else one copy from a pooled buffer; never a byte beyond the caller's length." """
    with wired() as (end, raw):
        raw.sendall(inner_record(0, b"d" * 100 + b"\x17" + bytes(padding)) + inner_record(1, b"e\x17"))
        received = b""
        while len(received) < 101:
            memory = bytearray(b"\xaa" * (room + 128))
            count = end.reader.recv_into(end.socket, memoryview(memory)[64 : 64 + room], 0, 5.0, end.owner)
            assert 0 < count <= room
            assert memory[:64] == memory[64 + room :] == b"\xaa" * 64
            received += memory[64 : 64 + count]
        assert received == b"d" * 100 + b"e"


def test_5_a_size_below_the_buffers_is_the_callers_length() -> None:
    """ "never a byte beyond the caller's length", which is the size where one is given."""
    with wired() as (end, raw):
        raw.sendall(inner_record(0, b"d" * 50 + b"\x17"))
        memory = bytearray(b"\xaa" * 200)
        assert end.reader.recv_into(end.socket, memory, 20, 5.0, end.owner) == 20
        assert memory == b"d" * 20 + b"\xaa" * 180


def test_5_control_content_is_not_left_in_the_callers_memory() -> None:
    """ "Receiving: straight into the destination": what turns out not to be data is wiped from it."""
    with wired() as (end, raw):
        raw.sendall(inner_record(0, b"data\x17") + inner_record(1, message(4, b"TICKET" * 9) + b"\x16"))
        memory = bytearray(1000)
        assert end.reader.recv_into(end.socket, memory, 0, 5.0, end.owner) == 4
        assert b"TICKET" not in memory
        assert len(end.owner.messages) == 1


@pytest.mark.parametrize("good", [1, 2, 5])
@pytest.mark.parametrize("into", [False, True])
def test_5_the_records_before_a_bad_one_are_delivered_and_the_error_stays(good: int, into: bool) -> None:
    """ "When record k of a batch fails, the first k-1 are delivered and the error comes on the next call and on every
    later one." """
    with wired() as (end, raw):
        bad = bytearray(inner_record(good, b"S" * 100 + b"\x17"))
        bad[30] ^= 4
        raw.sendall(
            b"".join(inner_record(i, b"good\x17") for i in range(good)) + bad + inner_record(good + 1, b"x\x17")
        )
        if into:
            memory = bytearray(1000)
            assert end.reader.recv_into(end.socket, memory, 0, 5.0, end.owner) == 4 * good
            assert memory[: 4 * good] == b"good" * good
            assert b"S" not in memory
        else:
            assert end.recv(1000) == b"good" * good
        assert len(end.owner.failures) == 1
        for _ in range(3):
            with refused(Reason.BAD_RECORD_MAC):
                end.recv(1000)
            with refused(Reason.BAD_RECORD_MAC):
                end.reader.pull(end.socket, 5.0, end.owner)
        assert len(end.owner.failures) == 1


# -- ends by value, which laws 2 and 4 rest on


def test_the_end_of_the_transport_is_truncation_for_ever() -> None:
    """Law 4: "Truncation is an error unless the peer sent `close_notify`." """
    for cut in (0, 3, 10):
        with wired() as (end, raw):
            raw.sendall(inner_record(0, b"data\x17")[:cut])
            raw.close()
            for _ in range(3):
                assert end.recv(10) == TRUNCATED
                assert end.reader.pull(end.socket, 1.0, end.owner) == TRUNCATED


def test_a_reset_connection_is_a_value() -> None:
    """Law 4: a reset is the kernel's error, with its number."""
    with wired(tcp_pair()) as (end, raw):
        end.send(b"never read")
        until(lambda: unread(raw) > 0)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()
        assert end.recv(10) == SYSTEM_ERROR
        assert end.reader.last_errno == 104
