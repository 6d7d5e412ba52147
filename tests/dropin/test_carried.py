"""Sockets over other objects: TLS in TLS, an object that has `recv` and `send` and little else."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import select
import socket
import ssl
import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import (
    MODULES,
    TIMEOUT,
    Background,
    Files,
    client_context,
    connect,
    receive_exactly,
    server_context,
    tcp_pair,
)
from tests.record.support import fill_up

Contexts = tuple[Any, Any]


@contextlib.contextmanager
def nested(outer: Contexts, inner: Contexts) -> Iterator[tuple[Any, Any]]:
    """A connection of the inner contexts through one of the outer contexts; closing the inner ends closes all."""
    near, far = connect(*outer)
    background = Background(lambda: inner[1].wrap_socket(far, server_side=True))
    with inner[0].wrap_socket(near, server_hostname="localhost") as client, background.result() as server:
        yield client, server


@pytest.fixture
def ours(client: Any, server: Any) -> Contexts:
    return client, server


@pytest.fixture(params=["ours to ours", "ours to stdlib", "stdlib to ours", "stdlib to stdlib"])
def outer(request: pytest.FixtureRequest, files: Files) -> Contexts:
    client, server = (MODULES[name] for name in request.param.split(" to "))
    return client_context(client, files), server_context(server, files)


def test_tls_in_tls_moves_data_both_ways_at_once(outer: Contexts, ours: Contexts) -> None:
    data = os.urandom(1_000_000)
    with nested(outer, ours) as (near, far):
        assert isinstance(near, tlsocket.SSLSocket)
        assert near.version() == "TLSv1.3"
        sending = [Background(partial(end.sendall, data)) for end in (near, far)]
        receiving = Background(lambda: receive_exactly(near, len(data)))
        assert receive_exactly(far, len(data)) == data
        assert receiving.result() == data
        for each in sending:
            each.result()


def test_three_layers(ours: Contexts) -> None:
    with nested(ours, ours) as (near, far):
        background = Background(lambda: ours[1].wrap_socket(far, server_side=True))
        with ours[0].wrap_socket(near, server_hostname="localhost") as innermost, background.result() as other:
            innermost.sendall(b"deep")
            assert other.recv(100) == b"deep"
            assert innermost.fileno() == near.fileno() > 0


def test_questions_about_the_socket_are_answered_by_the_outer_one(ours: Contexts) -> None:
    with nested(ours, ours) as (near, far):
        assert near.fileno() == near._outer.fileno()
        assert near.getpeername() == far.getsockname()
        assert near.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert (near.family, near.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert near.proto == near._outer.proto
        assert repr(near).startswith("<tlsocket.SSLSocket fd=")
        with near.makefile("rw", encoding="ascii", newline="\n") as file:
            file.write("line\n")
            file.flush()
            far.sendall(far.recv(100))
            assert file.readline() == "line\n"


def test_a_class_of_ones_own_stays_one(ours: Contexts) -> None:
    class Mine(tlsocket.SSLSocket):
        pass

    ours[0].sslsocket_class = Mine
    with nested(ours, ours) as (near, _):
        assert isinstance(near, Mine)
        assert type(near).__name__ == "Mine"


def test_a_refused_certificate_closes_all(files: Files, ours: Contexts) -> None:
    stranger = tlsocket.create_default_context()
    near, far = connect(*ours)
    background = Background(lambda: ours[1].wrap_socket(far, server_side=True))
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.wrap_socket(near, server_hostname="localhost")
    assert near.fileno() == -1
    assert isinstance(background.error(), ssl.SSLError)
    assert far.fileno() == -1


# Waiting


def test_timeouts_are_deadlines(outer: Contexts, ours: Contexts) -> None:
    with nested(outer, ours) as (near, far):
        near.settimeout(0.1)
        assert near.gettimeout() == 0.1
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            near.recv(10)
        assert 0.1 <= time.monotonic() - started < TIMEOUT
        with pytest.raises(TimeoutError):
            while True:
                near.sendall(bytes(1 << 20))
        near.settimeout(None)
        far.sendall(b"late")
        assert near.recv(10) == b"late"
        with pytest.raises(ValueError):
            near.settimeout(-1)


def test_would_block_is_honest(outer: Contexts, ours: Contexts) -> None:
    piece = os.urandom(100_000)
    with nested(outer, ours) as (near, far):
        near.setblocking(False)
        assert near.gettimeout() == 0.0
        assert not near.getblocking()
        with pytest.raises(ssl.SSLWantReadError):
            near.recv(10)
        sent = bytearray()
        with pytest.raises(ssl.SSLWantWriteError):
            while True:
                sent += piece[: near.send(piece)]
        with pytest.raises(ssl.SSLError, match="BAD_LENGTH"):
            near.send(piece[:1])
        sending = len(sent) + len(piece)
        background = Background(lambda: receive_exactly(far, sending))
        while len(sent) < sending:
            try:
                start = len(sent) + len(piece) - sending
                sent += piece[start : start + near.send(piece[start:])]
            except ssl.SSLWantWriteError:
                assert select.select([], [near], [], TIMEOUT)[1]
        assert background.result() == sent


def test_select_and_pending_miss_nothing(outer: Contexts, ours: Contexts) -> None:
    """Several inner records in one outer record: `select` cannot know of them, `pending()` does."""
    data = os.urandom(20_000)
    with nested(outer, ours) as (near, far):
        for start in range(0, len(data), 700):
            far._conn.writer.write(data[start : start + 700], far._conn)
        far._conn.writer.flush(far, TIMEOUT)
        near.setblocking(False)
        received = b""
        while len(received) < len(data):
            if not near.pending():
                assert select.select([near], [], [], TIMEOUT)[0], "select sleeps on data"
            with contextlib.suppress(ssl.SSLWantReadError):
                received += near.recv(100)
        assert received == data
        assert near.pending() == 0


def test_a_handshake_of_a_non_blocking_socket(ours: Contexts) -> None:
    outer_near, outer_far = connect(*ours)
    outer_near.setblocking(False)
    background = Background(lambda: ours[1].wrap_socket(outer_far, server_side=True))
    near = ours[0].wrap_socket(outer_near, server_hostname="localhost", do_handshake_on_connect=False)
    with near:
        while True:
            try:
                near.do_handshake()
                break
            except ssl.SSLWantReadError:
                assert select.select([near], [], [], TIMEOUT)[0]
        with background.result() as far:
            far.sendall(b"x")
            assert select.select([near], [], [], TIMEOUT)[0]
            near.settimeout(TIMEOUT)
            assert near.recv(10) == b"x"


# Ends


def test_unwrap_returns_what_was_wrapped(outer: Contexts, ours: Contexts) -> None:
    near, far = connect(*outer)
    with near, far:
        background = Background(lambda: ours[1].wrap_socket(far, server_side=True))
        inner = ours[0].wrap_socket(near, server_hostname="localhost")
        other = background.result()
        inner.sendall(b"inside")
        assert other.recv(100) == b"inside"
        background = Background(other.unwrap)
        assert inner.unwrap() is near
        assert background.result() is far
        assert near.gettimeout() == far.gettimeout() == TIMEOUT
        near.sendall(b"outside")
        assert far.recv(100) == b"outside"
        assert inner.fileno() == -1
        for call in (lambda: inner.recv(1), lambda: inner.send(b"x"), lambda: inner.shutdown(socket.SHUT_RDWR)):
            with pytest.raises(OSError) as caught:
                call()
            assert caught.value.errno == errno.EBADF
        inner.close()
        near.sendall(b"still open")
        assert far.recv(100) == b"still open"


def test_what_follows_close_notify_is_the_outer_connection_s(ours: Contexts) -> None:
    """All of it is there before the first read, which takes one record and no more."""
    with nested(ours, ours) as (near, far):
        far.sendall(b"last words")
        far._conn.close()
        far._conn.writer.flush(far, TIMEOUT)
        far._outer.setblocking(True)
        far._outer.sendall(b"the next protocol")
        time.sleep(0.1)
        assert near.recv(1000) == b"last words"
        assert near.recv(1000) == b""
        with near.unwrap() as outer:
            assert receive_exactly(outer, 17) == b"the next protocol"


def test_close_closes_both_and_writes_nothing(outer: Contexts, ours: Contexts) -> None:
    with nested(outer, ours) as (near, far):
        carrying = near._outer
        far.sendall(b"x")
        assert near.recv(1) == b"x"  # and the session tickets before it, which unread would make a reset
        near.close()
        assert near.fileno() == carrying.fileno() == -1
        far.suppress_ragged_eofs = False
        with pytest.raises(ssl.SSLEOFError):
            far.recv(1)  # the outer end was cut off, and with it the inner one: truncation (law 4)


def test_shutdown_says_goodbye_in_both_layers(ours: Contexts) -> None:
    with nested(ours, ours) as (near, far):
        near.shutdown(socket.SHUT_WR)
        assert far.recv(1) == b""
        assert far._outer.recv(1) == b""
        far.sendall(b"half open")
        assert near.recv(100) == b"half open"
        with pytest.raises(BrokenPipeError):
            near.sendall(b"x")


def test_detach_gives_the_descriptor_away(ours: Contexts) -> None:
    with nested(ours, ours) as (near, far):
        carrying = near._outer
        number = near.detach()
        assert near.fileno() == carrying.fileno() == -1
        with socket.socket(fileno=number) as plain:
            assert plain.getpeername() == far.getsockname()


def test_a_forgotten_one_warns_and_closes(ours: Contexts) -> None:
    with nested(ours, ours) as (_, far):
        pass
    near, far = connect(*ours)
    background = Background(lambda: ours[1].wrap_socket(far, server_side=True))
    inner = ours[0].wrap_socket(near, server_hostname="localhost")
    number = inner.fileno()
    with background.result():
        del near
        with pytest.warns(ResourceWarning, match="unclosed") as said:
            del inner
            gc.collect()
        assert len(said) == 1
        with pytest.raises(OSError):
            os.fstat(number)


def test_a_server_goes_on_when_its_client_left_after_the_handshake(ours: Contexts) -> None:
    """As without layers: its session tickets are lost, which is no failure."""
    near, far = connect(*ours)
    inner = ours[0].wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
    waiting = ours[1].wrap_socket(far, server_side=True, do_handshake_on_connect=False)
    with inner, waiting:
        for end in (inner, waiting, inner):
            end.settimeout(0.0)
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
        assert inner.version() == "TLSv1.3"
        inner.close()
        waiting.settimeout(TIMEOUT)
        # The outer connection is reset under the tickets, or takes them: nothing can be read either way.
        with contextlib.suppress(ConnectionResetError):
            waiting.do_handshake()
            assert waiting.recv(1) == b""


# Objects


class Pipe:
    """As little as can be wrapped."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, size: int) -> bytes:
        return self._sock.recv(size)

    def send(self, data: bytes) -> int:
        return self._sock.send(data[:1000])


