"""Key exchange groups: ephemeral shares and shared secrets (RFC 9846 sections 4.3.8 and 7.4).

The seam is that of a key encapsulation: a client generates a share and later opens the server's answer, a server
answers a client's share with its own share and the secret in one step. Diffie-Hellman fits it, and so do the
hybrids with ML-KEM. A private key is used once and dropped. Which groups are offered, and in which order, is the
configuration's; the codecs of key_share are in `tlsocket.extensions`.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason
from tlsocket.registry.code_point import describe
from tlsocket.registry.named_groups import NamedGroup

__all__ = ["SUPPORTED_GROUPS", "KeyShare", "generate", "respond"]

# Plain integers, as peers' values are: a code point compares and hashes slower.
_SECP256R1 = NamedGroup.SECP256R1.value
_SECP384R1 = NamedGroup.SECP384R1.value
_SECP521R1 = NamedGroup.SECP521R1.value
_X25519 = NamedGroup.X25519.value


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


class _EllipticCurveShare:
    __slots__ = ("_group", "_private", "public")

    def __init__(self, group: _EllipticCurveGroup) -> None:
        self._group = group
        self._private = ec.generate_private_key(group.curve)
        self.public = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

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
        return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), secret


_GROUPS: dict[int, _Group] = {
    _X25519: _X25519Group(),
    _SECP256R1: _EllipticCurveGroup(_SECP256R1, ec.SECP256R1()),
    _SECP384R1: _EllipticCurveGroup(_SECP384R1, ec.SECP384R1()),
    _SECP521R1: _EllipticCurveGroup(_SECP521R1, ec.SECP521R1()),
}

SUPPORTED_GROUPS: tuple[int, ...] = tuple(_GROUPS)
"""Every group we can exchange keys in, in our order of preference (X25519 is the cheapest)."""


def generate(group: int) -> KeyShare:
    """A fresh share for `group`, to be used for one exchange."""
    return _group(group).generate()


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
