"""`tlsocket connect` against the standard library's server, OpenSSL's, and nginx; what it says, and what it pipes."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, SECONDS, Certificates, Served
from tests.cli.peers import free_port, listening, nginx, wait_for
from tlsocket.pki.authority import Authority

Run = Callable[..., subprocess.CompletedProcess[bytes]]
Behaviour = Callable[[ssl.SSLSocket], None]


@contextmanager
def standard_server(
    certificates: Certificates, behaviour: Behaviour, configure: Callable[[ssl.SSLContext], None] | None = None
) -> Iterator[int]:
    """One connection to a server of the standard library; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    if configure is not None:
        configure(context)

    def serve_one(listener: socket.socket) -> None:
        try:
            plain, _ = listener.accept()
            plain.settimeout(SECONDS)
            with context.wrap_socket(plain, server_side=True) as secure:
                behaviour(secure)
        except OSError:
            pass  # What the client says about it is what the test looks at.

    with listening(serve_one) as port:
        yield port


def greet(secure: ssl.SSLSocket) -> None:
    secure.sendall(b"welcome\n")
    secure.unwrap().close()


def collect_and_answer(secure: ssl.SSLSocket) -> None:
    """Like HTTP/1.0: answer a line, then close."""
    request = b""
    while not request.endswith(b"\n"):
        request += secure.recv(1 << 16)
    secure.sendall(b"got %d\n" % len(request))
    secure.unwrap().close()


def test_what_was_negotiated_goes_to_standard_error(tlsocket: Run, certificates: Certificates) -> None:
    with standard_server(certificates, greet, lambda context: context.set_alpn_protocols(["echo"])) as port:
        done = tlsocket(
            "connect", f"localhost:{port}", "--cafile", certificates.authority, "--alpn", "other,echo", stdin=b""
        )
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert done.stdout == b"welcome\n"
    for words in (
        "protocol      TLS 1.3",
        "TLS_AES_",
        "x25519",
        "ecdsa_secp256r1_sha256",
        "ALPN          echo",
        "DNS:localhost",
        "SHA-256",
        'verdict: good: it is "localhost", and "CN=cli authority", which is trusted, vouches for it',
    ):
        assert words in said, said


def test_standard_input_is_sent_and_the_answer_awaited(tlsocket: Run, certificates: Certificates) -> None:
    with standard_server(certificates, collect_and_answer) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, stdin=b"x" * 99 + b"\n")
    assert done.stdout == b"got 100\n", done.stderr


def test_large_data_goes_both_ways_at_once(tlsocket: Run, certificates: Certificates) -> None:
    def echo(secure: ssl.SSLSocket) -> None:
        while data := secure.recv(1 << 16):
            secure.sendall(data)

    content = os.urandom(1 << 20) * 20
    with standard_server(certificates, echo) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, stdin=content)
    assert done.returncode == 0, done.stderr
    assert done.stdout == content


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cafile", "{stranger}"], "authority"),
        (["--cafile", "{authority}", "--servername", "other.example"], "other.example"),
    ],
    ids=["unknown authority", "wrong name"],
)
def test_a_bad_verdict_shows_the_chain_and_exits_1(
    tlsocket: Run, certificates: Certificates, options: list[str], words: str
) -> None:
    filled = [option.format(stranger=certificates.stranger, authority=certificates.authority) for option in options]
    with standard_server(certificates, greet) as port:
        done = tlsocket("connect", f"localhost:{port}", *filled)
    said = done.stderr.decode()
    assert done.returncode == 1
    assert done.stdout == b""
    assert "CN=localhost" in said
    assert "verdict: refused: " in said
    assert words in said.partition("verdict: refused: ")[2]
    assert "Traceback" not in said


def test_an_expired_certificate_is_refused_in_words(tlsocket: Run, certificates: Certificates, tmp_path: Path) -> None:
    authority = Authority.create("cli authority")
    day = 86400.0
    issued = authority.issue("localhost", not_before=time.time() - 40 * day, not_after=time.time() - 10 * day)
    chain, key = issued.write(tmp_path, "expired")
    roots = authority.write(tmp_path / "roots.pem")
    with standard_server(certificates, greet, lambda context: context.load_cert_chain(chain, key)) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", roots)
    assert done.returncode == 1
    assert b"expired" in done.stderr.partition(b"verdict: refused: ")[2]


def test_insecure_connects_and_says_so(tlsocket: Run, certificates: Certificates) -> None:
    with standard_server(certificates, greet) as port:
        done = tlsocket("connect", f"localhost:{port}", "--insecure")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"welcome\n"
    assert b"not verified" in done.stderr


def test_our_certificate_is_sent_when_asked_for(tlsocket: Run, certificates: Certificates) -> None:
    seen: list[object] = []

    def demand(context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.authority)

    def look(secure: ssl.SSLSocket) -> None:
        seen.append(secure.getpeercert())
        greet(secure)

    with standard_server(certificates, look, demand) as port:
        files = ["--cert", certificates.client, "--key", certificates.client_key]
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, *files)
    assert done.returncode == 0, done.stderr
    assert seen
    assert b"our certificate was asked for and sent" in done.stderr


def test_a_missing_client_certificate_is_told_in_words(tlsocket: Run, certificates: Certificates) -> None:
    def demand(context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.authority)

    with standard_server(certificates, greet, demand) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority)
    assert done.returncode == 1
    assert b"certificate" in done.stderr.lower().splitlines()[-1]


