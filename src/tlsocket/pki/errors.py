"""What goes wrong with keys, certificates and trust, told so that a person can act on it.

Every exception of `tlsocket.pki` derives from `PkiError` and has two halves: `problem` says what is the case,
`remedy` says what to do. Nothing here knows TLS: `tlsocket.dropin.verification` turns a `VerificationFailed`
into the handshake's own error, and `tlsocket.dropin.exceptions` into the standard library's.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = [
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
    MALFORMED = "it cannot be parsed"
    OTHER = "it was refused"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one certificate of a chain."""

    refusal: Refusal
    depth: int
    """Where in the chain: 0 is the end entity's certificate, 1 its issuer's."""
    subject: str
    detail: str
    remedy: str


class VerificationFailed(PkiError):
    """A chain did not verify. The attributes are the first problem's; `problems` has all that were found."""

    def __init__(self, *problems: Problem) -> None:
        first = problems[0]
        super().__init__(first.detail, first.remedy)
        self.problems = problems
        self.refusal = first.refusal
        self.depth = first.depth
        self.subject = first.subject
        self.hint = first.remedy

    def __reduce__(self) -> tuple[type[VerificationFailed], tuple[Problem, ...]]:
        return (type(self), self.problems)
