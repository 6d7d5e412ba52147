"""Does a certificate speak for this name? Host names and IP addresses per RFC 9525.

Only subjectAltName counts; a common name never does (RFC 9525 section 6.3). A wildcard is the whole leftmost label,
stands for exactly one label, and has at least two labels to its right, so that `*.com` serves nobody. Whether the
certificate itself is to be believed is the verifier's question.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from tlsocket.pki.certificates import printable, subject_text
from tlsocket.pki.errors import Problem, Refusal

__all__ = ["ReferenceIdentity", "name_problem", "presented_names"]

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ReferenceIdentity:
    """The name that a caller meant to reach: a host name in ASCII, or an IP address."""

    text: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, name: str) -> ReferenceIdentity:
        """From what the caller wrote; ValueError when it is neither a host name nor an address."""
        try:
            return cls(name, ipaddress.ip_address(name))
        except ValueError:
            pass
        host = name.removesuffix(".")
        if not host.isascii():
            raise ValueError(f"{name!r} is not ASCII: give the host name in its A-label form (xn--...)")
        if not host or "\0" in host or "*" in host or not all(host.split(".")):
            raise ValueError(f"{name!r} is not a host name")
        return cls(host.lower(), None)

    def is_served_by(self, certificate: x509.Certificate) -> bool:
        """Whether a subjectAltName of the certificate is this name."""
        patterns, addresses = _presented(certificate)
        if self.address is not None:
            return self.address in addresses
        return any(_matches(pattern, self.text) for pattern in patterns)


def presented_names(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that the certificate is valid for, as it has them."""
    names = _alternative_names(certificate)
    if names is None:
        return []
    return [printable(str(name.value)) for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))]


def name_problem(certificate: x509.Certificate, reference: ReferenceIdentity) -> Problem | None:
    """None when the certificate serves the name, else what is wrong and which names it does have."""
    if reference.is_served_by(certificate):
        return None
    subject = subject_text(certificate)
    refusal = Refusal.HOSTNAME_MISMATCH if reference.address is None else Refusal.IP_ADDRESS_MISMATCH
    wanted = printable(reference.text)
    names = presented_names(certificate)
    if names:
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        detail = f"the certificate is not valid for '{wanted}', only for: {shown}"
        remedy = f"connect by a name that it has, or get a certificate that names '{wanted}'"
    else:
        detail = f"the certificate of {subject} is not valid for '{wanted}': it has no subjectAltName with a host name"
        remedy = f"get one with '{wanted}' as subjectAltName; a common name does not count (RFC 9525 section 6.3)"
    return Problem(refusal, 0, subject, detail, remedy)


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


@lru_cache(maxsize=512)
def _presented(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[object, ...]]:
    """The patterns in lower case and the addresses: a client meets the same few certificates again and again."""
    names = _alternative_names(certificate)
    if names is None:
        return (), ()
    patterns = tuple(pattern.lower() for pattern in names.get_values_for_type(x509.DNSName))
    return patterns, tuple(names.get_values_for_type(x509.IPAddress))


def _matches(pattern: str, host: str) -> bool:
    """Both in lower case."""
    if not pattern.startswith("*."):
        return "*" not in pattern and pattern == host
    parent = pattern[2:]
    _, _, host_parent = host.partition(".")
    return "." in parent and "*" not in parent and parent == host_parent
