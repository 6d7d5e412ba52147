"""The sans-IO TLS connection: bytes in, bytes out, and the one place that catches errors and queues alerts.

A `Connection` owns the two halves of the record layer (`reader`, `writer`) and, until the handshake is over, the
handshake's state; the halves call it back (`on_...`) and never keep it, so a connection is part of no reference
cycle. RFC 9846 section 6 (alerts) is implemented here; the messages are in `tlsocket.handshake`.

Threads (design law 3): one thread may read while another writes. Reading only ever appends to the writer's queue.

Not here: sockets, timeouts and would-block (`tlsocket.dropin`, which drives `reader` and `writer` with a descriptor),
and what any handshake message means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tlsocket import clock, events
from tlsocket.config import DEFAULT_BUDGETS, ClientConfig, Role, ServerConfig
from tlsocket.errors import (
    AlertReceived,
    ApiMisuse,
    PeerMisbehaved,
    Reason,
    TLSError,
    Truncated,
    alert_for,
    detached,
)
from tlsocket.handshake.client_tls13 import ClientHandshake
from tlsocket.handshake.decisions import Decision
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.post_handshake import PostHandshake, Tls12PostHandshake
from tlsocket.handshake.proofs import AuthenticatedPeer
from tlsocket.handshake.server_tls13 import ServerHandshake
from tlsocket.handshake.sessions import Session
from tlsocket.record import CLOSED, STOPPED, TRUNCATED, RecordReader, RecordWriter
from tlsocket.registry.alerts import AlertDescription, AlertLevel
from tlsocket.registry.content_types import ContentType
from tlsocket.registry.versions import ProtocolVersion

if TYPE_CHECKING:
    from tlsocket.handshake.late_authentication import LateClientAuthentication, LateServerAuthentication

__all__ = ["Connection"]


class Connection:
    """One TLS connection, client or server by the type of its configuration.

    Sans-IO use: `start()`, then hand what the transport brings to `receive_data` and what `data_to_send` returns to the
    transport until `handshake_complete`; then `read` and `write`. `on_event` is called with each `tlsocket.events`
    value as it happens, in the thread that caused it; what it raises ends the connection.

    A connection that failed raises the same error again from every later call.
    """

    __slots__ = (
        "_handshake",
        "_post",
        "_warnings",
        "config",
        "deadline",
        "error",
        "negotiated",
        "on_event",
        "peer_certificates",
        "reader",
        "role",
        "server_name",
        "verified_path",
        "writer",
        "__weakref__",
    )

    reader: RecordReader
    """Receiving half of the record layer."""
    writer: RecordWriter
    """Sending half of the record layer."""
    role: Role
    server_name: str | None
    """The name this client asks for and checks; None for a server."""
    negotiated: events.Negotiated | None
    """What was agreed on; None until the handshake is complete."""
    peer_certificates: tuple[bytes, ...]
    """DER certificates as the peer sent them, leaf first; empty when it sent none (or before that). They stay when the
    handshake fails, so that a person can be told what was refused: only `handshake_complete` says that it was not."""
    verified_path: tuple[bytes, ...]
    """DER certificates from the leaf to the trust anchor, as the verifier found them; empty when none did."""
    deadline: float | None
    """When the handshake must be over, as `tlsocket.clock.monotonic` tells it (`Budgets.handshake_seconds`)."""
    error: BaseException | None
    """Why the connection failed."""

    def __init__(
        self,
        config: ClientConfig | ServerConfig,
        *,
        server_name: str | None = None,
        session: Session | None = None,
        on_event: Callable[[events.Event], None] | None = None,
    ) -> None:
        if server_name is not None and not server_name.isascii():
            raise ApiMisuse(detail="server_name is not in its A-label form")
        self.config: ClientConfig | ServerConfig = config
        self.on_event = on_event
        self.server_name = server_name
        self.writer = RecordWriter()
        self.reader = RecordReader(self.writer)
        budgets = config.budgets
        self.reader.max_handshake_message = budgets.handshake_message
        self.deadline = None
        if budgets is not DEFAULT_BUDGETS:
            self.reader.max_empty_records = budgets.empty_records
            self.reader.max_change_cipher_specs = budgets.change_cipher_specs
            if budgets.handshake_seconds is not None:
                self.deadline = clock.monotonic() + budgets.handshake_seconds
        self.negotiated = None
        self.peer_certificates = ()
        self.verified_path = ()
        self.error = None
        self._warnings = 0
        self._post: PostHandshake | Tls12PostHandshake | None = None
        self._handshake: Handshake[Any] | None
        if isinstance(config, ClientConfig):
            self.role = Role.CLIENT
            if config.verifier is not None and config.check_name and server_name is None:
                raise ApiMisuse(detail="checking the server's name needs server_name")
            self._handshake = ClientHandshake(config, *self._halves(), on_event, server_name)
            self._handshake.session = session
        else:
            self.role = Role.SERVER
            if server_name is not None:
                raise ApiMisuse(detail="server_name belongs to clients")
            if session is not None:
                raise ApiMisuse(detail="a session to resume belongs to clients")
            self._handshake = ServerHandshake(config, *self._halves(), on_event)

    # What is known

    @property
    def handshake_complete(self) -> bool:
        """Whether both Finished messages were exchanged and verified."""
        return self.negotiated is not None

    @property
    def suspended(self) -> Decision | None:
        """The decision that the handshake waits for; answer it with `resume`."""
        handshake = self._handshake
        if handshake is not None:
            return handshake.suspended
        late = None if self._post is None else self._post.authentication
        return None if late is None else late.suspended

    @property
    def tickets(self) -> tuple[Session, ...]:
        """A session for each ticket received and kept, oldest first (RFC 9846 section 4.7.1)."""
        return () if self._post is None else self._post.tickets

    def __repr__(self) -> str:
        if self.error is not None:
            state = "failed"
        elif self._handshake is not None:
            state = self._handshake.state.name
        else:
            state = "CONNECTED"
        return f"<tlsocket.Connection {self.role.value} {state}>"

    def use_session(self, session: Session | None) -> None:
        """Resume this session if everything it is bound to still holds; to be called on a client before `start`."""
        handshake = self._handshake
        if not isinstance(handshake, ClientHandshake) or handshake.started:
            raise ApiMisuse(detail="a session is given to a client before its handshake")
        handshake.session = session

    # The handshake

    def start(self) -> None:
        """Queue a client's ClientHello; a server has nothing to say yet. Calling it again does nothing."""
        self._demand_health()
        handshake = self._handshake
        if isinstance(handshake, ClientHandshake) and not handshake.started:
            try:
                handshake.start()
            except BaseException as error:
                raise self.on_failure(error) from error.__cause__

    def time_left(self) -> float | None:
        """Seconds that the handshake may still take, None where there is no limit. Raises when it took too long."""
        if self.deadline is None or self.negotiated is not None:
            return None
        self.check_deadline()
        return self.deadline - clock.monotonic()

    def check_deadline(self) -> None:
        """Fail if the handshake has taken longer than `Budgets.handshake_seconds`: for whoever waits for the peer."""
        try:
            self._check_deadline()
        except PeerMisbehaved as error:
            raise self.on_failure(error) from None

    def _check_deadline(self) -> None:
        deadline = self.deadline
        if deadline is not None and self.negotiated is None and clock.monotonic() >= deadline:
            raise PeerMisbehaved(Reason.HANDSHAKE_TIMED_OUT, f"{self.config.budgets.handshake_seconds} seconds")

    def resume(self, answer: object) -> None:
        """Give the answer to the pending decision (`suspended` documents its type) and go on.

        An exception instance as the answer refuses: a `TLSError` decides the alert by its reason.
        """
        self._demand_health()
        post = self._post
        handshake = self._handshake or (None if post is None else post.authentication)
        if handshake is None:
            raise ApiMisuse(detail="no decision is pending")
        handshake.check_answer(answer)
        try:
            handshake.resume(answer)
        except BaseException as error:
            raise self.on_failure(error) from error.__cause__
        finally:
            # A refusal is raised through this frame and must not be kept by it: they would keep us alive together.
            del answer
        self._take_outcome()
        done = None if post is None else post.take_answered()
        if done is not None:
            self._take_authentication(done)
        # Messages that came behind the one that suspended us are waiting in the reader.
        self._advance()

    # What the record layer reports (_record.Owner)

    def on_handshake_message(self, message: bytes, /) -> bool:
        """One whole handshake message; False stops the reader after it."""
        if self.on_event is not None:
            self.on_event(events.MessageReceived(ContentType.HANDSHAKE, message, clock.monotonic()))
        handshake = self._handshake
        if handshake is None:
            post = self._post_handshake()
            done = post.receive(message, *self._halves(), self.on_event)
            if done is not None:
                self._take_authentication(done)
            return post.authentication is None or post.authentication.suspended is None
        if self.deadline is not None:
            self._check_deadline()
        handshake.receive(message)
        if handshake.successor is not None:
            handshake = self._handshake = handshake.successor
        if handshake.suspended is not None:
            return False
        if handshake.outcome is not None:
            self._take_outcome()
            return False
        return not self.writer.has_output

    def on_alert(self, level: int, description: int, /) -> bool:
        """An alert other than close_notify.

        In TLS 1.3 all are fatal but user_canceled (RFC 9846 sections 6 and 6.1), in TLS 1.2 the level says so (RFC 5246
        section 7.2): a server that does not know the name it was asked for may warn and go on (RFC 6066 section 3).
        """
        if self.on_event is not None:
            self.on_event(events.AlertReceived(level, description))
        may_warn = level == AlertLevel.WARNING and self._takes_warning(description)
        if description != AlertDescription.USER_CANCELED and not may_warn:
            raise AlertReceived(level, description)
        self._warnings += 1
        if self._warnings > self.config.budgets.warnings:
            raise PeerMisbehaved(Reason.TOO_MANY_WARNING_ALERTS)
        return True

    def on_change_cipher_spec(self) -> None:
        """The peer's change_cipher_spec in TLS 1.2: the state machine decides, as on a message."""
        if self._handshake is None:
            raise PeerMisbehaved(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC)
        self._handshake.receive_change_cipher_spec()

    def on_close_notify(self) -> None:
        """The peer's close_notify."""
        if self.on_event is not None:
            self.on_event(events.CloseNotifyReceived())

    def on_failure(self, error: BaseException, /) -> BaseException:
        """Queue the alert that `error` calls for, forget the handshake and its secrets, and return `error`."""
        if self.error is not None:
            return error
        # Kept without its traceback, whose frames would lead back here: a failed connection is freed at once too.
        self.error = detached(error)
        alert = alert_for(error)
        handshake, self._handshake, self._post = self._handshake, None, None
        if handshake is not None:
            self.peer_certificates = handshake.peer_certificates
        if alert is not None:
            if handshake is not None:
                handshake.prepare_to_fail()
            self.writer.queue_fatal_alert(alert)
            if self.on_event is not None:
                self.on_event(events.AlertSent(alert, self.error))
        return error

    def on_send_limit(self) -> None:
        """The sending key nears its usage limit (RFC 9846 section 5.5). That of TLS 1.2 cannot be changed."""
        if self._post is not None and self._post.can_update_keys:
            self._post.update_keys(self._halves()[1], self.on_event, request_peer=False)

    # Bytes in, bytes out

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the transport and do everything that they allow."""
        self._demand_health()
        if self.deadline is not None and self.negotiated is None:
            self.check_deadline()
        self.reader.feed(data)
        self._advance()

    def receive_eof(self) -> None:
        """The transport ended. Without the peer's close_notify before it, reading raises `Truncated`."""
        self._demand_health()
        self.reader.feed_eof()
        self._advance()

    def data_to_send(self) -> bytes:
        """What the transport is to send now; also after a failure, since that is where the alert goes."""
        return self.writer.data_to_send()

    def read(self, size: int = 16384) -> bytes | None:
        """Up to `size` bytes of application data, b"" after the peer's close_notify, None when there is nothing yet."""
        while True:
            got = self.reader.read(size, self)
            if isinstance(got, bytes) and (got or size <= 0):
                return got
            # The stream has an end, but where the connection failed it is not what the peer meant to say.
            self._demand_health()
            if isinstance(got, bytes) or got == CLOSED:
                return b""
            if got == TRUNCATED:
                raise self.on_failure(Truncated())
            if got != STOPPED or self.suspended is not None:
                return None

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Seal all of `data` for `data_to_send`; returns its length."""
        self._demand_health()
        if self._post is None:
            raise ApiMisuse(Reason.HANDSHAKE_NOT_DONE)
        try:
            outcome = self.writer.write(data, self)
        except TLSError as error:
            raise self.on_failure(error) from error.__cause__
        if outcome == CLOSED:
            raise ApiMisuse(Reason.CONNECTION_CLOSED, "close_notify was sent")
        return outcome

    def close(self) -> None:
        """Queue close_notify: we send no more; reading goes on (RFC 9846 section 6.1). Twice is once."""
        if self.error is None and not self.writer.close_notify_queued:
            self.writer.queue_close_notify()
            if self.on_event is not None:
                self.on_event(events.CloseNotifySent())

    def discard(self) -> None:
        """Forget keys, buffers and secrets without sending anything."""
        self._handshake = None
        if self.error is None:
            self.error = ApiMisuse(Reason.CONNECTION_CLOSED)
        self._post = None
        self.reader.discard()
        self.writer.discard()

    # After the handshake

    def update_keys(self, *, request_peer: bool = False) -> None:
        """Change the sending key, and ask the peer to change its own (RFC 9846 section 4.7.3)."""
        self._demand_health()
        if self.writer.close_notify_queued:
            raise ApiMisuse(Reason.CONNECTION_CLOSED, "close_notify was sent")
        self._post_handshake().update_keys(self._halves()[1], self.on_event, request_peer=request_peer)

    def request_certificate(self) -> None:
        """As a server, ask the client for its certificate now (RFC 9846 section 4.7.2).

        The response comes while the connection is read: then `peer_certificates` are there, or reading fails.
        """
        self._demand_health()
        if self.writer.close_notify_queued:
            raise ApiMisuse(Reason.CONNECTION_CLOSED, "close_notify was sent")
        self._post_handshake().request_certificate(*self._halves(), self.on_event)

    def export_keying_material(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """RFC 9846 section 7.5, RFC 5705. In TLS 1.3 no context and an empty one are the same, in TLS 1.2 they are not.

        `ApiMisuse` in TLS 1.2 with a peer that does not support the extended main secret (RFC 7627).
        """
        self._demand_health()
        return self._post_handshake().exporter.export(label, context, length)

    @property
    def tls_unique(self) -> bytes | None:
        """The first Finished of the handshake (RFC 5929 section 3.1).

        None in TLS 1.3, for which it is not defined, and in TLS 1.2 without the extended main secret (RFC 7627).
        """
        return None if self._post is None else self._post.tls_unique

    # Inside

    def _halves(self) -> tuple[RecordReader, RecordWriter]:
        """The record layer for handshakes, reporting what passes where somebody listens."""
        on_event = self.on_event
        if on_event is None:
            return self.reader, self.writer
        from tlsocket.handshake.observed import observed_reader, observed_writer

        return observed_reader(self.reader, on_event), observed_writer(self.writer, on_event)

    def _advance(self) -> None:
        while True:
            handshake = self._handshake
            if handshake is not None and handshake.suspended is not None:
                return
            outcome = self.reader.advance(self)
            if outcome in (TRUNCATED, CLOSED) and not self.handshake_complete:
                # Either way there will be no handshake; nothing is answered.
                reason = Reason.TRUNCATED_STREAM if outcome == TRUNCATED else Reason.CONNECTION_CLOSED
                raise self.on_failure(Truncated(reason, "the handshake is not over"))
            if outcome != STOPPED:
                return

    def _take_outcome(self) -> None:
        """Move what the handshake learned here; what is left of it is freed with it."""
        handshake = self._handshake
        if handshake is None:
            return
        self.peer_certificates = handshake.peer_certificates
        self.verified_path = handshake.verified_path
        self.config = handshake.config
        outcome = handshake.outcome
        if outcome is not None:
            self.negotiated = outcome.negotiated
            self._post = outcome.post_handshake
            self._handshake = None

    def _take_authentication(self, done: LateServerAuthentication | LateClientAuthentication) -> None:
        """What an authentication after the handshake changed."""
        if self.negotiated is None:
            return
        if self.role is Role.CLIENT:
            chain = () if done.credential is None else done.credential.certificate_chain
            self.negotiated = self.negotiated._replace(
                own_signature_scheme=done.own_signature_scheme, own_certificates=chain
            )
            return
        peer = done.peer
        self.peer_certificates, self.verified_path = done.peer_certificates, done.verified_path
        self.negotiated = self.negotiated._replace(
            signature_scheme=peer.signature.scheme if isinstance(peer, AuthenticatedPeer) else None
        )

    def _takes_warning(self, description: int) -> bool:
        if self._handshake is not None:
            return self._handshake.takes_warning(description)
        return self._post is not None and self._post.version == ProtocolVersion.TLS_1_2

    def _post_handshake(self) -> PostHandshake | Tls12PostHandshake:
        if self._post is None:
            raise ApiMisuse(Reason.HANDSHAKE_NOT_DONE)
        return self._post

    def _demand_health(self) -> None:
        if self.error is not None:
            raise detached(self.error)
