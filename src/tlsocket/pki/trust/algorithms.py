"""Signature algorithms of certificates and lists, and what is said of the strength of keys.

Algorithm identifiers are those of RFC 3279, 4055, 5758 and 8410, compared as DER. Signatures are checked by
`cryptography`. Which of them a profile accepts stands in `profiles`; whether a certificate is judged by them, in
`checks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from tlsocket.crypto.library import ecdsa
from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS

__all__ = [
    "BROKEN_ALGORITHMS",
    "KEY_ERRORS",
    "SignatureAlgorithm",
    "describe_algorithm",
    "key_strength",
    "signature_algorithm",
    "signature_is_right",
]

KEY_ERRORS = (*PARSE_ERRORS, InvalidSignature)
"""What `cryptography` may raise for a hostile key or signature."""

_Verify = Callable[[Any, bytes, bytes, Any], None]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """One algorithm: its name (key kind and hash), and how a signature is checked."""

    name: str
    key_type: type
    arguments: tuple[Any, ...]
    """What `verify` of the key wants; of ECDSA the class of the hash, as the rest is made when needed."""

    def verify(self, key: Any, signature: bytes, data: bytes) -> None:
        """Raises InvalidSignature."""
        if self.key_type is ec.EllipticCurvePublicKey:
            key.verify(signature, data, ecdsa(*self.arguments))
        else:
            key.verify(signature, data, *self.arguments)


_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_OIDS = {
    "ecdsa": {
        "sha1": "06072a8648ce3d0401",
        "sha224": "06082a8648ce3d040301",
        "sha256": "06082a8648ce3d040302",
        "sha384": "06082a8648ce3d040303",
        "sha512": "06082a8648ce3d040304",
    },
    "rsa": {
        "sha1": "06092a864886f70d010105",
        "sha224": "06092a864886f70d01010e",
        "sha256": "06092a864886f70d01010b",
        "sha384": "06092a864886f70d01010c",
        "sha512": "06092a864886f70d01010d",
    },
}
_PSS = bytes.fromhex("06092a864886f70d01010a")
_RSA_PSS_ONLY = _PSS
_NULL = b"\x05\x00"

BROKEN_ALGORITHMS = {
    bytes.fromhex("06092a864886f70d010102"): "rsa-md2",
    bytes.fromhex("06092a864886f70d010104"): "rsa-md5",
    bytes.fromhex("06072a8648ce380403"): "dsa-sha1",
    bytes.fromhex("0609608648016503040302"): "dsa-sha256",
}
"""Named so that a refusal can say what it refuses; never verified."""


def _table() -> dict[bytes, SignatureAlgorithm]:
    table = {}
    for name, algorithm in _HASHES.items():
        oid = bytes.fromhex(_OIDS["ecdsa"][name])
        curve = SignatureAlgorithm(f"ecdsa-{name}", ec.EllipticCurvePublicKey, (type(algorithm),))
        table[der.encode(der.SEQUENCE, oid)] = curve
        oid = bytes.fromhex(_OIDS["rsa"][name])
        plain = SignatureAlgorithm(f"rsa-{name}", rsa.RSAPublicKey, (padding.PKCS1v15(), algorithm))
        # RFC 4055 section 5: the parameters are NULL, and absent ones must be accepted.
        table[der.encode(der.SEQUENCE, oid, _NULL)] = plain
        table[der.encode(der.SEQUENCE, oid)] = plain
    table[bytes.fromhex("300506032b6570")] = SignatureAlgorithm("ed25519", ed25519.Ed25519PublicKey, ())
    table[bytes.fromhex("300506032b6571")] = SignatureAlgorithm("ed448", ed448.Ed448PublicKey, ())
    return table


_ALGORITHMS = _table()


def signature_algorithm(
    identifier: bytes, owner: x509.Certificate | x509.CertificateRevocationList
) -> SignatureAlgorithm | None:
    """The algorithm of an AlgorithmIdentifier in DER; None when it is not one of ours.

    `owner` is the object that was signed with it: its parser knows the parameters of RSASSA-PSS.
    """
    found = _ALGORITHMS.get(identifier)
    if found is None and identifier.find(_PSS, 2, 17) > 0:
        return _pss(owner)
    return found


def _pss(owner: Any) -> SignatureAlgorithm | None:
    try:
        parameters = owner.signature_algorithm_parameters
        algorithm = owner.signature_hash_algorithm
    except PARSE_ERRORS:
        return None
    if not isinstance(parameters, padding.PSS) or algorithm is None or algorithm.name not in _HASHES:
        return None
    if parameters.mgf._algorithm.name != algorithm.name:
        return None
    return SignatureAlgorithm(f"rsa-pss-{algorithm.name}", rsa.RSAPublicKey, (parameters, algorithm))


_KINDS: dict[tuple[type, type], bool] = {}


def _is_kind(key: object, kind: type) -> bool:
    """`isinstance`, remembered: `cryptography`'s classes are abstract ones, which take half a microsecond to ask."""
    pair = type(key), kind
    known = _KINDS.get(pair)
    if known is None:
        known = _KINDS[pair] = isinstance(key, kind)
    return known


def describe_algorithm(identifier: bytes, owner: x509.Certificate | x509.CertificateRevocationList) -> str:
    """Its name, or its object identifier in dotted form."""
    found = signature_algorithm(identifier, owner)
    if found is not None:
        return found.name
    for oid, name in BROKEN_ALGORITHMS.items():
        if identifier.find(oid, 2, 17) > 0:
            return name
    try:
        return owner.signature_algorithm_oid.dotted_string
    except PARSE_ERRORS:
        return "an unknown algorithm"


def signature_is_right(
    identifier: bytes,
    owner: x509.Certificate | x509.CertificateRevocationList,
    signature: bytes,
    data: bytes,
    issuer: x509.Certificate,
    issuer_key_info: bytes,
) -> bool:
    """Whether the issuer's key made the signature. Never raises for what bytes contain."""
    algorithm = signature_algorithm(identifier, owner)
    if algorithm is None:
        return False
    try:
        key = issuer.public_key()
        if not _is_kind(key, algorithm.key_type):
            return False
        if algorithm.name.startswith("rsa-sha") and issuer_key_info.find(_RSA_PSS_ONLY, 4, 24) > 0:
            return False  # RFC 4055 section 1.2: such a key is for PSS only
        algorithm.verify(key, signature, data)
    except KEY_ERRORS:
        return False
    return True


def key_strength(certificate: x509.Certificate) -> tuple[str, int]:
    """The kind of a certificate's key (`rsa`, a curve's name, `ed25519`, `dsa`, ...) and its size in bits.

    `("unreadable", 0)` when it cannot be parsed, such as a curve that is not named.
    """
    try:
        key: Any = certificate.public_key()
    except (*PARSE_ERRORS, UnsupportedAlgorithm):
        return "unreadable", 0
    if _is_kind(key, ec.EllipticCurvePublicKey):
        return key.curve.name, key.key_size
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519", 256
    if isinstance(key, ed448.Ed448PublicKey):
        return "ed448", 456
    return type(key).__name__.removesuffix("PublicKey").lower(), getattr(key, "key_size", 0)
