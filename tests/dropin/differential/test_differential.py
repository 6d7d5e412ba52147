"""Random scripts of calls have the same results with ours as with `ssl`, but for the differences that are listed."""

from __future__ import annotations

import re
import ssl
from collections import Counter
from pathlib import Path

import pytest

import tlsocket
from tests.dropin.differential.compare import differential, same, smallest
from tests.dropin.differential.differences import DIFFERENCES
from tests.dropin.differential.ends import Outcome
from tests.dropin.differential.play import play
from tests.dropin.differential.scripts import Script, Setup, Step, generate, shrink
from tests.dropin.differential.world import World

PAGE = Path(__file__).resolve().parents[3] / "src/tlsocket/manual/differences.md"
CHUNK = 100
SHORT, ALL = 20, 34
"""Chunks of scripts: every run plays 2,000, `--suite all` 3,400; `python -m tests.dropin.differential` any number."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("differential"))


def compare_chunk(chunk: int, world: World) -> None:
    seen: Counter[str] = Counter()
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        found = differential(generate(seed), world, seen)
        if found is not None:
            pytest.fail(f"seed {seed}, {smallest(found, world)}", pytrace=False)


@pytest.mark.parametrize("chunk", range(SHORT))
def test_random_scripts(chunk: int, world: World) -> None:
    compare_chunk(chunk, world)


@pytest.mark.long
@pytest.mark.parametrize("chunk", range(SHORT, ALL))
def test_more_random_scripts(chunk: int, world: World) -> None:
    compare_chunk(chunk, world)


def test_a_difference_is_found_and_its_script_shrunk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(
        0,
        Setup(alpn=(("h2",), ("h2",))),
        (Step("client", "shake"), Step("client", "ask", ("pending",)), Step("server", "send", ("send", 5)),
         Step("client", "read", ("recv", 5)), Step("server", "ask", ("version",))),
    )  # fmt: skip
    assert differential(script, world) is None
    from tlsocket import SSLSocket

    original = SSLSocket.recv
    monkeypatch.setattr(SSLSocket, "recv", lambda self, *arguments: original(self, *arguments).upper() + b"x")
    found = differential(script, world)
    assert found is not None
    assert found.got is not None
    assert found.got.value == b"00000x"
    small = smallest(found, world).script
    assert [step.call for step in small.steps] == ["shake", "send", "read"]
    assert small.setup == Setup()


def test_a_read_that_nothing_will_end_is_not_made(world: World) -> None:
    # shutdown('x') is refused after `ssl` dropped its TLS: the peer hears of neither.
    read = Step("client", "read", ("recv", 5))
    steps = (Step("client", "shake"), Step("server", "mistake", ("shutdown('x')",)), read)
    for pair in ((ssl, ssl), (tlsocket, tlsocket)):
        outcomes = play(Script(0, Setup(kind="blocking"), steps), *pair, world)
        assert [each.error for each in outcomes] == ["", "", "TypeError", ""]
        assert outcomes[-1].value == "not made"
        outcomes = play(Script(0, Setup(kind="blocking"), (*steps, Step("server", "end"), read)), *pair, world)
        assert outcomes[-1].value != "not made"


def test_a_script_finds_nothing_of_the_one_before(world: World) -> None:
    # An alert that unwrap() of `ssl` met and did not report stays in OpenSSL's queue of the thread.
    leaves = (Step("server", "inject", ("record",)), Step("client", "read", ("recv", 2)), Step("server", "unwrap"))
    setup = Setup(kind="timeout", listen=True, versions=("any", "1.2"))
    shake = Step("client", "shake")
    play(Script(0, setup, (shake, *leaves)), ssl, ssl, world)
    outcomes = play(Script(0, setup, (shake, Step("client", "read", ("recv", 17)))), ssl, ssl, world)
    assert outcomes[-1].error == "TimeoutError"


def test_scripts_are_made_by_their_seed_and_shrink() -> None:
    assert generate(5) == generate(5)
    assert len({generate(seed) for seed in range(50)}) == 50
    script = next(generate(seed) for seed in range(100) if len(generate(seed).steps) > 5)
    assert not shrink(script, lambda smaller: True).steps


def test_what_is_compared() -> None:
    value = Outcome("client", "recv", b"x")
    assert same(value, value)
    assert not same(value, Outcome("client", "recv", b"y"))
    error = Outcome("client", "recv", None, "SSLError", (1, "X"), "[SSL: X] x (_ssl.c:1)")
    assert same(error, Outcome("client", "recv", None, "SSLError", (1, "X"), "[SSL: X] x: particulars (tlsocket)"))
    assert not same(error, Outcome("client", "recv", None, "SSLError", (1, "Y"), "[SSL: X] x"))
    assert not same(error, Outcome("client", "recv", None, "SSLError", (1, "X"), "[SSL: X] something else"))
    assert not same(error, Outcome("client", "recv", None, "OSError", (1, "X"), "[SSL: X] x"))


def test_the_manual_names_every_difference_and_no_other() -> None:
    told = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(set(told)) == sorted({each.name for each in DIFFERENCES})
    assert len(told) == len(set(told))
    assert all(each.reason for each in DIFFERENCES)
