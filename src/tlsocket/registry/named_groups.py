"""Code points of key exchange groups (RFC 9846 section 4.3.7; IANA "TLS Supported Groups").

Which of them this library can use is said in `tlsocket.crypto.groups`.
"""

from __future__ import annotations

from tlsocket.registry.code_point import CodePoint

__all__ = ["NamedGroup"]


class NamedGroup(CodePoint):
    """`NamedGroup` of RFC 9846 section 4.3.7 and the hybrids with ML-KEM."""

    SECP256R1 = 0x0017
    SECP384R1 = 0x0018
    SECP521R1 = 0x0019
    X25519 = 0x001D
    X448 = 0x001E

    BRAINPOOLP256R1TLS13 = 0x001F
    BRAINPOOLP384R1TLS13 = 0x0020
    BRAINPOOLP512R1TLS13 = 0x0021

    FFDHE2048 = 0x0100
    FFDHE3072 = 0x0101
    FFDHE4096 = 0x0102
    FFDHE6144 = 0x0103
    FFDHE8192 = 0x0104

    MLKEM512 = 0x0200
    MLKEM768 = 0x0201
    MLKEM1024 = 0x0202
    SECP256R1MLKEM768 = 0x11EB
    X25519MLKEM768 = 0x11EC
    SECP384R1MLKEM1024 = 0x11ED

    @property
    def spelling(self) -> str:
        """Curves are registered in lower case, most others in a case of their own."""
        return _SPELLINGS.get(self.value, self.name.lower())


_SPELLINGS = {
    0x001F: "brainpoolP256r1tls13",
    0x0020: "brainpoolP384r1tls13",
    0x0021: "brainpoolP512r1tls13",
    0x0200: "MLKEM512",
    0x0201: "MLKEM768",
    0x0202: "MLKEM1024",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}
