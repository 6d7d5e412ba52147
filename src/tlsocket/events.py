"""What a connection reports while it works: enough to narrate a handshake truthfully.

Each event is a frozen value made after the thing it names has happened (a message is "sent" once it is queued for
the record layer). Nothing is made when nobody listens. Not here: decisions (`tlsocket.handshake.decisions`); an event
asks nothing of its listener, and carries no secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tlsocket.config import Role
from tlsocket.crypto.suites import CipherSuite

__all__ = [
    "AlertReceived",
    "AlertSent",
    "CertificateAccepted",
    "CertificateReceived",
    "CertificateRejected",
    "CertificateRequested",
    "CertificateSent",
    "ClientHelloReceived",
    "ClientHelloSent",
    "CloseNotifyReceived",
    "CloseNotifySent",
    "EncryptedExtensionsReceived",
    "EncryptedExtensionsSent",
    "Event",
    "FinishedSent",
    "FinishedVerified",
    "HandshakeCompleted",
    "HelloRetryRequestReceived",
    "HelloRetryRequestSent",
    "KeyExchangeReceived",
    "KeyExchangeSent",
    "KeysInstalled",
    "KeysUpdated",
    "MessageReceived",
    "MessageSent",
    "Negotiated",
    "ServerHelloReceived",
    "ServerHelloSent",
    "SignatureSent",
    "SignatureVerified",
    "TicketReceived",
    "TicketsSent",
]


class Negotiated(NamedTuple):
    """What the two ends agreed on."""

    version: int
    cipher_suite: CipherSuite
    group: int
    """0 where TLS 1.2 resumed a session: nothing was exchanged."""
    signature_scheme: int | None
    """Scheme of the peer's CertificateVerify; None when the peer did not authenticate."""
    own_signature_scheme: int | None
    """Scheme of our CertificateVerify; None when we sent none."""
    own_certificates: tuple[bytes, ...]
    """What we authenticated with, DER, leaf first; empty when we did not."""
    common_cipher_suites: tuple[int, ...]
    """On a server, those of ours that the client offered, in its order; empty on a client, which cannot know."""
    alpn: bytes | None
    server_name: str | None
    """On a server the name in the ClientHello; on a client the name it was given, which may be an address."""
    resumed: bool = False
    """Whether a session was resumed: who the peer is was proven in an earlier handshake."""
    psk_identity: bytes | None = None
    """The identity of the external pre-shared key that authenticated both ends; None: none did."""


@dataclass(frozen=True, slots=True)
class _ClientHello:
    server_name: str | None
    versions: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    groups: tuple[int, ...]
    key_share_groups: tuple[int, ...]
    alpn: tuple[bytes, ...]
    pre_shared_keys: int = 0
    """How many are offered."""


@dataclass(frozen=True, slots=True)
class ClientHelloSent(_ClientHello):
    """RFC 9846 section 4.2.2."""


@dataclass(frozen=True, slots=True)
class ClientHelloReceived(_ClientHello):
    """RFC 9846 section 4.2.2."""


@dataclass(frozen=True, slots=True)
class _HelloRetryRequest:
    cipher_suite: CipherSuite
    group: int | None
    cookie: bool


@dataclass(frozen=True, slots=True)
class HelloRetryRequestSent(_HelloRetryRequest):
    """RFC 9846 section 4.2.4."""


@dataclass(frozen=True, slots=True)
class HelloRetryRequestReceived(_HelloRetryRequest):
    """RFC 9846 section 4.2.4."""


@dataclass(frozen=True, slots=True)
class _ServerHello:
    version: int
    cipher_suite: CipherSuite
    group: int
    """0 in TLS 1.2, where `KeyExchangeSent` and `KeyExchangeReceived` name it."""
    pre_shared_key: bool = False
    """Whether a pre-shared key or, in TLS 1.2, a session was accepted: no certificates will follow."""


@dataclass(frozen=True, slots=True)
class ServerHelloSent(_ServerHello):
    """RFC 9846 section 4.2.3; what follows is encrypted in TLS 1.3."""


@dataclass(frozen=True, slots=True)
class ServerHelloReceived(_ServerHello):
    """RFC 9846 section 4.2.3; what follows is encrypted in TLS 1.3."""


@dataclass(frozen=True, slots=True)
class KeyExchangeSent:
    """Our ServerKeyExchange of TLS 1.2 (RFC 8422 section 5.4); `scheme` signed it, 0 with a pre-shared key."""

    group: int
    scheme: int


@dataclass(frozen=True, slots=True)
class KeyExchangeReceived:
    """The server's ServerKeyExchange of TLS 1.2 (RFC 8422 section 5.4), rightly signed with `scheme`.

    `scheme` is 0 with a pre-shared key, where nothing is signed.
    """

    group: int
    scheme: int


