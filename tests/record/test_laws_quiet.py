"""Laws 10 and 11 of the design: what is held when idle, ends, forks, signals, deadlines; one sentence, one test.

`shutdown` itself is the drop-in's; prepared key shares and tickets are the handshake's.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import pytest

from tests.record.support import (
    ALERT,
    BOUND,
    Alarm,
    End,
    Task,
    alarm_after,
    contents,
    fill_up,
    inner_record,
    joined,
    raise_alarm,
    readable,
    receive_exactly,
    small_pair,
    tcp_pair,
    unread,
    until,
    wired,
)
from tlsocket._record import (
    CLOSED,
    MAX_PLAINTEXT,
    SYSTEM_ERROR,
    TIMED_OUT,
    WANT_READ,
    pool_statistics,
)
from tlsocket.errors import ApiMisuse, TLSError

CLOSE_NOTIFY = b"\x01\x00\x15"
DATA = 23
SHORT = 0.15
"""Seconds that a test waits to see that something does not happen."""


# -- law 10: an idle connection holds no record buffer


def test_10_an_idle_connection_holds_no_record_buffer() -> None:
    """ "An idle connection holds no record buffer." """
    gc.collect()
    idle = pool_statistics()["in_use"]
    with joined() as (left, right):
        for size in (1, 100, 16384, 500_000):
            sending = Task(lambda size=size: left.send(bytes(size)))  # type: ignore[misc]
            right.recv_all(size, 8192)
            assert sending.done() == size
            assert pool_statistics()["in_use"] == idle
        assert right.recv(100, 0) == WANT_READ
        assert right.recv(100, 0.01) == TIMED_OUT
        assert pool_statistics()["in_use"] == idle


def test_10_buffers_come_back_after_every_kind_of_end() -> None:
    """ "An idle connection holds no record buffer", nor one that failed, closed, was truncated or forgotten."""
    gc.collect()
    idle = pool_statistics()["in_use"]
    for stream in (
        inner_record(0, b"x\x17")[:-1] + b"!",
        inner_record(0, CLOSE_NOTIFY),
        inner_record(0, b"x\x17")[:10],
        inner_record(0, b"abc\x17"),
    ):
        with wired() as (end, raw):
            raw.sendall(stream)
            raw.shutdown(socket.SHUT_WR)
            for _ in range(2):
                with suppress(TLSError):
                    end.recv(1)
            end.send(bytes(10))
            end.reader.discard()
            end.writer.discard()
            assert pool_statistics()["in_use"] == idle
    end = End()
    end.writer.write(bytes(100_000), end.owner)
    end.reader.feed(bytes(5))
    assert pool_statistics()["in_use"] > idle
    del end
    assert pool_statistics()["in_use"] == idle


def test_10_a_partial_record_is_kept_in_a_small_buffer() -> None:
    """ "An idle connection holds no record buffer": and one that waits for the rest of a record only a small one."""
    gc.collect()
    idle = pool_statistics()["in_use"]
    for held in (10, 3000, 5000, 16000):
        with wired(tcp_pair()) as (end, raw):
            raw.sendall(inner_record(0, b"x\x17") + inner_record(1, b"y" * MAX_PLAINTEXT + b"\x17")[:held])
            until(lambda held=held, end=end: unread(end.socket) == 23 + held)  # type: ignore[misc]
            assert end.recv(262144) == b"x"
            assert pool_statistics()["in_use"] - idle <= 20480, held
            end.reader.discard()


# -- law 11: nothing is written behind the caller's back


def test_11_close_and_garbage_collection_write_nothing() -> None:
    """ "`close()`, garbage collection and interpreter exit write no TLS bytes (as in `ssl`)" """
    with wired() as (end, raw):
        end.writer.write(b"sealed and not sent", end.owner)
        end.writer.queue_close_notify()
        end.reader.discard()
        end.writer.discard()
        end.socket.close()
        raw.settimeout(5)
        assert raw.recv(100) == b""
    left, raw = socket.socketpair()
    with left, raw:
        forgotten = End(left)
        forgotten.writer.write(b"sealed and not sent", forgotten.owner)
        forgotten.writer.queue_close_notify()
        del forgotten
        gc.collect()
        assert not readable(raw)


def test_11_interpreter_exit_writes_nothing() -> None:
    """ "interpreter exit write[s] no TLS bytes" """
    program = """
