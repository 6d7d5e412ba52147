"""Sessions of TLS 1.2: found, proven and made, by both roles (RFC 5077, RFC 5246 section 7.3, RFC 7627 section 5.3).

A server seals its half of a session into a ticket, or keeps it under a session id; a client keeps either. Only sessions
with the extended main secret are made, so that two handshakes cannot be given the same one; and one that began with a
pre-shared key makes none, since it would outlive the key. Whatever a session is bound to and does not hold is passed
over in silence, and the handshake is a full one.

Not here: the order of the messages (`client_tls12`, `server_tls12`), what a session is bound to (`sessions`), how a
ticket is sealed (`tickets`), sessions of TLS 1.3 (`psk`).
"""

from __future__ import annotations

from typing import Any

from tlsocket import clock
from tlsocket.config import ClientConfig, ServerConfig
from tlsocket.crypto.suites import Tls12CipherSuite
from tlsocket.errors import InternalError, PeerMisbehaved, Reason
from tlsocket.events import TicketsSent
from tlsocket.handshake.machine_tls12 import Tls12Handshake
from tlsocket.handshake.negotiation_tls12 import Tls12Choice
from tlsocket.handshake.proofs import PreSharedKeyPeer
from tlsocket.handshake.sessions import (
    LARGEST_TICKET,
    Session,
    SessionOrigin,
    SessionState,
    bound_credential,
    client_binding,
    normal_name,
    server_binding,
)
from tlsocket.handshake.tickets import lifetime_left
from tlsocket.key_schedule.tls12 import MainSecret12
from tlsocket.messages import ClientHello
from tlsocket.messages.tls12 import Tls12NewSessionTicket
from tlsocket.registry.versions import ProtocolVersion

__all__ = [
    "find_state",
    "keep_state",
    "new_session",
    "new_ticket",
    "resume_session",
    "resume_state",
    "worth_renewing",
]

_LIFETIME = 7200
"""Seconds, where the server says nothing: of a session id, or a lifetime hint of 0 (RFC 5077 section 3.3)."""


def _resume(hs: Tls12Handshake[Any], suite: Tls12CipherSuite, secret: bytes, peer: PreSharedKeyPeer) -> None:
    """The keys of this connection from the session's main secret, and who the peer is if its Finished is right."""
    hs.transcript.forget_messages()
    hs.use_main_secret(MainSecret12(suite, secret, hs.client_random, hs.server_random, extended=True))
    hs.peer = peer
    hs.peer_certificates = peer.certificates


# Client


def resume_session(hs: Tls12Handshake[ClientConfig], session: Session) -> None:
    """The server resumes the session that we offered; PeerMisbehaved where it may not do so like this."""
    origin, suite = session.origin, hs.tls12_suite
    # RFC 5246 section 7.4.1.3: the cipher suite is "the value from the state of the session being resumed".
    if suite is None or suite.code != origin.cipher_suite:
        raise PeerMisbehaved(Reason.SESSION_SUITE_CHANGED, "" if suite is None else suite.name)
    # RFC 7627 section 5.3: "If the original session used the extension but the new ServerHello does not contain the
    # extension, the client MUST abort the handshake."
    if not hs.extended:
        raise PeerMisbehaved(Reason.EXTENDED_MAIN_SECRET_DROPPED)
    _resume(hs, suite, origin.secret, origin.peer())


def new_session(
    hs: Tls12Handshake[ClientConfig],
    resumed: Session | None,
    session_id: bytes,
    message: Tls12NewSessionTicket | None,
) -> Session | None:
    """What can be resumed after this handshake, which is over: the new ticket, the session id, or what was resumed."""
    suite, secret = hs.tls12_suite, hs.main_secret12
    if suite is None or secret is None:
        raise InternalError(detail="no main secret")
    ticket = b"" if message is None else message.ticket
    if len(ticket) > LARGEST_TICKET:
        ticket = b""
    if not ticket and (resumed is not None or not session_id):
        return resumed
    if not secret.extended or suite.authentication is None:
        return None
    now, peer = clock.now(), hs.peer
    origin = SessionOrigin(
        version=ProtocolVersion.TLS_1_2,
        cipher_suite=suite.code,
        server_name=hs.server_name,
        alpn=hs.alpn,
        signature_scheme=hs.peer_signature_scheme or 0,
        peer_certificates=hs.peer_certificates,
        verified_path=hs.verified_path,
        authenticated_at=peer.authenticated_at if isinstance(peer, PreSharedKeyPeer) else now,
        binding=client_binding(hs.config),
        secret=secret.secret,
    )
    hint = 0 if message is None or not ticket else message.ticket_lifetime_hint
    # RFC 5077 section 3.4: a client that gets a ticket "discards any Session ID that was sent in the ServerHello".
    return Session(
        origin,
        ticket=ticket,
        session_id=b"" if ticket else session_id,
        lifetime=hint or _LIFETIME,
        received_at=now,
    )


