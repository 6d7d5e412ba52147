"""The importer of RFC 9258 section 5.1, against the same computation written out with `hmac` alone."""

from __future__ import annotations

import hashlib
import hmac

from tlsocket.key_schedule.external_psk import PreSharedKey, import_psk


def hkdf_expand(digest: str, key: bytes, info: bytes, length: int) -> bytes:
    output = block = b""
    counter = 1
    while len(output) < length:
        block = hmac.digest(key, block + info + bytes((counter,)), digest)
        output += block
        counter += 1
    return output[:length]


def by_hand(identity: bytes, key: bytes, context: bytes, digest: str, kdf: int, length: int) -> tuple[bytes, bytes]:
    """ImportedIdentity and ipskx."""
    imported = (
        len(identity).to_bytes(2, "big") + identity + len(context).to_bytes(2, "big") + context
        + b"\x03\x04" + kdf.to_bytes(2, "big")
    )  # fmt: skip
    secret = hmac.digest(bytes(hashlib.new(digest).digest_size), key, digest)
    label = b"tls13 derived psk"
    hashed = hashlib.new(digest, imported).digest()
    info = length.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(hashed),)) + hashed
    return imported, hkdf_expand(digest, secret, info, length)


def test_one_key_for_each_hash() -> None:
    """The hash of the external key makes both; the target's only says how long the key is."""
    for digest in ("sha256", "sha384"):
        made = import_psk(b"device 1", b"a key from elsewhere", context=b"context", hash_name=digest)
        expected = [
            PreSharedKey(*by_hand(b"device 1", b"a key from elsewhere", b"context", digest, kdf, length), target, True)
            for target, kdf, length in (("sha256", 1, 32), ("sha384", 2, 48))
        ]
        assert list(made) == expected


def test_the_context_makes_another_key_and_identity() -> None:
    one, other = import_psk(b"i", b"k", context=b"1")[0], import_psk(b"i", b"k", context=b"2")[0]
    assert one.key != other.key
    assert one.identity != other.identity
