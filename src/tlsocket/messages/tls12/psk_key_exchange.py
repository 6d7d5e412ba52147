"""ServerKeyExchange and ClientKeyExchange with ECDHE_PSK (RFC 5489 section 2): unsigned, and with names of keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import ClassVar

from tlsocket.errors import PeerMisbehaved, Reason
from tlsocket.extensions.pre_shared_key import MAXIMUM_IDENTITY
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import HandshakeType
from tlsocket.registry.ec_curve_types import ECCurveType
from tlsocket.wire import Reader, Writer

__all__ = ["PskClientKeyExchange", "PskServerKeyExchange"]

_pack_params = Struct(">BHB").pack


@dataclass(frozen=True, slots=True)
class PskServerKeyExchange(HandshakeMessage):
    """The server's half of the key exchange.

    struct {
        opaque psk_identity_hint<0..2^16-1>;
        ServerECDHParams params;
    } ServerKeyExchange;
    """

    psk_identity_hint: bytes
    """What helps the client to choose a key; empty where there is nothing to say."""
    named_curve: int
    point: bytes

    msg_type: ClassVar[HandshakeType] = HandshakeType.SERVER_KEY_EXCHANGE

    @classmethod
    def parse(cls, reader: Reader) -> PskServerKeyExchange:
        """Read the message without its header."""
        hint = reader.opaque16("ServerKeyExchange.psk_identity_hint", 0, MAXIMUM_IDENTITY)
        curve_type = reader.u8("ECParameters.curve_type")
        if curve_type != ECCurveType.NAMED_CURVE:
            raise PeerMisbehaved(Reason.CURVE_NOT_NAMED, str(curve_type))
        return cls(hint, reader.u16("ECParameters.namedcurve"), reader.opaque8("ServerECDHParams.point", 1))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.opaque16(self.psk_identity_hint)
        writer.raw(_pack_params(ECCurveType.NAMED_CURVE, self.named_curve, len(self.point)) + self.point)


@dataclass(frozen=True, slots=True)
class PskClientKeyExchange(HandshakeMessage):
    """The client's half of the key exchange, and which key it uses.

    struct {
        opaque psk_identity<0..2^16-1>;
        opaque ecdh_Yc<1..2^8-1>;
    } ClientKeyExchange;
    """

    psk_identity: bytes = field(repr=False)
    ecdh_yc: bytes

    msg_type: ClassVar[HandshakeType] = HandshakeType.CLIENT_KEY_EXCHANGE

    @classmethod
    def parse(cls, reader: Reader) -> PskClientKeyExchange:
        """Read the message without its header."""
        identity = reader.opaque16("ClientKeyExchange.psk_identity", 0, MAXIMUM_IDENTITY)
        return cls(identity, reader.opaque8("ClientKeyExchange.ecdh_Yc", 1))

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.opaque16(self.psk_identity)
        writer.opaque8(self.ecdh_yc)
