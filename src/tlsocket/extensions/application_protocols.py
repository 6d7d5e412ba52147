"""application_layer_protocol_negotiation (RFC 7301 section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from tlsocket.errors import InvalidMessage, Reason
from tlsocket.extensions.block import Codec
from tlsocket.wire import Reader, Writer

__all__ = ["PROTOCOL_NAME_LIST", "SELECTED_PROTOCOL"]


def _parse_list(reader: Reader) -> tuple[bytes, ...]:
    """Read a ProtocolNameList.

    opaque ProtocolName<1..2^8-1>;

    struct {
        ProtocolName protocol_name_list<2..2^16-1>
    } ProtocolNameList;
    """
    names = reader.sub16("ProtocolNameList.protocol_name_list", 2)
    protocols = []
    while names.position != names.end:
        protocols.append(names.opaque8("ProtocolName", 1))
    return tuple(protocols)


def _serialize_list(writer: Writer, protocols: Sequence[bytes]) -> None:
    with writer.block16():
        for protocol in protocols:
            writer.opaque8(protocol)


def _parse_selected(reader: Reader) -> bytes:
    """Read a ProtocolNameList with exactly one name, which is what a server answers with."""
    protocols = _parse_list(reader)
    if len(protocols) != 1:
        raise InvalidMessage(Reason.LENGTH_OUT_OF_RANGE, f"{len(protocols)} selected application protocols")
    return protocols[0]


def _serialize_selected(writer: Writer, protocol: bytes) -> None:
    _serialize_list(writer, (protocol,))


PROTOCOL_NAME_LIST = Codec(_parse_list, _serialize_list, repeats=True)
"""ALPN of a ClientHello: the names, most preferred first."""

SELECTED_PROTOCOL = Codec(_parse_selected, _serialize_selected)
"""ALPN of EncryptedExtensions: the one name."""
