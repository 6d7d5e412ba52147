"""The fuzz targets: functions of bytes that raise when a property does not hold.

Nothing but an error that blames the peer may come out of a peer's bytes; `README.md` has the properties. Targets
whose name ends in `_lenient` accept any signature, Finished and binder (`tests.fuzz.lenient`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tests.fuzz.lenient import lenient
from tests.handshake.support import NAME, Link, credential, server_config
from tests.properties.wire import BLAMES_THE_PEER
from tests.record.support import RecordingOwner, inner_record, protection
from tlsocket import messages
from tlsocket.config import ClientAuthentication, ClientConfig, Role, ServerConfig
from tlsocket.connection import Connection
from tlsocket.crypto import certificates
from tlsocket.errors import TLSError, alert_for
from tlsocket.extensions import (
    CertificateEntryExtensions,
    CertificateRequestExtensions,
    ClientHelloExtensions,
    EncryptedExtensionsExtensions,
    ExtensionBlock,
    HelloRetryRequestExtensions,
    NewSessionTicketExtensions,
    ServerHelloExtensions,
)
from tlsocket.handshake.states import ClientState, ServerState
from tlsocket.handshake.transitions import TRANSITIONS
from tlsocket.record import RecordReader, RecordWriter
from tlsocket.registry import AlertDescription, ContentType
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import NamedGroup as G
from tlsocket.wire import Reader, Writer

__all__ = ["BROKEN", "TARGETS", "Target", "split"]

Target = Callable[[bytes], None]


class Broken(AssertionError):
    """A property does not hold."""


BROKEN = Broken


def demand(condition: bool, property_: str) -> None:
    """Raise `Broken` unless the property holds."""
    if not condition:
        raise Broken(property_)


def blame(error: BaseException) -> None:
    """An error out of a peer's bytes blames the peer, and has an alert that says so."""
    if not isinstance(error, BLAMES_THE_PEER):
        raise Broken(f"{type(error).__name__}: {error}") from error
    demand(alert_for(error) != AlertDescription.INTERNAL_ERROR, f"internal_error for {error}")


# Codecs


def message(data: bytes) -> None:
    """One handshake message, header included: what parses is written again and parses to the same."""
    try:
        parsed = messages.parse(data)
    except TLSError as error:
        blame(error)
        return
    again = parsed.encode()
    demand(messages.parse(again) == parsed, f"{parsed} reads back different")


_BLOCKS: tuple[type[ExtensionBlock], ...] = (
    ClientHelloExtensions,
    ServerHelloExtensions,
    HelloRetryRequestExtensions,
    EncryptedExtensionsExtensions,
    CertificateRequestExtensions,
    CertificateEntryExtensions,
    NewSessionTicketExtensions,
)


def extensions(data: bytes) -> None:
    """A block of extensions; the first byte says of which message."""
    if not data:
        return
    block = _BLOCKS[data[0] % len(_BLOCKS)]
    reader = Reader(data, 1)
    try:
        parsed = block.parse(reader)
    except TLSError as error:
        blame(error)
        return
    writer = Writer()
    parsed.serialize(writer)
    demand(block.parse(Reader(bytes(writer.buffer), 0)) == parsed, f"{parsed} reads back different")


def certificate(data: bytes) -> None:
    """A certificate and its key."""
    try:
        parsed = certificates.parse_certificate(data)
        certificates.certificate_public_key(parsed)
        certificates.demand_digital_signature(parsed)
    except TLSError as error:
        blame(error)
    finally:
        certificates.clear_cache()


# Records


def _read_all(stream: Iterator[bytes], *, key: int | None) -> tuple[list[bytes], bytes, object]:
    owner = RecordingOwner()
    reader = RecordReader(RecordWriter())
    reader.change_cipher_spec_allowed = True
    if key is not None:
        reader.set_key(protection(key))
        reader.open_application()
    received = b""
    try:
        for piece in stream:
            reader.feed(piece)
            reader.advance(owner)
            while True:
                got = reader.read(65536, owner)
                if not isinstance(got, bytes) or not got:
                    break
                received += got
    except TLSError as error:
        blame(error)
        return owner.messages, received, error.reason
    return owner.messages, received, None


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def deframer(data: bytes) -> None:
    """Records without protection: the same messages and the same end, however the stream is cut."""
    if not data:
        return
    whole = _read_all(iter((data[1:],)), key=None)
    pieces = _read_all(_cut(data[1:], 1 + data[0] % 64), key=None)
    demand(whole == pieces, f"{whole} in one piece, {pieces} in many")


def records(data: bytes) -> None:
    """Protected records with any inner plaintext: `data` is cut into them by length bytes."""
    sealed, number, rest = b"", 0, data
    while rest and number < 64:
        length, rest = rest[0], rest[1:]
        sealed += inner_record(number, rest[:length])
        rest = rest[length:]
        number += 1
    whole = _read_all(iter((sealed,)), key=1)
    pieces = _read_all(_cut(sealed, 7), key=1)
    demand(whole == pieces, f"{whole} in one piece, {pieces} in many")


# Handshakes: messages go in behind the record layer


def split(data: bytes) -> Iterator[bytes]:
    """Handshake messages by their headers; a last one that is too short is made whole with its own length."""
    while len(data) >= 4:
        end = 4 + int.from_bytes(data[1:4], "big")
        if end > len(data):
            yield data[:1] + (len(data) - 4).to_bytes(3, "big") + data[4:]
            return
        yield data[:end]
        data = data[end:]


