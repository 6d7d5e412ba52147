"""`SSLSocket` over real sockets, ours on one side, ours or the standard library's on the other."""

from __future__ import annotations

import array
import contextlib
import errno
import gc
import io
import os
import select
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

import tlsocket
from tests.dropin.support import (
    MODULES,
    TIMEOUT,
    Background,
    Files,
    client_context,
    connect,
    connected,
    failure,
    receive_exactly,
    server_context,
    tcp_pair,
)
from tlsocket.pki.authority import Authority


def stdlib_leaks(test: Any) -> Any:
    """Older versions of `ssl` leave the descriptor open when wrap_socket fails; ours must not."""
    ignored = pytest.mark.filterwarnings(
        "ignore:unclosed <ssl.SSLSocket:ResourceWarning",
        "ignore:.*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
    )
    return pytest.mark.usefixtures("collected")(ignored(test))


@pytest.fixture
def collected() -> Iterator[None]:
    """Python 3.12 leaves it in a cycle: it is to be found here, and not in whatever test comes next."""
    yield
    gc.collect()


ROLES = [("ours", "ours"), ("ours", "stdlib"), ("stdlib", "ours")]


@pytest.fixture(params=ROLES, ids=lambda roles: f"client-{roles[0]}-server-{roles[1]}")
def contexts(request: pytest.FixtureRequest, files: Files) -> tuple[Any, Any]:
    client, server = (MODULES[name] for name in request.param)
    return client_context(client, files), server_context(server, files)


# Making connections


def test_both_sides_agree_on_what_was_negotiated(contexts: tuple[Any, Any], files: Files) -> None:
    client, server = contexts
    client.set_alpn_protocols(["h2", "http/1.1"])
    server.set_alpn_protocols(["http/1.1"])
    with connected(client, server) as (near, far):
        assert near.version() == far.version() == "TLSv1.3"
        assert near.cipher() == far.cipher()
        assert near.selected_alpn_protocol() == far.selected_alpn_protocol() == "http/1.1"
        assert near.compression() is far.compression() is None
        assert near.server_hostname == "localhost"
        assert (near.server_side, far.server_side) == (False, True)
        assert (near.context, far.context) == (client, server)
        assert near.session_reused is far.session_reused is False
        assert far.getpeercert() is None
        assert far.cipher() in far.shared_ciphers()
        for sock in (near, far):
            assert isinstance(sock, ssl.SSLSocket)
            assert isinstance(sock, socket.socket)


def test_certificates_look_as_in_ssl(files: Files, server: Any) -> None:
    seen = []
    for module in MODULES.values():
        with connected(client_context(module, files), server) as (near, _):
            seen.append((near.getpeercert(), near.getpeercert(True)))
    assert seen[0] == seen[1]


def test_client_certificates_are_asked_for_and_verified(contexts: tuple[Any, Any], files: Files) -> None:
    client, server = contexts
    client.load_cert_chain(files.client_certificate, files.client_key)
    server.load_verify_locations(files.authority)
    server.verify_mode = ssl.CERT_REQUIRED
    with connected(client, server) as (near, far):
        assert far.getpeercert()["subject"] == ((("commonName", "a client"),),)
        near.sendall(b"x")
        assert far.recv(1) == b"x"


def test_an_optional_client_certificate_may_be_missing(contexts: tuple[Any, Any], files: Files) -> None:
    client, server = contexts
    server.load_verify_locations(files.authority)
    server.verify_mode = ssl.CERT_OPTIONAL
    with connected(client, server) as (_, far):
        assert far.getpeercert() is None
        assert far.getpeercert(True) is None


def test_a_missing_client_certificate_is_refused(contexts: tuple[Any, Any], files: Files) -> None:
    client, server = contexts
    server.load_verify_locations(files.authority)
    server.verify_mode = ssl.CERT_REQUIRED
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with client.wrap_socket(near, server_hostname="localhost") as sock:
        error = background.error()
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        with pytest.raises(ssl.SSLError) as caught:
            sock.recv(10)
    assert caught.value.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def refusal(client: Any, server: Any, name: str = "localhost") -> tuple[BaseException, BaseException | None]:
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    return failure(lambda: client.wrap_socket(near, server_hostname=name)), background.error()


@pytest.mark.parametrize("case", ["untrusted", "name", "address", "expired", "early", "self-signed", "purpose"])
def test_refused_certificates_raise_what_ssl_raises(case: str, files: Files) -> None:
    authority = Authority.create("another authority")
    server_arguments: dict[str, Any] = {}
    name = {"name": "other.test", "address": "127.0.0.2"}.get(case, "localhost")
    now = time.time()
    if case == "expired":
        server_arguments = {"not_before": now - 7200, "not_after": now - 3600}
    elif case == "early":
        server_arguments = {"not_before": now + 3600, "not_after": now + 7200}
    elif case == "purpose":
        server_arguments = {"purpose": "client"}
    if case == "self-signed":
        from tlsocket.pki.authority import self_signed

        issued = self_signed(["localhost"])
    else:
        issued = authority.issue(["localhost", "127.0.0.1"], **server_arguments)
    errors = []
    for module in MODULES.values():
        server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(issued.chain_pem, issued.key_pem())
        client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        if case in ("untrusted", "self-signed"):
            client.load_verify_locations(files.authority)
        else:
            client.load_verify_locations(cadata=authority.pem.decode())
        errors.append(refusal(client, server, name))
    (ours, at_server), (theirs, _) = errors
    assert isinstance(ours, ssl.SSLCertVerificationError)
    assert isinstance(theirs, ssl.SSLCertVerificationError)
    for attribute in ("verify_code", "verify_message", "library", "reason", "errno"):
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    assert str(theirs).partition(" (_ssl.c")[0] in str(ours)
    assert isinstance(ours.__cause__, tlsocket.TLSError)
    assert isinstance(at_server, ssl.SSLError)
    assert "ALERT" in at_server.reason


