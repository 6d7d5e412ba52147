"""PKCS #12 (RFC 7292): read with as many keys as are in it, written with friendly names and any number of keys.

`cryptography` reads the certificates and proves the password, for every algorithm that OpenSSL has; it knows one key
only and no attributes, so the bags are walked here as well, and what the walk does not understand is left as
`cryptography` saw it. Written are PBES2 with AES-256-CBC for keys and certificates and HMAC-SHA-256 over all, which
OpenSSL 1.1, Java 8u301 and Windows 10 1709 and everything newer read.
"""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der
from tlsocket.pki.errors import PasswordRequired, WrongContent, WrongPassword
from tlsocket.pki.formats import pbes2
from tlsocket.pki.formats.trusted import decode_oid, encode_oid
from tlsocket.pki.keys import PrivateKey, private_key_der

__all__ = ["ITERATIONS", "TRUSTED_BY_JAVA", "Bag", "is_pkcs12", "read_pkcs12", "write_pkcs12"]

ITERATIONS = 100_000
"""Rounds for what is written here: Java computes them once for each key and for the whole."""

_MAXIMUM_ITERATIONS = 5_000_000
"""More is refused before anything is computed: a file must not be able to hold a processor for minutes."""

_MAXIMUM_BAGS = 20_000
_MAXIMUM_NESTING = 4

_INTEGER, _OCTETS, _NULL, _SET = 0x02, 0x04, 0x05, 0x31
_BMP_STRING, _UTF8_STRING = 0x1E, 0x0C
_CONTEXT_0, _CONTEXT_0_PRIMITIVE = 0xA0, 0x80

_DATA = "1.2.840.113549.1.7.1"
_ENCRYPTED_DATA = "1.2.840.113549.1.7.6"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_KEY_BAG, _SHROUDED_KEY_BAG, _CERTIFICATE_BAG, _SAFE_BAG = (
    f"1.2.840.113549.1.12.10.1.{number}" for number in (1, 2, 3, 6)
)
_X509_CERTIFICATE = "1.2.840.113549.1.9.22.1"
_FRIENDLY_NAME, _LOCAL_KEY_ID = "1.2.840.113549.1.9.20", "1.2.840.113549.1.9.21"

TRUSTED_BY_JAVA = "2.16.840.1.113894.746875.1.1"
"""The attribute that makes a certificate a trusted entry for Java; its value is a set of extended key usages."""

ENTRY_METADATA = "2.25.279170331268190473260957403216529361587"
"""The attribute in which our stores keep what PKCS #12 has no place for: an identifier made from a UUID (X.667)."""


@dataclass(frozen=True, slots=True)
class Bag:
    """A certificate, a key, or both where they belong together."""

    certificate: x509.Certificate | None = None
    key: bytes | None = field(default=None, repr=False)
    """PKCS #8 in DER, usually encrypted: it is kept as it came, because decrypting many is slow by intention."""
    friendly_name: str = ""
    local_key_id: bytes = b""
    metadata: str = ""
    trusted_purposes: tuple[str, ...] | None = None
    """What Java trusts it for; None: not a trusted entry of Java's."""


def is_pkcs12(data: bytes) -> bool:
    """Whether `data` is a PFX: a sequence that begins with version 3."""
    try:
        tag, content, _ = der.split(data)
    except der.DerError:
        return False
    return tag == der.SEQUENCE and content.startswith(b"\x02\x01\x03\x30")


def read_pkcs12(data: bytes, password: bytes | None, source: str) -> list[Bag]:
    """Every certificate and key. Raises `WrongPassword`, `PasswordRequired` or `WrongContent`."""
    from cryptography.hazmat.primitives.serialization import pkcs12

    if _most_iterations(data) > _MAXIMUM_ITERATIONS:
        raise WrongContent(
            source,
            f"its password would have to be tried with more than {_MAXIMUM_ITERATIONS} rounds",
            "export it anew with fewer",
        )
    with warnings.catch_warnings():
        # Of serial numbers that RFC 5280 forbids, and of BER where DER is asked for, which old programs write.
        warnings.simplefilter("ignore")
        try:
            plain = pkcs12.load_pkcs12(data, password)
        except UnsupportedAlgorithm as error:
            raise WrongContent(source, f"it is encrypted in a way that is not supported ({error})", _ANEW) from None
        except PARSE_ERRORS as error:
            raise _refused(data, password, source, str(error)) from None
        seen: list[Bag] = []
        for entry in (plain.cert, *plain.additional_certs):
            if entry is not None:
                name = (entry.friendly_name or b"").decode("utf-8", "replace")
                seen.append(Bag(entry.certificate, friendly_name=name))
        try:
            walked = list(_walk(data, password))
        except (*PARSE_ERRORS, der.DerError, RecursionError):
            walked = []
    if isinstance(plain.key, get_args(PrivateKey)) and not any(bag.key for bag in walked):
        walked.append(Bag(key=private_key_der(plain.key, password or None)))
    # The walk knows attributes; what it could not open, the other knows.
    have = {bag.certificate for bag in walked if bag.certificate is not None}
    return [*(bag for bag in seen if bag.certificate not in have), *walked]


