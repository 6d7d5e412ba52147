"""Why a chain was refused, in words. Runs only after a refusal, and can never turn one into an acceptance.

The verifier below us answers with one sentence of its own; a person needs to know which certificate, since when, and
what to do. So the path is walked once more, slowly, and everything that is wrong with it is listed, in the order in
which OpenSSL would have met it (programs match on the first). RFC 5280 sections 4.2 and 6.1 for the rules.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from tlsocket.pki.certificates import PARSE_ERRORS, Purpose, key_description, printable, subject_text
from tlsocket.pki.errors import Problem, Refusal
from tlsocket.pki.trust.anchors import TrustAnchors

__all__ = ["MINIMUM_RSA_BITS", "diagnose", "end_entity_problems", "key_problem", "purpose_allowed"]

MINIMUM_RSA_BITS = 2048
_MAXIMUM_DEPTH = 16
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_HANDLED = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
    }
)
_PURPOSES = {
    Purpose.SERVER: (ExtendedKeyUsageOID.SERVER_AUTH, "identify a server (serverAuth)"),
    Purpose.CLIENT: (ExtendedKeyUsageOID.CLIENT_AUTH, "identify a client (clientAuth)"),
}


def purpose_allowed(usages: x509.ExtendedKeyUsage | None, purpose: Purpose) -> bool:
    """Whether extended key usages admit the purpose: absent ones admit all, anyExtendedKeyUsage alone does not."""
    return usages is None or _PURPOSES[purpose][0] in usages


def diagnose(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: TrustAnchors,
    purpose: Purpose,
    at: datetime.datetime,
    cause: str,
) -> list[Problem]:
    """Everything found wrong with the chain, at least one thing; `cause` is the verifier's own sentence."""
    path, broken = _walk(leaf, others, anchors)
    problems = [] if broken is None else [broken]
    for depth, certificate in enumerate(path):
        problems += _issuer_problems(certificate, depth, purpose, path) if depth else _purpose_problem(leaf, 0, purpose)
    for depth, certificate in enumerate(path):
        problems += key_problem(certificate, depth)
    for depth, certificate in enumerate(path):
        problems += _time_problems(certificate, depth, at)
    for depth, certificate in enumerate(path):
        problems += _extension_problems(certificate, depth)
    return problems or [_unexplained(path, cause)]


def end_entity_problems(certificate: x509.Certificate, purpose: Purpose, at: datetime.datetime) -> list[Problem]:
    """What is wrong with a certificate that is trusted by itself, where no issuer and no signature count."""
    return [
        *_purpose_problem(certificate, 0, purpose),
        *key_problem(certificate, 0),
        *_time_problems(certificate, 0, at),
        *_extension_problems(certificate, 0),
    ]


def key_problem(certificate: x509.Certificate, depth: int) -> list[Problem]:
    """A key that is too short, or of a kind that protects nothing."""
    key = certificate.public_key()
    if (isinstance(key, rsa.RSAPublicKey) and key.key_size < MINIMUM_RSA_BITS) or isinstance(key, dsa.DSAPublicKey):
        subject = subject_text(certificate)
        detail = f"the key of {subject} is too weak: {key_description(certificate)}"
        remedy = f"get a certificate with an ECDSA key, or an RSA key of {MINIMUM_RSA_BITS} bits or more"
        return [Problem(Refusal.WEAK_KEY, depth, subject, detail, remedy)]
    return []


def _walk(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], anchors: TrustAnchors
) -> tuple[list[x509.Certificate], Problem | None]:
    """The path from the leaf as far as it goes, and what stops it short of an anchor."""
    path = [leaf]
    while len(path) <= _MAXIMUM_DEPTH:
        current = path[-1]
        if current in anchors:
            return path, None
        named = [c for c in (*anchors.with_subject(current.issuer), *others) if c.subject == current.issuer]
        named = [c for c in named if c not in path]
        issuer = next((c for c in named if _issued(c, current)), None)
        if issuer is None:
            # A signature that can be forged is refused unread, which is not the same as a wrong one.
            weak = _weak_signature(current, len(path) - 1) if named else None
            return path, weak or _missing_issuer(path, named, anchors)
        path.append(issuer)
    subject = subject_text(leaf)
    return path, Problem(
        Refusal.PATH_TOO_LONG, 0, subject, f"the chain of {subject} is too long", "have it issued by a shorter chain"
    )


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*PARSE_ERRORS, InvalidSignature):
        return False
    return True


