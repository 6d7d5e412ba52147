"""A server's handshake in TLS 1.3: one function for each message and step (RFC 9846 sections 4.2 to 4.5, appendix A.2).

Each is called only when `transitions` allows it, checks what the RFC tells a server to check, and returns the state
that follows. `K_send` and `K_recv` in comments are the RFC's notation. Not here: TLS 1.2 (a ClientHello for
which is handed to `server_tls12`), what is behind a pre-shared key (`psk`, `sessions`, `tickets`), 0-RTT (early data is
skipped), messages after Finished (`post_handshake`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from tlsocket import record
from tlsocket.config import ClientAuthentication, Credential, DecisionKind, Role, ServerConfig
from tlsocket.crypto.comparison import equal
from tlsocket.crypto.groups import respond
from tlsocket.crypto.randomness import random_bytes
from tlsocket.errors import InternalError, PeerIncompatible, PeerMisbehaved, Reason, TLSError
from tlsocket.events import (
    CertificateRequested,
    ClientHelloReceived,
    EncryptedExtensionsSent,
    Event,
    HelloRetryRequestSent,
    ServerHelloSent,
)
from tlsocket.extensions import (
    ClientHelloExtensions,
    EncryptedExtensionsExtensions,
    HelloRetryRequestExtensions,
    KeyShareEntry,
    ServerHelloExtensions,
)
from tlsocket.handshake.authentication import (
    add_certificate,
    add_certificate_verify,
    add_finished,
    certificate_request,
    receive_client_certificate,
    request_signature,
    verify_finished,
    verify_signature,
)
from tlsocket.handshake.credentials import acceptable_schemes, scheme_for, select_server_credential, serves_name
from tlsocket.handshake.decisions import CertificateDecision, SignatureDecision, Suspended
from tlsocket.handshake.flight import Flight
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.negotiation import (
    Choice,
    is_memorable,
    negotiate,
    remember,
    select_application_protocol,
    select_version,
)
from tlsocket.handshake.proofs import AnonymousPeer, PreSharedKeyPeer
from tlsocket.handshake.psk import Candidate, find_candidate, verify_binder
from tlsocket.handshake.sizes import Sizes, answer_size_limits
from tlsocket.handshake.states import ServerState, State
from tlsocket.handshake.tickets import issue_tickets
from tlsocket.key_schedule import EarlySecret
from tlsocket.messages import (
    HELLO_RETRY_REQUEST_RANDOM,
    Certificate,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    Finished,
    HelloRetryRequest,
    ServerHello,
)
from tlsocket.record import RecordReader, RecordWriter
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.registry.extension_types import ExtensionType
from tlsocket.registry.psk_key_exchange_modes import PskKeyExchangeMode
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["ServerHandshake"]


class ServerHandshake(Handshake[ServerConfig]):
    """What a server keeps until its handshake is over."""

    __slots__ = (
        "choice",
        "cookie",
        "decided",
        "early_secret",
        "encrypted_extensions",
        "hello",
        "raw_hello",
        "retried_hello",
        "selected_identity",
        "signature_scheme",
        "tickets",
    )

    role = Role.SERVER
    start_state = ServerState.START
    connected_state = ServerState.CONNECTED

    def __init__(
        self,
        config: ServerConfig,
        reader: RecordReader,
        writer: RecordWriter,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        super().__init__(config, reader, writer, on_event, None)
        self.hello: ClientHello | None = None
        self.raw_hello = b""
        """Not yet in the transcript: a binder covers what comes before it and a part of it."""
        self.retried_hello: ClientHello | None = None
        self.cookie: bytes | None = None
        self.choice: Choice | None = None
        self.decided = False
        self.signature_scheme = 0
        self.early_secret: EarlySecret | None = None
        """Of the pre-shared key that was accepted."""
        self.selected_identity: int | None = None
        self.tickets = 0
        self.encrypted_extensions = b""

    @property
    def late_authentication(self) -> bool:
        """Whether the client offered to authenticate after the handshake (RFC 9846 section 4.3.6)."""
        return self.hello is not None and self.hello.extensions.post_handshake_auth


# START


def _on_client_hello(hs: ServerHandshake, message: ClientHello, raw: bytes) -> State:
    # RFC 9846 section 5.1: a ClientHello ends its record. What follows answers what we are about to send.
    hs.reader.demand_record_boundary()
    # A second ClientHello keeps the version that the HelloRetryRequest named.
    only = None if hs.retried_hello is None else ProtocolVersion.TLS_1_3
    if select_version(hs.config, message, only) != ProtocolVersion.TLS_1_3:
        from tlsocket.handshake.server_tls12 import take_over  # seldom needed

        return take_over(hs, message, raw)
    hs.reader.change_cipher_spec_allowed = True
    _check_client_hello(message)
    if len(message.extensions.present) > hs.config.budgets.extensions:
        raise PeerMisbehaved(Reason.TOO_MANY_EXTENSIONS, str(len(message.extensions.present)))
    if hs.retried_hello is not None:
        _check_second_hello(hs, hs.retried_hello, message)
    hs.hello = message
    hs.raw_hello = raw
    hs.reader.early_data_left = -1
    hs.client_random = message.random
    extensions = message.extensions
    hs.server_name = extensions.server_name
    if hs.on_event is not None:
        hs.on_event(
            ClientHelloReceived(
                server_name=extensions.server_name,
                versions=extensions.supported_versions or (),
                cipher_suites=message.cipher_suites,
                groups=extensions.supported_groups or (),
                key_share_groups=tuple(entry.group for entry in extensions.key_share or ()),
                alpn=extensions.alpn or (),
                pre_shared_keys=0 if extensions.pre_shared_key is None else len(extensions.pre_shared_key.identities),
            )
        )
    return ServerState.RECVD_CH


def _check_client_hello(hello: ClientHello) -> None:
    """RFC 9846 sections 4.2.2, 4.3.9 and 9.2: what TLS 1.3 demands of an offer."""
    extensions = hello.extensions
    if hello.legacy_version != ProtocolVersion.TLS_1_2:
        raise PeerMisbehaved(Reason.UNSUPPORTED_VERSION, f"legacy_version 0x{hello.legacy_version:04x}")
    if hello.legacy_compression_methods != b"\x00":
        raise PeerMisbehaved(Reason.INVALID_COMPRESSION_METHOD)
    if extensions.pre_shared_key is not None and extensions.psk_key_exchange_modes is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "psk_key_exchange_modes")
    # There is always an (EC)DHE exchange, with a pre_shared_key or without; without one there is a certificate too.
    if extensions.supported_groups is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "supported_groups")
    if extensions.key_share is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "key_share")
    if extensions.signature_algorithms is None and extensions.pre_shared_key is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "signature_algorithms")


_MAY_CHANGE = frozenset({ExtensionType.PADDING})


def _check_second_hello(hs: ServerHandshake, first: ClientHello, second: ClientHello) -> None:
    """RFC 9846 section 4.2.2: "the same ClientHello without modification, except as follows"."""
    sent = hs.cookie
    if sent is not None and not equal(sent, second.extensions.cookie or b""):
        raise PeerMisbehaved(Reason.COOKIE_MISMATCH)
    if sent is None and second.extensions.cookie is not None:
        raise PeerMisbehaved(Reason.COOKIE_MISMATCH, "no cookie was sent")
    choice = hs.choice
    if choice is not None and choice.share is None:
        groups = [entry.group for entry in second.extensions.key_share or ()]
        if groups != [choice.group]:
            raise PeerMisbehaved(Reason.GROUP_CHANGED, "the second ClientHello")
    keep_shares = choice is None or choice.share is not None
    if _comparable(first, keep_shares=keep_shares) != _comparable(second, keep_shares=keep_shares):
        raise PeerMisbehaved(Reason.CLIENT_HELLO_CHANGED)
    if second.extensions.early_data:
        raise PeerMisbehaved(Reason.CLIENT_HELLO_CHANGED, "early_data")


def _comparable(hello: ClientHello, *, keep_shares: bool) -> ClientHello:
    extensions: ClientHelloExtensions = replace(
        hello.extensions,
        key_share=hello.extensions.key_share if keep_shares else None,
        cookie=None,
        early_data=False,
        pre_shared_key=None,
        unknown=tuple(pair for pair in hello.extensions.unknown if pair[0] not in _MAY_CHANGE),
    )
    return replace(hello, extensions=extensions)


# RECVD_CH


def _select_parameters(hs: ServerHandshake) -> State | Suspended:
    hello = _hello(hs)
    if not hs.decided:
        hs.decided = True
        if hs.asks(DecisionKind.CERTIFICATE):
            extensions = hello.extensions
            decision = CertificateDecision(
                role=Role.SERVER,
                server_name=extensions.server_name,
                signature_schemes=extensions.signature_algorithms or (),
                certificate_authorities=extensions.certificate_authorities or (),
                alpn_protocols=extensions.alpn or (),
                cipher_suites=hello.cipher_suites,
                client_hello=hello,
            )
            return Suspended(decision, _certificate_decided)
    return _negotiate(hs, hello)


def _certificate_decided(hs: ServerHandshake, answer: Credential | ServerConfig | None) -> State:
    if isinstance(answer, ServerConfig):
        hs.config = answer
    else:
        hs.credential = answer
    return _negotiate(hs, _hello(hs))


class _Plan(NamedTuple):
    """All that follows from a client's lists and the configuration, and from nothing else."""

    choice: Choice
    credential: Credential | None
    """None: there is none that fits, and a pre-shared key has to do."""
    signature_scheme: int
    alpn: bytes | None
    encrypted_extensions: bytes
    sizes: Sizes | None


