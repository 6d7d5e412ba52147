"""The verifier of certification paths (RFC 5280 section 6): is this chain believed, for this purpose and this name?

Paths come from `path`, judgement from `checks`, words from `diagnosis`; here they are put together. What comes in is
DER, a name and a time; what comes out is a path, or `VerificationFailed` with all that is wrong. Knows nothing of TLS.
No verdict is kept: every call verifies every signature anew.
"""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import Problem, Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.checks import Question, path_problems
from tlsocket.pki.trust.facts import CertificateFacts, MalformedCertificate, facts_of
from tlsocket.pki.trust.path import Budget, BudgetExceeded, Search
from tlsocket.pki.trust.profiles import STRICT, Check, Profile
from tlsocket.pki.trust.service_identity import ReferenceIdentity

if TYPE_CHECKING:
    from tlsocket.pki.revocation import RevocationCheck
    from tlsocket.pki.trust.review import PathReview

__all__ = ["MAXIMUM_CERTIFICATES", "Verification", "Verifier"]

MAXIMUM_CERTIFICATES = 32
"""Certificates in one chain from a peer; the longest honest ones have five or six."""

_MALFORMED_REMEDY = "the peer's certificate file is damaged: it should be installed anew"


@dataclass(frozen=True, slots=True)
class Verification:
    """A path that is believed, and under which conditions."""

    path: tuple[bytes, ...] = field(repr=False)
    """DER certificates, the end entity's first and the anchor last."""
    profile: Profile
    purpose: Purpose
    name: str | None
    """The name that the certificate was found to serve; None: no name was compared."""
    overridden: tuple[Problem, ...] = ()
    """What the verify callback chose to overlook, by name."""

    @property
    def switched_off(self) -> frozenset[Check]:
        """Checks that the profile of this name has and that were not made."""
        return self.profile.switched_off


