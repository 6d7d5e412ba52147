"""tlsocket: a drop-in for the standard library's `ssl` sockets (RFC 9846). Re-exports only; no code belongs here.

`import tlsocket as ssl` brings every public name of `ssl`. What stands behind the names is imported when one is first
asked for, so that importing the package costs next to nothing.
"""

# ruff: noqa: F403, F405  (what the star brings is listed below, and a test compares the lists)

from __future__ import annotations

from importlib import import_module

from tlsocket._version import __version__

TYPE_CHECKING = False
"""As in `typing`, which takes as long to import as half of `ssl`; type checkers go by the name."""

if TYPE_CHECKING:
    from typing import Any

    from tlsocket.config import ClientAuthentication, ClientConfig, Credential, ServerConfig
    from tlsocket.connection import Connection
    from tlsocket.dropin import *
    from tlsocket.dropin.defaults import *
    from tlsocket.dropin.enums import *
    from tlsocket.dropin.installation import InstallReport, install, uninstall
    from tlsocket.dropin.openssl_version import *
    from tlsocket.errors import TLSError

__all__ = [
    "ALERT_DESCRIPTION_ACCESS_DENIED",
    "ALERT_DESCRIPTION_BAD_CERTIFICATE",
    "ALERT_DESCRIPTION_BAD_CERTIFICATE_HASH_VALUE",
    "ALERT_DESCRIPTION_BAD_CERTIFICATE_STATUS_RESPONSE",
    "ALERT_DESCRIPTION_BAD_RECORD_MAC",
    "ALERT_DESCRIPTION_CERTIFICATE_EXPIRED",
    "ALERT_DESCRIPTION_CERTIFICATE_REVOKED",
    "ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN",
    "ALERT_DESCRIPTION_CERTIFICATE_UNOBTAINABLE",
    "ALERT_DESCRIPTION_CLOSE_NOTIFY",
    "ALERT_DESCRIPTION_DECODE_ERROR",
    "ALERT_DESCRIPTION_DECOMPRESSION_FAILURE",
    "ALERT_DESCRIPTION_DECRYPT_ERROR",
    "ALERT_DESCRIPTION_HANDSHAKE_FAILURE",
    "ALERT_DESCRIPTION_ILLEGAL_PARAMETER",
    "ALERT_DESCRIPTION_INSUFFICIENT_SECURITY",
    "ALERT_DESCRIPTION_INTERNAL_ERROR",
    "ALERT_DESCRIPTION_NO_RENEGOTIATION",
    "ALERT_DESCRIPTION_PROTOCOL_VERSION",
    "ALERT_DESCRIPTION_RECORD_OVERFLOW",
    "ALERT_DESCRIPTION_UNEXPECTED_MESSAGE",
    "ALERT_DESCRIPTION_UNKNOWN_CA",
    "ALERT_DESCRIPTION_UNKNOWN_PSK_IDENTITY",
    "ALERT_DESCRIPTION_UNRECOGNIZED_NAME",
    "ALERT_DESCRIPTION_UNSUPPORTED_CERTIFICATE",
    "ALERT_DESCRIPTION_UNSUPPORTED_EXTENSION",
    "ALERT_DESCRIPTION_USER_CANCELLED",
    "AlertDescription",
    "CERT_NONE",
    "CERT_OPTIONAL",
    "CERT_REQUIRED",
    "CHANNEL_BINDING_TYPES",
    "CertificateError",
    "ClientAuthentication",
    "ClientConfig",
    "Connection",
    "Credential",
    "DER_cert_to_PEM_cert",
    "DefaultVerifyPaths",
    "HAS_ALPN",
    "HAS_ECDH",
    "HAS_NEVER_CHECK_COMMON_NAME",
    "HAS_NPN",
    "HAS_PHA",
    "HAS_PSK",
    "HAS_PSK_TLS13",
    "HAS_SNI",
    "HAS_SSLv2",
    "HAS_SSLv3",
    "HAS_TLSv1",
    "HAS_TLSv1_1",
    "HAS_TLSv1_2",
    "HAS_TLSv1_3",
    "InstallReport",
    "MemoryBIO",
    "OPENSSL_VERSION",
    "OPENSSL_VERSION_INFO",
    "OPENSSL_VERSION_NUMBER",
    "OP_ALL",
    "OP_CIPHER_SERVER_PREFERENCE",
    "OP_ENABLE_KTLS",
    "OP_ENABLE_MIDDLEBOX_COMPAT",
    "OP_IGNORE_UNEXPECTED_EOF",
    "OP_LEGACY_SERVER_CONNECT",
    "OP_NO_COMPRESSION",
    "OP_NO_RENEGOTIATION",
    "OP_NO_SSLv2",
    "OP_NO_SSLv3",
    "OP_NO_TICKET",
    "OP_NO_TLSv1",
    "OP_NO_TLSv1_1",
    "OP_NO_TLSv1_2",
    "OP_NO_TLSv1_3",
    "OP_SINGLE_DH_USE",
    "OP_SINGLE_ECDH_USE",
    "Options",
    "PEM_FOOTER",
    "PEM_HEADER",
    "PEM_cert_to_DER_cert",
    "PROTOCOL_SSLv23",
    "PROTOCOL_TLS",
    "PROTOCOL_TLS_CLIENT",
    "PROTOCOL_TLS_SERVER",
    "PROTOCOL_TLSv1",
    "PROTOCOL_TLSv1_1",
    "PROTOCOL_TLSv1_2",
    "Purpose",
    "RAND_add",
    "RAND_bytes",
    "RAND_status",
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SO_TYPE",
    "SSLCertVerificationError",
    "SSLContext",
    "SSLEOFError",
    "SSLError",
    "SSLErrorNumber",
    "SSLMethod",
    "SSLObject",
    "SSLSession",
    "SSLSocket",
    "SSLSyscallError",
    "SSLWantReadError",
    "SSLWantWriteError",
    "SSLZeroReturnError",
    "SSL_ERROR_EOF",
    "SSL_ERROR_INVALID_ERROR_CODE",
    "SSL_ERROR_SSL",
    "SSL_ERROR_SYSCALL",
    "SSL_ERROR_WANT_CONNECT",
    "SSL_ERROR_WANT_READ",
    "SSL_ERROR_WANT_WRITE",
    "SSL_ERROR_WANT_X509_LOOKUP",
    "SSL_ERROR_ZERO_RETURN",
    "ServerConfig",
    "TLSError",
    "TLSVersion",
    "VERIFY_ALLOW_PROXY_CERTS",
    "VERIFY_CRL_CHECK_CHAIN",
    "VERIFY_CRL_CHECK_LEAF",
    "VERIFY_DEFAULT",
    "VERIFY_X509_PARTIAL_CHAIN",
    "VERIFY_X509_STRICT",
    "VERIFY_X509_TRUSTED_FIRST",
    "VerifyFlags",
    "VerifyMode",
    "__version__",
    "cert_time_to_seconds",
    "create_connection",
    "create_default_context",
    "get_default_verify_paths",
    "get_protocol_name",
    "get_server_certificate",
    "get_sigalgs",
    "install",
    "socket",
    "socket_error",
    "uninstall",
]

