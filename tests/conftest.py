"""What all tests share: which of them run, the vectors of others, and the programs we did not write.

Helpers that a single folder needs do not belong here; what several folders import lives in `tests/support/`.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.results import ResultsWriter

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = {
    "openssl": "openssl",
    "gnutls-cli": "gnutls-bin",
    "gnutls-serv": "gnutls-bin",
    "certtool": "gnutls-bin",
    "ocsptool": "gnutls-bin",
    "strace": "strace",
    "keytool": "default-jre-headless",
    "curl": "curl",
    "nginx": "nginx-light",
    "nghttp": "nghttp2-client",
    "stdbuf": "coreutils",
    "go": "golang-go",
    "node": "nodejs",
    "java": "default-jdk-headless",
    "redis-server": "redis-server",
    "mariadbd": "mariadb-server-core",
    "rabbitmq-server": "rabbitmq-server",
}
"""Program to the Debian package that holds it; .ci/run installs them all."""

SAMPLE_STEP = 24
"""`--suite sample` takes the first and then every twenty-fourth case of each long test: fixed, so CI is repeatable.
None of a test marked `long(sample=False)`: every run has a smaller case of the same test."""

LONG_TIMEOUT = 600
"""Seconds for a long test that says nothing else: on a machine shared with others it takes several times its usual."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--suite` and `--write-results`."""
    group = parser.getgroup("tlsocket")
    group.addoption(
        "--suite",
        choices=("short", "sample", "all"),
        default="short",
        help="of the tests marked long: none, a fixed sample, or all",
    )
    group.addoption("--write-results", metavar="FILE", help="write versions and results as a Markdown page")


def pytest_configure(config: pytest.Config) -> None:
    """Register the writer of results when it is asked for, and be interruptible."""
    # A shell makes what it runs in the background deaf to SIGINT, and deafness is inherited: by the servers that tests
    # start and interrupt. Their parent answers it, so that they begin with the default.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    path = config.getoption("--write-results")
    if path and not hasattr(config, "workerinput"):  # one process of several sees all reports
        config.pluginmanager.register(ResultsWriter(Path(str(path))), "tlsocket-results")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out long tests as `--suite` says: deselected, not skipped, so that a skip means something is missing."""
    for item in items:
        if item.get_closest_marker("long") is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONG_TIMEOUT))
    suite = config.getoption("--suite")
    if suite == "all":
        return
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    seen: dict[str, int] = {}
    for item in items:
        mark = item.get_closest_marker("long")
        if mark is None:
            kept.append(item)
            continue
        if not mark.kwargs.get("sample", True):
            left_out.append(item)
            continue
        function = item.nodeid.partition("[")[0]
        number = seen.get(function, 0)
        seen[function] = number + 1
        (kept if suite == "sample" and number % SAMPLE_STEP == 0 else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder with pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Data of other projects that is too large to commit: `TLSOCKET_VECTORS`, or `../shared/vectors`."""
    path = Path(os.environ.get("TLSOCKET_VECTORS") or ROOT.parent / "shared" / "vectors")
    if not path.is_dir():
        pytest.skip("no vectors of others here: set TLSOCKET_VECTORS to the folder that holds wycheproof/")
    return path


@pytest.fixture(scope="session")
def peer() -> Callable[[str], str]:
    """`peer("openssl")`: the program's path. A missing one fails in CI and is a skip naming its package elsewhere."""

    def find(program: str) -> str:
        found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if found is not None:
            return found
        message = f"{program} is missing; on Debian: apt-get install {PACKAGES.get(program, program)}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)

    return find