def _negotiate(hs: ServerHandshake, hello: ClientHello) -> State:
    extensions = hello.extensions
    shares = tuple([entry.group for entry in extensions.key_share or ()])
    first = hs.retried_hello is None
    choice = _follow_plan(hs, hello, shares) if first else _choose_again(hs, hello, shares)
    candidate = None
    if extensions.pre_shared_key is not None:
        candidate = _find_candidate(hs, extensions, choice)
        if candidate is not None and candidate.suite is not choice.cipher_suite:
            choice = replace(choice, cipher_suite=candidate.suite)
    if candidate is None and hs.credential is None:
        _select_credential(hs.config, extensions, None)
        raise InternalError(detail="a credential was found that was not there before")
    hs.choice = choice
    hs.suite = choice.cipher_suite
    if first and (choice.share is None or hs.config.use_cookie):
        return _send_hello_retry_request(hs, hello, choice)
    if candidate is not None:
        _accept_candidate(hs, candidate, hello)
    if hs.config.send_tickets:
        _count_tickets(hs, extensions)
    return ServerState.NEGOTIATED


def _follow_plan(hs: ServerHandshake, hello: ClientHello, shares: tuple[int, ...]) -> Choice:
    extensions, config, chosen = hello.extensions, hs.config, hs.credential
    if chosen is None and (extensions.kind or is_memorable(hello)):
        key = extensions.kind or _lists_of(hello, shares)
        plan = remember(config, key, lambda: _plan(config, hello.cipher_suites, shares, extensions, None))
    else:
        plan = _plan(config, hello.cipher_suites, shares, extensions, chosen)
    choice, hs.credential, hs.signature_scheme, hs.alpn, hs.encrypted_extensions, sizes = plan
    if sizes is not None:
        sizes.apply(hs)
    hs.common_cipher_suites = choice.common_cipher_suites
    return choice


