"""A PKCS #12 file as a store: its certificates are the entries, its keys theirs, the whole is written anew each time.

What PKCS #12 has no place for (archived, purposes, by whom and when) stands in an attribute of our own, which other
programs pass over. One file is one store. The format itself is `tlsocket.pki.formats.pkcs12`'s part.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlsocket.pki import files
from tlsocket.pki.certificates import PARSE_ERRORS, parse_certificate
from tlsocket.pki.errors import PasswordRequired, PkiError, WrongContent, WrongPassword
from tlsocket.pki.keys import Password, load_private_key, public_key_info
from tlsocket.pki.stores.errors import EntryNotFound
from tlsocket.pki.stores.layers import (
    Broken,
    Change,
    Metadata,
    Plan,
    Put,
    PutPending,
    Record,
    Remove,
    Snapshot,
    thumbprint_of,
)
from tlsocket.pki.stores.transactions import demand_writable, exclusive

__all__ = ["Pkcs12Layer"]

_LIMIT = 64 * 1024 * 1024


class _State:
    """The file's content at one moment."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.keys: dict[str, bytes] = {}
        self.pending: dict[str, bytes] = {}
        self.broken: list[Broken] = []

    def snapshot(self) -> Snapshot:
        return Snapshot(dict(self.records), frozenset(self.pending), tuple(self.broken))


