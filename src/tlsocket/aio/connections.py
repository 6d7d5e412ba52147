"""How connections over our transport come about: what asyncio's methods of the same names do, for our contexts.

Each works on the loop's plain method, which knows nothing of TLS, so any loop will do. Not here: what happens on a
connection (`protocol`, `transport`), streams (`streams`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, BinaryIO

from tlsocket.aio.protocol import TLSProtocol
from tlsocket.aio.transport import TLSTransport
from tlsocket.dropin import SSLContext, create_default_context
from tlsocket.dropin.context import is_ours

__all__ = [
    "client_context",
    "connect_over",
    "create_connection",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "sendfile",
    "serve_over",
    "start_tls",
]

ProtocolFactory = Callable[[], Any]
Plain = Callable[..., Awaitable[Any]]

SENDFILE_BLOCK = 262144


def client_context(ssl: object) -> SSLContext:
    """The context that `ssl=` of a client means: True is the default one."""
    context = create_default_context() if ssl is True else ssl
    return _our_context(context)


def _our_context(context: object) -> SSLContext:
    if not is_ours(context):
        raise TypeError(f"a tlsocket.SSLContext is needed, not {type(context).__module__}.{type(context).__name__}")
    return context


async def create_connection(
    protocol_factory: ProtocolFactory,
    host: str | None = None,
    port: int | str | None = None,
    *,
    ssl: object = True,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    **options: Any,
) -> tuple[TLSTransport, Any]:
    """`loop.create_connection` with TLS: (transport, protocol) after the handshake.

    `ssl`: a context of ours, or True for `tlsocket.create_default_context()`. `options` go to the loop's method.
    Cancelled, or past its timeout, it leaves nothing open.
    """
    return await connect_over(
        partial(asyncio.get_running_loop().create_connection, host=host, port=port, **options),
        protocol_factory,
        client_context(ssl),
        _name_to_check(server_hostname, host),
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
    )


async def create_unix_connection(
    protocol_factory: ProtocolFactory,
    path: Any = None,
    *,
    ssl: object = True,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    **options: Any,
) -> tuple[TLSTransport, Any]:
    """`loop.create_unix_connection` with TLS."""
    if server_hostname is None:
        raise ValueError("you have to pass server_hostname when using ssl")
    return await connect_over(
        partial(asyncio.get_running_loop().create_unix_connection, path=path, **options),
        protocol_factory,
        client_context(ssl),
        server_hostname,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
    )


async def create_server(
    protocol_factory: ProtocolFactory,
    host: Any = None,
    port: Any = None,
    *,
    ssl: SSLContext,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    **options: Any,
) -> Any:
    """`loop.create_server` with TLS: the loop's server object. A protocol's `connection_made` is after the handshake;
    handshakes that fail reach nobody but the peer."""
    loop = asyncio.get_running_loop()
    plain = partial(loop.create_server, host=host, port=port, **options)
    return await serve_over(loop, plain, protocol_factory, ssl, ssl_handshake_timeout, ssl_shutdown_timeout)


async def create_unix_server(
    protocol_factory: ProtocolFactory,
    path: Any = None,
    *,
    ssl: SSLContext,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    **options: Any,
) -> Any:
    """`loop.create_unix_server` with TLS."""
    loop = asyncio.get_running_loop()
    plain = partial(loop.create_unix_server, path=path, **options)
    return await serve_over(loop, plain, protocol_factory, ssl, ssl_handshake_timeout, ssl_shutdown_timeout)


async def start_tls(
    transport: Any,
    protocol: asyncio.BaseProtocol,
    sslcontext: SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> TLSTransport:
    """`loop.start_tls`: the transport that `protocol` uses from now on. `transport` may itself be one of ours.

    Call it when nothing that belongs to TLS can have been read yet, as any protocol with a STARTTLS command has it.
    """
    if not hasattr(transport, "set_protocol") or not hasattr(transport, "pause_reading"):
        raise TypeError(f"transport {transport!r} is not supported by start_tls()")
    loop = asyncio.get_running_loop()
    waiter = _waiter(loop)
    tls = TLSProtocol(
        loop,
        protocol,
        _our_context(sslcontext),
        waiter,
        server_side=server_side,
        server_hostname=server_hostname,
        call_connection_made=False,
        handshake_timeout=ssl_handshake_timeout,
        shutdown_timeout=ssl_shutdown_timeout,
    )
    # Nothing may be read between here and the change of protocols.
    transport.pause_reading()
    transport.set_protocol(tls)
    tls.connection_made(transport)
    if not transport.is_closing():
        transport.resume_reading()
    await _handshake(tls, waiter)
    return tls.transport


async def sendfile(
    transport: TLSTransport, file: BinaryIO, offset: int = 0, count: int | None = None, *, fallback: bool = True
) -> int:
    """`loop.sendfile` for our transports: read in an executor and sealed here; the number of bytes sent."""
    if not fallback:
        raise asyncio.SendfileNotAvailableError("TLS records are sealed in this process")
    if transport.is_closing():
        raise RuntimeError("Transport is closing")
    loop = asyncio.get_running_loop()
    if offset:
        file.seek(offset)
    sent = 0
    gate = _Gate(transport)
    try:
        while count is None or sent < count:
            data = await loop.run_in_executor(
                None, file.read, SENDFILE_BLOCK if count is None else min(SENDFILE_BLOCK, count - sent)
            )
            if not data:
                break
            await gate.drain()
            transport.write(data)
            sent += len(data)
        await gate.drain()
    finally:
        gate.restore()
        if sent:
            file.seek(offset + sent)
    return sent


# What the loops' methods (`loops`) share with the functions above


async def connect_over(
    plain: Plain,
    protocol_factory: ProtocolFactory,
    context: SSLContext,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
    *,
    server_side: bool = False,
) -> tuple[TLSTransport, Any]:
    """A plain connection by `plain(factory)`, and the handshake on it."""
    loop = asyncio.get_running_loop()
    waiter = _waiter(loop)
    protocol = protocol_factory()
    tls = TLSProtocol(
        loop,
        protocol,
        context,
        waiter,
        server_side=server_side,
        server_hostname=server_hostname,
        handshake_timeout=handshake_timeout,
        shutdown_timeout=shutdown_timeout,
    )
    await plain(lambda: tls)
    await _handshake(tls, waiter)
    return tls.transport, protocol


async def serve_over(
    loop: asyncio.AbstractEventLoop,
    plain: Plain,
    protocol_factory: ProtocolFactory,
    context: object,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
) -> Any:
    """A plain server by `plain(factory)`, whose connections are ours."""
    ours = _our_context(context)
    ours._check_role(True)

    def factory() -> TLSProtocol:
        return TLSProtocol(
            loop,
            protocol_factory(),
            ours,
            server_side=True,
            handshake_timeout=handshake_timeout,
            shutdown_timeout=shutdown_timeout,
        )

    return await plain(factory)


def _name_to_check(server_hostname: str | None, host: str | None) -> str:
    if server_hostname is not None:
        return server_hostname
    if not host:
        raise ValueError("You must set server_hostname when using ssl without a host")
    return host


def _waiter(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    waiter = loop.create_future()
    # Whoever was to wait may have been cancelled before it did.
    waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
    return waiter


async def _handshake(tls: TLSProtocol, waiter: asyncio.Future[None]) -> None:
    try:
        await waiter
    except BaseException:
        tls.transport.abort()
        raise


class _Gate(asyncio.Protocol):
    """Stands in for a transport's protocol while a file is sent, to hear when to wait."""

    def __init__(self, transport: TLSTransport) -> None:
        self._transport = transport
        self._protocol: Any = transport.get_protocol()
        self._was_reading = transport.is_reading()
        self._was_paused = transport._protocol_paused  # type: ignore[attr-defined]
        self._free: asyncio.Event = asyncio.Event()
        self._lost: BaseException | None = None
        if not self._was_paused:
            self._free.set()
        transport.pause_reading()
        transport.set_protocol(self)

    async def drain(self) -> None:
        await self._free.wait()
        if self._lost is not None:
            raise self._lost
        if self._transport.is_closing():
            raise ConnectionError("Connection closed by peer")

    def restore(self) -> None:
        transport = self._transport
        transport.set_protocol(self._protocol)
        if self._was_reading:
            transport.resume_reading()
        if self._free.is_set() and self._was_paused:
            self._protocol.resume_writing()
        elif not self._free.is_set() and not self._was_paused:
            self._protocol.pause_writing()

    def pause_writing(self) -> None:
        self._free.clear()

    def resume_writing(self) -> None:
        self._free.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lost = exc or ConnectionError("Connection closed by peer")
        self._free.set()
        self._protocol.connection_lost(exc)
