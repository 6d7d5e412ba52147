"""Sessions resumed in TLS 1.2, by ticket and by session id: that they are, and that each binding holds (design law 8).

RFC 5077, RFC 5246 section 7.3, RFC 7627 section 5.3. As in `test_resumption`: each binding is broken on one end at a
time, and what must follow is a full handshake that succeeds. What RFC 7627 calls an error is one.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from tests.handshake.support import NAME, Change, Link, client_config, credential, server_config
from tests.handshake.test_handshake import exchange, meanings
from tests.handshake.test_must_alerts import extended, instead, twice
from tests.handshake.test_must_alerts_tls12 import tamper
from tests.handshake.test_resumption import Clock, Pair, Trusting, resumed
from tlsocket import clock, events, messages
from tlsocket.config import ClientAuthentication, ServerConfig
from tlsocket.connection import Connection
from tlsocket.crypto.certificates import validity
from tlsocket.errors import AlertReceived, ApiMisuse, InvalidMessage, Reason, TLSError
from tlsocket.handshake.session_caches import ClientSessionCache, ServerSessionCache
from tlsocket.handshake.sessions import LARGEST_TICKET, Session, SessionState
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.key_schedule import keylog
from tlsocket.messages import tls12
from tlsocket.registry import AlertDescription as A
from tlsocket.registry import CipherSuiteCode as Suite
from tlsocket.registry import ContentType
from tlsocket.registry import HandshakeType as T

REQUIRED = ClientAuthentication.REQUIRED
OLD = {"maximum_version": 0x0303}


def hello_of(link: Link) -> messages.ClientHello:
    """The ClientHello that the server got."""
    raw = next(event.data for event in link.server_events if isinstance(event, events.MessageReceived))
    hello = messages.parse(raw)
    assert isinstance(hello, messages.ClientHello)
    return hello


class Pair12(Pair):
    """Configurations of both ends for TLS 1.2, with tickets or session ids."""

    def __init__(self, kind: str, *, mutual: bool = False) -> None:
        super().__init__(mutual=mutual)
        self.kind = kind
        self.client |= OLD
        self.server |= {"tls12_tickets": True} if kind == "ticket" else {"session_ids": ServerSessionCache()}

    def offers(self, session: Session, **arguments: Any) -> Link:
        """A link in which the client offers the session."""
        link = self.link(session, **arguments)
        hello = hello_of(link)
        if session.ticket:
            assert hello.extensions.session_ticket == session.ticket
            assert len(hello.legacy_session_id) == 32
        else:
            assert hello.legacy_session_id == session.session_id
        return link

    def does_not_offer(self, session: Session, **arguments: Any) -> Link:
        """A link in which the client does not."""
        link = self.link(session, **arguments)
        hello = hello_of(link)
        assert not hello.extensions.session_ticket
        assert not session.session_id or hello.legacy_session_id != session.session_id
        assert not resumed(link)
        return link


KINDS = ["ticket", "session id"]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that can be moved."""
    return Clock(monkeypatch)


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Pair12:
    return Pair12(request.param)


@pytest.fixture(params=KINDS)
def mutual(request: pytest.FixtureRequest) -> Pair12:
    return Pair12(request.param, mutual=True)


# That it works


def test_a_session_is_resumed_and_nothing_is_proven_anew(pair: Pair12) -> None:
    session = pair.session()
    assert bool(session.ticket) is not bool(session.session_id)
    link = pair.offers(session)
    assert resumed(link)
    for seen in (link.client_events, link.server_events):
        kinds = {type(event) for event in seen}
        assert not kinds & {events.CertificateSent, events.SignatureSent, events.KeyExchangeSent}
    near, far = link.client.negotiated, link.server.negotiated
    assert near is not None
    assert far is not None
    assert link.client.peer_certificates == link.client.verified_path == credential().certificate_chain
    assert near.signature_scheme in credential().tls12_schemes
    assert near.cipher_suite is far.cipher_suite
    assert near.version == far.version == 0x0303
    assert far.own_certificates == credential().certificate_chain
    exchange(link)


