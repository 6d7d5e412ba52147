"""Each handshake message: an example written by hand both ways, and what is refused with which reason."""

from __future__ import annotations

import hashlib

import pytest

from tlsocket.errors import ApiMisuse, InvalidMessage, PeerMisbehaved, Reason, alert_for
from tlsocket.extensions import (
    CertificateEntryExtensions,
    CertificateRequestExtensions,
    ClientHelloExtensions,
    EncryptedExtensionsExtensions,
    HelloRetryRequestExtensions,
    NewSessionTicketExtensions,
    ServerHelloExtensions,
)
from tlsocket.messages import (
    DOWNGRADE_TO_TLS_1_1,
    DOWNGRADE_TO_TLS_1_2,
    HELLO_RETRY_REQUEST_RANDOM,
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    Finished,
    HelloRetryRequest,
    KeyUpdate,
    Message,
    NewSessionTicket,
    ServerHello,
    parse,
)
from tlsocket.registry import AlertDescription, HandshakeType

RANDOM = bytes(range(32))

EXAMPLES: list[tuple[Message, str]] = [
    (
        ClientHello(
            0x0303, RANDOM, b"id", (0x1301, 0x1303), b"\0", ClientHelloExtensions(supported_versions=(0x0304,))
        ),
        "01 000036 0303" + RANDOM.hex() + "02 6964 0004 1301 1303 01 00 0007 002b 0003 02 0304",
    ),
    (
        ClientHello(0x0303, RANDOM, b"", (0xC02F,), b"\0"),
        "01 000029 0303" + RANDOM.hex() + "00 0002 c02f 01 00",
    ),
    (
        ServerHello(0x0303, RANDOM, b"id", 0x1301, 0, ServerHelloExtensions(supported_version=0x0304)),
        "02 000030 0303" + RANDOM.hex() + "02 6964 1301 00 0006 002b 0002 0304",
    ),
    (ServerHello(0x0303, RANDOM, b"", 0xC02F), "02 000026 0303" + RANDOM.hex() + "00 c02f 00"),
    (
        HelloRetryRequest(
            0x0303, HELLO_RETRY_REQUEST_RANDOM, b"", 0x1301, 0, HelloRetryRequestExtensions(key_share_group=0x0017)
        ),
        "02 00002e 0303" + HELLO_RETRY_REQUEST_RANDOM.hex() + "00 1301 00 0006 0033 0002 0017",
    ),
    (EncryptedExtensions(EncryptedExtensionsExtensions()), "08 000002 0000"),
    (
        CertificateRequest(b"ctx", CertificateRequestExtensions(signature_algorithms=(0x0403,))),
        "0d 00000e 03 637478 0008 000d 0004 0002 0403",
    ),
    (Certificate(b"", ()), "0b 000004 00 000000"),
    (
        Certificate(
            b"c", (CertificateEntry(b"leaf", CertificateEntryExtensions(status_request=b"s")), CertificateEntry(b"ca"))
        ),
        "0b 00001a 01 63 000015 000004 6c656166 0005 0005 0001 73 000002 6361 0000",
    ),
    (CertificateVerify(0x0403, b"sig"), "0f 000007 0403 0003 736967"),
    (Finished(RANDOM), "14 000020" + RANDOM.hex()),
    (
        NewSessionTicket(7200, 0x01020304, b"\0", b"ticket", NewSessionTicketExtensions(early_data=0x4000)),
        "04 00001c 00001c20 01020304 01 00 0006 7469636b6574 0008 002a 0004 00004000",
    ),
    (KeyUpdate(False), "18 000001 00"),
    (KeyUpdate(True), "18 000001 01"),
]


def with_header(msg_type: int, body: str) -> bytes:
    data = bytes.fromhex(body)
    return bytes([msg_type]) + len(data).to_bytes(3, "big") + data


@pytest.mark.parametrize(("message", "encoded"), EXAMPLES)
def test_reads_the_example(message: Message, encoded: str) -> None:
    parsed = parse(bytes.fromhex(encoded))
    assert type(parsed) is type(message)
    assert parsed == message


@pytest.mark.parametrize(("message", "encoded"), EXAMPLES)
def test_writes_the_example(message: Message, encoded: str) -> None:
    assert message.encode().hex() == encoded.replace(" ", "")


@pytest.mark.parametrize(("message", "encoded"), [row for row in EXAMPLES if not isinstance(row[0], Finished)])
def test_refuses_a_byte_behind_the_last_field(message: Message, encoded: str) -> None:
    body = bytes.fromhex(encoded)[4:]
    # Behind a hello without extensions, the byte is the beginning of their length.
    no_extensions = isinstance(message, ClientHello | ServerHello) and not message.extensions.present
    with pytest.raises(InvalidMessage) as caught:
        parse(with_header(message.msg_type, body.hex() + "00"))
    assert caught.value.reason is (Reason.TRUNCATED_MESSAGE if no_extensions else Reason.TRAILING_DATA)
    assert alert_for(caught.value) is AlertDescription.DECODE_ERROR


