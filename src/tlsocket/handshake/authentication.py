"""Authentication messages of both roles: Certificate, CertificateVerify, Finished (RFC 9846 section 4.5).

Makes proofs (`tlsocket.handshake.proofs`), as only its twin for TLS 1.2, `authentication_tls12`, and `psk` do too: each
function either returns one or raises. Not here:
the choice of our own credential (`credentials`), and what makes a certification path (the verifier of the
configuration).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tlsocket import clock, events
from tlsocket.config import (
    ClientAuthentication,
    ClientConfig,
    Credential,
    DecisionKind,
    Role,
    ServerConfig,
    VerifiedPath,
)
from tlsocket.crypto import signatures
from tlsocket.crypto.certificates import (
    certificate_public_key,
    demand_digital_signature,
    parse_certificate,
    shared_der,
)
from tlsocket.crypto.comparison import equal
from tlsocket.errors import (
    CertificateReason,
    CertificateRejected,
    InternalError,
    PeerMisbehaved,
    Reason,
    detached,
)
from tlsocket.extensions import CertificateRequestExtensions
from tlsocket.handshake.decisions import SignatureDecision, Suspended, VerdictDecision
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.proofs import (
    AnonymousPeer,
    AuthenticatedPeer,
    CertificateAccepted,
    FinishedValid,
    SignatureValid,
)
from tlsocket.handshake.states import ServerState, State
from tlsocket.key_schedule import TrafficSecret
from tlsocket.messages import Certificate, CertificateEntry, CertificateRequest, CertificateVerify, Finished
from tlsocket.registry import describe
from tlsocket.registry.extension_types import ExtensionType
from tlsocket.registry.signature_schemes import SignatureScheme

__all__ = [
    "accept_certificate",
    "add_certificate",
    "add_certificate_verify",
    "add_finished",
    "certificate_request",
    "receive_certificate",
    "receive_certificate_list",
    "receive_client_certificate",
    "request_signature",
    "verify_finished",
    "verify_signature",
]

# RFC 9846 section 4.5.2: 64 spaces, the context string, a zero byte; the transcript hash follows.
_SERVER_CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify" + b"\x00"
_CLIENT_CONTEXT = b" " * 64 + b"TLS 1.3, client CertificateVerify" + b"\x00"

# md5WithRSAEncryption: RFC 9846 section 4.5.1.3, "any endpoint receiving any certificate which it would need to
# validate using any signature algorithm using an MD5 hash MUST abort the handshake with a bad_certificate alert".
_MD5_SIGNATURES = frozenset({"1.2.840.113549.1.1.4"})


# The peer's


def receive_certificate(hs: Handshake[Any], message: Certificate, next_state: State) -> State | Suspended:
    """Check a non-empty Certificate message and have its list accepted (RFC 9846 section 4.5.1.3)."""
    return receive_certificate_list(hs, [entry.cert_data for entry in message.certificate_list], next_state)


def receive_client_certificate(
    hs: Handshake[Any], message: Certificate, raw: bytes, context: bytes, requirement: ClientAuthentication
) -> State | Suspended:
    """A client's Certificate, the empty one too, in answer to the request that bore `context`.

    RFC 9846 sections 4.5.1 and 4.5.1.4, during the handshake and after it; a request of ours asks for no extension of
    the client's certificates.
    """
    if message.certificate_request_context != context:
        raise PeerMisbehaved(Reason.REQUEST_CONTEXT_MISMATCH)
    for entry in message.certificate_list:
        for extension in entry.extensions.present:
            raise PeerMisbehaved(Reason.UNSOLICITED_EXTENSION, describe(ExtensionType, extension))
    hs.transcript.add(raw)
    if message.certificate_list:
        return receive_certificate(hs, message, ServerState.WAIT_CV)
    if hs.on_event is not None:
        hs.on_event(events.CertificateReceived(()))
    if requirement is ClientAuthentication.REQUIRED:
        raise PeerMisbehaved(Reason.CERTIFICATE_REQUIRED)
    hs.peer = AnonymousPeer()
    return ServerState.WAIT_FINISHED


def receive_certificate_list(hs: Handshake[Any], received: Iterable[bytes], next_state: State) -> State | Suspended:
    """Have a list of DER certificates accepted, leaf first and not empty, whichever version it came in."""
    certificates = tuple([shared_der(der) for der in received])
    if len(certificates) > hs.config.budgets.certificates:
        raise PeerMisbehaved(Reason.TOO_MANY_CERTIFICATES, str(len(certificates)))
    hs.peer_certificates = certificates
    if hs.on_event is not None:
        hs.on_event(events.CertificateReceived(certificates))
    if not hs.asks(DecisionKind.VERDICT):
        return accept_certificate(hs, certificates, _verify(hs, certificates), next_state)

    def decided(handshake: Handshake[Any], answer: VerifiedPath | None) -> State | Suspended:
        return accept_certificate(handshake, certificates, answer, next_state)

    role_of_peer = Role.SERVER if hs.role is Role.CLIENT else Role.CLIENT
    return Suspended(VerdictDecision(role_of_peer, certificates, _name_to_check(hs)), decided)


def accept_certificate(
    hs: Handshake[Any], certificates: tuple[bytes, ...], path: VerifiedPath | None, next_state: State
) -> State:
    """The list was accepted: keep it with its key."""
    leaf = parse_certificate(certificates[0])
    demand_digital_signature(leaf)
    chain = () if path is None else path.chain
    hs.peer_certificate = CertificateAccepted(certificates, chain, certificate_public_key(leaf))
    if path is not None and hs.on_event is not None:
        hs.on_event(events.CertificateAccepted(chain, _name_to_check(hs), path.switched_off, path.overridden))
    return next_state


def _verify(hs: Handshake[Any], certificates: tuple[bytes, ...]) -> VerifiedPath | None:
    verifier = hs.config.verifier
    if verifier is None:
        return None
    role_of_peer = Role.SERVER if hs.role is Role.CLIENT else Role.CLIENT
    try:
        path: VerifiedPath = verifier.verify(
            certificates, server_name=_name_to_check(hs), role_of_peer=role_of_peer, now=clock.now()
        )
        # The anchor's own signature is not validated, so it does not count.
        for depth, der in enumerate(path.chain[:-1]):
            if parse_certificate(der).signature_algorithm_oid.dotted_string in _MD5_SIGNATURES:
                raise CertificateRejected(CertificateReason.WEAK_SIGNATURE, "MD5", depth=depth)
    except CertificateRejected as error:
        error.chain = certificates
        if hs.on_event is not None:
            hs.on_event(events.CertificateRejected(detached(error)))
        raise
    return path


def _name_to_check(hs: Handshake[Any]) -> str | None:
    config = hs.config
    return hs.server_name if isinstance(config, ClientConfig) and config.check_name else None


def verify_signature(hs: Handshake[Any], message: CertificateVerify, raw: bytes) -> None:
    """The peer's CertificateVerify: makes `hs.peer` an AuthenticatedPeer (RFC 9846 section 4.5.2)."""
    certificate = hs.peer_certificate
    if certificate is None:
        raise InternalError(detail="CertificateVerify without a certificate")
    scheme = message.algorithm
    if scheme not in hs.config.signature_schemes:
        raise PeerMisbehaved(Reason.SIGNATURE_SCHEME_NOT_OFFERED, describe(SignatureScheme, scheme))
    context = _SERVER_CONTEXT if hs.role is Role.CLIENT else _CLIENT_CONTEXT
    signatures.verify(scheme, certificate.public_key, message.signature, context + hs.transcript.digest())
    hs.transcript.add(raw)
    hs.peer = AuthenticatedPeer(certificate, SignatureValid(scheme))
    if hs.on_event is not None:
        hs.on_event(events.SignatureVerified(scheme))


