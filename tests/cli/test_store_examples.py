"""The examples at the end of each help and those of the manual run, in a shell, with the real command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.support.authority import authority_extensions, leaf_extensions, make
from tests.support.stores import isolate
from tlsocket.cli.root import run
from tlsocket.cli.store import store
from tlsocket.pki.formats import writing
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.keys import private_key_pem
from tlsocket.pki.stores import CertificateStore, StoreLocation

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "src" / "tlsocket" / "manual" / "commands-store.md"
assert isinstance(store, click.Group)
COMMANDS = store.commands


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A folder with the files that the examples name."""
    root = make("Example Root", None, authority_extensions(), days=3650, serial=1)
    issuing = make("Example Issuing", root, authority_extensions(path_length=0), days=1000, serial=2)
    server = make("www.example.org", issuing, leaf_extensions("www.example.org"), days=80, serial=3)
    (tmp_path / "root.pem").write_bytes(root.pem)
    (tmp_path / "issuing.pem").write_bytes(issuing.pem)
    (tmp_path / "server.pem").write_bytes(server.pem)
    (tmp_path / "server-with-key.pem").write_bytes(private_key_pem(server.key) + server.pem + issuing.pem)
    items = [Item(server.certificate, server.key), Item(issuing.certificate)]
    (tmp_path / "server.p12").write_bytes(writing.pkcs12(items, b"secret"))
    (tmp_path / "password.txt").write_text("secret\n")
    command = tmp_path / "bin" / "tlsocket"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tlsocket "$@"\n')
    command.chmod(0o755)
    return tmp_path


def shell(text: str, box: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{box / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_DATA_HOME": str(box / "data"),
        "SSL_CERT_FILE": str(box / "root.pem"),
    }
    for name in ("TLSOCKET_PASSWORD_FILE", "COLUMNS"):  # the second one, pytest's workers set
        environment.pop(name, None)
    command = ["bash", "-e", "-c", text]
    return subprocess.run(
        command,
        cwd=box,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def examples_of(command: click.Command) -> list[str]:
    assert command.epilog is not None
    return [line.strip() for line in command.epilog.partition("Examples:")[2].strip().splitlines()]


EXAMPLES = [(name, line) for name, command in COMMANDS.items() for line in examples_of(command)]
EXAMPLES += [("store", line) for line in examples_of(store)]

# What writes to the machine's own stores runs in a test of its own.
ANYBODYS = [each for each in EXAMPLES if each[0] != "grant" and "trust www.example.org --location" not in each[1]]
NEEDS_ENTRIES = {"show", "export", "remove", "distrust", "trust"}


def test_every_help_ends_with_two_examples_of_its_command() -> None:
    assert len(EXAMPLES) == 2 * (len(COMMANDS) + 1)
    for name, line in EXAMPLES:
        assert line.startswith("tlsocket store" if name == "store" else f"tlsocket store {name}")


@pytest.mark.parametrize(("name", "line"), ANYBODYS, ids=lambda value: value)
def test_an_example_runs(name: str, line: str, box: Path) -> None:
    if name in NEEDS_ENTRIES:
        prepared = shell(
            "tlsocket store import server-with-key.pem --friendly-name web\n"
            "tlsocket store add issuing.pem server.pem --store CA\ntlsocket store add root.pem --store ROOT\n",
            box,
        )
        assert prepared.returncode == 0, prepared.stderr
    if name == "trust":
        assert shell("tlsocket store distrust web", box).returncode == 0
    done = shell(line, box)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_examples_for_the_machine_run(
    monkeypatch: pytest.MonkeyPatch, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, where the machine's folder is another, and the group one that every system has."""
    isolate(monkeypatch, box)
    monkeypatch.chdir(box)
    assert run(["store", "import", "server-with-key.pem", "--friendly-name", "web", "--location", "machine"]) == 0
    assert run(["store", "distrust", "web", "--location", "machine"]) == 0
    assert run(["store", "trust", "www.example.org", "--location", "machine"]) == 0
    import grp

    some = grp.getgrgid(os.getgid()).gr_name
    for line in examples_of(COMMANDS["grant"]):
        words = line.replace("www-data", some).split()[1:]
        assert run(words) == (0 if os.geteuid() == 0 else 1)
        assert "Traceback" not in capsys.readouterr().err
    assert run(["store", "check", "--location", "machine", "--json"]) == 0


SHELL = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def sessions() -> list[str]:
    return SHELL.findall(PAGE.read_text(encoding="utf-8"))


def test_the_manual_runs_from_top_to_bottom(box: Path) -> None:
    """Lines with `$` are run one after the other; what stands beneath one is in what it prints, `...` for anything."""
    count = 0
    for session in sessions():
        for block in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            command, _, shown = block.partition("\n")
            status = 1 if command.endswith("# exits 1") else 0
            done = shell(command, box)
            assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
            said = normal(done.stdout + done.stderr)
            pattern = ".*".join(re.escape(part) for part in normal(shown).split("..."))
            assert re.fullmatch(pattern, said, re.DOTALL), f"{command}\n{said}"
            count += 1
    assert count >= 12


def normal(text: str) -> str:
    """Blanks as one, since widths of columns follow what is in them; no line ends at the end."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def test_the_manual_names_every_command_and_its_options() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, command in COMMANDS.items():
        assert f"`store {name}" in text, name
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option not in ("--debug", "--help", "--output"):
                    assert option in text, f"{name} {option}"


def test_the_json_of_two_processes_is_the_same(box: Path) -> None:
    assert shell("tlsocket store import server-with-key.pem", box).returncode == 0
    first, second = (shell("tlsocket store list --json", box).stdout for _ in range(2))
    assert first == second
    location = StoreLocation.folder(box / "data" / "tlsocket" / "stores")
    assert len(CertificateStore("MY", location)) == 1


def test_a_password_on_standard_input(box: Path) -> None:
    done = shell("cat password.txt | tlsocket store import server.p12 --password-file -", box)
    assert done.returncode == 0, done.stderr
    done = shell("cat server.p12 | tlsocket store import - --password-file password.txt", box)
    assert done.returncode == 0, done.stderr
    done = shell("cat server.pem | tlsocket store add -", box)
    assert done.returncode == 0, done.stderr


def test_an_unwritable_store_is_one_line(box: Path) -> None:
    done = shell("XDG_DATA_HOME=/proc tlsocket store add server.pem", box)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "/proc" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_traceback_comes_with_debug_only(box: Path) -> None:
    assert "Traceback" not in shell("tlsocket store add nowhere.pem", box).stderr
    assert "Traceback" in shell("tlsocket store add nowhere.pem --debug", box).stderr
