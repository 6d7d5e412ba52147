"""supported_groups, key_share and psk_key_exchange_modes (RFC 9846 sections 4.3.7 to 4.3.9), and ec_point_formats of
TLS 1.2 (RFC 8422 section 5.1.2).

Key shares are opaque here: whether one is a valid public value is known to `tlsocket.crypto.groups`, whether shares
and groups fit each other is checked in the handshake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tlsocket.extensions.block import Codec
from tlsocket.wire import Reader, Writer

__all__ = [
    "CLIENT_SHARES",
    "EC_POINT_FORMATS",
    "NAMED_GROUP_LIST",
    "PSK_KEY_EXCHANGE_MODES",
    "SELECTED_GROUP",
    "SERVER_SHARE",
    "KeyShareEntry",
]


@dataclass(frozen=True, slots=True)
class KeyShareEntry:
    """A public value and the group it is of (RFC 9846 section 4.3.8).

    struct {
        NamedGroup group;
        opaque key_exchange<1..2^16-1>;
    } KeyShareEntry;
    """

    group: int
    key_exchange: bytes

    @classmethod
    def parse(cls, reader: Reader) -> KeyShareEntry:
        """Read one entry."""
        return cls(reader.u16("KeyShareEntry.group"), reader.opaque16("KeyShareEntry.key_exchange", 1))

    def serialize(self, writer: Writer) -> None:
        """Write one entry."""
        writer.u16(self.group)
        writer.opaque16(self.key_exchange)


def _parse_groups(reader: Reader) -> tuple[int, ...]:
    """Read a NamedGroupList.

    struct {
        NamedGroup named_group_list<2..2^16-1>;
    } NamedGroupList;
    """
    return reader.u16_vector16("NamedGroupList.named_group_list", 2)


def _serialize_groups(writer: Writer, groups: Sequence[int]) -> None:
    writer.u16_vector16(groups)


def _parse_client_shares(reader: Reader) -> tuple[KeyShareEntry, ...]:
    """Read a KeyShareClientHello. It may be empty: a client asks so for a HelloRetryRequest.

    struct {
        KeyShareEntry client_shares<0..2^16-1>;
    } KeyShareClientHello;
    """
    shares = reader.sub16("KeyShareClientHello.client_shares")
    entries = []
    while shares.position != shares.end:
        entries.append(KeyShareEntry.parse(shares))
    return tuple(entries)


def _serialize_client_shares(writer: Writer, shares: Sequence[KeyShareEntry]) -> None:
    with writer.block16():
        for share in shares:
            share.serialize(writer)


def _parse_server_share(reader: Reader) -> KeyShareEntry:
    """Read a KeyShareServerHello.

    struct {
        KeyShareEntry server_share;
    } KeyShareServerHello;
    """
    return KeyShareEntry.parse(reader)


def _serialize_server_share(writer: Writer, share: KeyShareEntry) -> None:
    share.serialize(writer)


def _parse_selected_group(reader: Reader) -> int:
    """Read a KeyShareHelloRetryRequest.

    struct {
        NamedGroup selected_group;
    } KeyShareHelloRetryRequest;
    """
    return reader.u16("KeyShareHelloRetryRequest.selected_group")


def _serialize_selected_group(writer: Writer, group: int) -> None:
    writer.u16(group)


def _parse_modes(reader: Reader) -> tuple[int, ...]:
    """Read PskKeyExchangeModes.

    enum { psk_ke(0), psk_dhe_ke(1), (255) } PskKeyExchangeMode;

    struct {
        PskKeyExchangeMode ke_modes<1..255>;
    } PskKeyExchangeModes;
    """
    return tuple(reader.opaque8("PskKeyExchangeModes.ke_modes", 1))


def _serialize_modes(writer: Writer, modes: Sequence[int]) -> None:
    with writer.block8():
        for mode in modes:
            writer.u8(mode)


def _parse_point_formats(reader: Reader) -> bytes:
    """Read an ECPointFormatList (RFC 8422 section 5.1.2).

    struct {
        ECPointFormat ec_point_format_list<1..2^8-1>
    } ECPointFormatList;
    """
    return reader.opaque8("ECPointFormatList.ec_point_format_list", 1)


def _serialize_point_formats(writer: Writer, formats: bytes) -> None:
    writer.opaque8(formats)


NAMED_GROUP_LIST = Codec(_parse_groups, _serialize_groups, repeats=True)
"""supported_groups, most preferred first."""

CLIENT_SHARES = Codec(_parse_client_shares, _serialize_client_shares)
"""key_share of a ClientHello."""

SERVER_SHARE = Codec(_parse_server_share, _serialize_server_share)
"""key_share of a ServerHello."""

SELECTED_GROUP = Codec(_parse_selected_group, _serialize_selected_group)
"""key_share of a HelloRetryRequest."""

PSK_KEY_EXCHANGE_MODES = Codec(_parse_modes, _serialize_modes, repeats=True)
"""psk_key_exchange_modes."""

EC_POINT_FORMATS = Codec(_parse_point_formats, _serialize_point_formats, repeats=True)
"""ec_point_formats."""
