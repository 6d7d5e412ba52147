"""HTTPS through an HTTPS proxy: TLS in TLS, as clients do it.

urllib3 and httpx run the inner connection over memory, aiohttp over asyncio's transport; http.client, given a socket to
the proxy, wraps that once more. The proxy is ours: it answers CONNECT (RFC 9110 section 9.3.6) and passes bytes on.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dropin.support import TIMEOUT
from tests.libraries.ends import SIDES, Ends, is_refused_certificate, run
from tests.libraries.http_servers import cheroot

BODY = os.urandom(300_000)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@contextlib.contextmanager
def proxy(context: Any) -> Iterator[tuple[int, list[str]]]:
    """A proxy; gives its port, and the requests that it gets."""
    asked: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(TIMEOUT)
            with contextlib.suppress(OSError), context.wrap_socket(self.request, server_side=True) as near:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += near.recv(1)
                asked.append(head.split(b"\r\n")[0].decode())
                port = int(head.split()[1].rpartition(b":")[2])
                with socket.create_connection(("127.0.0.1", port), TIMEOUT) as far:
                    near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    pass_on(near, far)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join(TIMEOUT)


def pass_on(near: Any, far: socket.socket) -> None:
    """Both ways until one side ends.

    In one thread: `ssl` of this Python does not guard a connection against two, and spoilt one in a dozen under load.
    """
    while True:
        ready = [near] if near.pending() else select.select([near, far], [], [], TIMEOUT)[0]
        if not ready:
            return
        for source in ready:
            piece = source.recv(65536)
            if not piece:
                return
            (far if source is near else near).sendall(piece)


Client = Callable[[int, int, Any, Any], bytes]
"""Posts `BODY` to the second port by the proxy at the first, with a context for each."""


def with_urllib3(proxy_port: int, port: int, outer: Any, inner: Any) -> bytes:
    import urllib3

    with urllib3.ProxyManager(
        f"https://localhost:{proxy_port}", proxy_ssl_context=outer, ssl_context=inner, retries=False, timeout=TIMEOUT
    ) as pool:
        return bytes(pool.request("POST", f"https://localhost:{port}/", body=BODY).data)


def with_httpx(proxy_port: int, port: int, outer: Any, inner: Any) -> bytes:
    import httpx

    by = httpx.Proxy(f"https://localhost:{proxy_port}", ssl_context=outer)
    with httpx.Client(proxy=by, verify=inner, timeout=TIMEOUT, trust_env=False) as client:
        return client.post(f"https://localhost:{port}/", content=BODY).content


def with_aiohttp(proxy_port: int, port: int, outer: Any, inner: Any) -> bytes:
    import aiohttp

    async def main() -> bytes:
        # One context serves both connections.
        async with aiohttp.ClientSession() as session:
            where = f"https://localhost:{port}/"
            by = f"https://localhost:{proxy_port}"
            async with session.post(where, data=BODY, proxy=by, ssl=inner) as response:
                return await response.read()

    return bytes(run(main()))


def with_http_client(proxy_port: int, port: int, outer: Any, inner: Any) -> bytes:
    connection = http.client.HTTPSConnection("localhost", proxy_port, context=inner, timeout=TIMEOUT)
    connection.set_tunnel("localhost", port)

    def to_the_proxy(address: Any, timeout: float, source: Any) -> Any:
        return outer.wrap_socket(socket.create_connection(address, timeout, source), server_hostname="localhost")

    connection._create_connection = to_the_proxy  # type: ignore[attr-defined]
    try:
        connection.request("POST", "/", BODY)
        return connection.getresponse().read()
    finally:
        connection.close()


# http.client wraps the socket to the proxy again, and `ssl` writes past the outer connection then: ours only.
CASES = [
    *((client, sides) for client in (with_urllib3, with_httpx, with_aiohttp) for sides in SIDES),
    *((with_http_client, sides) for sides in SIDES if sides[0] == "ours"),
]


@pytest.mark.parametrize(
    ("client", "ends"), CASES, indirect=["ends"], ids=[f"{each.__name__} {' to '.join(sides)}" for each, sides in CASES]
)
def test_a_body_goes_through_two_layers(client: Client, ends: Ends) -> None:
    with cheroot(ends.server()) as port, proxy(ends.server()) as (proxy_port, asked):
        assert client(proxy_port, port, ends.client(), ends.client()) == BODY
        assert [request.rpartition(" ")[0] for request in asked] == [f"CONNECT localhost:{port}"]
        for trusted in [1] if client is with_aiohttp else [0, 1]:
            contexts = [ends.client(trusting=number < trusted) for number in range(2)]
            with pytest.raises(Exception) as caught:
                client(proxy_port, port, *contexts)
            assert is_refused_certificate(caught.value), repr(caught.value)