def test_ip_addresses_are_verified(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with client.wrap_socket(near, server_hostname="127.0.0.1"), background.result():
        pass


@pytest.mark.parametrize("protocol", ["version", "http", "garbage"])
def test_peers_without_tls_are_recognised(protocol: str, client: Any) -> None:
    answer = {"version": b"SSH-2.0-OpenSSH_9.6\r\n", "http": b"HTTP/1.1 400 Bad Request\r\n\r\n", "garbage": b"\0" * 40}
    near, far = tcp_pair()
    with near, far:
        far.sendall(answer[protocol])
        with pytest.raises(ssl.SSLError) as caught:
            client.wrap_socket(near, server_hostname="localhost")
    assert caught.value.library == "SSL"
    if protocol == "version":
        assert caught.value.reason == "WRONG_VERSION_NUMBER"


def test_a_plain_http_request_to_a_server_is_recognised(server: Any) -> None:
    near, far = tcp_pair()
    with near, far:
        near.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(ssl.SSLError) as caught:
            server.wrap_socket(far, server_side=True)
    assert caught.value.reason == "HTTP_REQUEST"


@stdlib_leaks
def test_a_peer_that_hangs_up_during_the_handshake(module: Any, files: Files) -> None:
    near, far = tcp_pair()
    with near:
        far.shutdown(socket.SHUT_WR)
        with far, pytest.raises(ssl.SSLEOFError):
            client_context(module, files).wrap_socket(near, server_hostname="localhost")
    near, far = tcp_pair()
    with near, far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        far.close()
        with pytest.raises(OSError):
            client_context(module, files).wrap_socket(near, server_hostname="localhost")


def wrap(module: Any, files: Files, **arguments: Any) -> Any:
    context = (server_context if arguments.get("server_side") else client_context)(module, files)
    near, far = tcp_pair()
    with near, far:
        return context.wrap_socket(near, **arguments)


@stdlib_leaks
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"server_side": True, "server_hostname": "localhost"},
        {"server_side": True, "session": object()},
        {"server_hostname": "localhost", "session": object()},
        {"server_hostname": ""},
        {"server_hostname": ".localhost"},
        {"server_hostname": "x" * 64},
        {"server_hostname": "a\0b"},
        {"server_hostname": 5},
    ],
    ids=lambda arguments: ",".join(f"{key}={value!s:.12}" for key, value in arguments.items()),
)
def test_wrong_arguments_raise_what_ssl_raises(arguments: dict[str, Any], files: Files) -> None:
    ours, theirs = (failure(partial(wrap, module, files, **arguments)) for module in MODULES.values())
    assert type(ours) is type(theirs), (ours, theirs)
    if isinstance(theirs, ValueError) and not isinstance(theirs, UnicodeError):
        assert str(ours) == str(theirs)


def test_the_wrong_role_is_refused(module: Any, files: Files) -> None:
    near, far = tcp_pair()
    with (
        near,
        far,
        pytest.raises(ssl.SSLError, match="Cannot create a client socket with a PROTOCOL_TLS_SERVER context"),
    ):
        server_context(module, files).wrap_socket(near)
    context = client_context(module, files)
    context.check_hostname = False
    near, far = tcp_pair()
    with (
        near,
        far,
        pytest.raises(ssl.SSLError, match="Cannot create a server socket with a PROTOCOL_TLS_CLIENT context"),
    ):
        context.wrap_socket(near, server_side=True)


def test_an_unconnected_socket_is_an_error_of_the_system(module: Any, files: Files) -> None:
    context = client_context(module, files)
    with context.wrap_socket(socket.socket(), server_hostname="localhost") as sock:
        calls: list[Any] = [
            partial(sock.recv, 1), partial(sock.recv_into, bytearray(1)), partial(sock.send, b"x"),
            partial(sock.sendall, b"x"), partial(sock.sendto, b"x", ("0.0.0.0", 0)), partial(sock.recvfrom, 1),
            partial(sock.recvfrom_into, bytearray(1), 1), sock.do_handshake, sock.getpeercert, sock.getpeername,
        ]  # fmt: skip
        for call in calls:
            assert isinstance(failure(call), OSError), call
    with pytest.raises((ValueError, OSError)):
        sock.getpeercert()


def test_wrapping_takes_the_descriptor_over(client: Any) -> None:
    with socket.socket() as plain:
        plain.settimeout(3.5)
        descriptor = plain.fileno()
        with client.wrap_socket(plain, server_hostname="localhost") as wrapped:
            assert plain.fileno() == -1
            assert wrapped.fileno() == descriptor
            assert wrapped.gettimeout() == 3.5
            assert (wrapped.version(), wrapped.cipher(), wrapped.pending()) == (None, None, 0)
            assert wrapped.session is None
            assert wrapped.session_reused is None
            assert wrapped.get_unverified_chain() == wrapped.get_verified_chain() == []
            assert "tlsocket.SSLSocket fd=" in repr(wrapped)


def test_plaintext_left_by_a_peer_that_hung_up_is_refused(module: Any, files: Files) -> None:
    near, far = tcp_pair()
    near.sendall(b"plaintext before TLS")
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    near.shutdown(socket.SHUT_WR)
    far.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + TIMEOUT
    with far:
        near.close()
        # Wait until the kernel has noticed the reset.
        while time.monotonic() < deadline:
            try:
                far.getpeername()
            except OSError:
                break
            time.sleep(0.01)
        try:
            wrapped = server_context(module, files).wrap_socket(far, server_side=True)
        except OSError:
            return
        wrapped.close()
        pytest.fail("a connection that is over was wrapped")


