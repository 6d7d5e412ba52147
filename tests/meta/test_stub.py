"""`_record.pyi` and the compiled extension have the same names: mypy checks callers against a promise that is kept."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from tlsocket import _record

STUB = ast.parse((Path(__file__).resolve().parents[2] / "src/tlsocket/_record.pyi").read_text(encoding="utf-8"))
PROTOCOLS = {"Owner", "Socket"}
"""Typing only: what callers pass in."""

BEHIND = {"Tls12Protection", "Tls13Protection", "Window"}
"""Classes behind the interface: the stub shows them as what they derive from, or not at all."""


def members(body: list[ast.stmt]) -> set[str]:
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name not in PROTOCOLS}


def public(namespace: object) -> set[str]:
    return {name for name in vars(namespace) if not name.startswith("_")}


def test_stub_and_extension_export_the_same_names() -> None:
    declared = members(STUB.body) - PROTOCOLS
    own = {
        name
        for name in public(_record)
        if not inspect.ismodule(value := getattr(_record, name))
        and getattr(value, "__module__", _record.__name__) == _record.__name__
    }
    assert own - BEHIND == declared


@pytest.mark.parametrize("class_name", sorted(CLASSES))
def test_stub_and_extension_classes_have_the_same_members(class_name: str) -> None:
    declared = {name for name in members(CLASSES[class_name].body) if not name.startswith("_")}
    # What the extension splits over a class and its base, the stub shows as one.
    own = [base for base in getattr(_record, class_name).__mro__ if base.__module__ == _record.__name__]
    assert set().union(*map(public, own)) == declared


@pytest.mark.parametrize(
    "constant", [node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign) and node.value is not None
                 if isinstance(node.target, ast.Name)]
)  # fmt: skip
def test_constants_have_the_stubs_values(constant: str) -> None:
    declared = {
        node.target.id: ast.literal_eval(node.value)
        for node in STUB.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }
    assert getattr(_record, constant) == declared[constant]
