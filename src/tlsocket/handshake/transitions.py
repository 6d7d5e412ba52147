"""Which message is legal in which state, and which states may follow: RFC 9846 and RFC 5246 as data.

Of the first appendix A, of the second section 7.3.

`TRANSITIONS` is consulted before a handler runs, so a handler never asks whether it may. An optional message is one
more key in a row. `OWN_STEPS` are the arrows that need no message: what we select or send ourselves. What the arrows do
is in `client_tls13` and `server_tls13`, `client_tls12` and `server_tls12`.

HelloRetryRequest is, on the wire, a ServerHello with a special random (RFC 9846 section 4.2.3), so both share a key. A
change_cipher_spec is no handshake message, but in TLS 1.2 it is an arrow like one, with a key of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from tlsocket.handshake.states import ClientState, ServerState, State, Tls12ClientState, Tls12ServerState
from tlsocket.registry.content_types import HandshakeType

__all__ = ["CHANGE_CIPHER_SPEC", "FOLLOWERS", "OWN_STEPS", "TRANSITIONS"]

_C = ClientState
_S = ServerState
_C12 = Tls12ClientState
_S12 = Tls12ServerState
_T = HandshakeType

CHANGE_CIPHER_SPEC = 0x100
"""Stands for a change_cipher_spec of TLS 1.2 (RFC 5246 section 7.1); no handshake message has a type above 0xff."""

TRANSITIONS: Mapping[State, Mapping[int, frozenset[State]]] = {
    # Client of TLS 1.3 (appendix A.1)
    _C.START: {},
    _C.WAIT_SH: {
        _T.SERVER_HELLO: frozenset(
            {_C.WAIT_EE, _C.START, _C12.WAIT_CERT, _C12.WAIT_SKE, _C12.WAIT_TICKET, _C12.WAIT_CCS}
        )  # the last three: a pre-shared key; a session, with a new ticket or without
    },
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
    # Server of TLS 1.3 (appendix A.2)
    _S.START: {_T.CLIENT_HELLO: frozenset({_S.RECVD_CH, _S12.RECVD_CH})},
    _S.RECVD_CH: {},
    _S.NEGOTIATED: {},
    _S.WAIT_FLIGHT2: {},
    _S.WAIT_CERT: {_T.CERTIFICATE: frozenset({_S.WAIT_CV, _S.WAIT_FINISHED})},
    _S.WAIT_CV: {_T.CERTIFICATE_VERIFY: frozenset({_S.WAIT_FINISHED})},
    _S.WAIT_FINISHED: {_T.FINISHED: frozenset({_S.CONNECTED})},
    _S.CONNECTED: {_T.KEY_UPDATE: frozenset({_S.CONNECTED})},
    # Client of TLS 1.2 (RFC 5246 section 7.3, RFC 5077 section 3.1). A HelloRequest may come at any time and is ignored
    # until the handshake is over (RFC 5246 section 7.4.1.1); after it, it asks for a renegotiation.
    _C12.WAIT_CERT: {_T.CERTIFICATE: frozenset({_C12.WAIT_SKE}), _T.HELLO_REQUEST: frozenset({_C12.WAIT_CERT})},
    _C12.WAIT_SKE: {
        _T.SERVER_KEY_EXCHANGE: frozenset({_C12.WAIT_CR_DONE, _C12.WAIT_DONE}),  # certificate; pre-shared key
        _T.HELLO_REQUEST: frozenset({_C12.WAIT_SKE}),
    },
    _C12.WAIT_CR_DONE: {
        _T.CERTIFICATE_REQUEST: frozenset({_C12.WAIT_DONE}),
        _T.SERVER_HELLO_DONE: frozenset({_C12.RECVD_DONE}),
        _T.HELLO_REQUEST: frozenset({_C12.WAIT_CR_DONE}),
    },
    _C12.WAIT_DONE: {_T.SERVER_HELLO_DONE: frozenset({_C12.RECVD_DONE}), _T.HELLO_REQUEST: frozenset({_C12.WAIT_DONE})},
    _C12.RECVD_DONE: {},
    _C12.WAIT_TICKET: {
        _T.NEW_SESSION_TICKET: frozenset({_C12.WAIT_CCS}),
        _T.HELLO_REQUEST: frozenset({_C12.WAIT_TICKET}),
    },
    _C12.WAIT_CCS: {CHANGE_CIPHER_SPEC: frozenset({_C12.WAIT_FINISHED}), _T.HELLO_REQUEST: frozenset({_C12.WAIT_CCS})},
    _C12.WAIT_FINISHED: {
        _T.FINISHED: frozenset({_C12.CONNECTED}),
        _T.HELLO_REQUEST: frozenset({_C12.WAIT_FINISHED}),
    },
    _C12.CONNECTED: {},
    # Server of TLS 1.2
    _S12.RECVD_CH: {},
    _S12.NEGOTIATED: {},
    _S12.WAIT_CERT: {_T.CERTIFICATE: frozenset({_S12.WAIT_CKE})},
    _S12.WAIT_CKE: {_T.CLIENT_KEY_EXCHANGE: frozenset({_S12.WAIT_CV, _S12.WAIT_CCS})},
    _S12.WAIT_CV: {_T.CERTIFICATE_VERIFY: frozenset({_S12.WAIT_CCS})},
    _S12.WAIT_CCS: {CHANGE_CIPHER_SPEC: frozenset({_S12.WAIT_FINISHED})},
    _S12.WAIT_FINISHED: {_T.FINISHED: frozenset({_S12.CONNECTED})},
    _S12.CONNECTED: {},
}
"""State and message type to the states that may follow."""

OWN_STEPS: Mapping[State, frozenset[State]] = {
    _C.START: frozenset({_C.WAIT_SH}),  # send ClientHello
    _S.RECVD_CH: frozenset({_S.START, _S.NEGOTIATED}),  # send HelloRetryRequest; select parameters
    _S.NEGOTIATED: frozenset({_S.WAIT_FLIGHT2}),  # send ServerHello ... Finished
    _S.WAIT_FLIGHT2: frozenset({_S.WAIT_CERT, _S.WAIT_FINISHED}),  # a certificate was asked for; or not, or a PSK
    # send Certificate ... Finished; a ticket was promised, or not
    _C12.RECVD_DONE: frozenset({_C12.WAIT_TICKET, _C12.WAIT_CCS}),
    _S12.RECVD_CH: frozenset({_S12.NEGOTIATED}),  # select parameters
    # send ServerHello ... ServerHelloDone; or, to resume a session, ServerHello ... Finished
    _S12.NEGOTIATED: frozenset({_S12.WAIT_CERT, _S12.WAIT_CKE, _S12.WAIT_CCS}),
}
"""State to the states that follow without a message from the peer."""

FOLLOWERS: Mapping[State, frozenset[State]] = {
    state: OWN_STEPS.get(state, frozenset()).union(*row.values()) for state, row in TRANSITIONS.items()
}
"""State to every state that may follow."""
