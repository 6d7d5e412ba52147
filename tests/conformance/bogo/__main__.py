"""Run the suite: `python -m tests.conformance.bogo --runner PROGRAM --folder FOLDER`.

The runner is not ours to ship or to build here; the README says how to come by it. A run has three parts: the runner
lists its tests with the flags of each (nothing is played), the rules of `scope.toml` decide which are ours, and the
runner plays those against the fork server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.bogo import relay
from tests.conformance.bogo.report import Report
from tests.conformance.bogo.scope import Rule, Scope, shim_config

ROOT = Path(__file__).resolve().parents[3]

_SAID = re.compile(r"^FAILED \(([^\n]*)\)\n(.*?)(?=^(?:PASSED|FAILED|UNIMPLEMENTED) \(|\Z)", re.MULTILINE | re.DOTALL)


@contextlib.contextmanager
def fork_server(folder: Path, *, record: Path | None = None) -> Iterator[dict[str, str]]:
    """A fork server that lives as long as the block; yields the environment for the runner."""
    path = folder / ("record.sock" if record else "shim.sock")
    command = [sys.executable, "-m", "tests.conformance.bogo.forkserver", str(path)]
    command += ["--record", str(record)] if record else []
    server = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 30
        while not path.exists() and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if not path.exists():
            raise SystemExit("the fork server did not start")
        yield {**os.environ, relay.SOCKET_VARIABLE: str(path)}
    finally:
        server.kill()
        server.wait(10)


def listed(arguments: argparse.Namespace, folder: Path, program: Path) -> dict[str, list[str]]:
    """Every test of the suite, in its order, with the flags that the runner gives to its shim."""
    lines = folder / "flags.jsonl"
    command = [str(arguments.runner), "-shim-path", str(program), "-num-workers", "1", "-allow-unimplemented", "-pipe"]
    with fork_server(folder, record=lines) as environment:
        done = subprocess.run(
            command, cwd=arguments.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    names = re.findall(r"^UNIMPLEMENTED \((.*)\)$", done.stdout, flags=re.MULTILINE)
    flags = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()] if lines.exists() else []
    if not names or len(names) != len(flags):
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-2000:])
        raise SystemExit(f"the runner listed {len(names)} tests, and {len(flags)} were started")
    return dict(zip(names, flags, strict=True))


def play(
    arguments: argparse.Namespace, folder: Path, program: Path, left_out: dict[str, Rule]
) -> tuple[dict[str, str], dict[str, str]]:
    """Play what is in scope; returns each test's outcome and what was said of each that failed."""
    config, results = folder / "config.json", folder / "results.json"
    config.write_text(json.dumps(shim_config(left_out)), encoding="utf-8")
    command = [str(arguments.runner), "-shim-path", str(program), "-shim-config", str(config), "-pipe"]
    command += ["-num-workers", str(arguments.workers), "-json-output", str(results), "-allow-unimplemented"]
    if arguments.tests:
        command += ["-test", arguments.tests]
    with fork_server(folder) as environment:
        done = subprocess.run(
            command,
            cwd=arguments.folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=arguments.timeout,
            check=False,
        )
    if not results.exists():
        sys.stderr.write(done.stdout[-2000:])
        raise SystemExit("the runner wrote no results")
    tests = json.loads(results.read_text(encoding="utf-8"))["tests"]
    return {name: entry["actual"] for name, entry in tests.items()}, dict(_SAID.findall(done.stdout))


def main() -> int:
    """The command line; the exit status is 0 when nothing in scope failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.bogo", description=__doc__)
    given = {name: os.environ.get(f"TLSOCKET_BOGO_{name}") for name in ("RUNNER", "FOLDER")}
    parser.add_argument("--runner", type=Path, default=given["RUNNER"], help="compiled runner (TLSOCKET_BOGO_RUNNER)")
    parser.add_argument(
        "--folder", type=Path, default=given["FOLDER"], help="the runner's sources, for its keys (TLSOCKET_BOGO_FOLDER)"
    )
    parser.add_argument("--version-of-suite", default="unknown", help="the suite's commit and date, for the page")
    parser.add_argument("--tests", help="only these: patterns with ; between them")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=3000.0, help="seconds for the whole")
    parser.add_argument("--list", action="store_true", help="say which tests are in scope, and play none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write outcomes and reasons")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page of the manual")
    arguments = parser.parse_args()
    if not arguments.runner or not arguments.folder:
        parser.error("name the runner and its folder; the README says how to come by them")
    arguments.runner = arguments.runner.resolve()
    scope = Scope.load()
    with tempfile.TemporaryDirectory(prefix="tlsocket-bogo-") as temporary:
        folder = Path(temporary)
        program = relay.build(folder)
        tests = listed(arguments, folder, program)
        left_out = {name: rule for name, flags in tests.items() if (rule := scope.left_out(name, flags)) is not None}
        if arguments.list:
            for name, rule in left_out.items():
                print(f"{name}: {rule.reason}")
            for name in tests:
                if name not in left_out:
                    print(f"{name}: in scope")
            return 0
        outcomes, said = play(arguments, folder, program, left_out)
    report = Report(arguments.version_of_suite, list(tests), left_out, outcomes, said)
    if arguments.json:
        arguments.json.write_text(report.json(), encoding="utf-8")
    if arguments.page:
        arguments.page.write_text(report.page(), encoding="utf-8")
    print(report.summary())
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
