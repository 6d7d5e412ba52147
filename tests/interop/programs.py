"""Runs a peer: a program whose output is collected while it runs, every wait on it bounded, ended whatever happens.

Nothing here knows TLS or any peer by name (see `servers` and `clients`).
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

__all__ = ["LOOPBACK", "WAIT", "Program", "dial", "free_port"]

LOOPBACK = "127.0.0.1"

WAIT = 20.0
"""Seconds that anything small may take on a busy machine; large transfers say their own."""


class Program:
    """A running program with its three standard streams; use it as a context manager.

    `output` and `errors` grow while it runs; with `output_to`, the output goes to that file instead. Waiting too long,
    or for what an ended program can no longer say, is an `AssertionError` that shows both.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        output_to: Path | None = None,
    ) -> None:
        self.arguments = list(arguments)
        self.output = bytearray()
        self.errors = bytearray()
        self._changed = threading.Condition()
        with contextlib.nullcontext(subprocess.PIPE) if output_to is None else output_to.open("wb") as output:
            self._process = subprocess.Popen(
                self.arguments,
                cwd=cwd,
                env=None if environment is None else {**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        self._collectors = [
            threading.Thread(target=self._collect, args=(stream, into), daemon=True)
            for stream, into in ((self._process.stdout, self.output), (self._process.stderr, self.errors))
            if stream is not None
        ]
        for collector in self._collectors:
            collector.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        if isinstance(error, (OSError, AssertionError)):
            error.add_note(self.describe())

    def _collect(self, stream: IO[bytes], into: bytearray) -> None:
        while chunk := os.read(stream.fileno(), 1 << 18):
            with self._changed:
                into += chunk
                self._changed.notify_all()

    def describe(self) -> str:
        """What ran and what it said, shortened."""
        text = f"$ {' '.join(self.arguments)} -> {self._process.poll()}"
        for name, said in (("output", self.output), ("errors", self.errors)):
            try:
                tail = bytes(said[-2000:]).decode("utf-8")
            except UnicodeDecodeError:
                tail = "(not text)"
            text += f"\n--- {name} ({len(said)} bytes)\n{tail}"
        return text

    @property
    def text(self) -> str:
        """All that it said so far, on both streams."""
        return bytes(self.output + b"\n" + self.errors).decode("utf-8", "replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def write(self, data: bytes) -> None:
        """Give it `data` on its standard input."""
        assert self._process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[os.write(self._process.stdin.fileno(), view) :]

    def close_input(self) -> None:
        """End its standard input."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait_for(self, pattern: bytes, *, times: int = 1, timeout: float = WAIT) -> None:
        """Wait until its output, or its errors, match `pattern` so many times."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                # Copies: a match that looks into a bytearray keeps it from growing.
                if any(len(re.findall(pattern, bytes(said))) >= times for said in (self.output, self.errors)):
                    return
                ended = not self.running and not any(collector.is_alive() for collector in self._collectors)
                if ended or time.monotonic() > deadline:
                    reason = "ended" if ended else f"{timeout} s passed"
                    raise AssertionError(f"{reason} without {pattern!r}\n{self.describe()}")
                self._changed.wait(0.05)

    def wait_for_output(self, size: int, *, timeout: float = WAIT) -> bytes:
        """Wait until its output is `size` bytes long at least, and return it."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while len(self.output) < size:
                ended = not any(collector.is_alive() for collector in self._collectors)
                assert not ended, f"ended after {len(self.output)} of {size} bytes\n{self.describe()}"
                assert time.monotonic() < deadline, f"{len(self.output)} of {size} bytes\n{self.describe()}"
                self._changed.wait(0.05)
            return bytes(self.output)

    def finish(self, *, timeout: float = WAIT) -> int:
        """Wait until it ends by itself; returns its exit status, with all output collected."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s\n{self.describe()}") from None
        for collector in self._collectors:
            collector.join(timeout)
        return status

    def kill(self) -> None:
        """End it now, without a word to its peer."""
        self._process.kill()
        self._process.wait(WAIT)
        for collector in self._collectors:
            collector.join(WAIT)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def free_port() -> int:
    """A port of loopback that nobody listens on, for programs that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def dial(port: int, server: Program, *, timeout: float = WAIT) -> socket.socket:
    """Connect to `server`, trying until it listens: no probing connection that it would have to serve."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            sock = socket.create_connection((LOOPBACK, port), timeout=timeout)
        except ConnectionRefusedError:
            assert server.running, f"ended before it listened\n{server.describe()}"
            assert time.monotonic() < deadline, f"does not listen\n{server.describe()}"
            time.sleep(0.01)
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
