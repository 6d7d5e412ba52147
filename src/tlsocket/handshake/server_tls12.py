"""A server's handshake in TLS 1.2: one function for each message and step (RFC 5246 section 7.4, RFC 8422).

    ClientHello
    ServerHello, Certificate, ServerKeyExchange, [CertificateRequest], ServerHelloDone
    [Certificate], ClientKeyExchange, [CertificateVerify], change_cipher_spec, Finished
    [NewSessionTicket], change_cipher_spec, Finished

or, with a pre-shared key (RFC 5489),

    ClientHello
    ServerHello, ServerKeyExchange, ServerHelloDone
    ClientKeyExchange, change_cipher_spec, Finished
    change_cipher_spec, Finished

or, to resume a session,

    ClientHello
    ServerHello, [NewSessionTicket], change_cipher_spec, Finished
    change_cipher_spec, Finished

Each is called only when `transitions` allows it, checks what the RFCs tell a server to check, and returns the state
that follows. The ClientHello comes from `server_tls13`, which chose the version, by `take_over`. Not here: what a
session is (`resumption_tls12`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsocket.config import ClientAuthentication, Credential, DecisionKind, Role, ServerConfig
from tlsocket.crypto.groups import KeyShare, generate
from tlsocket.crypto.randomness import random_bytes
from tlsocket.crypto.signatures import TLS12_SIGNATURE_SCHEMES
from tlsocket.errors import InternalError, PeerIncompatible, PeerMisbehaved, Reason
from tlsocket.events import (
    CertificateReceived,
    CertificateRequested,
    CertificateSent,
    ClientHelloReceived,
    FinishedSent,
    KeyExchangeSent,
    ServerHelloSent,
)
from tlsocket.extensions import Tls12ServerHelloExtensions
from tlsocket.handshake.authentication import receive_certificate_list
from tlsocket.handshake.authentication_tls12 import (
    key_exchange_content,
    make_finished,
    request_signature,
    verify_certificate_verify,
    verify_finished,
)
from tlsocket.handshake.credentials import serves_name
from tlsocket.handshake.decisions import CertificateDecision, SignatureDecision, Suspended
from tlsocket.handshake.flight import Flight
from tlsocket.handshake.machine_tls12 import Tls12Handshake
from tlsocket.handshake.negotiation import remember, select_application_protocol
from tlsocket.handshake.negotiation_tls12 import Tls12Choice, demanded_of_client, negotiate_tls12
from tlsocket.handshake.proofs import AnonymousPeer, PreSharedKeyPeer
from tlsocket.handshake.resumption_tls12 import find_state, keep_state, new_ticket, resume_state, worth_renewing
from tlsocket.handshake.sessions import SessionState
from tlsocket.handshake.sizes import answer_record_size_limit
from tlsocket.handshake.states import State, Tls12ServerState
from tlsocket.handshake.transitions import CHANGE_CIPHER_SPEC
from tlsocket.key_schedule.tls12 import psk_preliminary_secret
from tlsocket.messages import DOWNGRADE_TO_TLS_1_2, CertificateVerify, ClientHello, Finished
from tlsocket.messages.tls12 import (
    ClientKeyExchange,
    PskClientKeyExchange,
    PskServerKeyExchange,
    ServerHelloDone,
    ServerKeyExchange,
    Tls12Certificate,
    Tls12CertificateRequest,
    Tls12ServerHello,
)
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.client_certificate_types import ClientCertificateType
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.registry.ec_curve_types import ECPointFormat
from tlsocket.registry.versions import ProtocolVersion

if TYPE_CHECKING:
    from tlsocket.handshake.server_tls13 import ServerHandshake

__all__ = ["Tls12ServerHandshake", "take_over"]


class Tls12ServerHandshake(Tls12Handshake[ServerConfig]):
    """What a server of TLS 1.2 keeps until its handshake is over."""

    __slots__ = ("choice", "gives_ticket", "hello", "resumed", "session_id", "share")

    role = Role.SERVER
    start_state = Tls12ServerState.RECVD_CH
    connected_state = Tls12ServerState.CONNECTED

    hello: ClientHello
    choice: Tls12Choice | None
    share: KeyShare | None
    resumed: SessionState | None
    session_id: bytes
    """In our ServerHello: the client's own to resume its session, a new one under which this one is kept, or none."""
    gives_ticket: bool


