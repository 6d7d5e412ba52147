"""The file of one entry: a PEM file that any program can read, with what we say of the certificate in front of it.

RFC 7468 section 2 lets text stand before the first block and has parsers pass over it. There it holds lines of a name,
a colon and a value in JSON; names that are not known are passed over. The entry's own certificate comes first, its
issuers follow, as web servers want it. Where such files are and when they are written is `folder`'s part.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Sequence
from typing import Any

from cryptography import x509

from tlsocket.pki.certificates import subject_text
from tlsocket.pki.formats.writing import pem_text
from tlsocket.pki.stores.layers import Metadata, Record, sha1_of, thumbprint_of

__all__ = ["MAXIMUM_SIZE", "decode_entry", "encode_entry"]

MAXIMUM_SIZE = 1024 * 1024
"""Bytes of one entry's file."""

_MAXIMUM_CHAIN = 32
_TITLE = b"An entry of a certificate store of tlsocket. Lines before the first certificate are its own.\n"
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_FIELDS = frozenset({"friendly-name", "archived", "purposes", "refused-purposes", "added-by", "added-at"})


def encode_entry(certificate: x509.Certificate, der: bytes, metadata: Metadata, chain: Sequence[bytes]) -> bytes:
    """The file's content."""
    fields = {"subject": subject_text(certificate), **metadata.fields()}
    lines = [f"{name}: {_value(value)}\n".encode() for name, value in fields.items()]
    return b"".join((_TITLE, *lines, pem_text(der), *map(pem_text, chain)))


def decode_entry(data: bytes, thumbprint: str, has_key: bool) -> Record:
    """The entry in a file named by `thumbprint`. Raises ValueError in words, or one of `PARSE_ERRORS`."""
    head, *blocks = data.split(_BEGIN, _MAXIMUM_CHAIN + 1)
    if not blocks:
        raise ValueError("there is no certificate in it")
    ders = []
    for block in blocks:
        body, end, _ = block.partition(_END)
        if not end:
            raise ValueError("it is cut off")
        try:
            ders.append(binascii.a2b_base64(body))
        except binascii.Error:
            raise ValueError("its base64 is damaged") from None
    if thumbprint_of(ders[0]) != thumbprint:
        raise ValueError("its certificate is not the one that its name says")
    certificate = x509.load_der_x509_certificate(ders[0])
    return Record(thumbprint, ders[0], certificate, _metadata(head), has_key, tuple(ders[1:]), sha1_of(ders[0]))


def _metadata(head: bytes) -> Metadata:
    fields: dict[str, Any] = {}
    for line in head.decode("utf-8").splitlines():
        name, colon, value = line.partition(": ")
        if colon and name in _FIELDS:
            try:
                fields[name] = json.loads(value)
            except RecursionError:
                raise ValueError("nested too deeply") from None
    return Metadata.from_fields(fields) if fields else Metadata()


def _value(value: object) -> str:
    # No value can look like the boundary of a PEM block to a reader that searches carelessly.
    return json.dumps(value, ensure_ascii=True).replace("--", "\\u002d\\u002d")
