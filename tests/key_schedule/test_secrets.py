"""Stages are spent once, secrets stay out of reprs, and what RFC 8448 does not cover: updates, exporters, SHA-384."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tlsocket.crypto.suites import TLS13_SUITES, CipherSuite
from tlsocket.errors import ApiMisuse, InternalError
from tlsocket.key_schedule import EarlySecret, ExporterSecret, MainSecret, ResumptionSecret, TrafficSecret, keylog

every_suite = pytest.mark.parametrize("suite", TLS13_SUITES.values(), ids=lambda suite: suite.name)


def reference(suite: CipherSuite, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label by another implementation, with the label put together here."""
    algorithm = hashes.SHA384() if suite.hash.digest_size == 48 else hashes.SHA256()
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(context),)) + context
    return HKDFExpand(algorithm, length, info).derive(secret)


def secret_of(suite: CipherSuite) -> bytes:
    return bytes(range(suite.hash.digest_size))


@every_suite
def test_keys_and_updates_agree_with_another_hkdf(suite: CipherSuite) -> None:
    secret = secret_of(suite)
    traffic = TrafficSecret(suite, secret)
    assert traffic.key_and_iv() == (
        reference(suite, secret, b"key", b"", suite.key_length),
        reference(suite, secret, b"iv", b"", 12),
    )
    updated = reference(suite, secret, b"traffic upd", b"", len(secret))
    assert traffic.next().secret == updated
    assert traffic.next().next().secret == reference(suite, updated, b"traffic upd", b"", len(secret))


@every_suite
def test_handshake_secrets_give_the_same_with_everything_at_once(suite: CipherSuite) -> None:
    transcript_hash = secret_of(suite)
    for handshake in EarlySecret(suite).handshake(b"shared").traffic_secrets(transcript_hash):
        plain = TrafficSecret(suite, handshake.secret)
        before = handshake.verify_data(transcript_hash)
        assert handshake.key_and_iv() == plain.key_and_iv()
        assert handshake.verify_data(transcript_hash) == before == plain.verify_data(transcript_hash)
        with pytest.raises(InternalError):
            handshake.next()


@every_suite
def test_no_psk_is_a_psk_of_zeros(suite: CipherSuite) -> None:
    transcript_hash = secret_of(suite)
    without = EarlySecret(suite).handshake(b"shared").traffic_secrets(transcript_hash)
    zeros = EarlySecret(suite, suite.hash.zeros).handshake(b"shared").traffic_secrets(transcript_hash)
    assert [secret.secret for secret in without] == [secret.secret for secret in zeros]


def test_psk_without_key_exchange_uses_zeros() -> None:
    suite = TLS13_SUITES[0x1301]
    without = EarlySecret(suite, b"psk").handshake(None).traffic_secrets(bytes(32))
    zeros = EarlySecret(suite, b"psk").handshake(bytes(32)).traffic_secrets(bytes(32))
    assert [secret.secret for secret in without] == [secret.secret for secret in zeros]


@every_suite
def test_exporter_agrees_with_another_hkdf(suite: CipherSuite) -> None:
    secret = secret_of(suite)
    exporter = ExporterSecret(suite.hash, secret)
    derived = reference(suite, secret, b"EXPORTER-test", suite.hash.digest(b""), suite.hash.digest_size)
    expected = reference(suite, derived, b"exporter", suite.hash.digest(b"context"), 100)
    assert exporter.export(b"EXPORTER-test", b"context", 100) == expected
    assert exporter.export(b"EXPORTER-test", None, 32) == exporter.export(b"EXPORTER-test", b"", 32)
    assert exporter.export(b"EXPORTER-test", b"other", 100) != expected


@pytest.mark.parametrize(("label", "length"), [(b"", 32), (bytes(250), 32), (b"label", 255 * 32 + 1), (b"label", -1)])
def test_exporter_refuses_what_hkdf_cannot_take(label: bytes, length: int) -> None:
    with pytest.raises(ApiMisuse):
        ExporterSecret(TLS13_SUITES[0x1301].hash, bytes(32)).export(label, None, length)


