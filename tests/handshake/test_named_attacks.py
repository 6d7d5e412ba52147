"""What went wrong in other stacks, by name, and what happens here: state machines, epochs, floods, downgrades, sizes.

Each test does to us what was done to them. `ELSEWHERE` says where the others of these classes are tested. What TLS of
this library does not have (CBC, RSA key exchange, compression, renegotiation, export suites, heartbeats) cannot be
attacked; that it cannot be talked into it is tested here. Certificates have their own list, in `tests/pki/trust/`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.handshake.support import NAME, Link, client_config, credential, server_config, tamper
from tests.handshake.test_late_authentication import alter
from tests.handshake.test_late_authentication import link as late_link
from tests.handshake.test_must_alerts import changed, extended, flipped, instead
from tests.handshake.test_must_sentences import functions
from tests.record.support import plain_record
from tlsocket import events
from tlsocket.config import ClientAuthentication, Role
from tlsocket.connection import Connection
from tlsocket.errors import AlertReceived, Reason, TLSError
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.messages import CertificateVerify, KeyUpdate, tls12
from tlsocket.registry import AlertDescription as A
from tlsocket.registry import ContentType, NamedGroup
from tlsocket.registry import HandshakeType as T

OLD = {"maximum_version": 0x0303}
ASKING: dict[str, Any] = {"client_authentication": ClientAuthentication.REQUIRED}
WITH = {"credentials": (credential("rsa-2048", host="client"),)}
VERSIONS = pytest.mark.parametrize("version", [0x0303, 0x0304])

ELSEWHERE = {
    "CVE-2014-0224 EarlyCCS": "handshake/test_must_alerts_tls12.py::test_an_early_change_cipher_spec",
    "CVE-2014-6593 SKIP-TLS": "handshake/test_must_alerts_tls12.py::test_a_finished_without_a_change_cipher_spec",
    "CVE-2025-23419": "handshake/test_resumption.py::test_cve_2025_23419_a_ticket_for_one_name_is_no_good_for_another",
    "CVE-2025-23048": (
        "handshake/test_resumption.py::test_cve_2025_23048_a_ticket_of_a_host_without_client_certificates_opens_no_host_with"
    ),
    "CVE-2026-11703": "handshake/test_resumption.py::test_cve_2026_11703_another_server_name",
    "CVE-2025-68121": "handshake/test_resumption.py::test_cve_2025_68121_trust_that_changed_since",
    "CVE-2022-30629": "handshake/test_resumption.py::test_cve_2022_30629_every_ticket_has_its_own_random_age_add",
    "CVE-2020-13777": "handshake/test_tickets.py::test_cve_2020_13777_no_key_is_ever_constant",
    "CVE-2024-2511": "handshake/test_tickets.py::test_cve_2024_2511_the_cache_does_not_grow_without_bounds",
    "Selfie": "handshake/test_psk.py::test_selfie_a_context_of_roles_tells_two_peers_with_one_key_apart",
    "CVE-2023-40217 on a socket": "dropin/test_sockets.py::test_plaintext_left_by_a_peer_that_hung_up_is_refused",
    "CVE-2011-0411 STARTTLS injection": "cli/test_trace.py::test_bytes_behind_the_agreement_are_not_taken_for_tls",
    "CVE-2013-0169 Lucky13": "record/test_protection_tls12.py::test_a_forgery_is_bad_record_mac_and_leaves_nothing",
    "CVE-2016-0270 nonces": "record/test_protection_tls12.py::test_explicit_nonces_never_repeat",
    "CVE-2009-3555 renegotiation": (
        "handshake/test_must_alerts_tls12.py::test_renegotiation_is_refused_with_a_fatal_no_renegotiation"
    ),
    "timing of comparisons": "meta/test_secret_comparisons.py::test_no_secret_is_compared_by_value",
}
"""Name of the attack to the test of its class, where that is not in this module."""


@pytest.mark.parametrize("attack", ELSEWHERE)
def test_the_others_are_where_this_module_says(attack: str) -> None:
    module, function = ELSEWHERE[attack].split("::")
    assert function in functions(module)


def attacked(
    receiver: Role, changes: Any, *, version: int = 0x0304, client: dict[str, Any] | None = None, **server: Any
) -> Link:
    """A handshake in which the receiver's peer sends something else."""
    maximum = {"maximum_version": version}
    link = Link(client_config(**maximum, **(client or {})), server_config(**maximum, **server))
    parsers = {} if version == 0x0304 else {"parsers": tls12.PARSERS}
    tamper(link.server if receiver is Role.CLIENT else link.client, changes, **parsers)
    return link.run()


