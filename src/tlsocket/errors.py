"""Typed reasons, the exceptions that carry them, and the one map from an error to its alert.

Raise sites name a `Reason`; they never name an alert. `alert_for` is the only place that knows which alert
RFC 9846 section 6.2 wants for which reason, and `tlsocket.connection` is the only place that sends it.
The texts that programs written for `ssl` match on are not here: `tlsocket.dropin.exceptions` has them.
"""

from __future__ import annotations

import enum
from typing import TypeVar

from tlsocket.registry.alerts import AlertDescription

__all__ = [
    "AlertReceived",
    "ApiMisuse",
    "ApplicationRefusal",
    "CertificateReason",
    "CertificateRejected",
    "InternalError",
    "InvalidMessage",
    "PeerIncompatible",
    "PeerMisbehaved",
    "Reason",
    "TLSError",
    "Truncated",
    "alert_for",
    "detached",
]

E = TypeVar("E", bound=BaseException)


class Reason(enum.Enum):
    """Why a connection failed. The value is a sentence for people; the name is for programs."""

    # Encoding (RFC 9846 section 3 and 6.2: decode_error)
    TRUNCATED_MESSAGE = "a message ends before its fields do"
    TRAILING_DATA = "a message goes on after its last field"
    LENGTH_OUT_OF_RANGE = "a vector's length is outside what its type allows"
    INVALID_ENUM_VALUE = "a field has a value that its type does not allow"
    EMPTY_MESSAGE_FRAGMENT = "a handshake or alert record carries no bytes"
    INVALID_ALERT = "an alert is not two bytes long"
    INVALID_DISTINGUISHED_NAME = "a certificate authority's name is not valid DER"
    INVALID_CERTIFICATE_ENCODING = "a certificate cannot be parsed"

    # Records (RFC 9846 section 5)
    NOT_TLS = "the peer's first bytes are not a TLS record"
    HTTP_REQUEST = "the peer speaks plain HTTP"
    HTTPS_PROXY_REQUEST = "the peer takes this for an HTTP proxy, and speaks to it in plain text"
    HTTP_RESPONSE = "the peer answered in plain HTTP: no TLS is spoken on this port"
    UNKNOWN_CONTENT_TYPE = "a record has an unknown content type"
    RECORD_OVERFLOW = "a record is longer than the protocol allows"
    BAD_RECORD_MAC = "a record could not be authenticated"
    NO_CONTENT_TYPE = "a protected record holds padding only"
    UNPROTECTED_RECORD = "a record that must be protected is not"
    UNEXPECTED_CHANGE_CIPHER_SPEC = "a change_cipher_spec came where none is allowed"
    INTERLEAVED_HANDSHAKE = "another record came between the parts of one handshake message"
    KEY_CHANGE_NOT_ALIGNED = "bytes of another message follow one that changes the keys"
    UNEXPECTED_APPLICATION_DATA = "application data came before the handshake was over"
    DATA_AFTER_CLOSE_NOTIFY = "application data came where only a close_notify was left to come"
    RECEIVE_KEY_EXHAUSTED = "the peer went past the number of records that one key may protect"
    SEND_KEY_EXHAUSTED = "this key may protect no further record"

    # Budgets (our own limits)
    TOO_MANY_EMPTY_RECORDS = "too many records without content"
    TOO_MANY_CHANGE_CIPHER_SPECS = "too many change_cipher_spec records"
    TOO_MANY_WARNING_ALERTS = "too many warning alerts"
    TOO_MANY_KEY_UPDATES = "too many KeyUpdates without application data between them"
    TOO_MANY_TICKETS = "too many session tickets"
    TOO_MUCH_EARLY_DATA = "more early data than a server skips"
    TOO_MANY_CERTIFICATE_REQUESTS = "too many requests for a certificate after the handshake"
    HANDSHAKE_MESSAGE_TOO_LARGE = "a handshake message is larger than allowed"
    TOO_MANY_HANDSHAKE_BYTES = "the handshake is larger than allowed"
    TOO_MANY_EXTENSIONS = "a message has more extensions than allowed"
    HANDSHAKE_TIMED_OUT = "the handshake took longer than allowed"
    TOO_MANY_CERTIFICATES = "the peer's certificate list is longer than allowed"

    # State machine
    UNEXPECTED_MESSAGE = "a handshake message came where none of its kind may come"
    RENEGOTIATION = "the peer asked for a renegotiation"
    RENEGOTIATION_REFUSED = "the peer asked for a renegotiation of TLS 1.2, which is never done"

    # Negotiation
    UNSUPPORTED_VERSION = "no protocol version is common to both sides"
    NO_COMMON_CIPHER_SUITE = "no cipher suite is common to both sides"
    NO_COMMON_GROUP = "no key exchange group is common to both sides"
    NO_COMMON_SIGNATURE_SCHEME = "no signature scheme fits both the peer and a certificate of ours"
    NO_COMMON_PRE_SHARED_KEY = "no pre-shared key of the client's can be used, and there is no certificate"
    NO_COMMON_APPLICATION_PROTOCOL = "no application protocol (ALPN) is common to both sides"
    NO_CERTIFICATE_FOR_NAME = "no certificate serves the name that the client asked for"
    SERVER_NAME_REFUSED = "the name that the client asked for was refused"
    MISSING_EXTENSION = "an extension that must be there is missing"
    DUPLICATE_EXTENSION = "an extension appears twice"
    UNSOLICITED_EXTENSION = "the peer answered with an extension that was not offered"
    EXTENSION_NOT_ALLOWED = "an extension stands in a message where it may not"
    PSK_NOT_LAST = "pre_shared_key is not the last extension"

    # Parameters (RFC 9846: illegal_parameter)
    INVALID_SERVER_NAME = "the server_name is not a valid host name"
    INVALID_COMPRESSION_METHOD = "a compression method other than null"
    SESSION_ID_NOT_ECHOED = "the legacy session id was not echoed"
    CIPHER_SUITE_NOT_OFFERED = "the server chose a cipher suite that was not offered"
    CIPHER_SUITE_CHANGED = "the server's cipher suite differs from that in its HelloRetryRequest"
    SESSION_ID_ECHOED = "the server resumes, in TLS 1.2, a session that does not exist"
    VERSION_NOT_OFFERED = "the server chose a version that was not offered"
    VERSION_CHANGED = "the version differs from that in the HelloRetryRequest"
    DOWNGRADE_DETECTED = "the server's random says that somebody lowered the version"
    INAPPROPRIATE_FALLBACK = "the client repeats itself with a lower version, which was not needed (TLS_FALLBACK_SCSV)"
    NO_SECURE_RENEGOTIATION = "the server does not answer renegotiation_info (RFC 5746)"
    RENEGOTIATION_INFO_MISMATCH = "renegotiation_info is not that of a first handshake"
    NO_EXTENDED_MAIN_SECRET = "the peer does not support the extended main secret (RFC 7627)"
    NO_UNCOMPRESSED_POINTS = "the peer's ec_point_formats lack the uncompressed format"
    CURVE_NOT_NAMED = "the server's key exchange is not for a named curve"
    CERTIFICATE_DOES_NOT_FIT_SUITE = "the server's certificate is not of the kind that its cipher suite names"
    CERTIFICATE_CURVE_NOT_OFFERED = "the server's certificate is for a curve that was not offered"
    GROUP_NOT_OFFERED = "a key share is for a group that was not offered"
    GROUP_CHANGED = "the key share is not for the group that the HelloRetryRequest named"
    KEY_SHARE_NOT_OFFERED = "the server's key share is for a group we sent no share for"
    DUPLICATE_KEY_SHARE = "two key shares are for the same group"
    KEY_SHARE_ORDER = "key shares are not among the supported groups, or not in their order"
    INVALID_KEY_SHARE = "a key share is not a valid public value"
    ALL_ZERO_SHARED_SECRET = "the shared secret is all zero"
    HELLO_RETRY_WITHOUT_CHANGE = "a HelloRetryRequest asks for nothing new"
    SECOND_HELLO_RETRY = "a second HelloRetryRequest"
    CLIENT_HELLO_CHANGED = "the second ClientHello differs where it may not"
    PSK_BINDER_COUNT = "there is not one binder for each pre-shared key"
    COOKIE_MISMATCH = "the cookie is not the one that was sent"
    PSK_NOT_OFFERED = "the server chose a pre-shared key that was not offered"
    PSK_HASH_MISMATCH = "the pre-shared key does not belong to the hash of the cipher suite chosen"
    PSK_WITHOUT_KEY_SHARE = "the server chose a pre-shared key without a key exchange, which was not offered"
    APPLICATION_PROTOCOL_NOT_OFFERED = "the server chose an application protocol that was not offered"
    SIGNATURE_SCHEME_NOT_OFFERED = "a signature scheme that was not offered"
    SIGNATURE_SCHEME_MISMATCH = "the signature scheme does not fit the certificate's key"
    REQUEST_CONTEXT_MISMATCH = "the certificate_request_context is not the expected one"
    KEY_UPDATE_VALUE = "KeyUpdate.request_update is neither 0 nor 1"
    INVALID_MAX_FRAGMENT_LENGTH = "a max_fragment_length that does not exist, or not the one that was asked for"
    TWO_SIZE_LIMITS = "both record_size_limit and max_fragment_length were answered"
    RECORD_SIZE_LIMIT_TOO_SMALL = "the record_size_limit is below 64 bytes"

    SESSION_SUITE_CHANGED = "the server resumes a session with another cipher suite"
    EXTENDED_MAIN_SECRET_DROPPED = "a session with the extended main secret is to be resumed without it"

    # Authentication
    BAD_SIGNATURE = "the signature in CertificateVerify is wrong"
    BAD_FINISHED = "the Finished message is wrong"
    BAD_BINDER = "the binder of a pre-shared key is wrong"
    UNKNOWN_PSK_IDENTITY = "the client names a pre-shared key that is not known"
    PSK_REQUIRED = "the server did not choose the pre-shared key, and nothing else would authenticate it"
    NO_CERTIFICATE = "the server sent no certificate"
    CERTIFICATE_REQUIRED = "the client sent no certificate, but one is required"
    CLIENT_CERTIFICATE_MISSING = "the client sent no certificate in TLS 1.2, but one is required"
    UNSUPPORTED_CERTIFICATE_KEY = "the certificate's key is of a kind that we cannot use"
    KEY_USAGE_FORBIDS_SIGNING = "the certificate's key usage does not allow digital signatures"
    CERTIFICATE_REJECTED = "the peer's certificate was not accepted"

    # Ends
    ALERT_RECEIVED = "the peer sent an alert"
    TRUNCATED_STREAM = "the connection ended without a close_notify"
    CONNECTION_CLOSED = "the connection is closed"
    HANDSHAKE_NOT_DONE = "the handshake is not over"

    # Ours
    NO_CIPHER_SUITE_LEFT = "no cipher suite is left that could be offered"
    NOT_SERVER = "this is a server's call"
    WRONG_SSL_VERSION = "the version in use has nothing of this kind"
    EXTENSION_NOT_RECEIVED = "the client did not offer what this call needs"
    REQUEST_PENDING = "the client has not answered the last request yet"
    INVALID_CONFIGURATION = "the configuration does not allow this call"
    API_MISUSE = "the library was called in a way it does not allow"
    INTERNAL = "an error inside the library"
    USER_CANCELED = "a callback of the application refused"