def write_pkcs12(bags: Sequence[Bag], password: bytes | None, *, iterations: int | None = None) -> bytes:
    """A PFX. Keys in `bags` are PKCS #8 in DER and go in as they are: encrypt them first (`keys.private_key_der`).

    Without a password the certificates are readable by all and nothing guards the file's integrity.
    """
    rounds = ITERATIONS if iterations is None else iterations
    keys = [_encode_bag(_SHROUDED_KEY_BAG, bag.key, bag) for bag in bags if bag.key is not None]
    certificates = [
        _encode_bag(
            _CERTIFICATE_BAG,
            _sequence(
                encode_oid(_X509_CERTIFICATE),
                _tagged(der.encode(_OCTETS, certificate_der(bag.certificate))),
            ),
            bag,
        )
        for bag in bags
        if bag.certificate is not None
    ]
    contents = []
    if certificates:
        safe = _sequence(*certificates)
        contents.append(_data(safe) if password is None else _encrypted_data(safe, password, rounds))
    if keys:
        contents.append(_data(_sequence(*keys)))
    authenticated = _sequence(*contents)
    parts = [der.encode_integer(3), _data(authenticated)]
    if password is not None:
        parts.append(_mac(authenticated, password, rounds))
    return _sequence(*parts)


_ANEW = "export it anew with current algorithms (openssl pkcs12 -export)"


def _refused(data: bytes, password: bytes | None, source: str, why: str) -> Exception:
    if "password" in why.lower() or "mac" in why.lower():
        if password is None:
            return PasswordRequired(source, "it is protected by a password and none was given", "give its password")
        return WrongPassword(source, "it does not open with this password", "check the password and try again")
    complete = is_pkcs12(data)
    problem = "its content cannot be parsed" if complete else "it is cut off, or not PKCS #12"
    return WrongContent(source, problem, "check that the file is complete, or export it anew")


# --- reading -----------------------------------------------------------------------------------------------------


def _walk(data: bytes, password: bytes | None) -> Iterator[Bag]:
    fields = der.elements(der.split(data)[1])
    authenticated = _content_data(fields[1])
    count = 0
    for content in der.elements(der.split(authenticated)[1]):
        kind = decode_oid(der.elements(der.split(content)[1])[0])
        if kind == _DATA:
            safe = _content_data(content)
        elif kind == _ENCRYPTED_DATA and password is not None:
            opened = _decrypt_content(content, password)
            if opened is None:
                continue
            safe = opened
        else:
            continue
        for bag in _bags(safe, 0):
            count += 1
            if count > _MAXIMUM_BAGS:
                raise der.DerError("too many bags")
            yield bag


def _bags(safe: bytes, depth: int) -> Iterator[Bag]:
    if depth > _MAXIMUM_NESTING:
        raise der.DerError("bags nested too deeply")
    for element in der.elements(der.split(safe)[1]):
        identifier, value, *attributes = der.elements(der.split(element)[1])
        kind = decode_oid(identifier)
        inner = der.split(value)[1]
        named = _attributes(attributes[0] if attributes else b"")
        if kind in (_KEY_BAG, _SHROUDED_KEY_BAG):
            yield Bag(key=inner, **named)
        elif kind == _CERTIFICATE_BAG:
            form, wrapped = der.elements(der.split(inner)[1])[:2]
            if decode_oid(form) == _X509_CERTIFICATE:
                certificate = x509.load_der_x509_certificate(der.split(der.split(wrapped)[1])[1])
                yield Bag(certificate, **named)
        elif kind == _SAFE_BAG:
            yield from _bags(inner, depth + 1)


def _attributes(element: bytes) -> dict[str, Any]:
    named: dict[str, Any] = {}
    if not element:
        return named
    for attribute in der.elements(der.split(element)[1]):
        identifier, values = der.elements(der.split(attribute)[1])[:2]
        kind = decode_oid(identifier)
        members = der.elements(der.split(values)[1])
        if kind == TRUSTED_BY_JAVA:
            named["trusted_purposes"] = tuple(decode_oid(member) for member in members)
        elif members:
            content = der.split(members[0])[1]
            if kind == _FRIENDLY_NAME:
                named["friendly_name"] = content.decode("utf-16-be", "replace")
            elif kind == _LOCAL_KEY_ID:
                named["local_key_id"] = content
            elif kind == ENTRY_METADATA:
                named["metadata"] = content.decode("utf-8", "replace")
    return named


