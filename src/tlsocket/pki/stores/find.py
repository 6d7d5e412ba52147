"""Finding entries: the find types of .NET's X509FindType that mean something here, and a few that are needed besides.

`matcher` makes a test of a kind and a value; a certificate whose field cannot be parsed matches nothing. Kinds of .NET
that are left out: FindByTemplateName, which only Microsoft's own authority writes.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID

from tlsocket import clock
from tlsocket.pki.certificates import PARSE_ERRORS
from tlsocket.pki.keys import public_key_info
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.errors import BadFindValue

__all__ = ["FindType", "dns_names", "is_time_valid", "matcher", "moment", "purpose_name", "purpose_names"]


class FindType(enum.Enum):
    """What `CertificateStore.find` compares, and with which kind of value."""

    THUMBPRINT = "thumbprint"
    """SHA-256 or SHA-1 of the encoding in hexadecimal, told by its length; colons and blanks are passed over."""
    THUMBPRINT_SHA1 = "thumbprint-sha1"
    THUMBPRINT_SHA256 = "thumbprint-sha256"
    SUBJECT_NAME = "subject-name"
    """Text that occurs in a value of the subject, whatever its case."""
    SUBJECT_DISTINGUISHED_NAME = "subject-dn"
    """The whole subject: text in any of the three spellings, or a name object."""
    ISSUER_NAME = "issuer-name"
    """Text that occurs in a value of the issuer, whatever its case."""
    ISSUER_DISTINGUISHED_NAME = "issuer-dn"
    SERIAL_NUMBER = "serial-number"
    """A number, or its hexadecimal digits (decimal digits are tried too, as in .NET)."""
    TIME_VALID = "time-valid"
    """Valid at that moment: a datetime with a time zone, seconds since 1970, or None for now."""
    TIME_NOT_YET_VALID = "time-not-yet-valid"
    TIME_EXPIRED = "time-expired"
    KEY_USAGE = "key-usage"
    """One key usage of RFC 5280 section 4.2.1.3, such as `digital_signature`, or several; a certificate that names
    none may be used for all."""
    EXTENDED_KEY_USAGE = "extended-key-usage"
    """A dotted identifier, or `server`, `client`, `code-signing`, `email`, `time-stamping`, `ocsp-signing`; again a
    certificate that names none may be used for all, but not for what its entry is not trusted for."""
    SUBJECT_KEY_IDENTIFIER = "subject-key-identifier"
    """Bytes, or hexadecimal digits."""
    EXTENSION = "extension"
    """The dotted identifier of an extension that is there, or its name in RFC 5280, such as `nameConstraints`."""
    CERTIFICATE_POLICY = "certificate-policy"
    """A dotted identifier."""
    DNS_NAME = "dns-name"
    """A host name that the certificate is for, wildcards included."""
    FRIENDLY_NAME = "friendly-name"
    """The whole friendly name, whatever its case."""
    PUBLIC_KEY = "public-key"
    """A key of `cryptography`, private or public, or its SubjectPublicKeyInfo in DER."""
    HAS_PRIVATE_KEY = "has-private-key"
    """True or False."""


Test: TypeAlias = Callable[[StoreEntry], bool]

_USAGES = {
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
}
_USAGE_ALIASES = {"non_repudiation": "content_commitment"}
_PURPOSES = {
    "server": "1.3.6.1.5.5.7.3.1",
    "client": "1.3.6.1.5.5.7.3.2",
    "code-signing": "1.3.6.1.5.5.7.3.3",
    "email": "1.3.6.1.5.5.7.3.4",
    "time-stamping": "1.3.6.1.5.5.7.3.8",
    "ocsp-signing": "1.3.6.1.5.5.7.3.9",
}
_ANY_PURPOSE = "2.5.29.37.0"


def matcher(kind: FindType, value: Any) -> Test:
    """A test that never raises. Raises `BadFindValue` when `value` does not fit `kind`."""
    test = _MAKERS[kind](kind, value)

    def safely(entry: StoreEntry) -> bool:
        try:
            return test(entry)
        except (*PARSE_ERRORS, x509.ExtensionNotFound):
            return False

    return safely


def is_time_valid(certificate: x509.Certificate, at: datetime.datetime) -> bool:
    """Whether a moment lies within the validity, both ends included (RFC 5280 section 4.1.2.5)."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def moment(value: Any) -> datetime.datetime:
    """A moment in UTC from a datetime with a zone, seconds since 1970, or None for now."""
    if value is None:
        value = clock.now()
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise BadFindValue("a datetime without a time zone is no moment", "give one in datetime.UTC")
        return value.astimezone(datetime.UTC)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.datetime.fromtimestamp(value, datetime.UTC)
        except (OverflowError, ValueError, OSError):
            raise BadFindValue(f"{value!r} is not a moment in seconds since 1970") from None
    raise BadFindValue(f"{value!r:.40} is not a moment", "give a datetime with a time zone, or seconds since 1970")


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names that a certificate is for, in small letters; the common name where there are none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(attribute.value).lower() for attribute in common)


