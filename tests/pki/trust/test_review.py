"""The verify callback: what it sees, that it can refuse, and that it overrides nothing but what it names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.pki.trust.chains import HOST, NOW, Made, forge, leaf
from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.review import PathReview
from tlsocket.pki.trust.verifier import Verification, Verifier

ROOT = forge("root")
MIDDLE = forge("middle", ROOT)
EXPIRED = leaf(MIDDLE, since=-60, until=-1)


def verify(end: Made, callback: Callable[[PathReview], None], host: str = HOST, sent: bool = True) -> Verification:
    chain = [end.der, MIDDLE.der] if sent else [end.der]
    verifier = Verifier(TrustAnchors([ROOT.certificate]), callback=callback)
    return verifier.verify(chain, Purpose.SERVER, host, NOW.timestamp())


def test_sees_the_path_and_no_problem() -> None:
    seen: list[PathReview] = []
    end = leaf(MIDDLE)
    found = verify(end, seen.append)
    (review,) = seen
    assert [c.subject.rfc4514_string() for c in review.path] == [f"CN={HOST}", "CN=middle", "CN=root"]
    assert review.problems == ()
    assert (review.name, review.purpose) == (HOST, Purpose.SERVER)
    assert found.path == (end.der, MIDDLE.der, ROOT.der)
    assert found.overridden == ()


def test_may_refuse() -> None:
    def refuse(review: PathReview) -> None:
        review.refuse("not on a Monday", "come back tomorrow", depth=1)

    with pytest.raises(VerificationFailed, match="not on a Monday") as caught:
        verify(leaf(MIDDLE), refuse)
    error = caught.value
    assert (error.refusal, error.depth, error.verify_code) == (Refusal.OTHER, 1, 50)
    assert error.subject == "CN=middle"


def test_overrides_only_what_it_names() -> None:
    def override(*named: tuple[Refusal, int | None]) -> Callable[[PathReview], None]:
        def callback(review: PathReview) -> None:
            for refusal, depth in named:
                review.override(refusal, depth)

        return callback

    found = verify(EXPIRED, override((Refusal.EXPIRED, 0)))
    assert [problem.refusal for problem in found.overridden] == [Refusal.EXPIRED]
    assert verify(EXPIRED, override((Refusal.EXPIRED, None))).overridden
    for named in ((Refusal.EXPIRED, 1), (Refusal.HOSTNAME_MISMATCH, None), (Refusal.OTHER, 0)):
        with pytest.raises(VerificationFailed) as caught:
            verify(EXPIRED, override(named))
        assert caught.value.refusal is Refusal.EXPIRED
    # Two problems, one named: the other one stands.
    with pytest.raises(VerificationFailed) as caught:
        verify(EXPIRED, override((Refusal.EXPIRED, 0)), host="other.example")
    assert [problem.refusal for problem in caught.value.problems] == [Refusal.HOSTNAME_MISMATCH]
    both = override((Refusal.EXPIRED, 0), (Refusal.HOSTNAME_MISMATCH, 0))
    assert len(verify(EXPIRED, both, "other.example").overridden) == 2


def test_sees_a_path_that_reached_no_anchor_and_may_name_that() -> None:
    def callback(review: PathReview) -> None:
        assert [problem.refusal for problem in review.problems] == [Refusal.UNKNOWN_ISSUER]
        assert len(review.path) == 1
        assert review.override(Refusal.UNKNOWN_ISSUER)
        assert not review.override(Refusal.UNKNOWN_ISSUER)

    assert len(verify(leaf(MIDDLE), callback, sent=False).path) == 1


def test_an_override_does_not_undo_its_own_refusal() -> None:
    def callback(review: PathReview) -> None:
        review.override(Refusal.EXPIRED)
        review.refuse("all the same")
        review.override(Refusal.OTHER)

    with pytest.raises(VerificationFailed, match="all the same"):
        verify(EXPIRED, callback)


def test_an_error_in_it_is_not_an_acceptance() -> None:
    def callback(review: PathReview) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        verify(leaf(MIDDLE), callback)


def test_a_refusal_may_have_a_reason_of_the_list() -> None:
    with pytest.raises(VerificationFailed) as refused:
        verify(leaf(MIDDLE), lambda review: review.refuse("it was revoked", depth=1, refusal=Refusal.REVOKED))
    assert (refused.value.refusal, refused.value.verify_code, refused.value.depth) == (Refusal.REVOKED, 23, 1)
