"""After the handshake: KeyUpdate, tickets, exporters, and what may no longer come (RFC 9846 sections 4.7, 7.5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.handshake.support import Link, client_config, server_config
from tlsocket import clock, events
from tlsocket.config import Budgets, Role
from tlsocket.connection import Connection
from tlsocket.errors import AlertReceived, ApiMisuse, PeerMisbehaved, Reason
from tlsocket.extensions import CertificateRequestExtensions, NewSessionTicketExtensions
from tlsocket.messages import CertificateRequest, ClientHello, KeyUpdate, NewSessionTicket
from tlsocket.registry import AlertDescription, ContentType


def ticket(lifetime: int = 3600, value: bytes = b"ticket", early_data: int | None = None) -> bytes:
    """An encoded NewSessionTicket."""
    extensions = NewSessionTicketExtensions(early_data=early_data)
    return NewSessionTicket(lifetime, 7, b"nonce", value, extensions).encode()


def say(sender: Connection, receiver: Connection, *messages: bytes) -> None:
    """Send handshake messages as they are, each in a record of its own."""
    for message in messages:
        sender.writer.queue(ContentType.HANDSHAKE, message)
        receiver.receive_data(sender.data_to_send())


def talk(sender: Connection, receiver: Connection, data: bytes = b"data") -> None:
    """Send application data."""
    sender.write(data)
    receiver.receive_data(sender.data_to_send())
    assert receiver.read() == data


# KeyUpdate


@pytest.mark.parametrize("request_peer", [False, True])
@pytest.mark.parametrize("who", ["client", "server"])
def test_keys_are_updated(who: str, request_peer: bool) -> None:
    link = Link().connect()
    one, other = (link.client, link.server) if who == "client" else (link.server, link.client)
    for _ in range(3):
        one.update_keys(request_peer=request_peer)
        talk(one, other)
        talk(other, one)
    updates = [event for event in link.client_events + link.server_events if isinstance(event, events.KeysUpdated)]
    assert len(updates) == 3 * (4 if request_peer else 2)


def test_requests_during_silence_are_answered_once() -> None:
    # RFC 9846 section 4.7.3: "receives multiple KeyUpdates while it is silent to respond with a single update".
    link = Link().connect()
    for _ in range(3):
        link.client.writer.queue_key_update(KeyUpdate(True).encode(), secret_of(link.client).advance)
        link.server.receive_data(link.client.data_to_send())
    link.client.receive_data(link.server.data_to_send())
    assert link.client_events.count(events.KeysUpdated(sending=False)) == 1
    talk(link.server, link.client)
    talk(link.client, link.server)


def secret_of(connection: Connection) -> Any:
    """The sending secret of an established connection."""
    post: Any = connection._post
    return post._sending


def test_a_second_request_waits_for_the_answer_to_the_first() -> None:
    # RFC 9846 section 4.7.3: no second update_requested before the peer's KeyUpdate.
    link = Link().connect()
    link.client.update_keys(request_peer=True)
    link.client.update_keys(request_peer=True)
    link.server.receive_data(link.client.data_to_send())
    assert link.server_events.count(events.KeysUpdated(sending=True)) == 1
    link.client.receive_data(link.server.data_to_send())
    link.client.update_keys(request_peer=True)
    link.server.receive_data(link.client.data_to_send())
    assert link.server_events.count(events.KeysUpdated(sending=True)) == 2


def test_updates_that_cross_are_both_answered() -> None:
    link = Link().connect()
    link.client.update_keys(request_peer=True)
    link.server.update_keys(request_peer=True)
    to_server, to_client = link.client.data_to_send(), link.server.data_to_send()
    link.server.receive_data(to_server)
    link.client.receive_data(to_client)
    to_server, to_client = link.client.data_to_send(), link.server.data_to_send()
    link.server.receive_data(to_server)
    link.client.receive_data(to_client)
    assert link.client_events.count(events.KeysUpdated(sending=False)) == 2
    talk(link.client, link.server)
    talk(link.server, link.client)


def test_nothing_is_answered_after_our_close_notify() -> None:
    link = Link().connect()
    link.server.close()
    link.server.data_to_send()
    link.client.update_keys(request_peer=True)
    link.server.receive_data(link.client.data_to_send())
    assert link.server.data_to_send() == b""
    with pytest.raises(ApiMisuse):
        link.server.update_keys()


def test_key_update_with_another_value_is_illegal_parameter() -> None:
    # RFC 9846 section 4.7.3: "any other value ... illegal_parameter".
    link = Link().connect()
    with pytest.raises(PeerMisbehaved) as caught:
        say(link.client, link.server, b"\x18\x00\x00\x01\x02")
    assert caught.value.reason is Reason.KEY_UPDATE_VALUE
    assert alert(link) == AlertDescription.ILLEGAL_PARAMETER


def alert(link: Link) -> int:
    """The alert that the server's failure brings to the client."""
    with pytest.raises(AlertReceived) as caught:
        link.client.receive_data(link.server.data_to_send())
    return caught.value.description


def test_bytes_behind_a_key_update_in_its_record_are_refused() -> None:
    # RFC 9846 section 5.1: messages before a key change align with a record boundary.
    link = Link().connect()
    with pytest.raises(PeerMisbehaved) as caught:
        say(link.client, link.server, KeyUpdate(False).encode() * 2)
    assert caught.value.reason is Reason.KEY_CHANGE_NOT_ALIGNED
    assert alert(link) == AlertDescription.UNEXPECTED_MESSAGE


