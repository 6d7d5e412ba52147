"""Memory of idle connections: resident set size over many connections in memory, after 1 kB each way."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path
from typing import Any

from tlsocket.bench.handshakes import connect
from tlsocket.bench.setting import contexts

__all__ = ["resident", "run"]

PAGE = os.sysconf("SC_PAGE_SIZE")


def run(library: str, count: int = 2000) -> dict[str, float]:
    """Bytes per client and per server connection, each kept without its peer."""
    server, client = contexts(library)
    return {
        "bytes client": _kept(library, server, client, count, 0),
        "bytes server": _kept(library, server, client, count, 1),
    }


def _kept(library: str, server_context: Any, client_context: Any, count: int, which: int) -> float:
    kept: list[Any] = [None] * count
    for _ in range(100):
        _used(connect(library, server_context, client_context))
    before = resident()
    for index in range(count):
        ends = connect(library, server_context, client_context)
        _used(ends)
        kept[index] = ends[which]
    return (resident() - before) / count


def _used(ends: tuple[Any, Any]) -> None:
    client, server = ends
    for sender, receiver in ((client, server), (server, client)):
        sender.write(bytes(1000))
        received = 0
        while received < 1000:
            received += len(receiver.read(1000))


def resident() -> int:
    """Bytes of this process in memory, garbage and what the allocator keeps for later left out."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
