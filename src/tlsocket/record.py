"""The typed face of the record layer, and the one door from a secret to a key.

RFC 9846 sections 5 and 7.3; for TLS 1.2, RFC 5246 section 6.

Everything that reads or writes records imports the names from here, not from the extension. Sequence numbers restart
with the key, because a `Protection` is born with number 0 and never changes its key (RFC 9846 section 5.3). What does
not belong here: when keys change; that is the handshake's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsocket._record import (
    BAD_LENGTH,
    CLOSED,
    HAVE_DATA,
    MAX_PLAINTEXT,
    STOPPED,
    SYSTEM_ERROR,
    TIMED_OUT,
    TRUNCATED,
    WANT_READ,
    WANT_WRITE,
    Protection,
    RecordReader,
    RecordWriter,
    pool_statistics,
    tls12_protection,
    tls13_protection,
)

if TYPE_CHECKING:
    from tlsocket._record import Owner as Owner
    from tlsocket.key_schedule import TrafficSecret
    from tlsocket.key_schedule.tls12 import WriteKey

__all__ = [
    "BAD_LENGTH",
    "CLOSED",
    "HAVE_DATA",
    "MAX_PLAINTEXT",
    "STOPPED",
    "SYSTEM_ERROR",
    "TIMED_OUT",
    "TRUNCATED",
    "WANT_READ",
    "WANT_WRITE",
    "Protection",
    "RecordReader",
    "RecordWriter",
    "install_receive_key",
    "install_send_key",
    "pool_statistics",
    "protection_for",
    "protection_for_tls12",
]


def protection_for(secret: TrafficSecret) -> Protection:
    """Key, IV and a sequence number of 0 from a traffic secret (RFC 9846 section 7.3)."""
    key, iv = secret.key_and_iv()
    suite = secret.suite
    return tls13_protection(suite.aead(key), iv, suite.confidentiality_limit)


def install_send_key(writer: RecordWriter, secret: TrafficSecret) -> None:
    """Seal everything queued or written after this under `secret`."""
    writer.queue_key(protection_for(secret))


def install_receive_key(reader: RecordReader, secret: TrafficSecret, *, plaintext_alert: bool = False) -> Protection:
    """Open everything that arrives after this under `secret`; the Protection counts what it opened.

    `plaintext_alert`: the peer may still send one unprotected alert, because it may have failed before it had keys.

    Raises:
        PeerMisbehaved: part of another handshake message is pending (RFC 9846 section 5.1).
    """
    protection = protection_for(secret)
    reader.set_key(protection, plaintext_alert)
    return protection


def protection_for_tls12(key: WriteKey) -> Protection:
    """A sequence number of 0 and the key and IV of RFC 5246 section 6.3: protection until the connection ends."""
    suite = key.suite
    return tls12_protection(suite.aead(key.key), key.iv, suite.confidentiality_limit)