def test_a_server_that_speaks_less_is_refused_in_words(tlsocket: Run, certificates: Certificates) -> None:
    def old(context: ssl.SSLContext) -> None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with standard_server(certificates, greet, old) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority)
    assert done.returncode == 1
    assert b"version" in done.stderr.lower()


def test_a_plain_server_is_refused_in_words(tlsocket: Run, certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            plain, _ = listener.accept()
            with plain:
                plain.recv(1 << 16)
                plain.sendall(b"220 mail.example ESMTP\r\n")
                plain.settimeout(SECONDS)
                # Our side leaves bytes unread that were no TLS, so the end may be a reset.
                with contextlib.suppress(ConnectionResetError):
                    while plain.recv(1 << 16):
                        pass

        thread = threading.Thread(target=answer)
        thread.start()
        done = tlsocket("connect", f"localhost:{listener.getsockname()[1]}", "--cafile", certificates.authority)
        thread.join(SECONDS)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1


def test_the_key_log_has_the_connections_secrets(tlsocket: Run, certificates: Certificates, tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    with standard_server(certificates, greet) as port:
        done = tlsocket("connect", f"localhost:{port}", "--insecure", "--keylog", str(log))
    assert done.returncode == 0
    labels = {line.split()[0] for line in log.read_text().splitlines() if not line.startswith("#")}
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"} <= labels
    assert log.stat().st_mode & 0o077 == 0


def test_a_missing_authority_file_is_named(tlsocket: Run, tmp_path: Path) -> None:
    done = tlsocket("connect", "localhost:1", "--cafile", str(tmp_path / "nothing.pem"))
    assert done.returncode == 3
    assert b"nothing.pem" in done.stderr


def test_a_file_is_read_from_openssl(
    tlsocket: Run, certificates: Certificates, peer: Callable[[str], str], tmp_path: Path
) -> None:
    content = os.urandom(5 << 20)
    (tmp_path / "large").write_bytes(content)
    port = free_port()
    command = [peer("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-WWW", "-tls1_3"]
    files = ["-cert", certificates.server, "-key", certificates.server_key]
    with subprocess.Popen(
        [*command, *files], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE
    ) as server:
        try:
            wait_for(port)
            request = b"GET /large HTTP/1.0\r\n\r\n"
            done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, stdin=request)
        finally:
            server.kill()
    assert done.stdout.partition(b"\r\n\r\n")[2] == content, done.stderr


def test_a_file_is_read_from_nginx(
    tlsocket: Run, certificates: Certificates, peer: Callable[[str], str], tmp_path: Path
) -> None:
    content = os.urandom(5 << 20)
    (tmp_path / "large").write_bytes(content)
    tmp_path.chmod(0o755)
    with nginx(peer("nginx"), tmp_path, certificates, f"root {tmp_path}") as port:
        request = b"GET /large HTTP/1.0\r\nHost: localhost\r\n\r\n"
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, stdin=request)
    assert done.stdout.partition(b"\r\n\r\n")[2] == content, done.stderr


def test_serve_and_connect_examples_of_the_help_work_together(
    served: Callable[..., Served], tlsocket: Run, certificates: Certificates
) -> None:
    """What `--help` shows, with the ports that are free here."""
    files = ["--cert", "server.pem", "--key", "server.key"]
    (certificates.folder / "server.key").write_bytes(Path(certificates.server_key).read_bytes())
    echo = served("--echo", *files, cwd=certificates.folder)
    files_server = served(".", cwd=certificates.folder)
    for port, rest, stdin in (
        (echo.port, ["--cafile", "authority.pem"], b"hello\n"),
        (files_server.port, ["--insecure", "--alpn", "http/1.1"], b""),
    ):
        done = tlsocket("connect", f"localhost:{port}", *rest, stdin=stdin, cwd=certificates.folder)
        assert done.returncode == 0, done.stderr
        assert done.stdout == stdin


def test_a_cut_off_stream_is_an_error(tlsocket: Run, certificates: Certificates) -> None:
    def cut_off(secure: ssl.SSLSocket) -> None:
        secure.sendall(b"half of it")
        socket.socket(fileno=secure.detach()).close()

    with standard_server(certificates, cut_off) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority)
    assert done.stdout == b"half of it"
    assert done.returncode == 3
    assert b"without a close_notify" in done.stderr.splitlines()[-1]


def test_a_server_that_resets_is_named(tlsocket: Run, certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def reset() -> None:
            plain, _ = listener.accept()
            plain.recv(1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plain.close()

        thread = threading.Thread(target=reset)
        thread.start()
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority)
        thread.join(SECONDS)
    assert done.returncode == 3
    assert done.stderr.startswith(f"tlsocket: localhost:{port}: ".encode())


def test_output_that_nobody_reads_ends_it_quietly(certificates: Certificates) -> None:
    def pour(secure: ssl.SSLSocket) -> None:
        while True:
            secure.sendall(bytes(1 << 16))

    with standard_server(certificates, pour) as port:
        shell = f"{' '.join(COMMAND)} connect localhost:{port} --insecure | head -c 10 | wc -c"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=SECONDS * 2, check=True)
    assert done.stdout.strip() == b"10"
    assert b"Traceback" not in done.stderr
