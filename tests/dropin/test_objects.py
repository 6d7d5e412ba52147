"""`SSLObject` between memory BIOs, ours and the standard library's mixed."""

from __future__ import annotations

import os
import ssl
import threading
from functools import partial
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import MODULES, Background, Files, client_context, failure, server_context
from tlsocket.pki.authority import Authority

ROLES = [("ours", "ours"), ("ours", "stdlib"), ("stdlib", "ours")]


class Pair:
    """A client and a server that read each other's output."""

    def __init__(self, client: Any, server: Any, name: str | None = "localhost") -> None:
        self.to_server, self.to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.to_client, self.to_server, server_hostname=name)
        self.server = server.wrap_bio(self.to_server, self.to_client, server_side=True)

    def handshake(self) -> None:
        waiting = [self.client, self.server]
        for _ in range(20):
            for side in list(waiting):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                waiting.remove(side)
            if not waiting:
                return
        raise AssertionError("no end of the handshake")


@pytest.fixture(params=ROLES, ids=lambda roles: f"client-{roles[0]}-server-{roles[1]}")
def pair(request: pytest.FixtureRequest, files: Files) -> Pair:
    client, server = (MODULES[name] for name in request.param)
    made = Pair(client_context(client, files), server_context(server, files))
    made.handshake()
    return made


@pytest.fixture
def ours(client: Any, server: Any) -> Pair:
    made = Pair(client, server)
    made.handshake()
    return made


def test_memory_bio_is_the_stdlibs() -> None:
    assert tlsocket.MemoryBIO is ssl.MemoryBIO


def test_both_sides_agree(pair: Pair) -> None:
    assert pair.client.version() == pair.server.version() == "TLSv1.3"
    assert pair.client.cipher() == pair.server.cipher()
    assert (pair.client.server_side, pair.server.server_side) == (False, True)
    assert (pair.client.server_hostname, pair.server.server_hostname) == ("localhost", None)
    assert pair.client.getpeercert()["subject"] == ((("commonName", "localhost"),),)
    for side in (pair.client, pair.server):
        assert isinstance(side, ssl.SSLObject)
        side.do_handshake()  # over already


def read_until_it_would_block(side: Any, size: int) -> bytes:
    received = bytearray()
    while True:
        try:
            piece = side.read(size)
        except ssl.SSLWantReadError:
            return bytes(received)
        assert 0 < len(piece) <= size
        received += piece


def test_data_passes_both_ways(pair: Pair) -> None:
    data = os.urandom(100_000)
    for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
        assert sender.write(memoryview(data)) in (len(data), 16384)
        assert sender.write(b"") == 0
        received = read_until_it_would_block(receiver, 30_000)
        assert data.startswith(received)
        assert received


def test_reads_of_every_kind(pair: Pair) -> None:
    pair.server.write(b"0123456789" * 4)
    client = pair.client
    assert client.read(5) == b"01234"
    assert client.pending() == 35
    buffer = bytearray(8)
    assert client.read(8, buffer) == 8
    assert buffer == b"56789012"
    assert client.read(3, buffer) == 3
    assert client.read(0, buffer) == 8
    assert client.read(100, memoryview(buffer)) == 8
    assert client.read(10, bytearray()) == 0
    assert client.read(0) == b""
    with pytest.raises(ValueError, match="size should not be negative"):
        client.read(-1)
    assert client.read() == b"23456789"
    with pytest.raises(ssl.SSLWantReadError):
        client.read()


def test_a_read_takes_no_more_input_than_it_delivers(ours: Pair) -> None:
    for _ in range(10):
        ours.server.write(b"x" * 1000)
    before = ours.to_client.pending
    assert len(ours.client.read(2000)) <= 2000
    assert before - ours.to_client.pending <= 2000 + 22
    assert ours.client.pending() <= 1000


def test_input_may_come_byte_by_byte(client: Any, server: Any) -> None:
    to_server, from_client, to_client, from_server = (ssl.MemoryBIO() for _ in range(4))
    near = client.wrap_bio(to_client, from_client, server_hostname="localhost")
    far = server.wrap_bio(to_server, from_server, server_side=True)
    done: set[Any] = set()
    for _ in range(20_000):
        for side in (near, far):
            if side not in done:
                try:
                    side.do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass
        to_server.write(from_client.read(1))
        to_client.write(from_server.read(1))
        if len(done) == 2 and not from_client.pending:
            break
    far.write(b"hello")
    assert read_until_it_would_block(near, 10) == b""
    got = b""
    for byte in from_server.read():
        to_client.write(bytes([byte]))
        try:
            got += near.read(10)
        except ssl.SSLWantReadError:
            pass
    assert got == b"hello"


