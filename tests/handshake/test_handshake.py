"""Whole handshakes in memory, ours with ours: what is negotiated, what is checked, what is reported."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.handshake.support import (
    NAME,
    Link,
    Verifier,
    authority_key,
    client_config,
    credential,
    name,
    server_config,
    tamper,
)
from tlsocket import events
from tlsocket.config import Budgets, ClientAuthentication, Credential, DecisionKind, Role
from tlsocket.connection import Connection
from tlsocket.crypto.groups import CLASSICAL_GROUPS, SUPPORTED_GROUPS
from tlsocket.crypto.signatures import LocalSigner
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import (
    AlertReceived,
    ApiMisuse,
    CertificateReason,
    CertificateRejected,
    PeerIncompatible,
    PeerMisbehaved,
    Reason,
    TLSError,
    Truncated,
)
from tlsocket.handshake.credentials import serves_name
from tlsocket.messages import EncryptedExtensions, Finished
from tlsocket.registry import AlertDescription, HandshakeType, NamedGroup
from tlsocket.registry.signature_schemes import SignatureScheme

ASKED = ClientAuthentication.OPTIONAL
REQUIRED = ClientAuthentication.REQUIRED


def exchange(link: Link) -> None:
    """Data both ways."""
    link.client.write(b"from the client")
    link.server.receive_data(link.client.data_to_send())
    assert link.server.read() == b"from the client"
    link.server.write(b"from the server")
    link.client.receive_data(link.server.data_to_send())
    assert link.client.read() == b"from the server"


@pytest.mark.parametrize("suite", TLS13_SUITES)
@pytest.mark.parametrize("group", SUPPORTED_GROUPS)
def test_every_suite_with_every_group(suite: int, group: int) -> None:
    link = Link(client_config(cipher_suites=(suite,), groups=(group,))).connect()
    for connection in (link.client, link.server):
        assert connection.negotiated is not None
        assert connection.negotiated.cipher_suite.code == suite
        assert connection.negotiated.group == group
    exchange(link)


@pytest.mark.parametrize("key", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "ed25519", "ed448"])
def test_every_kind_of_key_on_both_sides(key: str) -> None:
    verifier = Verifier()
    link = Link(
        client_config(credentials=(credential(key),), verifier=verifier),
        server_config(credentials=(credential(key),), verifier=verifier, client_authentication=REQUIRED),
    ).connect()
    assert link.client.peer_certificates == link.server.peer_certificates == credential(key).certificate_chain
    assert link.client.verified_path == (*link.client.peer_certificates, b"anchor")
    assert verifier.asked == [
        (credential(key).certificate_chain, NAME, Role.SERVER),
        (credential(key).certificate_chain, None, Role.CLIENT),
    ]
    assert link.client.negotiated is not None
    assert link.client.negotiated.signature_scheme in credential(key).schemes
    assert link.client.negotiated.own_signature_scheme in credential(key).schemes
    exchange(link)


@pytest.mark.parametrize("share_groups", [(), (NamedGroup.SECP256R1,), None])
@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("compatible", [False, True])
def test_hello_retry_request(share_groups: tuple[int, ...] | None, cookie: bool, compatible: bool) -> None:
    link = Link(
        client_config(key_share_groups=share_groups, middlebox_compatibility=compatible),
        server_config(groups=(NamedGroup.SECP521R1, NamedGroup.SECP384R1), use_cookie=cookie),
    ).connect()
    [received] = [event for event in link.client_events if isinstance(event, events.HelloRetryRequestReceived)]
    assert (received.group, received.cookie) == (NamedGroup.SECP521R1, cookie)
    assert link.client.negotiated is not None
    assert link.client.negotiated.group == NamedGroup.SECP521R1
    exchange(link)


def test_cookie_alone_keeps_the_key_share() -> None:
    link = Link(server=server_config(use_cookie=True)).connect()
    [received] = [event for event in link.client_events if isinstance(event, events.HelloRetryRequestReceived)]
    assert (received.group, received.cookie) == (None, True)
    exchange(link)


def test_a_server_takes_a_group_with_a_share_rather_than_ask_again() -> None:
    link = Link(
        client_config(groups=CLASSICAL_GROUPS, key_share_groups=(NamedGroup.SECP384R1,)),
        server_config(groups=SUPPORTED_GROUPS),
    ).connect()
    assert link.server.negotiated is not None
    assert link.server.negotiated.group == NamedGroup.SECP384R1


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        # A hybrid that the server prefers is worth the round trip, and any hybrid with a share saves it.
        ((NamedGroup.X25519MLKEM768, NamedGroup.X25519), NamedGroup.X25519MLKEM768),
        ((NamedGroup.SECP384R1MLKEM1024, NamedGroup.X25519MLKEM768, NamedGroup.X25519), NamedGroup.SECP384R1MLKEM1024),
        ((NamedGroup.X25519MLKEM768, NamedGroup.SECP256R1MLKEM768), NamedGroup.SECP256R1MLKEM768),
        ((NamedGroup.X25519, NamedGroup.X25519MLKEM768), NamedGroup.X25519),
    ],
)
def test_a_preferred_hybrid_is_asked_for(servers: tuple[int, ...], expected: int) -> None:
    shares = (NamedGroup.X25519,) if expected != NamedGroup.SECP256R1MLKEM768 else (expected, NamedGroup.X25519)
    link = Link(client_config(key_share_groups=shares), server_config(groups=servers)).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.group == expected
    asked = [event for event in link.client_events if isinstance(event, events.HelloRetryRequestReceived)]
    assert bool(asked) == (expected not in shares)
    exchange(link)


def test_the_default_offer_has_a_hybrid_share_and_the_one_inside_it() -> None:
    link = Link(server=server_config(groups=(NamedGroup.X25519,))).connect()
    [sent] = [event for event in link.client_events if isinstance(event, events.ClientHelloSent)]
    assert sent.key_share_groups == (NamedGroup.X25519MLKEM768, NamedGroup.X25519)
    assert not [event for event in link.client_events if isinstance(event, events.HelloRetryRequestReceived)]
    assert link.server.negotiated is not None
    assert link.server.negotiated.group == NamedGroup.X25519
    exchange(link)
    both = Link().connect()
    assert both.server.negotiated is not None
    assert both.server.negotiated.group == NamedGroup.X25519MLKEM768


def test_own_signature_schemes_are_used_in_our_order() -> None:
    ours = (SignatureScheme.RSA_PSS_RSAE_SHA512, SignatureScheme.RSA_PSS_RSAE_SHA256)
    rsa = (credential("rsa-2048"),)
    link = Link(
        client_config(credentials=rsa, signing_schemes=ours[1:]),
        server_config(credentials=rsa, signing_schemes=ours, client_authentication=REQUIRED),
    ).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.signature_scheme == ours[0]
    assert link.client.negotiated.own_signature_scheme == ours[1]


@pytest.mark.parametrize("version", [0x0303, 0x0304])
def test_what_the_peer_may_sign_with_is_nothing_about_ourselves(version: int) -> None:
    """Each end has a key that only the other end's list allows; it was refused, by our own list."""
    rsa, ecdsa = SignatureScheme.RSA_PSS_RSAE_SHA384, SignatureScheme.ECDSA_SECP256R1_SHA256
    link = Link(
        client_config(credentials=(credential("rsa-2048"),), signature_schemes=(ecdsa,), maximum_version=version),
        server_config(signature_schemes=(rsa,), client_authentication=REQUIRED, maximum_version=version),
    ).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.signature_scheme == ecdsa
    assert link.client.negotiated.own_signature_scheme == rsa


