"""The group of commands, and the one place that turns an exception into a line and an exit status.

Each command has a module of its own; none is defined here.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

import click

from tlsocket._version import __version__
from tlsocket.cli.bench import bench
from tlsocket.cli.ca import ca
from tlsocket.cli.connect import connect
from tlsocket.cli.demo import demo
from tlsocket.cli.output import DONE, USAGE, CommandError, describe_error
from tlsocket.cli.request import request
from tlsocket.cli.run import run_program
from tlsocket.cli.serve import serve
from tlsocket.cli.show import show
from tlsocket.cli.store import store
from tlsocket.cli.verify import verify

__all__ = ["run", "tlsocket"]

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tlsocket")
def tlsocket() -> None:
    """TLS for people: a demonstration, a server, and a client that says what it sees."""


@click.command(
    "run", add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def run_command(words: tuple[str, ...]) -> int:
    """A program, with ssl replaced by tlsocket: SCRIPT ARG... or -m MODULE ARG..."""
    return run_program(words)


commands: tuple[click.Command, ...] = (demo, serve, connect, store, request, ca, show, verify, bench, run_command)
for command in commands:
    tlsocket.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; never a traceback without --debug."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings():
            # Some roots of every platform break RFC 5280 section 4.1.2.2; that helps nobody who lists them.
            warnings.filterwarnings("ignore", message="Parsed a serial number")
            warnings.filterwarnings("ignore", message="Attribute's length must be")
            status = tlsocket.main(args=words, prog_name="tlsocket", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "tlsocket"
        message = " ".join(error.format_message().split()).rstrip(".")
        click.echo(f"tlsocket: {message}; see: {where} --help", err=True)
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough; do not complain again when the interpreter flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if "--debug" in words:
            raise
        message, exit_code = describe_error(error)
        line = CommandError(message)
        line.candidates = getattr(error, "candidates", ())
        line.show()
        return exit_code
    return status if isinstance(status, int) else DONE
