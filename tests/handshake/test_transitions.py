"""The transition table against RFC 9846 appendix A, written out by hand arrow by arrow."""

from __future__ import annotations

import pytest

from tlsocket.handshake.client_tls13 import ClientHandshake
from tlsocket.handshake.server_tls13 import ServerHandshake
from tlsocket.handshake.states import ClientState as C
from tlsocket.handshake.states import ServerState as S
from tlsocket.handshake.states import State
from tlsocket.handshake.transitions import FOLLOWERS, OWN_STEPS, TRANSITIONS
from tlsocket.registry.content_types import HandshakeType as T

# Appendix A.1. None: no message is received on this arrow.
CLIENT_ARROWS: set[tuple[State, T | None, State]] = {
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
SERVER_ARROWS: set[tuple[State, T | None, State]] = {
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
POST_HANDSHAKE: set[tuple[State, T | None, State]] = {
    (C.CONNECTED, T.NEW_SESSION_TICKET, C.CONNECTED),
    (C.CONNECTED, T.KEY_UPDATE, C.CONNECTED),
    (C.CONNECTED, T.CERTIFICATE_REQUEST, C.CONNECTED),  # the response is ours; if we offered post_handshake_auth
    (S.CONNECTED, T.KEY_UPDATE, S.CONNECTED),
}


def arrows() -> set[tuple[State, T | None, State]]:
    received = {
        (state, T(kind), follower)
        for state, row in TRANSITIONS.items()
        for kind, followers in row.items()
        for follower in followers
    }
    own = {(state, None, follower) for state, followers in OWN_STEPS.items() for follower in followers}
    return received | own


def test_table_is_appendix_a() -> None:
    assert arrows() == CLIENT_ARROWS | SERVER_ARROWS | POST_HANDSHAKE


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == {*C, *S}


def test_no_state_waits_for_a_message_and_acts_by_itself() -> None:
    assert not [state for state in OWN_STEPS if TRANSITIONS[state]]


def test_followers_are_the_ends_of_all_arrows() -> None:
    assert {state: {end for start, _, end in arrows() if start is state} for state in TRANSITIONS} == FOLLOWERS


@pytest.mark.parametrize(("handshake", "states"), [(ClientHandshake, C), (ServerHandshake, S)])
def test_every_arrow_of_the_handshake_has_a_function(
    handshake: type[ClientHandshake | ServerHandshake], states: type[State]
) -> None:
    wanted = {kind for state in states if state.name != "CONNECTED" for kind in TRANSITIONS[state]}
    assert set(handshake.handlers) == wanted
    assert set(handshake.own_steps) == {state for state in OWN_STEPS if isinstance(state, states)}
