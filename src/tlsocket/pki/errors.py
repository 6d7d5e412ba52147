"""What goes wrong with keys, certificates and trust, told so that a person can act on it.

Every exception of `tlsocket.pki` derives from `PkiError` and has two halves: `problem` says what is the case,
`remedy` says what to do. Nothing here knows TLS: `tlsocket.dropin.verification` turns a `VerificationFailed`
into the handshake's own error, and `tlsocket.dropin.exceptions` into the standard library's.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlsocket.pki.verify_codes import verify_message

if TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "Attempt",
    "FileUnavailable",
    "KeyMismatch",
    "LoadError",
    "MissingFile",
    "NotPrivate",
    "PasswordRequired",
    "PkiError",
    "Problem",
    "Refusal",
    "UnsupportedKey",
    "VerificationError",
    "VerificationFailed",
    "WrongContent",
    "WrongPassword",
]


class PkiError(Exception):
    """Root of what `tlsocket.pki` raises."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


class LoadError(PkiError):
    """A key or certificate could not be loaded. `source` is its file, or words for bytes that came without one."""

    def __init__(self, source: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{source}: {problem}", remedy)
        self.source = source


class FileUnavailable(LoadError, OSError):
    """A file could not be read or written; `errno` and `filename` are those of the operating system's refusal."""

    def __init__(self, source: str, cause: OSError, remedy: str) -> None:
        LoadError.__init__(self, source, (cause.strerror or str(cause)).lower(), remedy)
        self.errno = cause.errno
        self.strerror = cause.strerror
        self.filename = source

    # OSError would print "[Errno 2] ..." from attributes of its own.
    __str__ = PkiError.__str__


class MissingFile(FileUnavailable, FileNotFoundError):
    """There is no such file."""


class NotPrivate(FileUnavailable, PermissionError):
    """Users who have no business there can read or change what must be private; the remedy is the command to run."""


class WrongContent(LoadError, ValueError):
    """The file is there, but it does not hold what was asked of it."""


class PasswordRequired(LoadError):
    """The private key is encrypted and no password was given."""


class WrongPassword(LoadError):
    """The private key is encrypted and the password does not open it."""


class UnsupportedKey(LoadError):
    """The key is of a kind that is not supported, or too short to be of use."""


class KeyMismatch(LoadError):
    """The private key does not belong to the certificate it was given with."""


class Refusal(enum.Enum):
    """Why a certificate was refused. The value is a sentence for people; the name is for programs."""

    UNKNOWN_ISSUER = "no trusted authority issued it"
    SELF_SIGNED_LEAF = "it is self-signed and not trusted"
    SELF_SIGNED_IN_CHAIN = "its chain ends in a self-signed certificate that is not trusted"
    EXPIRED = "it has expired"
    NOT_YET_VALID = "it is not valid yet"
    HOSTNAME_MISMATCH = "it is not valid for this host name"
    IP_ADDRESS_MISMATCH = "it is not valid for this IP address"
    INVALID_PURPOSE = "it is not meant for this purpose"
    INVALID_CA = "an issuer in its chain is not an authority"
    PATH_TOO_LONG = "its chain is longer than allowed"
    BAD_SIGNATURE = "a signature in its chain is wrong"
    WEAK_KEY = "a key in its chain is too weak"
    WEAK_SIGNATURE = "a signature in its chain uses a weak algorithm"
    NAME_CONSTRAINT = "a name constraint in its chain forbids it"
    UNHANDLED_CRITICAL_EXTENSION = "it has a critical extension that is not understood"
    NONCONFORMING = "it breaks a rule for certificates that this profile insists on"
    POLICY = "it was not issued under a certificate policy that is asked for"
    REVOKED = "it was revoked"
    REVOCATION_UNKNOWN = "whether it was revoked cannot be found out"
    DISTRUSTED = "it is explicitly distrusted"
    TOO_COMPLEX = "its chain would take too much work to verify"
    MALFORMED = "it cannot be parsed"
    OTHER = "it was refused"


_VERIFY_CODES = {
    Refusal.UNKNOWN_ISSUER: 20,
    Refusal.SELF_SIGNED_LEAF: 18,
    Refusal.SELF_SIGNED_IN_CHAIN: 19,
    Refusal.EXPIRED: 10,
    Refusal.NOT_YET_VALID: 9,
    Refusal.HOSTNAME_MISMATCH: 62,
    Refusal.IP_ADDRESS_MISMATCH: 64,
    Refusal.INVALID_PURPOSE: 26,
    Refusal.INVALID_CA: 79,
    Refusal.PATH_TOO_LONG: 25,
    Refusal.BAD_SIGNATURE: 7,
    Refusal.WEAK_KEY: 66,
    Refusal.WEAK_SIGNATURE: 68,
    Refusal.NAME_CONSTRAINT: 47,
    Refusal.UNHANDLED_CRITICAL_EXTENSION: 34,
    Refusal.NONCONFORMING: 41,
    Refusal.POLICY: 43,
    Refusal.REVOKED: 23,
    Refusal.REVOCATION_UNKNOWN: 3,
    Refusal.DISTRUSTED: 28,
    Refusal.MALFORMED: 41,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one certificate of a chain."""

    refusal: Refusal
    depth: int
    """Where in the chain: 0 is the end entity's certificate, 1 its issuer's."""
    subject: str
    detail: str
    remedy: str
    check: str = ""
    """The name of the check that found it (`tlsocket.pki.trust.profiles.Check`), empty where it has none."""
    code: int = 0
    """OpenSSL's number, where it is not the usual one of the refusal."""
    certificate_der: bytes = b""
    """The certificate; empty when the problem is not one certificate's."""

    @property
    def verify_code(self) -> int:
        """OpenSSL's number for it (X509_V_ERR_...)."""
        return self.code or _VERIFY_CODES.get(self.refusal, 1)

    @property
    def verify_message(self) -> str:
        """OpenSSL's sentence for it."""
        return verify_message(self.verify_code)

    @property
    def certificate(self) -> x509.Certificate | None:
        """The certificate, where it could be parsed."""
        return _load(self.certificate_der)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A path that was tried, the end entity first, as far as it went, and what was wrong with it."""

    path: tuple[bytes, ...]
    """Certificates in DER."""
    subjects: tuple[str, ...]
    problems: tuple[Problem, ...]
    reached_anchor: bool = False
    """Whether it ends in a trusted certificate."""

    def __str__(self) -> str:
        return f"{' <- '.join(self.subjects)}: {'; '.join(problem.detail for problem in self.problems)}"


class VerificationFailed(PkiError):
    """A chain did not verify.

    `problems` has all that is wrong with the best path that was tried, in the order in which OpenSSL looks; the other
    attributes are the first problem's. `attempts` has every path that was tried.
    """

    def __init__(self, *problems: Problem, attempts: tuple[Attempt, ...] = ()) -> None:
        first = problems[0]
        super().__init__(first.detail, first.remedy)
        self.problems = problems
        self.attempts = attempts
        self.refusal = first.refusal
        self.depth = first.depth
        self.subject = first.subject
        self.hint = first.remedy

    @property
    def reason(self) -> Refusal:
        """The same as `refusal`."""
        return self.refusal

    @property
    def certificate(self) -> x509.Certificate | None:
        """The certificate that is wrong, where it could be parsed."""
        return self.problems[0].certificate

    @property
    def verify_code(self) -> int:
        """OpenSSL's number for the first problem (X509_V_ERR_...)."""
        return self.problems[0].verify_code

    @property
    def verify_message(self) -> str:
        """OpenSSL's sentence for the first problem."""
        return self.problems[0].verify_message

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.problems, self.attempts)


VerificationError = VerificationFailed


def _restore(problems: tuple[Problem, ...], attempts: tuple[Attempt, ...]) -> VerificationFailed:
    return VerificationFailed(*problems, attempts=attempts)


def _load(data: bytes) -> x509.Certificate | None:
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(data) if data else None
    except (ValueError, TypeError):
        return None
