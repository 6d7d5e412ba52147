"""A client's handshake in TLS 1.3: one function for each message (RFC 9846 sections 4.2 to 4.5, appendix A.1).

Each is called only when `transitions` allows its message, checks what the RFC tells a client to check, and returns the
state that follows. `K_send` and `K_recv` in comments are the RFC's notation. Not here: TLS 1.2 (a ServerHello of it is
handed to `client_tls12`), what is behind a pre-shared key (`psk`, `sessions`), messages after Finished
(`post_handshake`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tlsocket import clock, record
from tlsocket.config import ClientConfig, Credential, Role
from tlsocket.crypto.groups import KeyShare, generate, generate_shares
from tlsocket.crypto.randomness import random_bytes
from tlsocket.crypto.suites import TLS13_SUITES, CipherSuite
from tlsocket.errors import InternalError, PeerIncompatible, PeerMisbehaved, Reason
from tlsocket.events import (
    CertificateRequested,
    ClientHelloSent,
    EncryptedExtensionsReceived,
    Event,
    HelloRetryRequestReceived,
    Negotiated,
    ServerHelloReceived,
)
from tlsocket.handshake.authentication import (
    add_certificate,
    add_certificate_verify,
    add_finished,
    receive_certificate,
    request_signature,
    verify_finished,
    verify_signature,
)
from tlsocket.handshake.client_hello import Template, hello_again, offering, template_for
from tlsocket.handshake.credentials import choose_client_credential, credential_decided
from tlsocket.handshake.decisions import SignatureDecision, Suspended
from tlsocket.handshake.flight import Flight
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.proofs import AuthenticatedPeer, FinishedValid, PreSharedKeyPeer
from tlsocket.handshake.psk import (
    Offer,
    accept_choice,
    add_offers,
    demand_other_authentication,
    find_session,
    offers_of,
)
from tlsocket.handshake.sessions import Session, SessionOrigin, client_binding
from tlsocket.handshake.sizes import heed_size_limits
from tlsocket.handshake.states import ClientState, State
from tlsocket.key_schedule import EarlySecret, ResumptionSecret
from tlsocket.messages import (
    DOWNGRADE_TO_TLS_1_1,
    DOWNGRADE_TO_TLS_1_2,
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
    HelloRetryRequest,
    ServerHello,
)
from tlsocket.record import Protection, RecordReader, RecordWriter
from tlsocket.registry import describe
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.registry.extension_types import ExtensionType
from tlsocket.registry.named_groups import NamedGroup
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["ClientHandshake"]


class ClientHandshake(Handshake[ClientConfig]):
    """What a client keeps until its handshake is over."""

    __slots__ = (
        "certificate_request",
        "finished",
        "keys_ready",
        "offered",
        "offers",
        "receive_protection",
        "retry",
        "session",
        "session_id",
        "shares",
        "signature_scheme",
        "template",
    )

    role = Role.CLIENT
    start_state = ClientState.START
    connected_state = ClientState.CONNECTED

    def __init__(
        self,
        config: ClientConfig,
        reader: RecordReader,
        writer: RecordWriter,
        on_event: Callable[[Event], None] | None,
        server_name: str | None,
    ) -> None:
        super().__init__(config, reader, writer, on_event, server_name)
        self.template: Template | None = None
        self.session: Session | None = None
        """To resume, if it can be; to be set before `start`. Behind the ClientHello: the one that is offered in it."""
        self.offers: tuple[Offer, ...] = ()
        self.offered: frozenset[int] = frozenset()
        """Types of the extensions in our ClientHello."""
        self.session_id = b""
        self.shares: dict[int, KeyShare] = {}
        self.retry: HelloRetryRequest | None = None
        self.certificate_request: CertificateRequest | None = None
        self.signature_scheme = 0
        self.finished: FinishedValid | None = None
        self.receive_protection: Protection | None = None
        self.keys_ready = False

    @property
    def started(self) -> bool:
        """Whether the ClientHello was made."""
        return self.state is not ClientState.START

    @property
    def late_authentication(self) -> bool:
        """Whether we offered to authenticate after the handshake (RFC 9846 section 4.3.6)."""
        return self.config.post_handshake_auth

    def start(self) -> None:
        """Queue the ClientHello."""
        self.run_own_steps()

    def session_origin(self, negotiated: Negotiated) -> Callable[[], SessionOrigin] | None:
        """Makes what the sessions of the tickets that may come have in common; None: they are of no use."""
        secret, peer = self.resumption, self.peer
        if secret is None:
            return None
        # Not a method: it would keep the whole handshake. Many a client never reads a ticket.
        return partial(
            _session_origin,
            self.config,
            secret,
            negotiated,
            self.peer_certificates,
            self.verified_path,
            peer.authenticated_at if isinstance(peer, PreSharedKeyPeer) else clock.now(),
        )

    def prepare_to_fail(self) -> None:
        """RFC 9846 appendix A.1: clients "SHOULD first rekey to the handshake keys if possible" before an alert."""
        if self.client_secret is not None and not self.keys_ready:
            _send_under_handshake_key(self)


def _session_origin(
    config: ClientConfig,
    secret: ResumptionSecret,
    negotiated: Negotiated,
    certificates: tuple[bytes, ...],
    path: tuple[bytes, ...],
    authenticated_at: float,
) -> SessionOrigin:
    return SessionOrigin(
        version=ProtocolVersion.TLS_1_3,
        cipher_suite=secret.suite.code,
        server_name=negotiated.server_name,
        alpn=negotiated.alpn,
        signature_scheme=negotiated.signature_scheme or 0,
        peer_certificates=certificates,
        verified_path=path,
        authenticated_at=authenticated_at,
        binding=client_binding(config),
        secret=secret.secret,
    )


# START


def _send_client_hello(hs: ClientHandshake) -> State:
    template = _offered(hs) if hs.template is not None else template_for(hs.config, _name_to_send(hs.server_name))
    if hs.retry is None:
        hs.template = template
        random = random_bytes(64)
        hs.client_random = random[:32]
        hs.session_id = random[32:] if template.hello.legacy_session_id else b""
        hs.session = find_session(hs.config, hs.session, hs.server_name)
        if hs.session is not None and hs.session.origin.version == ProtocolVersion.TLS_1_2:
            hs.template = template = offering(template, hs.session)
            hs.session_id = template.hello.legacy_session_id
        hs.shares = generate_shares(template.share_groups)
        message = template.fill(hs.client_random, hs.session_id, hs.shares)
        hs.offers = offers_of(hs.config, hs.session, hs.server_name)
    else:
        if hs.config.middlebox_compatibility:
            hs.send_change_cipher_spec()
        cookie = hs.retry.extensions.cookie
        message = hello_again(template, hs.client_random, hs.session_id, hs.shares, cookie)
        # RFC 9846 section 4.2.4: the client "SHOULD NOT offer any pre-shared keys associated with a hash other than
        # that of the selected cipher suite".
        hs.offers = tuple([offer for offer in hs.offers if hs.suite is not None and offer.algorithm is hs.suite.hash])
    hs.offered = template.offered
    if hs.offers:
        message = add_offers(message, template.extensions_at, hs.offers, hs.transcript)
        hs.offered |= _PRE_SHARED_KEY
    hs.transcript.add(message)
    hs.writer.queue(ContentType.HANDSHAKE, message)
    hs.reader.change_cipher_spec_allowed = True
    if hs.on_event is not None:
        offer = template.hello
        hs.on_event(
            ClientHelloSent(
                server_name=offer.extensions.server_name,
                versions=hs.config.versions,
                cipher_suites=offer.cipher_suites,
                groups=offer.extensions.supported_groups or (),
                key_share_groups=tuple(hs.shares),
                alpn=hs.config.alpn_protocols,
                pre_shared_keys=len(hs.offers),
            )
        )
    return ClientState.WAIT_SH


_PRE_SHARED_KEY = frozenset({ExtensionType.PRE_SHARED_KEY})


def _name_to_send(name: str | None) -> str | None:
    # RFC 6066 section 3: literal addresses are not permitted, and the name is "represented ... without a trailing dot".
    if name is None or _is_address(name):
        return None
    return name.rstrip(".").lower() or None


def _is_address(name: str) -> bool:
    return ":" in name or name.rpartition(".")[2].isdecimal()


def _offered(hs: ClientHandshake) -> Template:
    if hs.template is None:
        raise InternalError(detail="no ClientHello was made")
    return hs.template


# WAIT_SH


def _on_server_hello(hs: ClientHandshake, message: ServerHello | HelloRetryRequest, raw: bytes) -> State:
    if _chooses_tls12(hs, message):
        from tlsocket.handshake.client_tls12 import take_over  # seldom needed

        return take_over(hs, message.random, raw)
    suite = _check_hello(hs, message)
    if isinstance(message, HelloRetryRequest):
        return _on_hello_retry_request(hs, message, raw, suite)
    return _on_parameters(hs, message, raw, suite)


def _chooses_tls12(hs: ClientHandshake, message: ServerHello | HelloRetryRequest) -> bool:
    """RFC 9846 section 4.3.1: without supported_versions the server chose TLS 1.2 or less, if we offer that."""
    if message.extensions.supported_version is not None and hs.config.maximum_version == ProtocolVersion.TLS_1_3:
        return False
    return (
        hs.config.minimum_version == ProtocolVersion.TLS_1_2 and isinstance(message, ServerHello) and hs.retry is None
    )


def _check_hello(hs: ClientHandshake, message: ServerHello | HelloRetryRequest) -> CipherSuite:
    """What RFC 9846 sections 4.2.3 and 4.2.4 demand of both, the version first (section 4.3.1)."""
    version = message.extensions.supported_version
    if version is None:
        if hs.retry is not None and isinstance(message, ServerHello):
            raise PeerMisbehaved(Reason.VERSION_CHANGED, "a ServerHello without supported_versions")
        if isinstance(message, ServerHello) and message.random[-8:] in (DOWNGRADE_TO_TLS_1_2, DOWNGRADE_TO_TLS_1_1):
            raise PeerMisbehaved(Reason.DOWNGRADE_DETECTED)
        if isinstance(message, HelloRetryRequest):
            raise PeerMisbehaved(Reason.MISSING_EXTENSION, "supported_versions")
        offer = describe(ProtocolVersion, message.legacy_version)
        ours = ", ".join(describe(ProtocolVersion, version) for version in hs.config.versions)
        raise PeerIncompatible(Reason.UNSUPPORTED_VERSION, f"the server chose {offer}; we offer {ours}")
    if hs.retry is not None and version != hs.retry.extensions.supported_version:
        raise PeerMisbehaved(Reason.VERSION_CHANGED, describe(ProtocolVersion, version))
    if version != ProtocolVersion.TLS_1_3 or hs.config.maximum_version != ProtocolVersion.TLS_1_3:
        raise PeerMisbehaved(Reason.VERSION_NOT_OFFERED, describe(ProtocolVersion, version))
    if message.legacy_version != ProtocolVersion.TLS_1_2:
        raise PeerMisbehaved(Reason.UNSUPPORTED_VERSION, f"legacy_version 0x{message.legacy_version:04x}")
    _check_solicited(message.extensions.present, hs.offered, cookie=isinstance(message, HelloRetryRequest))
    if message.legacy_session_id_echo != hs.session_id:
        raise PeerMisbehaved(Reason.SESSION_ID_NOT_ECHOED)
    if message.legacy_compression_method != 0:
        raise PeerMisbehaved(Reason.INVALID_COMPRESSION_METHOD)
    if message.cipher_suite not in hs.config.cipher_suites:
        raise PeerMisbehaved(Reason.CIPHER_SUITE_NOT_OFFERED, describe(CipherSuiteCode, message.cipher_suite))
    return TLS13_SUITES[message.cipher_suite]


def _check_solicited(present: tuple[int, ...], offered: frozenset[int], *, cookie: bool = False) -> None:
    # RFC 9846 section 4.3: no responses without requests, "with the exception of the cookie extension in the
    # HelloRetryRequest"; otherwise unsupported_extension.
    for extension in present:
        if extension not in offered and not (cookie and extension == ExtensionType.COOKIE):
            raise PeerMisbehaved(Reason.UNSOLICITED_EXTENSION, describe(ExtensionType, extension))


def _on_hello_retry_request(hs: ClientHandshake, message: HelloRetryRequest, raw: bytes, suite: CipherSuite) -> State:
    if hs.retry is not None:
        raise PeerMisbehaved(Reason.SECOND_HELLO_RETRY)
    # What follows answers a ClientHello that is yet to be sent, so the server cannot have sent any of it.
    hs.reader.demand_record_boundary()
    group, cookie = message.extensions.key_share_group, message.extensions.cookie
    if group is None and cookie is None:
        raise PeerMisbehaved(Reason.HELLO_RETRY_WITHOUT_CHANGE)
    if group is not None:
        # RFC 9846 section 4.3.8: a group of supported_groups that had no share.
        if group not in hs.config.groups:
            raise PeerMisbehaved(Reason.GROUP_NOT_OFFERED, describe(NamedGroup, group))
        if group in hs.shares:
            raise PeerMisbehaved(Reason.HELLO_RETRY_WITHOUT_CHANGE, describe(NamedGroup, group))
        hs.shares = {group: generate(group)}
    hs.retry = message
    hs.suite = suite
    hs.transcript.start(suite.hash)
    hs.transcript.replace_with_message_hash()
    hs.transcript.add(raw)
    if hs.on_event is not None:
        hs.on_event(HelloRetryRequestReceived(suite, group, cookie is not None))
    return ClientState.START


def _on_parameters(hs: ClientHandshake, message: ServerHello, raw: bytes, suite: CipherSuite) -> State:
    if hs.suite is not None and suite is not hs.suite:
        raise PeerMisbehaved(Reason.CIPHER_SUITE_CHANGED, suite.name)
    entry = message.extensions.key_share
    early_secret = _accept_pre_shared_key(hs, message, suite)
    if entry is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "key_share")
    share = hs.shares.get(entry.group)
    if share is None:
        if hs.retry is not None and hs.retry.extensions.key_share_group is not None:
            raise PeerMisbehaved(Reason.GROUP_CHANGED, describe(NamedGroup, entry.group))
        known = entry.group in hs.config.groups
        reason = Reason.KEY_SHARE_NOT_OFFERED if known else Reason.GROUP_NOT_OFFERED
        raise PeerMisbehaved(reason, describe(NamedGroup, entry.group))
    shared_secret = share.exchange(entry.key_exchange)
    hs.shares = {}
    hs.suite = suite
    hs.group = entry.group
    hs.transcript.add(raw)
    hs.transcript.start(suite.hash)
    _, server_secret = hs.derive_handshake_secrets(early_secret.handshake(shared_secret, suite))
    hs.receive_protection = record.install_receive_key(hs.reader, server_secret)  # K_recv = handshake
    if hs.on_event is not None:
        with_psk = isinstance(hs.peer, PreSharedKeyPeer)
        hs.on_event(ServerHelloReceived(ProtocolVersion.TLS_1_3, suite, entry.group, with_psk))
    return ClientState.WAIT_EE


def _accept_pre_shared_key(hs: ClientHandshake, message: ServerHello, suite: CipherSuite) -> EarlySecret:
    """The Early Secret of the key that the server chose, or of none."""
    selected, offers = message.extensions.pre_shared_key, hs.offers
    hs.offers = ()
    if selected is None:
        demand_other_authentication(hs.config)
        hs.resumable = True
        return EarlySecret(suite)
    key_share = message.extensions.key_share is not None
    early_secret, peer = accept_choice(offers, selected, suite, key_share=key_share)
    hs.peer = peer
    hs.peer_certificates = peer.certificates
    # The sessions that might come of an external key would outlive it.
    hs.resumable = peer.external_identity is None
    return early_secret


# WAIT_EE


def _on_encrypted_extensions(hs: ClientHandshake, message: EncryptedExtensions, raw: bytes) -> State:
    extensions = message.extensions
    _check_solicited(extensions.present, _offered(hs).offered)
    if extensions.alpn is not None and extensions.alpn not in hs.config.alpn_protocols:
        raise PeerMisbehaved(Reason.APPLICATION_PROTOCOL_NOT_OFFERED, repr(extensions.alpn))
    hs.alpn = extensions.alpn
    if extensions.record_size_limit is not None or extensions.max_fragment_length is not None:
        heed_size_limits(hs, extensions)
    hs.transcript.add(raw)
    if hs.on_event is not None:
        hs.on_event(EncryptedExtensionsReceived(hs.alpn))
    if isinstance(hs.peer, PreSharedKeyPeer):
        return ClientState.WAIT_FINISHED
    return ClientState.WAIT_CERT_CR


# WAIT_CERT_CR


def _on_certificate_request(hs: ClientHandshake, message: CertificateRequest, raw: bytes) -> State | Suspended:
    # RFC 9846 section 4.4.2: zero length but in post-handshake authentication.
    if message.certificate_request_context:
        raise PeerMisbehaved(Reason.REQUEST_CONTEXT_MISMATCH)
    extensions = message.extensions
    if extensions.signature_algorithms is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "signature_algorithms")
    hs.transcript.add(raw)
    hs.certificate_request = message
    authorities = extensions.certificate_authorities or ()
    if hs.on_event is not None:
        hs.on_event(CertificateRequested(False, authorities))
    decision = choose_client_credential(hs, extensions)
    return ClientState.WAIT_CERT if decision is None else Suspended(decision, _credential_decided)


def _credential_decided(hs: ClientHandshake, answer: Credential | None) -> State:
    if hs.certificate_request is None:
        raise InternalError(detail="no CertificateRequest")
    credential_decided(hs, answer, hs.certificate_request.extensions)
    return ClientState.WAIT_CERT


# WAIT_CERT_CR, WAIT_CERT


def _on_certificate(hs: ClientHandshake, message: Certificate, raw: bytes) -> State | Suspended:
    # RFC 9846 section 4.5.1: in server authentication the context is of zero length.
    if message.certificate_request_context:
        raise PeerMisbehaved(Reason.REQUEST_CONTEXT_MISMATCH)
    if not message.certificate_list:
        raise PeerMisbehaved(Reason.NO_CERTIFICATE)
    for entry in message.certificate_list:
        _check_solicited(entry.extensions.present, _offered(hs).offered)
    hs.transcript.add(raw)
    return receive_certificate(hs, message, ClientState.WAIT_CV)


# WAIT_CV


def _on_certificate_verify(hs: ClientHandshake, message: CertificateVerify, raw: bytes) -> State:
    verify_signature(hs, message, raw)
    return ClientState.WAIT_FINISHED


# WAIT_FINISHED


def _on_finished(hs: ClientHandshake, message: Finished, raw: bytes) -> State | Suspended:
    hs.finished = verify_finished(hs, message, raw, hs.server_secret)
    secrets = hs.derive_application_secrets()
    hs.receive_protection = record.install_receive_key(hs.reader, secrets.server)  # K_recv = application
    _send_under_handshake_key(hs)
    hs.flight = Flight(hs.transcript)
    if hs.certificate_request is not None:
        add_certificate(hs, hs.credential)
        if hs.credential is not None:
            signature = request_signature(hs, hs.credential, hs.signature_scheme)
            if isinstance(signature, SignatureDecision):
                return Suspended(signature, _finish_client_flight)
            return _finish_client_flight(hs, signature)
    return _finish_client_flight(hs, b"")


def _send_under_handshake_key(hs: ClientHandshake) -> None:
    """K_send = handshake, with the dummy change_cipher_spec before it (RFC 9846 appendix E.4)."""
    if hs.client_secret is None:
        raise InternalError(detail="no handshake secret")
    hs.keys_ready = True
    if hs.config.middlebox_compatibility:
        hs.send_change_cipher_spec()
    record.install_send_key(hs.writer, hs.client_secret)


def _finish_client_flight(hs: ClientHandshake, signature: bytes) -> State:
    secrets, flight, receive_protection = hs.application_secrets, hs.flight, hs.receive_protection
    if hs.finished is None or secrets is None or flight is None or receive_protection is None:
        raise InternalError(detail="no Finished")
    if not isinstance(hs.peer, (AuthenticatedPeer, PreSharedKeyPeer)):
        raise InternalError(detail="the server did not authenticate")
    if hs.credential is not None:
        add_certificate_verify(hs, hs.signature_scheme, signature)
    add_finished(hs, hs.client_secret)
    flight.send(hs.writer)
    record.install_send_key(hs.writer, secrets.client)  # K_send = application
    return hs.complete(hs.peer, hs.finished, receive_protection)


ClientHandshake.handlers = {
    HandshakeType.SERVER_HELLO: _on_server_hello,
    HandshakeType.ENCRYPTED_EXTENSIONS: _on_encrypted_extensions,
    HandshakeType.CERTIFICATE_REQUEST: _on_certificate_request,
    HandshakeType.CERTIFICATE: _on_certificate,
    HandshakeType.CERTIFICATE_VERIFY: _on_certificate_verify,
    HandshakeType.FINISHED: _on_finished,
}
ClientHandshake.own_steps = {ClientState.START: _send_client_hello}
