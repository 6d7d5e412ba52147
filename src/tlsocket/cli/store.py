"""`tlsocket store`: certificates and keys of this user, this machine, a folder or a PKCS #12 file.

The commands parse, call `tlsocket.pki.stores`, and print. Words and tables are in `store_words`, the formats of
`store export` in `store_export`, what `store check` looks for in `store_check`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tlsocket.cli import store_check, store_export
from tlsocket.cli.common import (
    StoreAccess,
    cell,
    days_left,
    emit_json,
    entry_item,
    force_option,
    json_option,
    output_option,
    print_table,
    progress,
    status_of,
    store_options,
    table,
    write_output,
)
from tlsocket.cli.output import DONE, REFUSED, RefusedError, common, console, examples
from tlsocket.cli.store_words import entry_lines, one_line, print_entries
from tlsocket.pki.certificates import PARSE_ERRORS, subject_text
from tlsocket.pki.files import read_limited
from tlsocket.pki.formats.contents import Contents
from tlsocket.pki.keys import KeySource
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.errors import AmbiguousEntry, BadFindValue, EntryNotFound, MissingStore
from tlsocket.pki.stores.find import FindType, dns_names, matcher
from tlsocket.pki.stores.layers import Broken
from tlsocket.pki.stores.store import CertificateStore

__all__ = ["store"]

_INPUT_LIMIT = 64 * 1024 * 1024
_WELL_KNOWN = ("MY", "CA", "ROOT", "TRUSTED_PEOPLE")
_FILTERS = {
    "subject": FindType.SUBJECT_NAME,
    "issuer": FindType.ISSUER_NAME,
    "dns": FindType.DNS_NAME,
    "purpose": FindType.EXTENDED_KEY_USAGE,
}


@click.group(
    epilog=examples(
        "tlsocket store list --store ROOT",
        "tlsocket store import server.p12 --friendly-name web --password-file password.txt",
    )
)
def store() -> None:
    """Certificate stores: list, show, add, import, export, remove, distrust, check.

    MY has your own certificates with their keys, CA intermediates, ROOT trusted authorities, TRUSTED_PEOPLE trusted
    end entities, DISALLOWED what is never trusted; any other name makes a store of your own. ENTRY is the first 8 or
    more digits of a SHA-256 thumbprint, a friendly name, or a DNS name.
    """


# --- looking ---


@store.command(
    name="list",
    epilog=examples("tlsocket store list", "tlsocket store list dns=www.example.org --expiring 90 --json"),
)
@click.argument("filters", metavar="[FILTER...]", nargs=-1)
@click.option("--expiring", metavar="DAYS", type=click.IntRange(0, 100_000), help="Only what ends within DAYS.")
@store_options()
@json_option
@common
def list_entries(filters: tuple[str, ...], expiring: int | None, stores: StoreAccess, as_json: bool) -> int:
    """List the entries that all of FILTER fit.

    FILTER is subject=, issuer=, dns=, purpose= (server, client, code-signing, ... or a dotted number), thumbprint=
    (its first digits), or a word that occurs in the names. What ends within 30 days is marked with "!".
    """
    opened = stores.open()
    entries = filtered(opened, filters)
    if expiring is not None:
        entries = [entry for entry in entries if _ends_within(entry, expiring)]
    entries.sort(key=_order)
    warn(opened.broken)
    if as_json:
        emit_json("store-entries", [entry_item(entry) for entry in entries])
    elif entries:
        print_entries(entries, Distrust(stores.location))
    else:
        console(stderr=True).print(f"nothing of that kind in {opened.name} ({opened.place})", soft_wrap=True)
    return DONE


@store.command(epilog=examples("tlsocket store show web", "tlsocket store show www.example.org --json"))
@click.argument("entry", metavar="ENTRY")
@store_options()
@json_option
@common
def show(entry: str, stores: StoreAccess, as_json: bool) -> int:
    """Show one entry in words."""
    _, found = stores.find(entry)
    distrust = Distrust(stores.location)
    if as_json:
        emit_json("store-entries", [{**entry_item(found), "distrusted": found in distrust}])
        return DONE
    out = console()
    for heading, text in entry_lines(found, distrust):
        out.print(f"{heading:<13}  {text}", soft_wrap=True, style="bold red" if "! " in f"{heading}{text}" else None)
    return DONE


# --- changing ---


@store.command(epilog=examples("tlsocket store add server.pem", "tlsocket store add root.pem --store ROOT"))
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@store_options()
@json_option
@common
def add(files: tuple[str, ...], stores: StoreAccess, as_json: bool) -> int:
    """Add certificates (PEM, DER, P7B), all of them or none.

    A certificate whose private key waits in the store, since a request was made there, is joined with it.
    """
    opened = stores.open(writing=True)
    contents = [_certificates_in(file, opened) for file in progress(files, "reading")]
    added = opened.import_contents(contents)
    tell_skipped(contents)
    return done("added", added, as_json)


@store.command(
    name="import",
    epilog=examples(
        "tlsocket store import server.p12 --friendly-name web --password-file password.txt",
        "tlsocket store import server-with-key.pem",
    ),
)
@click.argument("file", metavar="FILE")
@click.option("--friendly-name", metavar="N", default="", help="A name for the entry, for people and for ENTRY.")
@store_options()
@json_option
@common
def import_file(file: str, friendly_name: str, stores: StoreAccess, as_json: bool) -> int:
    """Import a container with keys (PKCS#12, PEM with a key) and the certificates in it.

    The first line of the password file opens FILE. Where the store's keys are encrypted the next line is the store's
    password; where they are not, a line that is left over encrypts the key at rest.
    """
    opened = stores.open(writing=True)
    source, name = _source(file)
    contents = opened.read(source, lambda: stores.passwords.required(f"password of {name}"))
    if contents.source != name:
        contents = replace(contents, source=name)
    entries = opened.import_contents([contents], friendly_name=friendly_name)
    tell_skipped([contents])
    if contents.keys and not as_json:
        console(stderr=True).print(
            f"{len(contents.keys)} private key{'s' * (len(contents.keys) != 1)} without a certificate: waiting in "
            f"{opened.name} for it (tlsocket store add)",
            soft_wrap=True,
        )
    return done("imported", entries, as_json)


@store.command(
    epilog=examples(
        "tlsocket store export web --format pem --chain -o web.pem",
        'tlsocket store export "Example Root" --store ROOT --format jks -o truststore.jks',
    )
)
@click.argument("entry", metavar="ENTRY")
@click.option("--format", "form", type=click.Choice(store_export.FORMATS), required=True, help="What is written.")
@click.option("--with-key", is_flag=True, help="The private key too (pem, p12); the file is 0600.")
@click.option("--chain", is_flag=True, help="The intermediates too (all but der).")
@output_option
@force_option
@store_options()
@json_option
@common
def export(
    entry: str,
    form: str,
    with_key: bool,
    chain: bool,
    output: str | None,
    force: bool,
    stores: StoreAccess,
    as_json: bool,
) -> int:
    """Export one entry; jks is a PKCS#12 trust store that Java reads.

    A p12 with a key is encrypted with a password, a pem with a key when the password file has a line left for it. A
    trust store for Java has the password "changeit" unless the password file says otherwise.
    """
    store_export.check_options(form, with_key=with_key, chain=chain)
    to_output = output in (None, "-")
    if as_json and to_output:
        raise click.UsageError("--json needs -o FILE: standard output cannot be both")
    _, found = stores.find(entry)
    made = store_export.export(found, form, stores.passwords, with_key=with_key, chain=chain, output=output or "-")
    write_output(output, made.data, force=force, secret=with_key, text=made.is_text)
    for note in made.notes:
        console(stderr=True).print(f"note: {note}", soft_wrap=True)
    if as_json:
        item = {"path": output, "format": form, "bytes": len(made.data), "with_key": with_key}
        emit_json("store-export", [{**item, "certificates": made.certificates, "thumbprint": found.thumbprint}])
    return DONE


@store.command(
    epilog=examples("tlsocket store remove web --yes", "tlsocket store remove www.example.org --store CA --yes")
)
@click.argument("entry", metavar="ENTRY")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_options()
@json_option
@common
def remove(entry: str, yes: bool, stores: StoreAccess, as_json: bool) -> int:
    """Remove one entry for good, with its private key, after saying what it is."""
    opened = stores.open(writing=True)
    try:
        found: StoreEntry | None = opened.resolve(entry)
    except EntryNotFound:
        found = None
        damaged = _damaged(opened, entry)
        if damaged is None:
            raise
    target = damaged if found is None else found.thumbprint
    what = f"the damaged entry {target}" if found is None else one_line(found)
    console(stderr=True).print(f"removing from {opened.name} ({opened.place}): {what}", soft_wrap=True)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody is here to confirm it: give --yes")
        click.confirm("Remove it for good?", abort=True, err=True)
    opened.remove(str(target))
    if as_json:
        emit_json("store-removed", [{"thumbprint": target} if found is None else entry_item(found)])
    else:
        click.echo(f"removed {target}")
    return DONE


# --- trust ---


@store.command(epilog=examples("tlsocket store distrust web", 'tlsocket store distrust "Example Root" --store ROOT'))
@click.argument("entry", metavar="ENTRY")
@store_options()
@json_option
@common
@click.pass_context
def distrust(context: click.Context, entry: str, stores: StoreAccess, as_json: bool) -> int:
    """Put a certificate into DISALLOWED, which wins over everything.

    Without --store it is looked for in MY, CA, ROOT and TRUSTED_PEOPLE.
    """
    opened, found = _search(stores, entry, _names_to_search(context, stores))
    return done("distrusted", [opened.distrust(found)], as_json)


@store.command(epilog=examples("tlsocket store trust web", "tlsocket store trust www.example.org --location machine"))
@click.argument("entry", metavar="ENTRY")
@store_options("DISALLOWED")
@json_option
@common
def trust(entry: str, stores: StoreAccess, as_json: bool) -> int:
    """Take a certificate out of DISALLOWED. That alone makes no authority trusted that is not in ROOT."""
    if stores.name != "DISALLOWED":
        raise click.UsageError(
            "store trust works on DISALLOWED; to trust an authority: tlsocket store add --store ROOT"
        )
    opened = stores.open(writing=True)
    found = opened.resolve(entry)
    opened.remove(found)
    return done("no longer distrusted", [found], as_json)


@store.command(epilog=examples("tlsocket store check --within 30d", "tlsocket store check --location machine --json"))
@click.option(
    "--within", metavar="TIME", default="30d", show_default=True, callback=store_check.parse_time,
    help="How long before its end a certificate is due: days (30d), weeks (4w), or hours (36h).",
)  # fmt: skip
@store_options()
@json_option
@common
@click.pass_context
def check(context: click.Context, within: Any, stores: StoreAccess, as_json: bool) -> int:
    """Check for what expires, is broken, or can be read by others; exit 1 when something is due: for cron.

    Without --store all stores of the location are looked at; what is inherited is not.
    """
    given = _is_given(context, "store")
    names = (stores.name,) if given or stores.location.kind == "pkcs12" else store_check.names_at(stores.location)
    count, due = 0, []
    for name in names:
        try:
            number, found = store_check.examine(stores, name, within)
        except MissingStore:
            if given:
                raise
            continue
        count += number
        due += found
    if as_json:
        emit_json("store-check", [finding.item() for finding in due])
    elif due:
        made = table("what", "store", "problem", "remedy")
        for finding in due:
            made.add_row(cell(finding.what), cell(finding.store), cell(finding.problem), cell(finding.remedy))
        print_table(made)
    else:
        click.echo(f"nothing is due: {count} entr{'y' if count == 1 else 'ies'} in {', '.join(names) or 'no store'}")
    return REFUSED if due else DONE


@store.command(
    epilog=examples(
        "tlsocket store grant web --group www-data --location machine",
        "tlsocket store grant www.example.org --group www-data --location machine --json",
    )
)
@click.argument("entry", metavar="ENTRY")
@click.option("--group", metavar="GROUP", required=True, help="The group that the service runs in.")
@store_options()
@json_option
@common
def grant(entry: str, group: str, stores: StoreAccess, as_json: bool) -> int:
    """Let GROUP read the private key of a machine's entry (0640 root:GROUP), for a service that is not root."""
    opened, found = stores.find(entry, writing=True)
    opened.grant(found, int(group) if group.isascii() and group.isdigit() else group)
    return done(f"granted to {group}", [found], as_json)


# --- what the commands share ---


def filtered(opened: CertificateStore, filters: Sequence[str]) -> list[StoreEntry]:
    """The entries that all filters fit. Raises `BadFindValue`."""
    tests = [_filter(text) for text in filters]
    return [entry for entry in opened if all(test(entry) for test in tests)]


def _filter(text: str) -> Callable[[StoreEntry], bool]:
    name, sign, value = text.partition("=")
    if not sign:
        word = text.casefold()
        return lambda entry: any(word in each.casefold() for each in _words(entry))
    if name == "thumbprint":
        digits = "".join(value.replace(":", "").split()).lower()
        if not digits or set(digits) - set("0123456789abcdef"):
            raise BadFindValue(f"{value!r:.80} is not hexadecimal", "give the first digits of a thumbprint")
        return lambda entry: entry.thumbprint.startswith(digits) or entry.thumbprint_sha1.startswith(digits)
    kind = _FILTERS.get(name)
    if kind is None:
        raise BadFindValue(
            f"there is no filter {name + '='!r:.40}", f"use {'=, '.join((*_FILTERS, 'thumbprint'))}=, or a word"
        )
    return matcher(kind, value)


def _words(entry: StoreEntry) -> Iterable[str]:
    yield entry.friendly_name
    yield subject_text(entry.certificate)
    yield entry.thumbprint
    try:
        yield from dns_names(entry.certificate)
        yield entry.certificate.issuer.rfc4514_string()
    except PARSE_ERRORS:
        return


def _order(entry: StoreEntry) -> tuple[str, str]:
    return (entry.friendly_name or subject_text(entry.certificate)).casefold(), entry.thumbprint


def _ends_within(entry: StoreEntry, days: int) -> bool:
    status = status_of(entry.certificate)
    return status == "broken" or days_left(entry.certificate.not_valid_after_utc) < days


def warn(broken: Sequence[Broken]) -> None:
    """A line on standard error for each thing that could not be read: the rest is shown all the same."""
    for item in broken:
        console(stderr=True).print(f"tlsocket: {item.path}: {item.problem}; {item.remedy}", soft_wrap=True)


def tell_skipped(contents: Iterable[Contents]) -> None:
    """The same for what was left out of files."""
    for one in contents:
        for skipped in one.skipped:
            console(stderr=True).print(f"tlsocket: {skipped.source}: left out: {skipped.why}", soft_wrap=True)


def done(verb: str, entries: Sequence[StoreEntry], as_json: bool) -> int:
    """Say what was done with which entries."""
    if as_json:
        emit_json("store-entries", [entry_item(entry) for entry in entries])
        return DONE
    for entry in entries:
        click.echo(f"{verb} ({entry.store_name}, {entry.place}): {one_line(entry)}")
    return DONE


def _source(file: str) -> tuple[KeySource, str]:
    """What to read, and its name in messages: a path, or what standard input has."""
    if file != "-":
        return Path(file), file
    return sys.stdin.buffer.read(_INPUT_LIMIT), "standard input"


def _certificates_in(file: str, opened: CertificateStore) -> Contents:
    """A file of certificates. One with a private key is refused: to add it without would look like success."""
    source, name = _source(file)
    data = source if isinstance(source, bytes) else None
    if isinstance(source, Path) and not source.is_dir():
        data = read_limited(source, _INPUT_LIMIT, what="certificate")
    contents = opened.read(source, lambda: b"", keys=False) if not _has_key(data) else None
    if contents is None or contents.form == "p12":
        raise RefusedError(f"{name}: it is a container with keys; use: tlsocket store import {name}")
    return replace(contents, source=name)


def _has_key(data: bytes | None) -> bool:
    from tlsocket.pki.formats.pkcs12 import is_pkcs12

    return data is not None and (b"PRIVATE KEY-----" in data or is_pkcs12(data))


def _damaged(opened: CertificateStore, text: str) -> str | None:
    """The thumbprint of a damaged entry whose first digits these are."""
    digits = text.lower()
    found = [stem for item in opened.broken if (stem := Path(item.path).stem).startswith(digits) and len(stem) == 64]
    return found[0] if len(digits) >= 8 and len(found) == 1 else None


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _names_to_search(context: click.Context, stores: StoreAccess) -> tuple[str, ...]:
    single = _is_given(context, "store") or stores.location.kind == "pkcs12"
    return (stores.name,) if single else _WELL_KNOWN


def _search(stores: StoreAccess, text: str, names: Sequence[str]) -> tuple[CertificateStore, StoreEntry]:
    """The one entry that ENTRY means in several stores. Raises `EntryNotFound`, `AmbiguousEntry`."""
    found: list[tuple[CertificateStore, StoreEntry]] = []
    missing: EntryNotFound | None = None
    for name in names:
        opened = stores.open(name=name)
        try:
            found.append((opened, opened.resolve(text)))
        except EntryNotFound as error:
            missing = missing or error
    if len({entry.thumbprint for _, entry in found}) > 1:
        raise AmbiguousEntry(
            f"{text!r:.80} means {len(found)} entries",
            "say which with --store, or name one by the first digits of its thumbprint",
            tuple(f"{one.store_name}: {one_line(one)}" for _, one in found),
        )
    if not found:
        if len(names) == 1 and missing is not None:
            raise missing
        raise EntryNotFound(f"none of {', '.join(names)} has an entry called {text!r:.80}", "list the stores")
    return stores.open(name=found[0][0].name, writing=False), found[0][1]
