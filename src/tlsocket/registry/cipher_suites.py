"""Code points of cipher suites (RFC 9846 appendix B.4; IANA "TLS Cipher Suites").

Numbers and names only. What a suite consists of, and which ones this library can use, is in
`tlsocket.crypto.suites`; suites that it will never use (CBC, RSA key exchange) are printed as numbers.
"""

from __future__ import annotations

from tlsocket.registry.code_point import CodePoint

__all__ = ["CipherSuiteCode"]


class CipherSuiteCode(CodePoint):
    """`CipherSuite` of RFC 9846 section 4.2.2 and the AEAD suites of TLS 1.2."""

    # RFC 9846 appendix B.4
    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_AES_128_CCM_SHA256 = 0x1304
    TLS_AES_128_CCM_8_SHA256 = 0x1305

    # RFC 5289
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xC02B
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xC02C
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xC02F
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xC030

    # RFC 7905
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA8
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA9
    TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 = 0xCCAC

    # RFC 8442
    TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 = 0xD001
    TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384 = 0xD002

    # Signals, not suites: RFC 5746 section 3.3 and RFC 7507
    TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
    TLS_FALLBACK_SCSV = 0x5600

    @property
    def spelling(self) -> str:
        """Cipher suites are registered in capitals."""
        return self.name
