"""The private keys of one store: under which password they are kept, which of them wait, and whose they are.

Keys are read and written through the store's own layer. Entries, and what a change is made of, are `store`'s part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cryptography import x509

from tlsocket.pki.certificates import PARSE_ERRORS
from tlsocket.pki.errors import FileUnavailable, PasswordRequired
from tlsocket.pki.keys import Password, PrivateKey, load_private_key, private_key_pem, public_key_info
from tlsocket.pki.stores.arrivals import public_identifier
from tlsocket.pki.stores.errors import StoreError
from tlsocket.pki.stores.layers import Layer, Snapshot
from tlsocket.pki.stores.pkcs12_file import Pkcs12Layer

__all__ = ["StoreKeys"]

_WITHOUT_KEYS = frozenset({"CA", "ROOT", "TRUSTED_PEOPLE", "DISALLOWED"})
_ENCRYPTED = b"ENCRYPTED"
_LABEL = 64
"""Bytes within which PEM says that a key is encrypted."""


class StoreKeys:
    """The keys of a store's own layer. Its `repr` and its errors hold neither keys nor the password."""

    __slots__ = ("_layer", "_name", "password")

    def __init__(self, layer: Layer, name: str, password: Password) -> None:
        self._layer = layer
        self._name = name
        self.password = password

    def ask(self) -> Password:
        """The password as it is now; entries, which may outlive it, call this when they need one."""
        return self.password

    @property
    def kept(self) -> bool:
        """Whether a store of this name keeps private keys at all."""
        return self._name not in _WITHOUT_KEYS

    def demand_kept(self) -> None:
        """Raise `StoreError` unless it does."""
        if not self.kept:
            raise StoreError(
                f"the store {self._name} is for certificates of others and keeps no private keys", "use the store MY"
            )

    @property
    def encrypted(self) -> bool:
        """Whether any of them is encrypted; False where there are none."""
        snapshot = self._layer.snapshot()
        reads: list[tuple[Callable[[str], bytes], str]]
        reads = [(self._layer.read_key, each.thumbprint) for each in snapshot.records.values() if each.has_key]
        reads += [(self._layer.read_pending, identifier) for identifier in snapshot.pending]
        for read, name in reads:
            try:
                if _ENCRYPTED in read(name)[:_LABEL]:
                    return True
            except FileUnavailable:
                # One key that cannot be read, or that the world can, says nothing of the others.
                continue
        return False

    def seal(self, key: PrivateKey, snapshot: Snapshot) -> bytes:
        """The key as it is kept: encrypted when the store has a password, and never plain beside encrypted ones."""
        secret = self.password() if callable(self.password) else self.password
        # A person is asked once for a whole change.
        self.password = secret
        known = self._any_of(snapshot)
        if known is not None and _ENCRYPTED in known[:_LABEL]:
            if secret is None:
                raise PasswordRequired(
                    self._layer.place,
                    "the private keys of this store are encrypted",
                    "open the store with its password",
                )
            # One password for one store: a key that another password opens would be lost sooner or later.
            load_private_key(known, secret, what="private key of this store")
        data = secret.encode() if isinstance(secret, str) else None if secret is None else bytes(secret)
        if isinstance(self._layer, Pkcs12Layer):
            from tlsocket.pki.formats.pkcs12 import ITERATIONS

            return private_key_pem(key, data, rounds=ITERATIONS)
        return private_key_pem(key, data)

    def identifiers(self) -> frozenset[str]:
        """The public keys (SHA-256) whose private halves are here, waiting or with an entry."""
        if not self.kept:
            return frozenset()
        snapshot = self._layer.snapshot()
        known = set(snapshot.pending)
        known.update(public_identifier(each.certificate) for each in snapshot.records.values() if each.has_key)
        return frozenset(known - {""})

    def of_certificate(
        self, certificate: x509.Certificate, waiting: set[str], snapshot: Snapshot
    ) -> tuple[str, bytes | None]:
        """The name of the key that waits for a certificate, or the bytes of the key of another entry of the same key.

        What is found is taken out of `waiting`: it is given to one certificate only.
        """
        if not self.kept:
            return "", None
        try:
            info = public_key_info(certificate.public_key())
        except PARSE_ERRORS:
            return "", None
        identifier = hashlib.sha256(info).hexdigest()
        if identifier in waiting:
            waiting.discard(identifier)
            return identifier, None
        for other in snapshot.records.values():
            if other.has_key and public_identifier(other.certificate) == identifier:
                return "", self._layer.read_key(other.thumbprint)
        return "", None

    def _any_of(self, snapshot: Snapshot) -> bytes | None:
        for record in snapshot.records.values():
            if record.has_key:
                return self._layer.read_key(record.thumbprint)
        for identifier in snapshot.pending:
            return self._layer.read_pending(identifier)
        return None
