"""The upper half of our asyncio transport: what the application writes to.

Data is sealed in batches of what the kernel was seen to take, and given to it from the record buffer where the plain
transport is one of asyncio's or uvloop's own and holds nothing itself; else through that transport's `write`. What the
kernel does not take waits as the application's own bytes, unsealed, and counts for flow control together with what the
plain transport holds. Not here: reading and the life of the connection (`tlsocket.aio.protocol`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import warnings
from asyncio import constants
from asyncio.log import logger
from asyncio.transports import _FlowControlMixin
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tlsocket.dropin.exceptions import translate

if TYPE_CHECKING:
    from tlsocket.aio.protocol import TLSProtocol

__all__ = ["TLSTransport"]

BATCH = 262144
"""Bytes sealed for one `write` of a plain transport whose socket is not ours to use."""
SMALL = 16384
"""Buffers below this many bytes are joined, so that they share records and system calls."""


class TLSTransport(_FlowControlMixin, asyncio.Transport):
    """A TLS connection as asyncio's transports are; made by `tlsocket.aio.create_connection` and its like.

    Beyond asyncio's own: `write_eof` closes one direction, and `eof_received` of the protocol may keep the other open
    by returning True. Truncation (the peer's end without close_notify) reaches the protocol as the `SSLEOFError` that
    `connection_lost` is called with.
    """

    __slots__ = ("_backlog", "_backlog_size", "_blocked", "_closing", "_conn", "_ignored_writes", "_raw", "_sock",
                 "_tls", "_writer", "eof_written", "__weakref__")  # fmt: skip

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: TLSProtocol) -> None:
        super().__init__(None, loop)
        self._tls: Any = tls
        self._conn = tls.conn
        self._writer = tls.conn.writer
        self._raw: Any = None
        self._sock: Any = None
        self._backlog: deque[memoryview] = deque()
        self._backlog_size = 0
        self._blocked = False
        self._closing = False
        self._ignored_writes = 0
        self.eof_written = False

    def __repr__(self) -> str:
        return f"<tlsocket.aio.TLSTransport {self._tls.state.name.lower()} over {self._raw!r}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if not getattr(self, "_closing", True) and self._raw is not None and self._sock is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    # The face

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As asyncio's: `sslcontext`, after the handshake `ssl_object`, `peercert`, `cipher`, `compression` too, and
        what the plain transport knows (`socket`, `peername`, ...)."""
        tls = self._tls
        if name == "sslcontext":
            return tls.object.context
        if self._conn.negotiated is not None:
            if name == "ssl_object":
                return tls.object
            if name == "peercert":
                return tls.object.getpeercert()
            if name == "cipher":
                return tls.object.cipher()
            if name == "compression":
                return None
        return default if self._raw is None else self._raw.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another protocol gets the data from now on."""
        self._tls.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The application's protocol."""
        protocol: asyncio.BaseProtocol = self._tls.protocol
        return protocol

    @property
    def _protocol(self) -> Any:
        # Where asyncio's flow control looks for whom to pause.
        return self._tls.protocol

    def is_closing(self) -> bool:
        """Whether it is closed or will be."""
        return self._closing

    def close(self) -> None:
        """Write everything and close_notify, wait for the peer's, then close; no more data is received."""
        if not self._closing:
            self._closing = True
            self._tls.start_shutdown()

    def abort(self) -> None:
        """Close at once; what was not sent is lost, and the peer sees truncation."""
        self._force_close(None)

    def _force_close(self, exc: BaseException | None) -> None:
        self._closing = True
        self._tls.abort(exc)

    def is_reading(self) -> bool:
        """Whether the protocol gets data."""
        reading: bool = self._tls.reading
        return reading

    def pause_reading(self) -> None:
        """No more data for the protocol. The kernel's buffers fill, and the peer has to wait."""
        self._tls.pause()

    def resume_reading(self) -> None:
        """Data for the protocol again."""
        self._tls.resume()

    def can_write_eof(self) -> bool:
        """True: each direction of TLS 1.3 closes by itself (RFC 9846 section 6.1)."""
        return True

    def write_eof(self) -> None:
        """Send close_notify behind what was written; reading goes on."""
        if self._closing or self.eof_written:
            return
        self.eof_written = True
        if self.all_handed_on:
            self._tls.written()

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken, the plain transport's ciphertext among them."""
        if self._blocked and self._raw is not None:
            return self._backlog_size + int(self._raw.get_write_buffer_size())
        return self._backlog_size

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, or keep it until the kernel takes more."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data: expecting a bytes-like instance, got {type(data).__name__}")
        if self.eof_written and not self._closing:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing or self._sock is None:
            self._ignore()
        elif not data:
            return
        elif self._blocked or self._backlog:
            self._keep(data, 0)
        else:
            self._send(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write each; small ones are joined into few records."""
        joined: list[bytes | bytearray | memoryview] = []
        size = 0
        for data in list_of_data:
            if len(data) < SMALL:
                joined.append(data)
                size += len(data)
                if size < BATCH:
                    continue
            if joined:
                self.write(b"".join(joined))
                joined, size = [], 0
            if len(data) >= SMALL:
                self.write(data)
        if joined:
            self.write(b"".join(joined))

    # What `TLSProtocol` calls

    def attach(self, raw: Any) -> None:
        """The plain transport below."""
        self._raw = raw
        # It is to say at once when the kernel did not take everything, and again when it did.
        raw.set_write_buffer_limits(high=0)

    def ready(self) -> None:
        """The handshake is over."""
        self._sock = _socket_of(self._raw)

    def detach(self) -> None:
        """The plain transport is gone."""
        self.forget()
        self._raw_gone()

    def forget(self) -> None:
        """What was not sent never will be."""
        self._closing = True
        self._backlog.clear()
        self._backlog_size = 0

    def _raw_gone(self) -> None:
        self._sock = None

    @property
    def all_handed_on(self) -> bool:
        """Whether nothing waits here."""
        return not self._backlog and not self._blocked

    def flush(self) -> None:
        """Send what the connection itself has to say; while the kernel takes nothing it waits, and goes first.

        Nothing piles up behind a peer that asks for answers and does not read them.
        """
        if not self._blocked and self._raw is not None and self._writer.has_output:
            self._raw.write(self._writer.data_to_send())

    def block(self) -> None:
        """The kernel did not take everything."""
        self._blocked = True

    def unblock(self) -> None:
        """The kernel took everything: send what waits."""
        self._blocked = False
        if self._tls.state == 0:
            return
        while self._backlog and not self._blocked:
            self._send(self._take())
        self.flush()
        self._maybe_resume_protocol()  # type: ignore[attr-defined]
        if self.all_handed_on:
            self._tls.written()

    # Inside

    def _ignore(self) -> None:
        if self._ignored_writes >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
            logger.warning("SSL connection is closed")
        self._ignored_writes += 1

    def _keep(self, data: bytes | bytearray | memoryview, start: int) -> None:
        """Keep what may change as a copy."""
        view = memoryview(data)[start:]
        if type(data) is not bytes:
            view = memoryview(bytes(view))
        self._backlog.append(view)
        self._backlog_size += len(view)
        self._maybe_pause_protocol()  # type: ignore[attr-defined]

    def _take(self) -> bytes | memoryview:
        """The next of what waits: one large piece, or as many small ones as make a large one."""
        backlog = self._backlog
        first = backlog.popleft()
        size = len(first)
        if size >= SMALL or not backlog:
            self._backlog_size -= size
            return first
        pieces = [first]
        while backlog and len(backlog[0]) < SMALL and size < BATCH:
            pieces.append(backlog.popleft())
            size += len(pieces[-1])
        self._backlog_size -= size
        return b"".join(pieces)

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        """Seal and send; nothing waits here when this is called."""
        if type(data) is memoryview and (data.itemsize != 1 or data.ndim != 1):
            data = data.cast("B")
        writer, conn, sock, raw = self._writer, self._conn, self._sock, self._raw
        size = len(data)
        sent = 0
        try:
            while sent < size:
                if sock is raw:
                    part = memoryview(data)[sent : sent + BATCH]
                    taken = writer.write(part, conn)
                else:
                    taken = writer.push(sock, data, sent, conn)
                    if taken == size and not writer.has_output:
                        return
                if taken < 0:
                    self._broken(writer.last_errno)
                    return
                sent += taken
                if writer.has_output:
                    raw.write(writer.data_to_send())
                    if self._blocked:
                        break
        except Exception as error:
            self._tls._fail(translate(error))
            return
        if sent < size:
            view = memoryview(data)[sent:]
            if type(data) is bytes or (type(data) is memoryview and type(data.obj) is bytes):
                self._backlog.appendleft(view)
            else:
                self._backlog.appendleft(memoryview(bytes(view)))
            self._backlog_size += size - sent
        if self._blocked:
            self._maybe_pause_protocol()  # type: ignore[attr-defined]

    def _broken(self, number: int) -> None:
        """The kernel refused. Where the plain transport was closed, it has said why, or will."""
        if number and number != errno.EBADF and not self._raw.is_closing():
            self._tls._fail(OSError(number, os.strerror(number)))


class _Descriptor:
    """The descriptor of a uvloop transport, for as long as it is the transport's."""

    __slots__ = ("_number", "_raw")

    def __init__(self, raw: Any, number: int) -> None:
        self._raw = raw
        self._number = number

    def fileno(self) -> int:
        return -1 if self._raw.is_closing() else self._number


def _socket_of(raw: Any) -> Any:
    """What may be sent to directly while `raw` holds nothing; `raw` itself where that is not known to be right.

    Other transports may stand for something else than their socket (a proxy, another TLS connection).
    """
    module = type(raw).__module__
    sock = raw.get_extra_info("socket")
    if sock is not None and module == "asyncio.selector_events":
        # Behind asyncio's view of the socket: asked for its descriptor at every write.
        return getattr(sock, "_sock", sock)
    if sock is not None and module == "uvloop.loop" and type(raw).__name__ in ("TCPTransport", "UnixTransport"):
        return _Descriptor(raw, sock.fileno())
    return raw
