"""What a certificate and an RSA-2048 key cost a context: the first time in a process, and again."""

from __future__ import annotations

import importlib
import time
from typing import Any

from tlsocket.bench.setting import MODULES, certificates

__all__ = ["run"]


def run(library: str) -> dict[str, float]:
    """Milliseconds of `load_cert_chain` in a fresh process, and of the same files in another context."""
    module: Any = importlib.import_module(MODULES.get(library, library))
    files = certificates()
    # What loading a credential of any kind needs once belongs to starting, and not to this key.
    module.SSLContext(module.PROTOCOL_TLS_SERVER).load_cert_chain(files["server"], files["server_key"])
    spent = []
    for _ in range(2):
        context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        started = time.perf_counter()
        context.load_cert_chain(files["rsa"], files["rsa_key"])
        spent.append((time.perf_counter() - started) * 1e3)
    return {"ms first": spent[0], "ms second": spent[1]}
