"""Facts about what is tracked: nothing names one machine, one registry or one person's disk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written in two halves, so that this file does not hold what it bans.
BANNED = [
    first + second
    for first, second in (
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("/home", "/"),
        ("/Users", "/"),
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("--index", "-url"),
        ("--extra-index", "-url"),
        ("BEGIN PRIVATE", " KEY"),
    )
]
ALLOWED = {("tests/vectors", "BEGIN PRIVATE" + " KEY"), ("src/tlsocket/pki", "BEGIN PRIVATE" + " KEY")}
"""Key material published in an RFC, and the code that looks for the label."""


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing is tracked here")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, timeout=30, check=True
    )
    return [ROOT / entry for entry in listed.stdout.split("\0") if entry and (ROOT / entry).is_file()]


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked_files():
        relative = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [
            f"{relative}: {word}"
            for word in BANNED
            if word in text and not any(relative.startswith(folder) and word == allowed for folder, allowed in ALLOWED)
        ]
    assert not found


def test_no_tracked_file_is_generated() -> None:
    generated = [path.name for path in tracked_files() if path.suffix in {".c", ".so", ".pyc", ".whl"}]
    assert not generated


def test_constraints_pin_exact_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(line.count("==") == 1 and not set(line) & set(" ;@/:*") for line in pins), pins
