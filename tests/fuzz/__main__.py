"""Run targets under atheris: `python -m tests.fuzz --seconds 20 message client_hello`, or `--all`.

Each runs in a process of its own over a copy of its corpus, which `--grown` keeps, so that short runs add up to a long
one; what breaks a property is written as `crash-...` to the folder named by `--findings`, and the exit status is 1.
atheris comes with the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent


def fuzz(name: str, arguments: list[str]) -> None:
    """In the child: hand the process over to libFuzzer."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["tlsocket"]):
        targets = importlib.import_module("tests.fuzz.targets")
    target = targets.TARGETS[name]
    atheris.Setup([sys.argv[0], *arguments], target)
    atheris.Fuzz()


def run(name: str, seconds: int, findings: Path, grown: Path | None) -> bool:
    """One target for so many seconds; whether its property held. What reaches further is kept in `grown`."""
    with tempfile.TemporaryDirectory(prefix="tlsocket-fuzz-") as temporary:
        corpus = (grown or Path(temporary)) / name
        shutil.copytree(HERE / "corpus" / name, corpus, dirs_exist_ok=True)
        findings.mkdir(parents=True, exist_ok=True)
        options = [str(corpus), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=4096"]
        options += [f"-artifact_prefix={findings}/{name}-", "-verbosity=1", "-print_final_stats=1"]
        command = [sys.executable, "-m", "tests.fuzz", "--child", name, "--", *options]
        done = subprocess.run(
            command, cwd=HERE.parents[1], stderr=subprocess.PIPE, text=True, errors="replace", timeout=seconds + 120,
            check=False,
        )  # fmt: skip
    units = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    print(f"{name}: {'passed' if done.returncode == 0 else 'FAILED'}, {units[0] if units else '?'} inputs", flush=True)
    if done.returncode:
        print(done.stderr[-6000:], file=sys.stderr)
    return done.returncode == 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="names; see README.md")
    parser.add_argument("--all", action="store_true", help="every target")
    parser.add_argument("--seconds", type=int, default=20, help="for each")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="where crashing inputs go")
    parser.add_argument("--grown", type=Path, help="keep the grown corpora in this folder, and go on from there")
    parser.add_argument("--child", metavar="TARGET", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        fuzz(arguments.child, arguments.targets)
        return 0
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is missing: pip install -c constraints.txt -e .[fuzz]")
    names = sorted(path.name for path in (HERE / "corpus").iterdir()) if arguments.all else arguments.targets
    findings = arguments.findings.resolve()
    grown = arguments.grown.resolve() if arguments.grown else None
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda name: run(name, arguments.seconds, findings, grown), names))
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