def _lists_of(hello: ClientHello, shares: tuple[int, ...]) -> Hashable:
    extensions = hello.extensions
    return (
        hello.cipher_suites,
        extensions.supported_groups,
        shares,
        extensions.server_name,
        extensions.signature_algorithms,
        extensions.signature_algorithms_cert,
        extensions.certificate_authorities,
        extensions.alpn,
        extensions.record_size_limit,
        extensions.max_fragment_length,
        extensions.pre_shared_key is None,
    )


def _choose_again(hs: ServerHandshake, hello: ClientHello, shares: tuple[int, ...]) -> Choice:
    choice = negotiate(hs.config, hello.cipher_suites, hello.extensions.supported_groups or (), shares)
    if hs.suite is not None and choice.cipher_suite is not hs.suite:
        # What the HelloRetryRequest said holds; an external key may have been the reason.
        choice = replace(choice, cipher_suite=hs.suite)
    return choice


def _plan(
    config: ServerConfig,
    cipher_suites: tuple[int, ...],
    shares: tuple[int, ...],
    extensions: ClientHelloExtensions,
    chosen: Credential | None,
) -> _Plan:
    choice = negotiate(config, cipher_suites, extensions.supported_groups or (), shares)
    credential, scheme = None, 0
    try:
        credential, scheme = _select_credential(config, extensions, chosen)
    except TLSError:
        # A pre-shared key may do without; if there turns out to be none, this is raised again.
        if extensions.pre_shared_key is None:
            raise
    alpn = select_application_protocol(config, extensions.alpn)
    # RFC 6066 section 3: a server that used the name to choose its certificate says so with an empty server_name.
    name = extensions.server_name
    used = name is not None and credential is not None and serves_name(credential, name)
    sizes, limit, length = answer_size_limits(config, extensions)
    answer = EncryptedExtensionsExtensions(
        alpn=alpn, server_name=used, record_size_limit=limit, max_fragment_length=length
    )
    return _Plan(choice, credential, scheme, alpn, EncryptedExtensions(answer).encode(), sizes)


