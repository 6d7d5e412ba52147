"""Which OpenSSL does the cryptography: the one that `cryptography` brings. Nothing else belongs here."""

from __future__ import annotations

from cryptography.hazmat.backends.openssl import backend

__all__ = ["openssl_version_number", "openssl_version_text"]


def openssl_version_text() -> str:
    """As in "OpenSSL 4.0.3 9 Jun 2026"."""
    return backend.openssl_version_text()


def openssl_version_number() -> int:
    """As OPENSSL_VERSION_NUMBER: 0xMNN00PP0 since OpenSSL 3."""
    return backend.openssl_version_number()
