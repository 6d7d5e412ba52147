"""Runs each scenario with both libraries in turn (A B A B ...) and prints the medians and their ratios.

A benchmark and its standard library twin are one scenario with two names. What pytest-benchmark itself times is a whole
process; the figures that count are those that the scenario measured inside, kept in `extra_info`.
"""

from __future__ import annotations

import json
import os
import platform
import ssl
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cryptography
import pytest
from cryptography.hazmat.backends.openssl import backend

from benchmarks.support import certificates
from tlsocket.bench.comparison import worker_environment

ROOT = Path(__file__).resolve().parent.parent
HIGHER_IS_BETTER = {"GB/s", "per second", "times one thread"}
ROUNDS = 5

_figures: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

Measure = Callable[..., dict[str, float]]


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """Measure one scenario with one library in a fresh process; small when benchmarks are disabled (CI)."""
    small = _disabled(request.config)

    def run(
        title: str, scenario: str, library: str, *, small_options: dict[str, Any], **options: Any
    ) -> dict[str, float]:
        certificates()
        chosen = options | small_options if small else options
        command = [sys.executable, "-m", "benchmarks.worker", scenario, library, json.dumps(chosen)]

        def process() -> dict[str, float]:
            done = subprocess.run(
                command, cwd=ROOT, env=worker_environment(), capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode != 0:
                pytest.fail(done.stderr)
            figures: dict[str, float] = json.loads(done.stdout)
            return figures

        figures: dict[str, float] = benchmark.pedantic(process, rounds=1, iterations=1)
        benchmark.extra_info.update(figures)
        for figure, value in figures.items():
            _figures[(title, figure)][library].append(value)
        return figures

    return run


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of ratios, in Markdown, so that it can stand in the README as it is."""
    if _disabled(config) or not _figures:
        return
    write = terminalreporter.write_line
    write("")
    write(
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}; `ssl` on {ssl.OPENSSL_VERSION};"
    )
    write(
        f"cryptography {cryptography.__version__} on {backend.openssl_version_text()};"
        f" median of {ROUNDS} alternating runs"
    )
    write("")
    write("| work | figure | `ssl` | tlsocket | ratio |")
    write("| --- | --- | --- | --- | --- |")
    for (title, figure), libraries in _figures.items():
        theirs, ours = (statistics.median(libraries[name]) for name in ("stdlib", "tlsocket"))
        better = "x as fast" if figure in HIGHER_IS_BETTER else "x"
        write(f"| {title} | {figure} | {theirs:.4g} | {ours:.4g} | {ours / theirs:.2f}{better} |")


def _disabled(config: pytest.Config) -> bool:
    # `pyproject.toml` disables benchmarks; `make bench` enables them again.
    return bool(config.getoption("--benchmark-disable")) and not config.getoption("--benchmark-enable")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            wide = " with AVX-512" if "avx512f" in Path("/proc/cpuinfo").read_text() else ""
            return line.partition(":")[2].strip() + wide
    return platform.processor()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One turn is enough to see that a benchmark runs."""
    if _disabled(config):
        later = [
            item for item in items if "benchmarks" in item.nodeid and "[" in item.nodeid and "0-" not in item.nodeid
        ]
        items[:] = [item for item in items if item not in later]
        config.hook.pytest_deselected(items=later)
