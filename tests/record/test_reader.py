"""Opening without a descriptor: de-framing, handshake reassembly, what is refused, and the calls of the sans-IO face.

RFC 9846 sections 5.1, 5.2, 5.4 and 6. What the system calls do is in test_laws.py, the AEADs in test_protection.py.
"""

from __future__ import annotations

import os

import pytest

from tests.record.support import (
    End,
    RecordingOwner,
    inner_record,
    message,
    plain_record,
    protection,
    refused,
)
from tlsocket._record import (
    CLOSED,
    MAX_PLAINTEXT,
    STOPPED,
    WANT_READ,
)
from tlsocket.errors import AlertReceived, InvalidMessage, Reason, TLSError

CHANGE_CIPHER_SPEC = plain_record(20, b"\x01")
CLOSE_NOTIFY = b"\x01\x00\x15"


def bare() -> End:
    """Before any key: the state of the first flight."""
    return End(key=None, application=False)


def stream_of_everything() -> tuple[bytes, bytes, list[bytes]]:
    """A protected stream with data, tickets, split and coalesced messages, padding and a close_notify."""
    one, two, three = message(4, b"a" * 40), message(4, b""), message(4, b"b" * 20)
    inners = [
        b"hello \x17",
        one + two + b"\x16",
        b"\x17\0\0\0",
        three[:3] + b"\x16",
        three[3:9] + b"\x16",
        three[9:] + b"\x16\0",
        b"world\x17",
        CLOSE_NOTIFY,
    ]
    stream = b"".join(inner_record(number, inner) for number, inner in enumerate(inners))
    return stream, b"hello world", [one, two, three]


def drain(end: End, size: int = 100) -> bytes:
    """Read until there is no more; the close_notify counts as no more."""
    received = b""
    while isinstance(part := end.reader.read(size, end.owner), bytes) and part:
        received += part
    return received


# -- de-framing


def test_a_stream_cut_in_two_at_every_byte_is_read_the_same() -> None:
    stream, data, messages = stream_of_everything()
    for cut in range(len(stream) + 1):
        end = End()
        end.reader.feed(stream[:cut])
        received = drain(end)
        end.reader.feed(stream[cut:])
        received += drain(end)
        assert (received, end.owner.messages, end.owner.closed) == (data, messages, 1), cut


@pytest.mark.parametrize("step", [1, 2, 3, 5, 21, 22, 23])
def test_a_stream_in_small_pieces_is_read_the_same(step: int) -> None:
    stream, data, messages = stream_of_everything()
    end = End()
    received = b""
    for start in range(0, len(stream), step):
        end.reader.feed(stream[start : start + step])
        received += drain(end, 3)
    assert (received, end.owner.messages, end.owner.closed) == (data, messages, 1)


def test_every_size_of_read_gets_the_same_bytes() -> None:
    stream, data, messages = stream_of_everything()
    for size in range(1, 30):
        end = End()
        end.reader.feed(stream)
        assert drain(end, size) == data
        assert end.owner.messages == messages


def test_unprotected_messages_cut_at_every_byte_are_delivered_whole() -> None:
    one, two = message(1, b"client hello"), message(2, b"server")
    stream = plain_record(22, one[:5]) + plain_record(22, one[5:] + two)
    for cut in range(len(stream) + 1):
        end = bare()
        end.reader.feed(stream[:cut])
        end.reader.advance(end.owner)
        end.reader.feed(stream[cut:])
        assert end.reader.advance(end.owner) == WANT_READ
        assert end.owner.messages == [one, two]


# -- handshake messages


def test_several_messages_in_one_record_come_one_by_one() -> None:
    end = bare()
    end.owner.go_on = False
    one, two, three = message(1, b"x"), message(2, b""), message(3, b"yy")
    end.reader.feed(plain_record(22, one + two + three[:2]) + plain_record(22, three[2:]))
    assert end.reader.advance(end.owner) == STOPPED
    assert end.owner.messages == [one]
    assert end.reader.advance(end.owner) == STOPPED
    assert end.owner.messages == [one, two]
    assert end.reader.advance(end.owner) == STOPPED
    assert end.owner.messages == [one, two, three]
    assert end.reader.advance(end.owner) == WANT_READ


