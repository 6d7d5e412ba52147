"""Round trips: what TLS adds to plain TCP, both ends driven by one thread over loopback so that nothing waits.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.round_trips import run

__all__ = ["run"]
