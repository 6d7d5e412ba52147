"""`tlsocket bench` says what was measured, where it loses, and with --check by its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tlsocket.bench.comparison import Measured, Work, selected
from tlsocket.cli import bench as command
from tlsocket.cli.output import console
from tlsocket.cli.root import run


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What ours will have been measured as, where `ssl` has 100 of everything."""
    ours = {"us client": 60.0, "us server": 80.0}

    def compare(works: tuple[Work, ...], **options: Any) -> list[Measured]:
        options["progress"](0, 2, "something")
        results = [Measured(work) for work in works]
        for result in results:
            result.add("ssl", dict.fromkeys(ours, 100.0))
            result.add("tlsocket", ours)
            result.add("rtls", dict.fromkeys(ours, 50.0))
            result.errors["uvloop"] = "it is not there"
        return results

    monkeypatch.setattr(command, "compare", compare)
    return ours


def test_what_is_met_and_what_is_lost_is_said(capsys: pytest.CaptureFixture[str], figures: dict[str, float]) -> None:
    assert run(["bench", "--only", "handshake", "--check"]) == 0
    out = capsys.readouterr().out
    assert "0.60" in out
    assert "OpenSSL" in out
    assert "1.20 of rtls's" in out
    assert "of ssl's" not in out
    assert "uvloop did not take part" in out
    figures["us server"] = 120.0
    assert run(["bench", "--only", "handshake"]) == 0
    assert "full handshake (us server): 1.20 of ssl's" in capsys.readouterr().out
    assert run(["bench", "--only", "handshake", "--check"]) == 1


def test_json_has_every_run(capsys: pytest.CaptureFixture[str], figures: dict[str, float]) -> None:
    assert run(["bench", "--only", "handshake", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["kind"]) == ("tlsocket/1", "bench")
    assert [item["ratio"] for item in found["items"]] == [0.6, 0.8]
    assert all(item["reached"] for item in found["items"])
    assert found["items"][0]["runs"]["ssl"] == [100.0]


def test_a_picture_is_drawn(capsys: pytest.CaptureFixture[str], figures: dict[str, float], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, begin in (("p.png", b"\x89PNG"), ("p.svg", b"<?xml")):
        assert run(["bench", "--only", "handshake", "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begin)


def test_wrong_use_is_told_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["bench", "--only", "nonsense"]) == 2
    assert "there is no 'nonsense'" in capsys.readouterr().err
    assert run(["bench", "--plot", "p.gif"]) == 2
    assert ".svg or .png" in capsys.readouterr().err

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("tlsocket.cli.bench.importlib.import_module", missing)
    assert run(["bench", "--plot", "p.svg"]) == 2
    assert "tlsocket[plot]" in capsys.readouterr().err


def test_the_examples_of_the_help_run(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (command.bench.epilog or "").partition("Examples:")[2].strip().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert run(line.split()[1:]) == 0
    assert selected(["resume"])[0].title in capsys.readouterr().out


def test_there_is_nothing_to_lose(capsys: pytest.CaptureFixture[str]) -> None:
    work = selected(["memory"])[0]
    result = Measured(work)
    for library, value in (("ssl", 100.0), ("tlsocket", 60.0)):
        result.add(library, {"bytes client": value, "bytes server": value})
    assert [command.verdict(figure, 0.6) for figure in work.figures] == ["missed", "missed"]
    assert command.verdict(work.figures[0], 1.1) == "missed: more"
    command.show(console(), [result])
    assert "behind in none" in capsys.readouterr().out
