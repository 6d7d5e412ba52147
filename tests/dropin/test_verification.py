"""The adapter between trust and handshake: it translates, and decides nothing."""

from __future__ import annotations

import time

import pytest

from tlsocket.config import PeerVerifier, Role
from tlsocket.dropin.verification import TrustVerifier, rejection
from tlsocket.errors import CertificateReason, CertificateRejected, alert_for
from tlsocket.pki.authority import Authority
from tlsocket.pki.errors import Problem, Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import STRICT, Check
from tlsocket.pki.trust.review import PathReview

ROOT = Authority.create()
LEAF = ROOT.issue("www.example.org")


@pytest.fixture
def verifier() -> PeerVerifier:
    return TrustVerifier(TrustAnchors([ROOT.certificate]))


def test_returns_the_path_from_leaf_to_anchor(verifier: PeerVerifier) -> None:
    path = verifier.verify(LEAF.chain, server_name="www.example.org", role_of_peer=Role.SERVER, now=time.time())
    assert path.chain == (LEAF.der, ROOT.der)


def test_says_what_was_not_checked_and_what_was_overlooked() -> None:
    anchors = TrustAnchors([ROOT.certificate])
    profile = STRICT.without(Check.SERVICE_IDENTITY, Check.VALIDITY)

    def overlook(review: PathReview) -> None:
        review.override(Refusal.INVALID_PURPOSE)

    client = ROOT.issue("somebody", purpose="client")
    plain = TrustVerifier(anchors).verify(LEAF.chain, server_name=None, role_of_peer=Role.SERVER, now=time.time())
    assert (plain.switched_off, plain.overridden) == ((), ())
    lax = TrustVerifier(anchors, profile=profile, callback=overlook)
    path = lax.verify(client.chain, server_name="elsewhere.example", role_of_peer=Role.SERVER, now=0)
    assert path.switched_off == ("SERVICE_IDENTITY", "VALIDITY")
    assert path.overridden == ("INVALID_PURPOSE at depth 0",)
    assert "SERVICE_IDENTITY" in repr(lax)
    assert "SERVICE_IDENTITY" in repr(path)


def test_tells_servers_from_clients(verifier: PeerVerifier) -> None:
    client = ROOT.issue("somebody", purpose="client")
    path = verifier.verify(client.chain, server_name=None, role_of_peer=Role.CLIENT, now=time.time())
    assert path.chain[0] == client.der
    with pytest.raises(CertificateRejected) as caught:
        verifier.verify(LEAF.chain, server_name=None, role_of_peer=Role.CLIENT, now=time.time())
    assert caught.value.certificate_reason is CertificateReason.INVALID_PURPOSE


def test_keeps_depth_subject_hint_and_all_problems(verifier: PeerVerifier) -> None:
    with pytest.raises(CertificateRejected) as caught:
        verifier.verify(LEAF.chain, server_name="wrong.example", role_of_peer=Role.SERVER, now=time.time() + 1e8)
    error = caught.value
    assert error.certificate_reason is CertificateReason.HOSTNAME_MISMATCH
    assert (error.depth, error.subject) == (0, "CN=www.example.org")
    assert "www.example.org" in error.detail
    assert error.hint
    assert isinstance(error.__cause__, VerificationFailed)
    assert len(error.__cause__.problems) == 2


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_its_reason_and_alert(refusal: Refusal) -> None:
    error = rejection(VerificationFailed(Problem(refusal, 1, "CN=a", "what", "do")))
    assert error.certificate_reason.name == refusal.name
    assert error.certificate_reason.value == refusal.value or refusal is Refusal.OTHER
    assert alert_for(error) is not None


def test_tells_whom_it_trusts() -> None:
    anchors = TrustAnchors([ROOT.certificate])
    assert TrustVerifier(anchors).anchors is anchors
