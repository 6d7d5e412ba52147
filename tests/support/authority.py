"""Certificates of odd shapes, and what OpenSSL says of them. Ordinary ones come from `tlsocket.pki.authority`."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlsocket.pki import der
from tlsocket.pki.keys import PrivateKey, generate_private_key, private_key_pem

__all__ = [
    "Made",
    "authority_extensions",
    "key_usage",
    "leaf_extensions",
    "make",
    "openssl_accepts",
    "without_extensions",
]

Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        """The certificate's DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate's PEM."""
        return self.certificate.public_bytes(Encoding.PEM)


def make(
    common_name: str,
    issuer: Made | None,
    extensions: Sequence[Extension],
    *,
    key: str = "ecdsa-p256",
    serial: int = 4711,
    days: int = 30,
    aki: bool = True,
    ski: bool = True,
) -> Made:
    """A certificate with exactly these extensions, and key identifiers unless they are switched off."""
    private_key = generate_private_key(key)
    signer = private_key if issuer is None else issuer.key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.certificate.subject)
        .public_key(private_key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )
    if ski:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), False)
    if aki:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Made(builder.sign(signer, algorithm), private_key)


def key_usage(*, sign: bool = True, certificates: bool = False) -> x509.KeyUsage:
    """The key usages that these tests need."""
    return x509.KeyUsage(sign, False, False, False, False, certificates, certificates, False, False)


def authority_extensions(*, path_length: int | None = None, basic_critical: bool = True) -> list[Extension]:
    """What an authority has."""
    return [
        (x509.BasicConstraints(True, path_length), basic_critical),
        (key_usage(certificates=True), True),
    ]


def leaf_extensions(*names: str, ca: bool = False) -> list[Extension]:
    """What a server's certificate has."""
    extensions: list[Extension] = [
        (x509.BasicConstraints(ca, None), True),
        (key_usage(), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ]
    if names:
        extensions.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False))
    return extensions


def without_extensions(made: Made, issuer: Made | None) -> Made:
    """The same certificate as X.509 version 1: no version field, no extensions."""
    fields = der.elements(der.split(made.certificate.tbs_certificate_bytes)[1])
    body = der.encode(der.SEQUENCE, *fields[1:7])
    signer = made.key if issuer is None else issuer.key
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    bits = der.encode(0x03, b"\0", signer.sign(body, ec.ECDSA(hashes.SHA256())))
    return Made(x509.load_der_x509_certificate(der.encode(der.SEQUENCE, body, fields[2], bits)), made.key)


def openssl_accepts(folder: Path, leaf: Made, others: Sequence[Made], root: Made, host: str, flags: int = 0) -> bool:
    """Whether the standard library's client (default verification of OpenSSL, no strict mode) accepts the chain."""
    (folder / "chain.pem").write_bytes(leaf.pem + b"".join(other.pem for other in others))
    (folder / "chain.key").write_bytes(private_key_pem(leaf.key))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "chain.pem", folder / "chain.key")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags = ssl.VerifyFlags(flags) | ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    client.load_verify_locations(cadata=root.der)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
            ends.remove(end)
        if not ends:
            return True
    raise AssertionError("the handshake did not end")
