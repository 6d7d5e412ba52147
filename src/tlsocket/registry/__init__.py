"""Code points of the IANA TLS registries, one module per registry.

Values that a peer may send but that we do not know stay plain integers everywhere; `describe` prints them.
Nothing here decides anything: which values we support is said in `tlsocket.crypto` and `tlsocket.config`.
"""

from __future__ import annotations

from tlsocket.registry.alerts import AlertDescription, AlertLevel
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.code_point import CodePoint, describe
from tlsocket.registry.content_types import ContentType, HandshakeType
from tlsocket.registry.extension_types import ExtensionType
from tlsocket.registry.grease import is_grease
from tlsocket.registry.named_groups import NamedGroup
from tlsocket.registry.psk_key_exchange_modes import PskKeyExchangeMode
from tlsocket.registry.signature_schemes import SignatureScheme
from tlsocket.registry.versions import ProtocolVersion

__all__ = [
    "AlertDescription",
    "AlertLevel",
    "CipherSuiteCode",
    "CodePoint",
    "ContentType",
    "ExtensionType",
    "HandshakeType",
    "NamedGroup",
    "ProtocolVersion",
    "PskKeyExchangeMode",
    "SignatureScheme",
    "describe",
    "is_grease",
]
