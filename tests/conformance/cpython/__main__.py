"""`python -m tests.conformance.cpython [MODULE ...] [--only TEST] [--with ssl|copy] [--results] [--show]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.conformance.cpython.runner import MODULES, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.cpython", description=__doc__)
    parser.add_argument("modules", nargs="*", help="modules of the `test` package; without any, all of the list")
    parser.add_argument("--only", action="append", default=[], help="a test, as name, Class.name, or all of its id")
    parser.add_argument("--with", dest="replacement", choices=("tlsocket", "ssl", "copy"), default="tlsocket")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that a test may take")
    parser.add_argument("--show", action="store_true", help="show tracebacks")
    parser.add_argument("--json", type=Path, help="write every outcome there")
    options = parser.parse_args()
    everything = {}
    for module in options.modules or MODULES:
        run = play(module, replacement=options.replacement, limit=options.limit, only=options.only)
        everything[module] = {test: vars(outcome) for test, outcome in run.tests.items()}
        print(module, {o: run.count(o) for o in ("pass", "fail", "error", "timeout", "crash", "skip")}, run.complete, flush=True)
        for test, outcome in run.tests.items():
            if outcome.outcome not in ("pass", "skip"):
                last = outcome.text.strip().splitlines()[-1:] or [""]
                print(f"  {outcome.outcome:7} {test}: {outcome.text if options.show else last[0][:150]}")
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
