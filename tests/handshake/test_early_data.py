"""Early data that a server does not accept (RFC 9846 section 4.3.10): skipped, within a budget, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.handshake.support import Link, client_config, server_config
from tests.handshake.test_resumption import Pair
from tlsocket import record
from tlsocket.config import Budgets
from tlsocket.connection import Connection
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import AlertReceived, Reason, TLSError
from tlsocket.handshake import client_hello
from tlsocket.key_schedule import TrafficSecret
from tlsocket.registry import AlertDescription, NamedGroup

RETRY = {"groups": (NamedGroup.SECP256R1,)}
REJECTIONS = pytest.mark.parametrize("changes", [{}, RETRY], ids=["rejection", "HelloRetryRequest"])


def early_records(count: int = 1, size: int = 100) -> bytes:
    """Records of application data under a key that the server does not have."""
    writer = record.RecordWriter()
    writer.queue_key(record.protection_for(TrafficSecret(TLS13_SUITES[0x1301], b"early" * 6 + b"xx")))
    sealed = []
    for _ in range(count):
        writer.queue(23, bytes(size))
        sealed.append(writer.data_to_send())
    return b"".join(sealed)


@pytest.fixture
def offering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients offer early_data in their first ClientHello."""
    template_of = client_hello._template

    def with_early_data(config: Any, name: str | None) -> Any:
        template = template_of(config, name)
        hello = replace(template.hello, extensions=replace(template.hello.extensions, early_data=True))
        encoded = hello.encode()
        (entry,) = hello.extensions.key_share or ()
        start = encoded.index(entry.key_exchange)
        place = slice(start, start + len(entry.key_exchange))
        # The second ClientHello is made of `template.hello`, and has none.
        return replace(template, encoded=encoded, share_places=(place,))

    monkeypatch.setattr(client_hello, "_template", with_early_data)


def client(groups: tuple[int, ...] = (NamedGroup.X25519, NamedGroup.SECP256R1)) -> Any:
    """One share only, so that the fixture finds it."""
    return client_config(groups=groups)


def first_flight(link: Link, early: bytes) -> None:
    """ClientHello and early data, in pieces of any size."""
    link.client.start()
    data = link.client.data_to_send() + early
    for start in range(0, len(data), 700):
        link.server.receive_data(data[start : start + 700])


@REJECTIONS
@pytest.mark.parametrize(("count", "size"), [(1, 1), (1, 16384), (40, 300), (3, 0)])
@pytest.mark.usefixtures("offering")
def test_early_data_is_skipped(changes: dict[str, Any], count: int, size: int) -> None:
    link = Link(client(), server_config(**changes))
    first_flight(link, early_records(count, size))
    link.connect()
    link.client.write(b"at last")
    link.server.receive_data(link.client.data_to_send())
    assert link.server.read() == b"at last"
    assert link.server.reader.early_data_left == -1


@REJECTIONS
@pytest.mark.usefixtures("offering")
def test_of_a_resumed_session_too(changes: dict[str, Any]) -> None:
    pair = Pair()
    pair.client |= {"groups": (NamedGroup.X25519, NamedGroup.SECP256R1)}
    session = pair.session()
    pair.server |= changes
    link = Link(client_config(**pair.client), server_config(**pair.server))
    link.client.use_session(session)
    first_flight(link, early_records(2))
    link.connect()
    assert link.server.negotiated is not None
    assert link.server.negotiated.resumed


@REJECTIONS
@pytest.mark.usefixtures("offering")
def test_more_than_the_budget_is_refused(changes: dict[str, Any]) -> None:
    link = Link(client(), server_config(budgets=Budgets(early_data_skipped=1000), **changes))
    first_flight(link, early_records(1, 900))
    link.connect()
    link = Link(client(), server_config(budgets=Budgets(early_data_skipped=1000), **changes))
    with pytest.raises(TLSError) as caught:
        first_flight(link, early_records(2, 900))
    assert caught.value.reason is Reason.TOO_MUCH_EARLY_DATA
    link.run()
    assert isinstance(link.client_error, AlertReceived)
    assert link.client_error.description == AlertDescription.UNEXPECTED_MESSAGE


@pytest.mark.usefixtures("offering")
def test_skipping_ends_with_the_first_record_that_opens() -> None:
    link = Link(client(), server_config()).connect()
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(early_records())
    assert caught.value.reason is Reason.BAD_RECORD_MAC


@pytest.mark.usefixtures("offering")
def test_skipping_ends_with_the_second_client_hello() -> None:
    link = Link(client(), server_config(**RETRY))
    first_flight(link, early_records())
    link.client.receive_data(link.server.data_to_send())
    link.server.receive_data(link.client.data_to_send())
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(early_records())
    assert caught.value.reason is Reason.BAD_RECORD_MAC


@REJECTIONS
def test_what_was_not_announced_is_not_skipped(changes: dict[str, Any]) -> None:
    link = Link(client(), server_config(**changes))
    with pytest.raises(TLSError) as caught:
        first_flight(link, early_records())
    assert caught.value.reason is (Reason.UNEXPECTED_APPLICATION_DATA if changes else Reason.BAD_RECORD_MAC)


@pytest.mark.usefixtures("offering")
def test_early_data_inside_a_handshake_message_is_no_early_data() -> None:
    """A message that began may not be interrupted by something else (RFC 9846 section 5.1)."""
    link = Link(client(), server_config(**RETRY))
    first_flight(link, b"")
    link.client.receive_data(link.server.data_to_send())
    second = link.client.data_to_send()
    at = second.index(b"\x16\x03\x03")
    part = b"\x16\x03\x03\x00\x20" + second[at + 5 : at + 37]
    link.server.receive_data(second[:at] + part)
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(early_records())
    assert caught.value.reason is Reason.INTERLEAVED_HANDSHAKE


def test_the_budget_is_a_setting() -> None:
    """And belongs to servers; a client's reader never skips."""
    assert Budgets().early_data_skipped == 20480
    assert Connection(client_config(check_name=False)).reader.early_data_left == -1
