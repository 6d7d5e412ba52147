"""ServerHello of TLS 1.2 (RFC 5246 section 7.4.1.3). Its layout is that of TLS 1.3; what may stand in it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.extensions import Tls12ServerHelloExtensions
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["Tls12ServerHello"]

_NO_EXTENSIONS = Tls12ServerHelloExtensions()


@dataclass(frozen=True, slots=True)
class Tls12ServerHello(HandshakeMessage):
    """The server's choice.

        struct {
            ProtocolVersion server_version;
            Random random;
            SessionID session_id;
            CipherSuite cipher_suite;
            CompressionMethod compression_method;
            select (extensions_present) {
                case false:
                    struct {};
                case true:
                    Extension extensions<0..2^16-1>;
            };
        } ServerHello;

    An empty block is not written.
    """

    server_version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int = 0
    extensions: Tls12ServerHelloExtensions = _NO_EXTENSIONS

    msg_type: ClassVar[HandshakeType] = HandshakeType.SERVER_HELLO

    @classmethod
    def parse(cls, reader: Reader) -> Tls12ServerHello:
        """Read the message without its header."""
        return cls(
            reader.u16("ServerHello.server_version"),
            reader.take(32, "ServerHello.random"),
            reader.opaque8("ServerHello.session_id", 0, 32),
            reader.u16("ServerHello.cipher_suite"),
            reader.u8("ServerHello.compression_method"),
            _NO_EXTENSIONS if reader.at_end else Tls12ServerHelloExtensions.parse(reader),
        )

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u16(self.server_version)
        writer.raw(self.random)
        writer.opaque8(self.session_id)
        writer.u16(self.cipher_suite)
        writer.u8(self.compression_method)
        if self.extensions.present:
            self.extensions.serialize(writer)