class Pkcs12Layer:
    """One PKCS #12 file."""

    writable = True

    def __init__(self, path: Path, password: Password) -> None:
        self.place = str(path)
        self._path = path
        self._password = password
        self._known: tuple[object, _State, Snapshot] | None = None
        self._generation = 0

    def exists(self) -> bool:
        """Whether the file is there."""
        return os.path.lexists(self.place)

    def check_writable(self) -> None:
        """Raise `FileUnavailable` when this user cannot write it."""
        demand_writable(self._path.parent, self.place)

    def generation(self) -> int:
        """How often this object saw the file change."""
        self._load()
        return self._generation

    def snapshot(self) -> Snapshot:
        """Everything."""
        return self._load()[1]

    def record(self, thumbprint: str) -> Record | None:
        """One entry."""
        return self._load()[0].records.get(thumbprint)

    def read_key(self, thumbprint: str) -> bytes:
        """PKCS #8 in DER, encrypted with the file's password."""
        return self._present(self._load()[0].keys.get(thumbprint))

    def read_pending(self, identifier: str) -> bytes:
        """Likewise."""
        return self._present(self._load()[0].pending.get(identifier))

    def change(self, plan: Plan) -> None:
        """All or nothing: the new file takes the place of the old one."""
        lock = self._path.parent / f".{self._path.name}.lock"
        with exclusive(str(lock), self.place, self._stamp):
            state, snapshot = self._load()
            changes = plan(snapshot)
            if not changes:
                return
            after = _State()
            after.records, after.keys, after.pending = dict(state.records), dict(state.keys), dict(state.pending)
            for change in changes:
                self._apply(after, change)
            files.write_atomically(self._path, self._encode(after), mode=0o600)

    def _apply(self, state: _State, change: Change) -> None:
        if isinstance(change, Put):
            thumbprint = change.record.thumbprint
            if change.key is not None:
                state.keys[thumbprint] = self._der(change.key)
            elif change.pending:
                state.keys[thumbprint] = state.pending.pop(change.pending)
            state.records[thumbprint] = replace(change.record, has_key=thumbprint in state.keys, chain=())
            for issuer in change.record.chain:
                # In this format a chain is further certificates, which are entries like any other.
                name = thumbprint_of(issuer)
                if name not in state.records:
                    state.records[name] = Record(name, issuer, parse_certificate(issuer), Metadata())
        elif isinstance(change, Remove):
            state.records.pop(change.thumbprint, None)
            state.keys.pop(change.thumbprint, None)
        elif isinstance(change, PutPending):
            state.pending[change.identifier] = self._der(change.key)
        else:
            state.pending.pop(change.identifier, None)

    def _load(self) -> tuple[_State, Snapshot]:
        stamp = self._stamp()
        known = self._known
        if known is None or known[0] != stamp:
            state = _State() if stamp is None else self._decode(files.read_limited(self.place, _LIMIT))
            known = (stamp, state, state.snapshot())
            self._known = known
            self._generation += 1
        return known[1], known[2]

    def _stamp(self) -> object:
        """What changes with the file; None while there is none."""
        try:
            status = os.stat(self.place)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise files.unavailable(self.place, error, "PKCS #12 file") from None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _decode(self, data: bytes) -> _State:
        from tlsocket.pki.formats.pkcs12 import Bag, read_pkcs12

        secret = self._secret()
        try:
            bags = read_pkcs12(data, secret, self.place)
        except PasswordRequired as error:
            try:
                # The empty password is what many programs write when the user gives none.
                bags = read_pkcs12(data, b"", self.place)
            except WrongPassword:
                raise error from None
        state = _State()
        by_identifier: dict[bytes, str] = {}
        for bag in bags:
            if bag.certificate is not None:
                record = self._record(bag, state)
                state.records[record.thumbprint] = record
                if bag.local_key_id:
                    by_identifier.setdefault(bag.local_key_id, record.thumbprint)
        loose: list[Bag] = []
        for bag in bags:
            if bag.key is not None:
                place = by_identifier.get(bag.local_key_id) if bag.local_key_id else None
                if place is None:
                    loose.append(bag)
                else:
                    state.keys[place] = bag.key
        self._place_loose_keys(state, [bag.key for bag in loose if bag.key is not None], secret)
        for thumbprint in state.keys:
            state.records[thumbprint] = replace(state.records[thumbprint], has_key=True)
        return state

    def _record(self, bag: Any, state: _State) -> Record:
        metadata = Metadata(bag.friendly_name)
        if bag.metadata:
            try:
                metadata = replace(Metadata.from_json(bag.metadata), friendly_name=bag.friendly_name)
            except ValueError:
                remedy = "its certificate is listed all the same; write it anew"
                state.broken.append(Broken(self.place, "what is said of an entry cannot be read", remedy))
        from tlsocket.pki.certificates import certificate_der

        der = certificate_der(bag.certificate)
        return Record(thumbprint_of(der), der, bag.certificate, metadata)

    def _place_loose_keys(self, state: _State, keys: list[bytes], secret: bytes | None) -> None:
        """Keys without an identifier go to the certificate with their public half, or wait for it."""
        if not keys:
            return
        by_public: dict[bytes, str] = {}
        for record in state.records.values():
            try:
                by_public.setdefault(public_key_info(record.certificate.public_key()), record.thumbprint)
            except PARSE_ERRORS:
                continue
        for key in keys:
            try:
                info = public_key_info(load_private_key(key, secret).public_key())
            except PkiError as error:
                state.broken.append(Broken(self.place, f"a private key in it: {error.problem}", error.remedy))
                continue
            place = by_public.get(info)
            if place is None:
                state.pending[hashlib.sha256(info).hexdigest()] = key
            else:
                state.keys.setdefault(place, key)

    def _encode(self, state: _State) -> bytes:
        from tlsocket.pki.formats.pkcs12 import Bag, write_pkcs12

        bags = []
        for record in state.records.values():
            metadata = replace(record.metadata, friendly_name="")
            text = metadata.to_json() if metadata.fields() else ""
            key = state.keys.get(record.thumbprint)
            # The identifier that Windows and Java write: the certificate's SHA-1.
            identifier = hashlib.sha1(record.der, usedforsecurity=False).digest() if key is not None else b""
            name = record.metadata.friendly_name
            bags.append(Bag(record.certificate, None, name, identifier, text))
            if key is not None:
                bags.append(Bag(None, key, name, identifier))
        bags += [Bag(None, key) for key in state.pending.values()]
        return write_pkcs12(bags, self._secret())

    def _secret(self) -> bytes | None:
        value = self._password() if callable(self._password) else self._password
        if value is None:
            return None
        secret = value.encode() if isinstance(value, str) else bytes(value)
        # Asked once: a person would not like to type it for each change.
        self._password = secret
        return secret

    def _der(self, key: bytes) -> bytes:
        if self._secret() is None:
            raise PasswordRequired(
                self.place, "a PKCS #12 file with a private key needs a password", "open the store with a password"
            )
        if key[:1] == b"\x30":
            return key
        body = b"".join(line for line in key.splitlines() if not line.startswith(b"-----"))
        try:
            return base64.b64decode(body, validate=True)
        except ValueError:
            raise WrongContent(self.place, "the private key is damaged", "add the entry anew") from None

    def _present(self, key: bytes | None) -> bytes:
        if key is None:
            raise EntryNotFound(f"{self.place}: there is no such private key any more", "add the entry anew")
        return key
