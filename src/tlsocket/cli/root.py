"""The group of commands, and the one place that turns an exception into a line and an exit status.

Each command has a module of its own, which is imported when the command is called: what `--version` and `--help` say
is known here, without TLS. No command is defined here but `run`, whose words click must leave alone.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Sequence

import click

from tlsocket._version import __version__
from tlsocket.cli.output import DONE, USAGE, CommandError, describe_error

__all__ = ["run", "tlsocket"]

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""


COMMANDS = {
    "bench": "Measure tlsocket beside `ssl` on this machine, in turn, and say where it is slower.",
    "ca": "An authority of your own: issue, renew and revoke certificates.",
    "connect": "Connect to HOST, say what was negotiated, show the chain and the verdict, then pipe.",
    "demo": "Tell a handshake in nine steps as it happens between a server and a client, then one that resumes its "
    "session.",
    "request": "Ask for a certificate: make a request for an authority, look at one.",
    "serve": "Serve FOLDER over HTTPS, or echo.",
    "show": "Show any certificate, request, revocation list, PKCS #12 or key (its public part) in words.",
    "store": "Certificate stores: list, show, add, import, export, remove, distrust, check.",
    "verify": "Verify the certificate in FILE, its own first, and say why it is believed or not.",
}
"""The commands with modules of the same names, and the first sentence of each one's help (a test compares them)."""


class _Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.add_command(getattr(importlib.import_module(f"tlsocket.cli.{cmd_name}"), cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's own, which would import them all for their sentences."""
        listed = {name: click.Command(name, help=sentence) for name, sentence in COMMANDS.items()}
        listed.update(self.commands)
        room = formatter.width - 6 - max(map(len, listed))
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed[name].get_short_help_str(room)) for name in sorted(listed)])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tlsocket")
def tlsocket() -> None:
    """TLS for people: a demonstration, a server, and a client that says what it sees."""


@tlsocket.command(
    "run", add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def run_command(words: tuple[str, ...]) -> int:
    """A program, with ssl replaced by tlsocket: SCRIPT ARG... or -m MODULE ARG..."""
    from tlsocket.cli.run import run_program  # imports the library

    return run_program(words)


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
