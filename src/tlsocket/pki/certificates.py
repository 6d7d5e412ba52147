"""Certificates: loaded from files or bytes, described for people, and shown as `SSLSocket.getpeercert` shows them.

RFC 5280 for the fields, RFC 7468 for PEM. Nothing here believes a certificate: who is trusted is decided in
`tlsocket.pki.trust`. Private keys are `tlsocket.pki.keys`'s.
"""

from __future__ import annotations

import binascii
import datetime
import enum
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tlsocket.crypto.certificates import PARSE_ERRORS
from tlsocket.crypto.library import serialization
from tlsocket.pki import der
from tlsocket.pki.errors import WrongContent
from tlsocket.pki.keys import (
    KeySource,
    Password,
    PrivateKey,
    check_key_fits,
    describe_key,
    load_private_key,
    read_source,
    source_name,
)
from tlsocket.pki.names.comparison import is_self_issued
from tlsocket.pki.pem import pem_blocks

__all__ = [
    "PARSE_ERRORS",
    "Purpose",
    "certificate_der",
    "certificate_dict",
    "describe_certificate",
    "fingerprint",
    "key_description",
    "load_certificates",
    "load_chain_and_key",
    "parse_certificate",
    "pem_certificates",
    "printable",
    "subject_text",
]

_EXTENSIONS = 0xA3  # RFC 5280 section 4.1: [3] in the TBSCertificate
_ALTERNATIVE_NAME = bytes.fromhex("0603551d11")  # the OBJECT IDENTIFIER 2.5.29.17
_CERTIFICATE_LABELS = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})
_ANY_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# The names that OpenSSL prints for the attributes of X.520, PKCS #9 and the EV guidelines; others print as numbers.
_ATTRIBUTE_NAMES = {
    "0.9.2342.19200300.100.1.1": "userId",
    "0.9.2342.19200300.100.1.25": "domainComponent",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionLocalityName",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
    "2.5.4.3": "commonName",
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "countryName",
    "2.5.4.7": "localityName",
    "2.5.4.8": "stateOrProvinceName",
    "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName",
    "2.5.4.11": "organizationalUnitName",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "givenName",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
}


_LONGEST_SUBJECT = 300


class Purpose(enum.Enum):
    """What an end-entity certificate may be used for (RFC 5280 section 4.2.1.12)."""

    # Members are keys of what every verification looks up, once for each certificate; the hash of `enum` is a Python
    # function, and costs 0.6 to 1 us of the 17 by which a chain of two is dearer than with cryptography's verifier.
    __hash__ = object.__hash__

    SERVER = "server"
    CLIENT = "client"
    BOTH = "both"


def parse_certificate(data: bytes) -> x509.Certificate:
    """One DER certificate, and nothing after it. Raises one of `PARSE_ERRORS`."""
    return x509.load_der_x509_certificate(data)


def pem_certificates(data: bytes) -> Iterator[bytes]:
    """The DER of each certificate block in PEM text, in order; a block that is not base64 comes as `b""`.

    So does one that is cut off by the next; one that the end of the text cuts off is passed over.
    """
    cut_off = False
    for label, body, whole in pem_blocks(data):
        if cut_off:
            yield b""
        cut_off = label in _CERTIFICATE_LABELS and not whole
        if label not in _CERTIFICATE_LABELS or cut_off:
            continue
        try:
            yield binascii.a2b_base64(body.translate(None, b" \t\r\n"), strict_mode=True)
        except binascii.Error:
            yield b""


def load_certificates(source: KeySource, *, what: str = "certificate") -> tuple[x509.Certificate, ...]:
    """Every certificate in a file, in its order: PEM, or DER one after the other."""
    data, name = read_source(source, what)
    if not data.strip():
        raise WrongContent(name, "the file is empty", f"give a file with a {what} in PEM or DER")
    found: list[x509.Certificate] = []
    try:
        encoded = der.elements(data) if data[:1] == b"\x30" else list(pem_certificates(data))
        # Filled one by one, so that the message can count to the damaged one.
        found.extend(parse_certificate(item) for item in encoded)
    except PARSE_ERRORS:
        number = f"certificate number {len(found) + 1}" if found else "the first certificate"
        raise WrongContent(
            name, f"{number} in it cannot be parsed", "check that the file is complete, or export it anew"
        ) from None
    if not found:
        labels = sorted({label.decode().lower() for label in _ANY_LABEL.findall(data)})
        holds = f"no certificate in it, only: {', '.join(labels)}" if labels else "neither PEM nor DER"
        raise WrongContent(name, holds, f"give a file with a {what} in PEM ('-----BEGIN CERTIFICATE-----') or DER")
    return tuple(found)