def test_messages_in_their_order(time: Clock) -> None:
    """RFC 5246 section 7.3 figure 2, RFC 5077 section 3.1 figures 1 and 2."""
    pair = Pair12("ticket")
    first = pair.link()
    assert meanings(first.client_events)[-4:] == [
        "FinishedSent", "TicketReceived", "FinishedVerified", "HandshakeCompleted"
    ]  # fmt: skip
    assert meanings(first.server_events)[-4:] == [
        "FinishedVerified", "TicketsSent", "FinishedSent", "HandshakeCompleted"
    ]  # fmt: skip
    time.offset = 5000
    again = pair.link(first.client.tickets[0])
    assert meanings(again.client_events) == [
        "ClientHelloSent", "ServerHelloReceived", "TicketReceived", "FinishedVerified", "FinishedSent",
        "HandshakeCompleted",
    ]  # fmt: skip
    assert meanings(again.server_events) == [
        "ClientHelloReceived", "ServerHelloSent", "TicketsSent", "FinishedSent", "FinishedVerified",
        "HandshakeCompleted",
    ]  # fmt: skip
    chose = [event for event in again.client_events if isinstance(event, events.ServerHelloReceived)]
    assert [event.pre_shared_key for event in chose] == [True]


@pytest.mark.parametrize("suite", [0xC02B, 0xC02C, 0xCCA9])
def test_with_every_cipher(pair: Pair12, suite: int) -> None:
    pair.client |= {"tls12_cipher_suites": (suite,)}
    link = pair.link(pair.session())
    assert resumed(link)
    exchange(link)


def test_keys_are_new_and_the_main_secret_is_not(pair: Pair12) -> None:
    lines: list[str] = []
    pair.client |= {"key_log": lines.append}
    first = pair.link()
    again = pair.link(first.client.tickets[0])
    assert resumed(again)
    logged = [line.split() for line in lines]
    assert {label for label, _, _ in logged} == {keylog.CLIENT_RANDOM}
    assert logged[0][1] != logged[1][1]
    assert logged[0][2] == logged[1][2]
    exported = [end.export_keying_material(b"EXPORTER-x", None, 32) for end in (first.client, again.client)]
    assert exported[0] != exported[1]
    assert exported[1] == again.server.export_keying_material(b"EXPORTER-x", None, 32)


def test_tls_unique_is_the_first_finished(pair: Pair12) -> None:
    """RFC 5929 section 3.1: in an abbreviated handshake that is the server's."""
    link = pair.link(pair.session())
    finished = [
        event.data[4:]
        for event in link.client_events
        if isinstance(event, events.MessageReceived) and event.data[0] == T.FINISHED
    ]
    assert link.client.tls_unique == link.server.tls_unique == finished[0]


def test_of_a_session_in_which_the_client_had_authenticated(mutual: Pair12) -> None:
    link = mutual.offers(mutual.session())
    assert resumed(link)
    theirs = credential(host="client.example").certificate_chain
    assert link.server.peer_certificates == link.server.verified_path == theirs
    far = link.server.negotiated
    assert far is not None
    assert far.signature_scheme in credential(host="client.example").tls12_schemes
    assert len(mutual.server["verifier"].asked) == 1


def test_a_client_that_offers_both_versions(pair: Pair12) -> None:
    """Its legacy_session_id is of middlebox compatibility otherwise, and its pre_shared_key is of TLS 1.3 only."""
    pair.client |= {"maximum_version": 0x0304}
    pair.server |= OLD
    link = pair.offers(pair.session())
    assert resumed(link)
    exchange(link)


def test_a_session_of_each_version_is_of_no_use_in_the_other(pair: Pair12) -> None:
    old = pair.session()
    pair.client |= {"maximum_version": 0x0304}
    # The server could have done more all the time.
    link = pair.offers(old)
    assert not resumed(link)
    assert link.client.negotiated is not None
    assert link.client.negotiated.version == 0x0304
    new = link.client.tickets[-1]
    pair.client |= OLD
    pair.does_not_offer(new)
    pair.client |= {"maximum_version": 0x0304, "minimum_version": 0x0304}
    pair.does_not_offer(old)


