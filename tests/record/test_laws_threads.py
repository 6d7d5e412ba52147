"""Law 3 of the design, one reader and one writer: one sentence, one test, quoted in its docstring; and a stress."""

from __future__ import annotations

import os
import random
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.record.support import (
    BOUND,
    HANDSHAKE,
    End,
    Task,
    fill_up,
    inner_record,
    joined,
    message,
    protection,
    readable,
    receive_exactly,
    small_pair,
    split_records,
    tcp_pair,
    unprotect,
    unread,
    until,
    wired,
)
from tlsocket._record import (
    SYSTEM_ERROR,
    TIMED_OUT,
    WANT_READ,
    WANT_WRITE,
)

KEY_UPDATE = message(24, b"\0")
DATA = 23
SHORT = 0.15
"""Seconds that a test waits to see that something does not happen."""


# -- law 3: one reader and one writer thread


def test_3_one_reader_and_one_writer_at_the_same_time() -> None:
    """ "One reader and one writer thread may use a connection at the same time." """
    with joined() as (left, right):
        streams = [os.urandom(2_000_000), os.urandom(2_000_000)]

        def write(end: End, data: bytes) -> None:
            rng = random.Random(len(data))
            view = memoryview(data)
            while view:
                count = end.send(view[: rng.randrange(1, 60_000)])
                assert count > 0
                view = view[count:]

        tasks = [
            Task(lambda: write(left, streams[0])),
            Task(lambda: write(right, streams[1])),
            Task(lambda: right.recv_all(len(streams[0]), 7001)),
            Task(lambda: left.recv_all(len(streams[1]), 100_000)),
        ]
        results = [task.done() for task in tasks]
        assert results[2:] == streams


def test_3_no_lock_spans_both_directions() -> None:
    """ "Read state and write state are separate; no lock spans both directions." """
    with joined() as (left, right):
        reading = Task(lambda: left.recv(100, BOUND))
        time.sleep(SHORT)
        assert left.send(b"while the other thread waits to read", 1.0) == 36
        right.send(b"answer")
        assert reading.done() == b"answer"
    with wired(small_pair()) as (end, raw):
        writing = Task(lambda: end.send(bytes(100_000), BOUND))
        until(lambda: unread(raw) > 0)
        raw.sendall(inner_record(0, b"data\x17"))
        assert end.recv(100, 1.0) == b"data"
        assert writing.is_alive()
        receive_exactly(raw, 100_000 + 7 * 22)
        assert writing.done() == 100_000


@pytest.mark.parametrize("batches", [1, 3])
def test_3_what_the_reader_queues_goes_before_further_application_data(batches: int) -> None:
    """ "The reader only appends to a control queue (KeyUpdate answers, alerts); whoever holds the write side seals it
    before further application data." The KeyUpdate goes out under the old key, what follows under the new one."""
    batch = 524288
    with wired(small_pair()) as (end, raw):

        def answer(whole: bytes, /) -> bool:
            end.writer.queue_key_update(KEY_UPDATE, protection(2))
            return True

        end.owner.on_handshake_message = answer  # type: ignore[method-assign]
        data = random.Random(3).randbytes(batches * batch)
        writing = Task(lambda: end.send(data, BOUND))
        until(lambda: unread(raw) > 0)
        raw.sendall(inner_record(0, KEY_UPDATE + b"\x16") + inner_record(1, b"data\x17"))
        assert end.recv(100, 1.0) == b"data"
        per_batch = batch + 32 * 22
        stream = receive_exactly(raw, batches * per_batch + 27)
        assert writing.done() == len(data)
        records = split_records(stream)
        old = [unprotect(record, number) for number, record in enumerate(records[:33])]
        assert b"".join(part for _, part in old[:32]) == data[:batch]
        assert old[32] == (HANDSHAKE, KEY_UPDATE)
        new = [unprotect(record, number, key=2) for number, record in enumerate(records[33:])]
        assert b"".join(part for _, part in new) == data[batch:]


