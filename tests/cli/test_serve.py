"""`tlsocket serve`, seen by clients that we did not write: the standard library's and curl."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, SECONDS, Certificates, Served

Serve = Callable[..., Served]


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.authority)


def client_of(served: Served, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS)
    return context.wrap_socket(plain, server_hostname="localhost")


def with_certificate(certificates: Certificates) -> list[str]:
    return ["--cert", certificates.server, "--key", certificates.server_key]


def test_files_arrive_intact_and_each_request_is_one_line(
    served: Serve, certificates: Certificates, tmp_path: Path
) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "large").write_bytes(content)
    server = served(".", *with_certificate(certificates))
    connection = http.client.HTTPSConnection("localhost", server.port, context=trusting(certificates), timeout=SECONDS)
    for _ in range(2):
        connection.request("GET", "/large")
        assert hashlib.sha256(connection.getresponse().read()).digest() == hashlib.sha256(content).digest()
    connection.request("GET", "/missing")
    assert connection.getresponse().read()
    connection.close()
    lines = server.stop().splitlines()
    assert lines.pop() == "stopped"
    assert [line.partition(" ")[2] for line in lines] == [
        '"GET /large HTTP/1.1" 200',
        '"GET /large HTTP/1.1" 200',
        '"GET /missing HTTP/1.1" 404',
    ]
    assert server.process.returncode == 0


def test_a_self_made_certificate_is_the_one_whose_fingerprint_is_printed(served: Serve) -> None:
    server = served(".")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with client_of(server, context) as client:
        der = client.getpeercert(binary_form=True)
    assert der is not None
    printed = server.lines[1].rpartition("SHA-256 ")[2].strip()
    assert printed.replace(":", "").lower() == hashlib.sha256(der).hexdigest()


def test_a_silent_client_blocks_nobody(served: Serve, certificates: Certificates) -> None:
    server = served("--echo", *with_certificate(certificates))
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS):
        with client_of(server, trusting(certificates)) as client:
            client.sendall(b"ping")
            assert client.recv(10) == b"ping"
        assert "stopped" in server.stop()
    assert server.process.returncode == 0


def test_echo_sends_everything_back(served: Serve, certificates: Certificates) -> None:
    server = served("--echo", *with_certificate(certificates))
    content = os.urandom(1 << 20)
    with client_of(server, trusting(certificates)) as client:
        received = bytearray()
        for start in range(0, len(content), 1 << 16):
            client.sendall(content[start : start + (1 << 16)])
            while len(received) < start + (1 << 16):
                received += client.recv(1 << 16)
        client.unwrap().close()
    assert received == content
    assert f"echoed {1 << 20} bytes" in server.stop()


def test_a_plain_client_costs_one_line(served: Serve, certificates: Certificates) -> None:
    server = served("--echo", *with_certificate(certificates))
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        # The server leaves bytes unread that were no TLS, so the end may be a reset.
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(1000):
                pass
    lines = server.stop().splitlines()
    assert len(lines) == 2
    assert "refused" in lines[0]


def test_client_certificates_are_demanded(served: Serve, certificates: Certificates) -> None:
    server = served("--echo", *with_certificate(certificates), "--client-ca", certificates.authority)
    context = trusting(certificates)
    with client_of(server, context) as client, pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
        client.recv(1)
    context.load_cert_chain(certificates.client, certificates.client_key)
    with client_of(server, context) as client:
        client.sendall(b"ping")
        assert client.recv(10) == b"ping"
    server.stop()


def test_client_certificates_may_be_optional(served: Serve, certificates: Certificates) -> None:
    options = ["--client-ca", certificates.authority, "--client-optional"]
    server = served("--echo", *with_certificate(certificates), *options)
    with client_of(server, trusting(certificates)) as client:
        client.sendall(b"ping")
        assert client.recv(10) == b"ping"
    server.stop()


def test_application_protocol_is_chosen_from_the_list(served: Serve, certificates: Certificates) -> None:
    server = served("--echo", *with_certificate(certificates), "--alpn", "one,two")
    context = trusting(certificates)
    context.set_alpn_protocols(["two", "three"])
    with client_of(server, context) as client:
        assert client.selected_alpn_protocol() == "two"
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_ends_it_cleanly(served: Serve, certificates: Certificates, number: signal.Signals) -> None:
    server = served("--echo", *with_certificate(certificates))
    with client_of(server, trusting(certificates)):
        assert server.stop(number) == "stopped\n"
    assert server.process.returncode == 0


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "serve", str(tmp_path), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 3
    assert str(port) in done.stderr


def test_curl_fetches_a_file(
    served: Serve, certificates: Certificates, peer: Callable[[str], str], tmp_path: Path
) -> None:
    content = os.urandom(5 << 20)
    (tmp_path / "large").write_bytes(content)
    server = served(".", *with_certificate(certificates))
    command = [peer("curl"), "-sS", "--http2", "--max-time", "30", "--cacert", certificates.authority]
    done = subprocess.run(
        [*command, f"https://localhost:{server.port}/large"], capture_output=True, timeout=SECONDS * 2, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == content
    server.stop()
