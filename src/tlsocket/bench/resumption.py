"""Resumed handshakes in memory: the time that each side spends in its own calls.

Both libraries work alike: one session of a full handshake is resumed again and again, and each resumption hands out one
new ticket, which the client reads afterwards (that has a figure of its own).
"""

from __future__ import annotations

import gc
import ssl
import statistics
import time
from typing import Any

from tlsocket.bench.handshakes import connect, read_tickets, step
from tlsocket.bench.setting import contexts

__all__ = ["run"]


def run(library: str, count: int = 400, mutual: bool = False) -> dict[str, float]:
    """Median microseconds of the client, of the server, and of the client's reading of the ticket."""
    server, client = contexts(library, mutual=mutual, tickets=1)
    first, _ = connect(library, server, client)
    read_tickets(first)
    session = first.session
    for _ in range(20):
        _resume(server, client, session)
    gc.collect()
    spent = [_resume(server, client, session) for _ in range(count)]
    medians = [statistics.median(figures) * 1e6 for figures in zip(*spent, strict=True)]
    return {"us client": medians[0], "us server": medians[1], "us ticket": medians[2]}


def _resume(server_context: Any, client_context: Any, session: Any) -> tuple[float, float, float]:
    clock = time.perf_counter
    started = clock()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
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
    read_tickets(client)
    ticket_spent = clock() - started
    if not (client.session_reused and server.session_reused):
        raise RuntimeError("the session was not resumed")
    return client_spent, server_spent, ticket_spent
