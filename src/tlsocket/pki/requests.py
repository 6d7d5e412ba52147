"""Certification requests (PKCS #10, RFC 2986): made, loaded, shown and verified.

A request carries a public key, a name, and what its owner would like to have in the certificate; its signature proves
that the owner has the private key, and nothing else. Whether the wishes are granted is `tlsocket.pki.authority`'s to
decide; keeping the private key until the certificate comes back is `tlsocket.pki.stores`'s.
"""

from __future__ import annotations

import base64
import binascii
import enum
import os
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from tlsocket.pki import der
from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.certificates import PARSE_ERRORS, printable
from tlsocket.pki.errors import PkiError, WrongContent
from tlsocket.pki.files import write_atomically
from tlsocket.pki.keys import (
    KeySource,
    PrivateKey,
    PublicKey,
    describe_key,
    generate_key,
    public_key_info,
    read_source,
    signature_hash,
)
from tlsocket.pki.names import Dialect, DistinguishedName, NameEncodingError

__all__ = ["EXTENDED_KEY_USAGES", "KEY_USAGES", "CertificateRequest", "InvalidRequest", "RequestUsage"]

_E = TypeVar("_E", bound=x509.ExtensionType)

_MAXIMUM_SIZE = 1024 * 1024
_BLOCK = re.compile(rb"-----BEGIN ((?:NEW )?CERTIFICATE REQUEST)-----\s(.*?)-----END \1-----", re.DOTALL)
_ANY_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")

KEY_USAGES = MappingProxyType(
    {
        "digitalSignature": "digital_signature",
        "contentCommitment": "content_commitment",
        "keyEncipherment": "key_encipherment",
        "dataEncipherment": "data_encipherment",
        "keyAgreement": "key_agreement",
        "keyCertSign": "key_cert_sign",
        "cRLSign": "crl_sign",
        "encipherOnly": "encipher_only",
        "decipherOnly": "decipher_only",
    }
)
"""The bits of RFC 5280 section 4.2.1.3, and what `cryptography` calls them."""

EXTENDED_KEY_USAGES: Mapping[str, x509.ObjectIdentifier] = MappingProxyType(
    {
        "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
        "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
        "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
        "timeStamping": ExtendedKeyUsageOID.TIME_STAMPING,
        "OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING,
        "anyExtendedKeyUsage": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }
)
"""The purposes of RFC 5280 section 4.2.1.12."""


class InvalidRequest(PkiError, ValueError):
    """A request does not hold together, or cannot be made as asked."""


class RequestUsage(enum.Enum):
    """What the certificate is wanted for; each stands for a set of extensions."""

    SERVER = "server"
    CLIENT = "client"
    BOTH = "both"
    CODE_SIGNING = "code-signing"
    INTERMEDIATE = "intermediate"


_PURPOSES = {
    RequestUsage.SERVER: ("serverAuth",),
    RequestUsage.CLIENT: ("clientAuth",),
    RequestUsage.BOTH: ("serverAuth", "clientAuth"),
    RequestUsage.CODE_SIGNING: ("codeSigning",),
    RequestUsage.INTERMEDIATE: (),
}


