"""`SSLContext._msg_callback`: the private hook of `ssl` for looking at messages, fed by our events.

Its arguments are those of `ssl`, its enumerations too. Record headers are not reported, and nothing is about
application data. The hook only looks: what it raises ends the connection.
"""

from __future__ import annotations

import ssl as _stdlib
import weakref
from collections.abc import Callable
from typing import Any

from tlsocket import events
from tlsocket.registry.content_types import ContentType

__all__ = ["MessageListener"]

_CHANGE_CIPHER_SPEC = 0x0101
_WARNING, _FATAL, _CLOSE_NOTIFY = 1, 2, 0


class MessageListener:
    """An `on_event` that calls `callback(conn, direction, version, content_type, msg_type, data)`."""

    __slots__ = ("_also", "_callback", "_owner", "_version")

    def __init__(
        self, callback: Callable[..., Any], owner: object, also: Callable[[events.Event], None] | None
    ) -> None:
        self._callback = callback
        # The socket has the connection, and the connection has us.
        self._owner = weakref.ref(owner)
        self._also = also
        self._version = _stdlib.TLSVersion.TLSv1_2

    def __call__(self, event: events.Event) -> None:
        """One event."""
        if self._also is not None:
            self._also(event)
        if isinstance(event, events.MessageSent):
            self._message("write", event.content_type, event.data)
        elif isinstance(event, events.MessageReceived):
            self._message("read", event.content_type, event.data)
        elif isinstance(event, (events.ServerHelloSent, events.ServerHelloReceived)):
            self._version = _stdlib.TLSVersion(event.version)
        elif isinstance(event, events.AlertSent):
            self._alert("write", _FATAL, event.description)
        elif isinstance(event, events.AlertReceived):
            self._alert("read", event.level, event.description)
        elif isinstance(event, events.CloseNotifySent):
            self._alert("write", _WARNING, _CLOSE_NOTIFY)
        elif isinstance(event, events.CloseNotifyReceived):
            self._alert("read", _WARNING, _CLOSE_NOTIFY)

    def _message(self, direction: str, content_type: int, data: bytes) -> None:
        kind = data[0] if content_type == ContentType.HANDSHAKE else _CHANGE_CIPHER_SPEC
        self._call(direction, content_type, _member("_TLSMessageType", kind), data)

    def _alert(self, direction: str, level: int, description: int) -> None:
        self._call(direction, ContentType.ALERT, _member("_TLSAlertType", description), bytes((level, description)))

    def _call(self, direction: str, content_type: int, msg_type: Any, data: bytes) -> None:
        owner = self._owner()
        if owner is not None:
            kind = _member("_TLSContentType", int(content_type))
            self._callback(owner, direction, self._version, kind, msg_type, data)


def _member(enumeration: str, value: int) -> Any:
    """The member of the private enumeration of `ssl`, or the number where it has none."""
    try:
        return getattr(_stdlib, enumeration)(value)
    except (AttributeError, ValueError):
        return value
