"""One entry of a store as a program sees it: the certificate, what the store says of it, and its private key on demand.

An entry is a picture of the moment when it was found; what changes it is the store (`CertificateStore.update`). Only
`private_key` looks at the disk again.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from cryptography import x509

from tlsocket.pki.certificates import describe_certificate, parse_certificate
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.formats.trusted import ANY_PURPOSE
from tlsocket.pki.keys import Password, PrivateKey, check_key_fits, load_private_key
from tlsocket.pki.stores.errors import EntryNotFound
from tlsocket.pki.stores.layers import Layer, Record

__all__ = ["StoreEntry"]


class StoreEntry:
    """A certificate in a store. Two entries are equal when their certificates are."""

    __slots__ = ("_layer", "_password", "_record", "inherited", "store_name")

    def __init__(
        self, record: Record, layer: Layer, store_name: str, inherited: bool, password: Callable[[], Password]
    ) -> None:
        self._record = record
        self._layer = layer
        self._password = password
        self.store_name = store_name
        self.inherited = inherited
        """Whether it comes from a layer beneath the store: the machine's, or the system's."""

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return self._record.certificate

    @property
    def der(self) -> bytes:
        """Its encoding."""
        return self._record.der

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the encoding, in 64 small hexadecimal digits; the entry's name in its store."""
        return self._record.thumbprint

    @property
    def thumbprint_sha1(self) -> str:
        """SHA-1 of the encoding: what Windows shows. For finding only, never for deciding."""
        return self._record.thumbprint_sha1

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The issuers that are kept with it, nearest first."""
        return tuple(parse_certificate(data) for data in self._record.chain)

    @property
    def chain_ders(self) -> tuple[bytes, ...]:
        """The same, encoded."""
        return self._record.chain

    @property
    def friendly_name(self) -> str:
        """A name for people; may be empty, need not be unique."""
        return self._record.metadata.friendly_name

    @property
    def archived(self) -> bool:
        """Whether it is kept for the record only: it is left out unless the store is opened to include it."""
        return self._record.metadata.archived

    @property
    def purposes(self) -> tuple[str, ...] | None:
        """The extended key usages (dotted) that it is trusted for here; None: whatever the certificate says."""
        return self._record.metadata.purposes

    @property
    def refused_purposes(self) -> tuple[str, ...]:
        """Those that it is not trusted for here."""
        return self._record.metadata.refused_purposes

    @property
    def added_by(self) -> str:
        """The user who added it; empty when that is not known."""
        return self._record.metadata.added_by

    @property
    def added_at(self) -> datetime.datetime | None:
        """When it was added, in UTC; None when that is not known."""
        moment = self._record.metadata.added_at
        return None if moment is None else datetime.datetime.fromtimestamp(moment, datetime.UTC)

    @property
    def has_private_key(self) -> bool:
        """Whether a private key is kept with it."""
        return self._record.has_key

    @property
    def key_encrypted(self) -> bool:
        """Whether a password is needed for the private key. Raises what reading the key's file can raise."""
        if not self.has_private_key:
            return False
        data = self._layer.read_key(self.thumbprint)
        # A PKCS #12 file keeps keys as PKCS #8 in DER, always encrypted.
        return b"ENCRYPTED" in data[:64] or not data.startswith(b"-----")

    @property
    def place(self) -> str:
        """Where it is kept: a folder, a file, or words."""
        return self._layer.place

    def allows(self, purpose: str) -> bool:
        """Whether the store trusts it for this extended key usage (dotted). What the certificate says is not asked."""
        refused = self.refused_purposes
        if purpose in refused or ANY_PURPOSE in refused:
            return False
        allowed = self.purposes
        return allowed is None or purpose in allowed or ANY_PURPOSE in allowed

    def private_key(self, password: Password = None) -> PrivateKey:
        """The private key, proven to be the certificate's.

        Raises `EntryNotFound` when there is none, `PasswordRequired` and `WrongPassword`, and `NotPrivate` when others
        can read its file.
        """
        if not self.has_private_key:
            raise EntryNotFound(
                f"the entry {self.thumbprint[:16]} ({self.place}) has no private key",
                "add the certificate to MY on the machine where it was requested, or import it with its key",
            )
        data = self._layer.read_key(self.thumbprint)
        secret = self._password() if password is None else password
        what = f"private key of {self.thumbprint[:16]}"
        key = load_private_key(data, secret, what=what)
        check_key_fits(
            key, self.certificate, key_source=f"the {what} in {self.place}", certificate_source=f"{self.place}"
        )
        return key

    def credentials(self, password: Password = None) -> tuple[tuple[bytes, ...], PrivateKey]:
        """The chain as a handshake sends it (DER, this certificate first) and the private key.

        Missing intermediates come from the CA stores. Raises `DistrustedCertificate` besides what `private_key` does.
        """
        from tlsocket.pki.stores.credentials import credentials_of

        return credentials_of(self, password)

    def item(self, *, with_key: bool = False, password: Password = None) -> Item:
        """The entry in the form in which containers are written."""
        key = self.private_key(password) if with_key else None
        return Item(self.certificate, key, self.friendly_name, self.purposes, self.refused_purposes)

    def __eq__(self, other: object) -> bool:
        return self.thumbprint == other.thumbprint if isinstance(other, StoreEntry) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.thumbprint)

    def __repr__(self) -> str:
        key = " with private key" if self.has_private_key else ""
        return f"<StoreEntry {self.store_name} {self.thumbprint[:16]}: {describe_certificate(self.certificate)}{key}>"
