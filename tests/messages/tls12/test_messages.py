"""The messages of TLS 1.2: what is written is read back, and bytes that are cut, added or odd are decode errors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsocket.errors import InvalidMessage, PeerMisbehaved, Reason
from tlsocket.extensions import Tls12ServerHelloExtensions
from tlsocket.messages import tls12
from tlsocket.messages.handshake_message import HandshakeMessage

EXAMPLES: list[tuple[HandshakeMessage, str]] = [
    (tls12.HelloRequest(), "00000000"),
    (tls12.ServerHelloDone(), "0e000000"),
    (tls12.Tls12Certificate((b"ab", b"c")), "0b00000c 000009 0000026162 00000163"),
    (tls12.Tls12Certificate(()), "0b000003 000000"),
    (tls12.ServerKeyExchange(0x001D, b"\1\2", 0x0403, b"sig"), "0c00000d 03001d 020102 0403 0003736967"),
    (tls12.ClientKeyExchange(b"\4\5\6"), "10000004 03040506"),
    (
        tls12.Tls12CertificateRequest(b"\x40\1", (0x0403, 0x0804), (b"\x30\0",)),
        "0d00000f 024001 0004 04030804 0004 00023000",
    ),
    (tls12.Tls12NewSessionTicket(7200, b"ticket"), "0400000c 00001c20 0006 7469636b6574"),
    (
        tls12.Tls12ServerHello(0x0303, b"r" * 32, b"", 0xC02B),
        "02000026 0303" + "72" * 32 + "00 c02b 00",
    ),
    (
        tls12.Tls12ServerHello(
            0x0303,
            b"r" * 32,
            b"id",
            0xC02B,
            0,
            Tls12ServerHelloExtensions(server_name=True, extended_main_secret=True, renegotiation_info=b"", alpn=b"h2"),
        ),
        "02000040 0303" + "72" * 32 + "026964 c02b 00 0016 00000000 00170000 ff01000100 00100005000302 6832",
    ),
]

every_example = pytest.mark.parametrize(
    ("message", "encoded"), EXAMPLES, ids=[f"{type(message).__name__}-{i}" for i, (message, _) in enumerate(EXAMPLES)]
)


@every_example
def test_encoding_is_that_of_the_rfc(message: HandshakeMessage, encoded: str) -> None:
    assert message.encode() == bytes.fromhex(encoded)
    assert tls12.parse(bytes.fromhex(encoded)) == message


@every_example
def test_cut_anywhere_it_is_a_decode_error(message: HandshakeMessage, encoded: str) -> None:
    whole = message.encode()
    for length in range(4, len(whole)):
        cut = whole[:1] + (length - 4).to_bytes(3, "big") + whole[4:length]
        if whole[0] == 2 and length == 42 + whole[38]:
            continue  # a ServerHello may end before its extensions
        with pytest.raises(InvalidMessage):
            tls12.parse(cut)


@every_example
def test_one_byte_more_is_a_decode_error(message: HandshakeMessage, encoded: str) -> None:
    whole = message.encode() + b"\0"
    with pytest.raises(InvalidMessage):
        tls12.parse(whole[:1] + (len(whole) - 4).to_bytes(3, "big") + whole[4:])


@pytest.mark.parametrize("curve_type", [0, 1, 2, 4, 255])
def test_curves_must_be_named(curve_type: int) -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        tls12.parse(bytes.fromhex(f"0c00000d {curve_type:02x}001d 020102 0403 0003736967"))
    assert caught.value.reason is Reason.CURVE_NOT_NAMED


def test_a_name_that_is_no_der_is_refused() -> None:
    with pytest.raises(InvalidMessage) as caught:
        tls12.parse(tls12.Tls12CertificateRequest(b"\1", (0x0403,), (b"name",)).encode())
    assert caught.value.reason is Reason.INVALID_DISTINGUISHED_NAME


@settings(deadline=None, max_examples=300)
@given(kind=st.sampled_from(sorted(tls12.PARSERS)), body=st.binary(max_size=80))
def test_any_bytes_are_a_message_or_an_error_of_ours(kind: int, body: bytes) -> None:
    raw = bytes((kind,)) + len(body).to_bytes(3, "big") + body
    try:
        message = tls12.parse(raw)
    except (InvalidMessage, PeerMisbehaved):
        return
    assert message.encode() == raw or kind in (1, 2)


def test_messages_of_tls13_alone_are_unexpected() -> None:
    for kind in (5, 8, 24, 25, 254, 0xAB):
        with pytest.raises(PeerMisbehaved) as caught:
            tls12.parse(bytes((kind, 0, 0, 0)))
        assert caught.value.reason is Reason.UNEXPECTED_MESSAGE
