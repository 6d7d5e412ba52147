"""For every message: what is written reads back equal, and no damage raises anything but an error of ours."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsocket.errors import InvalidMessage, TLSError, alert_for
from tlsocket.extensions import (
    TABLE,
    CertificateEntryExtensions,
    CertificateRequestExtensions,
    ClientHelloExtensions,
    EncryptedExtensionsExtensions,
    HelloRetryRequestExtensions,
    KeyShareEntry,
    NewSessionTicketExtensions,
    OfferedPsks,
    PskIdentity,
    ServerHelloExtensions,
)
from tlsocket.messages import (
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

U8 = st.integers(0, 0xFF)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
RANDOM = st.binary(min_size=32, max_size=32)
SESSION_ID = st.binary(max_size=32)
U16_LIST = st.lists(U16, min_size=1, max_size=12).map(tuple)
OPAQUE = st.binary(max_size=40)
NOT_EMPTY = st.binary(min_size=1, max_size=40)
FLAG = st.booleans()
LABEL = st.text("abcxyz0189-_", min_size=1, max_size=12)
HOST_NAME = st.tuples(st.lists(LABEL, max_size=3), st.sampled_from(["example", "com", "xn--p1ai", "a"])).map(
    lambda parts: ".".join([*parts[0], parts[1]])
)
KEY_SHARE = st.builds(KeyShareEntry, U16, NOT_EMPTY)
NAME = st.binary(max_size=300).map(
    lambda body: (
        b"\x30"
        + (
            bytes([len(body)])
            if len(body) < 0x80
            else b"\x81" + bytes([len(body)])
            if len(body) < 0x100
            else b"\x82" + len(body).to_bytes(2, "big")
        )
        + body
    )
)
UNKNOWN = st.dictionaries(U16.filter(lambda code: code not in TABLE), OPAQUE, max_size=3).map(
    lambda extensions: tuple(extensions.items())
)


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


PSK_IDENTITY = st.builds(PskIdentity, st.binary(min_size=1, max_size=40), st.integers(0, 2**32 - 1))
PSKS = st.lists(st.tuples(PSK_IDENTITY, st.binary(min_size=32, max_size=48)), min_size=1, max_size=3).map(
    lambda pairs: OfferedPsks(tuple(identity for identity, _ in pairs), tuple(binder for _, binder in pairs))
)
CLIENT_HELLO = st.builds(
    ClientHello,
    U16,
    RANDOM,
    SESSION_ID,
    U16_LIST,
    st.binary(min_size=1, max_size=4),
    st.builds(
        ClientHelloExtensions,
        unknown=UNKNOWN,
        server_name=maybe(HOST_NAME),
        extended_main_secret=FLAG,
        renegotiation_info=maybe(OPAQUE),
        ec_point_formats=maybe(NOT_EMPTY),
        supported_groups=maybe(U16_LIST),
        session_ticket=maybe(OPAQUE),
        alpn=maybe(st.lists(NOT_EMPTY, min_size=1, max_size=4).map(tuple)),
        status_request=maybe(OPAQUE),
        signature_algorithms=maybe(U16_LIST),
        signature_algorithms_cert=maybe(U16_LIST),
        certificate_authorities=maybe(st.lists(NAME, min_size=1, max_size=3).map(tuple)),
        supported_versions=maybe(U16_LIST),
        cookie=maybe(NOT_EMPTY),
        psk_key_exchange_modes=maybe(st.lists(U8, min_size=1, max_size=3).map(tuple)),
        key_share=maybe(st.lists(KEY_SHARE, max_size=3).map(tuple)),
        record_size_limit=maybe(st.integers(64, 0xFFFF)),
        max_fragment_length=maybe(st.sampled_from([512, 1024, 2048, 4096])),
        post_handshake_auth=FLAG,
        early_data=FLAG,
        pre_shared_key=maybe(PSKS),
    ),
)
SERVER_HELLO = st.builds(
    ServerHello,
    U16,
    RANDOM.filter(lambda random: random != HELLO_RETRY_REQUEST_RANDOM),
    SESSION_ID,
    U16,
    U8,
    st.builds(
        ServerHelloExtensions,
        unknown=UNKNOWN,
        supported_version=maybe(U16),
        key_share=maybe(KEY_SHARE),
        pre_shared_key=maybe(U16),
    ),
)
HELLO_RETRY_REQUEST = st.builds(
    HelloRetryRequest,
    U16,
    st.just(HELLO_RETRY_REQUEST_RANDOM),
    SESSION_ID,
    U16,
    U8,
    st.builds(
        HelloRetryRequestExtensions,
        unknown=UNKNOWN,
        supported_version=maybe(U16),
        key_share_group=maybe(U16),
        cookie=maybe(NOT_EMPTY),
    ),
)
ENCRYPTED_EXTENSIONS = st.builds(
    EncryptedExtensions,
    st.builds(
        EncryptedExtensionsExtensions,
        unknown=UNKNOWN,
        server_name=FLAG,
        supported_groups=maybe(U16_LIST),
        alpn=maybe(NOT_EMPTY),
        record_size_limit=maybe(st.integers(64, 0xFFFF)),
        max_fragment_length=maybe(st.sampled_from([512, 1024, 2048, 4096])),
        early_data=FLAG,
    ),
)
CERTIFICATE_REQUEST = st.builds(
    CertificateRequest,
    OPAQUE,
    st.builds(
        CertificateRequestExtensions,
        unknown=UNKNOWN,
        signature_algorithms=maybe(U16_LIST),
        signature_algorithms_cert=maybe(U16_LIST),
        certificate_authorities=maybe(st.lists(NAME, min_size=1, max_size=3).map(tuple)),
        status_request=maybe(OPAQUE),
    ),
)
CERTIFICATE = st.builds(
    Certificate,
    OPAQUE,
    st.lists(
        st.builds(
            CertificateEntry,
            NOT_EMPTY,
            st.builds(
                CertificateEntryExtensions,
                unknown=UNKNOWN,
                status_request=maybe(OPAQUE),
                signed_certificate_timestamp=maybe(OPAQUE),
            ),
        ),
        max_size=3,
    ).map(tuple),
)
NEW_SESSION_TICKET = st.builds(
    NewSessionTicket,
    U32,
    U32,
    OPAQUE,
    NOT_EMPTY,
    st.builds(NewSessionTicketExtensions, unknown=UNKNOWN, early_data=maybe(U32)),
)

MESSAGES: dict[str, st.SearchStrategy[Message]] = {
    "client_hello": CLIENT_HELLO,
    "server_hello": SERVER_HELLO,
    "hello_retry_request": HELLO_RETRY_REQUEST,
    "encrypted_extensions": ENCRYPTED_EXTENSIONS,
    "certificate_request": CERTIFICATE_REQUEST,
    "certificate": CERTIFICATE,
    "certificate_verify": st.builds(CertificateVerify, U16, OPAQUE),
    "finished": st.builds(Finished, OPAQUE),
    "new_session_ticket": NEW_SESSION_TICKET,
    "key_update": st.builds(KeyUpdate, FLAG),
}
ANY_MESSAGE = st.one_of(*MESSAGES.values())


def read_or_refuse(data: bytes) -> Message | None:
    """Anything but a typed error fails the test, and every error has an alert for the peer."""
    try:
        return parse(data)
    except TLSError as error:
        alert = alert_for(error)
    assert alert is not None
    return None


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_is_written_reads_back_equal(kind: str) -> None:
    @settings(max_examples=80, deadline=None)
    @given(MESSAGES[kind])
    def check(message: Message) -> None:
        encoded = message.encode()
        parsed = parse(encoded)
        assert type(parsed) is type(message)
        assert parsed == message
        assert parsed.encode() == encoded
        if not isinstance(message, CertificateVerify | Finished | KeyUpdate | Certificate):
            assert not isinstance(parsed, CertificateVerify | Finished | KeyUpdate | Certificate)
            assert parsed.extensions.present == message.extensions.present

    check()


@settings(max_examples=60, deadline=None)
@given(ANY_MESSAGE)
def test_every_truncation_is_refused_as_invalid(message: Message) -> None:
    encoded = message.encode()
    for length in range(len(encoded)):
        with pytest.raises(InvalidMessage):
            parse(encoded[:length])


@settings(max_examples=60, deadline=None)
@given(ANY_MESSAGE)
def test_every_truncation_of_the_body_is_refused_or_another_message(message: Message) -> None:
    encoded = message.encode()
    for length in range(len(encoded) - 4):
        body = encoded[4 : 4 + length]
        read_or_refuse(encoded[:1] + length.to_bytes(3, "big") + body)


@settings(max_examples=40, deadline=None)
@given(ANY_MESSAGE, st.integers(1, 255))
def test_every_changed_byte_is_refused_or_reads_as_what_it_then_says(message: Message, change: int) -> None:
    encoded = message.encode()
    for position in range(len(encoded)):
        damaged = bytearray(encoded)
        damaged[position] ^= change
        parsed = read_or_refuse(bytes(damaged))
        if parsed is not None:
            assert parse(parsed.encode()) == parsed


@settings(max_examples=300, deadline=None)
@given(U8, st.binary(max_size=200))
def test_any_bytes_are_refused_or_a_message(msg_type: int, body: bytes) -> None:
    read_or_refuse(bytes([msg_type]) + len(body).to_bytes(3, "big") + body)


@settings(max_examples=100, deadline=None)
@given(CLIENT_HELLO, st.data())
def test_client_hello_with_two_pieces_exchanged_raises_only_our_errors(
    message: ClientHello, data: st.DataObject
) -> None:
    encoded = message.encode()
    cuts = sorted(data.draw(st.lists(st.integers(4, len(encoded)), min_size=3, max_size=3)))
    first, second, third = cuts
    shuffled = encoded[:first] + encoded[second:third] + encoded[first:second] + encoded[third:]
    with contextlib.suppress(TLSError):
        parse(shuffled)
