"""Which message is legal in which state, and which states may follow: RFC 9846 appendix A as data.

`TRANSITIONS` is consulted before a handler runs, so a handler never asks whether it may. An optional message is one
more key in a row. `OWN_STEPS` are the arrows that need no message: what we select or send ourselves. What the arrows do
is in `client_tls13` and `server_tls13`.

HelloRetryRequest is, on the wire, a ServerHello with a special random (RFC 9846 section 4.2.3), so both share a key.
"""

from __future__ import annotations

from collections.abc import Mapping

from tlsocket.handshake.states import ClientState, ServerState, State
from tlsocket.registry.content_types import HandshakeType

__all__ = ["FOLLOWERS", "OWN_STEPS", "TRANSITIONS"]

_C = ClientState
_S = ServerState
_T = HandshakeType

TRANSITIONS: Mapping[State, Mapping[int, frozenset[State]]] = {
    # Client (appendix A.1)
    _C.START: {},
    _C.WAIT_SH: {_T.SERVER_HELLO: frozenset({_C.WAIT_EE, _C.START})},
    _C.WAIT_EE: {_T.ENCRYPTED_EXTENSIONS: frozenset({_C.WAIT_CERT_CR, _C.WAIT_FINISHED})},  # certificate; PSK
    _C.WAIT_CERT_CR: {
        _T.CERTIFICATE: frozenset({_C.WAIT_CV}),
        _T.CERTIFICATE_REQUEST: frozenset({_C.WAIT_CERT}),
    },
    _C.WAIT_CERT: {_T.CERTIFICATE: frozenset({_C.WAIT_CV})},
    _C.WAIT_CV: {_T.CERTIFICATE_VERIFY: frozenset({_C.WAIT_FINISHED})},
    _C.WAIT_FINISHED: {_T.FINISHED: frozenset({_C.CONNECTED})},
    _C.CONNECTED: {
        _T.NEW_SESSION_TICKET: frozenset({_C.CONNECTED}),
        _T.KEY_UPDATE: frozenset({_C.CONNECTED}),
        # Where post_handshake_auth was offered; the server's side is the rows from WAIT_CERT on, once more.
        _T.CERTIFICATE_REQUEST: frozenset({_C.CONNECTED}),
    },
    # Server (appendix A.2)
    _S.START: {_T.CLIENT_HELLO: frozenset({_S.RECVD_CH})},
    _S.RECVD_CH: {},
    _S.NEGOTIATED: {},
    _S.WAIT_FLIGHT2: {},
    _S.WAIT_CERT: {_T.CERTIFICATE: frozenset({_S.WAIT_CV, _S.WAIT_FINISHED})},
    _S.WAIT_CV: {_T.CERTIFICATE_VERIFY: frozenset({_S.WAIT_FINISHED})},
    _S.WAIT_FINISHED: {_T.FINISHED: frozenset({_S.CONNECTED})},
    _S.CONNECTED: {_T.KEY_UPDATE: frozenset({_S.CONNECTED})},
}
"""State and message type to the states that may follow."""

OWN_STEPS: Mapping[State, frozenset[State]] = {
    _C.START: frozenset({_C.WAIT_SH}),  # send ClientHello
    _S.RECVD_CH: frozenset({_S.START, _S.NEGOTIATED}),  # send HelloRetryRequest; select parameters
    _S.NEGOTIATED: frozenset({_S.WAIT_FLIGHT2}),  # send ServerHello ... Finished
    _S.WAIT_FLIGHT2: frozenset({_S.WAIT_CERT, _S.WAIT_FINISHED}),  # a certificate was asked for; or not, or a PSK
}
"""State to the states that follow without a message from the peer."""

FOLLOWERS: Mapping[State, frozenset[State]] = {
    state: OWN_STEPS.get(state, frozenset()).union(*row.values()) for state, row in TRANSITIONS.items()
}
"""State to every state that may follow."""
