"""Connections that come and go: how many a second an asyncio server takes, and whether it grows by them."""

from __future__ import annotations

import time

from tlsocket.bench.serving import Serving, serving

__all__ = ["run"]


def run(library: str, seconds: float = 4.0) -> dict[str, float]:
    """New connections a second of one client after the other, and the bytes that the server keeps of each.

    Growth is that of the second half: caches fill in the first.
    """
    with serving(library) as server:
        _come_and_go(server, seconds / 2)
        before, started = server.resident(), time.perf_counter()
        done = _come_and_go(server, seconds / 2)
        spent = time.perf_counter() - started
        return {"per second": done / spent, "bytes kept": (server.resident() - before) / done}


def _come_and_go(server: Serving, seconds: float) -> int:
    done, end = 0, time.perf_counter() + seconds
    while not done or time.perf_counter() < end:
        server.connect().close()
        done += 1
    return done
