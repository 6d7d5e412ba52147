"""Why a chain was refused, in words: which of the paths that were tried says most, and what a person can do.

Runs only after a refusal, and can never turn one into an acceptance. The order of problems is that of OpenSSL's checks,
because programs match on the first (RFC 5280 sections 4.2 and 6.1 for the rules themselves).
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tlsocket.pki.certificates import PARSE_ERRORS, printable, subject_text
from tlsocket.pki.errors import Attempt, Problem, Refusal, VerificationFailed
from tlsocket.pki.trust.algorithms import signature_algorithm
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.checks import Question, ordered, signature_strength, time_problem
from tlsocket.pki.trust.facts import CertificateFacts
from tlsocket.pki.trust.path import DeadEnd, Stop, is_self_signed
from tlsocket.pki.trust.profiles import Check
from tlsocket.pki.trust.rules import INTERMEDIATE, LEAF, rule_set
from tlsocket.pki.trust.service_identity import name_problem

__all__ = ["Finished", "best_path", "refusal"]

Finished = tuple[list[CertificateFacts], list[Problem]]
"""A path that reached an anchor, and what is wrong with it."""


def refusal(
    finished: Sequence[Finished], dead_ends: Sequence[DeadEnd], exceeded: str, question: Question
) -> VerificationFailed:
    """The error for a chain of which no path was good."""
    attempts = [_attempt(path, problems, True) for path, problems in finished]
    shown = [end for end in dead_ends if end.why is Stop.NO_ISSUER or end.why is Stop.TOO_LONG] or dead_ends
    attempts += [_attempt(end.path, [_dead_end(end, dead_ends, question)], False) for end in shown]
    if exceeded:
        leaf = finished[0][0][0] if finished else dead_ends[0].path[0] if dead_ends else None
        return VerificationFailed(_exceeded(leaf, exceeded), attempts=tuple(attempts))
    if finished:
        _, problems = min(finished, key=lambda pair: (len(pair[1]), len(pair[0])))
    else:
        problems = _problems_of_dead_end(shown, dead_ends, question)
    return VerificationFailed(*problems, attempts=tuple(attempts))


def best_path(finished: Sequence[Finished], dead_ends: Sequence[DeadEnd]) -> list[CertificateFacts]:
    """The path whose problems a refusal speaks of."""
    if finished:
        return min(finished, key=lambda pair: (len(pair[1]), len(pair[0])))[0]
    return list(max(dead_ends, key=lambda end: len(end.path)).path) if dead_ends else []


def _attempt(path: Sequence[CertificateFacts], problems: Sequence[Problem], reached: bool) -> Attempt:
    subjects = tuple(subject_text(facts.certificate) for facts in path)
    return Attempt(tuple(facts.der for facts in path), subjects, tuple(problems), reached)


def _exceeded(leaf: CertificateFacts | None, what: str) -> Problem:
    subject = "" if leaf is None else subject_text(leaf.certificate)
    detail = f"the certificates sent with {subject} vouch for each other in too many ways to try them all ({what})"
    remedy = "have the peer send its own chain only"
    return Problem(Refusal.TOO_COMPLEX, 0, subject, detail, remedy, "", 22, b"" if leaf is None else leaf.der)


def _problems_of_dead_end(shown: Sequence[DeadEnd], dead_ends: Sequence[DeadEnd], question: Question) -> list[Problem]:
    """What is wrong with the path that came furthest."""
    end = max(shown, key=lambda candidate: len(candidate.path))
    path, checks = end.path, question.profile.checks
    problems = [_dead_end(end, dead_ends, question)]
    for depth, facts in enumerate(path):
        place = INTERMEDIATE if depth else LEAF
        for rule, detail in rule_set(question.profile, question.purpose, place).breaches(facts):
            subject = subject_text(facts.certificate)
            code = rule.issuer_code if depth and rule.issuer_code else rule.code
            check = "" if rule.check is None else rule.check.name
            what = f"the certificate of {subject} {detail}"
            problems.append(Problem(rule.refusal, depth, subject, what, rule.remedy, check, code, facts.der))
        if Check.VALIDITY in checks and not facts.not_before <= question.when <= facts.not_after:
            problems.append(time_problem(facts, depth, question.when))
        if question.anchors.is_distrusted(facts.der):
            problems.append(_distrusted(facts, depth))
    if question.reference is not None and Check.SERVICE_IDENTITY in checks:
        mismatch = name_problem(path[0], question.reference, common_name=question.profile.common_name)
        if mismatch is not None:
            problems.append(mismatch)
    return ordered(problems)


def _distrusted(facts: CertificateFacts, depth: int) -> Problem:
    subject = subject_text(facts.certificate)
    detail = f"the certificate of {subject} is among those that are explicitly distrusted"
    return Problem(Refusal.DISTRUSTED, depth, subject, detail, "do not use this peer", "", 28, facts.der)


def _dead_end(end: DeadEnd, dead_ends: Sequence[DeadEnd], question: Question) -> Problem:
    """What stops a path short of an anchor."""
    if end.why is Stop.TOO_LONG:
        subject = subject_text(end.path[0].certificate)
        count = len(end.path) - 1
        detail = f"the chain of {subject} has {count} intermediate authorities or more, "
        detail += f"more than the {question.profile.maximum_depth} that are followed"
        remedy = "have it issued by an authority nearer to the root"
        return Problem(Refusal.PATH_TOO_LONG, count, subject, detail, remedy, "", 22, end.path[-1].der)
    tried = [other for other in dead_ends if other.issuer is not None and other.path == end.path]
    facts, depth = end.path[-1], len(end.path) - 1
    if tried:
        known = signature_algorithm(facts.signature_algorithm, facts.certificate)
        # A signature that can be forged is refused unread, which is not the same as a wrong one.
        weak = None if known is not None else signature_strength(facts, depth, question.profile)
        if weak is not None:
            return weak
    return _missing_issuer(end, tried, question.anchors)


def _missing_issuer(end: DeadEnd, tried: Sequence[DeadEnd], anchors: TrustAnchors) -> Problem:
    facts, depth = end.path[-1], len(end.path) - 1
    subject, issuer = subject_text(facts.certificate), _issuer_text(facts)
    strangers = [other.issuer for other in tried if other.issuer is not None and other.issuer.der != facts.der]
    trusted = any(stranger.der in anchors for stranger in strangers)
    if is_self_signed(facts):
        what = f"the chain ends in {subject}, which" if depth else f"the certificate of {subject}"
        detail = f"{what} is self-signed and not among {_count(anchors)}"
        if trusted:
            detail += "; one of that name is, but with another key"
        why = Refusal.SELF_SIGNED_IN_CHAIN if depth else Refusal.SELF_SIGNED_LEAF
        remedy = f"if you know it, trust it: load {subject} as an authority"
        return Problem(why, depth, subject, detail, remedy, "", 0, facts.der)
    if any(other.why is Stop.BAD_SIGNATURE for other in tried):
        kind = "trusted authority" if trusted else "issuer"
        detail = f"the signature on the certificate of {subject} is not one that its {kind} {issuer} made"
        remedy = "it was altered or forged: do not trust this peer"
        return Problem(Refusal.BAD_SIGNATURE, depth, subject, detail, remedy, "", 7, facts.der)
    detail = f"no trusted authority issued the certificate of {subject}: its issuer {issuer} is not among "
    detail += f"{_count(anchors)}, and the peer sent no certificate for it"
    code = 2 if depth and facts.der in anchors else 20
    if strangers:
        detail += "; an authority of that name is known, but with another key"
        remedy = f"load the present certificate of {issuer} if you trust it: it was perhaps made anew"
    elif not anchors:
        remedy = "load the authority's certificate, install the system's (ca-certificates), or set SSL_CERT_FILE"
    elif any(member.der in anchors for member in end.path):
        trusted_one = next(member for member in end.path if member.der in anchors)
        detail = f"the certificate of {subject_text(trusted_one.certificate)} is trusted, but it is not self-signed, "
        detail += f"and the issuer {issuer} is not known"
        remedy = f"load the certificate of {issuer}, or allow partial chains (VERIFY_X509_PARTIAL_CHAIN)"
    else:
        remedy = (
            f"load the certificate of {issuer} if you trust it, or have the peer send its intermediate certificates"
        )
        place = _where_the_issuer_is(facts)
        if place:
            remedy += f" (it says that {issuer} can be had from {place})"
    return Problem(Refusal.UNKNOWN_ISSUER, depth, subject, detail, remedy, "", code, facts.der)


def _issuer_text(facts: CertificateFacts) -> str:
    try:
        return printable(facts.certificate.issuer.rfc4514_string()) or "an unnamed issuer"
    except PARSE_ERRORS:
        return "an unnamed issuer"


def _where_the_issuer_is(facts: CertificateFacts) -> str:
    """The address at which the certificate says that its issuer's can be fetched."""
    try:
        accesses = facts.certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (*PARSE_ERRORS, x509.ExtensionNotFound):
        return ""
    for access in accesses:
        location = access.access_location
        is_issuers = access.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        if is_issuers and isinstance(location, x509.UniformResourceIdentifier):
            return printable(location.value)
    return ""


def _count(anchors: TrustAnchors) -> str:
    if not len(anchors):
        where = f" (looked in {anchors.origin})" if anchors.origin else ""
        return f"the trusted authorities, of which there are none{where}"
    if len(anchors) == 1:
        return f"the trusted authorities (only {subject_text(next(iter(anchors)))})"
    return f"the {len(anchors)} trusted authorities"