class TLSError(Exception):
    """Root of everything the protocol core raises. `reason` says why, `detail` adds the particulars."""

    default_reason = Reason.INTERNAL

    def __init__(self, reason: Reason | None = None, detail: str = "") -> None:
        self.reason = self.default_reason if reason is None else reason
        self.detail = detail
        super().__init__(self.reason, detail)

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class InvalidMessage(TLSError):
    """Bytes from the peer that do not follow their own encoding (RFC 9846 section 6.2, decode_error)."""


class PeerMisbehaved(TLSError):
    """The peer broke a rule of the protocol, or one of our budgets."""


class PeerIncompatible(TLSError):
    """Both sides follow the rules and have nothing in common; `detail` names both offers."""


class AlertReceived(TLSError):
    """The peer ended the connection with an alert; `description` is its number (perhaps unknown to us)."""

    default_reason = Reason.ALERT_RECEIVED

    def __init__(self, level: int, description: int) -> None:
        self.level = level
        self.description = description
        try:
            name = AlertDescription(description).name.lower()
        except ValueError:
            name = f"0x{description:02x}"
        super().__init__(Reason.ALERT_RECEIVED, name)


class Truncated(TLSError):
    """The transport ended without the peer's close_notify (RFC 9846 section 6.1)."""

    default_reason = Reason.TRUNCATED_STREAM


