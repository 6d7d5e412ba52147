"""Every MUST-alert of TLS 1.2 for what is implemented: RFC 5246, 5746, 7301, 7507, 7627, 8422, and 9846 section 4.2.3.

As in `test_must_alerts`: each case quotes its sentence, breaks the rule on the wire, and checks both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from tests.handshake.support import NAME, Change, Link, client_config, credential, server_config, split_messages
from tests.handshake.support import tamper as tamper_with
from tests.handshake.test_must_alerts import changed, extended, flipped, instead, trailing, twice
from tlsocket.config import ClientAuthentication, Role
from tlsocket.errors import AlertReceived, Reason, TLSError
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.messages import ClientHello, tls12
from tlsocket.registry import AlertDescription as A
from tlsocket.registry import ContentType
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import NamedGroup as G

C, S = Role.CLIENT, Role.SERVER
OLD = {"maximum_version": 0x0303}
ASKING = {"client_authentication": ClientAuthentication.OPTIONAL, "credentials": (credential(),)}
WITH = {"credentials": (credential("rsa-2048", host="client"),)}
OFF_CURVE = b"\x04" + b"\x01" * 64
DONE = tls12.ServerHelloDone().encode()
TICKETS = {"ticket_store": TicketKeys(), "tls12_tickets": True}

tamper = partial(tamper_with, parsers=tls12.PARSERS)


@dataclass(frozen=True)
class Case:
    """One sentence: who receives what, and what it must answer."""

    section: str
    sentence: str
    receiver: Role
    changes: Mapping[T, Change]
    alert: A
    reason: Reason
    client: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)


def behind(message: bytes) -> Change:
    """Another message behind it."""
    return lambda m: m.encode() + message


def without(code: int) -> Callable[[ClientHello], bytes]:
    """A ClientHello without one cipher suite."""
    return lambda m: replace(m, cipher_suites=tuple(s for s in m.cipher_suites if s != code)).encode()


def only(*codes: int) -> Callable[[ClientHello], bytes]:
    """A ClientHello with these cipher suites alone."""
    return lambda m: replace(m, cipher_suites=codes).encode()


CASES = [
    # ServerHello
    Case("5246 E.1", "a version below what is offered: protocol_version", C,
         {T.SERVER_HELLO: changed(server_version=0x0302)}, A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION),
    Case("5246 7.4.1.3", "a cipher suite that was not offered: illegal_parameter", C,
         {T.SERVER_HELLO: changed(cipher_suite=0xC013)}, A.ILLEGAL_PARAMETER, Reason.CIPHER_SUITE_NOT_OFFERED),
    Case("5246 7.4.1.3", "a cipher suite of TLS 1.3: illegal_parameter", C,
         {T.SERVER_HELLO: changed(cipher_suite=0x1301)}, A.ILLEGAL_PARAMETER, Reason.CIPHER_SUITE_NOT_OFFERED,
         client={"maximum_version": 0x0304}, server=OLD),
    Case("5246 7.4.1.3", "compression: illegal_parameter", C,
         {T.SERVER_HELLO: changed(compression_method=1)}, A.ILLEGAL_PARAMETER, Reason.INVALID_COMPRESSION_METHOD),
    Case("5246 7.4.1.4", "an extension that was not asked for: unsupported_extension", C,
         {T.SERVER_HELLO: extended(alpn=b"h2")}, A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION),
    Case("5246 7.4.1.4", "a session ticket that was not asked for: unsupported_extension", C,
         {T.SERVER_HELLO: extended(session_ticket=True)}, A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION,
         client={"tls12_tickets": False}),
    Case("5246 7.4.1.4", "encrypt_then_mac, which goes with no AEAD: unsupported_extension", C,
         {T.SERVER_HELLO: extended(unknown=((22, b""),))}, A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION),
    Case("9846 4.3", "an extension that has no place there: illegal_parameter", C,
         {T.SERVER_HELLO: extended(unknown=((13, b"\0\2\4\3"),))}, A.ILLEGAL_PARAMETER, Reason.EXTENSION_NOT_ALLOWED),
    Case("9846 4.2.3", "the downgrade sentinel of TLS 1.2: illegal_parameter", C,
         {T.SERVER_HELLO: lambda m: replace(m, random=m.random[:24] + b"DOWNGRD\x01").encode()},
         A.ILLEGAL_PARAMETER, Reason.DOWNGRADE_DETECTED, client={"maximum_version": 0x0304}, server=OLD),
    Case("9846 4.2.3", "the downgrade sentinel of TLS 1.1: illegal_parameter", C,
         {T.SERVER_HELLO: lambda m: replace(m, random=m.random[:24] + b"DOWNGRD\x00").encode()},
         A.ILLEGAL_PARAMETER, Reason.DOWNGRADE_DETECTED, client={"maximum_version": 0x0304}, server=OLD),
    Case("9846 4.3.1", "supported_versions with TLS 1.2: illegal_parameter", C,
         {T.SERVER_HELLO: extended(unknown=((43, b"\x03\x03"),))},
         A.ILLEGAL_PARAMETER, Reason.EXTENSION_NOT_ALLOWED, client={"maximum_version": 0x0304}, server=OLD),
    Case("5746 3.4", "renegotiated_connection not empty: handshake_failure", C,
         {T.SERVER_HELLO: extended(renegotiation_info=b"x")},
         A.HANDSHAKE_FAILURE, Reason.RENEGOTIATION_INFO_MISMATCH),
    Case("5746 4.1", "a server without renegotiation_info: handshake_failure, as configured", C,
         {T.SERVER_HELLO: extended(renegotiation_info=None)}, A.HANDSHAKE_FAILURE, Reason.NO_SECURE_RENEGOTIATION),
    Case("7627 5.2", "no extended main secret where it is demanded: handshake_failure", C,
         {T.SERVER_HELLO: extended(extended_main_secret=False)}, A.HANDSHAKE_FAILURE, Reason.NO_EXTENDED_MAIN_SECRET,
         client={"require_extended_main_secret": True}),
    Case("8422 5.2", "point formats without uncompressed: illegal_parameter", C,
         {T.SERVER_HELLO: extended(ec_point_formats=b"\x01")}, A.ILLEGAL_PARAMETER, Reason.NO_UNCOMPRESSED_POINTS),
    Case("7301 3.2", "a protocol that was not offered: illegal_parameter", C,
         {T.SERVER_HELLO: extended(alpn=b"other")}, A.ILLEGAL_PARAMETER, Reason.APPLICATION_PROTOCOL_NOT_OFFERED,
         client={"alpn_protocols": (b"one",)}, server={"alpn_protocols": (b"one",)}),
    # Certificate and ServerKeyExchange
    Case("5246 7.4.2", "no certificate: decode_error", C, {T.CERTIFICATE: changed(certificate_list=())},
         A.DECODE_ERROR, Reason.NO_CERTIFICATE),
    Case("5246 7.2.2", "a certificate that is none: bad_certificate", C,
         {T.CERTIFICATE: changed(certificate_list=(b"\x30\x03\x02\x01\x01",))},
         A.BAD_CERTIFICATE, Reason.INVALID_CERTIFICATE_ENCODING),
    Case("5246 7.4.2", "a certificate of another kind than the suite's: illegal_parameter", C,
         {T.CERTIFICATE: changed(certificate_list=credential("rsa-2048").certificate_chain)},
         A.ILLEGAL_PARAMETER, Reason.CERTIFICATE_DOES_NOT_FIT_SUITE),
    Case("8422 5.4", "a curve that was not offered: illegal_parameter", C,
         {T.SERVER_KEY_EXCHANGE: changed(named_curve=G.SECP521R1)}, A.ILLEGAL_PARAMETER, Reason.GROUP_NOT_OFFERED,
         client={"groups": (G.X25519, G.SECP256R1)}),
    Case("8422 5.4", "a hybrid group, which is of TLS 1.3: illegal_parameter", C,
         {T.SERVER_KEY_EXCHANGE: changed(named_curve=G.X25519MLKEM768)}, A.ILLEGAL_PARAMETER, Reason.GROUP_NOT_OFFERED),
    Case("8422 5.4", "a curve spelled out: illegal_parameter", C,
         {T.SERVER_KEY_EXCHANGE: lambda m: m.encode()[:4] + b"\x01" + m.encode()[5:]},
         A.ILLEGAL_PARAMETER, Reason.CURVE_NOT_NAMED),
    Case("5246 7.4.3", "a scheme that was not offered: illegal_parameter", C,
         {T.SERVER_KEY_EXCHANGE: changed(algorithm=0x0203)},
         A.ILLEGAL_PARAMETER, Reason.SIGNATURE_SCHEME_NOT_OFFERED),
    Case("5246 7.4.3", "a scheme that does not fit the key: illegal_parameter", C,
         {T.SERVER_KEY_EXCHANGE: changed(algorithm=0x0804)}, A.ILLEGAL_PARAMETER, Reason.SIGNATURE_SCHEME_MISMATCH),
    Case("5246 7.4.3", "a wrong signature: decrypt_error", C, {T.SERVER_KEY_EXCHANGE: flipped("signature")},
         A.DECRYPT_ERROR, Reason.BAD_SIGNATURE),
    Case("5246 7.4.3", "other parameters than were signed: decrypt_error", C,
         {T.SERVER_KEY_EXCHANGE: flipped("point")}, A.DECRYPT_ERROR, Reason.BAD_SIGNATURE),
    # The order of the server's flight
    Case("5246 7.3", "ServerHelloDone without a key exchange: unexpected_message", C,
         {T.SERVER_KEY_EXCHANGE: instead()}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5246 7.3", "no Certificate: unexpected_message", C, {T.CERTIFICATE: instead()},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5246 7.3", "two Certificates: unexpected_message", C, {T.CERTIFICATE: twice},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5246 7.3", "two key exchanges: unexpected_message", C, {T.SERVER_KEY_EXCHANGE: twice},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5246 7.3", "two ServerHelloDone: unexpected_message", C, {T.SERVER_HELLO_DONE: twice},
         A.UNEXPECTED_MESSAGE, Reason.KEY_CHANGE_NOT_ALIGNED),
    Case("5077 3.3", "a ticket in the server's first flight: unexpected_message", C,
         {T.SERVER_HELLO_DONE: behind(tls12.Tls12NewSessionTicket(0, b"x").encode())},
         A.UNEXPECTED_MESSAGE, Reason.KEY_CHANGE_NOT_ALIGNED),
    Case("5077 3.3", "a ticket that was announced and does not come: unexpected_message", C,
         {T.NEW_SESSION_TICKET: instead()}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC,
         server=TICKETS),
    Case("5077 3.3", "two tickets: unexpected_message", C, {T.NEW_SESSION_TICKET: twice},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE, server=TICKETS),
    Case("5077 3.3", "bytes behind a ticket: decode_error", C, {T.NEW_SESSION_TICKET: trailing},
         A.DECODE_ERROR, Reason.TRAILING_DATA, server=TICKETS),
    Case("9846 4.4.1", "EncryptedExtensions, which is of TLS 1.3: unexpected_message", C,
         {T.CERTIFICATE: instead(b"\x08\0\0\x02\0\0")}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5246 7.4.5", "a ServerHelloDone with a body: decode_error", C, {T.SERVER_HELLO_DONE: trailing},
         A.DECODE_ERROR, Reason.TRAILING_DATA),
    Case("5246 7.4.4", "a CertificateRequest without certificate types: decode_error", C,
         {T.CERTIFICATE_REQUEST: changed(certificate_types=b"")}, A.DECODE_ERROR, Reason.LENGTH_OUT_OF_RANGE,
         server=ASKING),
    Case("5246 7.4.9", "a wrong Finished: decrypt_error", C, {T.FINISHED: flipped("verify_data")},
         A.DECRYPT_ERROR, Reason.BAD_FINISHED),
    Case("5246 7.4.9", "a Finished of the length of TLS 1.3: decrypt_error", C,
         {T.FINISHED: changed(verify_data=bytes(32))}, A.DECRYPT_ERROR, Reason.BAD_FINISHED),
    # ClientHello
    Case("5246 E.1", "a version that is not spoken: protocol_version", S,
         {T.CLIENT_HELLO: changed(legacy_version=0x0302)}, A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION),
    Case("5246 7.4.1.2", "no null compression: illegal_parameter", S,
         {T.CLIENT_HELLO: changed(legacy_compression_methods=b"\x01")},
         A.ILLEGAL_PARAMETER, Reason.INVALID_COMPRESSION_METHOD),
    Case("5246 7.4.1.3", "no acceptable cipher suite: handshake_failure", S,
         {T.CLIENT_HELLO: only(0xC013, 0x009C, 0x1301)}, A.HANDSHAKE_FAILURE, Reason.NO_COMMON_CIPHER_SUITE),
    Case("5246 7.4.2", "suites for other certificates than ours: handshake_failure", S,
         {T.CLIENT_HELLO: only(0xC02F)}, A.HANDSHAKE_FAILURE, Reason.NO_COMMON_CIPHER_SUITE),
    Case("8422 5.1", "no common curve: handshake_failure", S, {T.CLIENT_HELLO: extended(supported_groups=(0x0100,))},
         A.HANDSHAKE_FAILURE, Reason.NO_COMMON_GROUP),
    Case("8422 5.1.1", "a certificate's curve that the client lacks: handshake_failure", S,
         {T.CLIENT_HELLO: extended(supported_groups=(G.X25519,))},
         A.HANDSHAKE_FAILURE, Reason.NO_COMMON_SIGNATURE_SCHEME),
    Case("9155 2", "no signature_algorithms, which stands for SHA-1: handshake_failure", S,
         {T.CLIENT_HELLO: extended(signature_algorithms=None)},
         A.HANDSHAKE_FAILURE, Reason.NO_COMMON_SIGNATURE_SCHEME),
    Case("9155 4", "SHA-1 alone: handshake_failure", S,
         {T.CLIENT_HELLO: extended(signature_algorithms=(0x0201, 0x0203))},
         A.HANDSHAKE_FAILURE, Reason.NO_COMMON_SIGNATURE_SCHEME),
    Case("5746 3.6", "renegotiated_connection not empty: handshake_failure", S,
         {T.CLIENT_HELLO: extended(renegotiation_info=b"x")},
         A.HANDSHAKE_FAILURE, Reason.RENEGOTIATION_INFO_MISMATCH),
    Case("7507 3", "a needless fallback: inappropriate_fallback", S,
         {T.CLIENT_HELLO: lambda m: replace(m, cipher_suites=(*m.cipher_suites, 0x5600)).encode()},
         A.INAPPROPRIATE_FALLBACK, Reason.INAPPROPRIATE_FALLBACK),
    Case("7507 3", "a needless fallback to a version that we do not speak: inappropriate_fallback", S,
         {T.CLIENT_HELLO: changed(legacy_version=0x0302, cipher_suites=(0xC02B, 0x5600))},
         A.INAPPROPRIATE_FALLBACK, Reason.INAPPROPRIATE_FALLBACK),
    Case("5246 7.4.1.2", "a part of a message behind the ClientHello: unexpected_message", S,
         {T.CLIENT_HELLO: lambda m: [m.encode(), b"\x10\0"]}, A.UNEXPECTED_MESSAGE, Reason.KEY_CHANGE_NOT_ALIGNED),
    Case("7627 5.2", "no extended main secret where it is demanded: handshake_failure", S,
         {T.CLIENT_HELLO: extended(extended_main_secret=False)}, A.HANDSHAKE_FAILURE, Reason.NO_EXTENDED_MAIN_SECRET,
         server={"require_extended_main_secret": True}),
    Case("8422 5.1.2", "point formats without uncompressed: illegal_parameter", S,
         {T.CLIENT_HELLO: extended(ec_point_formats=b"\x01\x02")},
         A.ILLEGAL_PARAMETER, Reason.NO_UNCOMPRESSED_POINTS),
    # The client's flight
    Case("8422 5.7", "a point that is not on the curve: illegal_parameter", S,
         {T.CLIENT_KEY_EXCHANGE: changed(ecdh_yc=OFF_CURVE)}, A.ILLEGAL_PARAMETER, Reason.INVALID_KEY_SHARE,
         client={"groups": (G.SECP256R1,)}),
    Case("8422 5.11", "an all-zero shared secret: illegal_parameter", S,
         {T.CLIENT_KEY_EXCHANGE: changed(ecdh_yc=bytes(32))}, A.ILLEGAL_PARAMETER, Reason.ALL_ZERO_SHARED_SECRET,
         client={"groups": (G.X25519, G.SECP256R1)}),
    Case("8422 5.7", "an empty point: decode_error", S, {T.CLIENT_KEY_EXCHANGE: changed(ecdh_yc=b"")},
         A.DECODE_ERROR, Reason.LENGTH_OUT_OF_RANGE),
    Case("5246 7.4.7", "no ClientKeyExchange: unexpected_message", S, {T.CLIENT_KEY_EXCHANGE: instead()},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC),
    Case("5246 7.4.7", "two: unexpected_message", S, {T.CLIENT_KEY_EXCHANGE: twice},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5246 7.4.6", "a Certificate that was not asked for: unexpected_message", S,
         {T.CLIENT_KEY_EXCHANGE: lambda m: tls12.Tls12Certificate(()).encode() + m.encode()},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5246 7.4.6", "no Certificate though it was asked for: unexpected_message", S,
         {T.CERTIFICATE: instead()}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE, server=ASKING),
    Case("5246 7.4.6", "an empty list where one is required: handshake_failure", S, {},
         A.HANDSHAKE_FAILURE, Reason.CLIENT_CERTIFICATE_MISSING,
         server={**ASKING, "client_authentication": ClientAuthentication.REQUIRED}),
    Case("5246 7.4.8", "no CertificateVerify: unexpected_message", S, {T.CERTIFICATE_VERIFY: instead()},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC, client=WITH, server=ASKING),
    Case("5246 7.4.8", "CertificateVerify after an empty list: unexpected_message", S,
         {T.CERTIFICATE: changed(certificate_list=())}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE,
         client=WITH, server=ASKING),
    Case("5246 7.4.8", "a wrong signature: decrypt_error", S, {T.CERTIFICATE_VERIFY: flipped("signature")},
         A.DECRYPT_ERROR, Reason.BAD_SIGNATURE, client=WITH, server=ASKING),
    Case("5246 7.4.8", "a scheme that was not asked for: illegal_parameter", S,
         {T.CERTIFICATE_VERIFY: changed(algorithm=0x0201)},
         A.ILLEGAL_PARAMETER, Reason.SIGNATURE_SCHEME_NOT_OFFERED, client=WITH, server=ASKING),
    Case("5246 7.4.9", "a wrong Finished: decrypt_error", S, {T.FINISHED: flipped("verify_data")},
         A.DECRYPT_ERROR, Reason.BAD_FINISHED),
]  # fmt: skip


def identity(case: Case) -> str:
    return f"{case.receiver.value}-{case.section}-{case.sentence}".replace(" ", "_")


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_receiver_fails_with_the_reason_and_sender_gets_the_alert(case: Case) -> None:
    link = Link(client_config(**{**OLD, **case.client}), server_config(**case.server))
    sender = link.server if case.receiver is C else link.client
    tamper(sender, case.changes)
    link.run()
    error = link.client_error if case.receiver is C else link.server_error
    other = link.server_error if case.receiver is C else link.client_error
    assert isinstance(error, TLSError)
    assert error.reason is case.reason, error
    assert isinstance(other, AlertReceived), other
    assert (other.level, other.description) == (2, case.alert)
    receiver = link.client if case.receiver is C else link.server
    assert not receiver.handshake_complete


def test_a_certificate_on_a_curve_that_was_not_offered() -> None:
    """RFC 8422 section 5.3, from a server that did not heed the client's supported_groups."""
    link = Link(client_config(**OLD, groups=(G.X25519,)), server_config())
    tamper(link.client, {T.CLIENT_HELLO: extended(supported_groups=(G.X25519, G.SECP256R1))})
    link.run()
    assert isinstance(link.client_error, TLSError)
    assert link.client_error.reason is Reason.CERTIFICATE_CURVE_NOT_OFFERED
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == A.ILLEGAL_PARAMETER


