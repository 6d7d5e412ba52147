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
from typing import Any

from tlsocket.dropin.context import SSLContext
from tlsocket.dropin.session import SSLSession
from tlsocket.dropin.sslobject import MemoryBIO, SSLObject

__all__ = ["PRIVATE_NAMES", "private"]

_ALIASES = (
    "_ASN1Object", "_DEFAULT_CIPHERS", "_OPENSSL_API_VERSION", "_PROTOCOL_NAMES", "_RESTRICTED_SERVER_CIPHERS",
    "_SSLMethod", "_TLSAlertType", "_TLSContentType", "_TLSMessageType", "_dnsname_match", "_inet_paton",
    "_ipaddress_match", "_nid2obj", "_socket", "_txt2obj",
)  # fmt: skip
_LEAKED = {module.__name__: module for module in (base64, errno, os, sys, warnings)} | {"namedtuple": namedtuple}
_OURS = {"SSLSession": SSLSession, "_SSLContext": SSLContext, "_SSLSocket": SSLObject, "MemoryBIO": MemoryBIO}

PRIVATE_NAMES = frozenset((*_ALIASES, *_LEAKED, "_SSLContext", "_ssl"))
"""What `private` may know; an older Python may lack some."""


def private(name: str) -> Any:
    """The value of `ssl`'s private `name`; AttributeError where the running interpreter has none."""
    if name == "_ssl":
        return _stand_in()
    if name == "_SSLContext":
        return SSLContext
    if name in _LEAKED:
        return _LEAKED[name]
    return getattr(_stdlib, name)


def _stand_in() -> types.ModuleType:
    module = types.ModuleType("_ssl", "tlsocket in the place of OpenSSL's binding")
    theirs = _stdlib._ssl  # type: ignore[attr-defined]
    constants = {name: value for name, value in vars(theirs).items() if not name.startswith("__")}
    module.__dict__.update({**constants, **_OURS, "_test_decode_cert": _test_decode_cert})
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