def load_chain_and_key(
    certificate: KeySource, key: KeySource | None = None, password: Password = None
) -> tuple[tuple[bytes, ...], PrivateKey]:
    """A certificate chain (DER, the end entity first) and the private key that belongs to it.

    Without `key` the key stands in the same file, as `SSLContext.load_cert_chain` has it: PEM, or a PKCS #12 container
    with one private key in it.
    """
    if key is None and _is_container(read_source(certificate, "certificate")[0]):
        return _load_container(certificate, password)
    chain = load_certificates(certificate)
    key_source = certificate if key is None else key
    private_key = load_private_key(key_source, password)
    check_key_fits(
        private_key,
        chain[0],
        key_source=source_name(key_source, "private key"),
        certificate_source=source_name(certificate, "certificate"),
    )
    return tuple(certificate_der(item) for item in chain), private_key


def _is_container(data: bytes) -> bool:
    if data[:1] != b"\x30":
        return False
    from tlsocket.pki.formats.pkcs12 import is_pkcs12

    return is_pkcs12(data)


def _load_container(source: KeySource, password: Password) -> tuple[tuple[bytes, ...], PrivateKey]:
    from tlsocket.pki.formats.reading import read_contents

    contents = read_contents(source, password)
    own = [(item, item.key) for item in contents.items if item.key is not None]
    if len(own) != 1:
        problem = "there are several private keys in it" if own else "there is no certificate with its key in it"
        remedy = "import it into a certificate store and name the entry" if own else "export it with its private key"
        raise WrongContent(contents.source, problem, remedy)
    item, key = own[0]
    return tuple(certificate_der(each) for each in (item.certificate, *contents.with_issuers(item))), key


def certificate_der(certificate: x509.Certificate) -> bytes:
    """The certificate's DER."""
    return certificate.public_bytes(serialization().Encoding.DER)


def fingerprint(certificate: x509.Certificate | bytes, algorithm: str = "sha256") -> str:
    """The digest of the DER as people compare it: `AB:CD:...`."""
    data = certificate if isinstance(certificate, bytes) else certificate_der(certificate)
    return hashlib.new(algorithm, data, usedforsecurity=False).digest().hex(":").upper()


def printable(text: str) -> str:
    """`text` without what could move a terminal's cursor or hide in a log: names are chosen by strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def subject_text(certificate: x509.Certificate) -> str:
    """The subject in RFC 4514 form, or the first alternative name when the subject is empty."""
    try:
        text = certificate.subject.rfc4514_string()
        if not text:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            text = ", ".join(str(name.value) for name in list(names)[:1])
    except (*PARSE_ERRORS, x509.ExtensionNotFound):
        text = ""
    if len(text) > _LONGEST_SUBJECT:
        text = f"{text[:_LONGEST_SUBJECT]}..."
    return printable(text) or "an unnamed subject"


def key_description(certificate: x509.Certificate) -> str:
    """The certificate's key in two words, such as `ECDSA P-256` or `RSA-PSS 2048`."""
    try:
        text = describe_key(certificate.public_key())
        pss_only = certificate.public_key_algorithm_oid == x509.PublicKeyAlgorithmOID.RSASSA_PSS
    except PARSE_ERRORS:
        return "unknown key"
    return text.replace("RSA", "RSA-PSS") if pss_only else text


def describe_certificate(certificate: x509.Certificate) -> str:
    """One line for people: whose, by whom, until when, which key."""
    try:
        issuer = printable(certificate.issuer.rfc4514_string()) or "an unnamed issuer"
        dates = f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        by = "itself" if is_self_issued(certificate_der(certificate)) else issuer
    except PARSE_ERRORS:
        return f"a certificate that cannot be read (SHA-256 {fingerprint(certificate)})"
    return f"{subject_text(certificate)}, issued by {by}, valid {dates}, {key_description(certificate)}"


