"""HTTP clients as they are: each posts a body to an address with a context and returns the body of the answer."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.dropin.support import TIMEOUT
from tests.libraries.ends import run

Client = Callable[[str, Any, bytes], bytes]


def with_http_client(address: str, context: Any, body: bytes) -> bytes:
    parts = urlsplit(address)
    connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, context=context, timeout=TIMEOUT)
    try:
        connection.request("POST", parts.path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def with_requests(address: str, context: Any, body: bytes) -> bytes:
    import requests
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options, ssl_context=context)

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
            pool.pop("ca_certs", None)  # else its own bundle is loaded into the context
            return host, {**pool, "ssl_context": context}

        def cert_verify(self, *arguments: Any) -> None:
            pass  # the context knows whom to trust

    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Adapter())
        with session.post(address, data=body, timeout=TIMEOUT) as response:
            response.raise_for_status()
            return response.content


def with_urllib3(address: str, context: Any, body: bytes) -> bytes:
    import urllib3

    with urllib3.PoolManager(ssl_context=context, retries=False, timeout=TIMEOUT) as pool:
        return bytes(pool.request("POST", address, body=body).data)


def with_httpx(address: str, context: Any, body: bytes) -> bytes:
    import httpx

    with httpx.Client(verify=context, trust_env=False, timeout=TIMEOUT) as client:
        return client.post(address, content=body).raise_for_status().content


async def _httpx(address: str, context: Any, body: bytes) -> bytes:
    import httpx

    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=TIMEOUT) as client:
        return (await client.post(address, content=body)).raise_for_status().content


def with_httpx_on_asyncio(address: str, context: Any, body: bytes) -> bytes:
    return bytes(run(_httpx(address, context, body)))


def with_httpx_on_trio(address: str, context: Any, body: bytes) -> bytes:
    import trio

    async def limited() -> bytes:
        with trio.fail_after(TIMEOUT):
            return await _httpx(address, context, body)

    return trio.run(limited)


def with_httpcore(address: str, context: Any, body: bytes) -> bytes:
    import httpcore

    with httpcore.ConnectionPool(ssl_context=context) as pool:
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT)
        return pool.request("POST", address, content=body, extensions={"timeout": timeouts}).content


async def _aiohttp(address: str, context: Any, body: bytes) -> bytes:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        async with session.post(address, data=body) as response:
            response.raise_for_status()
            return await response.read()


def with_aiohttp(address: str, context: Any, body: bytes) -> bytes:
    return bytes(run(_aiohttp(address, context, body)))


def with_aiohttp_on_uvloop(address: str, context: Any, body: bytes) -> bytes:
    import uvloop

    return bytes(run(_aiohttp(address, context, body), uvloop.new_event_loop))


async def _tornado(address: str, context: Any, body: bytes) -> bytes:
    from tornado.httpclient import AsyncHTTPClient
    from tornado.simple_httpclient import SimpleAsyncHTTPClient

    client: AsyncHTTPClient = SimpleAsyncHTTPClient(force_instance=True)
    try:
        response = await client.fetch(
            address, method="POST", body=body, ssl_options=context, request_timeout=TIMEOUT, connect_timeout=TIMEOUT
        )
        return bytes(response.body)
    finally:
        client.close()
        await asyncio.sleep(0)


def with_tornado(address: str, context: Any, body: bytes) -> bytes:
    return bytes(run(_tornado(address, context, body)))


CLIENTS: dict[str, Client] = {
    "http.client": with_http_client,
    "requests": with_requests,
    "urllib3": with_urllib3,
    "httpx": with_httpx,
    "httpx on asyncio": with_httpx_on_asyncio,
    "httpx on trio": with_httpx_on_trio,
    "httpcore": with_httpcore,
    "aiohttp": with_aiohttp,
    "aiohttp on uvloop": with_aiohttp_on_uvloop,
    "tornado": with_tornado,
}