@pytest.mark.parametrize("middlebox_compatibility", [True, False])
def test_after_a_hello_retry_request(pair: Pair12, middlebox_compatibility: bool) -> None:
    """The second ClientHello offers the session as the first one did, and TLS 1.3 it is."""
    session = pair.session()
    pair.client |= {"maximum_version": 0x0304, "middlebox_compatibility": middlebox_compatibility}
    pair.server |= {"use_cookie": True}
    link = pair.offers(session)
    hellos = [event for event in link.server_events if isinstance(event, events.ClientHelloReceived)]
    assert len(hellos) == 2
    assert not resumed(link)
    exchange(link)


# Tickets renewed, and not


def test_a_ticket_is_renewed_when_half_of_its_life_is_over(time: Clock) -> None:
    pair = Pair12("ticket")
    session = pair.session()
    time.offset = 3500
    assert pair.link(session).client.tickets == (session,)
    time.offset = 5000
    link = pair.link(session)
    renewed = link.client.tickets[-1]
    assert renewed.ticket != session.ticket
    assert renewed.origin.authenticated_at == session.origin.authenticated_at
    time.offset = 10000
    assert resumed(pair.link(renewed))
    pair.does_not_offer(session)


def test_what_is_not_renewed_serves_again(pair: Pair12) -> None:
    session = pair.session()
    for _ in range(2):
        link = pair.link(session)
        assert resumed(link)
        assert link.client.tickets == (session,)


def test_a_ticket_that_is_announced_and_empty(time: Clock) -> None:
    """RFC 5077 section 3.3: the server has none after all. What was resumed serves again."""
    pair = Pair12("ticket")
    session = pair.session()
    time.offset = 5000
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(session)
    patch_ticket(link, tls12.Tls12NewSessionTicket(0, b"").encode())
    link.connect()
    assert resumed(link)
    assert [event for event in link.client_events if isinstance(event, events.TicketReceived)]
    assert link.client.tickets == (session,)


def patch_ticket(link: Link, message: bytes) -> None:
    """Let the server send another NewSessionTicket, and take it for its own: it is under both Finished."""
    config = link.server.config
    assert isinstance(config, ServerConfig)
    store = config.ticket_store

    class Other:
        misses = expiries = 0

        def issue(self, state: bytes, lifetime: int) -> bytes | None:
            return message[10:] or None

        def redeem(self, ticket: bytes) -> bytes | None:
            assert store is not None
            return store.redeem(ticket)

        def expired(self) -> None:
            pass

    handshake: Any = link.server._handshake
    handshake.config = link.server.config = replace(config, ticket_store=Other())


@pytest.mark.parametrize(("size", "kept"), [(0, False), (1, True), (LARGEST_TICKET, True), (LARGEST_TICKET + 1, False)])
def test_how_large_a_ticket_is_kept(size: int, kept: bool) -> None:
    """RFC 5077 allows 65535 bytes, but so may all extensions of a ClientHello together."""
    link = Link(client_config(**OLD), server_config(ticket_store=TicketKeys(), tls12_tickets=True))
    patch_ticket(link, tls12.Tls12NewSessionTicket(60, bytes(size)).encode())
    link.connect()
    assert bool(link.client.tickets) is kept
    if kept:
        # What is kept can be sent.
        again = Link(client_config(**OLD), server_config())
        again.client.use_session(link.client.tickets[0])
        assert not resumed(again.connect())
        assert hello_of(again).extensions.session_ticket == bytes(size)


