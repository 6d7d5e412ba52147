"""Pre-shared keys in TLS 1.2: ECDHE_PSK (RFC 5489, RFC 8442, RFC 7905), and what happens where the two do not fit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.handshake.support import (
    NAME,
    Change,
    Link,
    Verifier,
    client_config,
    credential,
    server_config,
)
from tests.handshake.support import tamper as tamper_with
from tests.handshake.test_handshake import exchange, meanings
from tests.handshake.test_must_alerts import changed
from tlsocket import events
from tlsocket.config import ClientAuthentication, ClientConfig, DecisionKind, ServerConfig
from tlsocket.crypto.suites import DEFAULT_TLS12_SUITES, PSK_SUITES, TLS12_SUITES
from tlsocket.errors import AlertReceived, ApiMisuse, Reason, TLSError
from tlsocket.handshake.decisions import CertificateDecision
from tlsocket.handshake.negotiation_tls12 import TLS12_GROUPS
from tlsocket.handshake.session_caches import ServerSessionCache
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.key_schedule.external_psk import MAXIMUM_IDENTITY, PreSharedKey, import_psk
from tlsocket.messages import parse_with, tls12
from tlsocket.registry import AlertDescription as A
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import NamedGroup as G

OLD: dict[str, Any] = {"maximum_version": 0x0303}
BOTH = (*DEFAULT_TLS12_SUITES, *PSK_SUITES)
KEY = PreSharedKey(b"client 7", bytes(range(32)))
OPTIONAL, REQUIRED = ClientAuthentication.OPTIONAL, ClientAuthentication.REQUIRED


def client(key: PreSharedKey | None = KEY, **changes: Any) -> ClientConfig:
    """A client of TLS 1.2 that has a key, whatever the hint, and suites for it alone."""
    return client_config(**{**OLD, "tls12_cipher_suites": PSK_SUITES, "choose_psk": lambda name, hint: key, **changes})


def server(*keys: PreSharedKey, **changes: Any) -> ServerConfig:
    """A server that has these keys and no certificate."""
    known = {key.identity: key for key in keys}
    settings = {"credentials": (), "tls12_cipher_suites": BOTH, "find_psk": known.get}
    return server_config(**{**settings, **changes})


def refused(link: Link, by: str) -> tuple[Reason, int]:
    """Why one end refused the other, and the alert."""
    ours, theirs = link.client_error, link.server_error
    if by == "server":
        ours, theirs = theirs, ours
    assert isinstance(ours, TLSError)
    assert isinstance(theirs, AlertReceived), theirs
    return ours.reason, theirs.description


# That it works


@pytest.mark.parametrize("suite", PSK_SUITES)
@pytest.mark.parametrize("group", sorted(TLS12_GROUPS))
def test_every_suite_with_every_group(suite: int, group: int) -> None:
    link = Link(client(tls12_cipher_suites=(suite,)), server(KEY, groups=(group,))).connect()
    for end in (link.client, link.server):
        negotiated = end.negotiated
        assert negotiated is not None
        assert (negotiated.cipher_suite.code, negotiated.group) == (suite, group)
        assert negotiated.psk_identity == KEY.identity
        assert not negotiated.resumed
        assert negotiated.signature_scheme is negotiated.own_signature_scheme is None
        assert end.peer_certificates == end.verified_path == negotiated.own_certificates == ()
        assert end.tls_unique is not None
    exchange(link)


def test_messages_in_their_order() -> None:
    link = Link(client(), server(KEY)).connect()
    assert meanings(link.client_events) == [
        "ClientHelloSent", "ServerHelloReceived", "KeyExchangeReceived", "FinishedSent", "FinishedVerified",
        "HandshakeCompleted",
    ]  # fmt: skip
    assert meanings(link.server_events) == [
        "ClientHelloReceived", "ServerHelloSent", "KeyExchangeSent", "FinishedVerified", "FinishedSent",
        "HandshakeCompleted",
    ]  # fmt: skip
    exchanged = [event for event in link.client_events if isinstance(event, events.KeyExchangeReceived)]
    assert [event.scheme for event in exchanged] == [0]


@pytest.mark.parametrize("hint", [b"", b"which of your keys", bytes(MAXIMUM_IDENTITY)], ids=len)
def test_the_hint_and_the_name_choose_the_key(hint: bytes) -> None:
    asked: list[tuple[str | None, bytes]] = []

    def choose(name: str | None, hint: bytes) -> PreSharedKey:
        asked.append((name, hint))
        return KEY

    Link(client(choose_psk=choose), server(KEY, psk_identity_hint=hint)).connect()
    assert asked == [(NAME, hint)]


@pytest.mark.parametrize("length", [0, 1, MAXIMUM_IDENTITY])
def test_identities(length: int) -> None:
    key = PreSharedKey(b"i" * length, b"k")
    link = Link(client(key), server(key)).connect()
    assert link.server.negotiated is not None
    assert link.server.negotiated.psk_identity == key.identity


def test_a_client_of_both_versions() -> None:
    """Asked for a key of each version, in each version."""
    key13 = PreSharedKey(b"new", bytes(32))
    config = client(maximum_version=0x0304, offer_psks=lambda name: (key13,))
    old = Link(config, server(KEY, key13, **OLD)).connect()
    assert old.server.negotiated is not None
    assert (old.server.negotiated.version, old.server.negotiated.psk_identity) == (0x0303, KEY.identity)
    new = Link(config, server(KEY, key13)).connect()
    assert new.server.negotiated is not None
    assert (new.server.negotiated.version, new.server.negotiated.psk_identity) == (0x0304, key13.identity)


def test_a_client_without_signature_algorithms() -> None:
    """Nothing is signed, so it needs none."""
    link = Link(client(), server(KEY))
    tamper(link.client, {T.CLIENT_HELLO: lambda m: replace(
        m, extensions=replace(m.extensions, signature_algorithms=None)).encode()})  # fmt: skip
    link.run()
    assert [event for event in link.server_events if isinstance(event, events.KeyExchangeSent)]


# Which of the two, certificate or key


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(BOTH, DEFAULT_TLS12_SUITES[0]), ((*PSK_SUITES, *DEFAULT_TLS12_SUITES), PSK_SUITES[0])],
    ids=["certificate first", "key first"],
)
@pytest.mark.parametrize("names", [(), (NAME,), ("other.example",)], ids=["any name", "this name", "another name"])
def test_the_order_of_suites_decides(ours: tuple[int, ...], expected: int, names: tuple[str, ...]) -> None:
    own = (credential(names=names),)
    link = Link(client(tls12_cipher_suites=BOTH, verifier=Verifier()), server(KEY, credentials=own,
                tls12_cipher_suites=ours)).connect()  # fmt: skip
    assert link.client.negotiated is not None
    assert link.client.negotiated.cipher_suite.code == expected


def test_neither_is_offered_nor_taken_without_a_key() -> None:
    link = Link(client_config(**OLD, tls12_cipher_suites=(*PSK_SUITES, *DEFAULT_TLS12_SUITES)),
                server_config(tls12_cipher_suites=(*PSK_SUITES, *DEFAULT_TLS12_SUITES))).connect()  # fmt: skip
    offers = [event.cipher_suites for event in link.server_events if isinstance(event, events.ClientHelloReceived)]
    assert offers == [DEFAULT_TLS12_SUITES]
    link = Link(client(), server_config(tls12_cipher_suites=BOTH)).run()
    assert refused(link, "server") == (Reason.NO_COMMON_CIPHER_SUITE, A.HANDSHAKE_FAILURE)
    with pytest.raises(ApiMisuse, match="pre-shared key"):
        Link(client(choose_psk=None)).client.start()


@pytest.mark.parametrize("setting", ["client_authentication", "post_handshake_authentication"])
def test_a_required_certificate_is_not_replaced_by_a_key(setting: str) -> None:
    own = {"credentials": (credential(),), "verifier": Verifier()}
    link = Link(client(), server(KEY, **own, **{setting: REQUIRED})).run()
    assert refused(link, "server") == (Reason.NO_COMMON_CIPHER_SUITE, A.HANDSHAKE_FAILURE)
    link = Link(client(), server(KEY, **own, **{setting: OPTIONAL})).connect()
    assert not [event for event in link.server_events if isinstance(event, events.CertificateRequested)]


def test_a_credential_that_the_application_chose_goes_before_a_key() -> None:
    config = server(KEY, tls12_cipher_suites=(*PSK_SUITES, *DEFAULT_TLS12_SUITES),
                    suspend_for=frozenset({DecisionKind.CERTIFICATE}))  # fmt: skip
    for answer in (credential(), None):
        link = Link(client(tls12_cipher_suites=BOTH, verifier=Verifier()), config).run()
        assert isinstance(link.server.suspended, CertificateDecision)
        link.server.resume(answer)
        link.connect()
        assert bool(link.client.peer_certificates) is (answer is not None)


def test_a_server_with_keys_only_and_a_client_without() -> None:
    link = Link(client_config(**OLD), server(KEY)).run()
    assert refused(link, "server") == (Reason.NO_COMMON_PRE_SHARED_KEY, A.HANDSHAKE_FAILURE)


def test_a_client_with_keys_only_refuses_a_server_that_chooses_none() -> None:
    """Where nothing is verified the key is all that tells the server from anybody."""
    link = Link(client(tls12_cipher_suites=BOTH), server_config()).run()
    assert refused(link, "client") == (Reason.PSK_REQUIRED, A.HANDSHAKE_FAILURE)
    Link(client(tls12_cipher_suites=BOTH, verifier=Verifier()), server_config()).connect()


# Keys that do not fit


def test_another_key() -> None:
    """The client's Finished does not open: RFC 4279 section 2 has the server say decrypt_error or bad_record_mac."""
    link = Link(client(), server(PreSharedKey(KEY.identity, b"another"))).run()
    assert refused(link, "server") == (Reason.BAD_RECORD_MAC, A.BAD_RECORD_MAC)


