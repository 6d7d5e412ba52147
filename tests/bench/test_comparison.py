"""The comparison: musts, medians and losses are computed right, and every scenario runs."""

from __future__ import annotations

import pytest

from tlsocket.bench import comparison
from tlsocket.bench.comparison import WORKS, Figure, Measured, Work, compare, machine, selected

SMALL = {
    "bulk": {"total": 4 << 20},
    "round_trips": {"count": 20},
    "handshakes": {"count": 5},
    "resumption": {"count": 5},
    "memory": {"count": 20},
    "threads": {"count": 5},
    "credentials": {},
    "churn": {"seconds": 0.1},
    "idle": {"count": 20},
    "trust": {},
    "start": {"count": 1},
    "streams": {"total": 4 << 20, "count": 20},
}


def test_a_must_is_reached_from_the_right_side() -> None:
    faster, smaller = Figure("GB/s", 1.5, True), Figure("us", 0.5)
    assert faster.reached(1.5)
    assert not faster.reached(1.49)
    assert faster.ahead(1.01)
    assert not faster.ahead(0.99)
    assert smaller.reached(0.5)
    assert not smaller.reached(0.51)
    assert smaller.ahead(0.99)
    assert not smaller.ahead(1.01)


def test_a_must_may_depend_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure("GB/s", 1.6, True, 1.2)
    for has, must in ((True, 1.6), (False, 1.2)):
        monkeypatch.setattr(comparison, "_has_avx512", lambda has=has: has)
        assert figure.threshold() == must


def test_medians_ratios_and_spread() -> None:
    figure = Figure("us", 0.5)
    result = Measured(Work("x", "x", "x", (figure,)))
    assert result.ratio(figure) is None
    for value in (100.0, 90.0, 130.0):
        result.add("ssl", {"us": value})
    for value in (50.0, 40.0, 45.0):
        result.add("tlsocket", {"us": value})
    result.add("somebody", {"us": 1.0})
    assert result.ratio(figure) == 0.45
    assert result.spread(figure, "ssl") == 0.2
    assert result.spread(figure, "nobody") == 0
    assert result.rivals() == ["somebody"]


def test_works_are_chosen_by_their_keys() -> None:
    assert [work.key for work in selected(["memory", "bulk"])] == ["memory", "bulk"]
    assert selected([]) is WORKS
    with pytest.raises(KeyError):
        selected(["nothing"])


def test_every_version_is_named() -> None:
    assert {"processor", "python", "tlsocket", "cryptography", "ssl", "suite"} <= machine().keys()


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.key)
def test_every_scenario_gives_its_figures_for_both(work: Work) -> None:
    heard: list[str] = []
    (result,) = compare([work], rounds=1, options=SMALL, progress=lambda done, planned, what: heard.append(what))
    for figure in work.figures:
        assert result.ratio(figure) is not None
    assert len(heard) >= 2


def test_a_scenario_that_fails_is_an_error_of_its_own() -> None:
    with pytest.raises(OSError, match="measuring ssl failed"):
        compare([Work("x", "x", "nothing", ())], rounds=1)


def test_a_comparison_ends_in_time_with_each_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "SECONDS", 0.0)
    monkeypatch.setattr(comparison, "_process", lambda *arguments: {"us client": 1.0, "us server": 1.0})
    (result,) = compare(selected(["mutual"]), rounds=9)
    assert result.values["us client"] == {"ssl": [1.0], "tlsocket": [1.0]}


@pytest.mark.parametrize(("module", "rival"), [("OpenSSL", "pyOpenSSL"), ("rtls", "rtls")])
def test_a_rival_takes_part_in_handshakes_where_it_is_installed(module: str, rival: str) -> None:
    pytest.importorskip(module)
    (result,) = compare(selected(["handshake"]), rounds=1, options=SMALL)
    assert not result.errors
    assert rival in result.rivals()
