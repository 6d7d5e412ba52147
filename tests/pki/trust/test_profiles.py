"""Profiles and switches, constraints on anchors, distrust, and intermediates from elsewhere."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509

from tests.pki.trust.chains import CLIENT, HOST, NOW, SERVER, forge, leaf, moment
from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import AnchorConstraints, TrustAnchors
from tlsocket.pki.trust.profiles import OPENSSL, PROFILES, STRICT, WEBPKI, Check, Profile
from tlsocket.pki.trust.review import PathReview
from tlsocket.pki.trust.verifier import Verifier

ROOT = forge("root")
MIDDLE = forge("middle", ROOT)
LEAF = leaf(MIDDLE, purposes=[SERVER, CLIENT])
AT = NOW.timestamp()


def refusal(verifier: Verifier, *chain: bytes, purpose: Purpose = Purpose.SERVER, at: float = AT) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as caught:
        verifier.verify(chain or (LEAF.der, MIDDLE.der), purpose, HOST if purpose is Purpose.SERVER else None, at)
    return caught.value


def test_the_profiles_differ_as_data_only() -> None:
    assert set(PROFILES) == {"openssl", "strict", "webpki"}
    assert OPENSSL.checks < STRICT.checks
    assert (OPENSSL.partial_chain, STRICT.partial_chain, WEBPKI.partial_chain) == (False, True, True)
    assert {type(profile) for profile in PROFILES.values()} == {Profile}


@pytest.mark.parametrize("check", sorted(WEBPKI.checks | STRICT.checks, key=str))
def test_every_check_has_words_and_can_be_switched(check: Check) -> None:
    assert check.value
    for profile in PROFILES.values():
        without = profile.without(check)
        assert check not in without.checks
        assert (check in without.switched_off) is (check in profile.checks)
        assert (check.name in repr(without)) is (check in profile.checks)
        assert without.including(check).switched_off == frozenset()


def test_what_is_switched_off_is_not_checked_and_is_told() -> None:
    expired = leaf(MIDDLE, since=-60, until=-1)
    profile = STRICT.without(Check.VALIDITY)
    verifier = Verifier(TrustAnchors([ROOT.certificate]), profile=profile)
    found = verifier.verify([expired.der, MIDDLE.der], Purpose.SERVER, HOST, AT)
    assert found.switched_off == {Check.VALIDITY}
    assert "without VALIDITY" in repr(verifier)
    plain = Verifier(TrustAnchors([ROOT.certificate]))
    assert plain.verify([LEAF.der, MIDDLE.der], Purpose.SERVER, HOST, AT).switched_off == set()


@pytest.mark.parametrize("reviewed", [False, True])
def test_a_name_that_was_not_compared_is_not_in_the_result(reviewed: bool) -> None:
    def look(review: PathReview) -> None:
        assert review.name == "other.example"

    verifier = Verifier(
        TrustAnchors([ROOT.certificate]),
        profile=STRICT.without(Check.SERVICE_IDENTITY),
        callback=look if reviewed else None,
    )
    found = verifier.verify([LEAF.der, MIDDLE.der], Purpose.SERVER, "other.example", AT)
    assert found.name is None
    assert "without SERVICE_IDENTITY" in repr(found)
    assert "path" not in repr(found)
    assert (
        Verifier(TrustAnchors([ROOT.certificate])).verify([LEAF.der, MIDDLE.der], Purpose.SERVER, HOST, AT).name == HOST
    )


def test_a_signature_cannot_be_switched_off() -> None:
    nothing = STRICT.without(*Check)
    data = bytearray(LEAF.der)
    data[-4] ^= 1
    verifier = Verifier(TrustAnchors([ROOT.certificate]), profile=nothing)
    assert refusal(verifier, bytes(data), MIDDLE.der).refusal is Refusal.BAD_SIGNATURE
    assert refusal(Verifier(TrustAnchors(), profile=nothing)).refusal is Refusal.UNKNOWN_ISSUER
    not_an_authority = leaf(ROOT, "false.example", names=["false.example"])
    chain = [leaf(not_an_authority).der, not_an_authority.der]
    assert refusal(verifier, *chain).refusal is Refusal.INVALID_CA


def test_verdicts_under_one_profile_do_not_leak_into_another() -> None:
    odd = forge("odd", ROOT, basic_critical=False)
    chain = [leaf(odd).der, odd.der]
    anchors = TrustAnchors([ROOT.certificate])
    for _ in range(3):
        assert Verifier(anchors, profile=OPENSSL).verify_server(chain, HOST, AT)
        assert refusal(Verifier(anchors, profile=STRICT), *chain).verify_code == 89


# Constraints on anchors

ELSEWHERE = x509.NameConstraints([x509.DNSName("example.com")], None)


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        (AnchorConstraints(purposes=frozenset({Purpose.CLIENT})), "vouch for servers"),
        (AnchorConstraints(rejected_purposes=frozenset({Purpose.SERVER})), "vouch for servers"),
        (AnchorConstraints(not_after=moment(-1).timestamp()), "is trusted until"),
        (AnchorConstraints(issued_not_after=moment(-31).timestamp()), "issued until"),
        (
            AnchorConstraints(name_constraints=x509.NameConstraints([x509.DNSName("example.com")], None)),
            "may not issue",
        ),
    ],
    ids=["purposes", "rejected", "not after", "issued not after", "names"],
)
def test_an_anchor_is_trusted_for_no_more_than_is_said(constraints: AnchorConstraints, words: str) -> None:
    anchors = TrustAnchors([ROOT.certificate], constraints={ROOT.certificate: constraints})
    error = refusal(Verifier(anchors))
    assert words in error.problem
    assert error.hint
    assert anchors.generation != TrustAnchors([ROOT.certificate]).generation
    # Another set without the constraints is not affected, and both together keep them.
    Verifier(TrustAnchors([ROOT.certificate])).verify_server([LEAF.der, MIDDLE.der], HOST, AT)
    assert words in refusal(Verifier(anchors | TrustAnchors([ROOT.certificate]))).problem
    assert words in refusal(Verifier(TrustAnchors([ROOT.certificate]) | anchors)).problem


def test_an_anchor_within_its_constraints_is_trusted() -> None:
    constraints = AnchorConstraints(
        purposes=frozenset({Purpose.SERVER}),
        not_after=moment(1).timestamp(),
        issued_not_after=moment(-29).timestamp(),
        name_constraints=x509.NameConstraints([x509.DNSName("example.org")], None),
    )
    anchors = TrustAnchors([ROOT.certificate], constraints={ROOT.certificate: constraints})
    Verifier(anchors).verify_server([LEAF.der, MIDDLE.der], HOST, AT)
    error = refusal(Verifier(anchors), purpose=Purpose.CLIENT)
    assert "vouch for clients" in error.problem


# Distrust


@pytest.mark.parametrize("which", [LEAF, MIDDLE, ROOT], ids=["leaf", "intermediate", "root"])
def test_what_is_distrusted_is_refused_wherever_it_stands(which: object) -> None:
    anchors = TrustAnchors([ROOT.certificate, LEAF.certificate])
    certificate = which.certificate  # type: ignore[attr-defined]
    for distrusted in (certificate, hashlib.sha256(which.der).digest()):  # type: ignore[attr-defined]
        narrower = anchors.distrusting(distrusted)
        if certificate is LEAF.certificate:
            assert refusal(Verifier(narrower)).refusal is Refusal.DISTRUSTED
        elif certificate is ROOT.certificate:
            only_root = TrustAnchors([ROOT.certificate]).distrusting(distrusted)
            assert refusal(Verifier(only_root)).refusal is Refusal.DISTRUSTED
        assert narrower.generation != anchors.generation


def test_a_way_around_what_is_distrusted_is_found() -> None:
    again = forge("middle", ROOT, serial=2)
    anchors = TrustAnchors([ROOT.certificate]).distrusting(MIDDLE.certificate)
    end = leaf(MIDDLE)
    path = Verifier(anchors).verify_server([end.der, MIDDLE.der, again.der], HOST, AT)
    assert path == (end.der, again.der, ROOT.der)
    assert refusal(Verifier(anchors), end.der, MIDDLE.der).refusal is Refusal.DISTRUSTED


# Intermediates from elsewhere


def test_an_intermediate_that_was_not_sent_comes_from_a_store() -> None:
    anchors, pool = TrustAnchors([ROOT.certificate]), TrustAnchors([MIDDLE.certificate])
    assert refusal(Verifier(anchors), LEAF.der).refusal is Refusal.UNKNOWN_ISSUER
    path = Verifier(anchors, intermediates=[pool]).verify_server([LEAF.der], HOST, AT)
    assert path == (LEAF.der, MIDDLE.der, ROOT.der)
    # It is no anchor for that.
    assert refusal(Verifier(TrustAnchors(), intermediates=[pool]), LEAF.der).refusal is Refusal.UNKNOWN_ISSUER


def test_an_expired_cross_certificate_is_stepped_around() -> None:
    old_root = forge("old root")
    cross = forge("root", old_root, since=-60, until=-1)
    anchors = TrustAnchors([old_root.certificate, ROOT.certificate])
    path = Verifier(anchors).verify_server([LEAF.der, MIDDLE.der, cross.der], HOST, AT)
    assert path[-1] == ROOT.der


# One set, many contexts and threads


def test_a_second_verifier_on_the_same_trust_costs_next_to_nothing() -> None:
    anchors = TrustAnchors([forge(f"root {number}").certificate for number in range(150)])
    Verifier(anchors)
    start = time.perf_counter()
    for _ in range(100):
        Verifier(anchors)
    assert (time.perf_counter() - start) / 100 < 0.0001


def test_threads_share_one_verifier() -> None:
    verifier = Verifier(TrustAnchors([ROOT.certificate]))
    ends = [leaf(MIDDLE, serial=number + 1) for number in range(40)]
    bad = [leaf(MIDDLE, serial=number + 1, names=["other.example"]) for number in range(40)]

    def verdict(der: bytes) -> bool:
        try:
            return bool(verifier.verify_server([der, MIDDLE.der], HOST, AT))
        except VerificationFailed:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(verdict, [made.der for made in ends + bad])) == [True] * 40 + [False] * 40