def test_no_own_signature_scheme_that_the_client_takes() -> None:
    link = Link(
        client_config(signature_schemes=(SignatureScheme.ECDSA_SECP384R1_SHA384,)),
        server_config(signing_schemes=(SignatureScheme.ED25519,), credentials=(credential("ed25519"),)),
    ).run()
    assert isinstance(link.server_error, PeerIncompatible)
    assert link.server_error.reason is Reason.NO_COMMON_SIGNATURE_SCHEME


@pytest.mark.parametrize(("prefer_server_order", "expected"), [(True, 0x1303), (False, 0x1301)])
def test_whose_order_of_suites_decides(prefer_server_order: bool, expected: int) -> None:
    config = server_config(cipher_suites=(0x1303, 0x1301), prefer_server_order=prefer_server_order)
    link = Link(client_config(cipher_suites=(0x1301, 0x1303)), config).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.cipher_suite.code == expected


def test_application_protocol_is_the_servers_choice() -> None:
    link = Link(client_config(alpn_protocols=(b"a", b"b")), server_config(alpn_protocols=(b"b", b"a"))).connect()
    assert link.client.negotiated is not None
    assert link.server.negotiated is not None
    assert link.client.negotiated.alpn == link.server.negotiated.alpn == b"b"


def test_no_common_application_protocol_may_be_passed_over() -> None:
    config = server_config(alpn_protocols=(b"b",), alpn_strict=False)
    link = Link(client_config(alpn_protocols=(b"a",)), config).connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.alpn is None


