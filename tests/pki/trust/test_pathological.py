"""Chains made to cost much: each is refused in milliseconds, and honest ones beside them are still accepted."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from cryptography import x509

from tests.pki.trust.chains import HOST, NOW, Made, forge, leaf
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.keys import generate_private_key
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.path import Budget
from tlsocket.pki.trust.profiles import OPENSSL, STRICT, WEBPKI, Profile
from tlsocket.pki.trust.verifier import MAXIMUM_CERTIFICATES, Verifier

ROOT = forge("root")


def refused(chain: Sequence[Made], anchors: Sequence[Made] = (ROOT,), profile: Profile = OPENSSL) -> VerificationFailed:
    """The refusal, within a tenth of a second of processor time (of which signatures are the most)."""
    verifier = Verifier(TrustAnchors([made.certificate for made in anchors]), profile=profile)
    ders = [made.der for made in chain]
    start = time.process_time()
    with pytest.raises(VerificationFailed) as caught:
        verifier.verify_server(ders, HOST, NOW.timestamp())
    assert time.process_time() - start < 0.1
    return caught.value


def mesh(size: int) -> list[Made]:
    """Authorities of which each has a certificate from each other."""
    return [
        forge(f"mesh {one}", forge(f"mesh {other}"), serial=100 * one + other + 1)
        for one in range(size)
        for other in range(size)
        if one != other
    ]


@pytest.mark.parametrize("profile", [OPENSSL, STRICT, WEBPKI], ids=lambda profile: profile.name)
def test_authorities_that_all_vouch_for_each_other(profile: Profile) -> None:
    nodes = mesh(6)
    assert len(nodes) < MAXIMUM_CERTIFICATES
    error = refused([leaf(forge("mesh 0")), *nodes], profile=profile)
    assert error.refusal in (Refusal.TOO_COMPLEX, Refusal.UNKNOWN_ISSUER)


def test_a_mesh_with_a_way_out_is_followed() -> None:
    nodes = mesh(4)
    way_out = forge("mesh 3", ROOT)
    chain = [leaf(forge("mesh 0")).der, *(node.der for node in nodes), way_out.der]
    path = Verifier(TrustAnchors([ROOT.certificate])).verify_server(chain, HOST, NOW.timestamp())
    assert path[-1] == ROOT.der
    assert way_out.der in path


def test_many_intermediates_of_one_name() -> None:
    impostors = [forge("middle", ROOT, key=generate_private_key("ecdsa-p256"), serial=n + 1) for n in range(30)]
    end = leaf(forge("middle", ROOT), aki=False)
    error = refused([end, *impostors])
    assert error.refusal is Refusal.BAD_SIGNATURE
    # The right one among them is found, in whatever place.
    chain = [end.der, *(made.der for made in impostors), forge("middle", ROOT).der]
    verifier = Verifier(TrustAnchors([ROOT.certificate]), profile=OPENSSL)
    assert len(verifier.verify_server(chain, HOST, NOW.timestamp())) == 3


def test_a_key_identifier_leads_past_the_impostors() -> None:
    impostors = [forge("middle", ROOT, key=generate_private_key("ecdsa-p256"), serial=n + 1) for n in range(30)]
    good = forge("middle", ROOT)
    verifier = Verifier(TrustAnchors([ROOT.certificate]), profile=WEBPKI, budget=Budget(signatures=2))
    path = verifier.verify_server([leaf(good).der, *(made.der for made in impostors), good.der], HOST, NOW.timestamp())
    assert path[1] == good.der


def test_a_long_line_of_authorities() -> None:
    line = [forge("line 0")]
    for number in range(1, 31):
        line.append(forge(f"line {number}", line[-1]))
    error = refused([leaf(line[-1]), *reversed(line)])
    assert error.refusal is Refusal.SELF_SIGNED_IN_CHAIN
    error = refused([leaf(line[-1]), *reversed(line)], anchors=[line[0]], profile=WEBPKI)
    assert error.refusal is Refusal.PATH_TOO_LONG
    assert error.verify_code == 22


def test_a_self_issued_line_with_one_key_is_a_loop() -> None:
    again = [forge("again", forge("again"), serial=number + 1) for number in range(30)]
    assert refused([leaf(forge("again")), *again]).refusal is Refusal.SELF_SIGNED_IN_CHAIN


def test_more_certificates_than_are_looked_at() -> None:
    assert refused([leaf(ROOT)] * (MAXIMUM_CERTIFICATES + 1)).refusal is Refusal.TOO_COMPLEX


def test_names_times_constraints() -> None:
    constraints = x509.NameConstraints([x509.DNSName(f"c{number}.example") for number in range(1500)], None)
    narrow = forge("narrow", ROOT, constraints=constraints)
    many = leaf(narrow, names=[HOST, *(f"n{number}.example" for number in range(1500))])
    assert refused([many, narrow]).refusal is Refusal.TOO_COMPLEX


def test_paths_that_all_end_in_anchors_but_break_a_rule() -> None:
    nodes = mesh(5)
    # Every authority of the mesh is trusted, and no path is good, since the leaf is for another name.
    anchors = [forge(f"mesh {number}") for number in range(1, 5)]
    error = refused([leaf(forge("mesh 0"), names=["other.example"]), *nodes], anchors=anchors)
    assert error.refusal in (Refusal.TOO_COMPLEX, Refusal.HOSTNAME_MISMATCH)
    assert error.attempts


@pytest.mark.parametrize(("limit", "words"), [({"signatures": 1}, "signatures"), ({"steps": 1}, "issuers")])
def test_a_used_up_budget_is_told(limit: dict[str, int], words: str) -> None:
    between = forge("middle", ROOT)
    verifier = Verifier(TrustAnchors([ROOT.certificate]), budget=Budget(**limit))
    with pytest.raises(VerificationFailed) as caught:
        verifier.verify_server([leaf(between).der, between.der], HOST, NOW.timestamp())
    assert caught.value.refusal is Refusal.TOO_COMPLEX
    assert words in caught.value.problem
