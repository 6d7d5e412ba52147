"""An end of a connection while a script is played, with what is on the way to it; and what a call had there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

__all__ = ["End", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a call had: a value, or an exception with what programs look at."""

    end: str
    call: str
    value: Any = None
    error: str = ""
    """The exception's class; empty: none."""
    attributes: tuple[Any, ...] = ()
    """errno, reason, library, verify_code, verify_message."""
    text: str = ""
    failed_before: bool = False
    """Whether the connection had failed at this end before the call."""
    early: bool = False
    """Whether the handshake was not over."""

    def __str__(self) -> str:
        after = (" (after a failure)" if self.failed_before else "") + (" (early)" if self.early else "")
        if not self.error:
            return f"{self.end} {self.call}{after}: {self.value!r}"
        return f"{self.end} {self.call}{after}: {self.error} {self.attributes} {self.text}"


class End:
    """One end: its socket or object, and what is on the way to it."""

    def __init__(self, role: str, module: Any) -> None:
        self.role, self.module = role, module
        self.peer: End = self
        self.tls: Any = None
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.wire = bytearray()
        self.unread: list[int] = []
        """Sizes of the records on the way to this end."""
        self.failed = self.gone = self.done = False
        self.ended = False
        """Whether this end has said in any way that nothing more comes."""
        self.hushed = False
        """Whether it has ended with nothing on the wire that tells its peer."""
        self.closed = False
        """Whether its BIO has been told that there is no more."""
        self.disturbed = False
        """Whether foreign bytes are on the way to it, which may be the beginning of anything."""

    @property
    def hears_no_end(self) -> bool:
        """Whether nothing on the way to this end says that nothing more comes."""
        return not self.peer.ended or self.peer.hushed

    def hush(self) -> None:
        """This end has dropped its TLS, and nothing on the wire says so."""
        self.hushed |= not self.ended
        self.ended = True

    def take(self, count: int) -> None:
        """`count` bytes were read here."""
        while count and self.unread:
            part = min(count, self.unread[0])
            count -= part
            self.unread[0] -= part
            if not self.unread[0]:
                del self.unread[0]

    def close(self) -> None:
        """Let everything go."""
        if hasattr(self.tls, "close"):
            self.tls.close()
