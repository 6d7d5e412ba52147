"""HTTP servers as they are: each serves an echo of what is posted, with a context, and gives its port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tests.dropin.support import TIMEOUT
from tests.libraries.ends import served

Server = Callable[[Any], contextlib.AbstractContextManager[int]]


def wsgi_echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Length", str(len(body))), ("Content-Type", "application/octet-stream")])
    return [body]


async def asgi_echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def cheroot(context: Any) -> Iterator[int]:
    from cheroot.ssl.builtin import BuiltinSSLAdapter
    from cheroot.wsgi import Server as CherootServer

    class Adapter(BuiltinSSLAdapter):
        def __init__(self) -> None:
            self.context = context  # ours in the place of the one that it would make of files
            self.certificate_chain = self.private_key = None

        def get_environ(self, sock: Any) -> dict[str, Any]:
            return {"wsgi.url_scheme": "https", "HTTPS": "on", "SSL_CIPHER": sock.cipher()[0]}

    server = CherootServer(("127.0.0.1", 0), wsgi_echo, numthreads=2, timeout=TIMEOUT)
    server.ssl_adapter = Adapter()
    server.error_log = lambda *arguments, **options: None
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server.bind_addr[1]
    finally:
        server.stop()
        thread.join(TIMEOUT)
    assert not thread.is_alive()


@contextlib.contextmanager
def aiohttp(context: Any) -> Iterator[int]:
    from aiohttp import web

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def main(tell: Callable[[int], None], stop: asyncio.Event) -> None:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_post("/", echo)
        runner = web.AppRunner(application)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            tell(runner.addresses[0][1])
            await stop.wait()
        finally:
            await runner.cleanup()

    with served(main) as port:
        yield port


@contextlib.contextmanager
def tornado(context: Any) -> Iterator[int]:
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler

    class Echo(RequestHandler):
        def post(self) -> None:
            self.write(self.request.body)

    async def main(tell: Callable[[int], None], stop: asyncio.Event) -> None:
        server = HTTPServer(Application([("/", Echo)]), ssl_options=context)
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        tell(sockets[0].getsockname()[1])
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    with served(main) as port:
        yield port


def uvicorn(loop: str) -> Server:
    @contextlib.contextmanager
    def serve(context: Any) -> Iterator[int]:
        import uvicorn as library

        config = library.Config(
            asgi_echo, ssl_context_factory=lambda config, default: context, log_config=None, lifespan="off", loop=loop
        )
        server = library.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            try:
                yield listener.getsockname()[1]
            finally:
                server.should_exit = True
                thread.join(TIMEOUT)
            assert not thread.is_alive()

    return serve


@contextlib.contextmanager
def hypercorn(context: Any) -> Iterator[int]:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    class OurConfig(Config):
        ssl_enabled = True

        def create_ssl_context(self) -> Any:
            return context

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = OurConfig()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1

    async def main(tell: Callable[[int], None], stop: asyncio.Event) -> None:
        async def ending() -> None:
            await stop.wait()

        tell(port)
        await serve(asgi_echo, config, shutdown_trigger=ending)

    with served(main) as number:
        yield number


SERVERS: dict[str, Server] = {
    "cheroot": cheroot,
    "aiohttp": aiohttp,
    "tornado": tornado,
    "uvicorn on asyncio": uvicorn("asyncio"),
    "uvicorn on uvloop": uvicorn("uvloop"),
    "hypercorn": hypercorn,
}
