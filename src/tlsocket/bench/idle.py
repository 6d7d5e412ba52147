"""Many idle asyncio connections in one process: the server's resident memory for each, over plain TCP's."""

from __future__ import annotations

from tlsocket.bench.process import allow_descriptors
from tlsocket.bench.serving import serving

__all__ = ["run"]

FIRST = 50
"""Connections before the first look: what they bring is nobody's alone."""


def run(library: str, count: int = 1000) -> dict[str, float]:
    """kB of a connection over plain TCP. OSError where the process may not have so many descriptors."""
    plain = _per_connection("tcp", count)
    return {"kB over TCP": (_per_connection(library, count) - plain) / 1000}


def _per_connection(library: str, count: int) -> float:
    allow_descriptors(count + FIRST)
    kept = []
    with serving(library) as server:
        try:
            kept += [server.connect() for _ in range(FIRST)]
            before = server.resident()
            kept += [server.connect() for _ in range(count)]
            return (server.resident() - before) / count
        finally:
            for client in kept:
                client.close()
