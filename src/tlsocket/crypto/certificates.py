"""Certificates as the handshake needs them: parsed once, and the key inside (RFC 9846 section 4.5.1).

Parsing costs 1 us and the key another 5, and a client sees the same few certificates again and again, so parsed ones
are kept, with their keys, in a bounded cache. A cached certificate has passed no check: trust, names and dates
are `tlsocket.pki`'s.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import PublicKeyAlgorithmOID

from tlsocket.crypto.library import serialization
from tlsocket.crypto.suites import CertificateKind
from tlsocket.errors import InvalidMessage, PeerMisbehaved, Reason
from tlsocket.registry.named_groups import NamedGroup

__all__ = [
    "PARSE_ERRORS",
    "PSSPublicKey",
    "PublicKey",
    "certificate_kind",
    "certificate_public_key",
    "clear_cache",
    "curve_of",
    "demand_digital_signature",
    "host_names",
    "parse_certificate",
    "same_key",
    "shared_der",
    "validity",
]


@dataclass(frozen=True, slots=True)
class PSSPublicKey:
    """An RSA key whose certificate says id-RSASSA-PSS (RFC 4055), so that it may sign with PSS only.

    `cryptography` hands such a key out as an ordinary `RSAPublicKey`; the restriction is visible only in the
    certificate, and the choice between rsa_pss_pss_* and rsa_pss_rsae_* hangs on it.
    """

    key: rsa.RSAPublicKey
    hash_name: str | None = None
    """The only hash that the key's parameters allow; None: no parameters, any hash; "": none that TLS has."""

    def allows(self, hash_name: str) -> bool:
        """Whether the key's parameters allow PSS with this hash."""
        return self.hash_name is None or self.hash_name == hash_name


PublicKey = (
    ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey | PSSPublicKey
)
"""The keys that a certificate may carry in a handshake of ours."""


PARSE_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    # A number that it does not know in the TLS feature extension (RFC 7633).
    KeyError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UserWarning,
)
"""What `cryptography` raises when a field of a hostile certificate is looked at; it parses lazily.

Its warnings (of a serial number that RFC 5280 section 4.1.2.2 forbids, of a name that is too long) are among them
because a program may turn warnings into errors.
"""

# Roots of real stores have to do with a serial number of zero, and so have people's own certificates; OpenSSL takes
# them. A user can do nothing about the warning, which would be shown for whatever of ours looks at one. It is silenced
# where our modules are what it is about, and nowhere else.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module=r"tlsocket\.")


# Two generations: a certificate is looked up in the young one, then in the old one, from which a hit moves it back.
# When the young one is full it becomes the old one. That keeps what is used and forgets what is not, without a lock
# and without reordering on a hit; two threads racing lose at worst a cache entry. A peer can fill it with
# certificates that it invents, hence both bounds: at most 2 * 256 entries of at most 8 KiB of DER.
_GENERATION = 256
_CACHEABLE = 8192
_young: dict[bytes, tuple[x509.Certificate, bytes]] = {}
_old: dict[bytes, tuple[x509.Certificate, bytes]] = {}


def parse_certificate(der: bytes) -> x509.Certificate:
    """The certificate encoded in `der`; InvalidMessage when it is none. The object may be shared: it is immutable."""
    kept = _young.get(der)
    if kept is not None:
        return kept[0]
    kept = _old.get(der)
    if kept is not None:
        certificate, der = kept
    else:
        try:
            certificate = x509.load_der_x509_certificate(der)
        except PARSE_ERRORS as error:
            raise InvalidMessage(Reason.INVALID_CERTIFICATE_ENCODING, str(error)) from None
    if len(der) <= _CACHEABLE:
        _remember(der, certificate)
    return certificate


def shared_der(der: bytes) -> bytes:
    """The bytes object that is kept for an encoding, if one is: connections to one server share it."""
    kept = _young.get(der)
    return der if kept is None else kept[1]


def _remember(der: bytes, certificate: x509.Certificate) -> None:
    global _young, _old  # two names that swap places
    if len(_young) >= _GENERATION:
        _old = _young
        _young = {}
    _young[der] = certificate, der


def validity(certificates: Iterable[bytes]) -> tuple[float, float]:
    """From when until when all of these are valid, in seconds since 1970. InvalidMessage for what is no certificate."""
    start, end = float("-inf"), float("inf")
    for der in certificates:
        certificate = parse_certificate(der)
        try:
            start = max(start, certificate.not_valid_before_utc.timestamp())
            end = min(end, certificate.not_valid_after_utc.timestamp())
        except PARSE_ERRORS as error:
            raise InvalidMessage(Reason.INVALID_CERTIFICATE_ENCODING, str(error)) from None
    return start, end


def clear_cache() -> None:
    """Forget every parsed certificate."""
    global _young, _old  # as above
    _young = {}
    _old = {}


def certificate_public_key(certificate: x509.Certificate) -> PublicKey:
    """The key of a certificate. PeerMisbehaved when it is of a kind that no signature scheme of ours uses."""
    try:
        key = certificate.public_key()
    except PARSE_ERRORS as error:
        raise PeerMisbehaved(Reason.UNSUPPORTED_CERTIFICATE_KEY, str(error)) from None
    if isinstance(key, rsa.RSAPublicKey):
        if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
            return PSSPublicKey(key, _pss_hash(certificate.tbs_certificate_bytes))
        return key
    if isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return key
    raise PeerMisbehaved(Reason.UNSUPPORTED_CERTIFICATE_KEY, type(key).__name__)


