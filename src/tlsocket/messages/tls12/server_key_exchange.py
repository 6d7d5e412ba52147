"""ServerKeyExchange with ECDHE (RFC 8422 section 5.4). What is signed is put together in the handshake."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar

from tlsocket.errors import PeerMisbehaved, Reason
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.registry.ec_curve_types import ECCurveType
from tlsocket.wire import Reader, Writer

__all__ = ["ServerKeyExchange"]

_pack_params = Struct(">BHB").pack


@dataclass(frozen=True, slots=True)
class ServerKeyExchange(HandshakeMessage):
    """The server's half of the key exchange, signed with the key of its certificate.

        struct {
            ECCurveType curve_type;    /* named_curve */
            NamedCurve namedcurve;
        } ECParameters;

        struct {
            ECParameters curve_params;
            opaque point<1..2^8-1>;
        } ServerECDHParams;

        struct {
            ServerECDHParams params;
            SignatureAndHashAlgorithm algorithm;
            opaque signature<0..2^16-1>;
        } ServerKeyExchange;

    A curve that is spelled out instead of named is an illegal_parameter: nobody may use one (RFC 8422 section 5.4).
    """

    named_curve: int
    point: bytes
    algorithm: int
    signature: bytes

    msg_type: ClassVar[HandshakeType] = HandshakeType.SERVER_KEY_EXCHANGE

    @property
    def params(self) -> bytes:
        """ServerECDHParams, encoded: what is signed behind the two randoms."""
        return _pack_params(ECCurveType.NAMED_CURVE, self.named_curve, len(self.point)) + self.point

    @classmethod
    def parse(cls, reader: Reader) -> ServerKeyExchange:
        """Read the message without its header."""
        curve_type = reader.u8("ECParameters.curve_type")
        if curve_type != ECCurveType.NAMED_CURVE:
            raise PeerMisbehaved(Reason.CURVE_NOT_NAMED, str(curve_type))
        return cls(
            reader.u16("ECParameters.namedcurve"),
            reader.opaque8("ServerECDHParams.point", 1),
            reader.u16("ServerKeyExchange.algorithm"),
            reader.opaque16("ServerKeyExchange.signature"),
        )

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.raw(self.params)
        writer.u16(self.algorithm)
        writer.opaque16(self.signature)
