"""TLS 1.2 in the face of `ssl`: versions, cipher strings, what a connection says, beside the standard library's own."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import connected
from tlsocket.crypto.suites import DEFAULT_TLS12_SUITES, PSK_SUITES, TLS12_SUITES
from tlsocket.dropin.ciphers import parse_cipher_string

CLIENT = ssl.PROTOCOL_TLS_CLIENT
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def test_a_maximum_of_tls12(client: Any, server: Any) -> None:
    client.maximum_version = V12
    with connected(client, server) as (near, far):
        assert near.version() == far.version() == "TLSv1.2"
        name, version, bits = near.cipher()
        assert (version, bits) == ("TLSv1.2", 128)
        assert name.startswith("ECDHE-")
        assert far.cipher() == near.cipher()
        assert near.cipher() in far.shared_ciphers()
        near.sendall(b"to")
        assert far.recv(10) == b"to"
        far.sendall(b"fro" * 20_000)
        received = bytearray()
        while len(received) < 60_000:
            received += near.recv(65536)
        assert received == b"fro" * 20_000


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_SSL:DeprecationWarning")
@pytest.mark.parametrize("option", [ssl.OP_NO_TLSv1_2, ssl.OP_NO_TLSv1_3])
def test_options_switch_versions_off(client: Any, server: Any, option: int) -> None:
    server.options |= option
    with connected(client, server) as (near, _far):
        assert near.version() == ("TLSv1.3" if option == ssl.OP_NO_TLSv1_2 else "TLSv1.2")


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_SSL:DeprecationWarning")
@pytest.mark.parametrize(
    ("minimum", "maximum", "options"),
    [(V13, V12, 0), (V12, V12, ssl.OP_NO_TLSv1_2), (V13, V13, ssl.OP_NO_TLSv1_3)],
)
def test_settings_that_leave_no_version(minimum: Any, maximum: Any, options: int) -> None:
    context = tlsocket.SSLContext(CLIENT)
    context.check_hostname = False
    context.minimum_version, context.maximum_version = minimum, maximum
    context.options |= options
    with pytest.raises(ssl.SSLError) as caught:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    assert caught.value.reason == "NO_PROTOCOLS_AVAILABLE"


def test_protocol_tlsv1_2_is_a_context_for_that_version() -> None:
    with pytest.warns(DeprecationWarning, match="PROTOCOL_TLSv1_2"):
        context = tlsocket.SSLContext(ssl.PROTOCOL_TLSv1_2)
    assert context.maximum_version is V12
    assert tlsocket.HAS_TLSv1_2


# Cipher strings


def names(codes: tuple[int, ...]) -> list[str]:
    return [TLS12_SUITES[code].openssl_name for code in codes]


ONLY_OURS = {"ECDHE-PSK-AES128-GCM-SHA256", "ECDHE-PSK-AES256-GCM-SHA384"}
"""Suites of RFC 8442, which OpenSSL does not have."""
OURS = {suite.openssl_name for suite in TLS12_SUITES.values()} - ONLY_OURS
STRINGS = [
    "DEFAULT", "ALL", "HIGH:!aNULL", "ECDHE", "ECDHE+AESGCM", "ECDHE+CHACHA20", "EECDH+AESGCM:EDH+AESGCM", "aECDSA",
    "ECDSA+AESGCM", "aRSA:!ECDHE-RSA-AES256-GCM-SHA384", "AES256:!aRSA", "CHACHA20", "ECDHE:-AES128", "ALL:!ECDSA",
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256", "AESGCM:@STRENGTH", "ECDHE:!AESGCM:AESGCM",
    "kEECDH+AES128+aRSA", "TLSv1.2+ECDHE+AESGCM+AES256", "PSK", "kECDHEPSK+CHACHA20", "aPSK:ECDHE", "ALL:!PSK",
    "ECDHE-PSK-CHACHA20-POLY1305",
]  # fmt: skip


@pytest.mark.parametrize("ciphers", STRINGS)
def test_a_string_selects_what_it_selects_in_openssl(ciphers: str) -> None:
    """Of the suites that exist here. Where a word stands for many, the order among them is each side's own."""
    theirs = ssl.SSLContext(CLIENT)
    theirs.set_ciphers(ciphers)
    expected = {entry["name"] for entry in theirs.get_ciphers()} & OURS
    assert set(names(parse_cipher_string(ciphers))) - ONLY_OURS == expected


def test_order_is_that_of_the_string() -> None:
    some = ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
    assert names(parse_cipher_string(":".join(some))) == some
    assert names(parse_cipher_string(":".join(some) + ":+CHACHA20")) == [*some[1:], some[0]]
    assert parse_cipher_string("DEFAULT") == (*DEFAULT_TLS12_SUITES, *PSK_SUITES)
    assert parse_cipher_string("PSK") == PSK_SUITES


def test_security_levels_set_a_minimum() -> None:
    assert len(parse_cipher_string("ALL:@SECLEVEL=3")) == 9
    assert all(TLS12_SUITES[code].bits == 256 for code in parse_cipher_string("ALL:@SECLEVEL=5"))


def test_set_ciphers_decides_the_suite(client: Any, server: Any) -> None:
    client.maximum_version = V12
    client.set_ciphers("ECDHE+CHACHA20")
    with connected(client, server) as (near, _far):
        assert "CHACHA20" in near.cipher()[0]


def test_a_string_of_what_is_not_built_switches_tls12_off(client: Any, server: Any) -> None:
    client.set_ciphers("AES256-SHA:kRSA")
    with connected(client, server) as (near, _far):
        assert near.version() == "TLSv1.3"
    client.maximum_version = V12
    with pytest.raises(ssl.SSLError) as caught:
        client.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert caught.value.reason == "NO_PROTOCOLS_AVAILABLE"


# What is derived


def test_channel_bindings_and_exporters(client: Any, server: Any) -> None:
    client.maximum_version = V12
    with connected(client, server) as (near, far):
        for kind in tlsocket.CHANNEL_BINDING_TYPES:
            assert near.get_channel_binding(kind) == far.get_channel_binding(kind)
            assert near.get_channel_binding(kind) is not None
        assert len(near.get_channel_binding()) == 12
        for context in (None, b"", b"x"):
            exported = near.export_keying_material("EXPORTER-x", 32, context)
            assert exported == far.export_keying_material("EXPORTER-x", 32, context)
        with pytest.raises(ValueError, match="reserved"):
            near.export_keying_material("master secret", 32)


def test_the_key_log_has_the_line_of_tls12(client: Any, server: Any, tmp_path: Path) -> None:
    client.maximum_version = V12
    client.keylog_filename = tmp_path / "keys"
    with connected(client, server):
        pass
    lines = [line for line in (tmp_path / "keys").read_text().splitlines() if not line.startswith("#")]
    assert [line.split()[0] for line in lines] == ["CLIENT_RANDOM"]


def test_sni_callback_in_tls12(client: Any, server: Any) -> None:
    asked = []
    server.sni_callback = lambda _sock, name, _context: asked.append(name)
    client.maximum_version = V12
    with connected(client, server) as (near, _far):
        assert near.version() == "TLSv1.2"
    assert asked == ["localhost"]
