"""EncryptedExtensions (RFC 9846 section 4.4.1). Whether the client asked for what is in it is checked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.extensions import EncryptedExtensionsExtensions
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["EncryptedExtensions"]


# A server says the same to all of its clients, so what was parsed is kept. Strangers fill it, hence the bounds.
_KEPT = 64
_KEPT_BYTES = 256
_known: dict[bytes, EncryptedExtensions] = {}


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
        body = reader.data[reader.position : reader.end]
        known = _known.get(body)
        if known is not None:
            reader.position = reader.end
            return known
        message = cls(EncryptedExtensionsExtensions.parse(reader))
        if reader.at_end and len(body) <= _KEPT_BYTES:
            if len(_known) >= _KEPT:
                _known.clear()
            _known[body] = message
        return message

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        self.extensions.serialize(writer)
