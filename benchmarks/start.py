"""The start of a process: the import, a context, and the first handshake.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.start import run

__all__ = ["run"]
