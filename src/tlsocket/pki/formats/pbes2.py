"""PBES2 of PKCS #5 (RFC 8018): AES-256-CBC under a key that PBKDF2 with HMAC-SHA-256 makes of a password.

`cryptography` encrypts private keys with 2048 rounds, which a graphics card tries by the million in a second; what we
keep on disk for years is made here, with a number of rounds that is chosen. It reads any of these, also through
`tlsocket.pki.keys`; decrypting is here for what is not a key.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki import der
from tlsocket.pki.formats.trusted import decode_oid, encode_oid
from tlsocket.pki.keys import PrivateKey

__all__ = ["ITERATIONS", "decrypt", "encrypt", "private_key_der", "private_key_text"]

ITERATIONS = 600_000
"""Rounds for keys at rest, as OWASP advises for PBKDF2 with SHA-256; 0.1 s to open one, once in a process."""

_INTEGER, _OCTETS, _NULL = 0x02, 0x04, 0x05
_PBES2, _PBKDF2 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12"
_HMAC_SHA1, _HMAC_SHA256 = "1.2.840.113549.2.7", "1.2.840.113549.2.9"
_HMACS: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    _HMAC_SHA1: hashes.SHA1,
    _HMAC_SHA256: hashes.SHA256,
    "1.2.840.113549.2.10": hashes.SHA384,
    "1.2.840.113549.2.11": hashes.SHA512,
}
_AES256_CBC = "2.16.840.1.101.3.4.1.42"
_AES_CBC = {"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, _AES256_CBC: 32}


def encrypt(plain: bytes, password: bytes, iterations: int) -> tuple[bytes, bytes]:
    """The AlgorithmIdentifier and the ciphertext."""
    salt, vector = random_bytes(16), random_bytes(16)
    key = PBKDF2HMAC(hashes.SHA256(), 32, salt, iterations).derive(password)
    padding = 16 - len(plain) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(plain + bytes((padding,)) * padding) + encryptor.finalize()
    function = _sequence(encode_oid(_HMAC_SHA256), der.encode(_NULL))
    # The length of the key is left out, as OpenSSL has it: the cipher says it.
    derivation = _sequence(
        encode_oid(_PBKDF2), _sequence(der.encode(_OCTETS, salt), der.encode_integer(iterations), function)
    )
    scheme = _sequence(encode_oid(_AES256_CBC), der.encode(_OCTETS, vector))
    return _sequence(encode_oid(_PBES2), _sequence(derivation, scheme)), encrypted


def decrypt(algorithm: bytes, encrypted: bytes, password: bytes) -> bytes | None:
    """The plaintext, or None when the algorithm is not PBES2 with AES. Raises `DerError` or ValueError."""
    identifier, parameters = der.elements(der.split(algorithm)[1])[:2]
    if decode_oid(identifier) != _PBES2:
        return None
    derivation, scheme = der.elements(der.split(parameters)[1])[:2]
    kdf_id, kdf_parameters = der.elements(der.split(derivation)[1])[:2]
    cipher_id, vector = der.elements(der.split(scheme)[1])[:2]
    length = _AES_CBC.get(decode_oid(cipher_id))
    if decode_oid(kdf_id) != _PBKDF2 or length is None:
        return None
    salt, rounds, *others = der.elements(der.split(kdf_parameters)[1])
    function = _HMAC_SHA1
    for other in others:
        if other[0] == der.SEQUENCE:
            function = decode_oid(der.elements(der.split(other)[1])[0])
    if function not in _HMACS:
        return None
    iterations = int.from_bytes(der.split(rounds)[1], "big")
    key = PBKDF2HMAC(_HMACS[function](), length, der.split(salt)[1], iterations).derive(password)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(der.split(vector)[1])).decryptor()
    padded = decryptor.update(encrypted) + decryptor.finalize()
    if not padded or not 1 <= padded[-1] <= 16:
        raise der.DerError("wrong padding")
    return padded[: -padded[-1]]


def private_key_der(key: PrivateKey, password: bytes | None, *, iterations: int = ITERATIONS) -> bytes:
    """PKCS #8: PrivateKeyInfo, or EncryptedPrivateKeyInfo (RFC 5958 section 3) when there is a password."""
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if not password:
        return plain
    algorithm, encrypted = encrypt(plain, password, iterations)
    return _sequence(algorithm, der.encode(_OCTETS, encrypted))


def private_key_text(key: PrivateKey, password: bytes | None, *, iterations: int = ITERATIONS) -> bytes:
    """The same in PEM (RFC 7468 sections 10 and 11)."""
    label = b"ENCRYPTED PRIVATE KEY" if password else b"PRIVATE KEY"
    text = b64encode(private_key_der(key, password, iterations=iterations))
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN %s-----" % label, *lines, b"-----END %s-----" % label, b""])


def _sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, *parts)
