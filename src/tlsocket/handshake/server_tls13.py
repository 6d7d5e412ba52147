"""A server's handshake in TLS 1.3: one function for each message and step (RFC 9846 sections 4.2 to 4.5, appendix A.2).

Each is called only when `transitions` allows it, checks what the RFC tells a server to check, and returns the state
that follows. `K_send` and `K_recv` in comments are the RFC's notation. Not here: TLS 1.2 (a ClientHello for
which is handed to `server_tls12`), resumption and 0-RTT (a pre_shared_key is ignored, so the handshake is a full one),
messages after Finished (`post_handshake`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from tlsocket import record
from tlsocket.config import ClientAuthentication, Credential, DecisionKind, Role, ServerConfig
from tlsocket.crypto.comparison import equal
from tlsocket.crypto.groups import respond
from tlsocket.crypto.randomness import random_bytes
from tlsocket.errors import InternalError, PeerIncompatible, PeerMisbehaved, Reason
from tlsocket.events import (
    CertificateReceived,
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
    receive_certificate,
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
    negotiate,
    remember,
    select_application_protocol,
    select_version,
)
from tlsocket.handshake.proofs import AnonymousPeer
from tlsocket.handshake.sizes import Sizes, answer_size_limits
from tlsocket.handshake.states import ServerState, State
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
from tlsocket.registry import describe
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.registry.extension_types import ExtensionType
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["ServerHandshake"]


class ServerHandshake(Handshake[ServerConfig]):
    """What a server keeps until its handshake is over."""

    __slots__ = ("choice", "cookie", "decided", "encrypted_extensions", "hello", "retried_hello", "signature_scheme")

    role = Role.SERVER
    start_state = ServerState.START
    connected_state = ServerState.CONNECTED
    resumable = False  # no tickets are issued

    def __init__(
        self,
        config: ServerConfig,
        reader: RecordReader,
        writer: RecordWriter,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        super().__init__(config, reader, writer, on_event, None)
        self.hello: ClientHello | None = None
        self.retried_hello: ClientHello | None = None
        self.cookie: bytes | None = None
        self.choice: Choice | None = None
        self.decided = False
        self.signature_scheme = 0
        self.encrypted_extensions = b""

    @property
    def late_authentication(self) -> bool:
        """Whether the client offered to authenticate after the handshake (RFC 9846 section 4.3.6)."""
        return self.hello is not None and self.hello.extensions.post_handshake_auth


# START


def _on_client_hello(hs: ServerHandshake, message: ClientHello, raw: bytes) -> State:
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
    hs.client_random = message.random
    extensions = message.extensions
    hs.server_name = extensions.server_name
    hs.transcript.add(raw)
    if hs.on_event is not None:
        hs.on_event(
            ClientHelloReceived(
                server_name=extensions.server_name,
                versions=extensions.supported_versions or (),
                cipher_suites=message.cipher_suites,
                groups=extensions.supported_groups or (),
                key_share_groups=tuple(entry.group for entry in extensions.key_share or ()),
                alpn=extensions.alpn or (),
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
    # A certificate is the only thing we authenticate with, so all three are needed, with a pre_shared_key or without.
    if extensions.supported_groups is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "supported_groups")
    if extensions.key_share is None:
        raise PeerMisbehaved(Reason.MISSING_EXTENSION, "key_share")
    if extensions.signature_algorithms is None:
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
    credential: Credential
    signature_scheme: int
    alpn: bytes | None
    encrypted_extensions: bytes
    sizes: Sizes | None


def _negotiate(hs: ServerHandshake, hello: ClientHello) -> State:
    extensions = hello.extensions
    shares = tuple([entry.group for entry in extensions.key_share or ()])
    if hs.retried_hello is not None:
        hs.choice = negotiate(hs.config, hello.cipher_suites, extensions.supported_groups or (), shares)
        return ServerState.NEGOTIATED
    config, chosen = hs.config, hs.credential
    key = (
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
    )
    if chosen is None:
        plan = remember(config, key, lambda: _plan(config, hello.cipher_suites, shares, extensions, None))
    else:
        plan = _plan(config, hello.cipher_suites, shares, extensions, chosen)
    choice, hs.credential, hs.signature_scheme, hs.alpn, hs.encrypted_extensions, sizes = plan
    if sizes is not None:
        sizes.apply(hs)
    hs.choice = choice
    hs.suite = choice.cipher_suite
    hs.common_cipher_suites = choice.common_cipher_suites
    if choice.share is None or config.use_cookie:
        return _send_hello_retry_request(hs, hello, choice)
    return ServerState.NEGOTIATED


def _plan(
    config: ServerConfig,
    cipher_suites: tuple[int, ...],
    shares: tuple[int, ...],
    extensions: ClientHelloExtensions,
    chosen: Credential | None,
) -> _Plan:
    choice = negotiate(config, cipher_suites, extensions.supported_groups or (), shares)
    credential, scheme = _select_credential(config, extensions, chosen)
    alpn = select_application_protocol(config, extensions.alpn)
    # RFC 6066 section 3: a server that used the name to choose its certificate says so with an empty server_name.
    name = extensions.server_name
    used = name is not None and serves_name(credential, name)
    sizes, limit, length = answer_size_limits(config, extensions)
    answer = EncryptedExtensionsExtensions(
        alpn=alpn, server_name=used, record_size_limit=limit, max_fragment_length=length
    )
    return _Plan(choice, credential, scheme, alpn, EncryptedExtensions(answer).encode(), sizes)


def _select_credential(
    config: ServerConfig, extensions: ClientHelloExtensions, chosen: Credential | None
) -> tuple[Credential, int]:
    theirs = extensions.signature_algorithms or ()
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
    # RFC 9846 section 5.1: a ClientHello ends its record. What follows answers what we are about to send.
    hs.reader.demand_record_boundary()
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
    hs.transcript.start(choice.cipher_suite.hash)
    hs.transcript.replace_with_message_hash()
    hs.transcript.add(message)
    hs.writer.queue(ContentType.HANDSHAKE, message)
    if hello.legacy_session_id:
        hs.send_change_cipher_spec()
    if hs.on_event is not None:
        hs.on_event(HelloRetryRequestSent(choice.cipher_suite, group, hs.cookie is not None))
    return ServerState.START


# NEGOTIATED


def _send_server_flight(hs: ServerHandshake) -> State | Suspended:
    _send_server_hello(hs)
    hs.flight = Flight(hs.transcript)
    _add_encrypted_extensions(hs, hs.flight)
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
    message = _encode_server_hello(hello.legacy_session_id, suite.code, entry.group, share)
    hs.group = entry.group
    hs.transcript.add(message)
    hs.transcript.start(suite.hash)
    hs.writer.queue(ContentType.HANDSHAKE, message)
    if hello.legacy_session_id:
        hs.send_change_cipher_spec()
    _, server_secret = hs.derive_handshake_secrets(EarlySecret(suite).handshake(shared_secret))
    record.install_send_key(hs.writer, server_secret)  # K_send = handshake
    if hs.on_event is not None:
        hs.on_event(ServerHelloSent(ProtocolVersion.TLS_1_3, suite, entry.group))


def _encode_server_hello(session_id: bytes, suite: int, group: int, share: bytes) -> bytes:
    before, between, after = _server_hello_parts(len(session_id), suite, group, len(share))
    return b"".join((before, random_bytes(32), between, session_id, after, share))


@lru_cache(maxsize=64)
def _server_hello_parts(
    session_id_length: int, suite: int, group: int, share_length: int
) -> tuple[bytes, bytes, bytes]:
    """A ServerHello is the same for all clients but for random, session id and share: what stands around these."""
    encoded = ServerHello(
        legacy_version=ProtocolVersion.TLS_1_2,
        random=bytes(32),
        legacy_session_id_echo=bytes(session_id_length),
        cipher_suite=suite,
        legacy_compression_method=0,
        extensions=ServerHelloExtensions(
            supported_version=ProtocolVersion.TLS_1_3, key_share=KeyShareEntry(group, bytes(share_length))
        ),
    ).encode()
    # key_share is the last extension, so the share is the last thing.
    return encoded[:6], encoded[38:39], encoded[39 + session_id_length : -share_length]


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


def _finish_server_flight(hs: ServerHandshake, signature: bytes) -> State:
    flight = hs.flight
    if flight is None or hs.client_secret is None:
        raise InternalError(detail="no flight")
    add_certificate_verify(hs, hs.signature_scheme, signature)
    add_finished(hs, hs.server_secret)
    flight.send(hs.writer)
    hs.flight = None
    secrets = hs.derive_application_secrets()
    record.install_send_key(hs.writer, secrets.server)  # K_send = application
    # K_recv = handshake. RFC 9846 appendix A.1: a client may send an alert about our flight in the clear.
    record.install_receive_key(hs.reader, hs.client_secret, plaintext_alert=True)
    return ServerState.WAIT_FLIGHT2


# WAIT_FLIGHT2


def _expect_second_flight(hs: ServerHandshake) -> State:
    if hs.config.client_authentication is not ClientAuthentication.NONE:
        return ServerState.WAIT_CERT
    hs.peer = AnonymousPeer()
    return ServerState.WAIT_FINISHED


# WAIT_CERT


def _on_certificate(hs: ServerHandshake, message: Certificate, raw: bytes) -> State | Suspended:
    # RFC 9846 section 4.5.1: the context is that of our CertificateRequest, which was empty.
    if message.certificate_request_context:
        raise PeerMisbehaved(Reason.REQUEST_CONTEXT_MISMATCH)
    for entry in message.certificate_list:
        for extension in entry.extensions.present:
            # Our CertificateRequest asks for no extension of the client's certificates.
            raise PeerMisbehaved(Reason.UNSOLICITED_EXTENSION, describe(ExtensionType, extension))
    hs.transcript.add(raw)
    if message.certificate_list:
        return receive_certificate(hs, message, ServerState.WAIT_CV)
    if hs.on_event is not None:
        hs.on_event(CertificateReceived(()))
    if hs.config.client_authentication is ClientAuthentication.REQUIRED:
        raise PeerMisbehaved(Reason.CERTIFICATE_REQUIRED)
    hs.peer = AnonymousPeer()
    return ServerState.WAIT_FINISHED


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
    return hs.complete(hs.peer, finished, protection)


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
