"""A server in a process of its own, and clients for it in this one; each connection carries 1 kB each way. No scenario.

The clients are blocking sockets of the same library; the server here is asyncio's, and is asked for its memory.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tlsocket.bench.process import resident
from tlsocket.bench.setting import certificates, contexts
from tlsocket.bench.streams import Echo, server

__all__ = ["SECONDS", "Serving", "connected", "in_a_child", "receive", "send", "serving"]

SECONDS = 60.0
"""For any single wait."""
SIZE = 1000


class Serving:
    """The server, seen from the process of the clients."""

    def __init__(self, port: int, control: socket.socket, context: Any) -> None:
        self._port = port
        self._control = control
        self._context = context

    def connect(self) -> Any:
        """A connection that has been of use."""
        return connected(self._port, self._context)

    def resident(self) -> int:
        """Bytes of the server's process in memory."""
        self._control.sendall(b"?")
        answer = self._control.recv(64)
        if not answer:
            raise OSError("the server has gone")
        return int(answer)


def connected(port: int, context: Any) -> Any:
    """A client whose connection has been of use; without a context it is plain TCP's."""
    client: Any = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        client = context.wrap_socket(client, server_hostname="localhost")
    send(client)
    receive(client)
    return client


def send(connection: Any) -> None:
    """The one kilobyte."""
    connection.sendall(bytes(SIZE))


def receive(connection: Any) -> None:
    """All of the peer's kilobyte."""
    left = SIZE
    while left:
        received = len(connection.recv(left))
        if not received:
            raise OSError("the peer has hung up")
        left -= received


@contextmanager
def in_a_child(work: Callable[[socket.socket, socket.socket], object]) -> Iterator[tuple[socket.socket, int]]:
    """`work(listener, control)` in a process of its own until the block ends; our end of its control, and the port."""
    certificates()
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        child = os.fork()
        if child == 0:
            try:
                ours.close()
                work(listener, theirs)
            finally:
                os._exit(0)
        theirs.close()
        ours.settimeout(SECONDS)
        port = listener.getsockname()[1]
        listener.close()
        try:
            yield ours, port
        finally:
            ours.close()  # which is what the child ends by
            os.waitpid(child, 0)


@contextmanager
def serving(library: str) -> Iterator[Serving]:
    """An asyncio server of that library ("tcp": without TLS), until the end of the block."""
    with in_a_child(lambda listener, control: asyncio.run(_serve(library, listener, control))) as (control, port):
        yield Serving(port, control, None if library == "tcp" else contexts(library)[1])


async def _serve(library: str, listener: socket.socket, control: socket.socket) -> None:
    context = None if library == "tcp" else contexts(library)[0]
    listening = await server(library, Echo, listener, context)
    loop = asyncio.get_running_loop()
    control.setblocking(False)
    while await loop.sock_recv(control, 1):
        await asyncio.sleep(0.05)  # what the last connection has left to do
        await loop.sock_sendall(control, str(resident()).encode())
    listening.close()
