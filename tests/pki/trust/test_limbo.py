"""x509-limbo, all of it: under `webpki` against its own expectations, under `openssl` and `strict` against OpenSSL.

Each case that is judged otherwise stands in `limbo_exceptions.toml` with its reason; one that no longer is fails here.
"""

from __future__ import annotations

import datetime
import gc
import json
import time
import tomllib
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.pki.trust.judges import openssl_verdict
from tlsocket.pki.certificates import Purpose, pem_certificates
from tlsocket.pki.errors import PkiError, VerificationFailed
from tlsocket.pki.revocation import RevocationCheck, RevocationLists
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import PROFILES, Check, Profile
from tlsocket.pki.trust.verifier import Verifier

Case = dict[str, Any]
EXCEPTIONS: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("limbo_exceptions.toml").read_text(encoding="utf-8")
)
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")


@cache
def cases(vectors: Path) -> list[Case]:
    """Every case of the suite."""
    path = vectors / "x509-limbo" / "limbo.json"
    if not path.is_file():
        pytest.skip("limbo.json is not among the vectors of others")
    found: list[Case] = json.loads(path.read_text(encoding="utf-8"))["testcases"]
    assert len(found) > 200
    return found


def moment(case: Case) -> float:
    """The time of validation; the saved chains of real sites have one too."""
    at = case["validation_time"]
    return datetime.datetime.fromisoformat(at).timestamp() if at else time.time()


def purpose(case: Case) -> Purpose:
    return Purpose.SERVER if case["validation_kind"] == "SERVER" else Purpose.CLIENT


def name(case: Case) -> str | None:
    peer = case["expected_peer_name"]
    return peer["value"] if peer and purpose(case) is Purpose.SERVER else None


def failure(case: Case, profile: Profile) -> VerificationFailed | None:
    """Our verdict: None when it is accepted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            anchors = TrustAnchors.load("\n".join(case["trusted_certs"]).encode())
        except PkiError:
            anchors = TrustAnchors()
        chain = [next(pem_certificates(case["peer_certificate"].encode()))]
        chain += [der for text in case["untrusted_intermediates"] for der in pem_certificates(text.encode())]
        revocation = None
        if case["crls"]:
            lists = RevocationLists.load("\n".join(case["crls"]).encode())
            number_needed = Check.CRL_NUMBER in profile.checks
            revocation = RevocationCheck(lists, whole_chain=False, number_needed=number_needed)
        verifier = Verifier(anchors, profile=profile, revocation=revocation, maximum_depth=case["max_chain_depth"])
        try:
            verifier.verify(chain, purpose(case), name(case), moment(case))
        except VerificationFailed as error:
            return error
    return None


def test_webpki_judges_as_the_suite_expects(vectors: Path) -> None:
    otherwise = {}
    for case in cases(vectors):
        error = failure(case, PROFILES["webpki"])
        if (error is None) != (case["expected_result"] == "SUCCESS"):
            otherwise[case["id"]] = "accepted" if error is None else str(error)
    assert set(otherwise) == set(EXCEPTIONS["webpki"]), otherwise
    assert len(otherwise) <= 5


def test_every_exception_names_a_case_that_expects_the_opposite(vectors: Path) -> None:
    """And that one is judged as the suite expects: of the two, one has to be an exception."""
    found = {case["id"]: case for case in cases(vectors)}
    for exception, reason in EXCEPTIONS["webpki"].items():
        named = [word.rstrip(",") for word in reason.split() if word.rstrip(",") in found]
        assert len(named) == 1, exception
        assert found[exception]["expected_result"] != found[named[0]]["expected_result"]
        assert named[0] not in EXCEPTIONS["webpki"]


@pytest.mark.parametrize("profile", ["openssl", "strict"])
def test_agrees_with_openssl_verify(profile: str, vectors: Path, peer: Callable[[str], str], tmp_path: Path) -> None:
    openssl = peer("openssl")
    otherwise, codes = {}, 0
    for case in cases(vectors):
        error = failure(case, PROFILES[profile])
        named = case["expected_peer_name"]
        verdict = openssl_verdict(
            openssl,
            tmp_path,
            case["peer_certificate"].encode(),
            "\n".join(case["untrusted_intermediates"]).encode(),
            "\n".join(case["trusted_certs"]).encode(),
            strict=profile == "strict",
            purpose=purpose(case),
            name=name(case),
            is_address=bool(named) and named["kind"] == "IP",
            at=moment(case),
            depth=case["max_chain_depth"],
            crls="\n".join(case["crls"]).encode(),
        )
        if (error is None) != (verdict.code == 0):
            otherwise[case["id"]] = f"OpenSSL: {verdict.text}; ours: {error}"
        elif error is not None:
            codes += error.verify_code == verdict.code
    assert set(otherwise) == set(EXCEPTIONS[profile]), otherwise
    # Where both refuse, most often with the same number; the rest are cases with several things wrong.
    assert codes >= 85


def test_every_refusal_of_the_suite_is_told_in_full(vectors: Path) -> None:
    for case in cases(vectors):
        error = failure(case, PROFILES["webpki"])
        if error is not None:
            assert error.problem, case["id"]
            assert error.hint, case["id"]
            assert error.verify_message, case["id"]
            assert all(attempt.problems for attempt in error.attempts), case["id"]


def test_pathological_cases_take_milliseconds(vectors: Path) -> None:
    for case in cases(vectors):
        if case["id"].startswith("pathological::"):
            # What thousands of other tests left behind is not to be collected on this one's time.
            gc.collect()
            gc.disable()
            try:
                start = time.process_time()
                failure(case, PROFILES["webpki"])
                spent = time.process_time() - start
            finally:
                gc.enable()
            # Parsing of the anchors included; 2048 names and as many constraints take about 30 ms here.
            assert spent < 0.25, case["id"]
