"""Certificate authorities: one with a ledger on disk that answers requests, and one in memory for tests and trials.

`CertificateAuthority` is the real one: requests, profiles, a copy policy, renewal, revocation, CRLs, OCSP.
`Authority` and `self_signed` make certificates with their keys at once and remember nothing. Whom to believe is
`tlsocket.pki.trust`'s; requests are made in `tlsocket.pki.requests`.
"""

from __future__ import annotations

from tlsocket.pki.authority.certificate_authority import REVOCATION_REASONS, CertificateAuthority, Issued
from tlsocket.pki.authority.copying import DEFAULT_COPY_POLICY, NO_COPY_POLICY, CopyPolicy, Treatment
from tlsocket.pki.authority.ephemeral import Authority, IssuedCertificate, self_signed
from tlsocket.pki.authority.ledger import EntryState, LedgerEntry
from tlsocket.pki.authority.live_revocation import LiveRevocation
from tlsocket.pki.authority.profiles import (
    BOTH,
    CLIENT,
    CODE_SIGNING,
    INTERMEDIATE,
    PROFILES,
    ROOT,
    SERVER,
    NameKind,
    Profile,
)
from tlsocket.pki.authority.refusals import (
    AuthorityExists,
    AuthorityFolderUnusable,
    AuthorityMissing,
    LedgerBusy,
    LedgerDamaged,
    LedgerUnavailable,
    NotInLedger,
    RequestRefusal,
    RequestRefused,
    RevocationRefused,
)
from tlsocket.pki.certificates import Purpose

__all__ = [
    "BOTH",
    "CLIENT",
    "CODE_SIGNING",
    "DEFAULT_COPY_POLICY",
    "INTERMEDIATE",
    "NO_COPY_POLICY",
    "PROFILES",
    "REVOCATION_REASONS",
    "ROOT",
    "SERVER",
    "Authority",
    "AuthorityExists",
    "AuthorityFolderUnusable",
    "AuthorityMissing",
    "CertificateAuthority",
    "CopyPolicy",
    "EntryState",
    "Issued",
    "IssuedCertificate",
    "LedgerBusy",
    "LedgerDamaged",
    "LedgerEntry",
    "LedgerUnavailable",
    "LiveRevocation",
    "NameKind",
    "NotInLedger",
    "Profile",
    "Purpose",
    "RequestRefusal",
    "RequestRefused",
    "RevocationRefused",
    "Treatment",
    "self_signed",
]
