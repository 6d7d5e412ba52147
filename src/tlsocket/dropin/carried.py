"""Sockets over other objects: TLS in TLS, and the cooperative sockets of gevent and eventlet.

A `CarriedSocket` is a `socket.socket` without a descriptor of its own. What it is given stays whole, keeps its
descriptor (if it has one) and moves the bytes, by its own `recv` and `send`; it is put into non-blocking mode, and
the waiting is done here: with `poll`, or as gevent and eventlet wait, so that others run meanwhile. `SSLSocket`
stands before it in the order of classes, and what that class does with a plain socket comes here.

Not here: TLS (`sslsocket`, and `_record` for what moves through a `Carrier`), asyncio (`tlsocket.aio`).
"""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tlsocket import clock
from tlsocket._record import TIMED_OUT, WANT_READ, WANT_WRITE, Carrier
from tlsocket.dropin.exceptions import SSLWantReadError, SSLWantWriteError

if TYPE_CHECKING:
    from socket import socket

__all__ = ["CarriedSocket", "OverObject", "Wait", "green", "socket"]

Wait = Callable[[Any, bool, "float | None"], bool]
"""Waits until an object with a `fileno` can be read (True) or written (False); False when the time is up."""

_GREEN = ("gevent", "eventlet")


def _original_socket() -> type[socket]:
    """The class `socket.socket` that was there before anybody put another into its place."""
    import socket as module

    found = module.socket
    root = found.__module__.partition(".")[0]
    if root == "gevent":
        found = sys.modules["gevent.monkey"].get_original("socket", "socket")
    elif root == "eventlet":
        found = sys.modules["eventlet.patcher"].original("socket").socket
    return found


if not TYPE_CHECKING:
    socket = _original_socket()


def green(sock: object) -> str | None:
    """The library that a cooperative socket belongs to."""
    roots = (each.__module__.partition(".")[0] for each in type(sock).__mro__)
    return next((root for root in roots if root in _GREEN), None)


class CarriedSocket(socket, Carrier):
    """A `socket.socket` in name, whose bytes another object moves."""

    __slots__ = ()

    _outer: Any
    """What carries; None once this was closed, detached or unwrapped."""
    _timeout: float | None
    _wait: Wait

    def _be_carried_by(self, sock: Any) -> None:
        # Never initialised as a socket, this has no descriptor: only `sock` closes its own. What `socket.socket` itself
        # keeps in Python is this.
        self._io_refs = 0
        self._closed = False
        self._outer = sock
        self._wait = _wait_function(sock)
        self._timeout = sock.gettimeout() if hasattr(sock, "gettimeout") else None
        self._set_blocking(False)

    def _set_blocking(self, blocking: bool) -> None:
        if hasattr(self._outer, "settimeout"):
            self._outer.settimeout(self._timeout if blocking else 0.0)

    def _open(self) -> Any:
        if self._outer is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._outer

    def _release(self) -> Any:
        """Let go of the carrying object, which waits again as it did before."""
        outer = self._open()
        self._set_blocking(True)
        self._outer = None
        self._closed = True
        return outer

    # What the record layer calls

    def carry_out(self, data: bytes, timeout: float | None) -> int:
        """Give bytes to the carrying object."""
        return self._carry(self._open().send, data, timeout, False)  # type: ignore[no-any-return]

    def carry_in(self, size: int, timeout: float | None) -> bytes | int:
        """Up to `size` bytes of the carrying object."""
        return self._carry(self._open().recv, size, timeout, True)  # type: ignore[no-any-return]

    def _carry(self, call: Callable[[Any], Any], argument: Any, timeout: float | None, reading: bool) -> Any:
        if not hasattr(self._outer, "settimeout"):
            timeout = 0.0  # it waits or does not, whatever we were asked
        deadline = clock.monotonic() + timeout if timeout else None
        while True:
            try:
                return call(argument)
            except SSLWantReadError:
                reading = True
            except SSLWantWriteError:
                reading = False
            except BlockingIOError:
                pass  # of a plain socket, which wants what was asked of it
            if timeout == 0.0:
                return WANT_READ if reading else WANT_WRITE
            left = None if deadline is None else max(deadline - clock.monotonic(), 0.0)
            if not self._wait(self._open(), reading, left):
                return TIMED_OUT

    # What `SSLSocket` asks of a plain socket

    @property
    def family(self) -> Any:
        """The carrying object's."""
        return getattr(self._outer, "family", 0)

    @property
    def type(self) -> Any:
        """The carrying object's."""
        return getattr(self._outer, "type", 0)

    @property
    def proto(self) -> int:
        """The carrying object's."""
        return int(getattr(self._outer, "proto", 0))

    def fileno(self) -> int:
        """The carrying object's descriptor; -1 where there is none."""
        outer = self._outer
        return outer.fileno() if hasattr(outer, "fileno") else -1

    def gettimeout(self) -> float | None:
        """Seconds for each call; None: for ever."""
        return self._timeout

    def settimeout(self, value: float | None) -> None:
        """Seconds for each call; None waits for ever, 0 not at all."""
        if value is not None:
            value = float(value)
            if value < 0:
                raise ValueError("Timeout value out of range")
            if not hasattr(self._open(), "settimeout"):
                raise ValueError(f"{type(self._outer).__name__} has no settimeout(): it waits as it does")
        self._timeout = value

    def setblocking(self, flag: bool) -> None:
        """`settimeout(None)`, or `settimeout(0.0)`."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Whether calls wait."""
        return self._timeout != 0.0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """What lies in a socket that is not connected any more: all that is ever read past TLS."""
        return self._open().recv(bufsize)  # type: ignore[no-any-return]

    def getpeername(self) -> Any:
        """The carrying object's; one that has none is connected."""
        return self._optional("getpeername")

    def getsockname(self) -> Any:
        """The carrying object's."""
        return self._optional("getsockname")

    def _optional(self, name: str) -> Any:
        method = getattr(self._open(), name, None)
        return None if method is None else method()

    def getsockopt(self, *args: Any) -> Any:
        """The carrying object's."""
        return self._open().getsockopt(*args)

    def setsockopt(self, *args: Any) -> None:
        """The carrying object's."""
        self._open().setsockopt(*args)

    def bind(self, address: Any, /) -> None:
        """The carrying object's."""
        self._open().bind(address)

    def listen(self, *args: int) -> None:
        """The carrying object's."""
        self._open().listen(*args)

    def connect(self, address: Any, /) -> None:
        """The carrying object's, in this object's time."""
        self._waiting("connect", address)

    def connect_ex(self, address: Any, /) -> int:
        """The carrying object's, in this object's time."""
        return self._waiting("connect_ex", address)  # type: ignore[no-any-return]

    def accept(self) -> tuple[Any, Any]:
        """The carrying object's, in this object's time."""
        return self._waiting("accept")  # type: ignore[no-any-return]

    def _waiting(self, name: str, *args: Any) -> Any:
        method = getattr(self._open(), name)
        self._set_blocking(True)
        try:
            return method(*args)
        finally:
            if self._outer is not None:
                self._set_blocking(False)

    def shutdown(self, how: int, /) -> None:
        """The carrying object's; where that carries TLS, its close_notify follows ours."""
        shutdown = getattr(self._open(), "shutdown", None)
        if shutdown is not None:
            shutdown(how)

    def detach(self) -> int:
        """Give the descriptor away: the carrying object has none afterwards either."""
        return int(self._release().detach())

    def _real_close(self, *args: Any) -> None:
        outer, self._outer = self._outer, None
        if hasattr(outer, "close"):
            outer.close()


