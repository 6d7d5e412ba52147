"""What the outcomes mean: passed, failed, left out for a reason that is written down; and the page that says so."""

from __future__ import annotations

import platform
import ssl
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.cpython.runner import Run

LISTED = Path(__file__).with_name("listed.toml")
KINDS = {
    "design": "ours is meant to behave otherwise",
    "inside": "looks at OpenSSL, or at the C types of `_ssl`",
    "later": "not built yet",
}
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Reason:
    """Why tests are not counted."""

    kind: str
    reason: str


def listed(path: Path = LISTED, version: str = VERSION) -> dict[str, Reason]:
    """Test to reason, under this interpreter. ValueError for an entry without a reason, and for a test named twice."""
    found: dict[str, Reason] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["listed"]:
        if entry["kind"] not in KINDS or not entry["reason"]:
            raise ValueError(f"no kind or no reason: {entry}")
        if version in entry.get("not_on", ()):
            continue
        for test in entry["tests"]:
            if f"test.{test}" in found:
                raise ValueError(f"listed twice: {test}")
            found[f"test.{test}"] = Reason(entry["kind"], entry["reason"])
    return found


@dataclass
class Verdict:
    """Of one module."""

    module: str
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    listed: dict[str, Reason] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)
    """Listed, and passing."""
    second: list[str] = field(default_factory=list)
    """Among those that passed: the second time only."""

    @property
    def clean(self) -> bool:
        """Whether every test passed that is not listed, and at least one did."""
        return bool(self.passed) and not self.failed and not self.outdated


def judge(run: Run, reasons: Mapping[str, Reason]) -> Verdict:
    """The verdict on one module; one that did not come to its end has failed."""
    verdict = Verdict(run.module, second=list(run.second))
    for test, outcome in run.tests.items():
        if outcome.outcome == "skip":
            verdict.skipped[test] = outcome.text
        elif outcome.outcome == "pass":
            (verdict.outdated if test in reasons else verdict.passed).append(test)
        elif test in reasons:
            verdict.listed[test] = reasons[test]
        else:
            verdict.failed[test] = f"{outcome.outcome}: {_last_line(outcome.text)}"
    if not run.complete:
        verdict.failed[f"test.{run.module}"] = "crash: the module did not come to its end"
    return verdict


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "Extension modules"))]
    return lines[-1][:300] if lines else ""


MARK = "## Python "


def page(verdicts: Iterable[Verdict], *, date: str, sources: str, before: str = "") -> str:
    """The manual's page: this interpreter's section written anew, the others' kept from `before`."""
    sections = {part.split("\n", 1)[0]: part for part in before.split(f"\n{MARK}")[1:]}
    section = _section(list(verdicts), date, sources)
    sections = {title: text for title, text in sections.items() if not title.startswith(f"{VERSION}.")}
    sections[section.split("\n", 1)[0]] = section
    head = (
        "# CPython's own tests\n\n"
        "Modules of the interpreter's `test` package with `tlsocket` in the place of `ssl`, written by\n"
        "`python -m tests.conformance.cpython --results`; do not edit by hand. A test that cannot apply is listed\n"
        "with its reason, and does not count as passed.\n"
    )
    order = sorted(sections, key=lambda title: [int(number) for number in title.split(" ")[0].split(".")[:2]])
    return head + "".join(f"\n{MARK}{sections[title].rstrip()}\n" for title in order)


def _section(verdicts: list[Verdict], date: str, sources: str) -> str:
    lines = [
        f"{platform.python_version()} on {date}",
        "",
        f"tlsocket sources {sources}; the interpreter's own `ssl` has {ssl.OPENSSL_VERSION}.",
        "",
        "| module | passed | failed | listed | skipped |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    figures = [
        (v.module, len(v.passed), len(v.failed) + len(v.outdated), len(v.listed), len(v.skipped)) for v in verdicts
    ]
    lines += [f"| {' | '.join(str(each) for each in row)} |" for row in figures]
    lines.append(f"| all | {' | '.join(str(sum(column)) for column in list(zip(*figures, strict=True))[1:])} |")
    failed = [(test, why) for v in verdicts for test, why in v.failed.items()]
    failed += [(test, "passes, and is listed") for v in verdicts for test in v.outdated]
    if failed:
        lines += ["", "Failed:", "", *(f"* `{_short(test)}`: {_plain(why)}" for test, why in failed)]
    second = [_short(test) for v in verdicts for test in v.second]
    if second:
        lines += ["", f"Passed the second time only: {', '.join(f'`{test}`' for test in second)}."]
    reasons: dict[Reason, list[str]] = {}
    for verdict in verdicts:
        for test, reason in verdict.listed.items():
            reasons.setdefault(reason, []).append(_short(test))
    if reasons:
        lines += ["", "Listed:", "", "| why | tests |", "| --- | --- |"]
        for reason, tests in reasons.items():
            names = ", ".join(f"`{test}`" for test in tests)
            lines.append(f"| {KINDS[reason.kind]}: {reason.reason} | {names} |")
    return "\n".join(lines)


def _short(test: str) -> str:
    return test.removeprefix("test.")


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("`", "'")
