"""Which work is compared, by which figures, with which rivals, and what must be reached; and the running in turn.

The musts are those of the project's goals: ratios to `ssl` on the same machine, in the same run. Not here: words and
tables for people (`tlsocket.cli.bench`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from tlsocket._version import __version__
from tlsocket.bench.pyopenssl import CONFIGURATION
from tlsocket.bench.setting import SUITE, certificates
from tlsocket.crypto.library import openssl_version_text

__all__ = ["WORKS", "Figure", "Measured", "Work", "compare", "machine", "rivals", "selected", "worker_environment"]

SECONDS = 110.0
"""How long a comparison may take unless it is a full one."""
PROCESS_SECONDS = 300.0

OURS, THEIRS = "tlsocket", "ssl"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a scenario, and the ratio to that of `ssl` that must be reached."""

    name: str
    must: float
    more_is_better: bool = False
    must_without_avx512: float | None = None

    def threshold(self) -> float:
        """The must on this machine."""
        if self.must_without_avx512 is not None and not _has_avx512():
            return self.must_without_avx512
        return self.must

    def reached(self, ratio: float) -> bool:
        """Whether a ratio of ours to theirs is good enough."""
        return ratio >= self.threshold() if self.more_is_better else ratio <= self.threshold()

    def ahead(self, ratio: float) -> bool:
        """Whether ours is better than theirs."""
        return ratio >= 1 if self.more_is_better else ratio <= 1


@dataclass(frozen=True, slots=True)
class Work:
    """One row of the comparison."""

    key: str
    title: str
    scenario: str
    figures: tuple[Figure, ...]
    options: dict[str, Any] = field(default_factory=dict)
    full: dict[str, Any] = field(default_factory=dict)
    """Options that change when there is time."""
    loops: bool = False
    """Whether the rivals that are event loops take part."""
    objects: bool = False
    """Whether the rivals with the interface of `ssl` take part."""


def _lower(name: str, must: float) -> Figure:
    return Figure(name, must)


WORKS = (
    Work("bulk", "bulk, writes of 1 MiB", "bulk", (Figure("GB/s", 1.6, True, 1.2),),
         {"total": 512 << 20}, {"total": 2 << 30}),
    Work("bulk64", "bulk, writes of 64 KiB", "bulk", (Figure("GB/s", 1.3, True, 1.15),),
         {"total": 256 << 20, "write": 1 << 16}, {"total": 1 << 30}),
    Work("round64", "round trip of 64 B, over TCP's", "round_trips", (_lower("us added", 0.6),), {"count": 1000},
         {"count": 3000}),
    Work("round1k", "round trip of 1 KiB, over TCP's", "round_trips", (_lower("us added", 0.6),),
         {"size": 1024, "count": 1000}, {"count": 3000}),
    Work("round8k", "round trip of 8 KiB, over TCP's", "round_trips", (_lower("us added", 0.6),),
         {"size": 8192, "count": 1000}, {"count": 3000}),
    Work("handshake", "full handshake", "handshakes", (_lower("us client", 0.70), _lower("us server", 0.85)),
         {"count": 300}, {"count": 1000}, objects=True),
    Work("mutual", "handshake with client certificate", "handshakes",
         (_lower("us client", 0.55), _lower("us server", 0.45)), {"count": 200, "mutual": True}, {"count": 1000}),
    Work("hybrid", "full handshake, our default groups", "handshakes",
         (_lower("us client", 1.0), _lower("us server", 1.0)), {"count": 300, "default_groups": True}, {"count": 1000}),
    Work("resume", "resumed handshake", "resumption", (_lower("us client", 0.55), _lower("us server", 0.85)),
         {"count": 300}, {"count": 1000}),
    Work("threads2", "two threads shaking hands", "threads", (Figure("per second", 1.0, True),), {"count": 200},
         {"count": 1000}),
    Work("threads4", "four threads shaking hands", "threads", (Figure("per second", 1.0, True),),
         {"count": 100, "threads": 4}, {"count": 500}),
    Work("memory", "idle connection", "memory", (_lower("bytes client", 0.5), _lower("bytes server", 0.5)),
         {"count": 500}, {"count": 2000}),
    Work("churn", "new asyncio connections, one by one", "churn", (Figure("per second", 1.3, True),), {"seconds": 2},
         {"seconds": 20}),
    Work("idle", "idle asyncio connection, over TCP's", "idle", (_lower("kB over TCP", 0.5),), {"count": 300},
         {"count": 2000}),
    Work("rsa", "certificate and RSA-2048 key", "credentials", (_lower("ms first", 1.0),)),
    Work("trust", "context with the platform's roots", "trust", (_lower("ms first", 0.2),)),
    Work("start", "first handshake of a process", "start", (_lower("ms import", 5.0), _lower("ms context", 5.0),
         _lower("ms handshake", 5.0)), {"count": 5}, {"count": 15}),
    Work("aiobulk", "asyncio, bulk", "streams", (Figure("GB/s", 1.5, True),), {"total": 512 << 20},
         {"total": 2 << 30}, loops=True),
    Work("aioecho", "asyncio, echo of 64 B", "streams", (_lower("CPU us", 0.8),), {"work": "echo", "count": 10000},
         {"count": 50000}, loops=True),
)  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What the runs of one work gave: figure name to library to values."""

    work: Work
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, library: str, figures: dict[str, float]) -> None:
        """The figures of one run."""
        for name, value in figures.items():
            self.values.setdefault(name, {}).setdefault(library, []).append(value)

    def median(self, figure: Figure, library: str) -> float | None:
        """The median of a library's runs; None when it has none."""
        values = self.values.get(figure.name, {}).get(library)
        return statistics.median(values) if values else None

    def spread(self, figure: Figure, library: str) -> float:
        """Half of what lies between the best and the worst run, as a part of the median."""
        values = self.values.get(figure.name, {}).get(library, [])
        middle = statistics.median(values) if values else 0
        return (max(values) - min(values)) / 2 / middle if middle else 0.0

    def ratio(self, figure: Figure, library: str = OURS) -> float | None:
        """A library's figure over that of `ssl`."""
        ours, theirs = self.median(figure, library), self.median(figure, THEIRS)
        return ours / theirs if ours is not None and theirs else None

    def rivals(self) -> list[str]:
        """Who else took part."""
        names = {library for libraries in self.values.values() for library in libraries}
        return sorted(names - {OURS, THEIRS})


