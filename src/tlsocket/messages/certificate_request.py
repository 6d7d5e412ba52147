"""CertificateRequest of TLS 1.3 (RFC 9846 section 4.4.2). That of TLS 1.2 has another layout and is not read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.extensions import CertificateRequestExtensions
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["CertificateRequest"]


@dataclass(frozen=True, slots=True)
class CertificateRequest(HandshakeMessage):
    """The server asks for the client's certificate.

    struct {
        opaque certificate_request_context<0..2^8-1>;
        Extension extensions<0..2^16-1>;
    } CertificateRequest;
    """

    certificate_request_context: bytes
    extensions: CertificateRequestExtensions

    msg_type: ClassVar[HandshakeType] = HandshakeType.CERTIFICATE_REQUEST

    @classmethod
    def parse(cls, reader: Reader) -> CertificateRequest:
        """Read the message without its header."""
        return cls(
            reader.opaque8("CertificateRequest.certificate_request_context"),
            CertificateRequestExtensions.parse(reader),
        )

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.opaque8(self.certificate_request_context)
        self.extensions.serialize(writer)
