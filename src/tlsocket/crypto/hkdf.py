"""HMAC and HKDF (RFC 2104, RFC 5869) on `hashlib` objects, and the HkdfLabel of TLS 1.3 (RFC 9846 section 7.1).

A handshake derives about 19 values, most of them several from one pseudorandom key (PRK). An HMAC state, the pair of
hash objects that have taken in the padded key, is therefore made once per PRK and copied per output; the last
output consumes it. That is a third faster than `hmac.digest` and than `cryptography`'s HKDF objects, and still plain
Python. Which labels exist and what they mean is `tlsocket.key_schedule`'s.
"""

from __future__ import annotations

from tlsocket.crypto.hashes import Hash, HashAlgorithm

__all__ = [
    "HmacState",
    "expand",
    "expand_label",
    "expand_one",
    "expand_three",
    "expand_two",
    "extract",
    "hkdf_label",
    "hmac",
    "hmac_final",
    "hmac_state",
    "hmac_with",
]

# RFC 2104 section 2: the key is exclusive-ored with ipad and opad. One table lookup per byte, done in C.
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))

HmacState = tuple[Hash, Hash]
"""Inner and outer hash, both past the padded key."""


def hmac_state(algorithm: HashAlgorithm, key: bytes) -> HmacState:
    """The state of an HMAC under `key` before its message."""
    if len(key) > algorithm.block_size:
        key = algorithm.new(key).digest()
    padded = key.ljust(algorithm.block_size, b"\0")
    new = algorithm.new
    return new(padded.translate(_INNER)), new(padded.translate(_OUTER))


def hmac_with(state: HmacState, message: bytes) -> bytes:
    """The HMAC of `message`; `state` may be used again."""
    inner = state[0].copy()
    inner.update(message)
    outer = state[1].copy()
    outer.update(inner.digest())
    return outer.digest()


def hmac_final(state: HmacState, message: bytes) -> bytes:
    """The HMAC of `message`; `state` is spent."""
    inner, outer = state
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


def hmac(algorithm: HashAlgorithm, key: bytes, message: bytes) -> bytes:
    """HMAC of `message` under `key`."""
    # Spelled out rather than built from the functions above: two calls less on the hottest path of a handshake.
    if len(key) > algorithm.block_size:
        key = algorithm.new(key).digest()
    padded = key.ljust(algorithm.block_size, b"\0")
    new = algorithm.new
    inner = new(padded.translate(_INNER))
    inner.update(message)
    outer = new(padded.translate(_OUTER))
    outer.update(inner.digest())
    return outer.digest()


def extract(algorithm: HashAlgorithm, salt: bytes, input_keying_material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 section 2.2); an empty salt is a salt of zeros."""
    return hmac(algorithm, salt, input_keying_material)


def expand(algorithm: HashAlgorithm, prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869 section 2.3) for any length up to 255 digests."""
    size = algorithm.digest_size
    blocks = -(-length // size)
    if length < 0 or blocks > 255:
        raise ValueError(f"HKDF-Expand with {algorithm.name} gives at most {255 * size} bytes, not {length}")
    state = hmac_state(algorithm, prk)
    block = b""
    output = bytearray()
    for counter in range(1, blocks + 1):
        block = hmac_with(state, block + info + bytes((counter,)))
        output += block
    return bytes(output[:length])


# Below, `info` is an HkdfLabel with the counter 0x01 of the first block already behind it, as `hkdf_label(...,
# first_block=True)` makes it, and the output is a whole digest: the caller slices what is shorter.


def expand_one(algorithm: HashAlgorithm, prk: bytes, info: bytes) -> bytes:
    """The first block of HKDF-Expand under a PRK that nothing else is derived from."""
    return hmac(algorithm, prk, info)


def expand_two(algorithm: HashAlgorithm, prk: bytes, first: bytes, second: bytes) -> tuple[bytes, bytes]:
    """The first blocks for two infos under one PRK."""
    padded = prk.ljust(algorithm.block_size, b"\0")
    new = algorithm.new
    inner = new(padded.translate(_INNER))
    outer = new(padded.translate(_OUTER))
    hashed = inner.copy()
    hashed.update(first)
    result = outer.copy()
    result.update(hashed.digest())
    inner.update(second)
    outer.update(inner.digest())
    return result.digest(), outer.digest()


def expand_three(
    algorithm: HashAlgorithm, prk: bytes, first: bytes, second: bytes, third: bytes
) -> tuple[bytes, bytes, bytes]:
    """The first blocks for three infos under one PRK."""
    padded = prk.ljust(algorithm.block_size, b"\0")
    new = algorithm.new
    inner = new(padded.translate(_INNER))
    outer = new(padded.translate(_OUTER))
    hashed = inner.copy()
    hashed.update(first)
    one = outer.copy()
    one.update(hashed.digest())
    hashed = inner.copy()
    hashed.update(second)
    two = outer.copy()
    two.update(hashed.digest())
    inner.update(third)
    outer.update(inner.digest())
    return one.digest(), two.digest(), outer.digest()


def hkdf_label(length: int, label: bytes, context: bytes, *, first_block: bool = False) -> bytes:
    """The `HkdfLabel` of RFC 9846 section 7.1.

        struct {
            uint16 length = Length;
            opaque label<7..255> = "tls13 " + Label;
            opaque context<0..255> = Context;
        } HkdfLabel;

    `first_block` adds the counter octet that RFC 5869 section 2.3 hashes behind the info of the first block.
    """
    full = b"tls13 " + label
    if not label or len(full) > 255:
        raise ValueError(f"a label has 1 to 249 bytes, not {len(label)}")
    if len(context) > 255:
        raise ValueError(f"a context has at most 255 bytes, not {len(context)}")
    if not 0 <= length <= 0xFFFF:
        raise ValueError(f"a length has 16 bits, not {length}")
    encoded = length.to_bytes(2, "big") + bytes((len(full),)) + full + bytes((len(context),)) + context
    return encoded + b"\x01" if first_block else encoded


def expand_label(algorithm: HashAlgorithm, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 9846 section 7.1), for whatever has no precomputed label."""
    return expand(algorithm, secret, hkdf_label(length, label, context), length)
