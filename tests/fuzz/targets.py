"""The fuzz targets: functions of bytes that raise when a property does not hold.

Nothing but an error that blames the peer may come out of a peer's bytes; `README.md` has the properties. Targets
whose name ends in `_lenient` accept any signature, Finished and binder (`tests.fuzz.lenient`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tests.fuzz.lenient import lenient
from tests.handshake.support import NAME, Link, credential, server_config
from tests.properties.wire import BLAMES_THE_PEER
from tests.record.support import RecordingOwner, inner_record, protection
from tlsocket import clock, messages
from tlsocket.config import ClientAuthentication, ClientConfig, Role, ServerConfig
from tlsocket.connection import Connection
from tlsocket.crypto import certificates
from tlsocket.crypto.suites import PSK_SUITES
from tlsocket.dropin.session import SSLSession
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
from tlsocket.handshake.sessions import Session, SessionOrigin, SessionState, client_binding, server_binding
from tlsocket.handshake.states import ClientState, ServerState, Tls12ClientState, Tls12ServerState
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.handshake.transitions import CHANGE_CIPHER_SPEC, TRANSITIONS
from tlsocket.key_schedule.external_psk import PreSharedKey
from tlsocket.messages import tls12 as tls12_messages
from tlsocket.record import RecordReader, RecordWriter
from tlsocket.registry import AlertDescription, ContentType
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import NamedGroup as G
from tlsocket.wire import Reader, Writer

__all__ = ["BROKEN", "FOR_CHANGE_CIPHER_SPEC", "TARGETS", "Target", "split", "tls12_configs"]

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


def _feed(conn: Connection, data: bytes, *, tls12: bool = False) -> list[int]:
    """Hand the messages in `data` to the connection; returns the types of those that it took."""
    taken: list[int] = []
    for part in split(data):
        kind = CHANGE_CIPHER_SPEC if tls12 and part[0] == FOR_CHANGE_CIPHER_SPEC else part[0]
        try:
            if kind == CHANGE_CIPHER_SPEC:
                conn.on_change_cipher_spec()
            else:
                conn.on_handshake_message(part)
        except TLSError as error:
            blame(error)
            demand(conn.on_failure(error) is error, "another error than the one raised is kept")
            demand(bool(conn.data_to_send()), "no alert")
            demand(not conn.handshake_complete or bool(taken), "connected by nothing")
            break
        taken.append(kind)
        conn.data_to_send()
    return taken


def _handshake(conn: Connection, data: bytes, *, tls12: bool = False) -> list[int]:
    conn.start()
    conn.data_to_send()
    return _feed(conn, data, tls12=tls12)


def _check_path(taken: list[int], role: Role, needed: set[int]) -> None:
    demand(needed <= set(taken), f"connected after {taken}")
    states = (ClientState, Tls12ClientState) if role is Role.CLIENT else (ServerState, Tls12ServerState)
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


# TLS 1.2, both ends

FOR_CHANGE_CIPHER_SPEC = 255
"""The type of what stands for a change_cipher_spec among handshake messages, of which none has it."""


@cache
def tls12_configs() -> tuple[ClientConfig | ServerConfig, ...]:
    """Clients and servers of TLS 1.2, those at the same place of either half for each other."""
    old: dict[str, Any] = {"maximum_version": 0x0303, "groups": (G.X25519, G.SECP256R1)}
    key = PreSharedKey(b"device", b"k" * 32)
    with_keys: dict[str, Any] = {**old, "tls12_cipher_suites": PSK_SUITES}
    with_tickets: dict[str, Any] = {**old, "ticket_store": TicketKeys(), "tls12_tickets": True}
    return (
        ClientConfig(**old, alpn_protocols=(b"h2",)),
        ClientConfig(**old, credentials=(credential(),)),
        ClientConfig(**with_keys, choose_psk=lambda _name, _hint: key),
        server_config(**with_tickets, alpn_protocols=(b"h2",)),
        server_config(**old, client_authentication=ClientAuthentication.REQUIRED),
        ServerConfig(**with_keys, find_psk=lambda _identity: key, psk_identity_hint=b"hint"),
    )


def _reads_back(part: bytes) -> None:
    for parsers in (tls12_messages.PARSERS, tls12_messages.PSK_PARSERS):
        try:
            parsed = messages.parse_with(parsers, part)
        except TLSError as error:
            blame(error)
        else:
            demand(messages.parse_with(parsers, parsed.encode()) == parsed, f"{parsed} reads back different")


def tls12_lenient(data: bytes) -> None:
    """What a peer of TLS 1.2 sends, past the cryptography; the first byte says to whom, a type of 255 is its
    change_cipher_spec. Each message is written as it was read; connected only by way of all that it takes."""
    if not data:
        return
    for part in split(data[1:]):
        if part[0] != FOR_CHANGE_CIPHER_SPEC:
            _reads_back(part)
    configs = tls12_configs()
    config = configs[data[0] % len(configs)]
    client = isinstance(config, ClientConfig)
    with lenient():
        conn = Connection(config, server_name=NAME if client else None)
        taken = _handshake(conn, data[1:], tls12=True)
    if not conn.handshake_complete:
        return
    with_key = isinstance(config, ClientConfig) and config.choose_psk is not None
    wanted = {T.SERVER_HELLO, T.SERVER_HELLO_DONE} if client else {T.CLIENT_HELLO, T.CLIENT_KEY_EXCHANGE}
    if client and not with_key:
        wanted |= {T.CERTIFICATE, T.SERVER_KEY_EXCHANGE}
    if isinstance(config, ServerConfig) and config.client_authentication is ClientAuthentication.REQUIRED:
        wanted |= {T.CERTIFICATE, T.CERTIFICATE_VERIFY}
    _check_path(taken, conn.role, {*map(int, wanted), CHANGE_CIPHER_SPEC})
    # A HelloRequest may come at any time, and is ignored (RFC 5246 section 7.4.1.1).
    told = [kind for kind in taken if kind != T.HELLO_REQUEST]
    demand(told[-2:] == [CHANGE_CIPHER_SPEC, T.FINISHED], f"connected by {taken}")
    demand(not (client and not with_key) or bool(conn.peer_certificates), "connected to nobody")


# Tickets and sessions: bytes that we made once, kept by somebody else, and that come back as anything


class AnySeal(TicketKeys):
    """Takes what it is given for the plaintext of a ticket, as if the seal had been right."""

    __slots__ = ()

    def redeem(self, ticket: bytes) -> bytes | None:
        """The very same."""
        return ticket


TICKET_KEY = bytes(range(7, 39))
BINDING = slice(27, 59)
"""Where a `SessionState` has its binding."""
LATEST = 1 << 48
"""Milliseconds: no clock goes beyond."""


@contextlib.contextmanager
def time_at(now: float) -> Iterator[None]:
    """Inside, the clock stands still there."""
    genuine = clock.now
    clock.now = lambda: now
    try:
        yield
    finally:
        clock.now = genuine


@cache
def ticket_configs(kind: type[TicketKeys]) -> tuple[ServerConfig, ...]:
    """A server of each manner of client authentication that takes tickets. Its clients are `client_configs`."""
    store = kind()
    store.set_keys([TICKET_KEY])
    common: dict[str, Any] = {"groups": (G.X25519,), "alpn_protocols": (b"h2",), "send_tickets": 2}
    return tuple(
        server_config(**common, ticket_store=store, client_authentication=manner) for manner in ClientAuthentication
    )


def offering(ticket: bytes) -> Connection:
    """A client that offers this ticket, and has a secret that goes with no ticket."""
    config = client_configs()[0]
    origin = SessionOrigin(
        version=0x0304,
        cipher_suite=0x1301,
        server_name=NAME,
        alpn=b"h2",
        signature_scheme=0x0403,
        peer_certificates=(),
        verified_path=(),
        authenticated_at=clock.now(),
        binding=client_binding(config),
        secret=bytes(32),
    )
    session = Session(origin, ticket=ticket, lifetime=7200, ticket_age_add=0, ticket_nonce=b"", received_at=clock.now())
    return Connection(config, server_name=NAME, session=session)


def full_handshake(link: Link) -> None:
    """Both ends complete a handshake that resumes nothing."""
    link.connect()
    for conn in (link.client, link.server):
        demand(conn.negotiated is not None and not conn.negotiated.resumed, "resumed what nobody issued")


def ticket(data: bytes) -> None:
    """A ticket as a server gets it back: what we did not seal, or not for this, is passed over in silence."""
    if data:
        link = Link(server=ticket_configs(TicketKeys)[0])
        link.client = offering(data)
        full_handshake(link)


def ticket_lenient(data: bytes) -> None:
    """The plaintext of a ticket, its seal and its binder taken for right: resumed only where every binding holds.

    The first byte says which server, whether the target puts the right binding into the state, and whether the clock
    says that it was issued a second ago.
    """
    if len(data) < 2:
        return
    configs = ticket_configs(AnySeal)
    config, state = configs[data[0] % len(configs)], bytearray(data[1:])
    if data[0] & 4 and len(state) > BINDING.stop:
        state[BINDING] = server_binding(config, config.credentials[0])
    decoded = SessionState.decode(bytes(state))
    issued = clock.now()
    if data[0] & 8 and decoded is not None and decoded.issued_at < LATEST:
        issued = decoded.issued_at / 1000
    with time_at(issued + 1), lenient():
        client, server = offering(bytes(state)), Connection(config)
        client.start()
        # One record: a ticket of the fuzzer's is shorter than that.
        taken = _feed(server, client.data_to_send()[5:] + bytes((T.FINISHED, 0, 0, 32)) + bytes(32))
    negotiated = server.negotiated
    if negotiated is None or not negotiated.resumed:
        return
    if decoded is None:
        raise Broken("resumed a state that cannot be read")
    demand(taken == [T.CLIENT_HELLO, T.FINISHED], f"resumed by {taken}")
    demand((decoded.version, decoded.server_name, decoded.alpn) == (0x0304, NAME, b"h2"), "not bound to what it says")
    demand(decoded.binding == server_binding(config, config.credentials[0]), "not bound to the policy")
    demand(-60 <= issued + 1 - decoded.issued_at / 1000 < decoded.lifetime, "too old, or not issued yet")
    demand(server.peer_certificates == decoded.peer_certificates, "another client")


def session(data: bytes) -> None:
    """`SSLSession.from_bytes`: ValueError, or a session that is written as it was read and that breaks no handshake.

    The target makes its binding right, and the clock says that its ticket came a second ago.
    """
    try:
        kept = SSLSession.from_bytes(data)
    except ValueError:
        return
    inner = kept._session
    if inner is None:
        raise Broken("a session without a ticket")
    again = kept.to_bytes()
    demand(SSLSession.from_bytes(again).to_bytes() == again, "reads back different")
    demand(0 <= kept.timeout <= 7 * 86400, "a lifetime of more than seven days")
    config = client_configs()[0]
    inner.origin.binding = client_binding(config)
    with time_at(inner.received_at + 1):
        link = Link(config, ticket_configs(TicketKeys)[0])
        link.client.use_session(inner)
        full_handshake(link)


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
        tls12_lenient,
        ticket,
        ticket_lenient,
        session,
    )
}
"""Name to target; the corpus of each is the folder of its name in `corpus/`."""
