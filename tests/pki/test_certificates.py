"""Certificates: loading with words for what is wrong, and the standard library's dictionary, key for key."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tlsocket.pki.authority import Authority, self_signed
from tlsocket.pki.certificates import (
    certificate_der,
    certificate_dict,
    describe_certificate,
    fingerprint,
    key_description,
    load_certificates,
    load_chain_and_key,
    parse_certificate,
    pem_certificates,
    printable,
    subject_text,
)
from tlsocket.pki.errors import KeyMismatch, MissingFile, PasswordRequired, WrongContent
from tlsocket.pki.keys import generate_private_key


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("root")


def stdlib_dict(certificate: x509.Certificate, folder: Path) -> dict[str, Any]:
    """What `ssl.SSLSocket.getpeercert` would return."""
    path = folder / "certificate.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(certificate_der(certificate)))
    return dict(ssl._ssl._test_decode_cert(str(path)))  # type: ignore[attr-defined]


def uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


def rich_certificate(authority: Authority, serial: int, start: datetime.datetime) -> x509.Certificate:
    """One with every field that the dictionary knows."""
    key = generate_private_key("ecdsa-p256")
    unknown = x509.ObjectIdentifier("1.2.3.4")
    name = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")]),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Bayern")]),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.LOCALITY_NAME, "München")]),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme, Inc."),
                    x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "a+b"),
                ]
            ),
            *(
                x509.RelativeDistinguishedName([x509.NameAttribute(oid, f"value {number}")])
                for number, oid in enumerate(
                    [
                        NameOID.STREET_ADDRESS,
                        NameOID.SURNAME,
                        NameOID.GIVEN_NAME,
                        NameOID.TITLE,
                        NameOID.INITIALS,
                        NameOID.GENERATION_QUALIFIER,
                        NameOID.DN_QUALIFIER,
                        NameOID.PSEUDONYM,
                        NameOID.USER_ID,
                        NameOID.DOMAIN_COMPONENT,
                        NameOID.EMAIL_ADDRESS,
                        NameOID.SERIAL_NUMBER,
                        NameOID.BUSINESS_CATEGORY,
                        NameOID.POSTAL_CODE,
                        NameOID.JURISDICTION_LOCALITY_NAME,
                        NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME,
                        NameOID.X500_UNIQUE_IDENTIFIER,
                        NameOID.UNSTRUCTURED_NAME,
                        NameOID.ORGANIZATION_IDENTIFIER,
                        unknown,
                    ]
                )
                if oid is not NameOID.X500_UNIQUE_IDENTIFIER
            ),
        ]
    )
    alternative = x509.SubjectAlternativeName(
        [
            x509.DNSName("www.example"),
            x509.DNSName("*.b.example"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
            x509.RFC822Name("a@b.example"),
            uri("https://x/y?a=b"),
            x509.RegisteredID(unknown),
            x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")])),
        ]
    )
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri("http://ocsp.example/")),
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, uri("http://ca.example/c.der")),
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.DNSName("not.a.uri")),
        ]
    )
    lists = x509.CRLDistributionPoints(
        [x509.DistributionPoint([uri("http://crl.example/1"), uri("http://crl.example/2")], None, None, None)]
    )
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), serial, start, start + datetime.timedelta(days=400))
        .add_extension(alternative, False)
        .add_extension(access, False)
        .add_extension(lists, False)
    )
    return builder.sign(authority.private_key, hashes.SHA256())


@pytest.mark.parametrize("serial", [1, 0xABC, 0x7FFF_FFFF_FFFF])
def test_dictionary_equals_the_standard_library_s(serial: int, authority: Authority, tmp_path: Path) -> None:
    certificate = rich_certificate(authority, serial, datetime.datetime(2026, 2, 3, 4, 5, 6))
    ours = certificate_dict(certificate)
    assert ours == stdlib_dict(certificate, tmp_path)
    assert ours["notBefore"] == "Feb  3 04:05:06 2026 GMT"


def test_dictionary_of_a_plain_certificate_equals_the_standard_library_s(authority: Authority, tmp_path: Path) -> None:
    for certificate in (authority.certificate, authority.issue(["a", "::1"]).certificate, self_signed().certificate):
        assert certificate_dict(certificate) == stdlib_dict(certificate, tmp_path)


def test_loads_pem_in_its_order_and_der(authority: Authority, tmp_path: Path) -> None:
    issued = authority.create_intermediate().issue("a.example")
    path = tmp_path / "chain.pem"
    path.write_bytes(b"some words before\n" + issued.chain_pem + issued.key_pem())
    assert tuple(certificate_der(c) for c in load_certificates(path)) == issued.chain
    assert tuple(certificate_der(c) for c in load_certificates(issued.der + authority.der)) == (
        issued.der,
        authority.der,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello\n", "neither PEM nor DER"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "the first certificate in it cannot"),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "the first certificate in it cannot"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "only: public key"),
        (b"\x30\x82\x01", "the first certificate in it cannot"),
    ],
)
def test_says_what_is_wrong_with_the_content(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(content)
    with pytest.raises(WrongContent, match=words) as caught:
        load_certificates(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_counts_to_the_damaged_certificate(authority: Authority) -> None:
    damaged = authority.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(WrongContent, match="certificate number 2"):
        load_certificates(damaged)


def test_loads_a_chain_with_its_key(authority: Authority, tmp_path: Path) -> None:
    issued = authority.create_intermediate().issue("a.example")
    certificate, key = issued.write(tmp_path)
    assert load_chain_and_key(certificate, key)[0] == issued.chain
    both = issued.chain_pem + issued.key_pem()
    assert load_chain_and_key(both)[0] == issued.chain


def test_chain_and_key_name_the_file_at_fault(authority: Authority, tmp_path: Path) -> None:
    issued, other = authority.issue("a.example"), authority.issue("b.example")
    certificate, key = issued.write(tmp_path, "a")
    _, other_key = other.write(tmp_path, "b")
    _, locked = other.write(tmp_path, "c", password="secret")
    with pytest.raises(KeyMismatch) as mismatch:
        load_chain_and_key(certificate, other_key)
    assert certificate in str(mismatch.value)
    assert other_key in str(mismatch.value)
    with pytest.raises(PasswordRequired, match=locked):
        load_chain_and_key(certificate, locked)
    with pytest.raises(WrongContent, match="append the key"):
        load_chain_and_key(certificate)
    with pytest.raises(MissingFile, match=r"absent\.pem"):
        load_chain_and_key(tmp_path / "absent.pem", key)


def test_describes_in_one_line(authority: Authority) -> None:
    issued = authority.issue("a.example", key="rsa-pss-2048")
    line = describe_certificate(issued.certificate)
    assert "\n" not in line
    for word in ("CN=a.example", "issued by CN=root", "RSA-PSS 2048", f"{issued.certificate.not_valid_after_utc:%Y}"):
        assert word in line
    assert "issued by itself" in describe_certificate(authority.certificate)


def test_subject_falls_back_to_an_alternative_name(authority: Authority) -> None:
    assert subject_text(authority.issue("a.example", common_name="").certificate) == "a.example"
    assert subject_text(authority.issue([], common_name="").certificate) == "an unnamed subject"


def test_hides_control_characters_of_strangers() -> None:
    assert printable("a\x1b[2Jb\u202ec ü") == "a\\x1b[2Jb\\u202ec ü"


def test_fingerprint_is_what_openssl_prints(authority: Authority) -> None:
    text = fingerprint(authority.certificate)
    assert len(text) == 95
    assert bytes.fromhex(text.replace(":", "")) == authority.certificate.fingerprint(hashes.SHA256())
    assert fingerprint(authority.der, "sha1").count(":") == 19


def test_unreadable_parts_are_described_all_the_same(authority: Authority) -> None:
    # The last byte of the key's algorithm identifier: an unknown algorithm, found only when the key is looked at.
    data = authority.der.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d027f"))
    assert key_description(parse_certificate(data)) == "unknown key"


def test_dictionary_of_a_certificate_with_an_extension_that_nobody_can_parse() -> None:
    """A TLS feature (RFC 7633) of an unknown number: no KeyError out of the depths, and the names are shown."""
    key = generate_private_key("ecdsa-p256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    features = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.24"), b"\x30\x03\x02\x01\x63")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(features, critical=False)
        .sign(key, hashes.SHA256())
    )
    described = certificate_dict(x509.load_der_x509_certificate(certificate.public_bytes(serialization.Encoding.DER)))
    assert described["subject"] == ((("commonName", "odd"),),)
    assert described["subjectAltName"] == (("DNS", "localhost"),)


def test_damaged_extension_does_not_hide_the_names() -> None:
    """As in OpenSSL (and CPython's test of CVE-2019-5010, whose certificate has a list of points that is no list)."""
    intact = Authority.create().issue(["localhost", "127.0.0.1"])
    der = bytearray(certificate_der(intact.certificate))
    usage = der.index(bytes.fromhex("0603551d25")) + 5  # extendedKeyUsage
    damaged = usage + 2 + (3 if der[usage] == 1 else 0)
    assert der[damaged] == 0x30
    der[damaged] = 0x31
    shown = certificate_dict(parse_certificate(bytes(der)))
    assert shown["subjectAltName"] == (("DNS", "localhost"), ("IP Address", "127.0.0.1"))
    assert certificate_dict(intact.certificate)["subjectAltName"] == shown["subjectAltName"]


def test_many_openings_without_an_end_take_no_time() -> None:
    opening = b"-----BEGIN CERTIFICATE-----\n"
    started = time.perf_counter()
    assert list(pem_certificates(opening * 300_000)) == []
    assert time.perf_counter() - started < 5  # it was minutes while each opening looked for its own end


def test_a_block_that_is_cut_off_is_told_from_the_end_of_the_text(authority: Authority) -> None:
    whole = authority.certificate.public_bytes(serialization.Encoding.PEM)
    encoded = certificate_der(authority.certificate)
    cut = whole[: len(whole) // 2]
    assert list(pem_certificates(whole + cut)) == [encoded]
    assert list(pem_certificates(cut + b"\n" + whole)) == [b"", encoded]
    with pytest.raises(WrongContent, match="first certificate"):
        load_certificates(cut + b"\n" + whole)
