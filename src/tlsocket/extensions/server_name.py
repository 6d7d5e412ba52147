"""server_name (RFC 6066 section 3) and what counts as a host name in it.

Matching a name against certificates is no business of this module: see `tlsocket.pki`.
"""

from __future__ import annotations

import re

from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason
from tlsocket.extensions.block import Codec
from tlsocket.wire import Reader, Writer

__all__ = ["SERVER_NAME_LIST", "is_host_name"]

_HOST_NAME = 0

# Letters, digits and hyphens (RFC 1123 section 2.1), and the underscore that many internal names have. A name whose
# last label is a number would be read as an IPv4 address somewhere (RFC 1123 section 2.1, RFC 3986 section 3.2.2).
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}", re.ASCII)


def is_host_name(name: str) -> bool:
    """True if `name` may be sent as a HostName: ASCII (A-labels), no trailing dot, no literal IP address.

    RFC 6066 section 3: "The hostname is represented as a byte string using ASCII encoding without a trailing dot."
    "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."
    """
    return len(name) <= 255 and _NAME.fullmatch(name) is not None


def _parse(reader: Reader) -> str | None:
    """Read a ServerNameList.

        struct {
            NameType name_type;
            select (name_type) {
                case host_name: HostName;
            } name;
        } ServerName;

        enum { host_name(0), (255) } NameType;

        opaque HostName<1..2^16-1>;

        struct {
            ServerName server_name_list<1..2^16-1>
        } ServerNameList;

    Names of other types are skipped: "all future data structures associated with new NameTypes MUST begin with a
    16-bit length field."
    """
    names = reader.sub16("ServerNameList.server_name_list", 1)
    host_name: str | None = None
    while names.position != names.end:
        name_type = names.u8("ServerName.name_type")
        name = names.opaque16("ServerName.name", 1)
        if name_type != _HOST_NAME:
            continue
        if host_name is not None:
            # "The ServerNameList MUST NOT contain more than one name of the same name_type."
            raise PeerMisbehaved(Reason.INVALID_SERVER_NAME, "two host names")
        host_name = name.decode("latin-1")
        if not is_host_name(host_name):
            raise PeerMisbehaved(Reason.INVALID_SERVER_NAME, ascii(host_name[:64]))
    return host_name


def _serialize(writer: Writer, host_name: str) -> None:
    if not is_host_name(host_name):
        raise ApiMisuse(Reason.INVALID_SERVER_NAME, ascii(host_name[:64]))
    with writer.block16():
        writer.u8(_HOST_NAME)
        writer.opaque16(host_name.encode("ascii"))


SERVER_NAME_LIST: Codec[str | None] = Codec(_parse, _serialize, repeats=True)  # type: ignore[arg-type]  # never asked to write None
"""server_name of a ClientHello: the host name, or None if the list names nothing by a type we know."""