@pytest.mark.parametrize(("hint", "lifetime"), [(0, 7200), (60, 60), (10**9, 604800)])
def test_the_lifetime_hint(hint: int, lifetime: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5077 section 3.3: zero means that it is unspecified."""
    make = tls12.Tls12NewSessionTicket
    from tlsocket.handshake import resumption_tls12

    monkeypatch.setattr(resumption_tls12, "Tls12NewSessionTicket", lambda _, ticket: make(hint, ticket))
    session = Pair12("ticket").session()
    assert session.lifetime == lifetime


# What a session is bound to, on the client: it is not even offered


@pytest.mark.parametrize(
    "changes",
    [
        {"verifier": None},
        {"verifier": Trusting(b"policy 2")},
        {"check_name": False},
        {"credentials": (credential(host="client.example"),)},
        {"alpn_protocols": (b"h2",)},
        {"tls12_cipher_suites": (Suite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,)},
    ],
    ids=["no verifier", "policy", "name unchecked", "identity", "ALPN", "suite"],
)
def test_a_client_that_demands_something_else_does_not_offer(pair: Pair12, changes: dict[str, Any]) -> None:
    session = pair.session()
    pair.client |= changes
    pair.does_not_offer(session)


def test_a_client_without_tickets(pair: Pair12) -> None:
    session = pair.session()
    pair.client |= {"tls12_tickets": False}
    if pair.kind == "ticket":
        pair.does_not_offer(session)
    else:
        assert resumed(pair.offers(session))


def test_another_server_name(pair: Pair12) -> None:
    session = pair.session()
    pair.does_not_offer(session, name="other.example")
    assert resumed(pair.link(session, name=NAME.upper() + "."))


def test_no_longer_than_it_lives(pair: Pair12, time: Clock) -> None:
    session = pair.session()
    assert session.lifetime == 7200
    time.offset = 7100
    assert resumed(pair.offers(session))
    time.offset = 7201
    pair.does_not_offer(session)
    time.offset = -3600
    pair.does_not_offer(session)


def test_an_expired_certificate_of_the_server_is_not_resumed(pair: Pair12, time: Clock) -> None:
    pair.server |= {"ticket_lifetime": 604800, "session_lifetime": 604800}
    session = pair.session()
    session.lifetime = 604800
    time.offset = validity(credential().certificate_chain)[1] - clock.now() - 60
    assert resumed(pair.offers(session))
    time.offset += 120
    pair.does_not_offer(session)


# What a session is bound to, on the server: it is offered and passed over


@pytest.mark.parametrize(
    "changes",
    [
        {"ticket_store": TicketKeys(), "session_ids": ServerSessionCache()},
        {"send_tickets": 0, "ticket_store": None, "tls12_tickets": False, "session_ids": None},
        {"client_authentication": ClientAuthentication.OPTIONAL},
        {"client_authentication": REQUIRED, "verifier": Trusting()},
        {"post_handshake_authentication": ClientAuthentication.OPTIONAL},
        {"credentials": (credential(host="another.example"),)},
        {"credentials": (credential("rsa-2048"),)},
        {"tls12_cipher_suites": (Suite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,)},
    ],
    ids=["keys", "no sessions", "optional", "required", "later", "credential", "another kind", "suite"],
)
def test_a_server_that_demands_or_is_something_else_passes_over(pair: Pair12, changes: dict[str, Any]) -> None:
    pair.client |= {"credentials": (credential(host="client.example"),)}
    session = pair.session()
    pair.server |= changes
    assert not resumed(pair.offers(session))


def test_cve_2025_23419_a_session_for_one_name_is_no_good_for_another(pair: Pair12) -> None:
    """nginx: servers that share keys resumed each other's sessions, whatever the name."""
    session = pair.session()
    session.origin.server_name = "other.example"  # so that the client offers it all the same
    assert not resumed(pair.offers(session, name="other.example"))


def test_another_application_protocol(pair: Pair12) -> None:
    pair.client |= {"alpn_protocols": (b"h2", b"http/1.1")}
    pair.server |= {"alpn_protocols": (b"h2",)}
    session = pair.session()
    link = pair.offers(session)
    assert resumed(link)
    assert link.client.negotiated is not None
    assert link.client.negotiated.alpn == b"h2"
    pair.server |= {"alpn_protocols": (b"http/1.1",)}
    assert not resumed(pair.offers(session))


def test_cve_2025_68121_trust_that_changed_since(mutual: Pair12) -> None:
    session = mutual.session()
    mutual.server |= {"verifier": Trusting(b"generation 2")}
    assert not resumed(mutual.offers(session))
    assert len(mutual.server["verifier"].asked) == 1
    mutual.client |= {"verifier": Trusting(b"generation 2")}
    mutual.does_not_offer(session)


def test_an_expired_certificate_of_the_client_is_not_resumed(mutual: Pair12, time: Clock) -> None:
    mutual.server |= {"ticket_lifetime": 604800, "session_lifetime": 604800}
    mutual.client |= {"verifier": None}
    session = mutual.session()
    session.lifetime = 604800
    time.offset = validity(credential(host="client.example").certificate_chain)[1] - clock.now() - 60
    assert resumed(mutual.offers(session))
    time.offset += 120
    assert not resumed(mutual.offers(session))


def test_a_session_that_the_server_finds_too_old(pair: Pair12, time: Clock) -> None:
    session = pair.session()
    session.lifetime = 604800
    time.offset = 7201
    assert not resumed(pair.offers(session))
    store = pair.server["ticket_store" if pair.kind == "ticket" else "session_ids"]
    assert store.expiries == 1


def test_a_chain_of_resumptions_has_an_end(time: Clock) -> None:
    pair = Pair12("ticket")
    pair.server |= {"session_lifetime": 10000}
    session = pair.session()
    time.offset = 7000
    last = pair.link(session).client.tickets[-1]
    assert last.lifetime in (2999, 3000)
    time.offset = 9900
    # A new ticket would end with this one.
    assert pair.link(last).client.tickets == (last,)
    time.offset = 10001
    assert not resumed(pair.link(last))


def test_a_ticket_and_a_session_id_are_not_mistaken_for_each_other() -> None:
    """RFC 5077 section 3.4: a server that gets a ticket must not use the session id."""
    by_id, by_ticket = Pair12("session id"), Pair12("ticket")
    kept, sealed = by_id.session(), by_ticket.session()
    by_id.server |= {"tls12_tickets": True}
    both = Session(
        kept.origin, ticket=sealed.ticket, session_id=kept.session_id, lifetime=60, received_at=kept.received_at
    )
    link = Link(client_config(**by_id.client), server_config(**by_id.server))
    link.client.use_session(both)

    def with_id(hello: messages.ClientHello) -> bytes:
        return replace(hello, legacy_session_id=kept.session_id).encode()

    tamper(link.client, {T.CLIENT_HELLO: with_id})
    link.run()
    # The transcripts differ; what the server chose shows in its first flight.
    assert [event for event in link.server_events if isinstance(event, events.KeyExchangeSent)]


def test_a_name_of_tls13_is_no_session_id() -> None:
    """One cache serves both versions; what it keeps says of which it is."""
    cache = ServerSessionCache()
    pair = Pair12("session id")
    pair.server |= {"ticket_store": cache, "session_ids": cache}
    pair.client |= {"maximum_version": 0x0304}
    new = pair.session()
    assert len(new.ticket) == 32
    session = Session(new.origin, ticket=b"", session_id=new.ticket, lifetime=60, received_at=new.received_at)
    session.origin.version, session.origin.cipher_suite = 0x0303, 0xC02B
    pair.client |= OLD
    assert not resumed(pair.offers(session))


# The extended main secret (RFC 7627 section 5.3)


def without_extension(link: Link) -> None:
    """Make the client of a link one that does not know RFC 7627."""
    client: Any = link.client._handshake
    link.client.start()
    hello = messages.parse(link.client.data_to_send()[5:])
    assert isinstance(hello, messages.ClientHello)
    changed = replace(hello, extensions=replace(hello.extensions, extended_main_secret=False)).encode()
    client.transcript._pending = changed
    client.template = replace(client.template, offered=client.template.offered - {23})
    link.server.receive_data(b"\x16\x03\x03" + len(changed).to_bytes(2, "big") + changed)


def test_without_it_there_is_no_session(pair: Pair12) -> None:
    link = Link(client_config(**pair.client), server_config(**pair.server))
    without_extension(link)
    link.connect()
    assert link.client.tickets == ()
    assert pair.kind == "ticket" or len(pair.server["session_ids"]) == 0
    assert not [event for event in link.client_events if isinstance(event, events.TicketReceived)]


def test_a_client_that_drops_it_is_refused(pair: Pair12) -> None:
    """The server MUST abort the abbreviated handshake."""
    session = pair.session()
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(session)
    with pytest.raises(TLSError) as caught:
        without_extension(link)
    assert caught.value.reason is Reason.EXTENDED_MAIN_SECRET_DROPPED
    with pytest.raises(AlertReceived) as told:
        link.client.receive_data(link.server.data_to_send())
    assert told.value.description == A.HANDSHAKE_FAILURE


def test_a_client_that_drops_it_and_could_not_resume_anyhow_is_not(pair: Pair12) -> None:
    session = pair.session()
    pair.server |= {"credentials": (credential(host="another.example"),)}
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(session)
    without_extension(link)
    assert not resumed(link.connect())


SERVER_HELLOS: list[tuple[str, Change, Reason, A]] = [
    ("7627 5.3: the extension dropped", extended(extended_main_secret=False), Reason.EXTENDED_MAIN_SECRET_DROPPED,
     A.HANDSHAKE_FAILURE),
    ("5246 7.4.1.3: another suite", lambda m: replace(m, cipher_suite=0xC02C).encode(), Reason.SESSION_SUITE_CHANGED,
     A.ILLEGAL_PARAMETER),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "alert"), [case[1:] for case in SERVER_HELLOS],
                         ids=[case[0] for case in SERVER_HELLOS])  # fmt: skip
