"""Revocation lists and OCSP responses: what counts, what does not, and OpenSSL's verdict on the same lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.pki.trust.chains import HOST, NOW, Made, bits, crl, entry, forge, leaf, moment
from tests.pki.trust.judges import openssl_verdict, pem
from tlsocket.pki.errors import PkiError, Refusal, VerificationFailed, WrongContent
from tlsocket.pki.keys import generate_private_key
from tlsocket.pki.ocsp import OCSPAnswers
from tlsocket.pki.revocation import RevocationCheck, RevocationList, RevocationLists
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.verifier import Verifier

ROOT = forge("root", usage=bits("key_cert_sign", "crl_sign", "digital_signature"))
MIDDLE = forge("middle", ROOT, serial=77)
LEAF = leaf(MIDDLE, serial=99)
CHAIN = [LEAF.der, MIDDLE.der]


def lists(*made: x509.CertificateRevocationList) -> RevocationLists:
    return RevocationLists([RevocationList(item.public_bytes(Encoding.DER)) for item in made])


def verdict(check: RevocationCheck, chain: Sequence[bytes] = CHAIN) -> VerificationFailed | None:
    """None when the chain is accepted."""
    try:
        verifier = Verifier(TrustAnchors([ROOT.certificate]), revocation=check)
        verifier.verify_server(chain, HOST, NOW.timestamp())
    except VerificationFailed as error:
        return error
    return None


def refusal(check: RevocationCheck, chain: Sequence[bytes] = CHAIN) -> VerificationFailed:
    error = verdict(check, chain)
    assert error is not None
    return error


def point(**fields: Any) -> x509.IssuingDistributionPoint:
    empty = dict.fromkeys(["full_name", "relative_name", "only_some_reasons"])
    flags = ["only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs"]
    return x509.IssuingDistributionPoint(**{**empty, **dict.fromkeys(flags, False), **fields})


def test_the_leaf_alone_or_the_whole_chain_is_asked_about() -> None:
    only_leaf = lists(crl(MIDDLE, entry(1)))
    assert verdict(RevocationCheck(only_leaf, whole_chain=False)) is None
    error = refusal(RevocationCheck(only_leaf))
    assert (error.refusal, error.depth, error.verify_code) == (Refusal.REVOCATION_UNKNOWN, 1, 3)
    assert verdict(RevocationCheck(only_leaf | lists(crl(ROOT, entry(5))))) is None


def test_authorities_may_be_asked_about_only_where_something_is_known() -> None:
    only_leaf = lists(crl(MIDDLE, entry(1)))
    assert verdict(RevocationCheck(only_leaf, issuers_if_known=True)) is None
    # The leaf itself never passes without an answer, and an authority on a list never passes.
    error = refusal(RevocationCheck(lists(crl(ROOT)), issuers_if_known=True))
    assert (error.refusal, error.depth) == (Refusal.REVOCATION_UNKNOWN, 0)
    error = refusal(RevocationCheck(only_leaf | lists(crl(ROOT, entry(77))), issuers_if_known=True))
    assert (error.refusal, error.depth) == (Refusal.REVOKED, 1)
    # A list of its issuer that cannot be used is not the same as none.
    outdated = lists(crl(ROOT, since=-9, until=-1))
    error = refusal(RevocationCheck(only_leaf | outdated, issuers_if_known=True))
    assert (error.refusal, error.depth) == (Refusal.REVOCATION_UNKNOWN, 1)


def test_a_revoked_intermediate_is_told_with_its_reason() -> None:
    found = lists(crl(MIDDLE), crl(ROOT, entry(77, x509.ReasonFlags.ca_compromise)))
    error = refusal(RevocationCheck(found))
    assert (error.refusal, error.depth, error.verify_code) == (Refusal.REVOKED, 1, 23)
    assert "cACompromise" in error.problem
    assert f"{moment(-2):%Y-%m-%d}" in error.problem


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (crl(MIDDLE, since=1, until=3), 11),
        (crl(MIDDLE, since=-9, until=-1), 12),
        (crl(MIDDLE, key=generate_private_key("ecdsa-p256")), 8),
        (crl(MIDDLE, extra=[(point(indirect_crl=True), True)]), 44),
        (crl(MIDDLE, extra=[(point(only_contains_ca_certs=True), True)]), 44),
        (crl(MIDDLE, extra=[(point(only_contains_attribute_certs=True), True)]), 44),
        (crl(MIDDLE, extra=[(point(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})), True)]), 44),
        (crl(MIDDLE, extra=[(x509.DeltaCRLIndicator(1), True)]), 36),
        (crl(MIDDLE, extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]), 36),
    ],
    ids=[
        "early",
        "late",
        "forged",
        "indirect",
        "for authorities",
        "for attributes",
        "some reasons",
        "delta",
        "critical",
    ],
)
def test_a_list_that_does_not_count_leaves_the_question_open(item: x509.CertificateRevocationList, code: int) -> None:
    error = refusal(RevocationCheck(lists(item), whole_chain=False))
    assert (error.refusal, error.depth, error.verify_code) == (Refusal.REVOCATION_UNKNOWN, 0, code)
    assert error.hint
    # Another list that counts settles it.
    assert verdict(RevocationCheck(lists(item, crl(MIDDLE)), whole_chain=False)) is None
    assert refusal(RevocationCheck(lists(item, crl(MIDDLE, entry(99))), whole_chain=False)).refusal is Refusal.REVOKED


def test_a_list_for_end_entities_counts_for_them() -> None:
    item = crl(MIDDLE, entry(99), extra=[(point(only_contains_user_certs=True), True)])
    assert refusal(RevocationCheck(lists(item), whole_chain=False)).refusal is Refusal.REVOKED


def test_a_distribution_point_of_another_name_does_not_count() -> None:
    def uri(text: str) -> list[x509.GeneralName]:
        return [x509.UniformResourceIdentifier(f"http://{text}/crl")]

    where = x509.CRLDistributionPoints([x509.DistributionPoint(uri("a.example"), None, None, None)])
    end = leaf(MIDDLE, serial=99, extra=[(where, False)])
    for text, expected in (("a.example", Refusal.REVOKED), ("b.example", Refusal.REVOCATION_UNKNOWN)):
        item = crl(MIDDLE, entry(99), extra=[(point(full_name=uri(text)), True)])
        error = refusal(RevocationCheck(lists(item), whole_chain=False), [end.der, MIDDLE.der])
        assert error.refusal is expected


def test_an_issuer_without_crl_sign_cannot_make_lists() -> None:
    silent = forge("silent", ROOT, usage=bits("key_cert_sign"))
    chain = [leaf(silent).der, silent.der]
    error = refusal(RevocationCheck(lists(crl(silent)), whole_chain=False), chain)
    assert (error.refusal, error.verify_code) == (Refusal.REVOCATION_UNKNOWN, 35)


def test_lists_load_from_pem_der_and_files(tmp_path: Path) -> None:
    one, two = crl(MIDDLE), crl(ROOT)
    text = one.public_bytes(Encoding.PEM) + two.public_bytes(Encoding.PEM)
    (tmp_path / "lists.pem").write_bytes(text)
    assert len(RevocationLists.load(tmp_path / "lists.pem")) == 2
    assert len(RevocationLists.load(one.public_bytes(Encoding.DER))) == 1
    assert RevocationLists.load(text).generation == lists(two, one).generation
    assert "2" in repr(RevocationLists.load(text))
    assert "CN=middle" in repr(RevocationList(one.public_bytes(Encoding.DER)))
    for bad in (
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        b"\x30\x03\x02\x01\x00",
        text[:200] + b"!",
    ):
        with pytest.raises(WrongContent):
            RevocationLists.load(bad)


@pytest.mark.parametrize("revoked", [False, True])
def test_openssl_agrees(revoked: bool, peer: Callable[[str], str], tmp_path: Path) -> None:
    item = crl(MIDDLE, *([entry(99)] if revoked else []))
    found = openssl_verdict(
        *(peer("openssl"), tmp_path, pem(LEAF.der), pem(MIDDLE.der), pem(ROOT.der)),
        strict=True, at=NOW.timestamp(), crls=item.public_bytes(Encoding.PEM),
    )  # fmt: skip
    error = verdict(RevocationCheck(lists(item), whole_chain=False))
    assert found.code == (0 if error is None else error.verify_code) == (23 if revoked else 0)


# OCSP


def response(
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    responder: Made = MIDDLE,
    certificates: Sequence[Made] = (),
    of: Made = LEAF,
    since: float = -1,
    until: float | None = 1,
    algorithm: Any = None,
) -> bytes:
    """A response about the leaf, by its issuer unless told otherwise."""
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=of.certificate,
        issuer=MIDDLE.certificate,
        algorithm=algorithm or hashes.SHA1(),
        cert_status=status,
        this_update=moment(since),
        next_update=None if until is None else moment(until),
        revocation_time=moment(-2) if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    if certificates:
        builder = builder.certificates([made.certificate for made in certificates])
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(Encoding.DER)


def asked(*responses: bytes) -> VerificationFailed | None:
    return verdict(RevocationCheck(answers=OCSPAnswers(responses), whole_chain=False))


RESPONDER = forge(
    "responder", MIDDLE, ca=False, usage=bits("digital_signature"), purposes=[ExtendedKeyUsageOID.OCSP_SIGNING]
)


def test_a_response_of_the_issuer_counts() -> None:
    assert asked(response()) is None
    assert asked(response(algorithm=hashes.SHA256())) is None
    error = asked(response(ocsp.OCSPCertStatus.REVOKED))
    assert error is not None
    assert error.refusal is Refusal.REVOKED
    assert "keyCompromise" in error.problem
    error = asked(response(), response(ocsp.OCSPCertStatus.REVOKED))
    assert error is not None
    assert error.refusal is Refusal.REVOKED


def test_a_response_of_a_delegate_counts() -> None:
    assert asked(response(responder=RESPONDER, certificates=[RESPONDER])) is None


NOT_DELEGATES = {
    "no right": forge("plain", MIDDLE, ca=False, usage=bits("digital_signature")),
    "right from another": forge("responder", ROOT, ca=False, purposes=[ExtendedKeyUsageOID.OCSP_SIGNING]),
    "expired": forge("responder", MIDDLE, ca=False, purposes=[ExtendedKeyUsageOID.OCSP_SIGNING], since=-9, until=-1),
    "key usage": forge(
        "responder", MIDDLE, ca=False, purposes=[ExtendedKeyUsageOID.OCSP_SIGNING], usage=bits("key_encipherment")
    ),
}


@pytest.mark.parametrize("kind", NOT_DELEGATES)
def test_a_response_of_somebody_else_does_not_count(kind: str) -> None:
    other = NOT_DELEGATES[kind]
    error = asked(response(responder=other, certificates=[other]))
    assert error is not None
    assert error.refusal is Refusal.REVOCATION_UNKNOWN


@pytest.mark.parametrize(
    "data",
    [
        response(since=-9, until=-1),
        response(since=1, until=2),
        response(since=-9, until=None),
        response(ocsp.OCSPCertStatus.UNKNOWN),
        response(of=leaf(MIDDLE, serial=98)),
        ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER),
    ],
    ids=["old", "early", "old without end", "unknown", "another certificate", "no answer"],
)
def test_a_response_that_does_not_answer_does_not_count(data: bytes) -> None:
    error = asked(data)
    assert error is not None
    assert error.refusal is Refusal.REVOCATION_UNKNOWN
    assert asked(data, response()) is None


def test_garbage_is_no_response() -> None:
    with pytest.raises(PkiError, match="cannot be parsed"):
        OCSPAnswers([b"\x30\x00"])
    assert repr(OCSPAnswers([response()])) == "<OCSPAnswers 1>"


def test_an_altered_response_does_not_count() -> None:
    data = bytearray(response())
    data[-6] ^= 1
    error = asked(bytes(data))
    assert error is not None
    assert error.refusal is Refusal.REVOCATION_UNKNOWN
