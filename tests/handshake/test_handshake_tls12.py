"""Whole handshakes of TLS 1.2 in memory, ours with ours: versions, what is negotiated, decisions, what is derived."""

from __future__ import annotations

import gc
import itertools
import weakref
from dataclasses import replace
from typing import Any

import pytest

from tests.handshake.support import NAME, Link, Verifier, client_config, credential, server_config
from tests.handshake.test_handshake import exchange, meanings
from tests.handshake.test_must_alerts_tls12 import tamper
from tlsocket import events, messages
from tlsocket.config import ClientAuthentication, DecisionKind, Role, VerifiedPath
from tlsocket.connection import Connection
from tlsocket.crypto.suites import DEFAULT_TLS12_SUITES, TLS12_SUITES, CertificateKind
from tlsocket.errors import ApiMisuse, CertificateReason, CertificateRejected, Reason, TLSError
from tlsocket.handshake.decisions import CertificateDecision, SignatureDecision, VerdictDecision
from tlsocket.handshake.negotiation_tls12 import TLS12_GROUPS
from tlsocket.handshake.post_handshake import Tls12PostHandshake
from tlsocket.messages import ClientHello
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import NamedGroup as G

OLD: dict[str, Any] = {"maximum_version": 0x0303}
NEW: dict[str, Any] = {"minimum_version": 0x0304}
REQUIRED = ClientAuthentication.REQUIRED
KEYS = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "ed25519"]
BOTH = (credential("rsa-2048"), credential("ecdsa-p256"))


def tls12(**changes: Any) -> Link:
    return Link(client_config(**OLD), server_config(**changes))


# Versions


@pytest.mark.parametrize(("client", "server"), list(itertools.product([{}, OLD, NEW], repeat=2)))
def test_the_highest_common_version_or_none(client: dict[str, Any], server: dict[str, Any]) -> None:
    link = Link(client_config(**client), server_config(**server)).run()
    theirs, ours = link.client.config.versions, link.server.config.versions
    common = [version for version in ours if version in theirs]
    if common:
        for end in (link.client, link.server):
            assert end.negotiated is not None
            assert end.negotiated.version == common[0]
        exchange(link)
    else:
        assert isinstance(link.server_error, TLSError)
        assert link.server_error.reason is Reason.UNSUPPORTED_VERSION


def test_versions_suites_and_extensions_that_nobody_knows_are_passed_over() -> None:
    """GREASE (RFC 8701), a version to come, suites that we will never have."""
    link = Link(client_config(), server_config(**OLD))

    def odd(hello: ClientHello) -> bytes:
        more = replace(
            hello.extensions,
            supported_versions=(0x7A7A, 0x0305, 0x0304, 0x0303, 0x0302),
            supported_groups=(0x4A4A, 0x0100, *(hello.extensions.supported_groups or ())),
            signature_algorithms=(0x0201, *(hello.extensions.signature_algorithms or ())),
            unknown=((0x2A2A, b"\0"), (0xABCD, b"")),
        )
        suites = (0x1A1A, 0x002F, 0xC013, 0x00FF, *hello.cipher_suites)
        return replace(hello, cipher_suites=suites, legacy_compression_methods=b"\1\0", extensions=more).encode()

    hellos: list[events.Event] = link.server_events
    tamper(link.client, {T.CLIENT_HELLO: odd})
    link.run()
    # The transcripts differ, and with them the keys, so it ends at the Finished: everything before was taken.
    assert [event for event in hellos if isinstance(event, events.KeyExchangeSent)]
    assert isinstance(link.server_error, TLSError)
    assert link.server_error.reason is Reason.BAD_RECORD_MAC


@pytest.mark.parametrize("legacy_version", [0x0303, 0x0304, 0x0305, 0x03FF, 0x7F00])
def test_without_supported_versions_any_higher_number_means_tls12(legacy_version: int) -> None:
    """RFC 9846 appendix E.2; RFC 5246 appendix E.1."""
    link = Link(client_config(**OLD))

    def change(hello: ClientHello) -> bytes:
        return replace(hello, legacy_version=legacy_version).encode()

    tamper(link.client, {T.CLIENT_HELLO: change})
    link.run()
    assert [event for event in link.server_events if isinstance(event, events.ServerHelloSent)]


