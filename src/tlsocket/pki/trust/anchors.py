"""Trust anchors: the certificates that are believed without proof (RFC 5280 section 6.1.1).

They come from a file, from bytes, from a folder, or from the platform, one by one: a certificate that cannot be read is
noted and left out, as one bad root must not take away all others. Sets are immutable and shared by every context of a
process. Deciding with them is `tlsocket.pki.trust.verifier`'s part.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS, Purpose, certificate_der, pem_certificates
from tlsocket.pki.errors import FileUnavailable, LoadError, WrongContent
from tlsocket.pki.files import DEFAULT_LIMIT, read_limited
from tlsocket.pki.keys import KeySource, read_source
from tlsocket.pki.names.comparison import name_key
from tlsocket.pki.trust.facts import CertificateFacts, MalformedCertificate, subject_of

__all__ = ["PLATFORM_FILES", "PLATFORM_FOLDERS", "AnchorConstraints", "Skipped", "TrustAnchors"]

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


@dataclass(frozen=True, slots=True)
class AnchorConstraints:
    """What an anchor is trusted for, beyond what its certificate says (RFC 5914 has the idea)."""

    purposes: frozenset[Purpose] | None = None
    """Only for these; None: for all."""
    rejected_purposes: frozenset[Purpose] = frozenset()
    """Not for these, whatever else is said."""
    not_after: float | None = None
    """Not trusted after this moment, in seconds since 1970."""
    issued_not_after: float | None = None
    """Certificates of end entities whose validity begins later are not trusted, in seconds since 1970."""
    name_constraints: x509.NameConstraints | None = None
    """Applied as if they stood in its certificate."""

    @property
    def content(self) -> tuple[str, ...]:
        """All of it in a form that is the same for equal constraints."""
        trusted = "all" if self.purposes is None else ",".join(sorted(purpose.value for purpose in self.purposes))
        rejected = ",".join(sorted(purpose.value for purpose in self.rejected_purposes))
        names = "" if self.name_constraints is None else self.name_constraints.public_bytes().hex()
        return trusted, rejected, repr(self.not_after), repr(self.issued_not_after), names

    @classmethod
    def for_purposes(cls, trusted: Iterable[str] | None, rejected: Iterable[str] = ()) -> AnchorConstraints:
        """From extended key usages in dotted form, as stores and OpenSSL's TRUSTED CERTIFICATE keep them."""
        return cls(None if trusted is None else _purposes(trusted), _purposes(rejected))


def _purposes(usages: Iterable[str]) -> frozenset[Purpose]:
    named = frozenset(usages)
    if "2.5.29.37.0" in named:  # anyExtendedKeyUsage
        return frozenset(_USAGES.values())
    return frozenset(purpose for usage, purpose in _USAGES.items() if usage in named)


_USAGES = {"1.3.6.1.5.5.7.3.1": Purpose.SERVER, "1.3.6.1.5.5.7.3.2": Purpose.CLIENT}


