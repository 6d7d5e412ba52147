"""A certificate asked for after the handshake: what it proves, and every refusal of RFC 9846 section 4.7.2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.handshake.support import (
    AUTHORITY,
    NAME,
    Link,
    Verifier,
    client_config,
    credential,
    server_config,
    split_messages,
)
from tlsocket import messages
from tlsocket.config import Budgets, ClientAuthentication, DecisionKind
from tlsocket.connection import Connection
from tlsocket.errors import (
    AlertReceived,
    ApiMisuse,
    ApplicationRefusal,
    CertificateReason,
    CertificateRejected,
    PeerMisbehaved,
    Reason,
    TLSError,
    alert_for,
)
from tlsocket.events import CertificateReceived, CertificateRequested, FinishedVerified
from tlsocket.extensions import CertificateEntryExtensions, CertificateRequestExtensions
from tlsocket.handshake.decisions import CertificateDecision, SignatureDecision
from tlsocket.messages import Certificate, CertificateEntry, CertificateRequest, CertificateVerify, Finished, KeyUpdate
from tlsocket.registry import AlertDescription, ContentType, HandshakeType

OPTIONAL, REQUIRED = ClientAuthentication.OPTIONAL, ClientAuthentication.REQUIRED
CLIENT = credential(host="client")


def link(*, client: dict[str, Any] | None = None, **server: Any) -> Link:
    """Connected, and the client has offered to authenticate late."""
    server.setdefault("post_handshake_authentication", REQUIRED)
    return Link(
        client_config(**{"post_handshake_auth": True, "credentials": (CLIENT,), **(client or {})}),
        server_config(**server),
    ).connect()


class Tampering:
    """A connection's writer that changes handshake messages, those made when they are sealed included."""

    def __init__(self, writer: Any, change: Callable[[list[bytes]], list[bytes]]) -> None:
        self._writer, self._change = writer, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def queue(self, content_type: int, payload: bytes | Callable[[], bytes]) -> None:
        if content_type != ContentType.HANDSHAKE:
            self._writer.queue(content_type, payload)
            return
        made = payload if isinstance(payload, bytes) else payload()
        self._writer.queue(content_type, b"".join(self._change(split_messages(made))))


def alter(connection: Connection, change: Callable[[list[bytes]], list[bytes]]) -> None:
    connection.writer = Tampering(connection.writer, change)  # type: ignore[assignment]


def test_certificate_after_the_handshake() -> None:
    verifier = Verifier()
    pair = link(verifier=verifier)
    assert pair.server.peer_certificates == ()
    pair.server.request_certificate()
    pair.run()
    assert (pair.server_error, pair.client_error) == (None, None)
    assert pair.server.peer_certificates == CLIENT.certificate_chain
    assert pair.server.verified_path == (*CLIENT.certificate_chain, b"anchor")
    assert pair.server.negotiated is not None
    assert pair.client.negotiated is not None
    assert pair.server.negotiated.signature_scheme == pair.client.negotiated.own_signature_scheme == 0x0403
    assert pair.client.negotiated.own_certificates == CLIENT.certificate_chain
    assert [type(event) for event in pair.server_events[-1:]] == [FinishedVerified]
    assert len(verifier.asked) == 1
    pair.client.write(b"still there")
    pair.server.receive_data(pair.client.data_to_send())
    assert pair.server.read() == b"still there"


def test_a_client_may_decline_where_a_certificate_is_optional() -> None:
    pair = link(client={"credentials": ()}, post_handshake_authentication=OPTIONAL)
    pair.server.request_certificate()
    pair.run()
    assert (pair.server_error, pair.client_error, pair.server.peer_certificates) == (None, None, ())
    assert any(isinstance(event, CertificateReceived) for event in pair.server_events)


def test_declining_where_it_is_required_is_certificate_required() -> None:
    pair = link(client={"credentials": ()})
    pair.server.request_certificate()
    pair.run()
    assert isinstance(pair.server_error, PeerMisbehaved)
    assert pair.server_error.reason is Reason.CERTIFICATE_REQUIRED
    assert isinstance(pair.client_error, AlertReceived)
    assert pair.client_error.description == AlertDescription.CERTIFICATE_REQUIRED


