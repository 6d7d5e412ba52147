"""What an `SSLContext` is told, and tells, of resumption and of pre-shared keys.

`SSLContext` inherits it. Tickets and caches themselves are in `tlsocket.handshake`; a single session is `session`'s.
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tlsocket.config import MAXIMUM_TICKETS
from tlsocket.dropin.enums import OP_NO_TICKET, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, Options
from tlsocket.dropin.exceptions import SSLError
from tlsocket.dropin.session import (
    MAXIMUM_HINT,
    PskClientCallback,
    PskServerCallback,
    client_psk_tls12,
    client_psks,
    server_psks,
)
from tlsocket.errors import ApiMisuse
from tlsocket.handshake.session_caches import ClientSessionCache, ServerSessionCache
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.key_schedule.external_psk import PreSharedKey

__all__ = ["ResumptionSettings", "role_error"]

_STATISTICS = (
    "number", "connect", "connect_good", "connect_renegotiate", "accept", "accept_good", "accept_renegotiate",
    "hits", "misses", "timeouts", "cache_full",
)  # fmt: skip

# Counting takes no time to speak of, so one lock serves all contexts, and a child process replaces it.
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class ResumptionSettings:
    """The settings; every change of one calls `_changed`, so that connections made from then on heed it."""

    _num_tickets: int
    _ticket_keys: TicketKeys
    _server_sessions: ServerSessionCache | None
    _client_sessions: ClientSessionCache | None
    _offer_psks: Callable[[str | None], Sequence[PreSharedKey]] | None
    _choose_psk: Callable[[str | None, bytes], PreSharedKey | None] | None
    _find_psk: Callable[[bytes], PreSharedKey | None] | None
    _psk_identity_hint: bytes
    _statistics: dict[str, int]

    if TYPE_CHECKING:
        _protocol: Any
        _options: Options

        def _changed(self) -> None: ...

    def _init_resumption(self) -> None:
        self._num_tickets = 2
        self._ticket_keys = TicketKeys()
        self._server_sessions = None
        self._client_sessions = None
        self._offer_psks = None
        self._choose_psk = None
        self._find_psk = None
        self._psk_identity_hint = b""
        self._statistics = dict.fromkeys(_STATISTICS, 0)

    # Tickets and caches

    def _ticket_store(self) -> TicketKeys | ServerSessionCache:
        """Sealed tickets, or with OP_NO_TICKET (as in OpenSSL) names of sessions that this process keeps."""
        if not self._options & OP_NO_TICKET:
            return self._ticket_keys
        if self._server_sessions is None:
            self._server_sessions = ServerSessionCache()
        return self._server_sessions

    def _client_resumption(self) -> dict[str, Any]:
        """What a `ClientConfig` is told."""
        return {
            "tls12_tickets": not self._options & OP_NO_TICKET,
            "session_cache": self._client_sessions,
            "offer_psks": self._offer_psks,
            "choose_psk": self._choose_psk,
        }

    def _server_resumption(self) -> dict[str, Any]:
        """What a `ServerConfig` is told."""
        store = self._ticket_store()
        return {
            "ticket_store": store,
            "send_tickets": min(self._num_tickets, MAXIMUM_TICKETS),
            "tls12_tickets": not self._options & OP_NO_TICKET,
            "session_ids": store if isinstance(store, ServerSessionCache) and self._num_tickets else None,
            "find_psk": self._find_psk,
            "psk_identity_hint": self._psk_identity_hint,
        }

    @property
    def num_tickets(self) -> int:
        """How many session tickets a server sends after a full handshake (at most 16); after a resumed one, one.

        As in `ssl` it has no bearing on TLS 1.2. But 0 together with `OP_NO_TICKET` means that no session is resumed,
        in any version; in `ssl` there would still be the session ids of TLS 1.2.
        """
        return self._num_tickets

    @num_tickets.setter
    def num_tickets(self, value: int) -> None:
        number = operator.index(value)
        if number < 0:
            raise ValueError("value must be non-negative")
        if self._protocol != PROTOCOL_TLS_SERVER:
            raise ValueError("SSLContext is not a server context.")
        self._num_tickets = number
        self._changed()

    def set_ticket_keys(self, keys: Iterable[bytes]) -> None:
        """Seal session tickets under the first of these keys and open them with any (not in `ssl`).

        For a fleet of servers, or several processes, that resume each other's sessions: give all of them the same keys,
        newest first, and the old one for as long as its tickets live. Each is 32 or more random bytes. Without any,
        which is the default, a context makes its own keys and replaces them every few hours.
        """
        if self._protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("ticket keys cannot be set on a TLS_CLIENT context")
        if isinstance(keys, (bytes, bytearray, memoryview, str)):
            raise TypeError("keys should be a list of bytes, newest first")
        try:
            self._ticket_keys.set_keys([bytes(memoryview(key)) for key in keys])
        except ApiMisuse as error:
            raise ValueError(error.detail) from None

    @property
    def client_session_cache(self) -> ClientSessionCache | None:
        """Where clients of this context keep sessions, to resume them without being told to (not in `ssl`).

        None, the default: only a `session` that is given is resumed, and `session_reused` tells a program nothing that
        it did not ask for. True makes a cache; None or False does away with it.
        """
        return self._client_sessions

    @client_session_cache.setter
    def client_session_cache(self, value: ClientSessionCache | bool | None) -> None:
        if self._protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("client_session_cache cannot be set on a TLS_SERVER context")
        if value is not None and not isinstance(value, (bool, ClientSessionCache)):
            raise TypeError("client_session_cache is True, False, None or a ClientSessionCache")
        if isinstance(value, ClientSessionCache):
            self._client_sessions = value
        elif not value:
            self._client_sessions = None
        elif self._client_sessions is None:
            self._client_sessions = ClientSessionCache()
        self._changed()

    # Figures

    def _count(self, what: str) -> None:
        with _lock:
            self._statistics[what] += 1

    def _count_handshake(self, server_side: bool, reused: bool = False) -> None:
        with _lock:
            self._statistics["accept_good" if server_side else "connect_good"] += 1
            if reused:
                self._statistics["hits"] += 1

    def session_stats(self) -> dict[str, int]:
        """Handshakes begun and completed, and how many resumed a session (`hits`).

        `misses` are tickets that a server did not know, `timeouts` those that were too old. `number` and `cache_full`
        are of the caches, where there are any: sealed tickets need none.
        """
        with _lock:
            counts = dict(self._statistics)
        server, client = self._server_sessions, self._client_sessions
        for store in (self._ticket_keys, server):
            if store is not None:
                counts["misses"] += store.misses
                counts["timeouts"] += store.expiries
        if server is not None:
            counts["number"] += len(server)
            counts["cache_full"] += server.overflows
        if client is not None:
            counts["number"] += len(client)
        return counts

    # Pre-shared keys

    def set_psk_client_callback(self, callback: PskClientCallback | None) -> None:
        """Authenticate with a key that the server has too: `callback(hint)` gives (identity, key); b"": none.

        In TLS 1.3 the hint is None, and the key is used as it is, with cipher suites of SHA-256 (RFC 9846 section
        4.3.11). In TLS 1.2 the callback is asked when the server chose ECDHE_PSK (RFC 5489), whose suites
        `set_ciphers("PSK")` enables, and with the server's hint, if it gave one. When nothing else would authenticate
        the server (`CERT_NONE`), one that does not choose the key is refused; in `ssl` it is not.
        """
        if self._protocol == PROTOCOL_TLS_SERVER:
            raise role_error("Cannot add PSK client callback to a PROTOCOL_TLS_SERVER context")
        if callback is not None and not callable(callback):
            raise TypeError("callback must be callable")
        self._offer_psks = None if callback is None else client_psks(callback)
        self._choose_psk = None if callback is None else client_psk_tls12(callback)
        self._changed()

    def set_psk_server_callback(self, callback: PskServerCallback | None, identity_hint: str | None = None) -> None:
        """Authenticate clients that have a key of ours: `callback(identity)` gives the key; b"": there is none.

        In TLS 1.2 by ECDHE_PSK (RFC 5489), whose suites `set_ciphers("PSK")` enables; the hint is told to its clients,
        and the identity is None where a client sent an empty one. Where `verify_mode` is `CERT_REQUIRED`, a key does
        not stand in for a certificate.
        """
        if self._protocol == PROTOCOL_TLS_CLIENT:
            raise role_error("Cannot add PSK server callback to a PROTOCOL_TLS_CLIENT context")
        if callback is not None and not callable(callback):
            raise TypeError("callback must be callable")
        hint: object = identity_hint
        if hint is not None:
            if not isinstance(hint, str):
                kind = type(hint).__name__
                raise TypeError(f"set_psk_server_callback() argument 'identity_hint' must be str or None, not {kind}")
            if len(hint.encode()) > MAXIMUM_HINT:
                raise ValueError("failed to set identity hint")
        self._psk_identity_hint = (identity_hint or "").encode()
        self._find_psk = None if callback is None else server_psks(callback)
        self._changed()


def role_error(text: str) -> SSLError:
    """The error of `ssl` for a context of the wrong protocol."""
    error = SSLError(0, f"{text} (tlsocket)")
    error.library = None  # type: ignore[assignment]
    error.reason = None  # type: ignore[assignment]
    return error
