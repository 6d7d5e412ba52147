"""The typed extension blocks, one per message that has extensions (RFC 9846 section 4.3).

A field is there when our code has a use for the extension in that message; its row names the codec. The rows are in
the order in which we send. Adding an extension is: its type in `tlsocket.registry`, its place in
`tlsocket.extensions.table`, its codec in a module beside this one, and a field and a row here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tlsocket.extensions.application_protocols import PROTOCOL_NAME_LIST, SELECTED_PROTOCOL
from tlsocket.extensions.authentication import CERTIFICATE_AUTHORITIES, RENEGOTIATION_INFO, SIGNATURE_SCHEME_LIST
from tlsocket.extensions.block import ExtensionBlock, Rows
from tlsocket.extensions.generic import EMPTY, RAW
from tlsocket.extensions.key_exchange import (
    CLIENT_SHARES,
    EC_POINT_FORMATS,
    NAMED_GROUP_LIST,
    PSK_KEY_EXCHANGE_MODES,
    SELECTED_GROUP,
    SERVER_SHARE,
    KeyShareEntry,
)
from tlsocket.extensions.negotiation import (
    COOKIE,
    MAX_EARLY_DATA_SIZE,
    MAX_FRAGMENT_LENGTH,
    OFFERED_VERSIONS,
    RECORD_SIZE_LIMIT,
    SELECTED_VERSION,
)
from tlsocket.extensions.pre_shared_key import OFFERED_PSKS, SELECTED_IDENTITY, OfferedPsks
from tlsocket.extensions.server_name import SERVER_NAME_LIST
from tlsocket.extensions.table import Placement, forbidden_in
from tlsocket.registry import ExtensionType as E

__all__ = [
    "CertificateEntryExtensions",
    "CertificateRequestExtensions",
    "ClientHelloExtensions",
    "EncryptedExtensionsExtensions",
    "HelloRetryRequestExtensions",
    "NewSessionTicketExtensions",
    "ServerHelloExtensions",
    "Tls12ServerHelloExtensions",
]


@dataclass(frozen=True, kw_only=True)
class ClientHelloExtensions(ExtensionBlock):
    """What a client offers and asks for.

    `status_request` and `session_ticket` are the extension's data as it came.
    """

    server_name: str | None = None
    extended_main_secret: bool = False
    renegotiation_info: bytes | None = None
    ec_point_formats: bytes | None = None
    supported_groups: tuple[int, ...] | None = None
    session_ticket: bytes | None = None
    alpn: tuple[bytes, ...] | None = None
    status_request: bytes | None = None
    signature_algorithms: tuple[int, ...] | None = None
    signature_algorithms_cert: tuple[int, ...] | None = None
    certificate_authorities: tuple[bytes, ...] | None = None
    supported_versions: tuple[int, ...] | None = None
    cookie: bytes | None = None
    psk_key_exchange_modes: tuple[int, ...] | None = None
    key_share: tuple[KeyShareEntry, ...] | None = None
    record_size_limit: int | None = None
    max_fragment_length: int | None = None
    post_handshake_auth: bool = False
    early_data: bool = False
    pre_shared_key: OfferedPsks | None = None
    _kind: object = field(default=None, init=False, repr=False, compare=False)

    vector: ClassVar[str] = "ClientHello.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.CH)
    last: ClassVar[int | None] = int(E.PRE_SHARED_KEY)
    rows: ClassVar[Rows] = {
        int(E.SERVER_NAME): ("server_name", SERVER_NAME_LIST),
        int(E.EXTENDED_MAIN_SECRET): ("extended_main_secret", EMPTY),
        int(E.RENEGOTIATION_INFO): ("renegotiation_info", RENEGOTIATION_INFO),
        int(E.EC_POINT_FORMATS): ("ec_point_formats", EC_POINT_FORMATS),
        int(E.SUPPORTED_GROUPS): ("supported_groups", NAMED_GROUP_LIST),
        int(E.SESSION_TICKET): ("session_ticket", RAW),
        int(E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION): ("alpn", PROTOCOL_NAME_LIST),
        int(E.STATUS_REQUEST): ("status_request", RAW),
        int(E.SIGNATURE_ALGORITHMS): ("signature_algorithms", SIGNATURE_SCHEME_LIST),
        int(E.SIGNATURE_ALGORITHMS_CERT): ("signature_algorithms_cert", SIGNATURE_SCHEME_LIST),
        int(E.CERTIFICATE_AUTHORITIES): ("certificate_authorities", CERTIFICATE_AUTHORITIES),
        int(E.SUPPORTED_VERSIONS): ("supported_versions", OFFERED_VERSIONS),
        int(E.COOKIE): ("cookie", COOKIE),
        int(E.PSK_KEY_EXCHANGE_MODES): ("psk_key_exchange_modes", PSK_KEY_EXCHANGE_MODES),
        int(E.KEY_SHARE): ("key_share", CLIENT_SHARES),
        int(E.RECORD_SIZE_LIMIT): ("record_size_limit", RECORD_SIZE_LIMIT),
        int(E.MAX_FRAGMENT_LENGTH): ("max_fragment_length", MAX_FRAGMENT_LENGTH),
        int(E.POST_HANDSHAKE_AUTH): ("post_handshake_auth", EMPTY),
        int(E.EARLY_DATA): ("early_data", EMPTY),
        int(E.PRE_SHARED_KEY): ("pre_shared_key", OFFERED_PSKS),
    }

    @property
    def kind(self) -> object:
        """The same object in ClientHellos that differ in random, session id, shares and identities only.

        None: nobody knows (see `tlsocket.messages.client_hello`).
        """
        return self._kind


@dataclass(frozen=True, kw_only=True)
class ServerHelloExtensions(ExtensionBlock):
    """What establishes the keys (RFC 9846 section 4.2.3).

    Without supported_versions the message is of TLS 1.2 or older, where other rules say what may stand in it: the
    table is not applied then, and the extensions of that version are in `unknown` (`Tls12ServerHelloExtensions` reads
    them).
    """

    supported_version: int | None = None
    key_share: KeyShareEntry | None = None
    pre_shared_key: int | None = None

    vector: ClassVar[str] = "ServerHello.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.SH)
    forbidden_only_with: ClassVar[int | None] = int(E.SUPPORTED_VERSIONS)
    rows: ClassVar[Rows] = {
        int(E.SUPPORTED_VERSIONS): ("supported_version", SELECTED_VERSION),
        int(E.KEY_SHARE): ("key_share", SERVER_SHARE),
        int(E.PRE_SHARED_KEY): ("pre_shared_key", SELECTED_IDENTITY),
    }


@dataclass(frozen=True, kw_only=True)
class Tls12ServerHelloExtensions(ExtensionBlock):
    """All that a server of TLS 1.2 answers to the client's extensions (RFC 5246 section 7.4.1.4).

    `session_ticket` and `status_request` are empty: each announces a message of its own.
    """

    server_name: bool = False
    extended_main_secret: bool = False
    renegotiation_info: bytes | None = None
    ec_point_formats: bytes | None = None
    session_ticket: bool = False
    alpn: bytes | None = None
    status_request: bool = False
    record_size_limit: int | None = None
    max_fragment_length: int | None = None

    vector: ClassVar[str] = "ServerHello.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.SH12)
    rows: ClassVar[Rows] = {
        int(E.SERVER_NAME): ("server_name", EMPTY),
        int(E.EXTENDED_MAIN_SECRET): ("extended_main_secret", EMPTY),
        int(E.RENEGOTIATION_INFO): ("renegotiation_info", RENEGOTIATION_INFO),
        int(E.EC_POINT_FORMATS): ("ec_point_formats", EC_POINT_FORMATS),
        int(E.SESSION_TICKET): ("session_ticket", EMPTY),
        int(E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION): ("alpn", SELECTED_PROTOCOL),
        int(E.STATUS_REQUEST): ("status_request", EMPTY),
        int(E.RECORD_SIZE_LIMIT): ("record_size_limit", RECORD_SIZE_LIMIT),
        int(E.MAX_FRAGMENT_LENGTH): ("max_fragment_length", MAX_FRAGMENT_LENGTH),
    }


@dataclass(frozen=True, kw_only=True)
class HelloRetryRequestExtensions(ExtensionBlock):
    """What the client shall change in its second ClientHello (RFC 9846 section 4.2.4)."""

    supported_version: int | None = None
    key_share_group: int | None = None
    cookie: bytes | None = None

    vector: ClassVar[str] = "HelloRetryRequest.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.HRR)
    rows: ClassVar[Rows] = {
        int(E.SUPPORTED_VERSIONS): ("supported_version", SELECTED_VERSION),
        int(E.KEY_SHARE): ("key_share_group", SELECTED_GROUP),
        int(E.COOKIE): ("cookie", COOKIE),
    }


@dataclass(frozen=True, kw_only=True)
class EncryptedExtensionsExtensions(ExtensionBlock):
    """The server's answers that need not be known before there are keys (RFC 9846 section 4.4.1)."""

    server_name: bool = False
    supported_groups: tuple[int, ...] | None = None
    alpn: bytes | None = None
    record_size_limit: int | None = None
    max_fragment_length: int | None = None
    early_data: bool = False

    vector: ClassVar[str] = "EncryptedExtensions.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.EE)
    rows: ClassVar[Rows] = {
        int(E.SERVER_NAME): ("server_name", EMPTY),
        int(E.SUPPORTED_GROUPS): ("supported_groups", NAMED_GROUP_LIST),
        int(E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION): ("alpn", SELECTED_PROTOCOL),
        int(E.RECORD_SIZE_LIMIT): ("record_size_limit", RECORD_SIZE_LIMIT),
        int(E.MAX_FRAGMENT_LENGTH): ("max_fragment_length", MAX_FRAGMENT_LENGTH),
        int(E.EARLY_DATA): ("early_data", EMPTY),
    }


