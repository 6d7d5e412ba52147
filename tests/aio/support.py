"""Protocols that note what they are told, and servers that run while a test does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tlsocket import aio

__all__ = ["Buffered", "Noting", "connect", "port_of", "serving"]


class Noting(asyncio.Protocol):
    """Keeps what it receives, and futures for what may happen to it."""

    def __init__(self, *, keep_open: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[Any] = loop.create_future()
        self.lost: asyncio.Future[BaseException | None] = loop.create_future()
        self.eof: asyncio.Future[None] = loop.create_future()
        self.news = asyncio.Event()
        self.received = bytearray()
        self.calls: list[str] = []
        self.keep_open = keep_open

    def connection_made(self, transport: Any) -> None:
        self.calls.append("connection_made")
        self.transport = transport
        self.made.set_result(transport)

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.calls.append("data_received")
        self.received += data
        self.news.set()

    def eof_received(self) -> bool:
        self.calls.append("eof_received")
        self.eof.set_result(None)
        return self.keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append("connection_lost")
        self.lost.set_result(exc)

    def pause_writing(self) -> None:
        self.calls.append("pause_writing")

    def resume_writing(self) -> None:
        self.calls.append("resume_writing")

    async def until(self, size: int) -> bytes:
        """What was received, once it is so much."""
        while len(self.received) < size:
            self.news.clear()
            await self.news.wait()
        return bytes(self.received)


class Buffered(Noting, asyncio.BufferedProtocol):
    """The same with a buffer of its own, of an odd size."""

    size = 1000

    def get_buffer(self, sizehint: int) -> memoryview:
        self.buffer = bytearray(self.size)
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.buffer[:nbytes]))


def port_of(server: Any) -> int:
    """Where it listens."""
    port: int = server.sockets[0].getsockname()[1]
    return port


@asynccontextmanager
async def serving(library: str, factory: Any, context: Any, **options: Any) -> AsyncIterator[int]:
    """A server of either library; yields its port."""
    if library == "tlsocket":
        server = await aio.create_server(factory, "127.0.0.1", 0, ssl=context, **options)
    else:
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=context, **options)
    try:
        yield port_of(server)
    finally:
        server.close()
        await server.wait_closed()


async def connect(library: str, factory: Any, port: int, context: Any, **options: Any) -> Any:
    """(transport, protocol) of a client of either library."""
    options = {"server_hostname": "localhost"} | options
    if library == "tlsocket":
        return await aio.create_connection(factory, "127.0.0.1", port, ssl=context, **options)
    loop = asyncio.get_running_loop()
    return await loop.create_connection(factory, "127.0.0.1", port, ssl=context, **options)
