"""What every place that keeps entries can do: show all of them at one moment, and change some of them at once.

`Record` is an entry as it is kept, `Snapshot` all of a layer, a `Change` one step of a transaction. The layers are in
`memory`, `folder`, `pkcs12_file` and `platform`; what a store makes of several is in `store`.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from cryptography import x509

from tlsocket.pki.certificates import certificate_der

__all__ = [
    "Broken",
    "Change",
    "Layer",
    "Metadata",
    "Put",
    "PutPending",
    "Record",
    "Remove",
    "RemovePending",
    "Snapshot",
    "sha1_of",
    "thumbprint_of",
]


def thumbprint_of(certificate: x509.Certificate | bytes) -> str:
    """SHA-256 of the DER in hexadecimal: the name of an entry."""
    data = certificate if isinstance(certificate, bytes) else certificate_der(certificate)
    return hashlib.sha256(data).hexdigest()


def sha1_of(data: bytes) -> str:
    """SHA-1 of the DER in hexadecimal: what Windows shows. For finding only, never for deciding."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is kept of an entry besides its certificate."""

    friendly_name: str = ""
    archived: bool = False
    purposes: tuple[str, ...] | None = None
    refused_purposes: tuple[str, ...] = ()
    added_by: str = ""
    added_at: float | None = None
    """Seconds since 1970."""

    def fields(self) -> dict[str, Any]:
        """What differs from the default, in the words of the file."""
        found: dict[str, Any] = {}
        if self.friendly_name:
            found["friendly-name"] = self.friendly_name
        if self.archived:
            found["archived"] = True
        if self.purposes is not None:
            found["purposes"] = list(self.purposes)
        if self.refused_purposes:
            found["refused-purposes"] = list(self.refused_purposes)
        if self.added_by:
            found["added-by"] = self.added_by
        if self.added_at is not None:
            moment = datetime.datetime.fromtimestamp(int(self.added_at), datetime.UTC)
            found["added-at"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return found

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Metadata:
        """The reverse; a field of the wrong type raises ValueError, one that is not known is passed over."""
        purposes = fields.get("purposes")
        added = fields.get("added-at")
        metadata = cls(
            _typed(fields.get("friendly-name", ""), str),
            _typed(fields.get("archived", False), bool),
            None if purposes is None else _texts(purposes),
            _texts(fields.get("refused-purposes", [])),
            _typed(fields.get("added-by", ""), str),
        )
        if added is None:
            return metadata
        moment = datetime.datetime.strptime(_typed(added, str), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
        from dataclasses import replace

        return replace(metadata, added_at=moment.timestamp())

    def to_json(self) -> str:
        """The fields in one line."""
        return json.dumps(self.fields(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Metadata:
        """The reverse. Raises ValueError."""
        try:
            fields = json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(fields, dict):
            raise ValueError("not an object")
        return cls.from_fields(fields)


@dataclass(frozen=True, slots=True)
class Record:
    """One entry as a layer keeps it."""

    thumbprint: str
    der: bytes = field(repr=False)
    certificate: x509.Certificate
    metadata: Metadata
    has_key: bool = False
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    """DER of the issuers that came with it, nearest first."""
    sha1: str = ""
    """SHA-1 of the DER in hexadecimal, where the layer has computed it: a folder's entries may be ten thousand."""

    @property
    def thumbprint_sha1(self) -> str:
        """SHA-1 of the DER in hexadecimal, for finding only."""
        return self.sha1 or sha1_of(self.der)


@dataclass(frozen=True, slots=True)
class Broken:
    """Something in a store that is no entry but should be, or one that is not safe."""

    path: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a layer held at one moment."""

    records: Mapping[str, Record]
    """By thumbprint."""
    pending: frozenset[str] = frozenset()
    """Keys that wait for their certificate: SHA-256 of the public key (SubjectPublicKeyInfo)."""
    broken: tuple[Broken, ...] = ()
    _by_sha1: dict[str, Record] = field(default_factory=dict, init=False, repr=False, compare=False)

    def with_sha1(self, digits: str) -> Record | None:
        """The record with that SHA-1 thumbprint. The index is made when the first one is looked for."""
        if not self._by_sha1:
            # In one step: another thread sees it empty or whole.
            self._by_sha1.update({record.thumbprint_sha1: record for record in self.records.values()})
        return self._by_sha1.get(digits)


@dataclass(frozen=True, slots=True)
class Put:
    """Add an entry or replace what is said of it. Without a key it keeps the one it has."""

    record: Record
    key: bytes | None = field(default=None, repr=False)
    """PKCS #8 in PEM, already encrypted if it is to be."""
    pending: str = ""
    """The waiting key that becomes this entry's."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take an entry away, with its key."""

    thumbprint: str


@dataclass(frozen=True, slots=True)
class PutPending:
    """Keep a key that waits for its certificate."""

    identifier: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemovePending:
    """Forget such a key."""

    identifier: str


Change: TypeAlias = Put | Remove | PutPending | RemovePending
Plan: TypeAlias = Callable[[Snapshot], Sequence[Change]]


class Layer(Protocol):
    """One place that keeps entries."""

    place: str
    """Its path, or words."""
    writable: bool
    """Whether it is of a kind that can be written at all."""

    def exists(self) -> bool:
        """Whether it has ever been written."""
        ...

    def check_writable(self) -> None:
        """Raise `FileUnavailable` when this user cannot write it."""
        ...

    def snapshot(self) -> Snapshot:
        """Everything, consistent; cheap when nothing changed since the last time."""
        ...

    def record(self, thumbprint: str) -> Record | None:
        """One entry, without reading the others where that is possible."""
        ...

    def generation(self) -> int:
        """A number that grows with every change, whoever made it."""
        ...

    def change(self, plan: Plan) -> None:
        """Do what `plan` says, all or nothing; it sees the layer as it is while nobody else may write."""
        ...

    def read_key(self, thumbprint: str) -> bytes:
        """The private key of an entry: PKCS #8, PEM or DER, as it is kept."""
        ...

    def read_pending(self, identifier: str) -> bytes:
        """A waiting key, likewise."""
        ...


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r:.40} is not of the right type")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_typed(item, str) for item in _typed(value, list))
