"""A file over HTTPS, intact: fetched from us by programs, and read by us from theirs.

`http.server` and `http.client` run unchanged with our context; then the commands `tlsocket serve` and `tlsocket
connect`. 5 MB, and 100 MB in the tests marked long.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import importlib.util
import random
import ssl
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.interop.cells import DEFAULT
from tests.interop.clients import ClientOptions, gnutls_arguments
from tests.interop.clients import openssl_arguments as client_arguments
from tests.interop.face import END, Face, Listener, fetch, say_goodbye
from tests.interop.http2 import serve_body
from tests.interop.materials import NAME, Materials
from tests.interop.programs import LOOPBACK, Program, dial, free_port
from tests.interop.servers import Find, ServerOptions, gnutls_priority, nginx
from tests.interop.servers import openssl_arguments as server_arguments

LONG_WAIT = 280.0

SIZES = pytest.mark.parametrize(
    "size",
    [
        pytest.param(5 * 1000**2, id="5MB"),
        pytest.param(100 * 1000**2, id="100MB", marks=[pytest.mark.long, pytest.mark.timeout(300)]),
    ],
)
HTTP1_FETCHERS = ("openssl", "gnutls", "curl")


def make_file(folder: Path, size: int) -> str:
    """Write `folder/file` with random bytes; returns their digest."""
    folder.mkdir(exist_ok=True)
    data = random.Random(size).randbytes(size)
    (folder / "file").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch_with(peer: Find, materials: Materials, tmp_path: Path, name: str, port: int, *, goodbye: bool = True) -> str:
    """Let a program fetch /file with HTTP; returns the digest of the body.

    `goodbye`: whether the server can be expected to send close_notify, without which some report an error.
    """
    output = tmp_path / "fetched"
    options = ClientOptions(cell=None)
    url = f"https://{NAME}:{port}/file"
    request: bytes | None = None
    program, *arguments = name.split()
    if program == "curl":
        arguments = arguments or ["--http1.1"]
        arguments += ["-sS", "--fail", "--noproxy", "*", "--cacert", materials.authority, "-4", "-o", str(output), url]
    elif program == "nghttp":
        arguments = ["--no-verify-peer", url]
    else:
        request = b"GET /file HTTP/1.0\r\n\r\n"
        if program == "openssl":
            arguments = ["s_client", "-quiet", *client_arguments(materials, port, options)]
        else:
            program = "gnutls-cli"
            arguments = ["--logfile", str(tmp_path / "log"), *gnutls_arguments(materials, port, options)]
    # To a file: gnutls-cli writes byte by byte.
    said = tmp_path / "said"
    with Program([peer(program), *arguments], output_to=said) as running:
        if request is None:
            running.close_input()
        else:
            running.write(request)
        status = running.finish(timeout=LONG_WAIT)
        assert status == 0 or not goodbye, running.describe()
    if program == "curl":
        return digest_of(output.read_bytes())
    return digest_of(said.read_bytes() if request is None else said.read_bytes().partition(END)[2])


@contextlib.contextmanager
def python_server(face: Face, materials: Materials, folder: Path) -> Iterator[int]:
    """`http.server` as its documentation shows it, with our context; yields the port."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    context = face.server_context(materials.servers[DEFAULT.key])
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), partial(Handler, directory=str(folder))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(LONG_WAIT)


@SIZES
@pytest.mark.parametrize("name", HTTP1_FETCHERS)
def test_fetched_from_http_server(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, name: str, size: int
) -> None:
    expected = make_file(tmp_path / "served", size)
    with python_server(face, materials, tmp_path / "served") as port:
        # `shutdown` says goodbye in ours, as `ssl`'s does not.
        goodbye = face.module is not ssl
        assert fetch_with(peer, materials, tmp_path, name, port, goodbye=goodbye) == expected


@SIZES
@pytest.mark.parametrize("name", ["nghttp", "curl --http2"])
def test_fetched_over_http2(face: Face, peer: Find, materials: Materials, tmp_path: Path, name: str, size: int) -> None:
    body = random.Random(size).randbytes(size)
    context = face.server_context(materials.servers[DEFAULT.key], alpn=["h2", "http/1.1"])

    def handle(sock: ssl.SSLSocket) -> int:
        assert sock.selected_alpn_protocol() == "h2"
        requests = serve_body(sock, body)
        say_goodbye(sock)
        return requests

    with Listener(context, handle, timeout=LONG_WAIT) as listener:
        assert fetch_with(peer, materials, tmp_path, name, listener.port) == digest_of(body)
        assert listener.result() == 1