def test_asking_again_and_again_gives_fresh_proofs() -> None:
    pair = link()
    contexts: list[bytes] = []

    def note(sent: list[bytes]) -> list[bytes]:
        for message in sent:
            request = messages.parse(message)
            assert isinstance(request, CertificateRequest)
            contexts.append(request.certificate_request_context)
        return sent

    alter(pair.server, note)
    for _ in range(3):
        pair.server.request_certificate()
        pair.run()
        pair.client.write(b"x")
        pair.run()
        assert pair.server.read() == b"x"
        pair.server.write(b"y")
        pair.run()
        assert pair.client.read() == b"y"
    assert pair.server_error is None
    assert len(set(contexts)) == 3
    assert all(len(context) == 32 for context in contexts)


def test_handshake_with_certificate_and_another_request() -> None:
    pair = link(post_handshake_authentication=ClientAuthentication.NONE, client_authentication=REQUIRED)
    assert pair.server.peer_certificates == CLIENT.certificate_chain
    pair.server.request_certificate()
    pair.run()
    assert (pair.server_error, pair.client_error) == (None, None)
    assert sum(isinstance(event, CertificateRequested) for event in pair.server_events) == 2


@pytest.mark.parametrize("updates", [0, 1, 3])
@pytest.mark.parametrize("order", ["before", "in the queue", "after"])
def test_finished_is_under_the_secret_it_is_sealed_with(updates: int, order: str) -> None:
    pair = link()
    pair.server.request_certificate()
    request = pair.server.data_to_send()
    for _ in range(updates):
        pair.client.update_keys()
        if order == "before":
            pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(request)
    if order == "after":
        pair.client.update_keys()
    pair.run()
    assert pair.server_error is None
    assert pair.server.peer_certificates == CLIENT.certificate_chain


def test_other_messages_and_data_may_come_before_the_response() -> None:
    pair = link()
    pair.server.request_certificate()
    pair.client.update_keys(request_peer=True)
    pair.client.write(b"data first")
    pair.server.receive_data(pair.client.data_to_send())
    assert pair.server.read() == b"data first"
    pair.run()
    assert pair.server_error is None
    assert pair.server.peer_certificates == CLIENT.certificate_chain


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: link().client, Reason.NOT_SERVER),
        (lambda: link(client={"post_handshake_auth": False}).server, Reason.EXTENSION_NOT_RECEIVED),
        (lambda: link(post_handshake_authentication=ClientAuthentication.NONE).server, Reason.INVALID_CONFIGURATION),
    ],
)
def test_requests_that_make_no_sense_are_misuse(make: Callable[[], Connection], reason: Reason) -> None:
    connection = make()
    with pytest.raises(ApiMisuse) as caught:
        connection.request_certificate()
    assert caught.value.reason is reason
    assert connection.data_to_send() == b""


def test_one_request_at_a_time() -> None:
    pair = link()
    pair.server.request_certificate()
    with pytest.raises(ApiMisuse) as caught:
        pair.server.request_certificate()
    assert caught.value.reason is Reason.REQUEST_PENDING
    pair.run()
    pair.server.request_certificate()
    pair.server.close()
    with pytest.raises(ApiMisuse):
        pair.server.request_certificate()


def refused_by_client(pair: Link, message: bytes) -> TLSError:
    pair.server.writer.queue(ContentType.HANDSHAKE, message)
    pair.run()
    assert isinstance(pair.client_error, TLSError)
    assert isinstance(pair.server_error, AlertReceived)
    assert pair.server_error.description == alert_for(pair.client_error)
    return pair.client_error


SCHEMES = CertificateRequestExtensions(signature_algorithms=(0x0403,))


