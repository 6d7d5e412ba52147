"""The verifier: what it accepts, every refusal with its words, and hostile chains."""

from __future__ import annotations

import pickle
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.authority import authority_extensions, key_usage, leaf_extensions, make
from tlsocket.pki.authority import Authority, IssuedCertificate, Purpose, self_signed
from tlsocket.pki.certificates import certificate_der, load_certificates
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import OPENSSL, STRICT, Check
from tlsocket.pki.trust.verifier import MAXIMUM_CERTIFICATES, Verifier

HOST = "www.example.org"
DAY = 86400.0
ROOT = Authority.create("root")
MIDDLE = ROOT.create_intermediate("middle")
LEAF = MIDDLE.issue([HOST, "127.0.0.1"])
VERIFIER = Verifier(TrustAnchors([ROOT.certificate]))
NOW = time.time()


def refusal(chain: tuple[bytes, ...] | list[bytes], name: str | None = HOST, at: float = NOW) -> VerificationFailed:
    """The refusal of a server's chain."""
    with pytest.raises(VerificationFailed) as caught:
        VERIFIER.verify_server(chain, name, at)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "kind", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072", "rsa-pss-2048"]
)
def test_accepts_a_leaf_with_every_key(kind: str) -> None:
    issued = MIDDLE.issue(HOST, key=kind)
    path = VERIFIER.verify_server(issued.chain, HOST, time.time())
    assert path == (issued.der, MIDDLE.der, ROOT.der)


@pytest.mark.parametrize("kind", ["ecdsa-p384", "ecdsa-p521", "rsa-2048"])
def test_accepts_an_authority_with_every_key(kind: str) -> None:
    root = Authority.create("another", key=kind)
    issued = root.issue(HOST)
    path = Verifier(TrustAnchors([root.certificate])).verify_server(issued.chain, HOST, time.time())
    assert path == (issued.der, root.der)
    issued = root.issue(HOST, key="rsa-pss-2048")
    Verifier(TrustAnchors([root.certificate])).verify_server(issued.chain, HOST, time.time())


def test_accepts_the_root_sent_along_and_any_order() -> None:
    assert VERIFIER.verify_server([LEAF.der, ROOT.der, MIDDLE.der], HOST, NOW)[-1] == ROOT.der


def test_name_may_be_left_unchecked_but_nothing_else() -> None:
    VERIFIER.verify_server(LEAF.chain, None, NOW)
    assert refusal(LEAF.chain, None, NOW + 100 * DAY).refusal is Refusal.EXPIRED
    assert refusal(LEAF.chain[:1], None).refusal is Refusal.UNKNOWN_ISSUER


def test_client_and_server_certificates_are_not_exchangeable() -> None:
    client = ROOT.issue("somebody@example.org", purpose="client")
    both = ROOT.issue(HOST, purpose=Purpose.BOTH)
    assert VERIFIER.verify_client(client.chain, NOW + 1) == (client.der, ROOT.der)
    VERIFIER.verify_client(both.chain, NOW + 1)
    VERIFIER.verify_server(both.chain, HOST, NOW + 1)
    with pytest.raises(VerificationFailed, match=r"clientAuth.*only for: serverAuth") as caught:
        VERIFIER.verify_client(LEAF.chain, NOW)
    assert caught.value.refusal is Refusal.INVALID_PURPOSE
    assert refusal(client.chain, None).refusal is Refusal.INVALID_PURPOSE


def test_an_intermediate_may_be_an_anchor() -> None:
    path = Verifier(TrustAnchors([MIDDLE.certificate])).verify_server(LEAF.chain, HOST, NOW)
    assert path == (LEAF.der, MIDDLE.der)


def test_a_certificate_trusted_by_itself_is_still_checked() -> None:
    only = self_signed(HOST)
    verifier = Verifier(TrustAnchors([only.certificate]))
    assert verifier.verify_server(only.chain, HOST, NOW) == (only.der,)
    for name, at, expected in (
        ("other.example", NOW, Refusal.HOSTNAME_MISMATCH),
        (HOST, NOW + 100 * DAY, Refusal.EXPIRED),
        (HOST, NOW - DAY, Refusal.NOT_YET_VALID),
    ):
        with pytest.raises(VerificationFailed) as caught:
            verifier.verify_server(only.chain, name, at)
        assert caught.value.refusal is expected
    with pytest.raises(VerificationFailed, match="may not be used to identify a client"):
        verifier.verify_client(only.chain, NOW)
    weak = self_signed(HOST, key="rsa-1024")
    with pytest.raises(VerificationFailed, match="too weak: RSA 1024"):
        Verifier(TrustAnchors([weak.certificate])).verify_server(weak.chain, HOST, NOW)


def test_says_since_when_it_has_expired() -> None:
    issued = ROOT.issue(HOST, not_before=NOW - 10 * DAY, not_after=NOW - 3 * DAY - 60)
    error = refusal(issued.chain)
    assert error.refusal is Refusal.EXPIRED
    assert error.subject == f"CN={HOST}"
    assert "3 days ago" in error.problem
    assert time.strftime("%Y-%m-%d", time.gmtime(NOW - 3 * DAY - 60)) in error.problem
    assert "renewed" in error.hint
    assert "clock" in error.hint


