"""Every handshake message that RFC 8448 prints is read, says what the RFC says, and is written again byte for byte."""

from __future__ import annotations

import pytest

from tests.vectors.rfc8448 import CERTIFICATES, TRACES, Trace
from tlsocket.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    HelloRetryRequest,
    NewSessionTicket,
    ServerHello,
    parse,
)
from tlsocket.registry import ExtensionType as E

KINDS = {
    "first_client_hello": ClientHello,
    "client_hello": ClientHello,
    "hello_retry_request": HelloRetryRequest,
    "server_hello": ServerHello,
    "encrypted_extensions": EncryptedExtensions,
    "certificate_request": CertificateRequest,
    "certificate": Certificate,
    "certificate_verify": CertificateVerify,
    "client_certificate": Certificate,
    "client_certificate_verify": CertificateVerify,
    "new_session_ticket": NewSessionTicket,
}

PRINTED = [
    pytest.param(KINDS[name], trace[name], id=f"{trace.title}: {name}")
    for trace in TRACES
    for name in trace
    if name in KINDS
]
PRINTED += [pytest.param(Certificate, message, id=f"certificates: {name}") for name, message in CERTIFICATES.items()]


def trace_of(title: str) -> Trace:
    return next(trace for trace in TRACES if title in trace.title)


@pytest.mark.parametrize(("kind", "message"), PRINTED)
def test_message_is_written_again_as_it_was_read(kind: type, message: bytes) -> None:
    parsed = parse(message)
    assert type(parsed) is kind
    assert parsed.encode() == message


def test_no_message_is_left_out() -> None:
    assert len(PRINTED) >= 20


def test_the_client_hello_of_section_3_says_what_the_rfc_says() -> None:
    trace = trace_of("simple")
    hello = parse(trace["client_hello"])
    assert isinstance(hello, ClientHello)
    assert hello.cipher_suites == (0x1301, 0x1303, 0x1302)
    assert hello.legacy_session_id == b""
    extensions = hello.extensions
    assert extensions.server_name == "server"
    assert extensions.supported_versions == (0x0304,)
    assert extensions.key_share is not None
    assert [(share.group, share.key_exchange) for share in extensions.key_share] == [(0x001D, trace["client_public"])]
    assert extensions.psk_key_exchange_modes == (1,)
    assert extensions.record_size_limit == 0x4001
    assert extensions.session_ticket == b""
    assert extensions.renegotiation_info == b""
    assert extensions.unknown == ()


def test_the_hello_retry_request_of_section_5_names_a_group_and_has_a_cookie() -> None:
    trace = trace_of("retry")
    retry = parse(trace["hello_retry_request"])
    second = parse(trace["client_hello"])
    assert isinstance(retry, HelloRetryRequest)
    assert isinstance(second, ClientHello)
    assert retry.extensions.key_share_group == 0x0017
    assert second.extensions.cookie == retry.extensions.cookie
    assert second.extensions.key_share is not None
    assert [share.group for share in second.extensions.key_share] == [0x0017]
    assert E.PADDING in second.extensions.present


def test_the_server_accepts_the_psk_and_early_data_of_section_4() -> None:
    trace = trace_of("0-RTT")
    hello, extensions = parse(trace["server_hello"]), parse(trace["encrypted_extensions"])
    assert isinstance(hello, ServerHello)
    assert isinstance(extensions, EncryptedExtensions)
    assert hello.extensions.pre_shared_key == 0
    assert extensions.extensions.early_data
