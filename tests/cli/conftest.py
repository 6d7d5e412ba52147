"""The command as a process of its own, with certificates in a folder, and servers that say when they are ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tlsocket.pki.authority import Authority, Purpose

SECONDS = 30.0
COMMAND = [sys.executable, "-m", "tlsocket"]


@dataclass(frozen=True)
class Certificates:
    """Files: an authority, a server's chain and key, a client's chain and key, and a stranger's authority."""

    folder: Path
    authority: str
    server: str
    server_key: str
    client: str
    client_key: str
    stranger: str


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once; nothing writes to the folder."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority.create("cli authority")
    server, server_key = authority.issue(["localhost", "127.0.0.1"]).write(folder, "server")
    client, client_key = authority.issue("someone@localhost", purpose=Purpose.CLIENT).write(folder, "client")
    return Certificates(
        folder,
        authority.write(folder / "authority.pem"),
        server,
        server_key,
        client,
        client_key,
        Authority.create("stranger").write(folder / "stranger.pem"),
    )


@dataclass
class Served:
    """A running `tlsocket serve`."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str]

    def stop(self, number: int = signal.SIGINT) -> str:
        """Interrupt it, and return what it said since it was ready."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=SECONDS)
        return output


@pytest.fixture
def tlsocket() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the command to its end."""

    def run(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, timeout=SECONDS * 2, cwd=cwd)

    return run


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start `tlsocket serve` on a free port; every server is ended after the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, cwd: Path = tmp_path) -> Served:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=os.environ,
        )
        running.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        assert lines[0].startswith("serving "), lines[0] + process.communicate(timeout=SECONDS)[0]
        port = int(lines[0].partition(";")[0].rpartition(":")[2])
        if not {"--cert", "--entry"} & set(arguments):
            lines.append(process.stdout.readline())
        return Served(process, port, lines)

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        if process.stdout is not None:
            process.stdout.close()
