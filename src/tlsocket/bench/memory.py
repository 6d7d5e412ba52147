"""Memory of idle connections: resident set size over many sockets, after 1 kB each way, each end in its own process.

In one process an end would be measured in the holes that the other one left behind.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from tlsocket.bench.process import allow_descriptors, resident
from tlsocket.bench.serving import SECONDS, connected, in_a_child, receive, send
from tlsocket.bench.setting import contexts

__all__ = ["run"]

FIRST = 100
"""Connections before the first look: what they bring is nobody's alone."""


def run(library: str, count: int = 2000) -> dict[str, float]:
    """Bytes per client and per server connection. OSError where a process may not have so many descriptors."""
    allow_descriptors(count + FIRST)

    def serve(listener: socket.socket, control: socket.socket) -> None:
        control.sendall(str(_serve(library, listener, count)).encode())
        control.recv(1)  # the clients are done too

    with in_a_child(serve) as (control, port):
        context = contexts(library)[1]
        client = _kept(lambda: connected(port, context), count)
        return {"bytes client": client, "bytes server": float(control.recv(64) or "nan")}


def _serve(library: str, listener: socket.socket, count: int) -> float:
    context = contexts(library)[0]
    listener.settimeout(SECONDS)

    def accept() -> Any:
        sock, _ = listener.accept()
        sock.settimeout(SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = context.wrap_socket(sock, server_side=True)
        receive(connection)
        send(connection)
        return connection

    return _kept(accept, count)


def _kept(make: Callable[[], Any], count: int) -> float:
    """Bytes of each of `count` connections more."""
    kept: list[Any] = [None] * (FIRST + count)
    for index in range(FIRST):
        kept[index] = make()
    before = resident()
    for index in range(FIRST, FIRST + count):
        kept[index] = make()
    spent = (resident() - before) / count
    for connection in kept:
        connection.close()
    return spent
