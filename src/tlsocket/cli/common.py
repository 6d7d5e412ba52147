"""What the commands about certificates share: their options, stores and entries, output files, JSON, dates, tables.

Consoles, exit statuses and one-line errors are in `output`, passwords in `passwords`. No command's own text belongs
here.
"""

from __future__ import annotations

import datetime
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from tlsocket import clock
from tlsocket.cli.output import CommandError, RefusedError, console
from tlsocket.cli.passwords import ENVIRONMENT, Passwords
from tlsocket.pki.certificates import PARSE_ERRORS, printable
from tlsocket.pki.errors import FileUnavailable
from tlsocket.pki.files import write_atomically
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.errors import StoreError
from tlsocket.pki.stores.locations import OpenMode, StoreLocation, StoreName, store_name
from tlsocket.pki.stores.store import CertificateStore

__all__ = [
    "SOON",
    "StoreAccess",
    "authorities_in",
    "cell",
    "certificate_item",
    "check_credential_options",
    "days_left",
    "emit_json",
    "entry_item",
    "entry_option",
    "expiry_text",
    "force_option",
    "json_option",
    "location_option",
    "output_option",
    "own_stores",
    "parse_location",
    "password_option",
    "print_table",
    "progress",
    "rfc3339",
    "status_of",
    "store_options",
    "table",
    "wide_console",
    "write_output",
]

SCHEMA = "tlsocket/1"
SOON = 30
"""Days before the end of validity from which every table marks it."""
PATIENCE = 1.0
"""Seconds that work may take before it shows how far it is."""

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_WIDE = 1000
_DAY = 86400


# --- options ---


def _location(context: click.Context, parameter: click.Parameter, value: str | None) -> StoreLocation:
    return parse_location(value)


def _store_name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        return store_name(value)
    except StoreError as error:
        raise click.BadParameter(str(error)) from None


def parse_location(text: str | None) -> StoreLocation:
    """`user`, `machine`, a folder or a `.p12` file; None is what fits this process."""
    if text is None:
        return StoreLocation.for_this_process()
    if not text:
        raise click.BadParameter("an empty text is no location; use user, machine, a folder, or a .p12 file")
    # Memory is a location for programs; here it is a folder like any other.
    return StoreLocation.parse(os.path.join(".", text) if text == "memory" else text)


def location_option(function: F) -> F:
    """`--location`, as the argument `location` (a `StoreLocation`)."""
    return click.option(
        "--location",
        metavar="user|machine|FOLDER|FILE.p12",
        callback=_location,
        help="Where the stores are. [user; machine for a service or without a home]",
    )(function)


def password_option(function: F) -> F:
    """`--password-file`, as the argument `passwords` (`Passwords`)."""
    return click.option(
        "--password-file",
        "passwords",
        metavar="FILE|-",
        callback=lambda context, parameter, value: Passwords(value),
        help=f"Read passwords from here, one a line. [{ENVIRONMENT}, or a prompt on a terminal]",
    )(function)


def output_option(function: F) -> F:
    """`-o`, as the argument `output`; None where it was not given."""
    return click.option("-o", "--output", metavar="FILE|-", help="Write here; - is standard output.")(function)


def force_option(function: F) -> F:
    """`--force`, as the argument `force`."""
    return click.option("--force", is_flag=True, help="Overwrite a file that is there.")(function)


def json_option(function: F) -> F:
    """`--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")(function)


def store_options(default: str = "MY") -> Callable[[F], F]:
    """`--store`, `--location` and `--password-file`, as the one argument `stores` (`StoreAccess`)."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*arguments: Any, store: str, location: StoreLocation, passwords: Passwords, **options: Any) -> Any:
            return function(*arguments, stores=StoreAccess(store, location, passwords), **options)

        decorated = click.option(
            "--store",
            metavar="|".join((*(name.value for name in StoreName), "NAME")),
            default=default,
            show_default=True,
            callback=_store_name,
            help="Which store.",
        )(location_option(password_option(call)))
        return decorated  # type: ignore[return-value]

    return decorate


def entry_option(function: F) -> F:
    """`--entry` with the options of stores, as the arguments `entry` and `stores`."""
    return click.option("--entry", metavar="ENTRY", help="The certificate and key of this entry of the store.")(
        store_options()(function)
    )


def check_credential_options(cert: str | None, key: str | None, entry: str | None) -> None:
    """Raise `click.UsageError` when `--cert`, `--key` and `--entry` do not go together."""
    if key is not None and cert is None:
        raise click.UsageError("--key needs --cert")
    if entry is not None and cert is not None:
        raise click.UsageError("--cert and --entry exclude each other: give one")