def test_3_a_key_update_behind_a_tail_that_a_retry_finishes() -> None:
    """ "whoever holds the write side seals it before further application data" on a non-blocking socket too."""
    with wired(small_pair()) as (end, raw):
        data = os.urandom(60_000)
        assert end.send(data, 0) == WANT_WRITE
        end.writer.queue_key_update(KEY_UPDATE, protection(2))
        draining = Task(lambda: receive_exactly(raw, 60_000 + 4 * 22 + 27 + 26))
        until(lambda: end.send(data, 0) == len(data))
        assert end.send(b"more", 5.0) == 4
        records = split_records(draining.done())
        assert unprotect(records[4], 4) == (HANDSHAKE, KEY_UPDATE)
        assert unprotect(records[5], 0, key=2) == (DATA, b"more")


def test_3_the_reader_never_waits_for_the_write_side() -> None:
    """ "the reader takes the write side only if it is free, and never waits for it." """
    with wired(small_pair()) as (end, raw):

        def answer(whole: bytes, /) -> bool:
            end.writer.queue(HANDSHAKE, whole)
            return True

        end.owner.on_handshake_message = answer  # type: ignore[method-assign]
        writing = Task(lambda: end.send(bytes(300_000), BOUND))
        until(lambda: unread(raw) > 0)
        raw.sendall(inner_record(0, KEY_UPDATE + b"\x16") + inner_record(1, b"data\x17"))
        started = time.monotonic()
        assert end.recv(100, None) == b"data"
        assert time.monotonic() - started < 5
        assert writing.is_alive()
        receive_exactly(raw, 300_000 + 19 * 22 + 27)
        assert writing.done() == 300_000


def test_3_the_reader_flushes_its_answer_when_the_write_side_is_free() -> None:
    """ "the reader takes the write side only if it is free": and then the answer does not wait for a send."""
    with wired() as (end, raw):

        def answer(whole: bytes, /) -> bool:
            end.writer.queue_key_update(KEY_UPDATE, protection(2))
            return True

        end.owner.on_handshake_message = answer  # type: ignore[method-assign]
        raw.sendall(inner_record(0, KEY_UPDATE + b"\x16") + inner_record(1, b"data\x17"))
        assert end.recv(100) == b"data"
        assert unprotect(receive_exactly(raw, 27), 0) == (HANDSHAKE, KEY_UPDATE)


def test_3_a_reader_that_cannot_flush_without_waiting_leaves_the_tail() -> None:
    """ "and never waits for it": nor for the kernel."""
    with wired(small_pair()) as (end, raw):

        def answer(whole: bytes, /) -> bool:
            end.writer.queue(HANDSHAKE, whole)
            return True

        end.owner.on_handshake_message = answer  # type: ignore[method-assign]
        count = fill_up(end.socket)
        raw.sendall(inner_record(0, KEY_UPDATE + b"\x16") + inner_record(1, b"data\x17"))
        assert Task(lambda: end.recv(100, None)).done() == b"data"
        assert end.writer.has_output
        receive_exactly(raw, count)
        assert end.writer.flush(end.socket, 5.0) == 0
        assert unprotect(receive_exactly(raw, 27), 0) == (HANDSHAKE, KEY_UPDATE)


def test_3_two_writers_are_serialised() -> None:
    """ "Two threads in one direction are serialised by that direction's lock": no call's data is torn apart."""
    with joined() as (left, right):
        tasks = [
            Task(lambda mark=mark: [left.send(bytes([mark]) * 20_000) for _ in range(40)])  # type: ignore[misc]
            for mark in (1, 2, 3)
        ]
        stream = right.recv_all(3 * 40 * 20_000)
        for task in tasks:
            assert task.done() == [20_000] * 40
        blocks = [stream[start : start + 20_000] for start in range(0, len(stream), 20_000)]
        assert all(len(set(block)) == 1 for block in blocks)


def test_3_two_readers_are_serialised() -> None:
    """ "Two threads in one direction are serialised by that direction's lock": no byte is lost or doubled."""
    with joined() as (left, right):
        numbers = 4000
        received: list[bytes] = []
        lock = threading.Lock()

        def read() -> None:
            while True:
                part = right.recv(4)
                assert isinstance(part, bytes)
                if not part:
                    return
                with lock:
                    received.append(part)

        tasks = [Task(read) for _ in range(3)]
        for number in range(numbers):
            assert left.send(number.to_bytes(4, "big")) == 4
        left.writer.queue_close_notify()
        assert left.writer.flush(left.socket, 5.0) == 0
        for task in tasks:
            task.done()
        assert sorted(received) == [number.to_bytes(4, "big") for number in range(numbers)]