@pytest.mark.parametrize("client_authentication", [ASKED, REQUIRED])
def test_client_authenticates_when_asked(client_authentication: ClientAuthentication) -> None:
    link = Link(
        client_config(credentials=(credential(host="client"),)),
        server_config(client_authentication=client_authentication),
    ).connect()
    assert link.server.peer_certificates == credential(host="client").certificate_chain


def test_client_declines_when_it_has_nothing_that_fits() -> None:
    link = Link(
        client_config(credentials=(credential("ed25519"),)),
        server_config(client_authentication=ASKED, signature_schemes=(0x0403,)),
    ).connect()
    assert link.server.peer_certificates == ()
    assert link.server.negotiated is not None
    assert link.server.negotiated.signature_scheme is None
    assert events.CertificateSent(()) in link.client_events
    exchange(link)


def test_client_chooses_the_certificate_of_a_named_authority() -> None:
    other, wanted = credential(host="a", issuer="somebody"), credential(host="b", issuer="the wanted one")
    link = Link(
        client_config(credentials=(other, wanted)),
        server_config(client_authentication=ASKED, certificate_authorities=(name("the wanted one").public_bytes(),)),
    ).connect()
    assert link.server.peer_certificates == wanted.certificate_chain


def test_server_chooses_the_certificate_by_name() -> None:
    first, second = credential(host="a", names=("a.example",)), credential(host="b", names=("*.example",))
    link = Link(server=server_config(credentials=(first, second))).connect()
    assert link.client.peer_certificates == second.certificate_chain


def test_server_refuses_a_name_it_does_not_serve() -> None:
    config = server_config(credentials=(credential(host="a", names=("a.test",)),), name_strict=True)
    link = Link(server=config).run()
    assert isinstance(link.server_error, TLSError)
    assert link.server_error.reason is Reason.NO_CERTIFICATE_FOR_NAME
    assert isinstance(link.client_error, AlertReceived)
    assert link.client_error.description == AlertDescription.UNRECOGNIZED_NAME


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_addresses_are_checked_but_not_sent(address: str) -> None:
    verifier = Verifier()
    client = Connection(client_config(verifier=verifier), server_name=address)
    server = Connection(server_config())
    client.start()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    assert server.negotiated is not None
    assert server.negotiated.server_name is None
    assert verifier.asked[0][1] == address


def test_rejected_server_certificate() -> None:
    link = Link(client_config(verifier=Verifier(CertificateReason.UNKNOWN_ISSUER))).run()
    assert isinstance(link.client_error, CertificateRejected)
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == AlertDescription.UNKNOWN_CA
    assert any(isinstance(event, events.CertificateRejected) for event in link.client_events)
    assert not link.client.handshake_complete
    # They stay, so that a person can be told what was refused.
    assert link.client.peer_certificates == credential().certificate_chain
    assert link.client.verified_path == ()


def test_rejected_client_certificate_reaches_the_client_as_an_alert() -> None:
    link = Link(
        client_config(credentials=(credential(),)),
        server_config(client_authentication=ASKED, verifier=Verifier(CertificateReason.EXPIRED)),
    ).run()
    assert isinstance(link.server_error, CertificateRejected)
    assert isinstance(link.client_error, AlertReceived)
    assert link.client_error.description == AlertDescription.CERTIFICATE_EXPIRED


def test_md5_in_the_verified_path_is_bad_certificate() -> None:
    # RFC 9846 section 4.5.1.3. Nobody signs with MD5 any more, so the algorithm is rewritten in a finished certificate.
    key = rsa.generate_private_key(65537, 2048)
    leaf = x509.load_der_x509_certificate(credential().certificate_chain[0])
    der = (
        x509.CertificateBuilder(
            leaf.issuer, leaf.subject, key.public_key(), 7, leaf.not_valid_before_utc, leaf.not_valid_after_utc, []
        )
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
        .replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010104"))
    )
    weak = Credential((credential().certificate_chain[0], der), credential().signer)
    link = Link(client_config(verifier=Verifier()), server_config(credentials=(weak,))).run()
    assert isinstance(link.client_error, CertificateRejected)
    assert link.client_error.certificate_reason is CertificateReason.WEAK_SIGNATURE
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == AlertDescription.BAD_CERTIFICATE


