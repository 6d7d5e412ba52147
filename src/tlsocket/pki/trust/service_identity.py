"""Does a certificate speak for this name? Host names and IP addresses per RFC 9525.

Only subjectAltName counts; a common name does when a caller insists on it (RFC 9525 section 6.3 says never). A wildcard
is the whole leftmost label, stands for exactly one label, and has at least two labels to its right, so that `*.com`
serves nobody. Whether the certificate itself is to be believed is the verifier's question.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from tlsocket.pki.certificates import certificate_der, printable, subject_text
from tlsocket.pki.errors import Problem, Refusal
from tlsocket.pki.trust.facts import CertificateFacts, MalformedCertificate, facts_of
from tlsocket.pki.trust.name_constraints import DNS, IP, show, subject_values

__all__ = ["ReferenceIdentity", "name_problem", "presented_names"]

_SHOWN = 8
_COMMON_NAME = b"\x55\x04\x03"


@dataclass(frozen=True, slots=True)
class ReferenceIdentity:
    """The name that a caller meant to reach: a host name in ASCII, or an IP address."""

    text: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
    wanted: bytes
    """The host name in lower case, or the address as octets."""
    parent: bytes
    """What follows the host name's first label, when that has a dot in it: a wildcard may stand before it."""

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, name: str) -> ReferenceIdentity:
        """From what the caller wrote; ValueError when it is neither a host name nor an address."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            pass
        else:
            return cls(name, address, address.packed, b"")
        host = name.removesuffix(".")
        if not host.isascii():
            raise ValueError(f"{name!r} is not ASCII: give the host name in its A-label form (xn--...)")
        if not host or "\0" in host or "*" in host or not all(host.split(".")):
            raise ValueError(f"{name!r} is not a host name")
        host = host.lower()
        parent = host.partition(".")[2]
        return cls(host, None, host.encode("ascii"), parent.encode("ascii") if "." in parent else b"")

    def is_served_by(self, certificate: x509.Certificate | CertificateFacts, *, common_name: bool = False) -> bool:
        """Whether a subjectAltName of the certificate is this name.

        With `common_name`, a common name is looked at when no alternative name is a host name. Raises
        `MalformedCertificate`.
        """
        facts = _facts(certificate)
        if self.address is not None:
            return (IP, self.wanted) in facts.alternative_names()
        names = facts.alternative_names()
        # Most certificates spell their names in lower case, and many have hundreds.
        if (DNS, self.wanted) in names or (self.parent and (DNS, b"*." + self.parent) in names):
            return True
        has_host = False
        for form, value in names:
            if form == DNS:
                has_host = True
                if self._matches(value.lower()):
                    return True
        if has_host or not common_name:
            return False
        return any(self._matches(value.lower()) for value in subject_values(facts.subject, _COMMON_NAME))

    def _matches(self, pattern: bytes) -> bool:
        if pattern[:2] == b"*.":
            return pattern[2:] == self.parent
        return pattern == self.wanted


def presented_names(certificate: x509.Certificate | CertificateFacts) -> list[str]:
    """The host names and addresses that the certificate is valid for, as it has them."""
    return [show(name) for name in _facts(certificate).alternative_names() if name[0] in (DNS, IP)]


def name_problem(
    certificate: x509.Certificate | CertificateFacts, reference: ReferenceIdentity, *, common_name: bool = False
) -> Problem | None:
    """None when the certificate serves the name, else what is wrong and which names it does have."""
    facts = _facts(certificate)
    try:
        if reference.is_served_by(facts, common_name=common_name):
            return None
        names = presented_names(facts)
    except MalformedCertificate:
        names = []
    subject = subject_text(facts.certificate)
    refusal = Refusal.HOSTNAME_MISMATCH if reference.address is None else Refusal.IP_ADDRESS_MISMATCH
    wanted = printable(reference.text)
    if names:
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        detail = f"the certificate is not valid for '{wanted}', only for: {shown}"
        remedy = f"connect by a name that it has, or get a certificate that names '{wanted}'"
    else:
        detail = f"the certificate of {subject} is not valid for '{wanted}': it has no subjectAltName with a host name"
        remedy = f"get one with '{wanted}' as subjectAltName; a common name does not count (RFC 9525 section 6.3)"
    return Problem(refusal, 0, subject, detail, remedy, "SERVICE_IDENTITY", 0, facts.der)


def _facts(certificate: x509.Certificate | CertificateFacts) -> CertificateFacts:
    return certificate if isinstance(certificate, CertificateFacts) else facts_of(certificate_der(certificate))
