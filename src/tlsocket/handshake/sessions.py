"""Sessions: what two ends remember of a handshake to resume it, and what that is bound to (design law 8).

A `Session` is the client's half: a ticket, the secret behind it, and everything that the full handshake proved. A
`SessionState` is the server's half, which a ticket store keeps or seals into the ticket. Both are of any version: for
TLS 1.2 the secret is the main secret. A session is resumed only where the same handshake, made in full, would have
the same result; where any binding does not hold, the handshake is a full one and nobody is told.

Not here: sealing (`tickets`), caches (`session_caches`), pre_shared_key on the wire (`psk`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from tlsocket.config import SEVEN_DAYS, ClientConfig, Credential, DecisionKind, ServerConfig
from tlsocket.crypto.certificates import validity
from tlsocket.crypto.suites import TLS12_SUITES, TLS13_SUITES
from tlsocket.errors import InvalidMessage, Reason, TLSError
from tlsocket.handshake.negotiation import remember
from tlsocket.handshake.proofs import PreSharedKeyPeer
from tlsocket.registry.versions import ProtocolVersion
from tlsocket.wire import Reader, Writer

__all__ = [
    "CLOCK_SKEW",
    "LARGEST_TICKET",
    "ClientBinding",
    "Session",
    "SessionOrigin",
    "SessionState",
    "bound_credential",
    "client_binding",
    "encode_head",
    "encode_tail",
    "normal_name",
    "server_binding",
    "within_validity",
]


LARGEST_TICKET = 0x8000
"""Bytes of a ticket that is issued or kept: it may have 65535, but so may all extensions of a ClientHello together."""

CLOCK_SKEW = 60_000
"""Milliseconds by which a ticket of another machine may come from the future."""


def normal_name(name: str | None) -> str | None:
    """A server's name as sessions are filed under it."""
    return None if name is None else name.rstrip(".").lower()


def within_validity(path: Iterable[bytes], now: float) -> bool:
    """Whether every certificate of a verified path is valid now: an expired certificate is not resumed."""
    try:
        start, end = validity(path)
    except TLSError:
        return False
    return start <= math.floor(now) <= end


# Bindings


def _digest(*parts: bytes) -> bytes:
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(4, "big") + part)
    return state.digest()


def _policy(config: ClientConfig | ServerConfig) -> bytes:
    """Stands for the verification policy, the trust it rests on and its generation.

    A verifier says so itself with `policy_id`, bytes that are the same where every verdict would be the same. One that
    does not, and a verdict that the application takes, are bound to this very configuration object.
    """
    verifier = config.verifier
    if DecisionKind.VERDICT in config.suspend_for:
        return b"token" + config.token
    if verifier is None:
        return b"none"
    policy_id: bytes | None = getattr(verifier, "policy_id", None)
    return b"token" + config.token if policy_id is None else b"policy" + policy_id


class ClientBinding:
    """What a client demanded of the server, and what it was ready to show of itself, when it made a session."""

    __slots__ = ("fingerprint",)

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint


def client_binding(config: ClientConfig) -> ClientBinding:
    """That of a configuration; the same object as long as its verifier's policy stays the same."""
    policy = _policy(config)
    return remember(config, (_CLIENT_BINDING, policy), lambda: _client_binding(config, policy))


_CLIENT_BINDING = "client binding"


def _client_binding(config: ClientConfig, policy: bytes) -> ClientBinding:
    # Which of our certificates a server asked for is not known beforehand, so a session is bound to all that we had.
    own = [der for credential in config.credentials for der in credential.certificate_chain]
    # A certificate that the application chooses may be another one the next time.
    chosen = config.token if DecisionKind.CERTIFICATE in config.suspend_for else b""
    return ClientBinding(
        _digest(b"client", policy, bytes((config.check_name,)), chosen, _digest(*own), _digest(*config.alpn_protocols))
    )


