"""MISSION rows 2, 3, 7 and 15: from nothing to mutual TLS with the commands of the page, and out by revocation."""

from __future__ import annotations

import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.pages import ROOT, Shell, blocks

PAGE = "getting-started.md"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()


def test_the_readme_has_the_commands_of_the_page() -> None:
    commands, _, revocation, _ = blocks(PAGE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in (commands, revocation):
        assert "```sh\n" + "".join(f"{line}\n" for line in block) + "```\n" in readme


def test_five_commands_and_a_minute(shell: Shell, peer: Callable[[str], str]) -> None:
    peer("curl")
    peer("openssl")
    commands, others, revocation, by_hand = blocks(PAGE)
    assert len(commands) <= 5
    begun = time.monotonic()
    for line in commands:
        done = shell.type(line)
    assert time.monotonic() - begun < 60
    # What curl fetched with the exported certificates is the file that is there.
    assert done.stdout == (shell.here / "home.pem").read_text()
    assert stat.S_IMODE((shell.here / "alice.pem").stat().st_mode) == 0o600
    brief, ours = [shell.type(line) for line in others]
    assert "Verification: OK" in brief.stderr + brief.stdout
    assert "verdict: good" in ours.stderr
    assert "our certificate was asked for and sent" in ours.stderr

    revoked, refused = [shell.type(line) for line in revocation]
    assert "revoked (keyCompromise)" in revoked.stdout
    # The client hears why, and the server says it in full.
    assert "certificate revoked" in refused.stderr
    assert "(keyCompromise)" in shell.logged("CN=alice was revoked on")

    for line in by_hand:
        done = shell.type(line)
    assert "PRIVATE KEY" in (shell.here / "www-with-key.pem").read_text()


def test_without_a_certificate_nobody_comes_in(shell: Shell, peer: Callable[[str], str]) -> None:
    peer("curl")
    for line in blocks(PAGE)[0][:4]:
        shell.type(line)
    done = shell.type("curl --cacert home.pem https://localhost:8443/home.pem  # refused")
    assert "certificate required" in done.stderr


def test_a_list_beside_a_foreign_authority_is_obeyed(shell: Shell, peer: Callable[[str], str]) -> None:
    peer("curl")
    for line in (
        *blocks(PAGE)[0][:3],
        "tlsocket ca create away --location elsewhere --subject CN=Away -o away.pem",
        "tlsocket request new --subject CN=bob --usage client --ca away --with-key --location elsewhere -o bob.pem",
        "tlsocket request new --subject CN=eve --usage client --ca away --with-key --location elsewhere -o eve.pem",
        "tlsocket ca revoke eve --ca away --location elsewhere --reason cessationOfOperation",
        "tlsocket ca crl --ca away --location elsewhere -o away.crl",
        "cat away.pem away.crl > clients.pem",
        "tlsocket serve . --entry localhost --client-ca clients.pem",
        "curl --cacert home.pem --cert bob.pem https://localhost:8443/home.pem",
    ):
        shell.type(line)
    done = shell.type("curl --cacert home.pem --cert eve.pem https://localhost:8443/home.pem  # refused")
    assert "certificate revoked" in done.stderr
    shell.logged("CN=eve was revoked")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_session_from_before_does_not_outlive_the_revocation(shell: Shell, version: ssl.TLSVersion) -> None:
    for line in blocks(PAGE)[0][:4]:
        shell.type(line)
    context = ssl.create_default_context(cafile=str(shell.here / "home.pem"))
    context.load_cert_chain(shell.here / "alice.pem")
    context.minimum_version = context.maximum_version = version

    def fetch(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        plain = socket.create_connection(("127.0.0.1", shell.port), timeout=30)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as client:
            client.sendall(b"GET /home.pem HTTP/1.0\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
            return client.session

    session = fetch(None)
    shell.type("tlsocket ca revoke alice --ca home --reason superseded")
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.revoked"):
        fetch(session)
