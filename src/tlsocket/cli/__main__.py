"""Entry point of the `tlsocket` command, importable without the extra `cli`: it says how to install it.

The commands themselves are in the modules beside this one; `run` needs no extra and is started from here.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

__all__ = ["main"]

INSTALL = "the tlsocket command needs click and rich: python -m pip install 'tlsocket[cli]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 refused, 2 usage, 3 input, output or network."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["run"]:
        from tlsocket.cli.run import run_program

        return run_program(words[1:])
    if importlib.util.find_spec("click") is None or importlib.util.find_spec("rich") is None:
        print(INSTALL, file=sys.stderr)
        return 2
    from tlsocket.cli.root import run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