def server_binding(config: ServerConfig, credential: Credential) -> bytes:
    """What a server demanded of the client, and what it showed of itself."""
    policy = _policy(config)
    return remember(
        config,
        ("server binding", policy, credential),
        lambda: _digest(
            b"server",
            policy,
            config.client_authentication.value.encode(),
            config.post_handshake_authentication.value.encode(),
            _digest(*credential.certificate_chain),
        ),
    )


# The client's half


class SessionOrigin:
    """What all tickets of one connection share."""

    __slots__ = (
        "_validity",
        "alpn",
        "authenticated_at",
        "binding",
        "cipher_suite",
        "peer_certificates",
        "secret",
        "server_name",
        "signature_scheme",
        "verified_path",
        "version",
    )

    def __init__(
        self,
        *,
        version: int,
        cipher_suite: int,
        server_name: str | None,
        alpn: bytes | None,
        signature_scheme: int,
        peer_certificates: tuple[bytes, ...],
        verified_path: tuple[bytes, ...],
        authenticated_at: float,
        binding: ClientBinding,
        secret: bytes,
    ) -> None:
        self.version = version
        self.cipher_suite = cipher_suite
        self.server_name = normal_name(server_name)
        self.alpn = alpn
        self.signature_scheme = signature_scheme
        """Of the server's CertificateVerify."""
        self.peer_certificates = peer_certificates
        self.verified_path = verified_path
        self.authenticated_at = authenticated_at
        """When the server last proved that it has its certificate's key."""
        self.binding = binding
        self.secret = secret
        """`resumption_secret` in TLS 1.3, the main secret in TLS 1.2."""
        self._validity: tuple[float, float] | None = None

    def __repr__(self) -> str:
        return f"<SessionOrigin {self.server_name}>"

    def peer(self) -> PreSharedKeyPeer:
        """Who the server is, for whoever has seen it choose the session: its Finished will show that it has the key."""
        return PreSharedKeyPeer(
            None, self.peer_certificates, self.verified_path, self.signature_scheme or None, self.authenticated_at
        )

    def valid_at(self, now: float) -> bool:
        """Whether the verified path of the full handshake is still valid."""
        period = self._validity
        if period is None:
            try:
                period = validity(self.verified_path)
            except TLSError:
                return False
            self._validity = period
        return period[0] <= math.floor(now) <= period[1]