def test_client_fails_under_its_handshake_key() -> None:
    # RFC 9846 appendix A.1: before an alert about the server's flight, rekey to the handshake keys if possible.
    link = Link(client_config(verifier=Verifier(CertificateReason.EXPIRED)))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    with pytest.raises(CertificateRejected):
        link.client.receive_data(link.server.data_to_send())
    assert [record[0] for record in records(link.client.data_to_send())] == [20, 23]


def records(data: bytes) -> list[bytes]:
    """The records in `data`."""
    found = []
    while data:
        length = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:length])
        data = data[length:]
    return found


@pytest.mark.parametrize("compatible", [True, False])
def test_middlebox_compatibility(compatible: bool) -> None:
    # RFC 9846 appendix E.4: the dummy comes after the server's first message and before the client's second flight.
    link = Link(client_config(middlebox_compatibility=compatible))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    server_flight = link.server.data_to_send()
    assert [record[0] for record in records(server_flight)] == ([22, 20, 23] if compatible else [22, 23])
    link.client.receive_data(server_flight)
    assert [record[0] for record in records(link.client.data_to_send())] == ([20, 23] if compatible else [23])


@pytest.mark.parametrize("step", range(1, 700, 37))
def test_bytes_may_come_in_any_pieces(step: int) -> None:
    client, server = Connection(client_config(), server_name=NAME), Connection(server_config())
    client.start()
    for sender, receiver in ((client, server), (server, client), (client, server)):
        data = sender.data_to_send()
        for start in range(0, len(data), step):
            receiver.receive_data(data[start : start + step])
    assert client.handshake_complete
    assert server.handshake_complete


def test_truncation_during_the_handshake() -> None:
    client = Connection(client_config(), server_name=NAME)
    client.start()
    client.data_to_send()
    with pytest.raises(Truncated):
        client.receive_eof()
    assert client.data_to_send() == b""


def test_close_notify_during_the_handshake() -> None:
    link = Link()
    link.client.start()
    link.server.close()
    with pytest.raises(Truncated) as caught:
        link.client.receive_data(link.server.data_to_send())
    assert caught.value.reason is Reason.CONNECTION_CLOSED


def test_a_failed_connection_raises_the_same_again() -> None:
    link = Link(client_config(verifier=Verifier(CertificateReason.EXPIRED))).run()
    for call in (
        lambda: link.client.receive_data(b""),
        lambda: link.client.write(b"x"),
        link.client.read,
        link.client.start,
        link.client.update_keys,
        lambda: link.client.export_keying_material(b"x", None, 16),
        lambda: link.client.resume(None),
    ):
        with pytest.raises(CertificateRejected) as caught:
            call()
        assert caught.value.certificate_reason is CertificateReason.EXPIRED


def test_unforeseen_errors_are_internal_error_and_raised_on() -> None:
    class Broken(Verifier):
        def verify(self, *_: object, **__: object) -> object:  # type: ignore[override]
            raise ZeroDivisionError

    link = Link(client_config(verifier=Broken())).run()
    assert isinstance(link.client_error, ZeroDivisionError)
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == AlertDescription.INTERNAL_ERROR


def freed_without_the_collector(make: Callable[[], Connection]) -> bool:
    """Whether a connection goes with its last reference: it is part of no cycle."""
    gc.collect()
    gc.disable()
    try:
        connection = make()
        watch = weakref.ref(connection)
        del connection
        return watch() is None
    finally:
        gc.enable()


def established() -> Connection:
    return Link().connect().client


def in_the_middle() -> Connection:
    link = Link()
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    return link.server


def suspended() -> Connection:
    return Link(server=server_config(suspend_for=frozenset(DecisionKind))).run().server


def updating() -> Connection:
    connection = established()
    connection.update_keys(request_peer=True)
    return connection


