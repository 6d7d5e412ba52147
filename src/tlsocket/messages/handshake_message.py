"""What all handshake messages share: the four-byte header (RFC 9846 section 4).

    struct {
        HandshakeType msg_type;    /* handshake type */
        uint24 length;             /* remaining bytes in message */
        select (Handshake.msg_type) { ... };
    } Handshake;

Each message has a module of its own; which bytes are which message is decided in `tlsocket.messages`.
"""

from __future__ import annotations

from typing import ClassVar

from tlsocket.registry import HandshakeType
from tlsocket.wire import Writer

__all__ = ["HandshakeMessage"]


class HandshakeMessage:
    """Base of the messages: inert values that know their encoding."""

    __slots__ = ()

    msg_type: ClassVar[HandshakeType]

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The whole message, header included: what the transcript hashes and a record carries."""
        writer = Writer()
        writer.u8(self.msg_type)
        with writer.block24():
            self.serialize(writer)
        return writer.getvalue()
