"""Contexts of both libraries under one authority, and a loop under which every test runs."""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tlsocket.pki.authority import Authority, Purpose

WAIT = 20.0

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(frozen=True)
class Files:
    """Where the certificates are."""

    root: str
    server: tuple[str, str]
    client: tuple[str, str]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """An authority, a server for localhost, a client."""
    folder = tmp_path_factory.mktemp("aio")
    authority = Authority.create("tests of aio")
    return Files(
        str(authority.write(Path(folder) / "root.pem")),
        authority.issue("localhost").write(folder, "server"),
        authority.issue("someone", purpose=Purpose.CLIENT, common_name="someone").write(folder, "client"),
    )


@dataclass(frozen=True)
class Contexts:
    """Makes contexts of either library."""

    files: Files

    def server(self, library: str = "tlsocket", *, mutual: bool = False) -> Any:
        """A server's."""
        module: Any = tlsocket if library == "tlsocket" else ssl
        context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files.server)
        if mutual:
            context.verify_mode = module.CERT_REQUIRED
            context.load_verify_locations(self.files.root)
        return context

    def client(self, library: str = "tlsocket", *, certificate: bool = False, trusting: bool = True) -> Any:
        """A client's."""
        module: Any = tlsocket if library == "tlsocket" else ssl
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        if trusting:
            context.load_verify_locations(self.files.root)
        if certificate:
            context.load_cert_chain(*self.files.client)
        return context


@pytest.fixture
def contexts(files: Files) -> Contexts:
    """Makes contexts."""
    return Contexts(files)


@functools.cache
def uvloop_of_this_process() -> asyncio.AbstractEventLoop:
    """One loop for all tests, never closed.

    uvloop 0.23 was seen twice, in long runs on a loaded machine, not to return from `close()` although every transport
    on it had been lost; no signal reaches it there. The same test by itself, 42,000 times over, did not show it again.
    """
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs one coroutine, with an end, on each loop that there is; what the loop's exception handler hears fails it."""
    if request.param == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")

    def runner(main: Coroutine[Any, Any, Any]) -> Any:
        heard: list[dict[str, Any]] = []

        async def timed() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
            async with asyncio.timeout(WAIT):
                return await main

        async def settle() -> None:
            # What was closed is lost only when the loop has turned; no task of this test may run in the next one.
            await asyncio.sleep(0.01)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        if request.param == "asyncio":
            with asyncio.Runner() as asyncio_runner:
                result = asyncio_runner.run(timed())
                asyncio_runner.run(settle())
        else:
            loop = uvloop_of_this_process()
            try:
                result = loop.run_until_complete(timed())
            finally:
                loop.run_until_complete(settle())
        assert not heard
        return result

    return runner
