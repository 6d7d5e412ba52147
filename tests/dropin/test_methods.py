"""Law 12: no method of `socket.socket` that moves bytes gets past the connection."""

from __future__ import annotations

import inspect
import socket
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import connected

# Every attribute of socket.socket that can be called, sorted by what it does. A new Python that adds one fails the
# first test until somebody has thought about it.
MOVES_BYTES = {
    "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into",
    "send", "sendall", "sendto", "sendmsg", "sendmsg_afalg", "sendfile",
    "_sendfile_use_sendfile",
}  # fmt: skip
GOES_THROUGH_OURS = {"makefile", "_sendfile_use_send"}
"""They call recv_into and send of the object they belong to."""
MAKES_OR_ENDS = {"accept", "connect", "connect_ex", "dup", "shutdown", "_real_close", "close", "detach", "share"}
HARMLESS = {
    "bind", "fileno", "get_inheritable", "getblocking", "getpeername", "getsockname", "getsockopt", "gettimeout",
    "ioctl", "listen", "set_inheritable", "setblocking", "setsockopt", "settimeout",
    "_accept", "_decref_socketios", "_check_sendfile_params", "_sendfile_zerocopy",
}  # fmt: skip


def callables(owner: type) -> set[str]:
    return {
        name
        for name, member in inspect.getmembers_static(owner)
        if callable(getattr(owner, name)) and not (name.startswith("__") and name.endswith("__"))
        if inspect.isroutine(member)
    }


def test_every_method_of_socket_was_thought_about() -> None:
    assert callables(socket.socket) <= MOVES_BYTES | GOES_THROUGH_OURS | MAKES_OR_ENDS | HARMLESS


@pytest.mark.parametrize("name", sorted(MOVES_BYTES & callables(socket.socket)))
def test_methods_that_move_bytes_are_overridden(name: str) -> None:
    owner = next(each for each in tlsocket.SSLSocket.__mro__ if name in vars(each))
    assert owner.__module__ in ("tlsocket.dropin.sslsocket", "tlsocket.dropin.refusals")


REFUSED: dict[str, tuple[type[Exception], Any]] = {
    "sendto": (ValueError, lambda s: s.sendto(b"secret", ("127.0.0.1", 9))),
    "recvfrom": (ValueError, lambda s: s.recvfrom(10)),
    "recvfrom_into": (ValueError, lambda s: s.recvfrom_into(bytearray(10))),
    "sendmsg ancillary data": (NotImplementedError, lambda s: s.sendmsg([b"secret"], [(socket.SOL_SOCKET, 1, b"")])),
    "sendmsg flags": (NotImplementedError, lambda s: s.sendmsg([b"secret"], [], socket.MSG_OOB)),
    "sendmsg address": (NotImplementedError, lambda s: s.sendmsg([b"secret"], [], 0, ("127.0.0.1", 9))),
    "sendmsg_afalg": (NotImplementedError, lambda s: s.sendmsg_afalg([b"secret"], op=1)),
    "recvmsg": (NotImplementedError, lambda s: s.recvmsg(10)),
    "recvmsg_into": (NotImplementedError, lambda s: s.recvmsg_into([bytearray(10)])),
    "_sendfile_use_sendfile": (NotImplementedError, lambda s: s._sendfile_use_sendfile(None)),
    "dup": (NotImplementedError, lambda s: s.dup()),
    "send flags": (ValueError, lambda s: s.send(b"secret", socket.MSG_OOB)),
    "sendall flags": (ValueError, lambda s: s.sendall(b"secret", socket.MSG_OOB)),
    "recv flags": (ValueError, lambda s: s.recv(10, socket.MSG_OOB)),
    "recv_into flags": (ValueError, lambda s: s.recv_into(bytearray(10), 10, socket.MSG_PEEK | socket.MSG_OOB)),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_would_bypass_tls_is_refused(what: str, client: Any, server: Any) -> None:
    error, call = REFUSED[what]
    with connected(client, server) as (near, far):
        with pytest.raises(error):
            call(near)
        near.sendall(b"still fine")
        assert far.recv(100) == b"still fine"


def test_nothing_raw_leaves_after_shutdown(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        near.shutdown(socket.SHUT_WR)
        for call in (near.send, near.sendall, near.write, lambda data: near.sendmsg([data])):
            with pytest.raises(BrokenPipeError):
                call(b"secret")
        with pytest.raises(ValueError):
            near.sendto(b"secret", ("127.0.0.1", 9))
        assert far.recv(100) == b""


def test_a_socket_connected_behind_our_back_speaks_tls(client: Any, server: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as plain:
        wrapped = client.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)
        with wrapped:
            with pytest.raises(OSError):
                wrapped.send(b"secret")
            socket.socket.connect(wrapped, listener.getsockname())
            wrapped.settimeout(0.2)
            with pytest.raises(TimeoutError):
                wrapped.send(b"secret")
            raw, _ = listener.accept()
            with raw:
                received = raw.recv(65536)
        assert received[:2] == b"\x16\x03"  # a handshake record
        assert b"secret" not in received
