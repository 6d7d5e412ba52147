"""CertificateVerify (RFC 9846 section 4.5.2). What is signed is put together in the handshake."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import ClassVar

from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["CertificateVerify"]

_pack_header = Struct(">IHH").pack


@dataclass(frozen=True, slots=True)
class CertificateVerify(HandshakeMessage):
    """Proof that an endpoint has the private key of its certificate.

    struct {
        SignatureScheme algorithm;
        opaque signature<0..2^16-1>;
    } CertificateVerify;
    """

    algorithm: int
    signature: bytes

    msg_type: ClassVar[HandshakeType] = HandshakeType.CERTIFICATE_VERIFY

    @classmethod
    def parse(cls, reader: Reader) -> CertificateVerify:
        """Read the message without its header."""
        return cls(reader.u16("CertificateVerify.algorithm"), reader.opaque16("CertificateVerify.signature"))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u16(self.algorithm)
        writer.opaque16(self.signature)

    def encode(self) -> bytes:
        """The whole message; one of the two that are new in every handshake, so without a writer."""
        length = len(self.signature)
        try:
            return _pack_header(0x0F << 24 | length + 4, self.algorithm, length) + self.signature
        except struct_error:
            return HandshakeMessage.encode(self)
