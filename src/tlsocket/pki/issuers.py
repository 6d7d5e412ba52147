"""Who issued what, among certificates that nobody has judged: by name (RFC 5280 section 7.1) and by signature.

For putting chains together, in containers and stores. Whether such a chain is believed is `tlsocket.pki.trust`'s
question, which looks for paths of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from tlsocket.pki.certificates import certificate_der
from tlsocket.pki.names.comparison import is_self_issued, issuer_and_subject, name_key
from tlsocket.pki.names.encoding import NameEncodingError
from tlsocket.pki.trust.algorithms import signature_is_right
from tlsocket.pki.trust.facts import MalformedCertificate, facts_of

__all__ = ["chain_above", "issued"]

MAXIMUM_CHAIN = 16
"""How many issuers a chain is followed at most."""


def issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the name and the key of `issuer` are behind `certificate`."""
    above_der, below_der = certificate_der(issuer), certificate_der(certificate)
    try:
        # The names alone first: most pairs end here, and need not be read.
        wanted, name = issuer_and_subject(below_der)[0], issuer_and_subject(above_der)[1]
        if wanted != name and name_key(wanted) != name_key(name):
            return False
        above, below = facts_of(above_der), facts_of(below_der)
    except (MalformedCertificate, NameEncodingError):
        return False
    return signature_is_right(
        below.signature_algorithm, certificate, below.signature, below.tbs, issuer, above.public_key_info
    )


def chain_above(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Those of `candidates` that lead from `certificate` upwards, nearest first."""
    chain: list[x509.Certificate] = []
    current = certificate
    while not is_self_issued(certificate_der(current)) and len(chain) < MAXIMUM_CHAIN:
        issuer = next((other for other in candidates if issued(other, current)), None)
        if issuer is None or issuer in chain or issuer == certificate:
            break
        chain.append(issuer)
        current = issuer
    return tuple(chain)
