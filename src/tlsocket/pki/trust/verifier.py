"""The verifier of certification paths (RFC 5280 section 6): is this chain believed, for this purpose and this name?

First cut: paths are built by `cryptography.x509.verification`; a builder of our own will take its place behind the
same interface. Names are compared in `service_identity`, so that a caller may leave that out. Knows nothing of TLS:
what comes in is DER, a name and a time; what comes out is a path, or `VerificationFailed` with words. Revocation does
not belong here.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import TypeAlias

from cryptography import x509
from cryptography.x509 import verification

from tlsocket.crypto.certificates import parse_certificate
from tlsocket.errors import InvalidMessage
from tlsocket.pki.certificates import PARSE_ERRORS, Purpose, subject_text
from tlsocket.pki.errors import Problem, Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.diagnosis import diagnose, end_entity_problems, key_problem, purpose_allowed
from tlsocket.pki.trust.service_identity import ReferenceIdentity, name_problem

__all__ = ["MAXIMUM_CERTIFICATES", "MAXIMUM_DEPTH", "Verifier"]

MAXIMUM_CERTIFICATES = 32
"""Certificates in one chain from a peer; the longest honest ones have five or six."""

MAXIMUM_DEPTH = 8
"""Intermediates between an end entity and its anchor, as the web's verifiers have it."""

_MAXIMUM_PATHS = 64
_PurposeValidator: TypeAlias = Callable[[verification.Policy, x509.Certificate, x509.ExtendedKeyUsage | None], None]
_MALFORMED_REMEDY = "the peer's certificate file is damaged: it should be installed anew"


class Verifier:
    """Verifies chains against one set of anchors. Immutable: one per context, shared by its connections and threads."""

    __slots__ = ("_builders", "anchors")

    def __init__(self, anchors: TrustAnchors, *, maximum_depth: int = MAXIMUM_DEPTH) -> None:
        self.anchors = anchors
        self._builders: dict[Purpose, verification.PolicyBuilder] = {}
        store = anchors.store
        if store is not None:
            base = verification.PolicyBuilder().store(store).max_chain_depth(maximum_depth)
            for purpose in (Purpose.SERVER, Purpose.CLIENT):
                self._builders[purpose] = base.extension_policies(
                    ca_policy=_authority_policy(purpose), ee_policy=_end_entity_policy(purpose)
                )

    def verify_server(self, chain: Sequence[bytes], name: str | None, at: float) -> tuple[bytes, ...]:
        """The path in DER, the server's certificate first and the anchor last, if it is believed at that time.

        `name` is the host name or IP address that the caller meant; None leaves the name unchecked. `at` is in
        seconds since 1970. Raises `VerificationFailed`.
        """
        reference = None if name is None else ReferenceIdentity.parse(name)
        return self._verify(chain, Purpose.SERVER, reference, at)

    def verify_client(self, chain: Sequence[bytes], at: float) -> tuple[bytes, ...]:
        """The same for a client's certificate, which has no name to be compared with."""
        return self._verify(chain, Purpose.CLIENT, None, at)

    def _verify(
        self, chain: Sequence[bytes], purpose: Purpose, reference: ReferenceIdentity | None, at: float
    ) -> tuple[bytes, ...]:
        leaf, others = _parse_chain(chain)
        when = datetime.datetime.fromtimestamp(at, datetime.UTC)
        try:
            if chain[0] in self.anchors:
                # Somebody put this very certificate among the trusted ones, so nobody needs to vouch for it.
                path, problems = [leaf], end_entity_problems(leaf, purpose, when)
            else:
                path, problems = self._path(leaf, others, purpose, when)
            if reference is not None:
                mismatch = name_problem(leaf, reference)
                if mismatch is not None:
                    problems.append(mismatch)
        except PARSE_ERRORS as error:
            # Only now was a field looked at that does not parse: cryptography reads certificates lazily.
            raise VerificationFailed(_malformed(0, str(error))) from None
        if problems:
            raise VerificationFailed(*sorted(problems, key=_openssl_order))
        # What came in goes out again where it is the same object: encoding it anew costs more than parsing it did.
        came = {id(leaf): chain[0]} | {id(other): der for other, der in zip(others, chain[1:], strict=True)}
        return tuple([came.get(id(certificate)) or self.anchors.der(certificate) for certificate in path])

    def _path(
        self, leaf: x509.Certificate, others: list[x509.Certificate], purpose: Purpose, when: datetime.datetime
    ) -> tuple[list[x509.Certificate], list[Problem]]:
        """The path to an anchor, and what is wrong with it."""
        builder = self._builders.get(purpose)
        if builder is None:
            return [], diagnose(leaf, others, self.anchors, purpose, when, "no trusted authorities")
        if len(others) > 2 and not _within_budget(leaf, others):
            subject = subject_text(leaf)
            detail = f"the certificates sent with {subject} vouch for each other in too many ways to try them all"
            return [], [Problem(Refusal.PATH_TOO_LONG, 0, subject, detail, "have the peer send its own chain only")]
        try:
            verified = builder.time(when).build_client_verifier().verify(leaf, others)
        except verification.VerificationError as error:
            return [], diagnose(leaf, others, self.anchors, purpose, when, str(error))
        # The verifier measures the RSA keys of issuers, not the end entity's.
        return verified.chain, key_problem(leaf, 0)


