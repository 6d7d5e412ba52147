"""The lower half of our asyncio transport: what the loop's plain transport reports, and the life of the connection.

Reading is here: ciphertext goes into one buffer that all connections of a loop share and is opened from there into
what the application gets; a connection keeps no more than the part of a record that has arrived (design law 10), or,
while its reading is paused, the rest of one such buffer. Handshake, shutdown, their timeouts and all ends are here too.
Not here: writing (`tlsocket.aio.transport`) and how connections come about (`tlsocket.aio.connections`).
"""

from __future__ import annotations

import asyncio
import mmap
import ssl as _stdlib
import weakref
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn

from tlsocket.aio.transport import TLSTransport
from tlsocket.dropin import SSLContext, SSLObject, SSLWantReadError
from tlsocket.dropin.exceptions import ssl_error, translate
from tlsocket.errors import Truncated
from tlsocket.record import CLOSED, HAVE_DATA, STOPPED, WANT_READ

if TYPE_CHECKING:
    from tlsocket.connection import Connection

__all__ = ["HANDSHAKE_TIMEOUT", "READ_BUFFER", "SHUTDOWN_TIMEOUT", "State", "TLSProtocol"]

HANDSHAKE_TIMEOUT = 60.0
"""Seconds, as in asyncio."""
SHUTDOWN_TIMEOUT = 30.0
"""Seconds, as in asyncio."""
READ_BUFFER = 262144
"""Bytes read by one system call, at most."""

_buffers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[memoryview]] = weakref.WeakKeyDictionary()

# In the place of the two that a handshake used: there is nothing to be read from it, and nobody writes into it.
_SPENT = _stdlib.MemoryBIO()


