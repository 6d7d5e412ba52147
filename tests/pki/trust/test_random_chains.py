"""Random chains, judged by us, by `openssl verify` and by cryptography's verifier.

Two authorities, two roots, a leaf, each with something left out or put in at random. Every difference is explained by
one of the entries of `random_chain_differences.toml`, named by what is odd about the chain; one that is not fails.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pki.trust.chains import CLIENT, HOST, NOW, SERVER, Made, bits, forge, leaf, with_sha1
from tests.pki.trust.judges import openssl_verdict, pem
from tlsocket.pki.errors import VerificationFailed
from tlsocket.pki.keys import generate_private_key
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import PROFILES
from tlsocket.pki.trust.verifier import Verifier

EXPLANATIONS: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("random_chain_differences.toml").read_text(encoding="utf-8")
)

AUTHORITY: dict[str, dict[str, Any]] = {
    "plain": {},
    "path length 0": {"path_length": 0},
    "path length 1": {"path_length": 1},
    "expired": {"since": -60, "until": -1},
    "early": {"since": 1},
    "not an authority": {"ca": False},
    "no basicConstraints": {"ca": None, "usage": bits("key_cert_sign")},
    "basicConstraints not critical": {"basic_critical": False},
    "no keyUsage": {"no_usage": True},
    "no keyCertSign": {"usage": bits("crl_sign")},
    "for servers": {"purposes": [SERVER]},
    "for clients": {"purposes": [CLIENT]},
    "no subjectKeyIdentifier": {"ski": False},
    "no authorityKeyIdentifier": {"aki": False},
    "wrong authorityKeyIdentifier": {"aki_of": generate_private_key("ecdsa-p256")},
    "permits": {"constraints": x509.NameConstraints([x509.DNSName("example.org")], None)},
    "permits others": {"constraints": x509.NameConstraints([x509.DNSName("example.com")], None)},
    "excludes": {"constraints": x509.NameConstraints(None, [x509.DNSName("www.example.org")])},
    "Ed25519": {"kind": "ed25519"},
    "P-384": {"kind": "ecdsa-p384"},
    "RSA 1024": {"kind": "rsa-1024"},
    "critical unknown": {"extra": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]},
}
LEAF: dict[str, dict[str, Any]] = {
    "plain": {},
    "expired": {"since": -60, "until": -1},
    "early": {"since": 1},
    "for clients": {"purposes": [CLIENT]},
    "no purpose": {"purposes": None},
    "another name": {"names": ["other.example"]},
    "wildcard": {"names": ["*.example.org"]},
    "no name": {"names": []},
    "authority": {"ca": True, "usage": bits("digital_signature", "key_cert_sign")},
    "keyCertSign": {"usage": bits("digital_signature", "key_cert_sign")},
    "no basicConstraints": {"ca": None},
    "no keyUsage": {"no_usage": True},
    "key for nothing": {"usage": bits("crl_sign")},
    "no authorityKeyIdentifier": {"aki": False},
    "empty subject": {"subject": ""},
    "empty subject, critical names": {"subject": "", "names_critical": True},
    "critical names": {"names_critical": True},
    "Ed25519": {"kind": "ed25519"},
    "RSA 1024": {"kind": "rsa-1024"},
    "SHA-1": {},
    "critical unknown": {"extra": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]},
}


class Random:
    """A chain and the names of what is odd about it."""

    def __init__(self, end: Made, others: list[Made], trusted: list[Made], traits: frozenset[str]) -> None:
        self.end = end
        self.others = others
        self.trusted = trusted
        self.traits = traits

    def __repr__(self) -> str:
        return f"<{', '.join(sorted(self.traits))}>"


@st.composite
def chains(draw: st.DrawFn) -> Random:
    """Root, then none to two authorities, then the leaf; most parts plain, so that few things are odd at once."""

    def choose(kinds: dict[str, dict[str, Any]]) -> str:
        return draw(st.one_of(st.just("plain"), st.sampled_from(sorted(kinds))))

    # Only what OpenSSL can sign with here: keys of one name are one key, so an odd key gets a name of its own.
    root_kind = choose(AUTHORITY)
    traits = {f"root: {root_kind}"}
    issuer = root = forge(f"root {root_kind}", **AUTHORITY[root_kind])
    others: list[Made] = []
    for number in range(draw(st.integers(0, 2))):
        kind = choose(AUTHORITY)
        traits.add(f"authority: {kind}")
        issuer = forge(f"authority {number} {kind}", issuer, **AUTHORITY[kind])
        others.insert(0, issuer)
    leaf_kind = choose(LEAF)
    traits.add(f"leaf: {leaf_kind}")
    end = leaf(issuer, **LEAF[leaf_kind])
    if leaf_kind == "SHA-1":
        if issuer.key.__class__.__name__ != "ECPrivateKey":
            leaf_kind = "plain"
        else:
            end = with_sha1(end, issuer)
    trusted = [root]
    how = draw(
        st.sampled_from(["as it is", "as it is", "root sent too", "shuffled", "one left out", "authority trusted"])
    )
    traits.add(f"sent: {how}")
    if how == "root sent too":
        others.append(root)
    elif how == "shuffled":
        others.reverse()
    elif how == "one left out":
        others = others[1:]
    elif how == "authority trusted" and others:
        trusted = [others[-1]]
    return Random(end, others, trusted, frozenset(traits))


def ours(chain: Random, profile: str) -> VerificationFailed | None:
    anchors = TrustAnchors([made.certificate for made in chain.trusted])
    try:
        verifier = Verifier(anchors, profile=PROFILES[profile])
        verifier.verify_server([chain.end.der, *(made.der for made in chain.others)], HOST, NOW.timestamp())
    except VerificationFailed as error:
        return error
    return None


def explained(chain: Random, section: str) -> bool:
    return any(chain.traits.issuperset(key.split(" & ")) for key in EXPLANATIONS[section])


MANY = pytest.param(2000, marks=pytest.mark.long(sample=False))
"""Enough for nearly every pair of oddities to be met."""


def examples(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("count", [120, MANY])
@pytest.mark.parametrize("profile", ["openssl", "strict"])
def test_openssl_judges_as_we_do(profile: str, count: int, peer: Callable[[str], str]) -> None:
    openssl = peer("openssl")

    with tempfile.TemporaryDirectory() as folder:

        @examples(count)
        @given(chains())
        def judge(chain: Random) -> None:
            verdict = openssl_verdict(
                *(openssl, Path(folder), pem(chain.end.der), pem(*[made.der for made in chain.others])),
                pem(*[made.der for made in chain.trusted]),
                strict=profile == "strict", name=HOST, at=NOW.timestamp(),
            )  # fmt: skip
            error = ours(chain, profile)
            if (error is None) != (verdict.code == 0):
                assert explained(chain, profile), (chain, verdict.text, error)

        judge()


@pytest.mark.parametrize("count", [120, MANY])
def test_cryptography_judges_as_we_do_under_webpki(count: int) -> None:
    @examples(count)
    @given(chains())
    def judge(chain: Random) -> None:
        store = verification.Store([made.certificate for made in chain.trusted])
        builder = verification.PolicyBuilder().store(store).time(NOW)
        try:
            builder.build_server_verifier(x509.DNSName(HOST)).verify(
                chain.end.certificate, [made.certificate for made in chain.others]
            )
            accepted = True
        except verification.VerificationError:
            accepted = False
        error = ours(chain, "webpki")
        if accepted != (error is None):
            assert explained(chain, "cryptography"), (chain, accepted, error)

    judge()


@pytest.mark.parametrize("section", ["openssl", "strict", "cryptography"])
def test_every_difference_is_explained_in_words(section: str) -> None:
    assert all(len(reason) > 20 for reason in EXPLANATIONS[section].values())
