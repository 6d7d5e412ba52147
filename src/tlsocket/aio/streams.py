"""Streams over our transport: asyncio's `StreamReader`, and its `StreamWriter` with our `start_tls`.

As on a plain connection, the peer's end of its direction does not end ours: a reader returns b"" and the writer goes on
until it is closed. (asyncio with `ssl` closes both.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tlsocket.aio.connections import create_connection, create_server, start_tls
from tlsocket.dropin import SSLContext

__all__ = ["StreamWriter", "open_connection", "start_server"]

LIMIT = 65536
"""Bytes that a `StreamReader` holds before reading pauses (twice that), as in asyncio."""


class StreamWriter(asyncio.StreamWriter):
    """asyncio's, whose `start_tls` is ours."""

    async def start_tls(  # type: ignore[override]
        self,
        sslcontext: SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Go on with TLS on this connection."""
        protocol: Any = self._protocol  # type: ignore[attr-defined]
        await self.drain()
        transport = await start_tls(
            self.transport,
            protocol,
            sslcontext,
            server_side=protocol._client_connected_cb is not None,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._transport: Any = transport
        protocol._transport = transport
        protocol._over_ssl = True
        if hasattr(protocol, "_replace_writer"):
            protocol._replace_writer(self)
        reader = protocol._stream_reader
        if reader is not None:
            reader._transport = transport


class _StreamProtocol(asyncio.StreamReaderProtocol):
    """Keeps our direction open at the end of the peer's."""

    def eof_received(self) -> bool:
        super().eof_received()
        return True


async def open_connection(
    host: str | None = None, port: int | str | None = None, *, limit: int = LIMIT, **options: Any
) -> tuple[asyncio.StreamReader, StreamWriter]:
    """`asyncio.open_connection` with TLS; `options` as those of `tlsocket.aio.create_connection`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = _StreamProtocol(reader, loop=loop)
    transport, _ = await create_connection(lambda: protocol, host, port, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)


async def start_server(
    client_connected_cb: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None],
    host: Any = None,
    port: Any = None,
    *,
    ssl: SSLContext,
    limit: int = LIMIT,
    **options: Any,
) -> Any:
    """`asyncio.start_server` with TLS; `options` as those of `tlsocket.aio.create_server`."""
    loop = asyncio.get_running_loop()

    def factory() -> _StreamProtocol:
        return _StreamProtocol(asyncio.StreamReader(limit=limit, loop=loop), client_connected_cb, loop=loop)

    return await create_server(factory, host, port, ssl=ssl, **options)