def test_a_server_that_resumes_something_else(pair: Pair12, change: Change, reason: Reason, alert: A) -> None:
    session = pair.session()
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(session)
    tamper(link.server, {T.SERVER_HELLO: change})
    link.run()
    assert isinstance(link.client_error, TLSError)
    assert link.client_error.reason is reason
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == alert


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({T.FINISHED: lambda m: m.encode()[:-1] + bytes((m.encode()[-1] ^ 1,))}, Reason.BAD_FINISHED),
        ({T.NEW_SESSION_TICKET: instead()}, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC),
        ({T.NEW_SESSION_TICKET: twice}, Reason.UNEXPECTED_MESSAGE),
        ({T.SERVER_HELLO: lambda m: m.encode() + tls12.ServerHelloDone().encode()}, Reason.UNEXPECTED_MESSAGE),
        ({T.SERVER_HELLO: lambda m: m.encode() + tls12.Tls12Certificate(()).encode()}, Reason.UNEXPECTED_MESSAGE),
    ],
    ids=["Finished", "no ticket", "two tickets", "ServerHelloDone", "Certificate"],
)
def test_what_may_not_stand_in_an_abbreviated_handshake(changes: dict[T, Any], reason: Reason, time: Clock) -> None:
    pair = Pair12("ticket")
    session = pair.session()
    time.offset = 5000
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(session)
    tamper(link.server, changes)
    link.run()
    assert isinstance(link.client_error, TLSError)
    assert link.client_error.reason is reason
    assert not link.client.handshake_complete


