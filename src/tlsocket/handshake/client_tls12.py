"""A client's handshake in TLS 1.2: one function for each message (RFC 5246 section 7.4, RFC 8422).

    ServerHello, Certificate, ServerKeyExchange, [CertificateRequest], ServerHelloDone
    [Certificate], ClientKeyExchange, [CertificateVerify], change_cipher_spec, Finished
    [NewSessionTicket], change_cipher_spec, Finished

or, with a pre-shared key (RFC 5489),

    ServerHello, ServerKeyExchange, ServerHelloDone
    ClientKeyExchange, change_cipher_spec, Finished
    change_cipher_spec, Finished

or, where the server resumes a session,

    ServerHello, [NewSessionTicket], change_cipher_spec, Finished
    change_cipher_spec, Finished

Each is called only when `transitions` allows its message, checks what the RFCs tell a client to check, and returns the
state that follows. The ClientHello is sent by `client_tls13`, which hands over with `take_over`. Not here: what a
session is (`resumption_tls12`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsocket.config import ClientConfig, Credential, DecisionKind, Role
from tlsocket.crypto.certificates import curve_of
from tlsocket.crypto.groups import respond
from tlsocket.crypto.suites import TLS12_SUITES, CertificateKind
from tlsocket.errors import InternalError, PeerIncompatible, PeerMisbehaved, Reason
from tlsocket.events import (
    CertificateRequested,
    CertificateSent,
    FinishedSent,
    KeyExchangeReceived,
    ServerHelloReceived,
    SignatureSent,
    TicketReceived,
)
from tlsocket.handshake.authentication import receive_certificate_list
from tlsocket.handshake.authentication_tls12 import (
    make_finished,
    request_signature,
    verify_finished,
    verify_key_exchange,
)
from tlsocket.handshake.client_hello import offered_tls12_suites
from tlsocket.handshake.credentials import acceptable_schemes, best, scheme_for
from tlsocket.handshake.decisions import CertificateDecision, SignatureDecision, Suspended
from tlsocket.handshake.machine_tls12 import Tls12Handshake
from tlsocket.handshake.negotiation import remember
from tlsocket.handshake.negotiation_tls12 import TLS12_GROUPS
from tlsocket.handshake.proofs import AuthenticatedPeer, PreSharedKeyPeer
from tlsocket.handshake.psk import demand_other_authentication
from tlsocket.handshake.resumption_tls12 import new_session, resume_session
from tlsocket.handshake.sessions import Session
from tlsocket.handshake.sizes import heed_size_limits_tls12
from tlsocket.handshake.states import ClientState, State, Tls12ClientState
from tlsocket.handshake.transitions import CHANGE_CIPHER_SPEC
from tlsocket.key_schedule.external_psk import PreSharedKey
from tlsocket.key_schedule.tls12 import psk_preliminary_secret
from tlsocket.messages import DOWNGRADE_TO_TLS_1_1, DOWNGRADE_TO_TLS_1_2, CertificateVerify, Finished
from tlsocket.messages.tls12 import (
    ClientKeyExchange,
    HelloRequest,
    PskClientKeyExchange,
    PskServerKeyExchange,
    ServerHelloDone,
    ServerKeyExchange,
    Tls12Certificate,
    Tls12CertificateRequest,
    Tls12NewSessionTicket,
    Tls12ServerHello,
    parse,
)
from tlsocket.registry import describe
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.client_certificate_types import ClientCertificateType
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.registry.ec_curve_types import ECPointFormat
from tlsocket.registry.extension_types import ExtensionType
from tlsocket.registry.named_groups import NamedGroup
from tlsocket.registry.versions import ProtocolVersion

if TYPE_CHECKING:
    from tlsocket.handshake.client_tls13 import ClientHandshake

__all__ = ["Tls12ClientHandshake", "certificate_message", "take_over"]


class Tls12ClientHandshake(Tls12Handshake[ClientConfig]):
    """What a client of TLS 1.2 keeps until its handshake is over."""

    __slots__ = (
        "certificate_request",
        "identity_hint",
        "offered",
        "point",
        "server_session_id",
        "session",
        "session_id",
        "signature_scheme",
        "ticket",
        "ticket_promised",
    )

    role = Role.CLIENT
    start_state = ClientState.WAIT_SH
    connected_state = Tls12ClientState.CONNECTED

    offered: frozenset[int]
    """Types of the extensions in our ClientHello."""
    session_id: bytes
    """In our ClientHello: of the session to resume, or of middlebox compatibility."""
    server_session_id: bytes
    session: Session | None
    """The one that we offered; behind the ServerHello, the one that is resumed."""
    ticket_promised: bool
    """By session_ticket in the ServerHello: there will be a NewSessionTicket."""
    ticket: Tls12NewSessionTicket | None
    point: bytes
    """The server's half of the key exchange."""
    identity_hint: bytes
    """The server's, with a suite of ECDHE_PSK."""
    certificate_request: Tls12CertificateRequest | None
    signature_scheme: int


