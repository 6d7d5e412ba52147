"""Ours and `ssl` exchange random data in both directions at once, in pieces of random size, with equal digests.

Blocking, where we have a thread for each direction, and non-blocking with `selectors`; both roles; each suite. 32 MB
each way, and 1 GB in the tests marked long. `ssl` runs in a process of its own.
"""

from __future__ import annotations

import functools
import itertools
import json
import ssl

import pytest

from tests.interop.cells import DEFAULT, SUITES, Cell, Suite
from tests.interop.exchange import Digests, exchange
from tests.interop.face import Face, Listener
from tests.interop.materials import Materials
from tests.interop.programs import free_port
from tests.interop.servers import stdlib_peer

SHORT = 32 * 1000**2
LONG = 1000**3
LONG_WAIT = 500.0

COMBINATIONS = [
    pytest.param(role, ours, theirs, id=f"{role}-{ours}-{theirs}")
    for role, ours, theirs in itertools.product(("client", "server"), ("threads", "selectors"), ("turns", "selectors"))
]


def check(
    face: Face, materials: Materials, role: str, ours: str, theirs: str, suite: Suite, total: int, timeout: float
) -> None:
    if face.module is ssl and ours == "threads":
        ours = "turns"  # two threads may not share a connection of OpenSSL
    cell = Cell(DEFAULT.key, suite, DEFAULT.group)
    files = materials.servers[cell.key]
    arguments = ["exchange", "--mode", theirs, "--seed", "7", "--total", str(total)]
    if role == "client":
        port = free_port()
        arguments += ["--server", "--port", str(port), "--cert", files.certificate, "--key", files.key]
        with stdlib_peer(materials, cell, arguments) as program:
            with face.connect(face.client_context(materials), port, program) as sock:
                digests = exchange(sock, ours, seed=70, total=total, close_first=True)
            assert program.finish() == 0, program.describe()
    else:
        handler = functools.partial(exchange, mode=ours, seed=70, total=total, close_first=False)
        with Listener(face.server_context(files), handler, timeout=timeout) as listener:
            arguments += ["--port", str(listener.port), "--authority", materials.authority]
            with stdlib_peer(materials, cell, arguments) as program:
                digests = listener.result()
                assert program.finish() == 0, program.describe()
    of_peer = Digests(**json.loads(bytes(program.output)))
    assert digests.sent == of_peer.received
    assert digests.received == of_peer.sent


@pytest.mark.parametrize(("role", "ours", "theirs"), COMBINATIONS)
def test_exchange(face: Face, materials: Materials, role: str, ours: str, theirs: str) -> None:
    check(face, materials, role, ours, theirs, DEFAULT.suite, SHORT, 60.0)


@pytest.mark.parametrize("suite", SUITES[1:], ids=lambda suite: suite.gnutls)
@pytest.mark.parametrize(("role", "ours", "theirs"), [COMBINATIONS[0], COMBINATIONS[-1]])
def test_exchange_with_suite(face: Face, materials: Materials, role: str, ours: str, theirs: str, suite: Suite) -> None:
    check(face, materials, role, ours, theirs, suite, SHORT, 60.0)


@pytest.mark.long
@pytest.mark.timeout(LONG_WAIT)
@pytest.mark.parametrize(("role", "ours", "theirs"), COMBINATIONS)
def test_exchange_of_a_gigabyte(face: Face, materials: Materials, role: str, ours: str, theirs: str) -> None:
    check(face, materials, role, ours, theirs, DEFAULT.suite, LONG, LONG_WAIT)


@pytest.mark.long
@pytest.mark.timeout(LONG_WAIT)
@pytest.mark.parametrize("suite", SUITES[1:], ids=lambda suite: suite.gnutls)
@pytest.mark.parametrize(("role", "ours", "theirs"), [COMBINATIONS[0], COMBINATIONS[-1]])
def test_exchange_of_a_gigabyte_with_suite(
    face: Face, materials: Materials, role: str, ours: str, theirs: str, suite: Suite
) -> None:
    check(face, materials, role, ours, theirs, suite, LONG, LONG_WAIT)
