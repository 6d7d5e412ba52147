"""Shapes of certificates that OpenSSL accepts, or refuses in its strict mode: ours agrees, profile by profile.

Every difference stands in `DIFFERENT` with its reason; the list in the manual (trust.md) is this one.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.authority import (
    Made,
    authority_extensions,
    key_usage,
    leaf_extensions,
    make,
    openssl_accepts,
    without_extensions,
)
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import PROFILES
from tlsocket.pki.trust.verifier import Verifier

HOST = "www.example.org"
Shape = tuple[Made, list[Made], Made]


def root(**arguments: object) -> Made:
    """An ordinary root."""
    return make("root", None, authority_extensions(), **arguments)  # type: ignore[arg-type]


def leaf(issuer: Made) -> Made:
    """An ordinary server certificate."""
    return make("leaf", issuer, leaf_extensions(HOST))


def common_name_only() -> Shape:
    top = root()
    return make(HOST, top, leaf_extensions()), [], top


def ed25519_root() -> Shape:
    top = root(key="ed25519")
    return leaf(top), [], top


def ed25519_intermediate() -> Shape:
    top = root()
    middle = make("middle", top, authority_extensions(), key="ed25519")
    return leaf(middle), [middle], top


def root_without_key_usage() -> Shape:
    top = make("root", None, authority_extensions()[:1])
    return leaf(top), [], top


def root_with_basic_constraints_not_critical() -> Shape:
    top = make("root", None, authority_extensions(basic_critical=False))
    return leaf(top), [], top


def root_without_basic_constraints() -> Shape:
    top = make("root", None, authority_extensions()[1:])
    return leaf(top), [], top


def root_of_version_1() -> Shape:
    top = without_extensions(root(), None)
    return make("leaf", top, leaf_extensions(HOST), aki=False), [], top


def root_without_subject_key_identifier() -> Shape:
    top = make("root", None, authority_extensions(), ski=False)
    return leaf(top), [], top


def intermediate_with_basic_constraints_not_critical() -> Shape:
    top = root()
    middle = make("middle", top, authority_extensions(basic_critical=False))
    return leaf(middle), [middle], top


def intermediate_without_authority_key_identifier() -> Shape:
    top = root()
    middle = make("middle", top, authority_extensions(), aki=False)
    return leaf(middle), [middle], top


def intermediate_without_key_usage() -> Shape:
    top = root()
    middle = make("middle", top, authority_extensions()[:1])
    return leaf(middle), [middle], top


def leaf_that_is_an_authority() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions(HOST, ca=True)), [], top


def leaf_of_version_1() -> Shape:
    top = root()
    return without_extensions(make(HOST, top, []), top), [], top


def leaf_with_key_cert_sign() -> Shape:
    top = root()
    extensions = leaf_extensions(HOST)
    extensions[1] = (key_usage(certificates=True), True)
    return make("leaf", top, extensions), [], top


def leaf_with_empty_subject_and_san_not_critical() -> Shape:
    top = root()
    return make("", top, leaf_extensions(HOST)), [], top


def ten_intermediates() -> Shape:
    top = root()
    chain: list[Made] = []
    for number in range(10):
        chain.insert(0, make(f"middle {number}", chain[0] if chain else top, authority_extensions()))
    return leaf(chain[0]), chain, top


def leaf_without_authority_key_identifier() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions(HOST), aki=False), [], top


def leaf_without_basic_constraints() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions(HOST)[1:]), [], top


def leaf_without_purpose() -> Shape:
    top = root()
    extensions = leaf_extensions(HOST)
    del extensions[2]
    return make("leaf", top, extensions), [], top


def leaf_valid_for_twelve_years() -> Shape:
    top = root(days=5000)
    return make("leaf", top, leaf_extensions(HOST), days=4400), [], top


def ed25519_leaf() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions(HOST), key="ed25519"), [], top


def p521_leaf() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions(HOST), key="ecdsa-p521"), [], top


def self_signed_server_certificate() -> Shape:
    only = make("only", None, leaf_extensions(HOST), aki=False)
    return only, [], only


def self_signed_server_certificate_as_openssl_req_makes_it() -> Shape:
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    only = make("only", None, [(x509.BasicConstraints(True, None), True), (names, False)])
    return only, [], only


def unrelated_certificates_between() -> Shape:
    top = root()
    middle = make("middle", top, authority_extensions())
    strangers = [make(f"stranger {number}", None, authority_extensions()) for number in range(3)]
    return leaf(middle), [*strangers, middle, top], top


def rsa_1024_leaf() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions(HOST), key="rsa-1024"), [], top


def rsa_1024_root() -> Shape:
    top = root(key="rsa-1024")
    return leaf(top), [], top


def leaf_for_any_purpose() -> Shape:
    top = root()
    extensions = leaf_extensions(HOST)
    extensions[2] = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)
    return make("leaf", top, extensions), [], top


def intermediate_for_clients_only() -> Shape:
    top = root()
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    middle = make("middle", top, [*authority_extensions(), (usage, False)])
    return leaf(middle), [middle], top


def wildcard_below_a_top_level_domain() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions("*.org")), [], top


def wildcard_within_a_label() -> Shape:
    top = root()
    return make("leaf", top, leaf_extensions("ww*.example.org")), [], top


SHAPES = [
    common_name_only,
    ed25519_root,
    ed25519_intermediate,
    root_without_key_usage,
    root_with_basic_constraints_not_critical,
    root_without_basic_constraints,
    root_of_version_1,
    root_without_subject_key_identifier,
    intermediate_with_basic_constraints_not_critical,
    intermediate_without_authority_key_identifier,
    intermediate_without_key_usage,
    intermediate_for_clients_only,
    leaf_that_is_an_authority,
    leaf_of_version_1,
    leaf_with_key_cert_sign,
    leaf_with_empty_subject_and_san_not_critical,
    leaf_without_authority_key_identifier,
    leaf_without_basic_constraints,
    leaf_without_purpose,
    leaf_valid_for_twelve_years,
    leaf_for_any_purpose,
    ed25519_leaf,
    p521_leaf,
    self_signed_server_certificate,
    self_signed_server_certificate_as_openssl_req_makes_it,
    unrelated_certificates_between,
    ten_intermediates,
    rsa_1024_leaf,
    rsa_1024_root,
    wildcard_below_a_top_level_domain,
    wildcard_within_a_label,
]

NO_COMMON_NAMES = "a common name does not count as host name (RFC 9525 section 6.3)"
DIFFERENT = {common_name_only: NO_COMMON_NAMES, leaf_of_version_1: NO_COMMON_NAMES}
"""Shapes that OpenSSL accepts and we refuse, under either profile, and why."""

REFUSALS = {
    common_name_only: Refusal.HOSTNAME_MISMATCH,
    leaf_of_version_1: Refusal.HOSTNAME_MISMATCH,
    rsa_1024_leaf: Refusal.WEAK_KEY,
    rsa_1024_root: Refusal.WEAK_KEY,
    leaf_for_any_purpose: Refusal.INVALID_PURPOSE,
    intermediate_for_clients_only: Refusal.INVALID_PURPOSE,
    wildcard_below_a_top_level_domain: Refusal.HOSTNAME_MISMATCH,
    wildcard_within_a_label: Refusal.HOSTNAME_MISMATCH,
    root_without_basic_constraints: Refusal.INVALID_CA,
}
"""What a refusal is called; NONCONFORMING where nothing is said."""

FLAGS = {
    "openssl": ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST,
    "strict": ssl.VERIFY_X509_STRICT | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN,
}


def verify(shape: Shape, profile: str) -> tuple[bytes, ...]:
    """What our verifier says."""
    end, others, top = shape
    verifier = Verifier(TrustAnchors([top.certificate]), profile=PROFILES[profile])
    return verifier.verify_server([end.der, *(other.der for other in others)], HOST, time.time())


@pytest.mark.parametrize("profile", FLAGS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_agrees_with_openssl(shape: Callable[[], Shape], profile: str, tmp_path: Path) -> None:
    made = shape()
    try:
        accepted = openssl_accepts(tmp_path, *made, HOST, FLAGS[profile])
    except ssl.SSLError:
        assert shape is rsa_1024_leaf  # too weak for OpenSSL to load as a server's
        accepted = False
    if accepted and shape not in DIFFERENT:
        path = verify(made, profile)
        assert path[0] == made[0].der
        assert path[-1] == made[2].der
        return
    with pytest.raises(VerificationFailed) as caught:
        verify(made, profile)
    assert caught.value.refusal is REFUSALS.get(shape, Refusal.NONCONFORMING)
    assert caught.value.hint


@pytest.mark.parametrize("trusted", ["leaf", "intermediate"])
def test_a_partial_chain_needs_the_strict_profile_as_in_openssl(trusted: str, tmp_path: Path) -> None:
    middle = make("middle", root(), authority_extensions())
    end = leaf(middle)
    anchor = end if trusted == "leaf" else middle
    assert not openssl_accepts(tmp_path, end, [middle], anchor, HOST)
    assert openssl_accepts(tmp_path, end, [middle], anchor, HOST, ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN)
    assert verify((end, [middle], anchor), "strict")[-1] == anchor.der
    with pytest.raises(VerificationFailed) as caught:
        verify((end, [middle], anchor), "openssl")
    assert caught.value.refusal is Refusal.UNKNOWN_ISSUER
    assert "PARTIAL_CHAIN" in caught.value.hint
