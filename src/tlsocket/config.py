"""What a connection is told before it starts: frozen configurations of client and server.

A configuration is a snapshot: nothing in it changes once a connection has it, and any number of connections may share
one, in any number of threads. The budgets are those of RFC 9846 sections 5.5 and 8 only where it names them; the
others are our own. Two private fields are caches of pure functions of the rest (see `tlsocket.handshake.negotiation`).

Not here: loading of files, trust stores, names of the `ssl` module (`tlsocket.dropin`), and every decision that needs
the peer's bytes (`tlsocket.handshake`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tlsocket.crypto.certificates import certificate_kind
from tlsocket.crypto.groups import SUPPORTED_GROUPS
from tlsocket.crypto.randomness import random_bytes
from tlsocket.crypto.signatures import (
    CERTIFICATE_SCHEMES,
    DEFAULT_SIGNATURE_SCHEMES,
    Signer,
    schemes_for_key,
    tls12_schemes_for_key,
)
from tlsocket.crypto.suites import (
    DEFAULT_TLS12_SUITES,
    DEFAULT_TLS13_SUITES,
    TLS12_SUITES,
    TLS13_SUITES,
    CertificateKind,
)
from tlsocket.errors import ApiMisuse
from tlsocket.extensions.negotiation import FRAGMENT_LENGTHS
from tlsocket.key_schedule.external_psk import MAXIMUM_IDENTITY, PreSharedKey
from tlsocket.messages import Certificate, CertificateEntry
from tlsocket.registry.versions import ProtocolVersion

__all__ = [
    "DEFAULT_BUDGETS",
    "MAXIMUM_TICKETS",
    "MAX_RECORD_SIZE_LIMIT",
    "SEVEN_DAYS",
    "Budgets",
    "ClientAuthentication",
    "ClientConfig",
    "Credential",
    "DecisionKind",
    "PeerVerifier",
    "Role",
    "ServerConfig",
    "SessionCache",
    "SessionIdStore",
    "TicketStore",
    "VerifiedPath",
]


MAX_RECORD_SIZE_LIMIT = 16385
"""RFC 8449 section 4: in TLS 1.3 the type counts, and padding."""

SEVEN_DAYS = 604800
"""RFC 9846 section 4.7.1: no ticket is used for longer, whatever its ticket_lifetime says."""

MAXIMUM_TICKETS = 16
"""On one connection."""


class Role(enum.Enum):
    """The two ends of a connection."""

    CLIENT = "client"
    SERVER = "server"


class ClientAuthentication(enum.Enum):
    """Whether a server asks for the client's certificate (RFC 9846 section 4.4.2)."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class DecisionKind(enum.Enum):
    """Decisions that an application may take itself, while the handshake is suspended."""

    CERTIFICATE = "certificate"
    SIGNATURE = "signature"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Budgets:
    """How much of each thing a peer may make us do (design law 9)."""

    handshake_message: int = 128 * 1024
    """Bytes of one handshake message, enforced when its header is seen."""
    handshake_bytes: int = 256 * 1024
    """Bytes of all handshake messages until the handshake is over."""
    handshake_messages: int = 32
    """Number of handshake messages until the handshake is over."""
    handshake_seconds: float | None = None
    """Time from the making of the connection until its handshake is over; None: as long as the transport lets it."""
    extensions: int = 100
    """Extensions in a ClientHello; elsewhere only those count that were asked for."""
    empty_records: int = 32
    """Records without content in a row."""
    change_cipher_specs: int = 32
    """Dummy change_cipher_spec records (RFC 9846 appendix E.4)."""
    certificates: int = 16
    """Certificates in the peer's list."""
    key_updates: int = 32
    """KeyUpdates in a row, nothing but handshake messages between them."""
    certificate_requests: int = 8
    """Requests for a certificate after the handshake in a row, nothing but handshake messages between them."""
    tickets: int = 64
    """NewSessionTickets in a row, nothing but handshake messages between them."""
    tickets_kept: int = 8
    """Tickets kept for later; the oldest gives way."""
    warnings: int = 4
    """Alerts that do not end the connection (user_canceled)."""
    psk_identities: int = 8
    """Identities of a client's pre_shared_key that a server looks at; it passes over the rest."""
    early_data_skipped: int = 20480
    """Bytes of records of early data that a server skips, having accepted none (RFC 9846 section 4.3.10)."""


