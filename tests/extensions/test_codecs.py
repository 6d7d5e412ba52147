"""Each extension's encoding: an example written by hand both ways, and what is refused with which reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tlsocket.errors import ApiMisuse, InvalidMessage, PeerMisbehaved, Reason, TLSError, alert_for
from tlsocket.extensions import (
    CertificateEntryExtensions,
    CertificateRequestExtensions,
    ClientHelloExtensions,
    EncryptedExtensionsExtensions,
    ExtensionBlock,
    HelloRetryRequestExtensions,
    KeyShareEntry,
    NewSessionTicketExtensions,
    OfferedPsks,
    PskIdentity,
    ServerHelloExtensions,
)
from tlsocket.registry import AlertDescription
from tlsocket.registry import ExtensionType as E
from tlsocket.wire import Reader, Writer

CH, SH, HRR = ClientHelloExtensions, ServerHelloExtensions, HelloRetryRequestExtensions
EE, CR, CT, NST = (
    EncryptedExtensionsExtensions,
    CertificateRequestExtensions,
    CertificateEntryExtensions,
    NewSessionTicketExtensions,
)

ONE_PSK = OfferedPsks((PskIdentity(b"ABC", 0x01020304),), (b"\x55" * 32,))
ONE_PSK_ENCODED = "0009 0003414243 01020304 0021 20" + "55" * 32


def extension(code: int, data: str) -> bytes:
    body = bytes.fromhex(data)
    return code.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def block_of(*extensions: bytes) -> bytes:
    body = b"".join(extensions)
    return len(body).to_bytes(2, "big") + body


def written(block: ExtensionBlock) -> bytes:
    writer = Writer()
    block.serialize(writer)
    return writer.getvalue()


EXAMPLES: list[tuple[ExtensionBlock, int, str]] = [
    (CH(server_name="example.com"), 0, "000e00000b6578616d706c652e636f6d"),
    (CH(supported_versions=(0x0304, 0x0303)), 43, "0403040303"),
    (CH(supported_groups=(0x001D, 0x0017)), 10, "0004001d0017"),
    (CH(signature_algorithms=(0x0403, 0x0804)), 13, "000404030804"),
    (CH(signature_algorithms_cert=(0x0401,)), 50, "00020401"),
    (CH(key_share=(KeyShareEntry(0x001D, b"\1\2"), KeyShareEntry(0x0017, b"\3"))), 51, "000b001d000201020017000103"),
    (CH(key_share=()), 51, "0000"),
    (CH(alpn=(b"h2", b"http/1.1")), 16, "000c02683208687474702f312e31"),
    (CH(cookie=b"\1\2"), 44, "00020102"),
    (CH(psk_key_exchange_modes=(1, 0)), 45, "020100"),
    (CH(pre_shared_key=ONE_PSK), 41, ONE_PSK_ENCODED),
    (CH(certificate_authorities=(b"\x30\x00", b"\x30\x02\x31\x00")), 47, "000a00023000000430023100"),
    (CH(post_handshake_auth=True), 49, ""),
    (CH(early_data=True), 42, ""),
    (CH(record_size_limit=0x4001), 28, "4001"),
    (CH(max_fragment_length=512), 1, "01"),
    (CH(renegotiation_info=b""), 0xFF01, "00"),
    (CH(extended_main_secret=True), 23, ""),
    (CH(ec_point_formats=b"\0"), 11, "0100"),
    (CH(session_ticket=b""), 35, ""),
    (CH(session_ticket=b"\7"), 35, "07"),
    (CH(status_request=b"\1\0\0\0\0"), 5, "0100000000"),
    (SH(supported_version=0x0304), 43, "0304"),
    (SH(key_share=KeyShareEntry(0x001D, b"\1\2")), 51, "001d00020102"),
    (SH(pre_shared_key=0), 41, "0000"),
    (HRR(supported_version=0x0304), 43, "0304"),
    (HRR(key_share_group=0x0017), 51, "0017"),
    (HRR(cookie=b"\1"), 44, "000101"),
    (EE(server_name=True), 0, ""),
    (EE(alpn=b"h2"), 16, "0003026832"),
    (EE(supported_groups=(0x001D,)), 10, "0002001d"),
    (EE(record_size_limit=64), 28, "0040"),
    (EE(max_fragment_length=4096), 1, "04"),
    (EE(early_data=True), 42, ""),
    (CR(signature_algorithms=(0x0403,)), 13, "00020403"),
    (CR(signature_algorithms_cert=(0x0403,)), 50, "00020403"),
    (CR(certificate_authorities=(b"\x30\x00",)), 47, "000400023000"),
    (CR(status_request=b""), 5, ""),
    (CT(status_request=b"\1"), 5, "01"),
    (CT(signed_certificate_timestamp=b"\1"), 18, "01"),
    (NST(early_data=0x01020304), 42, "01020304"),
    (NST(early_data=0), 42, "00000000"),
]


@pytest.mark.parametrize(("block", "code", "data"), EXAMPLES)
def test_reads_the_example(block: ExtensionBlock, code: int, data: str) -> None:
    parsed = type(block).parse(Reader(block_of(extension(code, data))))
    assert parsed == block
    assert parsed.present == (code,)
    assert parsed.unknown == ()


@pytest.mark.parametrize(("block", "code", "data"), EXAMPLES)
def test_writes_the_example(block: ExtensionBlock, code: int, data: str) -> None:
    assert written(block) == block_of(extension(code, data))
    assert block.present == (code,)


def test_every_row_has_an_example() -> None:
    covered = {(type(block), code) for block, code, _ in EXAMPLES}
    assert covered == {(block, code) for block in (CH, SH, HRR, EE, CR, CT, NST) for code in block.rows}


RAW = {E.SESSION_TICKET, E.STATUS_REQUEST, E.SIGNED_CERTIFICATE_TIMESTAMP}


@pytest.mark.parametrize(
    ("block", "code", "data"),
    [row for row in EXAMPLES if row[1] not in RAW],
)
def test_refuses_data_behind_the_structure(block: ExtensionBlock, code: int, data: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        type(block).parse(Reader(block_of(extension(code, data + "00"))))
    assert caught.value.reason is Reason.TRAILING_DATA
    assert alert_for(caught.value) is AlertDescription.DECODE_ERROR


@pytest.mark.parametrize(
    ("kind", "code", "data", "reason"),
    [
        (CH, E.SERVER_NAME, "", Reason.TRUNCATED_MESSAGE),
        (CH, E.SERVER_NAME, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SERVER_NAME, "0003000000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SERVER_NAME, "000400000261", Reason.TRUNCATED_MESSAGE),
        (CH, E.SUPPORTED_VERSIONS, "00", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SUPPORTED_VERSIONS, "03030403", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SUPPORTED_VERSIONS, "ff" + "03" * 255, Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SUPPORTED_VERSIONS, "040304", Reason.TRUNCATED_MESSAGE),
        (CH, E.SUPPORTED_GROUPS, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SIGNATURE_ALGORITHMS, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SIGNATURE_ALGORITHMS, "0003040304", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.SIGNATURE_ALGORITHMS_CERT, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.KEY_SHARE, "0004001d0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.KEY_SHARE, "0003001d00", Reason.TRUNCATED_MESSAGE),
        (CH, E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, "00020000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, "00020268", Reason.TRUNCATED_MESSAGE),
        (CH, E.COOKIE, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.PSK_KEY_EXCHANGE_MODES, "00", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.EC_POINT_FORMATS, "00", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.CERTIFICATE_AUTHORITIES, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (CH, E.CERTIFICATE_AUTHORITIES, "00020000", Reason.LENGTH_OUT_OF_RANGE),
        (SH, E.SUPPORTED_VERSIONS, "03", Reason.TRUNCATED_MESSAGE),
        (SH, E.KEY_SHARE, "001d0000", Reason.LENGTH_OUT_OF_RANGE),
        (SH, E.PRE_SHARED_KEY, "00", Reason.TRUNCATED_MESSAGE),
        (HRR, E.KEY_SHARE, "00", Reason.TRUNCATED_MESSAGE),
        (HRR, E.COOKIE, "0000", Reason.LENGTH_OUT_OF_RANGE),
        (EE, E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, "0006026832026833", Reason.LENGTH_OUT_OF_RANGE),
        (NST, E.EARLY_DATA, "", Reason.TRUNCATED_MESSAGE),
    ],
)
def test_refuses_data_that_its_type_does_not_allow(
    kind: type[ExtensionBlock], code: int, data: str, reason: Reason
) -> None:
    with pytest.raises(InvalidMessage) as caught:
        kind.parse(Reader(block_of(extension(code, data))))
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "name",
    [
        "3100",  # a SET
        "30",
        "3001",  # ends before its contents
        "300000",  # something behind it
        "30800000",  # indefinite length
        "308100",  # a length of two bytes that one would hold
        "30817f" + "00" * 0x7F,
        "30820080" + "00" * 0x80,  # a leading zero in the length
        "3085",
        "3081",
    ],
)
def test_refuses_a_certificate_authority_that_is_no_der_sequence(name: str) -> None:
    entry = (len(name) // 2).to_bytes(2, "big").hex() + name
    data = (len(entry) // 2).to_bytes(2, "big").hex() + entry
    with pytest.raises(InvalidMessage) as caught:
        CR.parse(Reader(block_of(extension(E.CERTIFICATE_AUTHORITIES, data))))
    assert caught.value.reason is Reason.INVALID_DISTINGUISHED_NAME


def test_reads_a_certificate_authority_with_a_long_length() -> None:
    names = (b"\x30\x81\x80" + bytes(0x80), b"\x30\x82\x01\x00" + bytes(0x100))
    block = CR(certificate_authorities=names)
    assert CR.parse(Reader(written(block))) == block


def test_refuses_a_record_size_limit_below_64() -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        EE.parse(Reader(block_of(extension(E.RECORD_SIZE_LIMIT, "003f"))))
    assert caught.value.reason is Reason.RECORD_SIZE_LIMIT_TOO_SMALL
    assert alert_for(caught.value) is AlertDescription.ILLEGAL_PARAMETER


@pytest.mark.parametrize("code", ["00", "05", "ff"])
def test_refuses_a_max_fragment_length_that_does_not_exist(code: str) -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        CH.parse(Reader(block_of(extension(E.MAX_FRAGMENT_LENGTH, code))))
    assert caught.value.reason is Reason.INVALID_MAX_FRAGMENT_LENGTH
    assert alert_for(caught.value) is AlertDescription.ILLEGAL_PARAMETER


@pytest.mark.parametrize("cut", range(1, 11))
def test_refuses_a_block_that_ends_inside_an_extension(cut: int) -> None:
    body = extension(0x1234, "0102") + extension(0x2345, "")
    data = len(body[:-cut]).to_bytes(2, "big") + body[:-cut]
    if cut in (4, 10):
        assert CH.parse(Reader(data)).present == ((0x1234,) if cut == 4 else ())
        return
    with pytest.raises(InvalidMessage) as caught:
        CH.parse(Reader(data + b"there is more behind the block"))
    assert caught.value.reason is Reason.TRUNCATED_MESSAGE


def test_refuses_pre_shared_key_before_another_extension() -> None:
    data = block_of(extension(E.PRE_SHARED_KEY, ONE_PSK_ENCODED), extension(0x1234, ""))
    with pytest.raises(PeerMisbehaved) as caught:
        CH.parse(Reader(data))
    assert caught.value.reason is Reason.PSK_NOT_LAST


def test_pre_shared_key_may_come_anywhere_in_a_server_hello() -> None:
    data = block_of(extension(E.PRE_SHARED_KEY, "0001"), extension(E.SUPPORTED_VERSIONS, "0304"))
    assert SH.parse(Reader(data)) == SH(supported_version=0x0304, pre_shared_key=1)


def test_pre_shared_key_is_written_last() -> None:
    block = CH(pre_shared_key=ONE_PSK, early_data=True, unknown=((0x1234, b""),))
    assert block.present[-1] == E.PRE_SHARED_KEY
    assert set(block.present) == {E.PRE_SHARED_KEY, E.EARLY_DATA, 0x1234}
    assert CH.parse(Reader(written(block))) == block


def test_a_parsed_block_is_written_in_the_order_in_which_it_came() -> None:
    data = block_of(
        extension(0x1A1A, "00"),
        extension(E.SUPPORTED_VERSIONS, "020304"),
        extension(E.PADDING, "0000"),
        extension(E.SERVER_NAME, "000400000161"),
        extension(E.EARLY_DATA, ""),
    )
    block = CH.parse(Reader(data))
    assert block.present == (0x1A1A, 43, 21, 0, 42)
    assert written(block) == data


def test_a_changed_copy_of_a_parsed_block_forgets_the_order() -> None:
    block = CH.parse(Reader(block_of(extension(E.SUPPORTED_VERSIONS, "020304"), extension(E.EARLY_DATA, ""))))
    changed = replace(block, cookie=b"c", early_data=False)
    assert set(changed.present) == {E.SUPPORTED_VERSIONS, E.COOKIE}
    assert CH.parse(Reader(written(changed))) == changed


def test_blocks_with_equal_contents_are_equal_whatever_their_order() -> None:
    first = CH.parse(Reader(block_of(extension(E.EARLY_DATA, ""), extension(E.POST_HANDSHAKE_AUTH, ""))))
    second = CH.parse(Reader(block_of(extension(E.POST_HANDSHAKE_AUTH, ""), extension(E.EARLY_DATA, ""))))
    assert first == second == CH(early_data=True, post_handshake_auth=True)


def test_a_server_hello_of_tls_1_2_keeps_the_extensions_of_that_version() -> None:
    data = block_of(
        extension(E.RENEGOTIATION_INFO, "00"), extension(E.EXTENDED_MAIN_SECRET, ""), extension(E.SERVER_NAME, "")
    )
    block = SH.parse(Reader(data))
    assert block.supported_version is None
    assert block.unknown == ((0xFF01, b"\0"), (23, b""), (0, b""))


def test_an_extension_of_more_than_64_kib_is_not_written() -> None:
    with pytest.raises(ApiMisuse):
        written(CH(session_ticket=bytes(0x10000)))


def test_a_block_of_more_than_64_kib_is_not_written() -> None:
    with pytest.raises(ApiMisuse):
        written(CH(session_ticket=bytes(0xFFFF)))


@pytest.mark.parametrize("data", ["", "00", "0001", "0004123400"])
def test_refuses_a_block_shorter_than_it_says(data: str) -> None:
    with pytest.raises(TLSError) as caught:
        EE.parse(Reader(bytes.fromhex(data)))
    assert caught.value.reason is Reason.TRUNCATED_MESSAGE
