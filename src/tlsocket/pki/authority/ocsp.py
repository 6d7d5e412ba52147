"""OCSP answers (RFC 6960, and the nonce of RFC 9654), given by the authority that issued the certificates asked for.

`cryptography` reads and writes responses about one certificate. A request may ask about several, so both structures
are taken apart and put together here, with `tlsocket.pki.der`; a certificate id is returned octet by octet as it was
asked, whatever its hash. Judging other people's answers belongs to `tlsocket.pki.revocation`.

    OCSPRequest     ::= SEQUENCE { tbsRequest TBSRequest, optionalSignature [0] OPTIONAL }
    TBSRequest      ::= SEQUENCE { version [0] DEFAULT v1, requestorName [1] OPTIONAL,
                                   requestList SEQUENCE OF Request, requestExtensions [2] OPTIONAL }
    Request         ::= SEQUENCE { reqCert CertID, singleRequestExtensions [0] OPTIONAL }
    CertID          ::= SEQUENCE { hashAlgorithm, issuerNameHash, issuerKeyHash OCTET STRING, serialNumber INTEGER }
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlsocket.pki import der
from tlsocket.pki.authority.ledger import LedgerEntry
from tlsocket.pki.authority.signing import sign_bytes, signature_algorithm, utc
from tlsocket.pki.keys import PrivateKey

__all__ = ["MAXIMUM_REQUEST_SIZE", "answer"]

MAXIMUM_REQUEST_SIZE = 16 * 1024
"""Bytes of a request that are looked at."""

_MAXIMUM_CERTIFICATES = 64
# RFC 9654 section 2.1: 1 to 128 octets; others are answered with malformedRequest.
_MAXIMUM_NONCE = 128

_INTEGER, _BIT_STRING, _ENUMERATED, _GENERALIZED_TIME = 0x02, 0x03, 0x0A, 0x18
_HASHES = {
    bytes.fromhex("06052b0e03021a"): "sha1",
    bytes.fromhex("0609608648016503040201"): "sha256",
    bytes.fromhex("0609608648016503040202"): "sha384",
    bytes.fromhex("0609608648016503040203"): "sha512",
}
_VERSION_1 = bytes.fromhex("a003020100")
_BASIC = bytes.fromhex("06092b0601050507300101")
_NONCE = bytes.fromhex("06092b0601050507300102")
# OCSPResponseStatus (RFC 6960 section 4.2.1).
_SUCCESSFUL, _MALFORMED_REQUEST, _UNAUTHORIZED = 0, 1, 6


@dataclass(frozen=True, slots=True)
class _CertID:
    encoded: bytes
    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int


def answer(
    request: bytes,
    find: Callable[[int], LedgerEntry | None],
    *,
    issuer: x509.Certificate,
    private_key: Callable[[], PrivateKey],
    now: int,
    next_update: int,
) -> bytes:
    """The OCSPResponse in DER to a request in DER; whatever the request holds, there is one.

    A certificate that `issuer` did not issue is "unknown"; when none of those asked for is of this issuer, the
    answer is `unauthorized` (RFC 6960 section 2.3). `private_key` is called only when there is something to sign.
    """
    try:
        asked, nonce = _parse(request)
    except (der.DerError, IndexError):
        return _refused(_MALFORMED_REQUEST)
    ours = [_is_of(issuer, item) for item in asked]
    if not any(ours):
        return _refused(_UNAUTHORIZED)
    singles = [
        _single(item.encoded, find(item.serial) if mine else None, now, next_update)
        for item, mine in zip(asked, ours, strict=True)
    ]
    key_hash = hashlib.sha1(_key_bits(issuer), usedforsecurity=False).digest()
    responder = der.encode(0xA2, der.encode(der.OCTET_STRING, key_hash))
    extensions = b"" if nonce is None else der.encode(0xA1, der.encode(der.SEQUENCE, nonce))
    data = der.encode(der.SEQUENCE, responder, _time(now), der.encode(der.SEQUENCE, *singles), extensions)
    key = private_key()
    # No certificate within: the signer is the issuer, whom the asker has, or could not use the answer.
    basic = der.encode(
        der.SEQUENCE, data, signature_algorithm(key), der.encode(_BIT_STRING, b"\0", sign_bytes(key, data))
    )
    body = der.encode(der.SEQUENCE, _BASIC, der.encode(der.OCTET_STRING, basic))
    return der.encode(der.SEQUENCE, _status(_SUCCESSFUL), der.encode(0xA0, body))


def _status(value: int) -> bytes:
    return der.encode(_ENUMERATED, bytes((value,)))


def _refused(status: int) -> bytes:
    return der.encode(der.SEQUENCE, _status(status))


# -- the request --------------------------------------------------------------------------------------------------


def _parse(request: bytes) -> tuple[list[_CertID], bytes | None]:
    """The certificates asked for, and the nonce's whole extension."""
    if len(request) > MAXIMUM_REQUEST_SIZE:
        raise der.DerError("larger than a request can be")
    (outer,) = _exactly(der.elements(request), 1)
    inner = der.elements(_content(outer, der.SEQUENCE))
    # A signature over the request, if there is one, says who asks; we answer everybody.
    fields = der.elements(_content(inner[0], der.SEQUENCE))
    if fields and fields[0][0] == 0xA0 and fields.pop(0) != _VERSION_1:
        raise der.DerError("not version 1")
    if fields and fields[0][0] == 0xA1:
        fields.pop(0)
    requests = der.elements(_content(fields[0], der.SEQUENCE))
    if not 1 <= len(requests) <= _MAXIMUM_CERTIFICATES:
        raise der.DerError("no certificate, or more than are answered at once")
    nonce = None
    if len(fields) > 1:
        nonce = _nonce(_content(_exactly(fields[1:], 1)[0], 0xA2))
    return [_cert_id(der.elements(_content(item, der.SEQUENCE))[0]) for item in requests], nonce


