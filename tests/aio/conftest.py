"""Contexts of both libraries under one authority, and a loop under which every test runs."""

from __future__ import annotations

import asyncio
import importlib
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


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs one coroutine, with an end, on each loop that there is; what the loop's exception handler hears fails it."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        try:
            factory = importlib.import_module("uvloop").new_event_loop
        except ImportError:
            pytest.skip("uvloop is not installed")

    def runner(main: Coroutine[Any, Any, Any]) -> Any:
        heard: list[dict[str, Any]] = []

        async def timed() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
            async with asyncio.timeout(WAIT):
                try:
                    return await main
                finally:
                    # What was aborted last leaves the loop first: uvloop was once seen to wait for ever in close().
                    for _ in range(3):
                        await asyncio.sleep(0.002)

        with asyncio.Runner(loop_factory=factory) as loop:
            result = loop.run(timed())
            # What was closed is lost only when the loop has turned.
            loop.run(asyncio.sleep(0.01))
        assert not heard
        return result

    return runner