@pytest.mark.parametrize("make", [established, in_the_middle, suspended, updating])
def test_connection_is_part_of_no_cycle(make: Callable[[], Connection]) -> None:
    assert freed_without_the_collector(make)


def test_handshake_and_its_secrets_are_dropped_when_it_is_over() -> None:
    link = Link().connect()
    assert link.client._handshake is None
    assert link.server._handshake is None


def test_key_log_has_the_same_lines_on_both_sides() -> None:
    ours: list[str] = []
    theirs: list[str] = []
    Link(client_config(key_log=ours.append), server_config(key_log=theirs.append)).connect()
    assert ours == theirs
    assert [line.split()[0] for line in ours] == [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ]


def meanings(told: list[events.Event]) -> list[str]:
    """What was told, but for the messages and keys themselves."""
    plain = (events.MessageSent, events.MessageReceived, events.KeysInstalled)
    return [type(event).__name__ for event in told if not isinstance(event, plain)]


def test_events_tell_the_whole_handshake() -> None:
    link = Link(
        client_config(credentials=(credential(),), verifier=Verifier()),
        server_config(client_authentication=REQUIRED, verifier=Verifier()),
    ).connect()
    assert meanings(link.client_events) == [
        "ClientHelloSent",
        "ServerHelloReceived",
        "EncryptedExtensionsReceived",
        "CertificateRequested",
        "CertificateReceived",
        "CertificateAccepted",
        "SignatureVerified",
        "FinishedVerified",
        "CertificateSent",
        "SignatureSent",
        "FinishedSent",
        "HandshakeCompleted",
    ]
    assert meanings(link.server_events) == [
        "ClientHelloReceived",
        "ServerHelloSent",
        "EncryptedExtensionsSent",
        "CertificateRequested",
        "CertificateSent",
        "SignatureSent",
        "FinishedSent",
        "CertificateReceived",
        "CertificateAccepted",
        "SignatureVerified",
        "FinishedVerified",
        "HandshakeCompleted",
    ]


# Budgets (design law 9)


@pytest.mark.parametrize(
    ("budgets", "reason"),
    [
        (Budgets(handshake_messages=3), Reason.TOO_MANY_HANDSHAKE_BYTES),
        (Budgets(handshake_bytes=400), Reason.TOO_MANY_HANDSHAKE_BYTES),
        (Budgets(handshake_message=100), Reason.HANDSHAKE_MESSAGE_TOO_LARGE),
        (Budgets(certificates=1), Reason.TOO_MANY_CERTIFICATES),
    ],
)
def test_budget_of_the_handshake(budgets: Budgets, reason: Reason) -> None:
    long_chain = Credential(credential().certificate_chain * 2, credential().signer)
    link = Link(client_config(budgets=budgets), server_config(credentials=(long_chain,))).run()
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is reason
    assert isinstance(link.server_error, AlertReceived)


def test_messages_behind_finished_do_not_count_against_the_next_epoch() -> None:
    link = Link()
    tamper(link.server, {HandshakeType.FINISHED: lambda m: [m.encode(), Finished(bytes(32)).encode()]})
    link.run()
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is Reason.KEY_CHANGE_NOT_ALIGNED


def test_unknown_extensions_are_ignored_where_the_rfc_says_so() -> None:
    from dataclasses import replace

    link = Link(client_config(credentials=(credential(),)), server_config(client_authentication=ASKED))
    unknown = ((0xABCD, b"anything"),)
    tamper(
        link.server,
        {
            HandshakeType.CERTIFICATE_REQUEST: lambda m: replace(
                m, extensions=replace(m.extensions, unknown=unknown)
            ).encode()
        },
    )
    link.run()
    # The transcripts differ, so it fails, but only at the signature over them: the extension itself was accepted.
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is Reason.BAD_SIGNATURE


# Misuse


def test_checking_a_name_needs_one() -> None:
    with pytest.raises(ApiMisuse):
        Connection(client_config(verifier=Verifier()))
    Connection(client_config(verifier=Verifier(), check_name=False))


def test_server_has_no_server_name() -> None:
    with pytest.raises(ApiMisuse):
        Connection(server_config(), server_name=NAME)


def test_names_must_be_ascii() -> None:
    with pytest.raises(ApiMisuse):
        Connection(client_config(), server_name="bücher.example")


