"""Libraries that are not about HTTP: anyio, trio, websockets, mail, and asyncio over uvloop and aiofastnet."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from tests.dropin.support import TIMEOUT
from tests.libraries.ends import Ends, causes, is_refused_certificate, run

DATA = os.urandom(300_000)
CASES = ["data", "refused", "demanded", "without"]
"""Data both ways; nobody trusted; a client certificate demanded and there; demanded and not there."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Servers log refused handshakes; what they log is not looked at."""
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, ends: Ends) -> Case:
    return Case(request.param, ends)


class Case:
    """The contexts of one case, and the check of what came of it."""

    def __init__(self, name: str, ends: Ends) -> None:
        self.name = name
        self.server = ends.server(demand=name in ("demanded", "without"))
        self.client = ends.client(trusting=name != "refused", certificate=name == "demanded")

    def check(self, act: Callable[[], None]) -> None:
        """`act` connects, has `DATA` echoed, compares, and closes cleanly; or fails as the case says."""
        if self.name in ("data", "demanded"):
            act()
            return
        with pytest.raises(BaseException) as caught:
            act()
        assert not any(isinstance(each, TimeoutError) for each in causes(caught.value)), repr(caught.value)
        assert not any(isinstance(each, AssertionError) for each in causes(caught.value)), repr(caught.value)
        if self.name == "refused":
            assert is_refused_certificate(caught.value), repr(caught.value)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(case: Case, backend: str) -> None:
    import anyio
    from anyio.streams.tls import TLSListener, TLSStream

    async def echo(stream: Any) -> None:
        async with stream:
            try:
                while True:
                    await stream.send(await stream.receive())
            except anyio.EndOfStream:
                pass

    async def main() -> None:
        with anyio.fail_after(TIMEOUT):
            multi = await anyio.create_tcp_listener(local_host="127.0.0.1")
            listener = TLSListener(multi.listeners[0], case.server)
            async with listener, anyio.create_task_group() as group:
                group.start_soon(listener.serve, echo)
                port = multi.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
                raw = await anyio.connect_tcp("127.0.0.1", port)
                try:
                    stream = await TLSStream.wrap(raw, hostname="localhost", ssl_context=case.client)
                    async with anyio.create_task_group() as sending:
                        sending.start_soon(stream.send, DATA)
                        received = b""
                        while len(received) < len(DATA):
                            received += await stream.receive()
                    assert received == DATA
                    plain, left = await stream.unwrap()  # the closing alerts of both sides
                    assert left == b""
                    await plain.aclose()
                finally:
                    await raw.aclose()
                group.cancel_scope.cancel()

    case.check(lambda: anyio.run(main, backend=backend))


def test_trio(case: Case) -> None:
    import trio

    async def echo(stream: Any) -> None:
        try:
            async for piece in stream:
                await stream.send_all(piece)
            await stream.aclose()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(stream)

    async def main() -> None:
        with trio.fail_after(TIMEOUT):
            async with trio.open_nursery() as nursery:
                listeners = await nursery.start(trio.serve_ssl_over_tcp, echo, 0, case.server)
                port = listeners[0].transport_listener.socket.getsockname()[1]
                raw = await trio.open_tcp_stream("127.0.0.1", port)
                stream = trio.SSLStream(raw, case.client, server_hostname="localhost")
                try:
                    received = b""
                    async with trio.open_nursery() as sending:
                        sending.start_soon(stream.send_all, DATA)
                        while len(received) < len(DATA):
                            piece = await stream.receive_some()
                            if not piece:
                                raise EOFError
                            received += bytes(piece)
                    assert received == DATA
                    await stream.unwrap()
                finally:
                    await trio.aclose_forcefully(raw)
                nursery.cancel_scope.cancel()

    case.check(lambda: trio.run(main))


def test_websockets(case: Case) -> None:
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve

    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, ssl=case.server) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"wss://localhost:{port}", ssl=case.client, proxy=None, max_size=None) as connection:
                await connection.send(DATA)
                assert await connection.recv() == DATA
            assert connection.close_code == 1000

    case.check(lambda: run(main()))


def test_websockets_in_threads(case: Case) -> None:
    import threading

    from websockets.sync.client import connect
    from websockets.sync.server import serve

    def echo(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, ssl=case.server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]

        def act() -> None:
            with connect(f"wss://localhost:{port}", ssl=case.client, proxy=None, max_size=None) as connection:
                connection.send(DATA)
                assert connection.recv() == DATA
            assert connection.protocol.close_code == 1000

        case.check(act)
        server.shutdown()
        thread.join(TIMEOUT)
        assert not thread.is_alive()


@pytest.mark.parametrize("way", ["implicit", "STARTTLS"])
def test_aiosmtplib_to_aiosmtpd(case: Case, way: str) -> None:
    import aiosmtplib
    from aiosmtpd.smtp import SMTP

    letters: list[bytes] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            letters.append(envelope.content)
            return "250 OK"

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def make() -> Any:
            options = {"tls_context": case.server, "require_starttls": True} if way == "STARTTLS" else {}
            return SMTP(Handler(), loop=loop, hostname="localhost", **options)

        implicit = case.server if way == "implicit" else None
        server = await loop.create_server(make, "127.0.0.1", 0, ssl=implicit)
        port = server.sockets[0].getsockname()[1]
        client = aiosmtplib.SMTP(
            hostname="localhost", port=port, use_tls=way == "implicit", start_tls=way == "STARTTLS",
            tls_context=case.client, timeout=TIMEOUT,
        )  # fmt: skip
        async with server:
            async with client:
                await client.sendmail(
                    "a@example.org", ["b@example.org"], b"Subject: hello\r\n\r\n" + b"line\r\n" * 5000
                )

    case.check(lambda: run(main()))
    if case.name in ("data", "demanded"):
        assert letters[0].count(b"line\r\n") == 5000


async def echo_streams(case: Case) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        except (ssl.SSLError, ConnectionError):
            pass
        writer.close()

    listener = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=case.server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=case.client, server_hostname="localhost")
        try:
            writer.write(DATA)
            assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
            assert await reader.readexactly(len(DATA)) == DATA
        finally:
            writer.close()
        await writer.wait_closed()


def test_uvloop_streams(case: Case) -> None:
    import uvloop

    case.check(lambda: run(echo_streams(case), uvloop.new_event_loop))


def fastnet_loop() -> asyncio.AbstractEventLoop:
    import aiofastnet

    return aiofastnet.loop_factory()()


def test_aiofastnet_streams(case: Case) -> None:
    for context in (case.server, case.client):
        if type(context) is not ssl.SSLContext:
            assert context._aiofastnet_force_fallback_ssl is True
    case.check(lambda: run(echo_streams(case), fastnet_loop))
