"""Which schemes a key may use in TLS 1.3, and that nothing else signs or verifies."""

from __future__ import annotations

from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from tlsocket.crypto.certificates import PSSPublicKey, PublicKey
from tlsocket.crypto.signatures import (
    DEFAULT_SIGNATURE_SCHEMES,
    TLS12_SIGNATURE_SCHEMES,
    LocalSigner,
    PrivateKey,
    schemes_for_key,
    tls12_schemes_for_key,
    verify,
    verify_tls12,
)
from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason

P256, P384, P521, ED25519, ED448 = 0x0403, 0x0503, 0x0603, 0x0807, 0x0808
RSAE = (0x0804, 0x0805, 0x0806)
PSS = (0x0809, 0x080A, 0x080B)
LEGACY = (0x0201, 0x0203, 0x0401, 0x0501, 0x0601)
FITTING = {
    "p256": (P256,),
    "p384": (P384,),
    "p521": (P521,),
    "ed25519": (ED25519,),
    "ed448": (ED448,),
    "rsa": RSAE,
    "rsa-1024": RSAE[:2],
    "pss": PSS,
    "pss-sha384": PSS[1:2],
    "pss-sha1": (),
    "p256k1": (),
}
every_kind = pytest.mark.parametrize("kind", FITTING)


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def key_pair(kind: str) -> tuple[PrivateKey, PublicKey]:
    private: PrivateKey
    if kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
    elif kind == "ed448":
        private = ed448.Ed448PrivateKey.generate()
    elif kind.startswith("p") and kind[1:2].isdigit():
        curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "p256k1": ec.SECP256K1()}
        private = ec.generate_private_key(curves[kind])
    else:
        private = rsa_key(1024 if kind == "rsa-1024" else 2048)
        restriction = {"pss": None, "pss-sha384": "sha384", "pss-sha1": ""}
        if kind in restriction:
            return private, PSSPublicKey(private.public_key(), restriction[kind])
    return private, private.public_key()


@every_kind
def test_schemes_of_a_key(kind: str) -> None:
    assert schemes_for_key(key_pair(kind)[1]) == FITTING[kind]


@every_kind
def test_fitting_schemes_sign_and_verify(kind: str) -> None:
    private, public = key_pair(kind)
    signer = LocalSigner(private, public)
    assert signer.public_key() is public
    for scheme in FITTING[kind]:
        signature = signer.sign(scheme, b"data")
        verify(scheme, public, signature, b"data")
        for bad_signature, data in ((signature, b"Data"), (signature[:-1], b"data"), (b"", b"data")):
            with pytest.raises(PeerMisbehaved) as caught:
                verify(scheme, public, bad_signature, data)
            assert caught.value.reason is Reason.BAD_SIGNATURE


@every_kind
def test_other_schemes_neither_sign_nor_verify(kind: str) -> None:
    private, public = key_pair(kind)
    signer = LocalSigner(private, public)
    # A 1024-bit key is too small to sign with SHA-512; a peer's signature by it can only be wrong.
    for scheme in {*DEFAULT_SIGNATURE_SCHEMES, *LEGACY, 0x0A0A} - {*FITTING[kind]}:
        if scheme not in tls12_schemes_for_key(public):
            with pytest.raises(ApiMisuse):
                signer.sign(scheme, b"data")
        with pytest.raises(PeerMisbehaved) as caught:
            verify(scheme, public, bytes(64), b"data")
        too_small = kind == "rsa-1024" and scheme == RSAE[2]
        assert caught.value.reason is (Reason.BAD_SIGNATURE if too_small else Reason.SIGNATURE_SCHEME_MISMATCH)


PKCS1 = (0x0401, 0x0501, 0x0601)
MORE_IN_TLS12 = {
    "p256": (0x0503, 0x0603), "p384": (0x0403, 0x0603), "p521": (0x0403, 0x0503), "rsa": PKCS1, "rsa-1024": PKCS1,
}  # fmt: skip


@every_kind
def test_tls12_knows_more(kind: str) -> None:
    """RFC 9846 section 4.3.3: RSASSA-PKCS1-v1_5, and ECDSA schemes that name a hash for any curve."""
    private, public = key_pair(kind)
    fitting = tls12_schemes_for_key(public)
    assert fitting == (*FITTING[kind], *MORE_IN_TLS12.get(kind, ()))
    signer = LocalSigner(private, public)
    for scheme in fitting:
        signature = signer.sign(scheme, b"data")
        verify_tls12(scheme, public, signature, b"data")
        for bad_signature, data in ((signature, b"Data"), (signature[:-1], b"data"), (b"", b"data")):
            with pytest.raises(PeerMisbehaved) as caught:
                verify_tls12(scheme, public, bad_signature, data)
            assert caught.value.reason is Reason.BAD_SIGNATURE
    for scheme in {*TLS12_SIGNATURE_SCHEMES, 0x0201, 0x0203, 0x0A0A} - {*fitting}:
        with pytest.raises(PeerMisbehaved):
            verify_tls12(scheme, public, bytes(64), b"data")


def test_rsa_signature_in_pkcs1_form_is_refused() -> None:
    private = rsa_key(2048)
    signature = private.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(PeerMisbehaved) as caught:
        verify(RSAE[0], private.public_key(), signature, b"data")
    assert caught.value.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("salt_length", [0, 20, 31, 33])
def test_salt_of_another_length_than_the_digest_is_refused(salt_length: int) -> None:
    private = rsa_key(2048)
    form = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length)
    with pytest.raises(PeerMisbehaved):
        verify(RSAE[0], private.public_key(), private.sign(b"data", form, hashes.SHA256()), b"data")


def test_signer_needs_the_certificates_key_for_pss_only() -> None:
    private = rsa_key(2048)
    assert schemes_for_key(LocalSigner(private).public_key()) == RSAE


def test_private_key_of_another_kind_than_its_certificate_does_not_sign() -> None:
    private, _ = key_pair("p256")
    with pytest.raises(ApiMisuse):
        LocalSigner(private, key_pair("rsa")[1]).sign(RSAE[0], b"data")


def test_repr_of_a_signer_shows_the_kind_only() -> None:
    assert repr(LocalSigner(rsa_key(2048))).startswith("<LocalSigner ")
    assert "key_size" not in repr(LocalSigner(rsa_key(2048)))
