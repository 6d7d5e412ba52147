"""Damaged certificates: a verifier refuses them with words, whatever byte of theirs was changed, and never breaks.

The bytes of a certificate come from the peer, and `cryptography` reads most of them lazily, with exceptions and
warnings of its own. Warnings are errors in these tests, as they are in some programs.
"""

from __future__ import annotations

import contextlib
import functools
import time

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.damage import ALL_KINDS, Edit, edited, edits
from tlsocket.config import Role
from tlsocket.crypto.certificates import certificate_public_key, parse_certificate
from tlsocket.dropin.verification import TrustVerifier
from tlsocket.errors import CertificateRejected, InvalidMessage, PeerMisbehaved
from tlsocket.pki.authority import Authority
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_dict, describe_certificate
from tlsocket.pki.trust.anchors import TrustAnchors

NAME = "server.example"
KINDS = ["ecdsa-p256", "rsa-2048", "rsa-pss-2048", "ed25519"]
AUTHORITY = Authority.create()


@functools.cache
def leaf(kind: str) -> bytes:
    """One certificate for each kind of key."""
    return AUTHORITY.issue([NAME], key=kind).der


VERIFIER = TrustVerifier(TrustAnchors.load(AUTHORITY.pem))


def judge(der: bytes) -> bool:
    """Whether the verifier accepts it. Anything but an acceptance or a typed refusal comes out."""
    try:
        VERIFIER.verify([der], server_name=NAME, role_of_peer=Role.SERVER, now=time.time())
    except CertificateRejected:
        accepted = False
    else:
        accepted = True
    with contextlib.suppress(InvalidMessage):
        certificate = parse_certificate(der)
        with contextlib.suppress(PeerMisbehaved):
            certificate_public_key(certificate)
        for tell in (certificate_dict, describe_certificate):
            with contextlib.suppress(*PARSE_ERRORS):
                tell(certificate)
    return accepted


def unused_bits(der: bytes) -> int:
    """Where the number of unused bits of the signature's BIT STRING stands.

    It is not signed, and where the signature happens to end in zero bits, calling them unused is no other signature.
    """
    return len(der) - len(x509.load_der_x509_certificate(der).signature) - 1


def positions(der: bytes) -> list[int]:
    """All bytes that a signature must notice."""
    return [position for position in range(len(der)) if position != unused_bits(der)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_itself_is_accepted(kind: str) -> None:
    assert judge(leaf(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bit_of_every_byte_flipped(kind: str) -> None:
    der = leaf(kind)
    for position in positions(der):
        assert not judge(der[:position] + bytes([der[position] ^ 1 << position % 8]) + der[position + 1 :])


@pytest.mark.long
@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_every_bit_of_every_byte_flipped(kind: str, bit: int) -> None:
    der = leaf(kind)
    for position in positions(der):
        assert not judge(der[:position] + bytes([der[position] ^ 1 << bit]) + der[position + 1 :])


def test_truncation_at_every_byte() -> None:
    der = leaf("ecdsa-p256")
    assert not any(judge(der[:length]) for length in range(len(der)))


@settings(deadline=None, max_examples=300)
@given(kind=st.sampled_from(KINDS), changes=edits(*ALL_KINDS))
def test_damaged_certificates(kind: str, changes: list[Edit]) -> None:
    der = leaf(kind)
    changed = edited(der, changes)
    unused = unused_bits(der)
    same = (der[:unused], der[unused + 1 :]) == (changed[:unused], changed[unused + 1 :])
    assert not judge(changed) or same


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    assert not judge(data)
    assert not judge(b"\x30\x82" + len(data).to_bytes(2, "big") + data)
