"""Many idle asyncio connections in one process: the server's resident memory for each, over plain TCP's.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.idle import run

__all__ = ["run"]
