"""Private keys behind a password: PKCS #8 EncryptedPrivateKeyInfo (RFC 5958 section 3), PBES2 (RFC 8018 section 6.2).

`cryptography` reads and writes these too, but writes 2048 rounds of PBKDF2, which guesses at a password hardly feel.
Ours has 600,000 with HMAC-SHA-256, and AES-256-CBC, which OpenSSL, GnuTLS and `cryptography` read. Reading, and the
plain form, are in `tlsocket.pki.keys`.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki import der

__all__ = ["DEFAULT_ROUNDS", "MAXIMUM_ROUNDS", "encrypt", "rounds_asked"]

DEFAULT_ROUNDS = 600_000
"""A tenth to half a second for each guess, and for each time that a key is loaded."""

MAXIMUM_ROUNDS = 10_000_000
"""What a file may ask of us before we refuse to compute that long."""

_OCTET_STRING = 0x04
_INTEGER = 0x02
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_WITH_SHA256 = bytes.fromhex("300c06082a864886f70d02090500")
_AES256_CBC = bytes.fromhex("060960864801650304012a")
_DEEPEST = 6


def encrypt(plain: bytes, password: bytes, rounds: int = DEFAULT_ROUNDS) -> bytes:
    """EncryptedPrivateKeyInfo in DER around the DER of a PrivateKeyInfo."""
    salt, iv = random_bytes(16), random_bytes(16)
    secret = hashlib.pbkdf2_hmac("sha256", password, salt, rounds, 32)
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    missing = 16 - len(plain) % 16
    encrypted = encryptor.update(plain + bytes([missing]) * missing) + encryptor.finalize()
    count = der.encode(_INTEGER, rounds.to_bytes(rounds.bit_length() // 8 + 1, "big"))
    derivation = der.encode(
        der.SEQUENCE,
        _PBKDF2,
        der.encode(der.SEQUENCE, der.encode(_OCTET_STRING, salt), count, _HMAC_WITH_SHA256),
    )
    scheme = der.encode(der.SEQUENCE, _AES256_CBC, der.encode(_OCTET_STRING, iv))
    algorithm = der.encode(der.SEQUENCE, _PBES2, der.encode(der.SEQUENCE, derivation, scheme))
    return der.encode(der.SEQUENCE, algorithm, der.encode(_OCTET_STRING, encrypted))


def rounds_asked(data: bytes) -> int:
    """The largest number among the parameters of an EncryptedPrivateKeyInfo, which bounds its rounds; 0 for none.

    Whatever the scheme: PBES2 with PBKDF2 or scrypt, or one of PKCS #5 or PKCS #12.
    """
    try:
        return _largest_integer(der.elements(der.split(data)[1])[0], _DEEPEST)
    except (der.DerError, IndexError):
        return 0


def _largest_integer(element: bytes, depth: int) -> int:
    tag, content, _ = der.split(element)
    if tag == _INTEGER:
        return int.from_bytes(content[:16], "big")
    if tag != der.SEQUENCE or depth == 0:
        return 0
    return max((_largest_integer(item, depth - 1) for item in der.elements(content)), default=0)
