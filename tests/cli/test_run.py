"""`tlsocket run` and `python -m tlsocket run`: a program as it is, with `ssl` replaced."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, ssl, sys
print(json.dumps([ssl.__name__, __name__, sys.argv, sys.path[0], globals().get("__file__")]))
import atexit
atexit.register(lambda: print(sys.modules["__main__"].__name__, late))
late = "still here"
sys.exit(int(sys.argv[-1]))
"""


def run(*words: str, folder: Path, block: str = "") -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules.update(dict.fromkeys({block.split()!r})); sys.argv[0] = 'tlsocket'\n"
    code += "from tlsocket.cli.__main__ import main; sys.exit(main())"
    start = ["-c", code] if block else ["-m", "tlsocket"]
    return subprocess.run(
        [sys.executable, *start, "run", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.parametrize("block", ["", "click rich"], ids=["with click", "without click"])
def test_a_script_gets_its_arguments_and_gives_its_status(tmp_path: Path, block: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run("program.py", "-m", "--help", "--report", "7", folder=tmp_path, block=block)
    assert done.returncode == 7, done.stderr
    first, last = done.stdout.splitlines()
    expected = '["tlsocket", "__main__", ["program.py", "-m", "--help", "--report", "7"], "{}", "program.py"]'
    assert first == expected.format(tmp_path.resolve())
    assert last == "__main__ still here"
    assert done.stderr == ""


def test_a_module_is_found_in_the_present_folder(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("import ssl, sys; print(ssl.__name__, __package__, sys.argv[1:])")
    for words in (["-m", "package", "-x", "1"], ["-mpackage", "-x", "1"]):
        done = run(*words, folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "tlsocket package ['-x', '1']\n"), done.stderr


def test_folders_and_archives_run_as_python_runs_them(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "__main__.py").write_text("import ssl; print(ssl.__name__)")
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.write(folder / "__main__.py", "__main__.py")
    for name in ("folder", "archive.pyz"):
        done = run(name, folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "tlsocket\n"), done.stderr


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    done = run("nothing.py", folder=tmp_path)
    assert (done.returncode, done.stderr) == (3, "tlsocket run: nothing.py: no such file\n")
    assert run(folder=tmp_path).returncode == 2
    assert run("-m", folder=tmp_path).returncode == 2
    assert run("--nonsense", "x.py", folder=tmp_path).returncode == 2


def test_an_error_of_the_program_is_the_programs(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("1 / 0")
    done = run("program.py", folder=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_the_report_is_printed_on_demand(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("")
    done = run("--report", "program.py", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "0 names bound anew\n")


def test_the_help_shows_two_examples_that_run(tmp_path: Path) -> None:
    done = run("--help", folder=tmp_path)
    assert done.returncode == 0
    examples = [line.strip() for line in done.stdout.split("Examples:\n")[1].splitlines() if line.strip()]
    assert len(examples) == 2
    (tmp_path / "script.py").write_text("import sys, ssl; print(ssl.__name__, sys.argv[1:])")
    for example in examples:
        words = example.split(" run ", 1)[1].split()
        done = run(*words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "usage: server.py" in done.stdout or done.stdout == "tlsocket ['its', 'arguments']\n"


def test_the_group_of_commands_lists_it() -> None:
    from tlsocket.cli.root import tlsocket

    assert "run" in tlsocket.commands
