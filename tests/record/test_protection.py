"""Record protection (RFC 9846 sections 5.2 to 5.5): nonces, padding, sizes, limits, and facts about `cryptography`.

Everything is checked against `cryptography`'s one-shot calls, never against our own opening of our own sealing.
What the reader and the writer do with records is not here.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from tests.record.support import (
    ALGORITHMS,
    NO_LIMIT,
    End,
    RecordingOwner,
    inner_record,
    nonce_of,
    plain_record,
    protection,
    refused,
    set_sequence_number,
    split_records,
)
from tlsocket._record import HAVE_DATA, MAX_PLAINTEXT, WANT_READ, Protection, RecordWriter, tls13_protection
from tlsocket.errors import ApiMisuse, Reason, TLSError

EDGES = [0, 1, 15, 16, 17, 2046, 2047, 2048, 2049, MAX_PLAINTEXT, MAX_PLAINTEXT + 1]
"""Around a block, around the size above which `cryptography` releases the GIL, around a record."""

IV = bytes(range(1, 13))


@pytest.fixture(params=list(ALGORITHMS))
def algorithm(request: pytest.FixtureRequest) -> Any:
    """An AEAD object of `cryptography` of each kind."""
    make, length = ALGORITHMS[request.param]
    return make(bytes(range(length)))


def writer_of(keys: Protection) -> RecordWriter:
    writer = RecordWriter()
    writer.queue_key(keys)
    writer.open_application()
    return writer


def reader_of(keys: Protection) -> End:
    end = End(key=None)
    end.reader.set_key(keys)
    return end


def read_all(stream: bytes) -> bytes:
    end = End()
    end.reader.feed(stream)
    received = b""
    while isinstance(part := end.reader.read(100, end.owner), bytes):
        assert part
        received += part
    assert part == WANT_READ
    return received


# -- facts about `cryptography` that the extension relies on


@pytest.mark.parametrize("length", EDGES)
def test_encrypt_into_may_work_in_place(algorithm: Any, length: int) -> None:
    data = os.urandom(length)
    memory = bytearray(data + bytes(16))
    view = memoryview(memory)
    assert algorithm.encrypt_into(IV, view[:length], b"header", view) == length + 16
    assert bytes(memory) == algorithm.encrypt(IV, data, b"header")


@pytest.mark.parametrize("length", EDGES)
def test_decrypt_into_may_write_elsewhere_without_touching_its_source(algorithm: Any, length: int) -> None:
    data = os.urandom(length)
    sealed = bytearray(algorithm.encrypt(IV, data, b"header"))
    before = bytes(sealed)
    out = bytearray(length)
    algorithm.decrypt_into(IV, sealed, b"header", out)
    assert bytes(out) == data
    assert bytes(sealed) == before


@pytest.mark.parametrize("wrong", [-1, 1])
def test_encrypt_into_wants_the_exact_length(algorithm: Any, wrong: int) -> None:
    with pytest.raises(ValueError):
        algorithm.encrypt_into(IV, b"abc", b"", bytearray(19 + wrong))
    with pytest.raises(ValueError):
        algorithm.decrypt_into(IV, algorithm.encrypt(IV, b"abc", b""), b"", bytearray(3 + wrong))


def test_encrypt_into_refuses_bytes_as_destination(algorithm: Any) -> None:
    with pytest.raises((TypeError, BufferError)):
        algorithm.encrypt_into(IV, b"abc", b"", bytes(19))


def test_decrypt_into_refuses_a_changed_tag(algorithm: Any) -> None:
    sealed = bytearray(algorithm.encrypt(IV, b"abc", b""))
    sealed[-1] ^= 1
    with pytest.raises(InvalidTag):
        algorithm.decrypt_into(IV, sealed, b"", bytearray(3))


# -- sealing


@pytest.mark.parametrize("length", [1, 2047, 2048, MAX_PLAINTEXT])
def test_a_record_is_header_content_type_and_tag(algorithm: Any, length: int) -> None:
    data = os.urandom(length)
    writer = writer_of(tls13_protection(algorithm, IV, NO_LIMIT))
    writer.write(data, RecordingOwner())
    record = writer.data_to_send()
    assert record[:5] == b"\x17\x03\x03" + (length + 17).to_bytes(2, "big")
    assert algorithm.decrypt(IV, record[5:], record[:5]) == data + b"\x17"


def test_the_nonce_is_the_iv_xor_the_sequence_number(algorithm: Any) -> None:
    keys = tls13_protection(algorithm, IV, NO_LIMIT)
    writer = writer_of(keys)
    for number in range(260):
        assert keys.sequence_number == number
        writer.write(b"data", RecordingOwner())
        record = writer.data_to_send()
        assert algorithm.decrypt(nonce_of(IV, number), record[5:], record[:5]) == b"data\x17"


@pytest.mark.parametrize("number", [2**8, 2**16 - 1, 2**32, 2**32 + 2**31 + 7, 2**63, 2**64 - 2])
def test_the_nonce_uses_all_64_bits_of_the_sequence_number(algorithm: Any, number: int) -> None:
    keys = tls13_protection(algorithm, IV, 2**64)
    set_sequence_number(keys, number)
    writer = writer_of(keys)
    writer.write(b"data", RecordingOwner())
    record = writer.data_to_send()
    assert algorithm.decrypt(nonce_of(IV, number), record[5:], record[:5]) == b"data\x17"


def test_every_record_of_a_long_message_has_a_nonce_of_its_own(algorithm: Any) -> None:
    data = os.urandom(5 * MAX_PLAINTEXT + 1)
    writer = writer_of(tls13_protection(algorithm, IV, NO_LIMIT))
    writer.write(data, RecordingOwner())
    parts = [
        algorithm.decrypt(nonce_of(IV, number), record[5:], record[:5])
        for number, record in enumerate(split_records(writer.data_to_send()))
    ]
    assert [len(part) - 1 for part in parts] == [MAX_PLAINTEXT] * 5 + [1]
    assert b"".join(part[:-1] for part in parts) == data


def test_overhead_is_the_tag_and_the_inner_type() -> None:
    assert protection().overhead == 17


@pytest.mark.parametrize("length", [0, 11, 13])
def test_an_iv_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        tls13_protection(ALGORITHMS["AES-128-GCM"][0](bytes(16)), bytes(length), NO_LIMIT)


def test_no_secret_is_in_the_repr() -> None:
    text = repr(protection(0x41)) + repr(writer_of(protection(0x41)))
    assert "AAAA" not in text
    assert "41" * 8 not in text


# -- opening


@pytest.mark.parametrize("length", [1, 2047, 2048, MAX_PLAINTEXT])
def test_opens_what_cryptography_sealed(algorithm: Any, length: int) -> None:
    data = os.urandom(length)
    end = reader_of(tls13_protection(algorithm, IV, NO_LIMIT))
    for number in range(3):
        header = b"\x17\x03\x03" + (length + 17).to_bytes(2, "big")
        end.reader.feed(header + algorithm.encrypt(nonce_of(IV, number), data + b"\x17", header))
        assert end.reader.read(length, end.owner) == data


@pytest.mark.parametrize("content", [b"", b"x", b"\0", b"seventeen bytes..", b"ends in zero\0\0"])
def test_padding_of_every_length_is_stripped(content: bytes) -> None:
    for padding in range(300):
        assert read_all(inner_record(0, content + b"\x17" + bytes(padding)) + inner_record(1, b"next\x17")) == (
            content + b"next"
        )


def test_padding_up_to_the_largest_record_is_stripped() -> None:
    for length in (0, 1, 1000, MAX_PLAINTEXT - 1, MAX_PLAINTEXT):
        content = b"\x01" * length
        padded = inner_record(0, content + b"\x17" + bytes(MAX_PLAINTEXT - length))
        assert read_all(padded + inner_record(1, b"next\x17")) == content + b"next"


@pytest.mark.parametrize("length", [0, 1, 100, MAX_PLAINTEXT + 1])
def test_padding_alone_is_refused(length: int) -> None:
    end = End()
    end.reader.feed(inner_record(0, bytes(length)))
    with refused(Reason.NO_CONTENT_TYPE):
        end.reader.read(100, end.owner)


def test_a_record_too_short_for_its_tag_is_refused() -> None:
    for length in range(16):
        end = End()
        end.reader.feed(b"\x17\x03\x03" + length.to_bytes(2, "big") + bytes(length))
        with refused(Reason.BAD_RECORD_MAC):
            end.reader.read(100, end.owner)


# -- sizes (RFC 9846 sections 5.1, 5.2, 5.4)


def test_content_of_2_14_bytes_is_accepted() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"x" * MAX_PLAINTEXT + b"\x17"))
    assert end.reader.read(MAX_PLAINTEXT, end.owner) == b"x" * MAX_PLAINTEXT


@pytest.mark.parametrize("inner", [b"x" * 16385 + b"\x17", b"x\x17" + bytes(16384), b"x" * 16623 + b"\x17"])
def test_an_inner_plaintext_of_more_than_2_14_plus_1_bytes_is_refused(inner: bytes) -> None:
    end = End()
    end.reader.feed(inner_record(0, inner))
    with refused(Reason.RECORD_OVERFLOW):
        end.reader.read(20000, end.owner)


def test_a_protected_length_above_2_14_plus_256_is_refused_by_its_header() -> None:
    end = End()
    end.reader.feed(b"\x17\x03\x03" + (16384 + 256).to_bytes(2, "big"))
    assert end.reader.advance(end.owner) == WANT_READ
    end = End()
    end.reader.feed(b"\x17\x03\x03" + (16384 + 257).to_bytes(2, "big"))
    with refused(Reason.RECORD_OVERFLOW):
        end.reader.advance(end.owner)


def test_an_unprotected_length_above_2_14_is_refused_by_its_header() -> None:
    end = End(key=None, application=False)
    end.reader.feed(plain_record(22, bytes(16384))[:5])
    assert end.reader.advance(end.owner) == WANT_READ
    end = End(key=None, application=False)
    end.reader.feed(b"\x16\x03\x03" + (16385).to_bytes(2, "big"))
    with refused(Reason.RECORD_OVERFLOW):
        end.reader.advance(end.owner)


# -- authentication


@pytest.mark.parametrize("position", [0, 1, 3, 4, 5, 6, 2000, -17, -16, -1])
def test_a_changed_byte_anywhere_is_noticed(algorithm: Any, position: int) -> None:
    header = b"\x17\x03\x03" + (3000 + 17).to_bytes(2, "big")
    record = bytearray(header + algorithm.encrypt(IV, bytes(3000) + b"\x17", header))
    record[position] ^= 1
    end = reader_of(tls13_protection(algorithm, IV, NO_LIMIT))
    end.reader.feed(bytes(record) + bytes(300))
    with pytest.raises(TLSError) as caught:
        end.reader.read(4000, end.owner)
    expected = Reason.BAD_RECORD_MAC
    if position == 0:
        expected = Reason.UNPROTECTED_RECORD
    elif position == 1:
        expected = Reason.NOT_TLS
    assert caught.value.reason is expected


@pytest.mark.parametrize("length", [10, 3000, MAX_PLAINTEXT])
def test_a_record_that_fails_leaves_nothing_in_the_destination(algorithm: Any, length: int) -> None:
    header = b"\x17\x03\x03" + (length + 17).to_bytes(2, "big")
    record = bytearray(header + algorithm.encrypt(IV, b"S" * length + b"\x17", header))
    record[-1] ^= 1
    end = reader_of(tls13_protection(algorithm, IV, NO_LIMIT))
    destination = bytearray(b"\xaa" * (length + 100))
    with refused(Reason.BAD_RECORD_MAC):
        end.reader.open_into(record, destination, end.owner)
    assert destination == bytes(length + 1) + b"\xaa" * 99, "zero where the AEAD may have written, else untouched"


def test_an_aead_that_breaks_down_leaves_nothing_in_the_destination() -> None:
    class Broken:
        def decrypt_into(self, nonce: bytes, data: Any, header: bytes, out: Any) -> int:
            memoryview(out)[:] = b"S" * len(memoryview(out))
            raise MemoryError

    end = reader_of(tls13_protection(Broken(), IV, NO_LIMIT))
    destination = bytearray(100)
    with pytest.raises(MemoryError):
        end.reader.open_into(b"\x17\x03\x03\x00\x20" + bytes(32), destination, end.owner)
    assert destination == bytes(100)
    with refused(Reason.INTERNAL):
        end.reader.read(1, end.owner)


def test_records_in_another_order_are_refused() -> None:
    sender, end = End(), End()
    first, second = sender.seal(b"first"), sender.seal(b"second")
    end.reader.feed(second + first)
    with refused(Reason.BAD_RECORD_MAC):
        end.reader.read(100, end.owner)


# -- usage limits (RFC 9846 sections 5.3 and 5.5)


def test_a_key_seals_exactly_as_many_records_as_it_may() -> None:
    keys = protection(limit=4)
    writer, owner = writer_of(keys), RecordingOwner()
    for _ in range(4):
        writer.write(b"x", owner)
    assert len(split_records(writer.data_to_send())) == 4
    with refused(Reason.SEND_KEY_EXHAUSTED):
        writer.write(b"x", owner)
    assert writer.data_to_send() == b""
    assert keys.sequence_number == 4


def test_a_batch_beyond_the_limit_is_refused_before_any_of_it_is_sealed() -> None:
    keys = protection(limit=4)
    writer, owner = writer_of(keys), RecordingOwner()
    writer.write(b"x", owner)
    with refused(Reason.SEND_KEY_EXHAUSTED):
        writer.write(bytes(3 * MAX_PLAINTEXT + 1), owner)
    assert keys.sequence_number == 1
    writer.queue_key(protection(2))
    writer.write(b"y", owner)
    assert len(split_records(writer.data_to_send())) == 2


def test_the_owner_is_told_in_time_and_its_key_update_goes_first() -> None:
    writer = RecordWriter()
    writer.queue_key(protection(1, limit=4))
    writer.open_application()

    class Renewing(RecordingOwner):
        def on_send_limit(self) -> None:
            super().on_send_limit()
            writer.queue_key_update(b"\x18\0\0\x01\0", protection(2))

    owner = Renewing()
    for _ in range(3):
        writer.write(b"x", owner)
    assert owner.limits == 1
    end = End()

    def renew(message: bytes, /) -> bool:
        end.owner.messages.append(message)
        end.reader.set_key(protection(2))
        return True

    end.owner.on_handshake_message = renew  # type: ignore[method-assign]
    end.reader.feed(writer.data_to_send())
    assert end.reader.read(10, end.owner) == b"xxx"
    assert end.owner.messages == [b"\x18\0\0\x01\0"]


def test_a_huge_write_renews_its_keys_on_the_way() -> None:
    keys = [protection(1, limit=100)]
    writer = writer_of(keys[0])

    class Renewing(RecordingOwner):
        def on_send_limit(self) -> None:
            keys.append(protection(2, limit=100))
            writer.queue_key_update(b"\x18\0\0\x01\0", keys[-1])

    assert writer.write(bytes(150 * MAX_PLAINTEXT), Renewing()) == 150 * MAX_PLAINTEXT
    assert len(keys) >= 3
    assert all(one.sequence_number <= 100 for one in keys)


def test_the_sending_sequence_number_never_wraps() -> None:
    keys = protection(limit=2**64)
    writer, owner = writer_of(keys), RecordingOwner()
    set_sequence_number(keys, 2**64 - 2)
    writer.write(b"x", owner)
    with refused(Reason.SEND_KEY_EXHAUSTED):
        writer.write(b"x", owner)
    assert keys.sequence_number == 2**64 - 1


def test_the_receiving_sequence_number_never_wraps() -> None:
    keys = protection()
    set_sequence_number(keys, 2**64 - 2)
    end = reader_of(keys)
    end.reader.feed(inner_record(2**64 - 2, b"last\x17") + inner_record(2**64 - 1, b"over\x17"))
    assert end.reader.read(100, end.owner) == b"last"
    with refused(Reason.RECEIVE_KEY_EXHAUSTED):
        end.reader.read(100, end.owner)


def test_seal_into_stops_at_the_limit() -> None:
    keys = protection(limit=4)
    writer, owner = writer_of(keys), RecordingOwner()
    writer.data_to_send()
    out = bytearray(20 * MAX_PLAINTEXT)
    taken, written = writer.seal_into(bytes(10 * MAX_PLAINTEXT), out, owner)
    assert (taken, len(split_records(bytes(out[:written])))) == (4 * MAX_PLAINTEXT, 4)
    with refused(Reason.SEND_KEY_EXHAUSTED):
        writer.seal_into(b"x", out, owner)


def test_a_key_change_without_a_key_never_turns_protection_off() -> None:
    writer = writer_of(protection())
    writer.queue_key(lambda: None)  # type: ignore[arg-type,return-value]
    with refused(Reason.INTERNAL):
        writer.write(b"secret", RecordingOwner())
    assert writer.data_to_send() == b""
    with refused(Reason.INTERNAL):
        writer.write(b"secret", RecordingOwner())


def test_no_key_means_no_application_data() -> None:
    writer = RecordWriter()
    writer.open_application()
    with pytest.raises(ApiMisuse):
        writer.write(b"secret", RecordingOwner())
    with pytest.raises(ApiMisuse):
        writer.seal_into(b"secret", bytearray(100), RecordingOwner())
    assert writer.data_to_send() == b""


def test_objects_of_another_kind_are_refused_where_a_key_is_wanted() -> None:
    end = End()
    with pytest.raises(TypeError):
        end.reader.set_key(None)  # type: ignore[arg-type]
    assert end.reader.protected
    assert end.reader.open_into(inner_record(0, b"x\x17"), bytearray(9), end.owner)[1:] == (1, WANT_READ)
    assert end.reader.open_into(inner_record(1, b"xyz\x17"), bytearray(2), end.owner)[1:] == (2, HAVE_DATA)