@pytest.mark.parametrize(
    ("ahead", "words"), [(30, "in 30 seconds"), (90, "in 1 minute"), (7500, "in 2 hours"), (1, "in 1 second$")]
)
def test_says_how_long_until_it_is_valid(ahead: int, words: str) -> None:
    start = int(NOW)
    issued = ROOT.issue(HOST, not_before=start + ahead)
    error = refusal(issued.chain, at=start)
    assert error.refusal is Refusal.NOT_YET_VALID
    assert re.search(words, error.problem)


def test_names_the_expired_issuer() -> None:
    middle = ROOT.create_intermediate("old", not_before=NOW - 10 * DAY, not_after=NOW - DAY)
    error = refusal(middle.issue(HOST).chain)
    assert (error.refusal, error.depth, error.subject) == (Refusal.EXPIRED, 1, "CN=old")


def test_names_the_unknown_issuer_and_the_missing_intermediate() -> None:
    error = refusal(LEAF.chain[:1])
    assert (error.refusal, error.depth) == (Refusal.UNKNOWN_ISSUER, 0)
    assert "CN=middle" in error.problem
    assert "intermediate" in error.hint
    stranger = Authority.create("stranger").create_intermediate("its middle").issue(HOST)
    error = refusal(stranger.chain)
    assert (error.refusal, error.depth, error.subject) == (Refusal.UNKNOWN_ISSUER, 1, "CN=its middle")
    assert "CN=stranger" in error.problem


def test_tells_an_authority_made_anew_from_a_forgery() -> None:
    error = refusal(Authority.create("root").issue(HOST).chain)
    assert error.refusal is Refusal.UNKNOWN_ISSUER
    assert "but with another key" in error.problem
    forged = bytearray(LEAF.der)
    forged[-4] ^= 1
    error = refusal([bytes(forged), MIDDLE.der])
    assert (error.refusal, error.depth) == (Refusal.BAD_SIGNATURE, 0)


def test_names_self_signed_certificates() -> None:
    error = refusal(self_signed(HOST).chain)
    assert (error.refusal, error.depth) == (Refusal.SELF_SIGNED_LEAF, 0)
    stranger = Authority.create("stranger")
    error = refusal((*stranger.issue(HOST).chain, stranger.der))
    assert (error.refusal, error.depth, error.subject) == (Refusal.SELF_SIGNED_IN_CHAIN, 1, "CN=stranger")
    namesake = Authority.create("root")
    error = refusal((*namesake.issue(HOST).chain, namesake.der))
    assert error.refusal is Refusal.SELF_SIGNED_IN_CHAIN
    assert "another key" in error.problem


def test_lists_the_names_it_does_have() -> None:
    error = refusal(LEAF.chain, "wrong.example")
    assert error.refusal is Refusal.HOSTNAME_MISMATCH
    assert f"only for: {HOST}, 127.0.0.1" in error.problem
    assert refusal(LEAF.chain, "127.0.0.2").refusal is Refusal.IP_ADDRESS_MISMATCH


def test_lists_every_problem_in_openssl_s_order() -> None:
    issued = ROOT.issue(HOST, purpose="client", not_before=NOW - 10 * DAY, not_after=NOW - DAY)
    error = refusal(issued.chain, "wrong.example")
    assert [problem.refusal for problem in error.problems] == [
        Refusal.INVALID_PURPOSE,
        Refusal.HOSTNAME_MISMATCH,
        Refusal.EXPIRED,
    ]


def test_refuses_an_end_entity_as_issuer() -> None:
    false_authority = Authority(LEAF.certificate, LEAF.private_key, (LEAF.certificate, MIDDLE.certificate))
    error = refusal(false_authority.issue(HOST).chain)
    assert (error.refusal, error.depth) == (Refusal.INVALID_CA, 1)


def test_refuses_an_issuer_whose_key_may_not_sign_certificates() -> None:
    top = make("top", None, authority_extensions())
    middle = make("middle", top, [(x509.BasicConstraints(True, None), True), (key_usage(), True)])
    leaf = make("leaf", middle, leaf_extensions(HOST))
    with pytest.raises(VerificationFailed, match="keyCertSign") as caught:
        Verifier(TrustAnchors([top.certificate])).verify_server([leaf.der, middle.der], HOST, NOW + 1)
    assert caught.value.refusal is Refusal.INVALID_CA


def test_refuses_a_path_longer_than_an_authority_allows() -> None:
    error = refusal(MIDDLE.create_intermediate("lower").issue(HOST).chain)
    assert (error.refusal, error.depth, error.subject) == (Refusal.PATH_TOO_LONG, 2, "CN=middle")


