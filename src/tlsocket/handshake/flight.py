"""One epoch's messages of one sender: encoded, hashed and handed to the record layer as one payload.

A flight sent as one record costs less at both ends than one record for each message (RFC 9846 section 5.1 allows
coalescing within one epoch; a key change must fall between flights, so a flight never spans one).
"""

from __future__ import annotations

from tlsocket.record import RecordWriter
from tlsocket.registry.content_types import ContentType
from tlsocket.transcript import Transcript

__all__ = ["Flight"]


class Flight:
    """Collects encoded messages and hashes them as they come; `send` queues them all."""

    __slots__ = ("_messages", "_transcript")

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._messages: list[bytes] = []

    def add(self, message: bytes) -> None:
        """Append one encoded message, header included."""
        self._messages.append(message)
        self._transcript.add(message)

    def digest(self) -> bytes:
        """Transcript-Hash up to and including the last message added."""
        return self._transcript.digest()

    def take(self) -> bytes:
        """The whole flight, for whoever sends it otherwise."""
        whole = b"".join(self._messages)
        self._messages.clear()
        return whole

    def send(self, writer: RecordWriter) -> None:
        """Queue the whole flight, if there is anything in it."""
        if self._messages:
            writer.queue(ContentType.HANDSHAKE, self.take())