class Session:
    """One ticket of a server, and what it takes to use it. Immutable; `to_bytes` holds secrets.

    In TLS 1.2 a session may have a session id in the place of a ticket.
    """

    __slots__ = (
        "lifetime",
        "max_early_data_size",
        "origin",
        "received_at",
        "session_id",
        "ticket",
        "ticket_age_add",
        "ticket_nonce",
    )

    def __init__(
        self,
        origin: SessionOrigin,
        *,
        ticket: bytes,
        lifetime: int,
        received_at: float,
        ticket_age_add: int = 0,
        ticket_nonce: bytes = b"",
        session_id: bytes = b"",
        max_early_data_size: int = 0,
    ) -> None:
        self.origin = origin
        self.ticket = ticket
        """Empty where a session id of TLS 1.2 names the session."""
        self.session_id = session_id
        self.lifetime = min(lifetime, SEVEN_DAYS)
        """Seconds, at most seven days."""
        self.ticket_age_add = ticket_age_add
        self.ticket_nonce = ticket_nonce
        self.received_at = received_at
        self.max_early_data_size = max_early_data_size

    def __repr__(self) -> str:
        return f"<Session {self.origin.server_name}>"

    @property
    def id(self) -> bytes:
        """A name for the session: the hash of its ticket, as OpenSSL has it, or its session id."""
        return hashlib.sha256(self.ticket).digest() if self.ticket else self.session_id

    def obfuscated_age(self, now: float) -> int:
        """`PskIdentity.obfuscated_ticket_age` (RFC 9846 section 4.3.11.1)."""
        return (int((now - self.received_at) * 1000) + self.ticket_age_add) & 0xFFFFFFFF

    def usable(self, config: ClientConfig, server_name: str | None, now: float) -> bool:
        """Whether everything that the session is bound to holds here and now."""
        origin = self.origin
        if origin.server_name != normal_name(server_name) or not self._speaks(config):
            return False
        if not 0 <= now - self.received_at < self.lifetime or not 0 <= now - origin.authenticated_at < SEVEN_DAYS:
            return False
        if origin.alpn is not None and origin.alpn not in config.alpn_protocols:
            return False
        binding = client_binding(config)
        if origin.binding is not binding and origin.binding.fingerprint != binding.fingerprint:
            return False
        return origin.valid_at(now)

    def _speaks(self, config: ClientConfig) -> bool:
        """Whether the session's version is enabled, and its cipher suite; in TLS 1.3 one with the suite's hash."""
        origin = self.origin
        if origin.version == ProtocolVersion.TLS_1_2:
            if config.minimum_version != ProtocolVersion.TLS_1_2 or (self.ticket and not config.tls12_tickets):
                return False
            return origin.cipher_suite in config.tls12_cipher_suites and origin.cipher_suite in TLS12_SUITES
        suite = TLS13_SUITES.get(origin.cipher_suite)
        if origin.version != ProtocolVersion.TLS_1_3 or config.maximum_version != ProtocolVersion.TLS_1_3:
            return False
        return suite is not None and any(TLS13_SUITES[code].hash is suite.hash for code in config.cipher_suites)

    def to_bytes(self) -> bytes:
        """The session for later or for another process. Whoever has it can take the client's place: keep it secret."""
        origin = self.origin
        writer = Writer()
        writer.u8(_SESSION_FORMAT)
        writer.u16(origin.version)
        writer.u16(origin.cipher_suite)
        writer.u16(origin.signature_scheme)
        writer.u32(self.lifetime)
        writer.u32(self.ticket_age_add)
        writer.u32(self.max_early_data_size)
        writer.raw(_milliseconds(self.received_at).to_bytes(8, "big"))
        writer.raw(_milliseconds(origin.authenticated_at).to_bytes(8, "big"))
        writer.opaque8(self.ticket_nonce)
        writer.opaque16(self.ticket)
        writer.opaque8(self.session_id)
        writer.opaque8(origin.secret)
        writer.opaque8(origin.binding.fingerprint)
        writer.opaque16((origin.server_name or "").encode())
        writer.opaque8(origin.alpn or b"")
        _write_certificates(writer, origin.peer_certificates, origin.verified_path)
        return writer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Session:
        """What `to_bytes` wrote; InvalidMessage for anything else."""
        reader = Reader(data)
        if reader.u8("Session.format") != _SESSION_FORMAT:
            raise InvalidMessage(Reason.INVALID_ENUM_VALUE, "not a session of this version of tlsocket")
        version, suite, scheme = (reader.u16("Session") for _ in range(3))
        lifetime, age_add, early = (reader.u32("Session") for _ in range(3))
        received, authenticated = (_read_time(reader) for _ in range(2))
        nonce = reader.opaque8("Session.ticket_nonce")
        ticket = reader.opaque16("Session.ticket", 0, LARGEST_TICKET)
        session_id = reader.opaque8("Session.session_id", 0, 32)
        if not ticket and not (session_id and version == ProtocolVersion.TLS_1_2):
            raise InvalidMessage(Reason.LENGTH_OUT_OF_RANGE, "Session.ticket")
        secret = reader.opaque8("Session.secret", 32)
        binding = ClientBinding(reader.opaque8("Session.binding", 32, 32))
        try:
            name = reader.opaque16("Session.server_name").decode("ascii")
        except UnicodeDecodeError:
            raise InvalidMessage(Reason.INVALID_SERVER_NAME, "Session.server_name") from None
        alpn = reader.opaque8("Session.alpn")
        certificates, path = _read_certificates(reader)
        reader.finish("Session")
        origin = SessionOrigin(
            version=version,
            cipher_suite=suite,
            server_name=name or None,
            alpn=alpn or None,
            signature_scheme=scheme,
            peer_certificates=certificates,
            verified_path=path,
            authenticated_at=authenticated,
            binding=binding,
            secret=secret,
        )
        return cls(
            origin,
            ticket=ticket,
            lifetime=lifetime,
            ticket_age_add=age_add,
            ticket_nonce=nonce,
            session_id=session_id,
            received_at=received,
            max_early_data_size=early,
        )


