"""What counts as a host name in server_name, and what a server does with a list of names."""

from __future__ import annotations

import pytest

from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason, alert_for
from tlsocket.extensions import ClientHelloExtensions, is_host_name
from tlsocket.registry import AlertDescription
from tlsocket.wire import Reader, Writer

LONGEST = ".".join(["a" * 63] * 4)[:255]

GOOD = [
    "example.com",
    "EXAMPLE.com",
    "localhost",
    "a",
    "xn--bcher-kva.example",
    "under_score.example",
    "_dmarc.example",
    "1.example",
    "3com",
    "4.3.2.1.in-addr.arpa",
    "1.2.3.4.5x",
    LONGEST,
]

BAD = [
    "",
    ".",
    "example.com.",
    ".example.com",
    "a..b",
    "127.0.0.1",
    "1.2.3",
    "1",
    "::1",
    "[::1]",
    "2001:db8::1",
    "exa mple.com",
    "example.com\n",
    "example.com\0.evil.example",
    "b\u00fccher.example",
    "example.com:443",
    "*.example.com",
    "a" * 64 + ".example",
    LONGEST + "a",
]


def block_with(*names: tuple[int, bytes]) -> bytes:
    listed = b"".join(bytes([kind]) + len(name).to_bytes(2, "big") + name for kind, name in names)
    data = len(listed).to_bytes(2, "big") + listed
    body = b"\0\0" + len(data).to_bytes(2, "big") + data
    return len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize("name", GOOD)
def test_reads_and_writes_a_host_name(name: str) -> None:
    assert is_host_name(name)
    data = block_with((0, name.encode()))
    block = ClientHelloExtensions.parse(Reader(data))
    assert block.server_name == name
    writer = Writer()
    block.serialize(writer)
    assert writer.getvalue() == data


@pytest.mark.parametrize("name", [name for name in BAD if name])
def test_refuses_what_is_no_host_name(name: str) -> None:
    assert not is_host_name(name)
    with pytest.raises(PeerMisbehaved) as caught:
        ClientHelloExtensions.parse(Reader(block_with((0, name.encode()))))
    assert caught.value.reason is Reason.INVALID_SERVER_NAME
    assert alert_for(caught.value) is AlertDescription.ILLEGAL_PARAMETER


@pytest.mark.parametrize("name", BAD)
def test_does_not_send_what_is_no_host_name(name: str) -> None:
    with pytest.raises(ApiMisuse) as caught:
        ClientHelloExtensions(server_name=name).serialize(Writer())
    assert caught.value.reason is Reason.INVALID_SERVER_NAME


def test_the_error_shows_a_hostile_name_in_printable_ascii_and_not_at_length() -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        ClientHelloExtensions.parse(Reader(block_with((0, b"\x1b[31m" + b"\xff" * 5000))))
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 400


def test_refuses_two_host_names() -> None:
    with pytest.raises(PeerMisbehaved) as caught:
        ClientHelloExtensions.parse(Reader(block_with((0, b"a.example"), (0, b"b.example"))))
    assert caught.value.reason is Reason.INVALID_SERVER_NAME


def test_skips_names_of_types_that_it_does_not_know() -> None:
    block = ClientHelloExtensions.parse(Reader(block_with((7, b"\xff"), (0, b"a.example"))))
    assert block.server_name == "a.example"


def test_a_list_without_a_host_name_is_kept_as_it_came() -> None:
    data = block_with((7, b"\xff"))
    block = ClientHelloExtensions.parse(Reader(data))
    assert block.server_name is None
    assert block.present == (0,)
    writer = Writer()
    block.serialize(writer)
    assert writer.getvalue() == data