@pytest.mark.parametrize(
    ("offered", "message", "reason", "alert"),
    [
        (False, CertificateRequest(b"x", SCHEMES).encode(), Reason.UNEXPECTED_MESSAGE, 10),
        (True, CertificateRequest(b"", SCHEMES).encode(), Reason.REQUEST_CONTEXT_MISMATCH, 47),
        (True, CertificateRequest(b"x", CertificateRequestExtensions()).encode(), Reason.MISSING_EXTENSION, 109),
        (True, b"\x0d\0\0\x01\x05", Reason.TRUNCATED_MESSAGE, 50),
        (True, Certificate(b"x", ()).encode(), Reason.UNEXPECTED_MESSAGE, 10),
        (True, Finished(bytes(48)).encode(), Reason.UNEXPECTED_MESSAGE, 10),
    ],
)
def test_what_a_client_refuses(offered: bool, message: bytes, reason: Reason, alert: int) -> None:
    error = refused_by_client(link(client={"post_handshake_auth": offered}), message)
    assert error.reason is reason
    assert alert_for(error) == alert


def test_requests_without_end_are_refused() -> None:
    pair = link(client={"budgets": Budgets(certificate_requests=2)}, post_handshake_authentication=OPTIONAL)
    for _ in range(2):
        pair.server.request_certificate()
        pair.run()
    assert pair.client_error is None
    pair.server.request_certificate()
    pair.run()
    assert isinstance(pair.client_error, PeerMisbehaved)
    assert pair.client_error.reason is Reason.TOO_MANY_CERTIFICATE_REQUESTS


def replace_certificate(**changes: Any) -> Callable[[list[bytes]], list[bytes]]:
    def change(sent: list[bytes]) -> list[bytes]:
        original = messages.parse(sent[0])
        assert isinstance(original, Certificate)
        context = changes.get("context", original.certificate_request_context)
        entries = changes.get("entries", original.certificate_list)
        return [Certificate(context, entries).encode(), *sent[1:]]

    return change


def flipped(message: bytes) -> bytes:
    return message[:-1] + bytes((message[-1] ^ 1,))


def signed(scheme: int, length: int) -> bytes:
    return CertificateVerify(scheme, bytes(length)).encode()


STAPLED = (CertificateEntry(CLIENT.certificate_chain[0], CertificateEntryExtensions(status_request=b"\1\0\0\1x")),)


@pytest.mark.parametrize(
    ("change", "reason", "alert"),
    [
        (replace_certificate(context=b""), Reason.REQUEST_CONTEXT_MISMATCH, 47),
        (replace_certificate(context=bytes(32)), Reason.REQUEST_CONTEXT_MISMATCH, 47),
        (replace_certificate(entries=STAPLED), Reason.UNSOLICITED_EXTENSION, 110),
        (replace_certificate(entries=()), Reason.CERTIFICATE_REQUIRED, 116),
        (lambda sent: [sent[0], flipped(sent[1]), sent[2]], Reason.BAD_SIGNATURE, 51),
        (lambda sent: [sent[0], signed(0x0804, 256)], Reason.SIGNATURE_SCHEME_MISMATCH, 47),
        (
            lambda sent: [sent[0], CertificateVerify(0x0203, bytes(64)).encode()],
            Reason.SIGNATURE_SCHEME_NOT_OFFERED,
            47,
        ),
        (lambda sent: [*sent[:2], flipped(sent[2])], Reason.BAD_FINISHED, 51),
        (lambda sent: [sent[0], sent[2]], Reason.UNEXPECTED_MESSAGE, 10),
        (lambda sent: sent[1:], Reason.UNEXPECTED_MESSAGE, 10),
        (lambda sent: sent[2:], Reason.UNEXPECTED_MESSAGE, 10),
        (lambda sent: [sent[0], sent[0]], Reason.UNEXPECTED_MESSAGE, 10),
        (lambda sent: [sent[0], KeyUpdate(False).encode()], Reason.UNEXPECTED_MESSAGE, 10),
        (lambda sent: [*sent[:2], KeyUpdate(False).encode()], Reason.UNEXPECTED_MESSAGE, 10),
        (lambda sent: [*sent, sent[0]], Reason.UNEXPECTED_MESSAGE, 10),
        (lambda sent: [sent[0][:-1] + b"\1"], Reason.TRUNCATED_MESSAGE, 50),
    ],
)
def test_what_a_server_refuses(change: Callable[[list[bytes]], list[bytes]], reason: Reason, alert: int) -> None:
    pair = link(verifier=Verifier())
    alter(pair.client, change)
    pair.server.request_certificate()
    pair.run()
    assert isinstance(pair.server_error, TLSError)
    assert pair.server_error.reason is reason
    assert alert_for(pair.server_error) == alert
    assert isinstance(pair.client_error, AlertReceived)
    assert pair.client_error.description == alert


