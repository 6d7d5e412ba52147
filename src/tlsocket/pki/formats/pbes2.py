"""PBES2 of PKCS #5 (RFC 8018) around content that is not a private key: the certificates of PKCS #12.

Keys are `tlsocket.pki.keys`'s and `tlsocket.pki.pkcs8`'s; what encrypts those encrypts these.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from tlsocket.pki import der, pkcs8
from tlsocket.pki.formats.trusted import decode_oid

__all__ = ["decrypt", "encrypt"]

_PBES2, _PBKDF2 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12"
_HMAC_SHA1 = "1.2.840.113549.2.7"
_HMACS: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    _HMAC_SHA1: hashes.SHA1,
    "1.2.840.113549.2.9": hashes.SHA256,
    "1.2.840.113549.2.10": hashes.SHA384,
    "1.2.840.113549.2.11": hashes.SHA512,
}
_AES_CBC = {"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32}


def encrypt(plain: bytes, password: bytes, rounds: int) -> tuple[bytes, bytes]:
    """The AlgorithmIdentifier and the ciphertext."""
    algorithm, octets = der.elements(der.split(pkcs8.encrypt(plain, password, rounds))[1])
    return algorithm, der.split(octets)[1]


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
