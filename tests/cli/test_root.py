"""The frame around all commands: what is missing is named, errors are one line, help shows examples."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.cli.conftest import COMMAND
from tlsocket._version import __version__
from tlsocket.cli import __main__ as entry
from tlsocket.cli.addresses import format_address, parse_address
from tlsocket.cli.root import COMMANDS, run, tlsocket


def test_without_the_extra_the_line_that_installs_it_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert entry.main(["demo"]) == 2
    assert "pip install 'tlsocket[cli]'" in capsys.readouterr().err


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connect", "localhost", "--no-such-option"]) == 2
    assert "no-such-option" in capsys.readouterr().err


@pytest.mark.parametrize("command", tlsocket.list_commands(click.Context(tlsocket)))
def test_help_ends_with_two_examples(command: str) -> None:
    done = subprocess.run([*COMMAND, command, "--help"], capture_output=True, text=True, timeout=30, check=True)
    tail = done.stdout.partition("Examples:")[2].strip().splitlines()
    assert len(tail) == 2
    assert all(re.search(rf"\btlsocket {command}\b", line) for line in tail)


def test_nothing_to_connect_to_is_one_line_and_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connect", "127.0.0.1:1"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("tlsocket: 127.0.0.1:1: ")
    assert error.count("\n") == 1


def test_missing_certificate_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "nothing.pem"
    assert run(["serve", str(tmp_path), "--port", "0", "--cert", str(missing)]) == 3
    assert str(missing) in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["serve", "--key", "x"], ["serve", "--client-optional"], ["connect", "localhost", "--key", "x"]],
    ids=" ".join,
)
def test_options_that_need_another_say_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "needs" in capsys.readouterr().err


def test_traceback_comes_with_debug_only(tmp_path: Path) -> None:
    arguments = ["serve", str(tmp_path), "--port", "0", "--cert", str(tmp_path / "nothing.pem")]
    quiet = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    loud = subprocess.run([*COMMAND, *arguments, "--debug"], capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr


def test_output_that_nobody_reads_is_no_error() -> None:
    shell = f"{sys.executable} -m tlsocket demo --no-speed | head -n 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("example.com", ("example.com", 443)),
        ("example.com:8443", ("example.com", 8443)),
        ("[::1]:8443", ("::1", 8443)),
        ("[::1]", ("::1", 443)),
        ("fe80::1", ("fe80::1", 443)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
    ],
)
def test_addresses_are_read_as_people_write_them(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, 443) == address


@pytest.mark.parametrize("text", ["", ":443", "[::1", "[::1]443", "host:0", "host:65536", "host:x", "host:²"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_address(text, 443)


def test_ipv6_addresses_are_printed_in_brackets() -> None:
    assert format_address(("::1", 443, 0, 0)) == "[::1]:443"
    assert format_address(("127.0.0.1", 443)) == "127.0.0.1:443"


def test_what_the_help_says_of_a_command_is_the_commands_own_first_sentence() -> None:
    context = click.Context(tlsocket)
    for name, sentence in COMMANDS.items():
        command = tlsocket.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == sentence


def test_every_command_is_listed() -> None:
    folder = Path(entry.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")}
    assert modules >= COMMANDS.keys()
    listed = tlsocket.list_commands(click.Context(tlsocket))
    assert listed == sorted(listed)
    assert set(listed) == {*COMMANDS, "run"}
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=30, check=True)
    shown = done.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in shown] == listed
