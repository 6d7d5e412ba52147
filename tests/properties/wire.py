"""A wire between two connections whose bytes a test may alter, and what must hold whatever it did to them.

`Wire` carries flights; an `Alter` decides what arrives in their place. After every delivery either nothing went wrong
or the receiver failed in the one allowed way (`check_failure`); `settle` ends the transport and looks at both ends.
Every loop here is bounded, so that a hang is a failure. Not here: the ways to alter (`tests.properties.damage`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.handshake.support import Link, client_config, credential, server_config
from tlsocket.config import ClientAuthentication, Role
from tlsocket.connection import Connection
from tlsocket.crypto.groups import SUPPORTED_GROUPS
from tlsocket.crypto.suites import PSK_SUITES
from tlsocket.errors import (
    AlertReceived,
    ApiMisuse,
    CertificateRejected,
    InternalError,
    InvalidMessage,
    PeerIncompatible,
    PeerMisbehaved,
    Reason,
    TLSError,
    Truncated,
    alert_for,
)
from tlsocket.events import AlertSent
from tlsocket.handshake.session_caches import ServerSessionCache
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.key_schedule.external_psk import PreSharedKey

STEPS = 40
"""Flights that a handshake of ours never needs, whatever happens to it."""

BLAMES_THE_PEER = (AlertReceived, CertificateRejected, InvalidMessage, PeerIncompatible, PeerMisbehaved, Truncated)
"""What a peer's bytes may cause; `InternalError` and `ApiMisuse` would blame ourselves."""

Alter = Callable[[Role, int, bytes], Iterable[bytes]]
"""alter(sender, number of its flight, the flight): the pieces that arrive, each in a call of its own."""

_KEY = PreSharedKey(b"device", b"key" * 8)
_TICKETS = TicketKeys()


def _resumed(**stores: Any) -> Link:
    """A handshake of TLS 1.2 that resumes the session of another."""
    client = client_config(maximum_version=0x0303)
    server = server_config(**stores)
    again = Link(client, server)
    again.client.use_session(Link(client, server).connect().client.tickets[0])
    return again


SETUPS: dict[str, Callable[[], Link]] = {
    "plain": lambda: Link(),
    "client certificate": lambda: Link(
        client_config(credentials=(credential(host="client"),)),
        server_config(client_authentication=ClientAuthentication.REQUIRED),
    ),
    "declined": lambda: Link(server=server_config(client_authentication=ClientAuthentication.OPTIONAL)),
    "retry": lambda: Link(client_config(key_share_groups=()), server_config(groups=SUPPORTED_GROUPS[1:])),
    "cookie and certificate": lambda: Link(
        client_config(key_share_groups=(), credentials=(credential(host="client"),)),
        server_config(use_cookie=True, client_authentication=ClientAuthentication.OPTIONAL),
    ),
    "TLS 1.2": lambda: Link(client_config(maximum_version=0x0303)),
    "TLS 1.2 with client certificate": lambda: Link(
        client_config(credentials=(credential("rsa-2048", host="client"),)),
        server_config(
            credentials=(credential("rsa-2048"),),
            client_authentication=ClientAuthentication.REQUIRED,
            maximum_version=0x0303,
        ),
    ),
    "TLS 1.2 declined": lambda: Link(
        server=server_config(client_authentication=ClientAuthentication.OPTIONAL, maximum_version=0x0303)
    ),
    "TLS 1.2 resumed by ticket": lambda: _resumed(ticket_store=_TICKETS, tls12_tickets=True),
    "TLS 1.2 resumed by session id": lambda: _resumed(session_ids=ServerSessionCache()),
    "TLS 1.2 with a new ticket": lambda: Link(
        client_config(maximum_version=0x0303), server_config(ticket_store=_TICKETS, tls12_tickets=True)
    ),
    "TLS 1.2 with a pre-shared key": lambda: Link(
        client_config(maximum_version=0x0303, tls12_cipher_suites=PSK_SUITES, choose_psk=lambda _name, _hint: _KEY),
        server_config(credentials=(), tls12_cipher_suites=PSK_SUITES, find_psk=lambda _identity: _KEY),
    ),
    "not compatible": lambda: Link(
        client_config(middlebox_compatibility=False), server_config(middlebox_compatibility=False)
    ),
}
"""Handshakes of each shape, not yet started."""

SAMPLED = frozenset(name for name in SETUPS if "resumed" in name or "ticket" in name or "pre-shared" in name)
"""Those that are played where setups are drawn by lot, and not at every byte in the short run."""


def unaltered(_sender: Role, _number: int, flight: bytes) -> Iterable[bytes]:
    """What an honest network does."""
    return (flight,)


