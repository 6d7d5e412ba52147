"""Authentication in TLS 1.2, both roles: ServerKeyExchange, CertificateVerify, Finished (RFC 5246 section 7.4).

The twin of `authentication`, which has the certificate lists of both versions: each function here returns a proof, or
raises. A server signs its key exchange and both randoms, a client all messages so far; each Finished is of the main
secret and all messages so far.
"""

from __future__ import annotations

from typing import Any

from tlsocket import events
from tlsocket.config import Credential, DecisionKind, Role
from tlsocket.crypto import signatures
from tlsocket.crypto.certificates import certificate_kind
from tlsocket.crypto.comparison import equal
from tlsocket.errors import InternalError, PeerMisbehaved, Reason
from tlsocket.handshake.decisions import SignatureDecision
from tlsocket.handshake.machine_tls12 import Tls12Handshake
from tlsocket.handshake.proofs import AuthenticatedPeer, CertificateAccepted, FinishedValid, SignatureValid
from tlsocket.messages import CertificateVerify, Finished
from tlsocket.messages.tls12 import ServerKeyExchange
from tlsocket.registry import describe
from tlsocket.registry.signature_schemes import SignatureScheme

__all__ = [
    "key_exchange_content",
    "make_finished",
    "request_signature",
    "verify_certificate_verify",
    "verify_finished",
    "verify_key_exchange",
]


def key_exchange_content(hs: Tls12Handshake[Any], params: bytes) -> bytes:
    """What a server signs (RFC 8422 section 5.4)."""
    return hs.client_random + hs.server_random + params


def verify_key_exchange(hs: Tls12Handshake[Any], message: ServerKeyExchange) -> AuthenticatedPeer:
    """The server's signature over its key exchange."""
    certificate = _certificate(hs)
    suite = hs.tls12_suite
    if suite is None or certificate_kind(certificate.public_key) is not suite.authentication:
        raise PeerMisbehaved(Reason.CERTIFICATE_DOES_NOT_FIT_SUITE, "" if suite is None else suite.name)
    content = key_exchange_content(hs, message.params)
    return _authenticate(hs, certificate, message.algorithm, message.signature, content)


def verify_certificate_verify(hs: Tls12Handshake[Any], message: CertificateVerify) -> AuthenticatedPeer:
    """The client's CertificateVerify (RFC 5246 section 7.4.8), before it enters the transcript."""
    return _authenticate(hs, _certificate(hs), message.algorithm, message.signature, hs.transcript.messages())


def _certificate(hs: Tls12Handshake[Any]) -> CertificateAccepted:
    if hs.peer_certificate is None:
        raise InternalError(detail="a signature without a certificate")
    return hs.peer_certificate


def _authenticate(
    hs: Tls12Handshake[Any], certificate: CertificateAccepted, scheme: int, signature: bytes, content: bytes
) -> AuthenticatedPeer:
    if scheme not in hs.config.signature_schemes:
        raise PeerMisbehaved(Reason.SIGNATURE_SCHEME_NOT_OFFERED, describe(SignatureScheme, scheme))
    signatures.verify_tls12(scheme, certificate.public_key, signature, content)
    if hs.on_event is not None:
        hs.on_event(events.SignatureVerified(scheme))
    return AuthenticatedPeer(certificate, SignatureValid(scheme))


def verify_finished(hs: Tls12Handshake[Any], message: Finished, raw: bytes) -> FinishedValid:
    """The peer's Finished (RFC 5246 section 7.4.9)."""
    if hs.main_secret12 is None:
        raise InternalError(detail="Finished without a main secret")
    of_client = hs.role is Role.SERVER
    expected = hs.main_secret12.verify_data(client=of_client, transcript_hash=hs.transcript.digest())
    if not equal(expected, message.verify_data):
        raise PeerMisbehaved(Reason.BAD_FINISHED)
    hs.tls_unique = hs.tls_unique or expected
    hs.transcript.add(raw)
    if hs.on_event is not None:
        hs.on_event(events.FinishedVerified())
    return FinishedValid()


def make_finished(hs: Tls12Handshake[Any]) -> bytes:
    """Our Finished, encoded; it enters the transcript."""
    if hs.main_secret12 is None:
        raise InternalError(detail="Finished without a main secret")
    of_client = hs.role is Role.CLIENT
    verify_data = hs.main_secret12.verify_data(client=of_client, transcript_hash=hs.transcript.digest())
    hs.tls_unique = hs.tls_unique or verify_data
    message = Finished(verify_data).encode()
    hs.transcript.add(message)
    return message


def request_signature(
    hs: Tls12Handshake[Any], credential: Credential, scheme: int, content: bytes
) -> bytes | SignatureDecision:
    """The signature over `content`, or the decision that brings it."""
    hs.own_signature_scheme = scheme
    if hs.asks(DecisionKind.SIGNATURE):
        return SignatureDecision(scheme, content, credential)
    return credential.signer.sign(scheme, content)
