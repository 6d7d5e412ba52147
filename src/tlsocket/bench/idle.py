"""Many idle asyncio connections in one process: the server's resident memory for each, over plain TCP's."""

from __future__ import annotations

import resource

from tlsocket.bench.serving import serving

__all__ = ["run"]

FIRST = 50
"""Connections before the first look: what they bring is nobody's alone."""
SPARE_DESCRIPTORS = 100


def run(library: str, count: int = 1000) -> dict[str, float]:
    """kB of a connection over plain TCP. OSError where the process may not have so many descriptors."""
    plain = _per_connection("tcp", count)
    return {"kB over TCP": (_per_connection(library, count) - plain) / 1000}


def _per_connection(library: str, count: int) -> float:
    _allow_descriptors(count + FIRST + SPARE_DESCRIPTORS)
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


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OSError(f"this process may have {hard} descriptors, and {wanted} are needed")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
