"""The one adapter that plugs `tlsocket.pki` into the connection: trust on one side, `PeerVerifier` on the other.

It translates arguments and errors and decides nothing: who is believed is said in `tlsocket.pki.trust`, which alert the
peer gets in `tlsocket.errors`, and how the standard library's exception looks in `tlsocket.dropin.exceptions`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tlsocket.config import Role, VerifiedPath
from tlsocket.errors import CertificateReason, CertificateRejected
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.verifier import Verifier

__all__ = ["TrustVerifier", "rejection"]

# Both enumerations use the same names, so that neither layer needs the other; a test holds them together.
_REASONS = {refusal: CertificateReason[refusal.name] for refusal in Refusal}


class TrustVerifier:
    """A `tlsocket.config.PeerVerifier` over trust anchors."""

    __slots__ = ("_verifier",)

    def __init__(self, anchors: TrustAnchors) -> None:
        self._verifier = Verifier(anchors)

    @property
    def anchors(self) -> TrustAnchors:
        """Whom it trusts."""
        return self._verifier.anchors

    @property
    def policy_id(self) -> bytes:
        """The same where every verdict would be: sessions are bound to it (`tlsocket.handshake.sessions`)."""
        return self._verifier.anchors.generation.encode()

    def verify(
        self, certificates: Sequence[bytes], *, server_name: str | None, role_of_peer: Role, now: float
    ) -> VerifiedPath:
        """The verified path; `server_name` None leaves the name unchecked. Raises `CertificateRejected`."""
        try:
            if role_of_peer is Role.SERVER:
                path = self._verifier.verify_server(certificates, server_name, now)
            else:
                path = self._verifier.verify_client(certificates, now)
        except VerificationFailed as error:
            raise rejection(error) from error
        return VerifiedPath(path)


def rejection(error: VerificationFailed) -> CertificateRejected:
    """The handshake's error for a refusal; the cause keeps all problems that were found."""
    return CertificateRejected(
        _REASONS[error.refusal], error.problem, depth=error.depth, subject=error.subject, hint=error.hint
    )
