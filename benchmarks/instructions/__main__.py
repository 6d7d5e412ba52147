"""`python -m benchmarks.instructions`: compares this tree with a commit, and fails if a record costs more.

The commit is built beside this tree, with the same tools. Where neither the extension's sources nor how they are built
have changed, there is nothing to compare, and that is said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.instructions.counting import Counts, compare, count

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("_ext", "setup.py", "constraints.txt")
SECONDS = 300.0


def main() -> int:
    """0: nothing costs more, or nothing has changed; 1: something does; 2: it could not be found out."""
    parser = argparse.ArgumentParser(prog="benchmarks.instructions", description=__doc__)
    parser.add_argument("--base", metavar="COMMIT", default="HEAD^", help="what to compare with (default: %(default)s)")
    parser.add_argument("--tolerance", metavar="PERCENT", type=float, default=5.0, help="default: %(default)s")
    parser.add_argument("--always", action="store_true", help="also where nothing has changed")
    options = parser.parse_args()
    changed = _git("diff", "--quiet", options.base, "--", *SOURCES).returncode
    if changed > 1:
        print(f"{options.base} is not here: nothing to compare with", file=sys.stderr)
        return 2
    if not changed and not options.always:
        print(f"the record layer is that of {options.base}")
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is missing; on Debian: apt-get install valgrind", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="tlsocket-instructions-") as folder:
        before, after = Path(folder, "before"), Path(folder, "after")
        _build_commit(options.base, before)
        _build_here(after)
        counts = [count(tree) for tree in (before, after)]
    return _report(counts[0], counts[1], options.tolerance)


def _report(before: Counts, after: Counts, tolerance: float) -> int:
    print("instructions of tlsocket._record for one record, before and after")
    worse = compare(before, after, tolerance)
    for key, figure in after.items():
        mark = "  costs more" if key in worse else ""
        print(f"  {key[0]:5} {key[1]:6} bytes  {before[key]:9.1f} {figure:9.1f}  {figure / before[key]:.3f}x{mark}")
    return 1 if worse else 0


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, timeout=SECONDS, check=False)


def _build_commit(commit: str, tree: Path) -> None:
    tree.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, timeout=SECONDS, check=True)
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, timeout=SECONDS, check=True)
    _build(tree)


def _build_here(tree: Path) -> None:
    tree.mkdir()
    for name in ("_ext", "src"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    _build(tree)


def _build(tree: Path) -> None:
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    # Warnings are `make`'s business, not a figure's.
    environment = {**os.environ, "TLSOCKET_STRICT_BUILD": "0"}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise SystemExit(f"{tree.name} does not build:\n{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
