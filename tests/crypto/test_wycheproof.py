"""Wycheproof's vectors through our own functions: what is valid passes, what is not raises an error of ours.

Only what TLS lets through counts: a vector that is valid elsewhere (a compressed point, a short tag, another nonce
length) must be refused here, or is outside of what a suite can be asked for and left out, as said at each test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, mlkem
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tlsocket.crypto import groups, hkdf
from tlsocket.crypto.certificates import PSSPublicKey
from tlsocket.crypto.hashes import SHA256, SHA384, HashAlgorithm
from tlsocket.crypto.signatures import verify
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import PeerMisbehaved, Reason

Case = dict[str, Any]


def cases(folder: Path, name: str) -> Iterator[tuple[Case, Case]]:
    """Each group of the file with each of its tests; at least one, so that a moved file cannot pass."""
    path = folder / "wycheproof" / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the vectors of others")
    found = 0
    for group in json.loads(path.read_text(encoding="utf-8"))["testGroups"]:
        for test in group["tests"]:
            found += 1
            yield group, test
    assert found > 50


def hexed(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def share(group: int, private: Any, monkeypatch: pytest.MonkeyPatch) -> groups.KeyShare:
    """A client's share with a private key of our choice."""
    with monkeypatch.context() as patch:
        patch.setattr(groups, "X25519PrivateKey", type("Stub", (), {"generate": staticmethod(lambda: private)}))
        patch.setattr(groups, "X448PrivateKey", type("Stub", (), {"generate": staticmethod(lambda: private)}))
        patch.setattr(ec, "generate_private_key", lambda curve: private)
        return groups.generate(group)


