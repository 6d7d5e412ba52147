"""Programs of the standard library that run with our contexts unchanged: http, asyncio, urllib, xmlrpc, poplib."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import http.server
import os
import poplib
import smtplib
import socket
import socketserver
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import MODULES, TIMEOUT, Background, Files, client_context, server_context

PAIRS = [("ours", "ours"), ("ours", "stdlib"), ("stdlib", "ours")]


@pytest.fixture(params=PAIRS, ids=lambda roles: f"client-{roles[0]}-server-{roles[1]}")
def contexts(request: pytest.FixtureRequest, files: Files) -> tuple[Any, Any]:
    client, server = (MODULES[name] for name in request.param)
    return client_context(client, files), server_context(server, files)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def https_server(context: Any, folder: Path) -> Iterator[int]:
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(TIMEOUT)


def test_http_client_and_server(contexts: tuple[Any, Any], tmp_path: Path) -> None:
    client, server = contexts
    (tmp_path / "file").write_bytes(os.urandom(1_000_000))
    with https_server(server, tmp_path) as port:
        connection = http.client.HTTPSConnection("localhost", port, context=client, timeout=TIMEOUT)
        with contextlib.closing(connection):
            for _ in range(3):
                connection.request("GET", "/file")
                assert connection.getresponse().read() == (tmp_path / "file").read_bytes()
            body = os.urandom(300_000)
            connection.request("POST", "/", body)
            assert connection.getresponse().read() == body
            connection.request("GET", "/missing")
            response = connection.getresponse()
            assert response.status == 404
            response.read()


def test_urllib_fetches(contexts: tuple[Any, Any], tmp_path: Path) -> None:
    client, server = contexts
    (tmp_path / "file").write_bytes(b"content")
    with https_server(server, tmp_path) as port:
        response = urllib.request.urlopen(f"https://localhost:{port}/file", context=client, timeout=TIMEOUT)
        with contextlib.closing(response):
            assert response.read() == b"content"


def test_urllib_tells_of_a_refused_certificate(server: Any, tmp_path: Path) -> None:
    stranger: Any = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    with https_server(server, tmp_path) as port:
        with pytest.raises(urllib.error.URLError) as caught:
            urllib.request.urlopen(f"https://localhost:{port}/", context=stranger, timeout=TIMEOUT)
        assert isinstance(caught.value.reason, ssl.SSLCertVerificationError)


def run(coroutine: Any) -> Any:
    async def limited() -> Any:
        return await asyncio.wait_for(coroutine, TIMEOUT)

    return asyncio.run(limited())


def test_asyncio_streams(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    data = os.urandom(3_000_000)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def main() -> None:
        listener = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
            assert writer.get_extra_info("cipher") == writer.get_extra_info("ssl_object").cipher()
            assert writer.get_extra_info("peercert")["subject"] == ((("commonName", "localhost"),),)
            assert isinstance(writer.get_extra_info("ssl_object"), ssl.SSLObject)

            async def send() -> None:
                writer.write(data)
                await writer.drain()

            sending = asyncio.ensure_future(send())
            assert await reader.readexactly(len(data)) == data
            await sending
            writer.close()
            await writer.wait_closed()

    run(main())


def test_asyncio_start_tls(contexts: tuple[Any, Any]) -> None:
    client, server = contexts

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.start_tls(server)
        writer.write((await reader.readline()).upper())
        writer.close()

    async def main() -> None:
        listener = await asyncio.start_server(shout, "127.0.0.1", 0)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"go\n"
            await writer.start_tls(client, server_hostname="localhost")
            writer.write(b"shout\n")
            assert await reader.read() == b"SHOUT\n"
            writer.close()

    run(main())


def test_asyncio_tells_of_a_refused_certificate(server: Any) -> None:
    stranger = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)

    async def main() -> None:
        listener = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=server)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", port, ssl=stranger, server_hostname="localhost")

    run(main())


def test_asyncio_refuses_an_ssl_socket(client: Any) -> None:
    async def main() -> None:
        with client.wrap_socket(socket.socket(), server_hostname="localhost") as sock:
            sock.setblocking(False)
            with pytest.raises(TypeError, match="SSLSocket"):
                await asyncio.get_running_loop().sock_recv(sock, 10)

    run(main())


def test_socketserver_streams(contexts: tuple[Any, Any]) -> None:
    client, server = contexts

    class Shout(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(line.upper())

    with socketserver.TCPServer(("127.0.0.1", 0), Shout) as listener:
        listener.socket = server.wrap_socket(listener.socket, server_side=True)
        background = Background(listener.handle_request)
        with client.wrap_socket(
            socket.create_connection(listener.socket.getsockname(), TIMEOUT), server_hostname="localhost"
        ) as near:
            with near.makefile("rwb") as file:
                file.write(b"shout\n")
                file.flush()
                assert file.readline() == b"SHOUT\n"
            near.shutdown(socket.SHUT_WR)
        background.result()


def test_poplib_and_smtplib_upgrade(contexts: tuple[Any, Any]) -> None:
    client, server = contexts

    def serve(listener: socket.socket, greeting: bytes, answers: dict[bytes, bytes], upgrade: bytes) -> None:
        raw, _ = listener.accept()
        raw.settimeout(TIMEOUT)
        raw.sendall(greeting)
        sock: Any = raw
        while True:
            line = b""
            while not line.endswith(b"\n"):
                piece = sock.recv(1)
                if not piece:
                    sock.close()
                    return
                line += piece
            word = line.split()[0].upper()
            sock.sendall(answers[word])
            if word == upgrade:
                sock = server.wrap_socket(sock, server_side=True)
            elif word == b"QUIT":
                sock.close()
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        background = Background(
            lambda: serve(listener, b"+OK hello\r\n", {b"CAPA": b"+OK\r\nSTLS\r\n.\r\n", b"STLS": b"+OK\r\n",
                                                       b"QUIT": b"+OK\r\n"}, b"STLS")
        )  # fmt: skip
        pop = poplib.POP3("localhost", listener.getsockname()[1], timeout=TIMEOUT)
        assert pop.stls(client) == b"+OK"
        assert pop.quit() == b"+OK"
        background.result()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        background = Background(
            lambda: serve(
                listener, b"220 hello\r\n", {b"EHLO": b"250-hello\r\n250 STARTTLS\r\n", b"STARTTLS": b"220 go\r\n",
                                            b"QUIT": b"221 bye\r\n"}, b"STARTTLS"
            )
        )  # fmt: skip
        with smtplib.SMTP("localhost", listener.getsockname()[1], timeout=TIMEOUT) as smtp:
            assert smtp.starttls(context=client)[0] == 220
            assert smtp.ehlo()[0] == 250
        background.result()
