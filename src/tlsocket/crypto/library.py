"""The dear parts of `cryptography`, loaded when somebody asks: forms of keys, ECDSA, its OpenSSL's version.

Importing its `serialization` also imports, for the SSH keys in it, `dataclasses` and `inspect`: 7 ms, and a client
writes no keys. Making an `ECDSA` imports the backend, which looks through OpenSSL's whole interface: 3 ms. Answers are
cached; two threads that ask first get answers that are as good as each other's. Nothing else belongs here.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["ecdsa", "openssl_version_number", "openssl_version_text", "serialization"]


@cache
def serialization() -> ModuleType:
    """The module `cryptography.hazmat.primitives.serialization`."""
    from cryptography.hazmat.primitives import serialization as module

    return module


@cache
def ecdsa(algorithm: type[hashes.HashAlgorithm]) -> ec.ECDSA:
    """ECDSA with this hash: one object for each of the few that our tables name."""
    return ec.ECDSA(algorithm())


def openssl_version_text() -> str:
    """As in "OpenSSL 4.0.3 9 Jun 2026"."""
    from cryptography.hazmat.backends.openssl import backend

    return backend.openssl_version_text()


def openssl_version_number() -> int:
    """As OPENSSL_VERSION_NUMBER: 0xMNN00PP0 since OpenSSL 3."""
    from cryptography.hazmat.backends.openssl import backend

    return backend.openssl_version_number()
