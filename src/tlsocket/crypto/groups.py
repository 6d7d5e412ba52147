"""Key exchange groups: ephemeral shares and shared secrets (RFC 9846 sections 4.3.8 and 7.4).

The seam is that of a key encapsulation: a client generates a share and later opens the server's answer, a server
answers a client's share with its own share and the secret in one step. Diffie-Hellman fits it, and so do the hybrids
with ML-KEM (RFC 9954, FIPS 203, draft-ietf-tls-ecdhe-mlkem). A private key is used once and dropped. Which groups are
offered, and in which order, is the configuration's; the codecs of key_share are in `tlsocket.extensions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, mlkem
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from tlsocket.crypto.library import serialization
from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason
from tlsocket.registry.code_point import describe
from tlsocket.registry.named_groups import NamedGroup

__all__ = [
    "CLASSICAL_GROUPS",
    "HYBRID_GROUPS",
    "SUPPORTED_GROUPS",
    "KeyShare",
    "default_share_groups",
    "generate",
    "generate_shares",
    "respond",
]

# Plain integers, as peers' values are: a code point compares and hashes slower.
_SECP256R1 = NamedGroup.SECP256R1.value
_SECP384R1 = NamedGroup.SECP384R1.value
_SECP521R1 = NamedGroup.SECP521R1.value
_X25519 = NamedGroup.X25519.value
_X448 = NamedGroup.X448.value
_X25519MLKEM768 = NamedGroup.X25519MLKEM768.value
_SECP256R1MLKEM768 = NamedGroup.SECP256R1MLKEM768.value
_SECP384R1MLKEM1024 = NamedGroup.SECP384R1MLKEM1024.value


class KeyShare(Protocol):
    """A client's half of a key exchange: its public share, and the private key that never leaves the object."""

    __slots__ = ()

    @property
    def group(self) -> int:
        """The NamedGroup."""

    @property
    def public(self) -> bytes:
        """The `key_exchange` of our KeyShareEntry."""

    def exchange(self, peer: bytes) -> bytes:
        """The shared secret with the server's `key_exchange`. Raises PeerMisbehaved when that is not a valid one."""


class _Group(Protocol):
    def generate(self) -> KeyShare: ...

    def respond(self, peer: bytes) -> tuple[bytes, bytes]: ...


class _X25519Share:
    __slots__ = ("_private", "public")

    group = _X25519

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def exchange(self, peer: bytes) -> bytes:
        return _x25519_exchange(self._private, peer)


def _x25519_exchange(private: X25519PrivateKey, peer: bytes) -> bytes:
    # RFC 9846 section 4.3.8.2: 32 bytes; every string of that length is a valid u-coordinate (RFC 7748 section 5).
    if len(peer) != 32:
        raise PeerMisbehaved(Reason.INVALID_KEY_SHARE, f"x25519 has 32 bytes, not {len(peer)}")
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        # OpenSSL refuses exactly the points of small order, for which the secret would be all zero
        # (RFC 9846 section 7.4.2: "MUST check whether the computed ... shared secret is the all-zero value").
        raise PeerMisbehaved(Reason.ALL_ZERO_SHARED_SECRET, "x25519") from None


class _X25519Group:
    __slots__ = ()

    def generate(self) -> KeyShare:
        return _X25519Share()

    def respond(self, peer: bytes) -> tuple[bytes, bytes]:
        private = X25519PrivateKey.generate()
        secret = _x25519_exchange(private, peer)
        return private.public_key().public_bytes_raw(), secret


class _X448Share:
    __slots__ = ("_private", "public")

    group = _X448

    def __init__(self) -> None:
        self._private = X448PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def exchange(self, peer: bytes) -> bytes:
        return _x448_exchange(self._private, peer)


def _x448_exchange(private: X448PrivateKey, peer: bytes) -> bytes:
    # As for X25519, with 56 bytes.
    if len(peer) != 56:
        raise PeerMisbehaved(Reason.INVALID_KEY_SHARE, f"x448 has 56 bytes, not {len(peer)}")
    try:
        return private.exchange(X448PublicKey.from_public_bytes(peer))
    except ValueError:
        raise PeerMisbehaved(Reason.ALL_ZERO_SHARED_SECRET, "x448") from None


class _X448Group:
    __slots__ = ()

    def generate(self) -> KeyShare:
        return _X448Share()

    def respond(self, peer: bytes) -> tuple[bytes, bytes]:
        private = X448PrivateKey.generate()
        secret = _x448_exchange(private, peer)
        return private.public_key().public_bytes_raw(), secret


@cache
def _uncompressed_point() -> tuple[Any, Any]:
    forms = serialization()
    return forms.Encoding.X962, forms.PublicFormat.UncompressedPoint


class _EllipticCurveShare:
    __slots__ = ("_group", "_private", "public")

    def __init__(self, group: _EllipticCurveGroup) -> None:
        self._group = group
        self._private = ec.generate_private_key(group.curve)
        self.public = self._private.public_key().public_bytes(*_uncompressed_point())

    @property
    def group(self) -> int:
        return self._group.code

    def exchange(self, peer: bytes) -> bytes:
        return self._group.exchange(self._private, peer)


