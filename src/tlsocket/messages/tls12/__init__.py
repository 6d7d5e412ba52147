"""Handshake messages of TLS 1.2 that TLS 1.3 lacks or writes otherwise, one module each, and `parse` for all of them.

ClientHello, CertificateVerify and Finished have the layout of TLS 1.3 and are read by the modules above this folder
(RFC 5246 sections 7.4.1.2, 7.4.8 and 7.4.9). Which message may come when is said in `tlsocket.handshake.transitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from tlsocket.messages import parse_with
from tlsocket.messages.certificate_verify import CertificateVerify
from tlsocket.messages.client_hello import ClientHello
from tlsocket.messages.finished import Finished
from tlsocket.messages.tls12.certificate import Tls12Certificate
from tlsocket.messages.tls12.certificate_request import Tls12CertificateRequest
from tlsocket.messages.tls12.client_key_exchange import ClientKeyExchange
from tlsocket.messages.tls12.hello_request import HelloRequest
from tlsocket.messages.tls12.new_session_ticket import Tls12NewSessionTicket
from tlsocket.messages.tls12.psk_key_exchange import PskClientKeyExchange, PskServerKeyExchange
from tlsocket.messages.tls12.server_hello import Tls12ServerHello
from tlsocket.messages.tls12.server_hello_done import ServerHelloDone
from tlsocket.messages.tls12.server_key_exchange import ServerKeyExchange
from tlsocket.registry import HandshakeType
from tlsocket.wire import Reader

__all__ = [
    "PARSERS",
    "PSK_PARSERS",
    "ClientKeyExchange",
    "HelloRequest",
    "PskClientKeyExchange",
    "PskServerKeyExchange",
    "ServerHelloDone",
    "ServerKeyExchange",
    "Tls12Certificate",
    "Tls12CertificateRequest",
    "Tls12Message",
    "Tls12NewSessionTicket",
    "Tls12ServerHello",
    "parse",
]

Tls12Message: TypeAlias = (
    HelloRequest
    | ClientHello
    | Tls12ServerHello
    | Tls12NewSessionTicket
    | Tls12Certificate
    | ServerKeyExchange
    | PskServerKeyExchange
    | Tls12CertificateRequest
    | ServerHelloDone
    | CertificateVerify
    | ClientKeyExchange
    | PskClientKeyExchange
    | Finished
)

PARSERS: Mapping[int, Callable[[Reader], Tls12Message]] = {
    HandshakeType.HELLO_REQUEST: HelloRequest.parse,
    HandshakeType.CLIENT_HELLO: ClientHello.parse,
    HandshakeType.SERVER_HELLO: Tls12ServerHello.parse,
    HandshakeType.NEW_SESSION_TICKET: Tls12NewSessionTicket.parse,
    HandshakeType.CERTIFICATE: Tls12Certificate.parse,
    HandshakeType.SERVER_KEY_EXCHANGE: ServerKeyExchange.parse,
    HandshakeType.CERTIFICATE_REQUEST: Tls12CertificateRequest.parse,
    HandshakeType.SERVER_HELLO_DONE: ServerHelloDone.parse,
    HandshakeType.CERTIFICATE_VERIFY: CertificateVerify.parse,
    HandshakeType.CLIENT_KEY_EXCHANGE: ClientKeyExchange.parse,
    HandshakeType.FINISHED: Finished.parse,
}

PSK_PARSERS: Mapping[int, Callable[[Reader], Tls12Message]] = {
    **PARSERS,
    HandshakeType.SERVER_KEY_EXCHANGE: PskServerKeyExchange.parse,
    HandshakeType.CLIENT_KEY_EXCHANGE: PskClientKeyExchange.parse,
}
"""With a cipher suite of ECDHE_PSK, which writes the key exchange otherwise (RFC 5489 section 2)."""


def parse(message: bytes) -> Tls12Message:
    """Read one whole handshake message of TLS 1.2, header included; errors as in `tlsocket.messages.parse`."""
    return parse_with(PARSERS, message)