_SESSION_FORMAT = 2
_LATEST = 1 << 48
"""Milliseconds since 1970 that are no time any more: in the year 10889."""


def _milliseconds(seconds: float) -> int:
    """The last whole one that is not after `seconds`: rounded up, a session would come from the future."""
    whole = int(seconds * 1000)
    # The product may have been rounded to either side of what `_read_time` divided.
    return whole + 1 if (whole + 1) / 1000 <= seconds else whole - 1 if whole / 1000 > seconds else whole


def _read_time(reader: Reader) -> float:
    """Seconds since 1970. Up to `_LATEST` milliseconds survive being a float of seconds."""
    milliseconds = int.from_bytes(reader.take(8, "Session"), "big")
    if milliseconds >= _LATEST:
        raise InvalidMessage(Reason.INVALID_ENUM_VALUE, "Session: a time that is none")
    return milliseconds / 1000


# The server's half


_HEAD = Struct(">BHHHQIQ32sB")
_pack_head, _unpack_head = _HEAD.pack, _HEAD.unpack_from
_STATE_FORMAT = 2


class SessionState(NamedTuple):
    """What a server needs to resume a session. Times are in milliseconds since 1970.

    struct {
        uint8 format = 2;
        uint16 version, cipher_suite, signature_scheme;
        uint64 issued_at;
        uint32 lifetime;                    /* seconds */
        uint64 authenticated_at;
        opaque binding[32];
        opaque secret<1..2^8-1>;
        opaque ticket_nonce<0..255>;
        opaque server_name<0..2^16-1>, alpn<0..2^8-1>;
        opaque peer_certificates<0..2^24-1>, verified_path<0..2^24-1>;
    } SessionState;
    """

    version: int
    cipher_suite: int
    signature_scheme: int
    """Of the client's CertificateVerify; 0 when it sent none."""
    issued_at: int
    lifetime: int
    authenticated_at: int
    binding: bytes
    """`server_binding` of the full handshake."""
    secret: bytes
    """`resumption_secret` in TLS 1.3, the main secret in TLS 1.2."""
    ticket_nonce: bytes
    """The PSK of TLS 1.3 comes of it and of the secret, and is derived when the ticket comes back: most never do."""
    server_name: str | None
    alpn: bytes | None
    peer_certificates: tuple[bytes, ...]
    verified_path: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"<SessionState {self.server_name}>"

    def peer(self) -> PreSharedKeyPeer:
        """Who the client is, for whoever has seen that it has the key, or will see it in its Finished."""
        return PreSharedKeyPeer(
            None,
            self.peer_certificates,
            self.verified_path,
            self.signature_scheme or None,
            self.authenticated_at / 1000,
        )

    def alive(self, now: float) -> bool:
        """Whether its lifetime has begun, give or take a clock's error, and is not over."""
        return -CLOCK_SKEW <= now * 1000 - self.issued_at < self.lifetime * 1000

    def encode(self) -> bytes:
        """For a ticket store."""
        head = encode_head(*self[:7], len(self.secret))
        tail = encode_tail(self.server_name, self.alpn, self.peer_certificates, self.verified_path)
        return b"".join((head, self.secret, bytes((len(self.ticket_nonce),)), self.ticket_nonce, tail))

    @classmethod
    def decode(cls, data: bytes) -> SessionState | None:
        """What `encode` wrote; None for what another version of ours wrote."""
        if len(data) < _HEAD.size or data[0] != _STATE_FORMAT:
            return None
        head = _unpack_head(data)
        end = _HEAD.size + head[8]
        nonce_end = end + 1 + int.from_bytes(data[end : end + 1])
        known = _tails.get(data[nonce_end:])
        if known is not None:
            return cls._make((*head[1:8], data[_HEAD.size : end], data[end + 1 : nonce_end], *known, (), ()))
        reader = Reader(data, _HEAD.size)
        try:
            secret = reader.take(head[8], "SessionState.secret")
            nonce = reader.opaque8("SessionState.ticket_nonce")
            name = reader.opaque16("SessionState.server_name")
            alpn = reader.opaque8("SessionState.alpn")
            certificates, path = _read_certificates(reader)
            reader.finish("SessionState")
        except InvalidMessage:
            return None
        server_name = name.decode("ascii", "replace") or None
        return cls._make((*head[1:8], secret, nonce, server_name, alpn or None, certificates, path))