@cache
def client_configs() -> tuple[ClientConfig, ...]:
    """No middlebox compatibility, so that no session id has to be echoed."""
    common: dict[str, Any] = {
        "groups": (G.X25519, G.SECP256R1),
        "middlebox_compatibility": False,
        "alpn_protocols": (b"h2",),
    }
    return ClientConfig(**common), ClientConfig(**common, credentials=(credential(),), key_share_groups=())


@cache
def server_configs() -> tuple[ServerConfig, ...]:
    """Plain, with a client's certificate, and one that always asks for another key share."""
    groups = (G.X25519, G.SECP256R1)
    return (
        server_config(groups=groups, alpn_protocols=(b"h2",)),
        server_config(groups=groups, client_authentication=ClientAuthentication.OPTIONAL),
        server_config(groups=(G.SECP256R1,), client_authentication=ClientAuthentication.REQUIRED, use_cookie=True),
    )


def _feed(conn: Connection, data: bytes) -> list[int]:
    """Hand the messages in `data` to the connection; returns the types of those that it took."""
    taken: list[int] = []
    for part in split(data):
        try:
            conn.on_handshake_message(part)
        except TLSError as error:
            blame(error)
            demand(conn.on_failure(error) is error, "another error than the one raised is kept")
            demand(bool(conn.data_to_send()), "no alert")
            demand(not conn.handshake_complete or bool(taken), "connected by nothing")
            break
        taken.append(part[0])
        conn.data_to_send()
    return taken


def _handshake(conn: Connection, data: bytes) -> list[int]:
    conn.start()
    conn.data_to_send()
    return _feed(conn, data)


def _check_path(taken: list[int], role: Role, needed: set[int]) -> None:
    demand(needed <= set(taken), f"connected after {taken}")
    states = ClientState if role is Role.CLIENT else ServerState
    legal = {kind for state, row in TRANSITIONS.items() if isinstance(state, states) for kind in row}
    demand(set(taken) <= legal, f"{role.value} took {taken}")


def server_flight(data: bytes) -> None:
    """A server's messages to a client: it never gets to CONNECTED."""
    if data:
        conn = Connection(client_configs()[data[0] % 2], server_name=name_or_none(data[0]))
        _handshake(conn, data[1:])
        demand(not conn.handshake_complete, "connected without a genuine signature and Finished")


def server_flight_lenient(data: bytes) -> None:
    """The same past the cryptography: connected only by way of every message that authenticates."""
    if not data:
        return
    with lenient():
        conn = Connection(client_configs()[data[0] % 2], server_name=name_or_none(data[0]))
        taken = _handshake(conn, data[1:])
    if conn.handshake_complete:
        wanted = (T.SERVER_HELLO, T.CERTIFICATE, T.CERTIFICATE_VERIFY, T.FINISHED)
        _check_path(taken, Role.CLIENT, {int(kind) for kind in wanted})
        demand(bool(conn.peer_certificates), "connected to nobody")


def name_or_none(octet: int) -> str | None:
    """A server name, or none."""
    return NAME if octet & 2 else None


def client_hello(data: bytes) -> None:
    """A ClientHello's body to a server: answered or refused."""
    if data:
        conn = Connection(server_configs()[data[0] % 3])
        body = data[1 : 1 + 0xFFFF]
        _handshake(conn, b"\x01" + len(body).to_bytes(3, "big") + body)
        demand(not conn.handshake_complete, "connected by a ClientHello")


def client_flight(data: bytes) -> None:
    """A client's messages to a server: it never gets to CONNECTED."""
    if data:
        conn = Connection(server_configs()[data[0] % 3])
        _handshake(conn, data[1:])
        demand(not conn.handshake_complete, "connected without a genuine Finished")


def client_flight_lenient(data: bytes) -> None:
    """The same past the cryptography."""
    if not data:
        return
    config = server_configs()[data[0] % 3]
    with lenient():
        conn = Connection(config)
        taken = _handshake(conn, data[1:])
    if conn.handshake_complete:
        wanted = {int(T.CLIENT_HELLO), int(T.FINISHED)}
        if config.client_authentication is ClientAuthentication.REQUIRED:
            wanted |= {int(T.CERTIFICATE), int(T.CERTIFICATE_VERIFY)}
        _check_path(taken, Role.SERVER, wanted)


def post_handshake(data: bytes) -> None:
    """Messages after the handshake; the first byte says to whom. The connection goes on or fails for a reason."""
    if not data:
        return
    link = Link(client_configs()[0], server_configs()[0]).connect()
    sender, receiver = (link.client, link.server) if data[0] & 1 else (link.server, link.client)
    try:
        for part in split(data[1:]):
            sender.writer.queue(ContentType.HANDSHAKE, part)
            receiver.receive_data(sender.data_to_send())
            if part[0] == T.KEY_UPDATE:
                # What it changed on the other side, `sender` did not.
                return
        sender.write(b"still there")
        receiver.receive_data(sender.data_to_send())
        demand(receiver.read(100) == b"still there", "data was lost")
    except TLSError as error:
        blame(error)
        demand(receiver.error is not None, "an error that is not kept")


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        message,
        extensions,
        certificate,
        deframer,
        records,
        client_hello,
        server_flight,
        server_flight_lenient,
        client_flight,
        client_flight_lenient,
        post_handshake,
    )
}
"""Name to target; the corpus of each is the folder of its name in `corpus/`."""
