"""Threads that shake hands at once: full handshakes in memory, each thread driving both ends of its own.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.threads import run

__all__ = ["run"]
