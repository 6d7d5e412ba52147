"""An audit of the sources: what a peer must not learn byte by byte is compared in one place only, in constant time.

Names decide: an `==`, `!=` or `in` whose operands are called like a secret is refused unless it stands in `PUBLIC` with
the reason why nothing is learnt from its timing (design law 7).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "src" / "tlsocket"
HELPER = "crypto/comparison.py"

SECRET = re.compile(
    r"(^|_)(secret|secrets|verify_data|binder|binders|mac|macs|psk|cookie|password|passphrase|hmac|private_key"
    r"|shared_secret|traffic_secret|main_secret|ticket_key|sealing_key|signature_value|token)$"
)
"""Names, or ends of names, of values that are secret or decide whether a peer knows a secret."""

PUBLIC: dict[tuple[str, str], str] = {}
"""(file, comparison) that may stand, and why."""


def called(node: ast.AST) -> str:
    """The last name of an expression: `b` of `a.b`, of `b(...)`, of `b[0]`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return called(node.func)
    if isinstance(node, ast.Subscript):
        return called(node.value)
    return ""


def comparisons(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Comparisons by value of something that is called like a secret."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops):
            continue
        operands = [node.left, *node.comparators]
        # A constant on the other side is a format, not a value that a peer could be looking for.
        if any(isinstance(operand, ast.Constant) or called(operand).isupper() for operand in operands):
            continue
        if any(SECRET.search(called(operand).lower()) for operand in operands):
            yield node.lineno, ast.unparse(node)


def modules() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(SOURCES.rglob("*.py")):
        yield path.relative_to(SOURCES).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_no_secret_is_compared_by_value() -> None:
    found = [
        f"{file}:{line}: {text}"
        for file, tree in modules()
        for line, text in comparisons(tree)
        if (file, text) not in PUBLIC
    ]
    assert not found


def test_compare_digest_is_called_in_one_place() -> None:
    callers = {file for file, tree in modules() for node in ast.walk(tree) if called(node).endswith("compare_digest")}
    assert callers == {HELPER}


def test_every_exception_is_still_there() -> None:
    there = {(file, text) for file, tree in modules() for _, text in comparisons(tree)}
    assert set(PUBLIC) <= there


def test_the_audit_sees_what_it_is_for() -> None:
    seen = ast.parse("a.verify_data == b\nif x != shared_secret(): pass\ny in binders\nhello == other\nmac == b''\n")
    assert [text for _, text in comparisons(seen)] == [
        "a.verify_data == b",
        "x != shared_secret()",
        "y in binders",
    ]
