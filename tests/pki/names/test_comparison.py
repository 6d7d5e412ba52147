"""Two names are the same when RFC 5280 section 7.1 says so, and finding out costs next to nothing."""

from __future__ import annotations

import timeit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.support.names import names, texts
from tlsocket.pki import der
from tlsocket.pki.authority import Authority
from tlsocket.pki.names import Attribute, DistinguishedName, NameEncodingError, comparison
from tlsocket.pki.names.comparison import issuer_and_subject, normalized, normalized_der, prepare

CN = "2.5.4.3"
UTF8, PRINTABLE, T61, IA5, UNIVERSAL, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E


def name(*attributes: Attribute) -> DistinguishedName:
    return DistinguishedName([[attribute] for attribute in attributes])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Example Inc", "eXAMPLE iNC"),
        ("Example Inc", "  Example   Inc "),
        ("a b", "a\u00a0b"),
        ("a b", "a\u2003\u3000b"),
        ("a b", "a\r\n\tb"),
        ("ab", "a\u00adb"),
        ("ab", "a\u200bb\ufeff"),
        ("ab", "a\x00\x1b\x7fb"),
        ("É", "é"),
        ("e\u0301", "é"),
        ("STRASSE", "straße"),
        ("ΣΑΣ", "σας"),
        ("ﬁ", "fi"),
        ("Ⅳ", "iv"),
        ("Å", "\u212b"),
        ("", "   "),
    ],
)
def test_the_same(one: str, other: str) -> None:
    assert prepare(one) == prepare(other)
    assert name(Attribute(CN, one)) == name(Attribute(CN, other))


@pytest.mark.parametrize(
    ("one", "other"), [("a b", "ab"), ("a", "b"), ("a", ""), ("a", "á"), ("a.b", "a b"), ("\u0131", "i"), ("o", "0")]
)
def test_not_the_same(one: str, other: str) -> None:
    assert name(Attribute(CN, one)) != name(Attribute(CN, other))


@given(texts)
def test_preparing_twice_changes_nothing(text: str) -> None:
    once = prepare(text)
    assert prepare(once) == once


@given(texts)
def test_the_quick_way_for_ascii_is_the_long_one(text: str) -> None:
    ascii_only = text.encode("ascii", "ignore").decode()
    # A character that is mapped to nothing sends it the long way.
    assert prepare(ascii_only) == prepare(ascii_only + "\u00ad")


@pytest.mark.parametrize("tag", [PRINTABLE, T61, IA5, UNIVERSAL, BMP, 0x12, 0x1A])
def test_the_kind_of_string_does_not_count(tag: int) -> None:
    assert name(Attribute(CN, "42", tag)) == name(Attribute(CN, "42", UTF8))
    assert hash(name(Attribute(CN, "42", tag))) == hash(name(Attribute(CN, "42", UTF8)))


def test_what_is_no_string_is_compared_as_bytes() -> None:
    assert name(Attribute(CN, b"\x04\x01A")) == name(Attribute(CN, b"\x04\x01A"))
    assert name(Attribute(CN, b"\x04\x01A")) != name(Attribute(CN, b"\x04\x01a"))
    assert name(Attribute(CN, b"\x04\x01A")) != name(Attribute(CN, "A"))
    damaged = name(Attribute(CN, b"\x13\x02A\xff"))
    assert damaged == DistinguishedName.from_der(damaged.to_der())
    assert damaged != name(Attribute(CN, "A\xff"))


def test_types_count_and_the_order_of_relative_names_but_not_that_within_one() -> None:
    a, b = Attribute(CN, "a"), Attribute("2.5.4.10", "b")
    assert name(a) != name(Attribute("2.5.4.10", "a"))
    assert name(a, b) != name(b, a)
    assert DistinguishedName([[a, b]]) == DistinguishedName([[b, a]])
    assert DistinguishedName([[a, b]]) != name(a, b)
    # The order in a SET is that of the encodings before preparation, so that it differs between equal names.
    assert DistinguishedName([[Attribute(CN, "B"), Attribute(CN, "a")]]) == DistinguishedName(
        [[Attribute(CN, "A"), Attribute(CN, "b")]]
    )


