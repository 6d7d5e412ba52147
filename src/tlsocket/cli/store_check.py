"""What `tlsocket store check` looks for: what ends, what is broken, what others can read, what is distrusted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from tlsocket import clock
from tlsocket.cli.common import StoreAccess, certificate_item
from tlsocket.cli.output import describe_error
from tlsocket.pki.certificates import PARSE_ERRORS, subject_text
from tlsocket.pki.errors import LoadError, PkiError
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.errors import MissingStore
from tlsocket.pki.stores.layers import Broken
from tlsocket.pki.stores.locations import StoreLocation, StoreName

__all__ = ["Finding", "examine", "names_at", "parse_time"]

_TIME = re.compile(r"([0-9]{1,6})([dwh]?)")
_HOURS = {"": 24, "d": 24, "w": 7 * 24, "h": 1}


@dataclass(frozen=True)
class Finding:
    """One thing that is due."""

    store: str
    what: str
    problem: str
    remedy: str
    reason: str
    """`expired`, `expiring`, `not-yet-valid`, `broken`, `unsafe` or `distrusted`, for programs."""
    entry: StoreEntry | None = None

    def item(self) -> dict[str, Any]:
        """For `--json`."""
        certificate = None if self.entry is None else certificate_item(self.entry.certificate)
        said = {"store": self.store, "what": self.what, "reason": self.reason}
        return {**said, "problem": self.problem, "remedy": self.remedy, "certificate": certificate}


def parse_time(context: click.Context, parameter: click.Parameter, value: str) -> datetime.timedelta:
    """`30d`, `4w`, `36h`, or a number of days."""
    match = _TIME.fullmatch(value.strip().lower())
    if match is None:
        raise click.BadParameter(f"{value!r} is not a time such as 30d, 4w or 36h")
    return datetime.timedelta(hours=int(match[1]) * _HOURS[match[2]])


def names_at(location: StoreLocation) -> tuple[str, ...]:
    """The stores of a location that were ever written, those with a role first."""
    existing = location.existing_stores()
    roles = [name.value for name in StoreName]
    return tuple(sorted(existing, key=lambda name: (roles.index(name) if name in roles else len(roles), name)))


def examine(stores: StoreAccess, name: str, within: datetime.timedelta) -> tuple[int, list[Finding]]:
    """How many entries a store has of its own, and what is due there. Raises `MissingStore`."""
    try:
        opened = stores.open(name=name, inherit=False)
        entries = [entry for entry in opened if not entry.archived]
        findings = [Finding(name, item.path, item.problem, item.remedy, _kind(item)) for item in opened.check()]
    except MissingStore:
        raise
    except LoadError as error:
        # The store as a whole is unsafe or cannot be read: that is what cron is to tell.
        if stores.location.kind == "pkcs12":
            raise
        place = stores.location.base()
        problem = error.problem.removeprefix(f"{error.source}: ")
        return 0, [Finding(name, error.source or str(place), problem, error.remedy, "unsafe")]
    distrust = Distrust(stores.location)
    for entry in entries:
        findings.extend(_of_entry(name, entry, distrust, within))
    return len(entries), findings


def _kind(item: Broken) -> str:
    """What only needs other permissions is not broken."""
    return "unsafe" if item.remedy.startswith("run: ch") else "broken"


def _of_entry(name: str, entry: StoreEntry, distrust: Distrust, within: datetime.timedelta) -> Iterator[Finding]:
    if name == StoreName.DISALLOWED:
        return
    what = f"{entry.thumbprint[:16]} {entry.friendly_name or subject_text(entry.certificate)}"
    if entry.has_private_key and entry in distrust:
        yield Finding(
            name, what, "distrusted: it is in DISALLOWED", "replace it, or tlsocket store trust", "distrusted", entry
        )
    try:
        start, end = entry.certificate.not_valid_before_utc, entry.certificate.not_valid_after_utc
    except PARSE_ERRORS as error:
        yield Finding(name, what, describe_error(PkiError(str(error)))[0], "remove it", "broken", entry)
        return
    now = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)
    if end < now:
        yield Finding(name, what, f"expired on {end:%Y-%m-%d}", "renew or remove it", "expired", entry)
    elif start > now:
        problem = f"not valid before {start:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}"
        yield Finding(name, what, problem, "check this machine's clock", "not-yet-valid", entry)
    elif end - now <= within:
        yield Finding(
            name, what, f"! expires on {end:%Y-%m-%d} (in {(end - now).days} d)", "renew it", "expiring", entry
        )
