"""Names: RFC 9525, and the words of a mismatch."""

from __future__ import annotations

import pytest

from tlsocket.pki.authority import Authority
from tlsocket.pki.errors import Refusal
from tlsocket.pki.trust.service_identity import ReferenceIdentity, name_problem, presented_names


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


@pytest.mark.parametrize(
    ("presented", "wanted", "served"),
    [
        ("www.example.org", "www.example.org", True),
        ("www.example.org", "WWW.Example.ORG", True),
        ("WWW.example.org", "www.example.org", True),
        ("www.example.org", "www.example.org.", True),
        ("www.example.org", "example.org", False),
        ("www.example.org", "xwww.example.org", False),
        ("a_b.example.org", "a_b.example.org", True),
        ("localhost", "localhost", True),
        ("*.example.org", "www.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("*.example.org", ".example.org", None),
        ("*.org", "example.org", False),
        ("*", "localhost", False),
        ("w*.example.org", "www.example.org", False),
        ("*.*.example.org", "a.b.example.org", False),
        ("www.*.org", "www.example.org", False),
        ("*.xn--mnchen-3ya.example", "www.xn--mnchen-3ya.example", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("2001:db8::1", "2001:DB8:0:0::1", True),
        ("2001:db8::1", "2001:db8::2", False),
    ],
)
def test_matches_as_rfc_9525_says(authority: Authority, presented: str, wanted: str, served: bool | None) -> None:
    if served is None:
        with pytest.raises(ValueError, match="not a host name"):
            ReferenceIdentity.parse(wanted)
        return
    certificate = authority.issue(presented).certificate
    assert ReferenceIdentity.parse(wanted).is_served_by(certificate) is served


def test_an_address_in_a_dns_name_does_not_count(authority: Authority) -> None:
    certificate = authority.issue(["a.example"], common_name="127.0.0.1").certificate
    assert not ReferenceIdentity.parse("127.0.0.1").is_served_by(certificate)


@pytest.mark.parametrize("name", ["", ".", "a..b", "a\0b", "*.example.org", "münchen.example"])
def test_refuses_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="host name"):
        ReferenceIdentity.parse(name)


def test_lists_the_names_that_there_are(authority: Authority) -> None:
    names = [f"n{number}.example" for number in range(10)]
    certificate = authority.issue(names).certificate
    assert presented_names(certificate) == names
    problem = name_problem(certificate, ReferenceIdentity.parse("other.example"))
    assert problem is not None
    assert problem.refusal is Refusal.HOSTNAME_MISMATCH
    assert "other.example" in problem.detail
    assert "n7.example and 2 more" in problem.detail
    assert name_problem(certificate, ReferenceIdentity.parse("n3.example")) is None


def test_says_that_a_common_name_does_not_count(authority: Authority) -> None:
    certificate = authority.issue([], common_name="www.example").certificate
    problem = name_problem(certificate, ReferenceIdentity.parse("www.example"))
    assert problem is not None
    assert "no subjectAltName" in problem.detail
    assert "common name does not count" in problem.remedy


def test_tells_addresses_from_hosts(authority: Authority) -> None:
    problem = name_problem(authority.issue("a.example").certificate, ReferenceIdentity.parse("::1"))
    assert problem is not None
    assert problem.refusal is Refusal.IP_ADDRESS_MISMATCH