def test_data_before_the_handshake_is_refused() -> None:
    connection = Connection(client_config(), server_name=NAME)
    with pytest.raises(ApiMisuse) as caught:
        connection.write(b"early")
    assert caught.value.reason is Reason.HANDSHAKE_NOT_DONE


def test_server_without_a_certificate_says_so() -> None:
    link = Link(server=server_config(credentials=())).run()
    assert isinstance(link.server_error, TLSError)
    assert link.server_error.reason is Reason.NO_COMMON_SIGNATURE_SCHEME
    assert "no certificate is configured" in str(link.server_error)


def test_representations_hold_no_secret() -> None:
    link = Link().connect()
    assert repr(link.client) == "<tlsocket.Connection client CONNECTED>"
    assert repr(Connection(server_config())) == "<tlsocket.Connection server START>"
    assert LocalSigner.__name__ in repr(credential())
    assert EncryptedExtensions.msg_type == HandshakeType.ENCRYPTED_EXTENSIONS


# Credentials (RFC 9846 section 4.5.1.2)


def test_wildcard_stands_for_one_leftmost_label() -> None:
    wild = credential(host="w", names=("*.Example.com",))
    assert serves_name(wild, "A.example.COM")
    assert not serves_name(wild, "example.com")
    assert not serves_name(wild, "a.b.example.com")
    assert not serves_name(credential(host="t", names=("*.com",)), "com")


def test_the_chain_signed_as_the_peer_wishes_is_preferred() -> None:
    # Both leaves have keys that fit; the first is signed with a hash that the peer does not want in certificates.
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = x509.load_der_x509_certificate(credential().certificate_chain[0])
    unwanted = (
        x509.CertificateBuilder(
            leaf.issuer, leaf.subject, key.public_key(), 8, leaf.not_valid_before_utc, leaf.not_valid_after_utc, []
        )
        .sign(authority_key(), hashes.SHA384())
        .public_bytes(Encoding.DER)
    )
    first = Credential((unwanted,), LocalSigner(key))
    config = server_config(credentials=(first, credential()))
    link = Link(client_config(signature_schemes_cert=(0x0403,)), config).connect()
    assert link.client.peer_certificates == credential().certificate_chain
    only = server_config(credentials=(first,))
    # "SHOULD continue the handshake by sending a certificate chain of its choice".
    link = Link(client_config(signature_schemes_cert=(0x0403,)), only).connect()
    assert link.client.peer_certificates == (unwanted,)


def test_sha1_chain_is_not_a_fallback_unless_the_peer_takes_it() -> None:
    # The algorithm is rewritten in a finished certificate, as nobody signs with SHA-1 any more.
    key = rsa.generate_private_key(65537, 2048)
    leaf = x509.load_der_x509_certificate(credential().certificate_chain[0])
    der = (
        x509.CertificateBuilder(
            name("issuer"), leaf.subject, key.public_key(), 9, leaf.not_valid_before_utc, leaf.not_valid_after_utc, []
        )
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
        .replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
    )
    config = server_config(credentials=(Credential((der,), LocalSigner(key)),))
    link = Link(server=config).run()
    assert isinstance(link.server_error, TLSError)
    assert link.server_error.reason is Reason.NO_COMMON_SIGNATURE_SCHEME
    Link(client_config(signature_schemes_cert=(0x0401, 0x0201)), config).connect()


# Configurations


@pytest.mark.parametrize(
    "changes",
    [
        {"cipher_suites": ()},
        {"cipher_suites": (0x1399,)},
        {"groups": ()},
        {"groups": (0x9999,)},
        {"groups": (NamedGroup.X25519, NamedGroup.X25519)},
        {"signature_schemes": ()},
        {"alpn_protocols": (b"",)},
        {"alpn_protocols": (b"x" * 256,)},
        {"key_share_groups": (NamedGroup.SECP256R1, NamedGroup.X25519)},
        {"key_share_groups": (NamedGroup.FFDHE2048,)},
        {"signing_schemes": ()},
    ],
)
def test_nonsense_configuration_is_misuse(changes: dict[str, object]) -> None:
    with pytest.raises(ApiMisuse):
        client_config(**changes)


def test_tickets_need_a_store() -> None:
    with pytest.raises(ApiMisuse):
        server_config(send_tickets=1)


def test_credential_needs_a_certificate() -> None:
    with pytest.raises(ApiMisuse):
        Credential((), credential().signer)