def test_a_thief_of_a_ticket_gets_nowhere() -> None:
    """A ticket goes in the clear: without the main secret it opens nothing."""
    pair = Pair12("ticket", mutual=True)
    session = pair.session()
    session.origin.secret = bytes(48)
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(session)
    link.run()
    assert isinstance(link.client_error, TLSError)
    assert not link.server.handshake_complete


def test_early_application_data_is_refused(pair: Pair12) -> None:
    """The client's Finished shows that it has the main secret: nothing is taken before it."""
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(pair.session())
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    with pytest.raises(TLSError):
        link.server.receive_data(b"\x17\x03\x03\x00\x20" + bytes(32))


# Caches and bytes


def test_a_client_cache_resumes_by_itself(pair: Pair12) -> None:
    cache = ClientSessionCache()
    pair.client |= {"session_cache": cache}
    assert [resumed(pair.link()) for _ in range(4)] == [False, True, True, True]
    assert len(cache) == 1
    assert not resumed(pair.link(name="other.example"))


def test_a_server_cache_is_bounded() -> None:
    pair = Pair12("session id")
    store = pair.server["session_ids"] = ServerSessionCache(capacity=2)
    sessions = [pair.session() for _ in range(3)]
    assert len(store) == 2
    assert store.overflows == 1
    assert [resumed(pair.link(session)) for session in reversed(sessions)] == [True, True, False]
    pair.server["session_ids"] = ServerSessionCache(capacity=0)
    assert not resumed(pair.link(pair.session()))