@dataclass(frozen=True, slots=True)
class EncryptedExtensionsSent:
    """RFC 9846 section 4.4.1."""

    alpn: bytes | None


@dataclass(frozen=True, slots=True)
class EncryptedExtensionsReceived:
    """RFC 9846 section 4.4.1."""

    alpn: bytes | None


@dataclass(frozen=True, slots=True)
class CertificateRequested:
    """RFC 9846 section 4.4.2; reported by both ends, `by_us` says which side asked."""

    by_us: bool
    certificate_authorities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CertificateSent:
    """RFC 9846 section 4.5.1; `chain` is DER, leaf first, empty when we declined."""

    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CertificateReceived:
    """RFC 9846 section 4.5.1; `chain` is DER as the peer sent it, empty when a client declined."""

    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CertificateAccepted:
    """The verifier found a path; `path` is DER from the leaf to the anchor."""

    path: tuple[bytes, ...]
    name_checked: str | None
    switched_off: tuple[str, ...] = ()
    """Checks that were not made, as `tlsocket.config.VerifiedPath` names them."""
    overridden: tuple[str, ...] = ()
    """What the application chose to overlook."""


@dataclass(frozen=True, slots=True)
class CertificateRejected:
    """The verifier, or the application, refused the peer's certificate."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class SignatureSent:
    """Our CertificateVerify (RFC 9846 section 4.5.2)."""

    scheme: int


@dataclass(frozen=True, slots=True)
class SignatureVerified:
    """The peer's CertificateVerify: it holds the certificate's key (RFC 9846 section 4.5.2)."""

    scheme: int


@dataclass(frozen=True, slots=True)
class FinishedSent:
    """Our Finished (RFC 9846 section 4.5.3)."""


@dataclass(frozen=True, slots=True)
class FinishedVerified:
    """The peer's Finished: both ends saw the same handshake (RFC 9846 section 4.5.3)."""


@dataclass(frozen=True, slots=True)
class HandshakeCompleted:
    """Application data may flow."""

    role: Role
    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class TicketReceived:
    """RFC 9846 section 4.7.1, RFC 5077 section 3.3."""

    lifetime: int
    """Seconds; in TLS 1.2 a hint, 0 for none."""


@dataclass(frozen=True, slots=True)
class TicketsSent:
    """RFC 9846 section 4.7.1, RFC 5077 section 3.3; so many at once, each good for so many seconds."""

    count: int
    lifetime: int


@dataclass(frozen=True, slots=True)
class KeysUpdated:
    """RFC 9846 section 4.7.3; `sending` says whose keys changed (ours change once the queue is sealed)."""

    sending: bool


@dataclass(frozen=True, slots=True)
class AlertSent:
    """A fatal alert was queued because of `error`."""

    description: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class AlertReceived:
    """The peer's alert."""

    level: int
    description: int


@dataclass(frozen=True, slots=True)
class CloseNotifySent:
    """We send no more data (RFC 9846 section 6.1)."""


@dataclass(frozen=True, slots=True)
class CloseNotifyReceived:
    """The peer sends no more data (RFC 9846 section 6.1)."""


@dataclass(frozen=True, slots=True)
class _Message:
    content_type: int
    """22: one handshake message with its header; 20: a change_cipher_spec."""
    data: bytes = field(repr=False)
    at: float
    """When, as `tlsocket.clock.monotonic` tells it."""


@dataclass(frozen=True, slots=True)
class MessageSent(_Message):
    """A message as it is on the wire, before protection: queued for the record layer, or sealed just now."""


@dataclass(frozen=True, slots=True)
class MessageReceived(_Message):
    """A whole handshake message as it came, before anybody looked at it."""


@dataclass(frozen=True, slots=True)
class KeysInstalled:
    """Everything that follows in this direction is under other keys; the first ones are those of the handshake."""

    sending: bool
    at: float


Event: TypeAlias = (
    MessageSent
    | MessageReceived
    | KeysInstalled
    | ClientHelloSent
    | ClientHelloReceived
    | HelloRetryRequestSent
    | HelloRetryRequestReceived
    | ServerHelloSent
    | ServerHelloReceived
    | KeyExchangeSent
    | KeyExchangeReceived
    | EncryptedExtensionsSent
    | EncryptedExtensionsReceived
    | CertificateRequested
    | CertificateSent
    | CertificateReceived
    | CertificateAccepted
    | CertificateRejected
    | SignatureSent
    | SignatureVerified
    | FinishedSent
    | FinishedVerified
    | HandshakeCompleted
    | TicketReceived
    | TicketsSent
    | KeysUpdated
    | AlertSent
    | AlertReceived
    | CloseNotifySent
    | CloseNotifyReceived
)
