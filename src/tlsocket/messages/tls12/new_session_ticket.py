"""NewSessionTicket of TLS 1.2 (RFC 5077 section 3.3). What is sealed in a ticket is a matter of the handshake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["Tls12NewSessionTicket"]


@dataclass(frozen=True, slots=True)
class Tls12NewSessionTicket(HandshakeMessage):
    """A ticket with which the client may resume the session; an empty one says that there is none after all.

    struct {
        uint32 ticket_lifetime_hint;
        opaque ticket<0..2^16-1>;
    } NewSessionTicket;
    """

    ticket_lifetime_hint: int
    ticket: bytes = field(repr=False)

    msg_type: ClassVar[HandshakeType] = HandshakeType.NEW_SESSION_TICKET

    @classmethod
    def parse(cls, reader: Reader) -> Tls12NewSessionTicket:
        """Read the message without its header."""
        return cls(reader.u32("NewSessionTicket.ticket_lifetime_hint"), reader.opaque16("NewSessionTicket.ticket"))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u32(self.ticket_lifetime_hint)
        writer.opaque16(self.ticket)