def take_over(predecessor: ClientHandshake, random: bytes, raw: bytes) -> State:
    """Go on with a ServerHello that chooses TLS 1.2, or less; `random` is its own."""
    # RFC 9846 section 4.2.3: a client that offers more and sees that the server could do more is being talked down.
    # Before anything else, since whoever does that may have changed the rest too.
    if predecessor.config.maximum_version > ProtocolVersion.TLS_1_2 and random[-8:] in _SENTINELS:
        raise PeerMisbehaved(Reason.DOWNGRADE_DETECTED)
    hs = Tls12ClientHandshake.adopt(predecessor)
    template = predecessor.template
    if template is None:
        raise InternalError(detail="no ClientHello was made")
    hs.offered = template.offered
    hs.session_id = predecessor.session_id
    offered = predecessor.session
    hs.session = offered if offered is not None and offered.origin.version == ProtocolVersion.TLS_1_2 else None
    hs.server_session_id = b""
    hs.ticket_promised = False
    hs.ticket = None
    hs.point = hs.identity_hint = b""
    hs.certificate_request = None
    hs.signature_scheme = 0
    message = parse(raw)
    if not isinstance(message, Tls12ServerHello):
        raise InternalError(detail="not a ServerHello")
    hs.state = _on_server_hello(hs, message, raw)
    return hs.state


# WAIT_SH


def _on_server_hello(hs: Tls12ClientHandshake, message: Tls12ServerHello, raw: bytes) -> State:
    config = hs.config
    if message.server_version != ProtocolVersion.TLS_1_2:
        ours = ", ".join(describe(ProtocolVersion, version) for version in config.versions)
        theirs = describe(ProtocolVersion, message.server_version)
        raise PeerIncompatible(Reason.UNSUPPORTED_VERSION, f"the server chose {theirs}; we offer {ours}")
    # RFC 5246 section 7.4.1.3, RFC 5077 section 3.4: by returning the session id the server says that it resumes.
    resumes = bool(hs.session_id) and message.session_id == hs.session_id
    if resumes and hs.session is None:
        # It claims a session that does not exist (RFC 9846 section 4.2.2, legacy_session_id).
        raise PeerMisbehaved(Reason.SESSION_ID_ECHOED)
    suite = TLS12_SUITES.get(message.cipher_suite)
    if suite is None or suite.code not in offered_tls12_suites(config):
        raise PeerMisbehaved(Reason.CIPHER_SUITE_NOT_OFFERED, describe(CipherSuiteCode, message.cipher_suite))
    if message.compression_method != 0:
        raise PeerMisbehaved(Reason.INVALID_COMPRESSION_METHOD)
    _check_extensions(hs, message)
    hs.server_random = message.random
    hs.use_suite(suite)
    hs.extended = message.extensions.extended_main_secret
    hs.alpn = message.extensions.alpn
    hs.server_session_id = message.session_id
    hs.ticket_promised = message.extensions.session_ticket
    heed_size_limits_tls12(hs, message.extensions)
    hs.transcript.add(raw)
    hs.transcript.start(suite.hash)
    if hs.on_event is not None:
        with_key = resumes or suite.authentication is None
        hs.on_event(ServerHelloReceived(ProtocolVersion.TLS_1_2, suite, 0, with_key))
    if suite.authentication is not None:
        demand_other_authentication(config)
    if resumes and hs.session is not None:
        resume_session(hs, hs.session)
        return _expect_ticket(hs)
    hs.session = None
    return Tls12ClientState.WAIT_SKE if suite.authentication is None else Tls12ClientState.WAIT_CERT


