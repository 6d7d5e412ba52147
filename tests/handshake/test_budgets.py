"""Every budget: a connection at its limit goes on, one past it ends with the typed error and the alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from tests.handshake.support import Link, client_config, credential, server_config
from tlsocket import clock
from tlsocket.config import Budgets, ClientAuthentication, Credential
from tlsocket.connection import Connection
from tlsocket.errors import AlertReceived, PeerMisbehaved, Reason, TLSError, alert_for
from tlsocket.extensions import NewSessionTicketExtensions
from tlsocket.messages import NewSessionTicket
from tlsocket.registry import AlertDescription, ContentType

LONG = Credential(credential().certificate_chain * 5, credential().signer)
A = AlertDescription


def chain_of_five(limit: int) -> Link:
    return Link(client_config(budgets=Budgets(certificates=limit)), server_config(credentials=(LONG,))).run()


def bytes_of_handshake(limit: int) -> Link:
    return Link(client_config(budgets=Budgets(handshake_bytes=limit)), server_config(credentials=(LONG,))).run()


def one_message(limit: int) -> Link:
    return Link(client_config(budgets=Budgets(handshake_message=limit)), server_config(credentials=(LONG,))).run()


def messages_of_handshake(limit: int) -> Link:
    return Link(client_config(budgets=Budgets(handshake_messages=limit))).run()


def extensions_of_hello(limit: int) -> Link:
    return Link(server=server_config(budgets=Budgets(extensions=limit))).run()


def after(limits: Budgets, send: Callable[[Connection], None], count: int) -> Link:
    """Connected, then `send` on the server `count` times, the client limited."""
    link = Link(client_config(budgets=limits, post_handshake_auth=True), server_config()).connect()
    for _ in range(count):
        send(link.server)
        link.run()
    return link


TICKET = NewSessionTicket(60, 0, b"n", b"ticket", NewSessionTicketExtensions()).encode()


def empty_record(connection: Connection) -> None:
    connection.writer.queue(ContentType.APPLICATION_DATA, b"")


SIZES = {
    "certificates": (chain_of_five, 5, Reason.TOO_MANY_CERTIFICATES),
    "handshake_messages": (messages_of_handshake, 5, Reason.TOO_MANY_HANDSHAKE_BYTES),
}


@pytest.mark.parametrize("name", SIZES)
def test_at_the_limit_and_past_it(name: str) -> None:
    run, enough, reason = SIZES[name]
    within = run(enough)
    assert (within.client_error, within.server_error) == (None, None)
    beyond = run(enough - 1)
    assert isinstance(beyond.client_error, PeerMisbehaved)
    assert beyond.client_error.reason is reason
    assert isinstance(beyond.server_error, AlertReceived)
    assert beyond.server_error.description == alert_for(beyond.client_error)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (bytes_of_handshake, Reason.TOO_MANY_HANDSHAKE_BYTES),
        (one_message, Reason.HANDSHAKE_MESSAGE_TOO_LARGE),
    ],
)
def test_bytes(run: Callable[[int], Link], reason: Reason) -> None:
    assert run(64 * 1024).client_error is None
    failed = run(1500)
    assert isinstance(failed.client_error, PeerMisbehaved)
    assert failed.client_error.reason is reason
    assert isinstance(failed.server_error, AlertReceived)


def test_extensions_of_a_client_hello() -> None:
    assert extensions_of_hello(100).server_error is None
    failed = extensions_of_hello(3)
    assert isinstance(failed.server_error, PeerMisbehaved)
    assert failed.server_error.reason is Reason.TOO_MANY_EXTENSIONS
    assert isinstance(failed.client_error, AlertReceived)
    assert failed.client_error.description == A.ILLEGAL_PARAMETER


@pytest.mark.parametrize(
    ("limits", "send", "reason"),
    [
        (Budgets(key_updates=3), lambda s: s.update_keys(), Reason.TOO_MANY_KEY_UPDATES),
        (Budgets(tickets=3), lambda s: s.writer.queue(ContentType.HANDSHAKE, TICKET), Reason.TOO_MANY_TICKETS),
        (Budgets(empty_records=3), empty_record, Reason.TOO_MANY_EMPTY_RECORDS),
        (Budgets(warnings=3), lambda s: s.writer.queue(ContentType.ALERT, b"\x01\x5a"), Reason.TOO_MANY_WARNING_ALERTS),
    ],
)
def test_floods_after_the_handshake(limits: Budgets, send: Callable[[Connection], None], reason: Reason) -> None:
    assert after(limits, send, 3).client_error is None
    flooded = after(limits, send, 4)
    assert isinstance(flooded.client_error, PeerMisbehaved)
    assert flooded.client_error.reason is reason
    assert isinstance(flooded.server_error, AlertReceived)
    assert flooded.server_error.description == A.UNEXPECTED_MESSAGE


def test_key_updates_with_data_between_them_are_no_flood() -> None:
    def send(server: Connection) -> None:
        server.write(b"x")
        server.update_keys()

    link = Link(client_config(budgets=Budgets(key_updates=2))).connect()
    for _ in range(10):
        send(link.server)
        link.run()
        assert link.client.read() == b"x"
    assert link.client_error is None


def test_change_cipher_specs() -> None:
    for count, fails in ((3, False), (4, True)):
        link = Link(server=server_config(budgets=Budgets(change_cipher_specs=3)))
        link.client.start()
        link.server.receive_data(link.client.data_to_send())
        data = b"\x14\x03\x03\x00\x01\x01" * count
        if not fails:
            link.server.receive_data(data)
            continue
        with pytest.raises(PeerMisbehaved) as caught:
            link.server.receive_data(data)
        assert caught.value.reason is Reason.TOO_MANY_CHANGE_CIPHER_SPECS


# The time of a handshake


def test_a_handshake_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: time)
    link = Link(server=server_config(budgets=Budgets(handshake_seconds=5.0)))
    link.client.start()
    hello = link.client.data_to_send()
    for octet in hello[:20]:
        time += 0.2
        assert link.server.time_left() is not None
        link.server.receive_data(bytes((octet,)))
    time += 2
    with pytest.raises(PeerMisbehaved) as caught:
        link.server.receive_data(hello[20:21])
    assert caught.value.reason is Reason.HANDSHAKE_TIMED_OUT
    assert alert_for(caught.value) is A.HANDSHAKE_FAILURE
    with pytest.raises(TLSError):
        link.server.time_left()
    with pytest.raises(AlertReceived):
        link.client.receive_data(link.server.data_to_send())


def test_no_time_counts_after_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: time)
    limits: dict[str, Any] = {"budgets": Budgets(handshake_seconds=5.0)}
    link = Link(client_config(**limits), server_config(**limits)).connect()
    time += 1000
    assert link.client.time_left() is None
    link.client.write(b"x")
    link.server.receive_data(link.client.data_to_send())
    assert link.server.read() == b"x"


def test_every_budget_has_a_place_in_the_manual() -> None:
    from pathlib import Path

    import tlsocket

    page = (Path(tlsocket.__file__).parent / "manual" / "limits.md").read_text(encoding="utf-8")
    assert not [field.name for field in fields(Budgets) if f"`{field.name}`" not in page]
    assert ClientAuthentication.REQUIRED.value == "required"
