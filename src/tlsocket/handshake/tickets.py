"""Session tickets of a server: sealed under keys that rotate, and sent in TLS 1.3 (RFC 9846 section 4.7.1).

A `TicketKeys` is a ticket store that stores nothing. Left alone it makes a key when it first needs one, replaces it
every few hours and keeps the old one until the last ticket under it has expired; given keys by `set_keys`, newest
first, it uses those until it is given others, so that all machines of a fleet take each other's tickets. What stands
in a ticket is `sessions.SessionState`; a store that keeps the states itself is in `session_caches`. The tickets of
TLS 1.2 are sealed here and sent by `resumption_tls12`.

    ticket = key_name[16] || nonce[12] || AES-256-GCM(state) || tag[16]        with key_name as associated data
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

from tlsocket import clock
from tlsocket.config import ServerConfig
from tlsocket.crypto.hashes import SHA256
from tlsocket.crypto.hkdf import expand
from tlsocket.crypto.randomness import random_bytes
from tlsocket.crypto.sealing import KEY_LENGTH, OVERHEAD, Sealer
from tlsocket.errors import ApiMisuse, InternalError
from tlsocket.events import TicketsSent
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.proofs import PreSharedKeyPeer
from tlsocket.handshake.sessions import LARGEST_TICKET, encode_head, encode_tail, normal_name, server_binding
from tlsocket.key_schedule import ResumptionSecret
from tlsocket.registry.content_types import ContentType
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["MAXIMUM_KEYS", "TicketKeys", "issue_tickets", "lifetime_left"]

MAXIMUM_KEYS = 16
"""Keys that `set_keys` takes."""

_NAME = 16
_OVERHEAD = _NAME + OVERHEAD
_ROTATION = 4 * 3600.0

# Rotation is rare and takes microseconds, so one lock serves all, and a child process replaces it.
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class _Key(NamedTuple):
    name: bytes
    sealer: Sealer
    made_at: float
    """On the monotonic clock."""


def _key(secret: bytes) -> _Key:
    # Name and key both come of the secret, so that everybody who was given it calls it by the same name.
    derived = expand(SHA256, secret, b"tlsocket session ticket", _NAME + KEY_LENGTH)
    return _Key(derived[:_NAME], Sealer(derived[_NAME:]), clock.monotonic())


class TicketKeys:
    """The keys under which a server seals its tickets: the first one seals, all of them open."""

    __slots__ = ("_given", "_keys", "expiries", "misses", "overlap", "rotation")

    def __init__(self, *, rotation: float = _ROTATION, overlap: float = 7200.0) -> None:
        self.rotation = rotation
        """Seconds after which a key of our own seals no more."""
        self.overlap = overlap
        """Seconds for which it then still opens: the longest lifetime of a ticket under it, if not longer."""
        self.misses = 0
        """Tickets that no key opened."""
        self.expiries = 0
        """Tickets that were too old."""
        self._given = False
        self._keys: tuple[_Key, ...] = ()

    def __repr__(self) -> str:
        return f"<TicketKeys {'given' if self._given else 'rotating'}>"

    def set_keys(self, keys: Sequence[bytes]) -> None:
        """Use these from now on, newest first, and rotate no more; no key at all: back to keys of our own.

        Each has 32 bytes or more, all from a generator of random bytes and shared by nothing but the fleet. Tickets
        under keys that are not among them are not resumed any more.
        """
        secrets = [bytes(key) for key in keys]
        if len(secrets) > MAXIMUM_KEYS:
            raise ApiMisuse(detail=f"at most {MAXIMUM_KEYS} ticket keys are kept")
        for secret in secrets:
            if len(secret) < KEY_LENGTH:
                raise ApiMisuse(detail=f"a ticket key has {KEY_LENGTH} bytes or more, not {len(secret)}")
            if len(set(secret)) < 8:
                # CVE-2020-13777: servers that sealed with zeros until the first rotation.
                raise ApiMisuse(detail="a ticket key must be random; this one repeats itself")
        with _lock:
            self._given = bool(secrets)
            self._keys = tuple([_key(secret) for secret in dict.fromkeys(secrets)])

    def issue(self, state: bytes, lifetime: int) -> bytes | None:
        """The state, sealed; None for one that no ClientHello should carry."""
        if len(state) > LARGEST_TICKET - _OVERHEAD:
            return None
        if lifetime > self.overlap:
            self.overlap = lifetime
        key = self._sealing_key()
        return key.name + key.sealer.seal(state, key.name)

    def redeem(self, ticket: bytes) -> bytes | None:
        """What was sealed, if one of the keys opens it."""
        name = ticket[:_NAME]
        for key in self._keys:
            # A name is public, and so is whether we know it.
            if key.name == name:
                if not self._given and clock.monotonic() - key.made_at > self.rotation + self.overlap:
                    break
                state = key.sealer.open(ticket[_NAME:], name)
                if state is not None:
                    return state
        self.misses += 1
        return None

    def expired(self) -> None:
        """Count a ticket that was too old."""
        self.expiries += 1

    def _sealing_key(self) -> _Key:
        keys = self._keys
        if keys and (self._given or clock.monotonic() - keys[0].made_at < self.rotation):
            return keys[0]
        with _lock:
            keys, now = self._keys, clock.monotonic()
            if not keys or (not self._given and now - keys[0].made_at >= self.rotation):
                kept = [key for key in keys if now - key.made_at <= self.rotation + self.overlap]
                self._keys = keys = (_key(random_bytes(KEY_LENGTH)), *kept)
            return keys[0]


# Sending

# NewSessionTicket (type 4) up to the ticket: the header, lifetime, age_add, a nonce of one byte, the ticket's length.
_NEW_SESSION_TICKET = Struct(">BBHIIBBH").pack
_NO_EXTENSIONS = b"\0\0"
# ticket_nonce as SessionState has it: its length, and the ticket's number.
_NONCES = tuple(bytes((1, number)) for number in range(256))


def lifetime_left(config: ServerConfig, now: int, authenticated_at: int) -> int:
    """Seconds for which a session may be resumed, 0 or less for none; the times in milliseconds since 1970.

    RFC 9846 section 4.7.1: the total lifetime of keying material SHOULD have a limit.
    """
    return min(config.ticket_lifetime, config.session_lifetime - (now - authenticated_at) // 1000)


def issue_tickets(hs: Handshake[Any], secret: ResumptionSecret, count: int) -> None:
    """Queue `count` NewSessionTickets: the handshake is over, and `secret` is its resumption secret."""
    config, credential, suite = hs.config, hs.credential, hs.suite
    store = config.ticket_store
    if store is None or credential is None or suite is None:
        raise InternalError(detail="nothing to make a ticket of")
    now = int(clock.now() * 1000)
    peer = hs.peer
    authenticated_at = now
    if isinstance(peer, PreSharedKeyPeer):
        authenticated_at = int(peer.authenticated_at * 1000)
    lifetime = lifetime_left(config, now, authenticated_at)
    if lifetime <= 0:
        return
    # `SessionState.encode`, once for all of them but for their nonces.
    head = encode_head(
        ProtocolVersion.TLS_1_3,
        suite.code,
        hs.peer_signature_scheme or 0,
        now,
        lifetime,
        authenticated_at,
        server_binding(config, credential),
        suite.hash.digest_size,
    )
    tail = encode_tail(normal_name(hs.server_name), hs.alpn, hs.peer_certificates, hs.verified_path)
    # RFC 9846 section 4.7.1: "The server MUST generate a fresh value for each ticket it sends" (CVE-2022-30629).
    age_adds = random_bytes(4 * count)
    messages: list[bytes] = []
    for number in range(count):
        ticket = store.issue(b"".join((head, secret.secret, _NONCES[number], tail)), lifetime)
        if ticket is None:
            break
        length = len(ticket)
        age_add = int.from_bytes(age_adds[4 * number : 4 * number + 4], "big")
        start = _NEW_SESSION_TICKET(4, 0, 14 + length, lifetime, age_add, 1, number, length)
        messages += (start, ticket, _NO_EXTENSIONS)
    if messages:
        hs.writer.queue(ContentType.HANDSHAKE, b"".join(messages))
        if hs.on_event is not None:
            hs.on_event(TicketsSent(len(messages) // 3, lifetime))