def verify_finished(hs: Handshake[Any], message: Finished, raw: bytes, secret: TrafficSecret | None) -> FinishedValid:
    """The peer's Finished, under the peer's handshake secret (RFC 9846 section 4.5.3)."""
    if secret is None:
        raise InternalError(detail="Finished without a handshake secret")
    if not equal(message.verify_data, secret.verify_data(hs.transcript.digest())):
        raise PeerMisbehaved(Reason.BAD_FINISHED)
    hs.transcript.add(raw)
    if hs.on_event is not None:
        hs.on_event(events.FinishedVerified())
    return FinishedValid()


# Our own


def add_certificate(hs: Handshake[Any], credential: Credential | None, context: bytes = b"") -> None:
    """Put our Certificate into the flight; None: the empty list of a client that declines.

    `context` is the certificate_request_context, empty but after the handshake.
    """
    flight = hs.flight
    if flight is None:
        raise InternalError(detail="no flight")
    if context:
        chain = () if credential is None else credential.certificate_chain
        flight.add(Certificate(context, tuple(CertificateEntry(der) for der in chain)).encode())
    else:
        flight.add(_EMPTY_CERTIFICATE if credential is None else credential.certificate_message)
    if hs.on_event is not None:
        hs.on_event(events.CertificateSent(() if credential is None else credential.certificate_chain))


_EMPTY_CERTIFICATE = Certificate(b"", ()).encode()


def certificate_request(config: ServerConfig, context: bytes) -> bytes:
    """A CertificateRequest, encoded; `context` is empty in the handshake and unique after it."""
    extensions = CertificateRequestExtensions(
        signature_algorithms=config.signature_schemes,
        signature_algorithms_cert=config.signature_schemes_cert,
        certificate_authorities=config.certificate_authorities or None,
    )
    return CertificateRequest(context, extensions).encode()


def request_signature(hs: Handshake[Any], credential: Credential, scheme: int) -> bytes | SignatureDecision:
    """The signature over the flight so far, or the decision that brings it."""
    flight = hs.flight
    if flight is None:
        raise InternalError(detail="no flight")
    context = _CLIENT_CONTEXT if hs.role is Role.CLIENT else _SERVER_CONTEXT
    content = context + flight.digest()
    if hs.asks(DecisionKind.SIGNATURE):
        return SignatureDecision(scheme, content, credential)
    return credential.signer.sign(scheme, content)


def add_certificate_verify(hs: Handshake[Any], scheme: int, signature: bytes) -> None:
    """Put our CertificateVerify into the flight."""
    flight = hs.flight
    if flight is None:
        raise InternalError(detail="no flight")
    flight.add(CertificateVerify(scheme, signature).encode())
    hs.own_signature_scheme = scheme
    if hs.on_event is not None:
        hs.on_event(events.SignatureSent(scheme))


def add_finished(hs: Handshake[Any], secret: TrafficSecret | None) -> None:
    """Put our Finished into the flight, under our handshake secret."""
    flight = hs.flight
    if flight is None or secret is None:
        raise InternalError(detail="no flight or no handshake secret")
    flight.add(Finished(secret.verify_data(flight.digest())).encode())
    if hs.on_event is not None:
        hs.on_event(events.FinishedSent())
