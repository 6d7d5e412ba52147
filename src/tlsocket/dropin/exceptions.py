"""From the errors of this library to the exceptions of `ssl`: the same classes, attributes and texts to match on.

`except ssl.SSLError` works whichever module a program imported, because the classes are the standard library's own.
Programs also look at `reason`, `library`, `verify_code` and the text, so those follow OpenSSL's tables (its reason
strings, its X509_V_ERR_... numbers and sentences); what we know beyond that follows in the same text. The numbers of
alerts are those of RFC 9846 section 6. Not here: why something failed (`tlsocket.errors`, `tlsocket.pki.errors`).
"""

from __future__ import annotations

import os
import weakref
from ssl import (
    SSLCertVerificationError,
    SSLEOFError,
    SSLError,
    SSLErrorNumber,
    SSLSyscallError,
    SSLWantReadError,
    SSLWantWriteError,
    SSLZeroReturnError,
)
from typing import NoReturn

from tlsocket._record import BAD_LENGTH, CLOSED, SYSTEM_ERROR, TIMED_OUT, TRUNCATED, WANT_READ, WANT_WRITE
from tlsocket.errors import (
    AlertReceived,
    ApiMisuse,
    CertificateReason,
    CertificateRejected,
    Reason,
    TLSError,
    Truncated,
)
from tlsocket.pki.errors import KeyMismatch, LoadError, PkiError
from tlsocket.pki.verify_codes import verify_message

__all__ = [
    "CLOSED_BOTH_WAYS",
    "CertificateError",
    "SSLCertVerificationError",
    "SSLEOFError",
    "SSLError",
    "SSLSyscallError",
    "SSLWantReadError",
    "SSLWantWriteError",
    "SSLZeroReturnError",
    "raise_outcome",
    "show_unraisable",
    "socket_error",
    "ssl_error",
    "translate",
    "translate_load_error",
]

CertificateError = SSLCertVerificationError
socket_error = OSError

