"""Key exchange groups: both sides agree, and no bad share yields a secret."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsocket.crypto import groups
from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason

LENGTHS = {0x001D: (32, 32), 0x0017: (65, 32), 0x0018: (97, 48), 0x0019: (133, 66)}
every_group = pytest.mark.parametrize("group", groups.SUPPORTED_GROUPS, ids=hex)


def reason_of(group: int, peer: bytes) -> Reason:
    with pytest.raises(PeerMisbehaved) as as_server:
        groups.respond(group, peer)
    with pytest.raises(PeerMisbehaved) as as_client:
        groups.generate(group).exchange(peer)
    assert as_server.value.reason is as_client.value.reason
    return as_client.value.reason


def test_the_cheapest_group_is_preferred() -> None:
    assert groups.SUPPORTED_GROUPS == (0x001D, 0x0017, 0x0018, 0x0019)


@every_group
def test_both_sides_reach_the_same_secret(group: int) -> None:
    share = groups.generate(group)
    answer, secret = groups.respond(group, share.public)
    assert share.group == group
    assert (len(share.public), len(secret)) == LENGTHS[group]
    assert len(answer) == len(share.public)
    assert share.exchange(answer) == secret


@every_group
def test_shares_are_fresh(group: int) -> None:
    assert groups.generate(group).public != groups.generate(group).public
    peer = groups.generate(group).public
    assert groups.respond(group, peer) != groups.respond(group, peer)


@every_group
def test_share_of_another_length_is_refused(group: int) -> None:
    public = groups.generate(group).public
    for peer in (b"", public[:-1], public + b"\0"):
        assert reason_of(group, peer) is Reason.INVALID_KEY_SHARE


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xed" + b"\xff" * 30 + b"\x7f"])
def test_x25519_point_of_small_order_is_refused(point: bytes) -> None:
    assert reason_of(0x001D, point) is Reason.ALL_ZERO_SHARED_SECRET


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_point_in_another_form_is_refused(curve: ec.EllipticCurve) -> None:
    group = {"secp256r1": 0x0017, "secp384r1": 0x0018, "secp521r1": 0x0019}[curve.name]
    key = ec.generate_private_key(curve).public_key()
    compressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    uncompressed = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    hybrid = bytes((6 + (uncompressed[-1] & 1),)) + uncompressed[1:]
    off_curve = uncompressed[:-1] + bytes((uncompressed[-1] ^ 1,))
    infinity = bytes(len(uncompressed))
    for peer in (compressed, hybrid, off_curve, infinity, b"\0"):
        assert reason_of(group, peer) is Reason.INVALID_KEY_SHARE


@settings(max_examples=50)
@given(st.sampled_from(groups.SUPPORTED_GROUPS), st.data())
def test_random_shares_raise_only_our_errors(group: int, data: st.DataObject) -> None:
    size = LENGTHS[group][0]
    peer = data.draw(st.binary(min_size=size, max_size=size))
    if group != 0x001D:
        peer = b"\x04" + peer[1:]
    try:
        _, secret = groups.respond(group, peer)
    except PeerMisbehaved:
        return
    assert len(secret) == LENGTHS[group][1]


def test_unsupported_group_is_a_misuse() -> None:
    with pytest.raises(ApiMisuse, match="ffdhe2048"):
        groups.generate(0x0100)
    with pytest.raises(ApiMisuse):
        groups.respond(0x0100, b"")