def _new_buffer() -> memoryview:
    """Memory on a page boundary, from which the kernel copies faster; a forked child has its own."""
    return memoryview(mmap.mmap(-1, READ_BUFFER, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class State(IntEnum):
    """Where a connection is."""

    HANDSHAKE = 0
    OPEN = 1
    CLOSING = 2
    """`close` was called: what was written goes out, then close_notify, and the peer's is awaited."""
    LOST = 3


# Looked up for every message: a member of an enumeration costs more than a name.
_HANDSHAKE, _OPEN, _CLOSING, _LOST = State


class TransportObject(SSLObject):
    """What `get_extra_info("ssl_object")` returns: it answers every question, but the bytes are the transport's."""

    __slots__ = ("_flush",)

    def _push(self, conn: Connection) -> None:
        flush = getattr(self, "_flush", None)
        if flush is not None:
            flush()

    def read(self, len: int = 1024, buffer: Any = None) -> NoReturn:
        """Refused."""
        raise ssl_error("INTERNAL_ERROR", "an asyncio transport reads this connection")

    def write(self, data: Any) -> NoReturn:
        """Refused."""
        raise ssl_error("INTERNAL_ERROR", "an asyncio transport writes to this connection")

    def unwrap(self) -> NoReturn:
        """Refused."""
        raise ssl_error("INTERNAL_ERROR", "an asyncio transport closes this connection")


class TLSProtocol(asyncio.BufferedProtocol):
    """Stands between the loop's plain transport and the application's protocol; `transport` is the latter's.

    `waiter` is told when the handshake is over, one way or the other.
    """

    __slots__ = ("_error", "_free", "_handshake_timeout", "_is_buffered", "_made", "_paused", "_peer_closed", "_raw",
                 "_rest", "_shutdown_timeout", "_timer", "_waiter", "conn", "context", "loop", "object", "protocol",
                 "state", "transport", "__weakref__")  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        context: SSLContext,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        call_connection_made: bool = True,
        handshake_timeout: float | None = None,
        shutdown_timeout: float | None = None,
    ) -> None:
        for name, value in (("ssl_handshake_timeout", handshake_timeout), ("ssl_shutdown_timeout", shutdown_timeout)):
            if value is not None and value <= 0:
                raise ValueError(f"{name} should be a positive number, got {value}")
        self.loop = loop
        self.context = context
        self.object: SSLObject = TransportObject._create(
            _stdlib.MemoryBIO(),
            _stdlib.MemoryBIO(),
            server_side=server_side,
            server_hostname=context._encode_hostname(None if server_side else server_hostname or None),
            context=context,
        )
        self.conn = self.object._conn
        self.state: State = _HANDSHAKE
        self._waiter = waiter
        self._made = not call_connection_made
        self._handshake_timeout = HANDSHAKE_TIMEOUT if handshake_timeout is None else handshake_timeout
        self._shutdown_timeout = SHUTDOWN_TIMEOUT if shutdown_timeout is None else shutdown_timeout
        self._timer: asyncio.TimerHandle | None = None
        self._raw: Any = None
        self._rest = b""
        self._paused = False
        self._peer_closed = False
        self._error: BaseException | None = None
        free = _buffers.get(loop)
        if free is None:
            free = _buffers[loop] = []
        self._free = free
        self.transport = TLSTransport(loop, self)
        self.set_protocol(protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Whom to tell."""
        self.protocol: Any = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    # What the plain transport reports

    def connection_made(self, transport: Any) -> None:
        """The plain connection is there: begin the handshake."""
        self._raw = transport
        self.transport.attach(transport)
        self._timer = self.loop.call_later(self._handshake_timeout, self._handshake_took_too_long)
        self._handshake()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The shared buffer, with the part of a record that came before already in it.

        Between this call and `buffer_updated` the loop does nothing else, so the buffer is nobody's till then.
        """
        free = self._free
        if not free:
            free.append(_new_buffer())
        buffer = free[-1]
        rest = self._rest
        if not rest:
            return buffer
        held = len(rest)
        if held > READ_BUFFER // 2:
            # Reading was paused and goes on: only a loop that reads in spite of that comes here.
            buffer = memoryview(bytearray(held + READ_BUFFER))
            free.append(buffer)
        buffer[:held] = rest
        return buffer[held:]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        buffer = self._free.pop()
        stop = len(self._rest) + nbytes
        self._rest = b""
        try:
            if self.state is _HANDSHAKE:
                self._handshake(buffer[:stop])
            else:
                self._open(buffer, stop)
        finally:
            # While the application was called, others may have needed another one.
            if len(buffer) == READ_BUFFER and len(self._free) < 4:
                self._free.append(buffer)

    def eof_received(self) -> bool:
        """The plain connection ended; without the peer's close_notify that is truncation (design law 4)."""
        if self.state is _HANDSHAKE:
            self._fail(ConnectionResetError("the peer closed the connection during the handshake"))
        elif self.state is _OPEN and not self._peer_closed:
            if self.context._ignores_unexpected_eof:
                self._ended()
            else:
                self._fail(translate(self.conn.on_failure(Truncated())))
        elif self.state is not _OPEN:
            return False
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """The plain connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._error is not None:
            exc = self._error
        shaking = self.state is _HANDSHAKE
        self.state = _LOST
        self._rest = b""
        self.transport.detach()
        self.conn.discard()
        if shaking or self._waiter is not None:
            self._tell_waiter(exc or ConnectionAbortedError("the connection was closed during the handshake"))
        if self._made:
            self._made = False
            self.loop.call_soon(self.protocol.connection_lost, exc)

    def pause_writing(self) -> None:
        """The plain transport holds bytes that the kernel did not take."""
        self.transport.block()

    def resume_writing(self) -> None:
        """The kernel took them."""
        self.transport.unblock()

    # The handshake

    def _handshake(self, data: memoryview | None = None) -> None:
        obj = self.object
        incoming, outgoing = obj._incoming, obj._outgoing
        try:
            if data is not None:
                incoming.write(data)
            obj.do_handshake()
        except SSLWantReadError:
            if outgoing.pending:
                self._raw.write(outgoing.read())
            return
        except Exception as error:
            if outgoing.pending:
                self._raw.write(outgoing.read())
            self._fail(error, "SSL handshake failed")
            return
        if outgoing.pending:
            self._raw.write(outgoing.read())
        rest = self.conn.reader.take_unread() + incoming.read()
        obj._incoming = obj._outgoing = _SPENT
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.state = _OPEN
        self.transport.ready()
        if not self._made:
            self._made = True
            self.protocol.connection_made(self.transport)
        self._tell_waiter(None)
        if rest or self.conn.reader.has_input:
            self._open(memoryview(rest), len(rest))

    def _handshake_took_too_long(self) -> None:
        if self.state is _HANDSHAKE:
            text = f"SSL handshake is taking longer than {self._handshake_timeout} seconds: aborting the connection"
            self._timer = None
            self.abort(ConnectionAbortedError(text))

    def _tell_waiter(self, error: BaseException | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)

    # Reading

    def pause(self) -> None:
        """No more data for the application."""
        if self.state is _OPEN and not self._paused:
            self._paused = True
            self._raw.pause_reading()

    def resume(self) -> None:
        """Data again: first what has arrived, not from within this call."""
        if self._paused:
            self._paused = False
            self.loop.call_soon(self._go_on_reading)

    @property
    def reading(self) -> bool:
        """Whether the application gets data."""
        return self.state is _OPEN and not self._paused

    def _go_on_reading(self) -> None:
        if self._paused or self.state not in (_OPEN, _CLOSING):
            return
        rest, self._rest = self._rest, b""
        if rest or self.conn.reader.pending():
            self._open(memoryview(rest), len(rest))
        if not self._paused and self.state in (_OPEN, _CLOSING) and not self._raw.is_closing():
            self._raw.resume_reading()

    def _open(self, source: memoryview, stop: int) -> None:
        """Open the records in `source` and hand on what is in them; a partial one is kept."""
        start = 0
        conn = self.conn
        reader = conn.reader
        while not self._paused:
            try:
                if self._is_buffered:
                    consumed, outcome = self._open_into_buffer(source[start:stop])
                    data = b""
                else:
                    consumed, data, outcome = reader.open_bytes(source, start, stop, conn)
            except _ApplicationError as error:
                raise error.error from None
            except Exception as error:
                self._fail(translate(error))
                return
            start += consumed
            if data and self.state is _OPEN:
                self.protocol.data_received(data)
            if outcome == WANT_READ:
                break
            if outcome == CLOSED:
                self._ended()
                return
            if outcome == STOPPED:
                if not self._decide():
                    return
            elif outcome != HAVE_DATA:
                return
        if self.state is _LOST:
            return
        if start < stop:
            self._rest = bytes(source[start:stop])
        if conn.writer.has_output:
            self.transport.flush()

    def _open_into_buffer(self, source: memoryview) -> tuple[int, int]:
        """The same straight into the memory of a `BufferedProtocol`: what was consumed, and the outcome."""
        conn = self.conn
        if self.state is not _OPEN:
            consumed, _, outcome = conn.reader.open_bytes(source, 0, len(source), conn)
            return consumed, outcome
        try:
            buffer = self.protocol.get_buffer(len(source))
            if not len(buffer):
                raise RuntimeError("get_buffer() returned an empty buffer")
        except Exception as error:
            raise _ApplicationError(error) from error
        consumed, produced, outcome = conn.reader.open_into(source, buffer, conn)
        if produced > 0:
            try:
                self.protocol.buffer_updated(produced)
            except Exception as error:
                raise _ApplicationError(error) from error
        return consumed, outcome

    def _decide(self) -> bool:
        """Answer a decision after the handshake; False when that failed."""
        if self.conn.suspended is None:
            return True
        try:
            self.object._decide(self.conn)
        except Exception as error:
            self._fail(translate(error))
            return False
        return True

    # Ends

    def _ended(self) -> None:
        """The peer's close_notify."""
        self._peer_closed = True
        if self.state is _CLOSING:
            self._close_when_written()
        elif self.state is _OPEN:
            keep_open = self.protocol.eof_received()
            if not keep_open or self.conn.writer.close_notify_queued:
                self.transport.close()

    def start_shutdown(self) -> None:
        """`close` was called: write everything and close_notify, wait for the peer's, close."""
        if self.state is not _OPEN:
            if self.state is _HANDSHAKE:
                self.abort(None)
            return
        self.state = _CLOSING
        self._timer = self.loop.call_later(self._shutdown_timeout, self._shutdown_took_too_long)
        if self._paused:
            # What still comes is not for the application, but the peer's close_notify is behind it.
            self._paused = False
            self.loop.call_soon(self._go_on_reading)
        if self.transport.all_handed_on:
            self.written()

    def written(self) -> None:
        """Everything was handed to the plain transport: close our direction where that was asked for."""
        if self.state is _CLOSING or self.transport.eof_written:
            self.conn.close()
            self.transport.flush()
            if self.state is _CLOSING:
                self._close_when_written()
            elif self._peer_closed:
                self.transport.close()

    def _close_when_written(self) -> None:
        if self._peer_closed and self.transport.all_handed_on and not self._raw.is_closing():
            self._raw.close()

    def _shutdown_took_too_long(self) -> None:
        self._timer = None
        if self.state is not _LOST:
            self.abort(TimeoutError("SSL shutdown timed out") if self._error is None else self._error)

    def abort(self, error: BaseException | None) -> None:
        """Close at once, sending nothing."""
        if self._error is None:
            self._error = error
        if self.state is not _HANDSHAKE:
            self.state = _LOST
        self.transport.forget()
        if self._raw is not None:
            self._raw.abort()

    def _fail(self, error: BaseException, message: str = "Fatal error on transport") -> None:
        """Send the alert that is queued, if that needs no waiting, and end the connection with `error`."""
        if self._error is not None:
            return
        if not isinstance(error, OSError):
            context = {"message": message, "exception": error, "transport": self.transport, "protocol": self}
            self.loop.call_exception_handler(context)
        self.transport.forget()
        self.transport.flush()
        self.abort(error)


class _ApplicationError(Exception):
    """Carries what the application's protocol raised past the handling of our own errors."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error