def _weak_signature(certificate: x509.Certificate, depth: int) -> Problem | None:
    algorithm = certificate.signature_hash_algorithm
    if not isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        return None
    subject = subject_text(certificate)
    detail = f"the certificate of {subject} is signed with {algorithm.name}, which can be forged"
    return Problem(Refusal.WEAK_SIGNATURE, depth, subject, detail, "have it issued anew with SHA-256")


def _missing_issuer(path: list[x509.Certificate], named: list[x509.Certificate], anchors: TrustAnchors) -> Problem:
    certificate, depth = path[-1], len(path) - 1
    subject, issuer = subject_text(certificate), printable(certificate.issuer.rfc4514_string())
    if certificate.subject == certificate.issuer and (not named or _issued(certificate, certificate)):
        refusal = Refusal.SELF_SIGNED_IN_CHAIN if depth else Refusal.SELF_SIGNED_LEAF
        what = f"the chain ends in {subject}, which" if depth else f"the certificate of {subject}"
        detail = f"{what} is self-signed and not among {_count(anchors)}"
        if named:
            detail += "; one of that name is, but with another key"
        return Problem(refusal, depth, subject, detail, f"if you know it, trust it: load {subject} as an authority")
    if named and _key_identifier_fits(named, certificate):
        issuer_kind = "trusted authority" if any(c in anchors for c in named) else "issuer"
        detail = f"the signature on the certificate of {subject} is not one that its {issuer_kind} {issuer} made"
        return Problem(
            Refusal.BAD_SIGNATURE, depth, subject, detail, "it was altered or forged: do not trust this peer"
        )
    detail = f"no trusted authority issued the certificate of {subject}: its issuer {issuer} is not among "
    detail += f"{_count(anchors)}, and the peer sent no certificate for it"
    if named:
        detail += "; an authority of that name is known, but with another key"
        remedy = f"load the present certificate of {issuer} if you trust it: it was perhaps made anew"
    elif not anchors:
        remedy = "load the authority's certificate, install the system's (ca-certificates), or set SSL_CERT_FILE"
    else:
        remedy = (
            f"load the certificate of {issuer} if you trust it, or have the peer send its intermediate certificates"
        )
    return Problem(Refusal.UNKNOWN_ISSUER, depth, subject, detail, remedy)


def _count(anchors: TrustAnchors) -> str:
    if not anchors:
        where = f" (looked in {anchors.origin})" if anchors.origin else ""
        return f"the trusted authorities, of which there are none{where}"
    if len(anchors) == 1:
        return f"the trusted authorities (only {subject_text(next(iter(anchors)))})"
    return f"the {len(anchors)} trusted authorities"


def _key_identifier_fits(named: list[x509.Certificate], certificate: x509.Certificate) -> bool:
    """Whether one of the issuers is the one that the certificate speaks of, as far as key identifiers tell."""
    try:
        wanted = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        if wanted is None:
            return True
        return any(
            c.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest == wanted for c in named
        )
    except (*PARSE_ERRORS, x509.ExtensionNotFound):
        return True


