"""A client's ClientHello, made from its configuration: one for all the versions it speaks (RFC 9846 section 4.2.2).

All but the random, the session id and the key shares is the same for every connection of one configuration to one
name. It is encoded once, with place-holders, and patched: 5 us less per handshake. After a HelloRetryRequest the
message is made anew, which is rare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tlsocket.config import ClientConfig
from tlsocket.crypto.groups import HYBRID_GROUPS, KeyShare, default_share_groups, generate
from tlsocket.crypto.randomness import random_bytes
from tlsocket.crypto.suites import TLS12_SUITES
from tlsocket.errors import ApiMisuse, Reason
from tlsocket.extensions import ClientHelloExtensions, KeyShareEntry
from tlsocket.handshake.negotiation import remember
from tlsocket.handshake.sessions import Session
from tlsocket.messages import ClientHello
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.ec_curve_types import ECPointFormat
from tlsocket.registry.psk_key_exchange_modes import PskKeyExchangeMode
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["Template", "hello_again", "offered_tls12_suites", "offering", "template_for"]

_RANDOM = slice(6, 38)  # behind msg_type, length and legacy_version
_SESSION_ID = 39  # behind its length byte


@dataclass(frozen=True, slots=True)
class Template:
    """An encoded ClientHello with place-holders, and what they stand for."""

    hello: ClientHello
    encoded: bytes
    share_groups: tuple[int, ...]
    share_places: tuple[slice, ...]
    offered: frozenset[int]
    """Types of the extensions in it: the only ones the server may answer (RFC 9846 section 4.3)."""
    extensions_at: int
    """Where the length of the extensions stands: pre_shared_key is put behind them (`tlsocket.handshake.psk`)."""

    def fill(self, random: bytes, session_id: bytes, shares: Mapping[int, KeyShare]) -> bytes:
        """The message with this random, session id and these key shares."""
        message = bytearray(self.encoded)
        message[_RANDOM] = random
        message[_SESSION_ID : _SESSION_ID + len(session_id)] = session_id
        for group, place in zip(self.share_groups, self.share_places, strict=True):
            message[place] = shares[group].public
        return bytes(message)


def template_for(config: ClientConfig, server_name: str | None) -> Template:
    """The template of this configuration for one server_name extension."""
    return remember(config, server_name, lambda: _template(config, server_name))


def _template(config: ClientConfig, server_name: str | None) -> Template:
    tls12 = config.minimum_version == ProtocolVersion.TLS_1_2
    tls13 = config.maximum_version == ProtocolVersion.TLS_1_3
    groups = default_share_groups(config.groups) if config.key_share_groups is None else config.key_share_groups
    if not tls13:
        groups = ()
    # Random place-holders cannot be mistaken for anything else in the message.
    entries = tuple(KeyShareEntry(group, random_bytes(len(generate(group).public))) for group in groups)
    hello = ClientHello(
        legacy_version=ProtocolVersion.TLS_1_2,
        random=bytes(32),
        legacy_session_id=bytes(32) if config.middlebox_compatibility and tls13 else b"",
        cipher_suites=_cipher_suites(config, tls12=tls12, tls13=tls13),
        legacy_compression_methods=b"\x00",
        extensions=ClientHelloExtensions(
            server_name=server_name,
            extended_main_secret=tls12,
            # RFC 5746 section 3.4: the extension or its SCSV; empty, as in every first handshake.
            renegotiation_info=b"" if tls12 else None,
            ec_point_formats=bytes((ECPointFormat.UNCOMPRESSED,)) if tls12 else None,
            # RFC 5077 section 3.2: empty, it asks for a ticket.
            session_ticket=b"" if tls12 and config.tls12_tickets else None,
            supported_versions=config.versions if tls13 else None,
            supported_groups=config.groups if tls13 else _without_hybrids(config.groups),
            signature_algorithms=config.signature_schemes,
            signature_algorithms_cert=config.signature_schemes_cert,
            key_share=entries if tls13 else None,
            alpn=config.alpn_protocols or None,
            certificate_authorities=config.certificate_authorities or None,
            post_handshake_auth=config.post_handshake_auth,
            record_size_limit=config.record_size_limit,
            max_fragment_length=config.max_fragment_length,
            # RFC 9846 section 4.3.9: it "restricts both the use of PSKs offered in this ClientHello and those which the
            # server might supply via NewSessionTicket", so it is there without a PSK too.
            psk_key_exchange_modes=(PskKeyExchangeMode.PSK_DHE_KE,) if tls13 else None,
        ),
    )
    return _with_places(hello)


def _with_places(hello: ClientHello) -> Template:
    """A ClientHello encoded, and where in it stands what is for one connection only."""
    encoded = hello.encode()
    entries = hello.extensions.key_share or ()
    places = []
    for entry in entries:
        start = encoded.index(entry.key_exchange)
        places.append(slice(start, start + len(entry.key_exchange)))
    # Behind header, version, random, session id, suites and compression methods, each vector with its length.
    extensions_at = 38 + 1 + len(hello.legacy_session_id) + 2 + 2 * len(hello.cipher_suites) + 2
    groups = tuple([entry.group for entry in entries])
    return Template(hello, encoded, groups, tuple(places), frozenset(hello.extensions.present), extensions_at)


def offering(template: Template, session: Session) -> Template:
    """The same with a session of TLS 1.2 to resume: its ticket, or its session id (RFC 5077, RFC 5246 section 7.4.1.2).

    With a ticket there is a session id too, made up for this connection, by whose return the server says that it
    resumes (RFC 5077 section 3.4).
    """
    if not session.ticket:
        return _with_places(replace(template.hello, legacy_session_id=session.session_id))
    extensions = replace(template.hello.extensions, session_ticket=session.ticket)
    return _with_places(replace(template.hello, legacy_session_id=random_bytes(32), extensions=extensions))


def _without_hybrids(groups: tuple[int, ...]) -> tuple[int, ...]:
    """Those that may be offered where TLS 1.2 is all that is: hybrids are for TLS 1.3 (RFC 8422 section 5.1.1)."""
    kept = tuple([group for group in groups if group not in HYBRID_GROUPS])
    if not kept:
        raise ApiMisuse(detail="all groups that are enabled are for TLS 1.3, which is not")
    return kept


def offered_tls12_suites(config: ClientConfig) -> tuple[int, ...]:
    """Those enabled, without ECDHE_PSK where there are no keys for it."""
    if config.choose_psk is not None:
        return config.tls12_cipher_suites
    return tuple([code for code in config.tls12_cipher_suites if TLS12_SUITES[code].authentication is not None])


def _cipher_suites(config: ClientConfig, *, tls12: bool, tls13: bool) -> tuple[int, ...]:
    suites = config.cipher_suites if tls13 else ()
    if tls12:
        suites += offered_tls12_suites(config)
    if not suites:
        raise ApiMisuse(Reason.NO_CIPHER_SUITE_LEFT, "all of them need a pre-shared key, and there is none")
    if config.send_fallback_scsv:
        suites += (CipherSuiteCode.TLS_FALLBACK_SCSV.value,)
    return suites


def hello_again(
    template: Template,
    random: bytes,
    session_id: bytes,
    shares: Mapping[int, KeyShare],
    cookie: bytes | None,
) -> bytes:
    """The second ClientHello, still without pre_shared_key: the first but for key_share and cookie (RFC 9846 section
    4.2.2)."""
    hello = replace(
        template.hello,
        random=random,
        legacy_session_id=session_id,
        extensions=replace(
            template.hello.extensions,
            key_share=tuple(KeyShareEntry(group, share.public) for group, share in shares.items()),
            cookie=cookie,
        ),
    )
    return hello.encode()
