"""asyncio: bulk and echo over loopback TCP through transports and protocols, with `tlsocket.aio` and with `ssl`.

Bulk is one stream between two processes, by the receiver's clock; the sender writes and heeds `pause_writing`. The echo
is many round trips with both ends on one loop, so that nothing waits; its figure is processor time.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import time
from typing import Any

from tlsocket.bench.setting import certificates, contexts

__all__ = ["run"]


def run(
    library: str,
    work: str = "bulk",
    total: int = 1 << 30,
    write: int = 1 << 18,
    size: int = 64,
    count: int = 20000,
    loop: str = "asyncio",
) -> dict[str, float]:
    """`work` is "bulk" or "echo"; `loop` "asyncio", "uvloop" or "aiofastnet"; "tcp" as `library` leaves TLS away."""
    certificates()
    if work == "echo":
        return _run(loop, _echo(library, size, count))
    total -= total % write
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready, report = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(ready)
                sent = _run(loop, _send(library, listener.getsockname()[1], total, write))
                os.write(report, json.dumps(sent).encode())
            finally:
                os._exit(0)
        os.close(report)
        result = _run(loop, _receive(library, listener, total))
        with os.fdopen(ready) as pipe:
            sender = json.load(pipe)
        os.waitpid(child, 0)
    return {
        "GB/s": total / result["seconds"] / 1e9,
        "CPU s/GB": (result["cpu"] + sender["cpu"]) / total * 1e9,
    }


def _run(loop: str, main: Any) -> dict[str, float]:
    factory: Any = None
    if loop == "uvloop":
        factory = importlib.import_module("uvloop").new_event_loop
    elif loop == "aiofastnet":
        factory = importlib.import_module("aiofastnet").loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        figures: dict[str, float] = runner.run(main)
        return figures


class Sender(asyncio.Protocol):
    """Writes until told to pause, and goes on when told to."""

    def __init__(self, total: int, write: int) -> None:
        self.left = total
        self.data = bytes(write)
        self.paused = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Begin, when the caller of create_connection has had its turn."""
        self.transport = transport

    def pause_writing(self) -> None:
        """Wait."""
        self.paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self.paused = False
        self.write()

    def write(self) -> None:
        """As much as is taken."""
        while self.left and not self.paused:
            self.left -= len(self.data)
            self.transport.write(self.data)

    def data_received(self, data: bytes) -> None:
        """The receiver has everything."""
        self.done.set_result(None)


class Receiver(asyncio.Protocol):
    """Counts."""

    def __init__(self, total: int) -> None:
        self.received = 0
        self.total = total
        self.started = self.cpu = 0.0
        self.result: asyncio.Future[dict[str, float]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """The handshake is over."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """The first bytes start the clock."""
        if not self.received:
            self.started, self.cpu = time.perf_counter(), time.process_time()
        self.received += len(data)
        if self.received == self.total:
            seconds, cpu = time.perf_counter() - self.started, time.process_time() - self.cpu
            self.transport.write(b"!")
            self.result.set_result({"seconds": seconds, "cpu": cpu})


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: Any) -> None:
        """Keep it."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


class Asker(asyncio.Protocol):
    """Sends the next request when an answer is complete."""

    def __init__(self, size: int, count: int) -> None:
        self.data = bytes(size)
        self.left = count
        self.received = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Keep it."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """One more."""
        self.received += len(data)
        if self.received < len(self.data):
            return
        self.received = 0
        self.left -= 1
        if self.left > 0:
            self.transport.write(self.data)
        elif not self.done.done():
            self.done.set_result(None)


async def connection(library: str, factory: Any, port: int, client: Any) -> Any:
    """(transport, protocol) of one client."""
    loop = asyncio.get_running_loop()
    if library == "tlsocket":
        from tlsocket import aio

        return await aio.create_connection(factory, "127.0.0.1", port, ssl=client, server_hostname="localhost")
    if library == "tcp":
        return await loop.create_connection(factory, "127.0.0.1", port)
    return await loop.create_connection(factory, "127.0.0.1", port, ssl=client, server_hostname="localhost")


async def server(library: str, factory: Any, listener: socket.socket, context: Any) -> Any:
    """A server on `listener`."""
    loop = asyncio.get_running_loop()
    if library == "tlsocket":
        from tlsocket import aio

        return await aio.create_server(factory, sock=listener, ssl=context)
    return await loop.create_server(factory, sock=listener, ssl=None if library == "tcp" else context)


async def _send(library: str, port: int, total: int, write: int) -> dict[str, float]:
    context = None if library == "tcp" else contexts(library)[1]
    transport, protocol = await connection(library, lambda: Sender(total, write), port, context)
    started = time.process_time()
    protocol.write()
    await protocol.done
    cpu = time.process_time() - started
    transport.abort()
    return {"cpu": cpu}


async def _receive(library: str, listener: socket.socket, total: int) -> dict[str, float]:
    context = None if library == "tcp" else contexts(library)[0]
    protocol = Receiver(total)
    serving = await server(library, lambda: protocol, listener, context)
    async with asyncio.timeout(120):
        result = await protocol.result
    serving.close()
    return result


async def _echo(library: str, size: int, count: int) -> dict[str, float]:
    server_context, client_context = (None, None) if library == "tcp" else contexts(library)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving = await server(library, Echo, listener, server_context)
    transport, protocol = await connection(library, lambda: Asker(size, 200), port, client_context)
    transport.write(protocol.data)
    await protocol.done
    protocol.left, protocol.done = count, asyncio.get_running_loop().create_future()
    started = time.process_time()
    transport.write(protocol.data)
    async with asyncio.timeout(120):
        await protocol.done
    cpu = time.process_time() - started
    transport.abort()
    serving.close()
    return {"CPU us": cpu / count * 1e6}
