"""The key schedule of TLS 1.2 (RFC 5246 sections 6.3, 7.4.9 and 8.1, RFC 7627, RFC 5705).

    shared secret of ECDHE = preliminary secret; with a pre-shared key both in one (RFC 5489)
        |  PRF("extended master secret", session_hash)     or, with a peer that lacks it,
        |  PRF("master secret", client_random + server_random)
        v
    MainSecret12 -> key_block          one WriteKey for each direction
                 -> verify_data        both Finished messages
                 -> export             RFC 5705, with the extended main secret only

What a secret is used for is decided elsewhere; a `WriteKey` becomes a key in use in `tlsocket.record`. No `repr` here
shows a secret.
"""

from __future__ import annotations

from typing import NamedTuple

from tlsocket.crypto.prf import prf
from tlsocket.crypto.suites import Tls12CipherSuite
from tlsocket.errors import ApiMisuse

__all__ = ["KeyBlock", "MainSecret12", "WriteKey", "psk_preliminary_secret"]

_LENGTH = 48
_VERIFY_DATA_LENGTH = 12
# RFC 5705 section 4: labels that TLS itself uses "MUST NOT be used" with exporters. RFC 7627 added one.
_RESERVED = frozenset(
    {b"client finished", b"server finished", b"master secret", b"extended master secret", b"key expansion"}
)
_LONGEST_EXPORT = 1 << 16


def psk_preliminary_secret(shared_secret: bytes, key: bytes) -> bytes:
    """The preliminary secret of ECDHE_PSK, of a key exchange and a pre-shared key (RFC 5489 section 2)."""
    return b"".join((len(shared_secret).to_bytes(2, "big"), shared_secret, len(key).to_bytes(2, "big"), key))


class WriteKey:
    """`[sender]_write_key` and `[sender]_write_IV` of RFC 5246 section 6.3."""

    __slots__ = ("iv", "key", "suite")

    def __init__(self, suite: Tls12CipherSuite, key: bytes, iv: bytes) -> None:
        self.suite = suite
        self.key = key
        self.iv = iv

    def __repr__(self) -> str:
        return f"<WriteKey {self.suite.name}>"


class KeyBlock(NamedTuple):
    """`key_block` of RFC 5246 section 6.3, taken apart."""

    client: WriteKey
    server: WriteKey


class MainSecret12:
    """`main secret` of RFC 5246 section 8.1 ("master" there), or of RFC 7627 section 4."""

    __slots__ = ("_client_random", "_server_random", "extended", "secret", "suite")

    def __init__(
        self, suite: Tls12CipherSuite, secret: bytes, client_random: bytes, server_random: bytes, *, extended: bool
    ) -> None:
        self.suite = suite
        self.secret = secret
        """For the key log, and for a session to be resumed."""
        self.extended = extended
        """Whether it is bound to the whole handshake (RFC 7627)."""
        self._client_random = client_random
        self._server_random = server_random

    def __repr__(self) -> str:
        return f"<MainSecret12 {self.suite.name}>"

    @classmethod
    def derive(
        cls,
        suite: Tls12CipherSuite,
        preliminary_secret: bytes,
        client_random: bytes,
        server_random: bytes,
        session_hash: bytes | None,
    ) -> MainSecret12:
        """Of the shared secret; `session_hash` is of the handshake up to ClientKeyExchange, None without RFC 7627."""
        label, seed = b"extended master secret", session_hash
        if seed is None:
            label, seed = b"master secret", client_random + server_random
        secret = prf(suite.hash, preliminary_secret, label, seed, _LENGTH)
        return cls(suite, secret, client_random, server_random, extended=session_hash is not None)

    def key_block(self) -> KeyBlock:
        """The keys of both directions. AEAD suites have no MAC keys."""
        suite = self.suite
        key, iv = suite.key_length, suite.fixed_iv_length
        seed = self._server_random + self._client_random
        block = prf(suite.hash, self.secret, b"key expansion", seed, 2 * (key + iv))
        ivs = block[2 * key :]
        return KeyBlock(WriteKey(suite, block[:key], ivs[:iv]), WriteKey(suite, block[key : 2 * key], ivs[iv:]))

    def verify_data(self, *, client: bool, transcript_hash: bytes) -> bytes:
        """`Finished.verify_data` (RFC 5246 section 7.4.9) of the client or the server."""
        label = b"client finished" if client else b"server finished"
        return prf(self.suite.hash, self.secret, label, transcript_hash, _VERIFY_DATA_LENGTH)

    def export(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """Keying material of RFC 5705. No context and an empty one give different material.

        Raises:
            ApiMisuse: the main secret is not bound to the handshake, so that two connections could have the same
                (RFC 7627 section 5.4); or the label is TLS's own, or a length is out of bounds.
        """
        if not self.extended:
            raise ApiMisuse(
                detail="exporters of TLS 1.2 need the extended main secret (RFC 7627), which this peer does not support"
            )
        if label in _RESERVED:
            raise ApiMisuse(detail=f"the label {label!r} is reserved (RFC 5705 section 4)")
        if not 0 <= length <= _LONGEST_EXPORT:
            raise ApiMisuse(detail=f"an exporter gives 0 to {_LONGEST_EXPORT} bytes, not {length}")
        seed = self._client_random + self._server_random
        if context is not None:
            if len(context) > 0xFFFF:
                raise ApiMisuse(detail=f"a context has at most 65535 bytes, not {len(context)}")
            seed += len(context).to_bytes(2, "big") + context
        return prf(self.suite.hash, self.secret, label, seed, length)