def refused(link: Link, receiver: Role, reason: Reason, alert: A) -> None:
    """The receiver failed for that reason, its peer was told, and neither is connected by it."""
    failed, told = link.client_error, link.server_error
    if receiver is Role.SERVER:
        failed, told = told, failed
    assert isinstance(failed, TLSError), failed
    assert failed.reason is reason, failed
    assert isinstance(told, AlertReceived), told
    assert told.description == alert
    assert not (link.client if receiver is Role.CLIENT else link.server).handshake_complete


# Signatures that are not looked at


def test_cve_2014_1266_goto_fail_a_signature_over_other_parameters() -> None:
    """Apple: the server's key exchange of TLS 1.2 was taken whatever its signature said."""
    for change in (flipped("signature"), flipped("point")):
        link = attacked(Role.CLIENT, {T.SERVER_KEY_EXCHANGE: change}, version=0x0303)
        refused(link, Role.CLIENT, Reason.BAD_SIGNATURE, A.DECRYPT_ERROR)


@pytest.mark.parametrize("scheme", [0x0603, 0x0804, 0x0807])
def test_cve_2022_25638_a_scheme_of_another_kind_of_key(scheme: int) -> None:
    """wolfSSL: with a scheme that did not fit the certificate's key nothing was verified."""
    link = attacked(Role.CLIENT, {T.CERTIFICATE_VERIFY: changed(algorithm=scheme, signature=b"")})
    refused(link, Role.CLIENT, Reason.SIGNATURE_SCHEME_MISMATCH, A.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes.fromhex("3006020100020100")])
@pytest.mark.parametrize("receiver", list(Role))
def test_empty_signatures_and_signatures_of_zeros(receiver: Role, signature: bytes) -> None:
    """CVE-2022-21449 (Java) took r = s = 0 for a signature of anything."""
    link = attacked(
        receiver,
        {T.CERTIFICATE_VERIFY: changed(signature=signature)},
        client={"credentials": (credential(host="client"),)},
        **ASKING,
    )
    refused(link, receiver, Reason.BAD_SIGNATURE, A.DECRYPT_ERROR)


# State machines (SMACK and its cousins)


@pytest.mark.parametrize("missing", [(T.CERTIFICATE, T.CERTIFICATE_VERIFY), (T.CERTIFICATE_VERIFY,)])
def test_cve_2020_24613_a_server_that_proves_nothing(missing: tuple[T, ...]) -> None:
    """wolfSSL: a server of TLS 1.3 went straight to Finished."""
    link = attacked(Role.CLIENT, dict.fromkeys(missing, instead()))
    refused(link, Role.CLIENT, Reason.UNEXPECTED_MESSAGE, A.UNEXPECTED_MESSAGE)


@pytest.mark.parametrize("missing", [(T.CERTIFICATE, T.CERTIFICATE_VERIFY), (T.CERTIFICATE_VERIFY,)])
def test_cve_2022_25640_a_client_that_proves_nothing(missing: tuple[T, ...]) -> None:
    """wolfSSL: a client left its CertificateVerify out, and a server that demands certificates was content."""
    link = attacked(Role.SERVER, dict.fromkeys(missing, instead()), client=WITH, **ASKING)
    refused(link, Role.SERVER, Reason.UNEXPECTED_MESSAGE, A.UNEXPECTED_MESSAGE)


def test_cve_2015_0205_a_client_certificate_without_its_proof() -> None:
    """OpenSSL: a certificate for (EC)DH needed no CertificateVerify in TLS 1.2. Every certificate needs one here."""
    link = attacked(Role.SERVER, {T.CERTIFICATE_VERIFY: instead()}, version=0x0303, client=WITH, **ASKING)
    refused(link, Role.SERVER, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC, A.UNEXPECTED_MESSAGE)


