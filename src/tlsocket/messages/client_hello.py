"""ClientHello (RFC 9846 section 4.2.2; also that of TLS 1.2, RFC 5246 section 7.4.1.2).

Which versions, suites and shares are acceptable, and what a TLS 1.3 ClientHello must contain, is checked in the
handshake, which also keeps the raw bytes for the transcript.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter
from struct import Struct
from typing import ClassVar, NamedTuple

from tlsocket.extensions import ClientHelloExtensions, KeyShareEntry, OfferedPsks, PskIdentity
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import ExtensionType, HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["ClientHello"]

_NO_EXTENSIONS = ClientHelloExtensions()

_unpack_age = Struct(">I").unpack_from

# Two ClientHellos of one client differ in random, legacy_session_id, key_exchange and what pre_shared_key offers, all
# of known length. So what was parsed is kept by the bytes around those, and another hello with the same bytes there, of
# the same length, has the same structure: every length field is among them. A third of a server's own time went into
# parsing. Strangers fill it, hence the bounds; a hello with anything else made for one connection is not kept.
_KEPT = 64
_KEPT_BYTES = 2048
_SESSION_ID = 38
_Shares = tuple[tuple[int, int, int], ...]
"""Group, start and end of each key_exchange."""
_Psks = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
"""Start and end of each identity, which its age follows, and of each binder."""
_MOST_PSKS = 4


class _Layout(NamedTuple):
    session_id_end: int
    shares: _Shares
    psks: _Psks | None
    constant: Callable[[bytes], tuple[bytes, ...]]
    """Everything of a message but its random, session id, key shares, and identities, ages and binders."""


_layouts: dict[tuple[int, int], _Layout] = {}
"""The last layout seen for a length of the message and a length of its session id."""
_known: dict[tuple[bytes, ...], tuple[ClientHello, _Shares, _Psks | None]] = {}


# Without slots, as `_recall` then makes a new one in one step.
@dataclass(frozen=True)
class ClientHello(HandshakeMessage):
    """The client's offer.

        uint16 ProtocolVersion;
        opaque Random[32];

        uint8 CipherSuite[2];    /* Cryptographic suite selector */

        struct {
            ProtocolVersion legacy_version = 0x0303;    /* TLS v1.2 */
            Random random;
            opaque legacy_session_id<0..32>;
            CipherSuite cipher_suites<2..2^16-2>;
            opaque legacy_compression_methods<1..2^8-1>;
            Extension extensions<7..2^16-1>;
        } ClientHello;

    A client of TLS 1.2 may leave the extensions out; the block is empty then, and is not written when it is empty.
    """

    legacy_version: int
    random: bytes
    legacy_session_id: bytes
    cipher_suites: tuple[int, ...]
    legacy_compression_methods: bytes = b"\0"
    extensions: ClientHelloExtensions = _NO_EXTENSIONS

    msg_type: ClassVar[HandshakeType] = HandshakeType.CLIENT_HELLO

    @classmethod
    def parse(cls, reader: Reader) -> ClientHello:
        """Read the message without its header."""
        data = reader.data
        whole = reader.position == 4 and reader.end == len(data) and _SESSION_ID < len(data) <= _KEPT_BYTES
        if whole:
            known = _recall(data)
            if known is not None:
                reader.position = reader.end
                return known
        hello = cls._parse(reader)
        if whole and reader.at_end:
            _keep(data, hello)
        return hello

    @classmethod
    def _parse(cls, reader: Reader) -> ClientHello:
        # Two fields of fixed length in one step.
        start = reader.take(34, "ClientHello.random")
        return cls(
            start[0] << 8 | start[1],
            start[2:],
            reader.opaque8("ClientHello.legacy_session_id", 0, 32),
            reader.u16_vector16("ClientHello.cipher_suites", 2),
            reader.opaque8("ClientHello.legacy_compression_methods", 1),
            _NO_EXTENSIONS if reader.at_end else ClientHelloExtensions.parse(reader),
        )

    def serialize(self, writer: Writer) -> None:
        """Write the message without its header."""
        writer.u16(self.legacy_version)
        writer.raw(self.random)
        writer.opaque8(self.legacy_session_id)
        writer.u16_vector16(self.cipher_suites)
        writer.opaque8(self.legacy_compression_methods)
        if self.extensions.present:
            self.extensions.serialize(writer)


def _recall(data: bytes) -> ClientHello | None:
    """The message, if all but its random, session id and key shares were seen before."""
    layout = _layouts.get((len(data), data[_SESSION_ID]))
    if layout is None:
        return None
    session_id_end, shares, psks, constant = layout
    found = _known.get(constant(data))
    # The layout is the last one seen for these lengths, from anybody: what was kept must have had the same, or one
    # stranger's hello would decide how those of all others are read.
    if found is None or found[1] != shares or found[2] != psks:
        return None
    known = found[0]
    extensions = object.__new__(ClientHelloExtensions)
    entries = tuple([KeyShareEntry(group, data[start:end]) for group, start, end in shares])
    extensions.__dict__.update(known.extensions.__dict__, key_share=entries)
    if psks is not None:
        extensions.__dict__["pre_shared_key"] = OfferedPsks(
            tuple([PskIdentity(data[start:end], _unpack_age(data, end)[0]) for start, end in psks[0]]),
            tuple([data[start:end] for start, end in psks[1]]),
        )
    hello = object.__new__(ClientHello)
    hello.__dict__.update(
        known.__dict__,
        random=data[6:_SESSION_ID],
        legacy_session_id=data[_SESSION_ID + 1 : session_id_end],
        extensions=extensions,
    )
    return hello


def _keep(data: bytes, hello: ClientHello) -> None:
    extensions = hello.extensions
    if extensions.key_share is None or extensions.unknown:
        return
    if extensions.cookie is not None or extensions.session_ticket:
        return
    psks = extensions.pre_shared_key
    if psks is not None and len(psks.identities) > _MOST_PSKS:
        return
    extensions = object.__new__(ClientHelloExtensions)
    # Nobody's ticket is kept.
    extensions.__dict__.update(hello.extensions.__dict__, pre_shared_key=None, _kind=object())
    layout = _layout(data, hello)
    if len(_known) >= _KEPT or len(_layouts) >= _KEPT:
        _known.clear()
        _layouts.clear()
    _layouts[len(data), data[_SESSION_ID]] = layout
    _known[layout.constant(data)] = replace(hello, extensions=extensions), layout.shares, layout.psks


def _layout(data: bytes, hello: ClientHello) -> _Layout:
    session_id_end = _SESSION_ID + 1 + len(hello.legacy_session_id)
    shares = _share_places(data, hello)
    psks = _psk_places(data, hello)
    variable = [(start, end) for _, start, end in shares]
    if psks is not None:
        variable += [(start, end + 4) for start, end in psks[0]]
        variable += psks[1]
    ends = [session_id_end, *[end for _, end in variable]]
    starts = [*[start for start, _ in variable], len(data)]
    # Two slices at least, so that it always answers with a tuple.
    places = [slice(6), slice(_SESSION_ID, _SESSION_ID + 1), *map(slice, ends, starts)]
    return _Layout(session_id_end, shares, psks, itemgetter(*places))


def _psk_places(data: bytes, hello: ClientHello) -> _Psks | None:
    """Where identities and binders stand: pre_shared_key ends the message."""
    offered = hello.extensions.pre_shared_key
    if offered is None:
        return None
    position = len(data) - offered.binders_length
    binders_at = position + 2
    identities = []
    for identity, _ in reversed(offered.identities):
        position -= 4 + len(identity)
        identities.append((position, position + len(identity)))
        position -= 2
    binders = []
    for binder in offered.binders:
        binders.append((binders_at + 1, binders_at + 1 + len(binder)))
        binders_at += 1 + len(binder)
    return tuple(reversed(identities)), tuple(binders)


def _share_places(data: bytes, hello: ClientHello) -> _Shares:
    """Where the key shares stand in a message that was parsed already."""
    position = _SESSION_ID + 1 + len(hello.legacy_session_id) + 2 + 2 * len(hello.cipher_suites)
    position += 1 + len(hello.legacy_compression_methods) + 2
    while int.from_bytes(data[position : position + 2], "big") != ExtensionType.KEY_SHARE:
        position += 4 + int.from_bytes(data[position + 2 : position + 4], "big")
    position += 6
    shares = []
    for entry in hello.extensions.key_share or ():
        start = position + 4
        position = start + len(entry.key_exchange)
        shares.append((entry.group, start, position))
    return tuple(shares)
