"""NewSessionTicket of TLS 1.3 (RFC 9846 section 4.7.1). That of TLS 1.2 has another layout and is not read here.

How long a ticket is kept, and the pre-shared key it stands for, are matters of the handshake.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tlsocket.extensions import NewSessionTicketExtensions
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["NewSessionTicket"]


@dataclass(frozen=True, slots=True)
class NewSessionTicket(HandshakeMessage):
    """A ticket with which the client may resume the session.

        struct {
            uint32 ticket_lifetime;
            uint32 ticket_age_add;
            opaque ticket_nonce<0..255>;
            opaque ticket<1..2^16-1>;
            Extension extensions<0..2^16-1>;
        } NewSessionTicket;

    What tells one connection of a client from another's is kept out of the `repr`.
    """

    ticket_lifetime: int
    ticket_age_add: int = field(repr=False)
    ticket_nonce: bytes = field(repr=False)
    ticket: bytes = field(repr=False)
    extensions: NewSessionTicketExtensions

    msg_type: ClassVar[HandshakeType] = HandshakeType.NEW_SESSION_TICKET

    @classmethod
    def parse(cls, reader: Reader) -> NewSessionTicket:
        """Read the message without its header."""
        return cls(
            reader.u32("NewSessionTicket.ticket_lifetime"),
            reader.u32("NewSessionTicket.ticket_age_add"),
            reader.opaque8("NewSessionTicket.ticket_nonce"),
            reader.opaque16("NewSessionTicket.ticket", 1),
            NewSessionTicketExtensions.parse(reader),
        )

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u32(self.ticket_lifetime)
        writer.u32(self.ticket_age_add)
        writer.opaque8(self.ticket_nonce)
        writer.opaque16(self.ticket)
        self.extensions.serialize(writer)
