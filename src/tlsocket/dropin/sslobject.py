"""`SSLObject`: a TLS connection between two memory BIOs, for programs that do their own input and output.

asyncio, trio, anyio and httpcore make `ssl.MemoryBIO` objects and hand them to `SSLContext.wrap_bio`, so `MemoryBIO` is
the standard library's class, and anything with its methods will do. Input is taken from the incoming BIO as the
reader needs it, never more than one read can deliver. Not here: descriptors, timeouts (`sslsocket`).
"""

from __future__ import annotations

import os
import ssl as _stdlib
import threading
from abc import ABCMeta
from ssl import MemoryBIO
from typing import TYPE_CHECKING, Any, NoReturn

from tlsocket._record import CLOSED, HAVE_DATA, STOPPED, TRUNCATED, WANT_READ
from tlsocket.connection import Connection
from tlsocket.dropin.exceptions import CLOSED_BOTH_WAYS, SSLZeroReturnError, raise_outcome, ssl_error, translate
from tlsocket.dropin.session import SSLSession, check_session
from tlsocket.dropin.view import ConnectionView
from tlsocket.errors import Truncated, detached

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from tlsocket.dropin.context import SSLContext

__all__ = ["MemoryBIO", "SSLObject"]

_MEMORY_BIO: type = MemoryBIO

# Taking sealed bytes from the writer and appending them to the outgoing BIO must not be interleaved by the other
# direction's thread. It takes a microsecond, so all objects of a process share one lock.
_outgoing_lock = threading.Lock()


