"""The face of `ssl`: the same names, signatures, exceptions and constants, over this library's connections.

`import tlsocket as ssl` is meant to be enough for a program written for `ssl`; `tlsocket` re-exports what is here.
Protocol, keys and certificates belong to the layers below.
"""

# ruff: noqa: F403  (some 150 constants, listed once, in the modules that define them)

from __future__ import annotations

from socket import SO_TYPE, SOCK_STREAM, SOL_SOCKET, socket

from tlsocket.dropin import defaults, enums
from tlsocket.dropin.context import SSLContext
from tlsocket.dropin.defaults import *
from tlsocket.dropin.defaults import (
    _create_default_https_context as _create_default_https_context,
)
from tlsocket.dropin.defaults import (
    _create_stdlib_context as _create_stdlib_context,
)
from tlsocket.dropin.defaults import (
    _create_unverified_context as _create_unverified_context,
)
from tlsocket.dropin.enums import *
from tlsocket.dropin.exceptions import (
    CertificateError,
    SSLCertVerificationError,
    SSLEOFError,
    SSLError,
    SSLSyscallError,
    SSLWantReadError,
    SSLWantWriteError,
    SSLZeroReturnError,
    socket_error,
)
from tlsocket.dropin.session import SSLSession
from tlsocket.dropin.sslobject import MemoryBIO, SSLObject
from tlsocket.dropin.sslsocket import SSLSocket

__all__ = [
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SO_TYPE",
    "CertificateError",
    "MemoryBIO",
    "SSLCertVerificationError",
    "SSLContext",
    "SSLEOFError",
    "SSLError",
    "SSLObject",
    "SSLSession",
    "SSLSocket",
    "SSLSyscallError",
    "SSLWantReadError",
    "SSLWantWriteError",
    "SSLZeroReturnError",
    "socket",
    "socket_error",
]
__all__ += defaults.__all__
__all__ += enums.__all__
