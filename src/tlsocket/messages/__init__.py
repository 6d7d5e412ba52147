"""Handshake messages of TLS 1.3, one module each, and `parse`, which reads any of them (RFC 9846 section 4).

Those of TLS 1.2 are in `tlsocket.messages.tls12`.

A message is an inert frozen value with the field names of the RFC; `parse` and `serialize` stand side by side in the
order of the struct in its docstring. Which message may come when is said in `tlsocket.handshake.transitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from tlsocket.errors import InvalidMessage, PeerMisbehaved, Reason
from tlsocket.messages.certificate import Certificate, CertificateEntry
from tlsocket.messages.certificate_request import CertificateRequest
from tlsocket.messages.certificate_verify import CertificateVerify
from tlsocket.messages.client_hello import ClientHello
from tlsocket.messages.encrypted_extensions import EncryptedExtensions
from tlsocket.messages.finished import Finished
from tlsocket.messages.handshake_message import HandshakeMessage
from tlsocket.messages.key_update import KeyUpdate
from tlsocket.messages.new_session_ticket import NewSessionTicket
from tlsocket.messages.server_hello import (
    DOWNGRADE_TO_TLS_1_1,
    DOWNGRADE_TO_TLS_1_2,
    HELLO_RETRY_REQUEST_RANDOM,
    HelloRetryRequest,
    ServerHello,
    parse_server_hello,
)
from tlsocket.registry import HandshakeType, describe
from tlsocket.wire import Reader

__all__ = [
    "DOWNGRADE_TO_TLS_1_1",
    "DOWNGRADE_TO_TLS_1_2",
    "HELLO_RETRY_REQUEST_RANDOM",
    "PARSERS",
    "Certificate",
    "CertificateEntry",
    "CertificateRequest",
    "CertificateVerify",
    "ClientHello",
    "EncryptedExtensions",
    "Finished",
    "HandshakeMessage",
    "HelloRetryRequest",
    "KeyUpdate",
    "Message",
    "NewSessionTicket",
    "ServerHello",
    "parse",
    "parse_with",
]

M = TypeVar("M")

Message: TypeAlias = (
    ClientHello
    | ServerHello
    | HelloRetryRequest
    | EncryptedExtensions
    | CertificateRequest
    | Certificate
    | CertificateVerify
    | Finished
    | NewSessionTicket
    | KeyUpdate
)

PARSERS: Mapping[int, Callable[[Reader], Message]] = {
    HandshakeType.CLIENT_HELLO: ClientHello.parse,
    HandshakeType.SERVER_HELLO: parse_server_hello,
    HandshakeType.ENCRYPTED_EXTENSIONS: EncryptedExtensions.parse,
    HandshakeType.CERTIFICATE_REQUEST: CertificateRequest.parse,
    HandshakeType.CERTIFICATE: Certificate.parse,
    HandshakeType.CERTIFICATE_VERIFY: CertificateVerify.parse,
    HandshakeType.FINISHED: Finished.parse,
    HandshakeType.NEW_SESSION_TICKET: NewSessionTicket.parse,
    HandshakeType.KEY_UPDATE: KeyUpdate.parse,
}


def parse(message: bytes) -> Message:
    """Read one whole handshake message, header included.

    A type that we have no use for is an UNEXPECTED_MESSAGE: whatever the state, there is none in which it may come.
    """
    return parse_with(PARSERS, message)


def parse_with(parsers: Mapping[int, Callable[[Reader], M]], message: bytes) -> M:
    """`parse` with the messages of one version."""
    if len(message) < 4:
        raise InvalidMessage(Reason.TRUNCATED_MESSAGE, "Handshake")
    msg_type = message[0]
    length = message[1] << 16 | message[2] << 8 | message[3]
    parser = parsers.get(msg_type)
    if parser is None:
        raise PeerMisbehaved(Reason.UNEXPECTED_MESSAGE, describe(HandshakeType, msg_type))
    excess = len(message) - 4 - length
    if excess != 0:
        raise InvalidMessage(
            Reason.TRAILING_DATA if excess > 0 else Reason.TRUNCATED_MESSAGE, describe(HandshakeType, msg_type)
        )
    reader = Reader(message, 4)
    parsed = parser(reader)
    if reader.position != reader.end:
        raise InvalidMessage(Reason.TRAILING_DATA, describe(HandshakeType, msg_type))
    return parsed
