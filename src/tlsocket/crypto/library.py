"""The dear parts of `cryptography`, loaded when somebody asks: its OpenSSL's version, and its forms of keys.

A client's first handshake needs neither. Importing `cryptography.hazmat.primitives.serialization` also imports, for the
SSH keys in it, `dataclasses` and `inspect`: 7 ms. Both functions cache what they answer, and two threads that ask at
once get the same, as of every import. Nothing else belongs here.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

__all__ = ["openssl_version_number", "openssl_version_text", "serialization"]


@cache
def serialization() -> ModuleType:
    """The module `cryptography.hazmat.primitives.serialization`."""
    from cryptography.hazmat.primitives import serialization as module

    return module


def openssl_version_text() -> str:
    """As in "OpenSSL 4.0.3 9 Jun 2026"."""
    from cryptography.hazmat.backends.openssl import backend

    return backend.openssl_version_text()


def openssl_version_number() -> int:
    """As OPENSSL_VERSION_NUMBER: 0xMNN00PP0 since OpenSSL 3."""
    from cryptography.hazmat.backends.openssl import backend

    return backend.openssl_version_number()
