"""What path validation needs to know of a certificate, read from its DER once (RFC 5280 section 4).

`cryptography` parses certificates, too, and its object is kept for the key; but it decodes all extensions together and
into objects, which costs as much as a third of a signature check, and one that it cannot decode hides the others. Here
is a reader for the few that decide about a path, each on its own. Everything is immutable once read, so that one object
serves all threads. No judgement is made here: that is `checks`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509

from tlsocket.crypto.certificates import parse_certificate
from tlsocket.errors import InvalidMessage
from tlsocket.pki import der as der_
from tlsocket.pki.certificates import PARSE_ERRORS
from tlsocket.pki.names.comparison import issuer_and_subject, name_key
from tlsocket.pki.names.encoding import NameEncodingError
from tlsocket.pki.trust.forms import FORMS, has_its_form

__all__ = [
    "CRL_SIGN",
    "DIGITAL_SIGNATURE",
    "KEY_AGREEMENT",
    "KEY_CERT_SIGN",
    "KEY_ENCIPHERMENT",
    "CertificateFacts",
    "GeneralName",
    "MalformedCertificate",
    "NameConstraints",
    "clear_cache",
    "dotted",
    "facts_of",
    "general_names",
    "read_name_constraints",
    "subject_of",
]

DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_AGREEMENT, KEY_CERT_SIGN, CRL_SIGN = 0x80, 0x20, 0x08, 0x04, 0x02
"""Bits of the first octet of KeyUsage (RFC 5280 section 4.2.1.3)."""

# Contents of object identifiers.
SUBJECT_KEY_IDENTIFIER = b"\x55\x1d\x0e"
KEY_USAGE = b"\x55\x1d\x0f"
SUBJECT_ALTERNATIVE_NAME = b"\x55\x1d\x11"
BASIC_CONSTRAINTS = b"\x55\x1d\x13"
NAME_CONSTRAINTS = b"\x55\x1d\x1e"
CERTIFICATE_POLICIES = b"\x55\x1d\x20"
POLICY_MAPPINGS = b"\x55\x1d\x21"
AUTHORITY_KEY_IDENTIFIER = b"\x55\x1d\x23"
POLICY_CONSTRAINTS = b"\x55\x1d\x24"
EXTENDED_KEY_USAGE = b"\x55\x1d\x25"
INHIBIT_ANY_POLICY = b"\x55\x1d\x36"
CRL_DISTRIBUTION_POINTS = b"\x55\x1d\x1f"
AUTHORITY_INFORMATION_ACCESS = b"\x2b\x06\x01\x05\x05\x07\x01\x01"

GeneralName = tuple[int, bytes]
"""The number of the choice (RFC 5280 section 4.2.1.6: 1 rfc822Name, 2 dNSName, 4 directoryName, 7 iPAddress, ...) and
its content: of a directoryName the DER of the Name."""

NameConstraints = tuple[tuple[GeneralName, ...], tuple[GeneralName, ...], bool]
"""Permitted subtrees, excluded subtrees, and whether a minimum or maximum is among them."""


# What most certificates have, by its bytes: looked up instead of taken apart.
_USUAL_CONSTRAINTS: dict[bytes, tuple[bool, int | None]] = {
    bytes.fromhex("3000"): (False, None),
    bytes.fromhex("30030101ff"): (True, None),
    bytes.fromhex("30060101ff020100"): (True, 0),
}
_SINGLE_USAGES: dict[bytes, tuple[bytes, ...]] = {
    bytes.fromhex("300a06082b06010505070301"): (bytes.fromhex("2b06010505070301"),),
    bytes.fromhex("300a06082b06010505070302"): (bytes.fromhex("2b06010505070302"),),
}
_READ_HERE = frozenset(
    {
        SUBJECT_KEY_IDENTIFIER,
        KEY_USAGE,
        SUBJECT_ALTERNATIVE_NAME,
        BASIC_CONSTRAINTS,
        NAME_CONSTRAINTS,
        AUTHORITY_KEY_IDENTIFIER,
        EXTENDED_KEY_USAGE,
    }
)
"""Extensions that are read here, so that nobody else needs to decode them."""


class MalformedCertificate(ValueError):
    """The bytes are no certificate, or an extension that decides about paths cannot be read."""


class CertificateFacts:
    """One certificate, as path validation sees it."""

    __slots__ = (
        "_malformed",
        "_names",
        "_sans",
        "_well_formed",
        "authority_key_identifier",
        "authority_key_identifier_issuer",
        "ca",
        "certificate",
        "der",
        "extended_key_usage",
        "extensions",
        "inner_algorithm",
        "issuer",
        "key_usage",
        "not_after",
        "not_before",
        "passed",
        "path_length",
        "public_key_info",
        "serial",
        "signature",
        "signature_algorithm",
        "subject",
        "subject_key_identifier",
        "tbs",
        "version",
    )

    def __init__(self, data: bytes) -> None:
        try:
            self.certificate: x509.Certificate = parse_certificate(data)
            self.not_before: datetime = self.certificate.not_valid_before_utc
            self.not_after: datetime = self.certificate.not_valid_after_utc
        except InvalidMessage as error:
            raise MalformedCertificate(error.detail) from None
        except PARSE_ERRORS as error:
            raise MalformedCertificate(str(error)) from None
        self.der = data
        self._names: NameConstraints | None = None
        self._sans: tuple[GeneralName, ...] | None = None
        self._well_formed: bool | None = None
        self._malformed: str = ""
        self.passed: dict[object, Any] = {}
        """Verdicts that depend on nothing but this certificate and the profile (see `checks`)."""
        try:
            self._read_fields(data)
        except (IndexError, der_.DerError) as error:
            raise MalformedCertificate(str(error) or "it ends too early") from None
        try:
            self._read_extensions()
        except (IndexError, der_.DerError, MalformedCertificate) as error:
            self._malformed = str(error) or "an extension ends too early"

    def _read_fields(self, data: bytes) -> None:
        start, _ = _header(data, 0)
        begin, end = _header(data, start)
        self.tbs = data[start:end]
        fields = _spans(data, begin, end)
        self.version = 1
        number = 0
        if data[begin] == 0xA0:
            self.version = data[fields[0][1] + 2] + 1
            number = 1
        if len(fields) < number + 6:
            raise der_.DerError("it ends before its key")
        serial, algorithm, issuer, _, subject, key = fields[number : number + 6]
        self.serial = data[serial[1] : serial[2]]
        self.inner_algorithm = data[algorithm[0] : algorithm[2]]
        self.issuer = data[issuer[0] : issuer[2]]
        self.subject = data[subject[0] : subject[2]]
        self.public_key_info = data[key[0] : key[2]]
        self.extensions: dict[bytes, tuple[bool, bytes]] = {}
        for first, content, stop in fields[number + 6 :]:
            if data[first] == 0xA3:
                self._malformed = _split_extensions(data, _header(data, content)[0], stop, self.extensions)
        start, place = end, _header(data, end)[1]
        self.signature_algorithm = data[start:place]
        tag = data[place]
        content, place = _header(data, place)
        if tag != 0x03 or data[content] != 0:
            # This octet is not signed: another value would give the same certificate another fingerprint.
            raise der_.DerError("its signature is not a BIT STRING of whole octets")
        self.signature = data[content + 1 : place]

    def _read_extensions(self) -> None:
        """Those that every path looks at; subject alternative names and name constraints wait until asked for."""
        extensions = self.extensions
        self.ca: bool | None = None
        self.path_length: int | None = None
        self.key_usage: int | None = None
        self.extended_key_usage: tuple[bytes, ...] | None = None
        self.subject_key_identifier: bytes | None = None
        self.authority_key_identifier: bytes | None = None
        self.authority_key_identifier_issuer = False
        found = extensions.get(KEY_USAGE)
        if found is not None:
            value = found[1]
            if len(value) < 3 or value[0] != 3 or value[1] != len(value) - 2 or value[2] > 7:
                raise MalformedCertificate("its keyUsage is not a BIT STRING")
            self.key_usage = value[3] if len(value) > 3 else 0
        found = extensions.get(SUBJECT_KEY_IDENTIFIER)
        if found is not None:
            value = found[1]
            is_plain = value[0] == 0x04 and value[1] == len(value) - 2 < 0x80
            self.subject_key_identifier = value[2:] if is_plain else _content(value, 0x04)
        found = extensions.get(AUTHORITY_KEY_IDENTIFIER)
        if found is not None:
            value = found[1]
            # The form that nearly all have: a sequence of the key identifier alone.
            if len(value) > 4 and value[2] == 0x80 and value[1] == len(value) - 2 == value[3] + 2 and value[0] == 0x30:
                self.authority_key_identifier = value[4:]
            else:
                self._read_authority_key_identifier(value)
        found = extensions.get(EXTENDED_KEY_USAGE)
        if found is not None:
            usages: tuple[bytes, ...] | None = _SINGLE_USAGES.get(found[1])
            if usages is None:
                usages = tuple([_content(item, 0x06) for item in der_.elements(_content(found[1], 0x30))])
            self.extended_key_usage = usages
            if not usages:
                raise MalformedCertificate("its extendedKeyUsage is empty")
        found = extensions.get(BASIC_CONSTRAINTS)
        if found is not None:
            self.ca, self.path_length = _USUAL_CONSTRAINTS.get(found[1]) or _basic_constraints(found[1])

    def _read_authority_key_identifier(self, value: bytes) -> None:
        for item in der_.elements(_content(value, 0x30)):
            if item[0] == 0x80:
                self.authority_key_identifier = der_.split(item)[1]
            else:
                self.authority_key_identifier_issuer = True

    @property
    def malformed(self) -> str:
        """What is wrong with its encoding, if anything is."""
        return self._malformed

    @property
    def issuer_key(self) -> bytes:
        """The issuer for comparisons by RFC 5280 section 7.1."""
        return name_key(self.issuer)

    @property
    def subject_key(self) -> bytes:
        """The subject for comparisons by RFC 5280 section 7.1."""
        return name_key(self.subject)

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same name (RFC 5280 section 3.2)."""
        return self.issuer == self.subject or self.issuer_key == self.subject_key

    @property
    def has_empty_subject(self) -> bool:
        """Whether the subject is an empty sequence."""
        return len(self.subject) == 2

    def is_critical(self, kind: bytes) -> bool:
        """Whether it has the extension, marked critical."""
        found = self.extensions.get(kind)
        return found is not None and found[0]

    def alternative_names(self) -> tuple[GeneralName, ...]:
        """Those of subjectAltName. Raises `MalformedCertificate`."""
        if self._sans is None:
            found = self.extensions.get(SUBJECT_ALTERNATIVE_NAME)
            try:
                self._sans = () if found is None else general_names(_content(found[1], 0x30))
            except (IndexError, der_.DerError):
                raise MalformedCertificate("its subjectAltName is not a list of names") from None
        return self._sans

    def name_constraints(self) -> NameConstraints | None:
        """Its name constraints; None when there are none. Raises `MalformedCertificate`."""
        found = self.extensions.get(NAME_CONSTRAINTS)
        if found is None:
            return None
        if self._names is None:
            self._names = read_name_constraints(found[1])
        return self._names

    def all_extensions_decode(self) -> bool:
        """Whether every extension that `cryptography` knows is what its standard says."""
        if self._well_formed is None and self._malformed:
            self._well_formed = False
        if self._well_formed is None:
            others = self.extensions.keys() - _READ_HERE
            if others <= FORMS.keys():
                self._well_formed = all(has_its_form(kind, self.extensions[kind][1]) for kind in others)
        if self._well_formed is None:
            try:
                _ = self.certificate.extensions
                self._well_formed = True
            except PARSE_ERRORS:
                self._well_formed = False
        return self._well_formed


