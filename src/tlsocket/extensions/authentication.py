"""signature_algorithms, signature_algorithms_cert and certificate_authorities (RFC 9846 sections 4.3.3 and 4.3.4),
and renegotiation_info of TLS 1.2 (RFC 5746 section 3.2).

Names of authorities stay DER, checked only to be one SEQUENCE: comparing them takes no more, and printing them is
for `tlsocket.pki`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tlsocket.errors import InvalidMessage, Reason
from tlsocket.extensions.block import Codec
from tlsocket.wire import Reader, Writer

__all__ = ["CERTIFICATE_AUTHORITIES", "RENEGOTIATION_INFO", "SIGNATURE_SCHEME_LIST", "is_distinguished_name"]

_SEQUENCE = 0x30


def _parse_schemes(reader: Reader) -> tuple[int, ...]:
    """Read a SignatureSchemeList.

    struct {
        SignatureScheme supported_signature_algorithms<2..2^16-2>;
    } SignatureSchemeList;
    """
    return reader.u16_vector16("SignatureSchemeList.supported_signature_algorithms", 2)


def _serialize_schemes(writer: Writer, schemes: Sequence[int]) -> None:
    writer.u16_vector16(schemes)


def is_distinguished_name(der: bytes) -> bool:
    """True if `der` is one SEQUENCE, definite and shortest length, with nothing behind it (X.690 section 10.1)."""
    if len(der) < 2 or der[0] != _SEQUENCE:
        return False
    first = der[1]
    if first < 0x80:
        return len(der) == 2 + first
    start = 2 + (first & 0x7F)
    length = int.from_bytes(der[2:start], "big")
    if len(der) != start + length or length < 0x80:
        return False
    return der[2] != 0


def _parse_authorities(reader: Reader) -> tuple[bytes, ...]:
    """Read a CertificateAuthoritiesExtension.

    opaque DistinguishedName<1..2^16-1>;

    struct {
        DistinguishedName authorities<3..2^16-1>;
    } CertificateAuthoritiesExtension;
    """
    window = reader.sub16("CertificateAuthoritiesExtension.authorities", 3)
    names = []
    while window.position != window.end:
        name = window.opaque16("DistinguishedName", 1)
        if not is_distinguished_name(name):
            raise InvalidMessage(Reason.INVALID_DISTINGUISHED_NAME, "certificate_authorities")
        names.append(name)
    return tuple(names)


def _serialize_authorities(writer: Writer, names: Sequence[bytes]) -> None:
    with writer.block16():
        for name in names:
            writer.opaque16(name)


def _parse_renegotiation_info(reader: Reader) -> bytes:
    """Read a RenegotiationInfo (RFC 5746 section 3.2).

    struct {
        opaque renegotiated_connection<0..255>;
    } RenegotiationInfo;
    """
    return reader.opaque8("RenegotiationInfo.renegotiated_connection")


def _serialize_renegotiation_info(writer: Writer, renegotiated_connection: bytes) -> None:
    writer.opaque8(renegotiated_connection)


SIGNATURE_SCHEME_LIST = Codec(_parse_schemes, _serialize_schemes, repeats=True)
"""signature_algorithms and signature_algorithms_cert, most preferred first."""

CERTIFICATE_AUTHORITIES = Codec(_parse_authorities, _serialize_authorities)
"""certificate_authorities: DER names."""

RENEGOTIATION_INFO = Codec(_parse_renegotiation_info, _serialize_renegotiation_info)
"""renegotiation_info."""
