"""X.500 names by chance: for the properties (hypothesis), and by the thousand for OpenSSL (a seeded generator)."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from tlsocket.pki import der
from tlsocket.pki.names import Attribute, DistinguishedName

__all__ = ["ALPHABET", "ORDINARY_TYPES", "attributes", "certificate_with_subject", "names", "ordinary_name", "texts"]

ORDINARY_TYPES = {
    "2.5.4.3": 64,
    "2.5.4.11": 64,
    "2.5.4.10": 64,
    "2.5.4.7": 128,
    "2.5.4.8": 128,
    "2.5.4.12": 64,
    "2.5.4.42": 64,
    "2.5.4.4": 64,
    "2.5.4.43": 64,
    "2.5.4.9": 64,
    "2.5.4.17": 40,
    "0.9.2342.19200300.100.1.1": 64,
}
"""Types that hold any text, and how much of it."""

_ASCII = "".join(map(chr, range(0x20, 0x7F)))
_NASTY = ",+\"\\<>;=#/ '*&%"
_BEYOND = "äéßÉΣσςжЖ東京\u00a0\u00ad\u0301ﬁⅣ\U0001f512\u200e\u2028"
_CONTROLS = "\t\n\r\x01\x1f\x7f\x85"

ALPHABET = _ASCII + _NASTY * 2 + _BEYOND + "\t\n\x7f"
"""What ordinary names are made of unless a test says otherwise."""

texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.text(st.sampled_from(_NASTY + "ab01x"), max_size=12),
    st.text(st.sampled_from(_BEYOND + _CONTROLS + " aA"), max_size=8),
)

_oids = st.one_of(
    st.sampled_from([*ORDINARY_TYPES, "2.5.4.6", "2.5.4.5", "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25"]),
    st.builds("{}.{}.{}".format, st.integers(0, 2), st.integers(0, 39), st.integers(0, 2**70)),
    st.builds("2.{}".format, st.integers(0, 2**40)),
)
_strange_values = st.builds(
    der.encode, st.sampled_from([0x02, 0x03, 0x04, 0x05, 0x0C, 0x13, 0x14, 0x1E, 0x1C, 0x30]), st.binary(max_size=12)
)

attributes = st.one_of(
    st.builds(Attribute, _oids, texts),
    st.builds(Attribute, _oids, texts, st.sampled_from([0x0C, 0x1C])),
    st.builds(Attribute, _oids, st.text(st.sampled_from(_ASCII), max_size=9), st.sampled_from([0x13, 0x16, 0x14])),
    st.builds(Attribute, _oids, _strange_values),
)

names = st.builds(DistinguishedName, st.lists(st.lists(attributes, min_size=1, max_size=3), max_size=4))


def ordinary_name(chance: random.Random, *, alphabet: str = ALPHABET) -> DistinguishedName:
    """A name that OpenSSL can be asked to make: types that it knows, values within its bounds."""
    rdns = []
    for _ in range(chance.randint(1, 5)):
        oids = chance.sample(sorted(ORDINARY_TYPES), chance.choice([1, 1, 1, 2, 3]))
        rdns.append([Attribute(oid, _value(chance, alphabet, ORDINARY_TYPES[oid])) for oid in oids])
    if chance.random() < 0.3:
        rdns.insert(0, [Attribute("2.5.4.6", chance.choice(["DE", "US", "ch"]))])
    if chance.random() < 0.2:
        rdns.append([Attribute("1.2.840.113549.1.9.1", chance.choice(["a@example.org", 'o"x/y+z,@example.org']))])
    if chance.random() < 0.2:
        rdns.append([Attribute("0.9.2342.19200300.100.1.25", "example")])
    if chance.random() < 0.2:
        rdns.append([Attribute("2.5.4.5", "A-4711")])
    return DistinguishedName(rdns)


def _value(chance: random.Random, alphabet: str, limit: int) -> str:
    length = chance.choice([1, 2, 3, 5, 8, 13, limit])
    return "".join(chance.choice(alphabet) for _ in range(length))


def certificate_with_subject(name: DistinguishedName) -> bytes:
    """A certificate in DER that nobody signed: enough for a program to print its subject."""
    algorithm = bytes.fromhex("300506032b6570")
    date = der.encode(0x17, b"300101000000Z")
    body = der.encode(
        der.SEQUENCE,
        bytes.fromhex("a003020102"),
        bytes.fromhex("020101"),
        algorithm,
        DistinguishedName.parse("CN=nobody").to_der(),
        der.encode(der.SEQUENCE, date, date),
        name.to_der(),
        der.encode(der.SEQUENCE, algorithm, der.encode(0x03, bytes(33))),
    )
    return der.encode(der.SEQUENCE, body, algorithm, der.encode(0x03, bytes(65)))
