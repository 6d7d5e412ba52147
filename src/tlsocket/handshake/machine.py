"""The state machine under both roles: budgets, the transition table, suspension, and what is kept while it runs.

`Handshake` holds what client and server know alike; `client_tls13` and `server_tls13` add their own fields and their
functions. Every handshake begins there; where TLS 1.2 is chosen, a `successor` takes over (`machine_tls12`). It refers
to no connection and no bound method of its own, so that it is freed, with every secret in it, the moment its connection
lets go of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from tlsocket import messages
from tlsocket.config import ClientConfig, Credential, DecisionKind, Role, ServerConfig
from tlsocket.crypto.suites import CipherSuite
from tlsocket.errors import ApiMisuse, InternalError, PeerMisbehaved, Reason, detached
from tlsocket.events import CertificateRejected, Event, HandshakeCompleted, Negotiated
from tlsocket.handshake.decisions import Decision, Suspended, VerdictDecision
from tlsocket.handshake.flight import Flight
from tlsocket.handshake.post_handshake import PostHandshake, Tls12PostHandshake
from tlsocket.handshake.proofs import (
    AnonymousPeer,
    AuthenticatedPeer,
    CertificateAccepted,
    FinishedValid,
    PreSharedKeyPeer,
)
from tlsocket.handshake.sessions import SessionOrigin
from tlsocket.handshake.states import State
from tlsocket.handshake.transitions import CHANGE_CIPHER_SPEC, FOLLOWERS, TRANSITIONS
from tlsocket.key_schedule import (
    ApplicationSecrets,
    HandshakeSecret,
    MainSecret,
    ResumptionSecret,
    TrafficSecret,
    keylog,
)
from tlsocket.messages import parse_with
from tlsocket.record import Protection, RecordReader, RecordWriter
from tlsocket.registry.alerts import ALWAYS_FATAL
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.registry.versions import ProtocolVersion
from tlsocket.transcript import Transcript
from tlsocket.wire import Reader

__all__ = ["Handler", "Handshake", "OwnStep", "Outcome"]

C = TypeVar("C", ClientConfig, ServerConfig)

Handler = Callable[[Any, Any, bytes], "State | Suspended"]
"""handler(handshake, message, raw): what to do with a message that the table allows; the state that follows."""
OwnStep = Callable[[Any], "State | Suspended"]
"""step(handshake): what we do by ourselves in a state that waits for no message."""


class Outcome(NamedTuple):
    """What a finished handshake leaves behind."""

    negotiated: Negotiated
    post_handshake: PostHandshake | Tls12PostHandshake


class Handshake(Generic[C]):
    """What both roles keep until the handshake is over."""

    __slots__ = (
        "_bytes",
        "_messages",
        "_resume",
        "alpn",
        "application_secrets",
        "change_cipher_spec_sent",
        "client_random",
        "client_secret",
        "common_cipher_suites",
        "config",
        "credential",
        "flight",
        "group",
        "handshake_secret",
        "main_secret",
        "on_event",
        "outcome",
        "own_signature_scheme",
        "parsers",
        "peer",
        "peer_certificate",
        "peer_certificates",
        "reader",
        "resumable",
        "resumption",
        "server_name",
        "server_secret",
        "state",
        "successor",
        "suite",
        "suspended",
        "transcript",
        "writer",
    )

    role: ClassVar[Role]
    start_state: ClassVar[State]
    connected_state: ClassVar[State]
    version: ClassVar[int] = ProtocolVersion.TLS_1_3.value
    parsers: Mapping[int, Callable[[Reader], Any]]
    """What reads the messages of this version."""
    handlers: ClassVar[Mapping[int, Handler]]
    own_steps: ClassVar[Mapping[State, OwnStep]]

    def __init__(
        self,
        config: C,
        reader: RecordReader,
        writer: RecordWriter,
        on_event: Callable[[Event], None] | None,
        server_name: str | None,
    ) -> None:
        self.config: C = config
        self.reader = reader
        self.writer = writer
        self.on_event = on_event
        self.server_name = server_name
        self.state: State = self.start_state
        self.parsers = messages.PARSERS
        self.successor: Handshake[Any] | None = None
        """The handshake that goes on in the place of this one, because TLS 1.2 was chosen."""
        self.suspended: Decision | None = None
        self.outcome: Outcome | None = None
        self.transcript = Transcript()
        self.flight: Flight | None = None
        self.suite: CipherSuite | None = None
        self.common_cipher_suites: tuple[int, ...] = ()
        self.group = 0
        self.alpn: bytes | None = None
        self.client_random = b""
        self.credential: Credential | None = None
        self.own_signature_scheme: int | None = None
        self.peer_certificates: tuple[bytes, ...] = ()
        """As the peer sent them, accepted or not."""
        self.peer_certificate: CertificateAccepted | None = None
        self.peer: AuthenticatedPeer | PreSharedKeyPeer | AnonymousPeer | None = None
        self.resumable = False
        """Whether a resumption secret is of any use."""
        self.resumption: ResumptionSecret | None = None
        self.handshake_secret: HandshakeSecret | None = None
        self.client_secret: TrafficSecret | None = None
        self.server_secret: TrafficSecret | None = None
        self.main_secret: MainSecret | None = None
        self.application_secrets: ApplicationSecrets | None = None
        self.change_cipher_spec_sent = False
        self._bytes = 0
        self._messages = 0
        self._resume: Callable[[Any, Any], State | Suspended] | None = None

    # Driving

    def receive(self, message: bytes) -> None:
        """Take one whole handshake message, header included."""
        kind = message[0]
        if kind not in TRANSITIONS[self.state]:
            raise PeerMisbehaved(Reason.UNEXPECTED_MESSAGE, describe_unexpected(kind, self.state))
        self._spend(message)
        self._go_on(self.handlers[kind](self, parse_with(self.parsers, message), message))

    def receive_change_cipher_spec(self) -> None:
        """Take a change_cipher_spec of TLS 1.2; the record layer deals with those of TLS 1.3."""
        if CHANGE_CIPHER_SPEC not in TRANSITIONS[self.state]:
            raise PeerMisbehaved(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC, self.state.name)
        self._go_on(self.handlers[CHANGE_CIPHER_SPEC](self, None, b""))

    def check_answer(self, answer: object) -> None:
        """ApiMisuse unless a decision is pending and `answer` is one to it."""
        decision = self.suspended
        if decision is None:
            raise ApiMisuse(detail="no decision is pending")
        if not isinstance(answer, BaseException) and not isinstance(answer, decision.answers):
            raise ApiMisuse(detail=f"{type(answer).__name__} is no answer to a {type(decision).__name__}")

    def resume(self, answer: object) -> None:
        """Answer the pending decision; `check_answer` first."""
        decision = self.suspended
        resume = self._resume
        if decision is None or resume is None:
            raise InternalError(detail="no decision is pending")
        if isinstance(answer, BaseException):
            try:
                if isinstance(decision, VerdictDecision) and self.on_event is not None:
                    self.on_event(CertificateRejected(detached(answer)))
                raise answer
            finally:
                # An error kept by a frame that its traceback keeps would keep this handshake too.
                del answer
        result = resume(self, answer)
        self.suspended = self._resume = None
        self._go_on(result)

    def run_own_steps(self) -> None:
        """From a state that waits for no message to the next that does."""
        self._go_on(self.own_steps[self.state](self))

    def _go_on(self, result: State | Suspended) -> None:
        state, own_steps = self.state, self.own_steps
        while not isinstance(result, Suspended):
            if result not in FOLLOWERS[state]:
                raise InternalError(detail=f"{state.name} is not followed by {result.name}")
            self.state = state = result
            if state not in own_steps:
                return
            result = own_steps[state](self)
        self.suspended = result.decision
        self._resume = result.resume

    def _spend(self, message: bytes) -> None:
        budgets = self.config.budgets
        self._messages += 1
        self._bytes += len(message)
        if self._bytes > budgets.handshake_bytes or self._messages > budgets.handshake_messages:
            raise PeerMisbehaved(Reason.TOO_MANY_HANDSHAKE_BYTES, f"{self._messages} messages, {self._bytes} bytes")

    def take_budgets(self, predecessor: Handshake[Any]) -> None:
        """What was spent so far counts here too."""
        self._bytes = predecessor._bytes
        self._messages = predecessor._messages

    def asks(self, kind: DecisionKind) -> bool:
        """Whether the application takes this decision."""
        decisions = self.config.suspend_for
        return bool(decisions) and kind in decisions

    # What both roles do

    def send_change_cipher_spec(self) -> None:
        """The dummy of RFC 9846 appendix E.4, once."""
        if not self.change_cipher_spec_sent:
            self.change_cipher_spec_sent = True
            self.writer.queue(ContentType.CHANGE_CIPHER_SPEC, b"\x01")

    def derive_handshake_secrets(self, handshake_secret: HandshakeSecret) -> tuple[TrafficSecret, TrafficSecret]:
        """Secrets of ClientHello...ServerHello (RFC 9846 section 7.1): the client's and the server's."""
        self.handshake_secret = handshake_secret
        client, server = handshake_secret.traffic_secrets(self.transcript.digest())
        self.client_secret, self.server_secret = client, server
        if self.config.key_log is not None:
            self._log(keylog.CLIENT_HANDSHAKE_TRAFFIC_SECRET, client.secret)
            self._log(keylog.SERVER_HANDSHAKE_TRAFFIC_SECRET, server.secret)
        return client, server

    def derive_application_secrets(self) -> ApplicationSecrets:
        """Secrets of ClientHello...server Finished (RFC 9846 section 7.1)."""
        if self.handshake_secret is None:
            raise InternalError(detail="no handshake secret")
        self.main_secret = self.handshake_secret.main()
        self.handshake_secret = None
        secrets = self.application_secrets = self.main_secret.application_secrets(
            self.transcript.digest(), resumable=self.resumable
        )
        if self.config.key_log is not None:
            self._log(keylog.CLIENT_TRAFFIC_SECRET_0, secrets.client.secret)
            self._log(keylog.SERVER_TRAFFIC_SECRET_0, secrets.server.secret)
            self._log(keylog.EXPORTER_SECRET, secrets.exporter.secret)
        return secrets

    def complete(
        self,
        peer: AuthenticatedPeer | PreSharedKeyPeer | AnonymousPeer,
        _finished: FinishedValid,
        receive_protection: Protection,
    ) -> State:
        """Both Finished messages are in the transcript, and here are the proofs: application data may flow."""
        secrets, main_secret, suite = self.application_secrets, self.main_secret, self.suite
        if secrets is None or main_secret is None or suite is None:
            raise InternalError(detail="the key schedule is not complete")
        is_client = self.role is Role.CLIENT
        # A server that issues no tickets has no use for it.
        with_psk = isinstance(peer, PreSharedKeyPeer)
        external = peer.external_identity if isinstance(peer, PreSharedKeyPeer) else None
        if self.resumable:
            self.resumption = main_secret.resumption_secret(self.transcript.digest())
        negotiated = Negotiated(
            version=ProtocolVersion.TLS_1_3,
            cipher_suite=suite,
            group=self.group,
            signature_scheme=self.peer_signature_scheme,
            own_signature_scheme=self.own_signature_scheme,
            own_certificates=() if self.credential is None else self.credential.certificate_chain,
            common_cipher_suites=self.common_cipher_suites,
            alpn=self.alpn,
            server_name=self.server_name,
            resumed=with_psk and external is None,
            psk_identity=external,
        )
        post_handshake = PostHandshake(
            role=self.role,
            config=self.config,
            transcript=self.transcript if self.late_authentication else None,
            negotiated=negotiated,
            send_secret=secrets.client if is_client else secrets.server,
            receive_secret=secrets.server if is_client else secrets.client,
            receive_protection=receive_protection,
            exporter=secrets.exporter,
            origin=self.session_origin(negotiated),
        )
        self.outcome = Outcome(negotiated, post_handshake)
        self.reader.change_cipher_spec_allowed = False
        self.reader.open_application()
        self.writer.open_application()
        if self.on_event is not None:
            self.on_event(HandshakeCompleted(self.role, negotiated))
        return self.connected_state

    @property
    def late_authentication(self) -> bool:
        """Whether the client offered to authenticate after the handshake (RFC 9846 section 4.3.6)."""
        return False

    def prepare_to_fail(self) -> None:
        """Before the fatal alert is queued: see to the key that it is sent under."""

    def session_origin(self, negotiated: Negotiated) -> Callable[[], SessionOrigin] | None:
        """Makes what the sessions of the tickets that may come have in common; None: they are of no use."""
        return None

    @property
    def verified_path(self) -> tuple[bytes, ...]:
        """As the verifier found it, in this handshake or in the one that is resumed."""
        if isinstance(self.peer, PreSharedKeyPeer):
            return self.peer.path
        return () if self.peer_certificate is None else self.peer_certificate.path

    @property
    def peer_signature_scheme(self) -> int | None:
        """Of the peer's CertificateVerify, in this handshake or in the one that is resumed."""
        peer = self.peer
        if isinstance(peer, PreSharedKeyPeer):
            return peer.signature_scheme
        return peer.signature.scheme if isinstance(peer, AuthenticatedPeer) else None

    def takes_warning(self, description: int) -> bool:
        """Whether an alert of the level "warning" may still be one of TLS 1.2, where it does not end the connection."""
        if self.suite is not None or self.config.minimum_version >= ProtocolVersion.TLS_1_3:
            return False
        return description not in ALWAYS_FATAL

    def _log(self, label: str, secret: bytes) -> None:
        if self.config.key_log is not None:
            self.config.key_log(keylog.line(label, self.client_random, secret))


def describe_unexpected(kind: int, state: State) -> str:
    """Which message came, and which could have."""
    expected = ", ".join(_message_name(code) for code in TRANSITIONS[state]) or "none"
    return f"{_message_name(kind)} in {state.name}, where {expected} may come"


def _message_name(kind: int) -> str:
    if kind == CHANGE_CIPHER_SPEC:
        return "CHANGE_CIPHER_SPEC"
    try:
        return HandshakeType(kind).name
    except ValueError:
        return f"message type {kind}"
