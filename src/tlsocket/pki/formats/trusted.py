"""OpenSSL's own form `TRUSTED CERTIFICATE`: a certificate, and after it what it is trusted and not trusted for.

The structure X509_CERT_AUX is described in OpenSSL's manual page openssl-x509 (options -addtrust, -addreject) and has
no standard. Only bytes here: PEM is `tlsocket.pki.formats.reading`'s and `writing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlsocket.pki import der

__all__ = ["ANY_PURPOSE", "Auxiliary", "decode_oid", "encode_oid", "encode_trusted", "split_trusted"]

ANY_PURPOSE = "2.5.29.37.0"
"""anyExtendedKeyUsage (RFC 5280 section 4.2.1.12): refusing it refuses everything."""

_OBJECT_IDENTIFIER = 0x06
_UTF8_STRING = 0x0C
_REJECTED = 0xA0  # [0] IMPLICIT SEQUENCE OF OBJECT IDENTIFIER


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """What OpenSSL keeps with a certificate."""

    trusted: tuple[str, ...] | None = None
    """Purposes as dotted object identifiers; None: nothing is said, so all."""
    rejected: tuple[str, ...] = ()
    alias: str = ""


def split_trusted(data: bytes) -> tuple[bytes, Auxiliary]:
    """The certificate's DER and what follows it. Raises `DerError`."""
    _, _, rest = der.split(data)
    certificate = data[: len(data) - len(rest)]
    if not rest:
        return certificate, Auxiliary()
    tag, content, trailing = der.split(rest)
    if tag != der.SEQUENCE or trailing:
        raise der.DerError("what follows the certificate is not OpenSSL's trust settings")
    trusted: tuple[str, ...] | None = None
    rejected: tuple[str, ...] = ()
    alias = ""
    for element in der.elements(content):
        tag, value, _ = der.split(element)
        if tag == der.SEQUENCE:
            trusted = _identifiers(value)
        elif tag == _REJECTED:
            rejected = _identifiers(value)
        elif tag == _UTF8_STRING:
            alias = value.decode("utf-8", "replace")
    return certificate, Auxiliary(trusted, rejected, alias)


def encode_trusted(certificate: bytes, auxiliary: Auxiliary) -> bytes:
    """The certificate followed by its trust settings."""
    parts = []
    if auxiliary.trusted is not None:
        parts.append(der.encode(der.SEQUENCE, *map(encode_oid, auxiliary.trusted)))
    if auxiliary.rejected:
        parts.append(der.encode(_REJECTED, *map(encode_oid, auxiliary.rejected)))
    if auxiliary.alias:
        parts.append(der.encode(_UTF8_STRING, auxiliary.alias.encode()))
    return certificate + der.encode(der.SEQUENCE, *parts)


def encode_oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER (X.690 section 8.19). Raises `DerError` when `dotted` is none."""
    try:
        first, second, *others = (int(part) for part in dotted.split("."))
    except ValueError:
        raise der.DerError(f"{dotted!r} is not a dotted object identifier") from None
    if first not in (0, 1, 2) or second < 0 or (first < 2 and second > 39) or any(arc < 0 for arc in others):
        raise der.DerError(f"{dotted!r} is not an object identifier")
    content = bytearray()
    for arc in (first * 40 + second, *others):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return der.encode(_OBJECT_IDENTIFIER, bytes(content))


def decode_oid(element: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER. Raises `DerError`."""
    tag, content, _ = der.split(element)
    if tag != _OBJECT_IDENTIFIER or not content or content[-1] & 0x80 or len(content) > 128:
        raise der.DerError("not an object identifier")
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - first * 40, *arcs[1:])))


def _identifiers(content: bytes) -> tuple[str, ...]:
    return tuple(decode_oid(element) for element in der.elements(content))