def test_the_client_of_a_wrong_session_id_echo() -> None:
    """RFC 9846 section 4.2.2: our legacy_session_id is of no session, so a server of TLS 1.2 cannot resume it."""
    link = Link(client_config(), server_config(**OLD))
    client: Any = link.client._handshake
    tamper(link.server, {T.SERVER_HELLO: lambda m: replace(m, session_id=client.session_id).encode()})
    link.run()
    assert isinstance(link.client_error, TLSError)
    assert link.client_error.reason is Reason.SESSION_ID_ECHOED
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == A.ILLEGAL_PARAMETER


def connected() -> Link:
    return Link(client_config(**OLD)).connect()


@pytest.mark.parametrize("role", [C, S])
def test_renegotiation_is_refused_with_a_fatal_no_renegotiation(role: Role) -> None:
    link = connected()
    receiver, sender = (link.client, link.server) if role is C else (link.server, link.client)
    message = tls12.HelloRequest().encode() if role is C else ClientHello(0x0303, bytes(32), b"", (0xC02B,)).encode()
    sender.writer.queue(ContentType.HANDSHAKE, message)
    with pytest.raises(TLSError) as caught:
        receiver.receive_data(sender.data_to_send())
    assert caught.value.reason is Reason.RENEGOTIATION_REFUSED
    with pytest.raises(AlertReceived) as alert:
        sender.receive_data(receiver.data_to_send())
    assert (alert.value.level, alert.value.description) == (2, A.NO_RENEGOTIATION)