def test_a_response_nobody_asked_for() -> None:
    pair = link()
    pair.client.writer.queue(ContentType.HANDSHAKE, Certificate(b"", ()).encode())
    pair.run()
    assert isinstance(pair.server_error, PeerMisbehaved)
    assert pair.server_error.reason is Reason.UNEXPECTED_MESSAGE


def test_certificate_that_the_verifier_refuses() -> None:
    pair = link(verifier=Verifier(CertificateReason.EXPIRED))
    pair.server.request_certificate()
    pair.run()
    assert isinstance(pair.server_error, CertificateRejected)
    assert isinstance(pair.client_error, AlertReceived)
    assert pair.client_error.description == AlertDescription.CERTIFICATE_EXPIRED
    assert pair.server.peer_certificates == ()


def test_the_server_names_authorities_and_the_client_chooses_by_them() -> None:
    other = credential(host="client", issuer="another authority")
    pair = link(
        client={"credentials": (other, CLIENT)},
        certificate_authorities=(AUTHORITY.public_bytes(),),
    )
    pair.server.request_certificate()
    pair.run()
    assert pair.server.peer_certificates == CLIENT.certificate_chain


def test_decisions_of_the_application() -> None:
    pair = link(
        client={"suspend_for": frozenset({DecisionKind.CERTIFICATE, DecisionKind.SIGNATURE}), "credentials": ()}
    )
    pair.server.request_certificate()
    pair.run()
    decision = pair.client.suspended
    assert isinstance(decision, CertificateDecision)
    assert decision.server_name == NAME
    pair.client.resume(CLIENT)
    signature = pair.client.suspended
    assert isinstance(signature, SignatureDecision)
    pair.client.resume(CLIENT.signer.sign(signature.scheme, signature.data))
    pair.run()
    assert pair.server.peer_certificates == CLIENT.certificate_chain
    assert pair.client.suspended is None
    with pytest.raises(ApiMisuse):
        pair.client.resume(None)


def test_an_application_that_refuses_ends_the_connection() -> None:
    pair = link(client={"suspend_for": frozenset({DecisionKind.CERTIFICATE})})
    pair.server.request_certificate()
    pair.run()
    with pytest.raises(ApplicationRefusal):
        pair.client.resume(ApplicationRefusal(AlertDescription.ACCESS_DENIED))
    pair.run()
    assert isinstance(pair.server_error, AlertReceived)
    assert pair.server_error.description == AlertDescription.ACCESS_DENIED


def test_nothing_is_answered_after_close_notify() -> None:
    pair = link()
    pair.server.request_certificate()
    request = pair.server.data_to_send()
    pair.client.close()
    pair.client.data_to_send()
    pair.client.receive_data(request)
    assert pair.client.data_to_send() == b""


def test_message_kinds_are_what_the_rfc_lists() -> None:
    pair = link()
    kinds: list[int] = []

    def note(sent: list[bytes]) -> list[bytes]:
        kinds.extend(message[0] for message in sent)
        return sent

    alter(pair.client, note)
    pair.server.request_certificate()
    pair.run()
    assert kinds == [HandshakeType.CERTIFICATE, HandshakeType.CERTIFICATE_VERIFY, HandshakeType.FINISHED]
