"""The functions of the `ssl` module: default contexts, paths, DER and PEM, random bytes.

Those that only compute are the standard library's own. Not here: what a default context does (`context`), and the
platform's trust anchors (`tlsocket.pki.trust.anchors`).
"""

from __future__ import annotations

import os
import ssl as _stdlib
import sys
from socket import create_connection
from ssl import (
    PEM_FOOTER,
    PEM_HEADER,
    DefaultVerifyPaths,
    DER_cert_to_PEM_cert,
    PEM_cert_to_DER_cert,
    cert_time_to_seconds,
    get_protocol_name,
)
from typing import TYPE_CHECKING, Any

from tlsocket.crypto.randomness import random_bytes
from tlsocket.dropin import preferences as _preferences
from tlsocket.dropin.context import SSLContext
from tlsocket.dropin.enums import (
    CERT_NONE,
    CERT_REQUIRED,
    PROTOCOL_TLS_CLIENT,
    PROTOCOL_TLS_SERVER,
    VERIFY_X509_PARTIAL_CHAIN,
    VERIFY_X509_STRICT,
    Purpose,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath

__all__ = [
    "PEM_FOOTER",
    "PEM_HEADER",
    "DER_cert_to_PEM_cert",
    "DefaultVerifyPaths",
    "PEM_cert_to_DER_cert",
    "RAND_add",
    "RAND_bytes",
    "RAND_status",
    "cert_time_to_seconds",
    "create_connection",
    "create_default_context",
    "get_default_verify_paths",
    "get_protocol_name",
    "get_server_certificate",
    "get_sigalgs",
]


def create_default_context(
    purpose: Purpose = Purpose.SERVER_AUTH,
    *,
    cafile: StrOrBytesPath | None = None,
    capath: StrOrBytesPath | None = None,
    cadata: str | ReadableBuffer | None = None,
) -> SSLContext:
    """A context with safe settings: for a client that verifies servers, or (CLIENT_AUTH) for a server.

    Without `cafile`, `capath` and `cadata` a client trusts the platform's authorities. SSLKEYLOGFILE is honoured.
    """
    context = SSLContext(_protocol_for(purpose, None))
    if sys.version_info >= (3, 13):
        context.verify_flags |= VERIFY_X509_PARTIAL_CHAIN | VERIFY_X509_STRICT
    _load_trust(context, purpose, cafile, capath, cadata)
    _honour_key_log_variable(context)
    return context


def _create_unverified_context(
    protocol: int | None = None,
    *,
    cert_reqs: int | None = CERT_NONE,
    check_hostname: bool = False,
    purpose: Purpose = Purpose.SERVER_AUTH,
    certfile: Any = None,
    keyfile: Any = None,
    cafile: StrOrBytesPath | None = None,
    capath: StrOrBytesPath | None = None,
    cadata: str | ReadableBuffer | None = None,
) -> SSLContext:
    context = SSLContext(_protocol_for(purpose, protocol))
    context.check_hostname = check_hostname
    if cert_reqs is not None:
        context.verify_mode = cert_reqs
    if check_hostname:
        context.check_hostname = True
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    if certfile or keyfile:
        context.load_cert_chain(certfile, keyfile)
    _load_trust(context, purpose, cafile, capath, cadata)
    _honour_key_log_variable(context)
    return context


# Under these names the standard library's own modules look for the two.
_create_default_https_context = create_default_context
_create_stdlib_context = _create_unverified_context


def _protocol_for(purpose: Purpose, protocol: int | None) -> int:
    if not isinstance(purpose, Purpose):
        raise TypeError(purpose)
    if protocol is not None:
        return protocol
    return PROTOCOL_TLS_CLIENT if purpose is Purpose.SERVER_AUTH else PROTOCOL_TLS_SERVER


def _load_trust(context: SSLContext, purpose: Purpose, cafile: Any, capath: Any, cadata: Any) -> None:
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != CERT_NONE:
        context.load_default_certs(purpose)


def _honour_key_log_variable(context: SSLContext) -> None:
    path = os.environ.get("SSLKEYLOGFILE")
    if path and not sys.flags.ignore_environment:
        context.keylog_filename = path


def get_default_verify_paths() -> DefaultVerifyPaths:
    """Where the platform's authorities are: the environment's and OpenSSL's places, else the first known bundle."""
    paths = _stdlib.get_default_verify_paths()
    if paths.cafile:
        return paths
    from tlsocket.pki.trust.anchors import PLATFORM_FILES

    found = [path for path in PLATFORM_FILES if os.path.isfile(path)]
    return paths._replace(cafile=found[0]) if found else paths


def get_server_certificate(
    addr: tuple[str, int],
    ssl_version: int = PROTOCOL_TLS_CLIENT,
    ca_certs: StrOrBytesPath | None = None,
    timeout: float | object | None = ...,
) -> str:
    """The certificate of the server at `addr` in PEM; verified if `ca_certs` says against whom."""
    host, _ = addr
    context = _create_stdlib_context(
        ssl_version, cert_reqs=CERT_NONE if ca_certs is None else CERT_REQUIRED, cafile=ca_certs
    )
    limits = {} if timeout is ... else {"timeout": timeout}
    with create_connection(addr, **limits) as sock, context.wrap_socket(sock, server_hostname=host) as wrapped:  # type: ignore[arg-type]
        certificate = wrapped.getpeercert(True)
    if not isinstance(certificate, bytes):
        raise ValueError("the server sent no certificate")
    return DER_cert_to_PEM_cert(certificate)


def RAND_bytes(n: int, /) -> bytes:
    """`n` random bytes from the operating system."""
    if n < 0:
        raise ValueError("num must be positive")
    return random_bytes(n)


def RAND_add(string: str | ReadableBuffer, entropy: float, /) -> None:
    """No effect: the operating system's generator needs no help."""


def RAND_status() -> bool:
    """True: the operating system's generator is always seeded."""
    return True


def get_sigalgs() -> list[str]:
    """Names of the signature algorithms that `SSLContext.set_server_sigalgs` and `set_client_sigalgs` take."""
    return _preferences.scheme_names()
