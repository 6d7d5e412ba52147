"""What a finished path must fulfil (RFC 5280 section 6.1): the rules for each certificate, and what spans several.

The path is there, every signature on it is right, and it ends in an anchor; here it is judged under a profile, for a
purpose, a name and a moment. All problems are found, not only the first, and they come in the order in which OpenSSL
would have met them. An empty list is the only way to acceptance.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tlsocket.pki.certificates import Purpose, subject_text
from tlsocket.pki.errors import Problem, Refusal
from tlsocket.pki.trust import facts as f
from tlsocket.pki.trust.algorithms import describe_algorithm, signature_algorithm
from tlsocket.pki.trust.anchors import AnchorConstraints, TrustAnchors
from tlsocket.pki.trust.facts import CertificateFacts, MalformedCertificate, NameConstraints
from tlsocket.pki.trust.name_constraints import MAXIMUM_COMPARISONS, constrained_names, violation
from tlsocket.pki.trust.profiles import Check, Profile
from tlsocket.pki.trust.rules import ALONE, ANCHOR, INTERMEDIATE, LEAF, Rule, rule_set
from tlsocket.pki.trust.service_identity import ReferenceIdentity, name_problem
from tlsocket.pki.verify_codes import STAGES

if TYPE_CHECKING:
    from tlsocket.pki.revocation import RevocationCheck

__all__ = ["Question", "ordered", "path_problems"]


class Question(NamedTuple):
    """What is asked: may this path be believed, for this purpose and name, at this moment?"""

    profile: Profile
    purpose: Purpose
    reference: ReferenceIdentity | None
    when: datetime.datetime
    """To the second: dates in certificates are no finer (RFC 5280 section 4.1.2.5)."""
    anchors: TrustAnchors
    revocation: RevocationCheck | None = None
    policies: frozenset[str] | None = None
    """Certificate policies of which one must hold for the whole path, as dotted strings; None: not looked at."""


def path_problems(path: Sequence[CertificateFacts], question: Question) -> list[Problem]:
    """Everything that is wrong with a path, leaf first and anchor last; an empty list accepts it."""
    profile = question.profile
    checks = profile.checks
    problems: list[Problem] = []
    _rules(path, question, problems)
    if Check.VALIDITY in checks:
        when = question.when
        for depth, facts in enumerate(path):
            if not facts.not_before <= when <= facts.not_after:
                problems.append(time_problem(facts, depth, when))
    if Check.SIGNATURE_STRENGTH in checks:
        for depth in range(len(path) - 1):
            problem = signature_strength(path[depth], depth, profile)
            if problem is not None:
                problems.append(problem)
    if Check.PATH_LENGTH in checks and len(path) > 2:
        problems += _path_length(path)
    anchors = question.anchors
    constraints = anchors.constraints_of(path[-1].der)
    if constraints is not None:
        problems += _anchor_constraints(path, question, constraints)
    if anchors.distrusted:
        problems += _distrusted(path, anchors)
    if Check.NAME_CONSTRAINTS in checks:
        problems += _name_constraints(path, profile, constraints)
    if question.reference is not None and Check.SERVICE_IDENTITY in checks:
        mismatch = name_problem(path[0], question.reference, common_name=profile.common_name)
        if mismatch is not None:
            problems.append(mismatch)
    if question.policies is not None:
        from tlsocket.pki.trust.policies import policy_problem

        refused = policy_problem(path, question.policies)
        if refused is not None:
            problems.append(refused)
    if question.revocation is not None:
        problems += question.revocation.problems(path, question.when)
    return ordered(problems) if len(problems) > 1 else problems


def ordered(problems: list[Problem]) -> list[Problem]:
    """In the order in which OpenSSL looks: by stage, then leaf first, but signatures and dates anchor first."""

    def place(problem: Problem) -> tuple[int, int]:
        stage = STAGES.get(problem.verify_code, 2)
        return stage, -problem.depth if problem.verify_code in (6, 7, 9, 10) else problem.depth

    return sorted(problems, key=place)


def _rules(path: Sequence[CertificateFacts], question: Question, problems: list[Problem]) -> None:
    profile, purpose = question.profile, question.purpose
    last = len(path) - 1
    for depth, facts in enumerate(path):
        if depth == 0:
            place = LEAF if last else ALONE
        else:
            place = ANCHOR if depth == last else INTERMEDIATE
        for rule, detail in rule_set(profile, purpose, place).breaches(facts):
            problems.append(_breach(rule, detail, facts, depth))


def _breach(rule: Rule, detail: str, facts: CertificateFacts, depth: int) -> Problem:
    subject = subject_text(facts.certificate)
    code = rule.issuer_code if depth and rule.issuer_code else rule.code
    check = "" if rule.check is None else rule.check.name
    what = f"the certificate of {subject} {detail}"
    return Problem(rule.refusal, depth, subject, what, rule.remedy, check, code, facts.der)


def time_problem(facts: CertificateFacts, depth: int, when: datetime.datetime) -> Problem:
    """The problem of a certificate outside its dates."""
    subject = subject_text(facts.certificate)
    start, end = facts.not_before, facts.not_after
    clock = f"this machine's clock, which says {when:%Y-%m-%d %H:%M} UTC"
    if when > end:
        detail = f"the certificate of {subject} expired on {end:%Y-%m-%d %H:%M:%S} UTC, {_span(when - end)} ago"
        remedy = f"have it renewed, or set {clock}"
        return Problem(Refusal.EXPIRED, depth, subject, detail, remedy, "VALIDITY", 10, facts.der)
    detail = f"the certificate of {subject} is valid from {start:%Y-%m-%d %H:%M:%S} UTC on, in {_span(start - when)}"
    remedy = f"set {clock}, or wait until then"
    return Problem(Refusal.NOT_YET_VALID, depth, subject, detail, remedy, "VALIDITY", 9, facts.der)


def _span(span: datetime.timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def signature_strength(facts: CertificateFacts, depth: int, profile: Profile) -> Problem | None:
    """The problem of a signature with an algorithm that the profile does not take."""
    algorithm = signature_algorithm(facts.signature_algorithm, facts.certificate)
    if algorithm is not None and algorithm.name in profile.signature_algorithms:
        return None
    subject = subject_text(facts.certificate)
    name = describe_algorithm(facts.signature_algorithm, facts.certificate)
    weak = any(hash_name in name for hash_name in ("md2", "md5", "sha1"))
    why = "which can be forged" if weak else f"which the profile '{profile.name}' does not accept"
    detail = f"the certificate of {subject} is signed with {name}, {why}"
    remedy = "have it issued anew with SHA-256"
    return Problem(Refusal.WEAK_SIGNATURE, depth, subject, detail, remedy, "SIGNATURE_STRENGTH", 68, facts.der)


def _path_length(path: Sequence[CertificateFacts]) -> list[Problem]:
    problems = []
    below = 0
    for depth in range(1, len(path)):
        facts = path[depth]
        allowed = facts.path_length
        if allowed is not None and below > allowed:
            subject = subject_text(facts.certificate)
            detail = f"{subject} allows {allowed} intermediate authorities below itself; there are {below}"
            remedy = "have the end entity's certificate issued by an authority nearer to it"
            problems.append(
                Problem(Refusal.PATH_TOO_LONG, depth, subject, detail, remedy, "PATH_LENGTH", 25, facts.der)
            )
        # A self-issued certificate, as in a key rollover, does not count (RFC 5280 section 4.2.1.9).
        below += not facts.self_issued
    return problems


def _anchor_constraints(
    path: Sequence[CertificateFacts], question: Question, constraints: AnchorConstraints
) -> list[Problem]:
    anchor, depth = path[-1], len(path) - 1
    subject = subject_text(anchor.certificate)
    purpose = question.purpose
    found = []

    def refuse(detail: str, remedy: str, refusal: Refusal = Refusal.DISTRUSTED) -> None:
        found.append(Problem(refusal, depth, subject, detail, remedy, "", 28, anchor.der))

    trusted = constraints.purposes
    if (trusted is not None and purpose not in trusted) or purpose in constraints.rejected_purposes:
        words = "servers" if purpose is Purpose.SERVER else "clients"
        refuse(f"{subject} is not trusted to vouch for {words} here", "trust it for this purpose, or use another one")
    when = question.when.timestamp()
    if constraints.not_after is not None and when > constraints.not_after:
        moment = datetime.datetime.fromtimestamp(constraints.not_after, datetime.UTC)
        refuse(f"{subject} is trusted until {moment:%Y-%m-%d} only", "have the certificate issued by another authority")
    latest = constraints.issued_not_after
    if latest is not None and path[0].not_before.timestamp() > latest:
        moment = datetime.datetime.fromtimestamp(latest, datetime.UTC)
        detail = f"{subject} is trusted for certificates issued until {moment:%Y-%m-%d} only"
        refuse(detail, "have the certificate issued by another authority")
    return found


def _distrusted(path: Sequence[CertificateFacts], anchors: TrustAnchors) -> list[Problem]:
    found = []
    for depth, facts in enumerate(path):
        if anchors.is_distrusted(facts.der):
            subject = subject_text(facts.certificate)
            detail = f"the certificate of {subject} is among those that are explicitly distrusted"
            remedy = "do not use this peer until it has another certificate; or remove this one from DISALLOWED"
            found.append(Problem(Refusal.DISTRUSTED, depth, subject, detail, remedy, "", 28, facts.der))
    return found


def _name_constraints(
    path: Sequence[CertificateFacts], profile: Profile, imposed: AnchorConstraints | None
) -> list[Problem]:
    """RFC 5280 section 6.1.4 (g): an authority's constraints hold for everybody below it."""
    extra = None if imposed is None else imposed.name_constraints
    constraining = [depth for depth in range(1, len(path)) if f.NAME_CONSTRAINTS in path[depth].extensions]
    if not constraining and extra is None:
        return []
    spent = 0
    problems: list[Problem] = []
    names: dict[int, tuple[f.GeneralName, ...]] = {}
    sources: list[tuple[int, Callable[[], NameConstraints | None]]] = [
        (depth, path[depth].name_constraints) for depth in constraining
    ]
    if extra is not None:
        imposed_constraints = f.read_name_constraints(extra.public_bytes())
        sources.append((len(path) - 1, lambda: imposed_constraints))
    for issuer_depth, read in sources:
        issuer = path[issuer_depth]
        try:
            constraints = read()
        except MalformedCertificate as error:
            problems.append(_forbidden(issuer, issuer_depth, issuer, f"{error}", 41, Refusal.MALFORMED))
            continue
        if constraints is None:
            continue
        for depth in range(issuer_depth):
            facts = path[depth]
            # Self-issued certificates are exempt, unless they are the last of the path (RFC 5280 section 6.1.3 (b)).
            if depth and facts.self_issued:
                continue
            try:
                if depth not in names:
                    names[depth] = constrained_names(facts, common_name=profile.common_name and depth == 0)
            except MalformedCertificate as error:
                problems.append(_forbidden(facts, depth, facts, f"{error}", 41, Refusal.MALFORMED))
                continue
            spent += len(names[depth]) * (len(constraints[0]) + len(constraints[1]))
            if spent > MAXIMUM_COMPARISONS:
                detail = "has more name constraints than can be compared with so many names"
                problems.append(_forbidden(issuer, issuer_depth, issuer, detail, 1, Refusal.TOO_COMPLEX))
                return problems
            found = violation(names[depth], constraints)
            if found is not None:
                problems.append(_forbidden(facts, depth, issuer, found.detail, found.code, Refusal.NAME_CONSTRAINT))
    return problems


def _forbidden(
    facts: CertificateFacts, depth: int, issuer: CertificateFacts, detail: str, code: int, refusal: Refusal
) -> Problem:
    subject = subject_text(facts.certificate)
    if facts is issuer:
        what = f"the certificate of {subject}: {detail}"
        remedy = "have it issued anew by a proper authority"
    else:
        what = f"{subject_text(issuer.certificate)} may not issue the certificate of {subject}: {detail}"
        remedy = "have it issued by an authority that may issue for these names"
    return Problem(refusal, depth, subject, what, remedy, "NAME_CONSTRAINTS", code, facts.der)
