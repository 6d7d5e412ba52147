"""Extensions: where each may stand, how each is encoded, and the typed block of each message (RFC 9846 section 4.3)."""

from __future__ import annotations

from tlsocket.extensions.authentication import is_distinguished_name
from tlsocket.extensions.block import Codec, ExtensionBlock
from tlsocket.extensions.blocks import (
    CertificateEntryExtensions,
    CertificateRequestExtensions,
    ClientHelloExtensions,
    EncryptedExtensionsExtensions,
    HelloRetryRequestExtensions,
    NewSessionTicketExtensions,
    ServerHelloExtensions,
    Tls12ServerHelloExtensions,
)
from tlsocket.extensions.key_exchange import KeyShareEntry
from tlsocket.extensions.pre_shared_key import OfferedPsks, PskIdentity
from tlsocket.extensions.server_name import is_host_name
from tlsocket.extensions.table import TABLE, Placement

__all__ = [
    "TABLE",
    "CertificateEntryExtensions",
    "CertificateRequestExtensions",
    "ClientHelloExtensions",
    "Codec",
    "EncryptedExtensionsExtensions",
    "ExtensionBlock",
    "HelloRetryRequestExtensions",
    "KeyShareEntry",
    "NewSessionTicketExtensions",
    "OfferedPsks",
    "Placement",
    "PskIdentity",
    "ServerHelloExtensions",
    "Tls12ServerHelloExtensions",
    "is_distinguished_name",
    "is_host_name",
]
