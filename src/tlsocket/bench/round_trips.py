"""Round trips: what TLS adds to plain TCP, both ends driven by one thread over loopback so that nothing waits."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from typing import Any

from tlsocket.bench.setting import contexts

__all__ = ["run"]


def run(library: str, size: int = 64, count: int = 3000) -> dict[str, float]:
    """Microseconds for `size` bytes there and back, and how much of that is not TCP's."""
    plain_client, plain_server = _tcp_pair()
    client, server = _wrapped(library) if library != "tcp" else _tcp_pair()
    tls, tcp = [], []
    try:
        for _ in range(7):
            tcp.append(_exchange(plain_client, plain_server, size, count))
            tls.append(_exchange(client, server, size, count))
    finally:
        for end in (plain_client, plain_server, client, server):
            end.close()
    return {"us": statistics.median(tls), "us added": statistics.median(tls) - statistics.median(tcp)}


def _exchange(client: Any, server: Any, size: int, count: int) -> float:
    data = bytes(size)
    started = time.perf_counter()
    for _ in range(count):
        client.send(data)
        _read(server, size)
        server.send(data)
        _read(client, size)
    return (time.perf_counter() - started) / count * 1e6


def _read(end: Any, size: int) -> None:
    received = len(end.recv(size))
    while received < size:
        received += len(end.recv(size - received))


def _tcp_pair() -> tuple[Any, Any]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


def _wrapped(library: str) -> tuple[Any, Any]:
    client, server = _tcp_pair()
    server_context, client_context = contexts(library)
    ends: dict[str, Any] = {}

    def accept() -> None:
        ends["server"] = server_context.wrap_socket(server, server_side=True)

    thread = threading.Thread(target=accept)
    thread.start()
    ends["client"] = client_context.wrap_socket(client, server_hostname="localhost")
    thread.join()
    return ends["client"], ends["server"]
