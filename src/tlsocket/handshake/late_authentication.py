"""Post-handshake authentication, both sides (RFC 9846 section 4.7.2).

Each request is a small handshake of its own over a copy of the transcript up to the client's Finished: on the server
the states WAIT_CERT, WAIT_CV and WAIT_FINISHED of appendix A.2, on the client one message in and three out. What is
proved is kept by the connection. Not here: when a request may be made (`post_handshake`), the checks themselves
(`authentication`).
"""

from __future__ import annotations

from collections.abc import Callable

from tlsocket.config import ClientAuthentication, ClientConfig, Credential, Role, ServerConfig
from tlsocket.crypto.randomness import random_bytes
from tlsocket.errors import InternalError, PeerMisbehaved, Reason
from tlsocket.events import CertificateRequested, Event, FinishedSent
from tlsocket.handshake.authentication import (
    add_certificate,
    add_certificate_verify,
    certificate_request,
    receive_client_certificate,
    request_signature,
    verify_finished,
    verify_signature,
)
from tlsocket.handshake.credentials import choose_client_credential, credential_decided
from tlsocket.handshake.decisions import SignatureDecision, Suspended
from tlsocket.handshake.flight import Flight
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.proofs import FinishedValid
from tlsocket.handshake.states import ClientState, ServerState, State
from tlsocket.key_schedule import TrafficSecret
from tlsocket.messages import Certificate, CertificateRequest, CertificateVerify, Finished
from tlsocket.record import RecordReader, RecordWriter
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.transcript import Transcript

__all__ = ["LateClientAuthentication", "LateServerAuthentication"]


class LateServerAuthentication(Handshake[ServerConfig]):
    """A server's request and the client's response to it."""

    __slots__ = ("context", "finished", "receive_secret", "requirement")

    role = Role.SERVER
    start_state = ServerState.WAIT_CERT
    connected_state = ServerState.CONNECTED

    def __init__(
        self,
        config: ServerConfig,
        reader: RecordReader,
        writer: RecordWriter,
        on_event: Callable[[Event], None] | None,
        transcript: Transcript,
        requirement: ClientAuthentication,
    ) -> None:
        super().__init__(config, reader, writer, on_event, None)
        self.requirement = requirement
        # "context ... MUST be unique", and unpredictable lest an attacker with short access to the client's key
        # prepares a response (RFC 9846 section 4.4.2).
        self.context = random_bytes(32)
        self.receive_secret: TrafficSecret | None = None
        self.finished: FinishedValid | None = None
        self.transcript = transcript.copy()

    def send(self) -> None:
        """Queue the request."""
        message = certificate_request(self.config, self.context)
        self.transcript.add(message)
        self.writer.queue(ContentType.HANDSHAKE, message)
        if self.on_event is not None:
            self.on_event(CertificateRequested(True, self.config.certificate_authorities))

    def take(self, message: bytes, receive_secret: TrafficSecret) -> bool:
        """One message of the response; `receive_secret` is the client's present one. True when that was all."""
        self.receive_secret = receive_secret
        self.receive(message)
        return self.finished is not None


def _on_certificate(hs: LateServerAuthentication, message: Certificate, raw: bytes) -> State | Suspended:
    return receive_client_certificate(hs, message, raw, hs.context, hs.requirement)


def _on_certificate_verify(hs: LateServerAuthentication, message: CertificateVerify, raw: bytes) -> State:
    verify_signature(hs, message, raw)
    return ServerState.WAIT_FINISHED


def _on_finished(hs: LateServerAuthentication, message: Finished, raw: bytes) -> State:
    # RFC 9846 section 4.5.3: under client_application_traffic_secret_N, the one in use at that moment.
    finished = verify_finished(hs, message, raw, hs.receive_secret)
    if hs.peer is None:
        raise InternalError(detail="Finished before its time")
    hs.finished = finished
    return ServerState.CONNECTED


LateServerAuthentication.handlers = {
    HandshakeType.CERTIFICATE: _on_certificate,
    HandshakeType.CERTIFICATE_VERIFY: _on_certificate_verify,
    HandshakeType.FINISHED: _on_finished,
}
LateServerAuthentication.own_steps = {}


class LateClientAuthentication(Handshake[ClientConfig]):
    """A client's response to one request."""

    __slots__ = ("certificate_request", "send_secret", "signature_scheme")

    role = Role.CLIENT
    start_state = ClientState.CONNECTED
    connected_state = ClientState.CONNECTED

    def __init__(
        self,
        config: ClientConfig,
        reader: RecordReader,
        writer: RecordWriter,
        on_event: Callable[[Event], None] | None,
        server_name: str | None,
        transcript: Transcript,
        send_secret: Callable[[], TrafficSecret],
    ) -> None:
        super().__init__(config, reader, writer, on_event, server_name)
        self.transcript = transcript.copy()
        self.send_secret = send_secret
        self.certificate_request: CertificateRequest | None = None
        self.signature_scheme = 0


def _on_certificate_request(hs: LateClientAuthentication, message: CertificateRequest, raw: bytes) -> State | Suspended:
    # RFC 9846 section 4.4.2: "of zero length unless used for the post-handshake authentication exchanges".
    if not message.certificate_request_context:
        raise PeerMisbehaved(Reason.REQUEST_CONTEXT_MISMATCH, "an empty one after the handshake")
    if message.extensions.signature_algorithms is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "signature_algorithms")
    hs.transcript.add(raw)
    hs.certificate_request = message
    if hs.on_event is not None:
        hs.on_event(CertificateRequested(False, message.extensions.certificate_authorities or ()))
    decision = choose_client_credential(hs, message.extensions)
    return _respond(hs) if decision is None else Suspended(decision, _credential_decided)


def _credential_decided(hs: LateClientAuthentication, answer: Credential | None) -> State | Suspended:
    if hs.certificate_request is None:
        raise InternalError(detail="no CertificateRequest")
    credential_decided(hs, answer, hs.certificate_request.extensions)
    return _respond(hs)


def _respond(hs: LateClientAuthentication) -> State | Suspended:
    request = hs.certificate_request
    if request is None:
        raise InternalError(detail="no CertificateRequest")
    hs.flight = Flight(hs.transcript)
    add_certificate(hs, hs.credential, request.certificate_request_context)
    if hs.credential is None:
        return _finish(hs, b"")
    signature = request_signature(hs, hs.credential, hs.signature_scheme)
    if isinstance(signature, SignatureDecision):
        return Suspended(signature, _finish)
    return _finish(hs, signature)


def _finish(hs: LateClientAuthentication, signature: bytes) -> State:
    flight = hs.flight
    if flight is None:
        raise InternalError(detail="no flight")
    if hs.credential is not None:
        add_certificate_verify(hs, hs.signature_scheme, signature)
    send_secret, digest, messages = hs.send_secret, flight.digest(), flight.take()

    def sealed_now() -> bytes:
        # The secret is the one under which it is sealed: a KeyUpdate may be in the queue before it.
        return messages + Finished(send_secret().verify_data(digest)).encode()

    hs.writer.queue(ContentType.HANDSHAKE, sealed_now)
    if hs.on_event is not None:
        hs.on_event(FinishedSent())
    return ClientState.CONNECTED


LateClientAuthentication.handlers = {HandshakeType.CERTIFICATE_REQUEST: _on_certificate_request}
LateClientAuthentication.own_steps = {}
