"""Chains put together by name and signature: who issued what, however the name is spelt."""

from __future__ import annotations

import pytest

from tests.support.authority import Made, authority_extensions, leaf_extensions, make
from tests.support.stores import family
from tlsocket.pki.issuers import chain_above, issued
from tlsocket.pki.stores import CertificateStore
from tlsocket.pki.stores.credentials import choose_client, complete_chain

ROOT = family().root
ISSUER = make("Middle Authority", ROOT, authority_extensions(), serial=5)
SAME_KEY = Made(make("MIDDLE  authority", ROOT, authority_extensions(), serial=6).certificate, ISSUER.key)
"""The issuer's key under its name as somebody else writes it."""
LEAF = make("client", SAME_KEY, leaf_extensions("a.example"), serial=7)


def test_the_issuer_s_name_is_compared_as_rfc_5280_section_7_1_says() -> None:
    assert LEAF.certificate.issuer != ISSUER.certificate.subject
    assert issued(ISSUER.certificate, LEAF.certificate)
    assert chain_above(LEAF.certificate, (ROOT.certificate, ISSUER.certificate)) == (
        ISSUER.certificate,
        ROOT.certificate,
    )
    assert complete_chain([LEAF.der], beside=[ISSUER.der]) == (LEAF.der, ISSUER.der)


@pytest.mark.parametrize(
    "other", [ROOT, LEAF, make("Middle Authority", ROOT, authority_extensions(), serial=8)], ids=["root", "leaf", "key"]
)
def test_another_name_or_key_is_no_issuer(other: Made) -> None:
    assert not issued(other.certificate, LEAF.certificate)


def test_a_client_answers_an_authority_whose_name_a_server_spells_otherwise() -> None:
    store = CertificateStore("MY", "memory")
    client = make("client", SAME_KEY, [], serial=9)
    store.add(client.certificate, client.key)
    assert choose_client(store, [ISSUER.certificate.subject.public_bytes()]).der == client.der
