"""Play the modules: `python -m tests.conformance.cpython [MODULE ...] [--only TEST] [--show] [--results]`.

Exit status 0: every test passed that is not listed in `listed.toml`. The interpreter that runs this is the one whose
tests are played; it needs its `test` package (on Debian, `libpython3-testsuite`) and tlsocket's compiled part.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import sys
from pathlib import Path

from tests.conformance.cpython.runner import MODULES, ROOT, Run, play, play_again
from tests.conformance.cpython.verdicts import judge, listed, page

PAGE = ROOT / "src/tlsocket/manual/results/cpython.md"


def available() -> bool:
    """Whether the interpreter has its tests."""
    return importlib.util.find_spec("test.test_ssl") is not None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.cpython", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", help="modules of the `test` package; without any, all of the list")
    parser.add_argument("--only", action="append", default=[], help="a test, as name, Class.name, or all of its id")
    parser.add_argument(
        "--with", dest="replacement", choices=("tlsocket", "ssl", "copy"), default="tlsocket",
        help="what to play with: tlsocket, for comparison the interpreter's ssl, or a copy of that under another name",
    )  # fmt: skip
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that a test may take")
    parser.add_argument("--show", action="store_true", help="show tracebacks")
    parser.add_argument("--json", type=Path, help="write every outcome there")
    parser.add_argument("--results", action="store_true", help="write the manual's page of results")
    options = parser.parse_args()
    if not available():
        print("this Python has no test.test_ssl: on Debian, install libpython3-testsuite", file=sys.stderr)
        return 2
    reasons = listed() if options.replacement == "tlsocket" else {}
    runs: list[Run] = []
    verdicts = []
    for module in options.modules or MODULES:
        run = play(module, replacement=options.replacement, limit=options.limit, only=options.only)
        play_again(run, judge(run, reasons).failed.keys() & run.tests, replacement=options.replacement)
        verdict = judge(run, reasons)
        runs.append(run)
        verdicts.append(verdict)
        counts = f"{len(verdict.passed)} passed, {len(verdict.failed)} failed, {len(verdict.listed)} listed"
        print(f"{module}: {counts}, {len(verdict.skipped)} skipped", flush=True)
        for test, why in verdict.failed.items():
            text = run.tests[test].text if options.show and test in run.tests else why
            print(f"  {test}: {text}", flush=True)
        for test in run.second:
            print(f"  {test}: passed the second time", flush=True)
        for test in verdict.outdated:
            print(f"  {test}: passes, and is listed", flush=True)
    if options.json:
        outcomes = {run.module: {test: vars(outcome) for test, outcome in run.tests.items()} for run in runs}
        options.json.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")
    if options.results:
        from tests.support.results import sources  # which needs pytest, as playing does not

        before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        today = datetime.date.today().isoformat()
        PAGE.write_text(page(verdicts, date=today, sources=sources(), before=before), encoding="utf-8")
    return 0 if all(verdict.clean for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