def test_one_message_over_many_records_of_one_byte() -> None:
    end = bare()
    whole = message(11, os.urandom(300))
    for byte in whole:
        assert end.owner.messages == []
        end.reader.feed(plain_record(22, bytes([byte])))
        assert end.reader.advance(end.owner) == WANT_READ
    assert end.owner.messages == [whole]


def test_a_message_longer_than_a_record() -> None:
    end = bare()
    whole = message(11, os.urandom(40000))
    for start in range(0, len(whole), MAX_PLAINTEXT):
        end.reader.feed(plain_record(22, whole[start : start + MAX_PLAINTEXT]))
    assert end.reader.advance(end.owner) == WANT_READ
    assert end.owner.messages == [whole]


def test_the_size_limit_is_judged_by_the_header_alone() -> None:
    end = bare()
    end.reader.max_handshake_message = 1000
    end.reader.feed(plain_record(22, message(11, bytes(1000))))
    assert end.reader.advance(end.owner) == WANT_READ
    assert len(end.owner.messages) == 1
    end.reader.feed(plain_record(22, b"\x0b" + (1001).to_bytes(3, "big")))
    with refused(Reason.HANDSHAKE_MESSAGE_TOO_LARGE):
        end.reader.advance(end.owner)


def test_an_empty_handshake_record_is_refused() -> None:
    for end, record in ((bare(), plain_record(22, b"")), (End(), inner_record(0, b"\x16"))):
        end.reader.feed(record)
        with refused(Reason.EMPTY_MESSAGE_FRAGMENT):
            end.reader.advance(end.owner)


@pytest.mark.parametrize("between", [b"data\x17", b"\x17", b"\x01\x5a\x15"], ids=["data", "empty", "warning"])
def test_nothing_may_come_between_the_parts_of_a_message(between: bytes) -> None:
    whole = message(4, b"ticket")
    for read in (False, True):
        end = End()
        end.reader.feed(inner_record(0, whole[:6] + b"\x16") + inner_record(1, between))
        with refused(Reason.INTERLEAVED_HANDSHAKE):
            end.reader.read(100, end.owner) if read else end.reader.advance(end.owner)
        assert end.owner.messages == []


def test_a_change_cipher_spec_may_not_come_between_the_parts_of_a_message() -> None:
    end = bare()
    end.reader.change_cipher_spec_allowed = True
    end.reader.feed(plain_record(22, message(2, b"hello")[:5]) + CHANGE_CIPHER_SPEC)
    with refused(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC):
        end.reader.advance(end.owner)


def test_a_close_notify_within_a_message_is_still_an_end() -> None:
    end = End()
    end.reader.feed(inner_record(0, message(4, b"ticket")[:6] + b"\x16") + inner_record(1, CLOSE_NOTIFY))
    assert end.reader.read(100, end.owner) == b""
    assert end.reader.read(100, end.owner) == b""
    assert end.owner.messages == []


# -- keys


def test_a_key_change_with_part_of_a_message_pending_is_refused() -> None:
    end = bare()
    end.reader.feed(plain_record(22, message(2, b"whole") + b"\x08"))
    seen = []

    def change(whole: bytes, /) -> bool:
        seen.append(whole)
        end.reader.set_key(protection())
        return True

    end.owner.on_handshake_message = change  # type: ignore[method-assign]
    with refused(Reason.KEY_CHANGE_NOT_ALIGNED):
        end.reader.advance(end.owner)
    assert seen == [message(2, b"whole")]
    assert not end.reader.protected
    assert [error.reason for error in end.owner.failures if isinstance(error, TLSError)] == [
        Reason.KEY_CHANGE_NOT_ALIGNED
    ]


def test_a_key_change_on_the_border_of_a_message_takes_effect_for_the_next_record() -> None:
    end = bare()

    def change(whole: bytes, /) -> bool:
        end.owner.messages.append(whole)
        end.reader.set_key(protection(7))
        return True

    end.owner.on_handshake_message = change  # type: ignore[method-assign]
    second = message(8, b"protected")
    end.reader.feed(plain_record(22, message(2, b"hello")) + inner_record(0, second + b"\x16", key=7))
    assert end.reader.advance(end.owner) == WANT_READ
    assert end.owner.messages == [message(2, b"hello"), second]


def test_unprotected_records_are_refused_once_there_are_keys() -> None:
    for content_type in (21, 22):
        end = End()
        end.reader.feed(plain_record(content_type, b"\x01\x00"))
        with refused(Reason.UNPROTECTED_RECORD):
            end.reader.advance(end.owner)
        assert end.owner.closed == 0


