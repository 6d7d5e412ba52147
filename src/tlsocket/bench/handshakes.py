"""Full handshakes in memory: the time that each side spends in its own calls."""

from __future__ import annotations

import gc
import ssl
import statistics
import time
from typing import Any

from tlsocket.bench.setting import contexts, in_memory_pair

__all__ = ["connect", "run", "step"]


def run(library: str, count: int = 400, mutual: bool = False, default_groups: bool = False) -> dict[str, float]:
    """Median microseconds of the client and of the server, over `count` handshakes after a warm-up."""
    if library == "pyOpenSSL":
        from tlsocket.bench import pyopenssl

        server, client = pyopenssl.contexts()
    else:
        server, client = contexts(library, mutual=mutual, default_groups=default_groups)
    for _ in range(20):
        _handshake(library, server, client)
    gc.collect()
    clients, servers = [], []
    for _ in range(count):
        spent = _handshake(library, server, client)
        clients.append(spent[0])
        servers.append(spent[1])
    return {"us client": statistics.median(clients) * 1e6, "us server": statistics.median(servers) * 1e6}


def _handshake(library: str, server_context: Any, client_context: Any) -> tuple[float, float]:
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
    return client_spent, server_spent


def step(end: Any) -> bool:
    """Go on with the handshake of one end; whether it is over."""
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def connect(library: str, server_context: Any, client_context: Any) -> tuple[Any, Any]:
    """Two ends after the handshake, for the scenarios that need a connection."""
    client, server, *_ = in_memory_pair(library, server_context, client_context)
    client_done = server_done = False
    while not (client_done and server_done):
        client_done = client_done or step(client)
        server_done = server_done or step(server)
    return client, server
