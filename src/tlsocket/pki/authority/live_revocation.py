"""Whether an authority of one's own has revoked a certificate, asked of its ledger at the moment of verification.

For programs that run where the authority's folder is, such as `tlsocket serve`: what was revoked is refused with the
next handshake, and no list has to be made or fetched. Lists and OCSP are `tlsocket.pki.revocation`'s.
"""

from __future__ import annotations

import datetime
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from tlsocket.pki.authority.certificate_authority import CertificateAuthority
from tlsocket.pki.authority.refusals import NotInLedger
from tlsocket.pki.certificates import PARSE_ERRORS, subject_text
from tlsocket.pki.errors import PkiError, Refusal
from tlsocket.pki.keys import public_key_info

if TYPE_CHECKING:
    from tlsocket.pki.trust.review import PathReview

__all__ = ["LiveRevocation"]

_Identity = tuple[bytes, bytes]


class LiveRevocation:
    """A verify callback (`Verifier`, `SSLContext.verify_callback`) over the authorities in a folder. It only refuses.

    A certificate that one of them signed and that its ledger does not know is refused as well, and so is every one of
    an authority whose ledger cannot be read: nobody can say that it was not revoked. An authority that is made later
    is found when its certificates come.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Opens the authorities. Raises what `CertificateAuthority.open` raises."""
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, int]] = {}
        # By name and key: an authority whose own certificate was renewed is still the same.
        self._by_identity: dict[_Identity, CertificateAuthority] = {}
        with self._lock:
            self._look()

    def __repr__(self) -> str:
        return f"<LiveRevocation {', '.join(self.names)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the authorities that are known."""
        return tuple(sorted(authority.name for authority in self._by_identity.values()))

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Their own certificates."""
        return tuple(authority.certificate for authority in self._by_identity.values())

    def close(self) -> None:
        """Close the ledgers."""
        with self._lock:
            for authority in self._by_identity.values():
                authority.close()
            self._by_identity = {}

    def __call__(self, review: PathReview) -> None:
        """Refuse the path when a certificate on it was revoked."""
        path = review.path
        for depth in range(len(path) - 1):
            certificate = path[depth]
            try:
                authority = self._find(_identity(path[depth + 1]))
                if authority is not None:
                    self._ask(authority, certificate, depth, review)
            except PARSE_ERRORS:
                # A path with such a certificate is refused by the verifier.
                continue
            except PkiError as error:
                _unknown(review, certificate, depth, error.problem, error.remedy)

    def _find(self, identity: _Identity) -> CertificateAuthority | None:
        found = self._by_identity.get(identity)
        if found is None:
            with self._lock:
                self._look()
            found = self._by_identity.get(identity)
        return found

    def _look(self) -> None:
        """Open the authorities that were not there, or were others, when the folder was last looked at."""
        for name in CertificateAuthority.names(self._folder):
            try:
                status = os.stat(self._folder / name / "authority.pem")
            except OSError:
                continue
            stamp = status.st_ino, status.st_mtime_ns
            if self._seen.get(name) == stamp:
                continue
            authority = CertificateAuthority.open(self._folder, name)
            self._by_identity = {**self._by_identity, _identity(authority.certificate): authority}
            self._seen[name] = stamp

    def _ask(
        self, authority: CertificateAuthority, certificate: x509.Certificate, depth: int, review: PathReview
    ) -> None:
        try:
            entry = authority.entry(certificate)
        except NotInLedger:
            why = f"it is not in the ledger of the authority {authority.name}"
            _unknown(review, certificate, depth, why, "have it issued anew, or restore the ledger from a backup")
            return
        if entry.revoked_at is not None:
            since = datetime.datetime.fromtimestamp(entry.revoked_at, datetime.UTC)
            reason = "" if entry.reason is None else f" ({entry.reason.value})"
            review.refuse(
                f"the certificate of {subject_text(certificate)} was revoked on {since:%Y-%m-%d %H:%M:%S} UTC{reason}",
                "do not trust this peer until it has a new certificate",
                depth,
                refusal=Refusal.REVOKED,
            )


def _unknown(review: PathReview, certificate: x509.Certificate, depth: int, why: str, remedy: str) -> None:
    review.refuse(
        f"whether the certificate of {subject_text(certificate)} was revoked is not known: {why}",
        remedy or "repair the authority's folder",
        depth,
        refusal=Refusal.REVOCATION_UNKNOWN,
    )


def _identity(certificate: x509.Certificate) -> _Identity:
    return certificate.subject.public_bytes(), public_key_info(certificate.public_key())
