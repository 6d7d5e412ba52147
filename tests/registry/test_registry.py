"""Code points print as the registries spell them, and unknown ones as numbers."""

from __future__ import annotations

import enum

import pytest

from tlsocket.registry import (
    AlertDescription,
    CipherSuiteCode,
    CodePoint,
    ContentType,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
    describe,
    is_grease,
)


@pytest.mark.parametrize(
    ("registry", "value", "text"),
    [
        (CipherSuiteCode, 0x1301, "TLS_AES_128_GCM_SHA256"),
        (CipherSuiteCode, 0x00FF, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
        (CipherSuiteCode, 0x0A0A, "0x0a0a"),
        (NamedGroup, 0x001D, "x25519"),
        (NamedGroup, 0x0017, "secp256r1"),
        (NamedGroup, 0x11EB, "SecP256r1MLKEM768"),
        (NamedGroup, 0x11EC, "X25519MLKEM768"),
        (NamedGroup, 0x11ED, "SecP384r1MLKEM1024"),
        (NamedGroup, 0x001F, "brainpoolP256r1tls13"),
        (NamedGroup, 0x0001, "0x0001"),
        (SignatureScheme, 0x0804, "rsa_pss_rsae_sha256"),
        (SignatureScheme, 0x081A, "ecdsa_brainpoolP256r1tls13_sha256"),
        (SignatureScheme, 0xFE00, "0xfe00"),
        (ProtocolVersion, 0x0304, "TLS 1.3"),
        (ProtocolVersion, 0x0300, "SSL 3.0"),
        (ProtocolVersion, 0x0305, "0x0305"),
        (ExtensionType, 16, "application_layer_protocol_negotiation"),
        (ExtensionType, 0xFE0D, "encrypted_client_hello"),
        (ExtensionType, 0x1234, "0x1234"),
        (PskKeyExchangeMode, 1, "psk_dhe_ke"),
        (PskKeyExchangeMode, 2, "0x02"),
        (HandshakeType, 1, "client_hello"),
        (ContentType, 99, "0x63"),
        (AlertDescription, 40, "handshake_failure"),
    ],
)
def test_describe_spells_as_the_registry_does(registry: type[enum.IntEnum], value: int, text: str) -> None:
    assert describe(registry, value) == text


def test_code_points_equal_the_numbers_on_the_wire() -> None:
    members: list[CodePoint] = [NamedGroup.X25519, CipherSuiteCode.TLS_AES_256_GCM_SHA384]
    assert members == [0x001D, 0x1302]


def test_grease_is_the_sixteen_values_of_rfc_8701() -> None:
    expected = [0x0A0A + 0x1010 * step for step in range(16)]
    assert [value for value in range(0x10000) if is_grease(value)] == expected
