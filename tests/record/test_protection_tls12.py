"""Record protection of TLS 1.2 (RFC 5246 section 6.2.3.3, RFC 5288, RFC 7905), and the laws of the reader under it.

Checked against `cryptography`'s one-shot calls, never against our own opening of our own sealing. What does not depend
on the protection is in the other modules here.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.record.support import (
    ALERT,
    ALGORITHMS,
    HANDSHAKE,
    NO_LIMIT,
    End,
    message,
    nonce_of,
    plain_record,
    refused,
    set_sequence_number,
    split_records,
    unread,
)
from tlsocket._record import MAX_PLAINTEXT, WANT_READ, Protection, tls12_protection
from tlsocket.errors import Reason
from tlsocket.record import pool_statistics

DATA = 23
LENGTHS = [1, 15, 16, 17, 2047, 2048, 2049, MAX_PLAINTEXT]
KINDS = list(ALGORITHMS)
each_kind = pytest.mark.parametrize("kind", KINDS)


def iv_of(kind: str) -> bytes:
    return bytes(range(1, 13 if kind.startswith("ChaCha") else 5))


def aead_of(kind: str) -> Any:
    make, length = ALGORITHMS[kind]
    return make(bytes(range(length)))


def keys(kind: str, limit: int = NO_LIMIT) -> Protection:
    return tls12_protection(aead_of(kind), iv_of(kind), limit)


def loss(kind: str) -> int:
    """What a record loses: header, explicit nonce where there is one, tag."""
    return 5 + 16 + (0 if kind.startswith("ChaCha") else 8)


def seal(kind: str, number: int, content: bytes, content_type: int = DATA, explicit: bytes | None = None) -> bytes:
    """One record, made without any code of ours."""
    if kind.startswith("ChaCha"):
        explicit, nonce = b"", nonce_of(iv_of(kind), number)
    else:
        explicit = number.to_bytes(8, "big") if explicit is None else explicit
        nonce = iv_of(kind) + explicit
    additional = struct.pack(">QBHH", number, content_type, 0x0303, len(content))
    sealed: bytes = explicit + aead_of(kind).encrypt(nonce, content, additional)
    return struct.pack(">BHH", content_type, 0x0303, len(sealed)) + sealed


def end_of(kind: str, sock: socket.socket | None = None) -> End:
    end = End(sock, key=None)
    end.writer.queue_key(keys(kind))
    end.reader.set_key(keys(kind))
    return end


@contextmanager
def wired(kind: str) -> Iterator[tuple[End, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield end_of(kind, left), right


# Sealing


@each_kind
@pytest.mark.parametrize("length", LENGTHS)
def test_a_record_is_that_of_the_rfc(kind: str, length: int) -> None:
    data = os.urandom(length)
    end = end_of(kind)
    assert end.seal(b"first") == seal(kind, 0, b"first")
    assert end.seal(data) == seal(kind, 1, data)
    assert len(end.seal(data)) == length + loss(kind)
    assert keys(kind).overhead == loss(kind) - 5


@each_kind
@pytest.mark.parametrize("content_type", [ALERT, HANDSHAKE])
def test_every_type_is_protected_and_stands_outside(kind: str, content_type: int) -> None:
    end = end_of(kind)
    end.writer.queue(content_type, b"\x14\0\0\1x")
    assert end.writer.data_to_send() == seal(kind, 0, b"\x14\0\0\1x", content_type)


@each_kind
def test_explicit_nonces_never_repeat(kind: str) -> None:
    end = end_of(kind)
    records = split_records(end.seal(bytes(20 * MAX_PLAINTEXT)))
    assert records == [seal(kind, number, bytes(MAX_PLAINTEXT)) for number in range(20)]
    if not kind.startswith("ChaCha"):
        assert len({record[5:13] for record in records}) == 20


@each_kind
def test_seal_into_the_callers_memory(kind: str) -> None:
    end = end_of(kind)
    end.writer.data_to_send()
    out = bytearray(MAX_PLAINTEXT + 100 + 2 * loss(kind))
    data = os.urandom(MAX_PLAINTEXT + 100)
    assert end.writer.seal_into(data, out, end.owner) == (len(data), len(out))
    assert bytes(out) == seal(kind, 0, data[:MAX_PLAINTEXT]) + seal(kind, 1, data[MAX_PLAINTEXT:])


@each_kind
def test_the_limit_of_a_key_is_kept(kind: str) -> None:
    end = End(key=None)
    end.writer.queue_key(keys(kind, 4))
    for _ in range(4):
        end.seal(b"x")
    with refused(Reason.SEND_KEY_EXHAUSTED):
        end.writer.write(b"x", end.owner)


# Opening


@each_kind
@pytest.mark.parametrize("length", LENGTHS)
def test_what_the_rfc_seals_is_opened(kind: str, length: int) -> None:
    data = os.urandom(length)
    end = end_of(kind)
    end.reader.feed(seal(kind, 0, b"first") + seal(kind, 1, data))
    assert end.reader.read(5, end.owner) == b"first"
    received = b""
    while len(received) < length:
        part = end.reader.read(length, end.owner)
        assert isinstance(part, bytes)
        received += part
    assert received == data


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("ChaCha")])
def test_the_peer_chooses_its_explicit_nonces(kind: str) -> None:
    """RFC 5288 section 3: a sender may choose them otherwise; the number in the additional data is the count."""
    end = end_of(kind)
    end.reader.feed(seal(kind, 0, b"one", explicit=b"\xff" * 8) + seal(kind, 1, b"two", explicit=os.urandom(8)))
    assert end.reader.read(10, end.owner) == b"onetwo"


@each_kind
def test_open_into_the_callers_memory_and_not_a_byte_beyond(kind: str) -> None:
    """Law 5: the plaintext ends exactly where the room ends."""
    end = end_of(kind)
    memory = bytearray(b"\xee" * 20)
    with memoryview(memory) as view, view[:10] as room:
        got = end.reader.open_into(seal(kind, 0, b"ten bytes!"), room, end.owner)
    assert got[1] == 10
    assert memory == b"ten bytes!" + b"\xee" * 10


@each_kind
@pytest.mark.parametrize("offset", [0, 1])
def test_recv_into_writes_nothing_beyond(kind: str, offset: int) -> None:
    with wired(kind) as (end, raw):
        raw.sendall(seal(kind, 0, b"0123456789") + seal(kind, 1, b"abcdefghij"))
        memory = bytearray(b"\xee" * 30)
        with memoryview(memory) as view, view[: 10 + offset] as room:
            assert end.reader.recv_into(end.socket, room, 10 + offset, 5.0, end.owner) == 10
        assert memory[10 + offset :] == b"\xee" * (20 - offset)


def damaged(kind: str) -> dict[str, bytes]:
    record = seal(kind, 0, b"0123456789")
    return {
        "content": record[:-20] + bytes((record[-20] ^ 1,)) + record[-19:],
        "tag": record[:-1] + bytes((record[-1] ^ 1,)),
        "first byte behind the header": record[:5] + bytes((record[5] ^ 1,)) + record[6:],
        "type": bytes((HANDSHAKE,)) + record[1:],
        "version": record[:2] + b"\x01" + record[3:],
        "sequence number": seal(kind, 1, b"0123456789"),
        "too short for a tag": plain_record(DATA, bytes(15)),
        "empty": plain_record(DATA, b""),
        "cut": plain_record(DATA, record[5:-1]),
    }


@each_kind
@pytest.mark.parametrize("what", list(damaged(KINDS[0])))
def test_a_forgery_is_bad_record_mac_and_leaves_nothing(kind: str, what: str) -> None:
    """RFC 5246 section 7.2.2, and law 5: what the AEAD wrote is wiped, and the error is the same again."""
    before = pool_statistics()["in_use"]
    with wired(kind) as (end, raw):
        raw.sendall(damaged(kind)[what])
        memory = bytearray(64)
        for _ in range(2):
            with refused(Reason.BAD_RECORD_MAC):
                end.reader.recv_into(end.socket, memory, 64, 5.0, end.owner)
        assert memory == bytes(64)
        assert pool_statistics()["in_use"] == before


@each_kind
def test_the_first_records_are_delivered_before_the_error(kind: str) -> None:
    end = end_of(kind)
    end.reader.feed(seal(kind, 0, b"one") + seal(kind, 1, b"two") + damaged(kind)["tag"])
    assert end.reader.read(100, end.owner) == b"onetwo"
    with refused(Reason.BAD_RECORD_MAC):
        end.reader.read(100, end.owner)


@each_kind
@pytest.mark.parametrize("length", [MAX_PLAINTEXT + 1, MAX_PLAINTEXT + 200])
def test_a_plaintext_above_the_limit_is_record_overflow(kind: str, length: int) -> None:
    """RFC 5246 section 6.2.1; there is no inner type that could be one byte more."""
    end = end_of(kind)
    end.reader.feed(seal(kind, 0, bytes(length)))
    with refused(Reason.RECORD_OVERFLOW):
        end.reader.read(10, end.owner)


@each_kind
def test_a_record_above_the_limit_is_refused_by_its_header(kind: str) -> None:
    end = end_of(kind)
    end.reader.feed(struct.pack(">BHH", DATA, 0x0303, MAX_PLAINTEXT + 2049))
    with refused(Reason.RECORD_OVERFLOW):
        end.reader.read(10, end.owner)


@each_kind
def test_sequence_numbers_do_not_wrap(kind: str) -> None:
    end = End(key=None)
    protection = keys(kind)
    set_sequence_number(protection, 2**64 - 1)
    end.reader.set_key(protection)
    end.reader.feed(seal(kind, 2**64 - 1, b"x"))
    with refused(Reason.RECEIVE_KEY_EXHAUSTED):
        end.reader.read(10, end.owner)


@each_kind
def test_alerts_and_messages_go_to_the_owner(kind: str) -> None:
    end = end_of(kind)
    end.reader.feed(
        seal(kind, 0, message(20, b"finished"), HANDSHAKE)
        + seal(kind, 1, b"\1\x64", ALERT)
        + seal(kind, 2, b"data")
        + seal(kind, 3, b"\1\0", ALERT)
    )
    memory = bytearray(100)
    assert end.reader.read_into(memory, 100, end.owner) == 4
    assert memory == b"data" + bytes(96)
    assert end.reader.pending() == 1
    assert end.reader.read(10, end.owner) == b""
    assert end.owner.messages == [message(20, b"finished")]
    assert end.owner.alerts == [(1, 100)]
    assert end.owner.closed == 1


@each_kind
def test_a_message_in_pieces(kind: str) -> None:
    end = end_of(kind)
    whole = message(20, bytes(100))
    for number, part in enumerate((whole[:2], whole[2:50], whole[50:])):
        end.reader.feed(seal(kind, number, part, HANDSHAKE))
    assert end.reader.advance(end.owner) == WANT_READ
    assert end.owner.messages == [whole]


@each_kind
@pytest.mark.parametrize("content_type", [ALERT, HANDSHAKE])
def test_nothing_is_taken_without_protection(kind: str, content_type: int) -> None:
    end = end_of(kind)
    end.reader.feed(plain_record(content_type, b"\1\0" + bytes(40)))
    with refused(Reason.BAD_RECORD_MAC):
        end.reader.advance(end.owner)


@each_kind
def test_empty_records_are_counted(kind: str) -> None:
    end = end_of(kind)
    for number in range(33):
        end.reader.feed(seal(kind, number, b""))
    with refused(Reason.TOO_MANY_EMPTY_RECORDS):
        end.reader.read(10, end.owner)


# The change of keys


def test_a_change_cipher_spec_is_told_and_changes_the_key() -> None:
    kind = KINDS[0]
    end = End(key=None)
    end.reader.change_cipher_spec_reported = True
    end.owner.next_key = lambda: end.reader.set_key(keys(kind))
    end.reader.feed(b"\x14\x03\x03\0\1\1" + seal(kind, 0, message(20, b"x"), HANDSHAKE))
    assert end.reader.advance(end.owner) == WANT_READ
    assert end.owner.change_cipher_specs == 1
    assert end.owner.messages == [message(20, b"x")]


@pytest.mark.parametrize("body", [b"", b"\0", b"\2", b"\1\1"])
def test_a_change_cipher_spec_is_one_byte_of_one(body: bytes) -> None:
    end = End(key=None)
    end.reader.change_cipher_spec_reported = True
    end.reader.feed(plain_record(20, body))
    with refused(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC):
        end.reader.advance(end.owner)
    assert not end.owner.change_cipher_specs


def test_no_key_changes_with_part_of_a_message_pending() -> None:
    end = End(key=None)
    end.reader.change_cipher_spec_reported = True
    end.reader.feed(plain_record(HANDSHAKE, message(16, b"abc")[:5]) + b"\x14\x03\x03\0\1\1")
    with refused(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC):
        end.reader.advance(end.owner)


@each_kind
def test_no_change_cipher_spec_under_a_key(kind: str) -> None:
    end = end_of(kind)
    end.reader.feed(b"\x14\x03\x03\0\1\1")
    with refused(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC):
        end.reader.advance(end.owner)


def test_our_own_goes_out_under_the_key_before_it() -> None:
    kind = KINDS[0]
    end = End(key=None)
    end.writer.queue(20, b"\1")
    end.writer.queue_key(keys(kind))
    end.writer.queue(HANDSHAKE, message(20, b"x"))
    assert end.writer.data_to_send() == b"\x14\x03\x03\0\1\1" + seal(kind, 0, message(20, b"x"), HANDSHAKE)


# Law 1: how much is read


@each_kind
@pytest.mark.parametrize("room", [1, 100, 1000])
def test_one_read_takes_no_more_than_the_room_and_the_loss(kind: str, room: int) -> None:
    end = end_of(kind)
    assert end.reader.want(room) == room + loss(kind)
    with wired(kind) as (end, raw):
        stream = b"".join(seal(kind, number, bytes(room)) for number in range(4))
        raw.sendall(stream)
        assert end.recv(room) == bytes(room)
        assert unread(end.socket) == 3 * (room + loss(kind))
        assert end.reader.pending() == 0


@each_kind
@pytest.mark.parametrize("room", [1, 99, 16383])
def test_a_read_of_one_byte_less_than_a_record_gives_one_byte_less(kind: str, room: int) -> None:
    """TLS 1.2 has no inner type, so the byte of slack that it has in TLS 1.3 is none here."""
    data = os.urandom(room + 1)
    with wired(kind) as (end, peer):
        peer.sendall(seal(kind, 0, data))
        assert end.recv(room) == data[:room]
        assert end.reader.pending() == 1
        assert end.recv(room) == data[room:]
    end = end_of(kind)
    end.reader.feed(seal(kind, 0, data))
    assert end.reader.read(room, end.owner) == data[:room]
    assert end.reader.read(room, end.owner) == data[room:]


@each_kind
def test_select_stays_honest(kind: str) -> None:
    """After any receive no whole record is held: `pending` says so, or the descriptor does."""
    with wired(kind) as (end, raw):
        raw.sendall(b"".join(seal(kind, number, bytes(10 + number)) for number in range(50)))
        total = 0
        for size in (1, 7, 100, 13, 64, 3, 500, 1, 1000):
            got = end.recv(size)
            assert isinstance(got, bytes)
            total += len(got)
            held = end.reader.pending()
            assert held < 60
            assert held or unread(end.socket) or total == sum(range(10, 60))


@each_kind
def test_pulling_never_passes_the_record(kind: str) -> None:
    with wired(kind) as (end, raw):
        raw.sendall(seal(kind, 0, message(20, b"x"), HANDSHAKE) + seal(kind, 1, b"data"))
        end.owner.go_on = False
        end.reader.pull(end.socket, 5.0, end.owner)
        assert unread(end.socket) == 4 + loss(kind)


# Law 2, law 3, law 10: through sockets


@each_kind
def test_bytes_through_a_socket(kind: str) -> None:
    before = pool_statistics()["in_use"]
    left, right = socket.socketpair()
    with left, right:
        near, far = end_of(kind, left), end_of(kind, right)
        data = os.urandom(100_000)
        near.socket.setblocking(False)
        rest = memoryview(data)
        received = bytearray()
        while len(received) < len(data):
            if rest:
                count = near.send(rest, 0)
                rest = rest[max(count, 0) :]
            got = far.recv(30_000, 0)
            received += got if isinstance(got, bytes) else b""
        assert received == data
        near.writer.queue_close_notify()
        near.writer.flush(near.socket, 5.0)
        assert far.recv(10) == b""
        assert pool_statistics()["in_use"] == before


def test_wrong_ivs_are_refused() -> None:
    for length in (0, 3, 5, 8, 11, 13):
        with pytest.raises(ValueError):
            tls12_protection(aead_of(KINDS[0]), bytes(length), NO_LIMIT)
