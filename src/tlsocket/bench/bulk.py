"""Measures one stream over loopback between two processes, with tlsocket, with `ssl`, and with plain TCP.

Two child processes, `python -m tlsocket.bench.bulk`, are the receiver and the sender; the parent only listens to what
they report. Each knows one library only, since two in one process compete for the caches. All use the same suite. What
the figures are compared with, and the tables, are the callers' business.
"""

from __future__ import annotations

import json
import os
import socket
import ssl as standard_library
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlsocket.bench import setting

__all__ = ["LIBRARIES", "SUITE", "BulkResult", "measure", "run"]

LIBRARIES = ("tlsocket", "ssl", "plain")
SUITE = "TLS_AES_128_GCM_SHA256"
CHUNK = 1 << 20
RECEIVE = 1 << 18
REPORT = 1 << 25
DEADLINE = 120.0
"""Seconds for any single wait."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What one transfer took."""

    library: str
    suite: str
    size: int
    seconds: float
    """On the receiver's clock, from its first bytes to its last."""
    cpu_seconds: float
    """Both processes together, the handshake left out."""

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.size / self.seconds


def measure(
    library: str,
    size: int,
    *,
    chunk: int = CHUNK,
    suite: str = SUITE,
    progress: Callable[[int], object] | None = None,
) -> BulkResult:
    """Send `size` bytes, rounded down to whole chunks, in writes of `chunk`; `progress` hears how much has arrived."""
    from tlsocket.pki.authority import Authority

    size -= size % chunk
    with tempfile.TemporaryDirectory(prefix="tlsocket-speed-") as folder:
        authority = Authority.create("tlsocket speed")
        certificate, key = authority.issue("localhost").write(folder)
        job = {
            "library": library,
            "size": size,
            "chunk": chunk,
            "suite": suite,
            "certificate": certificate,
            "key": key,
            "authority": authority.write(Path(folder) / "authority.pem"),
        }
        with _child("receive", job, folder) as receiver:
            job["port"] = _answer(receiver)["port"]
            with _child("send", job, folder) as sender:
                while (answer := _answer(receiver)).get("received") is not None:
                    if progress is not None:
                        progress(answer["received"])
                sent = _answer(sender)
    if answer["size"] != size:
        raise OSError(f"{library}: {answer['size']} of {size} bytes arrived")
    return BulkResult(library, answer["suite"], size, answer["seconds"], answer["cpu"] + sent["cpu"])


def run(library: str, total: int = 1 << 30, write: int = 1 << 20) -> dict[str, float]:
    """The same as a scenario: `library` is "tlsocket", "stdlib" or "tcp", and the suite that of all scenarios."""
    name = {"stdlib": "ssl", "tcp": "plain"}.get(library, library)
    result = measure(name, total, chunk=write, suite=setting.SUITE)
    return {"GB/s": result.rate / 1e9, "CPU s/GB": result.cpu_seconds / result.size * 1e9}


@contextmanager
def _child(role: str, job: dict[str, Any], folder: str) -> Iterator[subprocess.Popen[str]]:
    environment = dict(os.environ)
    if job["library"] == "ssl":
        # `ssl` before Python 3.15 cannot choose suites of TLS 1.3 itself; OpenSSL's configuration can.
        configuration = Path(folder) / "openssl.cnf"
        configuration.write_text(
            "openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = suites\n"
            f"[suites]\nCiphersuites = {job['suite']}\n"
        )
        environment["OPENSSL_CONF"] = str(configuration)
    process = subprocess.Popen(
        [sys.executable, "-m", "tlsocket.bench.bulk", role, json.dumps(job)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise OSError(f"the measuring process ended early, with status {process.wait(10)}")
    answer: dict[str, Any] = json.loads(line)
    return answer


# In the child processes


def _say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


def _context(job: dict[str, Any], server: bool) -> Any:
    """A context of the library under test; None for plain TCP."""
    library: Any
    if job["library"] == "plain":
        return None
    if job["library"] == "ssl":
        library = standard_library
    else:
        from tlsocket import dropin

        library = dropin
    if server:
        context = library.SSLContext(library.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(job["certificate"], job["key"])
    else:
        context = library.create_default_context(cafile=job["authority"])
    if hasattr(context, "set_ciphersuites"):
        context.set_ciphersuites(job["suite"])
    return context


def _receive(job: dict[str, Any]) -> None:
    context = _context(job, server=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _say(port=listener.getsockname()[1])
        listener.settimeout(DEADLINE)
        plain, _ = listener.accept()
    plain.settimeout(DEADLINE)
    connection: Any = plain if context is None else context.wrap_socket(plain, server_side=True)
    with connection:
        buffer = bytearray(RECEIVE)
        # The first bytes start the clock: the sender may still have been getting ready before.
        total = first = connection.recv_into(buffer)
        reported = 0
        started, cpu = time.perf_counter(), time.process_time()
        while got := connection.recv_into(buffer):
            total += got
            if total - reported >= REPORT:
                reported = total
                _say(received=total)
        seconds = time.perf_counter() - started
        spent = time.process_time() - cpu
        suite = connection.cipher()[0] if context is not None else "none"
        if context is not None:
            connection.unwrap().close()
    _say(seconds=seconds * total / max(1, total - first), cpu=spent, size=total, suite=suite)


def _send(job: dict[str, Any]) -> None:
    context = _context(job, server=False)
    plain = socket.create_connection(("127.0.0.1", job["port"]), timeout=DEADLINE)
    connection: Any = plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
    with connection:
        block = bytes(job["chunk"])
        cpu = time.process_time()
        for _ in range(job["size"] // job["chunk"]):
            connection.sendall(block)
        if context is None:
            connection.shutdown(socket.SHUT_WR)
        else:
            connection.unwrap().close()
        cpu = time.process_time() - cpu
    _say(cpu=cpu)


if __name__ == "__main__":
    {"send": _send, "receive": _receive}[sys.argv[1]](json.loads(sys.argv[2]))
