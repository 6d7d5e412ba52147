"""Every message in every state: accepted where the table below says so, else unexpected_message. TLS 1.3, both roles.

`LEGAL` is written by hand from RFC 9846 appendix A and sections 4.5 and 4.7, for what is built. Each case is a real
handshake in which the peer sends, in the place of the message that is due in that state, the message in question.
"""

from __future__ import annotations

import pytest

from tests.handshake.support import Change, Link, client_config, credential, server_config, tamper
from tlsocket.config import ClientAuthentication, Role
from tlsocket.errors import AlertReceived, Reason, TLSError
from tlsocket.messages import (
    HELLO_RETRY_REQUEST_RANDOM,
    Certificate,
    CertificateRequest,
    ClientHello,
    HelloRetryRequest,
    ServerHello,
)
from tlsocket.registry import AlertDescription, ContentType
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import NamedGroup as G

C, S = Role.CLIENT, Role.SERVER
HELLO_RETRY_REQUEST, UNKNOWN = 1000, 99
"""Numbers of our own for a ServerHello with the special random, and for a type that nobody assigned."""
KINDS: tuple[int, ...] = (*T, HELLO_RETRY_REQUEST, UNKNOWN)

LEGAL: dict[tuple[Role, str], set[int]] = {
    # Appendix A.1
    (C, "WAIT_SH"): {T.SERVER_HELLO, HELLO_RETRY_REQUEST},
    (C, "WAIT_SH again"): {T.SERVER_HELLO, HELLO_RETRY_REQUEST},  # the second one is refused for what it is
    (C, "WAIT_EE"): {T.ENCRYPTED_EXTENSIONS},
    (C, "WAIT_CERT_CR"): {T.CERTIFICATE, T.CERTIFICATE_REQUEST},
    (C, "WAIT_CERT"): {T.CERTIFICATE},
    (C, "WAIT_CV"): {T.CERTIFICATE_VERIFY},
    (C, "WAIT_FINISHED"): {T.FINISHED},
    (C, "CONNECTED"): {T.NEW_SESSION_TICKET, T.KEY_UPDATE},
    # Appendix A.2
    (S, "START"): {T.CLIENT_HELLO},
    (S, "START again"): {T.CLIENT_HELLO},
    (S, "WAIT_CERT"): {T.CERTIFICATE},
    (S, "WAIT_CV"): {T.CERTIFICATE_VERIFY},
    (S, "WAIT_FINISHED"): {T.FINISHED},
    (S, "WAIT_FINISHED, anonymous"): {T.FINISHED},
    (S, "CONNECTED"): {T.KEY_UPDATE},
}

DUE = {
    # The message of an honest peer in that state.
    (C, "WAIT_SH"): T.SERVER_HELLO,
    (C, "WAIT_SH again"): T.SERVER_HELLO,
    (C, "WAIT_EE"): T.ENCRYPTED_EXTENSIONS,
    (C, "WAIT_CERT_CR"): T.CERTIFICATE,
    (C, "WAIT_CERT"): T.CERTIFICATE,
    (C, "WAIT_CV"): T.CERTIFICATE_VERIFY,
    (C, "WAIT_FINISHED"): T.FINISHED,
    (S, "START"): T.CLIENT_HELLO,
    (S, "START again"): T.CLIENT_HELLO,
    (S, "WAIT_CERT"): T.CERTIFICATE,
    (S, "WAIT_CV"): T.CERTIFICATE_VERIFY,
    (S, "WAIT_FINISHED"): T.FINISHED,
    (S, "WAIT_FINISHED, anonymous"): T.FINISHED,
}