import socket, sys
from tests.record.support import End
end = End(socket.socket(fileno=int(sys.argv[1])))
end.send(b"one")
end.writer.queue_close_notify()
end.writer.queue(22, b"never sent")
end.keep = end  # a cycle, so that only the interpreter's end takes it apart
import warnings; warnings.simplefilter("ignore")
"""
    left, raw = socket.socketpair()
    with left, raw:
        left.set_inheritable(True)
        subprocess.run(
            [sys.executable, "-c", program, str(left.fileno())],
            check=True,
            timeout=60,
            close_fds=False,
            cwd=os.getcwd(),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        )
        left.close()
        raw.settimeout(5)
        stream = b""
        while part := raw.recv(1000):
            stream += part
        assert contents(stream) == [(DATA, b"one")]


def test_11_try_flush_sends_close_notify_only_without_waiting() -> None:
    """ "`shutdown(SHUT_WR | SHUT_RDWR)` sends `close_notify` first if that needs no waiting." (The call it makes.)"""
    with wired() as (end, raw):
        end.writer.queue_close_notify()
        end.writer.try_flush(end.socket)
        assert contents(receive_exactly(raw, 24)) == [(ALERT, b"\x01\x00")]
    with wired(small_pair()) as (end, raw):
        fill_up(end.socket)
        end.writer.queue_close_notify()
        Task(lambda: end.writer.try_flush(end.socket)).done()
        assert end.writer.has_output
    with wired(small_pair()) as (end, raw):
        writing = Task(lambda: end.send(bytes(100_000), BOUND))
        until(lambda: unread(raw) > 0)
        end.writer.queue_close_notify()
        Task(lambda: end.writer.try_flush(end.socket)).done(5)
        receive_exactly(raw, 100_000 + 7 * 22 + 24)
        assert writing.done() == 100_000


def test_11_nothing_follows_an_end_that_another_thread_queued() -> None:
    """ "Nothing is written behind the caller's back": a send that waits stops behind the alert, and says how much
    went."""
    for fatal in (False, True):
        with wired(small_pair()) as (end, raw):
            writing = Task(lambda end=end: end.send(bytes(2 * 524288), BOUND))  # type: ignore[misc]
            until(lambda raw=raw: unread(raw) > 0)  # type: ignore[misc]
            if fatal:
                end.writer.queue_fatal_alert(20)
            else:
                end.writer.queue_close_notify()
            stream = receive_exactly(raw, 524288 + 32 * 22 + 24)
            assert writing.done() == 524288
            assert contents(stream)[-1] == (ALERT, b"\x02\x14" if fatal else b"\x01\x00")
            assert not readable(raw)
            assert end.send(b"more") == CLOSED


def test_11_a_writer_that_waited_for_its_turn_finds_the_end() -> None:
    """ "Nothing is written behind the caller's back": what was dropped while a thread waited is not used by it."""
    with wired(small_pair()) as (end, raw):
        first = Task(lambda: end.send(bytes(100_000), BOUND))
        until(lambda: unread(raw) > 0)
        second = Task(lambda: end.send(b"second", BOUND))
        third = Task(lambda: end.writer.write(b"third", end.owner))
        time.sleep(SHORT)
        end.writer.discard()
        receive_exactly(raw, 100_000 + 7 * 22)
        assert first.done() == 100_000
        assert second.done() == CLOSED
        assert third.done() == CLOSED
        assert not readable(raw)


def run_in_child(work: Callable[[], None]) -> int:
    """Fork; the child runs `work` under an alarm and exits; its exit status here."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_11_after_a_fork_the_child_gets_fresh_locks() -> None:
    """ "After a fork the child gets fresh locks": even when a thread of the parent held both."""
    with wired(small_pair()) as (end, raw):
        reading = Task(lambda: end.recv(100, BOUND))
        writing = Task(lambda: end.send(bytes(100_000), BOUND))
        waiting = Task(lambda: end.send(b"", BOUND))
        until(lambda: unread(raw) > 0)
        time.sleep(SHORT)

        def work() -> None:
            assert end.recv(100, SHORT) == TIMED_OUT
            assert end.recv(100, 0) == WANT_READ
            assert end.send(bytes(100_000), SHORT) == TIMED_OUT
            with joined() as (left, _):
                assert left.send(b"fresh") == 5

        assert run_in_child(work) == 0
        raw.sendall(inner_record(0, b"data\x17"))
        assert reading.done() == b"data"
        Task(lambda: raw.recv(1_000_000, socket.MSG_WAITALL))
        assert writing.done() == 100_000
        assert waiting.done() == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_11_after_a_fork_the_child_drops_the_pools() -> None:
    """ "and drops pools" """
    End().seal(bytes(100_000))
    assert pool_statistics()["pooled"] > 0

    def work() -> None:
        assert pool_statistics()["pooled"] == 0
        End().seal(bytes(100))
        assert pool_statistics()["pooled"] > 0

    assert run_in_child(work) == 0
    assert pool_statistics()["pooled"] > 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_11_a_broken_pipe_is_a_value_and_no_signal() -> None:
    """ "`MSG_NOSIGNAL` always" """
    with wired() as (end, raw):
        raw.close()

        def work() -> None:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            for timeout in (0, 1.0, None):
                assert end.writer.send(end.socket, b"x", timeout, end.owner) == SYSTEM_ERROR
                assert end.writer.last_errno == 32
            assert end.writer.flush(end.socket, 0) == SYSTEM_ERROR

        assert run_in_child(work) == 0


