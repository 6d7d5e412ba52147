"""Every module says what it is and what it exports; only the doors that the design names are open."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tlsocket"
MODULES = sorted(SOURCE.rglob("*.py"))
TEST_MODULES = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), ROOT / "setup.py"])

EXTENSION_USERS = {"connection.py", "record.py", "dropin", "aio"}
"""Who may import `tlsocket._record` (its stub says so)."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_modules(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_opens_with_a_docstring_and_lists_its_exports(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no docstring"
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    assert "__all__" in assigned, "no __all__"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_postpones_the_evaluation_of_annotations(path: Path) -> None:
    assert "__future__.annotations" in imported_modules(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", TEST_MODULES, ids=name)
def test_test_module_opens_with_a_docstring(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)) or (path.name == "__init__.py" and not text)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_has_a_readable_length(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 700


def test_only_the_record_layers_callers_import_the_extension() -> None:
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in MODULES
        if "tlsocket._record" in imported_modules(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert users <= EXTENSION_USERS | {"handshake"}


@pytest.mark.parametrize("path", [path for path in MODULES if "cli" not in path.parts], ids=name)
def test_no_layer_uses_the_packages_re_exports(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert all(alias.name != "tlsocket" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "tlsocket":
            for alias in node.names:
                assert any((SOURCE / f"{alias.name}{suffix}").exists() for suffix in (".py", ".pyi", "")), alias.name


def test_randomness_and_time_have_one_door_each() -> None:
    doors = {"os.urandom": {"crypto/randomness.py"}, "secrets": {"crypto/randomness.py"}, "random": set[str]()}
    for path in MODULES:
        relative = path.relative_to(SOURCE).as_posix()
        if relative.startswith("cli/"):
            continue
        text = path.read_text(encoding="utf-8")
        used = imported_modules(ast.parse(text))
        for door, holders in doors.items():
            if relative not in holders:
                assert door not in used, f"{relative} imports {door}"
                assert "." not in door or f"{door}(" not in text, f"{relative} calls {door}"
        if relative != "clock.py":
            assert "time.time()" not in text, f"{relative} reads the clock"


def listed_exports(module: str) -> set[str]:
    """The names in a module's own list. What is added to it from others, type checkers lose in a cycle."""
    path = SOURCE.joinpath(*module.split(".")[1:])
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return set(names)
    raise AssertionError(f"{module} lists nothing")


def test_a_type_checker_sees_every_name_of_the_package() -> None:
    """What is imported only when it is asked for is Any to a type checker, unless an import for it alone says more."""
    seen = {"__version__"}
    for node in ast.walk(ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("tlsocket"):
            for alias in node.names:
                seen |= listed_exports(node.module) if alias.name == "*" else {alias.name}
    assert listed_exports("tlsocket") - seen == set()
