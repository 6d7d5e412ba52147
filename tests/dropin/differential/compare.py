"""What the standard library says against what ours says: the rules of the comparison.

Values are equal. Exceptions have the same class and the same `errno`, `reason`, `library`, `verify_code` and
`verify_message`, and our text begins with the other's: `ssl` ends it with "(_ssl.c:1006)", we with particulars and
"(tlsocket)". The words of a TypeError or an
AttributeError are not compared: CPython's own code makes them up. Differences that are meant are data
(`differences`).
"""

from __future__ import annotations

import re
import ssl
import sys
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import tlsocket
from tests.dropin.differential.differences import DIFFERENCES, Difference
from tests.dropin.differential.ends import Outcome
from tests.dropin.differential.play import play
from tests.dropin.differential.scripts import Script, shrink
from tests.dropin.differential.world import World

__all__ = ["PAIRS", "Mismatch", "differential"]

PAIRS: dict[str, tuple[Any, Any]] = {
    "ours and ssl": (tlsocket, ssl),
    "ssl and ours": (ssl, tlsocket),
    "ours and ours": (tlsocket, tlsocket),
}
"""Client and server; `ssl` on both ends says what is right."""

_TAIL = re.compile(r"^_ssl\.c:\d+: |( \(_ssl\.c:\d+\)| \(tlsocket\))$")


@dataclass(frozen=True)
class Mismatch:
    """The first result of a script that differs, and that nothing excuses."""

    script: Script
    pair: str
    expected: Outcome | None
    got: Outcome | None

    def __str__(self) -> str:
        return f"{self.pair}:\n  ssl  {self.expected}\n  ours {self.got}\n{self.script}"


def same(expected: Outcome, got: Outcome) -> bool:
    """Whether a program could tell the two apart."""
    if (expected.end, expected.call, expected.error) != (got.end, got.call, got.error):
        return False
    if expected.error in ("TypeError", "AttributeError"):
        return True
    if not _equal(expected.value, got.value) or expected.attributes != got.attributes:
        return False
    theirs, ours = _TAIL.sub("", expected.text), _TAIL.sub("", got.text)
    ours = ours.replace("tlsocket.dropin.sslsocket.SSLSocket", "ssl.SSLSocket")
    return ours.startswith(theirs)


def _equal(expected: Any, got: Any) -> bool:
    return bool(type(expected) is type(got) and expected == got)


def excuse(expected: Outcome | None, got: Outcome | None, script: Script, before: str) -> Difference | None:
    """The listed difference that two results are an example of; `before` has the earlier calls."""
    for each in DIFFERENCES:
        if each.covers(expected, got, script, before):
            return each
    return None


def _differs(script: Script, pair: str, world: World, seen: Counter[str], reference: list[Outcome]) -> Mismatch | None:
    outcomes = play(script, *PAIRS[pair], world)
    for index in range(max(len(reference), len(outcomes))):
        expected = reference[index] if index < len(reference) else None
        got = outcomes[index] if index < len(outcomes) else None
        if expected is not None and got is not None and same(expected, got):
            continue
        found = excuse(expected, got, script, "\n".join(map(str, outcomes[:index])))
        if found is None:
            return Mismatch(script, pair, expected, got)
        seen[found.name] += 1
        if found.ends:
            return None
    return None


def differential(script: Script, world: World, seen: Counter[str] | None = None) -> Mismatch | None:
    """Play a script on every pair; the first mismatch that a second and a third time confirm."""
    for _ in range(3):
        found = _once(script, world, Counter() if seen is None else seen)
        if found is None:
            return None
    return found


def _once(script: Script, world: World, seen: Counter[str]) -> Mismatch | None:
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        reference = play(script, ssl, ssl, world)
        for pair in PAIRS:
            found = _differs(script, pair, world, seen, reference)
            if found is not None:
                return found
    finally:
        sys.unraisablehook = hook
    return None


def smallest(mismatch: Mismatch, world: World) -> Mismatch:
    """The same kind of mismatch with a smaller script."""
    kind = _kind(mismatch)

    def fails(script: Script) -> bool:
        found = differential(script, world)
        return found is not None and _kind(found) == kind

    script = shrink(mismatch.script, fails)
    return differential(script, world) or replace(mismatch, script=script)


def _kind(mismatch: Mismatch) -> tuple[Any, ...]:
    both = (mismatch.expected, mismatch.got)
    return tuple(() if each is None else (each.call, each.error, each.attributes[:3]) for each in both)
