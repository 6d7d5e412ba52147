"""Properties of the record layer: any sizes and any cuts give the same bytes; any damage gives one of our errors.

Without descriptors, so that every example is repeatable; tests/record/test_laws.py does the same over sockets.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.record.support import ALGORITHMS, End, inner_record, message, plain_record, protection
from tlsocket._record import CLOSED, HAVE_DATA, STOPPED, TRUNCATED, WANT_READ, tls13_protection
from tlsocket.errors import Reason, TLSError

IV = b"\x55" * 12

sizes = st.one_of(st.integers(0, 100), st.integers(0, 40_000), st.sampled_from([16383, 16384, 16385, 32768]))
cuts = st.lists(st.one_of(st.integers(1, 30), st.integers(1, 5000)), min_size=1, max_size=50)
rooms = st.lists(st.one_of(st.integers(1, 30), st.integers(1, 40_000)), min_size=1, max_size=50)

inners = st.one_of(
    st.binary(max_size=60).map(lambda data: data + b"\x17"),
    st.binary(max_size=60).map(lambda data: data + b"\x17" + bytes(len(data))),
    st.binary(max_size=40).map(lambda body: message(4, body) + b"\x16"),
    st.lists(st.binary(max_size=9), min_size=2, max_size=4).map(
        lambda bodies: b"".join(message(4, body) for body in bodies) + b"\x16"
    ),
    st.just(b"\x01\x5a\x15"),
)
"""What a peer that follows the rules may put into one record after the handshake."""


def ends(algorithm: str) -> tuple[End, End]:
    make, length = ALGORITHMS[algorithm]
    pair = End(key=None), End(key=None)
    pair[0].writer.queue_key(tls13_protection(make(b"k" * length), IV, 2**40))
    pair[1].reader.set_key(tls13_protection(make(b"k" * length), IV, 2**40))
    return pair


def pieces(stream: bytes, lengths: list[int]) -> Iterator[bytes]:
    """The stream cut as `lengths` say, over and over."""
    start = index = 0
    while start < len(stream):
        yield stream[start : start + lengths[index % len(lengths)]]
        start += lengths[index % len(lengths)]
        index += 1


def read_on(end: End, lengths: list[int], into: bool) -> bytes:
    """Everything that what was fed holds, with reads of all the sizes."""
    received = bytearray()
    index = 0
    while True:
        size = lengths[index % len(lengths)]
        index += 1
        if into:
            memory = bytearray(b"\xaa" * (size + 16))
            count = end.reader.read_into(memoryview(memory)[8 : 8 + size], 0, end.owner)
            assert memory[:8] == memory[8 + size :] == b"\xaa" * 8
            if count <= 0:
                return bytes(received)
            received += memory[8 : 8 + count]
        else:
            part = end.reader.read(size, end.owner)
            if not isinstance(part, bytes) or not part:
                return bytes(received)
            assert len(part) <= size
            received += part


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
@settings(deadline=None, max_examples=40)
@given(writes=st.lists(sizes, max_size=6), lengths=cuts, reads=rooms, into=st.booleans())
def test_any_sizes_and_any_cuts_give_the_same_bytes(
    algorithm: str, writes: list[int], lengths: list[int], reads: list[int], into: bool
) -> None:
    sender, receiver = ends(algorithm)
    data = [bytes([65 + index]) * size for index, size in enumerate(writes)]
    stream = b"".join(sender.seal(part) for part in data)
    received = b""
    for piece in pieces(stream, lengths):
        receiver.reader.feed(piece)
        received += read_on(receiver, reads, into)
    assert received == b"".join(data)


@settings(deadline=None, max_examples=40)
@given(size=st.integers(1, 60_000), rooms=st.lists(st.integers(23, 40_000), min_size=1, max_size=5), reads=rooms)
def test_the_callers_memory_gives_the_same_bytes(size: int, rooms: list[int], reads: list[int]) -> None:
    sender, receiver = End(), End()
    sender.writer.data_to_send()
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    stream, offset, index = b"", 0, 0
    while offset < size:
        out = bytearray(rooms[index % len(rooms)])
        taken, written = sender.writer.seal_into(data[offset:], out, sender.owner)
        assert taken > 0
        offset, index, stream = offset + taken, index + 1, stream + bytes(out[:written])
    received, start, index = b"", 0, 0
    outcome = HAVE_DATA
    while outcome != WANT_READ:
        buffer = bytearray(reads[index % len(reads)])
        index += 1
        consumed, produced, outcome = receiver.reader.open_into(stream[start:], buffer, receiver.owner)
        start += consumed
        received += buffer[:produced]
    assert start == len(stream)
    assert received == data


@settings(deadline=None, max_examples=150)
@given(contents=st.lists(inners, max_size=12), lengths=cuts, reads=rooms, stops=st.booleans(), into=st.booleans())
def test_any_cut_gives_the_same_data_and_messages(
    contents: list[bytes], lengths: list[int], reads: list[int], stops: bool, into: bool
) -> None:
    stream = b"".join(inner_record(number, inner) for number, inner in enumerate(contents))
    whole = End()
    whole.reader.feed(stream)
    expected = read_on(whole, [100_000], into=False)
    while whole.reader.advance(whole.owner) != WANT_READ:
        expected += read_on(whole, [100_000], into=False)

    end = End()
    end.owner.go_on = not stops
    received = b""
    for piece in pieces(stream, lengths):
        end.reader.feed(piece)
        while True:
            received += read_on(end, reads, into)
            if end.reader.advance(end.owner) == WANT_READ:
                break
    assert received == expected
    assert end.owner.messages == whole.owner.messages
    assert end.owner.alerts == whole.owner.alerts


@settings(deadline=None, max_examples=200)
@given(
    contents=st.lists(inners, min_size=1, max_size=5),
    position=st.integers(0, 10_000),
    bit=st.integers(0, 7),
    lengths=cuts,
    reads=rooms,
)
def test_a_flipped_bit_is_one_of_our_errors_and_nothing_false_is_delivered(
    contents: list[bytes], position: int, bit: int, lengths: list[int], reads: list[int]
) -> None:
    records = [inner_record(number, inner) for number, inner in enumerate(contents)]
    stream = bytearray(b"".join(records))
    position %= len(stream)
    stream[position] ^= 1 << bit
    whole = End()
    whole.reader.feed(b"".join(records))
    expected = read_on(whole, [100_000], into=False)

    end = End()
    received = b""
    caught: list[TLSError] = []
    for piece in pieces(bytes(stream), lengths):
        end.reader.feed(piece)
        try:
            received += read_on_keeping(end, reads)
        except TLSError as error:
            caught.append(error)
    assert expected.startswith(received)
    if caught:
        assert len({error.reason for error in caught}) == 1, "and always the same one"
        assert caught[0].reason in (
            Reason.BAD_RECORD_MAC,
            Reason.RECORD_OVERFLOW,
            Reason.UNPROTECTED_RECORD,
            Reason.UNEXPECTED_CHANGE_CIPHER_SPEC,
            Reason.UNKNOWN_CONTENT_TYPE,
            Reason.NOT_TLS,
        )
    else:
        # A longer length waits for bytes that never come: the transport's end tells.
        end.reader.feed_eof()
        assert end.reader.advance(end.owner) == TRUNCATED


def read_on_keeping(end: End, lengths: list[int]) -> bytes:
    """`read_on`; what was read before an error is checked by the caller through the error's own later calls."""
    received = b""
    for length in lengths * 1000:
        part = end.reader.read(length, end.owner)
        if not isinstance(part, bytes) or not part:
            break
        received += part
    return received