# OpenSSL's reason where it has one for the same thing; any other Reason goes by its own name. The first two are the
# ones that programs look for when somebody points them at a port that does not speak TLS.
_OPENSSL_REASONS = {
    Reason.NOT_TLS: "WRONG_VERSION_NUMBER",
    # urllib3 looks for "wrong version number" to say that a proxy speaks only HTTP.
    Reason.HTTP_RESPONSE: "WRONG_VERSION_NUMBER",
    Reason.HTTP_REQUEST: "HTTP_REQUEST",
    Reason.HTTPS_PROXY_REQUEST: "HTTPS_PROXY_REQUEST",
    Reason.TRUNCATED_MESSAGE: "LENGTH_MISMATCH",
    Reason.TRAILING_DATA: "LENGTH_MISMATCH",
    Reason.LENGTH_OUT_OF_RANGE: "BAD_LENGTH",
    Reason.INVALID_CERTIFICATE_ENCODING: "CERT_LENGTH_MISMATCH",
    Reason.UNKNOWN_CONTENT_TYPE: "UNEXPECTED_RECORD",
    Reason.RECORD_OVERFLOW: "PACKET_LENGTH_TOO_LONG",
    Reason.BAD_RECORD_MAC: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    Reason.NO_CONTENT_TYPE: "BAD_RECORD_TYPE",
    Reason.UNPROTECTED_RECORD: "BAD_RECORD_TYPE",
    Reason.UNEXPECTED_CHANGE_CIPHER_SPEC: "UNEXPECTED_CCS_MESSAGE",
    Reason.INTERLEAVED_HANDSHAKE: "UNEXPECTED_RECORD",
    Reason.KEY_CHANGE_NOT_ALIGNED: "NOT_ON_RECORD_BOUNDARY",
    Reason.UNEXPECTED_APPLICATION_DATA: "UNEXPECTED_MESSAGE",
    Reason.DATA_AFTER_CLOSE_NOTIFY: "APPLICATION_DATA_AFTER_CLOSE_NOTIFY",
    Reason.TOO_MANY_EMPTY_RECORDS: "RECORD_TOO_SMALL",
    Reason.TOO_MANY_WARNING_ALERTS: "TOO_MANY_WARN_ALERTS",
    Reason.HANDSHAKE_MESSAGE_TOO_LARGE: "EXCESSIVE_MESSAGE_SIZE",
    Reason.UNSUPPORTED_VERSION: "UNSUPPORTED_PROTOCOL",
    Reason.NO_COMMON_CIPHER_SUITE: "NO_SHARED_CIPHER",
    Reason.NO_COMMON_GROUP: "NO_SUITABLE_KEY_SHARE",
    Reason.NO_COMMON_SIGNATURE_SCHEME: "NO_SUITABLE_SIGNATURE_ALGORITHM",
    Reason.NO_COMMON_PRE_SHARED_KEY: "NO_SUITABLE_SIGNATURE_ALGORITHM",
    Reason.NO_COMMON_APPLICATION_PROTOCOL: "NO_APPLICATION_PROTOCOL",
    Reason.UNSOLICITED_EXTENSION: "UNSOLICITED_EXTENSION",
    Reason.EXTENSION_NOT_ALLOWED: "BAD_EXTENSION",
    Reason.DUPLICATE_EXTENSION: "BAD_EXTENSION",
    Reason.CIPHER_SUITE_NOT_OFFERED: "WRONG_CIPHER_RETURNED",
    Reason.DOWNGRADE_DETECTED: "INAPPROPRIATE_FALLBACK",
    Reason.RENEGOTIATION_REFUSED: "NO_RENEGOTIATION",
    Reason.RENEGOTIATION_INFO_MISMATCH: "RENEGOTIATION_MISMATCH",
    Reason.NO_SECURE_RENEGOTIATION: "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
    Reason.NO_UNCOMPRESSED_POINTS: "TLS_INVALID_ECPOINTFORMAT_LIST",
    Reason.CURVE_NOT_NAMED: "WRONG_CURVE",
    Reason.CERTIFICATE_CURVE_NOT_OFFERED: "WRONG_CURVE",
    Reason.CERTIFICATE_DOES_NOT_FIT_SUITE: "WRONG_CERTIFICATE_TYPE",
    Reason.INVALID_KEY_SHARE: "BAD_KEY_SHARE",
    Reason.KEY_SHARE_NOT_OFFERED: "BAD_KEY_SHARE",
    Reason.ALL_ZERO_SHARED_SECRET: "BAD_KEY_SHARE",
    Reason.SIGNATURE_SCHEME_NOT_OFFERED: "WRONG_SIGNATURE_TYPE",
    Reason.SIGNATURE_SCHEME_MISMATCH: "WRONG_SIGNATURE_TYPE",
    Reason.INVALID_CONFIGURATION: "INVALID_CONFIG",
    Reason.BAD_FINISHED: "DIGEST_CHECK_FAILED",
    Reason.UNKNOWN_PSK_IDENTITY: "PSK_IDENTITY_NOT_FOUND",
    Reason.NO_CIPHER_SUITE_LEFT: "NO_CIPHERS_AVAILABLE",
    Reason.SESSION_SUITE_CHANGED: "OLD_SESSION_CIPHER_NOT_RETURNED",
    Reason.EXTENDED_MAIN_SECRET_DROPPED: "INCONSISTENT_EXTMS",
    Reason.NO_CERTIFICATE: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    Reason.CLIENT_CERTIFICATE_MISSING: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    Reason.CERTIFICATE_REQUIRED: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    Reason.UNSUPPORTED_CERTIFICATE_KEY: "UNKNOWN_CERTIFICATE_TYPE",
    Reason.KEY_USAGE_FORBIDS_SIGNING: "KEY_USAGE_BIT_INCORRECT",
    Reason.INTERNAL: "INTERNAL_ERROR",
    Reason.CONNECTION_CLOSED: "PROTOCOL_IS_SHUTDOWN",
    Reason.USER_CANCELED: "CALLBACK_FAILED",
}

