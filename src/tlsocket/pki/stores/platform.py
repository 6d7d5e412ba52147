"""The system's own certificates as a read-only layer beneath the machine's stores.

On Linux and macOS they come from the places that `tlsocket.pki.trust.anchors` knows, with what OpenSSL's
`TRUSTED CERTIFICATE` says of purposes, and from p11-kit's folders of what the administrator blocked; on Windows from
`ssl.enum_certificates`, which shows certificates only, not their keys. As in .NET, what issued itself is shown in ROOT,
other authorities of the system's bundle in CA.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TypeAlias

from cryptography import x509

from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der
from tlsocket.pki.errors import LoadError
from tlsocket.pki.names.comparison import is_self_issued
from tlsocket.pki.stores.errors import EntryNotFound, ReadOnlyStore
from tlsocket.pki.stores.layers import Broken, Metadata, Plan, Record, Snapshot, thumbprint_of
from tlsocket.pki.stores.locations import BLOCKED_FOLDERS
from tlsocket.pki.trust.anchors import platform_places

__all__ = ["EnumerateCertificates", "PlatformLayer", "platform_layer"]

EnumerateCertificates: TypeAlias = Callable[[str], Iterable[tuple[bytes, str, "bool | Iterable[str]"]]]
"""`ssl.enum_certificates` of Windows: a store's name to (content, encoding, True or the purposes it is trusted for)."""

_WINDOWS_NAMES = {"TRUSTED_PEOPLE": "TrustedPeople", "DISALLOWED": "Disallowed"}

_State = tuple[object, dict[str, Record], tuple[Broken, ...]]


class PlatformLayer:
    """One of the system's stores. `read` gives its certificates anew, `stamp` something that changes when they do."""

    writable = False

    def __init__(
        self,
        place: str,
        read: Callable[[], tuple[dict[str, Record], tuple[Broken, ...]]],
        stamp: Callable[[], object],
    ) -> None:
        self.place = place
        self._read = read
        self._stamp = stamp
        self._state: _State | None = None
        self._generation = 0

    def exists(self) -> bool:
        """Always: a system without certificates has an empty one."""
        return True

    def check_writable(self) -> None:
        """Never."""
        raise ReadOnlyStore(f"{self.place} is the system's own and is not written", "use the store above it")

    def snapshot(self) -> Snapshot:
        """Everything, read once until the system's files change."""
        stamp = self._stamp()
        state = self._state
        if state is None or state[0] != stamp:
            state = (stamp, *self._read())
            self._state = state
            self._generation += 1
        return Snapshot(state[1], frozenset(), state[2])

    def record(self, thumbprint: str) -> Record | None:
        """One entry."""
        return self.snapshot().records.get(thumbprint)

    def generation(self) -> int:
        """How often this object saw them change."""
        self.snapshot()
        return self._generation

    def change(self, plan: Plan) -> None:
        """Never."""
        self.check_writable()

    def read_key(self, thumbprint: str) -> bytes:
        """Never: the system's keys are not shown."""
        raise EntryNotFound(
            f"{self.place} shows certificates only, no private keys", "export it with the system's tool"
        )

    def read_pending(self, identifier: str) -> bytes:
        """Never."""
        raise EntryNotFound(f"{self.place} keeps no private keys")


_layers: dict[str, PlatformLayer] = {}


def platform_layer(name: str, *, enumerate_certificates: EnumerateCertificates | None = None) -> PlatformLayer | None:
    """The system's layer of a store; None when it has none of that name. Shared by all stores of a process."""
    if enumerate_certificates is None and sys.platform == "win32":
        import ssl

        enumerate_certificates = ssl.enum_certificates
    if enumerate_certificates is not None:
        return _windows_layer(name, enumerate_certificates)
    if name not in ("ROOT", "CA", "DISALLOWED"):
        return None
    layer = _layers.get(name)
    if layer is None:
        if name == "DISALLOWED":
            layer = PlatformLayer("what the system blocks", _read_blocked, lambda: _stamps(BLOCKED_FOLDERS))
        else:
            layer = PlatformLayer("the system's certificates", lambda: _read_bundle(name == "ROOT"), _bundle_stamp)
        _layers[name] = layer
    return layer


