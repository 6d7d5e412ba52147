"""Deadlines of a call: a timeout is for the whole of it, the handshake in it included (design law 11).

Not here: the waiting itself, which is the record layer's (`_record`) or the carrying object's (`carried`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsocket import clock
from tlsocket._record import TIMED_OUT, WANT_READ
from tlsocket.dropin.exceptions import raise_outcome

if TYPE_CHECKING:
    import threading

    from tlsocket.connection import Connection

__all__ = ["acquire", "call_left", "handshake_left"]


def acquire(lock: threading.Lock, timeout: float | None) -> None:
    """Take the handshake's lock, or raise what a handshake that takes too long raises."""
    if timeout is None:
        lock.acquire()
    elif not (lock.acquire(timeout=timeout) if timeout else lock.acquire(blocking=False)):
        raise_outcome(TIMED_OUT if timeout else WANT_READ, 0, "handshake")


def handshake_left(conn: Connection, timeout: float | None, deadline: float | None) -> float | None:
    """What is left of the call's timeout, or of the time that the context gives a handshake where that is less."""
    left = call_left(timeout, deadline, "handshake")
    if conn.deadline is None:
        return left
    whole = conn.time_left()
    if whole is None or left == 0.0:
        return left
    return whole if left is None else min(left, whole)


def call_left(timeout: float | None, deadline: float | None, operation: str) -> float | None:
    """What is left of a call's timeout; never 0, which would mean not to wait at all."""
    if deadline is None:
        return timeout
    left = deadline - clock.monotonic()
    if left <= 0:
        raise_outcome(TIMED_OUT, 0, operation)
    return left
