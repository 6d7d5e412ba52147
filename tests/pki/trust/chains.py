"""A maker of certificates of every shape, good and broken, for the tests of trust. Not for anything else."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlsocket.pki import der
from tlsocket.pki.keys import generate_private_key

__all__ = ["HOST", "NOW", "Made", "bits", "crl", "entry", "forge", "leaf", "moment", "name", "with_sha1"]

HOST = "www.example.org"
NOW = datetime.datetime(2026, 6, 15, 12, tzinfo=datetime.UTC)
"""When these tests take place."""

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_KEYS: dict[str, Any] = {}


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        """The certificate's DER."""
        return self.certificate.public_bytes(Encoding.DER)


def moment(days: float) -> datetime.datetime:
    """So many days after NOW."""
    return NOW + datetime.timedelta(days=days)


def name(text: str) -> x509.Name:
    """A name of one common name, or the empty name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def bits(*usages: str) -> x509.KeyUsage:
    """A key usage with these bits."""
    return x509.KeyUsage(**{field: field in usages for field in _USAGES})


def key_for(subject: str, kind: str) -> Any:
    """A key per name and kind: what has the same name here is the same authority, unless a test says otherwise."""
    if (subject + kind) not in _KEYS:
        _KEYS[subject + kind] = generate_private_key(kind)
    return _KEYS[subject + kind]


def _san(names: Sequence[str | x509.GeneralName]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for item in names:
        if not isinstance(item, str):
            found.append(item)
        elif item.replace(".", "").isdigit() or ":" in item:
            found.append(x509.IPAddress(ipaddress.ip_address(item)))
        else:
            found.append(x509.DNSName(item))
    return x509.SubjectAlternativeName(found)


def forge(
    subject: str,
    issuer: Made | None = None,
    *,
    ca: bool | None = True,
    basic_critical: bool = True,
    path_length: int | None = None,
    usage: x509.KeyUsage | None = None,
    no_usage: bool = False,
    purposes: Sequence[x509.ObjectIdentifier] | None = None,
    names: Sequence[str | x509.GeneralName] = (),
    names_critical: bool = False,
    constraints: x509.NameConstraints | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    since: float = -30,
    until: float = 30,
    kind: str = "ecdsa-p256",
    key: Any = None,
    serial: int = 4711,
    ski: bool = True,
    aki: bool = True,
    aki_of: Any = None,
    issuer_name: str | None = None,
) -> Made:
    """An authority unless told otherwise; dates in days from NOW; `issuer` None signs with its own key."""
    key = key or key_for(subject, kind)
    signer = key if issuer is None else issuer.key
    by = name(subject) if issuer is None else issuer.certificate.subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(by if issuer_name is None else name(issuer_name))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(moment(since))
        .not_valid_after(moment(until))
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if ca is not None:
        extensions.append((x509.BasicConstraints(ca, path_length if ca else None), basic_critical))
    if not no_usage:
        extensions.append((usage or (bits("key_cert_sign", "crl_sign") if ca else bits("digital_signature")), True))
    if purposes is not None:
        extensions.append((x509.ExtendedKeyUsage(purposes), False))
    if names:
        extensions.append((_san(names), names_critical))
    if constraints is not None:
        extensions.append((constraints, True))
    if ski:
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if aki:
        extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key((aki_of or signer).public_key()), False))
    for value, critical in (*extensions, *extra):
        builder = builder.add_extension(value, critical)
    if isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return Made(builder.sign(signer, None), key)
    return Made(builder.sign(signer, hashes.SHA256()), key)


def leaf(issuer: Made | None, subject: str = HOST, **arguments: Any) -> Made:
    """A server's certificate."""
    arguments = {"ca": False, "purposes": [SERVER], "names": [HOST], **arguments}
    return forge(subject, issuer, **arguments)


def with_sha1(made: Made, issuer: Made) -> Made:
    """The same certificate, signed with ECDSA and SHA-1, which the builder refuses to do."""
    algorithm = bytes.fromhex("300906072a8648ce3d0401")
    fields = der.elements(der.split(made.certificate.tbs_certificate_bytes)[1])
    body = der.encode(der.SEQUENCE, *fields[:2], algorithm, *fields[3:])
    signature = der.encode(0x03, b"\0", issuer.key.sign(body, ec.ECDSA(hashes.SHA1())))
    data = der.encode(der.SEQUENCE, body, algorithm, signature)
    return Made(x509.load_der_x509_certificate(data), made.key)


def entry(serial: int, reason: x509.ReasonFlags | None = None) -> x509.RevokedCertificate:
    """An entry of a revocation list."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment(-2))
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), False)
    return builder.build()


def crl(
    issuer: Made,
    *entries: x509.RevokedCertificate,
    since: float = -5,
    until: float = 5,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    key: Any = None,
) -> x509.CertificateRevocationList:
    """A revocation list."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(moment(since))
        .next_update(moment(until))
        .add_extension(x509.CRLNumber(1), False)
    )
    for item in entries:
        builder = builder.add_revoked_certificate(item)
    for value, critical in extra:
        builder = builder.add_extension(value, critical)
    signer = key or issuer.key
    hash_algorithm = hashes.SHA256() if isinstance(signer, ec.EllipticCurvePrivateKey) else None
    return builder.sign(signer, hash_algorithm)
