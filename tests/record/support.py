"""Two record layers with equal keys, joined by sockets or by nothing, an owner that remembers, and bounded waits."""

from __future__ import annotations

import array
import ctypes
import fcntl
import select
import signal
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tlsocket._record import Protection, RecordReader, RecordWriter, tls13_protection
from tlsocket.errors import Reason, TLSError

NO_LIMIT = 2**40
HANDSHAKE = 22
ALERT = 21


def protection(key: int = 1, limit: int = NO_LIMIT) -> Protection:
    """AES-128-GCM keys that both ends can make from one number."""
    return tls13_protection(AESGCM(bytes([key]) * 16), bytes([key]) * 12, limit)


@dataclass
class RecordingOwner:
    """Stands in for the connection: keeps what it was told, answers what the test says."""

    messages: list[bytes] = field(default_factory=list)
    alerts: list[tuple[int, int]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    closed: int = 0
    limits: int = 0
    change_cipher_specs: int = 0
    next_key: Callable[[], object] | None = None
    go_on: bool = True

    def on_handshake_message(self, message: bytes, /) -> bool:
        self.messages.append(message)
        return self.go_on

    def on_alert(self, level: int, description: int, /) -> bool:
        self.alerts.append((level, description))
        return self.go_on

    def on_change_cipher_spec(self) -> None:
        self.change_cipher_specs += 1
        if self.next_key is not None:
            self.next_key()

    def on_close_notify(self) -> None:
        self.closed += 1

    def on_failure(self, error: BaseException, /) -> BaseException:
        self.failures.append(error)
        return error

    def on_send_limit(self) -> None:
        self.limits += 1


class End:
    """One end: reader, writer, owner, ready for application data under key 1 unless told otherwise."""

    def __init__(self, sock: socket.socket | None = None, *, key: int | None = 1, application: bool = True) -> None:
        self.sock = sock
        self.owner = RecordingOwner()
        self.writer = RecordWriter()
        self.reader = RecordReader(self.writer)
        if key is not None:
            self.writer.queue_key(protection(key))
            self.reader.set_key(protection(key))
        if application:
            self.writer.open_application()
            self.reader.open_application()

    @property
    def socket(self) -> socket.socket:
        assert self.sock is not None
        return self.sock

    def send(self, data: bytes | bytearray | memoryview, timeout: float | None = 5.0) -> int:
        return self.writer.send(self.socket, data, timeout, self.owner)

    def recv(self, size: int, timeout: float | None = 5.0) -> bytes | int:
        return self.reader.recv(self.socket, size, timeout, self.owner)

    def recv_all(self, size: int, chunk: int = 65536) -> bytes:
        received = bytearray()
        while len(received) < size:
            part = self.recv(min(chunk, size - len(received)))
            assert isinstance(part, bytes), part
            assert part, "ended early"
            received += part
        return bytes(received)

    def seal(self, data: bytes) -> bytes:
        """`data` as records, without any descriptor."""
        self.writer.write(data, self.owner)
        return self.writer.data_to_send()


@contextmanager
def joined(**options: object) -> Iterator[tuple[End, End]]:
    """Two ends over a socketpair."""
    left, right = socket.socketpair()
    with left, right:
        yield End(left, **options), End(right, **options)  # type: ignore[arg-type]


def message(kind: int, body: bytes) -> bytes:
    """A handshake message with its header."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def plain_record(content_type: int, body: bytes) -> bytes:
    """A record without protection."""
    return bytes([content_type, 3, 3]) + len(body).to_bytes(2, "big") + body


def inner_record(number: int, inner: bytes, key: int = 1) -> bytes:
    """A protected record with exactly this TLSInnerPlaintext: for what a correct writer never makes."""
    nonce = bytearray([key]) * 12
    for index, byte in enumerate(number.to_bytes(8, "big")):
        nonce[4 + index] ^= byte
    header = bytes([23, 3, 3]) + (len(inner) + 16).to_bytes(2, "big")
    return header + AESGCM(bytes([key]) * 16).encrypt(bytes(nonce), inner, header)


ALGORITHMS: dict[str, tuple[Callable[[bytes], Any], int]] = {
    "AES-128-GCM": (AESGCM, 16),
    "AES-256-GCM": (AESGCM, 32),
    "ChaCha20-Poly1305": (ChaCha20Poly1305, 32),
}
"""The AEAD of each suite of TLS 1.3, and the length of its key."""

BOUND = 20.0
"""No wait of a test is longer than this many seconds."""


@contextmanager
def refused(reason: Reason) -> Iterator[None]:
    """The block must raise one of our errors, for this reason."""
    with pytest.raises(TLSError) as caught:
        yield
    assert caught.value.reason is reason, caught.value


def nonce_of(iv: bytes, number: int) -> bytes:
    """RFC 9846 section 5.3, written once more and differently."""
    return (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")


def split_records(stream: bytes) -> list[bytes]:
    """The records of a stream that ends with a whole one."""
    records = []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        assert len(stream) >= end, "the stream ends inside a record"
        records.append(stream[:end])
        stream = stream[end:]
    return records


def unprotect(record: bytes, number: int, key: int = 1) -> tuple[int, bytes]:
    """(content type, content) of a protected record, opened without any code of ours."""
    inner = AESGCM(bytes([key]) * 16).decrypt(nonce_of(bytes([key]) * 12, number), record[5:], record[:5])
    inner = inner.rstrip(b"\0")
    return inner[-1], inner[:-1]


def contents(stream: bytes, first: int = 0, key: int = 1) -> list[tuple[int, bytes]]:
    """All records of a stream, opened without any code of ours."""
    return [unprotect(record, first + index, key) for index, record in enumerate(split_records(stream))]


def set_sequence_number(target: Protection, value: int) -> None:
    """Write the counter in the object's memory: nobody can wait for 2^64 records, and there is no door to it."""
    probe = protection(3)
    writer = RecordWriter()
    writer.queue_key(probe)
    writer.open_application()
    size = type(probe).__basicsize__ // 8

    def words() -> tuple[int, ...]:
        return struct.unpack(f"={size}Q", ctypes.string_at(id(probe), size * 8))

    candidates = set(range(size))
    for _ in range(4):
        writer.write(b"x", RecordingOwner())
        candidates &= {index for index, word in enumerate(words()) if word == probe.sequence_number}
    (index,) = candidates
    ctypes.c_uint64.from_address(id(target) + 8 * index).value = value
    assert target.sequence_number == value


def unread(sock: socket.socket) -> int:
    """Bytes that the kernel holds for this socket."""
    answer = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, answer)
    return answer[0]


