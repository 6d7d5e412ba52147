"""A pytest plugin that writes versions and results of a run as a Markdown page of the manual (`--write-results`).

Only counting and writing; which tests run is `tests/conftest.py`'s business.
"""

from __future__ import annotations

import datetime
import hashlib
import platform
import shutil
import ssl
import subprocess
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest

__all__ = ["ResultsWriter"]

PEER_VERSIONS = (
    ("openssl", "version"),
    ("gnutls-cli", "--version"),
    ("curl", "--version"),
    ("nginx", "-v"),
    ("nghttp", "--version"),
)


class ResultsWriter:
    """Counts outcomes per folder of tests and writes them when the session ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: dict[str, Counter[str]] = {}
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: by its call, or by the set-up or tear-down that kept it from being one."""
        if report.when != "call" and report.outcome == "passed":
            return
        parts = Path(report.nodeid.partition("::")[0]).parts
        folder = parts[1] if len(parts) > 2 else parts[0]
        self.counts.setdefault(folder, Counter())[report.outcome] += 1
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            self.reasons[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.page(), encoding="utf-8")

    def page(self) -> str:
        """The page's text."""
        lines = [
            "# Results of `make check-all`",
            "",
            f"Written by the run itself on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}; do not edit by hand.",
            "",
            "| what | version |",
            "| --- | --- |",
            *(f"| {name} | {version} |" for name, version in versions().items()),
            "",
            "| tests | passed | failed | skipped |",
            "| --- | ---: | ---: | ---: |",
        ]
        for folder, counts in sorted(self.counts.items()):
            lines.append(f"| {folder} | {counts['passed']} | {counts['failed']} | {counts['skipped']} |")
        total = sum(self.counts.values(), Counter())
        lines.append(f"| all | {total['passed']} | {total['failed']} | {total['skipped']} |")
        if self.reasons:
            lines += ["", "Left out, with the reason:", ""]
            lines += [f"* {count}: {reason}" for reason, count in self.reasons.most_common()]
        return "\n".join(lines) + "\n"


def sources() -> str:
    """What ran: a digest of the library's sources, since a page cannot name the commit that brings it."""
    digest = hashlib.sha256()
    for path in sorted([*Path("_ext").rglob("*.p*"), *Path("src").rglob("*.py")]):
        digest.update(path.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of everything that took part."""
    found = {
        "tlsocket": f"{metadata.version('tlsocket')}, sources {sources()}",
        "Python": platform.python_version(),
        "cryptography": metadata.version("cryptography"),
        "OpenSSL of the standard library": ssl.OPENSSL_VERSION,
        "system": f"{platform.system()} {platform.machine()}",
    }
    for program, argument in PEER_VERSIONS:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if path is None:
            found[program] = "missing"
            continue
        done = subprocess.run([path, argument], capture_output=True, text=True, timeout=20, check=False)
        found[program] = (done.stdout + done.stderr).strip().splitlines()[0]
    return found
