"""The version comes from one place, the metadata says what the README says, and the import contracts hold."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import tlsocket
from tests.support.distributions import sdist_problems, wheel_problems
from tlsocket._version import __version__

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_version_comes_from_one_place() -> None:
    assert tlsocket.__version__ is __version__
    assert metadata.version("tlsocket") == __version__
    assert "version" not in PYPROJECT["project"]


def test_cryptography_is_the_only_dependency() -> None:
    assert PYPROJECT["project"]["dependencies"] == ["cryptography>=48"]
    required = metadata.requires("tlsocket") or []
    assert [line for line in required if "extra ==" not in line] == ["cryptography>=48"]


def test_every_extra_is_pinned_in_the_constraints() -> None:
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    wanted = [*PYPROJECT["build-system"]["requires"], *PYPROJECT["project"]["dependencies"]]
    for extra in PYPROJECT["project"]["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[<>=!~\[;]", requirement)[0].strip().lower() for requirement in wanted}
    assert names <= pinned


def test_import_contracts_hold() -> None:
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or shutil.which("lint-imports")
    if linter is None:
        pytest.skip("import-linter is missing: pip install import-linter")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_help_lists_every_command_of_the_readme() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is missing; on Debian: apt-get install make")
    done = subprocess.run([make, "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    offered = set(re.findall(r"^make ([a-z-]+)", done.stdout, flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)\b", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"demo", "test", "bench", "check-all", "lint", "help"} <= offered
    assert named <= offered


def test_a_wheel_with_sources_of_c_is_noticed() -> None:
    assert "holds tlsocket/_record.pyx" in wheel_problems(["tlsocket/_record.pyx"])
    assert "lacks the compiled extension" in wheel_problems([])


def test_an_sdist_without_the_extensions_source_is_noticed() -> None:
    assert "lacks _ext/record.pyx" in sdist_problems(["tlsocket-1/setup.py"])
