"""Forms of names and extensions: what is one, what is none, and that a list is judged as each of its members."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pki.trust.chains import forge, leaf
from tlsocket.pki.trust.facts import facts_of
from tlsocket.pki.trust.forms import FORMS, has_its_form
from tlsocket.pki.trust.name_constraints import violation

ACCESS, POLICIES, POINTS, TIMESTAMPS = FORMS


@pytest.mark.parametrize(
    ("form", "name", "base", "code"),
    [
        (1, b"a@example.com", b"example.com", None),
        (1, b"a@sub.example.com", b"example.com", 47),
        (1, b"a@sub.example.com", b".example.com", None),
        (1, b"A@example.com", b"a@example.com", 47),
        (1, b"a@EXAMPLE.com", b"a@example.com", None),
        (1, b"no address", b"example.com", 53),
        (1, b"a@example.com", b"a@b@example.com", 52),
        (2, b"WWW.example.com", b"example.COM", None),
        (2, b"www.example.com", b".example.com", None),
        (2, b"example.com", b".example.com", 47),
        (2, b"xexample.com", b"example.com", 47),
        (2, b"anything", b"", None),
        (6, b"https://user@www.example.com:8443/path", b"www.example.com", None),
        (6, b"https://www.example.com/", b".example.com", None),
        (6, b"https://www.example.com/", b"example.com", 47),
        (6, b"https://192.0.2.1/", b"example.com", 53),
        (6, b"urn:a:b", b"example.com", 53),
        (7, b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x00\xff\xff\xff\x00", None),
        (7, b"\xc0\x00\x03\x01", b"\xc0\x00\x02\x00\xff\xff\xff\x00", 47),
        (7, b"\0" * 16, b"\xc0\x00\x02\x00\xff\xff\xff\x00", 47),
        (7, b"\xc0\x00\x02\x01\0", b"\xc0\x00\x02\x00\xff\xff\xff\x00", 53),
        (7, b"\xc0\x00\x02\x01", b"\xc0\x00\x02", 53),
        (8, b"\x2a\x03", b"\x2a\x03", 51),
        (0, b"any", b"any", 51),
    ],
)
def test_permitted_subtrees(form: int, name: bytes, base: bytes, code: int | None) -> None:
    found = violation(((form, name),), (((form, base),), (), False))
    assert (None if found is None else found.code) == code
    # The same base excluded forbids exactly what it would permit.
    excluded = violation(((form, name),), ((), ((form, base),), False))
    assert (None if excluded is None else excluded.code) == {None: 48, 47: None}.get(code, code)
    # Another form of name is not concerned.
    assert violation(((3, b"x"),), (((form, base),), ((form, base),), False)) is None


def test_minimum_and_maximum_are_refused() -> None:
    found = violation(((2, b"a.example"),), (((2, b"example"),), (), True))
    assert found is not None
    assert found.code == 49


def real_extensions() -> list[tuple[bytes, bytes]]:
    """Of each kind, as cryptography makes it."""
    uri = [x509.UniformResourceIdentifier("http://ca.example/")]
    method = AuthorityInformationAccessOID.CA_ISSUERS
    root = forge("root")
    made = leaf(
        root,
        extra=[
            (x509.AuthorityInformationAccess([x509.AccessDescription(method, uri[0])]), False),
            (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), ["text"])]), False),
            (x509.CRLDistributionPoints([x509.DistributionPoint(uri, None, None, None)]), False),
        ],
    )
    facts = facts_of(made.der)
    assert facts.all_extensions_decode()
    return [(kind, facts.extensions[kind][1]) for kind in (ACCESS, POLICIES, POINTS)] + [
        (TIMESTAMPS, b"\x04\x07\x00\x05\x00\x03abc")
    ]


@pytest.mark.parametrize(("kind", "value"), real_extensions(), ids=["access", "policies", "points", "timestamps"])
def test_the_forms_of_extensions(kind: bytes, value: bytes) -> None:
    assert has_its_form(kind, value)
    for length in range(len(value)):
        assert not has_its_form(kind, value[:length])
    for bad in (value + b"\0", b"", b"\x30\x00", b"\x04\x00", b"\x30\x02\x30\x00", b"hello"):
        assert not has_its_form(kind, bad)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.binary(max_size=40))
def test_hostile_bytes_raise_nothing(kind: bytes, value: bytes) -> None:
    assert has_its_form(kind, value) in (True, False)


WITHOUT: dict[str, dict[str, Any]] = {
    "2.5.29.14": {"ski": False},
    "2.5.29.15": {"no_usage": True},
    "2.5.29.19": {"ca": None},
    "2.5.29.35": {"aki": False},
    "2.5.29.37": {"purposes": None},
}


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2.5.29.19", "3006020100 0101ff"),
        ("2.5.29.19", "3006 0101ff 0101ff"),
        ("2.5.29.19", "3006 0101ff 0201ff"),
        ("2.5.29.19", "0400"),
        ("2.5.29.37", "3000"),
        ("2.5.29.37", "3003 020105"),
        ("2.5.29.15", "0300"),
        ("2.5.29.15", "0403 020780"),
        ("2.5.29.14", "30030201"),
        ("2.5.29.35", "0400"),
    ],
)
def test_an_extension_that_decides_must_be_what_it_is(oid: str, value: str) -> None:
    extra = [(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), bytes.fromhex(value)), False)]
    assert facts_of(leaf(forge("root"), extra=extra, **WITHOUT[oid]).der).malformed
