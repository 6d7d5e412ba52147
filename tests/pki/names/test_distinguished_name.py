"""Names are read and written in three dialects, and what is written reads as the same name."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.names import names
from tlsocket.pki.errors import PkiError
from tlsocket.pki.names import Attribute, Dialect, DistinguishedName, NameEncodingError, NameSyntaxError
from tlsocket.pki.names.attributes import keyword_oid
from tlsocket.pki.names.encoding import MAXIMUM_NAME_LENGTH

RFC4514, WINDOWS, OPENSSL = Dialect.RFC4514, Dialect.WINDOWS, Dialect.OPENSSL
parse = DistinguishedName.parse


@given(names, st.sampled_from(Dialect), st.sampled_from([None, True, False]))
@example(DistinguishedName([[Attribute("2.5.4.3", "#0400")]]), OPENSSL, None)
@example(DistinguishedName([[Attribute("2.5.4.3", " ")]]), RFC4514, None)
@example(DistinguishedName([[Attribute("2.5.4.3", " # ")]]), WINDOWS, None)
@example(DistinguishedName([[Attribute("2.5.4.3", "xC3")], [Attribute("2.5.4.3", "é\x00")]]), OPENSSL, True)
def test_what_is_written_reads_as_the_same_name(name: DistinguishedName, dialect: Dialect, turn: bool | None) -> None:
    # What the generator made as bytes may be a string; read from DER it is one.
    name = DistinguishedName.from_der(name.to_der())
    text = name.format(dialect, reversed_order=turn)
    again = parse(text, dialect, reversed_order=turn, enforce_limits=False)
    assert again == name
    assert hash(again) == hash(name)
    assert [[(a.oid, a.value) for a in rdn] for rdn in again.rdns] == [
        [(a.oid, a.value) for a in rdn] for rdn in name.rdns
    ], "to the letter, though equality asks for less"
    assert again.format(dialect, reversed_order=turn) == text, "and writes the same again"


@given(names, st.sampled_from(Dialect))
def test_nothing_that_is_written_can_move_a_cursor(name: DistinguishedName, dialect: Dialect) -> None:
    assert name.format(dialect).isprintable()


@given(names)
def test_der_gives_the_same_name(name: DistinguishedName) -> None:
    again = DistinguishedName.from_der(name.to_der())
    assert again == name
    assert again.to_der() == name.to_der()
    assert DistinguishedName(again.rdns).to_der() == name.to_der(), "a set in DER's order has only one encoding"


@given(st.text(st.sampled_from('CNO=OU+,;/"\\#x 0é.12'), max_size=30), st.sampled_from(Dialect), st.booleans())
def test_any_text_is_a_name_or_a_typed_error_within_it(text: str, dialect: Dialect, limits: bool) -> None:
    refused: list[NameSyntaxError] = []
    try:
        name = parse(text, dialect, enforce_limits=limits)
    except NameSyntaxError as error:
        refused.append(error)
    else:
        assert parse(name.format(dialect), dialect, enforce_limits=limits) == name
    assert all(1 <= error.column <= len(text) + 1 and error.expected for error in refused)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_name_or_a_typed_error(data: bytes) -> None:
    for content in (data, b"\x30" + bytes([len(data)]) + data):
        try:
            name = DistinguishedName.from_der(content)
        except NameEncodingError:
            continue
        assert name.to_der() == content
        assert name.key == DistinguishedName(name.rdns).key


READINGS = [
    # The examples of RFC 4514 section 4.
    (RFC4514, "UID=jsmith,DC=example,DC=net", [["DC", "net"], ["DC", "example"], ["UID", "jsmith"]]),
    (
        RFC4514,
        "OU=Sales+CN=J.  Smith,DC=example,DC=net",
        [["DC", "net"], ["DC", "example"], ["OU", "Sales", "CN", "J.  Smith"]],
    ),
    (
        RFC4514,
        r'CN=James \"Jim\" Smith\, III,DC=example,DC=net',
        [["DC", "net"], ["DC", "example"], ["CN", 'James "Jim" Smith, III']],
    ),
    (RFC4514, r"CN=Before\0dAfter,DC=net", [["DC", "net"], ["CN", "Before\rAfter"]]),
    (RFC4514, "1.3.6.1.4.1.1466.0=#04024869", [["1.3.6.1.4.1.1466.0", bytes.fromhex("04024869")]]),
    (RFC4514, r"CN=Lu\C4\8Di\C4\87", [["CN", "Lučić"]]),
    # Liberties.
    (RFC4514, ' cn = a , Oid.2.5.4.10 = "b, c" ', [["O", "b, c"], ["CN", "a"]]),
    (RFC4514, r"CN=\ a\ \ , O=b", [["O", "b"], ["CN", " a  "]]),
    (RFC4514, r'CN="a\"\\\41 "', [["CN", 'a"\\A ']]),
    (RFC4514, "CN=a=b", [["CN", "a=b"]]),
    (RFC4514, "2.5.4.99=text", [["2.5.4.99", "text"]]),
    (RFC4514, "CN=#0C03C3A931", [["CN", "é1"]]),
    (WINDOWS, 'CN="Joe ""X"" Doe, Jr.", S=TX; E=joe@example.org', [["E", "joe@example.org"], ["S", "TX"],
     ["CN", 'Joe "X" Doe, Jr.']]),
    (WINDOWS, r"CN=a\b + OU=c", [["CN", "a\\b", "OU", "c"]]),
    (WINDOWS, "CN = a\r\nO = b\nC = DE", [["C", "DE"], ["O", "b"], ["CN", "a"]]),
    (WINDOWS, 'OID.1.2.3=" x "', [["1.2.3", " x "]]),
    (WINDOWS, "G=Ada, SN=Lovelace, I=A, T=Countess, STREET=x, SERIALNUMBER=1, POSTALCODE=2, DC=org, UID=ada, L=London",
     [["L", "London"], ["UID", "ada"], ["DC", "org"], ["POSTALCODE", "2"], ["SERIALNUMBER", "1"], ["STREET", "x"],
      ["T", "Countess"], ["I", "A"], ["SN", "Lovelace"], ["GN", "Ada"]]),
    (OPENSSL, r"/C=DE/O=a\/b\+c/CN= x +OU=,;", [["C", "DE"], ["O", "a/b+c"], ["CN", " x ", "OU", ",;"]]),
    (OPENSSL, r"/CN=\xC3\xA9\q\\", [["CN", "éq\\"]]),
    (OPENSSL, "/CN=#ab/O=#04024869", [["CN", "#ab"], ["O", bytes.fromhex("04024869")]]),
    (OPENSSL, "/emailAddress=a@example.org/ST=x", [["E", "a@example.org"], ["ST", "x"]]),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "text", "expected"), READINGS, ids=[text for _, text, _ in READINGS])
def test_reads(dialect: Dialect, text: str, expected: list[list[str | bytes]]) -> None:
    name = parse(text, dialect)
    found = [[part for a in rdn for part in (a.oid, a.value)] for rdn in name.rdns]
    wanted = [[keyword_oid(str(part)) if i % 2 == 0 else part for i, part in enumerate(rdn)] for rdn in expected]
    assert found == wanted


NAME = parse(r"CN=James \"Jim\" \#1\, Ärzte,OU=a+T=b,emailAddress=x@example.org,ST=TX,2.5.4.99=u,C=US")
WRITINGS = {
    RFC4514: r"CN=James \"Jim\" #1\, Ärzte,OU=a+title=b,emailAddress=x@example.org,ST=TX,2.5.4.99=#0C0175,C=US",
    WINDOWS: 'CN="James ""Jim"" #1, Ärzte", OU=a + T=b, E=x@example.org, S=TX, OID.2.5.4.99=u, C=US',
    OPENSSL: '/C=US/2.5.4.99=u/ST=TX/emailAddress=x@example.org/OU=a+title=b/CN=James "Jim" #1, Ärzte',
}


@pytest.mark.parametrize("dialect", Dialect)
def test_writes(dialect: Dialect) -> None:
    assert NAME.format(dialect) == WRITINGS[dialect]
    assert parse(WRITINGS[dialect], dialect) == NAME


def test_str_is_rfc4514_and_repr_names_the_class() -> None:
    assert str(NAME) == WRITINGS[RFC4514]
    assert repr(parse("CN=a")) == "<DistinguishedName CN=a>"


def test_order_is_that_of_the_dialect_unless_told_otherwise() -> None:
    given_order = parse("C=US,O=x,CN=y", reversed_order=False)
    assert given_order == parse("CN=y,O=x,C=US") == parse("CN=y;O=x;C=US", WINDOWS) == parse("/C=US/O=x/CN=y", OPENSSL)
    assert given_order.format(reversed_order=False) == "C=US,O=x,CN=y"
    assert given_order.format(OPENSSL, reversed_order=True) == "/CN=y/O=x/C=US"
    assert given_order != parse("C=US,O=x,CN=y")


@pytest.mark.parametrize("dialect", Dialect)
def test_each_dialects_example_reads(dialect: Dialect) -> None:
    assert parse(dialect.value, dialect).common_name == "www.example.org"
    assert Dialect.guess(dialect.value) is dialect


def test_nothing_is_the_empty_name() -> None:
    assert not parse("")
    assert not parse("  ", WINDOWS)
    assert parse("/", OPENSSL) == parse("", OPENSSL) == DistinguishedName()
    assert str(DistinguishedName()) == ""
    assert list(DistinguishedName().to_x509()) == []


WRONG = [
    (RFC4514, "CN=a,,O=b", 6, "an attribute type"),
    (RFC4514, "CN=a,", 6, "an attribute type"),
    (RFC4514, "CN", 3, "'=' after CN"),
    (RFC4514, "=x", 1, "an attribute type"),
    (RFC4514, "CN=a,FOO=b", 6, "a known attribute type"),
    (RFC4514, "3.1=b", 1, "a known attribute type"),
    (RFC4514, "1.40=b", 1, "a known attribute type"),
    (RFC4514, "1.02=b", 1, "a known attribute type"),
    (RFC4514, "CN=a;O=b", 5, "',' or '+'"),
    (RFC4514, "CN=a<b", 5, "a backslash before"),
    (RFC4514, "CN=a\0b", 5, "a backslash before"),
    (RFC4514, 'CN="a', 6, "a double quote that ends the value"),
    (RFC4514, 'CN="a" x', 8, "',' or '+'"),
    (RFC4514, "CN=\\", 5, "after the backslash"),
    (RFC4514, "CN=ab\\q", 7, "two hexadecimal digits"),
    (RFC4514, "CN=a\\C3", 5, "bytes that are UTF-8"),
    (RFC4514, "CN=a\\41\\C3", 8, "bytes that are UTF-8"),
    (RFC4514, "CN=#", 5, "the DER of a value"),
    (RFC4514, "CN=#0c0", 5, "the DER of a value"),
    (RFC4514, "CN=#0c05", 5, "the DER of a value"),
    (RFC4514, "CN=#0c0141x", 11, "',' or '+'"),
    (RFC4514, "CN=", 4, "a value"),
    (RFC4514, "O=a, CN=", 9, "a value"),
    (RFC4514, "C=USA", 5, "exactly 2 characters"),
    (RFC4514, "C=U", 4, "exactly 2 characters"),
    (RFC4514, "C=#0c03555341", 3, "exactly 2 characters"),
    (RFC4514, "CN=" + 65 * "x", 68, "at most 64 characters"),
    (RFC4514, r"CN=\," + 64 * "x" + ",O=b", 69, "at most 64 characters"),
    (RFC4514, "SERIALNUMBER=a*b", 15, "one of A-Z"),
    (RFC4514, "DC=a\\C3\\A9", 5, "an ASCII character"),
    (RFC4514, "CN=a\ud800", 5, "Unicode characters only"),
    (WINDOWS, 'CN="a', 6, "a double quote that ends the value"),
    (WINDOWS, 'CN="a"b', 7, "',' or ';'"),
    (WINDOWS, 'CN=a"b', 5, "double quotes around the value"),
    (WINDOWS, "CN=a;;", 6, "an attribute type"),
    (WINDOWS, "E=aé", 4, "an ASCII character"),
    (OPENSSL, "CN=a", 1, "'/' at the start"),
    (OPENSSL, "/CN=a//O=b", 7, "an attribute type"),
    (OPENSSL, "/CN=a\\", 7, "a character after the backslash"),
    (OPENSSL, "/CN=\\xFF", 5, "bytes that are UTF-8"),
    (OPENSSL, "/CN=a+b", 8, "'=' after b"),
    (OPENSSL, "/CN =a", 4, "'=' after CN"),
]


@pytest.mark.parametrize(
    ("dialect", "text", "column", "expected"), WRONG, ids=[repr(text)[:20] for _, text, *_ in WRONG]
)
def test_a_wrong_name_says_where_and_what_was_expected(dialect: Dialect, text: str, column: int, expected: str) -> None:
    with pytest.raises(NameSyntaxError) as caught:
        parse(text, dialect)
    assert caught.value.column == column, str(caught.value)
    assert expected in caught.value.expected
    assert f"is wrong at column {column}: expected {caught.value.expected}" in str(caught.value)
    assert str(caught.value).isprintable()
    assert isinstance(caught.value, PkiError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "limit"),
    [("CN", 64), ("O", 64), ("OU", 64), ("L", 128), ("ST", 128), ("T", 64), ("E", 255), ("SERIALNUMBER", 64),
     ("STREET", 128), ("UID", 256)],
)  # fmt: skip
def test_upper_bounds_hold_and_can_be_relaxed(keyword: str, limit: int) -> None:
    assert parse(f"{keyword}={limit * 'x'}").values(keyword) == (limit * "x",)
    longer = f"{keyword}={(limit + 1) * 'x'}"
    with pytest.raises(NameSyntaxError, match=f"at most {limit} characters"):
        parse(longer)
    relaxed = parse(longer, enforce_limits=False)
    assert relaxed.values(keyword) == ((limit + 1) * "x",)
    assert f"at most {limit} characters" in relaxed.limit_problems()[0]
    assert not parse("CN=a,C=DE").limit_problems()


def test_characters_are_counted_and_not_bytes() -> None:
    assert parse("CN=" + 64 * "é").common_name == 64 * "é"


@pytest.mark.parametrize("dialect", Dialect)
def test_a_name_is_bounded_as_a_whole_and_read_in_linear_time(dialect: Dialect) -> None:
    with pytest.raises(NameSyntaxError, match="at most 65536 characters"):
        parse("/CN=" + MAXIMUM_NAME_LENGTH * "x", dialect)
    with pytest.raises(NameSyntaxError, match="at most 65536 bytes"):
        parse("/CN=" + 60000 * "é" if dialect is OPENSSL else "CN=" + 60000 * "é", dialect, enforce_limits=False)
    said = []
    for hostile in ("\\", "\\2C", '"', "#", "+", ",", "/", " ", "CN=", "\\xC3", "=", '""', "1."):
        for start in ("", "CN=", "/CN=", 'CN="', "CN=#"):
            try:
                parse((start + 65536 * hostile)[:65536], dialect, enforce_limits=False)
            except NameSyntaxError as error:
                said.append(str(error))
    assert said
    assert all(len(text) < 700 for text in said)


def test_types_of_strings_are_those_of_rfc5280() -> None:
    name = parse("CN=a,C=DE,E=a@example.org,DC=org,SERIALNUMBER=1,dnQualifier=q")
    kinds = {a.oid: a.value_der[0] for rdn in name.rdns for a in rdn}
    assert sorted(kinds.values()) == [0x0C, 0x13, 0x13, 0x13, 0x16, 0x16]
    assert kinds["2.5.4.3"] == 0x0C
    relaxed = parse("C=é,DC=é", enforce_limits=False)
    assert [a.value_der[0] for rdn in relaxed.rdns for a in rdn] == [0x0C, 0x0C], "not what RFC 5280 says, but true"


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@given(names)
def test_cryptography_has_the_same_name_in_the_same_bytes_or_says_that_it_cannot(name: DistinguishedName) -> None:
    try:
        theirs = name.to_x509()
    except NameEncodingError:
        return
    assert theirs.public_bytes() == name.to_der()
    again = DistinguishedName.from_x509(theirs)
    assert again == name
    assert again.to_x509() is theirs


def test_to_and_from_a_name_that_cryptography_made() -> None:
    theirs = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ex, Inc."),
            x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00\x02", _type=x509.name._ASN1Type.BitString),
            x509.NameAttribute(NameOID.COMMON_NAME, "x"),
        ]
    )
    ours = DistinguishedName.from_x509(theirs)
    assert str(ours) == r"CN=x,2.5.4.45=#03020002,O=Ex\, Inc.,C=DE"
    assert DistinguishedName.from_der(ours.to_der()).to_x509() == theirs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parse("CN=" + 65 * "x", enforce_limits=False).to_x509()
    assert "length must be" in str(caught[0].message), "it is cryptography that warns"


def test_a_value_that_certificates_do_not_use_is_kept_but_not_handed_to_cryptography() -> None:
    name = parse("CN=#0500")
    assert str(name) == "CN=#0500"
    with pytest.raises(NameEncodingError, match="kind that certificates do not use"):
        name.to_x509()


def test_a_relative_name_of_nothing_and_text_that_has_no_encoding_are_refused() -> None:
    with pytest.raises(NameEncodingError):
        DistinguishedName([[]])
    with pytest.raises(NameEncodingError):
        DistinguishedName([[Attribute("2.5.4.3", "\ud800")]])
    with pytest.raises(NameEncodingError):
        DistinguishedName([[Attribute("2.5.4.3", "é", 0x13)]])
    with pytest.raises(NameEncodingError):
        DistinguishedName.from_x509(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "\ud800")]))
    malformed = ["", "30", "3080", "3100", "30023100", "300000", "300431023000", "30083106300404020501"]
    malformed += ["300b31093007060255840c0141", "30093107300506000c0141", "300b31093007060280010c0141"]
    for data in (*map(bytes.fromhex, malformed), bytes(70000)):
        with pytest.raises(NameEncodingError) as caught:
            DistinguishedName.from_der(data)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_name_does_not_change() -> None:
    name = parse("CN=a")
    with pytest.raises(AttributeError):
        name.rdns = ()
    with pytest.raises(AttributeError):
        del name.rdns
    assert copy.deepcopy(name) == pickle.loads(pickle.dumps(name)) == name
    assert name != "CN=a"


def test_values_by_keyword() -> None:
    name = parse("CN=b,CN=a,OU=x+OU=y,2.5.4.99=z,O=#0500")
    assert name.values("cn") == name.values("2.5.4.3") == name.values("commonName") == ("a", "b")
    assert name.common_name == "b"
    assert sorted(name.values("OU")) == ["x", "y"]
    assert name.values("OID.2.5.4.99") == ("z",)
    assert name.values("O") == name.values("L") == ()
    assert parse("O=a").common_name is None
    with pytest.raises(ValueError, match="not an attribute type"):
        name.values("FOO")
