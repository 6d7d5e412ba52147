"""Bulk: one stream over loopback TCP between two processes.

The scenario is the library's own, since `tlsocket bench` and `tlsocket demo` run it too.
"""

from __future__ import annotations

from tlsocket.bench.bulk import run

__all__ = ["run"]
