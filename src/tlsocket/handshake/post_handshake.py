"""What a connection is after its handshake: KeyUpdate, tickets, requests for a certificate, exporters (RFC 9846
sections 4.7 and 7.5).

`Tls12PostHandshake` is the same for TLS 1.2, which has less of it.

`PostHandshake` owns every secret that outlives the handshake. It is used by the reading thread (`receive`) and the
writing thread (`update_keys`) at the same time: the sending secret belongs to whoever seals, and changes only in
`SendingSecret.advance`, which the writer calls when the key's turn comes.

Not here: the messages of post-handshake authentication (`late_authentication`), using a ticket (`psk`), issuing one
(`tickets`); the keys themselves (`tlsocket.record`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from tlsocket import clock, messages, record
from tlsocket.config import ClientAuthentication, ClientConfig, Role, ServerConfig
from tlsocket.errors import ApiMisuse, InternalError, PeerMisbehaved, Reason
from tlsocket.events import Event, KeysUpdated, Negotiated, TicketReceived
from tlsocket.handshake.sessions import LARGEST_TICKET, Session, SessionOrigin
from tlsocket.handshake.states import ClientState, ServerState
from tlsocket.handshake.transitions import TRANSITIONS
from tlsocket.key_schedule import ExporterSecret, TrafficSecret
from tlsocket.messages import CertificateRequest, KeyUpdate, NewSessionTicket
from tlsocket.record import Protection, RecordReader, RecordWriter
from tlsocket.registry.content_types import HandshakeType
from tlsocket.registry.versions import ProtocolVersion
from tlsocket.transcript import Transcript

if TYPE_CHECKING:
    from tlsocket.handshake.late_authentication import LateClientAuthentication, LateServerAuthentication
    from tlsocket.key_schedule.tls12 import MainSecret12

__all__ = ["PostHandshake", "SendingSecret", "Tls12PostHandshake"]

_BETWEEN_MESSAGES = (ServerState.WAIT_CERT, ClientState.CONNECTED)

_KEY_UPDATE = {request: KeyUpdate(request).encode() for request in (False, True)}


class SendingSecret:
    """Our application traffic secret, generation by generation."""

    __slots__ = ("answer_pending", "secret")

    def __init__(self, secret: TrafficSecret) -> None:
        self.secret = secret
        self.answer_pending = False

    def advance(self) -> Protection:
        """The next generation. Called by whoever holds the write side, right after our KeyUpdate was sealed."""
        self.answer_pending = False
        self.secret = self.secret.next()
        return record.protection_for(self.secret)


class Tls12PostHandshake:
    """What is left of a handshake of TLS 1.2: exporters, `tls-unique`, the session, the refusal to renegotiate."""

    __slots__ = ("_role", "exporter", "tickets", "tls_unique")

    can_update_keys: ClassVar[bool] = False
    version: ClassVar[int] = ProtocolVersion.TLS_1_2.value
    authentication: ClassVar[None] = None

    def __init__(
        self, *, role: Role, exporter: MainSecret12, tls_unique: bytes | None, session: Session | None = None
    ) -> None:
        self._role = role
        self.exporter = exporter
        self.tls_unique = tls_unique
        """RFC 5929 section 3.1; None without the extended main secret, since it would then identify nothing."""
        self.tickets: tuple[Session, ...] = () if session is None else (session,)
        """A client's session, if it can be resumed."""

    def receive(
        self, message: bytes, reader: RecordReader, writer: RecordWriter, on_event: Callable[[Event], None] | None
    ) -> None:
        """Take one whole message: none is legal (RFC 5246 section 7.4.1.1 for those that ask to negotiate anew)."""
        kind = message[0]
        asks = HandshakeType.HELLO_REQUEST if self._role is Role.CLIENT else HandshakeType.CLIENT_HELLO
        if kind == asks:
            raise PeerMisbehaved(Reason.RENEGOTIATION_REFUSED)
        raise PeerMisbehaved(Reason.UNEXPECTED_MESSAGE, f"handshake message type {kind} in CONNECTED")

    def update_keys(
        self, writer: RecordWriter, on_event: Callable[[Event], None] | None, *, request_peer: bool
    ) -> None:
        """TLS 1.2 changes keys by renegotiation only, which is not built."""
        raise ApiMisuse(detail="TLS 1.2 has no KeyUpdate")

    def request_certificate(
        self, reader: RecordReader, writer: RecordWriter, on_event: Callable[[Event], None] | None
    ) -> None:
        """In TLS 1.2 a client is asked in the handshake, or by renegotiation, which is not built."""
        raise ApiMisuse(Reason.WRONG_SSL_VERSION, "TLS 1.2 has no authentication after the handshake")

    def take_answered(self) -> None:
        """Nothing is ever asked."""