class ApiMisuse(TLSError):
    """A call that makes no sense in this state; nothing was sent."""

    default_reason = Reason.API_MISUSE


class ApplicationRefusal(TLSError):
    """A callback of the application refused the peer, with an alert that the application chose by its number."""

    default_reason = Reason.USER_CANCELED

    def __init__(self, description: int, detail: str = "") -> None:
        super().__init__(Reason.USER_CANCELED, detail)
        self.description = description


class InternalError(TLSError):
    """Something that cannot happen, did; the connection is closed with internal_error."""

    default_reason = Reason.INTERNAL


class CertificateReason(enum.Enum):
    """Why a certificate was rejected, in the order in which a person would ask."""

    UNKNOWN_ISSUER = "no trusted authority issued it"
    SELF_SIGNED_LEAF = "it is self-signed and not trusted"
    SELF_SIGNED_IN_CHAIN = "its chain ends in a self-signed certificate that is not trusted"
    EXPIRED = "it has expired"
    NOT_YET_VALID = "it is not valid yet"
    HOSTNAME_MISMATCH = "it is not valid for this host name"
    IP_ADDRESS_MISMATCH = "it is not valid for this IP address"
    INVALID_PURPOSE = "it is not meant for this purpose"
    INVALID_CA = "an issuer in its chain is not an authority"
    PATH_TOO_LONG = "its chain is longer than allowed"
    BAD_SIGNATURE = "a signature in its chain is wrong"
    WEAK_KEY = "a key in its chain is too weak"
    WEAK_SIGNATURE = "a signature in its chain uses a weak algorithm"
    NAME_CONSTRAINT = "a name constraint in its chain forbids it"
    UNHANDLED_CRITICAL_EXTENSION = "it has a critical extension that is not understood"
    NONCONFORMING = "it breaks a rule for certificates that this profile insists on"
    POLICY = "it was not issued under a certificate policy that is asked for"
    REVOKED = "it was revoked"
    REVOCATION_UNKNOWN = "whether it was revoked cannot be found out"
    DISTRUSTED = "it is explicitly distrusted"
    TOO_COMPLEX = "its chain would take too much work to verify"
    MALFORMED = "it cannot be parsed"
    OTHER = "it was rejected"


