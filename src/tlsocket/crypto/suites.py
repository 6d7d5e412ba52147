"""The AEAD cipher suites of TLS 1.3 (RFC 9846 appendix B.4) and how long one key of each may be used.

A suite names its AEAD, its hash and its sizes. What is sealed under it is the record layer's business; which secret
the key comes from is `tlsocket.key_schedule`'s. The suites of TLS 1.2 are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tlsocket.crypto.hashes import SHA256, SHA384, HashAlgorithm
from tlsocket.registry.cipher_suites import CipherSuiteCode

__all__ = ["AEAD", "DEFAULT_TLS13_SUITES", "TLS13_SUITES", "CipherSuite"]


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
