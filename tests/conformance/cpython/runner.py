"""Plays the modules in child processes, with a time limit per test, and collects one outcome per test.

A test that exceeds its limit ends the process it runs in; the rest of the module goes on in a new one. Not here: what
the outcomes mean (`verdicts`).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODULES = (
    "test_ssl",
    "test_asyncio.test_sslproto",
    "test_asyncio.test_ssl",
    "test_asyncio.test_streams",
    "test_asyncio.test_events",
    "test_asyncio.test_sendfile",
    "test_httplib",
    "test_urllib2_localnet",
    "test_ftplib",
    "test_poplib",
    "test_imaplib",
    "test_smtplib",
    "test_logging",
    "test_xmlrpc",
)
START_UP = 60.0
"""Seconds to import a module, which is no test's time."""
RESTARTS = 40


@dataclass(frozen=True)
class Outcome:
    """How a test ended: `pass`, `fail`, `error`, `skip`, `timeout` or `crash`; with the traceback or the reason."""

    outcome: str
    text: str = ""


@dataclass
class Run:
    """All tests of one module."""

    module: str
    tests: dict[str, Outcome] = field(default_factory=dict)
    complete: bool = False
    """Whether the child said that there are no more."""
    second: dict[str, Outcome] = field(default_factory=dict)
    """Tests that passed when they were played again, by themselves, and how they ended the first time."""

    def count(self, *outcomes: str) -> int:
        """How many tests ended so."""
        return sum(each.outcome in outcomes for each in self.tests.values())


def play(module: str, *, replacement: str = "tlsocket", limit: float = 60.0, only: Iterable[str] = ()) -> Run:
    """Play one module, in as many processes as it takes."""
    run = Run(module)
    with tempfile.TemporaryDirectory(prefix="cpython-tests-") as folder:
        for _ in range(RESTARTS):
            if _play_rest(run, replacement, limit, list(only), folder):
                run.complete = True
                break
    return run


def play_again(run: Run, tests: Iterable[str], *, replacement: str = "tlsocket", limit: float = 60.0) -> None:
    """Play failed tests once more: some depend on who is faster, and the page tells which passed the second time only.

    A client that leaves with session tickets unread resets the connection. Our server's `recv` says so, where `ssl`
    of Python 3.11 and 3.12 reads b"", and then the server of test_ssl stops for good, before the next client comes.
    """
    failed = [test for test in tests if run.tests[test].outcome in ("fail", "error")]
    if not failed:
        return
    once_more = play(run.module, replacement=replacement, limit=limit, only=failed)
    for test in failed:
        outcome = once_more.tests.get(test)
        if outcome is not None and outcome.outcome == "pass":
            run.second[test] = run.tests[test]
            run.tests[test] = outcome


def _play_rest(run: Run, replacement: str, limit: float, only: list[str], folder: str) -> bool:
    """Go on with the module in a new process; False when that ended before the module did."""
    reading, writing = os.pipe()
    order = {"module": run.module, "with": replacement, "output": writing, "done": list(run.tests), "only": only}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    with open(os.path.join(folder, "stderr"), "w+b") as errors:
        command = [sys.executable, "-m", "tests.conformance.cpython.child", json.dumps(order)]
        child = subprocess.Popen(
            command, cwd=folder, env=environment, pass_fds=[writing], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        )  # fmt: skip
        os.close(writing)
        try:
            under_way, how, finished = _follow(run, reading, limit)
            if how == "timeout":
                child.send_signal(signal.SIGABRT)  # faulthandler writes where each thread is
                _wait(child, 5.0)
            elif not finished:
                _wait(child, 5.0)
        finally:
            os.close(reading)
            _end(child)
        if under_way is not None:
            errors.seek(0, os.SEEK_END)
            errors.seek(max(0, errors.tell() - 4000))
            run.tests[under_way] = Outcome(how, errors.read().decode(errors="replace"))
        elif not finished and not run.tests:
            errors.seek(0)
            run.tests[f"test.{run.module}"] = Outcome("error", errors.read()[-4000:].decode(errors="replace"))
            return True
    return finished


def _follow(run: Run, reading: int, limit: float) -> tuple[str | None, str, bool]:
    """Collect events; returns the test that was under way at the end, how it ended, and if that was the last."""
    under_way: str | None = None
    deadline = time.monotonic() + START_UP
    buffered = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return under_way, "timeout", False
        data = os.read(reading, 65536)
        if not data:
            return under_way, "crash", False
        *lines, buffered = (buffered + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            # Between tests a class or the module is set up, which is no test's time.
            deadline = time.monotonic() + (limit if event["event"] == "start" else START_UP)
            if event["event"] == "start":
                under_way = event["test"]
            elif event["event"] == "end":
                under_way = None
                run.tests[event["test"]] = Outcome(event["outcome"], event["text"])
            elif event["event"] == "finished":
                return None, "", True


def _wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and what it started: they have a session of their own."""
    _wait(child, 2.0)
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
