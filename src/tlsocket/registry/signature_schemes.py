"""Code points of signature schemes (RFC 9846 section 4.3.3; IANA "TLS SignatureScheme").

Which of them this library signs and verifies with, and with which keys, is said in `tlsocket.crypto.signatures`.
"""

from __future__ import annotations

from tlsocket.registry.code_point import CodePoint

__all__ = ["SignatureScheme"]


class SignatureScheme(CodePoint):
    """`SignatureScheme` of RFC 9846 section 4.3.3, with schemes that other documents registered."""

    RSA_PKCS1_SHA256 = 0x0401
    RSA_PKCS1_SHA384 = 0x0501
    RSA_PKCS1_SHA512 = 0x0601

    ECDSA_SECP256R1_SHA256 = 0x0403
    ECDSA_SECP384R1_SHA384 = 0x0503
    ECDSA_SECP521R1_SHA512 = 0x0603

    RSA_PSS_RSAE_SHA256 = 0x0804
    RSA_PSS_RSAE_SHA384 = 0x0805
    RSA_PSS_RSAE_SHA512 = 0x0806

    ED25519 = 0x0807
    ED448 = 0x0808

    RSA_PSS_PSS_SHA256 = 0x0809
    RSA_PSS_PSS_SHA384 = 0x080A
    RSA_PSS_PSS_SHA512 = 0x080B

    # RFC 8734
    ECDSA_BRAINPOOLP256R1TLS13_SHA256 = 0x081A
    ECDSA_BRAINPOOLP384R1TLS13_SHA384 = 0x081B
    ECDSA_BRAINPOOLP512R1TLS13_SHA512 = 0x081C

    MLDSA44 = 0x0904
    MLDSA65 = 0x0905
    MLDSA87 = 0x0906

    RSA_PKCS1_SHA1 = 0x0201
    ECDSA_SHA1 = 0x0203

    @property
    def spelling(self) -> str:
        """Schemes are registered in lower case, but for the P of brainpoolP."""
        return self.name.lower().replace("brainpoolp", "brainpoolP")