def _content_data(content: bytes) -> bytes:
    """The octets in a ContentInfo of type data."""
    identifier, wrapped = der.elements(der.split(content)[1])[:2]
    if decode_oid(identifier) != _DATA:
        raise der.DerError("not data")
    tag, octets, _ = der.split(der.split(wrapped)[1])
    if tag != _OCTETS:
        raise der.DerError("not octets")
    return octets


def _decrypt_content(content: bytes, password: bytes) -> bytes | None:
    """The plaintext of an EncryptedData, or None when its algorithm is not PBES2 with AES."""
    encrypted_data = der.split(der.elements(der.split(content)[1])[1])[1]
    information = der.elements(der.split(encrypted_data)[1])[1]
    _, algorithm, wrapped = der.elements(der.split(information)[1])[:3]
    tag, encrypted, _ = der.split(wrapped)
    if tag != _CONTEXT_0_PRIMITIVE:
        return None
    return pbes2.decrypt(algorithm, encrypted, password)


def _most_iterations(data: bytes) -> int:
    """The largest number of rounds that the file asks for anywhere: of all INTEGERs beside a salt.

    A walk over the outer structure without decrypting: any INTEGER that directly follows an OCTET STRING.
    """
    most = 1
    stack = [(data, 0)]
    visited = 0
    while stack:
        content, depth = stack.pop()
        try:
            parts = der.elements(content)
        except der.DerError:
            continue
        previous = 0
        for part in parts:
            visited += 1
            if visited > 50 * _MAXIMUM_BAGS:
                return _MAXIMUM_ITERATIONS + 1
            tag, inner, _ = der.split(part)
            if tag == _INTEGER and previous == _OCTETS:
                most = max(most, int.from_bytes(inner, "big"))
            previous = tag
            if depth < 24 and (tag & 0x20 or (tag == _OCTETS and inner[:1] in (b"\x30", b"\x04"))):
                stack.append((inner, depth + 1))
    return most


# --- writing -----------------------------------------------------------------------------------------------------


def _encode_bag(kind: str, value: bytes, bag: Bag) -> bytes:
    parts = [encode_oid(kind), _tagged(value)]
    attributes = []
    if bag.friendly_name:
        attributes.append(_attribute(_FRIENDLY_NAME, der.encode(_BMP_STRING, _utf16(bag.friendly_name))))
    if bag.local_key_id:
        attributes.append(_attribute(_LOCAL_KEY_ID, der.encode(_OCTETS, bag.local_key_id)))
    if kind == _CERTIFICATE_BAG:
        if bag.trusted_purposes is not None:
            attributes.append(_attribute(TRUSTED_BY_JAVA, *map(encode_oid, bag.trusted_purposes)))
        if bag.metadata:
            attributes.append(_attribute(ENTRY_METADATA, der.encode(_UTF8_STRING, bag.metadata.encode())))
    if attributes:
        parts.append(der.encode(_SET, *sorted(attributes)))
    return _sequence(*parts)


def _attribute(identifier: str, *values: bytes) -> bytes:
    return _sequence(encode_oid(identifier), der.encode(_SET, *sorted(values)))


def _encrypted_data(plain: bytes, password: bytes, iterations: int) -> bytes:
    algorithm, encrypted = pbes2.encrypt(plain, password, iterations)
    information = _sequence(encode_oid(_DATA), algorithm, der.encode(_CONTEXT_0_PRIMITIVE, encrypted))
    return _sequence(encode_oid(_ENCRYPTED_DATA), _tagged(_sequence(der.encode_integer(0), information)))


def _mac(content: bytes, password: bytes, iterations: int) -> bytes:
    salt = random_bytes(16)
    key = _derive_mac_key(password, salt, iterations)
    digest = hmac.digest(key, content, "sha256")
    algorithm = _sequence(encode_oid(_SHA256), der.encode(_NULL))
    count = der.encode_integer(iterations) if iterations > 1 else b""  # DEFAULT 1: DER leaves it out
    return _sequence(_sequence(algorithm, der.encode(_OCTETS, digest)), der.encode(_OCTETS, salt), count)


def _derive_mac_key(password: bytes, salt: bytes, iterations: int) -> bytes:
    """RFC 7292 appendix B.2 with SHA-256 for a key of its own length, so that one block is all that is needed."""
    import hashlib

    block = 64
    secret = _utf16(password.decode("utf-8", "surrogateescape")) + b"\0\0"
    state = b"\x03" * block + _filled(salt, block) + _filled(secret, block)
    for _ in range(iterations):
        state = hashlib.sha256(state).digest()
    return state


def _filled(data: bytes, block: int) -> bytes:
    length = block * -(-len(data) // block)
    return (data * (length // len(data) + 1))[:length] if data else b""


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, *parts)


def _tagged(*parts: bytes) -> bytes:
    return der.encode(_CONTEXT_0, *parts)


def _data(content: bytes) -> bytes:
    return _sequence(encode_oid(_DATA), _tagged(der.encode(_OCTETS, content)))