class Wire:
    """Carries what the two ends of a `Link` say through an `Alter`."""

    def __init__(self, link: Link, alter: Alter = unaltered) -> None:
        self.link = link
        self.alter = alter
        self.errors: dict[Role, TLSError] = {}
        self._numbers = {Role.CLIENT: 0, Role.SERVER: 0}
        self._waiting = {Role.CLIENT: b"", Role.SERVER: b""}

    @property
    def ends(self) -> tuple[tuple[Connection, Connection], tuple[Connection, Connection]]:
        """(sender, receiver), in both directions."""
        return (self.link.client, self.link.server), (self.link.server, self.link.client)

    def run(self) -> Wire:
        """From the ClientHello on, until nobody has anything more to say."""
        self.link.client.start()
        for _ in range(STEPS):
            moved = [self.carry(sender, receiver) for sender, receiver in self.ends]
            if not any(moved):
                return self
        raise AssertionError("the two never stop talking")

    def carry(self, sender: Connection, receiver: Connection) -> bool:
        """Carry what `sender` has to say; whether it had anything."""
        flight = self._waiting[sender.role] + sender.data_to_send()
        self._waiting[sender.role] = b""
        if not flight:
            return False
        number = self._numbers[sender.role]
        self._numbers[sender.role] += 1
        for piece in self.alter(sender.role, number, flight):
            self.deliver(receiver, piece)
        return True

    def deliver(self, receiver: Connection, piece: bytes) -> None:
        """Feed one piece. An error is checked, remembered, and the last thing that the receiver hears."""
        if receiver.error is not None:
            return
        try:
            receiver.receive_data(piece)
        except BLAMES_THE_PEER as error:
            self._note(receiver, error)

    def settle(self) -> Wire:
        """End the transport, and look at both ends: `whole`, or an error of the right kind at one of them."""
        for end in (self.link.client, self.link.server):
            if end.error is None and not end.handshake_complete:
                try:
                    end.receive_eof()
                except Truncated as error:
                    self._note(end, error)
        assert self.errors or self.whole, "no error, and no handshake"
        if not self.errors:
            check_agreement(self.link)
            self._exchange()
        return self

    def _exchange(self) -> None:
        """Data crosses, unless what was added behind a flight is in its way."""
        for sender, receiver in self.ends:
            sender.write(b"data")
            self.deliver(receiver, sender.data_to_send())
            assert receiver.role in self.errors or receiver.read() in (b"data", None)
            if self.errors:
                return

    @property
    def whole(self) -> bool:
        """Whether both handshakes are complete and nobody has complained since."""
        return self.link.client.handshake_complete and self.link.server.handshake_complete and not self.errors

    def _note(self, end: Connection, error: TLSError) -> None:
        assert end.role not in self.errors, "a second error"
        self.errors[end.role] = error
        events = self.link.client_events if end is self.link.client else self.link.server_events
        self._waiting[end.role] += check_failure(end, error, events)


def check_failure(end: Connection, error: TLSError, events: list[Any]) -> bytes:
    """The one way to fail: a typed error that stays, its alert queued, nothing more; returns what is to be sent."""
    assert not isinstance(error, ApiMisuse | InternalError)
    assert isinstance(error.reason, Reason)
    assert str(error).startswith(error.reason.value)
    alert = alert_for(error)
    output = end.data_to_send()
    sent = [event for event in events if isinstance(event, AlertSent)]
    if alert is None:
        assert not sent
    else:
        assert [event.description for event in sent] == [alert]
        # In plaintext, or sealed: then it is as long as the alert, its inner type, and a tag.
        record = (split_records(output) or [b""])[-1]
        # In TLS 1.2 the type stands outside, and AES-GCM adds the explicit nonce.
        sealed = record[:5] in (b"\x17\x03\x03\x00\x13", b"\x15\x03\x03\x00\x1a")
        assert sealed or record == b"\x15\x03\x03\x00\x02\x02" + bytes([alert])
    check_same_again(end, error)
    assert end.data_to_send() == b""
    return output


def check_same_again(end: Connection, error: TLSError) -> None:
    """Every later call raises an error equal to the first."""
    for call in (
        end.start,
        end.read,
        end.receive_eof,
        lambda: end.receive_data(b"\x16\x03\x03\x00\x01\x00"),
        lambda: end.write(b"x"),
        lambda: end.resume(None),
        end.update_keys,
        lambda: end.export_keying_material(b"x", None, 16),
        end.read,
    ):
        with pytest.raises(type(error)) as again:
            call()
        assert type(again.value) is type(error)
        assert (again.value.reason, str(again.value)) == (error.reason, str(error))
    end.close()
    assert repr(end).endswith("failed>")


def check_agreement(link: Link) -> None:
    """Both ends know the same."""
    client, server = link.client, link.server
    assert client.negotiated is not None
    assert server.negotiated is not None
    agreed = [
        (one.version, one.cipher_suite, one.group, one.alpn, one.server_name)
        for one in (client.negotiated, server.negotiated)
    ]
    assert agreed[0] == agreed[1]
    assert client.peer_certificates == server.negotiated.own_certificates
    assert server.peer_certificates == client.negotiated.own_certificates
    exported = [end.export_keying_material(b"EXPORTER-test", None, 32) for end in (client, server)]
    assert exported[0] == exported[1]


def check_established(link: Link) -> None:
    """Both ends know the same, and data crosses both ways."""
    check_agreement(link)
    for sender, receiver in ((link.client, link.server), (link.server, link.client)):
        sender.write(b"from " + sender.role.value.encode())
        receiver.receive_data(sender.data_to_send())
        assert receiver.read() == b"from " + sender.role.value.encode()


def split_records(stream: bytes) -> list[bytes]:
    """The records in `stream`, headers included; a partial one is the last."""
    records = []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        records.append(stream[:end])
        stream = stream[end:]
    return records
