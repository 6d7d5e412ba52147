"""After the handshake: a certificate asked for late, keys changed, halves closed; against `ssl` in both roles."""

from __future__ import annotations

import functools
import ssl
import threading
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import Background, Files, client_context, connected, failure, receive_exactly, server_context

PAIRS = [(tlsocket, tlsocket), (tlsocket, ssl), (ssl, tlsocket)]
every_pair = pytest.mark.parametrize(
    ("server_module", "client_module"), PAIRS, ids=["ours-ours", "our-server", "our-client"]
)


def contexts(server_module: Any, client_module: Any, files: Files, *, certificate: bool = True) -> tuple[Any, Any]:
    """A client's and a server's context that agree on authentication after the handshake."""
    server, client = server_context(server_module, files), client_context(client_module, files)
    server.load_verify_locations(files.authority)
    server.verify_mode = server_module.CERT_REQUIRED
    server.post_handshake_auth = client.post_handshake_auth = True
    if certificate:
        client.load_cert_chain(files.client_certificate, files.client_key)
    return client, server


def turn(near: Any, far: Any) -> None:
    """A byte from the client to the server and one back: each side does what it has to do on the way."""
    near.sendall(b"?")
    assert far.recv(1) == b"?"
    far.sendall(b"!")
    assert near.recv(1) == b"!"


@every_pair
def test_certificate_when_asked_for(server_module: Any, client_module: Any, files: Files) -> None:
    client, server = contexts(server_module, client_module, files)
    with connected(client, server) as (near, far):
        turn(near, far)
        assert far.getpeercert() is None
        far.verify_client_post_handshake()
        for _ in range(3):
            turn(near, far)
        certificate = far.getpeercert()
        assert certificate is not None
        assert dict(pair[0] for pair in certificate["subject"])["commonName"] == "a client"
        if server_module is tlsocket:
            assert far.client_sigalg() is not None
        if client_module is tlsocket:
            assert near.client_sigalg() is not None


@every_pair
def test_no_certificate_where_one_is_required(server_module: Any, client_module: Any, files: Files) -> None:
    client, server = contexts(server_module, client_module, files, certificate=False)
    with connected(client, server) as (near, far):
        far.verify_client_post_handshake()
        far.sendall(b"!")
        assert near.recv(1) == b"!"
        near.sendall(b"?")
        with pytest.raises(ssl.SSLError) as server_side:
            far.recv(1)
        assert server_side.value.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        assert "certificate required" in str(failure(lambda: near.recv(1)))


@every_pair
def test_no_certificate_where_it_is_optional(server_module: Any, client_module: Any, files: Files) -> None:
    client, server = contexts(server_module, client_module, files, certificate=False)
    server.verify_mode = server_module.CERT_OPTIONAL
    with connected(client, server) as (near, far):
        far.verify_client_post_handshake()
        for _ in range(2):
            turn(near, far)
        assert far.getpeercert() is None


@every_pair
def test_client_that_did_not_offer_it(server_module: Any, client_module: Any, files: Files) -> None:
    client, server = contexts(server_module, client_module, files)
    client.post_handshake_auth = False
    with connected(client, server) as (near, far):
        with pytest.raises(ssl.SSLError, match="extension not received"):
            far.verify_client_post_handshake()
        with pytest.raises(ssl.SSLError, match="not server"):
            near.verify_client_post_handshake()
        turn(near, far)


@every_pair
def test_server_that_asked_in_the_handshake_asks_again(server_module: Any, client_module: Any, files: Files) -> None:
    client, server = contexts(server_module, client_module, files)
    server.post_handshake_auth = False
    with connected(client, server) as (near, far):
        before = far.getpeercert(True)
        assert before is not None
        far.verify_client_post_handshake()
        for _ in range(2):
            turn(near, far)
        assert far.getpeercert(True) == before


@pytest.mark.parametrize("module", [tlsocket, ssl])
def test_nothing_to_verify_with(module: Any, files: Files) -> None:
    client, server = contexts(module, tlsocket, files)
    server.verify_mode = module.CERT_NONE
    with connected(client, server) as (_, far), pytest.raises(ssl.SSLError, match="invalid config"):
        far.verify_client_post_handshake()


@every_pair
def test_keys_are_changed(server_module: Any, client_module: Any, files: Files) -> None:
    client, server = client_context(client_module, files), server_context(server_module, files)
    with connected(client, server) as (near, far):
        for end in (near, far):
            if type(end) is tlsocket.SSLSocket:
                for request_peer in (False, True):
                    end.update_keys(request_peer=request_peer)
                    for _ in range(3):
                        turn(near, far)


def test_keys_are_changed_over_memory(files: Files) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client_context(tlsocket, files).wrap_bio(to_client, to_server, server_hostname="localhost")
    far = server_context(tlsocket, files).wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    near.update_keys(request_peer=True)
    assert to_server.pending > 0
    near.write(b"x")
    assert far.read(1) == b"x"
    assert to_client.pending > 0
    far.write(b"y")
    assert near.read(1) == b"y"


def test_half_close(files: Files) -> None:
    """RFC 9846 section 6.1: each direction ends for itself."""
    with connected(client_context(tlsocket, files), server_context(tlsocket, files)) as (near, far):
        near.shutdown(1)
        assert far.recv(1) == b""
        for _ in range(3):
            far.sendall(b"still here")
            assert receive_exactly(near, 10) == b"still here"
        with pytest.raises(OSError, match=r"[Pp]ipe|shutdown"):
            near.sendall(b"x")
        far.shutdown(1)
        assert near.recv(1) == b""


def test_reader_and_writer_threads_with_all_that_can_come_between(files: Files) -> None:
    """Law 3: what the reader has to answer (KeyUpdates, requests for a certificate) never disturbs the writer.

    Not against `ssl`: OpenSSL's connections are not made for two threads.
    """
    client, server = contexts(tlsocket, tlsocket, files)
    total, chunk = 3 << 20, 10_000
    pattern = bytes(range(251)) * ((total // 251) + 1)
    with connected(client, server) as (near, far):
        stop = threading.Event()

        def disturb() -> None:
            for number in range(30):
                for end in (near, far):
                    end.update_keys(request_peer=bool(number % 2))
                if number == 0:
                    far.verify_client_post_handshake()
                if stop.wait(0.002):
                    return

        def write(end: Any) -> None:
            for start in range(0, total, chunk):
                end.sendall(pattern[start : min(start + chunk, total)])

        def read(end: Any) -> bool:
            return receive_exactly(end, total) == pattern[:total]

        writers = [Background(functools.partial(write, end)) for end in (near, far)]
        readers = [Background(functools.partial(read, end)) for end in (near, far)]
        disturber = Background(disturb)
        try:
            assert [reader.result() for reader in readers] == [True, True]
            for writer in writers:
                writer.result()
        finally:
            stop.set()
            disturber.result()
        for _ in range(2):  # the request may be as late as the first, its answer then comes with the second
            turn(near, far)
        assert far.getpeercert() is not None