def test_cve_2026_2645_a_certificate_verify_before_the_key_exchange() -> None:
    """wolfSSL: it signed a transcript in which the key exchange was missing."""
    verify = CertificateVerify(0x0804, bytes(256)).encode()
    link = attacked(
        Role.SERVER,
        {T.CLIENT_KEY_EXCHANGE: lambda m: verify + m.encode(), T.CERTIFICATE_VERIFY: instead()},
        version=0x0303,
        client=WITH,
        **ASKING,
    )
    refused(link, Role.SERVER, Reason.UNEXPECTED_MESSAGE, A.UNEXPECTED_MESSAGE)


@pytest.mark.parametrize(
    ("change", "reason", "alert"),
    [
        (lambda sent: sent[-1:], Reason.UNEXPECTED_MESSAGE, A.UNEXPECTED_MESSAGE),
        (lambda sent: [sent[0], sent[-1]], Reason.UNEXPECTED_MESSAGE, A.UNEXPECTED_MESSAGE),
    ],
    ids=["Finished alone", "Certificate and Finished"],
)
def test_cve_2026_55962_a_late_finished_without_the_proof(change: Any, reason: Reason, alert: A) -> None:
    """wolfSSL: after a request behind the handshake a Finished alone made the client an authenticated one."""
    link = late_link()
    alter(link.client, change)
    link.server.request_certificate()
    link.run()
    assert isinstance(link.server_error, TLSError)
    assert link.server_error.reason is reason
    assert isinstance(link.client_error, AlertReceived)
    assert link.client_error.description == alert
    assert link.server.peer_certificates == ()


@pytest.mark.parametrize("receiver", list(Role))
@VERSIONS
def test_cve_2018_10933_the_peers_own_success_message(receiver: Role, version: int) -> None:
    """libssh: a server took the message with which servers tell success, and was convinced."""
    message = {
        (Role.SERVER, 0x0304): b"\x02\0\0\0",  # ServerHello
        (Role.SERVER, 0x0303): b"\x0e\0\0\0",  # ServerHelloDone
        (Role.CLIENT, 0x0304): b"\x14\0\0\x20" + bytes(32),  # Finished
        (Role.CLIENT, 0x0303): b"\x14\0\0\x0c" + bytes(12),
    }[receiver, version]
    place = T.CLIENT_HELLO if receiver is Role.SERVER else T.SERVER_HELLO
    link = attacked(receiver, {place: instead(message)}, version=version)
    refused(link, receiver, Reason.UNEXPECTED_MESSAGE, A.UNEXPECTED_MESSAGE)


# Epochs


@pytest.mark.parametrize("hidden", [b"\x08\0\0\2\0\0", b"\x0b\0\0\4\0\0\0\0", b"\x14\0\0\x20" + bytes(32)])
def test_cve_2025_61730_messages_of_the_next_epoch_in_a_plaintext_record(hidden: bytes) -> None:
    """Go: what stood behind the ServerHello in its record, without protection, was handled as if it had some."""
    link = attacked(Role.CLIENT, {T.SERVER_HELLO: lambda m: [m.encode(), hidden]})
    refused(link, Role.CLIENT, Reason.KEY_CHANGE_NOT_ALIGNED, A.UNEXPECTED_MESSAGE)


def test_cve_2023_40217_plaintext_before_the_handshake_is_never_data() -> None:
    """CPython handed out, as if it had come through TLS, what had been sent before it."""
    for receiver in (Connection(server_config()), started_client()):
        with pytest.raises(TLSError):
            receiver.receive_data(b"DELETE /everything HTTP/1.1\r\n\r\n")
        with pytest.raises(TLSError):
            receiver.read()


def started_client() -> Connection:
    """A client that waits for the ServerHello."""
    client = Connection(client_config(), server_name=NAME)
    client.start()
    client.data_to_send()
    return client


# Floods


@pytest.mark.parametrize("request_peer", [False, True])
def test_cve_2026_32283_several_key_updates_in_one_record(request_peer: bool) -> None:
    """Go: a deadlock. A key changes with each, so a second one in the same record is under no key at all."""
    link = Link().connect()
    link.client.writer.queue(ContentType.HANDSHAKE, KeyUpdate(request_peer).encode() * 3)
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(link.client.data_to_send())
    assert caught.value.reason is Reason.KEY_CHANGE_NOT_ALIGNED


