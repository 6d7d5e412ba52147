"""ClientHello (RFC 9846 section 4.2.2; also that of TLS 1.2, RFC 5246 section 7.4.1.2).

Which versions, suites and shares are acceptable, and what a TLS 1.3 ClientHello must contain, is checked in the
handshake, which also keeps the raw bytes for the transcript.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import ClassVar, NamedTuple

from tlsocket.extensions import ClientHelloExtensions, KeyShareEntry
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.registry import ExtensionType, HandshakeType
from tlsocket.wire import Reader, Writer

__all__ = ["ClientHello"]

_NO_EXTENSIONS = ClientHelloExtensions()

# Two ClientHellos of one client differ in random, legacy_session_id and key_exchange only, all of known length. So what
# was parsed is kept by the bytes around those, and another hello with the same bytes there, of the same length, has the
# same structure: every length field is among them. A third of a server's own time went into parsing. Strangers fill it,
# hence the bounds; a hello that carries anything made for one connection is not kept.
_KEPT = 64
_KEPT_BYTES = 2048
_SESSION_ID = 38
_Shares = tuple[tuple[int, int, int], ...]
"""Group, start and end of each key_exchange."""


class _Layout(NamedTuple):
    session_id_end: int
    shares: _Shares
    constant: Callable[[bytes], tuple[bytes, ...]]
    """Everything of a message but its random, session id and key shares."""


_layouts: dict[tuple[int, int], _Layout] = {}
"""The last layout seen for a length of the message and a length of its session id."""
_known: dict[tuple[bytes, ...], tuple[ClientHello, _Shares]] = {}


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
    session_id_end, shares, constant = layout
    found = _known.get(constant(data))
    # The layout is the last one seen for these lengths, from anybody: what was kept must have had the same, or one
    # stranger's hello would decide how those of all others are read.
    if found is None or found[1] != shares:
        return None
    known = found[0]
    extensions = object.__new__(ClientHelloExtensions)
    entries = tuple([KeyShareEntry(group, data[start:end]) for group, start, end in shares])
    extensions.__dict__.update(known.extensions.__dict__, key_share=entries)
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
    if not (extensions.cookie is extensions.session_ticket is None and extensions.pre_shared_key is None):
        return
    layout = _layout(data, hello)
    if len(_known) >= _KEPT or len(_layouts) >= _KEPT:
        _known.clear()
        _layouts.clear()
    _layouts[len(data), data[_SESSION_ID]] = layout
    _known[layout.constant(data)] = hello, layout.shares


def _layout(data: bytes, hello: ClientHello) -> _Layout:
    session_id_end = _SESSION_ID + 1 + len(hello.legacy_session_id)
    shares = _share_places(data, hello)
    ends = [session_id_end, *[end for _, _, end in shares]]
    starts = [*[start for _, start, _ in shares], len(data)]
    # Two slices at least, so that it always answers with a tuple.
    places = [slice(6), slice(_SESSION_ID, _SESSION_ID + 1), *map(slice, ends, starts)]
    return _Layout(session_id_end, shares, itemgetter(*places))


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
