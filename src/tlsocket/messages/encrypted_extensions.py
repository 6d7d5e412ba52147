"""EncryptedExtensions (RFC 9846 section 4.4.1). Whether the client asked for what is in it is checked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.extensions import EncryptedExtensionsExtensions
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["EncryptedExtensions"]


@dataclass(frozen=True, slots=True)
class EncryptedExtensions(HandshakeMessage):
    """The server's answers under protection.

    struct {
        Extension extensions<0..2^16-1>;
    } EncryptedExtensions;
    """

    extensions: EncryptedExtensionsExtensions

    msg_type: ClassVar[HandshakeType] = HandshakeType.ENCRYPTED_EXTENSIONS

    @classmethod
    def parse(cls, reader: Reader) -> EncryptedExtensions:
        """Read the message without its header."""
        return cls(EncryptedExtensionsExtensions.parse(reader))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        self.extensions.serialize(writer)
