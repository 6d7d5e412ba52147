"""What a verify callback sees, and the only ways in which it can change a verdict.

It may add refusals, and it may override a problem by naming its reason and, if it wants, the depth; there is no way to
accept everything. What was overridden stands in the result.
"""

from __future__ import annotations

from cryptography import x509

from tlsocket.pki.certificates import Purpose, subject_text
from tlsocket.pki.errors import Problem, Refusal
from tlsocket.pki.trust.facts import CertificateFacts
from tlsocket.pki.trust.profiles import Profile

__all__ = ["PathReview"]


class PathReview:
    """A path before the verdict: the best that was found, with what is wrong with it."""

    __slots__ = ("_added", "_facts", "_overridden", "name", "problems", "profile", "purpose")

    def __init__(
        self,
        path: tuple[CertificateFacts, ...],
        problems: tuple[Problem, ...],
        purpose: Purpose,
        name: str | None,
        profile: Profile,
    ) -> None:
        self._facts = path
        self._added: list[Problem] = []
        self._overridden: list[Problem] = []
        self.problems = problems
        """What is wrong with it; empty when nothing is."""
        self.purpose = purpose
        self.name = name
        """The name that was asked for; None when none was."""
        self.profile = profile

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """The certificates, the end entity's first; it ends in an anchor unless `problems` says otherwise."""
        return tuple(facts.certificate for facts in self._facts)

    @property
    def overridden(self) -> tuple[Problem, ...]:
        """The problems that were overridden."""
        return tuple(self._overridden)

    def refuse(
        self,
        detail: str,
        remedy: str = "ask whoever runs this program",
        depth: int = 0,
        *,
        refusal: Refusal = Refusal.OTHER,
    ) -> None:
        """Refuse the path, with words for a person; `refusal` says which alert the peer gets."""
        facts = self._facts[depth] if depth < len(self._facts) else None
        subject = "" if facts is None else subject_text(facts.certificate)
        der = b"" if facts is None else facts.der
        # 50 is X509_V_ERR_APPLICATION_VERIFICATION; a reason with a number of its own keeps it.
        code = 50 if refusal is Refusal.OTHER else 0
        self._added.append(Problem(refusal, depth, subject, detail, remedy, "", code, der))

    def override(self, refusal: Refusal, depth: int | None = None) -> bool:
        """Overlook the problems with this reason, at this depth or at any; whether there was one."""
        chosen = [
            problem
            for problem in self.problems
            if problem.refusal is refusal and depth in (None, problem.depth) and problem not in self._overridden
        ]
        self._overridden += chosen
        return bool(chosen)

    def remaining(self) -> tuple[Problem, ...]:
        """What still stands against the path."""
        return tuple(self._added) + tuple(problem for problem in self.problems if problem not in self._overridden)
