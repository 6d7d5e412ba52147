"""What a container held, whatever its form: certificates with what was said of them, keys, and what could not be read.

Values only: reading is `tlsocket.pki.formats.reading`'s part.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509

from tlsocket.pki.issuers import chain_above
from tlsocket.pki.keys import PrivateKey, public_key_info

__all__ = ["Contents", "Item", "Skipped"]


@dataclass(frozen=True, slots=True)
class Item:
    """One certificate of a container."""

    certificate: x509.Certificate
    key: PrivateKey | None = field(default=None, repr=False)
    friendly_name: str = ""
    purposes: tuple[str, ...] | None = None
    """Extended key usages (dotted) that the container trusts it for; None: it says nothing, so all."""
    refused_purposes: tuple[str, ...] = ()
    """Those that the container says it is not trusted for."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was left out, and why."""

    source: str
    why: str


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a container held, in its order."""

    items: tuple[Item, ...]
    form: str = ""
    """`pem`, `der`, `p7b`, `p12` or `folder`."""
    source: str = ""
    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    """Private keys that belong to none of the certificates."""
    skipped: tuple[Skipped, ...] = ()

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates alone."""
        return tuple(item.certificate for item in self.items)

    def with_issuers(self, item: Item) -> tuple[x509.Certificate, ...]:
        """The other certificates that continue the chain of `item` upwards, nearest first."""
        return chain_above(item.certificate, self.certificates)


def join_keys(items: list[Item], keys: list[PrivateKey]) -> tuple[tuple[Item, ...], tuple[PrivateKey, ...]]:
    """The items with each key given to the first certificate that has its public half, and the keys left over."""
    from dataclasses import replace

    from tlsocket.pki.certificates import PARSE_ERRORS

    joined = list(items)
    left: list[PrivateKey] = []
    by_public: dict[bytes, int] = {}
    for position, item in enumerate(items):
        try:
            by_public.setdefault(public_key_info(item.certificate.public_key()), position)
        except PARSE_ERRORS:
            # A certificate with a key that we cannot use is still a certificate.
            continue
    for key in keys:
        place = by_public.get(public_key_info(key.public_key()))
        if place is None:
            left.append(key)
        elif joined[place].key is None:
            joined[place] = replace(joined[place], key=key)
    return tuple(joined), tuple(left)
