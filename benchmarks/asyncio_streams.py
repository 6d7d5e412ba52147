"""asyncio: bulk and echo over loopback TCP through transports and protocols.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.streams import run

__all__ = ["run"]