def host_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names in subjectAltName, lower case; none where that cannot be read. For choosing among our own only."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return ()
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))


def same_key(first: object, second: object) -> bool:
    """Whether two public keys are the same, however their restrictions to PSS are written."""
    forms = serialization()
    bare: list[Any] = [key.key if isinstance(key, PSSPublicKey) else key for key in (first, second)]
    try:
        encoded = [key.public_bytes(forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo) for key in bare]
    except (AttributeError, TypeError, ValueError):
        return False
    return bool(encoded[0] == encoded[1])


def certificate_kind(key: PublicKey) -> CertificateKind:
    """Which cipher suites of TLS 1.2 a certificate with this key goes with."""
    return CertificateKind.RSA if isinstance(key, (rsa.RSAPublicKey, PSSPublicKey)) else CertificateKind.ECDSA


_CURVES = {
    "secp256r1": NamedGroup.SECP256R1.value,
    "secp384r1": NamedGroup.SECP384R1.value,
    "secp521r1": NamedGroup.SECP521R1.value,
}


def curve_of(key: PublicKey) -> int | None:
    """The NamedGroup of an ECDSA key's curve; None: it has none, or one that TLS does not know."""
    return _CURVES.get(key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else None


def demand_digital_signature(certificate: x509.Certificate) -> None:
    """PeerMisbehaved unless the certificate's key may sign.

    RFC 9846 section 4.5.1.2: "the digitalSignature bit MUST be set if the Key Usage extension is present"; with ECDHE
    the same holds in TLS 1.2 (RFC 5246 section 7.4.2). Extensions that cannot be parsed are left to whoever verifies
    the path.
    """
    try:
        for extension in certificate.extensions:
            # By type, without a search by OID: 0.1 us instead of 1.
            if type(extension.value) is x509.KeyUsage and not extension.value.digital_signature:
                raise PeerMisbehaved(Reason.KEY_USAGE_FORBIDS_SIGNING)
    except PARSE_ERRORS:
        return


# RFC 9846 section 4.3.3 for rsa_pss_pss_*: the parameters of the key, where present, bind the signature. `cryptography`
# drops them, so they are read here, from bytes that it has found to be well-formed. A scheme of TLS has one hash, MGF1
# with the same, and a salt of its length. The salt length in a key is the least that it allows, as OpenSSL takes it
# too: its own tool writes 0 there when told nothing.
_OID_MGF1 = bytes.fromhex("06092a864886f70d010108")
_HASHES = {
    "sha256": (bytes.fromhex("0609608648016503040201"), 32),
    "sha384": (bytes.fromhex("0609608648016503040202"), 48),
    "sha512": (bytes.fromhex("0609608648016503040203"), 64),
}


def _tlv(*parts: bytes, tag: int = 0x30) -> bytes:
    content = b"".join(parts)
    return bytes((tag, len(content))) + content


def _pss_prefixes() -> dict[bytes, tuple[str, int]]:
    prefixes = {}
    for name, (oid, salt_length) in _HASHES.items():
        # RFC 4055 section 2.1: the hash's own parameters are NULL or absent, and both must be accepted.
        for algorithm in (_tlv(oid, b"\x05\x00"), _tlv(oid)):
            prefix = _tlv(algorithm, tag=0xA0) + _tlv(_tlv(_OID_MGF1, algorithm), tag=0xA1)
            prefixes[prefix] = name, salt_length
    return prefixes


_PSS_PREFIXES = _pss_prefixes()


def _element(data: bytes, start: int) -> tuple[int, int]:
    """Where the content of the DER element at `start` begins and ends."""
    length = data[start + 1]
    begin = start + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    return begin, begin + length


def _pss_hash(certificate: bytes) -> str | None:
    """`PSSPublicKey.hash_name` for a TBSCertificate."""
    position, _ = _element(certificate, 0)
    if certificate[position] == 0xA0:  # version, absent in a certificate of version 1
        _, position = _element(certificate, position)
    for _ in range(5):  # serialNumber, signature, issuer, validity, subject
        _, position = _element(certificate, position)
    position, _ = _element(certificate, position)  # subjectPublicKeyInfo
    position, end = _element(certificate, position)  # its AlgorithmIdentifier
    _, position = _element(certificate, position)  # past the OID
    if position == end:
        return None
    begin, end = _element(certificate, position)
    parameters = certificate[begin:end]
    for prefix, (name, salt_length) in _PSS_PREFIXES.items():
        if parameters.startswith(prefix) and _least_salt(parameters[len(prefix) :]) <= salt_length:
            return name
    return ""


def _least_salt(field: bytes) -> int:
    """The saltLength of RSASSA-PSS-params, by default 20 (RFC 4055 section 3.1)."""
    if not field:
        return 20
    begin, _ = _element(field, 0)
    begin, end = _element(field, begin)
    return int.from_bytes(field[begin:end], "big")
