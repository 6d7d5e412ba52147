"""The limits of an `SSLContext`: budgets, sizes of records, and the time of a handshake (design law 9). Not in `ssl`.

What each budget bounds is said at `tlsocket.config.Budgets`; the manual's page on limits has the errors and alerts.
"""

from __future__ import annotations

from dataclasses import replace

from tlsocket.config import Budgets
from tlsocket.extensions.negotiation import FRAGMENT_LENGTHS

__all__ = ["Limits"]


class Limits:
    """The part of `SSLContext` that keeps them."""

    _budgets: Budgets
    _record_size_limit: int | None
    _max_fragment_length: int | None

    def _changed(self) -> None:
        raise NotImplementedError

    @property
    def budgets(self) -> Budgets:
        """How much of each thing a peer may make a connection do; replaced as a whole, with `dataclasses.replace`."""
        return self._budgets

    @budgets.setter
    def budgets(self, budgets: Budgets) -> None:
        if not isinstance(budgets, Budgets):
            raise TypeError(f"budgets are tlsocket.config.Budgets, not {type(budgets).__name__}")
        self._budgets = budgets
        self._changed()

    @property
    def handshake_timeout(self) -> float | None:
        """Seconds that a handshake may take in all, whatever the socket's timeout says; None: no such limit.

        The peer gets an alert and the caller a TimeoutError, also when bytes trickle in all the time.
        """
        return self._budgets.handshake_seconds

    @handshake_timeout.setter
    def handshake_timeout(self, seconds: float | None) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError("a handshake_timeout is a number of seconds above 0, or None")
        self._budgets = replace(self._budgets, handshake_seconds=None if seconds is None else float(seconds))
        self._changed()

    @property
    def record_size_limit(self) -> int | None:
        """Bytes that a record sent to us may carry, its type included: 64 to 16385 (RFC 8449); None: do not ask.

        A server tells it to clients that ask for one themselves. What the peer asks for is always heeded.
        """
        return self._record_size_limit

    @record_size_limit.setter
    def record_size_limit(self, limit: int | None) -> None:
        if limit is not None and not 64 <= limit <= 16385:
            raise ValueError("a record_size_limit is 64 to 16385 bytes, or None")
        self._record_size_limit = limit
        self._changed()

    @property
    def max_fragment_length(self) -> int | None:
        """Bytes that a record may carry either way: 512, 1024, 2048 or 4096 (RFC 6066 section 4); None: do not ask.

        For clients; servers agree to what is asked for. `record_size_limit` is the better one where the peer knows it.
        """
        return self._max_fragment_length

    @max_fragment_length.setter
    def max_fragment_length(self, length: int | None) -> None:
        if length is not None and length not in FRAGMENT_LENGTHS:
            raise ValueError("a max_fragment_length is 512, 1024, 2048 or 4096 bytes, or None")
        self._max_fragment_length = length
        self._changed()
