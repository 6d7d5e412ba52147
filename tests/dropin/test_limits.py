"""The limits of a context: they reach the connection, and the whole handshake has a deadline of its own."""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.dropin.support import Background, connected, tcp_pair
from tlsocket.config import Budgets


def test_budgets_reach_the_connections(client: Any, server: Any) -> None:
    server.budgets = replace(server.budgets, extensions=2)
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with near, pytest.raises(ssl.SSLError, match="illegal parameter"):
        client.wrap_socket(near, server_hostname="localhost")
    error = background.error()
    assert isinstance(error, ssl.SSLError)
    assert error.reason == "TOO_MANY_EXTENSIONS"
    with pytest.raises(TypeError, match="Budgets"):
        server.budgets = {"extensions": 2}


@pytest.mark.parametrize(
    ("name", "bad"), [("record_size_limit", 63), ("max_fragment_length", 500), ("handshake_timeout", 0)]
)
def test_settings_refuse_what_cannot_be(client: Any, name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=name):
        setattr(client, name, bad)
    assert getattr(client, name) is None
    setattr(client, name, 1024)
    assert getattr(client, name) == 1024
    setattr(client, name, None)
    assert getattr(client, name) is None
    assert client.budgets == Budgets()


@pytest.mark.parametrize("name", ["record_size_limit", "max_fragment_length"])
def test_small_records_work(client: Any, server: Any, name: str) -> None:
    setattr(client, name, 512)
    with connected(client, server) as (near, far):
        data = bytes(range(256)) * 100
        background = Background(lambda: far.sendall(data))
        got = b""
        while len(got) < len(data):
            piece = near.recv(65536)
            assert piece
            got += piece
        assert got == data
        background.result()
        near.sendall(data[:5000])
        got = b""
        while len(got) < 5000:
            got += far.recv(5000)
        assert got == data[:5000]


@pytest.mark.parametrize("timeout", [None, 10.0])
@pytest.mark.parametrize("trickle", [False, True])
def test_a_stalling_peer_has_until_the_deadline(server: Any, timeout: float | None, trickle: bool) -> None:
    server.handshake_timeout = 0.4
    near, far = tcp_pair()
    far.settimeout(timeout)
    with near:
        background = Background(lambda: server.wrap_socket(far, server_side=True))
        started = time.monotonic()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
        while trickle and time.monotonic() - started < 2 and background.is_alive():
            try:
                near.send(hello[:1])
            except OSError:
                break
            hello = hello[1:]
            time.sleep(0.05)
        error = background.error()
        assert isinstance(error, TimeoutError)
        assert "0.4 seconds" in str(error)
        assert 0.3 < time.monotonic() - started < 2


def test_a_client_has_it_too(client: Any) -> None:
    client.handshake_timeout = 0.3
    near, far = tcp_pair()
    with far, pytest.raises(TimeoutError, match="handshake"):
        client.wrap_socket(near, server_hostname="localhost")


def test_a_handshake_in_time_is_left_alone(client: Any, server: Any) -> None:
    client.handshake_timeout = server.handshake_timeout = 5.0
    with connected(client, server) as (near, far):
        near.sendall(b"x")
        assert far.recv(1) == b"x"