def _authority_policy(purpose: Purpose) -> verification.ExtensionPolicy:
    return verification.ExtensionPolicy.webpki_defaults_ca().may_be_present(
        x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _purpose_validator(purpose)
    )


def _end_entity_policy(purpose: Purpose) -> verification.ExtensionPolicy:
    """The web's defaults, without what is ours to check (names, purpose) and what only helps to build a path (AKI)."""
    agnostic = verification.Criticality.AGNOSTIC
    return (
        verification.ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.ExtendedKeyUsage, agnostic, _purpose_validator(purpose))
        .may_be_present(x509.SubjectAlternativeName, agnostic, None)
        .may_be_present(x509.AuthorityKeyIdentifier, agnostic, None)
    )


def _purpose_validator(purpose: Purpose) -> _PurposeValidator:
    # The builder is asked for a client verifier for servers too, as that one leaves names alone; what tells the two
    # apart is this validator.
    def check(policy: verification.Policy, certificate: x509.Certificate, usages: x509.ExtendedKeyUsage | None) -> None:
        if not purpose_allowed(usages, purpose):
            raise ValueError("the extended key usage does not admit this purpose")

    return check


def _parse_chain(chain: Sequence[bytes]) -> tuple[x509.Certificate, list[x509.Certificate]]:
    if not chain:
        problem = Problem(Refusal.MALFORMED, 0, "", "the peer sent no certificate", "the peer needs a certificate")
        raise VerificationFailed(problem)
    if len(chain) > MAXIMUM_CERTIFICATES:
        detail = f"the peer sent {len(chain)} certificates; {MAXIMUM_CERTIFICATES} are the most that are looked at"
        raise VerificationFailed(Problem(Refusal.PATH_TOO_LONG, 0, "", detail, "have it send its own chain only"))
    certificates = []
    for depth, data in enumerate(chain):
        try:
            certificates.append(parse_certificate(data))
        except InvalidMessage as error:
            raise VerificationFailed(_malformed(depth, error.detail)) from None
    return certificates[0], certificates[1:]


def _malformed(depth: int, cause: str) -> Problem:
    number = "the peer's certificate" if depth == 0 else f"certificate number {depth + 1} of the peer's chain"
    return Problem(Refusal.MALFORMED, depth, "", f"{number} cannot be parsed ({cause})", _MALFORMED_REMEDY)


def _within_budget(leaf: x509.Certificate, others: list[x509.Certificate]) -> bool:
    """Whether the paths that names allow are few enough to try them all.

    Ten authorities that vouch for each other make millions of paths with a signature on every step; the builder has no
    limit of its own on that. Honest chains have one path, cross-signed ones a handful.
    """
    subjects = [certificate.subject.public_bytes() for certificate in others]
    issuers = [certificate.issuer.public_bytes() for certificate in others]
    ends = {leaf.issuer.public_bytes(): 1}
    paths = 1
    for _ in range(MAXIMUM_DEPTH):
        following: dict[bytes, int] = {}
        for subject, issuer in zip(subjects, issuers, strict=True):
            if subject in ends and subject != issuer:
                following[issuer] = following.get(issuer, 0) + ends[subject]
        paths += sum(following.values())
        if paths > _MAXIMUM_PATHS:
            return False
        ends = following
    return True


_ORDER = {
    refusal: place
    for place, group in enumerate(
        (
            (Refusal.MALFORMED,),
            (Refusal.UNKNOWN_ISSUER, Refusal.SELF_SIGNED_LEAF, Refusal.SELF_SIGNED_IN_CHAIN),
            (Refusal.INVALID_CA, Refusal.PATH_TOO_LONG, Refusal.INVALID_PURPOSE, Refusal.UNHANDLED_CRITICAL_EXTENSION),
            (Refusal.WEAK_KEY, Refusal.WEAK_SIGNATURE),
            (Refusal.HOSTNAME_MISMATCH, Refusal.IP_ADDRESS_MISMATCH),
            (Refusal.BAD_SIGNATURE,),
            (Refusal.EXPIRED, Refusal.NOT_YET_VALID),
        )
    )
    for refusal in group
}


def _openssl_order(problem: Problem) -> int:
    """The order of OpenSSL's checks, so that what a program finds first is the same."""
    return _ORDER.get(problem.refusal, len(_ORDER))
