"""Names of `ssl` with an underscore, and what it leaks of its own imports: none of them promised, all of them used.

What only computes or enumerates is the standard library's own. `_ssl` stands in for the module in C, as far as programs
look into that: its classes are ours here, so that nobody gets a connection of OpenSSL's by it. Not here: the two
underscored functions that make contexts (`defaults`).
"""

from __future__ import annotations

import base64 as base64
import errno as errno
import os as os
import ssl as _stdlib
import sys as sys
import types
import warnings as warnings
from collections import namedtuple as namedtuple
from typing import TYPE_CHECKING, Any

from tlsocket.dropin.context import SSLContext
from tlsocket.dropin.enums import CERT_NONE, PROTOCOL_TLS, VerifyMode
from tlsocket.dropin.session import SSLSession
from tlsocket.dropin.sslobject import MemoryBIO, SSLObject

if TYPE_CHECKING:
    from tlsocket.dropin.sslsocket import SSLSocket
    from tlsocket.dropin.view import ConnectionView

__all__ = ["Certificate", "Inner", "private"]

_LEAKED = {module.__name__: module for module in (base64, errno, os, sys, warnings)} | {"namedtuple": namedtuple}
_PEM, _DER = 1, 2
"""OpenSSL's numbers for the two forms: `_ssl.ENCODING_PEM` and `_ssl.ENCODING_DER`."""


def private(name: str) -> Any:
    """The value of `ssl`'s private `name`; AttributeError where the running interpreter has none."""
    if name == "_ssl":
        return _stand_in()
    if name == "_SSLContext":
        return SSLContext
    if name in _LEAKED:
        return _LEAKED[name]
    value = getattr(_stdlib, name)
    return _wrap_socket if name == "wrap_socket" else value


class Certificate:
    """A certificate as `SSLSocket._sslobj` hands it out, with the few methods that OpenSSL's binding gives it."""

    __slots__ = ("_der",)

    _der: bytes

    def __new__(cls, *args: Any, **kwargs: Any) -> Certificate:
        raise TypeError(f"cannot create '{__name__}.{cls.__name__}' instances")

    @classmethod
    def _create(cls, der: bytes) -> Certificate:
        self = object.__new__(cls)
        self._der = der
        return self

    def __eq__(self, other: object) -> bool:
        return self._der == other._der if type(other) is Certificate else NotImplemented

    def __hash__(self) -> int:
        return hash(self._der)

    def __repr__(self) -> str:
        from tlsocket.crypto.certificates import parse_certificate
        from tlsocket.pki.certificates import subject_text

        return f"<{type(self).__name__} {subject_text(parse_certificate(self._der))!r}>"

    def public_bytes(self, format: int = _PEM) -> str | bytes:
        """The certificate as PEM text, or as DER."""
        if format == _PEM:
            return _stdlib.DER_cert_to_PEM_cert(self._der)
        if format == _DER:
            return self._der
        raise ValueError("Unsupported format")

    def get_info(self) -> dict[str, Any]:
        """The dictionary of `getpeercert`."""
        from tlsocket.crypto.certificates import parse_certificate
        from tlsocket.pki.certificates import certificate_dict

        return certificate_dict(parse_certificate(self._der))


class Inner:
    """`SSLSocket._sslobj`: the same connection by another name, made when it is asked for."""

    __slots__ = ("owner",)

    def __init__(self, owner: ConnectionView) -> None:
        self.owner = owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.owner, name)

    @property
    def context(self) -> SSLContext:
        """The context in use."""
        return self.owner.context

    def get_verified_chain(self) -> list[Certificate]:
        """The path that was verified, leaf first."""
        return [Certificate._create(der) for der in self.owner.get_verified_chain()]

    def get_unverified_chain(self) -> list[Certificate]:
        """The certificates as the peer sent them."""
        return [Certificate._create(der) for der in self.owner.get_unverified_chain()]


def _wrap_socket(
    sock: Any, keyfile: Any = None, certfile: Any = None, server_side: bool = False, cert_reqs: int = CERT_NONE,
    ssl_version: int = PROTOCOL_TLS, ca_certs: Any = None, do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True, ciphers: str | None = None,
) -> SSLSocket:  # fmt: skip
    """What a module had before contexts, up to Python 3.11: verifies nothing unless told to."""
    text = "ssl.wrap_socket() is deprecated, use SSLContext.wrap_socket()"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    if not certfile and (server_side or keyfile):
        raise ValueError("certfile must be specified" + (" for server-side operations" if server_side else ""))
    context = SSLContext(ssl_version)
    context.verify_mode = VerifyMode(cert_reqs)
    if ca_certs:
        context.load_verify_locations(ca_certs)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    if ciphers:
        context.set_ciphers(ciphers)
    return context.wrap_socket(sock, server_side, do_handshake_on_connect, suppress_ragged_eofs)


def _stand_in() -> types.ModuleType:
    module = types.ModuleType("_ssl", "tlsocket in the place of OpenSSL's binding")
    theirs = _stdlib._ssl  # type: ignore[attr-defined]
    constants = {name: value for name, value in vars(theirs).items() if not name.startswith("__")}
    module.__dict__.update(constants)
    ours = (Certificate, MemoryBIO, SSLSession, _test_decode_cert)
    module.__dict__.update({each.__name__: each for each in ours}, _SSLContext=SSLContext, _SSLSocket=SSLObject)
    return module


def _test_decode_cert(path: str, /) -> dict[str, Any]:
    """The first certificate in a PEM file, as `getpeercert` shows it; this is how CPython tests that dictionary."""
    from tlsocket.crypto.certificates import parse_certificate
    from tlsocket.pki.certificates import certificate_dict

    with open(path, encoding="ascii", errors="replace") as file:
        text = file.read()
    start = text.find(_stdlib.PEM_HEADER)
    end = text.find(_stdlib.PEM_FOOTER, start)
    if start < 0 or end < 0:
        raise _stdlib.SSLError("Error decoding PEM-encoded file")
    der = _stdlib.PEM_cert_to_DER_cert(text[start : end + len(_stdlib.PEM_FOOTER)])
    return certificate_dict(parse_certificate(der))
