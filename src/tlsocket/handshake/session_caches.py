"""Bounded caches: a client's sessions by server, and a server's sessions by a random name (RFC 9846 section 4.7.1).

In TLS 1.2 that name may be a session id (RFC 5246 section 7.4.1.3).

Both forget the oldest entry when they are full, and serve any number of threads. What makes a session usable is known
in `sessions`; a store that needs no memory is `tickets.TicketKeys`.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable

from tlsocket import clock
from tlsocket.crypto.randomness import random_bytes
from tlsocket.handshake.sessions import Session, normal_name

__all__ = ["ClientSessionCache", "ServerSessionCache"]

_ID_LENGTH = 32  # also the length of a session id of TLS 1.2

# Held for a dictionary's operation or two, so one lock serves all caches, and a child process replaces it.
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class ClientSessionCache:
    """A client's sessions by the name of the server: a `tlsocket.config.SessionCache`."""

    __slots__ = ("_sessions", "servers", "tickets")

    def __init__(self, *, servers: int = 256, tickets: int = 4) -> None:
        self.servers = servers
        """How many servers' sessions are kept."""
        self.tickets = tickets
        """How many sessions with each."""
        self._sessions: OrderedDict[str | None, tuple[Session, ...]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<ClientSessionCache of {len(self)} sessions>"

    def __len__(self) -> int:
        with _lock:
            return sum(map(len, self._sessions.values()))

    def add(self, session: Session) -> None:
        """Keep a session; the oldest with this server, and the server not met for longest, give way."""
        name = session.origin.server_name
        with _lock:
            kept = (*self._sessions.pop(name, ()), session)
            self._sessions[name] = kept[-self.tickets :]
            while len(self._sessions) > self.servers:
                self._sessions.popitem(last=False)

    def take(self, server_name: str | None, usable: Callable[[Session], bool]) -> Session | None:
        """The latest usable session with this server, which is then forgotten, and so are later ones that are not.

        Once only, because two connections with one ticket can be told to be one client's (RFC 9846 appendix C.4).
        """
        name = normal_name(server_name)
        while True:
            with _lock:
                kept = self._sessions.pop(name, ())
                if len(kept) > 1:
                    self._sessions[name] = kept[:-1]
            if not kept:
                return None
            if usable(kept[-1]):
                return kept[-1]

    def clear(self) -> None:
        """Forget everything."""
        with _lock:
            self._sessions.clear()


class ServerSessionCache:
    """A server's sessions in its own memory: a `tlsocket.config.TicketStore` whose tickets are random names.

    It is a `tlsocket.config.SessionIdStore` too, for the same reason.

    The sessions of one process only, and gone with it; in return a ticket says nothing, and forgetting is certain.
    """

    __slots__ = ("_states", "capacity", "expiries", "misses", "overflows")

    def __init__(self, *, capacity: int = 20480) -> None:
        self.capacity = capacity
        """How many sessions are kept: the growth of a cache is in the hands of whoever connects (CVE-2024-2511)."""
        self.misses = 0
        """Tickets that were not found."""
        self.expiries = 0
        """Tickets that were too old."""
        self.overflows = 0
        """Sessions forgotten because the cache was full."""
        self._states: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<ServerSessionCache of {len(self._states)} sessions>"

    def __len__(self) -> int:
        return len(self._states)

    def issue(self, state: bytes, lifetime: int) -> bytes | None:
        """Keep a state; its ticket is a random name."""
        if self.capacity <= 0:
            return None
        ticket = random_bytes(_ID_LENGTH)
        self.keep(ticket, state, lifetime)
        return ticket

    def keep(self, session_id: bytes, state: bytes, lifetime: int) -> None:
        """Keep a state under a session id; the oldest one gives way."""
        with _lock:
            self._states[session_id] = clock.monotonic() + lifetime, state
            if len(self._states) > self.capacity:
                self._states.popitem(last=False)
                self.overflows += 1

    def redeem(self, ticket: bytes) -> bytes | None:
        """The state kept under that name."""
        with _lock:
            found = self._states.get(ticket)
            if found is None:
                self.misses += 1
                return None
            if clock.monotonic() >= found[0]:
                del self._states[ticket]
                self.expiries += 1
                return None
        return found[1]

    def expired(self) -> None:
        """Count a ticket that was too old."""
        self.expiries += 1

    def clear(self) -> None:
        """Forget everything."""
        with _lock:
            self._states.clear()
