"""Processes that are killed, or denied the disk, at a chosen system call, with `strace -e inject`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest

__all__ = ["Outcome", "Victims"]

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Outcome:
    """What a process told before it ended."""

    result: bytes | None = None
    """What it handed out, if it came so far."""
    refused: str = ""
    closed: bool = False
    status: int = 0
    """Negative: the signal that killed it."""
    trace: list[str] = field(default_factory=list)

    @property
    def killed(self) -> bool:
        return self.status == -9


class Victims:
    """Starts them one after the other."""

    def __init__(self, strace: str, folder: Path) -> None:
        self._strace = strace
        self._trace_file = folder / "trace"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pki.authority.victim_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    @classmethod
    def start(cls, peer: Callable[[str], str], folder: Path) -> Victims:
        """Skips, or in CI fails, where strace is missing or may not trace."""
        strace = peer("strace")
        probe = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, timeout=30, check=False)
        if probe.returncode != 0:
            message = f"strace may not trace here: {probe.stderr.decode()}"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        return cls(strace, folder)

    def __enter__(self) -> Victims:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=40)
        finally:
            self._process.kill()
            self._process.stdout.close()

    def run(self, task: dict[str, str], *, calls: str = "all", inject: str | None = None) -> Outcome:
        """One process: `inject` is what befalls it in one of `calls`, such as `signal=SIGKILL:when=3`."""
        outcome = Outcome()
        self._write(json.dumps(task).encode() + b"\n")
        word, process = self._line()
        assert word == "ready", word
        options = ["-e", f"trace={calls}"] if inject is None else ["-e", f"inject={calls}:{inject}"]
        with subprocess.Popen(
            [self._strace, "-f", "-y", "-s", "8", "-o", str(self._trace_file), *options, "-p", process],
            stderr=subprocess.PIPE,
            text=True,
        ) as tracer:
            assert tracer.stderr is not None
            # "strace: Process 123 attached": only what comes after it is counted.
            attached = tracer.stderr.readline()
            self._write(b"!")
            while word != "end":
                word, detail = self._line()
                if word == "result":
                    outcome.result = bytes.fromhex(detail.zfill(len(detail) + len(detail) % 2))
                elif word == "refused":
                    outcome.refused = detail
                elif word == "closed":
                    outcome.closed = True
            outcome.status = int(detail)
            tracer.communicate(timeout=30)
        assert "attached" in attached, attached
        outcome.trace = self._trace_file.read_text(errors="replace").splitlines()
        return outcome

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def _line(self) -> tuple[str, str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        assert line.endswith("\n"), f"the victims' program ended: {line!r}"
        word, _, detail = line.strip().partition(" ")
        return word, detail