def test_another_identity() -> None:
    link = Link(client(), server(PreSharedKey(b"client 8", KEY.key))).run()
    assert refused(link, "server") == (Reason.UNKNOWN_PSK_IDENTITY, A.UNKNOWN_PSK_IDENTITY)


def test_a_client_that_finds_no_key() -> None:
    link = Link(client(None), server(KEY)).run()
    assert refused(link, "client") == (Reason.NO_COMMON_PRE_SHARED_KEY, A.HANDSHAKE_FAILURE)


def test_imported_keys_are_of_tls13_only() -> None:
    """RFC 9258: a key that was made for one version is no good in another."""
    imported = import_psk(b"device", b"key")[0]
    link = Link(client(imported), server(imported)).run()
    assert refused(link, "client") == (Reason.NO_COMMON_PRE_SHARED_KEY, A.HANDSHAKE_FAILURE)
    plain = PreSharedKey(imported.identity, imported.key)
    link = Link(client(plain), server(imported)).run()
    assert refused(link, "server") == (Reason.UNKNOWN_PSK_IDENTITY, A.UNKNOWN_PSK_IDENTITY)


def test_no_session_outlives_the_key() -> None:
    stores: dict[str, Any] = {"ticket_store": TicketKeys(), "tls12_tickets": True, "session_ids": ServerSessionCache()}
    link = Link(client(), server(KEY, **stores)).connect()
    assert link.client.tickets == ()
    assert len(stores["session_ids"]) == 0
    assert not [event for event in link.client_events if isinstance(event, events.TicketReceived)]


