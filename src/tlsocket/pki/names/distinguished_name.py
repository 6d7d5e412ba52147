"""`DistinguishedName`: an X.500 name (RFC 5280 section 4.1.2.4) that is read, written, compared and handed on.

The work is done by the modules beside it: `parsing`, `printing`, `encoding`, `comparison`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cryptography import x509

from tlsocket.pki import der
from tlsocket.pki.names.attributes import Dialect, NameSyntaxError, keyword_oid, limit_problem
from tlsocket.pki.names.comparison import is_within, normalized_der
from tlsocket.pki.names.encoding import (
    MAXIMUM_NAME_LENGTH,
    Attribute,
    NameEncodingError,
    decode_name,
    encode_name,
)
from tlsocket.pki.names.parsing import parse_rdns
from tlsocket.pki.names.printing import format_rdns

__all__ = ["DistinguishedName"]

# `cryptography` reads names only within something larger: a certification request (RFC 2986 section 4) that nobody
# signed is the smallest. Ed25519's key and signature stand in, both all zero; neither is looked at.
_ED25519_ALGORITHM = bytes.fromhex("300506032b6570")
_NO_KEY = der.encode(der.SEQUENCE, _ED25519_ALGORITHM, der.encode(0x03, bytes(33)))
_NO_SIGNATURE = der.encode(0x03, bytes(65))
_VERSION_AND_NO_ATTRIBUTES: Final = (bytes.fromhex("020100"), bytes.fromhex("a000"))


class DistinguishedName:
    """An immutable name. Equal and hashed by RFC 5280 section 7.1: case, inner spaces and kinds of string do not count.

    `rdns` are the relative names in the order of the encoding: country first, as a rule. `str(name)` is RFC 4514.
    """

    __slots__ = ("_der", "_key", "_x509", "rdns")

    rdns: tuple[tuple[Attribute, ...], ...]
    _der: bytes
    _key: bytes | None
    _x509: x509.Name | None

    def __init__(self, rdns: Iterable[Iterable[Attribute]] = ()) -> None:
        listed = tuple(tuple(rdn) for rdn in rdns)
        if not all(listed):
            raise NameEncodingError("a relative name has at least one attribute")
        self._set(listed, encode_name(listed))

    def _set(self, rdns: tuple[tuple[Attribute, ...], ...], data: bytes, name: x509.Name | None = None) -> None:
        if len(data) > MAXIMUM_NAME_LENGTH:
            raise NameEncodingError("the name is larger than any name can be")
        for slot, value in (("rdns", rdns), ("_der", data), ("_key", None), ("_x509", name)):
            object.__setattr__(self, slot, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a DistinguishedName does not change")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a DistinguishedName does not change")

    @classmethod
    def parse(
        cls,
        text: str,
        dialect: Dialect = Dialect.RFC4514,
        *,
        reversed_order: bool | None = None,
        enforce_limits: bool = True,
    ) -> DistinguishedName:
        """The name that `text` spells. Raises `NameSyntaxError` with the column and what was expected there.

        `reversed_order` says whether the text starts with what stands last in the encoding; left out, it is as the
        dialect has it (`Dialect.is_reversed`). `enforce_limits` refuses values that RFC 5280 appendix A.1 has no room
        for (common names over 64 characters, countries of other than two letters) and empty ones.
        """
        rdns = parse_rdns(text, dialect, enforce_limits=enforce_limits)
        if dialect.is_reversed if reversed_order is None else reversed_order:
            rdns.reverse()
        try:
            return cls(rdns)
        except NameEncodingError as error:
            raise NameSyntaxError(text, 1, f"a name of at most {MAXIMUM_NAME_LENGTH} bytes", error.problem) from None

    @classmethod
    def from_der(cls, data: bytes) -> DistinguishedName:
        """From a DER `Name`. Raises `NameEncodingError`."""
        name = cls.__new__(cls)
        name._set(decode_name(data), data)
        return name

    @classmethod
    def from_x509(cls, name: x509.Name) -> DistinguishedName:
        """From `cryptography`'s name, which `to_x509` gives back."""
        try:
            data = name.public_bytes()
        except (ValueError, TypeError) as error:
            raise NameEncodingError(f"the name cannot be encoded: {error}") from None
        result = cls.__new__(cls)
        result._set(decode_name(data), data, name)
        return result

    def format(self, dialect: Dialect = Dialect.RFC4514, *, reversed_order: bool | None = None) -> str:
        """The name in a dialect, such that `parse` with the same arguments gives an equal one."""
        turn = dialect.is_reversed if reversed_order is None else reversed_order
        return format_rdns(self.rdns[::-1] if turn else self.rdns, dialect)

    def to_der(self) -> bytes:
        """The DER."""
        return self._der

    def to_x509(self) -> x509.Name:
        """`cryptography`'s name of the same encoding, kinds of string included.

        Raises `NameEncodingError` for a value of a type that `cryptography` does not know.
        """
        if self._x509 is not None:
            return self._x509
        version, attributes = _VERSION_AND_NO_ATTRIBUTES
        body = der.encode(der.SEQUENCE, version, self._der, _NO_KEY, attributes)
        request = der.encode(der.SEQUENCE, body, _ED25519_ALGORITHM, _NO_SIGNATURE)
        try:
            name = x509.load_der_x509_csr(request).subject
        except (ValueError, TypeError, KeyError) as error:
            raise NameEncodingError(f"a value of the name is of a kind that certificates do not use: {error}") from None
        object.__setattr__(self, "_x509", name)
        return name

    @property
    def key(self) -> bytes:
        """What is compared and hashed: see `tlsocket.pki.names.comparison`."""
        key = self._key
        if key is None:
            key = normalized_der(self._der)
            object.__setattr__(self, "_key", key)
        return key

    def is_within(self, base: DistinguishedName) -> bool:
        """True when this is `base` or a name below it, as directory name constraints ask (RFC 5280 section 7.1)."""
        return is_within(self.key, base.key)

    def values(self, keyword: str) -> tuple[str, ...]:
        """The text of every attribute of a type, by its keyword or object identifier, the most specific last."""
        oid = keyword_oid(keyword)
        if oid is None:
            raise ValueError(f"{keyword!r} is not an attribute type")
        return tuple(item.value for rdn in self.rdns for item in rdn if item.oid == oid and isinstance(item.value, str))

    @property
    def common_name(self) -> str | None:
        """The most specific common name, as people call the owner of a certificate."""
        return (self.values("CN") or (None,))[-1]

    def limit_problems(self) -> tuple[str, ...]:
        """What breaks RFC 5280's bounds, in words; a name that was read from a certificate may."""
        found = []
        for rdn in self.rdns:
            for item in rdn:
                problem = limit_problem(item.oid, item.value) if isinstance(item.value, str) else None
                if problem is not None:
                    found.append(f"{format_rdns([[item]], Dialect.RFC4514)}: {problem[2]}, expected {problem[1]}")
        return tuple(found)

    def __bool__(self) -> bool:
        return bool(self.rdns)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, DistinguishedName) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.format()

    def __repr__(self) -> str:
        return f"<DistinguishedName {self.format()}>"

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return (DistinguishedName.from_der, (self._der,))