@settings(deadline=None, max_examples=300)
@given(junk=st.binary(max_size=600), key=st.sampled_from([None, 1]), allowed=st.booleans(), alert=st.booleans())
def test_any_bytes_at_all_raise_only_our_errors(junk: bytes, key: int | None, allowed: bool, alert: bool) -> None:
    end = End(key=key, application=key is not None)
    end.reader.change_cipher_spec_allowed = allowed
    if key is not None and alert:
        end.reader.set_key(protection(key), True)
    end.reader.feed(junk)
    for _ in range(50):
        try:
            outcome = end.reader.advance(end.owner)
        except TLSError:
            continue
        assert outcome in (WANT_READ, HAVE_DATA, CLOSED, STOPPED)
    end.reader.feed_eof()
    try:
        assert end.reader.read(10, end.owner) in (TRUNCATED, b"")
    except TLSError:
        assert end.owner.failures


records = st.builds(plain_record, st.integers(20, 24), st.binary(max_size=40))


@settings(deadline=None, max_examples=300)
@given(parts=st.lists(st.one_of(records, inners.map(lambda inner: inner_record(0, inner))), max_size=8), lengths=cuts)
def test_any_records_before_the_keys_end_the_same_however_they_are_cut(parts: list[bytes], lengths: list[int]) -> None:
    def outcome(chunks: Iterator[bytes]) -> tuple[object, list[bytes], list[tuple[int, int]], int]:
        end = End(key=None, application=False)
        end.reader.change_cipher_spec_allowed = True
        result: object = WANT_READ
        for chunk in chunks:
            end.reader.feed(chunk)
            try:
                result = end.reader.advance(end.owner)
            except TLSError as error:
                result = error.reason
        return result, end.owner.messages, end.owner.alerts, end.owner.closed

    stream = b"".join(parts)
    assert outcome(pieces(stream, lengths)) == outcome(iter([stream]))
