"""HMAC and HKDF against the standard library, RFC 5869's own vectors, and the shape of HkdfLabel."""

from __future__ import annotations

import hmac as standard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsocket.crypto import hkdf
from tlsocket.crypto.hashes import SHA256, SHA384, SHA512, HashAlgorithm

ALGORITHMS = [SHA256, SHA384, SHA512]
every_hash = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)


@given(st.sampled_from(ALGORITHMS), st.binary(max_size=300), st.binary(max_size=300))
def test_hmac_agrees_with_the_standard_library(algorithm: HashAlgorithm, key: bytes, message: bytes) -> None:
    expected = standard.digest(key, message, algorithm.name)
    assert hkdf.hmac(algorithm, key, message) == expected
    state = hkdf.hmac_state(algorithm, key)
    assert hkdf.hmac_with(state, message) == expected
    assert hkdf.hmac_with(state, message) == expected, "a state may be used again"
    assert hkdf.hmac_final(state, message) == expected


@every_hash
def test_outputs_derived_together_are_those_derived_alone(algorithm: HashAlgorithm) -> None:
    prk = bytes(range(algorithm.digest_size))
    infos = [b"first\x01", b"second\x01", b"third\x01"]
    alone = tuple(hkdf.expand_one(algorithm, prk, info) for info in infos)
    assert hkdf.expand_two(algorithm, prk, infos[0], infos[1]) == alone[:2]
    assert hkdf.expand_three(algorithm, prk, infos[0], infos[1], infos[2]) == alone
    assert alone[0] == hkdf.expand(algorithm, prk, b"first", algorithm.digest_size)


def test_rfc5869_test_case_2() -> None:
    # RFC 5869 appendix A.2: several blocks, long inputs.
    prk = hkdf.extract(SHA256, bytes(range(0x60, 0xB0)), bytes(range(0x50)))
    assert prk.hex() == "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244"
    assert hkdf.expand(SHA256, prk, bytes(range(0xB0, 0x100)), 82).hex() == (
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
        "cc30c58179ec3e87c14c01d5c1f3434f1d87"
    )


@every_hash
def test_expand_stops_at_255_blocks(algorithm: HashAlgorithm) -> None:
    most = 255 * algorithm.digest_size
    assert len(hkdf.expand(algorithm, b"prk", b"", most)) == most
    assert hkdf.expand(algorithm, b"prk", b"", 0) == b""
    for length in (most + 1, -1):
        with pytest.raises(ValueError, match="HKDF-Expand"):
            hkdf.expand(algorithm, b"prk", b"", length)


def test_label_is_encoded_as_in_the_rfc() -> None:
    assert hkdf.hkdf_label(16, b"key", b"") == bytes.fromhex("00100974 6c733133206b657900")
    assert hkdf.hkdf_label(16, b"key", b"", first_block=True) == bytes.fromhex("001009746c733133206b65790001")
    assert hkdf.hkdf_label(2, b"resumption", b"\0\0")[-3:] == b"\x02\0\0"


@pytest.mark.parametrize(
    ("length", "label", "context"),
    [(16, b"", b""), (16, bytes(250), b""), (16, b"key", bytes(256)), (0x10000, b"key", b""), (-1, b"key", b"")],
)
def test_label_that_does_not_fit_its_fields_is_refused(length: int, label: bytes, context: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes|bits"):
        hkdf.hkdf_label(length, label, context)
