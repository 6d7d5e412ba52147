"""`OPENSSL_VERSION` and its relatives, apart from the other constants since asking `cryptography` takes 3 ms."""

from __future__ import annotations

from tlsocket.crypto.library import openssl_version_number, openssl_version_text

__all__ = ["OPENSSL_VERSION", "OPENSSL_VERSION_INFO", "OPENSSL_VERSION_NUMBER"]

OPENSSL_VERSION = openssl_version_text()
"""The OpenSSL inside `cryptography`, which does the cryptography; the protocol is ours."""
OPENSSL_VERSION_NUMBER = openssl_version_number()
OPENSSL_VERSION_INFO = (
    OPENSSL_VERSION_NUMBER >> 28,
    OPENSSL_VERSION_NUMBER >> 20 & 0xFF,
    OPENSSL_VERSION_NUMBER >> 12 & 0xFF,
    OPENSSL_VERSION_NUMBER >> 4 & 0xFF,
    OPENSSL_VERSION_NUMBER & 0xF,
)