@VERSIONS
def test_cve_2024_32650_an_end_within_the_handshake_is_an_error(version: int) -> None:
    """rustls: a close_notify behind the client's first message kept a server busy for ever."""
    link = Link(client_config(maximum_version=version))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    link.server.data_to_send()
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(plain_record(21, b"\1\0"))
    assert caught.value.reason is Reason.CONNECTION_CLOSED
    assert link.server.data_to_send() == b""


@pytest.mark.parametrize("receiver", list(Role))
@VERSIONS
def test_cve_2016_8610_warnings_without_end(receiver: Role, version: int) -> None:
    """OpenSSL: a processor's whole time went into warnings in plain text during the handshake."""
    link = Link(client_config(maximum_version=version))
    link.client.start()
    end = link.client
    if receiver is Role.SERVER:
        end = link.server
        end.receive_data(link.client.data_to_send())
    with pytest.raises(TLSError) as caught:
        end.receive_data(plain_record(21, bytes((1, A.USER_CANCELED))) * 5)
    assert caught.value.reason is Reason.TOO_MANY_WARNING_ALERTS


# Downgrades


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302])
def test_cve_2014_3566_poodle_an_older_version_is_not_spoken(version: int) -> None:
    link = attacked(Role.CLIENT, {T.SERVER_HELLO: changed(server_version=version)}, version=0x0303)
    refused(link, Role.CLIENT, Reason.UNSUPPORTED_VERSION, A.PROTOCOL_VERSION)
    link = attacked(Role.SERVER, {T.CLIENT_HELLO: changed(legacy_version=version)}, version=0x0303)
    refused(link, Role.SERVER, Reason.UNSUPPORTED_VERSION, A.PROTOCOL_VERSION)