def purpose_name(dotted: str) -> str:
    """The word for an extended key usage, such as `server`; the numbers where there is none."""
    return next(
        (word for word, each in _PURPOSES.items() if each == dotted), "any" if dotted == _ANY_PURPOSE else dotted
    )


def purpose_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The extended key usages of a certificate in those words; empty when it names none and so has no limits."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(purpose_name(usage.dotted_string) for usage in usages)


def _thumbprint(kind: FindType, value: Any) -> Test:
    digits = hexadecimal(value)
    lengths = {FindType.THUMBPRINT: (40, 64), FindType.THUMBPRINT_SHA1: (40,), FindType.THUMBPRINT_SHA256: (64,)}[kind]
    if len(digits) not in lengths:
        wanted = " or ".join(str(length) for length in lengths)
        raise BadFindValue(f"a thumbprint has {wanted} hexadecimal digits, not {len(digits)}")
    if len(digits) == 64:
        return lambda entry: entry.thumbprint == digits
    return lambda entry: entry.thumbprint_sha1 == digits


def _name_part(kind: FindType, value: Any) -> Test:
    wanted = _text(value).casefold()
    issuer = kind is FindType.ISSUER_NAME

    def test(entry: StoreEntry) -> bool:
        name = entry.certificate.issuer if issuer else entry.certificate.subject
        return any(wanted in str(attribute.value).casefold() for attribute in name)

    return test


def _whole_name(kind: FindType, value: Any) -> Test:
    from tlsocket.pki.names.comparison import normalized

    wanted = _name_keys(value)
    if kind is FindType.ISSUER_DISTINGUISHED_NAME:
        return lambda entry: normalized(entry.certificate.issuer) in wanted
    return lambda entry: normalized(entry.certificate.subject) in wanted


def _name_keys(value: Any) -> set[bytes]:
    """Keys (RFC 5280 section 7.1) of the names that `value` may mean.

    Text is read in every spelling that fits and from both ends, as programs differ in which comes first.
    """
    from tlsocket.pki.names import Dialect, DistinguishedName, NameSyntaxError
    from tlsocket.pki.names.comparison import normalized

    if isinstance(value, x509.Name):
        return {normalized(value)}
    if isinstance(value, DistinguishedName):
        return {value.key}
    keys: set[bytes] = set()
    failure = ""
    for dialect in (Dialect.RFC4514, Dialect.WINDOWS, Dialect.OPENSSL):
        for turned in (False, True):
            try:
                name = DistinguishedName.parse(_text(value), dialect, reversed_order=turned, enforce_limits=False)
                keys.add(name.key)
            except NameSyntaxError as error:
                failure = failure or str(error)
    if not keys:
        raise BadFindValue(f"not a distinguished name: {failure}"[:300], 'give one such as "CN=example,O=Example"')
    return keys


def _serial_number(_: FindType, value: Any) -> Test:
    if isinstance(value, int) and not isinstance(value, bool):
        numbers = {value}
    else:
        text = "".join(_text(value).replace(":", "").split())
        numbers = set()
        try:
            numbers.add(int(text.removeprefix("0x"), 16))
            numbers.add(int(text))
        except ValueError:
            pass
        if not numbers:
            raise BadFindValue(f"{value!r:.60} is not a serial number", "give its hexadecimal digits")
    return lambda entry: entry.certificate.serial_number in numbers


def _time(kind: FindType, value: Any) -> Test:
    at = moment(value)
    if kind is FindType.TIME_VALID:
        return lambda entry: is_time_valid(entry.certificate, at)
    if kind is FindType.TIME_EXPIRED:
        return lambda entry: entry.certificate.not_valid_after_utc < at
    return lambda entry: entry.certificate.not_valid_before_utc > at


def _key_usage(_: FindType, value: Any) -> Test:
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else []
    wanted = {_USAGE_ALIASES.get(name, name) for name in (_snake(_text(name)) for name in names)}
    if not wanted or not wanted <= _USAGES:
        unknown = ", ".join(sorted(wanted - _USAGES)) or "nothing"
        raise BadFindValue(f"{unknown:.80} is no key usage", f"use one of {', '.join(sorted(_USAGES))}")

    def test(entry: StoreEntry) -> bool:
        try:
            usage = entry.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return True
        # The last two have a meaning only with keyAgreement, and cryptography raises when asked without it.
        only = {"encipher_only", "decipher_only"}
        return all((name not in only or usage.key_agreement) and getattr(usage, name) for name in wanted)

    return test


def _extended_key_usage(_: FindType, value: Any) -> Test:
    text = _text(value)
    wanted = _dotted(_PURPOSES.get(text.lower().replace("_", "-"), text))

    def test(entry: StoreEntry) -> bool:
        if not entry.allows(wanted):
            return False
        try:
            usages = entry.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return True
        found = {usage.dotted_string for usage in usages}
        return wanted in found or _ANY_PURPOSE in found

    return test


