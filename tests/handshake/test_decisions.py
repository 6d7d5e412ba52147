"""Handshakes that wait for a decision of the application and go on with its answer."""

from __future__ import annotations

import pytest

from tests.handshake.support import NAME, Link, Verifier, client_config, credential, server_config
from tlsocket.config import ClientAuthentication, DecisionKind, Role, VerifiedPath
from tlsocket.errors import AlertReceived, ApiMisuse, CertificateReason, CertificateRejected, Reason, TLSError
from tlsocket.handshake.decisions import CertificateDecision, SignatureDecision, VerdictDecision
from tlsocket.registry import AlertDescription

CERTIFICATE = frozenset({DecisionKind.CERTIFICATE})
SIGNATURE = frozenset({DecisionKind.SIGNATURE})
VERDICT = frozenset({DecisionKind.VERDICT})
ASKED = ClientAuthentication.OPTIONAL


def finish(link: Link) -> None:
    """Carry on to the end; data flows."""
    link.connect()
    link.client.write(b"data")
    link.server.receive_data(link.client.data_to_send())
    assert link.server.read() == b"data"


def test_server_is_asked_for_a_certificate_after_the_client_hello() -> None:
    link = Link(client_config(alpn_protocols=(b"h2",)), server_config(credentials=(), suspend_for=CERTIFICATE)).run()
    decision = link.server.suspended
    assert isinstance(decision, CertificateDecision)
    assert (decision.role, decision.server_name, decision.alpn_protocols) == (Role.SERVER, NAME, (b"h2",))
    assert link.server.data_to_send() == b""
    link.server.resume(credential("ed25519"))
    assert link.server.suspended is None
    finish(link)
    assert link.client.peer_certificates == credential("ed25519").certificate_chain


def test_server_may_answer_with_another_configuration() -> None:
    link = Link(client_config(alpn_protocols=(b"h2",)), server_config(credentials=(), suspend_for=CERTIFICATE)).run()
    other = server_config(alpn_protocols=(b"h2",))
    link.server.resume(other)
    finish(link)
    assert link.server.config is other
    assert link.client.negotiated is not None
    assert link.client.negotiated.alpn == b"h2"


def test_server_may_leave_the_choice_to_its_configuration() -> None:
    link = Link(server=server_config(suspend_for=CERTIFICATE)).run()
    link.server.resume(None)
    finish(link)


def test_server_is_asked_once_despite_a_hello_retry_request() -> None:
    link = Link(client_config(key_share_groups=()), server_config(suspend_for=CERTIFICATE)).run()
    link.server.resume(credential("ecdsa-p384"))
    finish(link)
    assert link.client.peer_certificates == credential("ecdsa-p384").certificate_chain


def test_a_certificate_that_does_not_fit_the_peer_fails_the_handshake() -> None:
    link = Link(client_config(signature_schemes=(0x0403,)), server_config(suspend_for=CERTIFICATE)).run()
    with pytest.raises(TLSError) as caught:
        link.server.resume(credential("ed25519"))
    assert caught.value.reason is Reason.NO_COMMON_SIGNATURE_SCHEME


@pytest.mark.parametrize("answers", [True, False])
def test_client_is_asked_for_a_certificate_by_the_request(answers: bool) -> None:
    link = Link(client_config(suspend_for=CERTIFICATE), server_config(client_authentication=ASKED)).run()
    decision = link.client.suspended
    assert isinstance(decision, CertificateDecision)
    assert decision.role is Role.CLIENT
    link.client.resume(credential() if answers else None)
    finish(link)
    assert link.server.peer_certificates == (credential().certificate_chain if answers else ())


def test_signatures_may_be_made_elsewhere() -> None:
    link = Link(
        client_config(credentials=(credential(),), suspend_for=SIGNATURE),
        server_config(suspend_for=SIGNATURE, client_authentication=ASKED),
    ).run()
    for connection in (link.server, link.client):
        link.run()
        decision = connection.suspended
        assert isinstance(decision, SignatureDecision)
        connection.resume(decision.credential.signer.sign(decision.scheme, decision.data))
    finish(link)


def test_a_verdict_may_be_given_elsewhere() -> None:
    link = Link(
        client_config(suspend_for=VERDICT, credentials=(credential(),)),
        server_config(suspend_for=VERDICT, client_authentication=ASKED),
    ).run()
    decision = link.client.suspended
    assert isinstance(decision, VerdictDecision)
    assert (decision.role_of_peer, decision.server_name) == (Role.SERVER, NAME)
    assert decision.certificates == credential().certificate_chain
    link.client.resume(VerifiedPath((*decision.certificates, b"root")))
    link.run()
    assert isinstance(link.server.suspended, VerdictDecision)
    link.server.resume(None)
    finish(link)
    assert link.client.verified_path == (*decision.certificates, b"root")
    assert link.server.verified_path == ()
    assert link.server.peer_certificates == credential().certificate_chain


def test_an_exception_as_the_answer_refuses() -> None:
    link = Link(client_config(suspend_for=VERDICT)).run()
    with pytest.raises(CertificateRejected):
        link.client.resume(CertificateRejected(CertificateReason.REVOKED))
    link.run()
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == AlertDescription.CERTIFICATE_REVOKED


def test_the_application_decides_instead_of_the_verifier() -> None:
    verifier = Verifier(CertificateReason.EXPIRED)
    link = Link(client_config(suspend_for=VERDICT, verifier=verifier)).run()
    link.client.resume(None)
    finish(link)
    assert verifier.asked == []


@pytest.mark.parametrize("kind", DecisionKind)
def test_a_wrong_answer_changes_nothing(kind: DecisionKind) -> None:
    link = Link(client_config(suspend_for=VERDICT), server_config(suspend_for=frozenset({kind}) - VERDICT)).run()
    connection = link.client if kind is DecisionKind.VERDICT else link.server
    pending = connection.suspended
    assert pending is not None
    assert pending.kind is kind
    with pytest.raises(ApiMisuse):
        connection.resume("nonsense")
    assert connection.suspended is pending
    assert connection.error is None


def test_an_answer_without_a_question_is_misuse() -> None:
    link = Link().connect()
    with pytest.raises(ApiMisuse):
        link.client.resume(None)


def test_bytes_that_come_while_suspended_wait() -> None:
    link = Link(server=server_config(suspend_for=CERTIFICATE)).run()
    link.server.receive_data(b"\x14\x03\x03\x00\x01\x01")  # a change_cipher_spec, legal here
    assert link.server.suspended is not None
    link.server.resume(None)
    finish(link)