class Verifier:
    """Verifies chains against one set of anchors. Immutable: one per context, shared by its connections and threads."""

    __slots__ = ("_budget", "_callback", "_policies", "_policy_id", "_revocation", "_sources", "anchors", "profile")

    def __init__(
        self,
        anchors: TrustAnchors,
        *,
        profile: Profile = STRICT,
        intermediates: Sequence[TrustAnchors] = (),
        revocation: RevocationCheck | None = None,
        policies: frozenset[str] | None = None,
        callback: Callable[[PathReview], None] | None = None,
        maximum_depth: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        """`intermediates` are untrusted certificates, such as those of CA stores, that may complete a path.

        `policies` are certificate policies of which one must hold for the whole path, in dotted form. `callback` sees
        every built path with its problems before the verdict (`tlsocket.pki.trust.review`).
        """
        self.anchors = anchors
        self.profile = profile if maximum_depth is None else replace(profile, maximum_depth=maximum_depth)
        self._sources = tuple(intermediates)
        self._revocation = revocation
        self._policies = policies
        self._callback = callback
        self._policy_id: bytes | None = None
        self._budget = Budget() if budget is None else budget

    def __repr__(self) -> str:
        return f"<Verifier {self.profile!r} {self.anchors!r}>"

    @property
    def policy_id(self) -> bytes | None:
        """Bytes that are the same for every verifier that would always come to the same verdicts.

        None where that cannot be told: a callback has its say, or revocation lists do, which grow old.
        """
        if self._callback is not None or self._revocation is not None:
            return None
        if self._policy_id is None:
            parts = [self.anchors.generation, *(source.generation for source in self._sources)]
            parts += [repr(sorted(self._policies or ())), repr(self._policies is None), self.profile.fingerprint]
            parts.append(repr(self._budget))
            self._policy_id = hashlib.sha256("\n".join(parts).encode()).digest()
        return self._policy_id

    def verify_server(self, chain: Sequence[bytes], name: str | None, at: float) -> tuple[bytes, ...]:
        """The path in DER, the server's certificate first and the anchor last, if it is believed at that time.

        `name` is the host name or IP address that the caller meant; None leaves the name unchecked. `at` is in
        seconds since 1970. Raises `VerificationFailed`.
        """
        return self.verify(chain, Purpose.SERVER, name, at).path

    def verify_client(self, chain: Sequence[bytes], at: float) -> tuple[bytes, ...]:
        """The same for a client's certificate, which has no name to be compared with."""
        return self.verify(chain, Purpose.CLIENT, None, at).path

    def verify(self, chain: Sequence[bytes], purpose: Purpose, name: str | None, at: float) -> Verification:
        """The path with the conditions under which it is believed. Raises `VerificationFailed`.

        ValueError when `name` is no host name or address, which is the caller's mistake and not the peer's.
        """
        reference = None if name is None else ReferenceIdentity.parse(name)
        if Check.SERVICE_IDENTITY not in self.profile.checks:
            reference = None  # nothing is compared, and the result must not say that it was
        leaf, others = _read_chain(chain)
        # To the second, as dates in certificates are: what is valid until noon is valid through that second.
        when = datetime.datetime.fromtimestamp(math.floor(at), datetime.UTC)
        question = Question(self.profile, purpose, reference, when, self.anchors, self._revocation, self._policies)
        search = Search(self.anchors, others, self._sources, self.profile, when, self._budget)
        finished: list[tuple[list[CertificateFacts], list[Problem]]] = []
        exceeded = ""
        try:
            for path in search.paths(leaf):
                problems = path_problems(path, question)
                if not problems and self._callback is None:
                    compared = None if reference is None else name
                    return Verification(tuple([facts.der for facts in path]), self.profile, purpose, compared)
                finished.append((path, problems))
                if not problems:
                    break
                if len(finished) >= self._budget.paths:
                    raise BudgetExceeded("paths")
        except BudgetExceeded as error:
            exceeded = error.what
        if self._callback is not None:
            return self._reviewed(finished, search, exceeded, question, name)
        from tlsocket.pki.trust.diagnosis import refusal

        raise refusal(finished, search.dead_ends, exceeded, question)

    def _reviewed(
        self,
        finished: list[tuple[list[CertificateFacts], list[Problem]]],
        search: Search,
        exceeded: str,
        question: Question,
        name: str | None,
    ) -> Verification:
        """The verdict when a callback has a say."""
        from tlsocket.pki.trust.diagnosis import best_path, refusal
        from tlsocket.pki.trust.review import PathReview

        good = [path for path, problems in finished if not problems]
        failure = None if good else refusal(finished, search.dead_ends, exceeded, question)
        path = good[0] if good else best_path(finished, search.dead_ends)
        problems = () if failure is None else failure.problems
        review = PathReview(tuple(path), problems, question.purpose, name, self.profile)
        callback = self._callback
        if callback is not None:
            callback(review)
        left = review.remaining()
        if left:
            raise VerificationFailed(*left, attempts=() if failure is None else failure.attempts)
        compared = None if question.reference is None else name
        return Verification(
            tuple(facts.der for facts in path), self.profile, question.purpose, compared, review.overridden
        )


def _read_chain(chain: Sequence[bytes]) -> tuple[CertificateFacts, list[CertificateFacts]]:
    if not chain:
        problem = Problem(Refusal.MALFORMED, 0, "", "the peer sent no certificate", "the peer needs a certificate")
        raise VerificationFailed(problem)
    if len(chain) > MAXIMUM_CERTIFICATES:
        detail = f"the peer sent {len(chain)} certificates; {MAXIMUM_CERTIFICATES} are the most that are looked at"
        remedy = "have it send its own chain only"
        raise VerificationFailed(Problem(Refusal.TOO_COMPLEX, 0, "", detail, remedy, "", 22))
    certificates = []
    for depth, data in enumerate(chain):
        try:
            certificates.append(facts_of(data))
        except MalformedCertificate as error:
            number = "the peer's certificate" if depth == 0 else f"certificate number {depth + 1} of the peer's chain"
            detail = f"{number} cannot be parsed ({error})"
            raise VerificationFailed(Problem(Refusal.MALFORMED, depth, "", detail, _MALFORMED_REMEDY)) from None
    return certificates[0], certificates[1:]
