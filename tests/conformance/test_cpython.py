"""The runner of CPython's tests and its list of reasons; and a short module of them, played."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.cpython import verdicts
from tests.conformance.cpython.__main__ import available
from tests.conformance.cpython.runner import MODULES, ROOT, Outcome, Run, play, play_again

needs_tests = pytest.mark.skipif(not available(), reason="no test.test_ssl: on Debian, package libpython3-testsuite")
REASON = verdicts.Reason("design", "because")


def test_every_listed_test_is_of_a_module_that_is_played_and_has_a_reason() -> None:
    for test, reason in verdicts.listed().items():
        assert any(test.startswith(f"test.{module}.") for module in MODULES), test
        assert reason.kind in verdicts.KINDS
        assert len(reason.reason) > 20


def test_manual_says_what_is_meant_to_differ() -> None:
    page = (ROOT / "src/tlsocket/manual/differences.md").read_text(encoding="utf-8")
    for reason in verdicts.listed().values():
        if reason.kind == "design":
            assert reason.reason.split(";")[0] in page


def test_reason_may_be_left_out_for_a_version(tmp_path: Path) -> None:
    path = tmp_path / "listed.toml"
    path.write_text('[[listed]]\nkind = "later"\nreason = "x"\nnot_on = ["3.99"]\ntests = ["a.B.c"]\n')
    assert set(verdicts.listed(path, "3.98")) == {"test.a.B.c"}
    assert not verdicts.listed(path, "3.99")


@pytest.mark.parametrize(
    "text",
    [
        '[[listed]]\nkind = "whim"\nreason = "x"\ntests = ["a"]\n',
        '[[listed]]\nkind = "later"\nreason = ""\ntests = ["a"]\n',
        '[[listed]]\nkind = "later"\nreason = "x"\ntests = ["a", "a"]\n',
    ],
)
def test_list_with_a_mistake_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "listed.toml"
    path.write_text(text)
    with pytest.raises(ValueError):
        verdicts.listed(path)


def run(**tests: str) -> Run:
    return Run(
        "m", {f"test.m.{name}": Outcome(outcome, "Traceback\nBoom: x | y") for name, outcome in tests.items()}, True
    )


def test_listed_failure_does_not_count_and_listed_pass_fails() -> None:
    listed = verdicts.judge(run(good="pass", bad="error"), {"test.m.bad": REASON})
    assert listed.clean
    assert listed.listed == {"test.m.bad": REASON}
    outdated = verdicts.judge(run(good="pass", other="pass"), {"test.m.other": REASON})
    assert outdated.outdated == ["test.m.other"]
    assert not outdated.clean


@pytest.mark.parametrize("outcome", ["fail", "error", "timeout", "crash"])
def test_anything_else_than_a_pass_fails(outcome: str) -> None:
    assert not verdicts.judge(run(good="pass", bad=outcome), {}).clean


def test_module_that_did_not_end_or_had_nothing_to_play_fails() -> None:
    unfinished = run(good="pass")
    unfinished.complete = False
    assert not verdicts.judge(unfinished, {}).clean
    assert not verdicts.judge(run(), {}).clean
    assert not verdicts.judge(run(only="skip"), {}).clean


def test_page_keeps_the_sections_of_other_interpreters() -> None:
    verdict = verdicts.judge(run(good="pass", bad="error", odd="fail"), {"test.m.odd": REASON})
    other = f"# CPython's own tests\n\n{verdicts.MARK}3.2.1 on 2011-02-20\n\nold\n"
    stale = f"\n{verdicts.MARK}{verdicts.VERSION}.0 on 2000-01-01\n\nstale\n"
    page = verdicts.page([verdict], date="2026-01-01", sources="0", before=other + stale)
    assert "3.2.1 on 2011-02-20\n\nold" in page
    assert "stale" not in page
    assert "| m | 1 | 1 | 1 | 0 |" in page
    assert "* `m.bad`: error: Boom: x / y" in page
    assert "because | `m.odd` |" in page
    assert page == verdicts.page([verdict], date="2026-01-01", sources="0", before=page)


@needs_tests
@pytest.mark.parametrize("replacement", ["tlsocket", "ssl", "copy"])
def test_test_of_cpython_passes_whatever_is_in_the_place_of_ssl(replacement: str) -> None:
    played = play("test_ssl", replacement=replacement, only=["BasicSocketTests.test_DER_to_PEM", "test_private_init"])
    assert played.complete
    assert {test.rpartition(".")[2]: each.outcome for test, each in played.tests.items()} == {
        "test_DER_to_PEM": "pass",
        "test_private_init": "pass",
    }


@needs_tests
def test_failed_test_is_played_again_and_told_apart() -> None:
    passing = "test.test_ssl.BasicSocketTests.test_DER_to_PEM"
    failing = "test.test_ssl.BasicSocketTests.test_openssl_version"
    played = Run("test_ssl", {passing: Outcome("error", "once"), failing: Outcome("fail", "ever")}, True)
    play_again(played, [passing, failing])
    assert played.tests[passing].outcome == "pass"
    assert played.second == {passing: Outcome("error", "once")}
    assert played.tests[failing] == Outcome("fail", "ever")
    page = verdicts.page([verdicts.judge(played, {})], date="2026-01-01", sources="0")
    assert "Passed the second time only: `test_ssl.BasicSocketTests.test_DER_to_PEM`" in page


@needs_tests
def test_test_that_takes_too_long_is_ended_and_the_others_go_on() -> None:
    played = play("test_ssl", only=["ThreadedTests.test_echo", "test_DER_to_PEM"], limit=1e-3)
    assert played.complete
    assert played.tests["test.test_ssl.ThreadedTests.test_echo"].outcome == "timeout"
    assert "test_ssl.py" in played.tests["test.test_ssl.ThreadedTests.test_echo"].text, "where it was"
    assert len(played.tests) == 2


@needs_tests
@pytest.mark.long
@pytest.mark.parametrize("module", [module for module in MODULES if "." in module])
def test_asyncio_of_cpython(module: str) -> None:
    verdict = verdicts.judge(play(module), verdicts.listed())
    assert not verdict.failed
    assert verdict.clean