def test_hybrid_groups_are_offered_with_tls13_only() -> None:
    link = Link(client_config(**OLD, groups=(0x11EC, 0x001D, 0x0017)), server_config()).connect()
    offers = [event.groups for event in link.server_events if isinstance(event, events.ClientHelloReceived)]
    assert offers == [(0x001D, 0x0017)]
    with pytest.raises(ApiMisuse, match="all groups that are enabled"):
        Link(client_config(**OLD, groups=(0x11EC,))).connect()


def test_the_sentinel_is_written_only_by_a_server_that_could_do_more() -> None:
    for server, expected in (({}, True), (OLD, False)):
        link = Link(client_config(**OLD), server_config(**server))
        link.client.start()
        link.server.receive_data(link.client.data_to_send())
        assert (b"DOWNGRD\x01" in link.server.data_to_send()[:64]) is expected


def test_the_fallback_scsv_is_harmless_where_the_fallback_was_needed() -> None:
    Link(client_config(**OLD, send_fallback_scsv=True), server_config(**OLD)).connect()
    link = Link(client_config(**OLD, send_fallback_scsv=True), server_config()).run()
    assert isinstance(link.server_error, TLSError)
    assert link.server_error.reason is Reason.INAPPROPRIATE_FALLBACK


@pytest.mark.parametrize(
    "settings",
    [
        {"minimum_version": 0x0304, "maximum_version": 0x0303},
        {"minimum_version": 0x0302},
        {"maximum_version": 0x0305},
        {"tls12_cipher_suites": ()},
        {"tls12_cipher_suites": (0x1301,)},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ApiMisuse):
        client_config(**settings)


# What is negotiated


@pytest.mark.parametrize("suite", DEFAULT_TLS12_SUITES)
@pytest.mark.parametrize("group", sorted(TLS12_GROUPS))
def test_every_suite_with_every_group(suite: int, group: int) -> None:
    # The curve of an ECDSA certificate must be among the client's groups.
    client = client_config(**OLD, tls12_cipher_suites=(suite,))
    link = Link(client, server_config(credentials=BOTH, groups=(group,))).connect()
    for end in (link.client, link.server):
        assert end.negotiated is not None
        assert end.negotiated.cipher_suite.code == suite
        assert end.negotiated.group == group
    kind = TLS12_SUITES[suite].authentication
    own = BOTH[0] if kind is CertificateKind.RSA else BOTH[1]
    assert link.client.peer_certificates == own.certificate_chain
    exchange(link)


@pytest.mark.parametrize("key", KEYS)
def test_every_kind_of_key_on_both_sides(key: str) -> None:
    verifier = Verifier()
    link = Link(
        client_config(**OLD, credentials=(credential(key),), verifier=verifier),
        server_config(credentials=(credential(key),), verifier=verifier, client_authentication=REQUIRED),
    ).connect()
    assert link.client.peer_certificates == link.server.peer_certificates == credential(key).certificate_chain
    assert [role for _, _, role in verifier.asked] == [Role.SERVER, Role.CLIENT]
    assert [name for _, name, _ in verifier.asked] == [NAME, None]
    for end in (link.client, link.server):
        assert end.negotiated is not None
        assert end.negotiated.signature_scheme in credential(key).tls12_schemes
        assert end.negotiated.own_signature_scheme in credential(key).tls12_schemes
        assert end.verified_path == (*end.peer_certificates, b"anchor")
    exchange(link)


@pytest.mark.parametrize("scheme", credential("rsa-2048").tls12_schemes)
def test_rsa_signs_as_it_is_asked(scheme: int) -> None:
    link = Link(
        client_config(**OLD, signature_schemes=(scheme,), credentials=(credential("rsa-2048"),)),
        server_config(credentials=(credential("rsa-2048"),), client_authentication=REQUIRED),
    ).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.signature_scheme == scheme


def test_an_ecdsa_scheme_names_no_curve() -> None:
    link = Link(
        client_config(**OLD, signature_schemes=(0x0403,)), server_config(credentials=(credential("ecdsa-p384"),))
    ).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.signature_scheme == 0x0403


@pytest.mark.parametrize("prefer_server_order", [True, False])
def test_whose_order_decides(prefer_server_order: bool) -> None:
    link = Link(
        client_config(**OLD, tls12_cipher_suites=(0xCCA9, 0xC02C, 0xC02B)),
        server_config(prefer_server_order=prefer_server_order, tls12_cipher_suites=(0xC02C, 0xC02B, 0xCCA9)),
    ).connect()
    assert link.server.negotiated is not None
    assert link.server.negotiated.cipher_suite.code == (0xC02C if prefer_server_order else 0xCCA9)
    assert link.server.negotiated.common_cipher_suites == (0xCCA9, 0xC02C, 0xC02B)


def test_a_certificate_whose_curve_the_client_lacks_gives_way_to_another() -> None:
    """RFC 8422 section 5.1.1."""
    server = server_config(credentials=(credential("ecdsa-p521"), credential("rsa-2048")))
    link = Link(client_config(**OLD, groups=(G.X25519, G.SECP256R1)), server).connect()
    assert link.client.peer_certificates == credential("rsa-2048").certificate_chain


def test_the_certificate_that_serves_the_name_comes_first() -> None:
    named = credential("rsa-2048", names=(NAME,))
    link = tls12(credentials=(credential("ecdsa-p256", host="other", names=("other",)), named)).connect()
    assert link.client.peer_certificates == named.certificate_chain


def test_application_protocol() -> None:
    link = Link(client_config(**OLD, alpn_protocols=(b"a", b"b")), server_config(alpn_protocols=(b"b",))).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.alpn == b"b"


@pytest.mark.parametrize("asked", list(ClientAuthentication))
@pytest.mark.parametrize("has", [True, False])
def test_client_authentication(asked: ClientAuthentication, has: bool) -> None:
    theirs = credential("rsa-2048", host="client")
    own = (theirs,) if has else ()
    link = Link(client_config(**OLD, credentials=own), server_config(client_authentication=asked)).run()
    if asked is REQUIRED and not has:
        assert isinstance(link.server_error, TLSError)
        assert link.server_error.reason is Reason.CLIENT_CERTIFICATE_MISSING
        return
    assert link.server.handshake_complete
    shown = has and asked is not ClientAuthentication.NONE
    assert link.server.peer_certificates == (theirs.certificate_chain if shown else ())


@pytest.mark.parametrize("role", list(Role))
def test_a_refused_certificate(role: Role) -> None:
    verifier = Verifier(CertificateReason.UNKNOWN_ISSUER)
    link = Link(
        client_config(**OLD, credentials=(credential(),), verifier=verifier if role is Role.CLIENT else None),
        server_config(client_authentication=REQUIRED, verifier=verifier if role is Role.SERVER else None),
    ).run()
    assert isinstance(link.client_error if role is Role.CLIENT else link.server_error, CertificateRejected)


# Decisions


def answer_all(link: Link, answers: dict[type, Any]) -> list[type]:
    """Carry on until nobody waits any more; the kinds of decisions met."""
    met: list[type] = []
    link.run()
    while True:
        waiting = [end for end in (link.client, link.server) if end.suspended is not None]
        if not waiting:
            return met
        for end in waiting:
            decision = end.suspended
            met.append(type(decision))
            answer = answers[type(decision)]
            end.resume(answer(decision) if callable(answer) else answer)
        link.run()


def sign(decision: SignatureDecision) -> bytes:
    return decision.credential.signer.sign(decision.scheme, decision.data)


def test_every_decision_may_be_the_applications() -> None:
    every = {"suspend_for": frozenset(DecisionKind)}
    link = Link(client_config(**OLD, **every), server_config(client_authentication=REQUIRED, credentials=(), **every))
    met = answer_all(
        link,
        {
            CertificateDecision: lambda decision: credential("rsa-2048" if decision.role is Role.CLIENT else "ed25519"),
            SignatureDecision: sign,
            VerdictDecision: VerifiedPath((b"leaf", b"anchor")),
        },
    )
    assert sorted(kind.__name__ for kind in met) == sorted(
        2 * ["CertificateDecision", "SignatureDecision", "VerdictDecision"]
    )
    assert link.client.handshake_complete
    assert link.server.handshake_complete
    assert link.server.peer_certificates == credential("rsa-2048").certificate_chain
    exchange(link)


def test_a_server_may_go_on_with_another_configuration() -> None:
    other = server_config(credentials=(credential("rsa-2048"),), alpn_protocols=(b"x",))
    link = Link(
        client_config(**OLD, alpn_protocols=(b"x",)),
        server_config(suspend_for=frozenset({DecisionKind.CERTIFICATE})),
    )
    answer_all(link, {CertificateDecision: other})
    assert link.server.config is other
    assert link.client.peer_certificates == credential("rsa-2048").certificate_chain


def test_a_decision_that_does_not_fit_is_an_error() -> None:
    link = Link(
        client_config(**OLD, signature_schemes=(0x0403,)),
        server_config(suspend_for=frozenset({DecisionKind.CERTIFICATE})),
    ).run()
    with pytest.raises(TLSError) as caught:
        link.server.resume(credential("rsa-2048"))
    assert caught.value.reason is Reason.NO_COMMON_SIGNATURE_SCHEME


# What is derived


def test_both_ends_derive_the_same() -> None:
    lines: list[str] = []
    link = Link(client_config(**OLD, key_log=lines.append), server_config(key_log=lines.append)).connect()
    assert link.client.tls_unique == link.server.tls_unique
    assert link.client.tls_unique is not None
    assert len(link.client.tls_unique) == 12
    for context in (None, b"", b"context"):
        pair = [end.export_keying_material(b"EXPORTER-x", context, 40) for end in (link.client, link.server)]
        assert pair[0] == pair[1]
    assert len({link.client.export_keying_material(b"EXPORTER-x", c, 40) for c in (None, b"", b"context")}) == 3
    # RFC 9850 section 2.2.
    assert len(lines) == 2
    assert lines[0] == lines[1]
    label, client_random, secret = lines[0].split()
    assert (label, len(client_random), len(secret)) == ("CLIENT_RANDOM", 64, 96)


def test_without_the_extended_main_secret_nothing_is_exported() -> None:
    """RFC 7627 section 5.4. The handshake itself goes on, with the older derivation on both sides."""
    link = Link(client_config(**OLD))
    client: Any = link.client._handshake
    link.client.start()
    # A client that never offered it: both transcripts hold the changed message.
    hello = link.client.data_to_send()
    parsed = messages.parse(hello[5:])
    assert isinstance(parsed, ClientHello)
    changed = replace(parsed, extensions=replace(parsed.extensions, extended_main_secret=False)).encode()
    client.transcript._pending = changed
    client.template = replace(client.template, offered=client.template.offered - {23})
    link.server.receive_data(b"\x16\x03\x03" + len(changed).to_bytes(2, "big") + changed)
    link.client.receive_data(link.server.data_to_send())
    link.connect()
    exchange(link)
    for end in (link.client, link.server):
        assert end.tls_unique is None
        with pytest.raises(ApiMisuse, match="7627"):
            end.export_keying_material(b"EXPORTER-x", None, 32)
        assert end.error is None


def test_no_key_update() -> None:
    link = Link(client_config(**OLD)).connect()
    with pytest.raises(ApiMisuse, match="no KeyUpdate"):
        link.client.update_keys()
    assert link.client.tickets == ()
    link.client.on_send_limit()
    assert not link.client.data_to_send()
    exchange(link)


# What is reported, and what is left


def test_events_tell_the_handshake() -> None:
    link = Link(
        client_config(**OLD, credentials=(credential("rsa-2048"),)),
        server_config(client_authentication=REQUIRED),
    ).connect()
    assert meanings(link.client_events) == [
        "ClientHelloSent", "ServerHelloReceived", "CertificateReceived", "SignatureVerified", "KeyExchangeReceived",
        "CertificateRequested", "CertificateSent", "SignatureSent", "FinishedSent", "FinishedVerified",
        "HandshakeCompleted",
    ]  # fmt: skip
    assert meanings(link.server_events) == [
        "ClientHelloReceived", "ServerHelloSent", "CertificateSent", "KeyExchangeSent", "CertificateRequested",
        "CertificateReceived", "SignatureVerified", "FinishedVerified", "FinishedSent", "HandshakeCompleted",
    ]  # fmt: skip


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_handshake_given_up_is_freed_at_once(stop: int) -> None:
    gc.collect()
    gc.disable()
    try:
        link = Link(client_config(**OLD, credentials=(credential(),)), server_config(client_authentication=REQUIRED))
        ends: list[Connection] = [link.client, link.server]
        link.client.start()
        for step in range(stop):
            sender, receiver = (link.client, link.server) if step % 2 == 0 else (link.server, link.client)
            receiver.receive_data(sender.data_to_send())
        references = [weakref.ref(end) for end in ends]
        del link, ends, sender, receiver
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()


def test_what_is_left_is_small() -> None:
    link = Link(client_config(**OLD)).connect()
    post: Any = link.client._post
    assert isinstance(post, Tls12PostHandshake)
    assert link.client._handshake is None
    assert "secret" not in repr(post).lower()


# Sizes (RFC 8449 section 4; RFC 6066 section 4)


def record_lengths(stream: bytes) -> list[int]:
    found = []
    while stream:
        length = int.from_bytes(stream[3:5], "big")
        found.append(length)
        stream = stream[5 + length :]
    return found


@pytest.mark.parametrize("suite", [0xC02B, 0xCCA9])
@pytest.mark.parametrize(("client", "server"), [(500, None), (None, 500), (64, 1000), (16385, 16385)])
def test_record_size_limit_counts_no_type(suite: int, client: int | None, server: int | None) -> None:
    link = Link(
        client_config(**OLD, record_size_limit=client, tls12_cipher_suites=(suite,)),
        server_config(record_size_limit=server),
    ).connect()
    overhead = 24 if suite == 0xC02B else 16
    # Without an offer of the client's there is no limit at all.
    to_client = 16384 if client is None else min(client, 16384)
    to_server = 16384 if client is None else min(server or 16384, 16384)
    for sender, receiver, limit in ((link.server, link.client, to_client), (link.client, link.server, to_server)):
        sender.write(bytes(3 * limit))
        stream = sender.data_to_send()
        assert record_lengths(stream) == [limit + overhead] * 3
        receiver.receive_data(stream)
        received = 0
        while part := receiver.read(100_000):
            received += len(part)
        assert received == 3 * limit


def test_a_record_above_our_limit_is_record_overflow() -> None:
    link = Link(client_config(**OLD, record_size_limit=500)).connect()
    writer: Any = link.server.writer
    writer.max_fragment = 501
    link.server.write(bytes(501))
    with pytest.raises(TLSError) as caught:
        link.client.receive_data(link.server.data_to_send())
    assert caught.value.reason is Reason.RECORD_OVERFLOW


def test_a_max_fragment_length_is_not_answered() -> None:
    link = Link(client_config(**OLD, max_fragment_length=512)).connect()
    link.server.write(bytes(1000))
    assert record_lengths(link.server.data_to_send()) == [1024]


def test_no_authentication_after_the_handshake() -> None:
    link = tls12(client_authentication=ClientAuthentication.OPTIONAL).connect()
    with pytest.raises(ApiMisuse) as caught:
        link.server.request_certificate()
    assert caught.value.reason is Reason.WRONG_SSL_VERSION
    exchange(link)


@pytest.mark.parametrize("has_certificate", [True, False])
def test_what_is_demanded_after_a_handshake_of_tls13_is_demanded_within_one_of_tls12(has_certificate: bool) -> None:
    """There is no later in TLS 1.2: a client must not get around `post_handshake_authentication` by an old version."""
    credentials = (credential("ecdsa-p256"),) if has_certificate else ()
    link = Link(
        client_config(**OLD, credentials=credentials),
        server_config(post_handshake_authentication=REQUIRED, verifier=Verifier()),
    ).run()
    if has_certificate:
        assert link.server.handshake_complete
        assert link.server.peer_certificates
    else:
        assert isinstance(link.server_error, TLSError)
        assert link.server_error.reason is Reason.CLIENT_CERTIFICATE_MISSING
