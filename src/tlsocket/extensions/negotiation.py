"""supported_versions, cookie, early_data, record_size_limit and max_fragment_length (RFC 9846 sections 4.3.1, 4.3.2,
4.3.10; RFC 8449; RFC 6066 section 4).

What the values mean for a connection is decided in the handshake.
"""

from __future__ import annotations

from collections.abc import Sequence

from tlsocket.errors import PeerMisbehaved, Reason
from tlsocket.extensions.block import Codec
from tlsocket.wire import Reader, Writer

__all__ = [
    "COOKIE",
    "FRAGMENT_LENGTHS",
    "MAX_EARLY_DATA_SIZE",
    "MAX_FRAGMENT_LENGTH",
    "OFFERED_VERSIONS",
    "RECORD_SIZE_LIMIT",
    "SELECTED_VERSION",
]

_SMALLEST_RECORD_SIZE_LIMIT = 64


def _parse_offered_versions(reader: Reader) -> tuple[int, ...]:
    """Read the SupportedVersions of a ClientHello.

    struct {
        select (Handshake.msg_type) {
            case client_hello:
                 ProtocolVersion versions<2..254>;

            case server_hello: /* and HelloRetryRequest */
                 ProtocolVersion selected_version;
        };
    } SupportedVersions;
    """
    return reader.u16_vector8("SupportedVersions.versions", 2, 254)


def _serialize_offered_versions(writer: Writer, versions: Sequence[int]) -> None:
    writer.u16_vector8(versions)


def _parse_selected_version(reader: Reader) -> int:
    """Read the SupportedVersions of a ServerHello or HelloRetryRequest; the struct is above."""
    return reader.u16("SupportedVersions.selected_version")


def _serialize_selected_version(writer: Writer, version: int) -> None:
    writer.u16(version)


def _parse_cookie(reader: Reader) -> bytes:
    """Read a Cookie.

    struct {
        opaque cookie<1..2^16-1>;
    } Cookie;
    """
    return reader.opaque16("Cookie.cookie", 1)


def _serialize_cookie(writer: Writer, cookie: bytes) -> None:
    writer.opaque16(cookie)


def _parse_max_early_data_size(reader: Reader) -> int:
    """Read the EarlyDataIndication of a NewSessionTicket.

    struct {
        select (Handshake.msg_type) {
            case new_session_ticket:   uint32 max_early_data_size;
            case client_hello:         Empty;
            case encrypted_extensions: Empty;
        };
    } EarlyDataIndication;
    """
    return reader.u32("EarlyDataIndication.max_early_data_size")


def _serialize_max_early_data_size(writer: Writer, size: int) -> None:
    writer.u32(size)


def _parse_record_size_limit(reader: Reader) -> int:
    """Read a RecordSizeLimit (RFC 8449 section 4).

        uint16 RecordSizeLimit;

    "An endpoint MUST treat receipt of a smaller value [than 64] as a fatal error and generate an
    "illegal_parameter" alert."
    """
    limit = reader.u16("RecordSizeLimit")
    if limit < _SMALLEST_RECORD_SIZE_LIMIT:
        raise PeerMisbehaved(Reason.RECORD_SIZE_LIMIT_TOO_SMALL, str(limit))
    return limit


def _serialize_record_size_limit(writer: Writer, limit: int) -> None:
    writer.u16(limit)


FRAGMENT_LENGTHS = (512, 1024, 2048, 4096)
"""The lengths that max_fragment_length can name."""


def _parse_max_fragment_length(reader: Reader) -> int:
    """Read a MaxFragmentLength (RFC 6066 section 4), as a number of bytes.

        enum{
            2^9(1), 2^10(2), 2^11(3), 2^12(4), (255)
        } MaxFragmentLength;

    "a value other than the allowed values ... MUST abort the handshake with an "illegal_parameter" alert."
    """
    code = reader.u8("MaxFragmentLength")
    if not 1 <= code <= len(FRAGMENT_LENGTHS):
        raise PeerMisbehaved(Reason.INVALID_MAX_FRAGMENT_LENGTH, str(code))
    return FRAGMENT_LENGTHS[code - 1]


def _serialize_max_fragment_length(writer: Writer, length: int) -> None:
    writer.u8(1 + FRAGMENT_LENGTHS.index(length))


OFFERED_VERSIONS = Codec(_parse_offered_versions, _serialize_offered_versions, repeats=True)
"""supported_versions of a ClientHello, most preferred first."""

SELECTED_VERSION = Codec(_parse_selected_version, _serialize_selected_version)
"""supported_versions of a ServerHello or HelloRetryRequest."""

COOKIE = Codec(_parse_cookie, _serialize_cookie)
"""cookie of a HelloRetryRequest and of the ClientHello that answers it."""

MAX_EARLY_DATA_SIZE = Codec(_parse_max_early_data_size, _serialize_max_early_data_size)
"""early_data of a NewSessionTicket."""

RECORD_SIZE_LIMIT = Codec(_parse_record_size_limit, _serialize_record_size_limit)
"""record_size_limit of a ClientHello or EncryptedExtensions."""

MAX_FRAGMENT_LENGTH = Codec(_parse_max_fragment_length, _serialize_max_fragment_length)
"""max_fragment_length of a ClientHello or EncryptedExtensions, in bytes."""
