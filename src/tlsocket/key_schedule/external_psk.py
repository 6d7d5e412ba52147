"""Pre-shared keys from outside of TLS, used as they are or imported (RFC 9846 section 4.3.11, RFC 9258, RFC 9257).

A key used as it is belongs to one hash function. The importer makes one key for each hash function of it, each under
an identity of its own that also says in which context the key was made: that is what keeps two peers with the same
key from being played off against each other (Selfie, RFC 9257 section 4.1), so it is the better way wherever both ends
have it. Session tickets are `tlsocket.handshake.tickets`'s; how a key is offered and accepted,
`tlsocket.handshake.psk`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tlsocket.crypto.hashes import SHA256, SHA384, HashAlgorithm
from tlsocket.crypto.hkdf import expand_label, extract
from tlsocket.errors import ApiMisuse
from tlsocket.extensions.pre_shared_key import MAXIMUM_IDENTITY
from tlsocket.registry.versions import ProtocolVersion
from tlsocket.wire import Writer

__all__ = ["MAXIMUM_IDENTITY", "MAXIMUM_KEY", "PreSharedKey", "import_psk"]

MAXIMUM_KEY = 512
"""Bytes of a key, as in OpenSSL."""

_HASHES = {"sha256": SHA256, "sha384": SHA384}

# RFC 9258 section 10, "TLS KDF Identifiers".
_KDF = {"sha256": 0x0001, "sha384": 0x0002}


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """A key that both ends were given, and the name it goes by.

    It should have 128 bits of entropy or more: whoever watches a handshake can try keys against the binder
    (RFC 9846 section 2.2). ApiMisuse for an empty key, and for identity or key beyond their bounds.
    """

    identity: bytes
    """Empty in TLS 1.2 only."""
    key: bytes = field(repr=False)
    hash_name: str = "sha256"
    """"sha256" or "sha384": the key is used with TLS 1.3's cipher suites of this hash only. SHA-256 where nothing was
    agreed. In TLS 1.2 a key has no hash."""
    imported: bool = False
    """Whether it came through `import_psk`."""

    def __post_init__(self) -> None:
        if self.hash_name not in _HASHES:
            raise ApiMisuse(detail=f"no cipher suite of TLS 1.3 has the hash {self.hash_name!r}")
        if len(self.identity) > MAXIMUM_IDENTITY:
            raise ApiMisuse(detail=f"an identity has at most {MAXIMUM_IDENTITY} bytes, not {len(self.identity)}")
        if not 0 < len(self.key) <= MAXIMUM_KEY:
            raise ApiMisuse(detail=f"a pre-shared key has 1 to {MAXIMUM_KEY} bytes, not {len(self.key)}")

    @property
    def algorithm(self) -> HashAlgorithm:
        """The hash function it belongs to."""
        return _HASHES[self.hash_name]


def import_psk(
    external_identity: bytes, key: bytes, *, context: bytes = b"", hash_name: str = "sha256"
) -> tuple[PreSharedKey, ...]:
    """The keys for TLS 1.3 that come of an external one, one for each hash function (RFC 9258 section 5.1).

    `context` is whatever both ends know of the key's making, such as their two names in a fixed order; both must give
    the same. `hash_name` is the hash that the external key itself belongs to. The result is offered, or looked up, by
    the identities in it:

        struct {
            opaque external_identity<1...2^16-1>;
            opaque context<0..2^16-1>;
            uint16 target_protocol;
            uint16 target_kdf;
        } ImportedIdentity;
    """
    if hash_name not in _HASHES:
        raise ApiMisuse(detail=f"the importer knows no hash {hash_name!r}")
    if not external_identity or not key:
        raise ApiMisuse(detail="an external key and its identity cannot be empty")
    own = _HASHES[hash_name]
    secret = extract(own, b"", key)  # epskx
    imported = []
    for target, algorithm in _HASHES.items():
        writer = Writer()
        writer.opaque16(external_identity)
        writer.opaque16(context)
        writer.u16(ProtocolVersion.TLS_1_3)
        writer.u16(_KDF[target])
        identity = writer.getvalue()
        derived = expand_label(own, secret, b"derived psk", own.digest(identity), algorithm.digest_size)  # ipskx
        imported.append(PreSharedKey(identity, derived, target, imported=True))
    return tuple(imported)
