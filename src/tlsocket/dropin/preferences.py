"""Lists of key exchange groups and signature algorithms, as OpenSSL and Python 3.15's `ssl` write them.

Names are those of the IANA registries, of OpenSSL and of NIST, in any case. The words for cipher suites are in
`ciphers`; what a group or scheme does is `tlsocket.crypto`'s.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tlsocket.crypto.groups import SUPPORTED_GROUPS
from tlsocket.crypto.signatures import CERTIFICATE_SCHEMES, DEFAULT_SIGNATURE_SCHEMES
from tlsocket.dropin.exceptions import SSLError
from tlsocket.registry import describe
from tlsocket.registry.named_groups import NamedGroup
from tlsocket.registry.signature_schemes import SignatureScheme

__all__ = ["GroupChoice", "Preferences", "group_names", "one_group", "parse_groups", "parse_schemes", "scheme_names"]

_GROUP_ALIASES = {
    "P-256": NamedGroup.SECP256R1.value,
    "prime256v1": NamedGroup.SECP256R1.value,
    "P-384": NamedGroup.SECP384R1.value,
    "P-521": NamedGroup.SECP521R1.value,
}
_GROUPS = {describe(NamedGroup, code).lower(): code for code in SUPPORTED_GROUPS} | {
    alias.lower(): code for alias, code in _GROUP_ALIASES.items()
}
_LIST_SEPARATOR = re.compile(r"[:/]")

_SCHEMES = (*DEFAULT_SIGNATURE_SCHEMES, *CERTIFICATE_SCHEMES)
_SCHEME_NAMES = {describe(SignatureScheme, code): code for code in _SCHEMES}
# OpenSSL's older way, algorithm+hash: ECDSA is bound to a curve in TLS 1.3, as it is here.
_SCHEME_ALIASES = {
    f"{algorithm}+{digest}": tuple(_SCHEME_NAMES[name.format(digest.lower())] for name in names)
    for digest in ("SHA256", "SHA384", "SHA512")
    for algorithm, names in {
        "RSA": ("rsa_pkcs1_{}",),
        "RSA-PSS": ("rsa_pss_rsae_{}", "rsa_pss_pss_{}"),
        "PSS": ("rsa_pss_rsae_{}", "rsa_pss_pss_{}"),
    }.items()
} | {
    "ECDSA+SHA256": (SignatureScheme.ECDSA_SECP256R1_SHA256.value,),
    "ECDSA+SHA384": (SignatureScheme.ECDSA_SECP384R1_SHA384.value,),
    "ECDSA+SHA512": (SignatureScheme.ECDSA_SECP521R1_SHA512.value,),
}


class Preferences:
    """The part of `SSLContext` that keeps such lists."""

    _groups: tuple[int, ...]
    _key_shares: tuple[int, ...] | None
    _client_schemes: tuple[int, ...] | None
    _server_schemes: tuple[int, ...] | None

    def _changed(self) -> None:
        raise NotImplementedError

    def set_groups(self, groups: str, /) -> None:
        """Choose the key exchange groups and their order: names joined by colons, or a list as OpenSSL 3.5 takes it."""
        self._groups, self._key_shares = parse_groups(groups)
        self._changed()

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """The key exchange groups that there are, whether or not `set_groups` chose them, as Python 3.15 has it."""
        return group_names(aliases=include_aliases)

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Choose the signature algorithms that clients authenticate with, and their order: names joined by colons."""
        self._client_schemes = parse_schemes(sigalgs)
        self._changed()

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Choose the signature algorithms that servers authenticate with, and their order: names joined by colons."""
        self._server_schemes = parse_schemes(sigalgs)
        self._changed()


class GroupChoice(NamedTuple):
    """What a list of groups says."""

    groups: tuple[int, ...]
    key_shares: tuple[int, ...] | None
    """Groups marked with `*`, to send shares for at once; None: none is marked."""


def one_group(name: str) -> int:
    """The group of that name; ValueError, as `set_ecdh_curve` raises."""
    code = _GROUPS.get(name.strip().lower())
    if code is None:
        raise ValueError(f"unknown elliptic curve name {name!r}; there are {', '.join(group_names())}")
    return code


def parse_groups(text: str) -> GroupChoice:
    """A list in the format of OpenSSL's SSL_CTX_set1_groups_list(3), the one of OpenSSL 3.5 included.

    Names are joined by `:` or `/`, in order of preference. A `?` before a name lets it be unknown, a `*` asks for a key
    share, a `-` takes a group out again; DEFAULT stands for all of ours.
    """
    groups: dict[int, None] = {}
    shares: list[int] = []
    for word in _LIST_SEPARATOR.split(text.strip()):
        name = word.lstrip("?*- ")
        marks = word[: len(word) - len(name)]
        if name.upper() == "DEFAULT" and not marks.strip():
            groups.update(dict.fromkeys(SUPPORTED_GROUPS))
            continue
        code = _GROUPS.get(name.strip().lower())
        if code is None:
            if "?" in marks or "-" in marks:
                continue
            raise SSLError(f"unrecognized group: {name!r}; there are {', '.join(group_names())}")
        if "-" in marks:
            groups.pop(code, None)
            continue
        groups[code] = None
        if "*" in marks:
            shares.append(code)
    if not groups:
        raise SSLError(f"unrecognized group: none is left of {text!r}")
    return GroupChoice(tuple(groups), tuple(group for group in groups if group in shares) or None)


def group_names(codes: tuple[int, ...] = SUPPORTED_GROUPS, *, aliases: bool = False) -> list[str]:
    """The names of groups, with the other names for them if `aliases` says so."""
    names = []
    for code in codes:
        names.append(describe(NamedGroup, code))
        if aliases:
            names += [alias for alias, other in _GROUP_ALIASES.items() if other == code]
    return names


def parse_schemes(text: str) -> tuple[int, ...]:
    """A list in the format of OpenSSL's SSL_CTX_set1_sigalgs_list(3), in order of preference."""
    codes: dict[int, None] = {}
    for word in text.strip().split(":"):
        name = word.strip().removeprefix("?")
        found = _SCHEME_ALIASES.get(name.upper())
        if found is None and name.lower() in _SCHEME_NAMES:
            found = (_SCHEME_NAMES[name.lower()],)
        if found is None:
            if word.strip().startswith("?"):
                continue
            known = ", ".join(_SCHEME_NAMES)
            raise SSLError(f"unrecognized signature algorithm: {name!r}; there are {known}")
        codes.update(dict.fromkeys(found))
    if not codes:
        raise SSLError(f"unrecognized signature algorithm: none is left of {text!r}")
    return tuple(codes)


def scheme_names() -> list[str]:
    """Every scheme that can be named, most preferred first."""
    return list(_SCHEME_NAMES)
