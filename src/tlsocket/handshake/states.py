"""The states of a handshake. What leads from one to the next is in `transitions`.

Those of TLS 1.3 are named as in RFC 9846 appendix A. RFC 5246 draws messages (section 7.3) and names no states: those
of TLS 1.2 are named alike. A handshake begins in a state of TLS 1.3 whatever is offered, and leaves for one of TLS 1.2
when that version is chosen.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

__all__ = ["ClientState", "ServerState", "State", "Tls12ClientState", "Tls12ServerState"]


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


class Tls12ClientState(enum.Enum):
    """RFC 5246 section 7.3, from behind the ServerHello."""

    __hash__ = object.__hash__  # as above

    WAIT_CERT = enum.auto()
    WAIT_SKE = enum.auto()
    WAIT_CR_DONE = enum.auto()
    WAIT_DONE = enum.auto()
    RECVD_DONE = enum.auto()
    WAIT_TICKET = enum.auto()
    WAIT_CCS = enum.auto()
    WAIT_FINISHED = enum.auto()
    CONNECTED = enum.auto()


class Tls12ServerState(enum.Enum):
    """RFC 5246 section 7.3, from behind the ClientHello."""

    __hash__ = object.__hash__  # as above

    RECVD_CH = enum.auto()
    NEGOTIATED = enum.auto()
    WAIT_CERT = enum.auto()
    WAIT_CKE = enum.auto()
    WAIT_CV = enum.auto()
    WAIT_CCS = enum.auto()
    WAIT_FINISHED = enum.auto()
    CONNECTED = enum.auto()


State: TypeAlias = ClientState | ServerState | Tls12ClientState | Tls12ServerState
