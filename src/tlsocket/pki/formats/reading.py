"""Certificates and keys out of whatever a file is: PEM of any kind, DER, PKCS #7, PKCS #12, or a folder of those.

The form is told by the content, never by the file's name. One damaged certificate among good ones is noted and left
out; a file with nothing usable in it is an error that says what it holds instead. RFC 7468 for PEM, RFC 2315 for
PKCS #7; everything is bounded, as a file may come from anybody.
"""

from __future__ import annotations

import base64
import binascii
import os
import warnings
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS
from tlsocket.pki.errors import (
    FileUnavailable,
    LoadError,
    PasswordRequired,
    UnsupportedKey,
    WrongContent,
    WrongPassword,
)
from tlsocket.pki.formats.contents import Contents, Item, Skipped, join_keys
from tlsocket.pki.formats.trusted import split_trusted
from tlsocket.pki.keys import KeySource, Password, PrivateKey, load_private_key, read_source
from tlsocket.pki.pem import MAXIMUM_ITEMS, pem_blocks

__all__ = ["MAXIMUM_ITEMS", "pem_blocks", "read_contents", "read_folder"]

_CERTIFICATE_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"}
_PKCS7_LABELS = {b"PKCS7", b"PKCS #7 SIGNED DATA", b"CMS"}
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


def read_contents(
    source: KeySource, password: Password = None, *, keys: bool = True, what: str = "certificate"
) -> Contents:
    """Everything in a file, a folder, or bytes. With `keys=False` private keys are passed over, without a password.

    Raises `LoadError`: the file cannot be read, holds nothing of use, or the password does not open it.
    """
    if isinstance(source, (str, os.PathLike)) and "-----BEGIN " not in str(source) and os.path.isdir(source):
        return read_folder(os.fsdecode(source), password, keys=keys)
    data, name = read_source(source, what)
    reader = _Reader(name, _asked_once(password), keys)
    if not data.strip():
        raise WrongContent(name, "the file is empty", f"give a file with a {what}")
    with warnings.catch_warnings():
        # Roots with a serial number of zero exist in real stores (RFC 5280 section 4.1.2.2 forbids them).
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        form = reader.read(data)
    if not reader.items and not reader.keys:
        raise WrongContent(name, reader.complaint(), f"give a file with a {what} in PEM, DER, PKCS #7 or PKCS #12")
    items, left = join_keys(reader.items, reader.keys)
    return Contents(items, form, name, left, tuple(reader.skipped))


