"""Whether an authority of one's own has revoked a certificate, asked of its ledger at the moment of verification.

For programs that run where the authority's folder is, such as `tlsocket serve`: what was revoked is refused with the
next handshake, and no list has to be made or fetched. Lists and OCSP are `tlsocket.pki.revocation`'s.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
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


class LiveRevocation:
    """A verify callback (`Verifier`, `SSLContext.verify_callback`). It only ever refuses.

    A certificate that one of the authorities signed and that its ledger does not know is refused as well, and so is
    every one while the ledger cannot be read: nobody can say that it was not revoked.
    """

    def __init__(self, authorities: Iterable[CertificateAuthority]) -> None:
        # By name and key: an authority whose own certificate was renewed is still the same.
        self._by_key = {_identity(authority.certificate): authority for authority in authorities}

    def __repr__(self) -> str:
        return f"<LiveRevocation {', '.join(self.names)}>"

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the authorities."""
        return tuple(sorted(authority.name for authority in self._by_key.values()))

    def __call__(self, review: PathReview) -> None:
        """Refuse the path when a certificate on it was revoked."""
        path = review.path
        for depth in range(len(path) - 1):
            try:
                authority = self._by_key.get(_identity(path[depth + 1]))
            except PARSE_ERRORS:
                continue
            if authority is not None:
                self._ask(authority, path[depth], depth, review)

    def _ask(self, authority: CertificateAuthority, certificate: x509.Certificate, depth: int, review: PathReview) -> None:
        subject = subject_text(certificate)
        try:
            entry = authority.entry(certificate)
        except NotInLedger:
            review.refuse(
                f"the certificate of {subject} is not in the ledger of the authority {authority.name}",
                "have it issued anew, or restore the ledger from a backup",
                depth,
                refusal=Refusal.REVOCATION_UNKNOWN,
            )
            return
        except PkiError as error:
            review.refuse(
                f"whether the certificate of {subject} was revoked is not known: {error.problem}",
                error.remedy or f"repair the ledger of the authority {authority.name}",
                depth,
                refusal=Refusal.REVOCATION_UNKNOWN,
            )
            return
        if entry.revoked_at is not None:
            since = datetime.datetime.fromtimestamp(entry.revoked_at, datetime.UTC)
            reason = "" if entry.reason is None else f" ({entry.reason.value})"
            review.refuse(
                f"the certificate of {subject} was revoked on {since:%Y-%m-%d %H:%M:%S} UTC{reason}",
                "do not trust this peer until it has a new certificate",
                depth,
                refusal=Refusal.REVOKED,
            )


def _identity(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    return certificate.subject.public_bytes(), public_key_info(certificate.public_key())