def test_unwrap_takes_nothing_that_follows(pair: Pair) -> None:
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.unwrap()
    assert pair.server.read(10) == b""
    assert pair.server.unwrap() is None
    pair.to_client.write(b"the next protocol")
    assert pair.client.unwrap() is None
    if type(pair.client) is tlsocket.SSLObject:
        assert pair.to_client.read() == b"the next protocol"


def test_nothing_may_be_written_after_unwrap(ours: Pair) -> None:
    with pytest.raises(ssl.SSLWantReadError):
        ours.client.unwrap()
    with pytest.raises(ssl.SSLError) as caught:
        ours.client.write(b"x")
    assert caught.value.reason == "PROTOCOL_IS_SHUTDOWN"
    ours.server.write(b"half open")
    assert ours.client.read(100) == b"half open"


def test_unwrap_with_unread_data_is_an_error(ours: Pair) -> None:
    ours.server.write(b"unread")
    with pytest.raises(ssl.SSLError) as caught:
        ours.client.unwrap()
    assert caught.value.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
    assert ours.client.read(100) == b"unread"


def test_an_end_without_close_notify_is_an_error(ours: Pair) -> None:
    ours.server.write(b"last")
    ours.to_client.write_eof()
    assert ours.client.read(10) == b"last"
    for _ in range(2):
        with pytest.raises(ssl.SSLEOFError) as caught:
            ours.client.read(10)
        assert "UNEXPECTED_EOF_WHILE_READING" in str(caught.value.strerror)  # anyio looks for it


def test_an_end_is_ignored_where_the_option_says_so(client: Any, server: Any) -> None:
    client.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    made = Pair(client, server)
    made.handshake()
    made.to_client.write_eof()
    assert made.client.read(10) == b""
    assert made.client.read(10, bytearray(10)) == 0


@pytest.mark.parametrize("begun", [False, True])
def test_an_end_during_the_handshake_is_an_error(client: Any, server: Any, begun: bool) -> None:
    made = Pair(client, server)
    if begun:
        with pytest.raises(ssl.SSLWantReadError):
            made.client.do_handshake()
    made.to_client.write_eof()
    for _ in range(2):
        with pytest.raises(ssl.SSLEOFError):
            made.client.do_handshake()


def test_reading_and_writing_begin_the_handshake(client: Any, server: Any) -> None:
    made = Pair(client, server)
    with pytest.raises(ssl.SSLWantReadError):
        made.client.write(b"hello")
    with pytest.raises(ssl.SSLWantReadError):
        made.server.read(10)
    assert made.client.write(b"hello") == 5
    assert made.server.read(10) == b"hello"


def test_a_refusal_leaves_its_alert_in_the_outgoing_bio(server: Any, files: Files) -> None:
    client = tlsocket.create_default_context(cadata=Authority.create("someone else").pem.decode())
    made = Pair(client, server)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate"):
        made.handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        made.client.do_handshake()
    with pytest.raises(ssl.SSLError) as caught:
        made.server.do_handshake()
    assert caught.value.reason == "TLSV1_ALERT_UNKNOWN_CA"


def test_damaged_records_are_an_error_now_and_ever_after(ours: Pair) -> None:
    ours.server.write(b"good")
    ours.server.write(b"bad")
    records = bytearray(ours.to_client.read())
    records[-1] ^= 1
    ours.to_client.write(records)
    assert ours.client.read(100) == b"good"
    for _ in range(2):
        with pytest.raises(ssl.SSLError) as caught:
            ours.client.read(100)
        assert caught.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    with pytest.raises(ssl.SSLError):
        ours.client.write(b"x")
    with pytest.raises(ssl.SSLError) as at_server:
        ours.server.read(10)
    assert at_server.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"