def test_connect_and_accept_perform_the_handshake(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with server.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        background = Background(listener.accept)
        with client.wrap_socket(socket.socket(), server_hostname="localhost") as near:
            near.settimeout(TIMEOUT)
            near.connect(listener.getsockname())
            far, address = background.result()
            with far:
                assert type(far) is type(listener)
                assert address == near.getsockname()
                near.sendall(b"x")
                assert far.recv(1) == b"x"
            with pytest.raises(ValueError, match="already-connected"):
                near.connect(listener.getsockname())
        with pytest.raises(ValueError, match="server-side mode"):
            listener.connect(("127.0.0.1", 9))


@pytest.mark.parametrize("of_its_own", [True, False], ids=["handshake_timeout", "default"])
def test_a_silent_client_does_not_stop_the_loop(
    client: Any, server: Any, of_its_own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if of_its_own:
        server.handshake_timeout = 0.2
    else:
        monkeypatch.setattr("tlsocket.dropin.sslsocket._ACCEPT_SECONDS", 0.2)
    with server.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        with socket.create_connection(listener.getsockname()), pytest.raises(TimeoutError, match="handshake operation"):
            Background(listener.accept).result()
        server.handshake_timeout = None
        monkeypatch.undo()
        background = Background(listener.accept)
        with client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="localhost") as near:
            far, _ = background.result()
            with far:
                assert far.gettimeout() is None
                near.sendall(b"x")
                assert far.recv(1) == b"x"


def test_a_refused_connection_can_be_tried_again(client: Any, server: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with client.wrap_socket(socket.socket(), server_hostname="localhost") as near:
        near.settimeout(TIMEOUT)
        with pytest.raises(ConnectionRefusedError):
            near.connect(address)
        # What Linux says of a second try on the same socket is its own affair.
        assert near.connect_ex(address) in (errno.ECONNREFUSED, errno.ECONNABORTED)
        with server.wrap_socket(socket.create_server(address), server_side=True) as listener:
            background = Background(listener.accept)
            assert near.connect_ex(address) == 0
            background.result()[0].close()


def test_a_non_blocking_connect_is_finished_with_do_handshake(client: Any, server: Any) -> None:
    with server.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        background = Background(listener.accept)
        with client.wrap_socket(socket.socket(), server_hostname="localhost", do_handshake_on_connect=False) as near:
            near.setblocking(False)
            assert near.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
            drive(near, near.do_handshake)
            with background.result()[0]:
                assert near.version() == "TLSv1.3"


def test_wrapping_a_non_blocking_socket_wants_no_handshake(module: Any, files: Files) -> None:
    near, far = tcp_pair()
    near.setblocking(False)
    with far, pytest.raises(ValueError, match="do_handshake_on_connect should not be specified for non-blocking"):
        client_context(module, files).wrap_socket(near, server_hostname="localhost")


def drive(sock: Any, call: Any) -> Any:
    """Repeat a call on a non-blocking socket until it does not want to wait."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            return call()
        except ssl.SSLWantReadError:
            select.select([sock], [], [], 1)
        except ssl.SSLWantWriteError:
            select.select([], [sock], [], 1)
    raise AssertionError("hangs")


@pytest.mark.parametrize("early", ["recv", "send"])
def test_reading_and_writing_perform_the_handshake(early: str, contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    near, far = tcp_pair()
    near = client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
    far = server.wrap_socket(far, server_side=True, do_handshake_on_connect=False)
    with near, far:
        with pytest.raises(ValueError, match="handshake not done yet"):
            near.getpeercert()
        first, second = (near, far) if early == "recv" else (far, near)
        background = Background(lambda: first.recv(10))
        assert second.send(b"hello") == 5
        assert background.result() == b"hello"
        near.do_handshake()  # over already: nothing happens
        assert near.version() == "TLSv1.3"


# Data


@pytest.mark.parametrize("blocking", [True, False])
def test_megabytes_arrive_both_ways_at_once(contexts: tuple[Any, Any], blocking: bool) -> None:
    client, server = contexts
    data = os.urandom(1 << 16) * 48
    with connected(client, server) as (near, far):

        def talk(sock: Any) -> bytes:
            sock.setblocking(blocking)
            if blocking:
                sender = Background(lambda: sock.sendall(data))
                received = receive_exactly(sock, len(data))
                sender.result()
                return received
            sent, arrived = 0, bytearray()
            while sent < len(data) or len(arrived) < len(data):
                writable = [sock] if sent < len(data) else []
                if not sock.pending():
                    select.select([sock], writable, [], 1)
                if sent < len(data):
                    try:
                        sent += sock.send(memoryview(data)[sent : sent + 100_000])
                    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        pass
                try:
                    arrived += sock.recv(50_000)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            return bytes(arrived)

        # OpenSSL's sockets may not be read and written at once (openssl issue 20446): then only one of us talks so.
        if blocking and not isinstance_of_ours(near, far):
            ours, theirs = (near, far) if type(near) is tlsocket.SSLSocket else (far, near)
            background = Background(lambda: theirs.sendall(data))
            assert receive_exactly(ours, len(data)) == data
            background.result()
            background = Background(lambda: ours.sendall(data))
            assert receive_exactly(theirs, len(data)) == data
            background.result()
        else:
            background = Background(lambda: talk(far))
            assert talk(near) == data
            assert background.result() == data


def isinstance_of_ours(*socks: Any) -> bool:
    return all(type(sock) is tlsocket.SSLSocket for sock in socks)


def test_two_threads_may_use_one_connection_at_once(client: Any, server: Any) -> None:
    data = os.urandom(1 << 15)
    rounds = 200

    def send_often(sock: Any) -> None:
        for _ in range(rounds):
            sock.sendall(data)

    with connected(client, server) as (near, far):
        senders = [Background(partial(send_often, sock)) for sock in (near, far)]
        for sock in (near, far):
            receive_exactly(sock, len(data))
        receivers = [Background(partial(receive_exactly, sock, len(data) * (rounds - 1))) for sock in (near, far)]
        for sender in senders:
            sender.result()
        for receiver in receivers:
            assert receiver.result() == data * (rounds - 1)


def test_reads_of_every_kind_get_the_same_data(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, far):
        far.sendall(b"0123456789" * 10)
        assert near.recv(5) == b"01234"
        assert near.pending() == 95
        buffer = bytearray(8)
        assert near.recv_into(buffer) == 8
        assert buffer == b"56789012"
        assert near.recv_into(buffer, 3) == 3
        assert buffer[:3] == b"345"
        assert near.recv_into(buffer, 100) == 8
        assert near.recv_into(memoryview(buffer)[2:4], 0) == 2
        assert near.recv_into(bytearray()) == 0
        assert near.recv(0) == near.read(0) == b""
        assert near.read(4) == b"6789"
        assert near.read(4, buffer) == 4
        assert near.read(-1, buffer) == 8
        assert len(near.recv()) == 58
        assert near.pending() == 0
        for call in (near.recv, near.read):
            with pytest.raises(ValueError, match="size should not be negative"):
                call(-1)


def test_writes_of_every_kind_of_buffer(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, far):
        assert near.send(b"") == 0
        near.sendall(b"")
        assert near.send(b"ab") == 2
        assert near.write(bytearray(b"cd")) == 2
        assert near.send(memoryview(b"xefx")[1:3]) == 2
        near.sendall(array.array("I", [0x67676767]))
        assert receive_exactly(far, 10) == b"abcdefgggg"
        for wrong in ("text", 5, None):
            for call in (near.send, near.sendall, near.write):
                with pytest.raises(TypeError):
                    call(wrong)


def test_sendmsg_sends_many_buffers_as_one(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, far):
        near, far = (near, far) if type(near) is tlsocket.SSLSocket else (far, near)
        pieces: list[Any] = [b"", b"head", *(bytes([n % 256]) * n for n in range(700)), array.array("I", [7, 8])]
        pieces.append(memoryview(b"tail"))
        whole = b"".join(bytes(piece) for piece in pieces)
        background = Background(lambda: near.sendmsg(iter(pieces)))
        assert receive_exactly(far, len(whole)) == whole
        assert background.result() == len(whole)
        assert near.sendmsg([]) == near.sendmsg([b""]) == 0
        mistakes: list[Any] = [["text"], [b"ok", None], 5, [memoryview(b"abcdef")[::2]]]
        for wrong in mistakes:
            with pytest.raises((TypeError, BufferError)):
                near.sendmsg(wrong)
        assert near.sendmsg([b"still ", b"fine"]) == 10
        assert receive_exactly(far, 10) == b"still fine"


def test_sendmsg_that_would_block_is_repeated(client: Any, server: Any) -> None:
    """As `send`: at least the same bytes again, however they are cut into buffers."""
    data = os.urandom(100_000)
    with connected(client, server) as (near, far):
        near.setblocking(False)
        sent = bytearray()
        with pytest.raises(ssl.SSLWantWriteError):
            while True:
                sent += data[: near.sendmsg([data[:5], data[5:]])]
        with pytest.raises(ssl.SSLError, match="BAD_LENGTH"):
            near.sendmsg([data[:1], data[1:2]])
        near.settimeout(TIMEOUT)
        background = Background(lambda: near.sendmsg([data[:90_000], data[90_000:], b"more"]))
        sent += data + b"more"
        assert receive_exactly(far, len(sent)) == sent
        assert 0 < background.result() <= len(data) + 4


def test_sendmsg_performs_the_handshake_and_works_in_plaintext(client: Any, server: Any) -> None:
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    wrapped = client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
    with wrapped:
        with pytest.raises(TypeError):
            wrapped.sendmsg([b"a", "text"])
        assert wrapped.version() is None
        assert wrapped.sendmsg([b"a", b"b"]) == 2
        with background.result() as peer:
            assert receive_exactly(peer, 2) == b"ab"
            goodbye = Background(peer.unwrap)
            wrapped.unwrap()
            goodbye.result()
            assert wrapped.sendmsg([b"plain"]) == 5
            assert peer.recv(10) == b"plain"


def test_peeking_leaves_what_it_saw(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, far):
        near, far = (near, far) if type(near) is tlsocket.SSLSocket else (far, near)
        far.sendall(b"first")
        assert near.recv(3, socket.MSG_PEEK) == b"fir"
        assert near.recv(100, socket.MSG_PEEK) == b"first"
        assert near.pending() == 5
        buffer = bytearray(b"........")
        assert near.recv_into(buffer, 4, socket.MSG_PEEK) == 4
        assert buffer == b"firs...."
        assert near.recv(2) == b"fi"
        assert near.recv(100, socket.MSG_PEEK) == b"rst"
        assert near.recv(100) == b"rst"
        near.settimeout(0.05)
        with pytest.raises(TimeoutError):
            near.recv(1, socket.MSG_PEEK)
        near.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            near.recv(1, socket.MSG_PEEK)
        near.settimeout(TIMEOUT)
        goodbye = Background(far.unwrap)
        assert near.recv(1, socket.MSG_PEEK) == b""
        assert near.recv(1) == b""
        near.unwrap()
        goodbye.result()


def test_files_are_sent(client: Any, server: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(200_000))
    with connected(client, server) as (near, far), path.open("rb") as file:
        background = Background(lambda: near.sendfile(file, offset=10, count=150_000))
        assert receive_exactly(far, 150_000) == path.read_bytes()[10:150_010]
        assert background.result() == 150_000
        assert file.tell() == 150_010
        with pytest.raises(ValueError):
            near.sendfile(file, count=-1)


def test_a_file_is_never_read_whole(client: Any, server: Any) -> None:
    """Whatever its size: what is asked of it at once is bounded, and so is what is held."""

    class Endless(io.RawIOBase):
        asked = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            return offset

        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 < size <= 1 << 20
            self.asked += size
            return b"x" * size if self.asked < 1 << 24 else b""

    with connected(client, server) as (near, far):
        background = Background(lambda: near.sendfile(Endless()))
        total = 0
        while total < (1 << 24) - (1 << 20):
            total += len(far.recv(1 << 18))
        assert 0 < background.result() < 1 << 24


def test_makefile_reads_and_writes(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    near, far = connect(client, server)
    with near, far, near.makefile("rwb") as near_file, far.makefile("rwb") as far_file:
        near_file.write(b"line one\nline two\n")
        near_file.flush()
        assert far_file.readline() == b"line one\n"
        assert far_file.readline() == b"line two\n"
        near.close()  # the file still holds it open
        far_file.write(b"answer\n")
        far_file.flush()
        assert near_file.readline() == b"answer\n"


# Law 1 and waiting


def test_select_is_honest(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        near.setblocking(False)
        records = [os.urandom(size) for size in (100, 5000, 16384, 1, 3000)]
        for record in records:
            far.send(record)
        received = bytearray()
        while len(received) < sum(map(len, records)):
            if not near.pending():
                assert select.select([near], [], [], TIMEOUT)[0], "select sleeps on data"
            try:
                received += near.recv(64)
            except ssl.SSLWantReadError:
                assert not near.pending()
        assert received == b"".join(records)
        assert not near.pending()
        assert not select.select([near], [], [], 0)[0]


def test_select_alone_tells_of_the_end(contexts: tuple[Any, Any]) -> None:
    """The peer sends, says that it is done and waits for the same from us; nobody here asks `pending()`."""
    client, server = contexts
    with connected(client, server) as (near, far):
        far.setblocking(False)
        near.sendall(b"x" * 5000)
        goodbye = Background(near.unwrap)
        time.sleep(0.05)  # so that all of it is there at the first read
        received = b""
        while True:
            assert select.select([far], [], [], TIMEOUT)[0], "select sleeps on an end"
            try:
                piece = far.recv(65536)
            except ssl.SSLWantReadError:
                continue
            if not piece:
                break
            received += piece
        assert received == b"x" * 5000
        far.settimeout(TIMEOUT)
        far.unwrap()
        goodbye.result()


def test_what_follows_the_end_is_left_to_the_next_protocol(client: Any, server: Any) -> None:
    """One read is offered data, close_notify and plaintext, and takes data only; `unwrap` comes afterwards."""
    with connected(client, server) as (near, far):
        near.sendall(b"last words")
        near._conn.close()
        near._conn.writer.flush(near, TIMEOUT)
        socket.socket.sendall(near, b"220 plain text")
        time.sleep(0.05)
        assert far.recv(65536) == b"last words"
        assert far.recv(65536) == b""
        goodbye = Background(near.unwrap)
        assert far.unwrap().recv(100) == b"220 plain text"
        goodbye.result()


def test_selectors_serve_an_echo(client: Any, server: Any) -> None:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)

    def serve() -> None:
        with selectors.DefaultSelector() as selector, listener:
            selector.register(listener, selectors.EVENT_READ)
            while not stop.is_set():
                for key, _ in selector.select(0.05):
                    if key.fileobj is listener:
                        raw, _ = listener.accept()
                        raw.setblocking(False)
                        sock = server.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                        selector.register(sock, selectors.EVENT_READ, bytearray())
                        continue
                    sock, queue = cast(Any, key.fileobj), key.data
                    try:
                        while True:
                            data = sock.recv(1000)
                            if not data:
                                selector.unregister(sock)
                                sock.close()
                                break
                            queue += data
                            while queue:
                                del queue[: sock.send(queue)]
                    except ssl.SSLWantReadError:
                        selector.modify(sock, selectors.EVENT_READ, queue)
                    except ssl.SSLWantWriteError:
                        selector.modify(sock, selectors.EVENT_WRITE | selectors.EVENT_READ, queue)

    background = Background(serve)
    try:
        for size in (1, 1000, 20_000):
            data = os.urandom(size)
            with client.wrap_socket(
                socket.create_connection(listener.getsockname(), TIMEOUT), server_hostname="localhost"
            ) as near:
                near.sendall(data)
                assert receive_exactly(near, size) == data
    finally:
        stop.set()
        background.result()


def test_a_timeout_ends_a_read_and_harms_nothing(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, far):
        near.settimeout(0.1)
        started = time.monotonic()
        with pytest.raises(TimeoutError, match="The read operation timed out"):
            near.recv(10)
        assert 0.05 < time.monotonic() - started < 5
        far.sendall(b"later")
        near.settimeout(TIMEOUT)
        assert near.recv(10) == b"later"


def test_a_timeout_ends_a_write(client: Any, server: Any) -> None:
    with connected(client, server) as (near, _):
        near.settimeout(0.2)
        with pytest.raises(TimeoutError, match="The write operation timed out"):
            near.sendall(b"x" * 50_000_000)


def test_a_timeout_ends_a_handshake(module: Any, files: Files) -> None:
    near, far = tcp_pair()
    near.settimeout(0.2)
    with far, pytest.raises(TimeoutError, match="The handshake operation timed out"):
        client_context(module, files).wrap_socket(near, server_hostname="localhost")


def test_a_timeout_is_a_deadline_for_the_whole_call(client: Any) -> None:
    near, far = tcp_pair()
    with far:
        near.settimeout(0.4)

        def drip() -> None:
            # A record that grows by a byte before every timeout of a single wait.
            with contextlib.suppress(OSError):
                for byte in b"\x16\x03\x03\x10\x00" + b"\x02" * 100:
                    far.send(bytes([byte]))
                    time.sleep(0.05)

        background = Background(drip)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            client.wrap_socket(near, server_hostname="localhost")
        assert time.monotonic() - started < 2
        background.result()


def test_do_handshake_may_block_on_a_non_blocking_socket(client: Any, server: Any) -> None:
    near, far = tcp_pair()
    near.setblocking(False)
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as sock:
        sock.do_handshake(block=True)
        assert sock.gettimeout() == 0.0
        background.result().close()


def fill(sock: Any, piece: bytes, counts: list[int] | None = None) -> None:
    """Send until that would block."""
    while True:
        count = sock.send(piece)
        if counts is not None:
            counts.append(count)


def test_would_block_is_an_exception_of_ssl(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, _):
        near.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError) as caught:
            # A peer with tickets may have sent some: they are no data.
            near.recv(10)
        assert caught.value.errno == ssl.SSL_ERROR_WANT_READ
        with pytest.raises(ssl.SSLWantWriteError) as blocked:
            fill(near, b"x" * 65536)
        assert blocked.value.errno == ssl.SSL_ERROR_WANT_WRITE


def test_a_shorter_retry_is_refused_and_a_longer_one_goes_on(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        near.setblocking(False)
        piece = os.urandom(65536)
        counts: list[int] = []
        with pytest.raises(ssl.SSLWantWriteError):
            fill(near, piece, counts)
        sent = sum(counts)
        with pytest.raises(ssl.SSLError) as caught:
            near.send(piece[:1])
        assert caught.value.reason == "BAD_LENGTH"
        background = Background(lambda: receive_exactly(far, sent + len(piece)))
        rest = piece
        while rest:
            rest = rest[drive(near, partial(near.send, rest)) :]
        assert background.result() == piece * (sent // len(piece)) + piece[: sent % len(piece)] + piece


def test_ctrl_c_interrupts_a_blocking_read(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        near.settimeout(None)

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                near.recv(10)
        finally:
            signal.signal(signal.SIGALRM, before)
        far.sendall(b"still there")
        assert near.recv(100) == b"still there"


# Ends


def test_unwrap_returns_to_plaintext(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    near, far = connect(client, server)
    background = Background(far.unwrap)
    plain = near.unwrap()
    other = background.result()
    with plain, other:
        plain.sendall(b"plaintext")
        assert other.recv(100) == b"plaintext"
        other.sendall(b"answer")
        buffer = bytearray(100)
        assert plain.recv_into(buffer) == 6
        assert near.version() is None
        for call in (near.unwrap, near.do_handshake):
            with pytest.raises((ValueError, AttributeError)):
                call()
        for call in (near.read, lambda: near.write(b"x")):
            with pytest.raises(ValueError, match="closed or unwrapped"):
                call()


def test_unwrap_takes_nothing_that_follows_close_notify(client: Any, server: Any) -> None:
    near, far = connect(client, server)

    def finish() -> Any:
        plain = far.unwrap()
        plain.sendall(b"the next protocol")
        return plain

    background = Background(finish)
    time.sleep(0.1)
    with near.unwrap() as plain, background.result():
        assert receive_exactly(plain, 9) == b"the next "
        assert plain.recvfrom(100)[0] == b"protocol"


def test_what_a_read_took_behind_close_notify_comes_after_unwrap(client: Any, server: Any) -> None:
    near, far = connect(client, server)
    with near, far:
        # All in the kernel at once, so that one read of a socket that waits takes it: data, close_notify, plaintext.
        far.sendall(b"last words")
        far._conn.close()
        far._conn.writer.flush(far, 5.0)
        os.write(far.fileno(), b"the next protocol")
        time.sleep(0.1)
        assert near.recv(1000) == b"last words"
        assert near.pending() == 1
        assert near.recv(1000) == b""
        plain = near.unwrap()
        with pytest.raises(ssl.SSLError, match="data in recv buffer"):
            client.wrap_socket(plain, server_hostname="localhost")
        assert plain.pending() == 17
        assert plain.recv(4, socket.MSG_PEEK) == b"the "
        assert plain.recv(4) == b"the "
        buffer = bytearray(4)
        assert plain.recv_into(buffer) == 4
        assert plain.recvfrom(1)[0] + bytes(buffer) == b" next"
        assert plain.recvfrom_into(buffer, 3)[0] == 3
        assert plain.pending() == 5
        os.write(far.fileno(), b"!")
        assert receive_exactly(plain, 6) == b"tocol!"
        assert plain.pending() == 0


def test_plaintext_and_a_second_handshake_after_unwrap(client: Any, server: Any) -> None:
    near, far = connect(client, server)
    background = Background(far.unwrap)
    plain, other = near.unwrap(), background.result()
    background = Background(lambda: server.wrap_socket(other, server_side=True))
    with client.wrap_socket(plain, server_hostname="localhost") as again, background.result() as far:
        again.sendall(b"encrypted again")
        assert far.recv(100) == b"encrypted again"


def test_unwrap_with_unread_data_is_an_error(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, far):
        far.sendall(b"unread")
        near.settimeout(TIMEOUT)
        with pytest.raises(ssl.SSLError) as caught:
            near.unwrap()
        assert caught.value.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"


def test_unwrap_before_the_handshake_is_an_error(module: Any, files: Files) -> None:
    near, far = tcp_pair()
    context = client_context(module, files)
    with far, context.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as sock:
        with pytest.raises(ssl.SSLError) as caught:
            sock.unwrap()
        assert caught.value.reason == "SHUTDOWN_WHILE_IN_INIT"


def test_a_non_blocking_unwrap_is_repeated(client: Any, server: Any) -> None:
    near, far = connect(client, server)
    near.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        near.unwrap()
    background = Background(far.unwrap)
    with drive(near, near.unwrap), background.result():
        pass


def test_close_notify_ends_the_stream(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    with connected(client, server) as (near, far):
        far.settimeout(0.5)
        far.sendall(b"last words")
        if type(far) is tlsocket.SSLSocket:
            far.shutdown(socket.SHUT_WR)
        else:
            Background(far.unwrap)
        assert near.recv(100) == b"last words"
        assert near.recv(100) == near.read(100) == b""
        assert near.recv_into(bytearray(10)) == 0


def test_after_close_notify_of_the_peer_one_may_still_send(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        far.shutdown(socket.SHUT_WR)
        assert near.recv(10) == b""
        near.sendall(b"half open")
        assert far.recv(100) == b"half open"


@pytest.mark.parametrize("suppress", [True, False])
def test_truncation_is_an_error_unless_suppressed(module: Any, suppress: bool, files: Files, server: Any) -> None:
    near, far = connect(client_context(module, files), server, suppress_ragged_eofs=suppress)
    with near:
        far.close()
        if suppress:
            assert near.recv(10) == b""
            assert near.recv_into(bytearray(10)) == 0
        else:
            for _ in range(2):
                with pytest.raises(ssl.SSLEOFError) as caught:
                    near.recv(10)
                assert caught.value.errno == ssl.SSL_ERROR_EOF


def test_truncation_is_ignored_where_the_option_says_so(client: Any, server: Any) -> None:
    client.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    near, far = connect(client, server, suppress_ragged_eofs=False)
    with near:
        far.close()
        assert near.recv(10) == b""


def test_shutdown_sends_close_notify_first(client: Any, files: Files) -> None:
    with connected(client, server_context(ssl, files), suppress_ragged_eofs=True) as (near, far):
        far.suppress_ragged_eofs = False
        near.shutdown(socket.SHUT_RDWR)
        assert far.recv(10) == b""


def test_close_writes_nothing(client: Any) -> None:
    near, far = tcp_pair()
    with far:
        sock = client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
        sock.close()
        assert far.recv(10) == b""


def test_closed_sockets_are_errors_everywhere(contexts: tuple[Any, Any]) -> None:
    client, server = contexts
    near, far = connect(client, server)
    near.close()
    far.close()
    calls: list[Any] = [
        partial(near.recv, 1), partial(near.send, b"x"), partial(near.recv_into, bytearray(1)), near.getpeername,
        partial(near.sendall, b"x"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.EBADF
    for misuse in (near.read, lambda: near.write(b"x"), near.unwrap):
        with pytest.raises(ValueError):
            misuse()
    assert (near.version(), near.cipher(), near.pending(), near.selected_alpn_protocol()) == (None, None, 0, None)


def test_a_socket_closed_by_another_thread_ends_its_reader(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        stopped = threading.Event()

        def read_on() -> BaseException:
            try:
                while True:
                    near.recv(100)
            except (OSError, ValueError) as error:
                stopped.set()
                return error

        near.settimeout(0.05)
        sender = Background(lambda: [far.sendall(b"x" * 100) for _ in range(100)])

        def guarded() -> BaseException:
            while True:
                error = read_on()
                if not isinstance(error, TimeoutError):
                    return error

        reader = Background(guarded)
        sender.result()
        near.close()
        error = reader.result()
        assert isinstance(error, OSError)
        assert error.errno == errno.EBADF


def test_a_buffer_that_cannot_be_written_to_begins_no_handshake(client: Any, server: Any) -> None:
    near, far = socket.socketpair()
    with client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as wrapped, far:
        far.setblocking(False)
        for call in (partial(wrapped.recv_into, b"12345"), partial(wrapped.read, 5, b"12345")):
            with pytest.raises(TypeError):
                call()
        with pytest.raises(BlockingIOError):
            far.recv(1)


def test_detach_gives_the_descriptor_away(client: Any, server: Any) -> None:
    near, far = connect(client, server)
    with far:
        descriptor = near.detach()
        for call in (
            partial(near.send, b""),
            partial(near.sendmsg, []),
            partial(near.send, b"x"),
            partial(near.recv, 1),
        ):
            with pytest.raises(OSError) as caught:
                call()
            assert caught.value.errno == errno.EBADF
        os.close(descriptor)
        near.close()


def test_a_forgotten_socket_warns_and_closes(client: Any, server: Any) -> None:
    near, far = connect(client, server)
    with far:
        descriptor = near.fileno()
        with pytest.warns(ResourceWarning, match="unclosed <tlsocket.SSLSocket"):
            del near
        with pytest.raises(OSError):
            os.fstat(descriptor)


def test_a_closed_socket_is_freed_without_the_collector(client: Any, server: Any) -> None:
    near, far = connect(client, server)
    gc.collect()
    gc.disable()
    try:
        near.sendall(b"x")
        far.recv(1)
        conn = weakref.ref(near._conn)
        near.close()
        assert conn() is None
        far.close()
    finally:
        gc.enable()


def test_a_failed_handshake_leaves_no_descriptor_and_no_cycle(files: Files, server: Any) -> None:
    client = tlsocket.create_default_context(cadata=Authority.create("someone else").pem.decode())
    gc.collect()
    gc.disable()
    try:
        near, far = tcp_pair()
        descriptor = near.fileno()
        background = Background(lambda: server.wrap_socket(far, server_side=True))
        with pytest.raises(ssl.SSLCertVerificationError):
            client.wrap_socket(near, server_hostname="localhost")
        assert isinstance(background.error(), ssl.SSLError)
        with pytest.raises(OSError):
            os.fstat(descriptor)
    finally:
        gc.enable()


def test_interpreter_exit_leaves_no_words_unsaid(files: Files) -> None:
    code = f"""
import socket, tlsocket
near, far = socket.socketpair()
context = tlsocket.create_default_context(cafile={files.authority!r})
sock = context.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
sock.setblocking(False)
try:
    sock.do_handshake()
except tlsocket.SSLWantReadError:
    print("waiting")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "waiting\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_can_use_the_connection(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        near.sendall(b"before ")
        child = os.fork()
        if child == 0:
            try:
                near.sendall(b"from the child")
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert receive_exactly(far, 21) == b"before from the child"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_lock_held_at_a_fork_does_not_hang_the_child(client: Any, server: Any) -> None:
    near, far = tcp_pair()
    with client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as sock:
        handshake = Background(sock.do_handshake)  # waits for the server, holding the handshake's lock
        time.sleep(0.2)
        child = os.fork()
        if child == 0:
            try:
                sock.settimeout(0.3)
                sock.do_handshake()
                os._exit(1)
            except TimeoutError:
                os._exit(0)
            except BaseException:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        server.wrap_socket(far, server_side=True).close()
        handshake.result()


# Bindings and exporters


def test_channel_bindings_are_equal_on_both_sides(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        for kind in ("tls-exporter", "tls-server-end-point"):
            assert near.get_channel_binding(kind) == far.get_channel_binding(kind)
            assert len(near.get_channel_binding(kind)) == 32
        assert near.get_channel_binding() is None  # tls-unique: RFC 9266 section 3
        assert near.export_keying_material("EXPERIMENTAL", 40) == far.export_keying_material(b"EXPERIMENTAL", 40)
        assert near.export_keying_material("EXPERIMENTAL", 40, b"context") != near.export_keying_material(
            "EXPERIMENTAL", 40
        )
        with pytest.raises(ValueError, match="not implemented"):
            near.get_channel_binding("nonsense")
    near, far = tcp_pair()
    with far, client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as sock:
        assert sock.get_channel_binding("tls-exporter") is None
        with pytest.raises(ValueError, match="handshake not done yet"):
            sock.export_keying_material("EXPERIMENTAL", 40)


def test_chains_are_given_out(client: Any, server: Any, files: Files) -> None:
    authority = ssl.PEM_cert_to_DER_cert(Path(files.authority).read_text())
    with connected(client, server) as (near, far):
        leaf = near.getpeercert(True)
        assert near.get_unverified_chain() == [leaf]
        assert near.get_verified_chain() == [leaf, authority]
        assert far.get_unverified_chain() == far.get_verified_chain() == []
        with pytest.warns(DeprecationWarning, match="NPN"):
            assert near.selected_npn_protocol() is None
        near.session = None
        with pytest.raises(TypeError, match="SSLSession"):
            near.session = object()
        with pytest.raises(TypeError, match="SSLContext"):
            near.context = object()


def test_buffered_readers_see_the_end(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        far.sendall(b"all of it")
        far.shutdown(socket.SHUT_RDWR)
        with near.makefile("rb") as file:
            assert isinstance(file, io.BufferedReader)
            assert file.read() == b"all of it"


def test_every_method_works_in_plaintext_after_unwrap(client: Any, server: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a file")
    near, far = connect(client, server)
    background = Background(far.unwrap)
    with near.unwrap() as plain, background.result() as other, (tmp_path / "file").open("rb") as file:
        assert plain.send(b"1") == 1
        plain.sendall(b"2")
        assert plain.sendto(b"3", other.getsockname()) == 1
        assert plain.sendfile(file) == 11
        assert receive_exactly(other, 14) == b"123from a file"
        other.sendall(b"answer")
        buffer = bytearray(3)
        assert plain.recvfrom_into(buffer, 3)[0] == 3
        assert plain.recv_into(buffer, 3) == 3
        assert buffer == b"wer"


def damage_the_stream(near: Any, far: Any) -> None:
    """Put a record that nobody sealed into what `near` receives."""
    os.write(far.fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)


@pytest.mark.parametrize("read", ["recv", "recv_into", "unwrap"])
def test_a_damaged_record_fails_the_connection_for_good(read: str, client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        damage_the_stream(near, far)
        calls: dict[str, Any] = {
            "recv": partial(near.recv, 10), "recv_into": partial(near.recv_into, bytearray(10)), "unwrap": near.unwrap,
        }  # fmt: skip
        for call in (calls[read], calls["recv"], partial(near.send, b"x"), partial(near.sendall, b"x")):
            with pytest.raises(ssl.SSLError) as caught:
                call()
            assert caught.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
        if read == "unwrap":
            assert far.recv(10) == b""  # our close_notify came before the alert
            return
        with pytest.raises(ssl.SSLError) as at_peer:
            far.recv(10)
        assert at_peer.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"


def test_unwrap_of_a_connection_that_ended_is_an_error(client: Any, server: Any) -> None:
    near, far = connect(client, server)
    with near:
        far.close()
        with pytest.raises(ssl.SSLEOFError):
            near.unwrap()


def test_a_full_pipe_makes_unwrap_wait(client: Any, server: Any) -> None:
    with connected(client, server) as (near, _):
        near.setblocking(False)
        with pytest.raises(ssl.SSLWantWriteError):
            fill(near, b"x" * 65536)
        with pytest.raises(ssl.SSLWantWriteError):
            near.unwrap()


@pytest.mark.parametrize(("timeout", "error"), [(0.0, ssl.SSLWantReadError), (0.1, TimeoutError)])
def test_a_handshake_in_another_thread_is_waited_for(
    timeout: float, error: type[Exception], client: Any, server: Any
) -> None:
    near, far = tcp_pair()
    near.settimeout(None)
    with client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as sock:
        first = Background(sock.do_handshake)
        time.sleep(0.1)
        second = Background(lambda: sock.recv(10))
        sock.settimeout(timeout)
        with pytest.raises(error):
            sock.recv(10)
        with server.wrap_socket(far, server_side=True) as there:
            first.result()
            there.sendall(b"hello")
            assert second.result() == b"hello"


def test_the_peers_close_notify_during_the_handshake(client: Any) -> None:
    near, far = tcp_pair()
    with far:
        far.sendall(b"\x15\x03\x03\x00\x02\x01\x00")
        with pytest.raises(OSError):
            client.wrap_socket(near, server_hostname="localhost")


def test_a_session_of_anybody_else_is_refused(client: Any) -> None:
    near, far = tcp_pair()
    with near, far, pytest.raises(TypeError, match="SSLSession"):
        client.wrap_socket(near, server_hostname="localhost", session=object())


@pytest.mark.parametrize("kind", ["SSLSocket", "SSLObject"])
def test_objects_without_a_context_are_refused(kind: str) -> None:
    with socket.socket() as sock, pytest.raises(TypeError):
        getattr(tlsocket, kind)._create(sock, sock)
