"""How large records may be: RFC 8449 and RFC 6066 section 4, in both roles and for every message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.handshake.support import Link, client_config, credential, server_config, tamper
from tlsocket.config import ClientAuthentication, ClientConfig, ServerConfig
from tlsocket.errors import AlertReceived, ApiMisuse, PeerMisbehaved, Reason
from tlsocket.extensions import EncryptedExtensionsExtensions
from tlsocket.messages import EncryptedExtensions
from tlsocket.registry import AlertDescription, ContentType, HandshakeType

DATA = bytes(range(256)) * 300


def records(data: bytes) -> list[tuple[int, int]]:
    """Content type and length of each record."""
    found = []
    while data:
        length = int.from_bytes(data[3:5], "big")
        found.append((data[0], length))
        data = data[5 + length :]
    return found


class Measured(Link):
    """Keeps the lengths of the protected records of each side."""

    def __init__(self, client: ClientConfig, server: ServerConfig) -> None:
        self.lengths: dict[str, list[int]] = {"client_error": [], "server_error": []}
        super().__init__(client, server)

    def _carry(self, sender: Any, receiver: Any, error_of_receiver: str) -> bool:
        data = sender.data_to_send()
        lengths = self.lengths[error_of_receiver]
        lengths += [length for kind, length in records(data) if kind == ContentType.APPLICATION_DATA]
        if data and receiver.error is None:
            try:
                receiver.receive_data(data)
            except Exception as error:
                setattr(self, error_of_receiver, error)
        return bool(data)


def exchange(client: ClientConfig, server: ServerConfig) -> tuple[int, int]:
    """A mutual handshake and data both ways; the longest protected record to the client and to the server."""
    link = Measured(client, server)
    link.run()
    assert (link.client_error, link.server_error) == (None, None)
    link.client.write(DATA)
    link.server.write(DATA)
    link.run()
    for end in (link.client, link.server):
        got = b""
        while len(got) < len(DATA):
            piece = end.read(1 << 17)
            assert piece
            got += piece
        assert got == DATA
    return max(link.lengths["client_error"]), max(link.lengths["server_error"])


MUTUAL: dict[str, Any] = {"credentials": (credential("rsa-2048"),)}


@pytest.mark.parametrize("limit", [64, 65, 255, 1000, 16384, 16385])
def test_record_size_limit_of_the_client(limit: int) -> None:
    longest = exchange(
        client_config(record_size_limit=limit, **MUTUAL),
        server_config(client_authentication=ClientAuthentication.REQUIRED, **MUTUAL),
    )
    # RFC 8449 section 4: the limit counts the type and not the tag.
    assert longest == (limit + 16, 16385 + 16)


@pytest.mark.parametrize("limit", [64, 512, 16385])
def test_record_size_limit_of_the_server(limit: int) -> None:
    longest = exchange(
        client_config(record_size_limit=16385, **MUTUAL),
        server_config(record_size_limit=limit, client_authentication=ClientAuthentication.REQUIRED, **MUTUAL),
    )
    assert longest == (16385 + 16, limit + 16)


def test_a_server_does_not_speak_of_it_unasked() -> None:
    longest = exchange(client_config(**MUTUAL), server_config(record_size_limit=64, **MUTUAL))
    assert longest == (16385 + 16, 16385 + 16)


@pytest.mark.parametrize("length", [512, 1024, 2048, 4096])
def test_max_fragment_length(length: int) -> None:
    longest = exchange(client_config(max_fragment_length=length, **MUTUAL), server_config(**MUTUAL))
    assert longest == (length + 17, length + 17)


def test_record_size_limit_wins() -> None:
    longest = exchange(
        client_config(max_fragment_length=512, record_size_limit=2000, **MUTUAL), server_config(**MUTUAL)
    )
    assert longest == (2016, 16385 + 16)


def test_after_a_hello_retry_request() -> None:
    longest = exchange(client_config(record_size_limit=100, key_share_groups=(), **MUTUAL), server_config(**MUTUAL))
    assert longest == (116, 16385 + 16)


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_record_beyond_the_limit_is_record_overflow(role: str) -> None:
    link = Link(client_config(record_size_limit=512), server_config(record_size_limit=512)).connect()
    sender, receiver = (link.server, link.client) if role == "client" else (link.client, link.server)
    sender.writer.max_fragment = 512  # one more than 512 less the type
    sender.write(bytes(511))
    receiver.receive_data(sender.data_to_send())
    assert receiver.read() == bytes(511)
    sender.write(bytes(512))
    with pytest.raises(PeerMisbehaved) as caught:
        receiver.receive_data(sender.data_to_send())
    assert caught.value.reason is Reason.RECORD_OVERFLOW
    with pytest.raises(AlertReceived) as told:
        sender.receive_data(receiver.data_to_send())
    assert told.value.description == AlertDescription.RECORD_OVERFLOW


@pytest.mark.parametrize(
    ("client", "answer", "reason", "alert"),
    [
        ({}, {"record_size_limit": 100}, Reason.UNSOLICITED_EXTENSION, AlertDescription.UNSUPPORTED_EXTENSION),
        ({}, {"max_fragment_length": 512}, Reason.UNSOLICITED_EXTENSION, AlertDescription.UNSUPPORTED_EXTENSION),
        (
            {"max_fragment_length": 512},
            {"max_fragment_length": 1024},
            Reason.INVALID_MAX_FRAGMENT_LENGTH,
            AlertDescription.ILLEGAL_PARAMETER,
        ),
        (
            {"max_fragment_length": 512, "record_size_limit": 100},
            {"max_fragment_length": 512, "record_size_limit": 100},
            Reason.TWO_SIZE_LIMITS,
            AlertDescription.ILLEGAL_PARAMETER,
        ),
    ],
)
def test_answers_that_a_client_refuses(
    client: dict[str, Any], answer: dict[str, Any], reason: Reason, alert: AlertDescription
) -> None:
    link = Link(client_config(**client))
    message = EncryptedExtensions(EncryptedExtensionsExtensions(**answer)).encode()
    tamper(link.server, {HandshakeType.ENCRYPTED_EXTENSIONS: lambda _: message})
    link.run()
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is reason
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == alert


def test_a_servers_limit_above_the_protocols_is_no_error() -> None:
    link = Link(client_config(record_size_limit=16385))
    message = EncryptedExtensions(EncryptedExtensionsExtensions(record_size_limit=65535)).encode()
    tamper(link.server, {HandshakeType.ENCRYPTED_EXTENSIONS: lambda _: message})
    link.run()
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is Reason.BAD_SIGNATURE  # of a changed message, and not the limit
    assert link.client.writer.max_fragment == 16384


@pytest.mark.parametrize(
    "make",
    [
        lambda: client_config(record_size_limit=63),
        lambda: server_config(record_size_limit=16386),
        lambda: client_config(max_fragment_length=513),
    ],
)
def test_sizes_that_do_not_exist_are_misuse(make: Any) -> None:
    with pytest.raises(ApiMisuse):
        make()