def test_two_threads_may_use_one_object_at_once(client: Any, server: Any) -> None:
    made = Pair(client, server)
    made.handshake()
    data, rounds = os.urandom(1000), 500
    stop = threading.Event()

    def read_all(side: Any) -> bytes:
        received = bytearray()
        while len(received) < len(data) * rounds and not stop.is_set():
            try:
                received += side.read(700)
            except ssl.SSLWantReadError:
                continue
        return bytes(received)

    def write_all(side: Any) -> None:
        for _ in range(rounds):
            side.write(data)

    readers = [Background(partial(read_all, side)) for side in (made.client, made.server)]
    writers = [Background(partial(write_all, side)) for side in (made.client, made.server)]
    try:
        for writer in writers:
            writer.result()
        for reader in readers:
            assert reader.result() == data * rounds
    finally:
        stop.set()


@pytest.mark.parametrize(
    "call",
    [
        lambda o: o.getpeercert(),
        lambda o: o.get_channel_binding("nonsense"),
        lambda o: o.unwrap(),
        lambda o: o.read(-1),
        lambda o: o.do_handshake(),
        lambda o: o.read(10),
        lambda o: o.write(b"x"),
    ],
)
def test_calls_before_the_handshake_raise_what_ssl_raises(call: Any, files: Files) -> None:
    made = [
        client_context(module, files).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        for module in MODULES.values()
    ]
    mine, theirs = (failure(partial(call, each)) for each in made)
    assert type(mine) is type(theirs)
    assert getattr(mine, "reason", None) == getattr(theirs, "reason", None)


def test_attributes_before_the_handshake_are_those_of_ssl(files: Files) -> None:
    seen = []
    for module in MODULES.values():
        made = client_context(module, files).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        seen.append(
            (made.version(), made.cipher(), made.shared_ciphers(), made.compression(), made.selected_alpn_protocol(),
             made.pending(), made.session, made.session_reused, made.get_channel_binding(), made.server_hostname,
             made.server_side)
        )  # fmt: skip
    assert seen[0] == seen[1]


def test_wrong_bios_are_refused(client: Any) -> None:
    for arguments in ((5, ssl.MemoryBIO()), (ssl.MemoryBIO(), 5)):
        with pytest.raises(TypeError, match="must be MemoryBIO, not int"):
            client.wrap_bio(*arguments, server_hostname="localhost")


def test_a_name_to_check_is_needed(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="check_hostname requires server_hostname"):
        client.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    with pytest.raises(ValueError, match="only be specified in client mode"):
        server.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True, server_hostname="localhost")


def test_objects_describe_themselves(ours: Pair) -> None:
    assert repr(ours.client).startswith("<tlsocket.SSLObject client at 0x")
    assert repr(ours.server).startswith("<tlsocket.SSLObject server at 0x")


def test_reading_on_after_unwrap_began_ends_with_an_exception(pair: Pair) -> None:
    """Before our own close_notify the peer's is b""; after it, `ssl` raises: asyncio's tests loop for ever else."""
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.unwrap()
    pair.server.write(b"the rest")
    assert pair.client.read(100) == b"the rest"
    assert pair.server.read(100) == b""
    pair.server.unwrap()
    for read in (lambda: pair.client.read(100), lambda: pair.client.read(100, bytearray(100))):
        with pytest.raises(ssl.SSLZeroReturnError) as caught:
            read()
        assert caught.value.errno == ssl.SSL_ERROR_ZERO_RETURN
    pair.client.unwrap()


def test_inner_object_answers_what_programs_ask(ours: Pair, client: Any) -> None:
    inner = ours.client._sslobj
    assert inner.owner is ours.client
    assert inner.context is client
    assert inner.version() == "TLSv1.3"
    leaf, root = inner.get_verified_chain()
    assert inner.get_unverified_chain() == [leaf]
    assert leaf != root
    assert len({leaf, root, *inner.get_unverified_chain()}) == 2
    assert leaf.public_bytes(2) == ssl.PEM_cert_to_DER_cert(leaf.public_bytes()) == ours.client.getpeercert(True)
    assert leaf.get_info() == ours.client.getpeercert()
    assert repr(leaf) != repr(root)
    with pytest.raises(ValueError, match="format"):
        leaf.public_bytes(7)
    with pytest.raises(TypeError, match="cannot create"):
        type(leaf)()