def take_over(predecessor: ServerHandshake, hello: ClientHello, raw: bytes) -> State:
    """Go on with a ClientHello for which TLS 1.2 was chosen, as far as no message is needed."""
    hs = Tls12ServerHandshake.adopt(predecessor)
    hs.hello = hello
    hs.choice = None
    hs.share = None
    hs.resumed = None
    hs.session_id = b""
    hs.gives_ticket = False
    _on_client_hello(hs, hello, raw)
    hs.run_own_steps()
    return Tls12ServerState.RECVD_CH


def _on_client_hello(hs: Tls12ServerHandshake, hello: ClientHello, raw: bytes) -> None:
    extensions = hello.extensions
    hs.client_random = hello.random
    hs.server_name = extensions.server_name
    hs.extended = extensions.extended_main_secret
    hs.transcript.add(raw)
    if hs.on_event is not None:
        hs.on_event(
            ClientHelloReceived(
                server_name=extensions.server_name,
                versions=extensions.supported_versions or (hello.legacy_version,),
                cipher_suites=hello.cipher_suites,
                groups=extensions.supported_groups or (),
                key_share_groups=tuple(entry.group for entry in extensions.key_share or ()),
                alpn=extensions.alpn or (),
            )
        )
    _check_client_hello(hs, hello)


def _check_client_hello(hs: Tls12ServerHandshake, hello: ClientHello) -> None:
    extensions = hello.extensions
    if len(extensions.present) > hs.config.budgets.extensions:
        raise PeerMisbehaved(Reason.TOO_MANY_EXTENSIONS, str(len(extensions.present)))
    # RFC 5246 section 7.4.1.2: null compression must be offered; what is beside it is never used.
    if 0 not in hello.legacy_compression_methods:
        raise PeerMisbehaved(Reason.INVALID_COMPRESSION_METHOD)
    # RFC 5746 section 3.6: empty in a first handshake.
    if extensions.renegotiation_info:
        raise PeerMisbehaved(Reason.RENEGOTIATION_INFO_MISMATCH)
    if extensions.ec_point_formats is not None and ECPointFormat.UNCOMPRESSED not in extensions.ec_point_formats:
        raise PeerMisbehaved(Reason.NO_UNCOMPRESSED_POINTS)
    if hs.config.require_extended_main_secret and not extensions.extended_main_secret:
        raise PeerIncompatible(Reason.NO_EXTENDED_MAIN_SECRET)


# RECVD_CH


def _select_parameters(hs: Tls12ServerHandshake) -> State | Suspended:
    if not hs.asks(DecisionKind.CERTIFICATE):
        return _negotiate(hs)
    extensions = hs.hello.extensions
    decision = CertificateDecision(
        role=Role.SERVER,
        server_name=extensions.server_name,
        signature_schemes=extensions.signature_algorithms or (),
        certificate_authorities=extensions.certificate_authorities or (),
        alpn_protocols=extensions.alpn or (),
        cipher_suites=hs.hello.cipher_suites,
        client_hello=hs.hello,
    )
    return Suspended(decision, _certificate_decided)


def _certificate_decided(hs: Tls12ServerHandshake, answer: Credential | ServerConfig | None) -> State:
    if isinstance(answer, ServerConfig):
        hs.config = answer
    else:
        hs.credential = answer
    return _negotiate(hs)


def _negotiate(hs: Tls12ServerHandshake) -> State:
    choice = hs.choice = negotiate_tls12(hs.config, hs.hello, hs.credential)
    hs.alpn = select_application_protocol(hs.config, hs.hello.extensions.alpn)
    hs.use_suite(choice.cipher_suite)
    hs.credential = choice.credential
    hs.common_cipher_suites = choice.common_cipher_suites
    hs.transcript.start(choice.cipher_suite.hash)
    hs.resumed = find_state(hs, hs.hello, choice)
    hs.group = choice.group if hs.resumed is None else 0
    _plan_session(hs)
    return Tls12ServerState.NEGOTIATED


def _plan_session(hs: Tls12ServerHandshake) -> None:
    """What the ServerHello says of sessions: a ticket will come, or this one has an id, or neither."""
    # Without the extended main secret nothing is ever resumed.
    may = hs.extended and hs.credential is not None
    if may and hs.config.tls12_tickets and hs.hello.extensions.session_ticket is not None:
        hs.gives_ticket = hs.resumed is None or worth_renewing(hs.config, hs.resumed)
    if hs.resumed is not None:
        hs.session_id = hs.hello.legacy_session_id
    elif may and not hs.gives_ticket and hs.config.session_ids is not None:
        hs.session_id = random_bytes(32)


# NEGOTIATED


