"""aiohttp and uvicorn work over our transport when they are handed the loop and a context of ours."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.aio.conftest import Contexts
from tlsocket import aio


def test_aiohttp_serves_and_asks(contexts: Contexts) -> None:
    web = pytest.importorskip("aiohttp.web")
    aiohttp = pytest.importorskip("aiohttp")
    seen: list[str] = []

    async def hello(request: Any) -> Any:
        seen.append(type(request.transport).__name__)
        return web.Response(body=b"hello " * 100_000)

    async def main() -> None:
        application = web.Application()
        application.router.add_get("/", hello)
        runner = web.AppRunner(application)
        await runner.setup()
        sock = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, sock, ssl_context=contexts.server()).start()
        port = sock.getsockname()[1]
        connector = aiohttp.TCPConnector(ssl=contexts.client())
        async with aiohttp.ClientSession(connector=connector) as session:
            for _ in range(3):
                async with session.get(f"https://127.0.0.1:{port}/", server_hostname="localhost") as response:
                    assert type(response.connection.transport).__name__ == "TLSTransport"
                    assert await response.read() == b"hello " * 100_000
        await runner.cleanup()

    aio.run(asyncio.wait_for(main(), 20))
    assert seen == ["TLSTransport"] * 3


def test_uvicorn_serves(contexts: Contexts) -> None:
    uvicorn = pytest.importorskip("uvicorn")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["scheme"] == "https"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    async def main() -> None:
        config = uvicorn.Config(
            application,
            lifespan="off",
            log_level="critical",
            ssl_context_factory=lambda config, default: contexts.server(),
        )
        server = uvicorn.Server(config)
        sock = socket.create_server(("127.0.0.1", 0))
        task = asyncio.ensure_future(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await aio.open_connection(
            "127.0.0.1", sock.getsockname()[1], ssl=contexts.client(), server_hostname="localhost"
        )
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"hello")
        writer.close()
        await writer.wait_closed()
        server.should_exit = True
        await task

    aio.run(asyncio.wait_for(main(), 20))
