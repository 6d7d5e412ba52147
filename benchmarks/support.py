"""What the scenarios share; it is the library's own, since `tlsocket bench` needs it too."""

from __future__ import annotations

from tlsocket.bench.setting import SUITE, certificates, contexts, in_memory_pair

__all__ = ["SUITE", "certificates", "contexts", "in_memory_pair"]
