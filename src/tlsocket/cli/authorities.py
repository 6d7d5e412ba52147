"""Authorities of one's own as the command line finds them: beside the stores of a location, opened with a password.

What an authority does is `tlsocket.pki.authority`'s; the commands are in `ca` and `request`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tlsocket import clock
from tlsocket.cli.output import CommandError
from tlsocket.cli.passwords import Passwords
from tlsocket.pki.authority import CertificateAuthority, Issued, LedgerEntry
from tlsocket.pki.certificates import describe_certificate
from tlsocket.pki.stores.errors import AmbiguousEntry, EntryNotFound
from tlsocket.pki.stores.locations import OpenMode, StoreLocation, StoreName
from tlsocket.pki.stores.store import CertificateStore

__all__ = [
    "authorities_folder",
    "authority_option",
    "certificates_of",
    "keep_trusted",
    "ledger_entry",
    "open_authority",
    "own_authorities",
]

F = TypeVar("F", bound=Callable[..., Any])


def authority_option(function: F) -> F:
    """`--ca NAME`, as the argument `authority`."""
    return click.option("--ca", "authority", metavar="NAME", required=True, help="Which authority.")(function)


def authorities_folder(location: StoreLocation) -> Path:
    """Where the authorities of a location are."""
    folder = location.authorities()
    if folder is None:
        where = location.path or f"the location {location}"
        raise CommandError(f"{where}: authorities need a folder; give --location user, machine or a folder")
    return folder


def open_authority(name: str, location: StoreLocation, passwords: Passwords) -> CertificateAuthority:
    """The authority; its password is asked for when its key is needed and encrypted."""
    ask: Any = functools.partial(passwords.required, f"password of the authority {name}")
    return CertificateAuthority.open(authorities_folder(location), name, ask)


def own_authorities(location: StoreLocation) -> list[CertificateAuthority]:
    """Those of a location, for looking at their ledgers; none where there can be none."""
    folder = location.authorities()
    if folder is None:
        return []
    return [CertificateAuthority.open(folder, name) for name in CertificateAuthority.names(folder)]


def keep_trusted(authority: CertificateAuthority, location: StoreLocation) -> str:
    """Put the authority's certificate into the store where it belongs; the store's name.

    A root is trusted from ROOT; an intermediate helps from CA to complete chains.
    """
    name = StoreName.CA if authority.issuers else StoreName.ROOT
    with CertificateStore(name, location, OpenMode.READ_WRITE) as store:
        store.add(authority.certificate, friendly_name=authority.name)
    return name.value


def certificates_of(issued: Issued, *, chain: bool) -> tuple[Any, ...]:
    """What is written of an issued certificate."""
    return issued.chain if chain else (issued.certificate,)


def ledger_entry(authority: CertificateAuthority, text: str, location: StoreLocation) -> LedgerEntry:
    """The one certificate of an authority that a person means.

    A serial number or a thumbprint's first digits; else a DNS name, an e-mail address or a common name that it
    certifies; else a friendly name in the store MY. Of several certificates for one name those that still count (not
    revoked, not expired) are meant. Raises `AmbiguousEntry`, `EntryNotFound`, `NotInLedger`.
    """
    digits = text.replace(":", "").removeprefix("0x").lower()
    if len(digits) >= 8 and not set(digits) - set("0123456789abcdef"):
        return authority.entry(text)
    found = authority.entries_named(text) or _by_friendly_name(authority, text, location)
    if len(found) > 1:
        valid = [entry for entry in found if entry.state(clock.now()).value == "valid"]
        found = valid or found
    if len(found) == 1:
        return found[0]
    if found:
        candidates = tuple(f"{one.thumbprint[:16]}  {describe_certificate(one.certificate)}" for one in found)
        raise AmbiguousEntry(
            f"{text!r:.80} means {len(found)} certificates of {authority.name}",
            "name one by its serial number or the first digits of its thumbprint",
            candidates,
        )
    raise EntryNotFound(
        f"the authority {authority.name} has issued nothing that is called {text!r:.80}",
        f"tlsocket ca list --ca {authority.name} shows what it has issued",
    )


def _by_friendly_name(authority: CertificateAuthority, text: str, location: StoreLocation) -> list[LedgerEntry]:
    known = {entry.thumbprint: entry for entry in authority.entries()}
    with CertificateStore(StoreName.MY, location, OpenMode.READ_ONLY) as store:
        named = [entry.thumbprint for entry in store if entry.friendly_name.lower() == text.lower()]
    return [known[thumbprint] for thumbprint in named if thumbprint in known]
