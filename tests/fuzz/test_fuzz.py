"""Each target over its corpus, over damaged copies of it, and for a while under a fuzzer where one is installed."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.lenient import lenient
from tests.fuzz.targets import (
    BROKEN,
    FOR_CHANGE_CIPHER_SPEC,
    TARGETS,
    client_configs,
    server_configs,
    split,
    tls12_configs,
)
from tests.handshake.support import NAME, Link
from tlsocket.config import ClientConfig
from tlsocket.connection import Connection
from tlsocket.crypto import signatures
from tlsocket.errors import PeerMisbehaved
from tlsocket.handshake import authentication
from tlsocket.handshake.tickets import TicketKeys

HERE = Path(__file__).resolve().parent
SECONDS = 20
DAMAGED = 60
"""Damaged copies of each entry; always the same ones."""

each_target = pytest.mark.parametrize("name", sorted(TARGETS))


def entries(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((HERE / "corpus" / name).iterdir())]


def damaged(data: bytes, seed: str) -> Iterator[bytes]:
    """`data` with bytes changed, left out, repeated and cut off."""
    rng = random.Random(seed)
    for _ in range(DAMAGED):
        copy = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(copy) + 1)
            size = rng.choice((1, 1, 2, 4, 40))
            how = rng.randrange(5)
            if how == 0 and at < len(copy):
                copy[at] ^= 1 << rng.randrange(8)
            elif how == 1:
                del copy[at : at + size]
            elif how == 2:
                copy[at:at] = copy[at : at + size]
            elif how == 3:
                copy[at : at + size] = rng.randbytes(size)
            else:
                del copy[at:]
        yield bytes(copy)


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    assert {path.name for path in (HERE / "corpus").iterdir()} == set(TARGETS)
    assert all(entries(name) for name in TARGETS)


def test_readme_names_every_target() -> None:
    text = (HERE / "README.md").read_text(encoding="utf-8")
    assert not [name for name in TARGETS if f"`{name}`" not in text]


@each_target
def test_corpus(name: str) -> None:
    for data in entries(name):
        TARGETS[name](data)
    TARGETS[name](b"")


@each_target
def test_damaged_corpus(name: str) -> None:
    for number, data in enumerate(entries(name)):
        for copy in damaged(data, f"{name} {number}"):
            TARGETS[name](copy)


@pytest.mark.parametrize("name", ["server_flight", "client_flight"])
def test_lenient_mode_gets_to_the_end(name: str) -> None:
    """Otherwise the lenient targets would be no deeper than the strict ones."""
    connected = 0
    for data in entries(f"{name}_lenient"):
        config = client_configs()[data[0] % 2] if name == "server_flight" else server_configs()[data[0] % 3]
        with lenient():
            conn = Connection(config)
            conn.start()
            try:
                for part in split(data[1:]):
                    conn.on_handshake_message(part)
                connected += conn.handshake_complete
            except PeerMisbehaved:
                pass  # a cookie or share of another connection
    assert connected


def test_corpus_of_tls12_gets_to_the_end() -> None:
    """Every entry connects whom it is for: the messages of whole handshakes, with and without certificates."""
    for data in entries("tls12_lenient"):
        config = tls12_configs()[data[0]]
        with lenient():
            conn = Connection(config, server_name=NAME if isinstance(config, ClientConfig) else None)
            conn.start()
            for part in split(data[1:]):
                if part[0] == FOR_CHANGE_CIPHER_SPEC:
                    conn.on_change_cipher_spec()
                else:
                    conn.on_handshake_message(part)
        assert conn.handshake_complete


def test_corpora_of_sessions_and_tickets_get_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ticket is resumed once its seal is taken for right, and each session is offered."""
    made: list[Connection] = []
    create = Connection.__init__

    def keep(self: Connection, *arguments: Any, **options: Any) -> None:
        create(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(Connection, "__init__", keep)
    for data in entries("ticket_lenient"):
        TARGETS["ticket_lenient"](data)
        assert made[-1].negotiated is not None
        assert made[-1].negotiated.resumed
    redeemed = TicketKeys.redeem
    asked: list[bytes] = []

    def redeem(self: TicketKeys, ticket: bytes) -> bytes | None:
        asked.append(ticket)
        return redeemed(self, ticket)

    monkeypatch.setattr(TicketKeys, "redeem", redeem)
    for data in entries("session"):
        TARGETS["session"](data)
    assert len(asked) == len(entries("session"))


def test_lenient_mode_ends() -> None:
    verify, verify_tls12, module = signatures.verify, signatures.verify_tls12, vars(authentication)
    same = module["equal"]
    with lenient():
        assert module["equal"](b"a", b"b")
    assert (signatures.verify, signatures.verify_tls12) == (verify, verify_tls12)
    assert module["equal"] is same
    Link().connect()


def test_a_broken_property_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from tlsocket import messages

    def careless(_: bytes) -> None:
        raise IndexError("out of range")

    monkeypatch.setattr(messages, "parse", careless)
    with pytest.raises(IndexError):
        TARGETS["message"](b"\x14\0\0\0")

    def misplaced(_: bytes) -> None:
        from tlsocket.errors import InternalError

        raise InternalError()

    monkeypatch.setattr(messages, "parse", misplaced)
    with pytest.raises(BROKEN):
        TARGETS["message"](b"\x14\0\0\0")


@pytest.mark.long
@pytest.mark.timeout(600)
@each_target
def test_under_a_fuzzer(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install -c constraints.txt -e .[fuzz]")
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(SECONDS), "--findings", str(tmp_path), name]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