def _find_candidate(hs: ServerHandshake, extensions: ClientHelloExtensions, choice: Choice) -> Candidate | None:
    # Without signature_algorithms there can be no full handshake, so any credential may be the one of the session.
    credentials = hs.config.credentials if extensions.signature_algorithms is None else ()
    # What a HelloRetryRequest said of the suite holds.
    suites = choice.common_cipher_suites if hs.retried_hello is None else (choice.cipher_suite.code,)
    return find_candidate(
        hs.config,
        extensions,
        suite=choice.cipher_suite,
        common_suites=suites,
        alpn=hs.alpn,
        credentials=credentials if hs.credential is None else (hs.credential,),
    )


def _accept_candidate(hs: ServerHandshake, candidate: Candidate, hello: ClientHello) -> None:
    offered = hello.extensions.pre_shared_key
    if offered is None:
        raise InternalError(detail="a candidate without an offer")
    peer = hs.peer = verify_binder(hs, candidate, offered, hs.raw_hello)
    hs.peer_certificates = peer.certificates
    hs.early_secret = candidate.early_secret
    hs.selected_identity = candidate.index
    hs.credential = candidate.credential


def _count_tickets(hs: ServerHandshake, extensions: ClientHelloExtensions) -> None:
    """How many tickets to send: none that the client could not use, one for the one that it spent."""
    count, modes = hs.config.send_tickets, extensions.psk_key_exchange_modes
    if modes is None or PskKeyExchangeMode.PSK_DHE_KE not in modes:
        return
    if isinstance(hs.peer, PreSharedKeyPeer):
        # A session that came of an external key would outlive it.
        count = 1 if hs.peer.external_identity is None else 0
    hs.tickets = count
    hs.resumable = count > 0


def _select_credential(
    config: ServerConfig, extensions: ClientHelloExtensions, chosen: Credential | None
) -> tuple[Credential, int]:
    if extensions.signature_algorithms is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "signature_algorithms")
    theirs = extensions.signature_algorithms
    if chosen is None and not config.credentials and config.find_psk is not None:
        raise PeerIncompatible(Reason.NO_COMMON_PRE_SHARED_KEY)
    if chosen is not None:
        usable = acceptable_schemes(config, theirs)
        scheme = scheme_for(chosen, usable, usable)
        if scheme is None:
            raise PeerIncompatible(
                Reason.NO_COMMON_SIGNATURE_SCHEME, "the chosen credential cannot sign for this client"
            )
        return chosen, scheme
    return select_server_credential(
        config,
        server_name=extensions.server_name,
        schemes=theirs,
        schemes_cert=extensions.signature_algorithms_cert,
        authorities=extensions.certificate_authorities or (),
    )


