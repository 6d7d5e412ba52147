"""The table of placements is that of RFC 9846 section 4.3, and the blocks obey it."""

from __future__ import annotations

import dataclasses

import pytest

from tlsocket.errors import PeerMisbehaved, Reason, alert_for
from tlsocket.extensions import (
    TABLE,
    CertificateEntryExtensions,
    CertificateRequestExtensions,
    ClientHelloExtensions,
    EncryptedExtensionsExtensions,
    ExtensionBlock,
    HelloRetryRequestExtensions,
    NewSessionTicketExtensions,
    Placement,
    ServerHelloExtensions,
    Tls12ServerHelloExtensions,
)
from tlsocket.registry import AlertDescription, ExtensionType
from tlsocket.wire import Reader

RFC_9846_SECTION_4_3 = """
server_name                             CH, EE, CR
status_request                          CH, CR, CT
supported_groups                        CH, EE
signature_algorithms                    CH, CR
use_srtp                                CH, EE
heartbeat                               CH, EE
application_layer_protocol_negotiation  CH, EE
client_certificate_type                 CH, EE
server_certificate_type                 CH, EE
padding                                 CH
compress_certificate                    CH, CR
record_size_limit                       CH, EE
delegated_credential                    CH, CR, CT
supported_ekt_ciphers                   CH, EE
pre_shared_key                          CH, SH
early_data                              CH, EE, NST
supported_versions                      CH, SH, HRR
cookie                                  CH, HRR
psk_key_exchange_modes                  CH
certificate_authorities                 CH, CR
oid_filters                             CR
post_handshake_auth                     CH
signature_algorithms_cert               CH, CR
key_share                               CH, SH, HRR
transparency_info                       CH, CR, CT
external_id_hash                        CH, EE
external_session_id                     CH, EE
quic_transport_parameters               CH, EE
ticket_request                          CH, EE
ech_outer_extensions                    CH
encrypted_client_hello                  CH, HRR, EE
"""

BLOCKS: dict[str, type[ExtensionBlock]] = {
    "CH": ClientHelloExtensions,
    "SH": ServerHelloExtensions,
    "EE": EncryptedExtensionsExtensions,
    "CT": CertificateEntryExtensions,
    "CR": CertificateRequestExtensions,
    "NST": NewSessionTicketExtensions,
    "HRR": HelloRetryRequestExtensions,
    "SH12": Tls12ServerHelloExtensions,
}

ROWS = [line.split(maxsplit=1) for line in RFC_9846_SECTION_4_3.strip().splitlines()]
OUTSIDE = {
    "max_fragment_length",
    "signed_certificate_timestamp",
    "tls_cert_with_extern_psk",
    "trusted_ca_keys",
    "truncated_hmac",
    "ec_point_formats",
    "status_request_v2",
    "encrypt_then_mac",
    "extended_main_secret",
    "session_ticket",
    "renegotiation_info",
}
"""Rows that are not in the RFC's table."""

FORBIDDEN = [
    (message, code) for code, allowed in TABLE.items() for message in BLOCKS if not allowed & Placement[message]
]


def block_of(*extensions: tuple[int, bytes]) -> bytes:
    body = b"".join(code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data for code, data in extensions)
    return len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize(("name", "messages"), ROWS, ids=lambda text: text.replace(" ", ""))
def test_row_is_that_of_the_rfc(name: str, messages: str) -> None:
    allowed = TABLE[ExtensionType[name.upper()]]
    assert {placement.name for placement in allowed} - {"SH12"} == set(messages.split(", "))


def test_what_a_server_of_tls12_may_answer() -> None:
    """Written out from the documents that define each; RFC 9846 has no such column."""
    assert {ExtensionType(code).spelling for code, allowed in TABLE.items() if Placement.SH12 in allowed} == {
        "server_name", "max_fragment_length", "trusted_ca_keys", "truncated_hmac", "status_request",  # RFC 6066
        "status_request_v2",  # RFC 6961
        "ec_point_formats",  # RFC 8422 section 5.2
        "supported_groups",  # nowhere, but servers send it, and other clients ignore it
        "use_srtp", "supported_ekt_ciphers",  # RFC 5764, RFC 8870
        "heartbeat",  # RFC 6520
        "application_layer_protocol_negotiation",  # RFC 7301
        "signed_certificate_timestamp", "transparency_info",  # RFC 6962, RFC 9162
        "client_certificate_type", "server_certificate_type",  # RFC 7250
        "encrypt_then_mac",  # RFC 7366
        "extended_main_secret",  # RFC 7627
        "record_size_limit",  # RFC 8449
        "session_ticket",  # RFC 5077
        "external_id_hash", "external_session_id",  # RFC 8844
        "renegotiation_info",  # RFC 5746
    }  # fmt: skip


def test_table_has_no_row_that_nobody_accounts_for() -> None:
    assert {ExtensionType(code).spelling for code in TABLE} == {name for name, _ in ROWS} | OUTSIDE


@pytest.mark.parametrize("message", BLOCKS)
def test_every_codec_fills_a_field_and_stands_where_the_table_allows(message: str) -> None:
    block = BLOCKS[message]
    fields = {field.name for field in dataclasses.fields(block)} - {"unknown", "_order", "_kind"}
    assert {name for name, _ in block.rows.values()} == fields
    assert not block.forbidden & block.rows.keys()
    assert block.vector.endswith(".extensions")


@pytest.mark.parametrize(("message", "code"), FORBIDDEN)
def test_refuses_an_extension_where_the_table_forbids_it(message: str, code: int) -> None:
    extensions = [(code, b"")]
    if message == "SH":
        # Without it the ServerHello would be one of TLS 1.2.
        extensions.append((ExtensionType.SUPPORTED_VERSIONS, b"\x03\x04"))
    with pytest.raises(PeerMisbehaved) as caught:
        BLOCKS[message].parse(Reader(block_of(*extensions)))
    assert caught.value.reason is Reason.EXTENSION_NOT_ALLOWED
    assert alert_for(caught.value) is AlertDescription.ILLEGAL_PARAMETER


@pytest.mark.parametrize("message", BLOCKS)
def test_keeps_an_extension_that_nobody_knows(message: str) -> None:
    data = block_of((0x1234, b"data"), (0x0A0A, b""))
    block = BLOCKS[message].parse(Reader(data))
    assert block.unknown == ((0x1234, b"data"), (0x0A0A, b""))
    assert block.present == (0x1234, 0x0A0A)


@pytest.mark.parametrize("message", BLOCKS)
def test_refuses_an_extension_that_appears_twice(message: str) -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        BLOCKS[message].parse(Reader(block_of((0x1234, b"a"), (0x2345, b""), (0x1234, b"b"))))
    assert caught.value.reason is Reason.DUPLICATE_EXTENSION
