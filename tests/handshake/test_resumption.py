"""Sessions resumed in TLS 1.3: that they are, and that each thing a session is bound to holds (design law 8).

Each binding is broken on one end at a time. What must follow is a full handshake that succeeds, never an alert.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.handshake.support import NAME, Link, Verifier, client_config, credential, server_config
from tlsocket import clock, events
from tlsocket.config import Budgets, ClientAuthentication, DecisionKind
from tlsocket.connection import Connection
from tlsocket.crypto.certificates import validity
from tlsocket.errors import ApiMisuse, InvalidMessage
from tlsocket.handshake import client_hello
from tlsocket.handshake.session_caches import ClientSessionCache, ServerSessionCache
from tlsocket.handshake.sessions import Session, SessionState, _milliseconds
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.registry import CipherSuiteCode as Suite
from tlsocket.registry import NamedGroup

REQUIRED = ClientAuthentication.REQUIRED
RETRIES: list[dict[str, Any]] = [{"groups": (NamedGroup.SECP256R1,)}, {"use_cookie": True}]
"""What makes a server ask for a second ClientHello."""


class Trusting(Verifier):
    """A verifier whose policy has a name; `path` is what it finds."""

    def __init__(self, policy: bytes = b"policy 1") -> None:
        super().__init__()
        self.policy_id = policy

    def verify(self, certificates: Any, **arguments: Any) -> Any:
        """The list itself is the path."""
        verified = super().verify(certificates, **arguments)
        return type(verified)(tuple(certificates))


class Clock:
    """The time, as far as the library knows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset = 0.0
        now, monotonic = clock.now, clock.monotonic
        monkeypatch.setattr(clock, "now", lambda: now() + self.offset)
        monkeypatch.setattr(clock, "monotonic", lambda: monotonic() + self.offset)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that can be moved."""
    return Clock(monkeypatch)


class Pair:
    """Configurations of both ends that resume each other's sessions, and how to change them."""

    def __init__(self, *, mutual: bool = False) -> None:
        self.server: dict[str, Any] = {"ticket_store": TicketKeys(), "send_tickets": 2}
        self.client: dict[str, Any] = {"verifier": Trusting()}
        if mutual:
            self.server |= {"client_authentication": REQUIRED, "verifier": Trusting()}
            self.client |= {"credentials": (credential(host="client.example"),)}

    def link(self, session: Session | None = None, *, name: str = NAME) -> Link:
        """A link between them that resumes `session`, connected."""
        link = Link(client_config(**self.client), server_config(**self.server))
        link.client = Connection(
            client_config(**self.client), server_name=name, session=session, on_event=link.client_events.append
        )
        return link.connect()

    def session(self) -> Session:
        """A session of a full handshake."""
        first = self.link()
        assert not resumed(first)
        return first.client.tickets[-1]


def resumed(link: Link) -> bool:
    """Whether both ends say so."""
    near, far = link.client.negotiated, link.server.negotiated
    assert near is not None
    assert far is not None
    assert near.resumed == far.resumed
    return near.resumed


def offered(link: Link) -> int:
    """How many pre-shared keys the client offered."""
    return next(event.pre_shared_keys for event in link.server_events if isinstance(event, events.ClientHelloReceived))


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def mutual() -> Pair:
    return Pair(mutual=True)


# That it works


def test_a_session_is_resumed_and_no_certificate_is_sent(pair: Pair) -> None:
    link = pair.link(pair.session())
    assert resumed(link)
    kinds = {type(event) for event in link.server_events}
    assert not kinds & {events.CertificateSent, events.SignatureSent, events.CertificateRequested}
    assert link.client.peer_certificates == credential().certificate_chain
    assert link.client.verified_path == credential().certificate_chain
    negotiated = link.client.negotiated
    assert negotiated is not None
    assert negotiated.signature_scheme == 0x0403
    link.client.write(b"ping")
    link.server.receive_data(link.client.data_to_send())
    assert link.server.read() == b"ping"


def test_the_server_still_knows_its_own_certificate_and_the_clients(mutual: Pair) -> None:
    link = mutual.link(mutual.session())
    assert resumed(link)
    assert link.server.negotiated is not None
    assert link.server.negotiated.own_certificates == credential().certificate_chain
    assert link.server.peer_certificates == credential(host="client.example").certificate_chain
    assert link.server.verified_path == link.server.peer_certificates
    assert link.server.negotiated.signature_scheme == 0x0403


