"""The attribute types that names are made of: their keywords in each dialect, their strings and their bounds, as data.

Keywords are RFC 4514 section 3 and RFC 4519 for LDAP, those of `CertNameToStr` for Windows, and the short names that
OpenSSL prints. Upper bounds are RFC 5280 appendix A.1's, and X.520's where RFC 5280 has none. Nothing is parsed here.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from tlsocket.pki.errors import PkiError

__all__ = [
    "IA5_STRING",
    "PRINTABLE_STRING",
    "UTF8_STRING",
    "AttributeType",
    "Dialect",
    "NameSyntaxError",
    "attribute_type",
    "keyword",
    "keyword_oid",
    "limit_problem",
    "string_tag",
]

UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
IA5_STRING = 0x16


class NameSyntaxError(PkiError, ValueError):
    """A name cannot be read. `column` counts characters from 1; `expected` says what should have stood there."""

    def __init__(self, text: str, column: int, expected: str, problem: str = "") -> None:
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:120])
        more = "..." if len(text) > 120 else ""
        why = f" ({problem})" if problem else ""
        super().__init__(f"the name '{shown}{more}' is wrong at column {column}: expected {expected}{why}")
        self.text = text
        self.column = column
        self.expected = expected
        self._why = problem

    def __reduce__(self) -> tuple[type[NameSyntaxError], tuple[str, int, str, str]]:
        return (type(self), (self.text, self.column, self.expected, self._why))


class Dialect(enum.Enum):
    """How a name is spelt. The value is an example."""

    RFC4514 = "CN=www.example.org,OU=Web,O=Example\\, Inc.,C=US"
    """LDAP's, the standard's: the last relative name first, backslashes before what has a meaning (RFC 4514)."""
    WINDOWS = 'CN=www.example.org, OU=Web, O="Example, Inc.", S=Texas, C=US'
    """`CertNameToStr` and .NET's: the last relative name first, double quotes around what has a meaning."""
    OPENSSL = "/C=US/O=Example, Inc./OU=Web/CN=www.example.org"
    """`openssl req -subj`'s: in the order of the encoding, backslashes before what has a meaning."""

    @property
    def is_reversed(self) -> bool:
        """True where the text starts with what stands last in the encoding."""
        return self is not Dialect.OPENSSL

    @classmethod
    def guess(cls, text: str) -> Dialect:
        """The dialect that `text` looks like; RFC 4514 (which reads much of Windows' too) when nothing tells."""
        if text.startswith("/"):
            return cls.OPENSSL
        if "\\" not in text and (";" in text or '"' in text):
            return cls.WINDOWS
        return cls.RFC4514


@dataclass(frozen=True, slots=True)
class AttributeType:
    """One type of attribute. Lengths are in characters; `None` is a type that has no bound."""

    oid: str
    rfc4514: str
    windows: str
    openssl: str
    aliases: tuple[str, ...] = ()
    tag: int = UTF8_STRING
    upper_bound: int | None = None
    lower_bound: int = 1


_UB_NAME = 32768

_TYPES = (
    AttributeType("2.5.4.3", "CN", "CN", "CN", ("commonName",), upper_bound=64),
    AttributeType("2.5.4.11", "OU", "OU", "OU", ("organizationalUnitName",), upper_bound=64),
    AttributeType("2.5.4.10", "O", "O", "O", ("organizationName",), upper_bound=64),
    AttributeType("2.5.4.7", "L", "L", "L", ("localityName",), upper_bound=128),
    AttributeType("2.5.4.8", "ST", "S", "ST", ("stateOrProvinceName",), upper_bound=128),
    AttributeType("2.5.4.6", "C", "C", "C", ("countryName",), PRINTABLE_STRING, 2, 2),
    AttributeType(
        "1.2.840.113549.1.9.1", "emailAddress", "E", "emailAddress", ("email", "Email-Address"), IA5_STRING, 255
    ),
    AttributeType("2.5.4.12", "title", "T", "title", upper_bound=64),
    AttributeType("2.5.4.42", "givenName", "G", "GN", upper_bound=_UB_NAME),
    AttributeType("2.5.4.4", "SN", "SN", "SN", ("surname",), upper_bound=_UB_NAME),
    AttributeType("2.5.4.43", "initials", "I", "initials", upper_bound=_UB_NAME),
    AttributeType("0.9.2342.19200300.100.1.25", "DC", "DC", "DC", ("domainComponent",), IA5_STRING),
    AttributeType("2.5.4.9", "STREET", "STREET", "street", ("streetAddress",), upper_bound=128),
    AttributeType("2.5.4.17", "postalCode", "PostalCode", "postalCode", upper_bound=40),
    AttributeType("2.5.4.5", "serialNumber", "SERIALNUMBER", "serialNumber", (), PRINTABLE_STRING, 64),
    AttributeType("0.9.2342.19200300.100.1.1", "UID", "UID", "UID", ("userId",), upper_bound=256),
    AttributeType("2.5.4.13", "description", "Description", "description", upper_bound=1024),
    AttributeType("2.5.4.15", "businessCategory", "businessCategory", "businessCategory", upper_bound=128),
    AttributeType("2.5.4.20", "telephoneNumber", "Phone", "telephoneNumber", (), PRINTABLE_STRING, 32),
    AttributeType("2.5.4.41", "name", "name", "name", upper_bound=_UB_NAME),
    AttributeType("2.5.4.44", "generationQualifier", "generationQualifier", "generationQualifier", (), upper_bound=64),
    AttributeType("2.5.4.46", "dnQualifier", "dnQualifier", "dnQualifier", (), PRINTABLE_STRING),
    AttributeType("2.5.4.65", "pseudonym", "pseudonym", "pseudonym", upper_bound=128),
    AttributeType("2.5.4.97", "organizationIdentifier", "organizationIdentifier", "organizationIdentifier"),
    AttributeType("1.2.840.113549.1.9.2", "unstructuredName", "unstructuredName", "unstructuredName", upper_bound=255),
    AttributeType(
        "1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL", "jurisdictionL", "jurisdictionL", ("jurisdictionLocalityName",)
    ),
    AttributeType(
        "1.3.6.1.4.1.311.60.2.1.2",
        "jurisdictionST",
        "jurisdictionST",
        "jurisdictionST",
        ("jurisdictionStateOrProvinceName",),
    ),
    AttributeType(
        "1.3.6.1.4.1.311.60.2.1.3",
        "jurisdictionC",
        "jurisdictionC",
        "jurisdictionC",
        ("jurisdictionCountryName",),
        PRINTABLE_STRING,
        2,
        2,
    ),
)