def test_application_data_without_protection_is_refused_in_any_state() -> None:
    for application in (False, True):
        end = End(key=None, application=application)
        end.reader.feed(plain_record(23, b"data"))
        with refused(Reason.UNEXPECTED_APPLICATION_DATA):
            end.reader.advance(end.owner)


@pytest.mark.parametrize("inner", [b"data\x17", b"\x17"])
def test_application_data_before_it_is_due_is_refused(inner: bytes) -> None:
    end = End(application=False)
    end.reader.feed(inner_record(0, inner))
    with refused(Reason.UNEXPECTED_APPLICATION_DATA):
        end.reader.read(100, end.owner)


@pytest.mark.parametrize("content_type", [1, 19, 20, 24, 255])
def test_an_unknown_type_inside_protection_is_refused(content_type: int) -> None:
    end = End()
    end.reader.feed(inner_record(0, b"x" + bytes([content_type])))
    with refused(Reason.UNKNOWN_CONTENT_TYPE):
        end.reader.read(10, end.owner)


# -- first bytes


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        *(
            (line, Reason.HTTP_REQUEST)
            for line in ("GET / HTTP/1.1", "POST /x", "HEAD /", "PUT /a", "OPTIONS *", "DELETE /")
        ),
        ("CONNECT a:1", Reason.HTTPS_PROXY_REQUEST),
        ("HTTP/1.1 400", Reason.HTTP_RESPONSE),
    ],
)
def test_plain_http_is_named(line: str, reason: Reason) -> None:
    end = bare()
    end.reader.feed(line.encode())
    with refused(reason):
        end.reader.advance(end.owner)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x", b"\x16\x02\x00\x00\x05", b"\x13\x03\x03\0\1", b"\x18\x03\x03\0\1", bytes(5)]
)
def test_what_is_not_tls_is_named(data: bytes) -> None:
    end = bare()
    end.reader.feed(data)
    with refused(Reason.NOT_TLS):
        end.reader.advance(end.owner)


def test_an_unknown_type_later_is_another_error() -> None:
    end = bare()
    end.reader.feed(plain_record(22, message(1, b"")) + b"GET / HTTP")
    with refused(Reason.UNKNOWN_CONTENT_TYPE):
        end.reader.advance(end.owner)


def test_the_minor_version_of_a_record_is_ignored() -> None:
    end = bare()
    end.reader.feed(b"\x16\x03\x01" + plain_record(22, message(1, b""))[3:])
    end.reader.feed(b"\x16\x03\x09" + plain_record(22, message(1, b""))[3:])
    assert end.reader.advance(end.owner) == WANT_READ
    assert len(end.owner.messages) == 2


# -- change_cipher_spec (RFC 9846 section 5)


@pytest.mark.parametrize("key", [None, 1])
def test_change_cipher_spec_is_dropped_where_it_is_allowed(key: int | None) -> None:
    end = End(key=key, application=False)
    end.reader.change_cipher_spec_allowed = True
    end.reader.feed(CHANGE_CIPHER_SPEC)
    assert end.reader.advance(end.owner) == WANT_READ
    assert end.owner == RecordingOwner()


@pytest.mark.parametrize("key", [None, 1])
def test_change_cipher_spec_is_refused_where_it_is_not_allowed(key: int | None) -> None:
    end = End(key=key, application=False)
    end.reader.feed(CHANGE_CIPHER_SPEC)
    with refused(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC):
        end.reader.advance(end.owner)


@pytest.mark.parametrize("body", [b"", b"\0", b"\x02", b"\x01\x01", bytes(17)])
@pytest.mark.parametrize("key", [None, 1])
def test_a_change_cipher_spec_of_another_shape_is_refused(key: int | None, body: bytes) -> None:
    end = End(key=key, application=False)
    end.reader.change_cipher_spec_allowed = True
    end.reader.feed(plain_record(20, body))
    with refused(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC):
        end.reader.advance(end.owner)


# -- budgets (law 9)


def test_more_than_32_change_cipher_specs_are_refused() -> None:
    end = bare()
    end.reader.change_cipher_spec_allowed = True
    end.reader.feed(CHANGE_CIPHER_SPEC * 32)
    assert end.reader.advance(end.owner) == WANT_READ
    end.reader.feed(CHANGE_CIPHER_SPEC)
    with refused(Reason.TOO_MANY_CHANGE_CIPHER_SPECS):
        end.reader.advance(end.owner)