def rivals(work: Work) -> tuple[str, ...]:
    """Who takes part besides the two, of what is installed."""
    names: list[str] = []
    if work.loops:
        names += [name for name in ("aiofastnet", "uvloop") if _installed(name)]
        names += ["tlsocket on uvloop"] if _installed("uvloop") else []
    if work.objects:
        names += [name for name, module in (("pyOpenSSL", "OpenSSL"), ("rtls", "rtls")) if _installed(module)]
    return tuple(names)


def selected(keys: Sequence[str]) -> tuple[Work, ...]:
    """The works with these keys, or all. Raises KeyError for an unknown key."""
    known = {work.key: work for work in WORKS}
    return tuple(known[key] for key in keys) if keys else WORKS


def compare(
    works: Sequence[Work],
    *,
    full: bool = False,
    rounds: int | None = None,
    options: dict[str, Any] | None = None,
    progress: Callable[[int, int, str], object] | None = None,
) -> list[Measured]:
    """Run each work with each library in turn, again and again; unless `full`, for two minutes at most.

    `progress` hears (runs done, runs planned, what runs now). `options` change those of every work that knows them.
    """
    rounds = rounds or (7 if full else 3)
    measured = {work.key: Measured(work) for work in works}
    runs = [(work, library) for work in works for library in (THEIRS, OURS, *rivals(work))]
    end = None if full else time.monotonic() + SECONDS
    certificates()
    for done, (work, library) in enumerate(run for _ in range(rounds) for run in runs):
        if progress is not None:
            progress(done, rounds * len(runs), f"{work.title}: {library}")
        if done >= len(runs) and end is not None and time.monotonic() > end:
            break
        result = measured[work.key]
        if library in result.errors:
            continue
        chosen = work.options | (work.full if full else {}) | (options or {}).get(work.scenario, {})
        try:
            result.add(library, _process(work.scenario, library, chosen))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            if library in (OURS, THEIRS):
                raise
            result.errors[library] = str(error)
    return list(measured.values())


def worker_environment() -> dict[str, str]:
    """That of this process, but that bytecode may be written: else a scenario that imports would time the compiler."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def machine() -> dict[str, str]:
    """The machine and all versions that the figures depend on."""
    found = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "tlsocket": __version__,
        "cryptography": f"{metadata.version('cryptography')} on {openssl_version_text()}",
        "ssl": ssl.OPENSSL_VERSION,
        "suite": SUITE,
    }
    for name in ("uvloop", "aiofastnet", "rtls", "pyOpenSSL"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def _process(scenario: str, library: str, options: dict[str, Any]) -> dict[str, float]:
    name, chosen = library, dict(options)
    if library == THEIRS:
        name = "stdlib"
    elif library in ("uvloop", "aiofastnet"):
        name, chosen["loop"] = "stdlib", library
    elif library == "tlsocket on uvloop":
        name, chosen["loop"] = "tlsocket", "uvloop"
    environment = worker_environment()
    if library == "pyOpenSSL":
        configuration = Path(certificates()["root"]).with_name("openssl.cnf")
        configuration.write_text(CONFIGURATION, encoding="ascii")
        environment["OPENSSL_CONF"] = str(configuration)
    command = [sys.executable, "-m", "tlsocket.bench.worker", scenario, name, json.dumps(chosen)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PROCESS_SECONDS, check=False
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise OSError(f"measuring {library} failed ({scenario}): {last[0]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _cpuinfo() -> Iterator[str]:
    try:
        yield from Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return


def _has_avx512() -> bool:
    return any("avx512f" in line for line in _cpuinfo())


def _processor() -> str:
    names = (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name"))
    return next(names, platform.processor()) + (" with AVX-512" if _has_avx512() else "")
