"""What every maker of certificates needs: signatures over bytes, key usages, dates, serial numbers.

Which extensions a certificate gets, and who may have one, is decided elsewhere in this package.
"""

from __future__ import annotations

import datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import KeyUsage

from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki import der
from tlsocket.pki.keys import PrivateKey, signature_hash

__all__ = [
    "BACKDATE",
    "DAY",
    "KEY_USAGE_BITS",
    "key_usage",
    "random_serial",
    "sign_bytes",
    "signature_algorithm",
    "utc",
]

DAY = 86400
"""Seconds."""

BACKDATE = 3600
"""Seconds: a clock that runs a little behind ours must accept a certificate that was made a moment ago."""

KEY_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
"""The bits of keyUsage in the order of RFC 5280 section 4.2.1.3, under the names that `cryptography` gives them."""

# AlgorithmIdentifiers of what `sign_bytes` makes (RFC 5758 section 3.2, RFC 4055 section 5, RFC 8410 section 3).
_ECDSA = {
    "sha256": bytes.fromhex("300a06082a8648ce3d040302"),
    "sha384": bytes.fromhex("300a06082a8648ce3d040303"),
    "sha512": bytes.fromhex("300a06082a8648ce3d040304"),
}
_RSA = {"sha256": bytes.fromhex("300d06092a864886f70d01010b0500")}


def random_serial() -> int:
    """159 random bits: unique without a counter, positive, and within 20 octets (RFC 5280 section 4.1.2.2)."""
    while True:
        serial = int.from_bytes(random_bytes(20), "big") >> 1
        if serial:
            return serial


def utc(seconds: float) -> datetime.datetime:
    """Seconds since 1970 as a date; certificates know no fractions."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)


def key_usage(*bits: str) -> KeyUsage:
    """A keyUsage extension with the bits named as in `KEY_USAGE_BITS`."""
    unknown = set(bits) - set(KEY_USAGE_BITS)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: no bit of keyUsage; there are {', '.join(KEY_USAGE_BITS)}")
    return KeyUsage(*(bit in bits for bit in KEY_USAGE_BITS))


def sign_bytes(key: PrivateKey, data: bytes) -> bytes:
    """A signature as certificates, CRLs and OCSP responses carry it; `signature_algorithm` names it."""
    algorithm = signature_hash(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and algorithm is not None:
        return key.sign(data, ec.ECDSA(algorithm))
    if isinstance(key, rsa.RSAPrivateKey) and algorithm is not None:
        return key.sign(data, padding.PKCS1v15(), algorithm)
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return key.sign(data)
    raise TypeError(f"{type(key).__name__} cannot sign a certificate")


def signature_algorithm(key: PrivateKey) -> bytes:
    """The AlgorithmIdentifier, in DER, of what `sign_bytes` makes with this key."""
    algorithm = signature_hash(key)
    if algorithm is None:
        number = b"\x71" if isinstance(key, ed448.Ed448PrivateKey) else b"\x70"
        return der.encode(der.SEQUENCE, b"\x06\x03\x2b\x65" + number)
    return (_RSA if isinstance(key, rsa.RSAPrivateKey) else _ECDSA)[algorithm.name]
