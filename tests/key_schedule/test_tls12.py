"""The key schedule of TLS 1.2: labels, seeds and order of the key block, written out from the RFCs on `hmac` alone."""

from __future__ import annotations

import pytest

from tests.crypto.test_prf import expected
from tlsocket.crypto.suites import TLS12_SUITES, Tls12CipherSuite
from tlsocket.errors import ApiMisuse
from tlsocket.key_schedule.tls12 import MainSecret12, psk_preliminary_secret

CLIENT, SERVER = b"c" * 32, b"s" * 32
SHARED = b"shared secret"
every_suite = pytest.mark.parametrize("suite", TLS12_SUITES.values(), ids=lambda suite: suite.openssl_name)


def main_secret(suite: Tls12CipherSuite, session_hash: bytes | None = b"h" * 32) -> MainSecret12:
    return MainSecret12.derive(suite, SHARED, CLIENT, SERVER, session_hash)


@every_suite
def test_main_secret(suite: Tls12CipherSuite) -> None:
    """RFC 7627 section 4, and RFC 5246 section 8.1 where the peer lacks that."""
    name = suite.hash.name
    assert main_secret(suite).secret == expected(name, SHARED, b"extended master secret" + b"h" * 32, 48)
    assert main_secret(suite, None).secret == expected(name, SHARED, b"master secret" + CLIENT + SERVER, 48)


def test_preliminary_secret_of_a_pre_shared_key() -> None:
    """RFC 5489 section 2: each of the two behind its length of two bytes, the key exchange first."""
    assert psk_preliminary_secret(b"z" * 300, b"key") == b"\x01\x2c" + b"z" * 300 + b"\0\3key"


@every_suite
def test_key_block(suite: Tls12CipherSuite) -> None:
    """RFC 5246 section 6.3: the server's random first, keys before IVs, the client's before the server's."""
    secret = main_secret(suite)
    key, iv = suite.key_length, 4 if "GCM" in suite.name else 12
    block = expected(suite.hash.name, secret.secret, b"key expansion" + SERVER + CLIENT, 2 * (key + iv))
    keys = secret.key_block()
    assert keys.client.key + keys.server.key + keys.client.iv + keys.server.iv == block
    assert (len(keys.client.key), len(keys.server.iv)) == (key, iv)


@every_suite
@pytest.mark.parametrize("client", [True, False])
def test_verify_data(suite: Tls12CipherSuite, client: bool) -> None:
    secret = main_secret(suite)
    label = b"client finished" if client else b"server finished"
    made = secret.verify_data(client=client, transcript_hash=b"transcript")
    assert made == expected(suite.hash.name, secret.secret, label + b"transcript", 12)


@every_suite
def test_exporter(suite: Tls12CipherSuite) -> None:
    """RFC 5705 section 4: the client's random first; a context stands behind its length, no context does not."""
    secret = main_secret(suite)
    name = suite.hash.name
    seed = b"EXPORTER-x" + CLIENT + SERVER
    assert secret.export(b"EXPORTER-x", None, 77) == expected(name, secret.secret, seed, 77)
    assert secret.export(b"EXPORTER-x", b"", 20) == expected(name, secret.secret, seed + b"\0\0", 20)
    assert secret.export(b"EXPORTER-x", b"abc", 20) == expected(name, secret.secret, seed + b"\0\3abc", 20)


@pytest.mark.parametrize(
    "label", [b"client finished", b"server finished", b"master secret", b"extended master secret", b"key expansion"]
)
def test_reserved_labels_are_refused(label: bytes) -> None:
    with pytest.raises(ApiMisuse, match="reserved"):
        main_secret(TLS12_SUITES[0xC02B]).export(label, None, 32)


@pytest.mark.parametrize(("context", "length"), [(bytes(65536), 1), (None, -1), (None, 1 << 17)])
def test_exporter_bounds(context: bytes | None, length: int) -> None:
    with pytest.raises(ApiMisuse):
        main_secret(TLS12_SUITES[0xC02B]).export(b"EXPORTER-x", context, length)


def test_no_exporter_without_the_extended_main_secret() -> None:
    """RFC 7627 section 5.4: two connections could have the same main secret."""
    with pytest.raises(ApiMisuse, match="7627"):
        main_secret(TLS12_SUITES[0xC02B], None).export(b"EXPORTER-x", None, 32)


def test_no_secret_in_a_repr() -> None:
    secret = main_secret(TLS12_SUITES[0xC02B])
    for text in (repr(secret), repr(secret.key_block()), repr(secret.key_block().client)):
        assert secret.secret.hex() not in text
        assert repr(secret.key_block().client.key)[2:-1] not in text