class TrustAnchors:
    """An immutable set of trusted certificates, and of certificates that are distrusted wherever they appear."""

    __slots__ = (
        "_by_der",
        "_constraints",
        "_facts",
        "_generation",
        "_index",
        "_keys",
        "distrusted",
        "origin",
        "skipped",
    )

    def __init__(
        self,
        certificates: Iterable[x509.Certificate] = (),
        *,
        skipped: Iterable[Skipped] = (),
        origin: str = "",
        constraints: Mapping[x509.Certificate, AnchorConstraints] | Mapping[bytes, AnchorConstraints] | None = None,
        distrusted: Iterable[bytes] = (),
    ) -> None:
        self._by_der: dict[bytes, x509.Certificate | None] = {certificate_der(c): c for c in certificates}
        self._constraints = {
            key if isinstance(key, bytes) else certificate_der(key): value for key, value in (constraints or {}).items()
        }
        self._facts: dict[bytes, CertificateFacts | None] = {}
        self._index: dict[bytes, tuple[bytes, ...]] | None = None
        self._keys: dict[bytes, tuple[bytes, ...]] | None = None
        self._generation: str | None = None
        self.skipped = tuple(skipped)
        self.origin = origin
        """Where they came from, in words for messages."""
        self.distrusted = frozenset(distrusted)
        """SHA-256 fingerprints (32 bytes each) of certificates that no path may hold, trusted or not."""

    @classmethod
    def _of_ders(
        cls,
        ders: dict[bytes, x509.Certificate | None],
        skipped: Iterable[Skipped],
        origin: str,
        constraints: Mapping[x509.Certificate, AnchorConstraints] | Mapping[bytes, AnchorConstraints] | None = None,
    ) -> TrustAnchors:
        self = cls(skipped=skipped, origin=origin, constraints=constraints)
        self._by_der = ders
        return self

    @classmethod
    def load(cls, source: KeySource) -> TrustAnchors:
        """From a file, or from its content as bytes or text: PEM, or DER one after the other."""
        data, name = read_source(source, "file of trusted certificates")
        certificates, skipped, constraints = _parse(data, name)
        if not certificates:
            why = f" ({skipped[0].why})" if skipped else ""
            problem = f"no trusted certificate in it{why}" if data.strip() else "the file is empty"
            raise WrongContent(name, problem, "give the authority's certificate in PEM ('-----BEGIN CERTIFICATE-----')")
        return cls._of_ders(certificates, skipped, name, constraints)

    @classmethod
    def load_folder(cls, folder: str | os.PathLike[str]) -> TrustAnchors:
        """From every file of a folder, hashed names (`openssl rehash`) or not; other files are passed over."""
        path = os.fspath(folder)
        try:
            # Most folders have each file twice: under its own name, and linked from a hash of the subject.
            files: dict[tuple[int, int], str] = {}
            for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
                if entry.is_file():
                    status = entry.stat()
                    files.setdefault((status.st_dev, status.st_ino), entry.name)
            names = list(files.values())
        except OSError as error:
            remedy = "check the path of the folder of trusted certificates"
            raise FileUnavailable(path, error, remedy) from None
        certificates: dict[bytes, x509.Certificate | None] = {}
        constraints: dict[bytes, AnchorConstraints] = {}
        skipped: list[Skipped] = []
        for name in names:
            source = os.path.join(path, name)
            try:
                data = read_limited(source, DEFAULT_LIMIT, what="trusted certificate", regular=False)
            except LoadError as error:
                skipped.append(Skipped(source, error.problem))
                continue
            if b"-----BEGIN " in data or data[:1] == b"\x30":
                found, bad, said = _parse(data, source)
                constraints |= said
                certificates |= found
                skipped += bad
        return cls._of_ders(certificates, skipped, path, constraints)

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
        """Both sets together. What one distrusts stays distrusted, and an anchor keeps the constraints it has."""
        if other is self or not (other._by_der or other.distrusted):
            return self
        if not (self._by_der or self.distrusted):
            return other
        origin = ", ".join(part for part in (self.origin, other.origin) if part)
        both = TrustAnchors._of_ders({**self._by_der, **other._by_der}, self.skipped + other.skipped, origin)
        both._constraints = {**other._constraints, **self._constraints}
        both.distrusted = self.distrusted | other.distrusted
        return both

    def distrusting(self, *certificates: x509.Certificate | bytes) -> TrustAnchors:
        """The same set, which refuses every path that holds one of these: certificates, or SHA-256 fingerprints."""
        twin = TrustAnchors._of_ders(self._by_der, self.skipped, self.origin)
        twin._constraints = self._constraints
        twin.distrusted = self.distrusted | {
            item if isinstance(item, bytes) else hashlib.sha256(certificate_der(item)).digest() for item in certificates
        }
        return twin

    def __iter__(self) -> Iterator[x509.Certificate]:
        return iter([self._parsed(data) for data in self._by_der])

    def __len__(self) -> int:
        return len(self._by_der)

    def __contains__(self, certificate: object) -> bool:
        """Whether this very certificate (an object or its DER) is trusted."""
        if isinstance(certificate, x509.Certificate):
            certificate = certificate_der(certificate)
        return certificate in self._by_der

    def __repr__(self) -> str:
        return f"<TrustAnchors {len(self)} from {self.origin or 'nowhere'}>"

    def ders(self) -> tuple[bytes, ...]:
        """Each certificate's DER."""
        return tuple(self._by_der)

    def constraints_of(self, data: bytes) -> AnchorConstraints | None:
        """The constraints on an anchor, given its DER."""
        return self._constraints.get(data)

    def is_distrusted(self, data: bytes) -> bool:
        """Whether the certificate with this DER is distrusted."""
        return bool(self.distrusted) and hashlib.sha256(data).digest() in self.distrusted

    def with_subject(self, name: x509.Name) -> tuple[x509.Certificate, ...]:
        """The anchors of that name (RFC 5280 section 7.1)."""
        return tuple(self._parsed(data) for data in self._names().get(name_key(name.public_bytes()), ()))

    def issuers_of(self, facts: CertificateFacts) -> tuple[CertificateFacts, ...]:
        """The anchors whose subject is this certificate's issuer, byte for byte."""
        index = self._index
        if index is None:
            index = {}
            for data in self._by_der:
                subject = subject_of(data)
                index[subject] = (*index.get(subject, ()), data)
            self._index = index
        found = index.get(facts.issuer)
        return () if found is None else self._read(found)

    def more_issuers_of(self, facts: CertificateFacts) -> tuple[CertificateFacts, ...]:
        """Those that `issuers_of` does not find: the name is the same, its bytes are not."""
        found = self._read(self._names().get(facts.issuer_key, ()))
        return tuple(issuer for issuer in found if issuer.subject != facts.issuer)

    def _names(self) -> dict[bytes, tuple[bytes, ...]]:
        keys = self._keys
        if keys is None:
            keys = {}
            for data in self._by_der:
                key = name_key(subject_of(data))
                keys[key] = (*keys.get(key, ()), data)
            self._keys = keys
        return keys

    def _read(self, ders: Iterable[bytes]) -> tuple[CertificateFacts, ...]:
        """Those of `ders` that can be read, each read once and kept."""
        found = []
        for data in ders:
            if data not in self._facts:
                try:
                    self._facts[data] = CertificateFacts(data)
                except MalformedCertificate:
                    self._facts[data] = None
            facts = self._facts[data]
            if facts is not None:
                found.append(facts)
        return tuple(found)

    def _parsed(self, data: bytes) -> x509.Certificate:
        return self._by_der[data] or x509.load_der_x509_certificate(data)

    @property
    def generation(self) -> str:
        """A digest of the content: what was verified against one set is not valid for another of a different one."""
        if self._generation is None:
            digests = sorted(hashlib.sha256(data).digest() for data in self._by_der)
            constraints = sorted((hashlib.sha256(key).digest(), of.content) for key, of in self._constraints.items())
            content = repr((digests, constraints, sorted(self.distrusted)))
            self._generation = hashlib.sha256(content.encode()).hexdigest()
        return self._generation


