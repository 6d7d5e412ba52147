"""`serve` and `connect` with credentials out of stores: complete chains, judged clients, and nothing distrusted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SECONDS, Served
from tlsocket.cli.root import run
from tlsocket.pki.authority import Authority, Purpose

Serve = Callable[..., Served]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """MY with a server ("web") and a client ("someone"), CA with their issuer, ROOT with its: made by the command."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("TLSOCKET_PASSWORD_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    root = Authority.create("stores root")
    issuing = root.create_intermediate("stores issuing")
    root.write(tmp_path / "root.pem")
    for name, purpose, who in (
        ("web", Purpose.SERVER, ["localhost", "127.0.0.1"]),
        ("someone", Purpose.CLIENT, "someone@localhost"),
    ):
        chain, key = issuing.issue(who, purpose=purpose).write(tmp_path, name)
        first = Path(chain).read_text().partition("-----END CERTIFICATE-----\n")
        Path(f"{name}-with-key.pem").write_text(Path(key).read_text() + first[0] + first[1])
        (tmp_path / "issuing.pem").write_text(first[2])
        assert run(["store", "import", f"{name}-with-key.pem", "--friendly-name", name]) == 0
    assert run(["store", "add", "issuing.pem", "--store", "CA"]) == 0
    assert run(["store", "add", "root.pem", "--store", "ROOT"]) == 0
    return tmp_path


def connect(tlsocket: Run, server: Served, *more: str) -> subprocess.CompletedProcess[bytes]:
    return tlsocket("connect", f"localhost:{server.port}", "--cafile", "root.pem", *more, stdin=b"hello")


@pytest.mark.usefixtures("stores")
def test_mutual_tls_out_of_stores(served: Serve, tlsocket: Run) -> None:
    server = served("--echo", "--entry", "web", "--client-store", "ROOT")
    done = connect(tlsocket, server, "--entry", "someone")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"hello"
    # The issuer came out of the CA store: MY has the server's certificate alone.
    assert b"chain, as the peer sent it: 2 certificates" in done.stderr
    refused = connect(tlsocket, server)
    assert refused.returncode == 1
    assert b"Traceback" not in refused.stderr
    assert "refused" in server.stop()


@pytest.mark.usefixtures("stores")
def test_curl_comes_with_what_was_exported(served: Serve) -> None:
    assert run(["store", "export", "someone", "--format", "pem", "--chain", "--with-key", "-o", "client.pem"]) == 0
    server = served("--entry", "web", "--client-store", "ROOT")
    command = ["curl", "-sS", "--cacert", "root.pem", f"https://localhost:{server.port}/root.pem"]
    done = subprocess.run([*command, "--cert", "client.pem"], capture_output=True, timeout=SECONDS, check=True)
    assert done.stdout == Path("root.pem").read_bytes()
    without = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    assert without.returncode != 0


@pytest.mark.usefixtures("stores")
def test_a_client_may_come_without_one_when_that_is_said(served: Serve, tlsocket: Run) -> None:
    server = served("--echo", "--entry", "web", "--client-store", "ROOT", "--client-optional")
    assert connect(tlsocket, server).stdout == b"hello"


@pytest.mark.usefixtures("stores")
def test_what_is_distrusted_is_not_served(tlsocket: Run) -> None:
    assert run(["store", "distrust", "web"]) == 0
    done = tlsocket("serve", "--port", "0", "--entry", "web")
    assert done.returncode == 1
    assert b"DISALLOWED" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.usefixtures("stores")
def test_a_distrusted_issuer_completes_no_chain(served: Serve, tlsocket: Run) -> None:
    assert run(["store", "distrust", "stores issuing"]) == 0
    done = connect(tlsocket, served("--echo", "--entry", "web"), "--insecure")
    assert b"chain, as the peer sent it: 1 certificate\n" in done.stderr


@pytest.mark.usefixtures("stores")
def test_a_distrusted_client_is_refused(served: Serve, tlsocket: Run) -> None:
    assert run(["store", "export", "someone", "--format", "pem", "--chain", "--with-key", "-o", "client.pem"]) == 0
    assert run(["store", "distrust", "someone"]) == 0
    server = served("--echo", "--entry", "web", "--client-store", "ROOT")
    command = ["openssl", "s_client", "-connect", f"localhost:{server.port}", "-CAfile", "root.pem", "-quiet"]
    subprocess.run([*command, "-cert", "client.pem", "-key", "client.pem"], input=b"hello", capture_output=True,
                   timeout=SECONDS, check=False)  # fmt: skip
    assert "DISALLOWED" in server.stop()
    done = connect(tlsocket, server, "--entry", "someone")
    assert done.returncode == 1
    assert b"DISALLOWED" in done.stderr


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--entry", "nobody"], 1, "nobody"),
        (["--entry", "stores root", "--store", "ROOT"], 1, "no private key"),
        (["--entry", "web", "--client-store", "TRUSTED_PEOPLE"], 1, "tlsocket store add"),
        (["--entry", "web", "--cert", "x.pem"], 2, "--entry"),
        (["--client-store", "ROOT", "--client-ca", "x.pem"], 2, "--client-ca"),
        (["--entry", "web", "--location", "nowhere"], 3, "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_served_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    capsys.readouterr()
    assert run(["serve", "--port", "0", *arguments]) == status
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_systems_authorities_vouch_for_no_client(
    monkeypatch: pytest.MonkeyPatch, stores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ROOT shows the system's authorities; whoever demands client certificates does not mean those."""
    monkeypatch.setenv("SSL_CERT_FILE", str(stores / "root.pem"))
    assert run(["store", "remove", "stores root", "--store", "ROOT", "--yes"]) == 0
    assert run(["serve", "--port", "0", "--entry", "web", "--client-store", "ROOT"]) == 1
    assert "vouch" in capsys.readouterr().err
