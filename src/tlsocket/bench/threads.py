"""Threads that shake hands at once: full handshakes in memory, each thread driving both ends of its own."""

from __future__ import annotations

import threading
import time
from typing import Any

from tlsocket.bench.handshakes import connect
from tlsocket.bench.setting import contexts

__all__ = ["run"]

SECONDS = 120.0


def run(library: str, threads: int = 2, count: int = 400) -> dict[str, float]:
    """Handshakes a second of all threads together, `count` in each, and how many times one thread's that is."""
    server, client = contexts(library, tickets=2)
    for _ in range(20):
        connect(library, server, client)
    alone = _rate(library, server, client, 1, count)
    together = _rate(library, server, client, threads, count)
    return {"per second": together, "times one thread": together / alone}


def _rate(library: str, server: Any, client: Any, threads: int, count: int) -> float:
    ready = threading.Barrier(threads + 1)
    finished: list[int] = []

    def work() -> None:
        ready.wait(SECONDS)
        for _ in range(count):
            connect(library, server, client)
        finished.append(count)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait(SECONDS)
    started = time.perf_counter()
    for worker in workers:
        worker.join(SECONDS)
    spent = time.perf_counter() - started
    if len(finished) != threads:
        raise RuntimeError("a thread did not finish")
    return threads * count / spent
