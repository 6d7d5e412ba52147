"""Memory of idle connections: resident set size over many connections in memory, after 1 kB each way.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.memory import run

__all__ = ["run"]
