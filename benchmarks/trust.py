"""What the platform's authorities cost: the first context of a process that trusts them, and the second.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.trust import run

__all__ = ["run"]