def _send_hello_retry_request(hs: ServerHandshake, hello: ClientHello, choice: Choice) -> State:
    if hs.config.use_cookie:
        hs.cookie = random_bytes(32)
    group = choice.group if choice.share is None else None
    message = HelloRetryRequest(
        legacy_version=ProtocolVersion.TLS_1_2,
        random=HELLO_RETRY_REQUEST_RANDOM,
        legacy_session_id_echo=hello.legacy_session_id,
        cipher_suite=choice.cipher_suite.code,
        legacy_compression_method=0,
        extensions=HelloRetryRequestExtensions(
            supported_version=ProtocolVersion.TLS_1_3, key_share_group=group, cookie=hs.cookie
        ),
    ).encode()
    hs.retried_hello = hello
    hs.transcript.add(hs.raw_hello)
    hs.transcript.start(choice.cipher_suite.hash)
    hs.transcript.replace_with_message_hash()
    hs.transcript.add(message)
    hs.writer.queue(ContentType.HANDSHAKE, message)
    if hello.legacy_session_id:
        hs.send_change_cipher_spec()
    if hello.extensions.early_data:
        hs.reader.early_data_left = hs.config.budgets.early_data_skipped
    if hs.on_event is not None:
        hs.on_event(HelloRetryRequestSent(choice.cipher_suite, group, hs.cookie is not None))
    return ServerState.START


# NEGOTIATED


def _send_server_flight(hs: ServerHandshake) -> State | Suspended:
    _send_server_hello(hs)
    hs.flight = Flight(hs.transcript)
    _add_encrypted_extensions(hs, hs.flight)
    if isinstance(hs.peer, PreSharedKeyPeer):
        # RFC 9846 section 4.4.2: no CertificateRequest either.
        return _finish_server_flight(hs, None)
    _add_certificate_request(hs, hs.flight)
    credential = hs.credential
    if credential is None:
        raise InternalError(detail="no credential")
    add_certificate(hs, credential)
    signature = request_signature(hs, credential, hs.signature_scheme)
    if isinstance(signature, SignatureDecision):
        return Suspended(signature, _finish_server_flight)
    return _finish_server_flight(hs, signature)


def _send_server_hello(hs: ServerHandshake) -> None:
    hello, choice = _hello(hs), hs.choice
    if choice is None or choice.share is None:
        raise InternalError(detail="no key share was chosen")
    suite = choice.cipher_suite
    entry = (hello.extensions.key_share or ())[choice.share]
    share, shared_secret = respond(entry.group, entry.key_exchange)
    message = _encode_server_hello(hello.legacy_session_id, suite.code, entry.group, share, hs.selected_identity)
    hs.group = entry.group
    hs.transcript.add(hs.raw_hello + message)
    hs.transcript.start(suite.hash)
    hs.writer.queue(ContentType.HANDSHAKE, message)
    if hello.legacy_session_id:
        hs.send_change_cipher_spec()
    early_secret, hs.early_secret = hs.early_secret or EarlySecret(suite), None
    _, server_secret = hs.derive_handshake_secrets(early_secret.handshake(shared_secret, suite))
    record.install_send_key(hs.writer, server_secret)  # K_send = handshake
    if hs.on_event is not None:
        hs.on_event(ServerHelloSent(ProtocolVersion.TLS_1_3, suite, entry.group, hs.selected_identity is not None))


def _encode_server_hello(session_id: bytes, suite: int, group: int, share: bytes, identity: int | None) -> bytes:
    parts = _server_hello_parts(len(session_id), suite, group, len(share), identity)
    before, between, after, end = parts
    return b"".join((before, random_bytes(32), between, session_id, after, share, end))


