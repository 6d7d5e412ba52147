"""The hash functions of the cipher suites (RFC 9846 appendix B.4), as `hashlib` gives them.

`hashlib` rather than `cryptography`: its objects cost a third per call, and the key schedule is nothing but calls.
What is computed with a hash is in `tlsocket.crypto.hkdf`; the running hash of a handshake in `tlsocket.transcript`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["SHA256", "SHA384", "SHA512", "Hash", "HashAlgorithm"]


class Hash(Protocol):
    """What we use of a `hashlib` object."""

    def update(self, data: bytes, /) -> None:
        """Hash `data` too."""

    def digest(self) -> bytes:
        """The digest of everything so far; more may follow."""

    def copy(self) -> Hash:
        """An independent object in the same state."""


@dataclass(frozen=True, slots=True, eq=False)
class HashAlgorithm:
    """One hash function. Compared by identity: there is one object for each."""

    name: str
    """The name `hashlib` knows it by."""
    new: Callable[[bytes], Hash]
    """Makes an object that has hashed the argument."""
    digest_size: int
    block_size: int
    empty_digest: bytes
    """Digest of the empty string, the `""` in `Derive-Secret(., "derived", "")` of RFC 9846 section 7.1."""
    zeros: bytes
    """`digest_size` zero bytes, the `0` in the diagram of RFC 9846 section 7.1."""

    def digest(self, data: bytes) -> bytes:
        """The digest of `data`."""
        return self.new(data).digest()


def _algorithm(name: str, new: Callable[[bytes], Hash], digest_size: int, block_size: int) -> HashAlgorithm:
    return HashAlgorithm(name, new, digest_size, block_size, new(b"").digest(), bytes(digest_size))


SHA256 = _algorithm("sha256", hashlib.sha256, 32, 64)
SHA384 = _algorithm("sha384", hashlib.sha384, 48, 128)
SHA512 = _algorithm("sha512", hashlib.sha512, 64, 128)
