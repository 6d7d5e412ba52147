"""The transcript of `tlsocket connect --trace`: each message decoded, each extension in words, never a secret.

Read from events (`tlsocket.events`) and from the codecs of `tlsocket.messages`; what they do not know is a name and a
length. Key shares, randoms, signatures and tickets are told by their length: who wants the bytes has `--keylog`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from tlsocket import events, messages
from tlsocket.cli.chain import owner
from tlsocket.errors import TLSError
from tlsocket.extensions import KeyShareEntry, OfferedPsks
from tlsocket.extensions.block import ExtensionBlock
from tlsocket.messages import tls12
from tlsocket.pki.certificates import printable
from tlsocket.pki.names import DistinguishedName, NameEncodingError
from tlsocket.registry import (
    AlertDescription,
    CipherSuiteCode,
    ContentType,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
    describe,
)
from tlsocket.registry.client_certificate_types import ClientCertificateType
from tlsocket.registry.ec_curve_types import ECPointFormat

__all__ = ["Transcript"]

_REGISTRIES: dict[str, Any] = {
    "algorithm": SignatureScheme,
    "certificate_types": ClientCertificateType,
    "cipher_suite": CipherSuiteCode,
    "cipher_suites": CipherSuiteCode,
    "ec_point_formats": ECPointFormat,
    "key_share_group": NamedGroup,
    "legacy_version": ProtocolVersion,
    "named_curve": NamedGroup,
    "psk_key_exchange_modes": PskKeyExchangeMode,
    "server_version": ProtocolVersion,
    "signature_algorithms": SignatureScheme,
    "signature_algorithms_cert": SignatureScheme,
    "supported_groups": NamedGroup,
    "supported_signature_algorithms": SignatureScheme,
    "supported_version": ProtocolVersion,
    "supported_versions": ProtocolVersion,
}
"""Fields that hold code points."""
_COMPRESSION = {"compression_method", "legacy_compression_method", "legacy_compression_methods"}
"""Fields that hold the numbers of compression methods, of which one is left (RFC 9846 section 4.2.2)."""
_NAMES = {"alpn", "server_name"}
"""Fields whose bytes are text."""
_INDENT = " " * 14


class Transcript:
    """Tells events one by one; `tell` gets each line."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._begin: float | None = None
        self._protected = {True: False, False: False}
        self._parse: Callable[[bytes], object] = messages.parse

    def on_event(self, event: events.Event) -> None:
        """One event."""
        if isinstance(event, (events.MessageSent, events.MessageReceived)):
            self._message(event)
        elif isinstance(event, events.KeysInstalled):
            again = self._protected[event.sending]
            self._protected[event.sending] = True
            what = "other keys" if again else "encrypted"
            self._line(event.at, "we send" if event.sending else "they send", f"{what} from here on")
        elif isinstance(event, events.CertificateAccepted):
            name = f', valid for "{event.name_checked}"' if event.name_checked else ""
            self._note(f'verified: "{owner(event.path[-1])}", which is trusted, vouches for it{name}')
        elif isinstance(event, events.CertificateRejected):
            self._note("not verified: refused")
        elif isinstance(event, events.SignatureVerified):
            self._note(f"verified: the peer holds the certificate's key ({describe(SignatureScheme, event.scheme)})")
        elif isinstance(event, events.FinishedVerified):
            self._note("verified: both sides saw the same handshake")
        elif isinstance(event, (events.AlertSent, events.AlertReceived)):
            side = "we send" if isinstance(event, events.AlertSent) else "they send"
            self._line(None, side, f"alert {describe(AlertDescription, event.description)}")
        elif isinstance(event, (events.CloseNotifySent, events.CloseNotifyReceived)):
            self._line(None, "we send" if isinstance(event, events.CloseNotifySent) else "they send", "close_notify")

    def _message(self, event: events.MessageSent | events.MessageReceived) -> None:
        side = "we send" if isinstance(event, events.MessageSent) else "they send"
        if event.content_type != ContentType.HANDSHAKE:
            why = "" if self._parse is tls12.parse else ", for middleboxes only"
            self._line(event.at, side, f"change_cipher_spec{why}")
            return
        try:
            parsed = self._parse(event.data)
            if isinstance(parsed, messages.ServerHello) and parsed.extensions.supported_version is None:
                # RFC 9846 section 4.3.1: then it is of an older version, and so is all that follows.
                self._parse = tls12.parse
                parsed = self._parse(event.data)
        except TLSError as error:
            # A person who looks for a fault wants to see this most.
            kind = describe(HandshakeType, event.data[0])
            self._line(event.at, side, f"{kind}, {len(event.data)} bytes, which cannot be read: {error}")
            return
        self._line(event.at, side, f"{type(parsed).__name__.removeprefix('Tls12')}, {len(event.data)} bytes")
        for line in fields(parsed):
            self._note(line)

    def _line(self, at: float | None, side: str, text: str) -> None:
        if at is not None and self._begin is None:
            self._begin = at
        when = "" if at is None or self._begin is None else f"{(at - self._begin) * 1000:.1f} ms"
        self._tell(f"{when:>10}  {side} {text}")

    def _note(self, text: str) -> None:
        self._tell(_INDENT + text)


