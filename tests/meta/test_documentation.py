"""The README's code runs as it stands, and the documentation's links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "src/tlsocket/manual").rglob("*.md")),
]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_readme_code_runs(tmp_path: Path) -> None:
    blocks = python_blocks(ROOT / "README.md")
    assert blocks, "the README shows no code"
    for block in blocks:
        if "import requests" in block:
            continue  # needs that library, and runs in tests/libraries/test_unchanged_program.py
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), "the README's code prints what it received"


def test_readme_shows_serving_and_connecting_in_ten_lines() -> None:
    shown = next(block for block in python_blocks(ROOT / "README.md") if "create_connection" in block)
    lines = [line for line in shown.splitlines() if line and not line.startswith(("import", "from", "#"))]
    assert len(lines) <= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_the_tests_that_the_mission_names_are_there() -> None:
    page = ROOT / "src/tlsocket/manual/mission.md"
    named = re.findall(r"`(test_\w+)` in \[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [name for name, file in named if f"def {name}(" not in (page.parent / file).read_text(encoding="utf-8")]
    assert not missing
