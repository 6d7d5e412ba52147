"""The pseudorandom function of TLS 1.2 (RFC 5246 section 5) on `hashlib` objects.

    PRF(secret, label, seed) = P_hash(secret, label + seed)

    P_hash(secret, seed) = HMAC_hash(secret, A(1) + seed) + HMAC_hash(secret, A(2) + seed) + ...
    A(0) = seed, A(i) = HMAC_hash(secret, A(i-1))

The hash is the cipher suite's. Which labels exist and what they mean is `tlsocket.key_schedule`'s.
"""

from __future__ import annotations

from tlsocket.crypto.hashes import HashAlgorithm
from tlsocket.crypto.hkdf import hmac_state, hmac_with

__all__ = ["prf"]


def prf(algorithm: HashAlgorithm, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """PRF(secret, label, seed), cut to `length` bytes."""
    # One state for all of them, copied for each: see `tlsocket.crypto.hkdf`.
    state = hmac_state(algorithm, secret)
    seed = label + seed
    link = hmac_with(state, seed)
    output = hmac_with(state, link + seed)
    while len(output) < length:
        link = hmac_with(state, link)
        output += hmac_with(state, link + seed)
    return output[:length]
