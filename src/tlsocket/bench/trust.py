"""What the platform's authorities cost: the first context of a process that trusts them, and the second."""

from __future__ import annotations

import importlib
import os
import time
import warnings
from typing import Any

__all__ = ["run"]


def run(library: str) -> dict[str, float]:
    """Milliseconds of `load_default_certs` in a fresh process, and on a second context. Imports are not counted."""
    # One bundle for both; a folder would be read by us at once and by OpenSSL when it needs one of its files.
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ.pop("SSL_CERT_DIR", None)
    warnings.simplefilter("ignore")  # of roots with a serial number of zero
    module: Any = importlib.import_module("ssl" if library == "stdlib" else "tlsocket.dropin")
    spent = []
    for _ in range(2):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        started = time.perf_counter()
        context.load_default_certs()
        spent.append((time.perf_counter() - started) * 1e3)
    return {"ms first": spent[0], "ms second": spent[1]}