# --- stores and their entries ---


@dataclass
class StoreAccess:
    """The store that a command line names, opened when it is needed, with passwords asked for when they are."""

    name: str
    location: StoreLocation
    passwords: Passwords = field(default_factory=Passwords)

    def open(
        self, *, writing: bool = False, name: str | None = None, archived: bool = True, inherit: bool = True
    ) -> CertificateStore:
        """The store, or the one called `name` at the same place.

        For reading only, a folder or file that was named must be there, as must a store that has no role of its own:
        otherwise a slip of the finger would look like an empty store. Raises `MissingStore`, `FileUnavailable`.
        """
        store = self.name if name is None else name
        mode = OpenMode.READ_WRITE if writing else OpenMode.READ_ONLY
        if archived:
            mode |= OpenMode.INCLUDE_ARCHIVED
        if not writing:
            if self.location.kind in ("folder", "pkcs12") and not os.path.exists(self.location.path):
                raise CommandError(f"{self.location.path}: no such file or directory; check --location")
            if store not in StoreName.__members__ and self.location.kind != "pkcs12":
                mode |= OpenMode.EXISTING_ONLY
        if self.location.kind == "pkcs12":
            password: Any = self._file_password if self.passwords.available else None
            return CertificateStore(store, self.location, mode, password=password, inherit=inherit)
        opened = CertificateStore(store, self.location, mode, inherit=inherit)
        ask: Any = functools.partial(self._store_password, opened)
        opened.use_password(ask)
        return opened

    def find(self, text: str, *, writing: bool = False) -> tuple[CertificateStore, StoreEntry]:
        """The store, and the entry that ENTRY means. Raises `EntryNotFound`, `AmbiguousEntry`."""
        store = self.open(writing=writing)
        return store, store.resolve(text)

    def _file_password(self) -> bytes:
        new = not os.path.lexists(self.location.path)
        return self.passwords.required(f"password of {self.location.path}", confirm=new)

    def _store_password(self, store: CertificateStore) -> bytes | None:
        """The password of a store in a folder: asked for when its keys are encrypted.

        Where none is, a line of the password file that nothing else needed makes the first that is.
        """
        question = f"password of the store {store.name} ({store.location})"
        if store.keys_encrypted:
            return self.passwords.required(question)
        return self.passwords.ask(question, confirm=True) if self.passwords.left else None


def authorities_in(stores: StoreAccess, name: str) -> bytes:
    """The authorities of a store (DER, one after the other), without those in DISALLOWED, and without the system's own.

    Whoever names a store for judging clients means the authorities put there, not all that browsers trust.
    """
    from tlsocket.pki.certificates import certificate_der

    opened = own_stores(stores, name)
    found = [certificate_der(certificate) for store in opened for certificate in store.anchors()]
    if not found:
        raise RefusedError(
            f"{opened[0].place}: it has no authority that could vouch for a client; "
            f"add one: tlsocket store add FILE --store {store_name(name)}"
        )
    return b"".join(dict.fromkeys(found))


def own_stores(stores: StoreAccess, name: str) -> list[CertificateStore]:
    """A store without what the system has beneath it: the user's and the machine's."""
    location = stores.location
    places = [location, StoreLocation.LOCAL_MACHINE] if location.kind == "user" else [location]
    return [StoreAccess(store_name(name), place, stores.passwords).open(inherit=False) for place in places]


def _now() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)