def general_names(content: bytes) -> tuple[GeneralName, ...]:
    """The content of a GeneralNames. Raises `DerError` or IndexError."""
    names = []
    place, end = 0, len(content)
    while place < end:
        tag = content[place]
        length = content[place + 1]
        if length < 0x80:  # nearly all; certificates with hundreds of names are common
            start = place + 2
            place = start + length
        else:
            start, place = _header(content, place)
        if place > end or tag < 0x80:
            raise der_.DerError("a general name has no context tag, or ends too late")
        names.append((tag & 0x1F, content[start:place]))
    return tuple(names)


def dotted(oid: bytes) -> str:
    """An object identifier's content in dotted form."""
    numbers, value = [], 0
    for octet in oid:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        return "an empty identifier"
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def subject_of(data: bytes) -> bytes:
    """The DER of the subject, of a certificate that was parsed before; empty if it is none after all."""
    try:
        return issuer_and_subject(data)[1]
    except NameEncodingError:
        return b""


def _header(data: bytes, place: int) -> tuple[int, int]:
    """Where the content of the element at `place` begins and ends."""
    length = data[place + 1]
    place += 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise der_.DerError("a length is not DER")
        length = int.from_bytes(data[place : place + count], "big")
        place += count
    if place + length > len(data):
        raise der_.DerError("an element ends before its content does")
    return place, place + length


