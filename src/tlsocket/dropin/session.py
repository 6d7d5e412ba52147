"""`SSLSession`: a session as programs hold it, and the callbacks for pre-shared keys in the words of `ssl`.

What a session is bound to, and when it is resumed, is `tlsocket.handshake.sessions`'s; this module gives it the face of
`ssl.SSLSession` and two methods more. A callback's mistake is shown as `ssl` shows it (`sys.unraisablehook`) and counts
as "no key"; what that means for the handshake is decided in `tlsocket.handshake.psk`.
"""

from __future__ import annotations

import ssl as _stdlib
from abc import ABCMeta
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from tlsocket import clock
from tlsocket.dropin.exceptions import show_unraisable
from tlsocket.errors import TLSError
from tlsocket.handshake.sessions import Session
from tlsocket.key_schedule.external_psk import PreSharedKey

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from tlsocket.dropin.context import SSLContext

__all__ = [
    "MAXIMUM_HINT",
    "PskClientCallback",
    "PskServerCallback",
    "SSLSession",
    "check_session",
    "client_psk_tls12",
    "client_psks",
    "server_psks",
]

PskClientCallback = Callable[["str | None"], "tuple[str | None, bytes]"]
PskServerCallback = Callable[["str | None"], bytes]

MAXIMUM_HINT = 256
"""Bytes of a server's identity hint, as in OpenSSL."""

_MAXIMUM_IDENTITY = 255
"""Bytes of UTF-8, as in OpenSSL."""


class SSLSession(metaclass=ABCMeta):
    """What a client needs to resume a session with a server; `SSLSocket.session` gives it, `session=` takes it."""

    __slots__ = ("_context", "_session", "_time")

    _context: SSLContext | None
    _session: Session | None
    _time: int

    def __init__(self) -> None:
        raise TypeError(
            f"{type(self).__name__} does not have a public constructor: see SSLSocket.session and SSLSession.from_bytes"
        )

    if not TYPE_CHECKING:

        @property
        def __class__(self) -> type:
            """`ssl.SSLSession`, for programs that test for it; `type()` tells the truth."""
            return _stdlib.SSLSession

    @classmethod
    def _create(cls, session: Session | None, context: SSLContext | None) -> SSLSession:
        self = cls.__new__(cls)
        self._session = session
        self._context = context
        self._time = int(clock.now() if session is None else session.received_at)
        return self

    def __repr__(self) -> str:
        return f"<tlsocket.SSLSession {self.id.hex()[:16] or 'without a ticket'}>"

    def __eq__(self, other: object) -> bool:
        if type(other) is not SSLSession:
            return NotImplemented
        return self is other or (self.id == other.id and bool(self.id))

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle an SSLSession, since it holds secrets: to_bytes() says what it does")

    @property
    def id(self) -> bytes:
        """The hash of the ticket, or the session id of TLS 1.2; b"" without either."""
        return b"" if self._session is None else self._session.id

    @property
    def time(self) -> int:
        """When the ticket came, in seconds since 1970."""
        return self._time

    @property
    def timeout(self) -> int:
        """For how many seconds from then on it can be used."""
        return 0 if self._session is None else self._session.lifetime

    @property
    def ticket_lifetime_hint(self) -> int:
        """What the server said of that, at most seven days (RFC 9846 section 4.7.1); 0 without a ticket."""
        return self.timeout if self.has_ticket else 0

    @property
    def has_ticket(self) -> bool:
        """Whether there is a ticket. In TLS 1.3 they come behind the handshake: read first, then ask.

        A session of TLS 1.2 may have a session id instead, and is resumed as well.
        """
        return self._session is not None and bool(self._session.ticket)

    def to_bytes(self) -> bytes:
        """The session for later, or for another process (not in `ssl`). ValueError without a ticket or a session id.

        The bytes hold the session's secret: whoever has them can take the client's place. Keep them like a private key.
        """
        if self._session is None:
            raise ValueError("this session has no ticket, so there is nothing to resume it with")
        return self._session.to_bytes()

    @classmethod
    def from_bytes(cls, data: ReadableBuffer) -> SSLSession:
        """The session that `to_bytes` wrote (not in `ssl`); ValueError for anything else.

        It may be used with any context. It is resumed where that context's settings and trust are those of the first.
        """
        try:
            session = Session.from_bytes(bytes(data))
        except TLSError as error:
            raise ValueError(f"this is no session that SSLSession.to_bytes() wrote ({error})") from None
        return cls._create(session, None)


SSLSession.register(_stdlib.SSLSession)  # as `SSLContext` does


def check_session(session: object, context: SSLContext) -> SSLSession | None:
    """`session` if it can be given to a connection of this context; else the exceptions of `ssl`."""
    if session is None:
        return None
    if type(session) is not SSLSession:
        raise TypeError("Value is not a SSLSession.")
    if session._context is not None and session._context is not context:
        raise ValueError("Session refers to a different SSLContext.")
    return session


# Pre-shared keys


def client_psks(callback: PskClientCallback) -> Callable[[str | None], Sequence[PreSharedKey]]:
    """What the client's callback of `ssl` means to a configuration in TLS 1.3: the key as it is, for SHA-256."""

    def offer(_server_name: str | None) -> Sequence[PreSharedKey]:
        # TLS 1.3 has no identity hint.
        key = _ask_client(callback, None, 1)
        return () if key is None else (key,)

    return offer


def client_psk_tls12(callback: PskClientCallback) -> Callable[[str | None, bytes], PreSharedKey | None]:
    """The same in TLS 1.2, which has a hint, and where the identity may be empty."""

    def choose(_server_name: str | None, hint: bytes) -> PreSharedKey | None:
        try:
            text = hint.decode() or None
        except UnicodeDecodeError:
            return None
        return None if len(hint) > MAXIMUM_HINT else _ask_client(callback, text, 0)

    return choose


def _ask_client(callback: PskClientCallback, hint: str | None, shortest: int) -> PreSharedKey | None:
    try:
        identity, key = callback(hint)
        if not key:
            return None
        name = (identity or "").encode()
        if not shortest <= len(name) <= _MAXIMUM_IDENTITY or b"\0" in name:
            raise ValueError(f"an identity has at most {_MAXIMUM_IDENTITY} bytes, and in TLS 1.3 one at least")
        return PreSharedKey(name, bytes(key))
    except Exception as error:
        show_unraisable(error, callback, "PSK client callback")
        return None


def server_psks(callback: PskServerCallback) -> Callable[[bytes], PreSharedKey | None]:
    """The same for the server's callback, in both versions."""

    def find(identity: bytes) -> PreSharedKey | None:
        if len(identity) > _MAXIMUM_IDENTITY or b"\0" in identity:
            return None
        try:
            name = identity.decode()
        except UnicodeDecodeError:
            return None
        try:
            key = callback(name or None)
            return PreSharedKey(identity, bytes(memoryview(key))) if key else None
        except Exception as error:
            show_unraisable(error, callback, "PSK server callback")
            return None

    return find