def _expect_ticket(hs: Tls12ClientHandshake) -> State:
    # RFC 5077 section 3.3: a NewSessionTicket comes if the ServerHello had session_ticket in it, and only then.
    return Tls12ClientState.WAIT_TICKET if hs.ticket_promised else Tls12ClientState.WAIT_CCS


_SENTINELS = (DOWNGRADE_TO_TLS_1_2, DOWNGRADE_TO_TLS_1_1)


def _check_extensions(hs: Tls12ClientHandshake, message: Tls12ServerHello) -> None:
    extensions = message.extensions
    for extension in extensions.present:
        # RFC 5246 section 7.4.1.4: an answer without a question is unsupported_extension.
        if extension not in hs.offered:
            raise PeerMisbehaved(Reason.UNSOLICITED_EXTENSION, describe(ExtensionType, extension))
    # RFC 5746 section 3.4: empty in a first handshake, and a server without it may be one that is attacked.
    if extensions.renegotiation_info:
        raise PeerMisbehaved(Reason.RENEGOTIATION_INFO_MISMATCH)
    if extensions.renegotiation_info is None and hs.config.require_secure_renegotiation:
        raise PeerIncompatible(Reason.NO_SECURE_RENEGOTIATION)
    if hs.config.require_extended_main_secret and not extensions.extended_main_secret:
        raise PeerIncompatible(Reason.NO_EXTENDED_MAIN_SECRET)
    formats = extensions.ec_point_formats
    if formats is not None and ECPointFormat.UNCOMPRESSED not in formats:
        raise PeerMisbehaved(Reason.NO_UNCOMPRESSED_POINTS)
    if extensions.alpn is not None and extensions.alpn not in hs.config.alpn_protocols:
        raise PeerMisbehaved(Reason.APPLICATION_PROTOCOL_NOT_OFFERED, repr(extensions.alpn))


def _on_hello_request(hs: Tls12ClientHandshake, message: HelloRequest, raw: bytes) -> State:
    """RFC 5246 section 7.4.1.1: "ignored by the client if [it] is currently negotiating", and in no transcript."""
    return hs.state


# WAIT_CERT


def _on_certificate(hs: Tls12ClientHandshake, message: Tls12Certificate, raw: bytes) -> State | Suspended:
    if not message.certificate_list:
        raise PeerMisbehaved(Reason.NO_CERTIFICATE)
    hs.transcript.add(raw)
    return receive_certificate_list(hs, message.certificate_list, Tls12ClientState.WAIT_SKE)


# WAIT_SKE


def _on_server_key_exchange(
    hs: Tls12ClientHandshake, message: ServerKeyExchange | PskServerKeyExchange, raw: bytes
) -> State:
    group = message.named_curve
    if group not in hs.config.groups or group not in TLS12_GROUPS:
        raise PeerMisbehaved(Reason.GROUP_NOT_OFFERED, describe(NamedGroup, group))
    hs.group = group
    hs.point = message.point
    if isinstance(message, PskServerKeyExchange):
        hs.identity_hint = message.psk_identity_hint
        hs.transcript.add(raw)
        if hs.on_event is not None:
            hs.on_event(KeyExchangeReceived(group, 0))
        # RFC 5489 section 2: no certificates, so none is asked for.
        return Tls12ClientState.WAIT_DONE
    hs.peer = verify_key_exchange(hs, message)
    # RFC 8422 section 5.3: our groups limit the curve of an ECDSA certificate too.
    curve = curve_of(hs.peer.certificate.public_key)
    if curve is not None and curve not in hs.config.groups:
        raise PeerMisbehaved(Reason.CERTIFICATE_CURVE_NOT_OFFERED, describe(NamedGroup, curve))
    hs.transcript.add(raw)
    if hs.on_event is not None:
        hs.on_event(KeyExchangeReceived(group, message.algorithm))
    return Tls12ClientState.WAIT_CR_DONE


