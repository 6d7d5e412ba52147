"""What `tlsocket connect --resume` does beside connecting twice: get a session, part, and say what became of it.

Only the face of `ssl` is used here (`SSLSocket.session`, `session_reused`), so it is the same for every version. When
a session may be resumed is the library's affair (`tlsocket.handshake.sessions`).
"""

from __future__ import annotations

import socket
import time

import tlsocket as ssl

__all__ = ["SESSION_SECONDS", "no_session", "part", "resumption", "session_of"]

SESSION_SECONDS = 2.0
"""How long to wait for a ticket, which in TLS 1.3 comes behind the handshake."""
PARTING_SECONDS = 0.5
"""How long the server may take to answer our close_notify."""
_TICK_SECONDS = 0.05
_BLOCK = 1 << 16
_ENOUGH = 1 << 20
"""Bytes after which a server that only speaks is not listened to for tickets any longer."""


def session_of(secure: ssl.SSLSocket) -> tuple[ssl.SSLSession | None, bytes]:
    """The session, as soon as there is one that can be resumed; and what the server said before that."""
    deadline = time.monotonic() + SESSION_SECONDS
    secure.settimeout(_TICK_SECONDS)
    heard = b""
    while True:
        session = secure.session
        if session is not None and session.id:
            return session, heard
        # RFC 9846 section 4.7.1: tickets are messages of their own. In TLS 1.2 a session is part of the handshake.
        if secure.version() != "TLSv1.3" or time.monotonic() > deadline or len(heard) > _ENOUGH:
            return None, heard
        try:
            data = secure.recv(_BLOCK)
        except TimeoutError:
            continue
        except OSError:
            # It comes again, and is told, when the connection is read in earnest.
            data = b""
        if not data:
            deadline = 0.0
        heard += data


def part(secure: ssl.SSLSocket) -> None:
    """Say close_notify and wait a moment for the server's. A server that serves one at a time is free then."""
    deadline = time.monotonic() + PARTING_SECONDS
    try:
        secure.shutdown(socket.SHUT_WR)
        while time.monotonic() < deadline and secure.recv(_BLOCK):
            pass
    except OSError:
        # We have what we came for; how the server takes the end is its own affair.
        pass


def no_session(secure: ssl.SSLSocket) -> str:
    """Why there is nothing to connect again with, in words."""
    if secure.version() == "TLSv1.3":
        why = f"no session ticket came within {SESSION_SECONDS:g} seconds; some servers send it with their first answer"
    else:
        why = "the handshake left no session that can be resumed"
    return f"session: not resumed: {why}"


def resumption(secure: ssl.SSLSocket, offered: int, first_seconds: float, seconds: float) -> str:
    """What became of the session on the second connection, in words; `offered` counts tickets in its ClientHello."""
    times = f"\n  handshake     {seconds * 1000:.1f} ms; the first took {first_seconds * 1000:.1f} ms"
    if secure.session_reused:
        why = "neither certificate nor signature was sent; what the first connection proved holds"
        return f"session: resumed: {why}{times}"
    if secure.version() == "TLSv1.3" and not offered:
        why = "it was not offered, as something that it is bound to does not hold any more (its lifetime, for one)"
    else:
        why = "the server did not take it and made a full handshake (other ticket keys? another machine of that name?)"
    return f"session: not resumed: {why}{times}"
