"""What an authority refuses, and what can go wrong with its folder and its ledger.

A request that is turned down raises `RequestRefused`, whose `refusal` is for programs and whose text is for people.
The refusals of path validation (`tlsocket.pki.errors.Refusal`) are another list: they judge certificates that exist.
"""

from __future__ import annotations

import enum

from tlsocket.pki.errors import LoadError, PkiError

__all__ = [
    "AuthorityExists",
    "AuthorityFolderUnusable",
    "AuthorityMissing",
    "LedgerBusy",
    "LedgerDamaged",
    "LedgerUnavailable",
    "NotInLedger",
    "RequestRefusal",
    "RequestRefused",
    "RevocationRefused",
]


class RequestRefusal(enum.Enum):
    """Why a certificate was not issued. The value is a sentence for people; the name is for programs."""

    TOO_LARGE = "the request is too large"
    MALFORMED = "the request cannot be parsed"
    BAD_SIGNATURE = "the request is not signed by the key that it asks for"
    WEAK_SIGNATURE = "the request is signed with a weak algorithm"
    UNSUPPORTED_KEY = "the request's key is of a kind that is not certified"
    WEAK_KEY = "the request's key is too weak"
    KEY_OF_AUTHORITY = "the request's key is the authority's own"
    KEY_COMPROMISED = "the request's key was reported as compromised"
    AUTHORITY_ASKED = "the request asks for an authority and the profile makes none"
    AUTHORITY_NOT_ASKED = "the request rules out an authority and the profile makes one"
    USAGE_BEYOND_PROFILE = "the request asks for a usage that the profile does not give"
    CRITICAL_EXTENSION = "the request insists on an extension that the copy policy does not know"
    FORBIDDEN_EXTENSION = "the request has an extension that the copy policy refuses"
    EXTENSION_MALFORMED = "an extension of the request cannot be parsed, or is there twice"
    NO_NAME = "the certificate would name nobody"
    TOO_MANY_NAMES = "the request has more names than one certificate gets"
    NAME_KIND = "the profile does not certify names of this kind"
    BAD_NAME = "a name is not well-formed"
    WILDCARD = "a wildcard is not allowed here"
    BAD_SUBJECT = "the subject's name is not acceptable"
    COMMON_NAME = "the common name looks like a host that is not among the alternative names"
    NAME_CONSTRAINT = "the authority itself may not certify this name"
    LIFETIME = "the lifetime is not one that the profile allows"
    OUTLIVES_ISSUER = "the certificate would outlive its issuer"
    ISSUER_NOT_VALID = "the authority's own certificate is not valid now"
    PATH_LENGTH = "the authority may not certify another authority"
    REVOKED = "a revoked certificate is not renewed"


class RequestRefused(PkiError):
    """No certificate was made, and nothing was written. `refusal` says why, `detail` about what exactly."""

    def __init__(self, refusal: RequestRefusal, detail: str = "", remedy: str = "") -> None:
        super().__init__(f"{refusal.value}: {detail}" if detail else refusal.value, remedy)
        self.refusal = refusal
        self.detail = detail

    def __reduce__(self) -> tuple[type[RequestRefused], tuple[RequestRefusal, str, str]]:
        return (type(self), (self.refusal, self.detail, self.remedy))


class RevocationRefused(PkiError):
    """A certificate was not revoked: it already is, or the reason is none that can be given."""


class NotInLedger(PkiError):
    """This authority has issued no such certificate."""


class AuthorityExists(PkiError):
    """There is an authority of this name in this folder."""


class AuthorityMissing(PkiError):
    """There is no authority of this name in this folder."""


class AuthorityFolderUnusable(LoadError):
    """An authority's folder or key is not as it must be: open to others, or a part of it is missing."""


class LedgerUnavailable(LoadError):
    """The ledger could not be read or written: a full disk, a folder without permission. Nothing was changed."""


class LedgerBusy(LedgerUnavailable):
    """Another process has held the ledger for longer than we wait."""


class LedgerDamaged(LoadError):
    """The ledger is not one, belongs to another authority, or its content contradicts itself."""
