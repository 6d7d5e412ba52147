"""Play many scripts: `python -m tests.dropin.differential --scripts 100000 --seed 1`.

Prints each mismatch with its seed and the smallest script that shows it; the exit status is 1 if there was one.
`--show SEED` prints a script and what every pair of modules makes of it.
"""

from __future__ import annotations

import argparse
import ssl
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.dropin.differential.compare import PAIRS, differential, smallest
from tests.dropin.differential.play import play
from tests.dropin.differential.scripts import generate
from tests.dropin.differential.world import World


def show(seed: int, world: World) -> None:
    """A script, and the outcomes of every pair."""
    script = generate(seed)
    print(script)
    for name, pair in {"ssl and ssl": (ssl, ssl), **PAIRS}.items():
        print(f"{name}:")
        for outcome in play(script, *pair, world):
            print(f"  {outcome}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.dropin.differential", description=__doc__)
    parser.add_argument("--scripts", type=int, default=2000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first one's; the others count up")
    parser.add_argument("--seconds", type=float, help="stop after so many")
    parser.add_argument("--stop-after", type=int, default=10, help="mismatches")
    parser.add_argument("--show", type=int, metavar="SEED", help="print one and what comes of it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tlsocket-differential-") as folder:
        world = World(Path(folder))
        if arguments.show is not None:
            show(arguments.show, world)
            return 0
        start, seen, found = time.monotonic(), Counter[str](), 0
        done, slowest = 0, (0.0, 0)
        for seed in range(arguments.seed, arguments.seed + arguments.scripts):
            began = time.monotonic()
            mismatch = differential(generate(seed), world, seen)
            done, slowest = done + 1, max(slowest, (time.monotonic() - began, seed))
            if mismatch is not None:
                found += 1
                print(smallest(mismatch, world), flush=True)
            elapsed = time.monotonic() - start
            if found >= arguments.stop_after or (arguments.seconds and elapsed > arguments.seconds):
                break
        print(f"{done} scripts from seed {arguments.seed}, {found} mismatches, {elapsed:.0f} s wall, "
              f"{time.process_time():.0f} s processor, Python {sys.version.split()[0]}")  # fmt: skip
        print(f"the longest took {slowest[0]:.1f} s: seed {slowest[1]}")
        for name, count in seen.most_common():
            print(f"{count:8}  {name}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
