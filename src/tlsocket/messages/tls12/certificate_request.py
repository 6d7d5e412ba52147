"""CertificateRequest of TLS 1.2 (RFC 5246 section 7.4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.errors import InvalidMessage, Reason
from tlsocket.extensions import is_distinguished_name
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["Tls12CertificateRequest"]


@dataclass(frozen=True, slots=True)
class Tls12CertificateRequest(HandshakeMessage):
    """The server asks for the client's certificate.

        enum { rsa_sign(1), ecdsa_sign(64), (255) } ClientCertificateType;
        opaque DistinguishedName<1..2^16-1>;

        struct {
            ClientCertificateType certificate_types<1..2^8-1>;
            SignatureAndHashAlgorithm supported_signature_algorithms<2..2^16-2>;
            DistinguishedName certificate_authorities<0..2^16-1>;
        } CertificateRequest;

    The names stay DER, checked only to be one SEQUENCE each.
    """

    certificate_types: bytes
    supported_signature_algorithms: tuple[int, ...]
    certificate_authorities: tuple[bytes, ...] = ()

    msg_type: ClassVar[HandshakeType] = HandshakeType.CERTIFICATE_REQUEST

    @classmethod
    def parse(cls, reader: Reader) -> Tls12CertificateRequest:
        """Read the message without its header."""
        types = reader.opaque8("CertificateRequest.certificate_types", 1)
        schemes = reader.u16_vector16("CertificateRequest.supported_signature_algorithms", 2)
        window = reader.sub16("CertificateRequest.certificate_authorities")
        names = []
        while window.position != window.end:
            name = window.opaque16("DistinguishedName", 1)
            if not is_distinguished_name(name):
                raise InvalidMessage(Reason.INVALID_DISTINGUISHED_NAME, "CertificateRequest.certificate_authorities")
            names.append(name)
        return cls(types, schemes, tuple(names))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.opaque8(self.certificate_types)
        writer.u16_vector16(self.supported_signature_algorithms)
        with writer.block16():
            for name in self.certificate_authorities:
                writer.opaque16(name)