@pytest.mark.parametrize("changes", RETRIES, ids=["group", "cookie"])
def test_after_a_hello_retry_request(pair: Pair, changes: dict[str, Any]) -> None:
    session = pair.session()
    pair.server |= changes
    link = pair.link(session)
    assert resumed(link)
    assert any(isinstance(event, events.HelloRetryRequestSent) for event in link.server_events)


def test_a_key_of_another_hash_is_not_offered_after_a_hello_retry_request(pair: Pair) -> None:
    """RFC 9846 section 4.2.4: SHOULD NOT. The suite of the HelloRetryRequest is known by then."""
    session = pair.session()
    pair.server |= {"groups": (NamedGroup.SECP256R1,), "cipher_suites": (Suite.TLS_AES_256_GCM_SHA384,)}
    link = pair.link(session)
    assert not resumed(link)
    hellos = [event for event in link.server_events if isinstance(event, events.ClientHelloReceived)]
    assert [hello.pre_shared_keys for hello in hellos] == [1, 0]


def test_with_another_suite_of_the_same_hash(pair: Pair) -> None:
    session = pair.session()
    pair.server |= {"cipher_suites": (Suite.TLS_CHACHA20_POLY1305_SHA256,)}
    link = pair.link(session)
    assert resumed(link)
    assert link.client.negotiated is not None
    assert link.client.negotiated.cipher_suite.code == Suite.TLS_CHACHA20_POLY1305_SHA256


@pytest.mark.parametrize("suite", [0x1301, 0x1302, 0x1303])
def test_with_every_suite(pair: Pair, suite: int) -> None:
    pair.client |= {"cipher_suites": (suite,)}
    assert resumed(pair.link(pair.session()))


def test_sessions_of_sessions(pair: Pair) -> None:
    session = pair.session()
    authenticated_at = session.origin.authenticated_at
    for _ in range(3):
        link = pair.link(session)
        assert resumed(link)
        session = link.client.tickets[-1]
        # What is known of the server is as old as its last signature.
        assert session.origin.authenticated_at == authenticated_at
        assert session.origin.peer_certificates == credential().certificate_chain


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_tickets_after_a_full_and_after_a_resumed_handshake(pair: Pair, count: int) -> None:
    pair.server |= {"send_tickets": 2}
    session = pair.session()
    pair.server |= {"send_tickets": count}
    assert len(pair.link().client.tickets) == count
    assert len(pair.link(session).client.tickets) == min(count, 1)


def test_tickets_are_reported(pair: Pair) -> None:
    link = pair.link()
    assert [e for e in link.server_events if isinstance(e, events.TicketsSent)] == [events.TicketsSent(2, 7200)]
    assert [e for e in link.client_events if isinstance(e, events.TicketReceived)] == [events.TicketReceived(7200)] * 2


def test_every_ticket_of_a_connection_works_and_has_its_own_secret(pair: Pair) -> None:
    tickets = pair.link().client.tickets
    assert len({ticket.ticket_nonce for ticket in tickets}) == len(tickets) == 2
    for ticket in tickets:
        assert resumed(pair.link(ticket))


def test_cve_2022_30629_every_ticket_has_its_own_random_age_add(pair: Pair) -> None:
    """RFC 9846 section 4.7.1: "The server MUST generate a fresh value for each ticket it sends"."""
    pair.server |= {"send_tickets": 16}
    age_adds = {ticket.ticket_age_add for _ in range(4) for ticket in pair.link().client.tickets[-8:]}
    assert len(age_adds) == 32
    assert max(age_adds) > 1 << 24


def test_the_age_on_the_wire_is_obfuscated(pair: Pair, time: Clock) -> None:
    session = pair.session()
    start = clock.now()
    assert session.obfuscated_age(start + 2) - session.obfuscated_age(start + 1) in (1000, 1000 - 2**32)
    assert (session.obfuscated_age(session.received_at) - session.ticket_age_add) % 2**32 == 0


