"""Connections that come and go: how many a second an asyncio server takes, and whether it grows by them.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.churn import run

__all__ = ["run"]
