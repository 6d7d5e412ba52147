"""What the tests of the drop-in face share: two modules to compare, certificates, and pairs of connected sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tlsocket

MODULES: dict[str, Any] = {"ours": tlsocket, "stdlib": ssl}
TIMEOUT = 20.0


@dataclass(frozen=True)
class Files:
    """Paths of a test authority's certificate and of certificates it issued."""

    folder: Path
    authority: str
    certificate: str
    key: str
    client_certificate: str
    client_key: str


def server_context(module: Any, files: Files) -> Any:
    """A server's context with the test certificate."""
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


def client_context(module: Any, files: Files) -> Any:
    """A client's context that trusts the test authority."""
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files.authority)
    return context


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets with a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        client = socket.create_connection(listener.getsockname(), timeout=TIMEOUT)
        server, _ = listener.accept()
    server.settimeout(TIMEOUT)
    return client, server


class Background(threading.Thread):
    """Runs a function; `result()` waits for it and raises what it raised."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self.join(TIMEOUT)
        assert not self.is_alive(), "the other side hangs"
        if self._error is not None:
            raise self._error
        return self._result

    def error(self) -> BaseException | None:
        """What it raised."""
        self.join(TIMEOUT)
        assert not self.is_alive(), "the other side hangs"
        return self._error


def connect(client: Any, server: Any, **arguments: Any) -> tuple[Any, Any]:
    """A client's and a server's socket of two contexts, handshakes done."""
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    try:
        ours = client.wrap_socket(near, server_hostname="localhost", **arguments)
    except BaseException:
        background.error()
        raise
    return ours, background.result()


@contextlib.contextmanager
def connected(client: Any, server: Any, **arguments: Any) -> Iterator[tuple[Any, Any]]:
    """`connect`, and both are closed at the end."""
    ours, theirs = connect(client, server, **arguments)
    with ours, theirs:
        yield ours, theirs


def failure(call: Callable[[], Any]) -> BaseException:
    """What `call` raises."""
    try:
        value = call()
    except BaseException as error:
        return error
    raise AssertionError(f"no exception, but {value!r}")


def receive_exactly(sock: Any, count: int) -> bytes:
    """`count` bytes, in as many reads as it takes."""
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, f"the stream ended after {len(data)} of {count} bytes"
        data += piece
    return bytes(data)
