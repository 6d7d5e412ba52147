"""The states of a handshake, named as in RFC 9846 appendix A. What leads from one to the next is in `transitions`."""

from __future__ import annotations

import enum
from typing import TypeAlias

__all__ = ["ClientState", "ServerState", "State"]


class ClientState(enum.Enum):
    """RFC 9846 appendix A.1."""

    __hash__ = object.__hash__  # Enum's own is written in Python, and states are looked up for every message

    START = enum.auto()
    WAIT_SH = enum.auto()
    WAIT_EE = enum.auto()
    WAIT_CERT_CR = enum.auto()
    WAIT_CERT = enum.auto()
    WAIT_CV = enum.auto()
    WAIT_FINISHED = enum.auto()
    CONNECTED = enum.auto()


class ServerState(enum.Enum):
    """RFC 9846 appendix A.2, without the states of 0-RTT."""

    __hash__ = object.__hash__  # Enum's own is written in Python, and states are looked up for every message

    START = enum.auto()
    RECVD_CH = enum.auto()
    NEGOTIATED = enum.auto()
    WAIT_FLIGHT2 = enum.auto()
    WAIT_CERT = enum.auto()
    WAIT_CV = enum.auto()
    WAIT_FINISHED = enum.auto()
    CONNECTED = enum.auto()


State: TypeAlias = ClientState | ServerState
