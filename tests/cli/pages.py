"""Pages of the manual typed into a shell: each line of their `sh` blocks, one after another, in one folder.

`tlsocket serve` is started and left running until the shell is closed. A line that ends in `# refused: ...` has to
fail, every other has to succeed. Port 8443 of the pages is another one here, as tests run beside each other.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANUAL = ROOT / "src" / "tlsocket" / "manual"
SECONDS = 60.0


def blocks(page: str) -> list[list[str]]:
    """The lines of each `sh` block of a page."""
    text = (MANUAL / page).read_text(encoding="utf-8")
    found = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} shows no command"
    return [[line for line in block.splitlines() if line] for block in found]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Shell:
    """A person at a terminal in an empty folder, with a user's stores of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.here = folder / "here"
        programs = folder / "programs"
        for place in (self.here, programs, folder / "home"):
            place.mkdir(parents=True)
        shim = programs / "tlsocket"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m tlsocket "$@"\n')
        shim.chmod(0o755)
        self.port = free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TLSOCKET_", "SSL_CERT"))},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "XDG_DATA_HOME": str(folder / "data"),
            "HOME": str(folder / "home"),
            "COLUMNS": "200",
        }
        self.environment.pop("INVOCATION_ID", None)
        self.log = self.here.parent / "serve.log"
        self.servers: list[subprocess.Popen[bytes]] = []

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run one line as the page says; its result, after the check of its exit status."""
        command = line.replace(":8443", f":{self.port}")
        if line.startswith("tlsocket serve"):
            self._serve(command)
            return subprocess.CompletedProcess(command, 0, "", "")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.here,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        refused = "# refused" in line
        assert (done.returncode != 0) == refused, f"{line}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def _serve(self, command: str) -> None:
        with self.log.open("wb") as log:
            words = f"exec {command} --port {self.port}"
            server = subprocess.Popen(
                ["bash", "-c", words], cwd=self.here, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        self.servers.append(server)
        deadline = time.monotonic() + SECONDS
        while b"serving " not in self.log.read_bytes():
            assert server.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def close(self) -> None:
        """End the servers."""
        for server in self.servers:
            server.terminate()
            server.wait(SECONDS)