def fields(message: object) -> Iterator[str]:
    """A message's fields, one a line, its extensions behind them."""
    block: ExtensionBlock | None = None
    for field in dataclasses.fields(message):  # type: ignore[arg-type]
        value = getattr(message, field.name)
        if isinstance(value, ExtensionBlock):
            block = value
        elif field.name == "certificate_list":
            yield from _certificates(value)
        else:
            yield f"{field.name}: {_text(field.name, value)}"
    if block is not None:
        yield from extensions(block)


def extensions(block: ExtensionBlock) -> Iterator[str]:
    """Each extension of a block, in the order in which it stands there."""
    unknown = dict(block.unknown)
    for code in block.present:
        name = describe(ExtensionType, code)
        if code in unknown:
            yield f"extension {name}: {_bytes(unknown[code])}"
            continue
        attribute = block.rows[code][0]
        yield f"extension {name}: {_text(attribute, getattr(block, attribute))}"


def _certificates(entries: Any) -> Iterator[str]:
    if not entries:
        yield "certificate_list: empty"
    for number, entry in enumerate(entries):
        if isinstance(entry, bytes):  # of TLS 1.2
            yield f'certificate {number}: "{owner(entry)}", {len(entry)} bytes'
            continue
        yield f'certificate {number}: "{owner(entry.cert_data)}", {len(entry.cert_data)} bytes'
        for line in extensions(entry.extensions):
            yield f"  {line}"


def _text(name: str, value: object) -> str:
    """A field's value in words."""
    if value is True:
        return "yes"
    if value is None or value is False or value == () or value == b"":
        return "empty"
    registry = _REGISTRIES.get(name)
    if registry is not None and isinstance(value, int):
        return describe(registry, value)
    if registry is not None and isinstance(value, (bytes, tuple)):
        return ", ".join(describe(registry, code) for code in value)
    if name in _COMPRESSION and isinstance(value, (bytes, int)):
        codes = value if isinstance(value, bytes) else (value,)
        return ", ".join("null" if code == 0 else f"0x{code:02x}" for code in codes)
    if isinstance(value, KeyShareEntry):
        return f"{describe(NamedGroup, value.group)} ({_bytes(value.key_exchange)})"
    if isinstance(value, OfferedPsks):
        return ", ".join(f"a key named by {_bytes(identity)}" for identity, _ in value.identities)
    if isinstance(value, tuple):
        return ", ".join(_text(name, item) for item in value)
    if isinstance(value, bytes):
        return _opaque(name, value)
    return printable(str(value)) if isinstance(value, str) else str(value)


def _opaque(name: str, value: bytes) -> str:
    if name in _NAMES:
        return printable(value.decode("utf-8", "replace"))
    if name == "certificate_authorities":
        try:
            return f'"{printable(str(DistinguishedName.from_der(value)))}"'
        except NameEncodingError:
            return f"{_bytes(value)} that are no name"
    return _bytes(value)


def _bytes(value: bytes) -> str:
    return "1 byte" if len(value) == 1 else f"{len(value)} bytes"
