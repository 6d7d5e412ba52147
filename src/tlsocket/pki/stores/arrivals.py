"""What a store asks of things that come into it: which key, which issuers, which user, which group.

Functions of their arguments and of the system's tables of users only; the store itself is `store`'s part.
"""

from __future__ import annotations

import hashlib
import os

from cryptography import x509

from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der
from tlsocket.pki.formats.contents import Contents, Item
from tlsocket.pki.keys import PrivateKey, public_key_info
from tlsocket.pki.stores.errors import StoreError

__all__ = ["group_id", "has_key", "key_identifier", "public_identifier", "user_name", "with_chains"]


def with_chains(contents: Contents, known: frozenset[str]) -> list[tuple[Item, tuple[bytes, ...]]]:
    """Each item with the issuers that stay with it; an issuer that stays with another is no item of its own."""
    chains: dict[int, tuple[x509.Certificate, ...]] = {}
    within: set[x509.Certificate] = set()
    with_key = [has_key(item, known) for item in contents.items]
    for number, item in enumerate(contents.items):
        if with_key[number]:
            chains[number] = contents.with_issuers(item)
            within.update(chains[number])
    return [
        (item, tuple(certificate_der(issuer) for issuer in chains.get(number, ())))
        for number, item in enumerate(contents.items)
        if with_key[number] or item.certificate not in within
    ]


def has_key(item: Item, known: frozenset[str]) -> bool:
    """Whether its private key came with it, or is among the known ones."""
    return item.key is not None or bool(known and public_identifier(item.certificate) in known)


def public_identifier(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key; empty for one that cannot be used."""
    try:
        return hashlib.sha256(public_key_info(certificate.public_key())).hexdigest()
    except PARSE_ERRORS:
        return ""


def key_identifier(key: PrivateKey) -> str:
    """SHA-256 of its public half, which names a key that waits."""
    return hashlib.sha256(public_key_info(key.public_key())).hexdigest()


def user_name() -> str:
    """The user that runs this program, as an entry says who added it."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except ImportError:
        return os.environ.get("USERNAME", "")
    except KeyError:
        return str(os.geteuid())


def group_id(group: str | int) -> int:
    """The number of a group. Raises `StoreError` when there is none of that name."""
    if isinstance(group, int):
        return group
    try:
        import grp

        return grp.getgrnam(group).gr_gid
    except (ImportError, KeyError):
        raise StoreError(f"there is no group {group!r:.60} on this system", "make it first (groupadd)") from None