@pytest.mark.parametrize("timeout", [None, BOUND])
def test_11_ctrl_c_in_a_waiting_recv(timeout: float | None) -> None:
    """ "a blocking wait runs signal handlers": one that raises ends the call, and the connection goes on."""
    with joined() as (left, right):
        left.socket.settimeout(timeout)
        with alarm_after(0.05, raise_alarm), pytest.raises(Alarm):
            left.recv(100, timeout)
        right.send(b"data")
        assert left.recv(100, timeout) == b"data"
        assert left.send(b"answer") == 6
        assert right.recv(100) == b"answer"


@pytest.mark.parametrize("timeout", [None, BOUND])
@pytest.mark.parametrize("pair", [small_pair, lambda: tcp_pair(1, 1)], ids=["unix", "tcp"])
def test_11_ctrl_c_in_a_waiting_send(
    timeout: float | None, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    """ "a blocking wait runs signal handlers": also where the kernel has taken part already; the tail stays whole."""
    with wired(pair()) as (end, raw):
        end.socket.settimeout(timeout)
        data = os.urandom(400_000)
        with alarm_after(0.05, raise_alarm), pytest.raises(Alarm):
            end.send(data, timeout)
        draining = Task(lambda: receive_exactly(raw, 400_000 + 25 * 22))
        assert end.send(data, timeout) == len(data)
        assert b"".join(part for _, part in contents(draining.done())) == data


def test_11_ctrl_c_while_a_send_makes_slow_progress() -> None:
    """ "a blocking wait runs signal handlers": a kernel that takes a little now and then must not put them off."""
    stop = threading.Event()
    with wired(small_pair()) as (end, raw):
        end.socket.settimeout(None)
        raw.settimeout(0.05)

        def sip() -> None:
            while not stop.wait(0.001):
                try:
                    raw.recv(512)
                except TimeoutError:
                    continue

        sipping = Task(sip)
        started = time.monotonic()
        try:
            with alarm_after(0.1, raise_alarm), pytest.raises(Alarm):
                end.send(bytes(50_000_000), None)
        finally:
            stop.set()
            sipping.done()
        assert time.monotonic() - started < 10


def test_11_a_handler_that_returns_lets_the_call_go_on() -> None:
    """ "a blocking wait runs signal handlers": one that returns changes nothing."""
    ran: list[int] = []
    with joined() as (left, right):

        def handler(number: int, frame: FrameType | None) -> None:
            ran.append(number)
            right.send(b"from the handler")

        left.socket.settimeout(None)
        with alarm_after(0.05, handler):
            assert left.recv(100, None) == b"from the handler"
        assert ran == [signal.SIGALRM]


def test_11_ctrl_c_while_waiting_for_the_other_thread() -> None:
    """ "a blocking wait runs signal handlers": also the wait for the direction's lock."""
    with wired(small_pair()) as (end, raw):
        writing = Task(lambda: end.send(bytes(100_000), BOUND))
        until(lambda: unread(raw) > 0)
        with alarm_after(0.05, raise_alarm), pytest.raises(Alarm):
            end.send(b"x", None)
        data = bytearray(b"y")
        with alarm_after(0.05, raise_alarm), pytest.raises(Alarm):
            end.writer.write(data, end.owner)
        data.clear()  # released, though the call was interrupted
        receive_exactly(raw, 100_000 + 7 * 22)
        assert writing.done() == 100_000


def test_11_a_handler_that_calls_into_what_it_interrupted_gets_an_error() -> None:
    """ "a blocking wait runs signal handlers": which cannot wait for the call that they interrupt."""
    with joined() as (left, right):
        caught: list[BaseException] = []

        def handler(number: int, frame: FrameType | None) -> None:
            try:
                left.recv(10, None)
            except ApiMisuse as error:
                caught.append(error)
            assert left.send(b"the other direction is free") == 27
            right.send(b"data")

        left.socket.settimeout(None)
        with alarm_after(0.05, handler):
            assert left.recv(100, None) == b"data"
        assert len(caught) == 1


def test_11_a_timeout_is_a_deadline_against_a_peer_that_drips() -> None:
    """ "a timeout is a deadline for the whole call." """
    stop = threading.Event()
    with wired() as (end, raw):
        record = inner_record(0, b"x" * 10_000 + b"\x17")

        def drip() -> None:
            for byte in record:
                if stop.wait(0.02):
                    return
                raw.send(bytes([byte]))

        dripping = Task(drip)
        started = time.monotonic()
        assert end.recv(100, 0.3) == TIMED_OUT
        assert 0.28 <= time.monotonic() - started < 5
        assert end.reader.pull(end.socket, 0.1, end.owner) == TIMED_OUT
        stop.set()
        dripping.done()


def test_11_a_timeout_is_a_deadline_against_a_peer_that_sips() -> None:
    """ "a timeout is a deadline for the whole call": of a send as well."""
    stop = threading.Event()
    with wired(small_pair()) as (end, raw):
        raw.settimeout(0.05)

        def sip() -> None:
            while not stop.wait(0.01):
                try:
                    raw.recv(256)
                except TimeoutError:
                    continue

        sipping = Task(sip)
        started = time.monotonic()
        assert end.send(bytes(400_000), 0.3) == TIMED_OUT
        assert 0.28 <= time.monotonic() - started < 5
        assert end.writer.flush(end.socket, 0.1) == TIMED_OUT
        stop.set()
        sipping.done()


def test_11_a_timeout_counts_the_wait_for_the_other_thread() -> None:
    """ "a timeout is a deadline for the whole call", the wait for the direction's lock included."""
    with joined() as (left, right):
        reading = Task(lambda: left.recv(10, BOUND))
        time.sleep(0.02)
        started = time.monotonic()
        assert left.recv(10, 0.2) == TIMED_OUT
        assert 0.18 <= time.monotonic() - started < 5
        right.send(b"data")
        assert reading.done() == b"data"
