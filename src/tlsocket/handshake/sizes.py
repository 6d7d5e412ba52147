"""How large records may be: record_size_limit (RFC 8449) and max_fragment_length (RFC 6066 section 4).

Both bound protected records only, here, since both are answered in EncryptedExtensions. Of the two, record_size_limit
wins where a client offers both (RFC 8449 section 5). The codecs are in `tlsocket.extensions`; cutting and measuring is
done by the record layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tlsocket.config import MAX_RECORD_SIZE_LIMIT, ServerConfig
from tlsocket.errors import PeerMisbehaved, Reason
from tlsocket.extensions import ClientHelloExtensions, EncryptedExtensionsExtensions, Tls12ServerHelloExtensions
from tlsocket.handshake.machine import Handshake

__all__ = [
    "Sizes",
    "answer_record_size_limit",
    "answer_size_limits",
    "heed_size_limits",
    "heed_size_limits_tls12",
]

_TYPE, _TAG = 1, 16
_TLS12_LIMIT = MAX_RECORD_SIZE_LIMIT - _TYPE
_TLS12_OVERHEAD = 8 + _TAG  # the larger of the two; what it gives away to ChaCha20-Poly1305 is no content


class Sizes(NamedTuple):
    """What was agreed on."""

    fragment: int
    """Content bytes of a record that we send."""
    record: int
    """Bytes behind the header of a record that we take: content, type, padding and tag."""

    def apply(self, hs: Handshake[Any]) -> None:
        """From here on."""
        hs.writer.max_fragment = self.fragment
        hs.reader.max_record = self.record


def _limits(theirs: int, ours: int) -> Sizes:
    # A limit above the protocol's own is no error: the peer may speak a later one (RFC 8449 section 4).
    return Sizes(min(theirs, MAX_RECORD_SIZE_LIMIT) - _TYPE, ours + _TAG)


def _fragments(length: int) -> Sizes:
    return Sizes(length, length + _TYPE + _TAG)


def heed_size_limits(hs: Handshake[Any], extensions: EncryptedExtensionsExtensions) -> None:
    """A client: take what the server answered to our offer, which `hs.config` has."""
    limit, length = extensions.record_size_limit, extensions.max_fragment_length
    if limit is not None and length is not None:
        # RFC 8449 section 5: "MUST treat ... as a fatal error ... illegal_parameter".
        raise PeerMisbehaved(Reason.TWO_SIZE_LIMITS)
    if limit is not None:
        _limits(limit, hs.config.record_size_limit or MAX_RECORD_SIZE_LIMIT).apply(hs)
    elif length is not None:
        if length != hs.config.max_fragment_length:
            raise PeerMisbehaved(Reason.INVALID_MAX_FRAGMENT_LENGTH, f"{length}, not the one asked for")
        _fragments(length).apply(hs)


def answer_size_limits(
    config: ServerConfig, offered: ClientHelloExtensions
) -> tuple[Sizes | None, int | None, int | None]:
    """A server: what becomes of the offer; and the record_size_limit and max_fragment_length to answer with."""
    if offered.record_size_limit is not None:
        ours = config.record_size_limit or MAX_RECORD_SIZE_LIMIT
        return _limits(offered.record_size_limit, ours), ours, None
    if offered.max_fragment_length is not None:
        return _fragments(offered.max_fragment_length), None, offered.max_fragment_length
    return None, None, None


# TLS 1.2: the answer stands in the ServerHello, and a limit counts no type (RFC 8449 section 4). A max_fragment_length
# is not answered, which RFC 6066 section 4 leaves to the server: it would bind the handshake's plaintext too.


def heed_size_limits_tls12(hs: Handshake[Any], extensions: Tls12ServerHelloExtensions) -> None:
    """A client: take what a server of TLS 1.2 answered to our offer."""
    limit, length = extensions.record_size_limit, extensions.max_fragment_length
    if limit is not None and length is not None:
        raise PeerMisbehaved(Reason.TWO_SIZE_LIMITS)
    if limit is not None:
        _limits_tls12(limit, hs.config.record_size_limit or _TLS12_LIMIT).apply(hs)
    elif length is not None:
        if length != hs.config.max_fragment_length:
            raise PeerMisbehaved(Reason.INVALID_MAX_FRAGMENT_LENGTH, f"{length}, not the one asked for")
        Sizes(length, length + _TLS12_OVERHEAD).apply(hs)


def answer_record_size_limit(hs: Handshake[Any], offered: int | None) -> int | None:
    """A server of TLS 1.2: the record_size_limit to answer with, which is in force with that."""
    if offered is None:
        return None
    ours = min(hs.config.record_size_limit or _TLS12_LIMIT, _TLS12_LIMIT)
    _limits_tls12(offered, ours).apply(hs)
    return ours


def _limits_tls12(theirs: int, ours: int) -> Sizes:
    return Sizes(min(theirs, _TLS12_LIMIT), min(ours, _TLS12_LIMIT) + _TLS12_OVERHEAD)
