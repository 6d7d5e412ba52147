"""`CertificateStore`: one named store at one location, with what it inherits.

The store writes its own layer and shows those beneath it: CURRENT_USER shows the machine's, except for MY, and the
machine shows the system's own. Places are `layers`'s implementations, searching is `find`'s, whom to believe
`tlsocket.pki.trust`'s part.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from cryptography import x509

from tlsocket import clock
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der, describe_certificate
from tlsocket.pki.formats.contents import Contents, Item
from tlsocket.pki.formats.reading import read_contents
from tlsocket.pki.keys import (
    KeySource,
    Password,
    PrivateKey,
    check_key_fits,
    load_private_key,
)
from tlsocket.pki.stores.arrivals import (
    group_id,
    has_key,
    key_identifier,
    user_name,
    with_chains,
)
from tlsocket.pki.stores.composition import layers_of
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.errors import (
    AmbiguousEntry,
    EntryNotFound,
    MissingStore,
    ReadOnlyStore,
    StoreError,
)
from tlsocket.pki.stores.find import FindType, hexadecimal, is_time_valid, matcher, moment
from tlsocket.pki.stores.folder import FolderLayer
from tlsocket.pki.stores.layers import (
    Broken,
    Change,
    Layer,
    Metadata,
    Put,
    PutPending,
    Record,
    Remove,
    RemovePending,
    Snapshot,
    thumbprint_of,
)
from tlsocket.pki.stores.locations import OpenMode, StoreLocation, StoreName, store_name
from tlsocket.pki.stores.store_keys import StoreKeys
from tlsocket.pki.trust.anchors import AnchorConstraints, Skipped, TrustAnchors

__all__ = ["CertificateStore"]

CODE_SIGNING = "1.3.6.1.5.5.7.3.3"

_DEFAULT_PURPOSES = {"SPC": (CODE_SIGNING,)}
"""What entries of a store are trusted for when nothing else is said: SPC is for software publishers."""

_THUMBPRINTS = frozenset({FindType.THUMBPRINT, FindType.THUMBPRINT_SHA1, FindType.THUMBPRINT_SHA256})
_MINIMUM_PREFIX = 8

Target: TypeAlias = "StoreEntry | x509.Certificate | str | bytes"
"""What names an entry: itself, its certificate (object or DER), or its SHA-256 thumbprint."""


class CertificateStore:
    """A certificate store; see the manual, stores.md. A context manager; entries stay usable after it is closed."""

    def __init__(
        self,
        name: StoreName | str = StoreName.MY,
        location: StoreLocation | str | os.PathLike[str] | None = None,
        mode: OpenMode = OpenMode.MAXIMUM_ALLOWED,
        *,
        password: Password = None,
        inherit: bool = True,
    ) -> None:
        """Open a store; nothing is written, and a store that does not exist is an empty one.

        `location` None is `StoreLocation.for_this_process()`. With `password` private keys are encrypted at rest; a
        PKCS #12 file is opened with it. With `inherit=False` the layers beneath are not shown.
        """
        self.name = store_name(name)
        self.location = StoreLocation.for_this_process() if location is None else StoreLocation.parse(location)
        self.mode = mode
        layers = layers_of(self.name, self.location, password)
        self._own: Layer = layers[0]
        self._layers: tuple[Layer, ...] = tuple(layers if inherit else layers[:1])
        self._keys = StoreKeys(self._own, self.name, password)
        if OpenMode.EXISTING_ONLY in mode and not self._own.exists():
            raise MissingStore(
                f"there is no store {self.name} in {self._own.place}",
                "add something to it, or open it without EXISTING_ONLY",
            )
        if OpenMode.READ_WRITE in mode:
            self._own.check_writable()

    # --- looking ---

    @property
    def place(self) -> str:
        """Where its own entries are: a folder, a file, or words."""
        return self._own.place

    @property
    def generation(self) -> int:
        """A number that grows whenever the store, or one beneath it, was changed by anybody."""
        return sum(layer.generation() for layer in self._layers)

    @property
    def broken(self) -> tuple[Broken, ...]:
        """What could not be read; everything else works."""
        return tuple(item for layer in self._layers for item in layer.snapshot().broken)

    def __iter__(self) -> Iterator[StoreEntry]:
        return iter(self._entries(archived=OpenMode.INCLUDE_ARCHIVED in self.mode))

    def __len__(self) -> int:
        return len(self._entries(archived=OpenMode.INCLUDE_ARCHIVED in self.mode))

    def __contains__(self, item: object) -> bool:
        if isinstance(item, (StoreEntry, x509.Certificate, str, bytes)):
            return self.get(item) is not None
        return False

    def get(self, target: Target) -> StoreEntry | None:
        """The entry with that certificate or SHA-256 thumbprint, archived or not; None when there is none."""
        thumbprint = _thumbprint(target)
        for layer in self._layers:
            record = layer.record(thumbprint)
            if record is not None:
                return self._entry(record, layer)
        return None

    def find(
        self, kind: FindType, value: Any = None, *, valid_only: bool = False, at: Any = None
    ) -> tuple[StoreEntry, ...]:
        """The entries that match. With `valid_only` those that are within their dates and not in a DISALLOWED store.

        `at` is the moment for `valid_only` (None: now). Whether an authority vouches for an entry is a question for
        `tlsocket.pki.trust`. Raises `BadFindValue`.
        """
        test = matcher(kind, value)
        found: Iterable[StoreEntry]
        if kind in _THUMBPRINTS:
            # By far the most frequent search: the entry's file bears the one, and its record keeps the other.
            digits = hexadecimal(value)
            one = self.get(digits) if len(digits) == 64 else self._with_sha1(digits)
            found = [one] if one is not None and (not one.archived or OpenMode.INCLUDE_ARCHIVED in self.mode) else []
        else:
            found = (entry for entry in self if test(entry))
        if valid_only:
            when = moment(at)
            distrusted = Distrust(self.location).thumbprints()
            found = [entry for entry in found if _is_valid(entry, when) and entry.thumbprint not in distrusted]
        return tuple(found)

    def resolve(self, text: str) -> StoreEntry:
        """The one entry that a person means: a thumbprint's first 8 or more digits, a friendly name, or a DNS name.

        Raises `EntryNotFound` or `AmbiguousEntry`.
        """
        digits = "".join(text.replace(":", "").split()).lower()
        is_prefix = len(digits) >= _MINIMUM_PREFIX and not set(digits) - set("0123456789abcdef")
        tests: list[Callable[[StoreEntry], bool]] = []
        if is_prefix:
            tests.append(lambda entry: entry.thumbprint.startswith(digits))
        tests.append(matcher(FindType.FRIENDLY_NAME, text))
        tests.append(matcher(FindType.DNS_NAME, text))
        for test in tests:
            found = [entry for entry in self if test(entry)]
            if len(found) == 1:
                return found[0]
            if found:
                candidates = tuple(f"{one.thumbprint[:16]}  {describe_certificate(one.certificate)}" for one in found)
                raise AmbiguousEntry(
                    f"{text!r:.80} means {len(found)} entries of {self.name}",
                    "name one by the first digits of its thumbprint",
                    candidates,
                )
        raise EntryNotFound(
            f"no entry of {self.name} ({self.place}) is called {text!r:.80}",
            "list the store, and name one by its thumbprint (8 digits or more), its friendly name or its DNS name",
        )

    def check(self) -> tuple[Broken, ...]:
        """Everything that is wrong with the store itself.

        That is what cannot be read, keys that others can read, and folders of the machine that services cannot
        look into.
        """
        own = self._own
        problems = list(self.broken)
        if isinstance(own, FolderLayer):
            problems += own.check_folders()
            for record in own.snapshot().records.values():
                problem = own.check_key(record.thumbprint) if record.has_key else None
                if problem is not None:
                    problems.append(problem)
        return tuple(problems)

    def anchors(self) -> TrustAnchors:
        """The certificates as trust anchors, with the purposes of their entries, without those in a DISALLOWED store.

        The set also knows what is distrusted, so that no path leads through it. Meant for ROOT.
        """
        distrust = Distrust(self.location)
        distrusted = distrust.thumbprints()
        entries = [entry for entry in self if entry.thumbprint not in distrusted]
        constraints = {
            entry.certificate: AnchorConstraints.for_purposes(entry.purposes, entry.refused_purposes)
            for entry in entries
            if entry.purposes is not None or entry.refused_purposes
        }
        return TrustAnchors(
            [entry.certificate for entry in entries],
            constraints=constraints,
            skipped=[Skipped(item.path, item.problem) for item in self.broken],
            origin=f"the store {self.name} ({self.location})",
            distrusted=distrust.fingerprints(),
        )

    # --- changing ---

    def add(
        self,
        certificate: x509.Certificate | StoreEntry | Item,
        key: PrivateKey | None = None,
        *,
        friendly_name: str = "",
        archived: bool = False,
        purposes: Sequence[str] | None = None,
        chain: Sequence[x509.Certificate] = (),
    ) -> StoreEntry:
        """Add one certificate; what is there already keeps what is not said anew. Returns the entry.

        Without `key` a key that waits for this certificate becomes the entry's, or that of another entry of this store
        with the same public key (a renewal).
        """
        item = _item(certificate)
        if key is not None:
            item = replace(item, key=key)
        if friendly_name:
            item = replace(item, friendly_name=friendly_name)
        if purposes is not None:
            item = replace(item, purposes=tuple(purposes))
        if isinstance(certificate, StoreEntry) and not chain:
            chain = certificate.chain
        return self._add([(item, tuple(certificate_der(issuer) for issuer in chain))], archived)[0]

    def add_range(self, certificates: Iterable[x509.Certificate | StoreEntry | Item]) -> tuple[StoreEntry, ...]:
        """Add several, all or none."""
        return self._add([(_item(certificate), ()) for certificate in certificates], False)

    def import_from(
        self, source: KeySource, password: Password = None, *, friendly_name: str = "", keys: bool = True
    ) -> tuple[StoreEntry, ...]:
        """Add everything in a container (see `tlsocket.pki.formats.reading`), all or nothing.

        In MY and in stores of your own, the issuers that are beside a certificate with a key are kept with it as its
        chain, and need no entry. Damaged certificates among good ones are left out. A key without its certificate
        waits for it. Raises `LoadError`.
        """
        return self.import_contents([self.read(source, password, keys=keys)], friendly_name=friendly_name)

    def read(self, source: KeySource, password: Password = None, *, keys: bool = True) -> Contents:
        """What is in a container, of which this store would keep private keys only where it keeps any."""
        return read_contents(source, password, keys=keys and self._keys.kept)

    def import_contents(self, contents: Sequence[Contents], *, friendly_name: str = "") -> tuple[StoreEntry, ...]:
        """Add everything in several containers that were read already, all or nothing; see `import_from`.

        A certificate whose key waits here, or that renews another with the same key, counts as one with a key.
        """
        known = self._keys.identifiers()
        items = [pair for one in contents for pair in with_chains(one, known)]
        if friendly_name and items:
            # The name is for what the file is about: the certificate with the key, or else the first.
            place = next((number for number, (item, _) in enumerate(items) if has_key(item, known)), 0)
            items[place] = replace(items[place][0], friendly_name=friendly_name), items[place][1]
        return self._add(items, False, pending=[key for one in contents for key in one.keys])

    def remove(self, target: Target) -> None:
        """Take an entry away for good, with its private key. Raises `EntryNotFound`, or `ReadOnlyStore` when it is
        inherited."""
        self.remove_range([target])

    def remove_range(self, targets: Iterable[Target]) -> None:
        """Take several away, all or none."""
        thumbprints = [_thumbprint(target) for target in targets]

        def plan(snapshot: Snapshot) -> list[Change]:
            damaged = {Path(item.path).stem for item in snapshot.broken}
            for thumbprint in thumbprints:
                if thumbprint not in snapshot.records and thumbprint not in damaged:
                    self._refuse_removal(thumbprint)
            return [Remove(thumbprint) for thumbprint in dict.fromkeys(thumbprints)]

        self._change(plan)

    def update(
        self,
        target: Target,
        *,
        friendly_name: str | None = None,
        archived: bool | None = None,
        purposes: Sequence[str] | bool | None = False,
    ) -> StoreEntry:
        """Change what the store says of an entry. `purposes` None means all; left out, it stays."""
        thumbprint = _thumbprint(target)

        def plan(snapshot: Snapshot) -> list[Change]:
            record = snapshot.records.get(thumbprint)
            if record is None:
                self._refuse_removal(thumbprint)
                return []
            metadata = record.metadata
            if friendly_name is not None:
                metadata = replace(metadata, friendly_name=friendly_name)
            if archived is not None:
                metadata = replace(metadata, archived=archived)
            if not isinstance(purposes, bool):
                metadata = replace(metadata, purposes=None if purposes is None else tuple(purposes))
            return [Put(replace(record, metadata=metadata))]

        self._change(plan)
        return self._required(thumbprint)

    def grant(self, target: Target, group: str | int) -> None:
        """Let a group read the private key of a machine's entry (0640, root), for a service that is not root."""
        entry = self._required(_thumbprint(target))
        layer = entry._layer
        if not isinstance(layer, FolderLayer) or entry.inherited:
            raise ReadOnlyStore(
                f"a key in {entry.place} cannot be granted to a group", "keep the certificate in the machine's store"
            )
        if not entry.has_private_key:
            raise EntryNotFound(f"the entry {entry.thumbprint[:16]} has no private key", "grant an entry that has one")
        layer.grant(entry.thumbprint, group_id(group))

    def distrust(self, target: Target) -> StoreEntry:
        """Put a certificate into DISALLOWED at this location, where it wins over everything.

        A PKCS #12 file has none beside it; then it is this process's location.
        """
        source = target if isinstance(target, x509.Certificate) else self._required(_thumbprint(target))
        name = source.friendly_name if isinstance(source, StoreEntry) else ""
        certificate = source.certificate if isinstance(source, StoreEntry) else source
        with self._disallowed() as store:
            return store.add(certificate, friendly_name=name)

    def trust(self, target: Target) -> None:
        """Take a certificate out of DISALLOWED at this location again."""
        with self._disallowed() as store:
            store.remove(target)

    # --- keys that wait ---

    def remember_pending_key(self, key: PrivateKey) -> str:
        """Keep the key of a request until `add` gets its certificate. Returns its name: SHA-256 of the public key."""
        self._keys.demand_kept()
        identifier = key_identifier(key)
        self._change(lambda snapshot: [PutPending(identifier, self._keys.seal(key, snapshot))])
        return identifier

    def pending_keys(self) -> tuple[str, ...]:
        """The names of the keys that wait."""
        return tuple(sorted(self._own.snapshot().pending))

    def pending_key(self, identifier: str, password: Password = None) -> PrivateKey:
        """One of them, for example to make its request again."""
        if identifier not in self._own.snapshot().pending:
            raise EntryNotFound(f"no key {identifier[:16]!r} waits in {self.place}", "make a new request")
        secret = self._keys.password if password is None else password
        return load_private_key(self._own.read_pending(identifier), secret, what="pending private key")

    def forget_pending_key(self, identifier: str) -> None:
        """Remove one of them for good."""
        self._change(lambda snapshot: [RemovePending(identifier)] if identifier in snapshot.pending else [])

    # --- its life ---

    @property
    def keys_encrypted(self) -> bool:
        """Whether any private key that it keeps is encrypted; False where it keeps none."""
        return self._keys.encrypted

    def use_password(self, password: Password) -> None:
        """From now on use this password for private keys, or this function, which is called when one is needed.

        A function may return None, where a key is to be kept: then it is kept as the others are, or plain. A PKCS #12
        file's password is given when the store is opened.
        """
        self._keys.password = password

    def close(self) -> None:
        """Forget the password. Entries that were found and need it ask for it."""
        self._keys.password = None

    def __enter__(self) -> CertificateStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CertificateStore {self.name} at {self.location}>"

    # --- within ---

    def _entries(self, *, archived: bool) -> list[StoreEntry]:
        found: dict[str, StoreEntry] = {}
        for layer in self._layers:
            for thumbprint, record in layer.snapshot().records.items():
                if thumbprint not in found:
                    found[thumbprint] = self._entry(record, layer)
        return [entry for entry in found.values() if archived or not entry.archived]

    def _with_sha1(self, digits: str) -> StoreEntry | None:
        for layer in self._layers:
            record = layer.snapshot().with_sha1(digits)
            if record is not None:
                return self._entry(record, layer)
        return None

    def _entry(self, record: Record, layer: Layer) -> StoreEntry:
        return StoreEntry(record, layer, self.name, layer is not self._own, self._keys.ask)

    def _disallowed(self) -> CertificateStore:
        location = self.location
        if location.kind == "pkcs12":
            # A file is one store and has no other beside it.
            location = StoreLocation.for_this_process()
        elif location.kind == "memory" and location.arena is None:
            raise StoreError("a store alone in memory has no DISALLOWED beside it", "use StoreLocation.memory()")
        return CertificateStore(StoreName.DISALLOWED, location)

    def _required(self, thumbprint: str) -> StoreEntry:
        entry = self.get(thumbprint)
        if entry is None:
            raise EntryNotFound(f"{self.place} has no entry {thumbprint[:16]}", "list the store to see what it has")
        return entry

    def _change(self, plan: Callable[[Snapshot], Sequence[Change]]) -> None:
        if not self.mode & (OpenMode.READ_WRITE | OpenMode.MAXIMUM_ALLOWED):
            raise ReadOnlyStore(f"the store {self.name} was opened for reading only", "open it with READ_WRITE")
        self._own.change(plan)

    def _add(
        self,
        items: Sequence[tuple[Item, tuple[bytes, ...]]],
        archived: bool,
        pending: Sequence[PrivateKey] = (),
    ) -> tuple[StoreEntry, ...]:
        for item, _ in items:
            if item.key is not None:
                self._keys.demand_kept()
                check_key_fits(
                    item.key,
                    item.certificate,
                    key_source="the private key",
                    certificate_source="the certificate to add",
                )
        moment_added, user = float(int(clock.now())), user_name()

        def plan(snapshot: Snapshot) -> list[Change]:
            changes: list[Change] = []
            waiting = set(snapshot.pending)
            for item, chain in items:
                der = certificate_der(item.certificate)
                record = self._record(item, der, chain, snapshot, archived)
                record = replace(
                    record,
                    metadata=replace(
                        record.metadata,
                        added_by=record.metadata.added_by or user,
                        added_at=moment_added if record.metadata.added_at is None else record.metadata.added_at,
                    ),
                )
                sealed = None if item.key is None else self._keys.seal(item.key, snapshot)
                joined = ""
                if sealed is None and not record.has_key:
                    joined, sealed = self._keys.of_certificate(item.certificate, waiting, snapshot)
                changes.append(Put(record, sealed, joined))
            changes += [PutPending(key_identifier(key), self._keys.seal(key, snapshot)) for key in pending]
            return changes

        self._change(plan)
        return tuple(self._required(thumbprint_of(item.certificate)) for item, _ in items)

    def _record(self, item: Item, der: bytes, chain: tuple[bytes, ...], snapshot: Snapshot, archived: bool) -> Record:
        thumbprint = thumbprint_of(der)
        old = snapshot.records.get(thumbprint)
        if old is None:
            purposes = item.purposes if item.purposes is not None else _DEFAULT_PURPOSES.get(self.name)
            metadata = Metadata(item.friendly_name, archived, purposes, item.refused_purposes)
            return Record(thumbprint, der, item.certificate, metadata, False, chain)
        metadata = old.metadata
        if item.friendly_name:
            metadata = replace(metadata, friendly_name=item.friendly_name)
        if item.purposes is not None:
            metadata = replace(metadata, purposes=item.purposes)
        if item.refused_purposes:
            metadata = replace(metadata, refused_purposes=item.refused_purposes)
        return replace(old, metadata=replace(metadata, archived=archived), chain=chain or old.chain)

    def _refuse_removal(self, thumbprint: str) -> None:
        for layer in self._layers[1:]:
            if layer.record(thumbprint) is not None:
                raise ReadOnlyStore(
                    f"the entry {thumbprint[:16]} comes from {layer.place} and cannot be changed here",
                    "change it there, or distrust it",
                )
        raise EntryNotFound(f"{self.place} has no entry {thumbprint[:16]}", "list the store to see what it has")


def _item(source: x509.Certificate | StoreEntry | Item) -> Item:
    if isinstance(source, Item):
        return source
    if isinstance(source, StoreEntry):
        return source.item(with_key=source.has_private_key)
    if isinstance(source, x509.Certificate):
        return Item(source)
    raise TypeError(f"a {type(source).__name__} is no certificate")


def _is_valid(entry: StoreEntry, when: Any) -> bool:
    try:
        return is_time_valid(entry.certificate, when)
    except PARSE_ERRORS:
        return False


def _thumbprint(target: Target) -> str:
    if isinstance(target, StoreEntry):
        return target.thumbprint
    if isinstance(target, (x509.Certificate, bytes)):
        return thumbprint_of(target)
    text = "".join(target.replace(":", "").split()).lower()
    if len(text) != 64 or not _is_hexadecimal(text):
        raise EntryNotFound(f"{target!r:.80} is not a SHA-256 thumbprint", "give its 64 hexadecimal digits")
    return text


def _is_hexadecimal(text: str) -> bool:
    return not set(text) - set("0123456789abcdef")