def _spans(data: bytes, place: int, end: int) -> list[tuple[int, int, int]]:
    """Of each element up to `end`: where it begins, where its content begins, and where both end."""
    found = []
    while place < end:
        start = place
        length = data[place + 1]
        if length < 0x80:  # in place: a call costs more than what it does
            content = place + 2
            place = content + length
        else:
            content, place = _header(data, place)
        found.append((start, content, place))
    if place > end:
        raise der_.DerError("a field goes on after its end")
    return found


def _content(data: bytes, tag: int) -> bytes:
    found, content, rest = der_.split(data)
    if found != tag or rest:
        raise der_.DerError("an extension is not what its identifier says")
    return content


def _split_extensions(data: bytes, place: int, end: int, found: dict[bytes, tuple[bool, bytes]]) -> str:
    """Fill `found`; returns what is wrong, if anything is."""
    wrong = ""
    while place < end:
        # Lengths of one octet are read in place: an extension has three, and a call costs more than what it does.
        length = data[place + 1]
        if length < 0x80:
            start = place + 2
            place = start + length
        else:
            start, place = _header(data, place)
        content, start = start + 2, start + 2 + data[start + 1]
        if start - content >= 0x80:
            content, start = _header(data, content - 2)
        kind = data[content:start]
        critical = False
        if data[start] == 0x01:
            critical = data[start + 2] != 0
            start += 3
        length = data[start + 1]
        if length < 0x80:
            content = start + 2
            stop = content + length
        else:
            content, stop = _header(data, start)
        if stop != place or place > end:
            raise der_.DerError("an extension goes on after its value")
        if kind in found:
            wrong = "it has two extensions of one kind"
        found[kind] = critical, data[content:stop]
    return wrong