def test_3_waiting_for_one_direction_holds_nothing_of_the_other() -> None:
    """ "which is never held while waiting for the other.": a reader and a writer that both wait do not stop a
    flush or a read of the other kind; a second caller of the same kind waits only as long as it may."""
    with wired(small_pair()) as (end, raw):
        reading = Task(lambda: end.recv(100, BOUND))
        writing = Task(lambda: end.send(bytes(100_000), BOUND))
        until(lambda: unread(raw) > 0)
        assert end.recv(10, SHORT) == TIMED_OUT
        assert end.send(b"x", SHORT) == TIMED_OUT
        assert end.recv(10, 0) == WANT_READ
        assert end.send(b"x", 0) == WANT_WRITE
        raw.sendall(inner_record(0, b"data\x17"))
        assert reading.done() == b"data"
        receive_exactly(raw, 100_000 + 7 * 22)
        assert writing.done() == 100_000


def test_3_the_descriptor_is_asked_before_each_system_call() -> None:
    """ "The descriptor is taken from the socket object before each system call, with the GIL held" """

    class Counting:
        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock
            self.asked = 0

        def fileno(self) -> int:
            self.asked += 1
            return self.sock.fileno()

    with wired() as (end, raw):
        counting = Counting(end.socket)
        for number in range(3):
            raw.sendall(inner_record(2 * number, b"x\x17") + inner_record(2 * number + 1, b"data\x17"))
            until(lambda: unread(end.socket) >= 23 + 26)
            assert end.reader.recv(counting, 1, 5.0, end.owner) == b"x"
            assert counting.asked == 4 * number + 1
            assert end.reader.recv(counting, 100, 0, end.owner) == b"data"
            assert counting.asked == 4 * number + 3, "to look, and to take"
            assert end.writer.send(counting, b"x", 0, end.owner) == 1
            assert counting.asked == 4 * number + 4


def test_3_a_read_that_waits_makes_one_system_call() -> None:
    """A program that waits in its reads needs no look before them (law 1)."""
    with wired() as (end, raw):
        for number, timeout in enumerate([5.0, None, 5.0]):
            raw.sendall(inner_record(number, b"data\x17"))
            asked = 0

            class Counting:
                def fileno(self) -> int:
                    nonlocal asked
                    asked += 1
                    return end.socket.fileno()

            until(lambda: unread(end.socket) >= 26)
            assert end.reader.recv(Counting(), 100, timeout, end.owner) == b"data"
            assert asked == 1


@pytest.mark.parametrize("how", ["close", "detach"])
def test_3_after_close_or_detach_every_call_is_ebadf(how: str) -> None:
    """ "after `close` or `detach` every call is EBADF." """
    with joined() as (left, right):
        descriptor = left.socket.detach() if how == "detach" else -1
        left.socket.close()
        try:
            right.send(b"data")
            for timeout in (None, 0, 1.0):
                assert left.recv(10, timeout) == SYSTEM_ERROR
                assert left.reader.recv_into(left.socket, bytearray(4), 0, timeout, left.owner) == SYSTEM_ERROR
                assert left.reader.pull(left.socket, timeout, left.owner) == SYSTEM_ERROR
                assert left.reader.last_errno == 9
                assert left.send(b"x", timeout) == SYSTEM_ERROR
                assert left.writer.flush(left.socket, timeout) == SYSTEM_ERROR
                assert left.writer.last_errno == 9
            left.writer.try_flush(left.socket)
            if descriptor >= 0:
                assert os.read(descriptor, 100), "the detached descriptor was not touched"
        finally:
            if descriptor >= 0:
                os.close(descriptor)


