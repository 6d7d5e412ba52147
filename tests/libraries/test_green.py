"""gevent and eventlet: their patched sockets are wrapped as they are, and wait as they wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dropin.support import Files

ROOT = Path(__file__).resolve().parents[2]


def play(library: str, order: str, ends: str, files: Files) -> None:
    words = [sys.executable, "-m", "tests.libraries.green", library, order, ends, *map(str, vars(files).values())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    assert done.stderr == ""


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_patched_program(library: str, order: str, files: Files) -> None:
    """Whether tlsocket was imported before the patching or after it."""
    play(library, order, "ours-ours", files)


@pytest.mark.long
@pytest.mark.parametrize("ends", ["ours-ssl", "ssl-ours"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_patched_program_with_ssl_on_one_end(library: str, ends: str, files: Files) -> None:
    play(library, "after", ends, files)