class CertificateRejected(TLSError):
    """The peer's certificate did not verify.

    `certificate_reason` says why, `depth` where in the chain (0 is the leaf), `subject` whose certificate,
    `hint` what a person could do about it; `verify_code` is OpenSSL's number for it (0: the reason's usual one).
    `chain` has the certificates that the peer sent, in DER; the handshake fills it in.
    """

    default_reason = Reason.CERTIFICATE_REJECTED

    def __init__(
        self,
        certificate_reason: CertificateReason,
        detail: str = "",
        *,
        depth: int = 0,
        subject: str = "",
        hint: str = "",
        verify_code: int = 0,
    ) -> None:
        self.certificate_reason = certificate_reason
        self.depth = depth
        self.subject = subject
        self.hint = hint
        self.verify_code = verify_code
        self.chain: tuple[bytes, ...] = ()
        super().__init__(Reason.CERTIFICATE_REJECTED, detail or certificate_reason.value)


_ALERTS = {
    # What RFC 9846 section 6.2, or the document named, says of each alert decides the row; anything not listed here
    # falls to the alert of its exception's class below.
    Reason.BAD_RECORD_MAC: AlertDescription.BAD_RECORD_MAC,
    Reason.RECORD_OVERFLOW: AlertDescription.RECORD_OVERFLOW,
    Reason.NOT_TLS: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.HTTP_REQUEST: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.HTTPS_PROXY_REQUEST: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.HTTP_RESPONSE: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.UNKNOWN_CONTENT_TYPE: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.NO_CONTENT_TYPE: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.UNPROTECTED_RECORD: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.UNEXPECTED_CHANGE_CIPHER_SPEC: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.INTERLEAVED_HANDSHAKE: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.KEY_CHANGE_NOT_ALIGNED: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.UNEXPECTED_APPLICATION_DATA: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.DATA_AFTER_CLOSE_NOTIFY: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.RECEIVE_KEY_EXHAUSTED: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.EMPTY_MESSAGE_FRAGMENT: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.TOO_MANY_EMPTY_RECORDS: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.TOO_MANY_CHANGE_CIPHER_SPECS: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.TOO_MANY_WARNING_ALERTS: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.TOO_MANY_KEY_UPDATES: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.TOO_MANY_CERTIFICATE_REQUESTS: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.TOO_MANY_TICKETS: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.TOO_MUCH_EARLY_DATA: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.UNEXPECTED_MESSAGE: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.HANDSHAKE_TIMED_OUT: AlertDescription.HANDSHAKE_FAILURE,
    Reason.SECOND_HELLO_RETRY: AlertDescription.UNEXPECTED_MESSAGE,
    Reason.RENEGOTIATION: AlertDescription.UNEXPECTED_MESSAGE,
    # BoringSSL's answer, as a fatal alert: RFC 5246 section 7.2.2 would let both sides go on.
    Reason.RENEGOTIATION_REFUSED: AlertDescription.NO_RENEGOTIATION,
    # RFC 5746 sections 3.4 to 3.6, RFC 7627 section 5.2, RFC 5246 section 7.4.6: handshake_failure.
    Reason.NO_SECURE_RENEGOTIATION: AlertDescription.HANDSHAKE_FAILURE,
    Reason.RENEGOTIATION_INFO_MISMATCH: AlertDescription.HANDSHAKE_FAILURE,
    Reason.NO_EXTENDED_MAIN_SECRET: AlertDescription.HANDSHAKE_FAILURE,
    Reason.EXTENDED_MAIN_SECRET_DROPPED: AlertDescription.HANDSHAKE_FAILURE,
    Reason.CLIENT_CERTIFICATE_MISSING: AlertDescription.HANDSHAKE_FAILURE,
    Reason.INAPPROPRIATE_FALLBACK: AlertDescription.INAPPROPRIATE_FALLBACK,
    Reason.UNSUPPORTED_VERSION: AlertDescription.PROTOCOL_VERSION,
    Reason.NO_COMMON_APPLICATION_PROTOCOL: AlertDescription.NO_APPLICATION_PROTOCOL,
    Reason.NO_CERTIFICATE_FOR_NAME: AlertDescription.UNRECOGNIZED_NAME,
    Reason.SERVER_NAME_REFUSED: AlertDescription.UNRECOGNIZED_NAME,
    Reason.MISSING_EXTENSION: AlertDescription.MISSING_EXTENSION,
    Reason.UNSOLICITED_EXTENSION: AlertDescription.UNSUPPORTED_EXTENSION,
    Reason.BAD_SIGNATURE: AlertDescription.DECRYPT_ERROR,
    Reason.BAD_FINISHED: AlertDescription.DECRYPT_ERROR,
    Reason.BAD_BINDER: AlertDescription.DECRYPT_ERROR,
    # RFC 4279 section 2 leaves it to the server whether to say so.
    Reason.UNKNOWN_PSK_IDENTITY: AlertDescription.UNKNOWN_PSK_IDENTITY,
    Reason.NO_CERTIFICATE: AlertDescription.DECODE_ERROR,
    Reason.CERTIFICATE_REQUIRED: AlertDescription.CERTIFICATE_REQUIRED,
    Reason.UNSUPPORTED_CERTIFICATE_KEY: AlertDescription.UNSUPPORTED_CERTIFICATE,
    Reason.KEY_USAGE_FORBIDS_SIGNING: AlertDescription.UNSUPPORTED_CERTIFICATE,
    Reason.INVALID_CERTIFICATE_ENCODING: AlertDescription.BAD_CERTIFICATE,
    Reason.SEND_KEY_EXHAUSTED: AlertDescription.INTERNAL_ERROR,
    Reason.USER_CANCELED: AlertDescription.HANDSHAKE_FAILURE,
}

