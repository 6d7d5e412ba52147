"""Our side of every exchange: contexts, a server in a thread, a small HTTP/1.0 client and server over a TLS socket.

All of it is written against the interface of `ssl`, so that the standard library can stand in our place: setting
TLSOCKET_INTEROP_FACE=ssl runs the same tests with it, which tells a fault of a peer or of these helpers from ours.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Generic, Self, TypeVar

from tests.interop.materials import NAME, Files, Materials
from tests.interop.programs import LOOPBACK, WAIT, Program, dial

__all__ = ["END", "Face", "Listener", "answer", "fetch", "read_until", "say_goodbye"]

T = TypeVar("T")

END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Face:
    """Makes contexts of the module under test."""

    module: ModuleType

    def client_context(
        self,
        materials: Materials,
        *,
        authority: str | None = None,
        credential: Files | None = None,
        alpn: Sequence[str] = (),
        curve: str | None = None,
        middlebox_compatibility: bool = True,
        tls12: bool = False,
    ) -> ssl.SSLContext:
        """A context that trusts the interop authority only, and speaks TLS 1.3 only, or TLS 1.2 only."""
        context: ssl.SSLContext = self.module.create_default_context(cafile=authority or materials.authority)
        return self._finished(context, credential, alpn, curve, middlebox_compatibility, tls12)

    def server_context(
        self,
        credential: Files,
        *,
        clients: str | None = None,
        require: bool = False,
        alpn: Sequence[str] = (),
        curve: str | None = None,
        tls12: bool = False,
    ) -> ssl.SSLContext:
        """A context that presents `credential`; `clients` is the authority of the client certificates asked for."""
        context: ssl.SSLContext = self.module.create_default_context(self.module.Purpose.CLIENT_AUTH)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = self.module.CERT_REQUIRED if require else self.module.CERT_OPTIONAL
        return self._finished(context, credential, alpn, curve, True, tls12)

    def _finished(
        self,
        context: ssl.SSLContext,
        credential: Files | None,
        alpn: Sequence[str],
        curve: str | None,
        middlebox_compatibility: bool,
        tls12: bool,
    ) -> ssl.SSLContext:
        if tls12:
            context.maximum_version = self.module.TLSVersion.TLSv1_2
        else:
            context.minimum_version = self.module.TLSVersion.TLSv1_3
        if credential is not None:
            context.load_cert_chain(credential.certificate, credential.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if curve is not None:
            context.set_ecdh_curve(curve)
        if not middlebox_compatibility:
            context.options &= ~self.module.OP_ENABLE_MIDDLEBOX_COMPAT
        return context

    def connect(
        self, context: ssl.SSLContext, port: int, server: Program, *, name: str = NAME, timeout: float = WAIT
    ) -> ssl.SSLSocket:
        """Connect and shake hands; an end without `close_notify` will be an error."""
        raw = dial(port, server, timeout=timeout)
        try:
            return context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False)
        except BaseException:
            raw.close()
            raise


class Listener(Generic[T]):
    """Our server in a thread: hands each connection to `handler`, one after the other; use it as a context manager.

    `result` is what the handler returned for the only connection, or raises what went wrong, the handshake included.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        handler: Callable[[ssl.SSLSocket], T],
        *,
        timeout: float = WAIT,
        connections: int = 1,
    ) -> None:
        self._context = context
        self._handler = handler
        self._timeout = timeout
        self._connections = connections
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._socket = socket.create_server((LOOPBACK, 0))
        self._socket.settimeout(timeout)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that still waits for a connection
        self._thread.join(self._timeout)
        self._socket.close()
        if error is not None and self._error is not None:
            error.add_note(f"our server: {self._error!r}")

    def _run(self) -> None:
        try:
            for _ in range(self._connections):
                raw, _address = self._socket.accept()
                raw.settimeout(self._timeout)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with raw, raw.dup() as keeper:
                    try:
                        sock = self._context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False)
                    except OSError:
                        _linger(keeper, self._timeout)
                        raise
                    keeper.close()
                    with sock:
                        self._results.append(self._handler(sock))
        except BaseException as error:  # handed to whoever asks for the result
            self._error = error

    def results(self) -> list[T]:
        """What the handler returned for each connection."""
        self._thread.join(self._timeout)
        assert not self._thread.is_alive(), "our server is still busy"
        if self._error is not None:
            raise self._error
        return self._results

    def result(self) -> T:
        """What the handler returned for the only connection."""
        (only,) = self.results()
        return only


def _linger(keeper: socket.socket, timeout: float) -> None:
    """Let the alert of a refused handshake arrive: closing with unread data would reset the connection instead."""
    keeper.settimeout(timeout)
    with contextlib.suppress(OSError):
        keeper.shutdown(socket.SHUT_WR)
        while keeper.recv(65536):
            pass


def read_until(sock: ssl.SSLSocket, end: bytes) -> bytes:
    """Read up to and including `end`."""
    received = bytearray()
    while end not in received:
        data = sock.recv(65536)
        if not data:
            raise EOFError(f"closed after {bytes(received)!r}")
        received += data
    return bytes(received)


def say_goodbye(sock: ssl.SSLSocket) -> None:
    """Send `close_notify` and wait for the peer's; a peer that has hung up without one is forgiven here.

    Whether a peer says its own is judged where closing is the subject.
    """
    with contextlib.suppress(OSError):
        sock.unwrap()


def fetch(sock: ssl.SSLSocket, path: str = "/") -> bytes:
    """GET over HTTP/1.0; returns the body, which must end with the server's `close_notify`."""
    sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    received = bytearray()
    while data := sock.recv(65536):
        received += data
    say_goodbye(sock)
    head, separator, body = bytes(received).partition(END)
    assert separator, f"no HTTP response in {bytes(received[:200])!r}"
    assert b" 200 " in head.partition(b"\r\n")[0], head
    return body


def answer(body: bytes) -> Callable[[ssl.SSLSocket], dict[str, Any]]:
    """A handler that answers one HTTP request with `body` and returns what the connection says of itself."""

    def handle(sock: ssl.SSLSocket) -> dict[str, Any]:
        request = read_until(sock, END)
        head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        cipher = sock.cipher()
        facts = {
            "request": request,
            "version": sock.version(),
            "cipher": None if cipher is None else cipher[0],
            "alpn": sock.selected_alpn_protocol(),
            "client": sock.getpeercert(),
        }
        say_goodbye(sock)
        return facts

    return handle