class CertificateRequest:
    """A request; `csr` is `cryptography`'s own object. One that was made here knows its private key."""

    __slots__ = ("_names", "_subject", "csr", "private_key")

    def __init__(self, csr: x509.CertificateSigningRequest, private_key: PrivateKey | None = None) -> None:
        self.csr = csr
        self.private_key = private_key
        fields = der.elements(der.split(csr.tbs_certrequest_bytes)[1])
        # CertificationRequestInfo (RFC 2986 section 4.1): version, subject, key, attributes.
        self._subject = DistinguishedName.from_der(fields[1])
        self._names = SubjectAlternativeNames.from_extensions(csr.extensions)

    def __repr__(self) -> str:
        return f"<CertificateRequest {self._subject}>"

    @classmethod
    def create(
        cls,
        subject: DistinguishedName | str,
        sans: SubjectAlternativeNames | str | Iterable[x509.GeneralName] = (),
        *,
        key: PrivateKey | str = "ecdsa-p256",
        usage: RequestUsage | str | None = RequestUsage.SERVER,
        key_usage: x509.KeyUsage | Iterable[str] | None = None,
        extended_key_usage: Iterable[str | x509.ObjectIdentifier] | None = None,
        basic_constraints: x509.BasicConstraints | None = None,
    ) -> CertificateRequest:
        """A signed request with a key, or with a new one of a kind that `generate_key` knows.

        `subject` is a name, or text in the dialect that it looks like; `sans` are names, or text such as
        `dns:www.example.org,ip:192.0.2.1`. `usage` fills in key usage, extended key usage and basic constraints;
        each can be given instead (by the names of `KEY_USAGES` and `EXTENDED_KEY_USAGES`, or as an object), and
        `usage=None` asks for none of them.

        Raises `NameSyntaxError` for a name, `UnsupportedKey` for a kind of key, `InvalidRequest` for the rest.
        """
        name = DistinguishedName.parse(subject, Dialect.guess(subject)) if isinstance(subject, str) else subject
        names = _alternative_names(sans)
        if not name and not names.names:
            raise InvalidRequest(
                "the request would name nobody: it has neither a subject nor an alternative name", "give one of them"
            )
        extensions = _extensions(name, names, _usage(usage), key_usage, extended_key_usage, basic_constraints)
        private_key = generate_key(key) if isinstance(key, str) else key
        builder = x509.CertificateSigningRequestBuilder().subject_name(name.to_x509())
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        return cls(builder.sign(private_key, signature_hash(private_key)), private_key)

    @classmethod
    def load(cls, source: KeySource) -> CertificateRequest:
        """From a file, or from its content as bytes or text: PEM or DER.

        Everything in it is parsed here, so that reading its properties raises nothing. Raises `LoadError` (as a rule
        `WrongContent`), with the file's name. The signature is `verify`'s.
        """
        data, name = read_source(source, "certificate request")
        if len(data) > _MAXIMUM_SIZE:
            raise WrongContent(name, "larger than a request can be", "give the path of a request in PEM or DER")
        encoded = data if data[:1] == b"\x30" else _pem_content(data, name)
        try:
            csr = x509.load_der_x509_csr(encoded)
            public_key_info(csr.public_key())
            return cls(csr)
        except (NameEncodingError, der.DerError, IndexError, *PARSE_ERRORS):
            raise WrongContent(
                name, "the request in it cannot be parsed", "check that the file is complete, or make the request anew"
            ) from None

    def verify(self) -> None:
        """Raise `InvalidRequest` unless whoever made the request has the private key (RFC 2986 section 3)."""
        if self.csr.is_signature_valid:
            return
        try:
            # For an algorithm that it does not know, `cryptography` says that the signature is wrong.
            _ = self.csr.signature_hash_algorithm
        except PARSE_ERRORS:
            algorithm = self.csr.signature_algorithm_oid.dotted_string
            raise InvalidRequest(
                f"the request of {self._shown()} is signed with an algorithm ({algorithm}) that cannot be checked",
                "have it signed with SHA-256",
            ) from None
        raise InvalidRequest(
            f"the signature of the request of {self._shown()} is wrong: it was changed, or made with another key",
            "have the owner of the key make it anew",
        )

    @property
    def subject(self) -> DistinguishedName:
        """Whose certificate it is to be; may be empty when there are alternative names."""
        return self._subject

    @property
    def alternative_names(self) -> SubjectAlternativeNames:
        """The names that the certificate is to be valid for."""
        return self._names

    @property
    def public_key(self) -> PublicKey:
        """The key that is to be certified."""
        key: PublicKey = self.csr.public_key()  # type: ignore[assignment]  # `load` refused all others
        return key

    @property
    def key_usage(self) -> tuple[str, ...]:
        """The bits that are asked for, by the names of `KEY_USAGES`."""
        usage = self._extension(x509.KeyUsage)
        return () if usage is None else tuple(bit for bit, name in KEY_USAGES.items() if _has_bit(usage, name))

    @property
    def extended_key_usage(self) -> tuple[str, ...]:
        """The purposes that are asked for, by the names of `EXTENDED_KEY_USAGES`, others as numbers."""
        usage = self._extension(x509.ExtendedKeyUsage)
        words = {oid: word for word, oid in EXTENDED_KEY_USAGES.items()}
        return () if usage is None else tuple(words.get(oid, oid.dotted_string) for oid in usage)

    @property
    def basic_constraints(self) -> x509.BasicConstraints | None:
        """Whether an authority's certificate is asked for."""
        return self._extension(x509.BasicConstraints)

    @property
    def der(self) -> bytes:
        """The request in DER."""
        return self.csr.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The request in PEM, as it is sent to an authority."""
        return self.csr.public_bytes(Encoding.PEM)

    def save(self, path: str | os.PathLike[str], *, replace: bool = True) -> None:
        """Write it in PEM (mode 0644: nothing in it is secret). Raises `FileUnavailable`."""
        write_atomically(path, self.pem, mode=0o644, replace=replace)

    def describe(self) -> list[tuple[str, str]]:
        """What it asks for, in words: pairs of a heading and a line that is safe to print."""
        constraints = self.basic_constraints
        shown = [
            ("subject", str(self._subject) or "empty"),
            ("names", str(self._names)),
            ("key", describe_key(self.public_key)),
            ("key usage", ", ".join(self.key_usage)),
            ("purposes", ", ".join(self.extended_key_usage)),
        ]
        if constraints is not None:
            length = constraints.path_length
            below = "" if length is None else f", at most {length} authorities below it"
            shown.append(("authority", f"yes{below}" if constraints.ca else "no"))
        others = [
            f"{extension.oid.dotted_string}{' (critical)' if extension.critical else ''}"
            for extension in self.csr.extensions
            if extension.oid not in _SHOWN_EXTENSIONS
        ]
        shown.append(("other extensions", ", ".join(others)))
        return [(heading, printable(text)) for heading, text in shown if text]

    def _shown(self) -> str:
        return str(self._subject) or str(self._names) or "an unnamed subject"

    def _extension(self, kind: type[_E]) -> _E | None:
        try:
            return self.csr.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None


_SHOWN_EXTENSIONS = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.BASIC_CONSTRAINTS,
}


def _alternative_names(sans: SubjectAlternativeNames | str | Iterable[x509.GeneralName]) -> SubjectAlternativeNames:
    if isinstance(sans, SubjectAlternativeNames):
        return sans
    if isinstance(sans, str):
        return SubjectAlternativeNames.parse(sans) if sans else SubjectAlternativeNames()
    return SubjectAlternativeNames(sans)


def _usage(usage: RequestUsage | str | None) -> RequestUsage | None:
    try:
        return None if usage is None else RequestUsage(usage)
    except ValueError:
        known = ", ".join(item.value for item in RequestUsage)
        raise InvalidRequest(f"{usage!r} is not a usage", f"use one of {known}") from None


def _extensions(
    name: DistinguishedName,
    names: SubjectAlternativeNames,
    usage: RequestUsage | None,
    key_usage: x509.KeyUsage | Iterable[str] | None,
    extended_key_usage: Iterable[str | x509.ObjectIdentifier] | None,
    basic_constraints: x509.BasicConstraints | None,
) -> list[tuple[x509.ExtensionType, bool]]:
    """What the request asks for, each with whether it is critical (RFC 5280 section 4.2.1)."""
    found: list[tuple[x509.ExtensionType, bool]] = []
    if names.names:
        found.append((names.extension(), not name))
    is_authority = usage is RequestUsage.INTERMEDIATE
    if basic_constraints is None and usage is not None:
        basic_constraints = x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None)
    if basic_constraints is not None:
        found.append((basic_constraints, True))
    if key_usage is None and usage is not None:
        key_usage = ("digitalSignature", "keyCertSign", "cRLSign") if is_authority else ("digitalSignature",)
    if key_usage is not None:
        found.append((key_usage if isinstance(key_usage, x509.KeyUsage) else _key_usage(key_usage), True))
    if extended_key_usage is None and usage is not None:
        extended_key_usage = _PURPOSES[usage]
    purposes = [_purpose(item) for item in extended_key_usage or ()]
    if purposes:
        found.append((x509.ExtendedKeyUsage(dict.fromkeys(purposes)), False))
    return found


def _key_usage(words: Iterable[str]) -> x509.KeyUsage:
    bits = dict.fromkeys(KEY_USAGES.values(), False)
    for word in [words] if isinstance(words, str) else words:
        if word not in KEY_USAGES:
            raise InvalidRequest(f"{word!r} is not a key usage", f"use some of {', '.join(KEY_USAGES)}")
        bits[KEY_USAGES[word]] = True
    try:
        return x509.KeyUsage(**bits)
    except ValueError as error:
        raise InvalidRequest(f"the key usage makes no sense: {error}", "ask for keyAgreement too") from None


def _purpose(item: str | x509.ObjectIdentifier) -> x509.ObjectIdentifier:
    if isinstance(item, x509.ObjectIdentifier):
        return item
    try:
        return EXTENDED_KEY_USAGES[item] if item in EXTENDED_KEY_USAGES else x509.ObjectIdentifier(item)
    except ValueError:
        known = ", ".join(EXTENDED_KEY_USAGES)
        raise InvalidRequest(f"{item!r} is not a purpose", f"use some of {known}, or object identifiers") from None


def _has_bit(usage: x509.KeyUsage, name: str) -> bool:
    # `cryptography` refuses to tell these two when they mean nothing.
    if name in ("encipher_only", "decipher_only") and not usage.key_agreement:
        return False
    return bool(getattr(usage, name))


def _pem_content(data: bytes, name: str) -> bytes:
    match = _BLOCK.search(data)
    if match is not None:
        try:
            return base64.b64decode(b"".join(match[2].split()), validate=True)
        except binascii.Error:
            raise WrongContent(
                name, "the request in it is damaged: not base64", "copy it again, whole, from its BEGIN to its END line"
            ) from None
    labels = sorted({label.decode().lower() for label in _ANY_LABEL.findall(data)})
    if any(label.endswith("certificate request") for label in labels):
        raise WrongContent(name, "the request's END line is missing", "the file was cut off: copy it again")
    holds = f"no request in it, only: {', '.join(labels)}" if labels else "neither PEM nor DER"
    if not data.strip():
        holds = "the file is empty"
    remedy = "give a certificate request in PEM ('-----BEGIN CERTIFICATE REQUEST-----') or DER"
    raise WrongContent(name, holds, remedy)
