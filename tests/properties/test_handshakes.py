"""Properties of whole handshakes: any cuts give the same handshake, any damage gives a typed error and its alert.

Over two connections in memory, so that nothing depends on time. Which errors are allowed, and what each must leave
behind, is in `tests.properties.wire`. The same through sockets and memory BIOs: tests/properties/test_dropin.py.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.handshake.support import Link, client_config, server_config, split_messages
from tests.properties.damage import (
    ALL_KINDS,
    Edit,
    HookedWriter,
    cuts,
    edited,
    edits,
    in_flight,
    pieces,
    plaintext_refragmented,
    roles,
)
from tests.properties.positions import (
    each_setup,
    run_damaged,
)
from tests.properties.wire import (
    BLAMES_THE_PEER,
    SETUPS,
    Wire,
    check_established,
    check_failure,
    check_same_again,
    split_records,
)
from tlsocket import events
from tlsocket.config import ClientAuthentication, Role
from tlsocket.connection import Connection
from tlsocket.errors import AlertReceived, PeerMisbehaved, Reason, TLSError
from tlsocket.record import pool_statistics
from tlsocket.registry import AlertDescription, ContentType

setups = st.sampled_from(list(SETUPS))
flights = st.integers(0, 1)


def quick(examples: int) -> settings:
    return settings(deadline=None, max_examples=examples)


# Cuts: nothing is wrong, so nothing may fail


@each_setup
def test_byte_by_byte(setup: str) -> None:
    wire = Wire(SETUPS[setup](), lambda _sender, _number, flight: pieces(flight, [1])).run()
    check_established(wire.link)


@quick(60)
@given(setup=setups, lengths=cuts)
def test_split_anyhow(setup: str, lengths: list[int]) -> None:
    check_established(Wire(SETUPS[setup](), lambda _s, _n, flight: pieces(flight, lengths)).run().link)


@quick(60)
@given(setup=setups, lengths=cuts, cut=cuts)
def test_plaintext_in_other_records(setup: str, lengths: list[int], cut: list[int]) -> None:
    refragmented = plaintext_refragmented(lengths)

    def alter(sender: Role, number: int, flight: bytes) -> Iterable[bytes]:
        return pieces(b"".join(refragmented(sender, number, flight)), cut)

    check_established(Wire(SETUPS[setup](), alter).run().link)


@each_setup
def test_plaintext_in_records_of_one_byte(setup: str) -> None:
    check_established(Wire(SETUPS[setup](), plaintext_refragmented([1])).run().link)


@quick(60)
@given(setup=setups, lengths=cuts, cut=cuts)
def test_messages_in_other_records(setup: str, lengths: list[int], cut: list[int]) -> None:
    """Fragments of one message in many records, protected ones too; one record with the end of one and the next."""
    link = SETUPS[setup]()
    for end in (link.client, link.server):
        HookedWriter(end, lambda payload: pieces(payload, lengths))
    check_established(Wire(link, lambda _s, _n, flight: pieces(flight, cut)).run().link)


@quick(40)
@given(setup=setups, cut=cuts, sizes=st.lists(st.integers(1, 40_000), max_size=3))
def test_flights_and_data_and_the_end_in_one_piece(setup: str, cut: list[int], sizes: list[int]) -> None:
    """What the client says from its Finished to its close_notify arrives cut anyhow, or not cut at all."""
    wire = Wire(SETUPS[setup](), lambda sender, _n, flight: () if sender is Role.CLIENT else (flight,))
    client, server = wire.link.client, wire.link.server
    client.start()
    for _ in range(4):
        if client.handshake_complete:
            break
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    assert client.handshake_complete
    data = [bytes([65 + index]) * size for index, size in enumerate(sizes)]
    for one in data:
        client.write(one)
    client.close()
    for piece in pieces(client.data_to_send(), cut):
        server.receive_data(piece)
    assert server.handshake_complete
    received = bytearray()
    while part := server.read(50_000):
        received += part
    assert server.read() == b""
    assert received == b"".join(data)


# Damage on the wire


@quick(300)
@given(setup=setups, sender=roles, number=flights, changes=edits(*ALL_KINDS), cut=cuts)
def test_damaged_flights(setup: str, sender: Role, number: int, changes: list[Edit], cut: list[int]) -> None:
    Wire(SETUPS[setup](), in_flight(sender, number, lambda flight: pieces(edited(flight, changes), cut))).run().settle()


record_orders = st.lists(st.integers(0, 8), max_size=12)
"""Which records arrive, in which order: some not at all, some twice."""


@quick(150)
@given(setup=setups, sender=roles, number=flights, order=record_orders)
def test_records_dropped_repeated_and_reordered(setup: str, sender: Role, number: int, order: list[int]) -> None:
    def shuffled(flight: bytes) -> Iterable[bytes]:
        records = split_records(flight)
        return [records[index] for index in order if index < len(records)]

    link = SETUPS[setup]()
    for end in (link.client, link.server):
        HookedWriter(end, lambda payload: pieces(payload, [100]))
    Wire(link, in_flight(sender, number, shuffled)).run().settle()


strange_records = st.one_of(
    st.sampled_from(
        [
            b"\x14\x03\x03\x00\x01\x01",
            b"\x14\x03\x03\x00\x01\x02",
            b"\x14\x03\x03\x00\x02\x01\x01",
            b"\x14\x03\x03\x00\x00",
            b"\x15\x03\x03\x00\x02\x01\x5a",
            b"\x15\x03\x03\x00\x02\x01\x00",
            b"\x15\x03\x03\x00\x02\x02\x28",
            b"\x15\x03\x03\x00\x01\x02",
            b"\x15\x03\x03\x00\x00",
            b"\x16\x03\x03\x00\x00",
            b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
            b"\x16\x03\x03\x00\x04\x14\x00\x00\x00",
            b"\x17\x03\x03\x00\x00",
            b"\x17\x03\x03\x00\x11" + bytes(17),
            b"\x17\x03\x03\x41\x01",
            b"\x18\x03\x03\x00\x01\x01",
        ]
    ),
    st.tuples(st.sampled_from([20, 21, 22, 23, 24, 0x80]), st.binary(max_size=40)).map(
        lambda parts: bytes([parts[0], 3, 3]) + len(parts[1]).to_bytes(2, "big") + parts[1]
    ),
)


@quick(200)
@given(setup=setups, sender=roles, number=flights, place=st.integers(0, 6), strange=st.lists(strange_records))
def test_strange_records_between(setup: str, sender: Role, number: int, place: int, strange: list[bytes]) -> None:
    def with_strangers(flight: bytes) -> Iterable[bytes]:
        records = split_records(flight)
        return [*records[:place], *strange, *records[place:]]

    Wire(SETUPS[setup](), in_flight(sender, number, with_strangers)).run().settle()


def hello_message(kind: int) -> Callable[[bytes], bytes]:
    return lambda body: (
        bytes([0x16, 3, 1]) + (4 + len(body)).to_bytes(2, "big") + bytes([kind]) + len(body).to_bytes(3, "big") + body
    )


first_bytes = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda body: b"\x16\x03\x01" + len(body).to_bytes(2, "big") + body),
    st.binary(max_size=300).map(hello_message(1)),
    st.binary(max_size=300).map(hello_message(2)),
    st.binary(max_size=300).map(lambda body: hello_message(1)(b"\x03\x03" + bytes(32) + body)),
    st.binary(max_size=300).map(lambda body: hello_message(2)(b"\x03\x03" + bytes(32) + body)),
    st.binary(max_size=200).map(
        lambda body: hello_message(1)(
            b"\x03\x03" + bytes(32) + b"\0\0\x02\x13\x01\x01\0" + len(body).to_bytes(2, "big") + body
        )
    ),
    st.sampled_from([b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x80\x2e\x01\x00\x02" + bytes(60)]),
)


@quick(400)
@given(receiver=roles, stream=first_bytes, cut=cuts)
def test_random_bytes_first(receiver: Role, stream: bytes, cut: list[int]) -> None:
    wire = Wire(Link())
    wire.link.client.start()
    end = wire.link.client if receiver is Role.CLIENT else wire.link.server
    for piece in pieces(stream, cut):
        wire.deliver(end, piece)
    wire.settle()
    assert end.role in wire.errors


# Damage under the right keys


@quick(500)
@given(setup=setups, sender=roles, target=st.integers(0, 6), changes=edits(*ALL_KINDS), mend=st.booleans())
def test_damaged_messages(setup: str, sender: Role, target: int, changes: list[Edit], mend: bool) -> None:
    run_damaged(setup, sender, target, changes, mend)


@quick(150)
@given(setup=setups, sender=roles, order=st.lists(st.integers(0, 6), max_size=8))
def test_messages_dropped_repeated_and_reordered(setup: str, sender: Role, order: list[int]) -> None:
    def shuffled(payload: bytes) -> Iterable[bytes]:
        messages = split_messages(payload)
        found = b"".join(messages[index] for index in order if index < len(messages))
        return (found,) if found else ()

    link = SETUPS[setup]()
    HookedWriter(link.client if sender is Role.CLIENT else link.server, shuffled)
    Wire(link).run().settle()


late_messages = st.one_of(
    st.tuples(st.sampled_from([0, 1, 2, 4, 5, 8, 11, 13, 15, 20, 24, 254, 99]), st.binary(max_size=80)).map(
        lambda parts: bytes([parts[0]]) + len(parts[1]).to_bytes(3, "big") + parts[1]
    ),
    st.sampled_from([b"\x18\0\0\x01\0", b"\x18\0\0\x01\x01", b"\x04\0\0\x0f\0\0\x0e\x10\0\0\0\0\x01\0\0\x01t\0\0"]),
    st.binary(min_size=1, max_size=60),
)


@quick(300)
@given(
    receiver=roles,
    content=st.lists(st.tuples(st.sampled_from([21, 22, 22, 22, 23, 20, 0x63]), late_messages), min_size=1, max_size=6),
    together=st.booleans(),
)
def test_random_bytes_after_the_handshake(receiver: Role, content: list[tuple[int, bytes]], together: bool) -> None:
    wire = Wire(SETUPS["plain"]()).run()
    client, server = wire.link.client, wire.link.server
    sender, end = (server, client) if receiver is Role.CLIENT else (client, server)
    stream = []
    for content_type, payload in content:
        sender.writer.queue(content_type, payload)
        stream.append(sender.data_to_send())
    received = b""
    for piece in [b"".join(stream)] if together else stream:
        wire.deliver(end, piece)
    for _ in range(2 * len(content) + 2):
        try:
            part = end.read()
        except BLAMES_THE_PEER as error:
            check_same_again(end, error)
            break
        if not part:
            break
        received += part
    else:
        raise AssertionError("reading never ends")
    assert len(received) <= sum(len(payload) for content_type, payload in content if content_type == 23)


# Memory and patience are bounded


def fragments_of(header: bytes, body: int) -> Iterator[bytes]:
    """A message that takes its time: records of `body` bytes each, for ever."""
    yield b"\x16\x03\x01" + len(header).to_bytes(2, "big") + header
    while True:
        yield b"\x16\x03\x01" + body.to_bytes(2, "big") + bytes(body)


def for_ever(record: bytes) -> Callable[[], Iterator[bytes]]:
    def records() -> Iterator[bytes]:
        while True:
            yield record

    return records


ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "hello too long": lambda: fragments_of(b"\x01\xff\xff\xff", 1000),
    "hello as long as allowed": lambda: fragments_of(b"\x01\x02\x00\x00", 16384),
    "hello of single bytes": lambda: fragments_of(b"\x01\x02\x00\x00", 1),
    "unknown messages": for_ever(b"\x16\x03\x01\x00\x04\x63\0\0\0"),
    "change_cipher_specs": for_ever(b"\x14\x03\x03\x00\x01\x01"),
    "warnings": for_ever(b"\x15\x03\x03\x00\x02\x01\x5a"),
    "empty fragments": for_ever(b"\x16\x03\x03\x00\x00"),
    "zeros": for_ever(bytes(1000)),
}
ENOUGH = 1 << 20


def swallowed(end: Connection, stream: Iterator[bytes]) -> int:
    """How many bytes `end` takes before it has had enough."""
    total = 0
    for piece in stream:
        total += len(piece)
        try:
            end.receive_data(piece)
            end.read()
        except TLSError:
            return total
        if total > ENOUGH:
            break
    raise AssertionError("it never has enough")


def measured(end: Connection, stream: Iterator[bytes]) -> None:
    """`end` has enough soon, at no great cost, and holds no buffer afterwards."""
    held = pool_statistics()["in_use"]
    tracemalloc.start()
    try:
        assert swallowed(end, stream) < ENOUGH
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert pool_statistics()["in_use"] <= held


@pytest.mark.parametrize("receiver", list(Role))
@pytest.mark.parametrize("name", list(ENDLESS))
def test_endless_streams_are_cut_short(name: str, receiver: Role) -> None:
    link = Link()
    link.client.start()
    stream = ENDLESS[name]()
    if receiver is Role.CLIENT:
        stream = (piece.replace(b"\x16\x03\x01\x00\x04\x01", b"\x16\x03\x01\x00\x04\x02", 1) for piece in stream)
    measured(link.client if receiver is Role.CLIENT else link.server, stream)


TICKET = b"\x04\0\0\x0f\0\0\x0e\x10\0\0\0\0\x01\0\0\x01t\0\0"
LATE: dict[str, tuple[int, bytes]] = {
    "empty data": (ContentType.APPLICATION_DATA, b""),
    "tickets": (ContentType.HANDSHAKE, TICKET),
    "warnings": (ContentType.ALERT, b"\x01\x5a"),
    "a part of a message, and more of it": (ContentType.HANDSHAKE, b"\x04\x02\0\0" + bytes(1000)),
    "a message too long": (ContentType.HANDSHAKE, b"\x04\xff\0\0"),
}


@pytest.mark.parametrize("name", list(LATE))
def test_endless_streams_after_the_handshake_are_cut_short(name: str) -> None:
    link = Link().connect()
    content_type, payload = LATE[name]

    def stream() -> Iterator[bytes]:
        while True:
            link.server.writer.queue(content_type, payload)
            yield link.server.data_to_send()

    measured(link.client, stream())


def test_endless_key_updates_are_cut_short() -> None:
    link = Link().connect()

    def stream() -> Iterator[bytes]:
        while True:
            link.server.update_keys(request_peer=True)
            yield link.server.data_to_send()

    measured(link.client, stream())
    # Requests that come while nothing is sent have one answer (RFC 9846 section 4.7.3), and then the alert follows.
    assert len(link.client.data_to_send()) < 200


def test_a_long_certificate_list_has_a_budget() -> None:
    rng = random.Random(1)
    certificates = b"".join((500).to_bytes(3, "big") + rng.randbytes(500) + b"\0\0" for _ in range(200))
    body = b"\0" + len(certificates).to_bytes(3, "big") + certificates
    message = b"\x0b" + len(body).to_bytes(3, "big") + body

    def long_list(payload: bytes) -> Iterable[bytes]:
        return (b"".join(message if one[0] == 11 else one for one in split_messages(payload)),)

    link = Link()
    HookedWriter(link.server, long_list)
    wire = Wire(link).run().settle()
    assert wire.errors[Role.CLIENT].reason is Reason.TOO_MANY_CERTIFICATES
    assert isinstance(wire.errors[Role.SERVER], AlertReceived)


def test_the_alert_reaches_the_sender_of_damage() -> None:
    """With the alert's number, through every protection: the wire's own checks look at one end only."""
    link = Link(server=server_config(client_authentication=ClientAuthentication.REQUIRED))
    wire = Wire(link).run().settle()
    assert wire.errors[Role.SERVER].reason is Reason.CERTIFICATE_REQUIRED
    error = wire.errors[Role.CLIENT]
    assert isinstance(error, AlertReceived)
    assert error.description == AlertDescription.CERTIFICATE_REQUIRED
    assert any(isinstance(event, events.AlertReceived) for event in link.client_events)


def test_the_wire_sees_a_failure_that_is_not_told() -> None:
    """The checks above can fail: an end that stays silent about its error is found out."""
    link = Link(client_config())
    link.client.start()
    with pytest.raises(PeerMisbehaved) as caught:
        link.server.receive_data(b"GET / HTTP/1.1\r\n\r\n")
    link.server.data_to_send()
    with pytest.raises(AssertionError):
        check_failure(link.server, caught.value, link.server_events)
