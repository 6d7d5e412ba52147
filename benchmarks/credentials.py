"""What a certificate and an RSA-2048 key cost a context: the first time in a process, and again.

The scenario is the library's own, since `tlsocket bench` runs it too.
"""

from __future__ import annotations

from tlsocket.bench.credentials import run

__all__ = ["run"]
