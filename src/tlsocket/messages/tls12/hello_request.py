"""HelloRequest (RFC 5246 section 7.4.1.1). It asks for a renegotiation, so no handshake of ours sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["HelloRequest"]


@dataclass(frozen=True, slots=True)
class HelloRequest(HandshakeMessage):
    """The server would like to negotiate anew.

    struct { } HelloRequest;
    """

    msg_type: ClassVar[HandshakeType] = HandshakeType.HELLO_REQUEST

    @classmethod
    def parse(cls, reader: Reader) -> HelloRequest:
        """Read the message without its header."""
        return cls()

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
