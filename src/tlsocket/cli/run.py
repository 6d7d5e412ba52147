"""`tlsocket run`: a program as it is, with `ssl` replaced by this library. The same as `python -m tlsocket run`.

It needs nothing beyond the standard library. What replacing means is `tlsocket.dropin.installation`'s matter.
"""

from __future__ import annotations

import argparse
import io
import os
import runpy
import sys
from collections.abc import Sequence
from types import ModuleType

import tlsocket

__all__ = ["run_program"]

USAGE = 2
UNREADABLE = 3

EXAMPLES = """Examples:
  tlsocket run -m http.server --help
  python -m tlsocket run script.py its arguments
"""


def run_program(words: Sequence[str]) -> int:
    """Run the program that `words` name: [--report] SCRIPT ARG... or [--report] -m MODULE ARG...

    Returns an exit status; a program that exits by itself raises SystemExit as it would otherwise.
    """
    parser = argparse.ArgumentParser(
        prog="tlsocket run",
        description="Run a Python program with the standard library's ssl replaced by tlsocket.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="tlsocket run [-h] [--report] (SCRIPT | -m MODULE) [ARG ...]",
    )
    parser.add_argument("--report", action="store_true", help="say on standard error what still uses ssl")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    options, rest, module = _split(parser, list(words))
    if module is None and not rest:
        parser.print_usage(sys.stderr)
        print("tlsocket run: error: a script, or -m and a module, is needed", file=sys.stderr)
        return USAGE
    report = tlsocket.install()
    if options.report:
        print(report, file=sys.stderr)
    return _run_script(rest[0], rest[1:]) if module is None else _run_module(module, rest)


def _split(parser: argparse.ArgumentParser, words: list[str]) -> tuple[argparse.Namespace, list[str], str | None]:
    """Our options, the program's words, and the module: whatever follows the program's name is the program's."""
    ours: list[str] = []
    while words and words[0].startswith("-") and words[0] not in ("-", "--"):
        if words[0].startswith("-m"):
            name = words.pop(0)[2:] or (words.pop(0) if words else "")
            if not name:
                parser.error("argument -m: expected one argument")
            return parser.parse_args(ours), words, name
        ours.append(words.pop(0))
    return parser.parse_args(ours), words[1:] if words[:1] == ["--"] else words, None


def _run_module(name: str, arguments: list[str]) -> int:
    sys.argv = [name, *arguments]  # runpy puts the module's path in the first place
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    runpy.run_module(name, run_name="__main__", alter_sys=True)
    return 0


def _run_script(script: str, arguments: list[str]) -> int:
    sys.argv = [script, *arguments]
    if os.path.isdir(script) or not os.path.exists(script) or _is_archive(script):
        if not os.path.exists(script):
            print(f"tlsocket run: {script}: no such file", file=sys.stderr)
            return UNREADABLE
        runpy.run_path(script, run_name="__main__")
        return 0
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    try:
        with io.open_code(os.path.abspath(script)) as file:
            source = file.read()
    except OSError as error:
        print(f"tlsocket run: {script}: {error.strerror}", file=sys.stderr)
        return UNREADABLE
    # A module of its own that stays, so that threads and exit handlers find it after the script's last line.
    module = ModuleType("__main__")
    module.__file__ = script
    vars(module)["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    exec(compile(source, script, "exec", dont_inherit=True), vars(module))
    return 0


def _is_archive(script: str) -> bool:
    import zipfile

    return zipfile.is_zipfile(script)
