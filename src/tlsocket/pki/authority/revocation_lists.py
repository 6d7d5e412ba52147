"""Certificate revocation lists, made (RFC 5280 section 5). Which numbers there are is the ledger's to say.

Reading and judging other people's lists belongs to `tlsocket.pki.revocation`.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlsocket.pki.authority.ledger import LedgerEntry
from tlsocket.pki.authority.signing import utc
from tlsocket.pki.keys import PrivateKey, signature_hash

__all__ = ["make_revocation_list"]


def make_revocation_list(
    number: int,
    revoked: Iterable[LedgerEntry],
    *,
    issuer: x509.Certificate,
    private_key: PrivateKey,
    this_update: int,
    next_update: int,
) -> bytes:
    """A complete list in DER, with its number and the key identifier of its issuer (section 5.2)."""
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(utc(this_update))
        .next_update(utc(next_update))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in revoked:
        if entry.revoked_at is None:
            continue
        item = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(utc(entry.revoked_at))
        # Section 5.3.1: the code for "unspecified" should be left out.
        if entry.reason is not None and entry.reason is not x509.ReasonFlags.unspecified:
            item = item.add_extension(x509.CRLReason(entry.reason), critical=False)
        builder = builder.add_revoked_certificate(item.build())
    return builder.sign(private_key, signature_hash(private_key)).public_bytes(Encoding.DER)