# WAIT_CR_DONE


_KINDS = {
    CertificateKind.RSA: ClientCertificateType.RSA_SIGN,
    CertificateKind.ECDSA: ClientCertificateType.ECDSA_SIGN,
}


def _on_certificate_request(
    hs: Tls12ClientHandshake, message: Tls12CertificateRequest, raw: bytes
) -> State | Suspended:
    hs.transcript.add(raw)
    hs.certificate_request = message
    authorities, schemes = message.certificate_authorities, message.supported_signature_algorithms
    if hs.on_event is not None:
        hs.on_event(CertificateRequested(False, authorities))
    if hs.asks(DecisionKind.CERTIFICATE):
        return Suspended(CertificateDecision(Role.CLIENT, hs.server_name, schemes, authorities), _credential_decided)
    candidates = [c for c in hs.config.credentials if _KINDS[c.kind] in message.certificate_types]
    usable = acceptable_schemes(hs.config, schemes)
    found = best(candidates, usable, usable, schemes, authorities, tls12=True)
    if found is not None:
        hs.credential, hs.signature_scheme = found
    return Tls12ClientState.WAIT_DONE


def _credential_decided(hs: Tls12ClientHandshake, answer: Credential | None) -> State:
    if answer is not None:
        request = hs.certificate_request
        theirs = () if request is None else request.supported_signature_algorithms
        usable = acceptable_schemes(hs.config, theirs)
        scheme = scheme_for(answer, usable, usable, tls12=True)
        if scheme is None:
            raise PeerIncompatible(
                Reason.NO_COMMON_SIGNATURE_SCHEME, "the chosen credential cannot sign for this server"
            )
        hs.credential, hs.signature_scheme = answer, scheme
    return Tls12ClientState.WAIT_DONE


# WAIT_CR_DONE, WAIT_DONE


def _on_server_hello_done(hs: Tls12ClientHandshake, message: ServerHelloDone, raw: bytes) -> State:
    # What follows answers a flight that is yet to be sent.
    hs.reader.demand_record_boundary()
    hs.transcript.add(raw)
    return Tls12ClientState.RECVD_DONE


# RECVD_DONE


def _send_client_flight(hs: Tls12ClientHandshake) -> State | Suspended:
    if hs.credential is None:
        hs.transcript.forget_messages()
    if hs.certificate_request is not None:
        _send(hs, _EMPTY_CERTIFICATE if hs.credential is None else certificate_message(hs.config, hs.credential))
        if hs.on_event is not None:
            hs.on_event(CertificateSent(() if hs.credential is None else hs.credential.certificate_chain))
    # A server's answer to a client's share, in `crypto.groups`, is here a client's answer to the server's.
    own, shared_secret = respond(hs.group, hs.point)
    if hs.tls12_suite is not None and hs.tls12_suite.authentication is None:
        key = _choose_key(hs)
        _send(hs, PskClientKeyExchange(key.identity, own).encode())
        shared_secret = psk_preliminary_secret(shared_secret, key.key)
    else:
        _send(hs, ClientKeyExchange(own).encode())
    hs.derive_main_secret(shared_secret)
    if hs.credential is None:
        return _finish_client_flight(hs, b"")
    signature = request_signature(hs, hs.credential, hs.signature_scheme, hs.transcript.messages())
    if isinstance(signature, SignatureDecision):
        return Suspended(signature, _finish_client_flight)
    return _finish_client_flight(hs, signature)


