"""Names in DER: `Name` of RFC 5280 section 4.1.2.4 to relative distinguished names and back.

A value that is a character string becomes text, together with the kind of string it came in, so that writing it gives
the same bytes; any other value stays DER. Spelling names for people is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlsocket.pki import der
from tlsocket.pki.errors import PkiError

__all__ = ["MAXIMUM_NAME_LENGTH", "Attribute", "NameEncodingError", "attribute_value", "decode_name", "encode_name"]

MAXIMUM_NAME_LENGTH = 65536
"""Bytes of DER, or characters of text, in one name; a peer's certificate may be no larger anyway."""

_SET = 0x31
_OBJECT_IDENTIFIER = 0x06

_CODECS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString (T61String): what is found in it is Latin-1, as OpenSSL has it too
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


class NameEncodingError(PkiError, ValueError):
    """Bytes are not the DER of a name."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, "ask its issuer for a well-formed certificate")

    def __reduce__(self) -> tuple[type[NameEncodingError], tuple[str]]:
        return (type(self), (self.problem,))


@dataclass(frozen=True, slots=True)
class Attribute:
    """AttributeTypeAndValue: `value` is text, or the DER of what is no character string.

    `tag` is the kind of string in DER; 0 lets RFC 5280 choose it by the type and the text.
    """

    oid: str
    value: str | bytes
    tag: int = 0

    @property
    def value_der(self) -> bytes:
        """The value in DER."""
        if isinstance(self.value, bytes):
            return self.value
        # Here, since names are read far oftener than written, and the table of attributes takes a millisecond to load.
        from tlsocket.pki.names.attributes import string_tag

        tag = self.tag or string_tag(self.oid, self.value)
        try:
            return der.encode(tag, self.value.encode(_CODECS[tag]))
        except (UnicodeEncodeError, KeyError):
            raise NameEncodingError(f"the value of {self.oid} does not fit its kind of string") from None


def attribute_value(data: bytes) -> tuple[str | bytes, int]:
    """The text and tag of a value in DER, or the DER itself and 0 when it is no character string that can be read."""
    tag, content, rest = der.split(data)
    if rest:
        raise der.DerError("a value has bytes behind it")
    codec = _CODECS.get(tag)
    if codec is not None:
        try:
            text = content.decode(codec)
            if text.encode(codec) == content:
                return text, tag
        except UnicodeError:
            # Not what its tag says: kept as the bytes it is.
            pass
    return data, 0


def decode_name(data: bytes) -> tuple[tuple[Attribute, ...], ...]:
    """The relative distinguished names of a DER `Name`, in its order. Raises `NameEncodingError`."""
    if len(data) > MAXIMUM_NAME_LENGTH:
        raise NameEncodingError("the name is larger than any name can be")
    try:
        tag, content, rest = der.split(data)
        if tag != der.SEQUENCE or rest:
            raise der.DerError("a name is one SEQUENCE")
        return tuple(_decode_rdn(item) for item in der.elements(content))
    except der.DerError as error:
        raise NameEncodingError(f"the name is not DER: {error}") from None


def encode_name(rdns: tuple[tuple[Attribute, ...], ...]) -> bytes:
    """The DER of a name; the members of each RDN in DER's order of a SET (X.690 section 11.6)."""
    return der.encode(
        der.SEQUENCE,
        *(
            der.encode(
                _SET,
                *sorted(
                    der.encode(der.SEQUENCE, der.encode(_OBJECT_IDENTIFIER, _encode_oid(item.oid)), item.value_der)
                    for item in rdn
                ),
            )
            for rdn in rdns
        ),
    )


def _decode_rdn(data: bytes) -> tuple[Attribute, ...]:
    tag, content, _ = der.split(data)
    members = der.elements(content)
    if tag != _SET or not members:
        raise der.DerError("a relative name is a SET of at least one attribute")
    return tuple(_decode_attribute(member) for member in members)


def _decode_attribute(data: bytes) -> Attribute:
    tag, content, _ = der.split(data)
    parts = der.elements(content)
    if tag != der.SEQUENCE or len(parts) != 2 or parts[0][0] != _OBJECT_IDENTIFIER:
        raise der.DerError("an attribute is an object identifier and a value")
    value, string = attribute_value(parts[1])
    return Attribute(_decode_oid(der.split(parts[0])[1]), value, string)


def _decode_oid(content: bytes) -> str:
    if not content or content[-1] & 0x80 or len(content) > 128:
        raise der.DerError("an object identifier is cut off or too long")
    arcs = []
    value = 0
    start = True
    for octet in content:
        if start and octet == 0x80:
            raise der.DerError("an object identifier is not in its shortest form")
        value = value << 7 | octet & 0x7F
        start = not octet & 0x80
        if start:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _encode_oid(oid: str) -> bytes:
    first, second, *others = map(int, oid.split("."))
    encoded = bytearray()
    for arc in (first * 40 + second, *others):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        encoded += bytes(reversed(groups))
    return bytes(encoded)
