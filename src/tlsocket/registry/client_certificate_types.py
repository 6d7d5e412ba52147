"""Kinds of certificates that a server of TLS 1.2 asks for (RFC 5246 section 7.4.4, RFC 8422 section 5.5)."""

from __future__ import annotations

import enum

__all__ = ["ClientCertificateType"]


class ClientCertificateType(enum.IntEnum):
    """`ClientCertificateType`: the two that sign and are not deprecated."""

    RSA_SIGN = 1
    ECDSA_SIGN = 64
