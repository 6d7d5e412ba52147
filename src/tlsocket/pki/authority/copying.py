"""The copy policy: what becomes of each extension that a request asks for. Nothing is copied unseen.

The policy is a table from extension to treatment; the manual's page `authority.md` shows it and a test compares the
two. The treatments are carried out in `examination`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtensionOID

__all__ = ["DEFAULT_COPY_POLICY", "NO_COPY_POLICY", "CopyPolicy", "Treatment"]


class Treatment(enum.Enum):
    """What is done with one extension of a request."""

    COPY = "copied, after each value in it was checked"
    NARROW = "the certificate gets what both the profile and the request name; more than the profile has is refused"
    DROP = "left out, and listed in `Issued.dropped`"
    REFUSE = "the request is refused"


# The only extensions that a request's value can reach a certificate through, and how.
_POSSIBLE: Mapping[ObjectIdentifier, frozenset[Treatment]] = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: frozenset({Treatment.COPY}),
    ExtensionOID.TLS_FEATURE: frozenset({Treatment.COPY}),
    ExtensionOID.KEY_USAGE: frozenset({Treatment.NARROW}),
    ExtensionOID.EXTENDED_KEY_USAGE: frozenset({Treatment.NARROW}),
    ExtensionOID.BASIC_CONSTRAINTS: frozenset({Treatment.NARROW}),
}
_ALWAYS_POSSIBLE = frozenset({Treatment.DROP, Treatment.REFUSE})


@dataclass(frozen=True, slots=True)
class CopyPolicy:
    """Treatments by extension; what is not in the table is refused when critical, else dropped.

    A policy can be made stricter, not laxer: an extension that we cannot check is never copied, whatever is asked.
    """

    treatments: Mapping[ObjectIdentifier, Treatment]
    unknown: Treatment = Treatment.DROP
    """For an extension that is not in the table and not critical: DROP or REFUSE."""

    def __post_init__(self) -> None:
        for oid, treatment in self.treatments.items():
            if treatment not in _POSSIBLE.get(oid, frozenset()) | _ALWAYS_POSSIBLE:
                raise ValueError(f"{oid.dotted_string} cannot be given the treatment {treatment.name}")
        if self.unknown not in _ALWAYS_POSSIBLE:
            raise ValueError("what is unknown can only be dropped or refused")
        object.__setattr__(self, "treatments", MappingProxyType(dict(self.treatments)))

    def treatment(self, oid: ObjectIdentifier, *, critical: bool) -> Treatment:
        """What to do with this extension. A critical one is never dropped: its requester insists."""
        treatment = self.treatments.get(oid, self.unknown)
        return Treatment.REFUSE if critical and treatment is Treatment.DROP else treatment


DEFAULT_COPY_POLICY = CopyPolicy(
    {
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME: Treatment.COPY,
        ExtensionOID.TLS_FEATURE: Treatment.COPY,
        ExtensionOID.KEY_USAGE: Treatment.NARROW,
        ExtensionOID.EXTENDED_KEY_USAGE: Treatment.NARROW,
        ExtensionOID.BASIC_CONSTRAINTS: Treatment.NARROW,
        # Ours to make, from the key: a requester's own value could point a path builder to another certificate.
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: Treatment.DROP,
        # To leave out a limit that was asked for would make an authority wider than its requester wanted.
        ExtensionOID.NAME_CONSTRAINTS: Treatment.REFUSE,
        ExtensionOID.POLICY_CONSTRAINTS: Treatment.REFUSE,
        ExtensionOID.INHIBIT_ANY_POLICY: Treatment.REFUSE,
        # Makes a certificate that must never be used; and it is not a request's to say that it was logged.
        ExtensionOID.PRECERT_POISON: Treatment.REFUSE,
        ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS: Treatment.REFUSE,
    }
)
"""What `CertificateAuthority.issue` goes by."""

NO_COPY_POLICY = CopyPolicy(
    {
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME: Treatment.DROP,
        ExtensionOID.KEY_USAGE: Treatment.NARROW,
        ExtensionOID.EXTENDED_KEY_USAGE: Treatment.NARROW,
        ExtensionOID.BASIC_CONSTRAINTS: Treatment.NARROW,
    }
)
"""The names come from the caller alone (`issue(sans=...)`); the request proves possession of its key."""
