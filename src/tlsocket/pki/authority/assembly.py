"""A grant put into a certificate (RFC 5280 section 4), and read back from one when it is renewed.

No decision is taken here: what stands in a `Grant` has been checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tlsocket.pki.authority.examination import Grant, check_key
from tlsocket.pki.authority.identities import check_names, check_subject, check_uri
from tlsocket.pki.authority.profiles import Profile
from tlsocket.pki.authority.signing import KEY_USAGE_BITS, key_usage, utc
from tlsocket.pki.keys import PrivateKey, signature_hash

__all__ = ["Addresses", "Validity", "assemble", "grant_of", "sign_for_issuer", "sign_for_itself"]


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when, in seconds since 1970."""

    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where an authority publishes; what is named here stands in every certificate that it issues."""

    crl: str | None = None
    ocsp: str | None = None
    issuer: str | None = None
    """The authority's own certificate in DER (caIssuers)."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Addresses:
        """As `to_settings` wrote them."""
        return cls(settings.get("crl_url"), settings.get("ocsp_url"), settings.get("issuer_url"))

    def to_settings(self) -> dict[str, str]:
        """For the ledger; an address that is no URI is refused."""
        named = {"crl_url": self.crl, "ocsp_url": self.ocsp, "issuer_url": self.issuer}
        given = {name: url for name, url in named.items() if url is not None}
        for url in given.values():
            check_uri(url)
        return given


def assemble(
    grant: Grant,
    profile: Profile,
    *,
    serial: int,
    validity: Validity,
    addresses: Addresses | None = None,
    name_constraints: x509.NameConstraints | None = None,
) -> x509.CertificateBuilder:
    """Everything but the issuer."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(grant.subject)
        .public_key(grant.public_key)
        .serial_number(serial)
        .not_valid_before(utc(validity.not_before))
        .not_valid_after(utc(validity.not_after))
        .add_extension(
            x509.BasicConstraints(profile.is_authority, grant.path_length if profile.is_authority else None),
            critical=True,
        )
        .add_extension(key_usage(*grant.key_usages), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(grant.public_key), critical=False)
    )
    if grant.extended_key_usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(grant.extended_key_usages), critical=False)
    if grant.names:
        # RFC 5280 section 4.2.1.6: critical where it is all that names the subject.
        builder = builder.add_extension(x509.SubjectAlternativeName(grant.names), critical=not grant.subject.rdns)
    if grant.tls_features:
        builder = builder.add_extension(x509.TLSFeature(grant.tls_features), critical=False)
    if name_constraints is not None:
        builder = builder.add_extension(name_constraints, critical=True)
    return _with_addresses(builder, addresses) if addresses is not None else builder


def _with_addresses(builder: x509.CertificateBuilder, addresses: Addresses) -> x509.CertificateBuilder:
    access = []
    if addresses.ocsp is not None:
        uri = x509.UniformResourceIdentifier(addresses.ocsp)
        access.append(x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri))
    if addresses.issuer is not None:
        uri = x509.UniformResourceIdentifier(addresses.issuer)
        access.append(x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, uri))
    if access:
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if addresses.crl is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(addresses.crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder


def sign_for_itself(builder: x509.CertificateBuilder, grant: Grant, private_key: PrivateKey) -> x509.Certificate:
    """A root: its subject is its issuer."""
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(private_key.public_key())
    builder = builder.issuer_name(grant.subject).add_extension(identifier, critical=False)
    return builder.sign(private_key, signature_hash(private_key))


def sign_for_issuer(
    builder: x509.CertificateBuilder, issuer: x509.Certificate, private_key: PrivateKey
) -> x509.Certificate:
    """A certificate below `issuer`, whose key is `private_key`; the signature is verified before anybody sees it."""
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    builder = builder.issuer_name(issuer.subject).add_extension(identifier, critical=False)
    certificate = builder.sign(private_key, signature_hash(private_key))
    # A fault while signing can give the key away (RFC 8032 section 8.5 has the references); 65 us against that.
    certificate.verify_directly_issued_by(issuer)
    return certificate


def grant_of(certificate: x509.Certificate, profile: Profile) -> Grant:
    """What an earlier certificate of ours granted, held against the rules of today."""
    extensions = {extension.oid: extension.value for extension in certificate.extensions}
    names = extensions.get(x509.SubjectAlternativeName.oid)
    usage = extensions.get(x509.KeyUsage.oid)
    extended = extensions.get(x509.ExtendedKeyUsage.oid)
    constraints = extensions.get(x509.BasicConstraints.oid)
    features = extensions.get(x509.TLSFeature.oid)
    checked = check_names(list(names) if isinstance(names, x509.SubjectAlternativeName) else [], profile)
    check_subject(certificate.subject, checked, profile)
    bits = KEY_USAGE_BITS[:7]
    return Grant(
        subject=certificate.subject,
        public_key=check_key(certificate.public_key(), profile),
        names=checked,
        key_usages=frozenset(bit for bit in bits if isinstance(usage, x509.KeyUsage) and getattr(usage, bit)),
        extended_key_usages=tuple(extended) if isinstance(extended, x509.ExtendedKeyUsage) else (),
        path_length=constraints.path_length if isinstance(constraints, x509.BasicConstraints) else None,
        tls_features=tuple(features) if isinstance(features, x509.TLSFeature) else (),
        dropped=(),
    )
