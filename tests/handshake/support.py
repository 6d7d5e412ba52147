"""Two connections on a wire in memory, credentials for them, and a hand that changes messages on their way.

`Link` carries bytes. `tamper` changes a sender's messages after the sender has hashed and before it has sealed them, so
that the receiver sees, under the right keys, what an honest peer would never send.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlsocket import messages
from tlsocket.config import ClientConfig, Credential, Role, ServerConfig, VerifiedPath
from tlsocket.connection import Connection
from tlsocket.crypto.signatures import LocalSigner, PrivateKey
from tlsocket.errors import CertificateReason, CertificateRejected, TLSError
from tlsocket.events import Event
from tlsocket.registry import ContentType, HandshakeType

NAME = "server.example"

_KEYS: dict[str, Callable[[], PrivateKey]] = {
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}


def name(common_name: str) -> x509.Name:
    """A distinguished name with nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@cache
def authority_key() -> ec.EllipticCurvePrivateKey:
    """The key of the authority that signs every leaf here."""
    return ec.generate_private_key(ec.SECP256R1())


AUTHORITY = name("test authority")


@cache
def credential(
    key_type: str = "ecdsa-p256",
    host: str = NAME,
    issuer: str = "test authority",
    names: tuple[str, ...] = (),
    may_sign: bool | None = None,
) -> Credential:
    """A leaf for `host`. Each call with the same arguments gives the same one. `may_sign` None: no key usage in it."""
    key = _KEYS[key_type]()
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(host))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    )
    if may_sign is not None:
        usage = x509.KeyUsage(may_sign, False, not may_sign, False, False, False, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    certificate = builder.sign(authority_key(), hashes.SHA256())
    return Credential((certificate.public_bytes(Encoding.DER),), LocalSigner(key), names)


class Verifier:
    """Accepts every chain, or refuses it; remembers what it was asked."""

    def __init__(self, refuse: CertificateReason | None = None) -> None:
        self.refuse = refuse
        self.asked: list[tuple[tuple[bytes, ...], str | None, Role]] = []

    def verify(
        self, certificates: Sequence[bytes], *, server_name: str | None, role_of_peer: Role, now: float
    ) -> VerifiedPath:
        """See `PeerVerifier`."""
        self.asked.append((tuple(certificates), server_name, role_of_peer))
        if self.refuse is not None:
            raise CertificateRejected(self.refuse)
        return VerifiedPath((*certificates, b"anchor"))


def client_config(**changes: Any) -> ClientConfig:
    """A client that verifies nothing, unless `changes` say so."""
    return ClientConfig(**changes)


def server_config(**changes: Any) -> ServerConfig:
    """A server with one ECDSA credential, unless `changes` say otherwise."""
    return ServerConfig(**{"credentials": (credential(),), **changes})


class Link:
    """A client and a server, and the wire between them."""

    def __init__(self, client: ClientConfig | None = None, server: ServerConfig | None = None) -> None:
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []
        self.client = Connection(client or client_config(), server_name=NAME, on_event=self.client_events.append)
        self.server = Connection(server or server_config(), on_event=self.server_events.append)
        self.client_error: BaseException | None = None
        self.server_error: BaseException | None = None

    def run(self) -> Link:
        """Carry bytes both ways until nobody has any more; errors end up in `client_error` and `server_error`."""
        try:
            self.client.start()
        except TLSError as error:
            self.client_error = error
        for _ in range(32):
            moved = self._carry(self.client, self.server, "server_error")
            if not self._carry(self.server, self.client, "client_error") and not moved:
                return self
        raise AssertionError("the two never stop talking")

    def _carry(self, sender: Connection, receiver: Connection, error_of_receiver: str) -> bool:
        data = sender.data_to_send()
        if data and receiver.error is None:
            try:
                receiver.receive_data(data)
            except Exception as error:
                setattr(self, error_of_receiver, error)
        return bool(data)

    def connect(self) -> Link:
        """`run`, and both handshakes are complete."""
        self.run()
        for error in (self.client_error, self.server_error):
            if error is not None:
                raise error
        assert self.client.handshake_complete
        assert self.server.handshake_complete
        return self


Change = Callable[[Any], "bytes | list[bytes]"]
"""From a parsed message to the encoded message, or messages, to send in its place."""


class _TamperingWriter:
    """Stands in for a connection's writer during the handshake; everything but handshake messages goes through."""

    def __init__(
        self, writer: Any, changes: Mapping[HandshakeType, Change], parsers: Mapping[int, Callable[[Any], Any]]
    ) -> None:
        self._writer = writer
        self._changes = changes
        self._parsers = parsers

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._writer, attribute)

    def queue(self, content_type: int, payload: bytes) -> None:
        if content_type == ContentType.HANDSHAKE:
            payload = b"".join(self._changed(message) for message in split_messages(payload))
            if not payload:
                return
        self._writer.queue(content_type, payload)

    def _changed(self, message: bytes) -> bytes:
        change = self._changes.get(HandshakeType(message[0]))
        if change is None:
            return message
        changed = change(messages.parse_with(self._parsers, message))
        return changed if isinstance(changed, bytes) else b"".join(changed)


def split_messages(payload: bytes) -> list[bytes]:
    """The handshake messages in `payload`, headers included."""
    found = []
    while payload:
        end = 4 + int.from_bytes(payload[1:4], "big")
        found.append(payload[:end])
        payload = payload[end:]
    return found


def tamper(
    connection: Connection,
    changes: Mapping[HandshakeType, Change],
    parsers: Mapping[int, Callable[[Any], Any]] = messages.PARSERS,
) -> None:
    """Let `connection` send something else in the place of the named messages of its handshake.

    `parsers` are those of its version, and in TLS 1.2 of its key exchange.
    """
    handshake: Any = connection._handshake
    handshake.writer = _TamperingWriter(connection.writer, changes, parsers)
