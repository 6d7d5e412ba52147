"""Closing, garbage collection and interpreter exit, in any state: no descriptor stays open, no warning is unsaid.

What is said is what `socket.socket` says: a ResourceWarning for a socket that was neither closed nor detached when its
last reference goes. Each state is reached on a fresh pair of sockets, left, and the process's descriptors are counted.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import ssl
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import Background, Files, client_context, connect, server_context, tcp_pair
from tlsocket.pki.authority import Authority

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to count descriptors in")

State = Callable[[Files], tuple[Any, list[Any]]]
"""Makes our socket in some state, and what must stay open meanwhile; the caller closes that."""


def descriptors() -> set[int]:
    """The process's open descriptors, but for the one that lists them."""
    found = {int(entry) for entry in os.listdir("/proc/self/fd")}
    return {descriptor for descriptor in found if Path(f"/proc/self/fd/{descriptor}").exists()}


def fresh(files: Files) -> tuple[Any, list[Any]]:
    sock = client_context(tlsocket, files).wrap_socket(socket.socket(), server_hostname="localhost")
    return sock, []


def listening(files: Files) -> tuple[Any, list[Any]]:
    sock = server_context(tlsocket, files).wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
    return sock, []


def waiting(files: Files) -> tuple[Any, list[Any]]:
    near, far = tcp_pair()
    context = client_context(tlsocket, files)
    return context.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False), [far]


def in_the_handshake(files: Files) -> tuple[Any, list[Any]]:
    sock, rest = waiting(files)
    sock.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        sock.do_handshake()
    return sock, rest


def server_in_the_handshake(files: Files) -> tuple[Any, list[Any]]:
    near, far = tcp_pair()
    far.setblocking(False)
    theirs = client_context(tlsocket, files).wrap_socket(
        far, server_hostname="localhost", do_handshake_on_connect=False
    )
    with pytest.raises(ssl.SSLWantReadError):
        theirs.do_handshake()
    sock = server_context(tlsocket, files).wrap_socket(near, server_side=True, do_handshake_on_connect=False)
    sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        sock.do_handshake()
    return sock, [theirs]


def established(files: Files) -> tuple[Any, list[Any]]:
    near, far = connect(client_context(tlsocket, files), server_context(tlsocket, files))
    near.sendall(b"x")
    return near, [far]


