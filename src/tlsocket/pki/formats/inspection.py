"""What is in a file, whatever it is: certificates, requests, revocation lists, keys, OCSP responses, one after another.

For looking only: nothing is joined, nothing is believed, and a damaged part does not hide the others. Programs that
want certificates and keys use `reading`.
"""

from __future__ import annotations

import base64
import binascii
import enum
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.utils import CryptographyDeprecationWarning

from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS
from tlsocket.pki.errors import LoadError, PasswordRequired, UnsupportedKey, WrongContent, WrongPassword
from tlsocket.pki.formats.pkcs12 import is_pkcs12
from tlsocket.pki.formats.reading import MAXIMUM_ITEMS, pem_blocks, read_contents
from tlsocket.pki.keys import Password, load_private_key
from tlsocket.pki.requests import CertificateRequest

__all__ = ["Finding", "Kind", "inspect"]

_READ_BY_CONTENTS = (
    b"CERTIFICATE",
    b"X509 CERTIFICATE",
    b"TRUSTED CERTIFICATE",
    b"PKCS7",
    b"PKCS #7 SIGNED DATA",
    b"CMS",
)
_REQUESTS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
_LISTS = (b"X509 CRL", b"CRL")


class Kind(enum.Enum):
    """What a part of a file is; the value is for people."""

    CERTIFICATE = "certificate"
    REQUEST = "request"
    REVOCATION_LIST = "revocation list"
    PRIVATE_KEY = "private key"
    PUBLIC_KEY = "public key"
    OCSP_RESPONSE = "OCSP response"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a file."""

    kind: Kind
    value: Any = field(default=None, repr=False)
    """A certificate, `CertificateRequest`, list or OCSP response of `cryptography`; of a key its public half, or None
    where it is encrypted and there is no password."""
    friendly_name: str = ""
    has_private_key: bool = False
    """Of a certificate in a container: whether its key is beside it."""
    problem: str = ""
    """Why it cannot be read."""


def inspect(data: bytes, source: str, password: Password = None) -> tuple[Finding, ...]:
    """The parts of a file in their order. Raises `WrongContent` when there is none, and what a password can raise."""
    with warnings.catch_warnings():
        # Roots with a serial number of zero exist (RFC 5280 section 4.1.2.2 forbids them).
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        found = tuple(_inspect(data, source, password))
    if not found:
        remedy = "give a certificate, request, revocation list, key, PKCS #7 or PKCS #12 in PEM or DER"
        problem = "neither PEM nor DER" if data.strip() else "the file is empty"
        raise WrongContent(source, problem, remedy)
    return found


def _inspect(data: bytes, source: str, password: Password) -> Iterator[Finding]:
    if data[:1] == b"\x30":
        yield from _inspect_der(data, source, password)
    elif b"-----BEGIN " in data:
        for number, (label, body, whole) in enumerate(pem_blocks(data), 1):
            if number > MAXIMUM_ITEMS:
                return
            yield from _inspect_block(number, label, body, whole, source, password)
    else:
        # Base64 without header lines is what some authorities' web pages hand out.
        try:
            decoded = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error:
            return
        if decoded[:1] == b"\x30":
            yield from _inspect_der(decoded, source, password)


def _inspect_block(
    number: int, label: bytes, body: bytes, whole: bytes, source: str, password: Password
) -> Iterator[Finding]:
    name = label.decode("ascii", "replace").lower()
    try:
        if not whole:
            yield Finding(Kind.UNREADABLE, problem=f"block number {number} ({name}) is cut off")
        elif label.endswith(b"PRIVATE KEY"):
            yield _private_key(whole, source, password)
        elif label in _READ_BY_CONTENTS:
            yield from _contents(whole, source, None)
        elif label in _REQUESTS:
            yield Finding(Kind.REQUEST, CertificateRequest.load(whole))
        elif label in _LISTS:
            yield Finding(Kind.REVOCATION_LIST, x509.load_der_x509_crl(base64.b64decode(b"".join(body.split()))))
        elif label == b"PUBLIC KEY":
            yield Finding(Kind.PUBLIC_KEY, serialization.load_pem_public_key(whole))
        else:
            yield Finding(Kind.UNREADABLE, problem=f"block number {number} is of a kind that is not shown: {name}")
    except PARSE_ERRORS:
        yield Finding(Kind.UNREADABLE, problem=f"block number {number} ({name}) cannot be parsed")


def _inspect_der(data: bytes, source: str, password: Password) -> Iterator[Finding]:
    if is_pkcs12(data):
        yield from _contents(data, source, password)
        return
    for load in (_request, _list, _ocsp, _public_key):
        try:
            yield load(data)
        except PARSE_ERRORS:
            continue
        return
    if _is_private_key(data):
        yield _private_key(data, source, password)
        return
    yield from _contents(data, source, None)


def _contents(data: bytes, source: str, password: Password) -> Iterator[Finding]:
    """Certificates in any form, and the keys of a PKCS #12."""
    try:
        contents = read_contents(data, password, keys=is_pkcs12(data))
    except WrongContent as error:
        yield Finding(Kind.UNREADABLE, problem=_without_source(error))
        return
    except LoadError as error:
        # The bytes have no name; the file does.
        raise type(error)(source, _without_source(error), error.remedy) from None
    for item in contents.items:
        yield Finding(Kind.CERTIFICATE, item.certificate, item.friendly_name, item.key is not None)
    for key in contents.keys:
        yield Finding(Kind.PRIVATE_KEY, key.public_key())
    for skipped in contents.skipped:
        yield Finding(Kind.UNREADABLE, problem=skipped.why)


def _private_key(data: bytes, source: str, password: Password) -> Finding:
    try:
        return Finding(Kind.PRIVATE_KEY, load_private_key(data, password).public_key())
    except PasswordRequired:
        return Finding(Kind.PRIVATE_KEY, problem="it is encrypted, and there is no password to look into it")
    except (UnsupportedKey, WrongContent) as error:
        return Finding(Kind.UNREADABLE, problem=_without_source(error))
    except WrongPassword as error:
        raise WrongPassword(source, _without_source(error), error.remedy) from None


def _without_source(error: LoadError) -> str:
    """The problem alone: the bytes have no name of their own."""
    return error.problem.removeprefix(f"{error.source}: ")


def _request(data: bytes) -> Finding:
    return Finding(Kind.REQUEST, CertificateRequest.load(data))


def _list(data: bytes) -> Finding:
    return Finding(Kind.REVOCATION_LIST, x509.load_der_x509_crl(data))


def _ocsp(data: bytes) -> Finding:
    from cryptography.x509 import ocsp

    return Finding(Kind.OCSP_RESPONSE, ocsp.load_der_ocsp_response(data))


def _public_key(data: bytes) -> Finding:
    return Finding(Kind.PUBLIC_KEY, serialization.load_der_public_key(data))


def _is_private_key(data: bytes) -> bool:
    """PKCS #8 and the older forms begin with a version; an encrypted key is an algorithm and an octet string."""
    try:
        parts = der.elements(der.split(data)[1])
    except der.DerError:
        return False
    return bool(parts) and (parts[0][:1] == b"\x02" or (len(parts) == 2 and parts[1][:1] == b"\x04"))
