"""The names of key types, cipher suites and groups at each peer, and the cells of the matrix made of them.

RFC 9846 section 9.1 and appendix B.4 for the suites, section 4.3.7 for the groups. No peer is started here.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import pytest

__all__ = [
    "DEFAULT",
    "GROUPS",
    "KEYS",
    "SHORT_CELLS",
    "SUITES",
    "Cell",
    "Group",
    "Suite",
    "group_named",
    "matrix",
    "suite_named",
]


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite of TLS 1.3."""

    iana: str
    gnutls: str


@dataclass(frozen=True, slots=True)
class Group:
    """A key exchange group."""

    openssl: str
    gnutls: str
    curve: str
    """As `SSLContext.set_ecdh_curve` and nginx call it."""


KEYS = ("ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "rsa-pss-2048", "ed25519")

SUITES = (
    Suite("TLS_AES_128_GCM_SHA256", "AES-128-GCM"),
    Suite("TLS_AES_256_GCM_SHA384", "AES-256-GCM"),
    Suite("TLS_CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
)

GROUPS = (
    Group("X25519", "X25519", "X25519"),
    Group("P-256", "SECP256R1", "prime256v1"),
    Group("P-384", "SECP384R1", "secp384r1"),
    Group("P-521", "SECP521R1", "secp521r1"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination: the server's key, the only suite and the only group that the peer offers or accepts."""

    key: str
    suite: Suite
    group: Group

    def __str__(self) -> str:
        return f"{self.key}-{self.suite.gnutls}-{self.group.openssl}"


DEFAULT = Cell(KEYS[0], SUITES[0], GROUPS[0])

SHORT_CELLS = (
    *(Cell(key, DEFAULT.suite, DEFAULT.group) for key in KEYS),
    *(Cell(DEFAULT.key, suite, DEFAULT.group) for suite in SUITES[1:]),
    *(Cell(DEFAULT.key, DEFAULT.suite, group) for group in GROUPS[1:]),
)
"""Each key, suite and group once, the rest as in `DEFAULT`: what the short run takes; the long one takes the others."""


def matrix(peers: tuple[str, ...], *, long: bool) -> list[object]:
    """Parameters (peer, cell): the short cells, or all others, which belong into a test marked `long`."""
    every = [Cell(*combination) for combination in itertools.product(KEYS, SUITES, GROUPS)]
    chosen = [cell for cell in every if cell not in SHORT_CELLS] if long else SHORT_CELLS
    return [pytest.param(peer, cell, id=f"{peer}-{cell}") for peer in peers for cell in chosen]


def suite_named(name: str) -> str:
    """The IANA name of a suite, from what a peer calls it."""
    return next((suite.iana for suite in SUITES if name in (suite.iana, suite.gnutls)), name)


def group_named(name: str) -> str:
    """OpenSSL's short name of a group, from what a peer calls it."""
    plain = re.sub(r"^ECDHE?[-,] *", "", name).lower()
    for group in GROUPS:
        if plain in (group.openssl.lower(), group.gnutls.lower(), group.curve.lower()):
            return group.openssl
    return name
