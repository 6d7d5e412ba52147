"""The count of instructions: what is read of a profile, and what is too much."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.instructions.counting import compare, exclusive
from benchmarks.instructions.work import WORKS

PROFILE = """\
version: 1
events: Ir
ob=/site/tlsocket/_record.so
fl=record.c
fn=seal
10 7
+1 5
cob=/usr/lib/libc.so
cfn=memcpy
calls=3 0
* 900
12 2
fi=other.c
-1 1
ob=/usr/lib/libc.so
fn=memcpy
1 900
ob=/site/tlsocket/_record.so
fn=open
20 30

totals: 945
"""


def test_only_what_is_spent_in_an_object_itself_counts() -> None:
    assert exclusive(PROFILE.splitlines(keepends=True)) == {
        "/site/tlsocket/_record.so": 45,
        "/usr/lib/libc.so": 900,
    }


def test_more_than_the_tolerance_is_too_much() -> None:
    before = {("seal", 64): 1000.0, ("open", 64): 1000.0}
    assert compare(before, {("seal", 64): 1049.0, ("open", 64): 900.0}, 5) == []
    assert compare(before, {("seal", 64): 1051.0, ("open", 64): 900.0}, 5) == [("seal", 64)]


@pytest.mark.parametrize("kind", WORKS)
def test_the_work_is_done(kind: str) -> None:
    WORKS[kind](64, 3)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, timeout=60, check=False)


def test_nothing_has_changed_since_this_very_state(project_root: Path) -> None:
    if shutil.which("git") is None or _git(project_root, "rev-parse", "HEAD").returncode:
        pytest.skip("not a clone (or not this user's), so there is no commit to compare with")
    command = [sys.executable, "-m", "benchmarks.instructions", "--base"]
    unknown = subprocess.run([*command, "0" * 40], cwd=project_root, capture_output=True, timeout=60, check=False)
    assert unknown.returncode == 2
    # What is committed may not be what is here.
    state = _git(project_root, "stash", "create").stdout.decode().strip() or "HEAD"
    same = subprocess.run([*command, state], cwd=project_root, capture_output=True, timeout=60, check=False)
    assert same.returncode == 0
    assert b"is that of" in same.stdout