@lru_cache(maxsize=64)
def _server_hello_parts(
    session_id_length: int, suite: int, group: int, share_length: int, identity: int | None
) -> tuple[bytes, bytes, bytes, bytes]:
    """A ServerHello is the same for all clients but for random, session id and share: what stands around these."""
    encoded = ServerHello(
        legacy_version=ProtocolVersion.TLS_1_2,
        random=bytes(32),
        legacy_session_id_echo=bytes(session_id_length),
        cipher_suite=suite,
        legacy_compression_method=0,
        extensions=ServerHelloExtensions(
            supported_version=ProtocolVersion.TLS_1_3,
            key_share=KeyShareEntry(group, bytes(share_length)),
            pre_shared_key=identity,
        ),
    ).encode()
    # Only pre_shared_key may follow key_share: type, length and number take 6 bytes.
    share_end = len(encoded) - (0 if identity is None else 6)
    after = encoded[39 + session_id_length : share_end - share_length]
    return encoded[:6], encoded[38:39], after, encoded[share_end:]


def _add_encrypted_extensions(hs: ServerHandshake, flight: Flight) -> None:
    flight.add(hs.encrypted_extensions)
    if hs.on_event is not None:
        hs.on_event(EncryptedExtensionsSent(hs.alpn))


def _add_certificate_request(hs: ServerHandshake, flight: Flight) -> None:
    config = hs.config
    if config.client_authentication is ClientAuthentication.NONE:
        return
    flight.add(remember(config, "certificate_request", lambda: certificate_request(config, b"")))
    if hs.on_event is not None:
        hs.on_event(CertificateRequested(True, config.certificate_authorities))


def _finish_server_flight(hs: ServerHandshake, signature: bytes | None) -> State:
    flight = hs.flight
    if flight is None or hs.client_secret is None:
        raise InternalError(detail="no flight")
    if signature is not None:
        add_certificate_verify(hs, hs.signature_scheme, signature)
    add_finished(hs, hs.server_secret)
    flight.send(hs.writer)
    hs.flight = None
    secrets = hs.derive_application_secrets()
    record.install_send_key(hs.writer, secrets.server)  # K_send = application
    # K_recv = handshake. RFC 9846 appendix A.1: a client may send an alert about our flight in the clear.
    record.install_receive_key(hs.reader, hs.client_secret, plaintext_alert=True)
    if _hello(hs).extensions.early_data:
        hs.reader.early_data_left = hs.config.budgets.early_data_skipped
    return ServerState.WAIT_FLIGHT2


# WAIT_FLIGHT2


def _expect_second_flight(hs: ServerHandshake) -> State:
    if isinstance(hs.peer, PreSharedKeyPeer):
        return ServerState.WAIT_FINISHED
    if hs.config.client_authentication is not ClientAuthentication.NONE:
        return ServerState.WAIT_CERT
    hs.peer = AnonymousPeer()
    return ServerState.WAIT_FINISHED


# WAIT_CERT


def _on_certificate(hs: ServerHandshake, message: Certificate, raw: bytes) -> State | Suspended:
    return receive_client_certificate(hs, message, raw, b"", hs.config.client_authentication)


# WAIT_CV


def _on_certificate_verify(hs: ServerHandshake, message: CertificateVerify, raw: bytes) -> State:
    verify_signature(hs, message, raw)
    return ServerState.WAIT_FINISHED


# WAIT_FINISHED


def _on_finished(hs: ServerHandshake, message: Finished, raw: bytes) -> State:
    finished = verify_finished(hs, message, raw, hs.client_secret)
    if hs.peer is None or hs.application_secrets is None:
        raise InternalError(detail="Finished before its time")
    protection = record.install_receive_key(hs.reader, hs.application_secrets.client)  # K_recv = application
    state = hs.complete(hs.peer, finished, protection)
    if hs.resumption is not None:
        issue_tickets(hs, hs.resumption, hs.tickets)
    return state


def _hello(hs: ServerHandshake) -> ClientHello:
    if hs.hello is None:
        raise InternalError(detail="no ClientHello")
    return hs.hello


ServerHandshake.handlers = {
    HandshakeType.CLIENT_HELLO: _on_client_hello,
    HandshakeType.CERTIFICATE: _on_certificate,
    HandshakeType.CERTIFICATE_VERIFY: _on_certificate_verify,
    HandshakeType.FINISHED: _on_finished,
}
ServerHandshake.own_steps = {
    ServerState.RECVD_CH: _select_parameters,
    ServerState.NEGOTIATED: _send_server_flight,
    ServerState.WAIT_FLIGHT2: _expect_second_flight,
}