def days_left(end: datetime.datetime) -> int:
    """Whole days until a moment; negative when it has passed."""
    return int((end - _now()).total_seconds() // _DAY)


def status_of(certificate: Any, within: int = SOON) -> str:
    """`valid`, `expires soon` (within so many days), `expired`, `not yet valid`, or `broken`."""
    try:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except PARSE_ERRORS:
        return "broken"
    now = _now()
    if end < now:
        return "expired"
    if start > now:
        return "not yet valid"
    return "expires soon" if end - now <= datetime.timedelta(days=within) else "valid"


def expiry_text(certificate: Any, within: int = SOON) -> Text:
    """The end of validity for a table; what needs attention has a mark that is seen without colour too."""
    status = status_of(certificate, within)
    if status == "broken":
        return Text("! unreadable", "bold red")
    end = certificate.not_valid_after_utc
    if status == "expired":
        return Text(f"! {end:%Y-%m-%d} past", "bold red")
    if status == "not yet valid":
        return Text(f"! {end:%Y-%m-%d} not yet", "bold red")
    if status == "expires soon":
        return Text(f"! {end:%Y-%m-%d} {days_left(end)} d", "bold yellow")
    return Text(f"  {end:%Y-%m-%d}")


def certificate_item(certificate: Any) -> dict[str, Any]:
    """What `--json` says of a certificate."""
    from tlsocket.pki.certificates import key_description, subject_text
    from tlsocket.pki.stores.find import dns_names
    from tlsocket.pki.stores.layers import thumbprint_of

    item: dict[str, Any] = {
        "thumbprint": thumbprint_of(certificate),
        "subject": subject_text(certificate),
        "issuer": None,
        "serial": None,
        "dns_names": [],
        "not_before": None,
        "not_after": None,
        "days_left": None,
        "status": status_of(certificate),
        "key": key_description(certificate),
    }
    readers: dict[str, Callable[[], Any]] = {
        "issuer": lambda: certificate.issuer.rfc4514_string(),
        "serial": lambda: f"{certificate.serial_number:x}",
        "dns_names": lambda: list(dns_names(certificate)),
        "not_before": lambda: rfc3339(certificate.not_valid_before_utc),
        "not_after": lambda: rfc3339(certificate.not_valid_after_utc),
        "days_left": lambda: days_left(certificate.not_valid_after_utc),
    }
    for name, read in readers.items():
        try:
            item[name] = read()
        except PARSE_ERRORS:
            # What cannot be read stays null: the rest of the certificate is shown all the same.
            continue
    return item


def entry_item(entry: StoreEntry) -> dict[str, Any]:
    """What `--json` says of an entry of a store."""
    added = entry.added_at
    return {
        **certificate_item(entry.certificate),
        "friendly_name": entry.friendly_name,
        "has_private_key": entry.has_private_key,
        "store": entry.store_name,
        "place": entry.place,
        "inherited": entry.inherited,
        "archived": entry.archived,
        "purposes": None if entry.purposes is None else list(entry.purposes),
        "refused_purposes": list(entry.refused_purposes),
        "chain_length": len(entry.chain_ders),
        "added_by": entry.added_by or None,
        "added_at": None if added is None else rfc3339(added),
    }


# --- what comes out ---


def rfc3339(moment: datetime.datetime) -> str:
    """A moment as `--json` writes it: in UTC, to the second."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def emit_json(kind: str, items: Iterable[Mapping[str, Any]]) -> None:
    """The one object of `--json`."""
    click.echo(json.dumps({"schema": SCHEMA, "kind": kind, "items": list(items)}, indent=2, ensure_ascii=False))


def write_output(path: str | None, data: bytes, *, force: bool, secret: bool = False, text: bool = True) -> None:
    """Write to `-o FILE`, or to standard output for `-` (and for None, where the output is one text).

    A file is written whole or not at all; one that is there stays without `force`; with `secret` it is 0600.
    """
    if path is None and not text:
        raise click.UsageError("this output is not text: give -o FILE (or -o - for standard output)")
    if path is None or path == "-":
        if not text and sys.stdout.isatty():
            raise click.UsageError("this output is not text and would garble the terminal: give -o FILE")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        write_atomically(path, data, mode=0o600 if secret else 0o644, replace=force)
    except FileUnavailable as error:
        if not force and os.path.lexists(path):
            raise RefusedError(f"{path}: it exists; give --force to overwrite it") from error
        raise


def wide_console() -> Console:
    """Standard output; as wide as it takes where no terminal and no COLUMNS says otherwise: pipes want no cuts."""
    made = console()
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDE
    return made


def table(*headings: str, wrap: Sequence[str] | None = None) -> Table:
    """An empty table that gives way to the terminal: columns in `wrap` (None: all) break their lines, others are cut.

    The first column is cut last.
    """
    made = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        breaks = wrap is None or heading in wrap
        width = 16 if number == 0 and not breaks else None
        made.add_column(heading, no_wrap=not breaks, overflow="fold" if breaks else "ellipsis", min_width=width)
    return made


def print_table(made: Table) -> None:
    """Print it as wide as the terminal."""
    wide_console().print(made)


def cell(text: str) -> Text:
    """Text of strangers for a table: without control characters, and never taken for markup."""
    return Text(printable(text))


def progress(items: Sequence[T], label: str) -> Iterator[T]:
    """The items one by one, with a bar on standard error as soon as it takes longer than a second."""
    begun = clock.monotonic()
    bar: Progress | None = None
    task: Any = None
    try:
        for number, item in enumerate(items):
            if bar is None and clock.monotonic() - begun > PATIENCE:
                shown = console(stderr=True)
                bar = Progress(console=shown, transient=True, disable=not shown.is_terminal)
                bar.start()
                task = bar.add_task(label, total=len(items), completed=number)
            yield item
            if bar is not None:
                bar.advance(task)
    finally:
        if bar is not None:
            bar.stop()
