"""ClientKeyExchange with ECDHE (RFC 8422 section 5.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["ClientKeyExchange"]


@dataclass(frozen=True, slots=True)
class ClientKeyExchange(HandshakeMessage):
    """The client's half of the key exchange.

    struct {
        opaque ecdh_Yc<1..2^8-1>;
    } ClientKeyExchange;
    """

    ecdh_yc: bytes

    msg_type: ClassVar[HandshakeType] = HandshakeType.CLIENT_KEY_EXCHANGE

    @classmethod
    def parse(cls, reader: Reader) -> ClientKeyExchange:
        """Read the message without its header."""
        return cls(reader.opaque8("ClientKeyExchange.ecdh_Yc", 1))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.opaque8(self.ecdh_yc)
