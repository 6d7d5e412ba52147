"""Certificate of TLS 1.2 (RFC 5246 sections 7.4.2 and 7.4.6): the certificates alone, without extensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["Tls12Certificate"]


@dataclass(frozen=True, slots=True)
class Tls12Certificate(HandshakeMessage):
    """An endpoint's certificate chain, DER, leaf first; a client that has none to show sends an empty list.

    opaque ASN.1Cert<1..2^24-1>;

    struct {
        ASN.1Cert certificate_list<0..2^24-1>;
    } Certificate;
    """

    certificate_list: tuple[bytes, ...]

    msg_type: ClassVar[HandshakeType] = HandshakeType.CERTIFICATE

    @classmethod
    def parse(cls, reader: Reader) -> Tls12Certificate:
        """Read the message without its header."""
        entries = reader.sub24("Certificate.certificate_list")
        certificate_list = []
        while entries.position != entries.end:
            certificate_list.append(entries.opaque24("ASN.1Cert", 1))
        return cls(tuple(certificate_list))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        with writer.block24():
            for certificate in self.certificate_list:
                writer.opaque24(certificate)