def update(link: Link) -> None:
    """One KeyUpdate from the client."""
    link.client.update_keys()
    link.server.receive_data(link.client.data_to_send())


def test_key_updates_in_a_row_have_a_budget() -> None:
    link = Link(server=server_config(budgets=Budgets(key_updates=3))).connect()
    for _ in range(3):
        update(link)
    with pytest.raises(PeerMisbehaved) as caught:
        update(link)
    assert caught.value.reason is Reason.TOO_MANY_KEY_UPDATES
    assert alert(link) == AlertDescription.UNEXPECTED_MESSAGE


def test_data_between_key_updates_resets_the_budget() -> None:
    link = Link(server=server_config(budgets=Budgets(key_updates=2))).connect()
    for _ in range(6):
        talk(link.client, link.server)
        update(link)


# Tickets


def test_tickets_are_kept_with_what_they_need() -> None:
    link = Link().connect()
    before = clock.now()
    say(link.server, link.client, ticket(value=b"sesame", early_data=100), ticket(value=b"two", lifetime=2**32 - 1))
    first, second = link.client.tickets
    assert (first.ticket, first.ticket_nonce, first.ticket_age_add) == (b"sesame", b"nonce", 7)
    assert first.max_early_data_size == 100
    assert before <= first.received_at <= clock.now()
    assert first.origin is second.origin
    # RFC 9846 section 4.7.1: never longer than seven days.
    assert (first.lifetime, second.lifetime) == (3600, 604800)
    assert link.client_events[-1] == events.TicketReceived(2**32 - 1)
    assert "sesame" not in repr(first)


def test_a_ticket_of_no_lifetime_is_discarded() -> None:
    link = Link().connect()
    say(link.server, link.client, ticket(lifetime=0))
    assert link.client.tickets == ()


def test_the_oldest_ticket_gives_way() -> None:
    link = Link(client_config(budgets=Budgets(tickets_kept=2))).connect()
    say(link.server, link.client, *(ticket(value=bytes([number])) for number in range(1, 4)))
    assert [kept.ticket for kept in link.client.tickets] == [b"\x02", b"\x03"]


def test_tickets_in_a_row_have_a_budget() -> None:
    link = Link(client_config(budgets=Budgets(tickets=3))).connect()
    say(link.server, link.client, *[ticket()] * 3)
    talk(link.server, link.client)
    say(link.server, link.client, *[ticket()] * 3)
    with pytest.raises(PeerMisbehaved) as caught:
        say(link.server, link.client, ticket())
    assert caught.value.reason is Reason.TOO_MANY_TICKETS


def test_tickets_are_forgotten_with_a_failed_connection() -> None:
    link = Link().connect()
    say(link.server, link.client, ticket())
    with pytest.raises(PeerMisbehaved):
        say(link.server, link.client, ClientHello(0x0303, bytes(32), b"", (0x1301,)).encode())
    assert link.client.tickets == ()


# What may no longer come


@pytest.mark.parametrize(
    ("receiver", "message", "reason"),
    [
        # RFC 9846 section 4.2.2: a ClientHello at any other time: unexpected_message.
        (Role.SERVER, ClientHello(0x0303, bytes(32), b"", (0x1301,)).encode(), Reason.RENEGOTIATION),
        (Role.CLIENT, b"\x00\x00\x00\x00", Reason.RENEGOTIATION),
        # RFC 9846 section 4.7.2: a CertificateRequest without post_handshake_auth: unexpected_message.
        (Role.CLIENT, CertificateRequest(b"x", CertificateRequestExtensions()).encode(), Reason.UNEXPECTED_MESSAGE),
        # RFC 9846 section 4.7.1: tickets are the server's.
        (Role.SERVER, ticket(), Reason.UNEXPECTED_MESSAGE),
        (Role.CLIENT, b"\x14\x00\x00\x20" + bytes(32), Reason.UNEXPECTED_MESSAGE),
        (Role.SERVER, b"\x0b\x00\x00\x04\x00\x00\x00\x00", Reason.UNEXPECTED_MESSAGE),
    ],
)
def test_message_that_may_not_come_any_more(receiver: Role, message: bytes, reason: Reason) -> None:
    link = Link().connect()
    sender, target = (link.client, link.server) if receiver is Role.SERVER else (link.server, link.client)
    with pytest.raises(PeerMisbehaved) as caught:
        say(sender, target, message)
    assert caught.value.reason is reason
    with pytest.raises(AlertReceived) as told:
        sender.receive_data(target.data_to_send())
    assert told.value.description == AlertDescription.UNEXPECTED_MESSAGE


# Exporters


def test_exporters_agree() -> None:
    link = Link().connect()
    ours = link.client.export_keying_material(b"EXPORTER-test", b"context", 48)
    assert ours == link.server.export_keying_material(b"EXPORTER-test", b"context", 48)
    assert ours != link.client.export_keying_material(b"EXPORTER-test", b"other", 48)
    assert link.client.export_keying_material(b"x", None, 8) == link.client.export_keying_material(b"x", b"", 8)


def test_exporting_before_the_end_of_the_handshake_is_misuse() -> None:
    with pytest.raises(ApiMisuse) as caught:
        Connection(server_config()).export_keying_material(b"x", None, 16)
    assert caught.value.reason is Reason.HANDSHAKE_NOT_DONE
