"""Comparison of distinguished names by RFC 5280 section 7.1, from their DER.

Two names are equal when their RDNs are, in order; an RDN is a set; strings compare without regard to case, to how
they are encoded, and to spaces at the ends or repeated (RFC 4518). Parsing and printing of names is not here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable
from functools import lru_cache
from typing import TypeAlias

from tlsocket.pki import der

__all__ = ["NameKey", "is_within", "name_key"]

NameKey: TypeAlias = tuple[frozenset[tuple[bytes, Hashable]], ...]

_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}


@lru_cache(maxsize=1024)
def name_key(name: bytes) -> NameKey:
    """What equal names have in common, for the DER of a Name. Bytes that are no Name equal only themselves."""
    try:
        content = der.split(name)[1]
        return tuple(
            frozenset(_attribute(item) for item in der.elements(der.split(rdn)[1])) for rdn in der.elements(content)
        )
    except der.DerError:
        return (frozenset({(b"", name)}),)


def is_within(name: NameKey, base: NameKey) -> bool:
    """Whether `name` is `base` or below it (RFC 5280 section 4.2.1.10, directoryName)."""
    return name[: len(base)] == base


def _attribute(item: bytes) -> tuple[bytes, Hashable]:
    _, kind, rest = der.split(der.split(item)[1])
    tag, value, _ = der.split(rest)
    encoding = _ENCODINGS.get(tag)
    if encoding is not None:
        try:
            return kind, _fold(value.decode(encoding))
        except UnicodeDecodeError:
            pass  # compared as bytes, like a type that is no string
    return kind, (tag, value)


def _fold(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())
