"""Running the work under callgrind, and reading what callgrind writes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.instructions.work import SIZES, WORKS

__all__ = ["Counts", "compare", "count", "exclusive"]

Counts = dict[tuple[str, int], float]
"""Instructions for one record, by kind of work and size of the record."""

FEW, MANY = 10, 310
"""Records of the two runs whose difference counts: what starting costs is in both."""
SECONDS = 300.0


def count(tree: Path) -> Counts:
    """What a record costs with the extension that was built in `tree`."""
    return {
        (kind, size): (_run(tree, kind, size, MANY) - _run(tree, kind, size, FEW)) / (MANY - FEW)
        for kind in WORKS
        for size in SIZES
    }


def compare(before: Counts, after: Counts, tolerance: float) -> list[tuple[str, int]]:
    """What costs more than `tolerance` percent more than before."""
    return [key for key, figure in after.items() if figure > before[key] * (1 + tolerance / 100)]


def _run(tree: Path, kind: str, size: int, records: int) -> int:
    with tempfile.TemporaryDirectory(prefix="tlsocket-callgrind-") as folder:
        output = Path(folder) / "callgrind.out"
        command = [
            *("valgrind", "--tool=callgrind", f"--callgrind-out-file={output}"),
            *("--compress-strings=no", "--compress-pos=no"),
            *(sys.executable, str(Path(__file__).with_name("work.py")), kind, str(size), str(records)),
        ]
        # Hashes are the same in every run, so that dictionaries are.
        environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if done.returncode:
            raise SystemExit(f"{kind} in {tree.name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        with output.open() as lines:
            costs = exclusive(lines)
    ours = [cost for place, cost in costs.items() if Path(place).name.startswith("_record.")]
    if not ours:
        raise SystemExit("callgrind has seen nothing of tlsocket._record")
    return ours[0]


def exclusive(lines: Iterable[str]) -> Mapping[str, int]:
    """Instructions spent in each object file itself, by the file's name, of a callgrind profile with whole names."""
    costs: dict[str, int] = {}
    place, of_a_call = "", False
    for line in lines:
        if line.startswith("ob="):
            place = line[3:].rstrip("\n")
        elif line.startswith("calls="):
            # The line that follows has what the called function cost, all it called included.
            of_a_call = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not of_a_call:
                costs[place] = costs.get(place, 0) + int(line.split()[1])
            of_a_call = False
    return costs