def with_data_unread(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    rest[0].sendall(b"data" * 1000)
    assert near.recv(1) == b"d"
    assert near.pending()
    return near, rest


def with_data_unsent(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    near.setblocking(False)
    with contextlib.suppress(ssl.SSLWantWriteError):
        while near.send(bytes(1 << 20)):
            pass
    return near, rest


def failed_in_the_handshake(files: Files) -> tuple[Any, list[Any]]:
    sock, rest = waiting(files)
    rest[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        sock.do_handshake()
    return sock, rest


def failed_on_data(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    raw = socket.socket(fileno=rest[0].detach())
    raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ssl.SSLError):
        near.recv(1)
    return near, [raw]


def reset(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    rest[0].close()
    for call in (lambda: near.sendall(b"to nobody"), lambda: near.recv(1)):
        with contextlib.suppress(OSError):
            call()
    return near, []


def peer_closed(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    rest[0].shutdown(socket.SHUT_WR)
    assert near.recv(1) == b""
    return near, rest


def half_closed(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    near.shutdown(socket.SHUT_WR)
    return near, rest


def shut_down(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    near.shutdown(socket.SHUT_RDWR)
    return near, rest


def unwrapped(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    assert rest[0].recv(1) == b"x"
    background = Background(rest[0].unwrap)
    near.unwrap()
    background.result()
    return near, rest


def with_files(files: Files) -> tuple[Any, list[Any]]:
    near, rest = established(files)
    return near, [*rest, near.makefile("rb"), near.makefile("wb")]


STATES: dict[str, State] = {
    state.__name__.replace("_", " "): state
    for state in (
        fresh,
        listening,
        waiting,
        in_the_handshake,
        server_in_the_handshake,
        established,
        with_data_unread,
        with_data_unsent,
        failed_in_the_handshake,
        failed_on_data,
        reset,
        peer_closed,
        half_closed,
        shut_down,
        unwrapped,
    )
}
each_state = pytest.mark.parametrize("state", list(STATES))
each_collector = pytest.mark.parametrize("collector", [False, True], ids=["collector off", "collector on"])


@contextlib.contextmanager
def counted(collector: bool) -> Iterator[None]:
    """Descriptors before and after; with the collector off, references alone must do."""
    gc.collect()
    before = descriptors()
    if not collector:
        gc.disable()
    try:
        yield
        if collector:
            gc.collect()
        assert descriptors() == before
    finally:
        gc.enable()


def close_all(rest: list[Any]) -> None:
    while rest:
        rest.pop().close()


@each_state
@each_collector
def test_closed_without_a_word(state: str, collector: bool, files: Files) -> None:
    with counted(collector), warnings.catch_warnings():
        warnings.simplefilter("error")
        sock, rest = STATES[state](files)
        conn = None if sock._conn is None else weakref.ref(sock._conn)
        sock.close()
        sock.close()
        assert conn is None or conn() is None
        del sock
        close_all(rest)


@each_state
@each_collector
def test_forgotten_with_a_warning(state: str, collector: bool, files: Files) -> None:
    with counted(collector):
        sock, rest = STATES[state](files)
        conn = None if sock._conn is None else weakref.ref(sock._conn)
        with pytest.warns(ResourceWarning, match="unclosed <tlsocket.SSLSocket") as said:
            del sock
        assert len(said) == 1
        # The warning has the socket as its source.
        said.clear()
        assert conn is None or conn() is None
        close_all(rest)


@each_state
def test_detached_without_a_word(state: str, files: Files) -> None:
    with counted(False), warnings.catch_warnings():
        warnings.simplefilter("error")
        sock, rest = STATES[state](files)
        conn = None if sock._conn is None else weakref.ref(sock._conn)
        descriptor = sock.detach()
        assert sock.fileno() == -1
        del sock
        assert conn is None or conn() is None
        os.close(descriptor)
        close_all(rest)


def test_files_keep_the_descriptor_until_they_are_closed(files: Files) -> None:
    with counted(False):
        near, rest = with_files(files)
        near.close()
        assert near.fileno() != -1
        close_all(rest)
        assert near.fileno() == -1
        del near


@each_collector
@pytest.mark.parametrize("role", ["client", "server"])
def test_wrapping_that_fails_closes_what_it_was_given(role: str, collector: bool, files: Files) -> None:
    with counted(collector), warnings.catch_warnings():
        warnings.simplefilter("error")
        near, far = tcp_pair()
        stranger = tlsocket.create_default_context(cadata=Authority.create("someone else").pem.decode())
        theirs = server_context(tlsocket, files)
        if role == "server":
            background = Background(lambda: stranger.wrap_socket(near, server_hostname="localhost"))
            with pytest.raises(ssl.SSLError):
                theirs.wrap_socket(far, server_side=True)
        else:
            background = Background(lambda: theirs.wrap_socket(far, server_side=True))
            with pytest.raises(ssl.SSLCertVerificationError):
                stranger.wrap_socket(near, server_hostname="localhost")
        assert isinstance(background.error(), ssl.SSLError)
        assert (near.fileno(), far.fileno()) == (-1, -1)


def test_a_failed_socket_is_freed_without_the_collector(files: Files) -> None:
    """The exception that a program caught and dropped keeps nothing alive."""
    gc.collect()
    gc.disable()
    try:
        for state in (failed_in_the_handshake, failed_on_data, reset):
            sock, rest = state(files)
            watches = [weakref.ref(sock), weakref.ref(sock._conn)]
            sock.close()
            del sock
            close_all(rest)
            assert [watch() for watch in watches] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("step", ["handshake", "read", "write"])
def test_a_failed_object_is_freed_without_the_collector(step: str, files: Files) -> None:
    gc.collect()
    gc.disable()
    try:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client_context(tlsocket, files).wrap_bio(incoming, outgoing, server_hostname="localhost")
        incoming.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with contextlib.suppress(ssl.SSLError):
            one.do_handshake()
        for _ in range(2):
            with contextlib.suppress(ssl.SSLError):
                if step == "handshake":
                    one.do_handshake()
                elif step == "read":
                    one.read()
                else:
                    one.write(b"x")
        watches = [weakref.ref(one), weakref.ref(one._conn)]
        del one
        assert [watch() for watch in watches] == [None, None]
    finally:
        gc.enable()


EXIT = """
import faulthandler, gc, socket, ssl, sys, threading, time
import tlsocket
faulthandler.dump_traceback_later(30, exit=True)
authority, certificate, key, how = sys.argv[1:]
server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
server.load_cert_chain(certificate, key)
client = tlsocket.create_default_context(cafile=authority)

def pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far = listener.accept()[0]
    kept = []
    thread = threading.Thread(target=lambda: kept.append(server.wrap_socket(far, server_side=True)))
    thread.start()
    near = client.wrap_socket(near, server_hostname="localhost")
    thread.join()
    return near, kept[0]

pairs = [pair() for _ in range(4)]
started = threading.Barrier(7)

def reading(sock):
    started.wait()
    while sock.recv(1000):
        pass

def writing(sock):
    started.wait()
    while True:
        sock.sendall(bytes(100000))

def opening():
    near, far = socket.socketpair()
    started.wait()
    client.wrap_socket(near, server_hostname="localhost")

jobs = [(reading, pairs[0][:1]), (reading, pairs[1][1:]), (writing, pairs[1][:1]), (reading, pairs[2][:1]),
        (writing, pairs[3][:1]), (opening, ())]
for target, arguments in jobs:
    threading.Thread(target=target, args=arguments, daemon=True).start()
started.wait()
time.sleep(0.2)
if how == "collect":
    cycle = [pairs]
    cycle.append(cycle)
    del pairs, jobs, arguments
elif how == "exit":
    print("done")
    sys.exit(0)
print("done")
"""


@pytest.mark.parametrize("how", ["end", "exit", "collect"])
def test_interpreter_exit_with_open_connections_in_threads(how: str, files: Files) -> None:
    """Daemon threads read, write into full buffers and shake hands while the interpreter goes."""
    arguments = [files.authority, files.certificate, files.key, how]
    done = subprocess.run(
        [sys.executable, "-c", EXIT, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


SAID = """
import socket, sys, threading
import {module} as tls
near, far = socket.socketpair()
context = tls.create_default_context(cafile=sys.argv[1])
{code}
"""


@pytest.mark.parametrize(
    "code",
    [
        "sock = context.wrap_socket(near, server_hostname='x', do_handshake_on_connect=False)",
        "context.wrap_socket(near, server_hostname='x', do_handshake_on_connect=False)",
        "threading.Thread(target=lambda: context.wrap_socket(near, server_hostname='x'), daemon=True).start()",
    ],
    ids=["at exit", "dropped", "in a thread"],
)
def test_interpreter_exit_warns_as_often_as_ssl_does(code: str, files: Files) -> None:
    counts = []
    for module in ("ssl", "tlsocket"):
        program = SAID.format(module=module, code=code)
        done = subprocess.run(
            [sys.executable, "-W", "always::ResourceWarning", "-c", program, files.authority],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0
        assert "Traceback" not in done.stderr
        counts.append(done.stderr.count("ResourceWarning: unclosed"))
    assert counts[0] == counts[1]
