"""The record layer as a handshake sees it while somebody listens: each message and each key is reported.

Stands in for `RecordWriter` and `RecordReader` in the hands of a handshake, and only when there is a listener, so that
events cost nothing otherwise. Received messages are reported by the connection. Application data is nobody's event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from tlsocket import clock
from tlsocket.events import Event, KeysInstalled, MessageSent
from tlsocket.registry.content_types import ContentType

if TYPE_CHECKING:
    from tlsocket.record import Protection, RecordReader, RecordWriter

__all__ = ["observed_reader", "observed_writer"]


def observed_writer(writer: RecordWriter, on_event: Callable[[Event], None] | None) -> RecordWriter:
    """`writer`, or what reports to `on_event` on the way to it."""
    return writer if on_event is None else cast("RecordWriter", _Writer(writer, on_event))


def observed_reader(reader: RecordReader, on_event: Callable[[Event], None] | None) -> RecordReader:
    """`reader`, or what reports to `on_event` on the way to it."""
    return reader if on_event is None else cast("RecordReader", _Reader(reader, on_event))


class _Half:
    __slots__ = ("_half", "_on_event")

    def __init__(self, half: Any, on_event: Callable[[Event], None]) -> None:
        object.__setattr__(self, "_half", half)
        object.__setattr__(self, "_on_event", on_event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._half, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._half, name, value)


class _Writer(_Half):
    __slots__ = ()

    def queue(self, content_type: int, payload: bytes | Callable[[], bytes]) -> None:
        if isinstance(payload, bytes):
            self._half.queue(content_type, payload)
            self._report(content_type, payload)
            return
        make = payload

        def sealed_now() -> bytes:
            made = make()
            self._report(content_type, made)
            return made

        self._half.queue(content_type, sealed_now)

    def queue_key(self, protection: Protection | Callable[[], Protection]) -> None:
        self._half.queue_key(protection)
        self._on_event(KeysInstalled(True, clock.monotonic()))

    def queue_key_update(self, message: bytes, protection: Protection | Callable[[], Protection]) -> None:
        self._half.queue_key_update(message, protection)
        self._report(ContentType.HANDSHAKE, message)
        self._on_event(KeysInstalled(True, clock.monotonic()))

    def _report(self, content_type: int, payload: bytes) -> None:
        now = clock.monotonic()
        if content_type == ContentType.HANDSHAKE:
            for message in _messages(payload):
                self._on_event(MessageSent(ContentType.HANDSHAKE, message, now))
        elif content_type == ContentType.CHANGE_CIPHER_SPEC:
            self._on_event(MessageSent(ContentType.CHANGE_CIPHER_SPEC, payload, now))


class _Reader(_Half):
    __slots__ = ()

    def set_key(self, protection: Protection, plaintext_alert: bool = False) -> None:
        self._half.set_key(protection, plaintext_alert)
        self._on_event(KeysInstalled(False, clock.monotonic()))


def _messages(flight: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(flight):
        end = position + 4 + int.from_bytes(flight[position + 1 : position + 4], "big")
        yield flight[position:end]
        position = end