# Server


def find_state(hs: Tls12Handshake[ServerConfig], hello: ClientHello, choice: Tls12Choice) -> SessionState | None:
    """The session that the client asks for, if it holds here and now; None: the handshake is a full one.

    `choice` is what a full handshake would come to.
    """
    config, now = hs.config, clock.now()
    ticket = hello.extensions.session_ticket
    # RFC 5077 section 3.4: a server that gets a ticket "MUST NOT attempt to use the Session ID".
    store = config.ticket_store if ticket and config.tls12_tickets else None if ticket else config.session_ids
    name = ticket or hello.legacy_session_id
    if store is None or not name or len(name) > LARGEST_TICKET:
        return None
    sealed = store.redeem(name)
    state = None if sealed is None else SessionState.decode(sealed)
    if state is None:
        return None
    if not state.alive(now):
        store.expired()
        return None
    if state.version != ProtocolVersion.TLS_1_2 or state.cipher_suite != choice.cipher_suite.code:
        return None
    credentials = () if choice.credential is None else (choice.credential,)
    if bound_credential(config, state, hello.extensions.server_name, hs.alpn, credentials, now) is None:
        return None
    # RFC 7627 section 5.3: "If the original session used the "extended_master_secret" extension but the new ClientHello
    # does not contain it, the server MUST abort the abbreviated handshake."
    if not hs.extended:
        raise PeerMisbehaved(Reason.EXTENDED_MAIN_SECRET_DROPPED)
    return state


def resume_state(hs: Tls12Handshake[ServerConfig], state: SessionState) -> None:
    """Resume a session that `find_state` found, once our random is known."""
    suite = hs.tls12_suite
    if suite is None:
        raise InternalError(detail="no cipher suite")
    _resume(hs, suite, state.secret, state.peer())


def worth_renewing(config: ServerConfig, state: SessionState) -> bool:
    """Whether a client that comes with this session should get a new ticket: half of its life is over.

    As in OpenSSL one that is fresh serves again; but not where the session as a whole ends no later than it.
    """
    now = int(clock.now() * 1000)
    age = (now - state.issued_at) // 1000
    return age > state.lifetime // 2 and lifetime_left(config, now, state.authenticated_at) > state.lifetime - age


def new_ticket(hs: Tls12Handshake[ServerConfig]) -> bytes:
    """NewSessionTicket (RFC 5077 section 3.3); an empty one where there is none to be had after all."""
    store = hs.config.ticket_store
    state, lifetime = _state(hs)
    ticket = None if store is None or lifetime <= 0 else store.issue(state, lifetime)
    if ticket is None:
        return Tls12NewSessionTicket(0, b"").encode()
    if hs.on_event is not None:
        hs.on_event(TicketsSent(1, lifetime))
    return Tls12NewSessionTicket(lifetime, ticket).encode()


def keep_state(hs: Tls12Handshake[ServerConfig], session_id: bytes) -> None:
    """Keep the session under the id that the client was told, now that the handshake is over."""
    store = hs.config.session_ids
    state, lifetime = _state(hs)
    if store is not None and lifetime > 0:
        store.keep(session_id, state, lifetime)


def _state(hs: Tls12Handshake[ServerConfig]) -> tuple[bytes, int]:
    """What to resume the session with, encoded, and for how many seconds."""
    config, credential, suite, secret = hs.config, hs.credential, hs.tls12_suite, hs.main_secret12
    if credential is None or suite is None or secret is None or not secret.extended:
        raise InternalError(detail="nothing to make a session of")
    now = int(clock.now() * 1000)
    peer = hs.peer
    authenticated_at = int(peer.authenticated_at * 1000) if isinstance(peer, PreSharedKeyPeer) else now
    lifetime = lifetime_left(config, now, authenticated_at)
    state = SessionState(
        version=ProtocolVersion.TLS_1_2,
        cipher_suite=suite.code,
        signature_scheme=hs.peer_signature_scheme or 0,
        issued_at=now,
        lifetime=max(lifetime, 0),
        authenticated_at=authenticated_at,
        binding=server_binding(config, credential),
        secret=secret.secret,
        ticket_nonce=b"",
        server_name=normal_name(hs.server_name),
        alpn=hs.alpn,
        peer_certificates=hs.peer_certificates,
        verified_path=hs.verified_path,
    )
    return state.encode(), lifetime
