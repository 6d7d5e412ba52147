"""The forms of extensions that decide nothing about a path, but must be what their standard says under `webpki`.

`cryptography` decodes all extensions of a certificate together and into objects, names included; with a hundred
names that costs more than a signature. The few that nearly every certificate has are looked at here, as far as their
structure goes (RFC 5280 section 4.2, RFC 6962 section 3.3); any other is left to `cryptography`.
"""

from __future__ import annotations

from collections.abc import Callable

from tlsocket.pki import der

__all__ = ["FORMS", "has_its_form"]

_OBJECT_IDENTIFIER = 0x06
_OCTET_STRING = 0x04


def _sequence(value: bytes) -> list[bytes]:
    """The elements of a SEQUENCE that holds at least one."""
    tag, content, rest = der.split(value)
    found = der.elements(content)
    if tag != der.SEQUENCE or rest or not found:
        raise der.DerError("not a sequence of at least one element")
    return found


def _access(value: bytes) -> None:
    """AuthorityInfoAccessSyntax: access methods with a location each (section 4.2.2.1)."""
    for description in _sequence(value):
        method, location = _sequence(description)
        if method[0] != _OBJECT_IDENTIFIER or location[0] < 0x80:
            raise der.DerError("not an access description")


def _policies(value: bytes) -> None:
    """certificatePolicies: identifiers, perhaps with qualifiers (section 4.2.1.4)."""
    for information in _sequence(value):
        if _sequence(information)[0][0] != _OBJECT_IDENTIFIER:
            raise der.DerError("not a policy information")


def _points(value: bytes) -> None:
    """CRLDistributionPoints (section 4.2.1.13)."""
    for point in _sequence(value):
        if any(not 0xA0 <= part[0] <= 0xA2 and part[0] != 0x81 for part in _sequence(point)):
            raise der.DerError("not a distribution point")


def _timestamps(value: bytes) -> None:
    """SignedCertificateTimestampList: a vector of vectors in an OCTET STRING."""
    tag, content, rest = der.split(value)
    if tag != _OCTET_STRING or rest or int.from_bytes(content[:2], "big") != len(content) - 2 or len(content) < 2:
        raise der.DerError("not a list of timestamps")
    place = 2
    while place < len(content):
        place += 2 + int.from_bytes(content[place : place + 2], "big")
    if place != len(content):
        raise der.DerError("a timestamp ends too late")


FORMS: dict[bytes, Callable[[bytes], None]] = {
    bytes.fromhex("2b06010505070101"): _access,
    bytes.fromhex("551d20"): _policies,
    bytes.fromhex("551d1f"): _points,
    bytes.fromhex("2b06010401d679020402"): _timestamps,
}
"""By the content of the extension's object identifier."""


def has_its_form(kind: bytes, value: bytes) -> bool:
    """Whether an extension of one of `FORMS` is what its standard says."""
    try:
        FORMS[kind](value)
    except (der.DerError, ValueError, IndexError):
        return False
    return True