_BY_OID = {item.oid: item for item in _TYPES}
# Every dialect reads every keyword: no two of them use one keyword for different types.
_BY_KEYWORD = {
    word.upper(): item.oid for item in _TYPES for word in (item.rfc4514, item.windows, item.openssl, *item.aliases)
}

_DOTTED = re.compile(r"(?:OID\.)?((?:[01]\.(?:[0-9]|[1-3][0-9])|2\.(?:0|[1-9][0-9]*))(?:\.(?:0|[1-9][0-9]*))*)", re.I)
_LONGEST_OID = 255
_NOT_PRINTABLE = re.compile(r"[^A-Za-z0-9 '()+,\-./:=?]")


def attribute_type(oid: str) -> AttributeType | None:
    """What is known of the type with this object identifier."""
    return _BY_OID.get(oid)


def keyword(oid: str, dialect: Dialect) -> str | None:
    """The word for a type in a dialect; None where only the object identifier says it."""
    known = _BY_OID.get(oid)
    if known is None:
        return None
    return {Dialect.RFC4514: known.rfc4514, Dialect.WINDOWS: known.windows, Dialect.OPENSSL: known.openssl}[dialect]


def keyword_oid(word: str) -> str | None:
    """The dotted object identifier behind a keyword of any dialect, `1.2.3` or `OID.1.2.3`; None for no such thing."""
    oid = _BY_KEYWORD.get(word.upper())
    if oid is None and len(word) <= _LONGEST_OID and (match := _DOTTED.fullmatch(word)):
        oid = match[1]
    return oid


def string_tag(oid: str, text: str) -> int:
    """The tag of the string that RFC 5280 section 4.1.2.4 wants for a value; UTF8String where that cannot hold it."""
    known = _BY_OID.get(oid)
    tag = UTF8_STRING if known is None else known.tag
    if (tag == PRINTABLE_STRING and _NOT_PRINTABLE.search(text)) or (tag == IA5_STRING and not text.isascii()):
        return UTF8_STRING
    return tag


def limit_problem(oid: str, text: str) -> tuple[int, str, str] | None:
    """The first breach of RFC 5280's bounds: its place in `text` (from 0), what was expected, and what is the case."""
    known = _BY_OID.get(oid)
    if not text:
        return 0, "a value", "the value is empty"
    if known is None:
        return None
    if known.tag == PRINTABLE_STRING and (match := _NOT_PRINTABLE.search(text)):
        allowed = "one of A-Z a-z 0-9 space ' ( ) + , - . / : = ?"
        return match.start(), allowed, f"{known.rfc4514} cannot hold this character"
    if known.tag == IA5_STRING and not text.isascii():
        place = next(i for i, character in enumerate(text) if character > "\x7f")
        return place, "an ASCII character", f"{known.rfc4514} cannot hold this one"
    upper = known.upper_bound
    if upper is not None and known.lower_bound == upper != len(text):
        return min(len(text), upper), f"exactly {upper} characters", f"{known.rfc4514} has {len(text)}"
    if upper is not None and len(text) > upper:
        return upper, f"at most {upper} characters", f"{known.rfc4514} has {len(text)}"
    return None