def framed(kind: int, body: bytes = b"") -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def genuine() -> dict[int, bytes]:
    """A message of each kind that parses, out of handshakes with everything in them."""
    found: dict[int, bytes] = {kind: framed(kind) for kind in KINDS if kind < 256}
    found[T.KEY_UPDATE] = framed(T.KEY_UPDATE, b"\0")
    # lifetime, age_add, nonce, ticket, extensions
    found[T.NEW_SESSION_TICKET] = framed(T.NEW_SESSION_TICKET, bytes.fromhex("00000e10 00000000 01 00 0001 aa 0000"))
    link = Link(client_config(credentials=(credential(),)), server_config(**ASKING, **RETRYING))

    def keep(message: object) -> bytes:
        encoded: bytes = message.encode()  # type: ignore[attr-defined]
        kind = HELLO_RETRY_REQUEST if isinstance(message, HelloRetryRequest) else encoded[0]
        found[kind] = encoded
        return encoded

    for connection in (link.client, link.server):
        tamper(connection, dict.fromkeys(T, keep))
    link.connect()
    assert found[HELLO_RETRY_REQUEST][6:38] == HELLO_RETRY_REQUEST_RANDOM
    return found


_REQUESTED = (C, "WAIT_CERT_CR")
ASKING = {"client_authentication": ClientAuthentication.OPTIONAL}
RETRYING = {"groups": (G.SECP384R1,)}


def link_for(state: tuple[Role, str]) -> Link:
    """A handshake that passes through the state."""
    _, name = state
    asked = name in ("WAIT_CERT", "WAIT_CV") or state == (S, "WAIT_FINISHED")
    client = client_config(credentials=(credential(),))
    return Link(client, server_config(**(ASKING if asked else {}), **(RETRYING if "again" in name else {})))


def in_place(state: tuple[Role, str], replacement: bytes) -> Change:
    """Send `replacement` where the message due in `state` would be sent."""
    second = "again" in state[1]
    seen: list[object] = []

    def change(message: object) -> bytes:
        encoded: bytes = message.encode()  # type: ignore[attr-defined]
        if isinstance(message, ServerHello | HelloRetryRequest | ClientHello):
            seen.append(message)
            if len(seen) != 1 + second:
                return encoded
        # A request is followed by what it put off.
        return replacement + encoded if state == _REQUESTED and replacement[0] == T.CERTIFICATE_REQUEST else replacement

    return change


MESSAGES = genuine()


def outcome(state: tuple[Role, str], kind: int) -> tuple[BaseException | None, BaseException | None, Link]:
    """How the receiver fails, and what the sender is told."""
    role, name = state
    link = link_for(state)
    receiver, sender = (link.client, link.server) if role is C else (link.server, link.client)
    if name == "CONNECTED":
        link.connect()
        sender.writer.queue(ContentType.HANDSHAKE, MESSAGES[kind])
    else:
        tamper(sender, {DUE[state]: in_place(state, MESSAGES[kind])})
    link.run()
    errors = link.client_error, link.server_error
    failed, told = errors if role is C else errors[::-1]
    assert name == "CONNECTED" or not receiver.handshake_complete or failed is None
    return failed, told, link


@pytest.mark.parametrize("state", LEGAL, ids=lambda state: f"{state[0].value} {state[1]}")
def test_every_message_in_this_state(state: tuple[Role, str]) -> None:
    for kind in KINDS:
        failed, told, _ = outcome(state, kind)
        refused = isinstance(failed, TLSError) and failed.reason in (Reason.UNEXPECTED_MESSAGE, Reason.RENEGOTIATION)
        assert refused is (kind not in LEGAL[state]), f"{kind}: {failed}"
        if refused:
            assert isinstance(told, AlertReceived), f"{kind}: {told}"
            assert told.description == AlertDescription.UNEXPECTED_MESSAGE


def test_messages_of_the_harness_are_what_they_claim() -> None:
    from tlsocket import messages

    assert isinstance(messages.parse(MESSAGES[T.CERTIFICATE_REQUEST]), CertificateRequest)
    assert isinstance(messages.parse(MESSAGES[T.CERTIFICATE]), Certificate)
    assert isinstance(messages.parse(MESSAGES[HELLO_RETRY_REQUEST]), HelloRetryRequest)
    honest = {role: {kind for (r, _), kinds in LEGAL.items() if r is role for kind in kinds} for role in (C, S)}
    for kind in (honest[C] | honest[S]) - {HELLO_RETRY_REQUEST}:
        assert messages.parse(MESSAGES[kind]).encode() == MESSAGES[kind]
