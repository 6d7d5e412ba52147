"""Bulk: one stream over loopback TCP between two processes, by the receiver's clock, with both ends' processor time."""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from benchmarks.support import certificates, contexts


def run(library: str, total: int = 1 << 30, write: int = 1 << 20, read: int = 1 << 17) -> dict[str, float]:
    """Move `total` bytes with `sendall` of `write` bytes and `recv_into` of `read`; "tcp" leaves TLS away."""
    total -= total % write
    certificates()  # before the fork: both ends must know the same authority
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready, report = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(ready)
                os.write(report, json.dumps(_send(library, listener.getsockname(), total, write)).encode())
            finally:
                os._exit(0)
        os.close(report)
        connection, _ = listener.accept()
        connection.settimeout(120)
        result = _receive(library, connection, total, read)
        with os.fdopen(ready) as pipe:
            sender = json.load(pipe)
        os.waitpid(child, 0)
    return {
        "GB/s": total / result["seconds"] / 1e9,
        "CPU s/GB": (result["cpu"] + sender["cpu"]) / total * 1e9,
    }


def _send(library: str, address: Any, total: int, write: int) -> dict[str, float]:
    end: Any = socket.create_connection(address, timeout=120)
    if library != "tcp":
        end = contexts(library)[1].wrap_socket(end, server_hostname="localhost")
    end.settimeout(None)
    data = bytes(write)
    started = time.process_time()
    for _ in range(total // write):
        end.sendall(data)
    cpu = time.process_time() - started
    end.recv(1)
    end.close()
    return {"cpu": cpu}


def _receive(library: str, end: Any, total: int, read: int) -> dict[str, float]:
    if library != "tcp":
        end = contexts(library)[0].wrap_socket(end, server_side=True)
    end.settimeout(None)
    buffer = bytearray(read)
    received = end.recv_into(buffer)
    started, cpu = time.perf_counter(), time.process_time()
    while received < total:
        count = end.recv_into(buffer)
        if not count:
            raise RuntimeError(f"the stream ended after {received} of {total} bytes")
        received += count
    result = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    end.sendall(b"!")
    end.close()
    return result
