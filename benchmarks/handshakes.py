"""Full handshakes in memory: the time that each side spends in its own calls.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.handshakes import connect, run, step

__all__ = ["connect", "run", "step"]
