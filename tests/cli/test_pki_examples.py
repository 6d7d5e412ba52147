"""The examples at the end of each help of `request`, `ca`, `show` and `verify` run in a shell."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click
import pytest

from tests.cli.pages import Shell
from tlsocket.cli.ca import ca
from tlsocket.cli.request import request
from tlsocket.cli.root import run
from tlsocket.cli.show import show
from tlsocket.cli.verify import verify

BOX = (
    'tlsocket ca create home --subject "CN=Home authority" -o home.pem',
    "tlsocket request new --subject CN=localhost --san dns:localhost,ip:127.0.0.1 --ca home -o localhost.pem",
    "tlsocket request new --subject CN=www.example.org --san dns:www.example.org -o www.csr",
    "tlsocket ca issue www.csr --ca home -o www.pem",
    "tlsocket request new --subject CN=alice --usage client -o alice.csr",
    "tlsocket ca issue alice.csr --ca home --profile client -o alice.pem",
    "tlsocket ca crl --ca home -o home.crl",
    "openssl ocsp -issuer home.pem -cert www.pem -reqout www.ocsp-request -no_nonce",
)
MADE_BY = {
    "request new": ("www.csr", "localhost.pem"),
    "request": ("www.csr",),
    "ca issue": ("www.pem", "alice.pem"),
    "ca crl": ("home.crl",),
}
"""What an example writes must not be there."""


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {"request": request, "ca": ca, "show": show, "verify": verify}
    for group in (request, ca):
        assert isinstance(group, click.Group)
        found.update({f"{group.name} {name}": command for name, command in group.commands.items()})
    return found


COMMANDS = commands()


def examples(command: click.Command) -> list[str]:
    lines = (command.epilog or "").partition("Examples:")[2].strip().splitlines()
    return [line.strip() for line in lines]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder and stores after some work; copied, never written to."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    shell = Shell(tmp_path_factory.mktemp("box") / "person")
    for line in BOX:
        shell.type(line)
    return shell.here.parent


@pytest.fixture
def shell(box: Path, tmp_path: Path) -> Shell:
    made = Shell(tmp_path / "person")
    for name in ("here", "data"):
        shutil.rmtree(made.here.parent / name, ignore_errors=True)
        shutil.copytree(box / name, made.here.parent / name)
    return made


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_examples_run(name: str, shell: Shell) -> None:
    lines = examples(COMMANDS[name])
    assert len(lines) == 2
    if name in ("ca create", "ca"):
        shutil.rmtree(shell.here.parent / "data")
        (shell.here / "home.pem").unlink()
    for file in MADE_BY.get(name, ()):
        (shell.here / file).unlink()
    if name == "show":
        (shell.here / "server.pem").write_bytes((shell.here / "localhost.pem").read_bytes())
        shell.type("tlsocket serve . --entry localhost")
    try:
        for line in lines:
            assert re.search(rf"\btlsocket {name}\b", line)
            done = shell.type(line)
            assert "Traceback" not in done.stderr
    finally:
        shell.close()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_help_ends_with_its_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    tail = capsys.readouterr().out.partition("Examples:")[2].strip().splitlines()
    assert [line.strip() for line in tail] == examples(COMMANDS[name])