@SIZES
def test_http_client_reads_from_nginx(face: Face, peer: Find, materials: Materials, tmp_path: Path, size: int) -> None:
    with nginx(peer, materials, ServerOptions(), tmp_path) as server:
        expected = make_file(tmp_path / "files", size)
        dial(server.port, server.program).close()
        connection = http.client.HTTPSConnection(
            NAME, server.port, timeout=LONG_WAIT, context=face.client_context(materials)
        )
        for _ in range(2):  # over one connection
            connection.request("GET", "/files/file")
            with connection.getresponse() as response:
                assert response.status == 200
                assert digest_of(response.read()) == expected
        connection.close()


@SIZES
@pytest.mark.parametrize("mode", ["-WWW", "-HTTP"])
def test_we_read_from_openssl(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, mode: str, size: int
) -> None:
    """-HTTP sends the file as it is, headers included, so that the file brings its own."""
    expected = make_file(tmp_path, size)
    if mode == "-HTTP":
        body = (tmp_path / "file").read_bytes()
        (tmp_path / "file").write_bytes(b"HTTP/1.0 200 OK\r\n\r\n" + body)
    port = free_port()
    arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", mode, "-http_server_binmode"]
    with (
        Program(arguments + server_arguments(materials, ServerOptions()), cwd=tmp_path) as program,
        face.connect(face.client_context(materials), port, program, timeout=LONG_WAIT) as sock,
    ):
        assert digest_of(fetch(sock, "/file")) == expected


@SIZES
def test_we_read_from_gnutls(face: Face, peer: Find, materials: Materials, tmp_path: Path, size: int) -> None:
    expected = make_file(tmp_path, size)
    port, files = free_port(), materials.servers[DEFAULT.key]
    arguments = [peer("gnutls-serv"), "--http", "--port", str(port), "--disable-client-cert"]
    arguments += ["--x509certfile", files.certificate, "--x509keyfile", files.key]
    arguments += ["--priority", gnutls_priority(None), "--httpdata", str(tmp_path / "file")]
    with (
        Program(arguments) as program,
        face.connect(face.client_context(materials), port, program, timeout=LONG_WAIT) as sock,
    ):
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = bytearray()
        while data := sock.recv(65536):
            received += data
        assert digest_of(bytes(received)[-size:]) == expected


# The commands


@pytest.fixture
def command() -> list[str]:
    """The `tlsocket` command of this interpreter."""
    for needed in ("click", "rich"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is missing: pip install 'tlsocket[cli]'")
    return [sys.executable, "-m", "tlsocket"]


@contextlib.contextmanager
def serving(command: list[str], materials: Materials, folder: Path) -> Iterator[tuple[Program, int]]:
    """`tlsocket serve` on a free port."""
    files = materials.servers[DEFAULT.key]
    port = free_port()
    arguments = ["serve", str(folder), "--port", str(port), "--cert", files.certificate, "--key", files.key]
    with Program([*command, *arguments]) as program:
        dial(port, program).close()
        yield program, port


@SIZES
@pytest.mark.parametrize("name", HTTP1_FETCHERS)
def test_fetched_from_tlsocket_serve(
    peer: Find, materials: Materials, tmp_path: Path, command: list[str], name: str, size: int
) -> None:
    expected = make_file(tmp_path / "served", size)
    with serving(command, materials, tmp_path / "served") as (_program, port):
        assert fetch_with(peer, materials, tmp_path, name, port) == expected


@SIZES
def test_curl_offers_http2_to_tlsocket_serve(
    peer: Find, materials: Materials, tmp_path: Path, command: list[str], size: int
) -> None:
    """It takes http/1.1, which is what the command says it speaks."""
    expected = make_file(tmp_path / "served", size)
    with serving(command, materials, tmp_path / "served") as (_program, port):
        assert fetch_with(peer, materials, tmp_path, "curl --http2", port) == expected


@SIZES
@pytest.mark.parametrize("name", ["nginx", "openssl"])
def test_tlsocket_connect_reads(
    peer: Find, materials: Materials, tmp_path: Path, command: list[str], name: str, size: int
) -> None:
    """A request on standard input, the answer on standard output, everything else on standard error."""
    with contextlib.ExitStack() as stack:
        if name == "nginx":
            server = stack.enter_context(nginx(peer, materials, ServerOptions(), tmp_path))
            program, port, path = server.program, server.port, "/files/file"
            expected = make_file(tmp_path / "files", size)
        else:
            port, path = free_port(), "/file"
            expected = make_file(tmp_path, size)
            arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-WWW", "-http_server_binmode"]
            arguments += server_arguments(materials, ServerOptions())
            program = stack.enter_context(Program(arguments, cwd=tmp_path))
        dial(port, program).close()
        connect = [*command, "connect", f"{NAME}:{port}", "--cafile", materials.authority]
        client = stack.enter_context(Program(connect))
        client.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        client.close_input()
        assert client.finish(timeout=LONG_WAIT) == 0, client.describe()
        head, _, body = bytes(client.output).partition(END)
        assert b" 200 " in head.partition(b"\r\n")[0]
        assert digest_of(body) == expected