class _EllipticCurveGroup:
    __slots__ = ("_algorithm", "code", "curve", "name", "point_length")

    def __init__(self, code: int, curve: ec.EllipticCurve) -> None:
        self.code = code
        self.curve = curve
        self.name = curve.name
        self.point_length = 1 + 2 * ((curve.key_size + 7) // 8)
        self._algorithm = ec.ECDH()

    def exchange(self, private: ec.EllipticCurvePrivateKey, peer: bytes) -> bytes:
        # RFC 9846 section 4.3.8.2: UncompressedPointRepresentation only, legacy_form = 4. `cryptography` would
        # also take compressed points. It checks that the point is on the curve and is not infinity, which has no
        # encoding of this length; the curves have cofactor 1, so nothing more is to check.
        if len(peer) != self.point_length or peer[0] != 4:
            raise PeerMisbehaved(Reason.INVALID_KEY_SHARE, f"{self.name} has {self.point_length} bytes, 0x04 first")
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, peer)
            return private.exchange(self._algorithm, public)
        except ValueError:
            raise PeerMisbehaved(Reason.INVALID_KEY_SHARE, f"not a point on {self.name}") from None

    def generate(self) -> KeyShare:
        return _EllipticCurveShare(self)

    def respond(self, peer: bytes) -> tuple[bytes, bytes]:
        private = ec.generate_private_key(self.curve)
        secret = self.exchange(private, peer)
        return private.public_key().public_bytes(*_uncompressed_point()), secret


class _HybridShare:
    __slots__ = ("_decapsulation_key", "_group", "component", "public")

    def __init__(self, group: _HybridGroup, component: KeyShare) -> None:
        self._group = group
        self.component = component
        """Our half of the Diffie-Hellman part."""
        self._decapsulation_key = group.decapsulation_keys.generate()
        encapsulation_key: bytes = self._decapsulation_key.public_key().public_bytes_raw()
        self.public = group.join(encapsulation_key, component.public)

    @property
    def group(self) -> int:
        return self._group.code

    def exchange(self, peer: bytes) -> bytes:
        group = self._group
        ciphertext, point = group.split(peer, group.ciphertext_length)
        # The Diffie-Hellman part first: its checks cost nothing that the rest would not.
        diffie_hellman = self.component.exchange(point)
        try:
            # FIPS 203 section 7.3: nothing but the ciphertext's length is to check; a wrong one of that length yields
            # an unrelated secret, and so a Finished that does not verify.
            secret: bytes = self._decapsulation_key.decapsulate(ciphertext)
        except ValueError:
            raise PeerMisbehaved(Reason.INVALID_KEY_SHARE, f"{group.name}: bad ciphertext") from None
        return group.join(secret, diffie_hellman)


class _HybridGroup:
    """ML-KEM and Diffie-Hellman side by side: shares and secrets are concatenations (RFC 9954 section 3)."""

    __slots__ = (
        "_component",
        "_encapsulation_keys",
        "_mlkem_first",
        "_point_length",
        "ciphertext_length",
        "code",
        "component_code",
        "decapsulation_keys",
        "encapsulation_key_length",
        "name",
    )

    def __init__(
        self,
        code: int,
        component: tuple[int, _Group],
        keys: tuple[Any, Any],
        lengths: tuple[int, int, int],
        *,
        mlkem_first: bool,
    ) -> None:
        self.code = code
        self.name = describe(NamedGroup, code)
        self.component_code, self._component = component
        self.decapsulation_keys, self._encapsulation_keys = keys
        self.encapsulation_key_length, self.ciphertext_length, self._point_length = lengths
        # In X25519MLKEM768 the ML-KEM part comes first, in the NIST hybrids last: the one that FIPS has approved leads.
        self._mlkem_first = mlkem_first

    def join(self, mlkem_part: bytes, diffie_hellman_part: bytes) -> bytes:
        if self._mlkem_first:
            return mlkem_part + diffie_hellman_part
        return diffie_hellman_part + mlkem_part

    def split(self, share: bytes, mlkem_length: int) -> tuple[bytes, bytes]:
        """The ML-KEM part and the Diffie-Hellman part of a share whose length must be exact."""
        length = mlkem_length + self._point_length
        if len(share) != length:
            raise PeerMisbehaved(Reason.INVALID_KEY_SHARE, f"{self.name} has {length} bytes, not {len(share)}")
        if self._mlkem_first:
            return share[:mlkem_length], share[mlkem_length:]
        return share[self._point_length :], share[: self._point_length]

    def generate(self) -> _HybridShare:
        return self.generate_beside(self._component.generate())

    def generate_beside(self, component: KeyShare) -> _HybridShare:
        return _HybridShare(self, component)

    def respond(self, peer: bytes) -> tuple[bytes, bytes]:
        key, point = self.split(peer, self.encapsulation_key_length)
        point, diffie_hellman = self._component.respond(point)
        try:
            # This is the encapsulation key check of FIPS 203 section 7.2, which the server MUST perform and answer
            # with illegal_parameter when it fails.
            secret, ciphertext = self._encapsulation_keys.from_public_bytes(key).encapsulate()
        except ValueError:
            raise PeerMisbehaved(Reason.INVALID_KEY_SHARE, f"{self.name}: bad encapsulation key") from None
        return self.join(ciphertext, point), self.join(secret, diffie_hellman)


