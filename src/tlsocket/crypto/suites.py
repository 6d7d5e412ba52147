"""The AEAD cipher suites of TLS 1.3 (RFC 9846 appendix B.4) and TLS 1.2, and how long one key of each may be used.

A suite names its AEAD, its hash and its sizes; one of TLS 1.2 also the kind of certificate that goes with it. What is
sealed under it is the record layer's business; which secret the key comes from is `tlsocket.key_schedule`'s. Of TLS 1.2
only what has forward secrecy and an AEAD is here, and nothing else ever will be.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tlsocket.crypto.hashes import SHA256, SHA384, HashAlgorithm
from tlsocket.registry.cipher_suites import CipherSuiteCode

__all__ = [
    "AEAD",
    "DEFAULT_TLS12_SUITES",
    "DEFAULT_TLS13_SUITES",
    "PSK_SUITES",
    "TLS12_SUITES",
    "TLS13_SUITES",
    "CertificateKind",
    "CipherSuite",
    "Tls12CipherSuite",
]


class AEAD(Protocol):
    """What the record layer uses of an AEAD object of `cryptography`."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Plaintext, or InvalidTag."""


@dataclass(frozen=True, slots=True, eq=False)
class CipherSuite:
    """One cipher suite. Compared by identity: there is one object for each code point."""

    code: int
    name: str
    """The name in the IANA registry."""
    openssl_name: str
    """The name OpenSSL and `ssl` use (for TLS 1.3 the same)."""
    hash: HashAlgorithm
    aead: Callable[[bytes], AEAD]
    """`aead(key)` is the AEAD object of `cryptography` for that key."""
    key_length: int
    bits: int
    """Strength of the cipher, as `SSLSocket.cipher()` reports it."""
    confidentiality_limit: int
    """Records that may be sealed under one key."""
    integrity_limit: int
    """Records that may fail to open under one key."""
    iv_length: int = 12
    tag_length: int = 16


class CertificateKind(enum.Enum):
    """Which certificates a TLS 1.2 suite goes with."""

    ECDSA = "ecdsa"
    """An EC key, or Ed25519 and Ed448 (RFC 8422 section 5.10)."""
    RSA = "rsa"
    """An RSA key, with or without the restriction to PSS."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tls12CipherSuite(CipherSuite):
    """A suite of TLS 1.2: ECDHE, an AEAD, and the kind of certificate that signs, or a pre-shared key."""

    authentication: CertificateKind | None
    """None: a pre-shared key, and no certificate at all (RFC 5489)."""
    fixed_iv_length: int
    """Bytes of the nonce from the key block: 4, and 8 more are in each record (RFC 5288); 12, and none (RFC 7905)."""


# RFC 9846 section 5.5: "up to 2^24.5 full-size records (about 24 million) may be encrypted under a given set of keys".
# The floor of 2^24.5; the record layer counts every record as a full one, which errs on the safe side.
_AES_GCM_SEAL_LIMIT = 23_726_566

# RFC 9846 section 5.5: for ChaCha20-Poly1305 "the record sequence number would wrap before the safety limit is
# reached". The sequence number has 64 bits; 2^62 leaves room to update the keys, and fits a signed counter.
_CHACHA20_POLY1305_SEAL_LIMIT = 1 << 62

# TLS over TCP ends at the first forgery, so one would do; RFC 9001 section 6.6, with the same AEADs and a transport
# that survives forgeries, sets 2^52 for AES-GCM and 2^36 for ChaCha20-Poly1305. The lower of both is taken for all:
# nothing of ours ever comes near it, and early data that a server skips by trial (RFC 9846 section 4.3.10) has its own,
# far lower budget.
_INTEGRITY_LIMIT = 1 << 36

_ALL = (
    CipherSuite(
        CipherSuiteCode.TLS_AES_128_GCM_SHA256.value,
        "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256",
        SHA256, AESGCM, 16, 128, _AES_GCM_SEAL_LIMIT, _INTEGRITY_LIMIT,
    ),
    CipherSuite(
        CipherSuiteCode.TLS_AES_256_GCM_SHA384.value,
        "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384",
        SHA384, AESGCM, 32, 256, _AES_GCM_SEAL_LIMIT, _INTEGRITY_LIMIT,
    ),
    CipherSuite(
        CipherSuiteCode.TLS_CHACHA20_POLY1305_SHA256.value,
        "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
        SHA256, ChaCha20Poly1305, 32, 256, _CHACHA20_POLY1305_SEAL_LIMIT, _INTEGRITY_LIMIT,
    ),
)  # fmt: skip

TLS13_SUITES: dict[int, CipherSuite] = {suite.code: suite for suite in _ALL}
"""Every TLS 1.3 suite that we support, by code point."""

DEFAULT_TLS13_SUITES: tuple[int, ...] = tuple(suite.code for suite in _ALL)
"""Our preference. AES-128 first, as browsers do: SHA-256 costs a server 9 % less per handshake than SHA-384."""


def _tls12(name: str, openssl_name: str, kind: CertificateKind | None, like: CipherSuite) -> Tls12CipherSuite:
    """A suite with the AEAD and the hash of one of TLS 1.3, whose limits are the AEAD's own."""
    return Tls12CipherSuite(
        CipherSuiteCode[name].value,
        name,
        openssl_name,
        like.hash,
        like.aead,
        like.key_length,
        like.bits,
        like.confidentiality_limit,
        like.integrity_limit,
        authentication=kind,
        fixed_iv_length=4 if like.aead is AESGCM else 12,
    )


_AES_128, _AES_256, _CHACHA20 = _ALL
_ECDSA, _RSA = CertificateKind.ECDSA, CertificateKind.RSA

_ALL_TLS12 = (
    _tls12("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", _ECDSA, _AES_128),
    _tls12("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", _RSA, _AES_128),
    _tls12("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", _ECDSA, _AES_256),
    _tls12("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", _RSA, _AES_256),
    _tls12("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", _ECDSA, _CHACHA20),
    _tls12("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", _RSA, _CHACHA20),
)

_ALL_PSK = (
    _tls12("TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "ECDHE-PSK-AES128-GCM-SHA256", None, _AES_128),
    _tls12("TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384", "ECDHE-PSK-AES256-GCM-SHA384", None, _AES_256),
    _tls12("TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305", None, _CHACHA20),
)

TLS12_SUITES: dict[int, Tls12CipherSuite] = {suite.code: suite for suite in (*_ALL_TLS12, *_ALL_PSK)}
"""Every TLS 1.2 suite that we support, by code point (RFC 5289, RFC 7905, RFC 8442)."""

PSK_SUITES: tuple[int, ...] = tuple(suite.code for suite in _ALL_PSK)
"""Those with a pre-shared key, which are to be asked for."""

DEFAULT_TLS12_SUITES: tuple[int, ...] = tuple(suite.code for suite in _ALL_TLS12)
"""Our preference: the AEADs in the order of TLS 1.3, ECDSA before RSA, which costs a server ten times as much."""
