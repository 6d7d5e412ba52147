"""Building certification paths: from a leaf, by names and signatures, to a trust anchor (RFC 5280 section 6, RFC 4158).

Depth first, the likeliest issuer first, one step back when a path turns out wrong, under a budget: authorities that
vouch for each other make more paths than anybody can walk. A step is taken only over a signature that is right. What
a finished path must fulfil is `checks`' matter, and the words for a dead end are `diagnosis`'.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tlsocket.pki.trust.algorithms import signature_is_right
from tlsocket.pki.trust.facts import CertificateFacts
from tlsocket.pki.trust.profiles import Check, Profile

__all__ = ["Anchors", "Budget", "BudgetExceeded", "DeadEnd", "Search", "Stop"]


class Budget(NamedTuple):
    """How much work one verification may cost (design law 9)."""

    signatures: int = 64
    """Signatures checked; an honest chain has as many as certificates."""
    steps: int = 512
    """Certificates tried as issuer."""
    paths: int = 32
    """Paths that reached an anchor."""


class BudgetExceeded(Exception):
    """A budget is used up; `what` names it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Stop(enum.Enum):
    """Why a path went no further."""

    NO_ISSUER = enum.auto()
    BAD_SIGNATURE = enum.auto()
    WRONG_KEY = enum.auto()
    TOO_LONG = enum.auto()
    LOOP = enum.auto()


class DeadEnd(NamedTuple):
    """A path that reached no anchor. For the signature's sake the issuer tried is kept, too."""

    path: tuple[CertificateFacts, ...]
    why: Stop
    issuer: CertificateFacts | None


class Anchors(Protocol):
    """What the search asks of a set of certificates; `tlsocket.pki.trust.anchors.TrustAnchors` is one."""

    def __contains__(self, certificate: object) -> bool: ...

    def issuers_of(self, facts: CertificateFacts) -> tuple[CertificateFacts, ...]:
        """Those whose subject is this certificate's issuer, byte for byte."""
        ...

    def more_issuers_of(self, facts: CertificateFacts) -> tuple[CertificateFacts, ...]:
        """Those whose subject is the same by RFC 5280 section 7.1 only."""
        ...


class Search:
    """The search for one leaf. Iterate `paths`; afterwards `dead_ends` has what led nowhere."""

    __slots__ = (
        "_anchors",
        "_budget",
        "_links",
        "_profile",
        "_signatures",
        "_sources",
        "_steps",
        "_untrusted",
        "_when",
        "dead_ends",
    )

    def __init__(
        self,
        anchors: Anchors,
        untrusted: Sequence[CertificateFacts],
        sources: Sequence[Anchors],
        profile: Profile,
        when: datetime,
        budget: Budget,
    ) -> None:
        self._anchors = anchors
        self._untrusted = untrusted
        self._sources = sources
        self._profile = profile
        self._when = when
        self._budget = budget
        self._links: dict[tuple[int, int], bool] = {}
        self._signatures = 0
        self._steps = 0
        self.dead_ends: list[DeadEnd] = []

    def paths(self, leaf: CertificateFacts) -> Iterator[list[CertificateFacts]]:
        """Every path to an anchor, the likeliest first. Raises `BudgetExceeded`."""
        return self._extend([leaf], 0)

    def _extend(self, path: list[CertificateFacts], depth: int) -> Iterator[list[CertificateFacts]]:
        current = path[-1]
        anchors = self._anchors
        went_on = current.der in anchors and (self._profile.partial_chain or is_self_signed(current))
        if went_on:
            yield path
            if current.self_issued:
                return  # what would follow could only be a namesake
        for issuer in self._candidates(current):
            key = issuer.public_key_info
            if any(known.public_key_info == key and known.subject == issuer.subject for known in path):
                continue  # the same authority again: a loop
            self._steps += 1
            if self._steps > self._budget.steps:
                raise BudgetExceeded("certificates tried as issuers")
            if not self._signed(current, issuer):
                why = Stop.WRONG_KEY if identifiers_differ(current, issuer) else Stop.BAD_SIGNATURE
                self._note(DeadEnd(tuple(path), why, issuer))
                continue
            went_on = True
            is_anchor = issuer.der in anchors
            # Self-issued certificates do not count (RFC 5280 section 6.1.4 (l)), and the anchor is none of them.
            deeper = depth + (not is_anchor and not issuer.self_issued)
            if deeper > self._profile.maximum_depth:
                self._note(DeadEnd((*path, issuer), Stop.TOO_LONG, None))
                continue
            yield from self._extend([*path, issuer], deeper)
        if not went_on:
            self._note(DeadEnd(tuple(path), Stop.NO_ISSUER, None))

    def _note(self, end: DeadEnd) -> None:
        if len(self.dead_ends) < 64:
            self.dead_ends.append(end)

    def _candidates(self, current: CertificateFacts) -> Iterator[CertificateFacts]:
        """Certificates that may have issued it: trusted ones before others, likely ones before unlikely ones."""
        found = self._anchors.issuers_of(current)
        name = current.issuer
        others = [facts for facts in self._untrusted if facts.subject == name and facts not in found]
        for source in self._sources:
            others += [facts for facts in source.issuers_of(current) if facts not in others and facts not in found]
        if len(found) + len(others) > 1:
            yield from sorted(found, key=lambda issuer: self._doubts(current, issuer))
            yield from sorted(others, key=lambda issuer: self._doubts(current, issuer))
        else:
            yield from found
            yield from others
        # Names that are equal without being the same bytes are rare: they come last and only when it comes to that.
        yield from self._anchors.more_issuers_of(current)
        for facts in self._untrusted:
            if facts.subject != name and facts.der not in self._anchors and facts.subject_key == current.issuer_key:
                yield facts
        for source in self._sources:
            yield from source.more_issuers_of(current)

    def _doubts(self, current: CertificateFacts, issuer: CertificateFacts) -> tuple[bool, bool, bool]:
        return (
            identifiers_differ(current, issuer),
            not issuer.not_before <= self._when <= issuer.not_after,
            not issuer.ca,
        )

    def _signed(self, current: CertificateFacts, issuer: CertificateFacts) -> bool:
        """Whether the issuer's key signed it; asked once per pair."""
        if Check.KEY_IDENTIFIERS in self._profile.checks and identifiers_differ(current, issuer):
            return False
        pair = id(current), id(issuer)
        known = self._links.get(pair)
        if known is None:
            self._signatures += 1
            if self._signatures > self._budget.signatures:
                raise BudgetExceeded("signatures")
            known = self._links[pair] = signature_is_right(
                current.signature_algorithm,
                current.certificate,
                current.signature,
                current.tbs,
                issuer.certificate,
                issuer.public_key_info,
            )
        return known


def identifiers_differ(certificate: CertificateFacts, issuer: CertificateFacts) -> bool:
    """Whether the key identifiers say that another key issued the certificate (RFC 5280 section 4.2.1.1)."""
    wanted, has = certificate.authority_key_identifier, issuer.subject_key_identifier
    return wanted is not None and has is not None and wanted != has


def is_self_signed(facts: CertificateFacts) -> bool:
    """Whether it looks self-signed: same names, and no key identifier that says otherwise."""
    return facts.self_issued and not identifiers_differ(facts, facts)
