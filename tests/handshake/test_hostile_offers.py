"""What a ClientHello of the largest size costs a server that has never seen its sender: little time, and no memory."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.handshake.support import Link, client_config, server_config
from tlsocket import messages
from tlsocket.connection import Connection
from tlsocket.errors import PeerMisbehaved
from tlsocket.extensions import KeyShareEntry
from tlsocket.messages import ClientHello
from tlsocket.registry import NamedGroup

MANY = range(0x5000, 0x5000 + 8500)
"""Groups and other numbers that nobody has."""


def offer(*, version: int = 0x0304, **extensions: Any) -> ClientHello:
    """The ClientHello of a client of ours with other lists."""
    link = Link(client_config(maximum_version=version, groups=(NamedGroup.SECP256R1,)))
    link.client.start()
    hello = messages.parse(link.client.data_to_send()[5:])
    assert isinstance(hello, ClientHello)
    return replace(hello, extensions=replace(hello.extensions, **extensions))


def seconds(message: bytes) -> float:
    """Processor time that a server spends on it, until it answers or refuses."""
    server = Connection(server_config())
    begin = time.thread_time()
    with contextlib.suppress(PeerMisbehaved):
        server.on_handshake_message(message)
    return time.thread_time() - begin


@pytest.mark.parametrize("order", [1, -1])
def test_thousands_of_key_shares_are_checked_in_linear_time(order: int) -> None:
    """RFC 9846 section 4.3.8 has an order, which was compared each with each: 0.4 seconds for one ClientHello."""
    shares = tuple(KeyShareEntry(group, b"x") for group in MANY[::order])
    message = offer(supported_groups=(NamedGroup.SECP256R1, *MANY), key_share=shares).encode()
    assert min(seconds(message) for _ in range(3)) < 0.1


@pytest.mark.parametrize(
    "lists",
    [
        {"supported_groups": (NamedGroup.SECP256R1, *MANY)},
        {"signature_algorithms": (0x0403, *MANY)},
        {"signature_algorithms_cert": (0x0403, *MANY)},
        {"certificate_authorities": (b"\x30\x82\x01\x00" + bytes(256),) * 100},
        {"alpn": (b"h2", *(b"%d" % number for number in MANY))},
    ],
    ids=lambda lists: next(iter(lists)),
)
@pytest.mark.parametrize("version", [0x0303, 0x0304])
def test_a_server_keeps_nothing_of_long_lists(lists: dict[str, Any], version: int) -> None:
    """It remembers what it chose for which lists; those of 128 strangers took 150 megabytes for good."""
    config = server_config(maximum_version=version, alpn_protocols=(b"h2",))
    usual = offer(version=version)
    Connection(config).on_handshake_message(usual.encode())
    kept = set(config.cache)
    assert kept
    for number in range(3):
        hello = offer(version=version, **lists)
        Connection(config).on_handshake_message(replace(hello, cipher_suites=(*hello.cipher_suites, number)).encode())
    # Only what was short is among the keys of those.
    assert all(len(repr(key)) < 2000 for key in set(config.cache) - kept)


def test_long_lists_of_cipher_suites_are_not_kept_either() -> None:
    config = server_config()
    hello = offer()
    Connection(config).on_handshake_message(replace(hello, cipher_suites=(*MANY, 0x1301)).encode())
    assert not config.cache