DEFAULT_BUDGETS = Budgets()


@dataclass(frozen=True, slots=True)
class VerifiedPath:
    """The certification path that a verifier built: DER certificates from the leaf to the trust anchor."""

    chain: tuple[bytes, ...]
    switched_off: tuple[str, ...] = ()
    """Names of checks that the verifier's profile has and that were not made."""
    overridden: tuple[str, ...] = ()
    """What was wrong and is accepted all the same, since the application said so: a reason's name and the depth."""


class PeerVerifier(Protocol):
    """Decides whether a certificate list is the peer's. Raises `CertificateRejected`; never answers with a bool."""

    def verify(
        self, certificates: Sequence[bytes], *, server_name: str | None, role_of_peer: Role, now: float
    ) -> VerifiedPath:
        """Return the verified path; `server_name` None means that no name is to be checked."""
        ...


class TicketStore(Protocol):
    """Where a server's sessions live: sealed in the tickets themselves, or in a cache (RFC 9846 section 4.7.1).

    Both methods may be called by several threads at once.
    """

    def issue(self, state: bytes, lifetime: int) -> bytes | None:
        """A ticket that stands for `state`, for so many seconds; None: there is none to be had."""
        ...

    def redeem(self, ticket: bytes) -> bytes | None:
        """The state that a ticket stands for; None when nobody knows (any more) what it is."""
        ...

    def expired(self) -> None:
        """A ticket redeemed turned out to be too old: for the statistics."""
        ...


class SessionIdStore(Protocol):
    """Where a server keeps sessions of TLS 1.2 by their session ids (RFC 5246 section 7.4.1.3).

    All methods may be called by several threads at once.
    """

    def keep(self, session_id: bytes, state: bytes, lifetime: int) -> None:
        """Keep `state` under a random name, for so many seconds."""
        ...

    def redeem(self, ticket: bytes) -> bytes | None:
        """The state kept under a session id; None when there is none (any more)."""
        ...

    def expired(self) -> None:
        """A session found turned out to be too old: for the statistics."""
        ...


