"""HTTP libraries as they are, client and server, with this module on both ends and on one end only.

Each client is proven against cheroot, each server against the standard library's client: a body both ways, a refused
certificate, a client certificate, and an end that leaves nothing open (a leak is an error here, as any warning is).
"""

from __future__ import annotations

import gc
import logging
import os
import threading

import pytest

from tests.libraries.ends import Ends, is_refused_certificate
from tests.libraries.http_clients import CLIENTS, Client
from tests.libraries.http_servers import SERVERS, Server

BODY = os.urandom(300_000)
PAIRS = [
    *(pytest.param(CLIENTS[name], SERVERS["cheroot"], id=f"{name} to cheroot") for name in CLIENTS),
    *(pytest.param(CLIENTS["http.client"], SERVERS[name], id=f"http.client to {name}") for name in SERVERS),
]

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the libraries' own
    # httpx leaves a body behind that could not be sent; with `ssl` too.
    pytest.mark.filterwarnings("ignore:.*ByteStream.__aiter__"),
]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Servers log refused handshakes; what they log is not looked at."""
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_body_goes_there_and_back_and_everything_ends(client: Client, server: Server, ends: Ends) -> None:
    before = threading.active_count()
    with server(ends.server()) as port:
        context = ends.client()
        for body in (BODY, b"small"):
            assert client(f"https://localhost:{port}/", context, body) == body
    gc.collect()
    assert threading.active_count() <= before + 1


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_refused_certificate_is_told(client: Client, server: Server, ends: Ends) -> None:
    with server(ends.server()) as port:
        with pytest.raises(Exception) as caught:
            client(f"https://localhost:{port}/", ends.client(trusting=False), b"secret")
        assert is_refused_certificate(caught.value), repr(caught.value)
        assert client(f"https://localhost:{port}/", ends.client(), b"after") == b"after"


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_client_certificate_is_demanded(client: Client, server: Server, ends: Ends) -> None:
    with server(ends.server(demand=True)) as port:
        with pytest.raises(Exception) as caught:
            client(f"https://localhost:{port}/", ends.client(), b"secret")
        assert not isinstance(caught.value, TimeoutError), repr(caught.value)
        assert client(f"https://localhost:{port}/", ends.client(certificate=True), BODY) == BODY
