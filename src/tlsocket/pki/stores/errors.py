"""What a certificate store refuses, told so that a person can act on it.

Files that cannot be read or written, wrong passwords and damaged content are `tlsocket.pki.errors`'s.
"""

from __future__ import annotations

from tlsocket.pki.errors import PkiError

__all__ = [
    "AmbiguousEntry",
    "BadFindValue",
    "DistrustedCertificate",
    "EntryNotFound",
    "MissingStore",
    "ReadOnlyStore",
    "StoreBusy",
    "StoreError",
]


class StoreError(PkiError):
    """Root of what stores raise of their own."""


class MissingStore(StoreError):
    """The store was to be opened only if it exists, and it does not."""


class ReadOnlyStore(StoreError):
    """The store, or the layer that an entry comes from, cannot be changed this way."""


class StoreBusy(StoreError):
    """Another writer held the store's lock for too long."""


class EntryNotFound(StoreError, LookupError):
    """No entry is meant by this."""


class AmbiguousEntry(StoreError, LookupError):
    """Several entries are meant by this: `candidates` describes them, one line each."""

    def __init__(self, problem: str, remedy: str, candidates: tuple[str, ...]) -> None:
        super().__init__(problem, remedy)
        self.candidates = candidates


class BadFindValue(StoreError, ValueError):
    """The value is of no use for this kind of search."""


class DistrustedCertificate(StoreError):
    """The certificate is in a DISALLOWED store, which wins over everything."""