def _send_server_flight(hs: Tls12ServerHandshake) -> State | Suspended:
    flight = hs.flight = Flight(hs.transcript)
    choice = _choice(hs)
    _add_server_hello(hs, flight)
    if hs.resumed is not None:
        resume_state(hs, hs.resumed)
        _finish(hs, flight)
        hs.flight = None
        return Tls12ServerState.WAIT_CCS
    share = hs.share = generate(choice.group)
    if choice.credential is None:
        message = PskServerKeyExchange(hs.config.psk_identity_hint, choice.group, share.public)
        return _finish_server_flight(hs, message.encode())
    _add_certificate(hs, flight, choice.credential)
    # Without a signature yet, for the encoding of its parameters.
    unsigned = ServerKeyExchange(choice.group, share.public, choice.signature_scheme, b"")
    content = key_exchange_content(hs, unsigned.params)
    signature = request_signature(hs, choice.credential, choice.signature_scheme, content)
    if isinstance(signature, SignatureDecision):
        return Suspended(signature, _add_signed_key_exchange)
    return _add_signed_key_exchange(hs, signature)


def _add_server_hello(hs: Tls12ServerHandshake, flight: Flight) -> None:
    choice, hello = _choice(hs), hs.hello
    offered = hello.extensions
    random = random_bytes(32)
    if hs.config.maximum_version > ProtocolVersion.TLS_1_2:
        # RFC 9846 section 4.2.3: the client shall see that somebody could have talked the two of us down.
        random = random[:24] + DOWNGRADE_TO_TLS_1_2
    hs.server_random = random
    # RFC 5746 section 3.6: the SCSV stands for an empty extension.
    secure = offered.renegotiation_info is not None or (
        CipherSuiteCode.TLS_EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites
    )
    extensions = Tls12ServerHelloExtensions(
        # RFC 6066 section 3: "When resuming a session, the server MUST NOT include a server_name extension".
        server_name=hs.resumed is None
        and choice.credential is not None
        and hs.server_name is not None
        and serves_name(choice.credential, hs.server_name),
        extended_main_secret=hs.extended,
        renegotiation_info=b"" if secure else None,
        ec_point_formats=bytes((ECPointFormat.UNCOMPRESSED,)) if offered.ec_point_formats is not None else None,
        session_ticket=hs.gives_ticket,
        alpn=hs.alpn,
        record_size_limit=answer_record_size_limit(hs, offered.record_size_limit),
    )
    suite = choice.cipher_suite
    message = Tls12ServerHello(ProtocolVersion.TLS_1_2, random, hs.session_id, suite.code, 0, extensions)
    flight.add(message.encode())
    if hs.on_event is not None:
        with_key = hs.resumed is not None or suite.authentication is None
        hs.on_event(ServerHelloSent(ProtocolVersion.TLS_1_2, suite, 0, with_key))


def _add_certificate(hs: Tls12ServerHandshake, flight: Flight, credential: Credential) -> None:
    chain = credential.certificate_chain
    flight.add(remember(hs.config, ("tls12 certificate", credential), lambda: Tls12Certificate(chain).encode()))
    if hs.on_event is not None:
        hs.on_event(CertificateSent(chain))


def _add_signed_key_exchange(hs: Tls12ServerHandshake, signature: bytes) -> State:
    share, choice = hs.share, _choice(hs)
    if share is None:
        raise InternalError(detail="no key share")
    message = ServerKeyExchange(choice.group, share.public, choice.signature_scheme, signature)
    return _finish_server_flight(hs, message.encode())


def _finish_server_flight(hs: Tls12ServerHandshake, key_exchange: bytes) -> State:
    flight, choice, config = hs.flight, _choice(hs), hs.config
    if flight is None:
        raise InternalError(detail="no flight")
    flight.add(key_exchange)
    if hs.on_event is not None:
        hs.on_event(KeyExchangeSent(choice.group, choice.signature_scheme))
    # RFC 5489 section 2: with a pre-shared key there are no certificates.
    asks = choice.credential is not None and demanded_of_client(config) is not ClientAuthentication.NONE
    if asks:
        flight.add(remember(config, "tls12 certificate_request", lambda: _certificate_request(config)))
        if hs.on_event is not None:
            hs.on_event(CertificateRequested(True, config.certificate_authorities))
    else:
        hs.transcript.forget_messages()
        if choice.credential is not None:
            hs.peer = AnonymousPeer()
    flight.add(_SERVER_HELLO_DONE)
    flight.send(hs.writer)
    hs.flight = None
    return Tls12ServerState.WAIT_CERT if asks else Tls12ServerState.WAIT_CKE