class OverObject:
    """What an `SSLSocket` over a `CarriedSocket` does otherwise: stands before both among its classes."""

    __slots__ = ()

    if TYPE_CHECKING:
        _outer: Any

        def _be_carried_by(self, sock: Any) -> None: ...
        def _release(self) -> Any: ...

    def _take_over(self, sock: Any) -> None:
        self._be_carried_by(sock)

    def pending(self) -> int:
        """Bytes that can be read without the descriptor; those that the carrying connection holds count as one.

        Of these it is not known before they are read whether they make a record.
        """
        own: int = super().pending()  # type: ignore[misc]
        if own or not hasattr(self._outer, "pending"):
            return own
        return min(int(self._outer.pending()), 1)

    def unwrap(self) -> Any:
        """Exchange close_notify with the peer, and return what was wrapped, which then carries what follows."""
        super().unwrap()  # type: ignore[misc]
        return self._release()


def _wait_function(sock: Any) -> Wait:
    if isinstance(sock, CarriedSocket):
        return sock._wait
    return {"gevent": _wait_in_gevent, "eventlet": _wait_in_eventlet}.get(green(sock) or "", _wait_in_poll)


def _wait_in_poll(sock: Any, reading: bool, timeout: float | None) -> bool:
    waiter = select.poll()
    waiter.register(sock, select.POLLIN if reading else select.POLLOUT)
    # Rounded up, or the last part of a millisecond would be spent spinning.
    return bool(waiter.poll(None if timeout is None else int(timeout * 1e3) + 1))


def _wait_in_gevent(sock: Any, reading: bool, timeout: float | None) -> bool:
    module = sys.modules["gevent.socket"]
    try:
        (module.wait_read if reading else module.wait_write)(sock.fileno(), timeout, TimeoutError())
    except TimeoutError:
        return False
    return True


def _wait_in_eventlet(sock: Any, reading: bool, timeout: float | None) -> bool:
    trampoline = sys.modules["eventlet.hubs"].trampoline
    try:
        trampoline(sock, read=reading, write=not reading, timeout=timeout, timeout_exc=TimeoutError)
    except TimeoutError:
        return False
    return True
