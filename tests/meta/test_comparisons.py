"""Law 7: comparisons of secrets go through one helper, found by walking the syntax tree of the library."""

from __future__ import annotations

import ast
from pathlib import Path

import tlsocket

SOURCE = Path(tlsocket.__file__).parent
HELPER = SOURCE / "crypto" / "comparison.py"

SECRET_NAMES = {"verify_data", "binder", "binders", "finished_key", "psk", "cookie", "password"}
"""What an attacker would like to find out byte by byte; names of attributes, variables and calls."""


def secret_name(node: ast.AST) -> str | None:
    """The name that gives a value away, if it is one of those."""
    if isinstance(node, ast.Call):
        return secret_name(node.func)
    if isinstance(node, ast.Subscript):
        return secret_name(node.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
    return name if name in SECRET_NAMES else None


def plain_comparisons(text: str) -> list[str]:
    """Comparisons by `==` or `!=` with something that looks like a secret."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Compare):
            continue
        for operator, operand in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.Eq, ast.NotEq)):
                names = [name for side in (node.left, operand) if (name := secret_name(side)) is not None]
                found += [f"line {node.lineno}: {name}" for name in names]
    return found


def test_no_secret_is_compared_by_an_operator() -> None:
    found = {str(path): plain_comparisons(path.read_text()) for path in SOURCE.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_helper_is_the_only_one_that_knows_how() -> None:
    users = [path for path in SOURCE.rglob("*.py") if "compare_digest" in path.read_text()]
    assert users == [HELPER]


def test_the_walk_finds_what_it_should() -> None:
    assert plain_comparisons("if message.verify_data != secret.verify_data(hash): pass")
    assert plain_comparisons("ok = binders[index] == expected")
    assert not plain_comparisons("if cookie is None: pass")
