"""ServerHelloDone (RFC 5246 section 7.4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["ServerHelloDone"]


@dataclass(frozen=True, slots=True)
class ServerHelloDone(HandshakeMessage):
    """The server has said all that it says before the client's key.

    struct { } ServerHelloDone;
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.SERVER_HELLO_DONE

    @classmethod
    def parse(cls, reader: Reader) -> ServerHelloDone:
        """Read the message without its header."""
        return cls()

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
