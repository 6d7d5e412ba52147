"""The formats of `tlsocket store export`: which options go together, which password protects what."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

from tlsocket.cli.passwords import Passwords
from tlsocket.pki.certificates import parse_certificate
from tlsocket.pki.formats import writing
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.stores.credentials import chain_of
from tlsocket.pki.stores.entry import StoreEntry

__all__ = ["FORMATS", "Exported", "check_options", "export"]

FORMATS = ("pem", "der", "p12", "p7b", "jks")
_WITH_KEY = ("pem", "p12")


@dataclass(frozen=True)
class Exported:
    """What is to be written."""

    data: bytes
    is_text: bool
    certificates: int
    notes: tuple[str, ...] = ()


def check_options(form: str, *, with_key: bool, chain: bool) -> None:
    """Raise `click.UsageError` for what a format has no place for."""
    if with_key and form not in _WITH_KEY:
        raise click.UsageError(f"{form} has no place for a private key; --with-key goes with {' and '.join(_WITH_KEY)}")
    if chain and form == "der":
        raise click.UsageError("der is one certificate; --chain goes with pem, p12, p7b and jks")


def export(entry: StoreEntry, form: str, passwords: Passwords, *, with_key: bool, chain: bool, output: str) -> Exported:
    """The bytes. Raises what `StoreEntry.private_key` raises, and `click.UsageError` when a password is missing."""
    # The store's own password comes before that of the new file: the questions are in the order of the work.
    item = entry.item(with_key=with_key)
    certificates = [entry.certificate, *(parse_certificate(data) for data in (chain_of(entry)[1:] if chain else ()))]
    new = f"password for {output}"
    if form == "pem":
        secret = passwords.ask(new, confirm=True) if with_key and passwords.left else None
        notes = ("the private key in it is not encrypted",) if with_key and secret is None else ()
        return Exported(writing.pem(certificates, item.key, secret), True, len(certificates), notes)
    if form == "der":
        return Exported(entry.der, False, 1)
    if form == "p7b":
        return Exported(writing.pkcs7(certificates), False, len(certificates))
    items = [item, *(Item(certificate) for certificate in certificates[1:])]
    if form == "p12":
        secret = passwords.required(new, confirm=True) if with_key else passwords.ask(new) if passwords.left else None
        return Exported(writing.pkcs12(items, secret), False, len(certificates))
    items[0] = replace(item, key=None)
    if passwords.left and (secret := passwords.ask(new)):
        return Exported(writing.java_trust_store(items, secret), False, len(certificates))
    note = f'its password is "{writing.JAVA_PASSWORD.decode()}", as of Java\'s own trust store: it holds no secret'
    return Exported(writing.java_trust_store(items), False, len(certificates), (note,))
