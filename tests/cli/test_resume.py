"""`tlsocket connect --resume`: what it says of the second connection is what the server says of it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import tlsocket
from tests.cli.conftest import SECONDS, Certificates
from tests.cli.peers import free_port, listening, nginx, wait_for
from tests.cli.test_connect import Run
from tlsocket.cli.connect import Destination, connected
from tlsocket.cli.resumption import part, resumption, session_of
from tlsocket.pki.authority import Authority

RESUMED = "session: resumed: neither certificate nor signature was sent"
NOT_TAKEN = "session: not resumed: the server did not take it"
REQUEST = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


def context_of(certificates: Certificates, tickets: int) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = tickets
    return context


@contextmanager
def servers(contexts: Sequence[ssl.SSLContext]) -> Iterator[int]:
    """A port where each context serves one connection, in their order: a greeting, then what comes until the end."""

    def serve(listener: socket.socket) -> None:
        for context in contexts:
            plain, _ = listener.accept()
            plain.settimeout(SECONDS)
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                secure.sendall(b"welcome\n")
                while secure.recv(1 << 16):
                    pass

    with listening(serve) as port:
        yield port


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_openssl_sees_what_is_told(
    tlsocket: Run, certificates: Certificates, peer: Callable[[str], str], version: str
) -> None:
    """It serves one connection at a time, so the first one must be over; its page says `Reused`, or does not."""
    port = free_port()
    command = [peer("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www", version]
    files = ["-cert", certificates.server, "-key", certificates.server_key]
    with subprocess.Popen(
        [*command, *files], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE
    ) as server:
        try:
            wait_for(port)
            done = tlsocket(
                "connect", f"localhost:{port}", "--cafile", certificates.authority, "--resume", stdin=REQUEST
            )
        finally:
            server.kill()
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert said.count("\nsession: ") == 1
    assert (RESUMED in said) == (b"\nReused, " in done.stdout), done.stdout
    if version == "-tls1_3":
        assert f"connected again to localhost:{port}" in said
        assert RESUMED in said
        assert said.count("chain, as the peer sent it") == 1


def test_nginx_sees_what_is_told(
    tlsocket: Run, certificates: Certificates, peer: Callable[[str], str], tmp_path: Path
) -> None:
    """`$ssl_session_reused` is `r` or `.`."""
    with nginx(peer("nginx"), tmp_path, certificates, "return 200 'reused=$ssl_session_reused'") as port:
        arguments = ["connect", f"localhost:{port}", "--cafile", certificates.authority, "--resume", "--trace"]
        done = tlsocket(*arguments, stdin=REQUEST)
    said = done.stderr.decode()
    assert done.stdout.endswith(b"reused=r"), said
    assert RESUMED in said
    first, _, second = said.partition("connected to ")
    assert "extension pre_shared_key: " not in first
    assert "extension pre_shared_key: " in second


def test_a_server_without_tickets_is_told_and_heard(tlsocket: Run, certificates: Certificates) -> None:
    with servers([context_of(certificates, 0)]) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, "--resume")
    assert done.returncode == 0, done.stderr
    assert b"session: not resumed: no session ticket came within 2 seconds" in done.stderr
    assert done.stdout == b"welcome\n"


def test_a_server_that_does_not_take_it_is_told(tlsocket: Run, certificates: Certificates) -> None:
    """Two machines behind one name, without ticket keys in common."""
    with servers([context_of(certificates, 2), context_of(certificates, 2)]) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, "--resume")
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert NOT_TAKEN in said
    assert said.count("chain, as the peer sent it") == 2
    assert said.count('verdict: good: it is "localhost"') == 2
    assert done.stdout == b"welcome\n"


def test_a_second_connection_that_fails_is_an_error(tlsocket: Run, certificates: Certificates, tmp_path: Path) -> None:
    """The verdict of the first connection is not carried over to a server that cannot resume it."""
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = Authority.create("stranger").issue("localhost")
    other.load_cert_chain(*issued.write(tmp_path, "other"))
    with servers([context_of(certificates, 2), other]) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, "--resume")
    assert done.returncode == 1
    assert b"verdict: good" in done.stderr
    assert b"verdict: refused: " in done.stderr
    assert done.stdout == b""


def test_a_session_that_is_not_offered_is_told(certificates: Certificates) -> None:
    context = tlsocket.create_default_context(cafile=certificates.authority)
    with servers([context_of(certificates, 2)] * 2) as port:
        to = Destination(("localhost", port), "localhost", None, False, False)
        with connected(context, to) as (secure, _):
            session, heard = session_of(secure)
            assert session is not None
            assert b"welcome\n".startswith(heard)
            part(secure)
        context.set_alpn_protocols(["other"])
        with connected(context, to, session) as (secure, seen):
            told = resumption(secure, seen.tickets_offered, 0.0125, 0.0035)
    assert "not resumed: it was not offered" in told
    assert told.endswith("3.5 ms; the first took 12.5 ms")