_CERTIFICATE_ALERTS = {
    CertificateReason.UNKNOWN_ISSUER: AlertDescription.UNKNOWN_CA,
    CertificateReason.SELF_SIGNED_LEAF: AlertDescription.UNKNOWN_CA,
    CertificateReason.SELF_SIGNED_IN_CHAIN: AlertDescription.UNKNOWN_CA,
    CertificateReason.INVALID_CA: AlertDescription.UNKNOWN_CA,
    CertificateReason.PATH_TOO_LONG: AlertDescription.UNKNOWN_CA,
    CertificateReason.EXPIRED: AlertDescription.CERTIFICATE_EXPIRED,
    CertificateReason.NOT_YET_VALID: AlertDescription.CERTIFICATE_EXPIRED,
    CertificateReason.REVOKED: AlertDescription.CERTIFICATE_REVOKED,
    CertificateReason.INVALID_PURPOSE: AlertDescription.UNSUPPORTED_CERTIFICATE,
    CertificateReason.REVOCATION_UNKNOWN: AlertDescription.CERTIFICATE_UNKNOWN,
    CertificateReason.TOO_COMPLEX: AlertDescription.CERTIFICATE_UNKNOWN,
    CertificateReason.BAD_SIGNATURE: AlertDescription.DECRYPT_ERROR,
    CertificateReason.OTHER: AlertDescription.CERTIFICATE_UNKNOWN,
}


