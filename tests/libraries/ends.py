"""The two ends of a library test: contexts of one module or the other, and servers in threads with loops of their own.

What each library is asked to do is in the tests; what HTTP libraries have in common is in `http_clients` and
`http_servers`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import tlsocket
from tests.dropin.support import TIMEOUT, Files

MODULES: dict[str, Any] = {"ours": tlsocket, "ssl": ssl}
SIDES = [("ours", "ours"), ("ours", "ssl"), ("ssl", "ours")]
"""Which module is on the client's and on the server's side."""


@dataclass(frozen=True)
class Ends:
    """Contexts for both sides of one connection."""

    files: Files
    client_module: Any
    server_module: Any

    def server(self, *, demand: bool = False) -> Any:
        """A server's context; with `demand`, one that requires a client's certificate."""
        context = self.server_module.SSLContext(self.server_module.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.files.certificate, self.files.key)
        if demand:
            context.load_verify_locations(self.files.authority)
            context.verify_mode = self.server_module.CERT_REQUIRED
        return context

    def client(self, *, trusting: bool = True, certificate: bool = False) -> Any:
        """A client's context, which may trust nobody, and which may have a certificate."""
        context = self.client_module.SSLContext(self.client_module.PROTOCOL_TLS_CLIENT)
        if trusting:
            context.load_verify_locations(self.files.authority)
        if certificate:
            context.load_cert_chain(self.files.client_certificate, self.files.client_key)
        return context


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and everything it was raised from, wraps or groups: libraries have many ways to keep a cause."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop()
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__, *found.args, *getattr(found, "exceptions", ())]
        waiting += [
            getattr(found, name, None) for name in ("reason", "os_error", "certificate_error", "original_error")
        ]


def is_refused_certificate(error: BaseException) -> bool:
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in causes(error))


def run(coroutine: Coroutine[Any, Any, Any], factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> Any:
    """The result of a coroutine that must be done in time, in a loop of its own."""

    async def limited() -> Any:
        return await asyncio.wait_for(coroutine, TIMEOUT)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(limited())


@contextlib.contextmanager
def served(
    main: Callable[[Callable[[int], None], asyncio.Event], Awaitable[None]],
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Iterator[int]:
    """Run an asynchronous server in a thread; gives its port. `main` gets a function to tell it and an event to end."""
    port: list[int] = []
    ready = threading.Event()
    handles: list[Any] = []
    failures: list[BaseException] = []

    async def body() -> None:
        stop = asyncio.Event()
        handles.extend((asyncio.get_running_loop(), stop))

        def tell(number: int) -> None:
            port.append(number)
            ready.set()

        await main(tell, stop)

    def target() -> None:
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(body())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    assert ready.wait(TIMEOUT)
    try:
        if failures:
            raise failures[0]
        yield port[0]
    finally:
        if thread.is_alive():
            handles[0].call_soon_threadsafe(handles[1].set)
        thread.join(TIMEOUT)
    assert not thread.is_alive(), "the server does not end"
    if failures:
        raise failures[0]
