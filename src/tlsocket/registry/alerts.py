"""Alert levels and descriptions (RFC 9846 section 6; IANA "TLS Alerts")."""

from __future__ import annotations

import enum

__all__ = ["ALWAYS_FATAL", "AlertDescription", "AlertLevel"]


class AlertLevel(enum.IntEnum):
    """`AlertLevel` of RFC 9846 section 6; TLS 1.3 ignores it on receipt."""

    WARNING = 1
    FATAL = 2


class AlertDescription(enum.IntEnum):
    """`AlertDescription` of RFC 9846 section 6, with the values other documents registered."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    RECORD_OVERFLOW = 22
    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    MISSING_EXTENSION = 109
    UNSUPPORTED_EXTENSION = 110
    UNRECOGNIZED_NAME = 112
    BAD_CERTIFICATE_STATUS_RESPONSE = 113
    UNKNOWN_PSK_IDENTITY = 115
    CERTIFICATE_REQUIRED = 116
    GENERAL_ERROR = 117
    NO_APPLICATION_PROTOCOL = 120
    ECH_REQUIRED = 121


ALWAYS_FATAL = frozenset({
    AlertDescription.UNEXPECTED_MESSAGE,
    AlertDescription.BAD_RECORD_MAC,
    AlertDescription.RECORD_OVERFLOW,
    AlertDescription.HANDSHAKE_FAILURE,
    AlertDescription.ILLEGAL_PARAMETER,
    AlertDescription.UNKNOWN_CA,
    AlertDescription.ACCESS_DENIED,
    AlertDescription.DECODE_ERROR,
    AlertDescription.DECRYPT_ERROR,
    AlertDescription.PROTOCOL_VERSION,
    AlertDescription.INSUFFICIENT_SECURITY,
    AlertDescription.INTERNAL_ERROR,
    AlertDescription.INAPPROPRIATE_FALLBACK,
    AlertDescription.MISSING_EXTENSION,
    AlertDescription.UNSUPPORTED_EXTENSION,
    AlertDescription.UNKNOWN_PSK_IDENTITY,
    AlertDescription.CERTIFICATE_REQUIRED,
    AlertDescription.NO_APPLICATION_PROTOCOL,
})  # fmt: skip
"""No warning before the version is known: "always fatal" in RFC 5246 section 7.2.2, fatal in RFC 4279 section 2, RFC
7301 section 3.2 and RFC 7507 section 3, or of TLS 1.3, where all are. A server may warn of a name, which is not here
(RFC 6066 section 3)."""
