"""When two names are the same name (RFC 5280 section 7.1): keys that are equal exactly then.

Strings are prepared as RFC 4518 section 2 says: characters that mean nothing are dropped, every space is a space, case
is folded, compatibility forms are unified (NFKC), spaces at the ends go and several become one; the kind of string
does not count. The members of a relative name have no order, the relative names have one. What is no character string
is compared as bytes. OpenSSL folds ASCII only, so that it tells `É` from `é` where the RFC, and we, do not.

A key is `bytes`: the relative names one after the other in a canonical encoding. Hence a name lies within a subtree
(RFC 5280 section 4.2.1.10) exactly when its key starts with the subtree's. Keys are on the path of every verification,
so they are memoised on the name's DER.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from tlsocket.pki import der
from tlsocket.pki.names.encoding import MAXIMUM_NAME_LENGTH, NameEncodingError, attribute_value

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["is_self_issued", "is_within", "issuer_and_subject", "name_key", "normalized", "normalized_der", "prepare"]

_SET = 0x31
_UTF8_STRING = 0x0C
_OBJECT_IDENTIFIER = 0x06

# Of the names in one process's certificates, most are seen again and again. A name from a peer takes a place only when
# it is of ordinary size, so that the memo stays below some 2 MB whatever is sent.
_MEMO_SIZE = 1024
_MEMO_LONGEST = 1024

# RFC 4518 section 2.2: mapped to nothing, and mapped to a space.
_DROPPED = (
    "[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u034f\u06dd\u070f\u1806\u180b-\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u2063\u206a-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffc\U0001d173-\U0001d17a\U000e0001"
    "\U000e0020-\U000e007f]"
)
_SPACES = "[\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Both, compiled when the first name comes that is not ASCII: many a process meets none."""
    return re.compile(_DROPPED), re.compile(_SPACES)



def normalized(name: x509.Name) -> bytes:
    """The key of a name of `cryptography`. Raises `NameEncodingError` when it cannot be encoded."""
    try:
        return normalized_der(name.public_bytes())
    except (ValueError, TypeError) as error:
        if isinstance(error, NameEncodingError):
            raise
        raise NameEncodingError("the name cannot be encoded") from None


def normalized_der(data: bytes) -> bytes:
    """The key of a DER `Name`. Raises `NameEncodingError`."""
    if len(data) <= _MEMO_LONGEST:
        return _memoised(data)
    if len(data) > MAXIMUM_NAME_LENGTH:
        raise NameEncodingError("the name is larger than any name can be")
    return _key(data)


def name_key(data: bytes) -> bytes:
    """The key of a DER `Name` that a stranger wrote: bytes that are no name equal only themselves."""
    try:
        return normalized_der(data)
    except NameEncodingError:
        return b"\0" + data


def is_self_issued(certificate: bytes) -> bool:
    """Whether issuer and subject of a DER certificate are the same name (RFC 5280 section 3.2)."""
    try:
        issuer, subject = issuer_and_subject(certificate)
    except NameEncodingError:
        return False
    return issuer == subject or name_key(issuer) == name_key(subject)


def is_within(key: bytes, base: bytes) -> bool:
    """True when the name with `key` is that with the key `base`, or lies below it (RFC 5280 section 7.1)."""
    return key.startswith(base)


def issuer_and_subject(certificate: bytes) -> tuple[bytes, bytes]:
    """The DER of both names of a DER certificate, cut out without parsing the rest. Raises `NameEncodingError`."""
    try:
        position = _content(certificate, _content(certificate, 0))
        if certificate[position] == 0xA0:  # version
            position = _end(certificate, position)
        issuer = _end(certificate, _end(certificate, position))  # behind serialNumber and signature
        validity = _end(certificate, issuer)
        subject = _end(certificate, validity)
        end = _end(certificate, subject)
    except IndexError:
        raise NameEncodingError("the certificate ends before its names do") from None
    if end > len(certificate) or certificate[issuer] != 0x30 or certificate[subject] != 0x30:
        raise NameEncodingError("the certificate has no names where they must be")
    return certificate[issuer:validity], certificate[subject:end]


def prepare(text: str) -> str:
    """`text` as it is compared (RFC 4518 section 2). Preparing twice changes nothing."""
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())
    import unicodedata

    dropped, spaces = _patterns()
    text = spaces.sub(" ", dropped.sub("", text))
    # Folding and NFKC in turns until nothing changes: what table B.2 of RFC 3454 gives in one step, and for the
    # characters of a newer Unicode too. Two rounds do; the third proves it.
    for _ in range(3):
        folded = unicodedata.normalize("NFKC", text.casefold())
        if folded == text:
            break
        # A compatibility form may hold a space or a character that is dropped.
        text = spaces.sub(" ", dropped.sub("", folded))
    return text.strip(" ")


def _key(data: bytes) -> bytes:
    try:
        tag, content, rest = der.split(data)
        if tag != der.SEQUENCE or rest:
            raise der.DerError("a name is one SEQUENCE")
        return b"".join([_rdn_key(rdn) for rdn in der.elements(content)])
    except der.DerError as error:
        raise NameEncodingError(f"the name is not DER: {error}") from None


_memoised = lru_cache(maxsize=_MEMO_SIZE)(_key)


def _rdn_key(data: bytes) -> bytes:
    tag, content, _ = der.split(data)
    members = der.elements(content)
    if tag != _SET or not members:
        raise der.DerError("a relative name is a SET of at least one attribute")
    if len(members) == 1:
        return der.encode(_SET, _attribute_key(members[0]))
    return der.encode(_SET, *sorted(map(_attribute_key, members)))


def _attribute_key(data: bytes) -> bytes:
    tag, content, _ = der.split(data)
    kind, _, value = der.split(content)
    if tag != der.SEQUENCE or kind != _OBJECT_IDENTIFIER:
        raise der.DerError("an attribute is an object identifier and a value")
    identifier = content[: len(content) - len(value)]
    text, string = attribute_value(value)
    if string:
        # Every kind of string becomes a UTF8String. One that could not be read keeps its bytes, which either have
        # another tag or are not UTF-8, so that the two cannot meet.
        value = der.encode(_UTF8_STRING, prepare(str(text)).encode())
    return der.encode(der.SEQUENCE, identifier, value)


def _content(data: bytes, position: int) -> int:
    """Where the content of the element at `position` starts."""
    length = data[position + 1]
    return position + 2 + (length & 0x7F if length & 0x80 else 0)


def _end(data: bytes, position: int) -> int:
    """Where the element at `position` ends."""
    length = data[position + 1]
    if length < 0x80:
        return position + 2 + length
    start = position + 2 + (length & 0x7F)
    return start + int.from_bytes(data[position + 2 : start], "big")
