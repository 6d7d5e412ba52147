"""Certificate of TLS 1.3 (RFC 9846 section 4.5.1). That of TLS 1.2 has another layout and is not read here.

The certificates stay DER: parsing them is for `tlsocket.crypto.certificates`, judging them for `tlsocket.pki`.
How many a peer may send is a budget of the handshake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tlsocket.extensions import CertificateEntryExtensions
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["Certificate", "CertificateEntry"]

_NO_EXTENSIONS = CertificateEntryExtensions()


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """One certificate of the chain.

    struct {
        select (certificate_type) {
            case RawPublicKey:
              /* From RFC 7250 ASN.1_subjectPublicKeyInfo */
              opaque ASN1_subjectPublicKeyInfo<1..2^24-1>;

            case X509:
              opaque cert_data<1..2^24-1>;
        };
        Extension extensions<0..2^16-1>;
    } CertificateEntry;
    """

    cert_data: bytes
    extensions: CertificateEntryExtensions = _NO_EXTENSIONS

    @classmethod
    def parse(cls, reader: Reader) -> CertificateEntry:
        """Read one entry."""
        return cls(reader.opaque24("CertificateEntry.cert_data", 1), CertificateEntryExtensions.parse(reader))

    def serialize(self, writer: Writer) -> None:
        """Write one entry."""
        writer.opaque24(self.cert_data)
        self.extensions.serialize(writer)


@dataclass(frozen=True, slots=True)
class Certificate(HandshakeMessage):
    """An endpoint's certificate chain; a client that has none to show sends an empty list.

    struct {
        opaque certificate_request_context<0..2^8-1>;
        CertificateEntry certificate_list<0..2^24-1>;
    } Certificate;
    """

    certificate_request_context: bytes
    certificate_list: tuple[CertificateEntry, ...]

    msg_type: ClassVar[HandshakeType] = HandshakeType.CERTIFICATE

    @classmethod
    def parse(cls, reader: Reader) -> Certificate:
        """Read the message without its header."""
        context = reader.opaque8("Certificate.certificate_request_context")
        entries = reader.sub24("Certificate.certificate_list")
        certificate_list = []
        while entries.position != entries.end:
            certificate_list.append(CertificateEntry.parse(entries))
        return cls(context, tuple(certificate_list))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.opaque8(self.certificate_request_context)
        with writer.block24():
            for entry in self.certificate_list:
                entry.serialize(writer)
