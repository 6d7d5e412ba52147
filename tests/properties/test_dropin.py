"""Hostile bytes through the face of `ssl`: an exception of `ssl`'s or an OSError, on sockets and on memory BIOs.

The certificate is verified here, unlike in tests/properties/test_handshakes.py: damage reaches the verifier too.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tlsocket
from tests.properties.damage import ALL_KINDS, Edit, HookedWriter, cuts, edited, edits, pieces, roles
from tlsocket.config import Role
from tlsocket.pki.authority import Authority

AUTHORITY = Authority.create()
ISSUED = AUTHORITY.issue(["localhost"])
STEPS = 12


@pytest.fixture(scope="module")
def contexts() -> tuple[Any, Any]:
    """A client's and a server's; the client's certificate is asked for."""
    client = tlsocket.create_default_context(cadata=AUTHORITY.pem.decode())
    own = AUTHORITY.issue(["a client"], purpose="client")
    client.load_cert_chain(own.chain_pem, own.key_pem())
    server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(ISSUED.chain_pem, ISSUED.key_pem())
    server.load_verify_locations(cadata=AUTHORITY.pem.decode())
    server.verify_mode = ssl.CERT_OPTIONAL
    return client, server


class End:
    """An `SSLObject` with its BIOs; `error` is what its handshake raised, other than that it wants more."""

    def __init__(self, context: Any, **arguments: Any) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **arguments)
        self.done = False
        self.error: OSError | None = None

    def step(self) -> bytes:
        """Go on with the handshake; what is to be sent. Any class but OSError comes out."""
        if not self.done and self.error is None:
            try:
                self.tls.do_handshake()
                self.done = True
            except ssl.SSLWantReadError:
                pass
            except OSError as error:
                self.error = error
        return self.outgoing.read()

    def later(self) -> None:
        """Every call afterwards raises the same family, and what failed never works again."""
        for call in (
            self.tls.do_handshake,
            self.tls.read,
            lambda: self.tls.read(10, bytearray(10)),
            lambda: self.tls.write(b"x"),
            self.tls.unwrap,
        ):
            with contextlib.suppress(OSError):
                call()
                assert self.error is None or call == self.tls.unwrap
        for tell in (self.tls.version, self.tls.cipher, self.tls.getpeercert, self.tls.selected_alpn_protocol):
            with contextlib.suppress(ValueError):
                tell()
        assert self.error is None or self.tls.version() is None
        assert isinstance(repr(self.tls), str)


def run(contexts: tuple[Any, Any], sender: Role, alter: Callable[[int, bytes], Iterable[bytes]]) -> tuple[End, End]:
    """A handshake whose flights of `sender` are altered, to its end or to where it stalls; then the stream ends."""
    ends = End(contexts[0], server_hostname="localhost"), End(contexts[1], server_side=True)
    drive(ends, sender, alter)
    return ends


def drive(ends: tuple[End, End], sender: Role, alter: Callable[[int, bytes], Iterable[bytes]]) -> None:
    client, server = ends
    number = 0
    for _ in range(STEPS):
        moved = False
        for one, other, role in ((client, server, Role.CLIENT), (server, client, Role.SERVER)):
            flight = one.step()
            if not flight:
                continue
            moved = True
            for piece in alter(number, flight) if role is sender else (flight,):
                other.incoming.write(piece)
                one.incoming.write(other.step())
            number += role is sender
        if not moved:
            break
    else:
        raise AssertionError("the two never stop talking")
    for end in ends:
        end.incoming.write_eof()
        end.step()
        assert end.done or end.error is not None
        end.later()


def test_without_damage_it_works(contexts: tuple[Any, Any]) -> None:
    client, server = run(contexts, Role.CLIENT, lambda _number, flight: (flight,))
    assert client.done
    assert server.done
    assert server.tls.getpeercert()


@settings(deadline=None, max_examples=200)
@given(sender=roles, target=st.integers(0, 1), changes=edits(*ALL_KINDS), cut=cuts)
def test_damaged_flights(
    contexts: tuple[Any, Any], sender: Role, target: int, changes: list[Edit], cut: list[int]
) -> None:
    run(
        contexts,
        sender,
        lambda number, flight: pieces(edited(flight, changes), cut) if number == target else (flight,),
    )


@settings(deadline=None, max_examples=200)
@given(sender=roles, target=st.integers(0, 2), changes=edits(*ALL_KINDS))
def test_damaged_messages(contexts: tuple[Any, Any], sender: Role, target: int, changes: list[Edit]) -> None:
    ends = End(contexts[0], server_hostname="localhost"), End(contexts[1], server_side=True)
    numbers = iter(range(100))

    def change(payload: bytes) -> Iterable[bytes]:
        changed = edited(payload, changes) if next(numbers) == target else payload
        return (changed,) if changed else ()

    HookedWriter((ends[0] if sender is Role.CLIENT else ends[1]).tls._conn, change)
    drive(ends, sender, lambda _number, flight: (flight,))


hostile = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(lambda body: b"\x16\x03\x03" + len(body).to_bytes(2, "big") + body),
    st.binary(max_size=200).map(lambda body: b"\x17\x03\x03" + len(body).to_bytes(2, "big") + body),
    st.sampled_from([b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x01\x00"]),
)


@settings(deadline=None, max_examples=150)
@given(role=roles, stream=hostile, ended=st.booleans())
def test_sockets_meet_random_bytes(contexts: tuple[Any, Any], role: Role, stream: bytes, ended: bool) -> None:
    near, far = socket.socketpair()
    with far:
        far.sendall(stream)
        if ended:
            far.shutdown(socket.SHUT_WR)
        near.settimeout(5 if ended else 0)
        if role is Role.CLIENT:
            sock = contexts[0].wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
        else:
            sock = contexts[1].wrap_socket(near, server_side=True, do_handshake_on_connect=False)
        with sock:
            with pytest.raises(OSError) as caught:
                sock.do_handshake()
            wants_more = isinstance(caught.value, ssl.SSLWantReadError)
            assert wants_more or isinstance(caught.value, ssl.SSLError)
            assert not (wants_more and ended)
            for call in (sock.do_handshake, lambda: sock.recv(1), lambda: sock.recv_into(bytearray(1)),
                         lambda: sock.send(b"x"), lambda: sock.sendall(b"x"), sock.unwrap):  # fmt: skip
                with pytest.raises(OSError) as again:
                    call()
                if not wants_more and call != sock.unwrap:
                    assert (type(again.value), again.value.args) == (type(caught.value), caught.value.args)


@settings(deadline=None, max_examples=100)
@given(stream=hostile, into=st.booleans())
def test_connected_sockets_meet_random_bytes(contexts: tuple[Any, Any], stream: bytes, into: bool) -> None:
    near, far = socket.socketpair()
    server = End(contexts[1], server_side=True)
    with far:
        near.settimeout(0)
        with contexts[0].wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as sock:
            far.settimeout(5)
            for _ in range(4):
                with contextlib.suppress(ssl.SSLWantReadError):
                    sock.do_handshake()
                    break
                server.incoming.write(far.recv(20_000))
                far.sendall(server.step())
            assert sock.version() == "TLSv1.3"
            far.sendall(stream)
            far.shutdown(socket.SHUT_WR)
            errors = []
            for _ in range(3):
                try:
                    assert not (sock.recv_into(bytearray(100)) if into else sock.recv(100))
                except OSError as error:
                    errors.append((type(error), error.args))
            # A clean end, or an error: the same each time. Nothing is ever delivered.
            assert len(set(errors)) <= 1
            assert len(errors) in (0, 3)