def detached(error: E) -> E | InternalError:
    """A twin of `error` to keep: same class, same attributes, no traceback and no cause.

    The frames of a traceback lead back to the connection that failed, so that one that keeps its error would keep
    itself. What is no error of ours becomes an `InternalError` that names its class.
    """
    if not isinstance(error, TLSError):
        return InternalError(detail=type(error).__name__)
    twin = type(error).__new__(type(error))
    twin.__dict__.update(error.__dict__)
    twin.args = error.args
    return twin


def alert_for(error: BaseException) -> AlertDescription | None:
    """The alert that tells the peer of `error`; None when nothing may be sent.

    Nothing is sent after the peer's own alert or after its end of stream (RFC 9846 section 6.2: upon
    receiving a fatal alert, both parties stop). Whatever we did not foresee is internal_error.
    """
    if isinstance(error, (AlertReceived, Truncated)):
        return None
    if isinstance(error, CertificateRejected):
        return _CERTIFICATE_ALERTS.get(error.certificate_reason, AlertDescription.BAD_CERTIFICATE)
    if isinstance(error, ApplicationRefusal):
        known = error.description in AlertDescription.__members__.values()
        return AlertDescription(error.description) if known else AlertDescription.HANDSHAKE_FAILURE
    if not isinstance(error, TLSError):
        return AlertDescription.INTERNAL_ERROR
    if error.reason in _ALERTS:
        return _ALERTS[error.reason]
    if isinstance(error, InvalidMessage):
        return AlertDescription.DECODE_ERROR
    if isinstance(error, PeerMisbehaved):
        return AlertDescription.ILLEGAL_PARAMETER
    if isinstance(error, PeerIncompatible):
        return AlertDescription.HANDSHAKE_FAILURE
    return AlertDescription.INTERNAL_ERROR