def spent_early() -> Callable[[], object]:
    early = EarlySecret(TLS13_SUITES[0x1301], b"psk")
    early.handshake(b"shared")
    return lambda: early.handshake(b"shared")


def spent_early_binder() -> Callable[[], object]:
    early = EarlySecret(TLS13_SUITES[0x1301], b"psk")
    early.handshake(b"shared")
    return lambda: early.binder(bytes(32))


def early_without_psk() -> Callable[[], object]:
    return lambda: EarlySecret(TLS13_SUITES[0x1301]).early_traffic_secret(bytes(32))


def spent_handshake() -> Callable[[], object]:
    handshake = EarlySecret(TLS13_SUITES[0x1301]).handshake(b"shared")
    handshake.traffic_secrets(bytes(32))
    return lambda: handshake.traffic_secrets(bytes(32))


def main_before_traffic_secrets() -> Callable[[], object]:
    return EarlySecret(TLS13_SUITES[0x1301]).handshake(b"shared").main


def main_twice() -> Callable[[], object]:
    handshake = EarlySecret(TLS13_SUITES[0x1301]).handshake(b"shared")
    handshake.traffic_secrets(bytes(32))
    handshake.main()
    return handshake.main


def spent_main() -> Callable[[], object]:
    main = MainSecret(TLS13_SUITES[0x1301], bytes(32))
    main.resumption_secret(bytes(32))
    return lambda: main.resumption_secret(bytes(32))


def spent_main_application() -> Callable[[], object]:
    main = MainSecret(TLS13_SUITES[0x1301], bytes(32))
    main.resumption_secret(bytes(32))
    return lambda: main.application_secrets(bytes(32))


@pytest.mark.parametrize(
    "stage",
    [
        spent_early,
        spent_early_binder,
        early_without_psk,
        spent_handshake,
        main_before_traffic_secrets,
        main_twice,
        spent_main,
        spent_main_application,
    ],
)
def test_stage_is_used_once_and_in_order(stage: Callable[[], Callable[[], object]]) -> None:
    call = stage()
    with pytest.raises(InternalError):
        call()


@every_suite
def test_no_repr_shows_a_secret(suite: CipherSuite) -> None:
    secret = b"\xab" * suite.hash.digest_size
    early = EarlySecret(suite, secret)
    handshake = EarlySecret(suite, secret).handshake(secret)
    objects = [
        early,
        handshake,
        *handshake.traffic_secrets(secret),
        handshake.main(),
        TrafficSecret(suite, secret),
        ExporterSecret(suite.hash, secret),
        ResumptionSecret(suite, secret),
        MainSecret(suite, secret).application_secrets(secret),
    ]
    for value in objects:
        assert "\\x" not in repr(value)
        assert "abab" not in repr(value)
        assert "object at" not in repr(value)


def test_key_log_line_is_that_of_rfc_9850() -> None:
    line = keylog.line(keylog.CLIENT_HANDSHAKE_TRAFFIC_SECRET, bytes(range(32)), b"\xff" * 48)
    assert line == f"CLIENT_HANDSHAKE_TRAFFIC_SECRET {bytes(range(32)).hex()} {'ff' * 48}"
    assert keylog.traffic_secret_label(client=True, generation=0) == keylog.CLIENT_TRAFFIC_SECRET_0
    assert keylog.traffic_secret_label(client=False, generation=3) == "SERVER_TRAFFIC_SECRET_3"


@every_suite
def test_the_last_application_secrets_are_the_same_ones(suite: CipherSuite) -> None:
    """A side that cannot be resumed derives them together, which is cheaper, and then has nothing left."""
    digest = bytes(suite.hash.digest_size)
    one = MainSecret(suite, b"m" * suite.hash.digest_size).application_secrets(digest)
    main = MainSecret(suite, b"m" * suite.hash.digest_size)
    other = main.application_secrets(digest, resumable=False)
    assert [secret.secret for secret in one] == [secret.secret for secret in other]
    with pytest.raises(InternalError):
        main.resumption_secret(digest)
