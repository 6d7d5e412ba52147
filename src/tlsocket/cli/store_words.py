"""Entries of a store in a table and in words. What is done with them is in `store`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from tlsocket.cli.common import cell, days_left, expiry_text, status_of, wide_console
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_dict, key_description, printable, subject_text
from tlsocket.pki.errors import PkiError
from tlsocket.pki.names.comparison import is_self_issued
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.find import purpose_names

__all__ = ["entry_lines", "one_line", "print_entries"]

_SHOWN_DIGITS = 16
_ROOM_FOR_NOTES = 60
_ROOM_FOR_ISSUER = 76
"""Columns of the terminal from which on there is room for them."""
_GAP = 2
_SHORTEST = 10


def one_line(entry: StoreEntry) -> str:
    """An entry in one line, for saying what was done with it."""
    name = f"{printable(entry.friendly_name)}: " if entry.friendly_name else ""
    key = ", with its private key" if entry.has_private_key else ""
    return f"{entry.thumbprint[:_SHOWN_DIGITS]}  {name}{subject_text(entry.certificate)}{key}"


def print_entries(entries: Sequence[StoreEntry], distrust: Distrust) -> None:
    """The table of `store list`: what is about to end is marked, and so is what must not be believed.

    On a narrow terminal the names are cut and then issuer, notes and half of the digits left out; never the expiry.
    """
    out = wide_console()
    distrusted = distrust.thumbprints()
    digits = _SHOWN_DIGITS if out.width >= _ROOM_FOR_NOTES else _SHOWN_DIGITS // 2
    columns = {
        "thumbprint"[:digits]: [Text(entry.thumbprint[:digits]) for entry in entries],
        "  expires": [expiry_text(entry.certificate) for entry in entries],
        "subject": [_name(entry, entry.thumbprint in distrusted) for entry in entries],
    }
    if out.width >= _ROOM_FOR_ISSUER:
        columns["issuer"] = [cell(_issuer(entry)) for entry in entries]
    if out.width >= _ROOM_FOR_NOTES:
        columns["notes"] = [Text(_notes(entry)) for entry in entries]
    widths = {heading: max(len(heading), *map(len, cells)) for heading, cells in columns.items()}
    excess = sum(widths.values()) + _GAP * (len(widths) - 1) - out.width
    for heading in ("issuer", "subject"):
        if excess > 0 and heading in widths:
            # The subject says more than the issuer: it gives way last.
            given = min(excess, widths[heading] - _SHORTEST)
            widths[heading] -= given
            excess -= given
    made = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for heading, width in widths.items():
        made.add_column(heading, no_wrap=True, overflow="ellipsis", width=width)
    for row in zip(*columns.values(), strict=True):
        made.add_row(*row)
    out.print(made)


def _name(entry: StoreEntry, distrusted: bool) -> Text:
    name = subject_text(entry.certificate)
    if entry.friendly_name:
        name = f"{entry.friendly_name}: {name}"
    # In DISALLOWED itself everything is: there it would say nothing.
    warning = "! distrusted " if distrusted and entry.store_name != "DISALLOWED" else ""
    return Text.assemble((warning, "bold red"), cell(name))


def _issuer(entry: StoreEntry) -> str:
    try:
        certificate = entry.certificate
        return "itself" if is_self_issued(entry.der) else certificate.issuer.rfc4514_string()
    except PARSE_ERRORS:
        return "cannot be read"


def _notes(entry: StoreEntry) -> str:
    facts = (("key", entry.has_private_key), ("archived", entry.archived), ("inherited", entry.inherited))
    return ", ".join(word for word, holds in facts if holds)


def entry_lines(entry: StoreEntry, distrust: Distrust) -> Iterator[tuple[str, str]]:
    """The heading and the text of each line of `store show`."""
    certificate = entry.certificate
    if entry in distrust:
        yield "! distrusted", "it is in a DISALLOWED store, which wins over everything (tlsocket store trust)"
    if entry.friendly_name:
        yield "friendly name", printable(entry.friendly_name)
    yield from _certificate_lines(certificate)
    yield "SHA-256", entry.thumbprint
    yield "SHA-1", entry.thumbprint_sha1
    yield "private key", _key_words(entry)
    yield "trusted for", "all that the certificate is for" if entry.purposes is None else _purposes(entry.purposes)
    if entry.refused_purposes:
        yield "not for", _purposes(entry.refused_purposes)
    for issuer in entry.chain:
        yield "kept issuer", subject_text(issuer)
    yield "store", f"{entry.store_name} in {entry.place}{', inherited' if entry.inherited else ''}"
    if entry.added_at is not None:
        yield "added", f"{entry.added_at:%Y-%m-%d %H:%M} UTC{f' by {printable(entry.added_by)}' * bool(entry.added_by)}"
    if entry.archived:
        yield "archived", "kept for the record only"


def _certificate_lines(certificate: Any) -> Iterator[tuple[str, str]]:
    yield "subject", subject_text(certificate)
    try:
        yield "issuer", printable(certificate.issuer.rfc4514_string()) or "unnamed"
        yield "serial", f"{certificate.serial_number:x}"
        yield "valid from", f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        end = certificate.not_valid_after_utc
        yield "valid until", f"{end:%Y-%m-%d %H:%M} UTC{_remark(status_of(certificate), days_left(end))}"
        yield "key", key_description(certificate)
        names = [f"{kind}:{value}" for kind, value in certificate_dict(certificate).get("subjectAltName", ())]
        if names:
            yield "names", printable(", ".join(names))
        purposes = purpose_names(certificate)
        if purposes:
            yield "purposes", ", ".join(purposes)
    except PARSE_ERRORS as error:
        yield "! broken", printable(str(error))


def _remark(status: str, days: int) -> str:
    if status == "expired":
        # Whole days are counted down: what ended an hour ago has -1 of them left, and 0 have passed.
        return f"  ! expired {-days - 1} day{'s' * (days != -2)} ago"
    if status == "not yet valid":
        return "  ! not valid yet: check this machine's clock"
    text = f"{days} day{'s' * (days != 1)}"
    return f"  ! in {text}" if status == "expires soon" else f" (in {text})"


def _key_words(entry: StoreEntry) -> str:
    if not entry.has_private_key:
        return "none here"
    try:
        return "kept with it, encrypted" if entry.key_encrypted else "kept with it"
    except PkiError as error:
        return f"! {error}"


def _purposes(dotted: Sequence[str]) -> str:
    from tlsocket.pki.stores.find import purpose_name

    return ", ".join(purpose_name(each) for each in dotted) or "nothing"