@dataclass(frozen=True, kw_only=True)
class CertificateRequestExtensions(ExtensionBlock):
    """What the client's certificate shall be like (RFC 9846 section 4.4.2)."""

    signature_algorithms: tuple[int, ...] | None = None
    signature_algorithms_cert: tuple[int, ...] | None = None
    certificate_authorities: tuple[bytes, ...] | None = None
    status_request: bytes | None = None

    vector: ClassVar[str] = "CertificateRequest.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.CR)
    rows: ClassVar[Rows] = {
        int(E.SIGNATURE_ALGORITHMS): ("signature_algorithms", SIGNATURE_SCHEME_LIST),
        int(E.SIGNATURE_ALGORITHMS_CERT): ("signature_algorithms_cert", SIGNATURE_SCHEME_LIST),
        int(E.CERTIFICATE_AUTHORITIES): ("certificate_authorities", CERTIFICATE_AUTHORITIES),
        int(E.STATUS_REQUEST): ("status_request", RAW),
    }


@dataclass(frozen=True, kw_only=True)
class CertificateEntryExtensions(ExtensionBlock):
    """What goes with one certificate (RFC 9846 sections 4.5.1 and 4.5.1.1).

    `status_request` is a CertificateStatus (RFC 6066 section 8), `signed_certificate_timestamp` a
    SignedCertificateTimestampList (RFC 6962 section 3.3), both as they came.
    """

    status_request: bytes | None = None
    signed_certificate_timestamp: bytes | None = None

    vector: ClassVar[str] = "CertificateEntry.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.CT)
    rows: ClassVar[Rows] = {
        int(E.STATUS_REQUEST): ("status_request", RAW),
        int(E.SIGNED_CERTIFICATE_TIMESTAMP): ("signed_certificate_timestamp", RAW),
    }


@dataclass(frozen=True, kw_only=True)
class NewSessionTicketExtensions(ExtensionBlock):
    """What may be done with a ticket (RFC 9846 section 4.7.1); `early_data` is the max_early_data_size."""

    early_data: int | None = None

    vector: ClassVar[str] = "NewSessionTicket.extensions"
    forbidden: ClassVar[frozenset[int]] = forbidden_in(Placement.NST)
    rows: ClassVar[Rows] = {int(E.EARLY_DATA): ("early_data", MAX_EARLY_DATA_SIZE)}