@pytest.mark.parametrize("role", [C, S])
@pytest.mark.parametrize("kind", [T.FINISHED, T.SERVER_HELLO, T.NEW_SESSION_TICKET, T.KEY_UPDATE, 0xAB])
def test_no_message_is_legal_after_the_handshake(role: Role, kind: int) -> None:
    link = connected()
    receiver, sender = (link.client, link.server) if role is C else (link.server, link.client)
    sender.writer.queue(ContentType.HANDSHAKE, bytes((kind, 0, 0, 1, 0)))
    with pytest.raises(TLSError) as caught:
        receiver.receive_data(sender.data_to_send())
    assert caught.value.reason is Reason.UNEXPECTED_MESSAGE


def test_hello_requests_during_the_handshake_are_ignored() -> None:
    """RFC 5246 section 7.4.1.1, and they are in no transcript. Behind ServerHelloDone there is nothing to negotiate."""
    request = tls12.HelloRequest().encode()
    link = Link(client_config(**OLD))
    tamper(link.server, {kind: behind(request * 3) for kind in (T.SERVER_HELLO, T.CERTIFICATE, T.SERVER_KEY_EXCHANGE)})
    link.connect()


def test_hello_requests_are_counted() -> None:
    link = Link(client_config(**OLD))
    tamper(link.server, {T.SERVER_HELLO: behind(tls12.HelloRequest().encode() * 40)})
    link.run()
    assert isinstance(link.client_error, TLSError)
    assert link.client_error.reason is Reason.TOO_MANY_HANDSHAKE_BYTES