def test_no_tickets_for_a_client_that_could_not_use_them(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9846 section 4.3.9: none that are not compatible with the modes advertised."""
    monkeypatch.setattr(client_hello, "PskKeyExchangeMode", type("OnlyPskKe", (), {"PSK_DHE_KE": 0}))
    link = pair.link()
    assert link.client.tickets == ()
    assert link.server_events[-1] != events.TicketsSent(2, 7200)


# What a session is bound to, on the client: it is not even offered


@pytest.mark.parametrize(
    "changes",
    [
        {"verifier": None},
        {"verifier": Trusting(b"policy 2")},
        {"verifier": Verifier()},
        {"check_name": False},
        {"credentials": (credential(host="client.example"),)},
        {"alpn_protocols": (b"h2",)},
        {"cipher_suites": (Suite.TLS_AES_256_GCM_SHA384,)},
    ],
    ids=["no verifier", "policy", "verifier unknown", "name unchecked", "identity", "ALPN", "hash"],
)
def test_a_client_that_demands_something_else_does_not_offer(pair: Pair, changes: dict[str, Any]) -> None:
    session = pair.session()
    pair.client |= changes
    link = pair.link(session)
    assert offered(link) == 0
    assert not resumed(link)


def test_a_session_made_without_verification_is_no_good_for_a_client_that_verifies(pair: Pair) -> None:
    pair.client |= {"verifier": None}
    session = pair.session()
    pair.client |= {"verifier": Trusting()}
    link = pair.link(session)
    assert not resumed(link)
    verifier = pair.client["verifier"]
    assert len(verifier.asked) == 1


def test_a_verifier_that_cannot_say_its_policy_binds_to_its_configuration() -> None:
    server = server_config(ticket_store=TicketKeys(), send_tickets=1)
    same: dict[int, bool] = {}
    verifier = Trusting()
    del verifier.policy_id
    configs = [client_config(verifier=verifier), client_config(verifier=verifier)]
    session = Link(configs[0], server).connect().client.tickets[0]
    for number, config in enumerate(configs):
        link = Link(config, server)
        link.client.use_session(session)
        same[number] = resumed(link.connect())
    assert same == {0: True, 1: False}


@pytest.mark.parametrize("kind", [DecisionKind.VERDICT, DecisionKind.CERTIFICATE])
def test_a_decision_of_the_application_binds_to_its_configuration(kind: DecisionKind) -> None:
    session = Pair().session()
    config = client_config(verifier=Trusting(), suspend_for=frozenset({kind}))
    assert not session.usable(config, NAME, clock.now())


def test_cve_2026_11703_another_server_name(pair: Pair) -> None:
    session = pair.session()
    link = pair.link(session, name="other.example")
    assert offered(link) == 0
    assert not resumed(link)
    assert resumed(pair.link(session, name=NAME.upper() + "."))


def test_a_ticket_is_not_used_beyond_its_lifetime(pair: Pair, time: Clock) -> None:
    session = pair.session()
    time.offset = 7100
    assert resumed(pair.link(session))
    time.offset = 7201
    assert offered(pair.link(session)) == 0


def test_a_ticket_from_the_future_is_not_used(pair: Pair, time: Clock) -> None:
    session = pair.session()
    time.offset = -3600
    assert offered(pair.link(session)) == 0


def test_an_expired_certificate_of_the_server_is_not_resumed(pair: Pair, time: Clock) -> None:
    """Law 8. The ticket itself would live for longer."""
    pair.server |= {"ticket_lifetime": 604800, "session_lifetime": 604800}
    session = pair.session()
    end = validity(credential().certificate_chain)[1]
    time.offset = end - clock.now() - 60
    assert offered(pair.link(session)) == 1
    time.offset += 120
    assert offered(pair.link(session)) == 0


def test_without_a_verifier_dates_count_no_more_than_in_a_full_handshake(pair: Pair, time: Clock) -> None:
    pair.client |= {"verifier": None}
    pair.server |= {"ticket_lifetime": 604800, "session_lifetime": 604800}
    session = pair.session()
    time.offset = 3 * 86400
    assert resumed(pair.link(session))


# What a session is bound to, on the server: it is offered and passed over


@pytest.mark.parametrize(
    "changes",
    [
        {"ticket_store": TicketKeys()},
        {"ticket_store": None, "send_tickets": 0},
        {"client_authentication": ClientAuthentication.OPTIONAL},
        {"client_authentication": REQUIRED, "verifier": Trusting()},
        {"credentials": (credential(host="another.example"),)},
        {"credentials": (credential("rsa-2048"),)},
        {"cipher_suites": (Suite.TLS_AES_256_GCM_SHA384,)},
    ],
    ids=["keys", "no tickets", "optional", "required", "credential", "another kind", "hash"],
)
def test_a_server_that_demands_or_is_something_else_passes_over(pair: Pair, changes: dict[str, Any]) -> None:
    pair.client |= {"credentials": (credential(host="client.example"),)}
    session = pair.session()
    pair.server |= changes
    link = pair.link(session)
    assert offered(link) == 1
    assert not resumed(link)
    assert link.client_error is link.server_error is None


def test_cve_2025_23048_a_ticket_of_a_host_without_client_certificates_opens_no_host_with(pair: Pair) -> None:
    """Apache: hosts with different demands took each other's tickets. Here the second demands a certificate still."""
    pair.client |= {"credentials": (credential(host="client.example"),)}
    session = pair.session()
    verifier = Trusting()
    pair.server |= {"client_authentication": REQUIRED, "verifier": verifier}
    link = pair.link(session)
    assert not resumed(link)
    assert link.server.peer_certificates == credential(host="client.example").certificate_chain
    assert len(verifier.asked) == 1


def test_cve_2025_23419_a_ticket_for_one_name_is_no_good_for_another(pair: Pair) -> None:
    """nginx: servers that share keys resumed each other's sessions, whatever the name."""
    session = pair.session()
    # The client is made to offer it all the same.
    session.origin.server_name = "other.example"
    link = pair.link(session, name="other.example")
    assert offered(link) == 1
    assert not resumed(link)


def test_a_ticket_with_a_name_is_no_good_without_one(pair: Pair) -> None:
    pair.client |= {"verifier": None}
    session = pair.session()
    session.origin.server_name = "192.0.2.1"
    link = pair.link(session, name="192.0.2.1")
    assert offered(link) == 1
    assert not resumed(link)


def test_cve_2026_11703_another_application_protocol(pair: Pair) -> None:
    pair.client |= {"alpn_protocols": (b"h2", b"http/1.1")}
    pair.server |= {"alpn_protocols": (b"h2",)}
    session = pair.session()
    assert session.origin.alpn == b"h2"
    pair.server |= {"alpn_protocols": (b"http/1.1",)}
    link = pair.link(session)
    assert offered(link) == 1
    assert not resumed(link)
    assert link.client.negotiated is not None
    assert link.client.negotiated.alpn == b"http/1.1"


def test_a_resumed_session_has_its_protocol(pair: Pair) -> None:
    pair.client |= {"alpn_protocols": (b"h2", b"http/1.1")}
    pair.server |= {"alpn_protocols": (b"http/1.1",)}
    link = pair.link(pair.session())
    assert resumed(link)
    assert link.client.negotiated is not None
    assert link.client.negotiated.alpn == b"http/1.1"


def test_cve_2025_68121_trust_that_changed_since(mutual: Pair) -> None:
    """Go: authorities taken away between the two handshakes. On either end the policy's name changes with them."""
    session = mutual.session()
    mutual.server |= {"verifier": Trusting(b"generation 2")}
    link = mutual.link(session)
    assert offered(link) == 1
    assert not resumed(link)
    assert len(mutual.server["verifier"].asked) == 1
    mutual.client |= {"verifier": Trusting(b"generation 2")}
    assert offered(mutual.link(session)) == 0


def test_an_expired_certificate_of_the_client_is_not_resumed(mutual: Pair, time: Clock) -> None:
    mutual.server |= {"ticket_lifetime": 604800, "session_lifetime": 604800}
    # The client does not look at the dates, so that the server has to.
    mutual.client |= {"verifier": None}
    session = mutual.session()
    end = validity(credential(host="client.example").certificate_chain)[1]
    time.offset = end - clock.now() - 60
    assert resumed(mutual.link(session))
    time.offset += 120
    link = mutual.link(session)
    assert offered(link) == 1
    assert not resumed(link)


def test_a_ticket_that_the_server_finds_too_old(pair: Pair, time: Clock) -> None:
    session = pair.session()
    session.lifetime = 604800
    time.offset = 7201
    link = pair.link(session)
    assert offered(link) == 1
    assert not resumed(link)
    assert pair.server["ticket_store"].expiries == 1


def test_a_chain_of_resumptions_has_an_end(pair: Pair, time: Clock) -> None:
    """RFC 9846 section 4.7.1: limits on the total lifetime of keying material."""
    pair.server |= {"session_lifetime": 10000}
    session = pair.session()
    time.offset = 7000
    link = pair.link(session)
    assert resumed(link)
    last = link.client.tickets[-1]
    assert last.lifetime in (2999, 3000)
    time.offset = 10001
    assert not resumed(pair.link(last))


def test_no_ticket_outlives_the_session(pair: Pair, time: Clock) -> None:
    pair.server |= {"session_lifetime": 7100}
    session = pair.session()
    assert session.lifetime == 7100
    time.offset = 7000
    pair.server |= {"session_lifetime": 6000}
    link = pair.link(session)
    assert resumed(link)
    assert link.client.tickets == ()


def test_a_large_chain_is_not_put_into_a_ticket() -> None:
    """No ClientHello should carry it back."""
    assert TicketKeys().issue(bytes(40000), 60) is None
    pair = Pair()

    class Nothing:
        misses = expiries = 0

        def issue(self, state: bytes, lifetime: int) -> None:
            return None

        def redeem(self, ticket: bytes) -> None:
            return None

        def expired(self) -> None:
            pass

    pair.server |= {"ticket_store": Nothing()}
    assert pair.link().client.tickets == ()


def test_a_server_looks_at_so_many_identities_and_no_more(pair: Pair) -> None:
    session = pair.session()
    pair.server |= {"budgets": Budgets(psk_identities=0)}
    link = pair.link(session)
    assert offered(link) == 1
    assert not resumed(link)


# Stores and caches


@pytest.fixture(params=["sealed", "cache"])
def store(request: pytest.FixtureRequest) -> Any:
    """Each kind of ticket store."""
    return TicketKeys() if request.param == "sealed" else ServerSessionCache()


def test_every_store_resumes(mutual: Pair, store: Any) -> None:
    mutual.server |= {"ticket_store": store}
    link = mutual.link(mutual.session())
    assert resumed(link)
    assert link.server.peer_certificates == credential(host="client.example").certificate_chain


def test_a_client_cache_resumes_by_itself_and_uses_each_ticket_once(pair: Pair) -> None:
    cache = ClientSessionCache()
    pair.client |= {"session_cache": cache}
    assert not resumed(pair.link())
    assert len(cache) == 2
    for _ in range(5):
        assert resumed(pair.link())
        assert len(cache) == 2
    assert not resumed(pair.link(name="other.example"))


def test_a_session_that_is_given_goes_before_the_cache(pair: Pair) -> None:
    session = pair.session()
    pair.client |= {"session_cache": ClientSessionCache()}
    assert resumed(pair.link(session))


def test_what_the_cache_has_and_cannot_be_used_is_forgotten(pair: Pair, time: Clock) -> None:
    cache = ClientSessionCache()
    pair.client |= {"session_cache": cache}
    pair.link()
    time.offset = 8000
    pair.server |= {"send_tickets": 0}
    assert offered(pair.link()) == 0
    assert len(cache) == 0


# Keeping them


def test_bytes_and_back(mutual: Pair) -> None:
    session = mutual.session()
    again = Session.from_bytes(session.to_bytes())
    assert again.to_bytes() == session.to_bytes()
    assert again.id == session.id == hashlib.sha256(session.ticket).digest()
    link = mutual.link(again)
    assert resumed(link)
    assert link.client.verified_path == credential().certificate_chain


def damaged(data: bytes) -> Iterator[bytes]:
    """Cut short everywhere, longer, of another format, with every byte changed."""
    yield from (data[:end] for end in range(len(data)))
    yield data + b"\0"
    for position in range(len(data)):
        yield data[:position] + bytes((data[position] ^ 0xFF,)) + data[position + 1 :]


def test_damaged_bytes_are_refused_or_harmless(pair: Pair) -> None:
    good = pair.session().to_bytes()
    refused = 0
    for data in damaged(good):
        try:
            session = Session.from_bytes(data)
        except InvalidMessage:
            refused += 1
        else:
            session.usable(client_config(), NAME, clock.now())
    assert refused > len(good)


def test_damaged_states_are_refused_or_harmless(mutual: Pair) -> None:
    """Only what we sealed is ever decoded, but another version of ours may have sealed it."""
    states = []

    class Recording(TicketKeys):
        def issue(self, state: bytes, lifetime: int) -> bytes | None:
            states.append(state)
            return super().issue(state, lifetime)

    mutual.server |= {"ticket_store": Recording()}
    mutual.link()
    state = SessionState.decode(states[0])
    assert state is not None
    assert state.encode() == states[0]
    assert state.verified_path == credential(host="client.example").certificate_chain
    decoded = [SessionState.decode(data) for data in damaged(states[0])]
    assert decoded.count(None) > len(states[0])


@pytest.mark.parametrize("start", [19, 27], ids=["received_at", "authenticated_at"])
@pytest.mark.parametrize("milliseconds", [1 << 48, (1 << 64) - 1])
def test_a_session_of_no_time_is_refused(pair: Pair, start: int, milliseconds: int) -> None:
    """Such a time was read, and could not be written again (OverflowError). Found by fuzzing."""
    data = bytearray(pair.session().to_bytes())
    data[start : start + 8] = milliseconds.to_bytes(8, "big")
    with pytest.raises(InvalidMessage):
        Session.from_bytes(bytes(data))


def test_a_session_is_written_as_it_was_read(pair: Pair) -> None:
    """To the millisecond, whatever the time: seconds are floats, which lie a little beside it."""
    data = bytearray(pair.session().to_bytes())
    for milliseconds in (0, 1001, *range(1_790_000_000_000, 1_790_000_001_000, 7), (1 << 48) - 1):
        data[19:27] = data[27:35] = milliseconds.to_bytes(8, "big")
        assert Session.from_bytes(bytes(data)).to_bytes() == data


def test_a_ticket_of_a_client_authenticated_later_is_not_resumed(pair: Pair) -> None:
    """Its state would be none of ours, and its time one that no later ticket could carry. Found by fuzzing."""

    class Late(TicketKeys):
        def redeem(self, ticket: bytes) -> bytes | None:
            state = SessionState.decode(super().redeem(ticket) or b"")
            assert state is not None
            return state._replace(authenticated_at=(1 << 64) - 1).encode()

    session = pair.session()
    late = Late()
    late._keys = pair.server["ticket_store"]._keys
    pair.server["ticket_store"] = late
    assert not resumed(pair.link(session))


def test_secrets_are_not_shown(pair: Pair) -> None:
    session = pair.session()
    state = SessionState(772, 4865, 0, 0, 0, 0, bytes(32), b"sesame", b"", NAME, None, (), ())
    shown = repr((session, session.origin, state, TicketKeys(), ClientSessionCache(), ServerSessionCache()))
    assert session.origin.secret.hex()[:16] not in shown
    assert "sesame" not in shown
    assert repr(session.ticket)[2:10] not in shown


# Misuse


def test_sessions_belong_to_clients_before_their_handshake(pair: Pair) -> None:
    session = pair.session()
    with pytest.raises(ApiMisuse):
        Connection(server_config(**pair.server), session=session)
    link = pair.link()
    with pytest.raises(ApiMisuse):
        link.client.use_session(session)
    with pytest.raises(ApiMisuse):
        link.server.use_session(session)


@pytest.mark.parametrize(
    "changes",
    [
        {"send_tickets": -1},
        {"send_tickets": 17},
        {"ticket_lifetime": 0},
        {"ticket_lifetime": 604801},
        {"session_lifetime": 0},
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ApiMisuse):
        server_config(ticket_store=TicketKeys(), **changes)


@given(st.integers(0, (1 << 48) - 1), st.floats(0, 1 << 33))
def test_times_survive_being_bytes_and_never_come_from_the_future(milliseconds: int, moment: float) -> None:
    """Rounded to the nearest, one session in two could not be used within the first half of a millisecond."""
    assert _milliseconds(milliseconds / 1000) == milliseconds
    assert moment - 0.0011 < _milliseconds(moment) / 1000 <= moment
