"""`SSLSocket`: a `socket.socket` whose bytes go through a TLS connection.

It derives from `socket.socket` and not from `ssl.SSLSocket`, whose inherited methods would reach the descriptor behind
the connection's back; `isinstance(sock, ssl.SSLSocket)` is answered through `__class__`. Every method of
`socket.socket` that moves bytes is overridden here. Before a connection there is nothing to read or write; after
`shutdown` nothing raw is sent or read; only `unwrap` returns to plaintext (RFC 9846 section 6.1 is its exchange).

The record layer does the input and output, non-blocking on the descriptor, and answers with small negative numbers:
this module owns deadlines, the handshake's loop and the exceptions. Not here: memory BIOs (`sslobject`), configuration
(`context`), sockets over other objects (`carried`).
"""

from __future__ import annotations

import errno
import os
import ssl as _stdlib
import threading
from abc import ABCMeta
from collections.abc import Iterable
from functools import cache
from socket import MSG_PEEK, SHUT_RDWR, SHUT_WR
from types import new_class
from typing import TYPE_CHECKING, Any, NoReturn, cast

from tlsocket import clock
from tlsocket._record import CLOSED, HAVE_DATA, STOPPED, SYSTEM_ERROR, TIMED_OUT, TRUNCATED
from tlsocket.connection import Connection
from tlsocket.dropin.carried import CarriedSocket, OverObject, socket
from tlsocket.dropin.exceptions import SSLZeroReturnError, raise_outcome, ssl_error, translate
from tlsocket.dropin.refusals import Refusals
from tlsocket.dropin.session import SSLSession, check_session
from tlsocket.dropin.view import ConnectionView
from tlsocket.dropin.waiting import acquire, call_left, handshake_left
from tlsocket.dropin.wrapping import check_wrap_arguments, data_before_handshake, is_carried
from tlsocket.errors import Truncated

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from tlsocket.dropin.context import SSLContext

__all__ = ["SSLSocket"]

_ACCEPT_SECONDS = 60.0
"""As long as asyncio gives a handshake (`asyncio.constants.SSL_HANDSHAKE_TIMEOUT`)."""


