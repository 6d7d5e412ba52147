"""The one adapter that plugs `tlsocket.pki` into the connection: trust on one side, `PeerVerifier` on the other.

It translates arguments and errors and decides nothing: who is believed is said in `tlsocket.pki.trust`, which alert the
peer gets in `tlsocket.errors`, and how the standard library's exception looks in `tlsocket.dropin.exceptions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from tlsocket.config import Role, VerifiedPath
from tlsocket.errors import CertificateReason, CertificateRejected
from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.revocation import RevocationCheck, RevocationLists
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import OPENSSL, STRICT, Profile
from tlsocket.pki.trust.verifier import Verifier

if TYPE_CHECKING:
    from tlsocket.dropin.stores import DistrustWatch
    from tlsocket.pki.trust.review import PathReview

# Values of `ssl.VerifyFlags`, as plain numbers: this module asks at every snapshot, and a test of a Flag is slow.
VERIFY_CRL_CHECK_LEAF = 0x4
VERIFY_CRL_CHECK_CHAIN = 0xC
VERIFY_X509_STRICT = 0x20
VERIFY_X509_PARTIAL_CHAIN = 0x80000

__all__ = ["TrustVerifier", "profile_for", "rejection", "revocation_for"]

# Both enumerations use the same names, so that neither layer needs the other; a test holds them together.
_REASONS = {refusal: CertificateReason[refusal.name] for refusal in Refusal}


class TrustVerifier:
    """A `tlsocket.config.PeerVerifier` over trust anchors."""

    __slots__ = ("_build", "_distrust", "_state", "anchors")

    def __init__(
        self,
        anchors: TrustAnchors,
        *,
        profile: Profile = STRICT,
        intermediates: Sequence[TrustAnchors] = (),
        revocation: RevocationCheck | None = None,
        callback: Callable[[PathReview], None] | None = None,
        distrust: DistrustWatch | None = None,
    ) -> None:
        """`distrust` is asked before every verdict what DISALLOWED stores hold."""
        self.anchors = anchors
        """Whom it trusts, before what is distrusted is taken away."""
        self._build = partial(
            Verifier, profile=profile, intermediates=intermediates, revocation=revocation, callback=callback
        )
        self._distrust = distrust
        # Replaced as a whole, so that two threads see the one state or the other.
        self._state = -1, self._build(anchors)

    def __repr__(self) -> str:
        return f"<TrustVerifier {self._verifier()!r}>"

    @property
    def profile(self) -> Profile:
        """What it asks of a path."""
        return self._state[1].profile

    def _verifier(self) -> Verifier:
        generation, verifier = self._state
        if self._distrust is not None:
            present = self._distrust.generation()
            if present != generation:
                anchors = self.anchors.distrusting(*self._distrust.fingerprints())
                verifier = self._build(anchors)
                self._state = present, verifier
        return verifier

    @property
    def policy_id(self) -> bytes | None:
        """The same where every verdict would be: sessions are bound to it (`tlsocket.handshake.sessions`).

        None where that cannot be told: a callback has its say, or revocation lists do, which grow old.
        """
        return self._verifier().policy_id

    def verify(
        self, certificates: Sequence[bytes], *, server_name: str | None, role_of_peer: Role, now: float
    ) -> VerifiedPath:
        """The verified path; `server_name` None leaves the name unchecked. Raises `CertificateRejected`."""
        purpose = Purpose.SERVER if role_of_peer is Role.SERVER else Purpose.CLIENT
        try:
            found = self._verifier().verify(certificates, purpose, server_name, now)
        except VerificationFailed as error:
            raise rejection(error) from error
        if not found.overridden and not found.switched_off:
            return VerifiedPath(found.path)
        return VerifiedPath(
            found.path,
            tuple(sorted(check.name for check in found.switched_off)),
            tuple(f"{problem.refusal.name} at depth {problem.depth}" for problem in found.overridden),
        )


@lru_cache(maxsize=32)
def profile_for(flags: int, common_name: bool) -> Profile:
    """The profile that `SSLContext.verify_flags` and `hostname_checks_common_name` ask for.

    One object per combination, since what is known of a certificate is kept by profile.
    """
    base = STRICT if flags & VERIFY_X509_STRICT else OPENSSL
    return replace(base, partial_chain=bool(flags & VERIFY_X509_PARTIAL_CHAIN), common_name=common_name)


def revocation_for(flags: int, lists: RevocationLists) -> RevocationCheck | None:
    """The check that `SSLContext.verify_flags` asks for, if it asks for one."""
    if not flags & VERIFY_CRL_CHECK_LEAF:
        return None
    whole_chain = flags & VERIFY_CRL_CHECK_CHAIN == VERIFY_CRL_CHECK_CHAIN
    return RevocationCheck(lists, whole_chain=whole_chain)


def rejection(error: VerificationFailed) -> CertificateRejected:
    """The handshake's error for a refusal; the cause keeps all problems that were found."""
    return CertificateRejected(
        _REASONS[error.refusal],
        error.problem,
        depth=error.depth,
        subject=error.subject,
        hint=error.hint,
        verify_code=error.verify_code,
    )
