"""What kinds of certificates there are, as data: usages, names, lifetimes, keys (RFC 5280 section 4.2).

A profile says what a certificate gets and what a request may ask for at most. How a request is held against it stands
in `examination`; which of a request's extensions are looked at is the copy policy's (`copying`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

from tlsocket.pki.certificates import Purpose

__all__ = [
    "BOTH",
    "CLIENT",
    "CODE_SIGNING",
    "INTERMEDIATE",
    "PROFILES",
    "ROOT",
    "SERVER",
    "NameKind",
    "Profile",
    "profile_named",
]


class NameKind(enum.Enum):
    """The kinds of alternative names that an authority can check (RFC 5280 section 4.2.1.6)."""

    DNS = "dns"
    IP = "ip"
    EMAIL = "email"
    URI = "uri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of certificate. Make another with `dataclasses.replace(SERVER, name="vpn", days=30)`."""

    name: str
    """How the command line and the ledger call it."""
    days: float
    """How long a certificate is valid when nothing is said."""
    maximum_days: float
    """What may be asked for at most."""
    extended_key_usages: tuple[ObjectIdentifier, ...] = ()
    """The purposes it is for; a request may ask for some of them. Empty: no extendedKeyUsage."""
    key_usages: frozenset[str] = frozenset({"digital_signature"})
    """What every certificate gets, by the names of `signing.KEY_USAGE_BITS`."""
    optional_key_usages: frozenset[str] = frozenset()
    """What it gets when the request asks for it."""
    is_authority: bool = False
    path_length: int | None = None
    """For an authority: how many authorities may stand below it; None: any number."""
    name_kinds: frozenset[NameKind] = frozenset()
    """The kinds of alternative names that are certified."""
    names_required: bool = False
    """Whether there must be an alternative name; else a subject is enough."""
    wildcards: bool = False
    """Whether a host name may start with `*.`."""
    maximum_names: int = 100
    minimum_rsa_bits: int = 2048

    def __post_init__(self) -> None:
        if not 0 < self.days <= self.maximum_days:
            raise ValueError(f"profile {self.name!r}: 0 < days <= maximum_days does not hold")


_HOSTS = frozenset({NameKind.DNS, NameKind.IP, NameKind.URI})
_PEOPLE = frozenset({NameKind.DNS, NameKind.IP, NameKind.URI, NameKind.EMAIL})
# Key transport, which only old peers still use, and only with RSA: granted when asked for, useless otherwise.
_OLD_RSA = frozenset({"key_encipherment"})
_SIGNS_CERTIFICATES = frozenset({"digital_signature", "key_cert_sign", "crl_sign"})

SERVER = Profile(
    name="server",
    days=90,
    # What browsers still take from an authority that is not public is more, but nobody rotates yearly keys by hand.
    maximum_days=398,
    extended_key_usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
    optional_key_usages=_OLD_RSA,
    name_kinds=_HOSTS,
    names_required=True,
    wildcards=True,
)
"""A TLS server: host names and addresses."""

CLIENT = Profile(
    name="client",
    days=365,
    maximum_days=825,
    extended_key_usages=(ExtendedKeyUsageOID.CLIENT_AUTH,),
    optional_key_usages=_OLD_RSA,
    name_kinds=_PEOPLE,
)
"""A TLS client: a person or a machine."""

BOTH = replace(
    SERVER,
    name="both",
    extended_key_usages=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    name_kinds=_PEOPLE,
)
"""A machine that is server and client, as peers of a cluster are."""

CODE_SIGNING = Profile(
    name="code-signing",
    days=365,
    maximum_days=460,
    extended_key_usages=(ExtendedKeyUsageOID.CODE_SIGNING,),
    name_kinds=frozenset({NameKind.EMAIL, NameKind.URI}),
    minimum_rsa_bits=3072,
)
"""A software publisher."""

INTERMEDIATE = Profile(
    name="intermediate",
    days=1825,
    maximum_days=3650,
    key_usages=_SIGNS_CERTIFICATES,
    is_authority=True,
    path_length=0,
)
"""An authority below another one; by default one that certifies no further authority."""

ROOT = Profile(
    name="root",
    days=3650,
    maximum_days=9132,
    key_usages=_SIGNS_CERTIFICATES,
    is_authority=True,
)
"""An authority that signs itself. No request gets one: `CertificateAuthority.create` makes it."""

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (SERVER, CLIENT, BOTH, CODE_SIGNING, INTERMEDIATE)}
)
"""Those that a request may be issued under, by name."""


def profile_named(profile: Profile | Purpose | str) -> Profile:
    """The profile itself, or the one with this name."""
    if isinstance(profile, Profile):
        return profile
    name = profile.value if isinstance(profile, Purpose) else profile
    try:
        return PROFILES[name]
    except KeyError:
        raise ValueError(f"{name!r} is not a profile; there are {', '.join(PROFILES)}") from None