CCS = b"\x14\x03\x03\x00\x01\x01"


@pytest.mark.parametrize("sends", [C, S])
def test_an_early_change_cipher_spec(sends: Role) -> None:
    """CVE-2014-0224: one that comes before the keys are agreed on must not be taken."""
    link = Link(client_config(**OLD))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    receiver, data = link.server, CCS
    if sends is S:
        # Behind a ServerHello in a record of its own.
        hello = split_messages(link.server.data_to_send()[5:])[0]
        receiver, data = link.client, b"\x16\x03\x03" + len(hello).to_bytes(2, "big") + hello + CCS
    with pytest.raises(TLSError) as caught:
        receiver.receive_data(data)
    assert caught.value.reason is Reason.UNEXPECTED_CHANGE_CIPHER_SPEC


def test_a_change_cipher_spec_before_the_version_was_known() -> None:
    link = Link(client_config(**OLD))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    with pytest.raises(TLSError) as caught:
        link.client.receive_data(CCS + link.server.data_to_send())
    assert caught.value.reason is Reason.UNEXPECTED_CHANGE_CIPHER_SPEC


def test_a_finished_without_a_change_cipher_spec() -> None:
    link = Link(client_config(**OLD))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    link.client.receive_data(link.server.data_to_send())
    flight = link.client.data_to_send()
    at = flight.index(CCS)
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(flight[:at] + b"\x16\x03\x03\x00\x10\x14\0\0\x0c" + bytes(12))
    assert caught.value.reason is Reason.UNEXPECTED_MESSAGE