def _basic_constraints(value: bytes) -> tuple[bool, int | None]:
    items = der_.elements(_content(value, 0x30))
    ca, path_length = False, None
    if items and items[0][0] == 0x01:
        ca = der_.split(items.pop(0))[1] == b"\xff"
    if items and items[0][0] == 0x02:
        path_length = int.from_bytes(der_.split(items.pop(0))[1], "big", signed=True)
    if items or (path_length is not None and path_length < 0):
        raise MalformedCertificate("its basicConstraints are not a boolean and a path length")
    return ca, path_length


def read_name_constraints(value: bytes) -> NameConstraints:
    """The value of a nameConstraints extension. Raises `MalformedCertificate`."""
    try:
        return _name_constraints(_content(value, 0x30))
    except (IndexError, der_.DerError):
        raise MalformedCertificate("its nameConstraints cannot be read") from None


def _name_constraints(content: bytes) -> NameConstraints:
    subtrees: dict[int, tuple[GeneralName, ...]] = {0xA0: (), 0xA1: ()}
    bounded = False
    for part in der_.elements(content):
        tag, body, _ = der_.split(part)
        if tag not in subtrees:
            raise der_.DerError("nameConstraints have an unknown field")
        names: list[GeneralName] = []
        for subtree in der_.elements(body):
            base, *bounds = der_.elements(_content(subtree, 0x30))
            bounded = bounded or bool(bounds)
            names += general_names(base)
        subtrees[tag] = tuple(names)
    return subtrees[0xA0], subtrees[0xA1], bounded


# As in `crypto.certificates`: two generations, bounded in number and size, since peers choose what fills them. What is
# kept is a function of the bytes alone.
_GENERATION = 256
_CACHEABLE = 8192
_young: dict[bytes, CertificateFacts] = {}
_old: dict[bytes, CertificateFacts] = {}


def facts_of(data: bytes) -> CertificateFacts:
    """The facts of an encoded certificate, perhaps kept from before. Raises `MalformedCertificate`."""
    global _young, _old  # two names that swap places
    facts = _young.get(data)
    if facts is not None:
        return facts
    facts = _old.get(data) or CertificateFacts(data)
    if len(data) <= _CACHEABLE:
        if len(_young) >= _GENERATION:
            _old = _young
            _young = {}
        _young[data] = facts
    return facts


def clear_cache() -> None:
    """Forget every certificate that was read."""
    global _young, _old  # as above
    _young = {}
    _old = {}
