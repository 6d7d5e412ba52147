"""What a test expects of the library after a handshake, beyond that it succeeded."""

from __future__ import annotations

from tests.conformance.bogo.configs import SESSION_IDS, credential_for, der_chain, imported_keys, names_of
from tests.conformance.bogo.flags import Settings
from tlsocket import events
from tlsocket.connection import Connection
from tlsocket.handshake.sessions import Session
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["Mismatch", "check_handshake"]


class Mismatch(Exception):
    """The library says something else than the test expects."""


def _demand(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise Mismatch(f"{what} is {got!r}, not {wanted!r}")


def check_handshake(conn: Connection, settings: Settings, seen: list[events.Event]) -> None:
    """Compare what was negotiated with the flags. Raises Mismatch."""
    negotiated = conn.negotiated
    if negotiated is None:
        raise Mismatch("the handshake is not complete")
    if settings.expect_version:
        _demand("version", int(negotiated.version), settings.expect_version)
    if settings.expect_curve_id:
        _demand("group", negotiated.group, settings.expect_curve_id)
    if settings.expect_cipher:
        _demand("cipher suite", negotiated.cipher_suite.code, settings.expect_cipher)
    if settings.expect_cipher_aes:
        _demand("cipher suite", negotiated.cipher_suite.code, settings.expect_cipher_aes)
    if settings.expect_peer_signature_algorithm:
        _demand("signature scheme", negotiated.signature_scheme, settings.expect_peer_signature_algorithm)
    wanted = settings.select_alpn if settings.server else settings.expect_alpn
    _demand("ALPN", negotiated.alpn or b"", wanted)
    if settings.expect_server_name:
        _demand("server name", negotiated.server_name, settings.expect_server_name)
    _check_retry(settings, seen)
    _check_offer(settings, seen)
    _check_certificates(conn, settings)
    _check_selected(conn, settings)


def _check_retry(settings: Settings, seen: list[events.Event]) -> None:
    retried = any(isinstance(e, events.HelloRetryRequestSent | events.HelloRetryRequestReceived) for e in seen)
    if settings.expect_hrr or settings.expect_no_hrr:
        _demand("HelloRetryRequest", retried, settings.expect_hrr)


def _check_offer(settings: Settings, seen: list[events.Event]) -> None:
    for event in seen:
        if isinstance(event, events.ClientHelloReceived):
            if settings.expect_no_server_name:
                _demand("server name", event.server_name, None)
            if settings.expect_advertised_alpn:
                wire = b"".join(bytes([len(name)]) + name for name in event.alpn)
                _demand("ALPN offer", wire, settings.expect_advertised_alpn)
        if isinstance(event, events.CertificateRequested) and settings.expect_client_ca_list:
            _demand("authorities", tuple(event.certificate_authorities), names_of(settings.expect_client_ca_list))


def _check_certificates(conn: Connection, settings: Settings) -> None:
    if settings.expect_no_peer_cert or (conn.negotiated is not None and conn.negotiated.psk_identity is not None):
        _demand("peer's certificates", conn.peer_certificates, ())
    elif not settings.server or settings.require_any_client_certificate:
        _demand("peer sent certificates", bool(conn.peer_certificates), True)
    if settings.expect_peer_cert_file:
        _demand("peer's certificates", conn.peer_certificates, der_chain(settings.expect_peer_cert_file))


def _check_selected(conn: Connection, settings: Settings) -> None:
    if settings.expect_selected_credential is None or conn.negotiated is None:
        return
    own, identity = conn.negotiated.own_certificates, conn.negotiated.psk_identity
    found = -1
    for index, files in enumerate(settings.credentials):
        keys = imported_keys(files)
        if any(key.identity == identity for key in keys) or (
            own and not keys and credential_for(files).certificate_chain == own
        ):
            found = index
            break
    _demand("credential", found, settings.expect_selected_credential)


def tickets_of(seen: list[events.Event]) -> int:
    """How many session tickets came."""
    return sum(isinstance(event, events.TicketReceived) for event in seen)


def check_end(conn: Connection, settings: Settings, seen: list[events.Event]) -> None:
    """What must have come by the end of a connection: a TLS 1.3 client gets a session unless it is told otherwise.

    After an external pre-shared key there is none in it (the session would outlive the key), but the ticket came.
    """
    negotiated = conn.negotiated
    if settings.server or negotiated is None or negotiated.version != ProtocolVersion.TLS_1_3:
        return
    wanted = not settings.expect_no_session and not settings.shim_shuts_down
    _demand("got a ticket", bool(tickets_of(seen)), wanted)


def check_session_tls12(conn: Connection, settings: Settings, offered: Session | None, *, is_first: bool) -> None:
    """A handshake of TLS 1.2 makes a session when it is a full one, or when the ticket was renewed."""
    negotiated = conn.negotiated
    if negotiated is None or negotiated.version == ProtocolVersion.TLS_1_3:
        return
    if not settings.server:
        wanted = not settings.expect_no_session and (not negotiated.resumed or settings.expect_ticket_renewal)
        # Without the extended main secret there is neither the one nor the other, nor behind a pre-shared key.
        wanted = wanted and conn.tls_unique is not None and negotiated.psk_identity is None
        _demand("got a session", bool(conn.tickets) and conn.tickets[-1] is not offered, wanted)
    elif is_first and (settings.expect_session_id or settings.expect_no_session_id):
        _demand("kept a session", len(SESSION_IDS) > 0, settings.expect_session_id)


def check_resumption(resumed: bool, settings: Settings, *, is_first: bool) -> None:
    """Every connection but the first resumes, unless the test says that it must not."""
    _demand("resumed", resumed, not is_first and not settings.expect_session_miss)
