"""Certificates and keys written in the form that another program wants.

Bytes only: where they go, with which permissions, is the caller's part (`tlsocket.pki.files.write_atomically`), but
for the hashed folder, which is several files. Reading is in `tlsocket.pki.formats.reading`.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509

from tlsocket.pki import der
from tlsocket.pki.certificates import certificate_der
from tlsocket.pki.errors import PasswordRequired
from tlsocket.pki.files import private_folder, write_atomically
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.formats.trusted import ANY_PURPOSE, Auxiliary, encode_trusted
from tlsocket.pki.keys import PrivateKey, private_key_der, private_key_pem

__all__ = [
    "JAVA_PASSWORD",
    "java_trust_store",
    "pem",
    "pem_text",
    "pkcs7",
    "pkcs12",
    "revocation_list_pem",
    "subject_hash",
    "trusted_pem",
    "write_folder",
]

JAVA_PASSWORD = b"changeit"
"""What Java's own trust store is protected with: a trust store holds no secret, but Java insists on a password."""


def pem_text(data: bytes, label: str = "CERTIFICATE") -> bytes:
    """One PEM block (RFC 7468 section 2)."""
    text = b64encode(data)
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])


def pem(
    certificates: Iterable[x509.Certificate], key: PrivateKey | None = None, password: bytes | None = None
) -> bytes:
    """The certificates in their order, after the key if there is one."""
    head = b"" if key is None else private_key_pem(key, password or None)
    return head + b"".join(pem_text(certificate_der(certificate)) for certificate in certificates)


def revocation_list_pem(crl: x509.CertificateRevocationList) -> bytes:
    """A revocation list in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return pem_text(crl.public_bytes(Encoding.DER), "X509 CRL")


def trusted_pem(items: Iterable[Item]) -> bytes:
    """OpenSSL's `TRUSTED CERTIFICATE`, with what each is trusted and not trusted for."""
    return b"".join(
        pem_text(
            encode_trusted(
                certificate_der(item.certificate), Auxiliary(item.purposes, item.refused_purposes, item.friendly_name)
            ),
            "TRUSTED CERTIFICATE",
        )
        for item in items
    )


def pkcs7(certificates: Sequence[x509.Certificate], *, text: bool = False) -> bytes:
    """PKCS #7 with certificates and no signature (`.p7b`), in DER or as PEM. The order is not kept: it is a set."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs7 as module

    encoding = serialization.Encoding.PEM if text else serialization.Encoding.DER
    return module.serialize_certificates(list(certificates), encoding)


def pkcs12(
    items: Iterable[Item],
    password: bytes | None,
    *,
    keys: Iterable[PrivateKey] = (),
    iterations: int | None = None,
) -> bytes:
    """PKCS #12 with the items, their keys, and keys that belong to none. Keys are never written unprotected."""
    from tlsocket.pki.formats.pkcs12 import ITERATIONS, Bag, write_pkcs12

    rounds = ITERATIONS if iterations is None else iterations
    bags = []
    for item in items:
        identifier = hashlib.sha1(certificate_der(item.certificate), usedforsecurity=False).digest()
        local = identifier if item.key is not None else b""
        bags.append(Bag(item.certificate, None, item.friendly_name, local))
        if item.key is not None:
            bags.append(Bag(None, _protected(item.key, password, rounds), item.friendly_name, local))
    bags += [Bag(None, _protected(key, password, rounds)) for key in keys]
    return write_pkcs12(bags, password, iterations=rounds)


def java_trust_store(items: Sequence[Item], password: bytes = JAVA_PASSWORD) -> bytes:
    """A PKCS #12 whose certificates Java takes for trusted entries, each under a name of its own."""
    from tlsocket.pki.formats.pkcs12 import Bag, write_pkcs12

    taken: set[str] = set()
    bags = [
        Bag(
            item.certificate,
            friendly_name=_alias(item, taken),
            trusted_purposes=(ANY_PURPOSE,) if item.purposes is None else item.purposes,
        )
        for item in items
    ]
    return write_pkcs12(bags, password, iterations=10_000)


def write_folder(
    folder: str | os.PathLike[str], certificates: Iterable[x509.Certificate], *, hashed: bool = True
) -> list[Path]:
    """One PEM file for each certificate, under the name that OpenSSL looks for (`-CApath`) or its thumbprint's.

    A certificate that is there already keeps its file. Returns the paths.
    """
    place = private_folder(folder, 0o755)
    paths = []
    for certificate in certificates:
        content = pem_text(certificate_der(certificate))
        if hashed:
            path = _free_name(place, subject_hash(certificate.subject), content)
        else:
            path = place / f"{hashlib.sha256(certificate_der(certificate)).hexdigest()}.pem"
        write_atomically(path, content, mode=0o644)
        paths.append(path)
    return paths


def subject_hash(name: x509.Name) -> str:
    """The eight digits that `openssl rehash` names a certificate's file with.

    The digest is over the name in OpenSSL's canonical form: character strings as UTF-8, ASCII letters small, spaces
    trimmed and single.
    """
    canonical = []
    for rdn in der.elements(der.split(name.public_bytes())[1]):
        attributes = []
        for attribute in der.elements(der.split(rdn)[1]):
            kind, value = der.elements(der.split(attribute)[1])[:2]
            attributes.append(der.encode(der.SEQUENCE, kind, _canonical(value)))
        canonical.append(der.encode(0x31, *sorted(attributes)))
    digest = hashlib.sha1(b"".join(canonical), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


_STRING_CODECS = {
    0x0C: "utf-8",  # UTF8String
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # TeletexString, as OpenSSL reads it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


def _canonical(value: bytes) -> bytes:
    tag, content, _ = der.split(value)
    codec = _STRING_CODECS.get(tag)
    if codec is None:
        return value
    words = content.decode(codec, "replace").encode().lower().split()
    return der.encode(0x0C, b" ".join(words))


def _free_name(folder: Path, digits: str, content: bytes) -> Path:
    for number in range(1000):
        path = folder / f"{digits}.{number}"
        try:
            if path.read_bytes() == content:
                return path
        except FileNotFoundError:
            return path
        except OSError:
            continue
    return folder / f"{digits}.1000"


def _alias(item: Item, taken: set[str]) -> str:
    from tlsocket.pki.certificates import subject_text

    # Java compares aliases without regard to case and lets a second one of a name replace the first.
    base = item.friendly_name or subject_text(item.certificate)
    alias, number = base, 1
    while alias.lower() in taken:
        number += 1
        alias = f"{base} ({number})"
    taken.add(alias.lower())
    return alias


def _protected(key: PrivateKey, password: bytes | None, iterations: int) -> bytes:
    if not password:
        raise PasswordRequired(
            "PKCS #12", "a file with a private key is not written without a password", "choose a password for it"
        )
    return private_key_der(key, password, rounds=iterations)
