"""Runs one scenario with one library in a process of its own, and prints the figures as JSON.

A process of its own, because two libcryptos in one process compete for the caches, and because memory can be measured
no other way.
"""

from __future__ import annotations

import importlib
import json
import sys

__all__ = ["main"]


def main(scenario: str, library: str, options: str) -> None:
    """`python -m tlsocket.bench.worker handshakes tlsocket '{"count": 100}'`."""
    module = importlib.import_module(f"tlsocket.bench.{scenario}")
    print(json.dumps(module.run(library, **json.loads(options))))


if __name__ == "__main__":
    main(*sys.argv[1:4])
