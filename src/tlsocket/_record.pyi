"""Types of the compiled record layer, `tlsocket._record` (sources in `_ext/`).

Two halves that share nothing: `RecordReader` opens records, `RecordWriter` seals them. Each half has a lock of its
own, and none spans both. What is neither data nor an error comes back as a small negative number (`WANT_READ` ...),
never as an exception. Callers other than `tlsocket.connection`, `tlsocket.record` and `tlsocket.dropin` have no
business here.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from _typeshed import ReadableBuffer, WriteableBuffer

WANT_READ: Final = -1
"""Nothing to read now: a non-blocking descriptor has no bytes, or the bytes fed do not complete a record."""
WANT_WRITE: Final = -2
"""The kernel took only part; the rest is kept as the tail and the caller offers the same data again."""
TIMED_OUT: Final = -3
"""The deadline of the call passed."""
TRUNCATED: Final = -4
"""The transport ended without a close_notify."""
SYSTEM_ERROR: Final = -5
"""The system call failed; `last_errno` of the half says how."""
STOPPED: Final = -6
"""The owner's callback answered False: it wants to send, to wait for a decision, or has finished."""
HAVE_DATA: Final = -7
"""`advance` met application data; `read` or `read_into` will deliver it."""
BAD_LENGTH: Final = -8
"""A retried send offered less than what is sealed already (law 2)."""
CLOSED: Final = -9
"""A close_notify was received (reads), or this side has sent its own (writes)."""

MAX_PLAINTEXT: Final = 16384

class Owner(Protocol):
    """What a reader or writer tells the connection. It is passed to each call and never kept: no cycles."""

    def on_handshake_message(self, message: bytes, /) -> bool:
        """One whole handshake message with its four-byte header. False stops the reader after it."""
    def on_alert(self, level: int, description: int, /) -> bool:
        """An alert other than close_notify. Raises for a fatal one; True goes on."""
    def on_change_cipher_spec(self) -> None:
        """The peer's change_cipher_spec in TLS 1.2; asked only where `change_cipher_spec_reported` is set."""
    def on_close_notify(self) -> None:
        """The peer's close_notify."""
    def on_failure(self, error: BaseException, /) -> BaseException:
        """Any error raised while reading or in a callback: queue the alert, return what shall be raised."""
    def on_send_limit(self) -> None:
        """The sending key nears its usage limit: queue a KeyUpdate."""

class Socket(Protocol):
    def fileno(self) -> int: ...

class Carrier:
    """In the place of a descriptor: an object that moves the bytes itself.

    A subclass has `carry_out(data: bytes, timeout) -> int`, how many bytes its transport took (at least one), and
    `carry_in(size, timeout) -> bytes | int`, what came (b"" at its end); either may answer an outcome, and raises what
    its transport raises. `timeout` is in seconds; None waits for ever, 0 not at all.
    """

class Protection:
    """Keys of one direction and one epoch: AEAD, static IV, 64-bit sequence number, usage counts."""

    @property
    def overhead(self) -> int: ...
    @property
    def sequence_number(self) -> int: ...

def tls13_protection(aead: Any, iv: bytes, confidentiality_limit: int) -> Protection:
    """Protection of RFC 9846 section 5.2. `aead` is an AEAD object of `cryptography` with `encrypt_into`.

    `confidentiality_limit` is the number of records that may be sealed under the key (RFC 9846 section 5.5). The
    integrity limit needs no count: one record that fails to open ends the connection.
    """

def tls12_protection(aead: Any, iv: bytes, confidentiality_limit: int) -> Protection:
    """Protection of RFC 5246 section 6.2.3.3: with an IV of 4 bytes that of RFC 5288 (AES-GCM, explicit nonce), with
    one of 12 that of RFC 7905 (ChaCha20-Poly1305). The other arguments are those of `tls13_protection`.
    """

class RecordWriter:
    last_errno: int
    def __init__(self) -> None: ...
    # Control: may be called without the write side, from the reader's thread; sealed in this order.
    max_fragment: int
    """Content bytes that one protected record may carry (RFC 8449, RFC 6066 section 4)."""
    def queue(self, content_type: int, payload: bytes | Callable[[], bytes]) -> None:
        """Append handshake, alert or change_cipher_spec bytes to the control queue.

        A callable is asked for the bytes when their turn comes, under the key of that moment.
        """
    def queue_key(self, protection: Protection | Callable[[], Protection]) -> None:
        """Everything queued or sent after this is sealed under `protection` (called when its turn comes)."""
    def queue_key_update(self, message: bytes, protection: Protection | Callable[[], Protection]) -> None:
        """`queue` and `queue_key` in one step: nobody seals anything between the KeyUpdate and its key change."""
    def queue_close_notify(self) -> None:
        """Queue the close_notify alert, once; nothing may be queued or sent after it."""
    def queue_fatal_alert(self, description: int) -> None:
        """Queue a fatal alert, once; nothing may be queued or sent after it. Dropped after a close_notify."""
    def open_application(self) -> None:
        """Application data may be sent from now on."""
    @property
    def has_output(self) -> bool:
        """True when control waits to be sealed or a tail waits for the kernel."""
    @property
    def close_notify_queued(self) -> bool: ...
    # With a descriptor. `timeout` is that of the socket: None blocks, 0 never waits, else seconds for the whole call.
    def send(self, sock: Socket, data: ReadableBuffer, timeout: float | None, owner: Owner, /) -> int:
        """Law 2. The number of bytes taken, or a negative outcome."""
    def sendmsg(self, sock: Socket, buffers: Iterable[ReadableBuffer], timeout: float | None, owner: Owner, /) -> int:
        """`send` of the buffers one after another, in as few records and system calls as if they were one."""
    def flush(self, sock: Socket, timeout: float | None, /) -> int:
        """Seal the control queue and write everything out: 0, or a negative outcome."""
    def try_flush(self, sock: Socket, /) -> None:
        """`flush` if the write side is free, without waiting for anything; errors are left for the next call."""
    def push(self, sock: Socket, data: ReadableBuffer, start: int, owner: Owner, /) -> int:
        """Seal `data` from `start` on and give it to the kernel batch by batch, as long as it takes them whole: the
        number of bytes sealed, CLOSED, or SYSTEM_ERROR. What the kernel left (`has_output`) is for `data_to_send`."""
    # Without one.
    def write(self, data: ReadableBuffer, owner: Owner, /) -> int:
        """Seal all of `data` behind the control queue; `data_to_send` has the bytes."""
    def data_to_send(self) -> bytes:
        """Seal the control queue; return and forget all sealed bytes."""
    def seal_into(self, data: ReadableBuffer, out: WriteableBuffer, owner: Owner, /) -> tuple[int, int]:
        """Seal as much of `data` as fits `out` as whole records: (bytes taken, bytes written)."""
    def discard(self) -> None:
        """Drop queue, tail and keys, wiping buffers: after close."""