class PostHandshake:
    """The secrets, tickets and counters of an established connection."""

    __slots__ = (
        "_budgets",
        "_config",
        "_key_updates",
        "_last_message",
        "_make_origin",
        "_negotiated",
        "_origin",
        "_protection",
        "_receive_secret",
        "_requested",
        "_requests",
        "_role",
        "_sending",
        "_tickets_seen",
        "_transcript",
        "authentication",
        "exporter",
        "tickets",
    )

    can_update_keys: ClassVar[bool] = True
    version: ClassVar[int] = ProtocolVersion.TLS_1_3.value
    tls_unique: ClassVar[None] = None  # not defined for TLS 1.3 (RFC 9266 section 3)

    def __init__(
        self,
        *,
        role: Role,
        config: ClientConfig | ServerConfig,
        transcript: Transcript | None,
        negotiated: Negotiated,
        send_secret: TrafficSecret,
        receive_secret: TrafficSecret,
        receive_protection: Protection,
        exporter: ExporterSecret,
        origin: Callable[[], SessionOrigin] | None,
    ) -> None:
        self._role = role
        self._config = config
        self._budgets = config.budgets
        self._transcript = transcript
        self.authentication: LateClientAuthentication | LateServerAuthentication | None = None
        """A request that waits: on a server for the client, on a client for the application's decision."""
        self._negotiated = negotiated
        self._make_origin = origin
        self._origin: SessionOrigin | None = None
        self._sending = SendingSecret(send_secret)
        self._receive_secret = receive_secret
        self._protection = receive_protection
        self._key_updates = 0
        self._tickets_seen = 0
        self._last_message = 0
        self._requested = False
        self._requests = 0
        self.exporter = exporter
        self.tickets: tuple[Session, ...] = ()

    def receive(
        self, message: bytes, reader: RecordReader, writer: RecordWriter, on_event: Callable[[Event], None] | None
    ) -> LateServerAuthentication | LateClientAuthentication | None:
        """Take one whole post-handshake message; an authentication that it completed is returned."""
        kind = message[0]
        # RFC 9846 section 4.7.2: other messages may come before the response, but not within it.
        pending = self.authentication
        if pending is not None and (kind == HandshakeType.CERTIFICATE or pending.state not in _BETWEEN_MESSAGES):
            return self._receive_response(message)
        state = ClientState.CONNECTED if self._role is Role.CLIENT else ServerState.CONNECTED
        if kind not in TRANSITIONS[state]:
            if kind in (HandshakeType.CLIENT_HELLO, HandshakeType.HELLO_REQUEST):
                # RFC 9846 section 4.2.2: TLS 1.3 forbids renegotiation; unexpected_message.
                raise PeerMisbehaved(Reason.RENEGOTIATION)
            raise PeerMisbehaved(Reason.UNEXPECTED_MESSAGE, f"handshake message type {kind} in CONNECTED")
        self._note_progress()
        parsed = messages.parse(message)
        if isinstance(parsed, KeyUpdate):
            self._receive_key_update(parsed, reader, writer, on_event)
        elif isinstance(parsed, NewSessionTicket):
            self._keep_ticket(parsed, on_event)
        elif isinstance(parsed, CertificateRequest):
            return self._answer_request(message, reader, writer, on_event)
        else:
            raise InternalError(detail=f"no handler for {type(parsed).__name__}")
        return None

    # Authentication (RFC 9846 section 4.7.2)

    def request_certificate(
        self, reader: RecordReader, writer: RecordWriter, on_event: Callable[[Event], None] | None
    ) -> None:
        """Ask the client for its certificate; ApiMisuse where that cannot be."""
        from tlsocket.handshake.late_authentication import LateServerAuthentication

        config = self._config
        if not isinstance(config, ServerConfig):
            raise ApiMisuse(Reason.NOT_SERVER, "only a server asks for a certificate")
        if self._transcript is None:
            raise ApiMisuse(Reason.EXTENSION_NOT_RECEIVED, "the client did not offer post_handshake_auth")
        if self.authentication is not None:
            raise ApiMisuse(Reason.REQUEST_PENDING, "one request at a time")
        requirement = config.post_handshake_authentication
        if requirement is ClientAuthentication.NONE:
            requirement = config.client_authentication
        if requirement is ClientAuthentication.NONE:
            raise ApiMisuse(Reason.INVALID_CONFIGURATION, "client authentication is not configured")
        request = LateServerAuthentication(config, reader, writer, on_event, self._transcript, requirement)
        # The reading thread may have the response before this one goes on.
        self.authentication = request
        request.send()

    def _receive_response(self, message: bytes) -> LateServerAuthentication | LateClientAuthentication | None:
        from tlsocket.handshake.late_authentication import LateServerAuthentication

        authentication = self.authentication
        if not isinstance(authentication, LateServerAuthentication):
            raise PeerMisbehaved(Reason.UNEXPECTED_MESSAGE, f"handshake message type {message[0]} in CONNECTED")
        self._last_message = self._protection.sequence_number
        if not authentication.take(message, self._receive_secret):
            return None
        self.authentication = None
        return authentication

    def _answer_request(
        self,
        message: bytes,
        reader: RecordReader,
        writer: RecordWriter,
        on_event: Callable[[Event], None] | None,
    ) -> LateClientAuthentication | None:
        from tlsocket.handshake.late_authentication import LateClientAuthentication

        config = self._config
        # RFC 9846 section 4.7.2: "without having sent the "post_handshake_auth" extension MUST send an
        # "unexpected_message" fatal alert".
        if self._transcript is None or not isinstance(config, ClientConfig):
            raise PeerMisbehaved(Reason.UNEXPECTED_MESSAGE, "CertificateRequest, but post_handshake_auth was not sent")
        self._requests += 1
        if self._requests > self._budgets.certificate_requests:
            raise PeerMisbehaved(Reason.TOO_MANY_CERTIFICATE_REQUESTS)
        if writer.close_notify_queued:
            return None  # nothing more is sent
        sending, name = self._sending, self._negotiated.server_name
        authentication = LateClientAuthentication(
            config, reader, writer, on_event, name, self._transcript, lambda: sending.secret
        )
        self.authentication = authentication
        authentication.receive(message)
        return self.take_answered()

    def take_answered(self) -> LateClientAuthentication | None:
        """The client's response, once the application has decided what it waited for."""
        authentication = self.authentication
        if authentication is None or authentication.suspended is not None or self._role is Role.SERVER:
            return None
        self.authentication = None
        return authentication  # type: ignore[return-value]

    def _note_progress(self) -> None:
        # The budgets count messages in a row. The record layer does not report application data to us, but the
        # receiving key counts records: more than one since the last message means that something else came between.
        opened = self._protection.sequence_number
        if opened > self._last_message + 1:
            self._key_updates = self._tickets_seen = self._requests = 0
        self._last_message = opened

    def _receive_key_update(
        self, message: KeyUpdate, reader: RecordReader, writer: RecordWriter, on_event: Callable[[Event], None] | None
    ) -> None:
        self._key_updates += 1
        if self._key_updates > self._budgets.key_updates:
            raise PeerMisbehaved(Reason.TOO_MANY_KEY_UPDATES)
        self._requested = False
        self._receive_secret = self._receive_secret.next()
        self._protection = record.install_receive_key(reader, self._receive_secret)
        self._last_message = 0
        if on_event is not None:
            on_event(KeysUpdated(sending=False))
        # RFC 9846 section 4.7.3: requests that come while we are silent are all answered by a single update. The flag
        # is taken back when the answer is sealed; whoever sees it set before that, asked before it was sealed.
        # After our close_notify we send nothing more.
        if message.request_update and not self._sending.answer_pending and not writer.close_notify_queued:
            self._sending.answer_pending = True
            self.update_keys(writer, on_event, request_peer=False)

    def update_keys(
        self, writer: RecordWriter, on_event: Callable[[Event], None] | None, *, request_peer: bool
    ) -> None:
        """Queue a KeyUpdate, sealed under the old key, and the change to the next behind it."""
        # RFC 9846 section 4.7.3: "Until receiving a subsequent KeyUpdate from the peer, the sender MUST NOT send
        # another KeyUpdate with request_update set to update_requested."
        request = request_peer and not self._requested
        self._requested = self._requested or request
        writer.queue_key_update(_KEY_UPDATE[request], self._sending.advance)
        if on_event is not None:
            on_event(KeysUpdated(sending=True))

    def _keep_ticket(self, message: NewSessionTicket, on_event: Callable[[Event], None] | None) -> None:
        self._tickets_seen += 1
        if self._tickets_seen > self._budgets.tickets:
            raise PeerMisbehaved(Reason.TOO_MANY_TICKETS)
        # RFC 9846 section 4.7.1: zero means discard at once; never use one for longer than seven days.
        wanted = message.ticket_lifetime and len(message.ticket) <= LARGEST_TICKET
        if wanted and self._make_origin is not None:
            origin = self._origin
            if origin is None:
                origin = self._origin = self._make_origin()
            session = Session(
                origin,
                ticket=message.ticket,
                lifetime=message.ticket_lifetime,
                ticket_age_add=message.ticket_age_add,
                ticket_nonce=message.ticket_nonce,
                received_at=clock.now(),
                max_early_data_size=message.extensions.early_data or 0,
            )
            kept = (*self.tickets, session)
            self.tickets = kept[max(len(kept) - self._budgets.tickets_kept, 0) :]
            config = self._config
            if isinstance(config, ClientConfig) and config.session_cache is not None:
                config.session_cache.add(session)
        if on_event is not None:
            on_event(TicketReceived(message.ticket_lifetime))
