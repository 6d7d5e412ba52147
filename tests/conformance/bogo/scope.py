"""Which tests of the suite are ours to pass: `scope.toml` read, applied, and turned into the runner's configuration.

A rule names tests by pattern (as a shell would) or by a flag that the runner gives to their shim; the first rule that
fits gives the reason why a test is left out. `errors.toml` says by which of our reasons an error of BoringSSL is met.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "Rule", "Scope", "error_map", "shim_config"]

_HERE = Path(__file__).parent
KINDS = {
    "design": "not built, by design",
    "later": "not there yet",
    "boringssl": "BoringSSL's own choice where the standards leave one, or no interface of ours",
}


@dataclass(frozen=True)
class Rule:
    """Why some tests are left out."""

    reason: str
    kind: str
    names: tuple[str, ...]
    flags: frozenset[str]
    pattern: re.Pattern[str]

    def fits(self, name: str, flags: frozenset[str]) -> bool:
        """Whether the test with this name and these flags is meant."""
        return bool(self.flags & flags) or (bool(self.names) and self.pattern.match(name) is not None)


def _rule(entry: Mapping[str, Any]) -> Rule:
    names = tuple(entry.get("names", ()))
    joined = "|".join(fnmatch.translate(name) for name in names)
    if entry["kind"] not in KINDS:
        raise ValueError(f"{entry['reason']}: unknown kind {entry['kind']}")
    return Rule(entry["reason"], entry["kind"], names, frozenset(entry.get("flags", ())), re.compile(joined))


class Scope:
    """The rules of `scope.toml`."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)

    @classmethod
    def load(cls, path: Path = _HERE / "scope.toml") -> Scope:
        """Read the file."""
        return cls([_rule(entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["rule"]])

    def left_out(self, name: str, arguments: Sequence[str]) -> Rule | None:
        """The rule that leaves this test out; None: it is in scope."""
        flags = frozenset(_base(argument) for argument in arguments if argument.startswith("-"))
        return next((rule for rule in self.rules if rule.fits(name, flags)), None)


def _base(flag: str) -> str:
    return re.sub(r"^-(on-(initial|resume|retry|shim|handshaker)-)?", "", flag)


def error_map(path: Path = _HERE / "errors.toml") -> dict[str, list[str]]:
    """BoringSSL's error to the names of our reasons, in the form in which `shim` prints them."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    reasons: dict[str, list[str]] = {
        f":{error}:": [f":{name}:" for name in ([names] if isinstance(names, str) else names)]
        for error, names in tables["errors"].items()
    }
    return reasons | {text: [ours] for text, ours in tables["texts"].items()}


def shim_config(left_out: Mapping[str, Rule]) -> dict[str, object]:
    """The runner's `-shim-config`: tests to leave out, by name, and the error map."""
    escaped = {re.sub(r"([*?\[\\])", r"\\\1", name): rule.reason for name, rule in left_out.items()}
    return {"DisabledTests": escaped, "ErrorMap": error_map()}
