"""KeyUpdate (RFC 9846 section 4.7.3). When keys change, and how often, is not decided here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.errors import PeerMisbehaved, Reason
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["KeyUpdate"]


@dataclass(frozen=True, slots=True)
class KeyUpdate(HandshakeMessage):
    """The sender's keys change behind this message.

        enum {
            update_not_requested(0), update_requested(1), (255)
        } KeyUpdateRequest;

        struct {
            KeyUpdateRequest request_update;
        } KeyUpdate;

    "If an implementation receives any other value, it MUST terminate the connection with an "illegal_parameter"
    alert."
    """

    request_update: bool

    msg_type: ClassVar[HandshakeType] = HandshakeType.KEY_UPDATE

    @classmethod
    def parse(cls, reader: Reader) -> KeyUpdate:
        """Read the message without its header."""
        value = reader.u8("KeyUpdate.request_update")
        if value > 1:
            raise PeerMisbehaved(Reason.KEY_UPDATE_VALUE, str(value))
        return cls(value == 1)

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u8(1 if self.request_update else 0)