def certificate_dict(certificate: x509.Certificate) -> dict[str, Any]:
    """The dictionary that `ssl.SSLSocket.getpeercert` returns, key for key."""
    number = certificate.serial_number
    serial = f"{abs(number):X}"
    result: dict[str, Any] = {
        "subject": _name_tuples(certificate.subject),
        "issuer": _name_tuples(certificate.issuer),
        "version": certificate.version.value + 1,
        "serialNumber": ("-" if number < 0 else "") + serial.zfill(len(serial) + len(serial) % 2),
        "notBefore": _date_text(certificate.not_valid_before_utc),
        "notAfter": _date_text(certificate.not_valid_after_utc),
    }
    try:
        extensions = list(certificate.extensions)
    except PARSE_ERRORS:
        # All of them are parsed or none, so one that is damaged hides the others; the names, at least, are read alone.
        try:
            names = _alternative_names_alone(certificate)
        except PARSE_ERRORS:
            names = []
        if names:
            result["subjectAltName"] = tuple(_general_name_pair(name) for name in names)
        return result
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            result["subjectAltName"] = tuple(_general_name_pair(name) for name in value)
        elif isinstance(value, x509.AuthorityInformationAccess):
            for key, method in (
                ("OCSP", AuthorityInformationAccessOID.OCSP),
                ("caIssuers", AuthorityInformationAccessOID.CA_ISSUERS),
            ):
                uris = _uris(access.access_location for access in value if access.access_method == method)
                if uris:
                    result[key] = uris
        elif isinstance(value, x509.CRLDistributionPoints):
            uris = _uris(name for point in value for name in point.full_name or ())
            if uris:
                result["crlDistributionPoints"] = uris
    return result


def _alternative_names_alone(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """The names of a certificate with some other extension that cannot be read: those of a copy without the others."""
    tbs, *rest = der.elements(der.split(certificate_der(certificate))[1])
    fields = der.elements(der.split(tbs)[1])
    for place, field in enumerate(fields):
        if field[0] == _EXTENSIONS:
            extensions = der.elements(der.split(der.split(field)[1])[1])
            kept = [each for each in extensions if der.split(each)[1].startswith(_ALTERNATIVE_NAME)]
            fields[place] = der.encode(_EXTENSIONS, der.encode(der.SEQUENCE, *kept))
    copy = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *fields), *rest)
    found = parse_certificate(copy).extensions
    return [name for each in found if isinstance(each.value, x509.SubjectAlternativeName) for name in each.value]


def _uris(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def _name_tuples(name: x509.Name) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(
        tuple((_ATTRIBUTE_NAMES.get(a.oid.dotted_string, a.oid.dotted_string), _text(a.value)) for a in rdn)
        for rdn in name.rdns
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _general_name_pair(name: x509.GeneralName) -> tuple[str, Any]:
    if isinstance(name, x509.DNSName):
        return ("DNS", name.value)
    if isinstance(name, x509.IPAddress):
        return ("IP Address", _address_text(name.value))
    if isinstance(name, x509.RFC822Name):
        return ("email", name.value)
    if isinstance(name, x509.UniformResourceIdentifier):
        return ("URI", name.value)
    if isinstance(name, x509.DirectoryName):
        return ("DirName", _name_tuples(name.value))
    if isinstance(name, x509.RegisteredID):
        return ("Registered ID", name.value.dotted_string)
    return ("othername", "<unsupported>")


def _address_text(address: object) -> str:
    # OpenSSL writes IPv6 addresses in full and in capitals.
    if isinstance(address, ipaddress.IPv6Address):
        packed = address.packed
        return ":".join(f"{int.from_bytes(packed[i : i + 2], 'big'):X}" for i in range(0, 16, 2))
    return str(address)


def _date_text(date: datetime.datetime) -> str:
    # As ASN1_TIME_print writes it: English whatever the locale, and the day filled up with a blank.
    return f"{_MONTHS[date.month - 1]} {date.day:2d} {date:%H:%M:%S} {date.year} GMT"
