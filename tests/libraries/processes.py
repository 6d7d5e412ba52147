"""Servers of other people in processes of their own, and what each of their clients is asked to show."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dropin.support import TIMEOUT
from tests.libraries.ends import Ends, is_refused_certificate


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def process(
    words: list[str], port: int, log: Path, *, seconds: float = TIMEOUT, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is waited for until it listens, and ended."""
    with log.open("wb") as output:
        child = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
        try:
            deadline = time.monotonic() + seconds
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert child.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.05)
            yield child
        finally:
            child.terminate()
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def cases(ends: Ends, act: Callable[[Any], None]) -> None:
    """With a certificate of ours; without one; and trusting nobody."""
    act(ends.client(certificate=True))
    with pytest.raises(Exception) as caught:
        act(ends.client())
    assert not isinstance(caught.value, AssertionError | TimeoutError), repr(caught.value)
    with pytest.raises(Exception) as caught:
        act(ends.client(trusting=False, certificate=True))
    assert is_refused_certificate(caught.value), repr(caught.value)
    act(ends.client(certificate=True))