@pytest.mark.parametrize("direction", ["read", "write"])
def test_3_close_while_another_thread_loops_and_the_descriptor_is_reused(direction: str) -> None:
    """ "after `close` or `detach` every call is EBADF": the thread that looped moves no foreign byte."""
    for _ in range(10):
        left, right = small_pair()
        end = End(left)
        outcomes: list[object] = []

        def loop(end: End = end, outcomes: list[object] = outcomes) -> None:
            while len(outcomes) < 5:
                outcome = end.recv(100, 5.0) if direction == "read" else end.send(b"x" * 50_000, 5.0)
                if outcome == SYSTEM_ERROR:
                    outcomes.append((outcome, (end.reader if direction == "read" else end.writer).last_errno))

        looping = Task(loop)
        number = left.fileno()
        if direction == "write":
            until(lambda right=right: unread(right) > 0)  # type: ignore[misc]
        else:
            time.sleep(0.02)
        left.close()
        foreign, beyond = socket.socketpair()
        with foreign, beyond:
            assert foreign.fileno() == number, "the kernel gives the lowest number"
            beyond.sendall(b"foreign bytes")
            right.close()
            looping.done()
            assert outcomes == [(SYSTEM_ERROR, 9)] * 5
            assert foreign.recv(100) == b"foreign bytes"
            assert not readable(beyond)


def random_blocks(seed: int) -> Iterator[bytes]:
    """The same endless stream for the writer of a direction and for its reader."""
    rng = random.Random(seed)
    while True:
        yield rng.randbytes(rng.choice((1, 100, 16384, 16385, rng.randrange(1, 200_000))))


@pytest.mark.parametrize("seconds", [5.0, pytest.param(60.0, marks=pytest.mark.long(sample=False))])
def test_two_threads_on_each_end_and_random_sizes(seconds: float) -> None:
    """Law 3: "One reader and one writer thread may use a connection at the same time", with KeyUpdates and tickets."""
    left_socket, right_socket = tcp_pair(send_buffer=20_000, receive_buffer=20_000)
    with left_socket, right_socket:
        ends = [End(left_socket), End(right_socket)]
        deadline = time.monotonic() + seconds
        for end in ends:
            generation = [1]

            def renew(whole: bytes, /, end: End = end, generation: list[int] = generation) -> bool:
                if whole == KEY_UPDATE:
                    generation[0] = generation[0] % 200 + 1
                    end.reader.set_key(protection(generation[0]))
                return True

            end.owner.on_handshake_message = renew  # type: ignore[method-assign]

        def write(end: End, seed: int) -> int:
            rng, generation, total = random.Random(-seed), 1, 0
            for data in random_blocks(seed):
                if time.monotonic() > deadline:
                    break
                total += len(data)
                view = memoryview(data)
                while view:
                    count = end.send(view, rng.choice((None, 0.01, 0)))
                    if count > 0:
                        view = view[count:]
                    else:
                        assert count in (WANT_WRITE, TIMED_OUT)
                        select.select([], [end.socket], [], 0.1)
                if rng.random() < 0.05:
                    generation = generation % 200 + 1
                    end.writer.queue_key_update(KEY_UPDATE, protection(generation))
                if rng.random() < 0.05:
                    end.writer.queue(HANDSHAKE, message(4, bytes(rng.randrange(30_000))))
            end.writer.queue_close_notify()
            assert end.writer.flush(end.socket, BOUND) == 0
            return total

        def read(end: End, seed: int) -> int:
            rng, blocks, total = random.Random(-seed), random_blocks(seed), 0
            expected = b""
            buffer = bytearray(300_000)
            while True:
                size = rng.choice((1, 50, 16384, 300_000))
                count = end.reader.recv_into(end.socket, buffer, size, BOUND, end.owner)
                if count == 0:
                    return total
                assert count > 0, count
                total += count
                while len(expected) < count:
                    expected += next(blocks)
                assert buffer[:count] == expected[:count]
                expected = expected[count:]

        tasks = [
            Task(lambda: write(ends[0], 1)),
            Task(lambda: write(ends[1], 2)),
            Task(lambda: read(ends[1], 1)),
            Task(lambda: read(ends[0], 2)),
        ]
        results = [task.done(seconds + BOUND) for task in tasks]
        assert results[:2] == results[2:]
        assert min(results) > 1_000_000