def bound_credential(
    config: ServerConfig,
    state: SessionState,
    server_name: str | None,
    alpn: bytes | None,
    credentials: Iterable[Credential],
    now: float,
) -> Credential | None:
    """The one of `credentials` with which the session was made, if what binds a session in any version holds.

    The server's name and the application protocol are those of this handshake. Age, version and cipher suite have
    rules of their own.
    """
    if state.server_name != normal_name(server_name) or state.alpn != alpn:
        return None
    if state.authenticated_at - state.issued_at > CLOCK_SKEW:
        return None
    # Who we are, and what we demand of the client: its certificate, the policy, and the trust it was verified with.
    same = next((each for each in credentials if state.binding == server_binding(config, each)), None)
    return same if same is not None and within_validity(state.verified_path, now) else None


def encode_head(
    version: int,
    cipher_suite: int,
    signature_scheme: int,
    issued_at: int,
    lifetime: int,
    authenticated_at: int,
    binding: bytes,
    secret_length: int,
) -> bytes:
    """A SessionState up to its secret."""
    return _pack_head(
        _STATE_FORMAT,
        version,
        cipher_suite,
        signature_scheme,
        issued_at,
        lifetime,
        authenticated_at,
        binding,
        secret_length,
    )


# Without a client's certificate the rest of a state is a name and a protocol, the same again and again. Names come from
# strangers, hence the bound.
_KEPT_TAILS = 256
_kept_tails: dict[tuple[str | None, bytes | None], bytes] = {}
_tails: dict[bytes, tuple[str | None, bytes | None]] = {}


def encode_tail(
    server_name: str | None, alpn: bytes | None, certificates: tuple[bytes, ...], path: tuple[bytes, ...]
) -> bytes:
    """A SessionState behind its nonce."""
    if not certificates and not path:
        kept = _kept_tails.get((server_name, alpn))
        if kept is not None:
            return kept
    writer = Writer()
    writer.opaque16((server_name or "").encode())
    writer.opaque8(alpn or b"")
    _write_certificates(writer, certificates, path)
    tail = writer.getvalue()
    if not certificates and not path:
        if len(_kept_tails) >= _KEPT_TAILS:
            _kept_tails.clear()
            _tails.clear()
        _kept_tails[server_name, alpn] = tail
        _tails[tail] = server_name, alpn
    return tail


# The verified path is mostly made of the certificates that the peer sent, so those are named and not repeated.
_NOT_SENT = 0xFF


def _write_certificates(writer: Writer, certificates: tuple[bytes, ...], path: tuple[bytes, ...]) -> None:
    with writer.block24():
        for der in certificates:
            writer.opaque24(der)
    with writer.block24():
        for der in path:
            place = certificates.index(der) if der in certificates else _NOT_SENT
            writer.u8(min(place, _NOT_SENT))
            if place >= _NOT_SENT:
                writer.opaque24(der)


def _read_certificates(reader: Reader) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    window = reader.sub24("peer_certificates")
    certificates = []
    while not window.at_end:
        certificates.append(window.opaque24("certificate", 1))
    window = reader.sub24("verified_path")
    path = []
    while not window.at_end:
        place = window.u8("place")
        if place == _NOT_SENT:
            path.append(window.opaque24("certificate", 1))
        elif place < len(certificates):
            path.append(certificates[place])
        else:
            raise InvalidMessage(Reason.INVALID_ENUM_VALUE, "verified_path")
    return tuple(certificates), tuple(path)
