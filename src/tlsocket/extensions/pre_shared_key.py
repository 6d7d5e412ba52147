"""pre_shared_key of a ClientHello and of a ServerHello (RFC 9846 section 4.3.11).

A binder covers the ClientHello up to the binders, so the one who computes or checks it needs to know how long they
are: `OfferedPsks.binders_length`. Whose keys the identities name, and what a binder must be, is known in
`tlsocket.handshake.psk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from tlsocket.errors import ApiMisuse, InvalidMessage, PeerMisbehaved, Reason
from tlsocket.extensions.block import Codec
from tlsocket.wire import Reader, Writer

__all__ = [
    "MAXIMUM_IDENTITY",
    "OFFERED_PSKS",
    "SELECTED_IDENTITY",
    "OfferedPsks",
    "PskIdentity",
    "encode_binders",
    "encode_identities",
]

MAXIMUM_IDENTITY = 4096
"""Bytes of the identity of an external key, and of a hint at one. The protocol allows 65535; OpenSSL takes 256, and all
of a hello has to fit a few records."""

_u8, _u16, _u32 = Struct(">B").pack, Struct(">H").pack, Struct(">I").pack
_unpack_age = Struct(">I").unpack_from


class PskIdentity(NamedTuple):
    """A name for a key, and how old the ticket is, if it is one.

    struct {
        opaque identity<1..2^16-1>;
        uint32 obfuscated_ticket_age;
    } PskIdentity;
    """

    identity: bytes
    obfuscated_ticket_age: int = 0

    def __repr__(self) -> str:
        # A ticket tells one client from another.
        return f"<PskIdentity of {len(self.identity)} bytes>"


class OfferedPsks(NamedTuple):
    """The keys that a client offers, and a proof that it has each.

    opaque PskBinderEntry<32..255>;

    struct {
        PskIdentity identities<7..2^16-1>;
        PskBinderEntry binders<33..2^16-1>;
    } OfferedPsks;
    """

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]

    @property
    def binders_length(self) -> int:
        """Bytes that the binders take, their length included."""
        return 2 + sum([1 + len(binder) for binder in self.binders])

    def __repr__(self) -> str:
        return f"<OfferedPsks of {len(self.identities)} identities>"


def _parse_offered(reader: Reader) -> OfferedPsks:
    window = reader.sub16("OfferedPsks.identities", 7)
    data, position, end = window.data, window.position, window.end
    identities = []
    # By index, for the sake of a server that resumes: see `ExtensionBlock.parse`.
    while position < end:
        start = position + 2
        stop = start + (data[position] << 8 | data[position + 1]) if start <= end else end + 1
        if stop == start:
            raise InvalidMessage(Reason.LENGTH_OUT_OF_RANGE, "PskIdentity.identity has 0 bytes")
        position = stop + 4
        if position > end:
            raise InvalidMessage(Reason.TRUNCATED_MESSAGE, "PskIdentity")
        identities.append(PskIdentity(data[start:stop], _unpack_age(data, stop)[0]))
    window = reader.sub16("OfferedPsks.binders", 33)
    binders = []
    while window.position != window.end:
        binders.append(window.opaque8("PskBinderEntry", 32))
    if len(binders) != len(identities):
        # RFC 9846 section 4.3.11: "one for each value in the identities list and in the same order".
        raise PeerMisbehaved(Reason.PSK_BINDER_COUNT, f"{len(binders)} for {len(identities)} identities")
    return OfferedPsks(tuple(identities), tuple(binders))


def encode_identities(identities: Sequence[PskIdentity]) -> bytes:
    """The `identities` vector with its length."""
    return _vector16([part for identity, age in identities for part in (_u16(len(identity)), identity, _u32(age))])


def encode_binders(binders: Sequence[bytes]) -> bytes:
    """The `binders` vector with its length."""
    return _vector16([part for binder in binders for part in (_u8(len(binder)), binder)])


def _vector16(parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    if len(body) > 0xFFFF:
        raise ApiMisuse(detail=f"a pre_shared_key of {len(body)} bytes")
    return _u16(len(body)) + body


def _serialize_offered(writer: Writer, offered: OfferedPsks) -> None:
    writer.raw(encode_identities(offered.identities))
    writer.raw(encode_binders(offered.binders))


def _parse_selected(reader: Reader) -> int:
    """Read the PreSharedKeyExtension of a ServerHello.

    struct {
        select (Handshake.msg_type) {
            case client_hello: OfferedPsks;
            case server_hello: uint16 selected_identity;
        };
    } PreSharedKeyExtension;
    """
    return reader.u16("PreSharedKeyExtension.selected_identity")


def _serialize_selected(writer: Writer, identity: int) -> None:
    writer.u16(identity)


OFFERED_PSKS = Codec(_parse_offered, _serialize_offered)
"""pre_shared_key of a ClientHello."""

SELECTED_IDENTITY = Codec(_parse_selected, _serialize_selected)
"""pre_shared_key of a ServerHello: an index into the identities that the client offered."""
