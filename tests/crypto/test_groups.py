"""Key exchange groups: both sides agree, and no bad share yields a secret."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsocket.crypto import groups
from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason

# Lengths of a client's share, a server's share and the secret; for the hybrids draft-ietf-tls-ecdhe-mlkem section 4.
LENGTHS = {
    0x001D: (32, 32, 32),
    0x001E: (56, 56, 56),
    0x0017: (65, 65, 32),
    0x0018: (97, 97, 48),
    0x0019: (133, 133, 66),
    0x11EC: (1216, 1120, 64),
    0x11EB: (1249, 1153, 64),
    0x11ED: (1665, 1665, 80),
}
X25519, X448, P256, P384 = 0x001D, 0x001E, 0x0017, 0x0018
X25519MLKEM768, P256MLKEM768, P384MLKEM1024 = 0x11EC, 0x11EB, 0x11ED
every_group = pytest.mark.parametrize("group", groups.SUPPORTED_GROUPS, ids=hex)


def server_reason(group: int, peer: bytes) -> Reason:
    with pytest.raises(PeerMisbehaved) as caught:
        groups.respond(group, peer)
    return caught.value.reason


def client_reason(group: int, peer: bytes) -> Reason:
    with pytest.raises(PeerMisbehaved) as caught:
        groups.generate(group).exchange(peer)
    return caught.value.reason


def reason_of(group: int, peer: bytes) -> Reason:
    assert server_reason(group, peer) is client_reason(group, peer)
    return client_reason(group, peer)


def test_hybrids_are_preferred_and_then_the_cheapest() -> None:
    assert groups.SUPPORTED_GROUPS[:4] == (X25519MLKEM768, P256MLKEM768, P384MLKEM1024, X25519)
    assert set(groups.SUPPORTED_GROUPS) == set(LENGTHS)
    assert groups.SUPPORTED_GROUPS == groups.HYBRID_GROUPS + groups.CLASSICAL_GROUPS


@every_group
def test_both_sides_reach_the_same_secret(group: int) -> None:
    share = groups.generate(group)
    answer, secret = groups.respond(group, share.public)
    assert share.group == group
    assert (len(share.public), len(answer), len(secret)) == LENGTHS[group]
    assert share.exchange(answer) == secret


@every_group
def test_shares_are_fresh(group: int) -> None:
    assert groups.generate(group).public != groups.generate(group).public
    peer = groups.generate(group).public
    assert groups.respond(group, peer) != groups.respond(group, peer)


@every_group
def test_share_of_another_length_is_refused(group: int) -> None:
    public = groups.generate(group).public
    answer, _ = groups.respond(group, public)
    for cut in (lambda share: b"", lambda share: share[:-1], lambda share: share + b"\0"):
        assert server_reason(group, cut(public)) is Reason.INVALID_KEY_SHARE
        assert client_reason(group, cut(answer)) is Reason.INVALID_KEY_SHARE


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xed" + b"\xff" * 30 + b"\x7f"])
def test_x25519_point_of_small_order_is_refused(point: bytes) -> None:
    assert reason_of(0x001D, point) is Reason.ALL_ZERO_SHARED_SECRET


@pytest.mark.parametrize("point", [bytes(56), b"\x01" + bytes(55), b"\xfe" + b"\xff" * 27 + b"\xfe" + b"\xff" * 27])
def test_x448_point_of_small_order_is_refused(point: bytes) -> None:
    assert reason_of(X448, point) is Reason.ALL_ZERO_SHARED_SECRET


def parts_of(group: int, client: bytes, answer: bytes) -> tuple[slice, slice]:
    """Where the ML-KEM part lies in a client's and in a server's share of a hybrid."""
    if group == X25519MLKEM768:
        return slice(0, 1184), slice(0, 1088)
    point = 65 if group == P256MLKEM768 else 97
    return slice(point, len(client)), slice(point, len(answer))


def replaced(share: bytes, place: slice, content: bytes) -> bytes:
    changed = bytearray(share)
    changed[place] = content
    return bytes(changed)


@pytest.mark.parametrize("group", groups.HYBRID_GROUPS, ids=hex)
def test_both_parts_of_a_hybrid_count(group: int) -> None:
    share = groups.generate(group)
    answer, secret = groups.respond(group, share.public)
    other, _ = groups.respond(group, share.public)
    _, place = parts_of(group, share.public, answer)
    # The other ciphertext is valid, and so is the other point: each alone changes its half of the secret and no more.
    half = 32 if group != P384MLKEM1024 else None
    with_other_ciphertext = share.exchange(replaced(answer, place, other[place]))
    with_other_point = share.exchange(replaced(other, place, answer[place]))
    assert len({secret, with_other_ciphertext, with_other_point}) == 3
    size = half or 48
    front, back = slice(0, size), slice(size, None)
    kept, changed = (back, front) if group == X25519MLKEM768 else (front, back)
    assert with_other_ciphertext[kept] == secret[kept]
    assert with_other_point[changed] == secret[changed]


@pytest.mark.parametrize("group", groups.HYBRID_GROUPS, ids=hex)
def test_encapsulation_key_with_a_coefficient_out_of_range_is_refused(group: int) -> None:
    # FIPS 203 section 7.2, the modulus check: 12-bit coefficients of 0xfff are above q = 3329.
    public = groups.generate(group).public
    place, _ = parts_of(group, public, b"")
    key = public[place]
    assert server_reason(group, replaced(public, place, b"\xff\xff\xff" + key[3:])) is Reason.INVALID_KEY_SHARE


@pytest.mark.parametrize(
    ("group", "point", "reason"),
    [
        (X25519MLKEM768, bytes(32), Reason.ALL_ZERO_SHARED_SECRET),
        (P256MLKEM768, b"\x04" + bytes(64), Reason.INVALID_KEY_SHARE),
        (P256MLKEM768, b"\x02" + bytes(64), Reason.INVALID_KEY_SHARE),
        (P384MLKEM1024, b"\x04" + bytes(96), Reason.INVALID_KEY_SHARE),
    ],
)
def test_bad_point_in_a_hybrid_is_refused(group: int, point: bytes, reason: Reason) -> None:
    share = groups.generate(group)
    answer, _ = groups.respond(group, share.public)
    place = slice(-len(point), None) if group == X25519MLKEM768 else slice(0, len(point))
    assert server_reason(group, replaced(share.public, place, point)) is reason
    with pytest.raises(PeerMisbehaved) as caught:
        share.exchange(replaced(answer, place, point))
    assert caught.value.reason is reason


def test_share_beside_a_hybrid_is_its_own_diffie_hellman_part() -> None:
    # RFC 9954 section 3.2: reused within one ClientHello, which is what makes the second share free.
    for order in ((X25519MLKEM768, X25519), (X25519, X25519MLKEM768), (P256MLKEM768, X25519MLKEM768, X25519, P256)):
        shares = groups.generate_shares(order)
        assert tuple(shares) == order
        assert shares[X25519MLKEM768].public.endswith(shares[X25519].public)
        for group, share in shares.items():
            answer, secret = groups.respond(group, share.public)
            assert share.exchange(answer) == secret
    first, second = groups.generate_shares((X25519MLKEM768, X25519)), groups.generate_shares((X25519MLKEM768, X25519))
    assert first[X25519].public != second[X25519].public
    apart = groups.generate_shares((P384MLKEM1024, X25519))
    assert apart[X25519].public not in apart[P384MLKEM1024].public


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        (groups.SUPPORTED_GROUPS, (X25519MLKEM768, X25519)),
        ((P256MLKEM768, X25519, P256), (P256MLKEM768, P256)),
        ((P256MLKEM768, X25519), (P256MLKEM768, X25519)),
        ((X25519MLKEM768, P384MLKEM1024), (X25519MLKEM768,)),
        ((X25519, X25519MLKEM768), (X25519,)),
        ((), ()),
    ],
)
def test_groups_of_the_first_shares(configured: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert groups.default_share_groups(configured) == expected


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
    # The rest of a hybrid's share is as good as zeros: hypothesis need not draw a kilobyte.
    peer = data.draw(st.binary(min_size=min(size, 200), max_size=min(size, 200))).ljust(size, b"\0")
    if group not in (X25519, X448):
        peer = b"\x04" + peer[1:]
    try:
        _, secret = groups.respond(group, peer)
    except PeerMisbehaved:
        return
    assert len(secret) == LENGTHS[group][2]


def test_unsupported_group_is_a_misuse() -> None:
    with pytest.raises(ApiMisuse, match="ffdhe2048"):
        groups.generate(0x0100)
    with pytest.raises(ApiMisuse):
        groups.respond(0x0100, b"")
