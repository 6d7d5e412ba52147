"""A certificate authority that lives in memory: for the demonstration, for a quick server, and for every test.

It makes roots, intermediates and end-entity certificates that follow RFC 5280 section 4 (the profile that Python's
own strict mode asks for), together with their private keys. Requests, a ledger, renewal and revocation are not here:
they belong to `CertificateAuthority`, which never sees the keys of those it certifies.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlsocket import clock
from tlsocket.pki import der
from tlsocket.pki.authority.signing import BACKDATE, DAY, key_usage, random_serial, sign_bytes, utc
from tlsocket.pki.certificates import Purpose
from tlsocket.pki.files import write_atomically
from tlsocket.pki.keys import RSASSA_PSS_ALGORITHM, PrivateKey, generate_private_key, private_key_pem, signature_hash

__all__ = ["Authority", "IssuedCertificate", "Purpose", "self_signed"]

_ROOT_DAYS = 3650
_LEAF_DAYS = 90

_EXTENDED_KEY_USAGES = {
    Purpose.SERVER: [ExtendedKeyUsageOID.SERVER_AUTH],
    Purpose.CLIENT: [ExtendedKeyUsageOID.CLIENT_AUTH],
    Purpose.BOTH: [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


@dataclass(frozen=True, slots=True, repr=False)
class IssuedCertificate:
    """A certificate with its private key and the intermediates that lead to the root."""

    certificate: x509.Certificate
    private_key: PrivateKey
    intermediates: tuple[x509.Certificate, ...] = ()

    def __repr__(self) -> str:
        return f"<IssuedCertificate {self.certificate.subject.rfc4514_string()}>"

    @property
    def der(self) -> bytes:
        """The certificate alone, in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER, the certificate first, then its intermediates; no root (RFC 9846 section 4.5.1 lets it be left out)."""
        return tuple(c.public_bytes(Encoding.DER) for c in (self.certificate, *self.intermediates))

    @property
    def chain_pem(self) -> bytes:
        """The same in PEM, as `load_cert_chain` wants it."""
        return b"".join(c.public_bytes(Encoding.PEM) for c in (self.certificate, *self.intermediates))

    def key_pem(self, password: str | bytes | None = None) -> bytes:
        """The private key in PEM (PKCS #8), encrypted when there is a password."""
        pss_only = self.certificate.public_key_algorithm_oid == x509.PublicKeyAlgorithmOID.RSASSA_PSS
        return private_key_pem(self.private_key, password, pss_only=pss_only)

    def write(self, folder: str | Path, stem: str = "server", password: str | bytes | None = None) -> tuple[str, str]:
        """Write `stem.pem` (the chain) and `stem.key` (mode 0600); returns both paths."""
        certificate_path, key_path = Path(folder) / f"{stem}.pem", Path(folder) / f"{stem}.key"
        write_atomically(certificate_path, self.chain_pem, mode=0o644)
        write_atomically(key_path, self.key_pem(password), mode=0o600)
        return str(certificate_path), str(key_path)


@dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """A root or an intermediate that issues certificates."""

    certificate: x509.Certificate
    private_key: PrivateKey
    intermediates: tuple[x509.Certificate, ...] = ()
    """What an end entity must send along: empty for a root; for an intermediate, itself and those above it."""

    def __repr__(self) -> str:
        return f"<Authority {self.certificate.subject.rfc4514_string()}>"

    @classmethod
    def create(
        cls,
        name: str = "tlsocket test authority",
        *,
        key: str = "ecdsa-p256",
        not_before: float | None = None,
        not_after: float | None = None,
    ) -> Authority:
        """A new self-signed root; dates are seconds since 1970, ten years from now when left out."""
        private_key = generate_private_key(key)
        subject = _name(name)
        builder = _builder(subject, subject, private_key, not_before, not_after, _ROOT_DAYS)
        builder = _with_authority_extensions(builder, path_length=None)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(private_key.public_key()), critical=False
        )
        return cls(builder.sign(private_key, signature_hash(private_key)), private_key)

    def create_intermediate(
        self,
        name: str = "tlsocket test intermediate",
        *,
        key: str = "ecdsa-p256",
        path_length: int | None = 0,
        not_before: float | None = None,
        not_after: float | None = None,
        name_constraints: x509.NameConstraints | None = None,
    ) -> Authority:
        """A new authority that this one vouches for."""
        private_key = generate_private_key(key)
        builder = _builder(_name(name), self.certificate.subject, private_key, not_before, not_after, _ROOT_DAYS)
        builder = _with_authority_extensions(builder, path_length)
        if name_constraints is not None:
            builder = builder.add_extension(name_constraints, critical=True)
        certificate = self.sign(builder)
        return Authority(certificate, private_key, (certificate, *self.intermediates))

    def issue(
        self,
        names: str | Iterable[str] = "localhost",
        *,
        key: str | PrivateKey = "ecdsa-p256",
        purpose: Purpose | str = Purpose.SERVER,
        common_name: str | None = None,
        not_before: float | None = None,
        not_after: float | None = None,
    ) -> IssuedCertificate:
        """A certificate for host names, IP addresses and e-mail addresses; dates are seconds since 1970.

        `key` is a kind that `generate_private_key` knows, or a private key. The common name is the first name.
        """
        listed = [names] if isinstance(names, str) else list(names)
        purpose = Purpose(purpose)
        private_key = generate_private_key(key) if isinstance(key, str) else key
        subject = _name(common_name if common_name is not None else listed[0] if listed else "")
        builder = _builder(subject, self.certificate.subject, private_key, not_before, not_after, _LEAF_DAYS)
        builder = _with_end_entity_extensions(builder, listed, purpose, private_key)
        pss_only = isinstance(key, str) and key.startswith("rsa-pss-")
        return IssuedCertificate(self.sign(builder, pss_only=pss_only), private_key, self.intermediates)

    def sign(self, builder: x509.CertificateBuilder, *, pss_only: bool = False) -> x509.Certificate:
        """Add our key identifier and sign; `pss_only` marks the subject's RSA key as id-RSASSA-PSS."""
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value), critical=False
        )
        certificate = builder.sign(self.private_key, signature_hash(self.private_key))
        return _mark_pss_only(certificate, self.private_key) if pss_only else certificate

    @property
    def der(self) -> bytes:
        """The authority's own certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate in PEM: what somebody who trusts it loads."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def name_der(self) -> bytes:
        """Its subject as a DER Name, as `certificate_authorities` carries it (RFC 9846 section 4.3.4)."""
        return self.certificate.subject.public_bytes()

    def write(self, path: str | Path) -> str:
        """Write the certificate in PEM; returns the path."""
        write_atomically(path, self.pem, mode=0o644)
        return str(path)


def self_signed(
    names: str | Iterable[str] = "localhost",
    *,
    key: str = "ecdsa-p256",
    not_before: float | None = None,
    not_after: float | None = None,
) -> IssuedCertificate:
    """A certificate without an authority: its own key signed it."""
    listed = [names] if isinstance(names, str) else list(names)
    private_key = generate_private_key(key)
    subject = _name(listed[0])
    builder = _builder(subject, subject, private_key, not_before, not_after, _LEAF_DAYS)
    builder = _with_end_entity_extensions(builder, listed, Purpose.SERVER, private_key)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(private_key.public_key()), critical=False
    )
    return IssuedCertificate(builder.sign(private_key, signature_hash(private_key)), private_key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    private_key: PrivateKey,
    not_before: float | None,
    not_after: float | None,
    days: int,
) -> x509.CertificateBuilder:
    start = clock.now() - BACKDATE if not_before is None else not_before
    end = max(start, clock.now()) + days * DAY if not_after is None else not_after
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(private_key.public_key())
        .serial_number(random_serial())
        .not_valid_before(utc(start))
        .not_valid_after(utc(end))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False)
    )


def _with_authority_extensions(builder: x509.CertificateBuilder, path_length: int | None) -> x509.CertificateBuilder:
    usage = key_usage("digital_signature", "key_cert_sign", "crl_sign")
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        usage, critical=True
    )


def _with_end_entity_extensions(
    builder: x509.CertificateBuilder, names: list[str], purpose: Purpose, private_key: PrivateKey
) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(key_usage("digital_signature"), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(_EXTENDED_KEY_USAGES[purpose]), critical=False)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    return builder


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def _name(common_name: str) -> x509.Name:
    if not common_name:
        return x509.Name([])
    # RFC 5280 appendix A.1, ub-common-name: 64 characters at most.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _mark_pss_only(certificate: x509.Certificate, issuer_key: PrivateKey) -> x509.Certificate:
    """The same certificate with an id-RSASSA-PSS key, which `cryptography` reads but cannot write: sign it anew."""
    fields = der.elements(der.split(certificate.tbs_certificate_bytes)[1])
    # TBSCertificate (RFC 5280 section 4.1): version, serial, algorithm, issuer, validity, subject, key, extensions.
    key_bits = der.elements(der.split(fields[6])[1])[1]
    fields[6] = der.encode(der.SEQUENCE, RSASSA_PSS_ALGORITHM, key_bits)
    body = der.encode(der.SEQUENCE, *fields)
    signature = sign_bytes(issuer_key, body)
    bit_string = der.encode(0x03, b"\x00", signature)
    return x509.load_der_x509_certificate(der.encode(der.SEQUENCE, body, fields[2], bit_string))
