"""Every secret, key, IV, Finished value and record of the five traces of RFC 8448, byte for byte, through our code.

RFC 9846 keeps RFC 8446's key schedule and labels, so the traces still hold.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.vectors.rfc8448 import CERTIFICATES, TRACES, Trace, record_matches
from tlsocket.crypto import groups
from tlsocket.crypto.certificates import certificate_public_key, parse_certificate
from tlsocket.crypto.hkdf import expand_label, extract
from tlsocket.crypto.signatures import verify
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import PeerMisbehaved
from tlsocket.key_schedule import EarlySecret, HandshakeSecret, MainSecret, TrafficSecret
from tlsocket.transcript import Transcript

SUITE = TLS13_SUITES[0x1301]
HASH = SUITE.hash
HANDSHAKE, ALERT, DATA = 22, 21, 23
PAYLOAD = bytes(range(50))
CLOSE_NOTIFY = b"\x01\x00"

SIMPLE, RESUMED, RETRY, MUTUAL, COMPATIBLE = TRACES
every_trace = pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.title)


def finished(verify_data: bytes) -> bytes:
    return b"\x14\x00\x00\x20" + verify_data


def client_hello(trace: Trace) -> bytes:
    if trace is RESUMED:
        return trace["client_hello_prefix"] + b"\x00\x21\x20" + trace["binder"]
    return trace["client_hello"]


def server_flight(trace: Trace) -> list[bytes]:
    """The messages from EncryptedExtensions to CertificateVerify, as the server of this trace sends them."""
    names = ["encrypted_extensions", "certificate_request", "certificate", "certificate_verify"]
    messages = [trace[name] for name in names if name in trace]
    if trace in (SIMPLE, RETRY, COMPATIBLE):
        messages.insert(1, CERTIFICATES["rsa_server"])
    return messages


def client_flight(trace: Trace) -> list[bytes]:
    if trace is MUTUAL:
        return [trace["client_certificate"], trace["client_certificate_verify"]]
    return []


def transcript_after_hellos(trace: Trace) -> Transcript:
    transcript = Transcript()
    if trace is RETRY:
        transcript.add(trace["first_client_hello"])
        transcript.start(HASH)
        transcript.replace_with_message_hash()
        transcript.add(trace["hello_retry_request"])
    transcript.add(client_hello(trace))
    transcript.start(HASH)
    transcript.add(trace["server_hello"])
    return transcript


def transcript_after_server_finished(trace: Trace) -> Transcript:
    transcript = transcript_after_hellos(trace)
    for message in server_flight(trace):
        transcript.add(message)
    transcript.add(finished(trace["s_finished"]))
    return transcript


def handshake_secret(trace: Trace) -> HandshakeSecret:
    early = EarlySecret(SUITE, trace["psk"] if trace is RESUMED else None)
    return early.handshake(trace["shared_secret"])


def main_secret(trace: Trace) -> MainSecret:
    secret = handshake_secret(trace)
    secret.traffic_secrets(trace["hello_hash"])
    return secret.main()


def seal(secret: TrafficSecret, sequence_number: int, content_type: int, payload: bytes) -> bytes:
    key, iv = secret.key_and_iv()
    nonce = bytes(a ^ b for a, b in zip(iv, sequence_number.to_bytes(12, "big"), strict=True))
    header = b"\x17\x03\x03" + (len(payload) + 1 + SUITE.tag_length).to_bytes(2, "big")
    return header + SUITE.aead(key).encrypt(nonce, payload + bytes((content_type,)), header)


@pytest.mark.parametrize("trace", [SIMPLE, RESUMED, MUTUAL, COMPATIBLE], ids=lambda trace: trace.title)
def test_x25519_shares_and_shared_secret(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fixed(name: str) -> None:
        private = X25519PrivateKey.from_private_bytes(trace[name])
        stub = type("Stub", (), {"generate": staticmethod(lambda: private)})
        monkeypatch.setattr(groups, "X25519PrivateKey", stub)

    fixed("client_private")
    share = groups.generate(0x001D)
    fixed("server_private")
    answer, secret = groups.respond(0x001D, share.public)
    assert share.public == trace["client_public"]
    assert share.public in client_hello(trace)
    assert answer == trace["server_public"]
    assert answer in trace["server_hello"]
    assert secret == trace["shared_secret"]
    assert share.exchange(answer) == trace["shared_secret"]


def test_x25519_share_that_the_server_did_not_want(monkeypatch: pytest.MonkeyPatch) -> None:
    private = X25519PrivateKey.from_private_bytes(RETRY["first_client_private"])
    monkeypatch.setattr(groups, "X25519PrivateKey", type("Stub", (), {"generate": staticmethod(lambda: private)}))
    assert groups.generate(0x001D).public == RETRY["first_client_public"]


def test_secp256r1_shares_and_shared_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    def fixed(name: str) -> None:
        private = ec.derive_private_key(int.from_bytes(RETRY[name], "big"), ec.SECP256R1())
        monkeypatch.setattr(ec, "generate_private_key", lambda curve: private)

    fixed("client_private")
    share = groups.generate(0x0017)
    fixed("server_private")
    answer, secret = groups.respond(0x0017, share.public)
    assert (share.public, answer) == (RETRY["client_public"], RETRY["server_public"])
    assert secret == share.exchange(answer) == RETRY["shared_secret"]


@every_trace
def test_secrets_on_the_left_side_of_the_diagram(trace: Trace) -> None:
    # The stages keep these to themselves, so they are derived step by step from the functions beneath.
    psk = trace["psk"] if trace is RESUMED else HASH.zeros
    early = extract(HASH, b"", psk)
    assert early == trace["early_secret"]
    derived = expand_label(HASH, early, b"derived", HASH.empty_digest, 32)
    assert derived == trace["derived_early"]
    handshake = extract(HASH, derived, trace["shared_secret"])
    assert handshake == trace["handshake_secret"]
    derived = expand_label(HASH, handshake, b"derived", HASH.empty_digest, 32)
    assert derived == trace["derived_handshake"]
    assert extract(HASH, derived, HASH.zeros) == trace["main_secret"]


@every_trace
def test_transcript_hashes(trace: Trace) -> None:
    assert transcript_after_hellos(trace).digest() == trace["hello_hash"]
    transcript = transcript_after_server_finished(trace)
    assert transcript.digest() == trace["server_finished_hash"]
    if trace is RESUMED:
        transcript.add(b"\x05\x00\x00\x00")  # EndOfEarlyData
    for message in client_flight(trace):
        transcript.add(message)
    transcript.add(finished(trace["c_finished"]))
    assert transcript.digest() == trace["client_finished_hash"]


@every_trace
def test_handshake_traffic_secrets_and_keys(trace: Trace) -> None:
    client, server = handshake_secret(trace).traffic_secrets(trace["hello_hash"])
    assert client.secret == trace["c_hs_traffic"]
    assert server.secret == trace["s_hs_traffic"]
    assert client.key_and_iv() == (trace["c_hs_key"], trace["c_hs_iv"])
    assert server.key_and_iv() == (trace["s_hs_key"], trace["s_hs_iv"])


@every_trace
@pytest.mark.parametrize("key_first", [True, False], ids=["after the key", "without the key"])
def test_finished_values(trace: Trace, key_first: bool) -> None:
    client, server = handshake_secret(trace).traffic_secrets(trace["hello_hash"])
    if key_first:
        client.key_and_iv()
        server.key_and_iv()
    transcript = transcript_after_hellos(trace)
    for message in server_flight(trace):
        transcript.add(message)
    assert server.verify_data(transcript.digest()) == trace["s_finished"]
    transcript.add(finished(trace["s_finished"]))
    if trace is RESUMED:
        transcript.add(b"\x05\x00\x00\x00")
    for message in client_flight(trace):
        transcript.add(message)
    assert client.verify_data(transcript.digest()) == trace["c_finished"]


@every_trace
def test_finished_keys(trace: Trace) -> None:
    assert expand_label(HASH, trace["c_hs_traffic"], b"finished", b"", 32) == trace["c_finished_key"]
    assert expand_label(HASH, trace["s_hs_traffic"], b"finished", b"", 32) == trace["s_finished_key"]


@every_trace
def test_application_secrets_and_keys(trace: Trace) -> None:
    secrets = main_secret(trace).application_secrets(trace["server_finished_hash"])
    assert secrets.client.secret == trace["c_ap_traffic"]
    assert secrets.server.secret == trace["s_ap_traffic"]
    assert secrets.exporter.secret == trace["exp_master"]
    assert secrets.client.key_and_iv() == (trace["c_ap_key"], trace["c_ap_iv"])
    assert secrets.server.key_and_iv() == (trace["s_ap_key"], trace["s_ap_iv"])


@every_trace
@pytest.mark.parametrize("application_first", [True, False])
def test_resumption_secret(trace: Trace, application_first: bool) -> None:
    main = main_secret(trace)
    if application_first:
        main.application_secrets(trace["server_finished_hash"])
    assert main.resumption_secret(trace["client_finished_hash"]).secret == trace["res_master"]


def test_psk_of_the_ticket() -> None:
    secret = main_secret(SIMPLE).resumption_secret(SIMPLE["client_finished_hash"])
    assert secret.psk(SIMPLE["ticket_nonce"]) == SIMPLE["resumption_psk"] == RESUMED["psk"]


def test_binder() -> None:
    early = EarlySecret(SUITE, RESUMED["psk"])
    truncated = Transcript().digest_with(RESUMED["client_hello_prefix"], HASH)
    assert truncated == RESUMED["binder_hash"]
    assert early.binder(truncated) == RESUMED["binder"]
    assert early.binder(truncated, external=True) != RESUMED["binder"]
    binder_key = expand_label(HASH, RESUMED["early_secret"], b"res binder", HASH.empty_digest, 32)
    assert binder_key == RESUMED["binder_key"]
    assert expand_label(HASH, binder_key, b"finished", b"", 32) == RESUMED["binder_finished_key"]


def test_early_secrets_and_records() -> None:
    early = EarlySecret(SUITE, RESUMED["psk"])
    digest = Transcript().digest_with(client_hello(RESUMED), HASH)
    assert digest == RESUMED["client_hello_hash"]
    traffic = early.early_traffic_secret(digest)
    assert traffic.secret == RESUMED["c_e_traffic"]
    assert traffic.key_and_iv() == (RESUMED["c_e_key"], RESUMED["c_e_iv"])
    assert early.early_exporter_secret(digest).secret == RESUMED["e_exp_master"]
    assert seal(traffic, 0, DATA, b"ABCDEF") == RESUMED["early_data_record"]
    assert seal(traffic, 1, HANDSHAKE, b"\x05\x00\x00\x00") == RESUMED["end_of_early_data_record"]
    # Early secrets do not spend the stage: the handshake goes on from it.
    client, _ = early.handshake(RESUMED["shared_secret"]).traffic_secrets(RESUMED["hello_hash"])
    assert client.secret == RESUMED["c_hs_traffic"]


@every_trace
def test_records_of_the_handshake(trace: Trace) -> None:
    client, server = handshake_secret(trace).traffic_secrets(trace["hello_hash"])
    flight = b"".join([*server_flight(trace), finished(trace["s_finished"])])
    assert record_matches(trace, "s_flight_record", seal(server, 0, HANDSHAKE, flight))
    flight = b"".join([*client_flight(trace), finished(trace["c_finished"])])
    assert record_matches(trace, "c_flight_record", seal(client, 0, HANDSHAKE, flight))


@every_trace
def test_records_after_the_handshake(trace: Trace) -> None:
    secrets = main_secret(trace).application_secrets(trace["server_finished_hash"])
    client_number = server_number = 0
    if trace is SIMPLE:
        record = seal(secrets.server, server_number, HANDSHAKE, trace["new_session_ticket"])
        assert record_matches(trace, "ticket_record", record)
        server_number += 1
    if trace in (SIMPLE, RESUMED):
        assert seal(secrets.client, client_number, DATA, PAYLOAD) == trace["c_data_record"]
        assert seal(secrets.server, server_number, DATA, PAYLOAD) == trace["s_data_record"]
        client_number += 1
        server_number += 1
    assert seal(secrets.client, client_number, ALERT, CLOSE_NOTIFY) == trace["c_alert_record"]
    assert seal(secrets.server, server_number, ALERT, CLOSE_NOTIFY) == trace["s_alert_record"]


def certificate_of(message: bytes) -> bytes:
    length = int.from_bytes(message[8:11], "big")
    return message[11 : 11 + length]


@pytest.mark.parametrize("trace", [SIMPLE, RETRY, MUTUAL, COMPATIBLE], ids=lambda trace: trace.title)
def test_certificate_verify_of_the_server(trace: Trace) -> None:
    transcript = transcript_after_hellos(trace)
    *signed, message = server_flight(trace)
    for earlier in signed:
        transcript.add(earlier)
    key = certificate_public_key(parse_certificate(certificate_of(signed[-1])))
    content = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + transcript.digest()
    scheme = int.from_bytes(message[4:6], "big")
    verify(scheme, key, message[8:], content)
    with pytest.raises(PeerMisbehaved):
        verify(scheme, key, message[8:], content + b"\0")


def test_certificate_verify_of_the_client() -> None:
    transcript = transcript_after_server_finished(MUTUAL)
    certificate, message = client_flight(MUTUAL)
    transcript.add(certificate)
    key = certificate_public_key(parse_certificate(certificate_of(certificate)))
    content = b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + transcript.digest()
    verify(int.from_bytes(message[4:6], "big"), key, message[8:], content)
