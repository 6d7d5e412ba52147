"""An asyncio server in a process of its own, asked for its resident memory, and clients for it. No scenario of its own.

The clients are blocking sockets of the same library in this process; each connection carries 1 kB each way.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tlsocket.bench.memory import resident
from tlsocket.bench.setting import certificates, contexts
from tlsocket.bench.streams import Echo, server

__all__ = ["Serving", "serving"]

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
        client: Any = socket.create_connection(("127.0.0.1", self._port), timeout=SECONDS)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            client = self._context.wrap_socket(client, server_hostname="localhost")
        client.sendall(bytes(SIZE))
        left = SIZE
        while left:
            received = len(client.recv(left))
            if not received:
                raise OSError("the server has hung up")
            left -= received
        return client

    def resident(self) -> int:
        """Bytes of the server's process in memory."""
        self._control.sendall(b"?")
        answer = self._control.recv(64)
        if not answer:
            raise OSError("the server has gone")
        return int(answer)


@contextmanager
def serving(library: str) -> Iterator[Serving]:
    """A server of that library ("tcp": without TLS), until the end of the block."""
    certificates()
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        child = os.fork()
        if child == 0:
            try:
                ours.close()
                asyncio.run(_serve(library, listener, theirs))
            finally:
                os._exit(0)
        theirs.close()
        ours.settimeout(SECONDS)
        port = listener.getsockname()[1]
        listener.close()
        try:
            yield Serving(port, ours, None if library == "tcp" else contexts(library)[1])
        finally:
            ours.close()  # which is what the child ends by
            os.waitpid(child, 0)


async def _serve(library: str, listener: socket.socket, control: socket.socket) -> None:
    context = None if library == "tcp" else contexts(library)[0]
    listening = await server(library, Echo, listener, context)
    loop = asyncio.get_running_loop()
    control.setblocking(False)
    while await loop.sock_recv(control, 1):
        await asyncio.sleep(0.05)  # what the last connection has left to do
        await loop.sock_sendall(control, str(resident()).encode())
    listening.close()
