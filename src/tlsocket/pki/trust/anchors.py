"""Trust anchors: the certificates that are believed without proof (RFC 5280 section 6.1.1).

They come from a file, from bytes, from a folder, or from the platform, one by one: a certificate that cannot be read is
noted and left out, as one bad root must not take away all others. Sets are immutable and shared by every context of a
process. Deciding with them is `tlsocket.pki.trust.verifier`'s part; per-anchor constraints and stores come later.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification

from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der, pem_certificates
from tlsocket.pki.errors import FileUnavailable, LoadError, WrongContent
from tlsocket.pki.keys import KeySource, read_source

__all__ = ["PLATFORM_FILES", "PLATFORM_FOLDERS", "Skipped", "TrustAnchors"]

PLATFORM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL 6
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/tls/cacert.pem",  # OpenELEC
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 7 and later, Fedora 43 and later
    "/etc/ssl/cert.pem",  # Alpine, macOS, BSDs
)
"""Where systems keep their bundle; the first that exists is read."""

PLATFORM_FOLDERS = ("/etc/ssl/certs", "/etc/pki/tls/certs")
"""Read only where no bundle exists."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A certificate that was left out, and why."""

    source: str
    why: str


class TrustAnchors:
    """An immutable set of trusted certificates."""

    __slots__ = ("_by_der", "_by_subject", "_ders", "_generation", "_store", "origin", "skipped")

    def __init__(
        self, certificates: Iterable[x509.Certificate] = (), *, skipped: Iterable[Skipped] = (), origin: str = ""
    ) -> None:
        self._by_der: dict[bytes, x509.Certificate] = {certificate_der(c): c for c in certificates}
        self._by_subject: dict[bytes, tuple[x509.Certificate, ...]] | None = None
        self._ders: dict[int, bytes] | None = None
        self._generation: str | None = None
        self._store: verification.Store | None = None
        self.skipped = tuple(skipped)
        self.origin = origin
        """Where they came from, in words for messages."""

    @classmethod
    def load(cls, source: KeySource) -> TrustAnchors:
        """From a file, or from its content as bytes or text: PEM, or DER one after the other."""
        data, name = read_source(source, "file of trusted certificates")
        certificates, skipped = _parse(data, name)
        if not certificates:
            why = f" ({skipped[0].why})" if skipped else ""
            problem = f"no trusted certificate in it{why}" if data.strip() else "the file is empty"
            raise WrongContent(name, problem, "give the authority's certificate in PEM ('-----BEGIN CERTIFICATE-----')")
        return cls(certificates, skipped=skipped, origin=name)

    @classmethod
    def load_folder(cls, folder: str | os.PathLike[str]) -> TrustAnchors:
        """From every file of a folder, hashed names (`openssl rehash`) or not; other files are passed over."""
        path = Path(folder)
        try:
            names = sorted(entry.name for entry in os.scandir(path) if entry.is_file())
        except OSError as error:
            remedy = "check the path of the folder of trusted certificates"
            raise FileUnavailable(str(path), error, remedy) from None
        certificates: list[x509.Certificate] = []
        skipped: list[Skipped] = []
        for name in names:
            try:
                data, source = read_source(path / name, "trusted certificate")
            except LoadError as error:
                skipped.append(Skipped(str(path / name), error.problem))
                continue
            if b"-----BEGIN " in data or data[:1] == b"\x30":
                found, bad = _parse(data, source)
                certificates += found
                skipped += bad
        return cls(certificates, skipped=skipped, origin=str(path))

    @classmethod
    def platform(cls) -> TrustAnchors:
        """The platform's: what SSL_CERT_FILE and SSL_CERT_DIR name, else the system's bundle; read anew when changed.

        All callers in a process share one set. When nothing is found the set is empty, and verification says so.
        """
        global _platform
        stamp = _platform_stamp()
        shared = _platform
        if shared is None or shared[0] != stamp:
            shared = (stamp, _load_platform())
            _platform = shared
        return shared[1]

    def __or__(self, other: TrustAnchors) -> TrustAnchors:
        """Both sets together."""
        if not other._by_der or other is self:
            return self
        if not self._by_der:
            return other
        origin = ", ".join(part for part in (self.origin, other.origin) if part)
        return TrustAnchors([*self, *other], skipped=self.skipped + other.skipped, origin=origin)

    def __iter__(self) -> Iterator[x509.Certificate]:
        return iter(self._by_der.values())

    def __len__(self) -> int:
        return len(self._by_der)

    def __contains__(self, certificate: object) -> bool:
        """Whether this very certificate (an object or its DER) is trusted."""
        if isinstance(certificate, x509.Certificate):
            certificate = certificate_der(certificate)
        return certificate in self._by_der

    def __repr__(self) -> str:
        return f"<TrustAnchors {len(self)} from {self.origin or 'nowhere'}>"

    def der(self, certificate: x509.Certificate) -> bytes:
        """The DER of a certificate, without encoding it anew when it is one of these very objects."""
        if self._ders is None:
            self._ders = {id(member): der for der, member in self._by_der.items()}
        return self._ders.get(id(certificate)) or certificate_der(certificate)

    def ders(self) -> tuple[bytes, ...]:
        """Each certificate's DER."""
        return tuple(self._by_der)

    def with_subject(self, name: x509.Name) -> tuple[x509.Certificate, ...]:
        """The anchors of that name."""
        if self._by_subject is None:
            index: dict[bytes, tuple[x509.Certificate, ...]] = {}
            for certificate in self:
                try:
                    key = certificate.subject.public_bytes()
                except PARSE_ERRORS:
                    continue
                index[key] = (*index.get(key, ()), certificate)
            self._by_subject = index
        return self._by_subject.get(name.public_bytes(), ())

    @property
    def generation(self) -> str:
        """A digest of the content: what was verified against one set is not valid for another of a different one."""
        if self._generation is None:
            digests = sorted(hashlib.sha256(data).digest() for data in self._by_der)
            self._generation = hashlib.sha256(b"".join(digests)).hexdigest()
        return self._generation

    @property
    def store(self) -> verification.Store | None:
        """The set as `cryptography` wants it, built once; None when it is empty."""
        if self._store is None and self._by_der:
            self._store = verification.Store(list(self))
        return self._store