def test_a_second_change_cipher_spec() -> None:
    link = connected()
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(CCS)
    assert caught.value.reason is Reason.UNEXPECTED_CHANGE_CIPHER_SPEC


def test_a_change_cipher_spec_between_the_parts_of_a_message() -> None:
    link = Link(client_config(**OLD))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    link.client.receive_data(link.server.data_to_send())
    flight = link.client.data_to_send()
    with pytest.raises(TLSError) as caught:
        link.server.receive_data(b"\x16\x03\x03\x00\x04" + flight[5:9] + CCS)
    assert caught.value.reason is Reason.UNEXPECTED_CHANGE_CIPHER_SPEC


@pytest.mark.parametrize("description", [A.UNRECOGNIZED_NAME, A.NO_RENEGOTIATION, A.USER_CANCELED])
def test_warnings_do_not_end_a_connection_of_tls12_but_are_counted(description: int) -> None:
    """RFC 5246 section 7.2; RFC 6066 section 3 for the first, which may come before the ServerHello."""
    link = Link(client_config(**OLD))
    warning = b"\x15\x03\x03\x00\x02\x01" + bytes((description,))
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    link.client.receive_data(warning * 2 + link.server.data_to_send())
    link.run()
    assert link.client.handshake_complete
    link.server.writer.queue(ContentType.ALERT, bytes((1, description)))
    link.server.writer.queue(ContentType.ALERT, bytes((1, description)))
    link.client.receive_data(link.server.data_to_send())
    link.server.writer.queue(ContentType.ALERT, bytes((1, description)))
    with pytest.raises(TLSError) as caught:
        link.client.receive_data(link.server.data_to_send())
    assert caught.value.reason is Reason.TOO_MANY_WARNING_ALERTS


