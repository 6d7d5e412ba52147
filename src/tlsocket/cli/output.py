"""What all commands share in talking to a person: consoles, one-line errors with their exit status, options.

No command's own text belongs here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from tlsocket.pki.errors import PkiError

__all__ = [
    "DONE",
    "IO_ERROR",
    "REFUSED",
    "CommandError",
    "USAGE",
    "RefusedError",
    "common",
    "console",
    "describe_error",
    "examples",
]

DONE = 0
REFUSED = 1
USAGE = 2
IO_ERROR = 3

F = TypeVar("F", bound=Callable[..., Any])


class CommandError(click.ClickException):
    """Ends the command with one line on standard error that names the file or peer and what to do."""

    exit_code = IO_ERROR
    candidates: Sequence[str] = ()
    """What an ambiguous name may mean; a line each, beneath the one that says so."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"tlsocket: {' '.join(self.format_message().split())}", file=file, err=True)
        for candidate in self.candidates:
            click.echo(f"  {candidate}", file=file, err=True)


class RefusedError(CommandError):
    """The same for what was refused, by us or by the peer."""

    exit_code = REFUSED


def console(*, stderr: bool = False) -> Console:
    """A console that colours only on a terminal and not under NO_COLOR."""
    from rich.console import Console  # a third of what `tlsocket --version` would cost

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def common(function: F) -> F:
    """Options that every command has. `--debug` is looked at by `tlsocket.cli.root.run`."""
    decorate = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
    return decorate(function)


def examples(*lines: str) -> str:
    """The end of a help text: two examples, one a line, that a test runs."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def describe_error(error: BaseException) -> tuple[str, int]:
    """One line for people, and the exit status."""
    # Loaded only when something went wrong: whoever asks for help needs no TLS.
    import ssl

    from tlsocket.errors import TLSError
    from tlsocket.pki.errors import PkiError

    if isinstance(error, PkiError):
        return str(error), _status_of_pki(error)
    if isinstance(error, ssl.SSLCertVerificationError | ssl.SSLError):
        return str(error.args[-1] if error.args else error), REFUSED
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename is not None else ""
        return f"{name}{error.strerror or error}", IO_ERROR
    if isinstance(error, TLSError):
        return str(error), REFUSED
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)", REFUSED


def _status_of_pki(error: PkiError) -> int:
    """What a person gave wrongly is usage, what the system did not let us do is input and output, the rest refused."""
    # As above, and most commands have nothing to do with stores.
    from tlsocket.pki.authority.refusals import LedgerUnavailable
    from tlsocket.pki.errors import FileUnavailable, MissingFile, NotPrivate, PasswordRequired, WrongContent
    from tlsocket.pki.names.attributes import NameSyntaxError
    from tlsocket.pki.stores.errors import AmbiguousEntry, BadFindValue, MissingStore, StoreBusy

    if isinstance(error, AmbiguousEntry | BadFindValue | NameSyntaxError | PasswordRequired):
        return USAGE
    if isinstance(error, NotPrivate):
        return REFUSED
    if isinstance(error, FileUnavailable | LedgerUnavailable | MissingFile | MissingStore | StoreBusy | WrongContent):
        return IO_ERROR
    return REFUSED