def _windows_layer(name: str, enumerate_certificates: EnumerateCertificates) -> PlatformLayer:
    system_name = _WINDOWS_NAMES.get(name, name)

    def read() -> tuple[dict[str, Record], tuple[Broken, ...]]:
        records: dict[str, Record] = {}
        broken: list[Broken] = []
        place = f"the store {system_name} of Windows"
        try:
            listed = list(enumerate_certificates(system_name))
        except FileNotFoundError:
            # A store that Windows does not know is one that nobody has written.
            return {}, ()
        except OSError as error:
            return {}, (Broken(place, str(error), "run as a user who may read it"),)
        for number, (content, encoding, trust) in enumerate(listed, 1):
            try:
                purposes = None if trust is True else tuple(sorted(trust)) if not isinstance(trust, bool) else ()
                for certificate in _windows_certificates(content, encoding):
                    record = _record(certificate, purposes)
                    records[record.thumbprint] = record
            except (*PARSE_ERRORS, LoadError):
                broken.append(Broken(place, f"certificate number {number} cannot be parsed", "see certmgr.msc"))
        return records, tuple(broken)

    # Windows has no cheap sign that a store changed, so it is read again each time; the system keeps it in memory.
    return PlatformLayer(f"the store {system_name} of Windows", read, object)


def _windows_certificates(content: bytes, encoding: str) -> list[x509.Certificate]:
    if encoding == "x509_asn":
        return [x509.load_der_x509_certificate(content)]
    if encoding == "pkcs_7_asn":
        from tlsocket.pki.formats.reading import read_contents

        return list(read_contents(content, keys=False).certificates)
    raise ValueError(f"unknown encoding {encoding}")


def _record(certificate: x509.Certificate, purposes: tuple[str, ...] | None, refused: tuple[str, ...] = ()) -> Record:
    der = certificate_der(certificate)
    metadata = Metadata(purposes=purposes, refused_purposes=refused, added_by="the system")
    return Record(thumbprint_of(der), der, certificate, metadata)


def _read_bundle(self_issued: bool) -> tuple[dict[str, Record], tuple[Broken, ...]]:
    files, folders = platform_places()
    records, broken = _read_places((*files, *folders))
    chosen = {}
    for thumbprint, record in records.items():
        try:
            if is_self_issued(record.der) is self_issued:
                chosen[thumbprint] = record
        except PARSE_ERRORS:
            continue
    return chosen, broken


def _read_blocked() -> tuple[dict[str, Record], tuple[Broken, ...]]:
    return _read_places(tuple(folder for folder in BLOCKED_FOLDERS if os.path.isdir(folder)))


def _read_places(places: tuple[str, ...]) -> tuple[dict[str, Record], tuple[Broken, ...]]:
    from tlsocket.pki.formats.reading import read_contents

    records: dict[str, Record] = {}
    broken: list[Broken] = []
    for place in places:
        try:
            contents = read_contents(place, keys=False)
        except LoadError as error:
            broken.append(Broken(place, error.problem, error.remedy))
            continue
        for item in contents.items:
            record = _record(item.certificate, item.purposes, item.refused_purposes)
            records.setdefault(record.thumbprint, record)
        broken += [Broken(skipped.source, skipped.why, "reinstall it") for skipped in contents.skipped]
    return records, tuple(broken)


def _bundle_stamp() -> object:
    files, folders = platform_places()
    return _stamps((*files, *folders))


def _stamps(places: Iterable[str]) -> object:
    stamps: list[object] = []
    for place in places:
        try:
            status = os.stat(place)
        except OSError:
            stamps.append((place, None))
        else:
            stamps.append((place, (status.st_mtime_ns, status.st_size, status.st_ino)))
    return tuple(stamps)