def test_enforces_name_constraints() -> None:
    constraints = x509.NameConstraints([x509.DNSName("ok.example")], None)
    middle = ROOT.create_intermediate("constrained", name_constraints=constraints)
    VERIFIER.verify_server(middle.issue("www.ok.example").chain, "www.ok.example", NOW + 1)
    assert refusal(middle.issue(HOST).chain).refusal is Refusal.NAME_CONSTRAINT


def test_refuses_a_critical_extension_that_nobody_understands() -> None:
    top = make("top", None, authority_extensions())
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    leaf = make("leaf", top, [*leaf_extensions(HOST), (unknown, True)])
    for anchors in ([top.certificate], [leaf.certificate]):
        with pytest.raises(VerificationFailed, match=r"1\.2\.3\.4") as caught:
            Verifier(TrustAnchors(anchors)).verify_server([leaf.der], HOST, NOW + 1)
        assert caught.value.refusal is Refusal.UNHANDLED_CRITICAL_EXTENSION


def test_refuses_a_sha1_signature_by_name(tmp_path: Path, peer: Callable[[str], str]) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run([peer("openssl"), *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=30)

    ROOT.write(tmp_path / "ca.pem")
    certificate, key = Authority.create("signer").issue(HOST).write(tmp_path, "leaf")
    (tmp_path / "ca.key").write_bytes(IssuedCertificate(ROOT.certificate, ROOT.private_key).key_pem())
    openssl("x509", "-x509toreq", "-in", certificate, "-signkey", key, "-out", "leaf.csr")
    openssl(
        *("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-sha1", "-days", "10", "-out", "sha1.pem"),
    )
    chain = [certificate_der(item) for item in load_certificates(tmp_path / "sha1.pem")]
    error = refusal(chain, at=NOW + 60)
    assert error.refusal is Refusal.WEAK_SIGNATURE
    assert "sha1" in error.problem


def test_refuses_no_certificate_and_too_many() -> None:
    assert refusal([]).refusal is Refusal.MALFORMED
    assert refusal([LEAF.der] * (MAXIMUM_CERTIFICATES + 1)).refusal is Refusal.TOO_COMPLEX


def test_names_the_damaged_certificate() -> None:
    assert refusal([b"junk", MIDDLE.der]).depth == 0
    error = refusal([LEAF.der, b"junk"])
    assert (error.refusal, error.depth) == (Refusal.MALFORMED, 1)
    assert refusal([LEAF.der + b"\0"]).refusal is Refusal.MALFORMED


def test_refusal_survives_pickling() -> None:
    error = refusal(LEAF.chain, "wrong.example")
    copy = pickle.loads(pickle.dumps(error))
    assert copy.problems == error.problems
    assert str(copy) == str(error)


def test_name_that_is_no_name_is_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="not a host name"):
        VERIFIER.verify_server(LEAF.chain, "a..b", NOW)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([0, 1]), st.integers(0, 4000), st.integers(1, 255))
def test_a_flipped_byte_is_refused_and_raises_nothing_else(which: int, place: int, mask: int) -> None:
    chain = [bytearray(data) for data in LEAF.chain]
    chain[which][place % len(chain[which])] ^= mask
    with pytest.raises(VerificationFailed):
        VERIFIER.verify_server([bytes(data) for data in chain], HOST, NOW)


def test_the_octet_before_the_signature_is_nobodys_to_choose() -> None:
    """It counts unused bits and is not signed: with another value the certificate has another fingerprint, and could
    get around whoever distrusts it by the old one. Where the signature ends in a zero bit `cryptography` accepts it."""
    issued = next(leaf for leaf in (MIDDLE.issue(HOST) for _ in range(64)) if leaf.der[-1] & 1 == 0)
    VERIFIER.verify_server(issued.chain, HOST, time.time())
    other = bytearray(issued.der)
    other[-1 - len(issued.certificate.signature)] = 1
    found = refusal((bytes(other), *issued.chain[1:]), at=time.time())
    assert found.refusal is Refusal.MALFORMED


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4000))
def test_a_truncated_certificate_is_refused(length: int) -> None:
    assert refusal([LEAF.der[: length % len(LEAF.der)], MIDDLE.der]).refusal is Refusal.MALFORMED


def test_a_policy_has_a_name_that_says_what_it_asks() -> None:
    """Sessions are bound to it: the same for the same verdicts, another for others, none where it cannot be told."""
    anchors = TrustAnchors()
    same = {Verifier(anchors).policy_id, Verifier(TrustAnchors()).policy_id}
    assert len(same) == 1
    others = [
        Verifier(anchors, profile=OPENSSL),
        Verifier(anchors, profile=STRICT.without(Check.VALIDITY)),
        Verifier(anchors, maximum_depth=3),
        Verifier(anchors, policies=frozenset({"1.2.3"})),
        Verifier(anchors, policies=frozenset()),
        Verifier(anchors, intermediates=(anchors,)),
    ]
    names = [verifier.policy_id for verifier in others]
    assert None not in names
    assert len({*names, *same}) == 7
    assert Verifier(anchors, callback=lambda review: None).policy_id is None