def read_folder(folder: str | os.PathLike[str], password: Password = None, *, keys: bool = False) -> Contents:
    """Everything in the files of a folder, with hashed names (`openssl rehash`) or any; each certificate once.

    A file that is none of ours is passed over, one that cannot be read is noted.
    """
    path = Path(folder)
    try:
        names = sorted(entry.name for entry in os.scandir(path) if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        raise FileUnavailable(str(path), error, "check the path of the folder of certificates") from None
    ask = _asked_once(password)
    items: dict[x509.Certificate, Item] = {}
    left: list[PrivateKey] = []
    skipped: list[Skipped] = []
    for name in names:
        try:
            contents = read_contents(path / name, ask, keys=keys)
        except LoadError as error:
            if isinstance(error, FileUnavailable) or _looks_like_ours(path / name):
                skipped.append(Skipped(str(path / name), error.problem))
            continue
        for item in contents.items:
            if item.certificate not in items or item.key is not None:
                items[item.certificate] = item
        left += contents.keys
        skipped += contents.skipped
    joined, remaining = join_keys(list(items.values()), left)
    return Contents(joined, "folder", str(path), remaining, tuple(skipped))


class _Reader:
    """One container being read."""

    def __init__(self, source: str, password: Password, with_keys: bool) -> None:
        self.source = source
        self.password = password
        self.with_keys = with_keys
        self.items: list[Item] = []
        self.keys: list[PrivateKey] = []
        self.skipped: list[Skipped] = []
        self.labels: list[str] = []

    def read(self, data: bytes) -> str:
        """Everything in `data`; which form it had."""
        if data[:1] == b"\x30":
            return self._read_der(data)
        if b"-----BEGIN " in data:
            self._read_pem(data)
            return "pem"
        # Base64 without header lines is what some authorities' web pages hand out.
        try:
            decoded = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error:
            decoded = b""
        return self._read_der(decoded) if decoded[:1] == b"\x30" else "unknown"

    def complaint(self) -> str:
        if self.skipped:
            return self.skipped[0].why
        if self.labels:
            return f"no certificate in it, only: {', '.join(sorted(set(self.labels)))}"
        return "neither PEM nor DER"

    def _read_pem(self, data: bytes) -> None:
        for number, (label, body, whole) in enumerate(pem_blocks(data), 1):
            if label.endswith(b"PRIVATE KEY"):
                if self.with_keys and whole:
                    self.keys.append(self._load_key(whole, self.password))
                    continue
                if not whole:
                    self._skip(f"block number {number} (a private key) is cut off")
                self.labels.append("private key")
            elif label in _CERTIFICATE_LABELS or label in _PKCS7_LABELS:
                decoded = _decode(body)
                if not decoded:
                    self._skip(f"block number {number} is cut off or not base64")
                elif label in _PKCS7_LABELS:
                    self._read_pkcs7(decoded)
                else:
                    self._add_certificate(decoded, number)
            else:
                self.labels.append(label.decode("ascii", "replace").lower())

    def _read_der(self, data: bytes) -> str:
        from tlsocket.pki.formats.pkcs12 import is_pkcs12

        if is_pkcs12(data):
            self._read_pkcs12(data)
            return "p12"
        if (_SIGNED_DATA in data[:32] and data[1:2] == b"\x80") or _is_signed_data(data):
            self._read_pkcs7(data)
            return "p7b"
        try:
            content = der.split(data)[1]
            parts = der.elements(content)
        except der.DerError:
            self._skip("it is cut off or not DER")
            return "der"
        if parts and (parts[0][0] == 0x02 or (len(parts) == 2 and parts[1][0] == der.OCTET_STRING)):
            self.labels.append("private key")
            if self.with_keys:
                self.keys.append(self._load_key(data, self.password))
            return "der"
        self._read_certificates(data)
        return "der"

    def _read_certificates(self, data: bytes) -> None:
        """Certificates one after the other, or one with OpenSSL's trust settings behind it."""
        try:
            elements = der.elements(data)
        except der.DerError:
            self._skip("it is cut off or not DER")
            return
        if len(elements) == 2:
            first = self._parse(elements[0], 1)
            if first is not None and self._parse(elements[1], 2, quiet=True) is None:
                self._add_certificate(data, 1)
                return
        for number, element in enumerate(elements[:MAXIMUM_ITEMS], 1):
            self._add_certificate(element, number)

    def _add_certificate(self, data: bytes, number: int) -> None:
        try:
            encoded, auxiliary = split_trusted(data)
        except der.DerError:
            self._skip(f"certificate number {number} cannot be parsed")
            return
        certificate = self._parse(encoded, number)
        if certificate is not None:
            self.items.append(
                Item(
                    certificate,
                    friendly_name=auxiliary.alias,
                    purposes=auxiliary.trusted,
                    refused_purposes=auxiliary.rejected,
                )
            )

    def _parse(self, data: bytes, number: int, *, quiet: bool = False) -> x509.Certificate | None:
        try:
            return x509.load_der_x509_certificate(data)
        except PARSE_ERRORS:
            if not quiet:
                self._skip(f"certificate number {number} cannot be parsed")
            return None

    def _read_pkcs7(self, data: bytes) -> None:
        from cryptography.hazmat.primitives.serialization import pkcs7

        try:
            found = pkcs7.load_der_pkcs7_certificates(data)
        except (*PARSE_ERRORS, UnsupportedAlgorithm):
            self._skip("the PKCS #7 in it cannot be parsed, or holds no certificate")
            return
        self.items += [Item(certificate) for certificate in found[:MAXIMUM_ITEMS]]

    def _read_pkcs12(self, data: bytes) -> None:
        from tlsocket.pki.formats.pkcs12 import Bag, read_pkcs12

        bags: list[Bag] = []
        secret: bytes | None = None
        try:
            bags = read_pkcs12(data, None, self.source)
        except (PasswordRequired, WrongPassword):
            if self.password is None:
                # The empty password is what many programs write when the user gives none.
                secret = b""
            else:
                value = self.password() if callable(self.password) else self.password
                secret = value.encode() if isinstance(value, str) else bytes(value)
            try:
                bags = read_pkcs12(data, secret, self.source)
            except WrongPassword as error:
                if self.password is None:
                    why = "it is protected by a password and none was given"
                    raise PasswordRequired(self.source, why, "give its password") from None
                raise error from None
        for bag in bags:
            if bag.certificate is not None:
                purposes = bag.trusted_purposes
                if purposes is not None and "2.5.29.37.0" in purposes:
                    purposes = None
                self.items.append(Item(bag.certificate, friendly_name=bag.friendly_name, purposes=purposes))
            if bag.key is not None and self.with_keys:
                try:
                    self.keys.append(self._load_key(bag.key, secret))
                except UnsupportedKey as error:
                    self._skip(error.problem)

    def _load_key(self, data: bytes, password: Password) -> PrivateKey:
        try:
            return load_private_key(data, password)
        except LoadError as error:
            # It knows bytes only; whoever reads the message wants the file's name.
            raise type(error)(self.source, error.problem.removeprefix(f"{error.source}: "), error.remedy) from None

    def _skip(self, why: str) -> None:
        self.skipped.append(Skipped(self.source, why))


def _decode(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        return b""


def _is_signed_data(data: bytes) -> bool:
    try:
        return der.split(data)[1].startswith(_SIGNED_DATA)
    except der.DerError:
        return False


def _asked_once(password: Password) -> Password:
    """The same password without asking a person twice for one container."""
    if not callable(password):
        return password
    ask: Callable[[], str | bytes | bytearray] = password
    answers: list[str | bytes | bytearray] = []

    def once() -> str | bytes | bytearray:
        if not answers:
            answers.append(ask())
        return answers[0]

    return once


def _looks_like_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return b"-----BEGIN " in head or head[:1] == b"\x30"
