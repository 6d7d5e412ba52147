"""Memory of idle connections: resident set size over many sockets, after 1 kB each way, each end in its own process.

In one process an end would be measured in the holes that the other one left behind.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import socket
from pathlib import Path
from typing import Any

from tlsocket.bench.setting import certificates, contexts

__all__ = ["allow_descriptors", "resident", "run"]

PAGE = os.sysconf("SC_PAGE_SIZE")
SECONDS = 60.0
"""For any single wait."""
FIRST = 100
"""Connections before the first look: what they bring is nobody's alone."""
SIZE = 1000
SPARE_DESCRIPTORS = 100


def run(library: str, count: int = 2000) -> dict[str, float]:
    """Bytes per client and per server connection. OSError where a process may not have so many descriptors."""
    certificates()
    allow_descriptors(count + FIRST)
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        child = os.fork()
        if child == 0:
            try:
                ours.close()
                theirs.sendall(str(_serve(library, listener, count)).encode())
                theirs.recv(1)  # the clients are done too
            finally:
                os._exit(0)
        theirs.close()
        ours.settimeout(SECONDS)
        port = listener.getsockname()[1]
        listener.close()
        try:
            client = _connect(library, port, count)
            server = float(ours.recv(64) or "nan")
        finally:
            ours.close()
            os.waitpid(child, 0)
    return {"bytes client": client, "bytes server": server}


def _serve(library: str, listener: socket.socket, count: int) -> float:
    context = contexts(library)[0]
    listener.settimeout(SECONDS)

    def accept() -> Any:
        sock, _ = listener.accept()
        _prepare(sock)
        connection = context.wrap_socket(sock, server_side=True)
        _receive(connection)
        connection.sendall(bytes(SIZE))
        return connection

    return _kept(accept, count)


def _connect(library: str, port: int, count: int) -> float:
    context = contexts(library)[1]

    def connect() -> Any:
        sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        _prepare(sock)
        connection = context.wrap_socket(sock, server_hostname="localhost")
        connection.sendall(bytes(SIZE))
        _receive(connection)
        return connection

    return _kept(connect, count)


def _prepare(sock: socket.socket) -> None:
    sock.settimeout(SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _receive(connection: Any) -> None:
    left = SIZE
    while left:
        received = len(connection.recv(left))
        if not received:
            raise OSError("the peer has hung up")
        left -= received


def _kept(make: Any, count: int) -> float:
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


def allow_descriptors(connections: int) -> None:
    """Raise this process's limit so far that it can have so many; OSError where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OSError(f"this process may have {hard} descriptors, and {wanted} are needed")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def resident() -> int:
    """Bytes of this process in memory, garbage and what the allocator keeps for later left out."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