def test_a_handshake_that_fails_leaves_no_session_id() -> None:
    pair = Pair12("session id", mutual=True)
    pair.client |= {"credentials": ()}
    link = Link(client_config(**pair.client), server_config(**pair.server)).run()
    assert link.server_error is not None
    assert len(pair.server["session_ids"]) == 0


def test_bytes_and_back(mutual: Pair12) -> None:
    session = mutual.session()
    again = Session.from_bytes(session.to_bytes())
    assert again.to_bytes() == session.to_bytes()
    assert again.id == session.id
    assert session.id == (hashlib.sha256(session.ticket).digest() if session.ticket else session.session_id)
    link = mutual.offers(again)
    assert resumed(link)
    assert link.client.verified_path == credential().certificate_chain


def test_bytes_of_a_session_with_neither_are_refused(pair: Pair12) -> None:
    session = pair.session()
    session.ticket = session.session_id = b""
    with pytest.raises(InvalidMessage):
        Session.from_bytes(session.to_bytes())


def test_a_session_of_a_client_authenticated_later_is_not_resumed(
    mutual: Pair12, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state would be none of ours, whatever the version; in TLS 1.3 fuzzing found it."""
    decode = SessionState.decode

    def late(data: bytes) -> SessionState | None:
        state = decode(data)
        return None if state is None else state._replace(authenticated_at=(1 << 64) - 1)

    session = mutual.session()
    monkeypatch.setattr(SessionState, "decode", staticmethod(late))
    assert not resumed(mutual.offers(session))


def test_a_state_of_tls12_is_never_a_psk(pair: Pair12) -> None:
    """A ticket of TLS 1.2 in the pre_shared_key of TLS 1.3: known, and of no use."""
    session = pair.session()
    if not session.ticket:
        return_state = pair.server["session_ids"].redeem(session.session_id)
    else:
        return_state = pair.server["ticket_store"].redeem(session.ticket)
    state = SessionState.decode(return_state)
    assert state is not None
    assert state.version == 0x0303
    session.origin.version, session.origin.cipher_suite = 0x0304, 0x1301
    as_psk = Session(
        session.origin, ticket=session.ticket or session.session_id, lifetime=60, received_at=session.received_at
    )
    pair.client |= {"maximum_version": 0x0304}
    if pair.kind != "ticket":
        pair.server |= {"ticket_store": pair.server["session_ids"]}
    link = pair.link(as_psk)
    offered = [event for event in link.server_events if isinstance(event, events.ClientHelloReceived)]
    assert offered[0].pre_shared_keys == 1
    assert not resumed(link)


def test_a_ticket_of_tls13_that_no_client_hello_could_carry_is_not_kept() -> None:
    """65535 bytes of ticket and all the rest make more than the extensions of a ClientHello may have."""
    link = Link().connect()
    for size in (LARGEST_TICKET + 1, 0xFFFF, LARGEST_TICKET):
        ticket = b"\0\0\x0e\x10" + bytes(4) + b"\1\0" + size.to_bytes(2, "big") + bytes(size) + b"\0\0"
        message = b"\4" + len(ticket).to_bytes(3, "big") + ticket
        link.server.writer.queue(ContentType.HANDSHAKE, message)
        link.client.receive_data(link.server.data_to_send())
    assert [len(session.ticket) for session in link.client.tickets] == [LARGEST_TICKET]
    again = Link()
    again.client = Connection(client_config(), server_name=NAME, session=link.client.tickets[0])
    again.connect()


def test_tickets_need_a_store() -> None:
    with pytest.raises(ApiMisuse):
        server_config(tls12_tickets=True)