def _cert_id(encoded: bytes) -> _CertID:
    algorithm, name_hash, key_hash, serial = _exactly(der.elements(_content(encoded, der.SEQUENCE)), 4)
    oid = der.elements(_content(algorithm, der.SEQUENCE))[0]
    digits = _content(serial, _INTEGER)
    if not 1 <= len(digits) <= 64:
        raise der.DerError("not a serial number")
    return _CertID(
        encoded,
        _HASHES.get(oid, ""),
        _content(name_hash, der.OCTET_STRING),
        _content(key_hash, der.OCTET_STRING),
        int.from_bytes(digits, "big", signed=True),
    )


def _nonce(extensions: bytes) -> bytes | None:
    (sequence,) = _exactly(der.elements(extensions), 1)
    for extension in der.elements(_content(sequence, der.SEQUENCE)):
        fields = der.elements(_content(extension, der.SEQUENCE))
        if fields[0] != _NONCE:
            continue
        value = _content(fields[-1], der.OCTET_STRING)
        # The nonce is an OCTET STRING within the extension's; some clients leave the inner one out.
        if not 1 <= len(value) <= _MAXIMUM_NONCE + 3:
            raise der.DerError("a nonce of no length that is allowed")
        return extension
    return None


def _exactly(items: list[bytes], count: int) -> list[bytes]:
    if len(items) != count:
        raise der.DerError(f"{len(items)} elements where {count} belong")
    return items


def _content(element: bytes, tag: int) -> bytes:
    found, content, _ = der.split(element)
    if found != tag:
        raise der.DerError(f"the tag {found:#x} where {tag:#x} belongs")
    return content


# -- the answer ---------------------------------------------------------------------------------------------------


def _is_of(issuer: x509.Certificate, asked: _CertID) -> bool:
    if not asked.hash_name:
        return False
    name = hashlib.new(asked.hash_name, issuer.subject.public_bytes(), usedforsecurity=False).digest()
    key = hashlib.new(asked.hash_name, _key_bits(issuer), usedforsecurity=False).digest()
    return name == asked.name_hash and key == asked.key_hash


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The issuer's subjectPublicKey without tag, length and number of unused bits (RFC 6960 section 4.1.1)."""
    info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _content(der.elements(_content(info, der.SEQUENCE))[1], _BIT_STRING)[1:]


def _single(cert_id: bytes, entry: LedgerEntry | None, now: int, next_update: int) -> bytes:
    """SingleResponse ::= SEQUENCE { certID, certStatus, thisUpdate, nextUpdate [0] EXPLICIT }."""
    if entry is None:
        status = b"\x82\x00"
    elif entry.revoked_at is None:
        status = b"\x80\x00"
    else:
        status = der.encode(0xA1, _time(entry.revoked_at), _reason(entry.reason))
    return der.encode(der.SEQUENCE, cert_id, status, _time(now), der.encode(0xA0, _time(next_update)))


# CRLReason (RFC 5280 section 5.3.1).
_REASON_CODES = {
    x509.ReasonFlags.key_compromise: 1,
    x509.ReasonFlags.ca_compromise: 2,
    x509.ReasonFlags.affiliation_changed: 3,
    x509.ReasonFlags.superseded: 4,
    x509.ReasonFlags.cessation_of_operation: 5,
    x509.ReasonFlags.certificate_hold: 6,
    x509.ReasonFlags.privilege_withdrawn: 9,
    x509.ReasonFlags.aa_compromise: 10,
}


def _reason(reason: x509.ReasonFlags | None) -> bytes:
    code = None if reason is None else _REASON_CODES.get(reason)
    return b"" if code is None else der.encode(0xA0, der.encode(_ENUMERATED, bytes((code,))))


def _time(seconds: int) -> bytes:
    return der.encode(_GENERALIZED_TIME, f"{utc(seconds):%Y%m%d%H%M%SZ}".encode())
