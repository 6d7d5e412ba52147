"""ServerHello and HelloRetryRequest (RFC 9846 sections 4.2.3 and 4.2.4).

Both have one handshake type and one layout; the random tells them apart. Whether the answer fits the offer is
checked in the handshake. The ServerHello of TLS 1.2 is read too, so that the handshake can say what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.extensions import HelloRetryRequestExtensions, ServerHelloExtensions
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = [
    "DOWNGRADE_TO_TLS_1_1",
    "DOWNGRADE_TO_TLS_1_2",
    "HELLO_RETRY_REQUEST_RANDOM",
    "HelloRetryRequest",
    "ServerHello",
    "parse_server_hello",
]

HELLO_RETRY_REQUEST_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""SHA-256 of "HelloRetryRequest": the random of a ServerHello that is none (RFC 9846 section 4.2.3)."""

DOWNGRADE_TO_TLS_1_2 = b"DOWNGRD\x01"
"""Last eight bytes of the random of a TLS 1.3 server that negotiated TLS 1.2 (RFC 9846 section 4.2.3)."""

DOWNGRADE_TO_TLS_1_1 = b"DOWNGRD\x00"
"""The same for TLS 1.1 and below."""

_NO_EXTENSIONS = ServerHelloExtensions()


@dataclass(frozen=True, slots=True)
class ServerHello(HandshakeMessage):
    """The server's choice.

        struct {
            ProtocolVersion legacy_version = 0x0303;    /* TLS v1.2 */
            Random random;
            opaque legacy_session_id_echo<0..32>;
            CipherSuite cipher_suite;
            uint8 legacy_compression_method = 0;
            Extension extensions<6..2^16-1>;
        } ServerHello;

    A server of TLS 1.2 may leave the extensions out; the block is empty then, and is not written when it is empty.
    """

    legacy_version: int
    random: bytes
    legacy_session_id_echo: bytes
    cipher_suite: int
    legacy_compression_method: int = 0
    extensions: ServerHelloExtensions = _NO_EXTENSIONS

    msg_type: ClassVar[HandshakeType] = HandshakeType.SERVER_HELLO

    @classmethod
    def parse(cls, reader: Reader) -> ServerHello:
        """Read the message without its header; see `parse_server_hello`."""
        return cls(
            reader.u16("ServerHello.legacy_version"),
            reader.take(32, "ServerHello.random"),
            reader.opaque8("ServerHello.legacy_session_id_echo", 0, 32),
            reader.u16("ServerHello.cipher_suite"),
            reader.u8("ServerHello.legacy_compression_method"),
            _NO_EXTENSIONS if reader.at_end else ServerHelloExtensions.parse(reader),
        )

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u16(self.legacy_version)
        writer.raw(self.random)
        writer.opaque8(self.legacy_session_id_echo)
        writer.u16(self.cipher_suite)
        writer.u8(self.legacy_compression_method)
        if self.extensions.present:
            self.extensions.serialize(writer)


@dataclass(frozen=True, slots=True)
class HelloRetryRequest(HandshakeMessage):
    """The server's wish for another ClientHello: a ServerHello with a random of its own (the struct is there)."""

    legacy_version: int
    random: bytes
    legacy_session_id_echo: bytes
    cipher_suite: int
    legacy_compression_method: int
    extensions: HelloRetryRequestExtensions

    msg_type: ClassVar[HandshakeType] = HandshakeType.SERVER_HELLO

    @classmethod
    def parse(cls, reader: Reader) -> HelloRetryRequest:
        """Read the message without its header; see `parse_server_hello`."""
        return cls(
            reader.u16("HelloRetryRequest.legacy_version"),
            reader.take(32, "HelloRetryRequest.random"),
            reader.opaque8("HelloRetryRequest.legacy_session_id_echo", 0, 32),
            reader.u16("HelloRetryRequest.cipher_suite"),
            reader.u8("HelloRetryRequest.legacy_compression_method"),
            HelloRetryRequestExtensions.parse(reader),
        )

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u16(self.legacy_version)
        writer.raw(self.random)
        writer.opaque8(self.legacy_session_id_echo)
        writer.u16(self.cipher_suite)
        writer.u8(self.legacy_compression_method)
        self.extensions.serialize(writer)


def parse_server_hello(reader: Reader) -> ServerHello | HelloRetryRequest:
    """Read a message of type server_hello, whichever of the two it is.

    RFC 9846 section 4.2.3: "implementations MUST first examine the Random value and, if it matches this value, process
    it as described in section 4.2.4".
    """
    # legacy_version takes the two bytes before the random.
    if reader.data.startswith(HELLO_RETRY_REQUEST_RANDOM, reader.position + 2, reader.end):
        return HelloRetryRequest.parse(reader)
    return ServerHello.parse(reader)
