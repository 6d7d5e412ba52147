"""Passwords at a prompt: commands on a pseudo-terminal, answered as a person would."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.stores import family
from tlsocket.pki.formats.writing import pem
from tlsocket.pki.keys import private_key_pem
from tlsocket.pki.stores import CertificateStore, StoreLocation

SECRET = "correct horse"
SECONDS = 30


def converse(folder: Path, arguments: list[str], *answers: str) -> tuple[int, str]:
    """Run a command on a terminal of its own and answer each question; its status and what the terminal showed."""
    environment = {name: value for name, value in os.environ.items() if name != "TLSOCKET_PASSWORD_FILE"}
    environment |= {"XDG_DATA_HOME": str(folder / "data"), "NO_COLOR": "1", "TERM": "dumb"}
    child, terminal = pty.fork()
    if child == 0:
        try:
            os.chdir(folder)
            os.execve(sys.executable, [sys.executable, "-m", "tlsocket", *arguments], environment)
        finally:
            os._exit(127)
    shown = b""
    waiting = list(answers)
    asked = 0
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(terminal, 4096)
            except OSError:  # Linux: the other end was closed
                break
            if not data:
                break
            shown += data
            if waiting and shown[asked:].rstrip(b" ").endswith(b":"):
                asked = len(shown)
                os.write(terminal, waiting.pop(0).encode() + b"\n")
        else:
            pytest.fail(f"no end after {SECONDS} s: {shown.decode()}")
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        status = os.waitpid(child, 0)[1]
        os.close(terminal)
    assert not waiting, f"was not asked {len(waiting)} times: {shown.decode()}"
    return os.waitstatus_to_exitcode(status), shown.decode()


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A file with a certificate and its key under a password."""
    server = family().server
    content = pem([server.certificate]) + private_key_pem(server.key, SECRET.encode(), rounds=1000)
    (tmp_path / "sealed.pem").write_bytes(content)
    (tmp_path / "sealed.pem").chmod(0o600)
    return tmp_path


def stored(folder: Path) -> int:
    return len(CertificateStore("MY", StoreLocation.folder(folder / "data" / "tlsocket" / "stores")))


def test_a_password_is_asked_for_and_not_shown(sealed: Path) -> None:
    status, shown = converse(sealed, ["store", "import", "sealed.pem", "--location", "user"], SECRET)
    assert status == 0, shown
    assert "assword" in shown
    assert "sealed.pem" in shown
    assert SECRET not in shown
    assert stored(sealed) == 1


def test_a_wrong_password_is_one_line_and_changes_nothing(sealed: Path) -> None:
    status, shown = converse(sealed, ["store", "import", "sealed.pem", "--location", "user"], "wrong")
    assert status not in (0, 127)
    assert "password" in shown
    assert "Traceback" not in shown
    assert stored(sealed) == 0


def test_a_dash_asks_the_person_for_the_store_s_password_too(sealed: Path) -> None:
    arguments = ["store", "import", "sealed.pem", "--location", "user", "--password-file", "-"]
    status, shown = converse(sealed, arguments, SECRET, "at rest", "at rest")
    assert status == 0, shown
    assert SECRET not in shown
    assert "at rest" not in shown
    store = CertificateStore("MY", StoreLocation.folder(sealed / "data" / "tlsocket" / "stores"))
    assert [entry.key_encrypted for entry in store] == [True]


def test_a_new_password_is_asked_for_twice(sealed: Path) -> None:
    assert converse(sealed, ["store", "import", "sealed.pem", "--location", "user"], SECRET)[0] == 0
    export = ["store", "export", "server.example", "--location", "user", "--format", "p12", "--with-key", "-o"]
    status, shown = converse(sealed, [*export, "out.p12"], "new one", "other", "new one", "new one")
    assert status == 0, shown
    assert "new one" not in shown
    assert (sealed / "out.p12").stat().st_mode & 0o777 == 0o600
