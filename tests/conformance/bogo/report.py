"""The outcome of a run: counted, as JSON, and as a page of the manual."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.conformance.bogo.scope import KINDS, Rule
from tests.support.results import sources

__all__ = ["Report"]


class Report:
    """What was played and how it went. A test that its shim called unimplemented has failed: a rule should say why."""

    def __init__(
        self,
        version: str,
        tests: Sequence[str],
        left_out: Mapping[str, Rule],
        outcomes: Mapping[str, str],
        said: Mapping[str, str],
    ) -> None:
        self.version = version
        self.tests = tests
        self.left_out = left_out
        self.said = said
        self.passed = [name for name, outcome in outcomes.items() if outcome == "PASS"]
        self.failed = [name for name, outcome in outcomes.items() if outcome == "FAIL"]
        self.unimplemented = [name for name, outcome in outcomes.items() if outcome not in ("PASS", "FAIL")]

    @property
    def clean(self) -> bool:
        """Whether nothing in scope failed."""
        return bool(self.passed) and not self.failed and not self.unimplemented

    def summary(self) -> str:
        """A few lines for a person."""
        lines = [f"failed: {name}" for name in self.failed]
        lines += [f"not implemented, and no rule says why: {name}" for name in self.unimplemented]
        played = len(self.passed) + len(self.failed) + len(self.unimplemented)
        lines.append(f"{len(self.tests)} tests, {len(self.left_out)} left out with a reason, {played} played")
        lines.append(f"{len(self.passed)} passed, {len(self.failed) + len(self.unimplemented)} failed")
        return "\n".join(lines)

    def json(self) -> str:
        """Everything, for programs."""
        return json.dumps(
            {
                "suite": self.version,
                "tests": len(self.tests),
                "passed": self.passed,
                "failed": {name: self.said.get(name, "") for name in self.failed},
                "unimplemented": self.unimplemented,
                "left_out": {name: rule.reason for name, rule in self.left_out.items()},
            },
            indent=1,
        )

    def page(self) -> str:
        """The page of the manual."""
        in_scope = len(self.tests) - len(self.left_out)
        failed = len(self.failed) + len(self.unimplemented)
        lines = [
            "# BoGo",
            "",
            "BoringSSL's protocol test suite against this library, both roles. Written by the run itself on",
            f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; do not edit by hand. How it is run is in the sources:",
            "`tests/conformance/bogo/README.md`.",
            "",
            "| what | number |",
            "| --- | ---: |",
            f"| tests of the suite | {len(self.tests)} |",
            f"| left out, reasons below | {len(self.left_out)} |",
            f"| in scope | {in_scope} |",
            f"| passed | {len(self.passed)} |",
            f"| failed | {failed} |",
            "",
            f"Suite: BoringSSL, {self.version}. Library: sources {sources()}.",
            "",
            "A test whose shim says that it cannot do what is asked (exit status 89) counts as failed unless a",
            "reason below leaves it out. Alerts are compared wherever a test names one, and errors with our reasons.",
        ]
        if failed:
            lines += ["", "Failed:", "", *(f"* `{name}`" for name in (*self.failed, *self.unimplemented))]
        for kind, title in KINDS.items():
            counted = Counter(rule.reason for rule in self.left_out.values() if rule.kind == kind)
            if counted:
                lines += ["", f"## Left out: {title}", "", "| reason | tests |", "| --- | ---: |"]
                lines += [f"| {reason} | {count} |" for reason, count in counted.most_common()]
        return "\n".join(lines) + "\n"
