"""Certificate policies: judged as OpenSSL judges them, and ignored unless asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509

from tests.pki.trust.chains import HOST, NOW, Made, forge, leaf
from tests.pki.trust.judges import openssl_verdict, pem
from tlsocket.pki import der
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.formats.trusted import encode_oid
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.verifier import Verifier

ROOT = forge("root")
A, B, C, ANY = "1.2.3.1", "1.2.3.2", "1.2.3.3", "2.5.29.32.0"


def policies(*oids: str, critical: bool = False) -> list[tuple[x509.ExtensionType, bool]]:
    information = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
    return [(x509.CertificatePolicies(information), critical)]


def mapping(*pairs: tuple[str, str]) -> tuple[x509.ExtensionType, bool]:
    items = [der.encode(der.SEQUENCE, encode_oid(one), encode_oid(other)) for one, other in pairs]
    value = der.encode(der.SEQUENCE, *items)
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), value), True


def chain(*levels: Sequence[tuple[x509.ExtensionType, bool]]) -> list[Made]:
    """Leaf first; the levels are the extensions of the authorities from below the root down, then of the leaf."""
    made: list[Made] = []
    issuer = ROOT
    for number, extra in enumerate(levels[:-1]):
        issuer = forge(f"level {number}", issuer, extra=extra)
        made.insert(0, issuer)
    return [leaf(issuer, extra=levels[-1]), *made]


NO_MAPPING = (x509.PolicyConstraints(None, 0), True)
NO_ANY = (x509.InhibitAnyPolicy(0), True)

CASES: dict[str, tuple[list[Made], str, bool]] = {
    "held all the way": (chain(policies(A), policies(A, B)), A, True),
    "not the leaf's": (chain(policies(A), policies(B)), A, False),
    "not the authority's": (chain(policies(B), policies(A)), A, False),
    "no policies in the leaf": (chain(policies(A), []), A, False),
    "no policies above": (chain([], policies(A)), A, False),
    "any above": (chain(policies(ANY), policies(A)), A, True),
    "any below": (chain(policies(A), policies(ANY)), A, True),
    "any twice": (chain(policies(ANY), policies(ANY)), A, True),
    "any inhibited": (chain([*policies(A), NO_ANY], policies(ANY)), A, False),
    "any inhibited two above": (chain([*policies(A), NO_ANY], policies(ANY), policies(ANY)), A, False),
    "mapped": (chain([*policies(A), mapping((A, B))], policies(B)), A, True),
    "mapped away": (chain([*policies(A), mapping((A, B))], policies(A)), A, False),
    "the mapped name is not the one asked for": (chain([*policies(A), mapping((A, B))], policies(B)), B, False),
    "mapped twice": (
        chain([*policies(A), mapping((A, B))], [*policies(B), mapping((B, C))], policies(C)), A, True),
    "mapped from any": (chain([*policies(ANY), mapping((A, B))], policies(B)), A, True),
    "mapping inhibited": (
        chain([*policies(A), NO_MAPPING], [*policies(A), mapping((A, B))], policies(B)), A, False),
    "three levels": (chain(policies(A), policies(A), policies(A)), A, True),
    "critical": (chain(policies(A, critical=True), policies(A, critical=True)), A, True),
    "straight from the root": (chain(policies(A)), A, True),
}  # fmt: skip


def refusal(made: list[Made], wanted: str | None) -> tuple[Refusal, int] | None:
    """None when the chain is accepted."""
    policies = None if wanted is None else frozenset({wanted})
    verifier = Verifier(TrustAnchors([ROOT.certificate]), policies=policies)
    try:
        verifier.verify_server([item.der for item in made], HOST, NOW.timestamp())
    except VerificationFailed as error:
        return error.refusal, error.verify_code
    return None


@pytest.mark.parametrize("case", CASES)
def test_a_policy_that_is_asked_for(case: str, peer: Callable[[str], str], tmp_path: Path) -> None:
    made, wanted, expected = CASES[case]
    assert refusal(made, wanted) == (None if expected else (Refusal.POLICY, 43))
    assert refusal(made, None) is None
    first, *others = [item.der for item in made]
    verdict = openssl_verdict(
        *(peer("openssl"), tmp_path, pem(first), pem(*others), pem(ROOT.der)),
        strict=True, at=NOW.timestamp(), options=["-policy_check", "-explicit_policy", "-policy", wanted],
    )  # fmt: skip
    assert (verdict.code == 0) is expected, verdict.text


def test_unreadable_policies_count_only_when_asked_for() -> None:
    broken = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x30\x03\x02"), False)]
    made = chain(policies(A), broken)
    assert refusal(made, None) is None
    assert refusal(made, A) == (Refusal.POLICY, 42)