def test_x25519(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zero = 0
    for _, test in cases(vectors, "x25519_test.json"):
        ours = share(0x001D, X25519PrivateKey.from_private_bytes(hexed(test, "private")), monkeypatch)
        if "ZeroSharedSecret" in test["flags"]:
            zero += 1
            with pytest.raises(PeerMisbehaved) as caught:
                ours.exchange(hexed(test, "public"))
            assert caught.value.reason is Reason.ALL_ZERO_SHARED_SECRET, test["tcId"]
        else:
            # "acceptable" here are twist and non-canonical points, which RFC 7748 section 5 says to accept.
            assert ours.exchange(hexed(test, "public")) == hexed(test, "shared"), test["tcId"]
    assert zero


def test_x448(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zero = 0
    for _, test in cases(vectors, "x448_test.json"):
        ours = share(0x001E, X448PrivateKey.from_private_bytes(hexed(test, "private")), monkeypatch)
        if "ZeroSharedSecret" in test["flags"] or test["result"] == "invalid":
            zero += "ZeroSharedSecret" in test["flags"]
            with pytest.raises(PeerMisbehaved) as caught:
                ours.exchange(hexed(test, "public"))
            expected = Reason.INVALID_KEY_SHARE if test["result"] == "invalid" else Reason.ALL_ZERO_SHARED_SECRET
            assert caught.value.reason is expected, test["tcId"]
        else:
            assert ours.exchange(hexed(test, "public")) == hexed(test, "shared"), test["tcId"]
    assert zero


# X25519 beside ML-KEM in the group under test, so that ML-KEM's vectors go through our code and not around it: group,
# class of the private key, and the length of the ML-KEM part of a server's share.
MLKEM: dict[int, tuple[int, Any]] = {768: (0x11EC, mlkem.MLKEM768PrivateKey), 1024: (0x11ED, mlkem.MLKEM1024PrivateKey)}


def mlkem_part(size: int, whole: bytes, diffie_hellman: int) -> bytes:
    """The ML-KEM part of a share or a secret: first beside X25519, last beside a NIST curve."""
    return whole[:-diffie_hellman] if size == 768 else whole[diffie_hellman:]


@pytest.mark.parametrize("size", [768, 1024])
def test_mlkem_decapsulation(size: int, vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group, private_class = MLKEM[size]
    point, half = (32, 32) if size == 768 else (97, 48)
    refused = 0
    for _, test in cases(vectors, f"mlkem_{size}_test.json"):
        seed = hexed(test, "seed")
        if len(seed) != 64:
            continue  # a seed of ours has 64 bytes by construction
        key = private_class.from_seed_bytes(seed)
        stub = type("Stub", (), {"generate": staticmethod(lambda key=key: key)})
        monkeypatch.setattr(groups._HYBRID[group], "decapsulation_keys", stub)
        ours = groups.generate(group)
        if "ek" in test and test["result"] == "valid":
            assert mlkem_part(size, ours.public, point) == hexed(test, "ek"), test["tcId"]
        server = groups.respond(MLKEM[size][0], groups.generate(group).public)[0]
        theirs = server[-point:] if size == 768 else server[:point]
        ciphertext = hexed(test, "c")
        answer = ciphertext + theirs if size == 768 else theirs + ciphertext
        if test["result"] == "valid":
            assert mlkem_part(size, ours.exchange(answer), half) == hexed(test, "K"), test["tcId"]
        else:
            refused += 1
            with pytest.raises(PeerMisbehaved) as caught:
                ours.exchange(answer)
            assert caught.value.reason is Reason.INVALID_KEY_SHARE, test["tcId"]
    assert refused


@pytest.mark.parametrize("size", [768, 1024])
def test_mlkem_encapsulation_keys(size: int, vectors: Path) -> None:
    """Keys only: our encapsulation draws its own randomness, so that a vector's ciphertext cannot be asked for."""
    group, _ = MLKEM[size]
    point = 32 if size == 768 else 97
    overflow = 0
    for _, test in cases(vectors, f"mlkem_{size}_encaps_test.json"):
        mine = groups.generate(group).public
        theirs = mine[-point:] if size == 768 else mine[:point]
        key = hexed(test, "ek")
        peer = key + theirs if size == 768 else theirs + key
        if test["result"] == "valid":
            groups.respond(group, peer)
        else:
            overflow += "ModulusOverflow" in test["flags"]
            with pytest.raises(PeerMisbehaved) as caught:
                groups.respond(group, peer)
            assert caught.value.reason is Reason.INVALID_KEY_SHARE, test["tcId"]
    assert overflow


@pytest.mark.parametrize(
    ("name", "group", "curve"),
    [
        ("ecdh_secp256r1_ecpoint_test.json", 0x0017, ec.SECP256R1()),
        ("ecdh_secp384r1_ecpoint_test.json", 0x0018, ec.SECP384R1()),
        ("ecdh_secp521r1_ecpoint_test.json", 0x0019, ec.SECP521R1()),
    ],
)
def test_ecdh(name: str, group: int, curve: ec.EllipticCurve, vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, test in cases(vectors, name):
        ours = share(group, ec.derive_private_key(int(test["private"], 16), curve), monkeypatch)
        if test["result"] == "valid":
            assert ours.exchange(hexed(test, "public")) == hexed(test, "shared"), test["tcId"]
        else:
            # "acceptable" is a compressed point, which RFC 9846 section 4.3.8.2 forbids.
            with pytest.raises(PeerMisbehaved) as caught:
                ours.exchange(hexed(test, "public"))
            assert caught.value.reason is Reason.INVALID_KEY_SHARE, test["tcId"]
            with pytest.raises(PeerMisbehaved):
                groups.respond(group, hexed(test, "public"))


@pytest.mark.parametrize(
    ("name", "schemes"),
    [
        ("ecdsa_secp256r1_sha256_test.json", [0x0403]),
        ("ecdsa_secp384r1_sha384_test.json", [0x0503]),
        ("ecdsa_secp521r1_sha512_test.json", [0x0603]),
        ("ed25519_test.json", [0x0807]),
        ("ed448_test.json", [0x0808]),
        ("rsa_pss_2048_sha256_mgf1_32_test.json", [0x0804, 0x0809]),
    ],
)
def test_signatures(name: str, schemes: list[int], vectors: Path) -> None:
    for group, test in cases(vectors, name):
        for scheme in schemes:
            key: Any = load_der_public_key(hexed(group, "publicKeyDer"))
            if scheme == 0x0809:
                key = PSSPublicKey(key)
            message, signature = hexed(test, "msg"), hexed(test, "sig")
            if test["result"] == "valid":
                verify(scheme, key, signature, message)
            else:
                with pytest.raises(PeerMisbehaved) as caught:
                    verify(scheme, key, signature, message)
                assert caught.value.reason is Reason.BAD_SIGNATURE, test["tcId"]


@pytest.mark.parametrize(("name", "algorithm"), [("hkdf_sha256_test.json", SHA256), ("hkdf_sha384_test.json", SHA384)])
def test_hkdf(name: str, algorithm: HashAlgorithm, vectors: Path) -> None:
    for _, test in cases(vectors, name):
        prk = hkdf.extract(algorithm, hexed(test, "salt"), hexed(test, "ikm"))
        if test["result"] == "valid":
            assert hkdf.expand(algorithm, prk, hexed(test, "info"), test["size"]) == hexed(test, "okm"), test["tcId"]
        else:
            with pytest.raises(ValueError, match="HKDF-Expand"):
                hkdf.expand(algorithm, prk, hexed(test, "info"), test["size"])


@pytest.mark.parametrize(
    ("name", "codes"), [("aes_gcm_test.json", [0x1301, 0x1302]), ("chacha20_poly1305_test.json", [0x1303])]
)
def test_aead(name: str, codes: list[int], vectors: Path) -> None:
    suites = {TLS13_SUITES[code].key_length: TLS13_SUITES[code] for code in codes}
    used = 0
    for group, test in cases(vectors, name):
        suite = suites.get(group["keySize"] // 8)
        # No suite of TLS 1.3 has AES-192, another nonce length or a shorter tag.
        if suite is None or group["ivSize"] != 8 * suite.iv_length or group["tagSize"] != 8 * suite.tag_length:
            continue
        used += 1
        aead = suite.aead(hexed(test, "key"))
        sealed = hexed(test, "ct") + hexed(test, "tag")
        if test["result"] == "valid":
            assert aead.encrypt(hexed(test, "iv"), hexed(test, "msg"), hexed(test, "aad")) == sealed, test["tcId"]
            assert aead.decrypt(hexed(test, "iv"), sealed, hexed(test, "aad")) == hexed(test, "msg"), test["tcId"]
        else:
            with pytest.raises(InvalidTag):
                aead.decrypt(hexed(test, "iv"), sealed, hexed(test, "aad"))
    assert used > 50