def _choose_key(hs: Tls12ClientHandshake) -> PreSharedKey:
    choose = hs.config.choose_psk
    key = None if choose is None else choose(hs.server_name, hs.identity_hint)
    # An imported key is for TLS 1.3 (RFC 9258).
    if key is None or key.imported:
        raise PeerIncompatible(Reason.NO_COMMON_PRE_SHARED_KEY, "we have no key for this server")
    # Whether the server has it too, its Finished will show.
    hs.peer = PreSharedKeyPeer(key.identity)
    return key


_EMPTY_CERTIFICATE = Tls12Certificate(()).encode()


def certificate_message(config: ClientConfig, credential: Credential) -> bytes:
    """The Certificate message of a credential, encoded once."""
    key = ("tls12 certificate", credential)
    return remember(config, key, lambda: Tls12Certificate(credential.certificate_chain).encode())


def _send(hs: Tls12ClientHandshake, message: bytes) -> None:
    hs.transcript.add(message)
    hs.writer.queue(ContentType.HANDSHAKE, message)


def _finish_client_flight(hs: Tls12ClientHandshake, signature: bytes) -> State:
    if hs.credential is not None:
        _send(hs, CertificateVerify(hs.signature_scheme, signature).encode())
        hs.transcript.forget_messages()
        if hs.on_event is not None:
            hs.on_event(SignatureSent(hs.signature_scheme))
    _send_finished(hs)
    return _expect_ticket(hs)


def _send_finished(hs: Tls12ClientHandshake) -> None:
    hs.queue_send_key()
    hs.writer.queue(ContentType.HANDSHAKE, make_finished(hs))
    if hs.on_event is not None:
        hs.on_event(FinishedSent())


# WAIT_TICKET


def _on_new_session_ticket(hs: Tls12ClientHandshake, message: Tls12NewSessionTicket, raw: bytes) -> State:
    hs.transcript.add(raw)
    hs.ticket = message
    if hs.on_event is not None:
        hs.on_event(TicketReceived(message.ticket_lifetime_hint))
    return Tls12ClientState.WAIT_CCS


# WAIT_CCS


def _on_change_cipher_spec(hs: Tls12ClientHandshake, message: None, raw: bytes) -> State:
    hs.change_receive_key()
    return Tls12ClientState.WAIT_FINISHED


# WAIT_FINISHED


def _on_finished(hs: Tls12ClientHandshake, message: Finished, raw: bytes) -> State:
    finished = verify_finished(hs, message, raw)
    if not isinstance(hs.peer, (AuthenticatedPeer, PreSharedKeyPeer)):
        raise InternalError(detail="the server did not authenticate")
    if hs.session is not None:
        _send_finished(hs)
    session = new_session(hs, hs.session, hs.server_session_id, hs.ticket)
    # One that was resumed and not renewed is good for more: the cache had let go of it.
    if session is not None and hs.config.session_cache is not None:
        hs.config.session_cache.add(session)
    return hs.complete_tls12(hs.peer, finished, session)


Tls12ClientHandshake.handlers = {
    HandshakeType.HELLO_REQUEST: _on_hello_request,
    HandshakeType.CERTIFICATE: _on_certificate,
    HandshakeType.SERVER_KEY_EXCHANGE: _on_server_key_exchange,
    HandshakeType.CERTIFICATE_REQUEST: _on_certificate_request,
    HandshakeType.SERVER_HELLO_DONE: _on_server_hello_done,
    HandshakeType.NEW_SESSION_TICKET: _on_new_session_ticket,
    CHANGE_CIPHER_SPEC: _on_change_cipher_spec,
    HandshakeType.FINISHED: _on_finished,
}
Tls12ClientHandshake.own_steps = {Tls12ClientState.RECVD_DONE: _send_client_flight}