_Stamp = tuple[object, ...]
_platform: tuple[_Stamp, TrustAnchors] | None = None


def _parse(data: bytes, source: str) -> tuple[list[x509.Certificate], list[Skipped]]:
    skipped: list[Skipped] = []
    try:
        encoded = der.elements(data) if data[:1] == b"\x30" else list(pem_certificates(data))
    except der.DerError:
        return [], [Skipped(source, "it is cut off or not DER")]
    if b"-----BEGIN TRUSTED CERTIFICATE-----" in data:
        # OpenSSL's own form may also say what a certificate is *not* trusted for; ignoring that would be wrong.
        skipped.append(Skipped(source, "OpenSSL's TRUSTED CERTIFICATE form is not read"))
    certificates = []
    with warnings.catch_warnings():
        # Roots with a serial number of zero exist in real stores (RFC 5280 section 4.1.2.2 forbids them).
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for number, item in enumerate(encoded, 1):
            try:
                certificates.append(x509.load_der_x509_certificate(item))
            except PARSE_ERRORS:
                skipped.append(Skipped(source, f"certificate number {number} cannot be parsed"))
    return certificates, skipped


def platform_places() -> tuple[list[str], list[str]]:
    """The files and folders to read: those of the environment alone, else the first bundle that exists."""
    file, folders = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folders:
        return [file] if file else [], [part for part in (folders or "").split(os.pathsep) if part]
    for candidate in PLATFORM_FILES:
        if os.path.isfile(candidate):
            return [candidate], []
    return [], [folder for folder in PLATFORM_FOLDERS if os.path.isdir(folder)]


def _platform_stamp() -> _Stamp:
    """Something that changes when the platform's anchors do: a folder's own time, not that of each file in it."""
    stamp: list[object] = []
    for place in (place for places in platform_places() for place in places):
        try:
            status = os.stat(place)
        except OSError:
            stamp.append((place, None))
        else:
            stamp.append((place, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(stamp)


def _load_platform() -> TrustAnchors:
    anchors, skipped = TrustAnchors(), []
    files, folders = platform_places()
    for place in (*files, *folders):
        try:
            anchors |= TrustAnchors.load_folder(place) if os.path.isdir(place) else TrustAnchors.load(place)
        except LoadError as error:
            # Law of the tolerant loader: the context is made all the same, and a later refusal tells of this.
            skipped.append(Skipped(place, error.problem))
    looked_at = ", ".join((*files, *folders)) or "the platform (no bundle of certificates found)"
    return TrustAnchors(anchors, skipped=(*anchors.skipped, *skipped), origin=looked_at)
