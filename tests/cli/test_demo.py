"""`tlsocket demo` tells what happened, in the order in which it happened, and each refusal is the right one."""

from __future__ import annotations

import re

import pytest

from tlsocket.bench.bulk import measure
from tlsocket.cli.demo import EXPECTED
from tlsocket.cli.root import run


def told(output: str) -> list[tuple[int, str, str]]:
    """(step, side, text) of each line that begins an event; wrapped lines are joined to theirs."""
    found: list[tuple[int, str, str]] = []
    for line in output.splitlines():
        match = re.match(r" *([1-9])  (client|server)  (.*)", line)
        if match:
            found.append((int(match[1]), match[2], match[3].strip()))
        elif found and line.startswith(" " * 6):
            step, side, text = found[-1]
            found[-1] = (step, side, f"{text} {line.strip()}")
    return found


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


def test_a_handshake_is_told_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--no-speed"]) == 0
    lines = told(capsys.readouterr().out)
    steps = [step for step, _, _ in lines]
    assert [steps.index(step) for step in (1, 2, 4, 8, 9)] == sorted(steps.index(step) for step in (1, 2, 4, 8, 9))
    assert not {3, 5, 6} & set(steps)
    client = [text for _, side, text in lines if side == "client"]
    assert client[0].startswith('says ClientHello: asks for "demo.example"; offers TLS 1.3')
    assert any(text.startswith('validates the server: "CN=demo authority"') for text in client)
    assert any("close_notify" in text for text in client)


def test_steps_that_did_not_happen_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--no-speed"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    for step, shown_by in ((3, "--mutual"), (5, "--fail protocol"), (6, "--fail untrusted"), (7, "--fail client")):
        assert re.search(rf"Step {step} did not happen: [^.]*{shown_by}", output), step


def test_mutual_authentication_asks_the_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--no-speed", "--mutual"]) == 0
    lines = told(capsys.readouterr().out)
    assert (3, "server") in [(step, side) for step, side, _ in lines]
    assert any(step == 7 and "validates the client" in text for step, _, text in lines)


@pytest.mark.parametrize("options", [[], ["--mutual"]], ids=["server", "mutual"])
def test_a_second_connection_resumes(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In the words of both connections: who was not shown a certificate tells of none."""
    assert run(["demo", "--no-speed", *options]) == 0
    first, _, second = capsys.readouterr().out.partition("The same client connects once more")
    for side in ("client", "server"):
        texts = [text for _, teller, text in told(first) if teller == side]
        assert any("session ticket" in text for text in texts)
        assert any("certificate of" in text for text in texts)
        assert not any("earlier session" in text for text in texts)
        texts = [text for _, teller, text in told(second) if teller == side]
        assert any("offers to resume an earlier session" in text for text in texts)
        assert any("and the earlier session: neither certificates nor signatures" in text for text in texts)
        assert not any("certificate of" in text or "signs" in text or "validates" in text for text in texts)
    assert "The session was resumed" in second


@pytest.mark.parametrize("fail", sorted(EXPECTED))
def test_each_refusal_is_told_by_both_sides_and_exits_0(fail: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--no-speed", "--fail", fail]) == 0
    output = capsys.readouterr().out
    refusal = {"protocol": 5, "client": 7}.get(fail, 6)
    lines = told(output)
    assert any(step == refusal and "sends the alert" in text for step, _, text in lines)
    assert any(step == refusal and "is told why by the alert" in text for step, _, text in lines)
    assert "As it should" in output
    assert "error: none" not in output


@pytest.mark.parametrize("library", ["tlsocket", "ssl", "plain"])
def test_speed_is_measured_on_all_that_was_sent(library: str) -> None:
    heard: list[int] = []
    result = measure(library, 1 << 26, progress=heard.append)
    assert result.size == 1 << 26
    assert result.rate > 0
    assert heard
    assert result.suite == ("none" if library == "plain" else "TLS_AES_128_GCM_SHA256")


def test_the_speed_table_has_both_libraries(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tlsocket.cli.demo.SIZE", 1 << 24)
    assert run(["demo"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"tlsocket +[^ ]+ +\d", output)
    assert "times as much per second as ssl" in output