def test_a_ticket_that_comes_all_the_same_is_not_kept() -> None:
    """OpenSSL sends one."""
    link = Link(client(), server(KEY, ticket_store=TicketKeys(), tls12_tickets=True))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    handshake: Any = link.client._handshake
    link.client.receive_data(link.server.data_to_send())
    handshake = link.client._handshake
    from tlsocket.handshake.resumption_tls12 import new_session

    assert new_session(handshake, None, b"", tls12.Tls12NewSessionTicket(60, b"ticket")) is None
    assert new_session(handshake, None, b"i" * 32, None) is None


def test_keys_and_identities_are_not_shown() -> None:
    link = Link(client(), server(KEY)).connect()
    shown = repr((tls12.PskClientKeyExchange(KEY.identity, b"y"), link.client._post, link.server))
    assert "client 7" not in shown
    assert "\\x01\\x02" not in shown


# On the wire


tamper = partial(tamper_with, parsers=tls12.PSK_PARSERS)


def framed(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


REQUEST = tls12.Tls12CertificateRequest(b"\x40", (0x0403,), ()).encode()
CERTIFICATE = tls12.Tls12Certificate(credential().certificate_chain).encode()
LONG_HINT = framed(T.SERVER_KEY_EXCHANGE, b"\xff\xff" + bytes(65535) + b"\x03\x00\x1d\x20" + bytes(range(32)))
LONG_IDENTITY = framed(T.CLIENT_KEY_EXCHANGE, b"\x10\x01" + bytes(4097) + b"\x20" + bytes(range(32)))
CASES: dict[str, tuple[str, dict[T, Change], Reason, A]] = {
    "a suite that was not offered": (
        "client", {T.SERVER_HELLO: changed(cipher_suite=0xC02B)}, Reason.CIPHER_SUITE_NOT_OFFERED, A.ILLEGAL_PARAMETER),
    "a Certificate": (
        "client", {T.SERVER_HELLO: lambda m: m.encode() + CERTIFICATE}, Reason.UNEXPECTED_MESSAGE,
        A.UNEXPECTED_MESSAGE),
    "a CertificateRequest": (
        "client", {T.SERVER_KEY_EXCHANGE: lambda m: m.encode() + REQUEST}, Reason.UNEXPECTED_MESSAGE,
        A.UNEXPECTED_MESSAGE),
    "no ServerKeyExchange": (
        "client", {T.SERVER_KEY_EXCHANGE: lambda m: b""}, Reason.UNEXPECTED_MESSAGE, A.UNEXPECTED_MESSAGE),
    "a group that was not offered": (
        "client", {T.SERVER_KEY_EXCHANGE: changed(named_curve=G.X25519MLKEM768)}, Reason.GROUP_NOT_OFFERED,
        A.ILLEGAL_PARAMETER),
    "a curve spelled out": (
        "client", {T.SERVER_KEY_EXCHANGE: lambda m: framed(12, b"\0\0\1" + m.encode()[7:])}, Reason.CURVE_NOT_NAMED,
        A.ILLEGAL_PARAMETER),
    "a signed key exchange": (
        "client", {T.SERVER_KEY_EXCHANGE: lambda m: framed(12, m.encode()[4:] + b"\4\3\0\0")}, Reason.TRAILING_DATA,
        A.DECODE_ERROR),
    "a hint too long": (
        "client", {T.SERVER_KEY_EXCHANGE: lambda m: LONG_HINT}, Reason.LENGTH_OUT_OF_RANGE, A.DECODE_ERROR),
    "a point that is none": (
        "client", {T.SERVER_KEY_EXCHANGE: changed(point=bytes(32))}, Reason.ALL_ZERO_SHARED_SECRET,
        A.ILLEGAL_PARAMETER),
    "an identity too long": (
        "server", {T.CLIENT_KEY_EXCHANGE: lambda m: LONG_IDENTITY}, Reason.LENGTH_OUT_OF_RANGE, A.DECODE_ERROR),
    "no identity at all": (
        "server", {T.CLIENT_KEY_EXCHANGE: lambda m: framed(16, m.encode()[14:])}, Reason.LENGTH_OUT_OF_RANGE,
        A.DECODE_ERROR),
    "a Certificate of the client": (
        "server", {T.CLIENT_KEY_EXCHANGE: lambda m: CERTIFICATE + m.encode()}, Reason.UNEXPECTED_MESSAGE,
        A.UNEXPECTED_MESSAGE),
    "a CertificateVerify": (
        "server", {T.CLIENT_KEY_EXCHANGE: lambda m: m.encode() + framed(15, b"\4\3\0\0")}, Reason.UNEXPECTED_MESSAGE,
        A.UNEXPECTED_MESSAGE),
}  # fmt: skip


@pytest.mark.parametrize(("receiver", "changes", "reason", "alert"), CASES.values(), ids=CASES)
def test_what_breaks_a_rule(receiver: str, changes: dict[T, Change], reason: Reason, alert: A) -> None:
    link = Link(client(), server(KEY))
    tamper(link.server if receiver == "client" else link.client, changes)
    link.run()
    assert refused(link, receiver) == (reason, alert)
    assert not link.client.handshake_complete


def test_what_a_server_chooses_must_have_been_offered_with_a_key() -> None:
    """A suite of ECDHE_PSK is enabled, but the client has no keys and did not offer it."""
    link = Link(client_config(**OLD, tls12_cipher_suites=BOTH), server_config())
    tamper(link.server, {T.SERVER_HELLO: changed(cipher_suite=PSK_SUITES[0])})
    link.run()
    assert refused(link, "client") == (Reason.CIPHER_SUITE_NOT_OFFERED, A.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("message", [
    tls12.PskServerKeyExchange(b"hint", 29, b"point"), tls12.PskServerKeyExchange(b"", 23, b"p"),
    tls12.PskClientKeyExchange(b"identity", b"point"), tls12.PskClientKeyExchange(b"", b"p"),
], ids=repr)  # fmt: skip
def test_codecs(message: Any) -> None:
    encoded = message.encode()
    assert parse_with(tls12.PSK_PARSERS, encoded) == message
    for end in range(4, len(encoded)):
        with pytest.raises(TLSError):
            parse_with(tls12.PSK_PARSERS, framed(encoded[0], encoded[4:end]))
    with pytest.raises(TLSError):
        parse_with(tls12.PSK_PARSERS, framed(encoded[0], encoded[4:] + b"\0"))


def test_suites_are_those_of_the_rfcs() -> None:
    assert {TLS12_SUITES[code].name: (code, TLS12_SUITES[code].hash.name) for code in PSK_SUITES} == {
        "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256": (0xD001, "sha256"),  # RFC 8442
        "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384": (0xD002, "sha384"),
        "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256": (0xCCAC, "sha256"),  # RFC 7905
    }


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ApiMisuse):
        server(KEY, psk_identity_hint=bytes(MAXIMUM_IDENTITY + 1))