def _renew_lock() -> None:
    global _outgoing_lock
    _outgoing_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class SSLObject(ConnectionView, metaclass=ABCMeta):
    """TLS between an incoming and an outgoing BIO; made by `SSLContext.wrap_bio`.

    What would block raises `SSLWantReadError`: feed the incoming BIO and call again. Whatever is in the outgoing BIO
    after any call, an error included, is to be sent.
    """

    __slots__ = ("__dict__", "__weakref__", "_conn", "_context", "_eof_fed", "_incoming", "_outgoing", "_ready",
                 "_server_hostname", "_server_side", "_session")  # fmt: skip

    _conn: Connection
    _context: SSLContext
    _eof_fed: bool
    _incoming: MemoryBIO
    _outgoing: MemoryBIO
    _ready: bool
    _server_hostname: str | None
    _server_side: bool
    _session: SSLSession | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(
            f"{type(self).__name__} does not have a public constructor. "
            "Instances are returned by SSLContext.wrap_bio()."
        )

    if not TYPE_CHECKING:

        @property
        def __class__(self) -> type:
            """`ssl.SSLObject`, for programs that test for it; `type()` tells the truth."""
            return _stdlib.SSLObject

    def __repr__(self) -> str:
        return f"<tlsocket.{type(self).__name__} {'server' if self._server_side else 'client'} at {id(self):#x}>"

    @classmethod
    def _create(
        cls,
        incoming: MemoryBIO,
        outgoing: MemoryBIO,
        server_side: bool = False,
        server_hostname: str | None = None,
        session: object = None,
        context: SSLContext | None = None,
    ) -> SSLObject:
        if context is None:
            raise TypeError("a context is needed")
        if not (type(incoming) is type(outgoing) is _MEMORY_BIO):
            _check_bios(incoming, outgoing)
        if server_side and server_hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        if context.check_hostname and not server_hostname and not server_side:
            raise ValueError("check_hostname requires server_hostname")
        if server_side and session is not None:
            raise ValueError("session can only be specified in client mode")
        checked = check_session(session, context)
        self = cls.__new__(cls)
        self._context = context
        self._incoming = incoming
        self._outgoing = outgoing
        self._eof_fed = False
        self._ready = False
        self._server_side = bool(server_side)
        self._server_hostname = server_hostname
        self._session = checked
        self._conn = context._connection(bool(server_side), server_hostname, self, checked)
        return self

    @property
    def server_side(self) -> bool:
        """Whether this is the server's side."""
        return self._server_side

    @property
    def server_hostname(self) -> str | None:
        """The name that the client asks for, or None."""
        return self._server_hostname

    # The handshake

    def do_handshake(self) -> None:
        """Perform the handshake as far as the incoming BIO allows."""
        conn = self._conn
        reader, incoming = conn.reader, self._incoming
        source = incoming.read
        outcome = STOPPED
        try:
            if not self._server_side or conn.error is not None:
                conn.start()
            while not conn.handshake_complete:
                if conn.suspended is not None:
                    self._decide(conn)
                    continue
                outcome = reader.advance(conn, source)
                if outcome == STOPPED:
                    # Our flight is to be sent now; asking again would find nothing.
                    if not (incoming.pending or incoming.eof or reader.has_input or conn.suspended):
                        outcome = WANT_READ
                        break
                elif outcome == WANT_READ:
                    if not self._take_end(conn):
                        break
                elif outcome == TRUNCATED:
                    raise conn.on_failure(Truncated())
                elif outcome == CLOSED:
                    raise SSLZeroReturnError(6, "the peer closed the connection during the handshake (tlsocket)")
        except BaseException as error:
            self._fail(error)
        finally:
            if conn.writer.has_output:
                self._move_output()
        if not conn.handshake_complete:
            raise_outcome(outcome, 0, "handshake")
        if not self._ready:
            self._ready = True
            self._context._count_handshake(self._server_side, bool(self.session_reused))

    # Data

    def read(self, len: int = 1024, buffer: WriteableBuffer | None = None) -> bytes | int:
        """Up to `len` bytes, or their number when they went into `buffer`; none once the peer has closed its side."""
        if buffer is None:
            if len < 0:
                raise ValueError("size should not be negative")
            return b"" if len == 0 else self._read(len, None)
        with memoryview(buffer) as view:
            room = view.nbytes
        if 0 < len < room:
            room = len
        return 0 if room == 0 else self._read(room, buffer)

    def _read(self, size: int, buffer: WriteableBuffer | None) -> bytes | int:
        conn = self._conn
        if not self._ready:
            self.do_handshake()
        source = self._incoming.read
        try:
            while True:
                if buffer is None:
                    got = conn.reader.read(size, conn, source)
                else:
                    got = conn.reader.read_into(buffer, size, conn, source)
                if not got or got == CLOSED:
                    if conn.writer.close_notify_queued:
                        raise SSLZeroReturnError(*CLOSED_BOTH_WAYS)
                    return b"" if buffer is None else 0
                if isinstance(got, bytes) or got > 0:
                    return got
                if got == TRUNCATED and self._context._ignores_unexpected_eof:
                    return b"" if buffer is None else 0
                if got == WANT_READ and self._take_end(conn):
                    continue
                if got != STOPPED:
                    raise_outcome(got, 0, "read")
                if conn.suspended is not None:
                    self._decide(conn)
        except BaseException as error:
            self._fail(error)
        finally:
            if conn.writer.has_output:
                self._move_output()

    def write(self, data: ReadableBuffer) -> int:
        """Encrypt `data` into the outgoing BIO; returns its length."""
        conn = self._conn
        if not self._ready:
            memoryview(data).release()  # what is no buffer is an error before anything goes out
            self.do_handshake()
        try:
            count = conn.writer.write(data, conn)
            if count == CLOSED and conn.error is not None:
                raise detached(conn.error)
            if count < 0:
                raise_outcome(count, 0, "write")
        except BaseException as error:
            self._fail(error)
        finally:
            self._move_output()
        return count

    def pending(self) -> int:
        """Bytes that can be read without more input; an end that was read behind data counts as one."""
        return self._conn.reader.pending()

    def unwrap(self) -> None:
        """Send close_notify and take the peer's; `SSLWantReadError` until it is there.

        What follows it stays in the incoming BIO.
        """
        conn = self._conn
        if not self._ready:
            raise ssl_error("SHUTDOWN_WHILE_IN_INIT")
        try:
            conn.close()
            while True:
                outcome = conn.reader.advance(conn, self._incoming.read)
                if outcome == CLOSED or (outcome == TRUNCATED and self._context._ignores_unexpected_eof):
                    return
                if outcome == HAVE_DATA:
                    raise ssl_error(
                        "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "read the rest of the data, then call unwrap() again"
                    )
                if outcome == WANT_READ and self._take_end(conn):
                    continue
                if outcome != STOPPED:
                    raise_outcome(outcome, 0, "shutdown")
                if conn.suspended is not None:
                    self._decide(conn)
        except BaseException as error:
            self._fail(error)
        finally:
            self._move_output()

    # Inside

    def _take_end(self, conn: Connection) -> bool:
        """Tell the reader, once, that the incoming BIO has ended; it has asked for what was in it before."""
        if self._incoming.eof and not self._eof_fed:
            self._eof_fed = True
            conn.reader.feed_eof()
            return True
        return False

    def _move_output(self) -> None:
        with _outgoing_lock:
            data = self._conn.writer.data_to_send()
            if data:
                self._outgoing.write(data)

    def _push(self, conn: Connection) -> None:
        self._move_output()

    def _fail(self, error: BaseException) -> NoReturn:
        translated = translate(error, self._server_hostname)
        try:
            if translated is error:
                raise error
            raise translated from error
        finally:
            # An error kept by a frame that its traceback keeps would keep the connection too.
            del error, translated


SSLObject.register(_stdlib.SSLObject)  # as `SSLContext` does


def _check_bios(incoming: object, outgoing: object) -> None:
    """Whatever reads and writes as a MemoryBIO does will do."""
    if not (hasattr(incoming, "read") and hasattr(incoming, "eof") and hasattr(incoming, "pending")):
        raise TypeError(f"wrap_bio() argument 'incoming' must be MemoryBIO, not {type(incoming).__name__}")
    if not hasattr(outgoing, "write"):
        raise TypeError(f"wrap_bio() argument 'outgoing' must be MemoryBIO, not {type(outgoing).__name__}")
