"""Full handshakes in memory: the time that each side spends in its own calls.

Both servers send two session tickets, as both libraries do of themselves; the client reads them afterwards, which has a
figure of its own.
"""

from __future__ import annotations

import gc
import ssl
import statistics
import time
from typing import Any

from tlsocket.bench.setting import MODULES, contexts, in_memory_pair

__all__ = ["connect", "read_tickets", "run", "step"]


def run(
    library: str, count: int = 400, mutual: bool = False, default_groups: bool = False, tickets: int = 2
) -> dict[str, float]:
    """Median microseconds of the client, of the server, and of the client's reading of the tickets, if there are any.

    Over `count` handshakes, after a warm-up. Rivals send what they send of themselves, and nobody reads it.
    """
    if library == "pyOpenSSL":
        from tlsocket.bench import pyopenssl

        server, client = pyopenssl.contexts()
    else:
        server, client = contexts(library, mutual=mutual, default_groups=default_groups, tickets=tickets)
    for _ in range(20):
        _handshake(library, server, client)
    gc.collect()
    spent = [_handshake(library, server, client) for _ in range(count)]
    medians = [statistics.median(figures) * 1e6 for figures in zip(*spent, strict=True)]
    figures = {"us client": medians[0], "us server": medians[1]}
    return figures | {"us tickets": medians[2]} if tickets and library in MODULES else figures


def _handshake(library: str, server_context: Any, client_context: Any) -> tuple[float, float, float]:
    clock = time.perf_counter
    started = clock()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    client_spent = clock() - started
    started = clock()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    server_spent = clock() - started
    client_done = server_done = False
    while not (client_done and server_done):
        started = clock()
        client_done = client_done or step(client)
        now = clock()
        client_spent += now - started
        server_done = server_done or step(server)
        server_spent += clock() - now
    started = clock()
    if library in MODULES:
        read_tickets(client)
    return client_spent, server_spent, clock() - started


def step(end: Any) -> bool:
    """Go on with the handshake of one end; whether it is over."""
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def read_tickets(client: Any) -> None:
    """Let a client read what its server sent behind the handshake."""
    try:
        client.read(1)
    except ssl.SSLWantReadError:
        pass


def connect(library: str, server_context: Any, client_context: Any) -> tuple[Any, Any]:
    """Two ends after the handshake, for the scenarios that need a connection."""
    client, server, *_ = in_memory_pair(library, server_context, client_context)
    client_done = server_done = False
    while not (client_done and server_done):
        client_done = client_done or step(client)
        server_done = server_done or step(server)
    return client, server