class SSLSocket(ConnectionView, Refusals, socket, metaclass=ABCMeta):
    """A socket with TLS on it; made by `SSLContext.wrap_socket`, which takes the descriptor over.

    One thread may read while another writes. A timeout is a deadline for the whole call, the handshake in it included.
    """

    __slots__ = (
        "__dict__",
        "_behind",
        "_conn",
        "_connected",
        "_context",
        "_guard",
        "_plain",
        "_ready",
        "_session",
        "_shut",
        "do_handshake_on_connect",
        "server_hostname",
        "server_side",
        "suppress_ragged_eofs",
    )

    _behind: bytes
    """What a read took from the kernel together with close_notify: the next protocol's, delivered after `unwrap`."""
    _conn: Connection | None
    _connected: bool
    _context: SSLContext
    _guard: tuple[int, threading.Lock] | None
    """Serialises the handshake between threads; with the process that made it, since a fork may copy it locked."""
    _plain: bool
    """True after `unwrap`: the methods of `socket.socket` apply."""
    _ready: bool
    """True once the handshake is over and its last bytes are in the kernel."""
    _session: SSLSession | None
    """What to resume."""
    _shut: bool
    """True once `shutdown` closed the sending side."""
    server_side: bool
    server_hostname: str | None
    do_handshake_on_connect: bool
    suppress_ragged_eofs: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(
            f"{type(self).__name__} does not have a public constructor. "
            "Instances are returned by SSLContext.wrap_socket()."
        )

    if not TYPE_CHECKING:

        @property
        def __class__(self) -> type:
            """`ssl.SSLSocket`, so that programs that test for it know what they have; `type()` tells the truth."""
            return _stdlib.SSLSocket

    def __repr__(self) -> str:
        text = socket.__repr__(self)
        return f"<tlsocket.{type(self).__name__}{text[text.find(' ') :]}" if " " in text else text

    # Making one

    @classmethod
    def _create(
        cls,
        sock: socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        context: SSLContext | None = None,
        session: object = None,
    ) -> SSLSocket:
        if context is None:
            raise TypeError("a context is needed")
        check_wrap_arguments(sock, server_side, server_hostname, context, session)
        timeout = sock.gettimeout() if hasattr(sock, "gettimeout") else None
        if is_carried(sock):
            cls = _over_object(cls)
        self = cls.__new__(cls)
        self._take_over(sock)
        # From here on this object closes what it was given, also when anything below fails.
        try:
            self._conn = None
            self._behind = b""
            self._context = context
            self._session = check_session(session, context)
            self._guard = None
            self._plain = self._ready = self._shut = False
            self.server_side = server_side
            self.server_hostname = context._encode_hostname(server_hostname)
            self.do_handshake_on_connect = do_handshake_on_connect
            self.suppress_ragged_eofs = suppress_ragged_eofs
            self._connected = self._look_for_peer()
            self.settimeout(timeout)
            if self._connected:
                self._attach()
                if do_handshake_on_connect:
                    if timeout == 0.0:
                        raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")
                    self.do_handshake()
            else:
                context._check_role(server_side)
        except BaseException:
            try:
                self.close()
            except OSError:
                pass
            raise
        return self

    def _take_over(self, sock: socket) -> None:
        socket.__init__(self, sock.family, sock.type, sock.proto, fileno=sock.fileno())
        sock.detach()

    def _look_for_peer(self) -> bool:
        """Whether the socket is connected. If it was, and left plaintext behind, that is refused (CVE-2023-40217)."""
        try:
            self.getpeername()
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
        else:
            return True
        self.setblocking(False)
        try:
            left_behind = super().recv(1)
        except OSError as error:
            # EINVAL: an unconnected Unix socket.
            if error.errno not in (errno.ENOTCONN, errno.EINVAL, errno.EAGAIN, errno.EWOULDBLOCK):
                raise
            left_behind = b""
        if left_behind:
            raise data_before_handshake()
        return False

    def _attach(self) -> Connection:
        conn = self._context._connection(self.server_side, self.server_hostname, self, self._session)
        self._guard = (os.getpid(), threading.Lock())
        self._conn = conn
        return conn

    def _tls(self) -> Connection | None:
        """The connection; None where the methods of `socket.socket` apply, which is after `unwrap` only.

        Without a connection the descriptor decides: not connected or closed is an error, and one that was connected
        behind our back gets its TLS now, since plaintext is not what the caller asked for.
        """
        conn = self._conn
        if conn is None and not self._plain:
            self.getpeername()
            conn = self._attach()
            self._connected = True
        return conn

    # The handshake

    def do_handshake(self, block: bool = False) -> None:
        """Perform the handshake, or go on with it. With `block`, also on a non-blocking socket until it is over."""
        self._check_connected()
        conn = self._tls()
        if conn is None:
            raise ValueError("No SSL wrapper around " + str(self))
        timeout = self.gettimeout()
        self._handshake(conn, None if block and timeout == 0.0 else timeout)

    def _handshake(self, conn: Connection, timeout: float | None) -> float | None:
        """Finish the handshake if it is not over; returns what is left of `timeout`."""
        deadline = clock.monotonic() + timeout if timeout else None
        guard = self._guard
        if guard is not None and guard[0] != os.getpid():
            guard = self._guard = (os.getpid(), threading.Lock())
        if guard is None or self._ready:
            return timeout
        acquire(guard[1], timeout)
        try:
            if not self._ready:
                self._drive_handshake(conn, timeout, deadline)
                self._ready = True
                self._guard = None
                self._context._count_handshake(self.server_side, bool(self.session_reused))
        finally:
            guard[1].release()
        return call_left(timeout, deadline, "handshake")

    def _drive_handshake(self, conn: Connection, timeout: float | None, deadline: float | None) -> None:
        try:
            conn.start()
            while True:
                outcome = conn.writer.flush(self, handshake_left(conn, timeout, deadline))
                if outcome < 0 and not (outcome == SYSTEM_ERROR and self._only_tickets_are_lost(conn)):
                    if outcome == TIMED_OUT:
                        conn.time_left()
                    raise_outcome(outcome, conn.writer.last_errno, "handshake")
                if conn.handshake_complete:
                    return
                if conn.suspended is not None:
                    self._decide(conn)
                    continue
                outcome = conn.reader.pull(self, handshake_left(conn, timeout, deadline), conn)
                if outcome == TRUNCATED:
                    raise conn.on_failure(Truncated())
                if outcome == CLOSED:
                    raise SSLZeroReturnError(6, "the peer closed the connection during the handshake (tlsocket)")
                if outcome == TIMED_OUT:
                    conn.time_left()
                if outcome != STOPPED:
                    raise_outcome(outcome, conn.reader.last_errno, "handshake")
        except BaseException as error:
            self._fail(conn, error)

    def _only_tickets_are_lost(self, conn: Connection) -> bool:
        """Whether the handshake is over, and a client that has left already does without its tickets.

        As in OpenSSL: what it sent before it left can still be read.
        """
        gone = conn.writer.last_errno in (errno.EPIPE, errno.ECONNRESET)
        return gone and self.server_side and conn.handshake_complete

    def _push(self, conn: Connection) -> None:
        conn.writer.try_flush(self)

    def _fail(self, conn: Connection, error: BaseException) -> NoReturn:
        """Let the alert out if that needs no waiting, and raise what a program expects."""
        if conn.error is not None:
            conn.writer.try_flush(self)
        translated = translate(error, self.server_hostname)
        try:
            if translated is error:
                raise error
            raise translated from error
        finally:
            # An error kept by a frame that its traceback keeps would keep the connection too.
            del error, translated

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """The peer's certificate, as `SSLObject` has it; OSError where nothing is connected."""
        self._check_connected()
        return super().getpeercert(binary_form)

    def _checkClosed(self, msg: object = None) -> None:
        """Nothing, as in `ssl`, where programs call it all the same."""

    def _check_connected(self) -> None:
        # getpeername raises ENOTCONN if there is no connection; a connect that first returned EINPROGRESS is one too.
        if not self._connected:
            self.getpeername()

    # Receiving

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Up to `buflen` bytes; b"" when the peer has closed its side.

        With `MSG_PEEK`, which `ssl` refuses, the next call delivers them again: of one record at most, and `pending()`
        tells of them, not `select`.
        """
        conn = self._conn
        if conn is None:
            conn = self._tls()
            if conn is None:
                return self._take_behind(buflen, flags) if self._behind else super().recv(buflen, flags)
        if flags not in (0, MSG_PEEK):
            raise ValueError(f"non-zero flags not allowed in calls to recv() on {type(self)}")
        if buflen < 0:
            raise ValueError("size should not be negative")
        timeout = self.gettimeout()
        if not self._ready:
            if buflen == 0:
                return b""  # as in `ssl`: nothing is asked for, so nothing is begun
            timeout = self._handshake(conn, timeout)
        try:
            if flags:
                data = conn.reader.peek(self, buflen, timeout, conn)
            else:
                data = conn.reader.recv(self, buflen, timeout, conn)
        except BaseException as error:
            self._fail(conn, error)
        if isinstance(data, bytes):
            return data
        if data == STOPPED and self._decided(conn):
            return self.recv(buflen, flags)
        self._receive_outcome(conn, data)
        return b""

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Up to `nbytes` bytes (or as many as fit) into `buffer`; 0 when the peer has closed its side."""
        conn = self._conn
        if conn is None:
            conn = self._tls()
            if conn is None:
                if self._behind:
                    with memoryview(buffer) as view, view.cast("B") as octets:
                        taken = self._take_behind(min(nbytes or len(octets), len(octets)), flags)
                        octets[: len(taken)] = taken
                    return len(taken)
                return super().recv_into(buffer, nbytes or 0, flags)
        if flags not in (0, MSG_PEEK):
            raise ValueError(f"non-zero flags not allowed in calls to recv_into() on {type(self)}")
        with memoryview(buffer) as view:
            if view.readonly:  # said before a handshake is begun
                raise TypeError(
                    f"recv_into() argument must be read-write bytes-like object, not {type(buffer).__name__}"
                )
            room = view.nbytes
            if nbytes is not None and 0 < nbytes < room:
                room = nbytes
            if room == 0:
                return 0
            if flags:
                with view.cast("B") as octets:
                    seen = self.recv(room, flags)
                    octets[: len(seen)] = seen
                return len(seen)
        timeout = self.gettimeout()
        if not self._ready:
            timeout = self._handshake(conn, timeout)
        try:
            count = conn.reader.recv_into(self, buffer, room, timeout, conn)
        except BaseException as error:
            self._fail(conn, error)
        if count < 0:
            if count == STOPPED and self._decided(conn):
                return self.recv_into(buffer, nbytes)
            self._receive_outcome(conn, count)
            return 0
        return count

    def _take_behind(self, size: int, flags: int) -> bytes:
        """Of what a read took together with close_notify, which comes before what is in the kernel."""
        if size < 0:
            raise ValueError("negative buffersize in recv")
        taken = self._behind[:size]
        if not flags & MSG_PEEK:
            self._behind = self._behind[size:]
        return taken

    def _decided(self, conn: Connection) -> bool:
        """Whether a decision after the handshake was pending (a client's certificate); it is taken now."""
        if conn.suspended is None:
            return False
        try:
            self._decide(conn)
        except BaseException as error:
            self._fail(conn, error)
        conn.writer.try_flush(self)
        return True

    def _receive_outcome(self, conn: Connection, outcome: int) -> None:
        """Return where the end of the stream is to be reported, else raise."""
        if outcome == CLOSED:
            return
        if outcome == TRUNCATED and (self.suppress_ragged_eofs or self._context._ignores_unexpected_eof):
            return
        raise_outcome(outcome, conn.reader.last_errno, "read")

    def read(self, len: int = 1024, buffer: WriteableBuffer | None = None) -> bytes | int:
        """Up to `len` bytes, or their number when they went into `buffer`."""
        if self._conn is None:
            raise ValueError("Read on closed or unwrapped SSL socket.")
        return self.recv(len) if buffer is None else self.recv_into(buffer, len)

    def pending(self) -> int:
        """Bytes that can be read without the descriptor; an end that was read behind data counts as one."""
        conn = self._conn
        return len(self._behind) if conn is None else conn.reader.pending()

    # Sending

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Send `data`; returns how many bytes are on their way.

        On a non-blocking socket a send that would block must be repeated with at least the same data: part of it may
        be encrypted already (`ssl` has the same rule).
        """
        conn = self._conn
        if conn is None:
            conn = self._tls()
            if conn is None:
                return super().send(data, flags)
        if flags != 0:
            raise ValueError(f"non-zero flags not allowed in calls to send() on {type(self)}")
        timeout = self.gettimeout()
        if not self._ready:
            memoryview(data).release()  # what is no buffer is an error before anything goes out
            timeout = self._handshake(conn, timeout)
        try:
            count = conn.writer.send(self, data, timeout, conn)
        except BaseException as error:
            self._fail(conn, error)
        if count < 0:
            self._send_outcome(conn, count)
        return count or self._sent_nothing()

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send all of `data`; the timeout is for the whole."""
        conn = self._conn
        if conn is None:
            conn = self._tls()
            if conn is None:
                return super().sendall(data, flags)
        if flags != 0:
            raise ValueError(f"non-zero flags not allowed in calls to sendall() on {type(self)}")
        timeout = self.gettimeout()
        deadline = clock.monotonic() + timeout if timeout else None
        with memoryview(data) as view, view.cast("B") as octets:
            sent, total = 0, len(octets)
            if not total:
                return None  # as in `ssl`: nothing is begun, and nothing can fail
            if not self._ready:
                self._handshake(conn, timeout)
            while True:
                try:
                    count = conn.writer.send(self, octets[sent:] if sent else octets, timeout, conn)
                except BaseException as error:
                    self._fail(conn, error)
                if count < 0:
                    self._send_outcome(conn, count)
                sent += count
                if sent >= total:
                    return None
                timeout = call_left(timeout, deadline, "write")

    def sendmsg(
        self, buffers: Iterable[ReadableBuffer], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None
    ) -> int:
        """Send several buffers as if they were one; returns how many bytes are on their way. `send` has the rule.

        `ssl` refuses it, and so are ancillary data (descriptors, credentials), flags and an address here: a TLS stream
        has no place for them.
        """
        if not self._plain and (flags != 0 or address is not None or tuple(ancdata)):
            raise NotImplementedError(f"sendmsg with more than buffers not allowed on instances of {type(self)}")
        conn = self._conn
        if conn is None:
            conn = self._tls()
            if conn is None:
                return super().sendmsg(buffers, ancdata, flags, address)
        pieces = list(buffers)
        timeout = self.gettimeout()
        if not self._ready:
            for piece in pieces:
                memoryview(piece).release()
            timeout = self._handshake(conn, timeout)
        try:
            count = conn.writer.sendmsg(self, pieces, timeout, conn)
        except BaseException as error:
            self._fail(conn, error)
        if count < 0:
            self._send_outcome(conn, count)
        return count or self._sent_nothing()

    def _sent_nothing(self) -> int:
        # An empty send makes no system call that could tell of a descriptor that is gone.
        if self.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return 0

    def _send_outcome(self, conn: Connection, outcome: int) -> NoReturn:
        if outcome == CLOSED:
            if conn.error is not None:
                self._fail(conn, conn.error)
            if self._shut:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        raise_outcome(outcome, conn.writer.last_errno, "write")

    def write(self, data: ReadableBuffer) -> int:
        """The same as `send`."""
        if self._conn is None:
            raise ValueError("Write on closed or unwrapped SSL socket.")
        return self.send(data)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file opened in binary mode; returns the number of bytes sent."""
        if self._tls() is None:
            return super().sendfile(file, offset, count)
        # CPython's own loop over `self.send`; the one over os.sendfile() would bypass the connection.
        return self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined, no-any-return]

    def _sendfile_use_sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        if not self._plain:
            raise NotImplementedError(f"os.sendfile() not allowed on {type(self)}")
        return super()._sendfile_use_sendfile(file, offset, count)  # type: ignore[misc, no-any-return]

    # Ends

    def unwrap(self) -> socket:
        """Exchange close_notify with the peer and return this socket, which then carries plaintext.

        Reads exactly up to the peer's close_notify: what follows on the wire is the next protocol's. If a `recv` has
        taken some of that together with data, the methods of this socket deliver it first, and `pending()` counts it.
        """
        conn = self._conn
        if conn is None:
            raise ValueError("No SSL wrapper around " + str(self))
        if not self._ready:
            raise ssl_error("SHUTDOWN_WHILE_IN_INIT")
        timeout = self.gettimeout()
        deadline = clock.monotonic() + timeout if timeout else None
        try:
            conn.close()
            outcome = STOPPED
            while outcome == STOPPED:
                flushed = conn.writer.flush(self, call_left(timeout, deadline, "write"))
                if flushed < 0:
                    raise_outcome(flushed, conn.writer.last_errno, "write")
                outcome = conn.reader.pull(self, call_left(timeout, deadline, "read"), conn)
                if outcome == STOPPED and conn.suspended is not None:
                    self._decide(conn)
        except BaseException as error:
            self._fail(conn, error)
        if outcome == HAVE_DATA:
            raise ssl_error("APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "read what is left, then call unwrap() again")
        if outcome != CLOSED and not (outcome == TRUNCATED and self._context._ignores_unexpected_eof):
            raise_outcome(outcome, conn.reader.last_errno, "read")
        self._behind = conn.reader.take_unread()
        self._plain = True
        self._ready = False
        self._conn = None
        return self

    def shutdown(self, how: int) -> None:
        """Shut down one or both directions; when sending ends, close_notify goes first if that needs no waiting."""
        conn = self._conn
        if conn is not None and how in (SHUT_WR, SHUT_RDWR):
            if self._ready and conn.error is None:
                conn.close()
                conn.writer.try_flush(self)
            self._shut = True
        super().shutdown(how)

    def _real_close(self, *args: Any) -> None:
        # The connection is only let go: a thread that is inside it keeps it until it returns with EBADF.
        self._conn = None
        self._behind = b""
        self._ready = self._plain = False
        super()._real_close(*args)  # type: ignore[misc]

    # Connecting

    def connect(self, addr: Any) -> None:
        """Connect, then perform the handshake unless `do_handshake_on_connect` says otherwise."""
        self._real_connect(addr, False)

    def connect_ex(self, addr: Any) -> int:
        """The same with the error number of the connecting as its result; a failed handshake raises."""
        return self._real_connect(addr, True)

    def _real_connect(self, addr: Any, connect_ex: bool) -> int:
        if self.server_side:
            raise ValueError("can't connect in server-side mode")
        if self._connected or self._conn is not None:
            raise ValueError("attempt to connect already-connected SSLSocket!")
        conn = self._attach()
        timeout = self.gettimeout()
        deadline = clock.monotonic() + timeout if timeout else None
        result = 0
        try:
            if connect_ex:
                result = super().connect_ex(addr)
            else:
                super().connect(addr)
        except BlockingIOError:
            raise  # under way: do_handshake() follows once the socket is writable
        except BaseException:
            self._conn = None
            raise
        if result == 0:
            self._connected = True
            if self.do_handshake_on_connect:
                self._handshake(conn, call_left(timeout, deadline, "handshake"))
        elif result != errno.EINPROGRESS:
            self._conn = None
        return result

    def accept(self) -> tuple[SSLSocket, Any]:
        """A new connection with its handshake done (unless `do_handshake_on_connect` is False), and its address.

        A client that stays silent does not stop the server's loop for ever: the handshake is a TimeoutError after
        `SSLContext.handshake_timeout`, or 60 seconds where neither that nor `socket.setdefaulttimeout` says otherwise.
        """
        sock, address = super().accept()
        limited = self.do_handshake_on_connect and sock.gettimeout() is None
        if limited and self._context.handshake_timeout is None:
            sock.settimeout(_ACCEPT_SECONDS)
        wrapped = self._context.wrap_socket(
            sock,
            do_handshake_on_connect=self.do_handshake_on_connect,
            suppress_ragged_eofs=self.suppress_ragged_eofs,
            server_side=True,
        )
        if limited:
            wrapped.settimeout(None)
        return wrapped, address


SSLSocket.register(_stdlib.SSLSocket)  # as `SSLContext` does


@cache
def _over_object(cls: type[SSLSocket]) -> type[SSLSocket]:
    """`cls` for what is no plain socket: the methods of `socket.socket` that it calls are those of `CarriedSocket`."""
    if issubclass(cls, CarriedSocket):
        return cls
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    made = new_class(cls.__name__, (OverObject, cls, CarriedSocket), exec_body=lambda body: body.update(names))
    return cast("type[SSLSocket]", made)