def _subject_key_identifier(_: FindType, value: Any) -> Test:
    wanted = bytes(value) if isinstance(value, (bytes, bytearray)) else bytes.fromhex(hexadecimal(value))

    def test(entry: StoreEntry) -> bool:
        certificate = entry.certificate
        try:
            identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            # The first method of RFC 5280 section 4.2.1.2, as Windows computes it where the extension is missing.
            identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        return identifier.digest == wanted

    return test


def _extension(_: FindType, value: Any) -> Test:
    text = value.dotted_string if isinstance(value, x509.ObjectIdentifier) else _text(value)
    named = {
        str(getattr(oid, "_name", "")).lower(): oid.dotted_string
        for oid in vars(ExtensionOID).values()
        if isinstance(oid, x509.ObjectIdentifier)
    }
    wanted = named.get(text.lower()) or _dotted(text)
    return lambda entry: any(each.oid.dotted_string == wanted for each in entry.certificate.extensions)


def _certificate_policy(_: FindType, value: Any) -> Test:
    wanted = _dotted(value.dotted_string if isinstance(value, x509.ObjectIdentifier) else _text(value))

    def test(entry: StoreEntry) -> bool:
        policies = entry.certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
        return any(policy.policy_identifier.dotted_string == wanted for policy in policies)

    return test


def _dns_name(_: FindType, value: Any) -> Test:
    wanted = _text(value).lower().rstrip(".")
    parent = wanted.partition(".")[2]

    def test(entry: StoreEntry) -> bool:
        names = dns_names(entry.certificate)
        return wanted in names or bool("." in parent and f"*.{parent}" in names)

    return test


def _friendly_name(_: FindType, value: Any) -> Test:
    wanted = _text(value).casefold()
    return lambda entry: entry.friendly_name.casefold() == wanted


def _public_key(_: FindType, value: Any) -> Test:
    if isinstance(value, (bytes, bytearray)):
        wanted = bytes(value)
    else:
        try:
            wanted = public_key_info(value.public_key() if hasattr(value, "private_bytes") else value)
        except (TypeError, AttributeError):
            raise BadFindValue(f"a {type(value).__name__} is not a key") from None
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return lambda entry: entry.certificate.public_key().public_bytes(encoding, form) == wanted


def _has_private_key(_: FindType, value: Any) -> Test:
    wanted = True if value is None else bool(value)
    return lambda entry: entry.has_private_key is wanted


_MAKERS: dict[FindType, Callable[[FindType, Any], Test]] = {
    FindType.THUMBPRINT: _thumbprint,
    FindType.THUMBPRINT_SHA1: _thumbprint,
    FindType.THUMBPRINT_SHA256: _thumbprint,
    FindType.SUBJECT_NAME: _name_part,
    FindType.ISSUER_NAME: _name_part,
    FindType.SUBJECT_DISTINGUISHED_NAME: _whole_name,
    FindType.ISSUER_DISTINGUISHED_NAME: _whole_name,
    FindType.SERIAL_NUMBER: _serial_number,
    FindType.TIME_VALID: _time,
    FindType.TIME_NOT_YET_VALID: _time,
    FindType.TIME_EXPIRED: _time,
    FindType.KEY_USAGE: _key_usage,
    FindType.EXTENDED_KEY_USAGE: _extended_key_usage,
    FindType.SUBJECT_KEY_IDENTIFIER: _subject_key_identifier,
    FindType.EXTENSION: _extension,
    FindType.CERTIFICATE_POLICY: _certificate_policy,
    FindType.DNS_NAME: _dns_name,
    FindType.FRIENDLY_NAME: _friendly_name,
    FindType.PUBLIC_KEY: _public_key,
    FindType.HAS_PRIVATE_KEY: _has_private_key,
}


def hexadecimal(value: Any) -> str:
    """Hexadecimal digits in small letters, without what people put between them. Raises `BadFindValue`."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    # The first character is what copying from the dialog of Windows brings along: a left-to-right mark.
    text = "".join(_text(value).lstrip("\u200e").replace(":", "").split()).lower()
    if not text or set(text) - set("0123456789abcdef") or len(text) % 2:
        raise BadFindValue(f"{value!r:.80} is not hexadecimal", "give an even number of digits 0-9 and a-f")
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadFindValue(f"this search needs text, not {type(value).__name__}")
    return value


def _snake(name: str) -> str:
    """`digitalSignature` and `digital-signature` as `digital_signature`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name.replace("-", "_")).lstrip("_")


def _dotted(text: str) -> str:
    from tlsocket.pki.der import DerError
    from tlsocket.pki.formats.trusted import encode_oid

    try:
        encode_oid(text)
    except DerError as error:
        raise BadFindValue(f"{error}"[:120], "give it as numbers with dots") from None
    return text