@pytest.mark.parametrize(
    "suite",
    [0x0003, 0x0014, 0x009C, 0x009E, 0xC013, 0x0000],
    ids=["CVE-2015-0204 FREAK", "CVE-2015-4000 Logjam", "ROBOT", "finite-field DH", "CBC", "no encryption"],
)
def test_suites_that_do_not_exist_here(suite: int) -> None:
    """Neither chosen when they are all that is offered, nor taken when they are what is chosen."""
    link = attacked(Role.SERVER, {T.CLIENT_HELLO: changed(cipher_suites=(suite,))}, version=0x0303)
    refused(link, Role.SERVER, Reason.NO_COMMON_CIPHER_SUITE, A.HANDSHAKE_FAILURE)
    link = attacked(Role.CLIENT, {T.SERVER_HELLO: changed(cipher_suite=suite)}, version=0x0303)
    refused(link, Role.CLIENT, Reason.CIPHER_SUITE_NOT_OFFERED, A.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("scheme", [0x0101, 0x0201, 0x0203], ids=["MD5", "SHA-1 with RSA", "SHA-1 with ECDSA"])
def test_cve_2015_7575_sloth_weak_hashes_sign_nothing(scheme: int) -> None:
    link = attacked(Role.CLIENT, {T.SERVER_KEY_EXCHANGE: changed(algorithm=scheme)}, version=0x0303)
    refused(link, Role.CLIENT, Reason.SIGNATURE_SCHEME_NOT_OFFERED, A.ILLEGAL_PARAMETER)
    link = attacked(
        Role.SERVER, {T.CERTIFICATE_VERIFY: changed(algorithm=scheme)}, version=0x0303, client=WITH, **ASKING
    )
    refused(link, Role.SERVER, Reason.SIGNATURE_SCHEME_NOT_OFFERED, A.ILLEGAL_PARAMETER)


def test_cve_2016_0800_drown_no_hello_of_ssl_2() -> None:
    with pytest.raises(TLSError) as caught:
        Connection(server_config()).receive_data(bytes.fromhex("802e0100020015000000100700c0"))
    assert caught.value.reason is Reason.NOT_TLS


def test_cve_2026_2673_a_hybrid_group_that_both_prefer_is_asked_for() -> None:
    """OpenSSL: a server took a classical share that was there, though both ends preferred a hybrid without one."""
    groups = (NamedGroup.X25519MLKEM768, NamedGroup.X25519)
    link = Link(client_config(groups=groups, key_share_groups=groups[1:]), server_config(groups=groups)).connect()
    assert link.server.negotiated is not None
    assert link.server.negotiated.group == NamedGroup.X25519MLKEM768


def test_cve_2021_3449_a_renegotiation_without_signature_algorithms() -> None:
    """OpenSSL: such a ClientHello was a null pointer. Here none is looked at."""
    link = Link(client_config(**OLD), server_config()).connect()
    hello = next(event.data for event in link.client_events if isinstance(event, events.MessageSent))
    link.client.writer.queue(ContentType.HANDSHAKE, hello)
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(link.client.data_to_send())
    assert caught.value.reason is Reason.RENEGOTIATION_REFUSED


def test_triple_handshake_no_extended_main_secret_means_no_session_and_no_exporter() -> None:
    """RFC 7627: without it the secrets of two connections can be made the same by who stands between them."""
    link = Link(client_config(**OLD), server_config(ticket_store=TicketKeys(), tls12_tickets=True))
    tamper(link.client, {T.CLIENT_HELLO: extended(extended_main_secret=False)}, tls12.PARSERS)
    link.run()
    assert link.server.tickets == link.client.tickets == ()
    with pytest.raises(TLSError):
        link.server.export_keying_material(b"EXPORTER-x", None, 32)


# Sizes


@pytest.mark.parametrize("receiver", list(Role))
@pytest.mark.parametrize("early", [True, False])
def test_cve_2014_0160_heartbleed_there_are_no_heartbeats(receiver: Role, early: bool) -> None:
    link = Link()
    link.client.start()
    if early:
        link.server.receive_data(link.client.data_to_send())
    else:
        link.connect()
    end = link.client if receiver is Role.CLIENT else link.server
    with pytest.raises(TLSError) as caught:
        end.receive_data(plain_record(24, b"\1\xff\xff"))
    assert caught.value.reason in {Reason.NOT_TLS, Reason.UNKNOWN_CONTENT_TYPE}


@VERSIONS
def test_cve_2014_3466_a_session_id_beyond_32_bytes(version: int) -> None:
    """GnuTLS: a ServerHello's session id of up to 255 bytes was copied into 32."""

    def longer(message: Any) -> bytes:
        encoded = bytearray(message.encode())
        end = 39 + encoded[38]
        encoded[38:end] = b"\xff" + bytes(255)
        encoded[1:4] = (len(encoded) - 4).to_bytes(3, "big")
        return bytes(encoded)

    link = attacked(Role.CLIENT, {T.SERVER_HELLO: longer}, version=version)
    refused(link, Role.CLIENT, Reason.LENGTH_OUT_OF_RANGE, A.DECODE_ERROR)


def test_rustsec_2024_0399_a_client_hello_in_two_records() -> None:
    """rustls: a panic. Fragments are no error, and neither is the first without the second."""
    link = Link()
    link.client.start()
    hello = link.client.data_to_send()[5:]
    for part in (hello[:1], hello[1:5], hello[5:]):
        assert not link.server.data_to_send()
        link.server.receive_data(plain_record(22, part))
    assert link.server.data_to_send()


def test_cve_2024_5535_an_empty_list_of_protocols() -> None:
    """OpenSSL read beyond an empty list; RFC 7301 has none, and an empty name neither."""
    for data in (b"\0\0", b"\0\1\0"):
        link = attacked(
            Role.SERVER,
            {T.CLIENT_HELLO: extended(alpn=None, unknown=((16, data),))},
            alpn_protocols=(b"h2",),
        )
        refused(link, Role.SERVER, Reason.LENGTH_OUT_OF_RANGE, A.DECODE_ERROR)


@pytest.mark.parametrize("receiver", list(Role))
def test_cve_2022_41724_a_certificate_that_is_announced_as_16_megabytes(receiver: Role) -> None:
    """Go held whatever length was announced. Here the header is enough."""
    link = attacked(
        receiver,
        {T.CERTIFICATE: instead(b"\x0b\xff\xff\xff" + bytes(1000))},
        client={"credentials": (credential(host="client"),)},
        **ASKING,
    )
    failed = link.client_error if receiver is Role.CLIENT else link.server_error
    assert isinstance(failed, TLSError)
    assert failed.reason is Reason.HANDSHAKE_MESSAGE_TOO_LARGE
