"""How things are put into words on the terminal: headings in a column, JSON's values, names and kinds as options.

What there is to say about a certificate, a request or a list is `tlsocket.pki.description`'s.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click
from rich.console import Console

from tlsocket import clock
from tlsocket.cli.common import certificate_item, rfc3339
from tlsocket.cli.output import RefusedError, console
from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.description import certificate_values
from tlsocket.pki.keys import KEY_KINDS
from tlsocket.pki.names import Dialect, DistinguishedName, NameSyntaxError

__all__ = [
    "certificate_json",
    "key_option",
    "now",
    "plain",
    "refuse_to_overwrite",
    "say",
    "say_words",
    "sans_option",
    "subject_option",
]

F = TypeVar("F", bound=Callable[..., Any])

_INDENT = 2


def now() -> datetime.datetime:
    """The present moment."""
    return datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)


def say(text: str, *, output: str | None = None, where: Console | None = None) -> None:
    """A line for the person: on standard error when standard output is taken by `-o -`."""
    (where or console(stderr=output == "-")).print(text, soft_wrap=True)


def refuse_to_overwrite(output: str | None, force: bool) -> None:
    """Before anything is done whose result would then have no place to go."""
    if output not in (None, "-") and not force and os.path.lexists(output or ""):
        raise RefusedError(f"{output}: it exists; give --force to overwrite it")


def say_words(words: Iterable[tuple[str, str]], *, output: str | None = None, indent: int = _INDENT) -> None:
    """Pairs of heading and text, the texts in one column."""
    pairs = list(words)
    width = max((len(heading) for heading, _ in pairs), default=0)
    for heading, text in pairs:
        say(f"{' ' * indent}{heading:<{width}}  {text}", output=output)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with moments as `--json` writes them."""
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return plain(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def certificate_json(certificate: Any) -> dict[str, Any]:
    """All that `--json` says of a certificate: what the tables have, and what only `show` tells."""
    values = plain(certificate_values(certificate))
    more = ("names", "key_usage", "signature_algorithm", "is_authority", "path_length")
    item = {**certificate_item(certificate), **{key: values[key] for key in more}}
    return {**item, "extended_key_usage": values["purposes"], "thumbprint_sha1": values["sha1"]}


# --- options ---


def subject_option(*, required: bool) -> Callable[[F], F]:
    """`--subject DN`, as the argument `subject` (a `DistinguishedName`)."""
    return click.option(
        "--subject",
        metavar="DN",
        required=required,
        callback=_subject,
        help='Whose it is to be: "CN=www.example.org,O=Example", in any of three spellings.',
    )


def _subject(context: click.Context, parameter: click.Parameter, value: str | None) -> DistinguishedName | None:
    if value is None:
        return None
    try:
        return DistinguishedName.parse(value, Dialect.guess(value))
    except NameSyntaxError as error:
        raise click.BadParameter(str(error)) from None


def sans_option(text: str) -> Callable[[F], F]:
    """`--san`, as the argument `sans` (`SubjectAlternativeNames`; None where it was not given)."""
    return click.option("--san", "sans", metavar="dns:X,ip:Y,email:Z", multiple=True, callback=_sans, help=text)


def _sans(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> SubjectAlternativeNames | None:
    try:
        parsed = [SubjectAlternativeNames.parse(text) for text in value]
    except NameSyntaxError as error:
        raise click.BadParameter(str(error)) from None
    return SubjectAlternativeNames([name for names in parsed for name in names]) if parsed else None


def key_option(function: F) -> F:
    """`--key`, as the argument `key`."""
    return click.option(
        "--key",
        metavar="ecdsa-p256|ecdsa-p384|rsa-2048..4096|ed25519",
        default="ecdsa-p256",
        show_default=True,
        callback=_key,
        help="What kind of key to make.",
    )(function)


def _key(context: click.Context, parameter: click.Parameter, value: str) -> str:
    kind = value.lower()
    bits = kind.removeprefix("rsa-")
    if kind not in KEY_KINDS and not (bits != kind and bits.isdecimal() and 2048 <= int(bits[:5]) <= 4096):
        raise click.BadParameter(f"{value!r:.60} is no kind of key; use one of {', '.join(KEY_KINDS)}")
    return kind
