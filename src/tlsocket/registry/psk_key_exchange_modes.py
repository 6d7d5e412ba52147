"""Modes of key exchange with a pre-shared key (RFC 9846 section 4.3.9; IANA "TLS PskKeyExchangeMode")."""

from __future__ import annotations

from tlsocket.registry.code_point import CodePoint

__all__ = ["PskKeyExchangeMode"]


class PskKeyExchangeMode(CodePoint):
    """`PskKeyExchangeMode` of RFC 9846 section 4.3.9."""

    PSK_KE = 0
    PSK_DHE_KE = 1