_CORE = {
    "ClientAuthentication": "tlsocket.config",
    "ClientConfig": "tlsocket.config",
    "Connection": "tlsocket.connection",
    "Credential": "tlsocket.config",
    "InstallReport": "tlsocket.dropin.installation",
    "OPENSSL_VERSION": "tlsocket.dropin.openssl_version",
    "OPENSSL_VERSION_INFO": "tlsocket.dropin.openssl_version",
    "OPENSSL_VERSION_NUMBER": "tlsocket.dropin.openssl_version",
    "ServerConfig": "tlsocket.config",
    "TLSError": "tlsocket.errors",
    "install": "tlsocket.dropin.installation",
    "uninstall": "tlsocket.dropin.installation",
}
"""Names that are not in `tlsocket.dropin`, and the modules that have them."""

_PRIVATE = ("_create_default_https_context", "_create_stdlib_context", "_create_unverified_context")
"""Names of `ssl` with an underscore that the standard library's own modules use."""

_INTERNALS = frozenset(
    (
        "_ASN1Object", "_DEFAULT_CIPHERS", "_OPENSSL_API_VERSION", "_PROTOCOL_NAMES", "_RESTRICTED_SERVER_CIPHERS",
        "_SSLContext", "_SSLMethod", "_TLSAlertType", "_TLSContentType", "_TLSMessageType", "_dnsname_match",
        "_inet_paton", "_ipaddress_match", "_nid2obj", "_socket", "_ssl", "_txt2obj",
        "RAND_egd", "RAND_pseudo_bytes", "match_hostname", "wrap_socket",
        "base64", "errno", "namedtuple", "os", "sys", "warnings",
    )
)  # fmt: skip
"""Insides of `ssl`, what it imports, and what old versions had, which programs should not touch and do: where the
running interpreter's `ssl` has them, `tlsocket.dropin.private` has them too.
"""


def __getattr__(name: str) -> Any:
    if name in _INTERNALS:
        value = import_module("tlsocket.dropin.private").private(name)
    elif name in __all__ or name in _PRIVATE:
        value = getattr(import_module(_CORE.get(name, "tlsocket.dropin")), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