_Stamp = tuple[object, ...]
_platform: tuple[_Stamp, TrustAnchors] | None = None


_Parsed = tuple[dict[bytes, x509.Certificate | None], list[Skipped], dict[bytes, AnchorConstraints]]
_TRUSTED = b"-----BEGIN TRUSTED CERTIFICATE-----"


def _parse(data: bytes, source: str) -> _Parsed:
    """The certificates, what was left out, and what OpenSSL's TRUSTED CERTIFICATE form says they are trusted for."""
    skipped: list[Skipped] = []
    try:
        encoded = der.elements(data) if data[:1] == b"\x30" else list(pem_certificates(data))
    except der.DerError:
        return {}, [Skipped(source, "it is cut off or not DER")], {}
    constraints = _unpack_trusted(data, source, encoded, skipped) if _TRUSTED in data else {}
    certificates: dict[bytes, x509.Certificate | None] = {}
    with warnings.catch_warnings():
        # Roots with a serial number of zero exist in real stores (RFC 5280 section 4.1.2.2 forbids them).
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for number, item in enumerate(encoded, 1):
            try:
                certificates[item] = x509.load_der_x509_certificate(item)
            except PARSE_ERRORS:
                skipped.append(Skipped(source, f"certificate number {number} cannot be parsed"))
    return certificates, skipped, constraints


def _unpack_trusted(
    data: bytes, source: str, encoded: list[bytes], skipped: list[Skipped]
) -> dict[bytes, AnchorConstraints]:
    """Add the certificates of TRUSTED CERTIFICATE blocks to `encoded`; returns their constraints."""
    from tlsocket.pki.formats.trusted import split_trusted

    constraints = {}
    for part in data.split(_TRUSTED)[1:]:
        body = part.partition(b"-----END TRUSTED CERTIFICATE-----")[0]
        try:
            content = binascii.a2b_base64(body.translate(None, b" \t\r\n"), strict_mode=True)
            certificate, auxiliary = split_trusted(content)
        except (binascii.Error, der.DerError):
            # It may say what the certificate is *not* trusted for, so half of it is worse than none.
            skipped.append(Skipped(source, "a TRUSTED CERTIFICATE block in it cannot be parsed"))
            continue
        encoded.append(certificate)
        if auxiliary.trusted is not None or auxiliary.rejected:
            constraints[certificate] = AnchorConstraints.for_purposes(auxiliary.trusted, auxiliary.rejected)
    return constraints


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
    return TrustAnchors._of_ders(anchors._by_der, (*anchors.skipped, *skipped), looked_at, anchors._constraints)