def test_an_object_with_recv_and_send(ours: Contexts) -> None:
    near, far = tcp_pair()
    with near, far:
        background = Background(lambda: ours[1].wrap_socket(Pipe(far), server_side=True))
        with ours[0].wrap_socket(Pipe(near), server_hostname="localhost") as client, background.result() as server:
            data = os.urandom(100_000)
            background = Background(lambda: client.sendall(data))
            assert receive_exactly(server, len(data)) == data
            background.result()
            assert client.fileno() == -1
            assert client.getpeername() is None
            with pytest.raises(ValueError, match="no settimeout"):
                client.settimeout(1)
            goodbye = Background(client.unwrap)
            assert isinstance(server.unwrap(), Pipe)
            assert isinstance(goodbye.result(), Pipe)


def test_an_object_that_does_not_wait_is_not_waited_for(ours: Contexts) -> None:
    near, far = tcp_pair()
    with near, far:
        near.setblocking(False)
        client = ours[0].wrap_socket(Pipe(near), server_hostname="localhost", do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        fill_up(near)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()


@pytest.mark.parametrize("answer", [0, 10**6], ids=["nothing", "too much"])
def test_an_object_that_miscounts_is_an_error(answer: int, ours: Contexts) -> None:
    class Wrong(Pipe):
        def send(self, data: bytes) -> int:
            return answer

    near, far = tcp_pair()
    with near, far, pytest.raises(ssl.SSLError, match="INTERNAL_ERROR"):
        ours[0].wrap_socket(Wrong(near), server_hostname="localhost")


def test_an_object_that_brings_too_much_is_an_error(ours: Contexts) -> None:
    class Wrong(Pipe):
        def recv(self, size: int) -> bytes:
            return bytes(size + 1)

    near, far = tcp_pair()
    with near, far, pytest.raises(ssl.SSLError, match="INTERNAL_ERROR"):
        ours[0].wrap_socket(Wrong(near), server_hostname="localhost")


def test_what_an_object_raises_is_raised(ours: Contexts) -> None:
    class Broken(Pipe):
        def recv(self, size: int) -> bytes:
            raise LookupError("its own")

    near, far = tcp_pair()
    with near, far, pytest.raises(LookupError, match="its own"):
        ours[0].wrap_socket(Broken(near), server_hostname="localhost")


def test_socketpair_ends(ours: Contexts) -> None:
    near, far = socket.socketpair()
    background = Background(lambda: ours[1].wrap_socket(far, server_side=True))
    with ours[0].wrap_socket(near, server_hostname="localhost") as client, background.result() as server:
        client.sendall(b"x")
        assert server.recv(10) == b"x"


def test_what_is_no_socket_is_refused_with_a_hint(ours: Contexts) -> None:
    with pytest.raises(TypeError, match="an object with recv and send, not int"):
        ours[0].wrap_socket(5, server_hostname="localhost")

    async def main() -> None:
        near, far = tcp_pair()
        _, writer = await asyncio.open_connection(sock=near)
        transport = writer.get_extra_info("socket")
        with pytest.raises(TypeError, match=r"what its dup\(\) returns may be one"):
            ours[0].wrap_socket(transport, server_hostname="localhost")
        background = Background(lambda: ours[1].wrap_socket(far, server_side=True))
        duplicate = transport.dup()
        duplicate.settimeout(TIMEOUT)
        with ours[0].wrap_socket(duplicate, server_hostname="localhost") as client, background.result() as server:
            client.sendall(b"x")
            assert server.recv(10) == b"x"
        writer.transport.abort()
        with warnings.catch_warnings():
            await asyncio.sleep(0)

    asyncio.run(main())
