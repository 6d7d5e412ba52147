"""Alternative names are read as people write them, and a wrong one is told by its column."""

from __future__ import annotations

import ipaddress
import time

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.names import NameSyntaxError

parse = SubjectAlternativeNames.parse

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join).filter(lambda h: not h.split(".")[-1].isdigit())
NAMES = st.one_of(
    HOSTS.map(x509.DNSName),
    HOSTS.filter(lambda h: "." in h).map(lambda h: x509.DNSName(f"*.{h}")),
    st.ip_addresses().map(x509.IPAddress),
    HOSTS.map(lambda h: x509.RFC822Name(f"some.one+tag@{h}")),
    st.from_regex(r"(https|spiffe|urn):[A-Za-z0-9/,:=._~-]{1,20}", fullmatch=True)
    .filter(lambda u: not any(f",{kind}:" in u.lower() for kind in ("dns", "ip", "email", "uri")))
    .map(x509.UniformResourceIdentifier),
)


@given(st.lists(NAMES, min_size=1, max_size=6))
def test_what_is_written_reads_as_the_same_names(names: list[x509.GeneralName]) -> None:
    sans = SubjectAlternativeNames(names)
    assert parse(str(sans)) == sans
    assert list(parse(str(sans))) == list(dict.fromkeys(names)), "in their order, each once"
    assert hash(parse(str(sans))) == hash(sans)


def test_reads_every_kind() -> None:
    sans = parse(" DNS:*.example.org , ip:192.0.2.1,ip: ::1 ,email:a@example.org,uri:https://example.org/a,b?c ")
    assert list(sans) == [
        x509.DNSName("*.example.org"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
        x509.RFC822Name("a@example.org"),
        x509.UniformResourceIdentifier("https://example.org/a,b?c"),
    ]
    assert len(sans) == 5
    assert list(sans.extension()) == list(sans)
    assert repr(parse("dns:a")) == "<SubjectAlternativeNames dns:a>"


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("", 1, "dns:HOST"),
        ("www.example.org", 1, "dns:HOST"),
        ("dns:a.org,b.org", 11, "dns:HOST"),
        ("dns:a.org,,ip:::1", 11, "dns:HOST"),
        ("dns:a.org,", 11, "dns:HOST"),
        ("dns:", 5, "a host name"),
        ("ip:::1, dns: a_b", 14, "a host name"),
        ("dns:-a", 5, "a host name"),
        ("dns:a..b", 5, "a host name"),
        ("dns:a.", 5, "a host name"),
        ("dns:192.0.2.1", 5, "a host name"),
        ("dns:" + 64 * "a", 5, "a host name"),
        ("dns:" + 60 * "abcde.", 5, "a host name"),
        ("dns:*.org", 5, "two labels"),
        ("dns:a.*.org", 5, "a host name"),
        ("dns:*", 5, "a host name"),
        ("dns:bücher.example", 5, "xn--"),
        ("dns:a\0.org", 5, "a host name"),
        ("ip:192.0.2", 4, "an IPv4 or IPv6 address"),
        ("ip:192.0.2.0/24", 4, "an IPv4 or IPv6 address"),
        ("ip:fe80::1%eth0", 4, "an IPv4 or IPv6 address"),
        ("email:a", 7, "an e-mail address"),
        ("email:@example.org", 7, "an e-mail address"),
        ("email:ä@example.org", 7, "an e-mail address"),
        ("uri:example.org", 5, "an absolute URI"),
        ("uri:https://exa mple.org", 5, "an absolute URI"),
        ("uri:http://[::1", 5, "an absolute URI"),
    ],
)
def test_a_wrong_name_says_where_and_what_was_expected(text: str, column: int, expected: str) -> None:
    with pytest.raises(NameSyntaxError) as caught:
        parse(text)
    assert caught.value.column == column
    assert expected in caught.value.expected


@given(st.text(st.sampled_from("dnsipemailuri:,.* @/a1é\0[]"), max_size=40))
def test_any_text_is_names_or_a_typed_error(text: str) -> None:
    try:
        sans = parse(text)
    except NameSyntaxError:
        return
    assert parse(str(sans)) == sans


@pytest.mark.parametrize("piece", [" ", ",", ", ", "dns:a,", "dns", "uri:a:b,", "*.", ":", "ip:", "a."])
def test_reading_is_bounded(piece: str) -> None:
    text = (piece * 70000)[:65536]
    start = time.perf_counter()
    for prefix in ("", "dns:", "uri:a:", "email:"):
        try:
            parse((prefix + text)[:65536])
        except NameSyntaxError:
            continue
    # Some hundredths of a second; quadratic time would be minutes.
    assert time.perf_counter() - start < 10
    with pytest.raises(NameSyntaxError, match="at most 65536 characters"):
        parse(text + "x")


def test_names_of_other_kinds_are_shown() -> None:
    sans = SubjectAlternativeNames(
        [
            x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a,b")])),
            x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "\ud800")])),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
            x509.OtherName(x509.ObjectIdentifier("1.2.4"), b"\x05\x00"),
            x509.DNSName("a\x1bb"),
        ]
    )
    assert str(sans) == r"directory:CN=a\,b,directory:unreadable,id:1.2.3,other:1.2.4,dns:a\x1bb"


def test_no_names_are_no_extension_and_a_list_does_not_change() -> None:
    none = SubjectAlternativeNames()
    assert len(none) == 0
    with pytest.raises(ValueError, match="no alternative name"):
        none.extension()
    with pytest.raises(AttributeError):
        none.names = ()
    assert none != ()