class RecordReader:
    last_errno: int
    def __init__(self, writer: RecordWriter) -> None:
        """`writer` is flushed (never waited for) when a callback queued an answer."""
    def set_key(self, protection: Protection, plaintext_alert: bool = False) -> None:
        """Change the read key. Raises PeerMisbehaved(KEY_CHANGE_NOT_ALIGNED) while part of a message is pending.

        `plaintext_alert`: an unprotected alert is still accepted until the first record opens.
        """
    def demand_record_boundary(self) -> None:
        """Raises PeerMisbehaved(KEY_CHANGE_NOT_ALIGNED) when bytes of a further handshake message are held."""
    change_cipher_spec_allowed: bool
    """TLS 1.3: it is dropped."""
    change_cipher_spec_reported: bool
    """TLS 1.2: it is told to the owner, which changes the key or raises."""
    @property
    def change_cipher_specs(self) -> int:
        """How many were dropped."""
    early_data_left: int
    """Bytes of records that are dropped because they do not open (or, without keys, because they are protected), until
    one does open: early data that a server does not accept (RFC 9846 section 4.3.10). Negative: none."""
    def open_application(self) -> None:
        """Application data is accepted from now on."""
    max_handshake_message: int
    max_record: int
    """Bytes of one protected record behind its header (RFC 8449, RFC 6066 section 4)."""
    max_empty_records: int
    max_change_cipher_specs: int
    @property
    def protected(self) -> bool: ...
    @property
    def has_input(self) -> bool:
        """Whether bytes are held that were not processed: part of a record, or of a handshake message."""
    def pending(self) -> int:
        """Plaintext bytes that `read` returns without more input; an end read behind data counts 1 (law 1)."""
    # With a descriptor.
    def recv(self, sock: Socket, size: int, timeout: float | None, owner: Owner, /) -> bytes | int:
        """Up to `size` bytes; b"" after close_notify; or a negative outcome. Raises what `on_failure` returned."""
    def recv_into(
        self, sock: Socket, buffer: WriteableBuffer, size: int, timeout: float | None, owner: Owner, /
    ) -> int:
        """The same into `buffer`; 0 after close_notify."""
    def peek(self, sock: Socket, size: int, timeout: float | None, owner: Owner, /) -> bytes | int:
        """The same as `recv`, of one record at most, and the next read delivers it again."""
    def pull(self, sock: Socket, timeout: float | None, owner: Owner, /) -> int:
        """Handshake and unwrap: read exactly record by record until the owner answers False (STOPPED), application
        data comes (HAVE_DATA), the stream ends (CLOSED, TRUNCATED), or another negative outcome."""
    # Without one.
    def want(self, size: int) -> int:
        """Bytes that may be fed for a read of `size` without passing law 1; `want(0)`: the current record's rest."""
    def feed(self, data: ReadableBuffer) -> None: ...
    def feed_eof(self) -> None: ...
    def advance(self, owner: Owner, source: Callable[[int], bytes] | None = None, /) -> int:
        """Process what was fed: WANT_READ, STOPPED, HAVE_DATA, CLOSED or TRUNCATED.

        `source(n)`, where given, is asked for up to n further bytes (the current record's rest) until it has none.
        """
    def read(self, size: int, owner: Owner, source: Callable[[int], bytes] | None = None, /) -> bytes | int:
        """From what was fed: bytes, b"" after close_notify, or WANT_READ, STOPPED, TRUNCATED."""
    def read_into(
        self, buffer: WriteableBuffer, size: int, owner: Owner, source: Callable[[int], bytes] | None = None, /
    ) -> int: ...
    def open_into(self, source: ReadableBuffer, buffer: WriteableBuffer, owner: Owner, /) -> tuple[int, int, int]:
        """Open records from the caller's memory into the caller's memory: (consumed, produced, outcome)."""
    def open_bytes(self, source: ReadableBuffer, start: int, stop: int, owner: Owner, /) -> tuple[int, bytes, int]:
        """The same from `source[start:stop]` into a new bytes object: (consumed, data, outcome)."""
    def take_unread(self) -> bytes:
        """Bytes fed but not consumed, after close_notify: they belong to the protocol that follows."""
    def discard(self) -> None:
        """Drop keys and buffers, wiping them: after close."""

def pool_statistics() -> dict[str, int]:
    """Record buffers held by connections (`in_use`) and kept for the next (`pooled`), in bytes."""
