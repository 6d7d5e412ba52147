"""In which message each extension may stand: the table of RFC 9846 section 4.3, and TLS 1.2's ServerHello, as data.

An extension that we recognise (it has a row) in a message that its row does not name is an illegal_parameter; one
without a row is unknown and survives as bytes. Whether an answer was asked for at all is checked in the handshake,
which knows what was offered. Encodings are in the modules beside this one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from tlsocket.registry import ExtensionType as E

__all__ = ["TABLE", "Placement", "forbidden_in"]


class Placement(enum.Flag):
    """Messages with extensions, by the abbreviations of RFC 9846 section 4.3."""

    CH = enum.auto()
    """ClientHello"""
    SH = enum.auto()
    """ServerHello"""
    EE = enum.auto()
    """EncryptedExtensions"""
    CT = enum.auto()
    """Certificate"""
    CR = enum.auto()
    """CertificateRequest"""
    NST = enum.auto()
    """NewSessionTicket"""
    HRR = enum.auto()
    """HelloRetryRequest"""
    SH12 = enum.auto()
    """ServerHello of TLS 1.2, its only message with extensions besides ClientHello (RFC 5246 section 7.4.1.4)"""


_CH, _SH, _EE, _CT, _CR, _NST, _HRR, _SH12 = Placement

TABLE: Mapping[int, Placement] = MappingProxyType(
    {
        # RFC 9846 section 4.3, in its order
        E.SERVER_NAME: _CH | _EE | _CR | _SH12,
        E.STATUS_REQUEST: _CH | _CR | _CT | _SH12,
        E.SUPPORTED_GROUPS: _CH | _EE | _SH12,  # nothing says so for TLS 1.2, but there are servers that send it
        E.SIGNATURE_ALGORITHMS: _CH | _CR,
        E.USE_SRTP: _CH | _EE | _SH12,
        E.HEARTBEAT: _CH | _EE | _SH12,
        E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: _CH | _EE | _SH12,
        E.CLIENT_CERTIFICATE_TYPE: _CH | _EE | _SH12,
        E.SERVER_CERTIFICATE_TYPE: _CH | _EE | _SH12,
        E.PADDING: _CH,
        E.COMPRESS_CERTIFICATE: _CH | _CR,
        E.RECORD_SIZE_LIMIT: _CH | _EE | _SH12,
        E.DELEGATED_CREDENTIAL: _CH | _CR | _CT,
        E.SUPPORTED_EKT_CIPHERS: _CH | _EE | _SH12,
        E.PRE_SHARED_KEY: _CH | _SH,
        E.EARLY_DATA: _CH | _EE | _NST,
        E.SUPPORTED_VERSIONS: _CH | _SH | _HRR,
        E.COOKIE: _CH | _HRR,
        E.PSK_KEY_EXCHANGE_MODES: _CH,
        E.CERTIFICATE_AUTHORITIES: _CH | _CR,
        E.OID_FILTERS: _CR,
        E.POST_HANDSHAKE_AUTH: _CH,
        E.SIGNATURE_ALGORITHMS_CERT: _CH | _CR,
        E.KEY_SHARE: _CH | _SH | _HRR,
        E.TRANSPARENCY_INFO: _CH | _CR | _CT | _SH12,
        E.EXTERNAL_ID_HASH: _CH | _EE | _SH12,
        E.EXTERNAL_SESSION_ID: _CH | _EE | _SH12,
        E.QUIC_TRANSPORT_PARAMETERS: _CH | _EE,
        E.TICKET_REQUEST: _CH | _EE,
        E.ECH_OUTER_EXTENSIONS: _CH,
        E.ENCRYPTED_CLIENT_HELLO: _CH | _HRR | _EE,
        # Not in that table, because not "Recommended", but registered for TLS 1.3
        E.MAX_FRAGMENT_LENGTH: _CH | _EE | _SH12,  # RFC 8446 section 4.2
        E.SIGNED_CERTIFICATE_TIMESTAMP: _CH | _CR | _CT | _SH12,  # RFC 8446 section 4.2, RFC 9846 section 4.5.1.1
        E.TLS_CERT_WITH_EXTERN_PSK: _CH | _SH,  # RFC 8773 section 4
        # Of TLS 1.2 only: a ClientHello that offers both versions carries them, no other message of TLS 1.3 may
        E.TRUSTED_CA_KEYS: _CH | _SH12,  # RFC 9846 section 4.3.4
        E.TRUNCATED_HMAC: _CH | _SH12,
        E.EC_POINT_FORMATS: _CH | _SH12,
        E.STATUS_REQUEST_V2: _CH | _SH12,  # RFC 9846 section 4.5.1.1
        E.ENCRYPT_THEN_MAC: _CH | _SH12,
        E.EXTENDED_MAIN_SECRET: _CH | _SH12,
        E.SESSION_TICKET: _CH | _SH12,
        E.RENEGOTIATION_INFO: _CH | _SH12,
    }
)
"""Extension type -> the messages in which it may stand."""


def forbidden_in(placement: Placement) -> frozenset[int]:
    """The extension types that we recognise and that may not stand in the message `placement`."""
    return frozenset(int(code) for code, allowed in TABLE.items() if not allowed & placement)