@pytest.mark.parametrize("padding", [0, 50])
def test_more_than_32_empty_records_in_a_row_are_refused(padding: int) -> None:
    end = End()
    for number in range(32):
        end.reader.feed(inner_record(number, b"\x17" + bytes(padding)))
    assert end.reader.read(100, end.owner) == WANT_READ
    end.reader.feed(inner_record(32, b"\x17" + bytes(padding)))
    with refused(Reason.TOO_MANY_EMPTY_RECORDS):
        end.reader.read(100, end.owner)


def test_data_between_empty_records_starts_the_count_again() -> None:
    end = End()
    for number in range(0, 96, 2):
        end.reader.feed(inner_record(number, b"\x17") + inner_record(number + 1, b"x\x17"))
    assert drain(end) == b"x" * 48


# -- alerts (RFC 9846 section 6)


@pytest.mark.parametrize("body", [b"\x01", b"\x02\x28\0", b"\x02\x28" * 2])
def test_an_alert_that_is_not_two_bytes_is_refused(body: bytes) -> None:
    for end, record in ((bare(), plain_record(21, body)), (End(), inner_record(0, body + b"\x15"))):
        end.reader.feed(record)
        with pytest.raises(InvalidMessage) as caught:
            end.reader.advance(end.owner)
        assert caught.value.reason is Reason.INVALID_ALERT


def test_an_empty_alert_is_refused() -> None:
    for end, record in ((bare(), plain_record(21, b"")), (End(), inner_record(0, b"\x15"))):
        end.reader.feed(record)
        with refused(Reason.EMPTY_MESSAGE_FRAGMENT):
            end.reader.advance(end.owner)


def test_alerts_reach_the_owner_and_it_may_stop_or_raise() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"\x01\x5a\x15") + inner_record(1, b"x\x17"))
    assert end.reader.read(10, end.owner) == b"x"
    assert end.owner.alerts == [(1, 90)]

    end = End()
    end.owner.go_on = False
    end.reader.feed(inner_record(0, b"\x01\x5a\x15") + inner_record(1, b"x\x17"))
    assert end.reader.read(10, end.owner) == STOPPED
    assert end.reader.read(10, end.owner) == b"x"

    end = End()

    def fatal(level: int, description: int, /) -> bool:
        raise AlertReceived(level, description)

    end.owner.on_alert = fatal  # type: ignore[method-assign]
    end.reader.feed(inner_record(0, b"\x02\x28\x15"))
    for _ in range(3):
        with pytest.raises(AlertReceived) as caught:
            end.reader.read(10, end.owner)
        assert (caught.value.level, caught.value.description) == (2, 40)


def test_a_close_notify_ends_the_stream_for_good() -> None:
    end = End()
    end.reader.feed(inner_record(0, b"x\x17") + inner_record(1, CLOSE_NOTIFY) + inner_record(2, b"y\x17"))
    assert end.reader.read(10, end.owner) == b"x"
    for _ in range(3):
        assert end.reader.read(10, end.owner) == b""
        assert end.reader.advance(end.owner) == CLOSED
        assert end.reader.read_into(bytearray(4), 0, end.owner) == 0
    assert end.owner.closed == 1


def test_an_unprotected_alert_is_accepted_only_until_the_first_record_opens() -> None:
    end = End()
    end.reader.set_key(protection(), True)
    end.reader.feed(plain_record(21, b"\x02\x28"))
    assert end.reader.advance(end.owner) == WANT_READ
    assert end.owner.alerts == [(2, 40)]
    end.reader.feed(inner_record(0, b"x\x17"))
    assert end.reader.read(10, end.owner) == b"x"
    end.reader.feed(plain_record(21, b"\x02\x28"))
    with refused(Reason.UNPROTECTED_RECORD):
        end.reader.advance(end.owner)


def test_a_later_key_does_not_inherit_the_unprotected_alert() -> None:
    end = End()
    end.reader.set_key(protection(), True)
    end.reader.set_key(protection(2))
    end.reader.feed(plain_record(21, b"\x02\x28"))
    with refused(Reason.UNPROTECTED_RECORD):
        end.reader.advance(end.owner)