# The mixture of prefixes is OpenSSL's, by the version that brought each alert.
_ALERT_REASONS = {
    10: "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    20: "SSLV3_ALERT_BAD_RECORD_MAC",
    21: "TLSV1_ALERT_DECRYPTION_FAILED",
    22: "TLSV1_ALERT_RECORD_OVERFLOW",
    30: "SSLV3_ALERT_DECOMPRESSION_FAILURE",
    40: "SSLV3_ALERT_HANDSHAKE_FAILURE",
    41: "SSLV3_ALERT_NO_CERTIFICATE",
    42: "SSLV3_ALERT_BAD_CERTIFICATE",
    43: "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    44: "SSLV3_ALERT_CERTIFICATE_REVOKED",
    45: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    46: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    47: "SSLV3_ALERT_ILLEGAL_PARAMETER",
    48: "TLSV1_ALERT_UNKNOWN_CA",
    49: "TLSV1_ALERT_ACCESS_DENIED",
    50: "TLSV1_ALERT_DECODE_ERROR",
    51: "TLSV1_ALERT_DECRYPT_ERROR",
    60: "TLSV1_ALERT_EXPORT_RESTRICTION",
    70: "TLSV1_ALERT_PROTOCOL_VERSION",
    71: "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    80: "TLSV1_ALERT_INTERNAL_ERROR",
    86: "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
    90: "TLSV1_ALERT_USER_CANCELLED",
    100: "TLSV1_ALERT_NO_RENEGOTIATION",
    109: "TLSV13_ALERT_MISSING_EXTENSION",
    110: "TLSV1_UNSUPPORTED_EXTENSION",
    111: "TLSV1_CERTIFICATE_UNOBTAINABLE",
    112: "TLSV1_UNRECOGNIZED_NAME",
    113: "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
    114: "TLSV1_BAD_CERTIFICATE_HASH_VALUE",
    115: "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
    116: "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    120: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}

_VERIFY_CODES = {
    CertificateReason.UNKNOWN_ISSUER: 20,
    CertificateReason.SELF_SIGNED_LEAF: 18,
    CertificateReason.SELF_SIGNED_IN_CHAIN: 19,
    CertificateReason.EXPIRED: 10,
    CertificateReason.NOT_YET_VALID: 9,
    CertificateReason.HOSTNAME_MISMATCH: 62,
    CertificateReason.IP_ADDRESS_MISMATCH: 64,
    CertificateReason.INVALID_PURPOSE: 26,
    CertificateReason.INVALID_CA: 79,
    CertificateReason.PATH_TOO_LONG: 25,
    CertificateReason.BAD_SIGNATURE: 7,
    CertificateReason.WEAK_KEY: 66,
    CertificateReason.WEAK_SIGNATURE: 68,
    CertificateReason.NAME_CONSTRAINT: 47,
    CertificateReason.UNHANDLED_CRITICAL_EXTENSION: 34,
    CertificateReason.REVOKED: 23,
    CertificateReason.DISTRUSTED: 28,
}
"""Where a rejection brings no number of its own, as one by an application does."""

_NAME_MISMATCHES = (CertificateReason.HOSTNAME_MISMATCH, CertificateReason.IP_ADDRESS_MISMATCH)


def ssl_error(reason: str | None, detail: str = "", *, library: str | None = "SSL", number: int = 1) -> SSLError:
    """An `ssl.SSLError` with the attributes that `_ssl` gives it, and its form of text."""
    error = SSLError(number, _text(library, reason, detail))
    error.library = library  # type: ignore[assignment]  # typeshed forgets that it may be None
    error.reason = reason  # type: ignore[assignment]
    return error


def translate(error: BaseException, server_name: str | None = None) -> BaseException:
    """The exception of `ssl` for `error`; what is no error of ours is returned as it is.

    `server_name` is the name that was checked, for the sentence about it.
    """
    if isinstance(error, CertificateRejected):
        return _verification_error(error, server_name)
    if isinstance(error, AlertReceived):
        return ssl_error(_ALERT_REASONS.get(error.description, f"ALERT_NUMBER_{error.description}"))
    if isinstance(error, Truncated):
        return _eof_error()
    if isinstance(error, ApiMisuse) and error.reason is Reason.HANDSHAKE_NOT_DONE:
        return ValueError("handshake not done yet")
    if isinstance(error, TLSError) and error.reason is Reason.HANDSHAKE_TIMED_OUT:
        return TimeoutError(f"The handshake operation timed out: {error}")
    if isinstance(error, TLSError):
        reason = _OPENSSL_REASONS.get(error.reason, error.reason.name)
        return ssl_error(reason, str(error))
    if isinstance(error, BufferError):
        return TypeError(f"a read-write bytes-like object is needed: {error}")
    return error


def translate_load_error(error: PkiError) -> BaseException:
    """The exception for a key, certificate or trust file that cannot be used; the text names it and the remedy."""
    if isinstance(error, OSError):
        return error  # with errno and filename: `except FileNotFoundError` and its like find it
    if isinstance(error, KeyMismatch):
        return ssl_error("KEY_VALUES_MISMATCH", str(error), library="X509", number=116)
    text = str(error)
    failure = SSLError(9, f"[SSL] PEM lib: {text} (tlsocket)" if isinstance(error, LoadError) else f"{text} (tlsocket)")
    failure.library = "SSL"
    failure.reason = None  # type: ignore[assignment]
    return failure


# The two that are raised all the time.
_WANT_READ = (SSLErrorNumber.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
_WANT_WRITE = (SSLErrorNumber.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")

CLOSED_BOTH_WAYS = (SSLErrorNumber.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF) (tlsocket)")
"""What `ssl` raises when a program reads on after its own close_notify and the peer's comes; before, it reads b""."""


def raise_outcome(outcome: int, last_errno: int, operation: str) -> NoReturn:
    """Raise what a negative outcome of the record layer means to a caller of `ssl`.

    `operation` is "read", "write" or "handshake" for the text of a timeout. CLOSED stands for a write after our own
    close_notify; the readers answer the peer's with b"" and do not come here.
    """
    if outcome == WANT_READ:
        raise SSLWantReadError(*_WANT_READ)
    if outcome == WANT_WRITE:
        raise SSLWantWriteError(*_WANT_WRITE)
    if outcome == TIMED_OUT:
        raise TimeoutError(f"The {operation} operation timed out")
    if outcome == TRUNCATED:
        raise _eof_error()
    if outcome == SYSTEM_ERROR:
        raise OSError(last_errno, os.strerror(last_errno))
    if outcome == BAD_LENGTH:
        raise ssl_error("BAD_LENGTH", "a retried send must offer at least what the one that would block offered")
    if outcome == CLOSED:
        raise ssl_error("PROTOCOL_IS_SHUTDOWN", "close_notify was sent: nothing may follow it")
    raise ssl_error("INTERNAL_ERROR", f"outcome {outcome} of the record layer during a {operation}")


def _eof_error() -> SSLEOFError:
    text = "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (tlsocket)"
    error = SSLEOFError(SSLErrorNumber.SSL_ERROR_EOF, text)
    error.library = "SSL"
    error.reason = "UNEXPECTED_EOF_WHILE_READING"
    return error


def _verification_error(error: CertificateRejected, server_name: str | None) -> SSLCertVerificationError:
    code = error.verify_code or _VERIFY_CODES.get(error.certificate_reason, 1)
    if code == 66 and error.depth > 0:
        code = 67
    message = verify_message(code)
    if error.certificate_reason in _NAME_MISMATCHES and server_name is not None:
        message = f"{message}, certificate is not valid for {server_name!r}."
    where = f"certificate {error.depth} of the chain" + (f", {error.subject}" if error.subject else "")
    more = "; ".join(part for part in (f"{where}: {error.detail}", error.hint) if part)
    failure = SSLCertVerificationError(
        1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {message} ({more}) (tlsocket)"
    )
    failure.library = "SSL"
    failure.reason = "CERTIFICATE_VERIFY_FAILED"
    failure.verify_code = code
    failure.verify_message = message
    # Beyond `ssl`: what the peer sent, where in it the problem is, and the remedy.
    vars(failure).update(chain=error.chain, depth=error.depth, hint=error.hint)
    return failure


def _text(library: str | None, reason: str | None, detail: str) -> str:
    words = reason.lower().replace("_", " ") if reason else ""
    sentence = ": ".join(part for part in (words, detail) if part)
    prefix = f"[{library}: {reason}] " if library and reason else f"[{library}] " if library else ""
    return f"{prefix}{sentence} (tlsocket)"


class _Raises:
    """A callback of a weak reference: what that raises is shown by the interpreter, since nobody can catch it."""

    def __init__(self, error: BaseException, where: str) -> None:
        self._error = error
        self._where = where

    def __call__(self, _: object) -> None:
        raise self._error

    def __repr__(self) -> str:
        return self._where


class _Nobody:
    """Somebody to refer to."""


def show_unraisable(error: BaseException, subject: object, what: str) -> None:
    """Show an exception that no caller can be given, as `ssl` does with those of its callbacks (`sys.unraisablehook`).

    The interpreter does it: its own hook takes only an object that Python code cannot make.
    """
    nobody = _Nobody()
    reference = weakref.ref(nobody, _Raises(error, f"{what} {subject!r}"))
    del nobody, reference