@pytest.mark.parametrize("description", [A.UNEXPECTED_MESSAGE, A.HANDSHAKE_FAILURE, A.ACCESS_DENIED])
@pytest.mark.parametrize("settings", [OLD, {}], ids=["TLS 1.2 only", "either version"])
def test_what_is_always_fatal_is_no_warning_before_the_version_is_known(
    description: int, settings: Mapping[str, Any]
) -> None:
    """RFC 9846 section 6, RFC 5246 section 7.2.2. It was waited on until the peer closed."""
    link = Link(client_config(**settings))
    link.client.start()
    with pytest.raises(AlertReceived):
        link.client.receive_data(b"\x15\x03\x03\x00\x02\x01" + bytes((description,)))


def test_in_tls12_the_level_decides_even_so() -> None:
    """As in BoringSSL, whose tests demand it, and OpenSSL."""
    link = Link(client_config(**OLD)).connect()
    link.server.writer.queue(ContentType.ALERT, bytes((1, A.UNEXPECTED_MESSAGE)))
    link.server.write(b"data")
    link.client.receive_data(link.server.data_to_send())
    assert link.client.read() == b"data"


def test_a_warning_in_tls13_is_fatal() -> None:
    link = Link().connect()
    link.server.writer.queue(ContentType.ALERT, bytes((1, A.UNRECOGNIZED_NAME)))
    with pytest.raises(AlertReceived):
        link.client.receive_data(link.server.data_to_send())


def test_names_are_used_for_the_choice_of_the_certificate() -> None:
    link = Link(client_config(**OLD), server_config(credentials=(credential("rsa-2048", host="other.example", names=(
        "other.example",)), credential(names=(NAME,))))).connect()  # fmt: skip
    assert link.client.peer_certificates == credential(names=(NAME,)).certificate_chain