@given(names, st.integers(0, 4))
def test_a_name_lies_within_each_of_its_beginnings(whole: DistinguishedName, count: int) -> None:
    assert whole.is_within(DistinguishedName(whole.rdns[:count]))
    assert whole.is_within(DistinguishedName())


@given(names, names)
def test_a_name_lies_within_another_only_if_it_begins_so(one: DistinguishedName, other: DistinguishedName) -> None:
    head = DistinguishedName(one.rdns[: len(other.rdns)])
    assert one.is_within(other) == (head == other)
    assert DistinguishedName([*other.rdns, *one.rdns]).is_within(other)


def test_within_is_by_whole_relative_names() -> None:
    base = DistinguishedName.parse("O=Example,C=DE")
    assert DistinguishedName.parse("CN=a,O=EXAMPLE,C=de").is_within(base)
    assert not DistinguishedName.parse("O=Example Two,C=DE").is_within(base)
    assert not DistinguishedName.parse("CN=a+O=Example,C=DE").is_within(base)
    assert not DistinguishedName.parse("C=DE").is_within(base)


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@given(names)
def test_the_key_of_cryptographys_name_is_that_of_its_bytes(one: DistinguishedName) -> None:
    assert normalized_der(one.to_der()) == one.key
    try:
        theirs = one.to_x509()
    except NameEncodingError:
        return
    assert normalized(theirs) == one.key


def test_names_that_have_no_encoding_are_a_typed_error() -> None:
    with pytest.raises(NameEncodingError):
        normalized(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "\ud800")]))
    with pytest.raises(NameEncodingError, match="larger than any name"):
        normalized_der(bytes(70000))
    with pytest.raises(NameEncodingError):
        normalized_der(b"\x30\x02\x30\x00")
    with pytest.raises(NameEncodingError):
        normalized_der(bytes.fromhex("30083106300404020501"))


def test_a_large_name_is_compared_but_takes_no_place_in_the_memo() -> None:
    before = comparison._memoised.cache_info().currsize
    large = DistinguishedName([[Attribute(CN, 60000 * "X")]])
    assert large.key == DistinguishedName([[Attribute(CN, 60000 * "x")]]).key
    assert comparison._memoised.cache_info().currsize == before
    for number in range(3000):
        normalized_der(DistinguishedName.parse(f"CN={number}").to_der())
    assert comparison._memoised.cache_info().currsize <= 1024


def test_cuts_both_names_out_of_a_certificate() -> None:
    authority = Authority.create("the issuer")
    for certificate in (authority.certificate, authority.issue("example.org").certificate):
        expected = (certificate.issuer.public_bytes(), certificate.subject.public_bytes())
        assert issuer_and_subject(certificate.public_bytes(Encoding.DER)) == expected


@given(st.integers(0, 400), st.integers(0, 255), st.binary(max_size=40))
def test_cutting_names_out_of_damaged_bytes_is_a_typed_error_or_some_bytes(at: int, octet: int, noise: bytes) -> None:
    damaged = bytearray(CERTIFICATE)
    damaged[at % len(damaged)] = octet
    for data in (bytes(damaged), CERTIFICATE[:at], noise):
        try:
            issuer, subject = issuer_and_subject(data)
        except NameEncodingError:
            continue
        assert issuer[:1] == subject[:1] == b"\x30"


CERTIFICATE = Authority.create("the issuer").issue("example.org").der


def test_a_memoised_key_costs_well_under_two_microseconds() -> None:
    data = DistinguishedName.parse("CN=Example Root CA,OU=Certificates,O=Example Inc.,L=Town,C=US").to_der()
    copies = [bytes(bytearray(data)) for _ in range(2000)]
    seconds = min(timeit.repeat(lambda: [normalized_der(copy) for copy in copies], number=1, repeat=7))
    # Ten times what it takes on an idle machine, so that a busy one does not fail.
    assert seconds / len(copies) < 2e-6
    assert der.split(data)[0] == der.SEQUENCE
