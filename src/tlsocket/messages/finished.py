"""Finished (RFC 9846 section 4.5.3). The comparison, constant in time, is the handshake's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["Finished"]


@dataclass(frozen=True, slots=True)
class Finished(HandshakeMessage):
    """Proof that an endpoint saw the same handshake and has its keys.

        struct {
            opaque verify_data[Hash.length];
        } Finished;

    The length is that of the suite's hash, which is not known here: all of the body is the field.
    """

    verify_data: bytes

    msg_type: ClassVar[HandshakeType] = HandshakeType.FINISHED

    @classmethod
    def parse(cls, reader: Reader) -> Finished:
        """Read the message without its header."""
        return cls(reader.rest())

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.raw(self.verify_data)

    def encode(self) -> bytes:
        """The whole message; one of the two that are new in every handshake, so without a writer."""
        return b"\x14" + len(self.verify_data).to_bytes(3, "big") + self.verify_data
