"""The PRF of TLS 1.2 against RFC 5246 section 5 written once more, on the standard library's `hmac`."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tlsocket.crypto.hashes import SHA256, SHA384, HashAlgorithm
from tlsocket.crypto.prf import prf


def expected(name: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """P_hash(secret, seed)."""
    output, link = b"", seed
    while len(output) < length:
        link = hmac.new(secret, link, name).digest()
        output += hmac.new(secret, link + seed, name).digest()
    return output[:length]


@pytest.mark.parametrize("algorithm", [SHA256, SHA384], ids=lambda each: each.name)
@pytest.mark.parametrize("length", [0, 1, 12, 31, 32, 33, 48, 88, 100, 1000])
@pytest.mark.parametrize("secret_length", [0, 1, 48, 64, 65, 200])
def test_prf(algorithm: HashAlgorithm, length: int, secret_length: int) -> None:
    secret = hashlib.shake_128(b"secret").digest(secret_length)
    made = prf(algorithm, secret, b"test label", b"seed" * 9, length)
    assert made == expected(algorithm.name, secret, b"test label" + b"seed" * 9, length)