class SessionCache(Protocol):
    """Where a client keeps its sessions, as `tlsocket.handshake.sessions.Session`. Used by several threads at once."""

    def add(self, session: Any) -> None:
        """Keep a session that has a ticket or a session id."""
        ...

    def take(self, server_name: str | None, usable: Callable[[Any], bool]) -> Any | None:
        """Hand out the latest session with this server that is usable, and forget it: a ticket is used once.

        A session of TLS 1.2 that was resumed and not renewed is added again.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """A certificate chain, leaf first, and what signs for it.

    `names` are the host names it serves (wildcards in the leftmost label only); empty: any. The signature schemes and
    the encoded Certificate message are worked out once, here.
    """

    certificate_chain: tuple[bytes, ...]
    signer: Signer
    names: tuple[str, ...] = ()
    schemes: tuple[int, ...] = field(init=False)
    tls12_schemes: tuple[int, ...] = field(init=False)
    kind: CertificateKind = field(init=False)
    """Which cipher suites of TLS 1.2 it goes with."""
    certificate_message: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.certificate_chain:
            raise ApiMisuse(detail="a credential needs a certificate")
        entries = tuple(CertificateEntry(der) for der in self.certificate_chain)
        public_key = self.signer.public_key()
        object.__setattr__(self, "schemes", schemes_for_key(public_key))
        object.__setattr__(self, "tls12_schemes", tls12_schemes_for_key(public_key))
        object.__setattr__(self, "kind", certificate_kind(public_key))
        object.__setattr__(self, "certificate_message", Certificate(b"", entries).encode())
        object.__setattr__(self, "names", tuple(name.lower() for name in self.names))


_TLS_1_2 = ProtocolVersion.TLS_1_2.value
_TLS_1_3 = ProtocolVersion.TLS_1_3.value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Config:
    """What both roles have in common. Lists are in order of preference."""

    minimum_version: int = _TLS_1_2
    maximum_version: int = _TLS_1_3
    """TLS 1.2 (0x0303) or TLS 1.3 (0x0304)."""
    cipher_suites: tuple[int, ...] = DEFAULT_TLS13_SUITES
    """Of TLS 1.3."""
    tls12_cipher_suites: tuple[int, ...] = DEFAULT_TLS12_SUITES
    """Of TLS 1.2. Those of ECDHE_PSK (`tlsocket.crypto.suites.PSK_SUITES`) have to be asked for."""
    require_extended_main_secret: bool = False
    """Refuse a peer of TLS 1.2 without RFC 7627. Where it is not required, such a connection has no exporters."""
    groups: tuple[int, ...] = SUPPORTED_GROUPS
    signature_schemes: tuple[int, ...] = (*DEFAULT_SIGNATURE_SCHEMES, *CERTIFICATE_SCHEMES)
    """What the peer may sign with."""
    signing_schemes: tuple[int, ...] | None = None
    """What we sign with, in our order; None: whatever our keys can do, in the peer's order."""
    signature_schemes_cert: tuple[int, ...] | None = None
    """For signatures in certificates, where that differs from `signature_schemes`."""
    alpn_protocols: tuple[bytes, ...] = ()
    credentials: tuple[Credential, ...] = ()
    verifier: PeerVerifier | None = None
    """None: the peer's certificate is not verified."""
    certificate_authorities: tuple[bytes, ...] = ()
    """DER names of the authorities that the peer's certificate should come from; a hint to the peer only."""
    record_size_limit: int | None = None
    """Bytes that a protected record to us may carry, its type included: 64 to 16385 (RFC 8449); None: do not ask."""
    middlebox_compatibility: bool = True
    """RFC 9846 section E.4."""
    budgets: Budgets = DEFAULT_BUDGETS
    key_log: Callable[[str], None] | None = None
    """Gets the lines of RFC 9850."""
    suspend_for: frozenset[DecisionKind] = frozenset()
    """Decisions that the application takes with `Connection.resume`."""
    token: bytes = field(default_factory=lambda: random_bytes(16), init=False, repr=False)
    """Stands for this very configuration where what it demands cannot be told from another's (see `sessions`)."""
    cache: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    """Results of pure functions of this configuration; bounded by whoever writes to it."""

    def __post_init__(self) -> None:
        lowest, highest = self.minimum_version, self.maximum_version
        _demand(_TLS_1_2 <= lowest <= highest <= _TLS_1_3, "the versions are not TLS 1.2, TLS 1.3, or both")
        _demand(highest < _TLS_1_3 or bool(self.cipher_suites), "no cipher suite is enabled")
        _demand(lowest > _TLS_1_2 or bool(self.tls12_cipher_suites), "no cipher suite of TLS 1.2 is enabled")
        _demand(all(code in TLS12_SUITES for code in self.tls12_cipher_suites), "unknown cipher suite of TLS 1.2")
        _demand(all(code in TLS13_SUITES for code in self.cipher_suites), "unknown cipher suite")
        _demand(bool(self.groups), "no key exchange group is enabled")
        _demand(all(group in SUPPORTED_GROUPS for group in self.groups), "unknown key exchange group")
        _demand(len(set(self.groups)) == len(self.groups), "a key exchange group is named twice")
        _demand(bool(self.signature_schemes), "no signature scheme is enabled")
        _demand(self.signing_schemes is None or bool(self.signing_schemes), "no signature scheme is left to sign with")
        limit = self.record_size_limit
        _demand(limit is None or 64 <= limit <= MAX_RECORD_SIZE_LIMIT, "record_size_limit is 64 to 16385")
        _demand(all(0 < len(name) < 256 for name in self.alpn_protocols), "ALPN names are 1 to 255 bytes long")

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions that are spoken, most preferred first."""
        return tuple(v for v in (_TLS_1_3, _TLS_1_2) if self.minimum_version <= v <= self.maximum_version)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClientConfig(_Config):
    """What a client offers and demands."""

    key_share_groups: tuple[int, ...] | None = None
    """Groups to send key shares for at once; empty: ask the server to choose.

    None: the first of `groups`, with a classical group beside it where that is a hybrid."""
    check_name: bool = True
    """Whether the verifier is given the server's name."""
    max_fragment_length: int | None = None
    """Bytes that a protected record may carry either way: 512, 1024, 2048 or 4096 (RFC 6066 section 4)."""
    post_handshake_auth: bool = False
    """Whether the server may ask for a certificate after the handshake (RFC 9846 section 4.3.6)."""
    require_secure_renegotiation: bool = True
    """Refuse a server of TLS 1.2 that does not know RFC 5746: it may be one that renegotiates with an attacker."""
    send_fallback_scsv: bool = False
    """This connection repeats one that failed with a higher version (RFC 7507)."""
    session_cache: SessionCache | None = None
    """Where sessions are kept and looked up by the server's name; None: only those are resumed that are given."""
    tls12_tickets: bool = True
    """Whether a server of TLS 1.2 is asked for a session ticket (RFC 5077); without, it may still give a session id."""
    offer_psks: Callable[[str | None], Sequence[PreSharedKey]] | None = None
    """External pre-shared keys to offer to the server of this name in TLS 1.3."""
    choose_psk: Callable[[str | None, bytes], PreSharedKey | None] | None = None
    """The key of TLS 1.2 for the server of this name, by its psk_identity_hint, which may be empty; None as its answer:
    there is none. Without this no suite of ECDHE_PSK is offered."""

    def __post_init__(self) -> None:
        _Config.__post_init__(self)
        length = self.max_fragment_length
        _demand(length is None or length in FRAGMENT_LENGTHS, "max_fragment_length is 512, 1024, 2048 or 4096")
        shares = self.key_share_groups
        if shares is not None:
            # RFC 9846 section 4.3.8: shares are for offered groups, each once, in the order of supported_groups.
            _demand([g for g in self.groups if g in shares] == list(shares), "key_share_groups do not follow groups")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ServerConfig(_Config):
    """What a server accepts and how it answers."""

    prefer_server_order: bool = True
    """Whether our order of cipher suites decides, or the client's."""
    alpn_strict: bool = True
    """No common ALPN protocol: refuse (RFC 7301 section 3.2), or go on without one."""
    name_strict: bool = False
    """No credential for the client's server_name: refuse, or use one that fits otherwise."""
    client_authentication: ClientAuthentication = ClientAuthentication.NONE
    post_handshake_authentication: ClientAuthentication = ClientAuthentication.NONE
    """What a request after the handshake demands (RFC 9846 section 4.7.2); NONE: what `client_authentication` says."""
    use_cookie: bool = False
    """Put a cookie into HelloRetryRequest (RFC 9846 section 4.3.2)."""
    ticket_store: TicketStore | None = None
    """None: no ticket is sent or taken."""
    send_tickets: int = 0
    """Session tickets after a full handshake of TLS 1.3; after a resumed one a single ticket, if any."""
    tls12_tickets: bool = False
    """Whether a client of TLS 1.2 that asks for a ticket gets one, and may come back with it (RFC 5077)."""
    session_ids: SessionIdStore | None = None
    """Where the sessions of TLS 1.2 are kept for which there is no ticket; None: such are not resumed."""
    ticket_lifetime: int = 7200
    """Seconds that a ticket is good for; at most seven days (RFC 9846 section 4.7.1)."""
    session_lifetime: int = 86400
    """Seconds after which a chain of resumptions needs a full handshake again, however fresh its last ticket."""
    find_psk: Callable[[bytes], PreSharedKey | None] | None = None
    """The external pre-shared key of an identity; None as its answer: there is none. Without this, and where a client's
    certificate is required, no suite of ECDHE_PSK is taken in TLS 1.2."""
    psk_identity_hint: bytes = b""
    """What clients of TLS 1.2 are told, so that they choose the right key (RFC 4279 section 5.2)."""

    def __post_init__(self) -> None:
        _Config.__post_init__(self)
        _demand(0 <= self.send_tickets <= MAXIMUM_TICKETS, f"0 to {MAXIMUM_TICKETS} tickets can be sent")
        tickets = self.send_tickets or self.tls12_tickets
        _demand(not tickets or self.ticket_store is not None, "session tickets need a ticket_store")
        _demand(0 < self.ticket_lifetime <= SEVEN_DAYS, "a ticket lives for 1 to 604800 seconds")
        _demand(self.session_lifetime > 0, "a session lives for at least a second")
        _demand(len(self.psk_identity_hint) <= MAXIMUM_IDENTITY, f"a hint has at most {MAXIMUM_IDENTITY} bytes")


def _demand(condition: bool, complaint: str) -> None:
    if not condition:
        raise ApiMisuse(detail=complaint)