def tcp_pair(send_buffer: int = 0, receive_buffer: int = 0) -> tuple[socket.socket, socket.socket]:
    """Two joined TCP sockets on loopback; sizes other than 0 are asked of the kernel, which has a minimum."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        left = socket.socket()
        if send_buffer:
            left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if receive_buffer:
            left.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        left.settimeout(BOUND)
        left.connect(listener.getsockname())
        listener.settimeout(BOUND)
        right, _ = listener.accept()
    if send_buffer:
        right.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    return left, right


def small_pair() -> tuple[socket.socket, socket.socket]:
    """A socketpair with the smallest buffers that the kernel gives."""
    pair = socket.socketpair()
    for one in pair:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    return pair


def fill_up(sock: socket.socket) -> int:
    """Write until the kernel takes no more; the number of bytes that must be drained again."""
    count = 0
    while True:
        try:
            count += sock.send(b"\xee" * 4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return count


def receive_exactly(sock: socket.socket, count: int) -> bytes:
    """`count` raw bytes, bounded in time."""
    sock.settimeout(BOUND)
    received = bytearray()
    while len(received) < count:
        part = sock.recv(count - len(received))
        assert part, "the peer closed early"
        received += part
    return bytes(received)


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, not for ever."""
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


class Task(threading.Thread):
    """A thread whose result or exception comes back from `done`, in bounded time."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def done(self, seconds: float = BOUND) -> Any:
        self.join(seconds)
        assert not self.is_alive(), "the thread still runs"
        if self._error is not None:
            raise self._error
        return self._result


class Untouchable:
    """Stands where a socket would, and fails the test when anybody asks for its descriptor."""

    def fileno(self) -> int:
        raise AssertionError("the descriptor was touched")


@contextmanager
def wired(pair: tuple[socket.socket, socket.socket] | None = None) -> Iterator[tuple[End, socket.socket]]:
    """One end with record layer, and the raw socket at the other."""
    left, right = pair or socket.socketpair()
    with left, right:
        yield End(left), right


def readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


class Alarm(Exception):
    """What the tests' signal handlers raise."""


@contextmanager
def alarm_after(seconds: float, handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Run a Python signal handler in the main thread after some time, as Ctrl-C would."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def raise_alarm(number: int, frame: FrameType | None) -> None:
    raise Alarm
