"""The transition table against RFC 9846 appendix A and RFC 5246 section 7.3, written out by hand arrow by arrow."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tlsocket.handshake.client_tls12 import Tls12ClientHandshake
from tlsocket.handshake.client_tls13 import ClientHandshake
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.server_tls12 import Tls12ServerHandshake
from tlsocket.handshake.server_tls13 import ServerHandshake
from tlsocket.handshake.states import ClientState as C
from tlsocket.handshake.states import ServerState as S
from tlsocket.handshake.states import State
from tlsocket.handshake.states import Tls12ClientState as C12
from tlsocket.handshake.states import Tls12ServerState as S12
from tlsocket.handshake.transitions import CHANGE_CIPHER_SPEC, FOLLOWERS, OWN_STEPS, TRANSITIONS
from tlsocket.registry.content_types import HandshakeType as T

Arrow = tuple[State, int | None, State]

# Appendix A.1. None: no message is received on this arrow.
CLIENT_ARROWS: set[Arrow] = {
    (C.START, None, C.WAIT_SH),  # Send ClientHello
    (C.WAIT_SH, T.SERVER_HELLO, C.START),  # Recv HelloRetryRequest
    (C.WAIT_SH, T.SERVER_HELLO, C.WAIT_EE),  # Recv ServerHello
    (C.WAIT_EE, T.ENCRYPTED_EXTENSIONS, C.WAIT_FINISHED),  # using PSK
    (C.WAIT_EE, T.ENCRYPTED_EXTENSIONS, C.WAIT_CERT_CR),  # using certificate
    (C.WAIT_CERT_CR, T.CERTIFICATE, C.WAIT_CV),
    (C.WAIT_CERT_CR, T.CERTIFICATE_REQUEST, C.WAIT_CERT),
    (C.WAIT_CERT, T.CERTIFICATE, C.WAIT_CV),
    (C.WAIT_CV, T.CERTIFICATE_VERIFY, C.WAIT_FINISHED),
    (C.WAIT_FINISHED, T.FINISHED, C.CONNECTED),
}

# Appendix A.2.
SERVER_ARROWS: set[Arrow] = {
    (S.START, T.CLIENT_HELLO, S.RECVD_CH),
    (S.RECVD_CH, None, S.START),  # Send HelloRetryRequest
    (S.RECVD_CH, None, S.NEGOTIATED),  # Select parameters
    (S.NEGOTIATED, None, S.WAIT_FLIGHT2),  # Send ServerHello ... Finished; no 0-RTT
    (S.WAIT_FLIGHT2, None, S.WAIT_FINISHED),  # no auth, or a PSK
    (S.WAIT_FLIGHT2, None, S.WAIT_CERT),  # certificate-based client auth
    (S.WAIT_CERT, T.CERTIFICATE, S.WAIT_FINISHED),  # empty
    (S.WAIT_CERT, T.CERTIFICATE, S.WAIT_CV),
    (S.WAIT_CV, T.CERTIFICATE_VERIFY, S.WAIT_FINISHED),
    (S.WAIT_FINISHED, T.FINISHED, S.CONNECTED),
}

# What appendix A draws and we have no feature for: 0-RTT (WAIT_EOED).

# Not drawn in appendix A: the messages after the handshake (RFC 9846 section 4.7).
POST_HANDSHAKE: set[Arrow] = {
    (C.CONNECTED, T.NEW_SESSION_TICKET, C.CONNECTED),
    (C.CONNECTED, T.KEY_UPDATE, C.CONNECTED),
    (C.CONNECTED, T.CERTIFICATE_REQUEST, C.CONNECTED),  # the response is ours; if we offered post_handshake_auth
    (S.CONNECTED, T.KEY_UPDATE, S.CONNECTED),
}

# RFC 5246 section 7.3, figure 1, a full handshake with ECDHE: what a client receives, and in which order. Certificate
# and ServerKeyExchange are marked optional there; with ECDHE and certificates they are not (RFC 8422 section 2).
TLS12_CLIENT_ARROWS: set[Arrow] = {
    (C.WAIT_SH, T.SERVER_HELLO, C12.WAIT_CERT),
    # Figure 2, an abbreviated handshake; and RFC 5077 section 3.1, figure 2, with a new ticket in it.
    (C.WAIT_SH, T.SERVER_HELLO, C12.WAIT_CCS),
    (C.WAIT_SH, T.SERVER_HELLO, C12.WAIT_TICKET),
    # RFC 5489 section 2: with ECDHE_PSK neither Certificate nor CertificateRequest.
    (C.WAIT_SH, T.SERVER_HELLO, C12.WAIT_SKE),
    (C12.WAIT_SKE, T.SERVER_KEY_EXCHANGE, C12.WAIT_DONE),
    (C12.WAIT_CERT, T.CERTIFICATE, C12.WAIT_SKE),
    (C12.WAIT_SKE, T.SERVER_KEY_EXCHANGE, C12.WAIT_CR_DONE),
    (C12.WAIT_CR_DONE, T.CERTIFICATE_REQUEST, C12.WAIT_DONE),  # CertificateRequest*
    (C12.WAIT_CR_DONE, T.SERVER_HELLO_DONE, C12.RECVD_DONE),
    (C12.WAIT_DONE, T.SERVER_HELLO_DONE, C12.RECVD_DONE),
    (C12.RECVD_DONE, None, C12.WAIT_CCS),  # Certificate*, ClientKeyExchange, CertificateVerify*, [CCS], Finished
    # RFC 5077 section 3.1, figure 1: NewSessionTicket stands between both sides' Finished.
    (C12.RECVD_DONE, None, C12.WAIT_TICKET),
    (C12.WAIT_TICKET, T.NEW_SESSION_TICKET, C12.WAIT_CCS),
    (C12.WAIT_CCS, CHANGE_CIPHER_SPEC, C12.WAIT_FINISHED),  # [ChangeCipherSpec]
    (C12.WAIT_FINISHED, T.FINISHED, C12.CONNECTED),
    # Section 7.4.1.1: a HelloRequest may come at any time, and is ignored while we negotiate.
    *(
        (state, T.HELLO_REQUEST, state)
        for state in (
            C12.WAIT_CERT, C12.WAIT_SKE, C12.WAIT_CR_DONE, C12.WAIT_DONE, C12.WAIT_TICKET, C12.WAIT_CCS,
            C12.WAIT_FINISHED,
        )
    ),
}  # fmt: skip

# The same figure, what a server receives.
TLS12_SERVER_ARROWS: set[Arrow] = {
    (S.START, T.CLIENT_HELLO, S12.RECVD_CH),
    (S12.RECVD_CH, None, S12.NEGOTIATED),  # select parameters
    (S12.NEGOTIATED, None, S12.WAIT_CERT),  # ServerHello ... CertificateRequest*, ServerHelloDone
    (S12.NEGOTIATED, None, S12.WAIT_CKE),  # without CertificateRequest*
    (S12.NEGOTIATED, None, S12.WAIT_CCS),  # figure 2: ServerHello, [ChangeCipherSpec], Finished
    (S12.WAIT_CERT, T.CERTIFICATE, S12.WAIT_CKE),  # Certificate*: sent whenever it was asked for (section 7.4.6)
    (S12.WAIT_CKE, T.CLIENT_KEY_EXCHANGE, S12.WAIT_CCS),
    (S12.WAIT_CKE, T.CLIENT_KEY_EXCHANGE, S12.WAIT_CV),  # the certificate was not empty
    (S12.WAIT_CV, T.CERTIFICATE_VERIFY, S12.WAIT_CCS),  # CertificateVerify*
    (S12.WAIT_CCS, CHANGE_CIPHER_SPEC, S12.WAIT_FINISHED),  # [ChangeCipherSpec]
    (S12.WAIT_FINISHED, T.FINISHED, S12.CONNECTED),
}

EVERY_ARROW = CLIENT_ARROWS | SERVER_ARROWS | POST_HANDSHAKE | TLS12_CLIENT_ARROWS | TLS12_SERVER_ARROWS


def arrows() -> set[Arrow]:
    received = {
        (state, kind, follower)
        for state, row in TRANSITIONS.items()
        for kind, followers in row.items()
        for follower in followers
    }
    own = {(state, None, follower) for state, followers in OWN_STEPS.items() for follower in followers}
    return received | own


def test_table_is_that_of_the_rfcs() -> None:
    assert arrows() == EVERY_ARROW


@pytest.mark.parametrize("state", [*C, *S, *C12, *S12], ids=str)
def test_every_message_in_every_state(state: State) -> None:
    """Legal exactly where an arrow of the RFC's leaves the state with it: for every type there could be."""
    for kind in (*range(256), CHANGE_CIPHER_SPEC):
        drawn = {end for start, message, end in EVERY_ARROW if (start, message) == (state, kind)}
        assert TRANSITIONS[state].get(kind, frozenset()) == drawn, (state, kind)


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == {*C, *S, *C12, *S12}


def test_a_version_is_not_left_again() -> None:
    for start, end in itertools.product([*C12, *S12], [*C, *S]):
        assert end not in FOLLOWERS[start]


def test_no_state_waits_for_a_message_and_acts_by_itself() -> None:
    assert not [state for state in OWN_STEPS if TRANSITIONS[state]]


def test_followers_are_the_ends_of_all_arrows() -> None:
    assert {state: {end for start, _, end in arrows() if start is state} for state in TRANSITIONS} == FOLLOWERS


@pytest.mark.parametrize(
    ("handshake", "states"),
    [(ClientHandshake, C), (ServerHandshake, S), (Tls12ClientHandshake, C12), (Tls12ServerHandshake, S12)],
)
def test_every_arrow_of_the_handshake_has_a_function(
    handshake: type[Handshake[Any]], states: Any
) -> None:
    wanted = {kind for state in states if state.name != "CONNECTED" for kind in TRANSITIONS[state]}
    assert set(handshake.handlers) == wanted
    assert set(handshake.own_steps) == {state for state in OWN_STEPS if isinstance(state, states)}