_SERVER_HELLO_DONE = ServerHelloDone().encode()
_CERTIFICATE_TYPES = bytes((ClientCertificateType.ECDSA_SIGN, ClientCertificateType.RSA_SIGN))


def _certificate_request(config: ServerConfig) -> bytes:
    schemes = tuple(scheme for scheme in config.signature_schemes if scheme in TLS12_SIGNATURE_SCHEMES)
    return Tls12CertificateRequest(_CERTIFICATE_TYPES, schemes, config.certificate_authorities).encode()


# WAIT_CERT


def _on_certificate(hs: Tls12ServerHandshake, message: Tls12Certificate, raw: bytes) -> State | Suspended:
    hs.transcript.add(raw)
    if message.certificate_list:
        return receive_certificate_list(hs, message.certificate_list, Tls12ServerState.WAIT_CKE)
    if hs.on_event is not None:
        hs.on_event(CertificateReceived(()))
    if demanded_of_client(hs.config) is ClientAuthentication.REQUIRED:
        raise PeerMisbehaved(Reason.CLIENT_CERTIFICATE_MISSING)
    hs.transcript.forget_messages()
    hs.peer = AnonymousPeer()
    return Tls12ServerState.WAIT_CKE


# WAIT_CKE


def _on_client_key_exchange(
    hs: Tls12ServerHandshake, message: ClientKeyExchange | PskClientKeyExchange, raw: bytes
) -> State:
    share = hs.share
    if share is None:
        raise InternalError(detail="no key share")
    hs.share = None
    hs.transcript.add(raw)
    secret = share.exchange(message.ecdh_yc)
    if isinstance(message, PskClientKeyExchange):
        find = hs.config.find_psk
        key = None if find is None else find(message.psk_identity)
        # An imported key is for TLS 1.3 (RFC 9258).
        if key is None or key.imported:
            raise PeerIncompatible(Reason.UNKNOWN_PSK_IDENTITY)
        secret = psk_preliminary_secret(secret, key.key)
        # Whether the client has it too, its Finished will show.
        hs.peer = PreSharedKeyPeer(key.identity)
    hs.derive_main_secret(secret)
    return Tls12ServerState.WAIT_CCS if hs.peer is not None else Tls12ServerState.WAIT_CV


# WAIT_CV


def _on_certificate_verify(hs: Tls12ServerHandshake, message: CertificateVerify, raw: bytes) -> State:
    hs.peer = verify_certificate_verify(hs, message)
    hs.transcript.add(raw)
    hs.transcript.forget_messages()
    return Tls12ServerState.WAIT_CCS


# WAIT_CCS


def _on_change_cipher_spec(hs: Tls12ServerHandshake, message: None, raw: bytes) -> State:
    hs.change_receive_key()
    return Tls12ServerState.WAIT_FINISHED


# WAIT_FINISHED


def _on_finished(hs: Tls12ServerHandshake, message: Finished, raw: bytes) -> State:
    finished = verify_finished(hs, message, raw)
    if hs.peer is None:
        raise InternalError(detail="Finished before its time")
    if hs.resumed is None:
        _finish(hs, Flight(hs.transcript))
        if hs.session_id:
            keep_state(hs, hs.session_id)
    return hs.complete_tls12(hs.peer, finished)


def _finish(hs: Tls12ServerHandshake, flight: Flight) -> None:
    """Send what the flight holds, the ticket that was promised, and our Finished under our key."""
    if hs.gives_ticket:
        flight.add(new_ticket(hs))
    flight.send(hs.writer)
    hs.queue_send_key()
    hs.writer.queue(ContentType.HANDSHAKE, make_finished(hs))
    if hs.on_event is not None:
        hs.on_event(FinishedSent())


def _choice(hs: Tls12ServerHandshake) -> Tls12Choice:
    if hs.choice is None:
        raise InternalError(detail="nothing was negotiated")
    return hs.choice


Tls12ServerHandshake.handlers = {
    HandshakeType.CERTIFICATE: _on_certificate,
    HandshakeType.CLIENT_KEY_EXCHANGE: _on_client_key_exchange,
    HandshakeType.CERTIFICATE_VERIFY: _on_certificate_verify,
    CHANGE_CIPHER_SPEC: _on_change_cipher_spec,
    HandshakeType.FINISHED: _on_finished,
}
Tls12ServerHandshake.own_steps = {
    Tls12ServerState.RECVD_CH: _select_parameters,
    Tls12ServerState.NEGOTIATED: _send_server_flight,
}
