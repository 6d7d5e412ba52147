"""A mode in which any signature, Finished, binder and cookie is right, so that fuzzing gets past the cryptography.

It lives here and nowhere else: the library has no switch for it. It replaces the functions that decide.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from tlsocket.crypto import comparison, signatures

__all__ = ["lenient"]


def _anything(*_arguments: Any) -> bool:
    return True


@contextlib.contextmanager
def lenient() -> Iterator[None]:
    """Inside, nothing that authenticates a peer is checked."""
    genuine = comparison.equal
    places = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("tlsocket") and getattr(module, "equal", None) is genuine
    ]
    verify, verify_tls12 = signatures.verify, signatures.verify_tls12
    signatures.verify = signatures.verify_tls12 = _anything  # type: ignore[assignment]
    for module in places:
        module.equal = _anything  # type: ignore[attr-defined]
    try:
        yield
    finally:
        signatures.verify, signatures.verify_tls12 = verify, verify_tls12
        for module in places:
            module.equal = genuine  # type: ignore[attr-defined]
