"""Our transport for programs that call the loop's own methods: aiohttp, uvicorn, asyncpg and all others.

A loop with `LoopMixin`, or one that `enable` was called for, makes TLS connections by our transport wherever the
context that it is given is ours; a context of `ssl`, and no TLS, is the loop's own business as before. Nothing of
asyncio is replaced for anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from types import MethodType
from typing import Any, TypeVar

from tlsocket.aio import connections
from tlsocket.aio.connections import connect_over, serve_over
from tlsocket.aio.transport import TLSTransport
from tlsocket.dropin.context import is_ours

__all__ = ["LoopMixin", "enable", "new_event_loop", "run"]

T = TypeVar("T")

_METHODS = (
    "connect_accepted_socket",
    "create_connection",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "sendfile",
    "start_tls",
)


class LoopMixin:
    """To be put before an event loop's class: `class Loop(tlsocket.aio.LoopMixin, uvloop.Loop): ...`."""

    def _plain(self, name: str) -> Any:
        """The loop's own method."""
        return getattr(super(), name)

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, *, ssl: Any = None, **options: Any
    ) -> Any:
        """`loop.create_connection`."""
        plain = self._plain("create_connection")
        if not is_ours(ssl):
            return await plain(protocol_factory, host, port, ssl=ssl, **options)
        name, *times = _taken(options)
        if name is None and not host:
            raise ValueError("You must set server_hostname when using ssl without a host")
        plain = partial(plain, host=host, port=port, **options)
        return await connect_over(plain, protocol_factory, ssl, host if name is None else name, *times)

    async def create_unix_connection(
        self, protocol_factory: Any, path: Any = None, *, ssl: Any = None, **options: Any
    ) -> Any:
        """`loop.create_unix_connection`."""
        plain = self._plain("create_unix_connection")
        if not is_ours(ssl):
            return await plain(protocol_factory, path, ssl=ssl, **options)
        name, *times = _taken(options)
        if name is None:
            raise ValueError("you have to pass server_hostname when using ssl")
        return await connect_over(partial(plain, path=path, **options), protocol_factory, ssl, name, *times)

    async def connect_accepted_socket(
        self, protocol_factory: Any, sock: Any, *, ssl: Any = None, **options: Any
    ) -> Any:
        """`loop.connect_accepted_socket`."""
        plain = self._plain("connect_accepted_socket")
        if not is_ours(ssl):
            return await plain(protocol_factory, sock, ssl=ssl, **options)
        _, *times = _taken(options)
        plain = partial(plain, sock=sock, **options)
        return await connect_over(plain, protocol_factory, ssl, None, *times, server_side=True)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, *, ssl: Any = None, **options: Any
    ) -> Any:
        """`loop.create_server`."""
        plain = self._plain("create_server")
        if not is_ours(ssl):
            return await plain(protocol_factory, host, port, ssl=ssl, **options)
        _, *times = _taken(options)
        loop: Any = self
        return await serve_over(loop, partial(plain, host=host, port=port, **options), protocol_factory, ssl, *times)

    async def create_unix_server(
        self, protocol_factory: Any, path: Any = None, *, ssl: Any = None, **options: Any
    ) -> Any:
        """`loop.create_unix_server`."""
        plain = self._plain("create_unix_server")
        if not is_ours(ssl):
            return await plain(protocol_factory, path, ssl=ssl, **options)
        _, *times = _taken(options)
        loop: Any = self
        return await serve_over(loop, partial(plain, path=path, **options), protocol_factory, ssl, *times)

    async def start_tls(self, transport: Any, protocol: Any, sslcontext: Any, **options: Any) -> Any:
        """`loop.start_tls`."""
        if not is_ours(sslcontext):
            return await self._plain("start_tls")(transport, protocol, sslcontext, **options)
        return await connections.start_tls(transport, protocol, sslcontext, **options)

    async def sendfile(
        self, transport: Any, file: Any, offset: int = 0, count: int | None = None, *, fallback: bool = True
    ) -> int:
        """`loop.sendfile`."""
        if isinstance(transport, TLSTransport):
            return await connections.sendfile(transport, file, offset, count, fallback=fallback)
        sent: int = await self._plain("sendfile")(transport, file, offset, count, fallback=fallback)
        return sent


def enable(loop: asyncio.AbstractEventLoop) -> None:
    """Let `loop` make TLS connections by our transport where the context is ours. Twice is once."""
    if isinstance(loop, LoopMixin) or "_tlsocket_plain" in vars(loop):
        return
    own = {name: getattr(loop, name) for name in _METHODS}
    target: Any = loop
    target._tlsocket_plain = own
    target._plain = own.__getitem__
    for name in _METHODS:
        setattr(target, name, MethodType(getattr(LoopMixin, name), loop))


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop of the policy in use, enabled: for `asyncio.Runner(loop_factory=...)`, or as uvicorn's
    `--loop tlsocket.aio:new_event_loop`."""
    loop = asyncio.new_event_loop()
    enable(loop)
    return loop


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """`asyncio.run` on such a loop."""
    with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
        return runner.run(main)


def _taken(options: dict[str, Any]) -> tuple[Any, Any, Any]:
    """What the plain methods are not to see."""
    taken = (
        options.pop("server_hostname", None),
        options.pop("ssl_handshake_timeout", None),
        options.pop("ssl_shutdown_timeout", None),
    )
    return taken
