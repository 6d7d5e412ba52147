"""The suites of TLS 1.3: sizes, limits, order."""

from __future__ import annotations

import pytest

from tlsocket.crypto.randomness import random_bytes
from tlsocket.crypto.suites import DEFAULT_TLS13_SUITES, TLS13_SUITES


@pytest.mark.parametrize(
    ("code", "name", "hash_name", "key_length", "bits"),
    [
        (0x1301, "TLS_AES_128_GCM_SHA256", "sha256", 16, 128),
        (0x1302, "TLS_AES_256_GCM_SHA384", "sha384", 32, 256),
        (0x1303, "TLS_CHACHA20_POLY1305_SHA256", "sha256", 32, 256),
    ],
)
def test_suite_is_the_registered_one(code: int, name: str, hash_name: str, key_length: int, bits: int) -> None:
    suite = TLS13_SUITES[code]
    assert (suite.code, suite.name, suite.openssl_name) == (code, name, name)
    assert (suite.hash.name, suite.key_length, suite.bits) == (hash_name, key_length, bits)
    sealed = suite.aead(bytes(key_length)).encrypt(bytes(suite.iv_length), b"data", b"")
    assert len(sealed) == 4 + suite.tag_length


def test_aes_gcm_may_seal_the_rfcs_number_of_records() -> None:
    for code in (0x1301, 0x1302):
        limit = TLS13_SUITES[code].confidentiality_limit
        assert limit == int(2**24.5)


def test_limits_fit_the_record_layers_counters() -> None:
    for suite in TLS13_SUITES.values():
        assert 0 < suite.confidentiality_limit < 2**63
        assert 0 < suite.integrity_limit < 2**63


def test_default_order_is_by_cost() -> None:
    assert DEFAULT_TLS13_SUITES == (0x1301, 0x1302, 0x1303)


def test_random_bytes_do_not_repeat() -> None:
    assert len(random_bytes(32)) == 32
    assert random_bytes(32) != random_bytes(32)