@pytest.mark.parametrize(("message", "encoded"), EXAMPLES)
def test_refuses_a_header_whose_length_is_not_that_of_the_message(message: Message, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    with pytest.raises(InvalidMessage) as caught:
        parse(data + b"\0")
    assert caught.value.reason is Reason.TRAILING_DATA
    with pytest.raises(InvalidMessage) as caught:
        parse(data[:-1])
    assert caught.value.reason is Reason.TRUNCATED_MESSAGE


@pytest.mark.parametrize("length", range(4))
def test_refuses_a_header_that_is_cut(length: int) -> None:
    with pytest.raises(InvalidMessage) as caught:
        parse(b"\x14\0\0\0"[:length])
    assert caught.value.reason is Reason.TRUNCATED_MESSAGE


@pytest.mark.parametrize(
    "msg_type",
    [
        HandshakeType.HELLO_REQUEST,
        HandshakeType.END_OF_EARLY_DATA,
        HandshakeType.SERVER_KEY_EXCHANGE,
        HandshakeType.MESSAGE_HASH,
        99,
    ],
)
def test_refuses_a_type_that_has_no_place_in_any_state(msg_type: int) -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        parse(with_header(msg_type, ""))
    assert caught.value.reason is Reason.UNEXPECTED_MESSAGE
    assert alert_for(caught.value) is AlertDescription.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(
    ("msg_type", "body", "reason"),
    [
        (1, "0303" + RANDOM.hex() + "21" + "00" * 33 + "0002 1301 01 00", Reason.LENGTH_OUT_OF_RANGE),
        (1, "0303" + RANDOM.hex() + "00 0000 01 00", Reason.LENGTH_OUT_OF_RANGE),
        (1, "0303" + RANDOM.hex() + "00 0003 130113 01 00", Reason.LENGTH_OUT_OF_RANGE),
        (1, "0303" + RANDOM.hex() + "00 0002 1301 00", Reason.LENGTH_OUT_OF_RANGE),
        (2, "0303" + RANDOM.hex() + "21" + "00" * 33 + "1301 00", Reason.LENGTH_OUT_OF_RANGE),
        (2, "0303" + HELLO_RETRY_REQUEST_RANDOM.hex() + "00 1301 00", Reason.TRUNCATED_MESSAGE),
        (11, "00 000005 000000 0000", Reason.LENGTH_OUT_OF_RANGE),
        (11, "00 000004 000001 61", Reason.TRUNCATED_MESSAGE),
        (4, "00000000 00000000 00 0000 0000", Reason.LENGTH_OUT_OF_RANGE),
    ],
)
def test_refuses_a_vector_whose_length_its_type_does_not_allow(msg_type: int, body: str, reason: Reason) -> None:
    with pytest.raises(InvalidMessage) as caught:
        parse(with_header(msg_type, body))
    assert caught.value.reason is reason


@pytest.mark.parametrize("value", [2, 255])
def test_refuses_a_key_update_that_asks_neither_yes_nor_no(value: int) -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        parse(bytes([24, 0, 0, 1, value]))
    assert caught.value.reason is Reason.KEY_UPDATE_VALUE
    assert alert_for(caught.value) is AlertDescription.ILLEGAL_PARAMETER


def test_the_random_of_a_hello_retry_request_is_what_the_rfc_hashes() -> None:
    assert hashlib.sha256(b"HelloRetryRequest").digest() == HELLO_RETRY_REQUEST_RANDOM


def test_the_downgrade_sentinels_are_those_of_the_rfc() -> None:
    assert DOWNGRADE_TO_TLS_1_2.hex(" ").upper() == "44 4F 57 4E 47 52 44 01"
    assert DOWNGRADE_TO_TLS_1_1.hex(" ").upper() == "44 4F 57 4E 47 52 44 00"


def test_a_random_that_only_begins_like_that_of_a_hello_retry_request_is_a_server_hello() -> None:
    random = HELLO_RETRY_REQUEST_RANDOM[:-1] + b"\0"
    assert isinstance(parse(ServerHello(0x0303, random, b"", 0x1301).encode()), ServerHello)


def test_a_server_hello_of_tls_1_2_can_be_read() -> None:
    body = "0303" + RANDOM.hex() + "00 c02f 00 000b ff01 0001 00 000b 0002 0100"
    message = parse(with_header(2, body.replace(" ", "")))
    assert isinstance(message, ServerHello)
    assert message.extensions.supported_version is None
    assert message.extensions.present == (0xFF01, 11)


def test_a_ticket_is_not_in_the_repr() -> None:
    message = NewSessionTicket(7200, 123456789, b"nonce", b"ticket", NewSessionTicketExtensions())
    assert "7200" in repr(message)
    assert not any(value in repr(message) for value in ("123456789", "nonce=", "ticket'"))


@pytest.mark.parametrize(
    "message",
    [
        ClientHello(0x0303, RANDOM, bytes(256), (0x1301,)),
        ClientHello(0x10000, RANDOM, b"", (0x1301,)),
        CertificateVerify(0x0403, bytes(0x10000)),
        NewSessionTicket(2**32, 0, b"", b"t", NewSessionTicketExtensions()),
    ],
)
def test_does_not_write_what_does_not_fit_its_field(message: Message) -> None:
    with pytest.raises(ApiMisuse):
        message.encode()
