"""The names of key types, cipher suites and groups at each peer, and the cells of the matrix made of them.

RFC 9846 section 9.1 and appendix B.4 for the suites, section 4.3.7 for the groups; RFC 5289 and RFC 7905 for the suites
of TLS 1.2, which also name the kind of key. No peer is started here.
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
    "TLS12_DEFAULT",
    "TLS12_SHORT_CELLS",
    "TLS12_SUITES",
    "Cell",
    "Group",
    "Suite",
    "group_named",
    "matrix",
    "suite_named",
    "version_named",
]


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite of TLS 1.3, or the three parts that make one of TLS 1.2 for any kind of key."""

    iana: str
    """In TLS 1.2 the name at OpenSSL with {} for RSA or ECDSA."""
    gnutls: str
    tls12: bool = False


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

TLS12_SUITES = (
    Suite("ECDHE-{}-AES128-GCM-SHA256", "AES-128-GCM", tls12=True),
    Suite("ECDHE-{}-AES256-GCM-SHA384", "AES-256-GCM", tls12=True),
    Suite("ECDHE-{}-CHACHA20-POLY1305", "CHACHA20-POLY1305", tls12=True),
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
        return f"{'tls12-' if self.suite.tls12 else ''}{self.key}-{self.suite.gnutls}-{self.group.openssl}"

    @property
    def version(self) -> str:
        """The only version, as OpenSSL spells it."""
        return "TLSv1.2" if self.suite.tls12 else "TLSv1.3"

    @property
    def cipher(self) -> str:
        """The suite as OpenSSL names it."""
        return self.suite.iana.format("RSA" if self.key.startswith("rsa") else "ECDSA")

    @property
    def groups(self) -> tuple[Group, ...]:
        """The group first; behind it, in TLS 1.2, that of an ECDSA key, which must be offered too (RFC 8422 5.1.1)."""
        own = next((group for group in GROUPS if group.openssl.replace("-", "") in self.key.upper()), self.group)
        return (self.group, own) if self.suite.tls12 and own is not self.group else (self.group,)


DEFAULT = Cell(KEYS[0], SUITES[0], GROUPS[0])

SHORT_CELLS = (
    *(Cell(key, DEFAULT.suite, DEFAULT.group) for key in KEYS),
    *(Cell(DEFAULT.key, suite, DEFAULT.group) for suite in SUITES[1:]),
    *(Cell(DEFAULT.key, DEFAULT.suite, group) for group in GROUPS[1:]),
)
"""Each key, suite and group once, the rest as in `DEFAULT`: what the short run takes; the long one takes the others."""


TLS12_DEFAULT = Cell(KEYS[0], TLS12_SUITES[0], GROUPS[0])

TLS12_SHORT_CELLS = (
    *(Cell(key, TLS12_DEFAULT.suite, TLS12_DEFAULT.group) for key in KEYS),
    *(Cell("rsa-2048", suite, TLS12_DEFAULT.group) for suite in TLS12_SUITES[1:]),
    *(Cell(TLS12_DEFAULT.key, suite, TLS12_DEFAULT.group) for suite in TLS12_SUITES[1:]),
    *(Cell(TLS12_DEFAULT.key, TLS12_DEFAULT.suite, group) for group in GROUPS[1:]),
)
"""The same in TLS 1.2, where a suite is one for each kind of key."""


def matrix(peers: tuple[str, ...], *, long: bool, tls12: bool = False) -> list[object]:
    """Parameters (peer, cell): the short cells, or all others, which belong into a test marked `long`."""
    suites, short = (TLS12_SUITES, TLS12_SHORT_CELLS) if tls12 else (SUITES, SHORT_CELLS)
    every = [Cell(*combination) for combination in itertools.product(KEYS, suites, GROUPS)]
    chosen = [cell for cell in every if cell not in short] if long else short
    return [pytest.param(peer, cell, id=f"{peer}-{cell}") for peer in peers for cell in chosen]


def version_named(name: str) -> str:
    """OpenSSL's name of a version, from what GnuTLS calls it: "TLS1.3-X.509"."""
    return f"TLSv{name[3:6]}" if name.startswith("TLS") else name


def suite_named(name: str, description: str = "") -> str:
    """OpenSSL's name of a suite, from what a peer calls it; in GnuTLS the description says which version and kind."""
    if description.startswith("(TLS1.2"):
        kind = "RSA" if "(RSA-" in description or "ECDHE-RSA" in description else "ECDSA"
        return next((suite.iana.format(kind) for suite in TLS12_SUITES if suite.gnutls == name), name)
    return next((suite.iana for suite in SUITES if name in (suite.iana, suite.gnutls)), name)


def group_named(name: str) -> str:
    """OpenSSL's short name of a group, from what a peer calls it."""
    plain = re.sub(r"^ECDHE?[-,] *", "", name).lower()
    for group in GROUPS:
        if plain in (group.openssl.lower(), group.gnutls.lower(), group.curve.lower()):
            return group.openssl
    return name