def _issuer_problems(
    certificate: x509.Certificate, depth: int, purpose: Purpose, path: list[x509.Certificate]
) -> list[Problem]:
    """RFC 5280 section 6.1.4 (k) to (n): an issuer is an authority, and its path is no longer than it may be."""
    subject = subject_text(certificate)
    remedy = "ask the peer's administrator for a certificate from a proper authority"
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca:
        detail = f"{subject} issued a certificate but is not an authority (basicConstraints)"
        return [Problem(Refusal.INVALID_CA, depth, subject, detail, remedy)]
    if usage is not None and not usage.key_cert_sign:
        detail = f"{subject} issued a certificate but its key may not do that (keyUsage lacks keyCertSign)"
        return [Problem(Refusal.INVALID_CA, depth, subject, detail, remedy)]
    # A self-issued certificate, as in a key rollover, does not count (RFC 5280 section 4.2.1.9).
    below = sum(1 for c in path[1:depth] if c.subject != c.issuer)
    if constraints.path_length is not None and below > constraints.path_length:
        detail = f"{subject} allows {constraints.path_length} intermediate authorities below itself; there are {below}"
        return [Problem(Refusal.PATH_TOO_LONG, depth, subject, detail, remedy)]
    return _purpose_problem(certificate, depth, purpose)


def _purpose_problem(certificate: x509.Certificate, depth: int, purpose: Purpose) -> list[Problem]:
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    if purpose_allowed(usages, purpose):
        return []
    subject, wanted = subject_text(certificate), _PURPOSES[purpose][1]
    has = ", ".join(getattr(usage, "_name", usage.dotted_string) for usage in usages or ())
    detail = f"the certificate of {subject} may not be used to {wanted}, only for: {has}"
    remedy = "use one that was issued for this purpose (extendedKeyUsage)"
    return [Problem(Refusal.INVALID_PURPOSE, depth, subject, detail, remedy)]


def _time_problems(certificate: x509.Certificate, depth: int, at: datetime.datetime) -> list[Problem]:
    subject = subject_text(certificate)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    clock = f"this machine's clock, which says {at:%Y-%m-%d %H:%M} UTC"
    if at > end:
        detail = f"the certificate of {subject} expired on {end:%Y-%m-%d %H:%M:%S} UTC, {_span(at - end)} ago"
        remedy = f"have it renewed, or set {clock}"
        return [Problem(Refusal.EXPIRED, depth, subject, detail, remedy)]
    if at < start:
        detail = f"the certificate of {subject} is valid from {start:%Y-%m-%d %H:%M:%S} UTC on, in {_span(start - at)}"
        remedy = f"set {clock}, or wait until then"
        return [Problem(Refusal.NOT_YET_VALID, depth, subject, detail, remedy)]
    return []


def _span(span: datetime.timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _extension_problems(certificate: x509.Certificate, depth: int) -> list[Problem]:
    subject = subject_text(certificate)
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _HANDLED:
            detail = f"the certificate of {subject} has a critical extension that is not understood: "
            detail += extension.oid.dotted_string
            remedy = "use a certificate without it; a critical extension must not be ignored (RFC 5280 section 4.2)"
            return [Problem(Refusal.UNHANDLED_CRITICAL_EXTENSION, depth, subject, detail, remedy)]
    return []


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _unexplained(path: list[x509.Certificate], cause: str) -> Problem:
    """What only the verifier itself objects to: name constraints, depth, and shapes that it does not accept."""
    subject = subject_text(path[0])
    if "constraint" in cause and "name" in cause:
        detail = f"an authority above {subject} may not issue for the names in its certificate (nameConstraints)"
        remedy = "have it issued by an authority that may issue for these names"
        return Problem(Refusal.NAME_CONSTRAINT, 0, subject, detail, remedy)
    if "max depth" in cause:
        detail = f"the chain of {subject} has {max(len(path) - 2, 0)} intermediate authorities, more than are followed"
        return Problem(Refusal.PATH_TOO_LONG, 0, subject, detail, "have it issued by an authority nearer to the root")
    for depth, certificate in enumerate(path[1:], 1):
        if isinstance(certificate.public_key(), (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            kind, name = key_description(certificate), subject_text(certificate)
            detail = f"authorities with an {kind} key are not supported yet, and {name} is one"
            return Problem(Refusal.OTHER, depth, name, detail, "use an authority with an ECDSA or RSA key")
    remedy = "have it issued as RFC 5280 section 4.2 asks; the manual (trust.md) lists the shapes not accepted yet"
    return Problem(Refusal.OTHER, 0, subject, f"the chain of {subject} was refused: {printable(cause)}", remedy)
