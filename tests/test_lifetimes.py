"""A connection goes with its last reference, however it ended: nothing here waits for the garbage collector.

A failed connection keeps its error, and an error raised through our frames has a traceback that leads back to the
connection; every place that keeps an error must therefore keep a detached one. Sockets and their
descriptors: tests/dropin/test_ends.py.
"""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from tests.handshake.support import NAME, Link, Verifier, client_config, server_config
from tlsocket.config import DecisionKind
from tlsocket.connection import Connection
from tlsocket.errors import ApiMisuse, CertificateReason, InternalError, PeerMisbehaved, Reason, TLSError, detached
from tlsocket.events import CertificateRejected
from tlsocket.record import CLOSED
from tlsocket.registry import ContentType


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Reference counting only."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def carry(sender: Connection, receiver: Connection) -> None:
    """One flight; what it raises is dropped here, with its traceback."""
    data = sender.data_to_send()
    with contextlib.suppress(TLSError, ZeroDivisionError):
        if data and receiver.error is None:
            receiver.receive_data(data)


def handshake(link: Link) -> Link:
    link.client.start()
    for _ in range(4):
        carry(link.client, link.server)
        carry(link.server, link.client)
    return link


def client_refuses() -> Connection:
    return handshake(Link(client_config(verifier=Verifier(CertificateReason.EXPIRED)))).client


def server_is_refused() -> Connection:
    return handshake(Link(client_config(verifier=Verifier(CertificateReason.EXPIRED)))).server


def verifier_breaks() -> Connection:
    class Broken(Verifier):
        def verify(self, *_: object, **__: object) -> object:  # type: ignore[override]
            raise ZeroDivisionError

    return handshake(Link(client_config(verifier=Broken()))).client


def listener_breaks() -> Connection:
    def listen(_event: object) -> None:
        raise ZeroDivisionError

    connection = Connection(client_config(), server_name=NAME, on_event=listen)
    with contextlib.suppress(ZeroDivisionError):
        connection.start()
    return connection


def garbage() -> Connection:
    connection = Link().server
    with contextlib.suppress(PeerMisbehaved):
        connection.receive_data(b"GET / HTTP/1.1\r\n\r\n")
    return connection


def malformed_hello() -> Connection:
    connection = Link().server
    with contextlib.suppress(TLSError):
        connection.receive_data(b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03")
    return connection


def transport_ends() -> Connection:
    connection = Link().client
    connection.start()
    with contextlib.suppress(TLSError):
        connection.receive_eof()
    return connection


def refusal(kind: DecisionKind) -> Callable[[], Connection]:
    def refuse() -> Connection:
        link = handshake(Link(server=server_config(suspend_for=frozenset({kind}))))
        with contextlib.suppress(PeerMisbehaved):
            link.server.resume(PeerMisbehaved(Reason.USER_CANCELED))
        return link.server

    return refuse


def refused_verdict() -> Connection:
    link = handshake(Link(client_config(suspend_for=frozenset({DecisionKind.VERDICT}))))
    with contextlib.suppress(PeerMisbehaved):
        link.client.resume(PeerMisbehaved(Reason.USER_CANCELED))
    assert any(isinstance(event, CertificateRejected) for event in link.client_events)
    return link.client


def late_message(read: Callable[[Connection], object]) -> Callable[[], Connection]:
    """Data, and behind it in the same piece a message that may not come any more."""

    def make() -> Connection:
        link = Link().connect()
        link.server.write(b"data")
        link.server.writer.queue(ContentType.HANDSHAKE, b"\x14\0\0\x20" + bytes(32))
        link.client.reader.feed(link.server.data_to_send())
        assert read(link.client)
        assert link.client.error is not None
        return link.client

    return make


def opened_between() -> Connection:
    link = Link().connect()
    link.server.write(b"data")
    link.server.writer.queue(ContentType.HANDSHAKE, b"\x14\0\0\x20" + bytes(32))
    assert link.client.reader.open_into(link.server.data_to_send(), bytearray(100), link.client)[1] == 4
    assert link.client.error is not None
    return link.client


def fails_again_and_again() -> Connection:
    connection = garbage()
    for call in (connection.read, connection.start, lambda: connection.receive_data(b"x"), connection.update_keys):
        with contextlib.suppress(TLSError):
            call()
    return connection


def discarded() -> Connection:
    connection = handshake(Link()).client
    connection.discard()
    with contextlib.suppress(ApiMisuse):
        connection.read()
    return connection


def closed() -> Connection:
    link = handshake(Link())
    link.server.close()
    link.client.close()
    carry(link.server, link.client)
    assert link.client.read() == b""
    with contextlib.suppress(ApiMisuse):
        link.client.write(b"x")
    assert link.client.writer.write(b"x", link.client) == CLOSED
    return link.client


CASES: dict[str, Callable[[], Connection]] = {
    "client refuses": client_refuses,
    "server is refused": server_is_refused,
    "verifier breaks": verifier_breaks,
    "listener breaks": listener_breaks,
    "garbage": garbage,
    "malformed hello": malformed_hello,
    "transport ends": transport_ends,
    "decision of a certificate refused": refusal(DecisionKind.CERTIFICATE),
    "decision of a signature refused": refusal(DecisionKind.SIGNATURE),
    "verdict refused": refused_verdict,
    "failure behind data, read": late_message(lambda connection: connection.reader.read(100, connection)),
    "failure behind data, read into": late_message(
        lambda connection: connection.reader.read_into(bytearray(100), 100, connection)
    ),
    "failure behind data, opened between": opened_between,
    "the same again": fails_again_and_again,
    "discarded": discarded,
    "closed": closed,
}


@pytest.mark.parametrize("case", list(CASES))
def test_freed_at_once(case: str) -> None:
    connection = CASES[case]()
    watch = weakref.ref(connection)
    handshake = connection._handshake
    del connection
    assert handshake is None
    assert watch() is None


def test_the_caller_may_keep_the_error() -> None:
    """It is the caller's: as long as it is kept with its traceback, so is the connection; and not longer."""
    connection = Link().server
    watch = weakref.ref(connection)
    kept: list[BaseException] = []
    try:
        connection.receive_data(b"GET / HTTP/1.1\r\n\r\n")
    except PeerMisbehaved as error:
        kept.append(error)
    del connection
    assert watch() is not None
    kept[0].__traceback__ = None
    assert watch() is None


def test_a_detached_error_says_the_same() -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        raise PeerMisbehaved(Reason.BAD_FINISHED, "why") from ValueError("cause")
    error, twin = caught.value, detached(caught.value)
    assert type(twin) is PeerMisbehaved
    assert (str(twin), twin.reason, twin.detail, twin.args) == (str(error), error.reason, "why", error.args)
    assert twin.__traceback__ is None
    assert twin.__cause__ is None
    assert twin.__context__ is None


def test_a_foreign_error_is_kept_by_its_name() -> None:
    kept = detached(ZeroDivisionError("secret"))
    assert isinstance(kept, InternalError)
    assert kept.detail == "ZeroDivisionError"
