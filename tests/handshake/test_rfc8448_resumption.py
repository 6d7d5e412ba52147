"""The resumed handshake of RFC 8448 section 4, from its ticket to its ClientHello, byte for byte.

The secrets that follow are in `tests/key_schedule/test_rfc8448.py`; the early data is not sent, as there is no 0-RTT.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.vectors.rfc8448 import TRACES
from tlsocket import clock, messages
from tlsocket.config import ClientConfig
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import PeerMisbehaved, Reason
from tlsocket.handshake.psk import Candidate, add_offers, offers_of, verify_binder
from tlsocket.handshake.sessions import ClientBinding, Session, SessionOrigin, SessionState, client_binding
from tlsocket.messages import ClientHello, NewSessionTicket
from tlsocket.transcript import Transcript
from tlsocket.wire import Reader

SIMPLE, RESUMED, *_ = TRACES
SUITE = TLS13_SUITES[0x1301]
CONFIG = ClientConfig()
HELLO = RESUMED["client_hello_prefix"] + b"\x00\x21\x20" + RESUMED["binder"]


def parsed() -> ClientHello:
    """The ClientHello of section 4."""
    hello = messages.parse(HELLO)
    assert isinstance(hello, ClientHello)
    return hello


def session(binding: ClientBinding) -> Session:
    """What the client of section 3 kept of the ticket, and when it must have come for the age in section 4."""
    ticket = messages.parse(SIMPLE["new_session_ticket"])
    assert isinstance(ticket, NewSessionTicket)
    offer = parsed().extensions.pre_shared_key
    assert offer is not None
    age = (offer.identities[0].obfuscated_ticket_age - ticket.ticket_age_add) % 2**32
    origin = SessionOrigin(
        version=0x0304,
        cipher_suite=SUITE.code,
        server_name="server",
        alpn=None,
        signature_scheme=0x0804,
        peer_certificates=(),
        verified_path=(),
        authenticated_at=clock.now() - 10,
        binding=binding,
        secret=SIMPLE["res_master"],
    )
    return Session(
        origin,
        ticket=ticket.ticket,
        lifetime=ticket.ticket_lifetime,
        ticket_age_add=ticket.ticket_age_add,
        ticket_nonce=ticket.ticket_nonce,
        received_at=clock.now() - age / 1000,
    )


def test_the_client_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ClientHello without its pre_shared_key, and what is made of it."""
    offer = parsed().extensions.pre_shared_key
    assert offer is not None
    length = 4 + 2 + 2 + len(offer.identities[0].identity) + 4 + offer.binders_length
    bare = bytearray(HELLO[:-length])
    at = 38 + 1 + 2 + 6 + 2
    bare[1:4] = (len(bare) - 4).to_bytes(3, "big")
    bare[at : at + 2] = (len(bare) - at - 2).to_bytes(2, "big")
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    offers = offers_of(CONFIG, session(client_binding(CONFIG)), "server")
    assert [made.identity for made in offers] == list(offer.identities)
    assert add_offers(bytes(bare), at, offers, Transcript()) == HELLO


@pytest.mark.parametrize("position", [10, -40, -1])
def test_the_binder_as_a_server_checks_it(position: int) -> None:
    ticket = messages.parse(SIMPLE["new_session_ticket"])
    assert isinstance(ticket, NewSessionTicket)
    state = SessionState(
        *(0x0304, SUITE.code, 0, 0, 0, 0, bytes(32), SIMPLE["res_master"], ticket.ticket_nonce, None, None, (), ())
    )
    offer = parsed().extensions.pre_shared_key
    assert offer is not None
    hs: SimpleNamespace = SimpleNamespace(transcript=Transcript())
    assert verify_binder(hs, Candidate(0, SUITE, state), offer, HELLO).external_identity is None  # type: ignore[arg-type]
    changed = bytearray(HELLO)
    changed[position] ^= 1
    offered = ClientHello.parse(Reader(bytes(changed), 4)).extensions.pre_shared_key
    assert offered is not None
    with pytest.raises(PeerMisbehaved) as caught:
        verify_binder(hs, Candidate(0, SUITE, state), offered, bytes(changed))  # type: ignore[arg-type]
    assert caught.value.reason is Reason.BAD_BINDER
