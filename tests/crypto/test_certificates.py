"""Parsing with the cache, the key inside, and the parameters of RSASSA-PSS keys."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, mldsa, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.rfc8448 import CERTIFICATES
from tlsocket.crypto import certificates
from tlsocket.crypto.certificates import (
    PSSPublicKey,
    certificate_public_key,
    clear_cache,
    demand_digital_signature,
    parse_certificate,
)
from tlsocket.errors import InvalidMessage, PeerMisbehaved, Reason, TLSError

RSA = CERTIFICATES["rsa_server"][11:-2]
OID_RSA = bytes.fromhex("06092a864886f70d010101")
OID_PSS = bytes.fromhex("06092a864886f70d01010a")


def issue(
    key: ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | mldsa.MLDSA44PrivateKey,
    extension: x509.UnrecognizedExtension | None = None,
) -> bytes:
    """A certificate for `key`, signed by a key of P-256 (nothing here verifies it)."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    signer = ec.generate_private_key(ec.SECP256R1())
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def wrap(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    if len(content) < 0x100:
        return bytes((tag, 0x81, len(content))) + content
    return bytes((tag, 0x82)) + len(content).to_bytes(2, "big") + content


def with_pss_key(parameters: bytes) -> bytes:
    """The RSA certificate of RFC 8448 with its key's algorithm replaced (its signature is then wrong)."""
    spki = (
        x509.load_der_x509_certificate(RSA)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    bit_string = spki[spki.index(b"\x05\x00\x03\x81") + 2 :]
    replaced = wrap(0x30, wrap(0x30, OID_PSS + parameters) + bit_string)
    tbs = x509.load_der_x509_certificate(RSA).tbs_certificate_bytes
    assert tbs[1] == 0x82, "lengths of two octets"
    return wrap(0x30, wrap(0x30, tbs[4:].replace(spki, replaced)) + RSA[4 + len(tbs) :])


def pss_parameters(hash_octet: int, mgf_octet: int, salt_length: int, null: bytes = b"\x05\x00") -> bytes:
    def algorithm(octet: int) -> bytes:
        return wrap(0x30, bytes.fromhex("06096086480165030402") + bytes((octet,)) + null)

    mask = wrap(0x30, bytes.fromhex("06092a864886f70d010108") + algorithm(mgf_octet))
    salt = wrap(2, bytes((salt_length,)))
    return wrap(0x30, wrap(0xA0, algorithm(hash_octet)) + wrap(0xA1, mask) + wrap(0xA2, salt))


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    clear_cache()


def test_same_bytes_give_the_same_object() -> None:
    first = parse_certificate(RSA)
    assert parse_certificate(bytes(bytearray(RSA))) is first
    clear_cache()
    assert parse_certificate(RSA) is not first


def test_cache_is_bounded_and_keeps_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_GENERATION", 2)
    key = ec.generate_private_key(ec.SECP256R1())
    kept = parse_certificate(RSA)
    for _ in range(10):
        parse_certificate(issue(key))
        assert parse_certificate(RSA) is kept
        assert len(certificates._young) + len(certificates._old) <= 4
    for _ in range(4):
        parse_certificate(issue(key))
    assert parse_certificate(RSA) is not kept, "what is not used is forgotten"


def test_large_certificate_is_not_kept() -> None:
    padding = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.9.9"), bytes(9000))
    large = issue(ec.generate_private_key(ec.SECP256R1()), padding)
    assert parse_certificate(large) is not parse_certificate(large)
    assert not certificates._young


@pytest.mark.parametrize("der", [b"", b"\x30\x00", RSA[:-1], RSA + b"\0", b"not DER"])
def test_malformed_certificate_is_an_invalid_message(der: bytes) -> None:
    with pytest.raises(InvalidMessage) as caught:
        parse_certificate(der)
    assert caught.value.reason is Reason.INVALID_CERTIFICATE_ENCODING
    assert not certificates._young


@given(st.integers(0, len(RSA) - 1), st.integers(1, 255))
def test_mutated_certificate_raises_only_our_errors(position: int, change: int) -> None:
    der = bytearray(with_pss_key(pss_parameters(1, 1, 32)))
    der[position] ^= change
    try:
        certificate_public_key(parse_certificate(bytes(der)))
    except TLSError:
        pass
    finally:
        clear_cache()


@pytest.mark.parametrize("make", [lambda: dsa.generate_private_key(1024), mldsa.MLDSA44PrivateKey.generate])
def test_key_that_no_scheme_uses_is_refused(make: Callable[[], dsa.DSAPrivateKey | mldsa.MLDSA44PrivateKey]) -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        certificate_public_key(parse_certificate(issue(make())))
    assert caught.value.reason is Reason.UNSUPPORTED_CERTIFICATE_KEY


def test_plain_rsa_key_is_not_pss() -> None:
    assert isinstance(certificate_public_key(parse_certificate(RSA)), rsa.RSAPublicKey)


def test_key_usage_decides_whether_a_key_may_sign() -> None:
    # RFC 9846 section 4.5.1.2. That of RFC 8448 has key usages with digitalSignature; one of ours has none at all.
    demand_digital_signature(parse_certificate(RSA))
    demand_digital_signature(parse_certificate(issue(ec.generate_private_key(ec.SECP256R1()))))
    assert RSA.count(b"\x03\x02\x05\xa0") == 1, "KeyUsage, digitalSignature and keyEncipherment"
    with pytest.raises(PeerMisbehaved) as caught:
        demand_digital_signature(parse_certificate(RSA.replace(b"\x03\x02\x05\xa0", b"\x03\x02\x05\x20")))
    assert caught.value.reason is Reason.KEY_USAGE_FORBIDS_SIGNING


def test_extensions_that_cannot_be_parsed_are_for_the_verifier() -> None:
    demand_digital_signature(parse_certificate(RSA.replace(b"\x03\x02\x05\xa0", b"\x04\x02\x05\xa0")))


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2.5.29.17", b"\x30\x02\xa3\x00"),  # subjectAltName with an x400Address
        ("2.5.29.17", b"\x30\x02\xa5\x00"),  # and with an ediPartyName
        ("2.5.29.17", b"\x30\x03\x82\x01\xff"),  # a DNS name that is not ASCII
        ("1.3.6.1.5.5.7.1.24", b"\x30\x03\x02\x01\x63"),  # a TLS feature that nobody knows
        ("2.5.29.15", b""),
    ],
)
def test_what_cryptography_does_not_read_is_no_error_of_its_kind(oid: str, value: bytes) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    certificate = parse_certificate(issue(key, extension))
    demand_digital_signature(certificate)
    assert certificates.host_names(certificate) == ()


@pytest.mark.parametrize(
    ("parameters", "hash_name"),
    [
        (b"", None),
        (pss_parameters(1, 1, 32), "sha256"),
        (pss_parameters(1, 1, 32, null=b""), "sha256"),
        (pss_parameters(2, 2, 48), "sha384"),
        (pss_parameters(3, 3, 64), "sha512"),
        (pss_parameters(1, 1, 0), "sha256"),
        (pss_parameters(1, 1, 33), ""),
        (pss_parameters(1, 2, 32), ""),
        (b"\x30\x00", ""),  # all defaults: SHA-1
    ],
    ids=["absent", "sha256", "sha256 without NULL", "sha384", "sha512", "any salt", "long salt", "two hashes", "sha1"],
)
def test_pss_key_is_held_to_its_parameters(parameters: bytes, hash_name: str | None) -> None:
    key = certificate_public_key(parse_certificate(with_pss_key(parameters)))
    assert isinstance(key, PSSPublicKey)
    assert key.hash_name == hash_name