_CLASSICAL: dict[int, _Group] = {
    _X25519: _X25519Group(),
    _SECP256R1: _EllipticCurveGroup(_SECP256R1, ec.SECP256R1()),
    _X448: _X448Group(),
    _SECP384R1: _EllipticCurveGroup(_SECP384R1, ec.SECP384R1()),
    _SECP521R1: _EllipticCurveGroup(_SECP521R1, ec.SECP521R1()),
}

_MLKEM768 = mlkem.MLKEM768PrivateKey, mlkem.MLKEM768PublicKey
_MLKEM1024 = mlkem.MLKEM1024PrivateKey, mlkem.MLKEM1024PublicKey

# FIPS 203 section 8, table 3: encapsulation key and ciphertext of ML-KEM-768 and ML-KEM-1024.
_HYBRID: dict[int, _HybridGroup] = {
    _X25519MLKEM768: _HybridGroup(
        _X25519MLKEM768, (_X25519, _CLASSICAL[_X25519]), _MLKEM768, (1184, 1088, 32), mlkem_first=True
    ),
    _SECP256R1MLKEM768: _HybridGroup(
        _SECP256R1MLKEM768, (_SECP256R1, _CLASSICAL[_SECP256R1]), _MLKEM768, (1184, 1088, 65), mlkem_first=False
    ),
    _SECP384R1MLKEM1024: _HybridGroup(
        _SECP384R1MLKEM1024, (_SECP384R1, _CLASSICAL[_SECP384R1]), _MLKEM1024, (1568, 1568, 97), mlkem_first=False
    ),
}

_GROUPS: dict[int, _Group] = {**_HYBRID, **_CLASSICAL}

HYBRID_GROUPS: tuple[int, ...] = tuple(_HYBRID)
"""Groups whose secret stays secret from a quantum computer too; TLS 1.3 only."""

CLASSICAL_GROUPS: tuple[int, ...] = tuple(_CLASSICAL)
"""Diffie-Hellman alone: all that TLS 1.2 knows, in our order of preference (X25519 is the cheapest)."""

SUPPORTED_GROUPS: tuple[int, ...] = HYBRID_GROUPS + CLASSICAL_GROUPS
"""Every group we can exchange keys in, in our order of preference: what is recorded outlives what a handshake costs."""


def default_share_groups(groups: tuple[int, ...]) -> tuple[int, ...]:
    """The groups to send shares for at once: the first of `groups`, and behind a hybrid one that every server knows.

    That one is the hybrid's own Diffie-Hellman group where `groups` has it, since its share costs nothing then.
    """
    first = groups[:1]
    hybrid = _HYBRID.get(groups[0]) if groups else None
    if hybrid is None:
        return first
    if hybrid.component_code in groups:
        return (*first, hybrid.component_code)
    return first + tuple(group for group in groups if group in _CLASSICAL)[:1]


def generate(group: int) -> KeyShare:
    """A fresh share for `group`, to be used for one exchange."""
    return _group(group).generate()


def generate_shares(groups: Iterable[int]) -> dict[int, KeyShare]:
    """Fresh shares for one ClientHello, in the order of `groups`; one exchange is made with one of them.

    A hybrid's Diffie-Hellman part and a share of that group alone are the same: RFC 9954 section 3.2 lets "the same
    key_exchange value for the same algorithm be reused in multiple KeyShareEntry records sent within the same
    ClientHello". The second share of the default offer is free for that.
    """
    shares: dict[int, KeyShare] = {}
    components: dict[int, KeyShare] = {}
    for group in groups:
        hybrid = _HYBRID.get(group)
        if hybrid is not None:
            component = shares.get(hybrid.component_code) or components.get(hybrid.component_code)
            share = hybrid.generate() if component is None else hybrid.generate_beside(component)
            components[hybrid.component_code] = share.component
            shares[group] = share
        else:
            shares[group] = components.get(group) or _group(group).generate()
    return shares


def respond(group: int, peer: bytes) -> tuple[bytes, bytes]:
    """A server's answer to a client's share: our own share and the shared secret.

    Raises PeerMisbehaved when the client's share is not a valid public value.
    """
    return _group(group).respond(peer)


def _group(group: int) -> _Group:
    try:
        return _GROUPS[group]
    except KeyError:
        raise ApiMisuse(Reason.API_MISUSE, f"group {describe(NamedGroup, group)} is not supported") from None
