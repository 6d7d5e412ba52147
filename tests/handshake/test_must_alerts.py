"""Every "MUST abort the handshake with ..." of RFC 9846 section 4 (and 5, 7.4, 9.2) for what is implemented.

Each case quotes its sentence, breaks the rule on the wire, and checks both ends: the receiver fails with the reason,
and the sender receives the alert. `test_must_sentences` lists all the sentences and says where each is tested: those
about records in `test_must_alerts_records`. Those of TLS 1.2 are in `test_must_alerts_tls12`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.handshake.support import NAME, Change, Link, client_config, credential, server_config, tamper
from tlsocket import messages
from tlsocket.config import ClientAuthentication, ClientConfig, Role, ServerConfig
from tlsocket.errors import AlertReceived, Reason, TLSError
from tlsocket.extensions import HelloRetryRequestExtensions, KeyShareEntry, OfferedPsks, PskIdentity
from tlsocket.messages import ClientHello, Finished, HelloRetryRequest, KeyUpdate, ServerHello
from tlsocket.registry import AlertDescription as A
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import NamedGroup as G

C, S = Role.CLIENT, Role.SERVER


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


def changed(**fields: Any) -> Change:
    """The same message with other fields."""
    return lambda message: bytes(replace(message, **fields).encode())


def extended(**fields: Any) -> Change:
    """The same message with other extensions."""
    return lambda message: bytes(replace(message, extensions=replace(message.extensions, **fields)).encode())


def instead(*replacements: bytes) -> Change:
    """Other messages in its place."""
    return lambda _: b"".join(replacements)


def only_retry(change: Change) -> Change:
    """Change HelloRetryRequest and leave ServerHello alone."""
    return lambda m: change(m) if isinstance(m, HelloRetryRequest) else m.encode()


def only_hello(change: Change) -> Change:
    """Change ServerHello and leave HelloRetryRequest alone."""
    return lambda m: change(m) if isinstance(m, ServerHello) else m.encode()


def only_second(change: Change) -> Change:
    """Change the second ClientHello and leave the first alone."""
    seen: list[ClientHello] = []

    def apply(message: ClientHello) -> bytes | list[bytes]:
        seen.append(message)
        return message.encode() if len(seen) == 1 else change(message)

    return apply


def trailing(message: Any) -> bytes:
    """The message with one byte behind its last field."""
    encoded = bytearray(message.encode() + b"\0")
    encoded[1:4] = (len(encoded) - 4).to_bytes(3, "big")
    return bytes(encoded)


def cut_short(message: Any) -> bytes:
    """The message without its last byte, and a header that says so."""
    encoded = bytearray(message.encode()[:-1])
    encoded[1:4] = (len(encoded) - 4).to_bytes(3, "big")
    return bytes(encoded)


def twice(message: Any) -> bytes:
    """The message twice."""
    return bytes(message.encode() * 2)


def retried(message: ServerHello) -> bytes:
    """A HelloRetryRequest in the place of the ServerHello, with the same fields."""
    assert message.extensions.key_share is not None
    return HelloRetryRequest(
        message.legacy_version,
        messages.HELLO_RETRY_REQUEST_RANDOM,
        message.legacy_session_id_echo,
        message.cipher_suite,
        0,
        HelloRetryRequestExtensions(supported_version=0x0304, key_share_group=message.extensions.key_share.group),
    ).encode()


def retry_for(**fields: Any) -> Change:
    """A HelloRetryRequest in the place of the ServerHello, with these extensions."""

    def apply(message: ServerHello) -> bytes:
        retry = messages.parse(retried(message))
        assert isinstance(retry, HelloRetryRequest)
        return replace(
            retry,
            extensions=HelloRetryRequestExtensions(**{"supported_version": 0x0304, **fields}),
        ).encode()

    return apply


def flipped(attribute: str) -> Change:
    """One bit of a field changed."""

    def apply(message: Any) -> bytes:
        value = bytearray(getattr(message, attribute))
        value[-1] ^= 1
        return bytes(replace(message, **{attribute: bytes(value)}).encode())

    return apply


def share(group: int, key_exchange: bytes) -> Any:
    """The server's key_share."""
    return extended(key_share=KeyShareEntry(group, key_exchange))


def shares(*entries: tuple[int, bytes]) -> Any:
    """The client's key shares."""
    return extended(key_share=tuple(KeyShareEntry(*entry) for entry in entries))


HRR_SERVER = {"groups": (G.SECP384R1,)}
TLS13_ONLY = {"minimum_version": 0x0304}
CLASSICAL_SERVER = {"groups": (G.X25519, G.SECP256R1)}  # else a server asks for the hybrid, whatever the share
ASKING = {"client_authentication": ClientAuthentication.OPTIONAL}
UNKNOWN = ((0xABCD, b""),)
OFF_CURVE = b"\x04" + b"\x01" * 64

CASES = [
    # Section 4: order
    Case("4", "a handshake message in an unexpected order", C, {T.SERVER_HELLO: instead(Finished(bytes(32)).encode())},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("4", "a handshake message in an unexpected order", C, {T.ENCRYPTED_EXTENSIONS: twice},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("4", "a handshake message in an unexpected order", C, {T.CERTIFICATE_VERIFY: instead()},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("4", "a handshake message in an unexpected order", C, {T.CERTIFICATE: instead()},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("4", "a handshake message in an unexpected order", S, {T.CLIENT_HELLO: instead(Finished(bytes(32)).encode())},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("4", "a handshake message in an unexpected order", S, {T.CERTIFICATE: instead()},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE, server=ASKING),
    Case("4", "a type that does not exist", C, {T.SERVER_HELLO: instead(b"\x63\0\0\0")},
         A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    # Section 4.2.1
    Case("4.2.1", "no overlap between supported_groups: handshake_failure", S, {}, A.HANDSHAKE_FAILURE,
         Reason.NO_COMMON_GROUP, client={"groups": (G.X25519,)}, server={"groups": (G.SECP256R1,)}),
    Case("4.2.1", "unable to negotiate: handshake_failure", S, {}, A.HANDSHAKE_FAILURE,
         Reason.NO_COMMON_CIPHER_SUITE, client={"cipher_suites": (0x1301,)}, server={"cipher_suites": (0x1302,)}),
    Case("4.2.1", "unable to negotiate: handshake_failure", S, {}, A.HANDSHAKE_FAILURE,
         Reason.NO_COMMON_SIGNATURE_SCHEME, client={"signature_schemes": (0x0807,)}),
    # Section 4.2.2
    Case("4.2.2", "legacy_version not 0x0303: protocol_version", S, {T.CLIENT_HELLO: changed(legacy_version=0x0304)},
         A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION),
    Case("4.2.2", "legacy_version 0x0300: protocol_version", S, {T.CLIENT_HELLO: changed(legacy_version=0x0300)},
         A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION),
    Case("4.2.2", "compression methods other than null: illegal_parameter", S,
         {T.CLIENT_HELLO: changed(legacy_compression_methods=b"\x01\x00")},
         A.ILLEGAL_PARAMETER, Reason.INVALID_COMPRESSION_METHOD),
    Case("4.2.2", "data behind the extensions: decode_error", S, {T.CLIENT_HELLO: trailing},
         A.DECODE_ERROR, Reason.TRAILING_DATA),
    Case("4.2.2", "the same ClientHello without modification", S,
         {T.CLIENT_HELLO: only_second(changed(cipher_suites=(0x1301,)))},
         A.ILLEGAL_PARAMETER, Reason.CLIENT_HELLO_CHANGED, server=HRR_SERVER),
    Case("4.2.2", "the same ClientHello without modification", S,
         {T.CLIENT_HELLO: only_second(changed(random=bytes(32)))},
         A.ILLEGAL_PARAMETER, Reason.CLIENT_HELLO_CHANGED, server=HRR_SERVER),
    Case("4.2.2", "the same ClientHello without modification", S,
         {T.CLIENT_HELLO: only_second(extended(unknown=UNKNOWN))},
         A.ILLEGAL_PARAMETER, Reason.CLIENT_HELLO_CHANGED, server=HRR_SERVER),
    Case("4.2.2", "a single KeyShareEntry from the indicated group", S,
         {T.CLIENT_HELLO: only_second(shares((G.X25519, bytes(31) + b"\x09")))},
         A.ILLEGAL_PARAMETER, Reason.GROUP_CHANGED, server=HRR_SERVER),
    Case("4.2.2", "without early_data after a HelloRetryRequest", S,
         {T.CLIENT_HELLO: only_second(extended(early_data=True))},
         A.ILLEGAL_PARAMETER, Reason.CLIENT_HELLO_CHANGED, server=HRR_SERVER),
    # Section 4.2.3
    Case("4.2.3", "legacy_version not 0x0303: protocol_version", C, {T.SERVER_HELLO: changed(legacy_version=0x0301)},
         A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION),
    Case("4.2.3", "legacy_version 0x0300: protocol_version", C, {T.SERVER_HELLO: changed(legacy_version=0x0300)},
         A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION),
    Case("4.2.3", "session id not echoed: illegal_parameter", C,
         {T.SERVER_HELLO: changed(legacy_session_id_echo=b"x" * 32)},
         A.ILLEGAL_PARAMETER, Reason.SESSION_ID_NOT_ECHOED),
    Case("4.2.3", "cipher suite not offered: illegal_parameter", C, {T.SERVER_HELLO: changed(cipher_suite=0x1304)},
         A.ILLEGAL_PARAMETER, Reason.CIPHER_SUITE_NOT_OFFERED),
    Case("4.2.3", "compression: illegal_parameter", C, {T.SERVER_HELLO: changed(legacy_compression_method=1)},
         A.ILLEGAL_PARAMETER, Reason.INVALID_COMPRESSION_METHOD),
    Case("4.2.3", "the downgrade sentinel of TLS 1.2: illegal_parameter", C,
         {T.SERVER_HELLO: lambda m: replace(m, random=bytes(24) + b"DOWNGRD\x01",
                                            extensions=replace(m.extensions, supported_version=None)).encode()},
         A.ILLEGAL_PARAMETER, Reason.DOWNGRADE_DETECTED),
    Case("4.2.3", "the downgrade sentinel of TLS 1.1: illegal_parameter", C,
         {T.SERVER_HELLO: lambda m: replace(m, random=bytes(24) + b"DOWNGRD\x00",
                                            extensions=replace(m.extensions, supported_version=None)).encode()},
         A.ILLEGAL_PARAMETER, Reason.DOWNGRADE_DETECTED),
    Case("6.2", "a version that is recognized but not supported: protocol_version", C,
         {T.SERVER_HELLO: extended(supported_version=None)}, A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION,
         client=TLS13_ONLY),
    Case("9.2", "ServerHello without key_share: missing_extension", C, {T.SERVER_HELLO: extended(key_share=None)},
         A.MISSING_EXTENSION, Reason.MISSING_EXTENSION),
    # Section 4.2.4
    Case("4.2.4", "no change in the ClientHello: illegal_parameter", C, {T.SERVER_HELLO: retry_for()},
         A.ILLEGAL_PARAMETER, Reason.HELLO_RETRY_WITHOUT_CHANGE),
    Case("4.2.4", "a second HelloRetryRequest: unexpected_message", C, {T.SERVER_HELLO: only_hello(retried)},
         A.UNEXPECTED_MESSAGE, Reason.SECOND_HELLO_RETRY, server=HRR_SERVER),
    Case("4.2.4", "a cipher suite that was not offered", C, {T.SERVER_HELLO: only_retry(changed(cipher_suite=0x1304))},
         A.ILLEGAL_PARAMETER, Reason.CIPHER_SUITE_NOT_OFFERED, server=HRR_SERVER),
    Case("4.2.4", "legacy_version as in ServerHello", C, {T.SERVER_HELLO: only_retry(changed(legacy_version=0x0301))},
         A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION, server=HRR_SERVER),
    Case("4.2.4", "legacy_session_id_echo as in ServerHello", C,
         {T.SERVER_HELLO: only_retry(changed(legacy_session_id_echo=b""))},
         A.ILLEGAL_PARAMETER, Reason.SESSION_ID_NOT_ECHOED, server=HRR_SERVER),
    Case("4.2.4", "legacy_compression_method as in ServerHello", C,
         {T.SERVER_HELLO: only_retry(changed(legacy_compression_method=1))},
         A.ILLEGAL_PARAMETER, Reason.INVALID_COMPRESSION_METHOD, server=HRR_SERVER),
    Case("4.2.4", "the extensions MUST contain supported_versions", C,
         {T.SERVER_HELLO: only_retry(extended(supported_version=None))},
         A.MISSING_EXTENSION, Reason.MISSING_EXTENSION, server=HRR_SERVER),
    Case("4.2.4", "another cipher suite in ServerHello: illegal_parameter", C,
         {T.SERVER_HELLO: only_hello(changed(cipher_suite=0x1303))},
         A.ILLEGAL_PARAMETER, Reason.CIPHER_SUITE_CHANGED, server={**HRR_SERVER, "cipher_suites": (0x1301,)}),
    Case("4.2.4", "another selected_version in ServerHello: illegal_parameter", C,
         {T.SERVER_HELLO: only_hello(extended(supported_version=0x0305))},
         A.ILLEGAL_PARAMETER, Reason.VERSION_CHANGED, server=HRR_SERVER),
    Case("4.2.4", "no selected_version in ServerHello: illegal_parameter", C,
         {T.SERVER_HELLO: only_hello(extended(supported_version=None))},
         A.ILLEGAL_PARAMETER, Reason.VERSION_CHANGED, server=HRR_SERVER),
    # Section 4.3
    Case("4.3", "data left over in extension_data: decode_error", S,
         {T.CLIENT_HELLO: extended(supported_versions=None, unknown=((43, b"\x02\x03\x04\x00"),))},
         A.DECODE_ERROR, Reason.TRAILING_DATA),
    Case("4.3", "a response that was not requested: unsupported_extension", C,
         {T.SERVER_HELLO: extended(unknown=UNKNOWN)}, A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION),
    Case("4.3", "a response that was not requested: unsupported_extension", C,
         {T.SERVER_HELLO: extended(pre_shared_key=1)}, A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION),
    Case("4.3", "a response that was not requested: unsupported_extension", C,
         {T.SERVER_HELLO: only_retry(extended(unknown=UNKNOWN))},
         A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION, server=HRR_SERVER),
    Case("4.3", "a response that was not requested: unsupported_extension", C,
         {T.ENCRYPTED_EXTENSIONS: extended(alpn=b"h2")}, A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION),
    Case("4.3", "a response that was not requested: unsupported_extension", C,
         {T.CERTIFICATE: lambda m: replace(m, certificate_list=tuple(
             replace(e, extensions=replace(e.extensions, status_request=b"\x01\0\0\0")) for e in m.certificate_list
         )).encode()},
         A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION),
    Case("4.3", "a response that was not requested: unsupported_extension", S,
         {T.CERTIFICATE: lambda m: replace(m, certificate_list=tuple(
             replace(e, extensions=replace(e.extensions, status_request=b"\x01\0\0\0")) for e in m.certificate_list
         )).encode()},
         A.UNSUPPORTED_EXTENSION, Reason.UNSOLICITED_EXTENSION, client={"credentials": (credential(),)}, server=ASKING),
    Case("4.3", "an extension not specified for its message: illegal_parameter", C,
         {T.SERVER_HELLO: extended(unknown=((0, b""),))}, A.ILLEGAL_PARAMETER, Reason.EXTENSION_NOT_ALLOWED),
    Case("4.3", "more than one extension of a type", S,
         {T.CLIENT_HELLO: extended(unknown=(*UNKNOWN, *UNKNOWN))}, A.ILLEGAL_PARAMETER, Reason.DUPLICATE_EXTENSION),
    # Section 4.3.1
    Case("4.3.1", "a version that was not offered: illegal_parameter", C,
         {T.SERVER_HELLO: extended(supported_version=0x0305)}, A.ILLEGAL_PARAMETER, Reason.VERSION_NOT_OFFERED),
    Case("4.3.1", "a version prior to TLS 1.3: illegal_parameter", C,
         {T.SERVER_HELLO: extended(supported_version=0x0303)}, A.ILLEGAL_PARAMETER, Reason.VERSION_NOT_OFFERED),
    Case("4.3.1", "no supported_versions: TLS 1.2, which this server does not speak", S,
         {T.CLIENT_HELLO: extended(supported_versions=None)}, A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION,
         server=TLS13_ONLY),
    Case("4.3.1", "supported_versions without ours", S,
         {T.CLIENT_HELLO: extended(supported_versions=(0x0303, 0x7F1C))},
         A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION, server=TLS13_ONLY),
    Case("4.3.1", "supported_versions without ours", S,
         {T.CLIENT_HELLO: extended(supported_versions=(0x0302, 0x7F1C))},
         A.PROTOCOL_VERSION, Reason.UNSUPPORTED_VERSION),
    # Section 4.3.2
    Case("4.3.2", "the client MUST copy the cookie", S, {T.CLIENT_HELLO: only_second(extended(cookie=b"other"))},
         A.ILLEGAL_PARAMETER, Reason.COOKIE_MISMATCH, server={"use_cookie": True}),
    Case("4.3.2", "the client MUST copy the cookie", S, {T.CLIENT_HELLO: only_second(extended(cookie=None))},
         A.ILLEGAL_PARAMETER, Reason.COOKIE_MISMATCH, server={"use_cookie": True}),
    # Sections 4.3.3 and 9.2
    Case("4.3.3", "no signature_algorithms: missing_extension", S,
         {T.CLIENT_HELLO: extended(signature_algorithms=None)}, A.MISSING_EXTENSION, Reason.MISSING_EXTENSION),
    Case("9.2", "no supported_groups: missing_extension", S, {T.CLIENT_HELLO: extended(supported_groups=None)},
         A.MISSING_EXTENSION, Reason.MISSING_EXTENSION),
    Case("9.2", "no key_share: missing_extension", S, {T.CLIENT_HELLO: extended(key_share=None)},
         A.MISSING_EXTENSION, Reason.MISSING_EXTENSION),
    Case("4.3.9", "pre_shared_key without psk_key_exchange_modes", S,
         {T.CLIENT_HELLO: extended(
             pre_shared_key=OfferedPsks((PskIdentity(b"x"),), (bytes(32),)), psk_key_exchange_modes=None)},
         A.MISSING_EXTENSION, Reason.MISSING_EXTENSION),
    # Section 4.3.8
    Case("4.3.8", "selected_group not in supported_groups: illegal_parameter", C,
         {T.SERVER_HELLO: only_retry(extended(key_share_group=G.FFDHE2048))},
         A.ILLEGAL_PARAMETER, Reason.GROUP_NOT_OFFERED, server=HRR_SERVER),
    Case("4.3.8", "selected_group has a share already: illegal_parameter", C, {T.SERVER_HELLO: retried},
         A.ILLEGAL_PARAMETER, Reason.HELLO_RETRY_WITHOUT_CHANGE),
    Case("4.3.8", "ServerHello for another group than HelloRetryRequest: illegal_parameter", C,
         {T.SERVER_HELLO: only_hello(share(G.X25519, bytes(31) + b"\x09"))},
         A.ILLEGAL_PARAMETER, Reason.GROUP_CHANGED, server=HRR_SERVER),
    Case("4.3.8", "a share for a group without a share of ours", C, {T.SERVER_HELLO: share(G.SECP256R1, OFF_CURVE)},
         A.ILLEGAL_PARAMETER, Reason.KEY_SHARE_NOT_OFFERED),
    Case("4.3.8", "a share for a group that was not offered", C, {T.SERVER_HELLO: share(G.FFDHE2048, bytes(256))},
         A.ILLEGAL_PARAMETER, Reason.GROUP_NOT_OFFERED),
    Case("4.3.8", "several shares for one group: illegal_parameter", S,
         {T.CLIENT_HELLO: shares((G.X25519, bytes(32)), (G.X25519, bytes(32)))},
         A.ILLEGAL_PARAMETER, Reason.DUPLICATE_KEY_SHARE),
    Case("4.3.8", "a share for a group outside supported_groups: illegal_parameter", S,
         {T.CLIENT_HELLO: shares((G.FFDHE2048, bytes(256)))}, A.ILLEGAL_PARAMETER, Reason.KEY_SHARE_ORDER),
    Case("4.3.8", "shares in another order: illegal_parameter", S,
         {T.CLIENT_HELLO: shares((G.SECP256R1, OFF_CURVE), (G.X25519, bytes(32)))},
         A.ILLEGAL_PARAMETER, Reason.KEY_SHARE_ORDER),
    Case("4.3.8.2", "peers MUST validate each other's public value", S,
         {T.CLIENT_HELLO: shares((G.SECP256R1, OFF_CURVE))}, A.ILLEGAL_PARAMETER, Reason.INVALID_KEY_SHARE,
         server=CLASSICAL_SERVER),
    Case("4.3.8.2", "peers MUST validate each other's public value", S,
         {T.CLIENT_HELLO: shares((G.X25519MLKEM768, b"\xff" * 1216))}, A.ILLEGAL_PARAMETER, Reason.INVALID_KEY_SHARE),
    Case("4.3.8.2", "peers MUST validate each other's public value", C,
         {T.SERVER_HELLO: share(G.SECP256R1, OFF_CURVE)}, A.ILLEGAL_PARAMETER, Reason.INVALID_KEY_SHARE,
         client={"groups": (G.SECP256R1,)}),
    Case("7.4.2", "the all-zero shared secret", C, {T.SERVER_HELLO: share(G.X25519, bytes(32))},
         A.ILLEGAL_PARAMETER, Reason.ALL_ZERO_SHARED_SECRET),
    Case("7.4.2", "the all-zero shared secret", C, {T.SERVER_HELLO: share(G.X25519MLKEM768, bytes(1120))},
         A.ILLEGAL_PARAMETER, Reason.ALL_ZERO_SHARED_SECRET),
    Case("7.4.2", "the all-zero shared secret", S, {T.CLIENT_HELLO: shares((G.X25519, bytes(32)))},
         A.ILLEGAL_PARAMETER, Reason.ALL_ZERO_SHARED_SECRET, server=CLASSICAL_SERVER),
    Case("7.4.2", "the all-zero shared secret", C, {T.SERVER_HELLO: share(G.X448, bytes(56))},
         A.ILLEGAL_PARAMETER, Reason.ALL_ZERO_SHARED_SECRET, client={"groups": (G.X448,)}),
    # Section 4.4
    Case("4.3.6", "servers MUST NOT send post_handshake_auth", C,
         {T.ENCRYPTED_EXTENSIONS: extended(unknown=((49, b""),))},
         A.ILLEGAL_PARAMETER, Reason.EXTENSION_NOT_ALLOWED),
    Case("4.4.1", "a forbidden extension: illegal_parameter", C,
         {T.ENCRYPTED_EXTENSIONS: extended(unknown=((51, b"\0\x1d\0\x01x"),))},
         A.ILLEGAL_PARAMETER, Reason.EXTENSION_NOT_ALLOWED),
    Case("RFC 7301 3.1", "exactly one ProtocolName, one of those offered", C,
         {T.ENCRYPTED_EXTENSIONS: extended(alpn=b"other")},
         A.ILLEGAL_PARAMETER, Reason.APPLICATION_PROTOCOL_NOT_OFFERED,
         client={"alpn_protocols": (b"h2",)}),
    Case("RFC 7301 3.2", "no common protocol: no_application_protocol", S, {}, A.NO_APPLICATION_PROTOCOL,
         Reason.NO_COMMON_APPLICATION_PROTOCOL, client={"alpn_protocols": (b"a",)}, server={"alpn_protocols": (b"b",)}),
    Case("4.4.2", "signature_algorithms MUST be specified", C,
         {T.CERTIFICATE_REQUEST: extended(signature_algorithms=None)},
         A.MISSING_EXTENSION, Reason.MISSING_EXTENSION, server=ASKING),
    Case("4.4.2", "the context SHALL be zero length", C,
         {T.CERTIFICATE_REQUEST: changed(certificate_request_context=b"x")},
         A.ILLEGAL_PARAMETER, Reason.REQUEST_CONTEXT_MISMATCH, server=ASKING),
    # Section 4.5
    Case("4.5.1", "the context SHALL be zero length", C, {T.CERTIFICATE: changed(certificate_request_context=b"x")},
         A.ILLEGAL_PARAMETER, Reason.REQUEST_CONTEXT_MISMATCH),
    Case("4.5.1", "the context is that of the request", S, {T.CERTIFICATE: changed(certificate_request_context=b"x")},
         A.ILLEGAL_PARAMETER, Reason.REQUEST_CONTEXT_MISMATCH, server=ASKING),
    Case("4.5.1.3", "an empty Certificate from a server: decode_error", C,
         {T.CERTIFICATE: changed(certificate_list=())},
         A.DECODE_ERROR, Reason.NO_CERTIFICATE),
    Case("4.5.1.3", "no certificate, though one is required: certificate_required", S, {}, A.CERTIFICATE_REQUIRED,
         Reason.CERTIFICATE_REQUIRED, server={"client_authentication": ClientAuthentication.REQUIRED}),
    Case("4.5.2", "verification fails: decrypt_error", C, {T.CERTIFICATE_VERIFY: flipped("signature")},
         A.DECRYPT_ERROR, Reason.BAD_SIGNATURE),
    Case("4.5.2", "verification fails: decrypt_error", S, {T.CERTIFICATE_VERIFY: flipped("signature")},
         A.DECRYPT_ERROR, Reason.BAD_SIGNATURE, client={"credentials": (credential(),)}, server=ASKING),
    Case("4.5.2", "an algorithm that was not offered", C, {T.CERTIFICATE_VERIFY: changed(algorithm=0x0203)},
         A.ILLEGAL_PARAMETER, Reason.SIGNATURE_SCHEME_NOT_OFFERED),
    Case("4.5.2", "an algorithm that was not offered", S, {T.CERTIFICATE_VERIFY: changed(algorithm=0x0203)},
         A.ILLEGAL_PARAMETER, Reason.SIGNATURE_SCHEME_NOT_OFFERED,
         client={"credentials": (credential(),)}, server=ASKING),
    Case("4.5.2", "MUST be compatible with the key", C, {T.CERTIFICATE_VERIFY: changed(algorithm=0x0503)},
         A.ILLEGAL_PARAMETER, Reason.SIGNATURE_SCHEME_MISMATCH),
    Case("4.3.3", "RSASSA-PKCS1-v1_5 is for certificates only", C, {T.CERTIFICATE_VERIFY: changed(algorithm=0x0401)},
         A.ILLEGAL_PARAMETER, Reason.SIGNATURE_SCHEME_MISMATCH, server={"credentials": (credential("rsa-2048"),)}),
    Case("4.5.3", "incorrect: decrypt_error", C, {T.FINISHED: flipped("verify_data")},
         A.DECRYPT_ERROR, Reason.BAD_FINISHED),
    Case("4.5.3", "incorrect: decrypt_error", S, {T.FINISHED: flipped("verify_data")},
         A.DECRYPT_ERROR, Reason.BAD_FINISHED),
    Case("4.5.3", "verify_data has the length of the hash", C, {T.FINISHED: changed(verify_data=b"short")},
         A.DECRYPT_ERROR, Reason.BAD_FINISHED),
    Case("4.5.1.2", "the digitalSignature bit MUST be set if the Key Usage extension is present", C, {},
         A.UNSUPPORTED_CERTIFICATE, Reason.KEY_USAGE_FORBIDS_SIGNING,
         server={"credentials": (credential(may_sign=False),)}),
    Case("4.5.1.2", "the digitalSignature bit MUST be set if the Key Usage extension is present", S, {},
         A.UNSUPPORTED_CERTIFICATE, Reason.KEY_USAGE_FORBIDS_SIGNING, server=ASKING,
         client={"credentials": (credential(may_sign=False),)}),
    # Section 4.6
    Case("4.6", "clients receiving EndOfEarlyData: unexpected_message", C,
         {T.FINISHED: lambda m: [b"\x05\0\0\0", m.encode()]}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("4.6", "EndOfEarlyData without early data: unexpected_message", S,
         {T.FINISHED: lambda m: [b"\x05\0\0\0", m.encode()]}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    # Section 4.7.3 and 5.1
    Case("4.7.3", "a KeyUpdate before Finished: unexpected_message", C,
         {T.FINISHED: instead(KeyUpdate(False).encode())}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("4.7.3", "a KeyUpdate before Finished: unexpected_message", S,
         {T.FINISHED: instead(KeyUpdate(False).encode())}, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_MESSAGE),
    Case("5.1", "messages MUST NOT span key changes: unexpected_message", C,
         {T.SERVER_HELLO: lambda m: [m.encode(), b"\x08\0"]}, A.UNEXPECTED_MESSAGE, Reason.KEY_CHANGE_NOT_ALIGNED),
    Case("5.1", "messages MUST NOT span key changes: unexpected_message", S,
         {T.CLIENT_HELLO: lambda m: [m.encode(), b"\x14\0"]}, A.UNEXPECTED_MESSAGE, Reason.KEY_CHANGE_NOT_ALIGNED),
    Case("5.1", "ClientHello is aligned with a record boundary", S,
         {T.CLIENT_HELLO: lambda m: [m.encode(), b"\x01\0"]}, A.UNEXPECTED_MESSAGE, Reason.KEY_CHANGE_NOT_ALIGNED,
         server=HRR_SERVER),
    Case("5.1", "ServerHello is aligned with a record boundary", C,
         {T.SERVER_HELLO: only_retry(lambda m: [m.encode(), b"\x02\0"])}, A.UNEXPECTED_MESSAGE,
         Reason.KEY_CHANGE_NOT_ALIGNED, server=HRR_SERVER),
    Case("5.1", "Finished is aligned with a record boundary", C,
         {T.FINISHED: lambda m: [m.encode(), b"\x04\0"]}, A.UNEXPECTED_MESSAGE, Reason.KEY_CHANGE_NOT_ALIGNED),
    Case("5.1", "Finished is aligned with a record boundary", S,
         {T.FINISHED: lambda m: [m.encode(), KeyUpdate(False).encode()]}, A.UNEXPECTED_MESSAGE,
         Reason.KEY_CHANGE_NOT_ALIGNED),
    # Section 6: what cannot be parsed, in each message of the handshake
    *(Case("6", "goes on after its last field: decode_error", receiver, {kind: trailing}, A.DECODE_ERROR,
           Reason.TRAILING_DATA, server=ASKING)
      for receiver, kind in ((C, T.SERVER_HELLO), (C, T.ENCRYPTED_EXTENSIONS), (C, T.CERTIFICATE_REQUEST),
                             (C, T.CERTIFICATE), (C, T.CERTIFICATE_VERIFY), (S, T.CERTIFICATE))),
    *(Case("6", "ends before its fields do: decode_error", receiver, {kind: cut_short}, A.DECODE_ERROR,
           Reason.TRUNCATED_MESSAGE, server=ASKING)
      for receiver, kind in ((S, T.CLIENT_HELLO), (C, T.SERVER_HELLO), (C, T.ENCRYPTED_EXTENSIONS),
                             (C, T.CERTIFICATE_REQUEST), (C, T.CERTIFICATE), (C, T.CERTIFICATE_VERIFY),
                             (S, T.CERTIFICATE))),
    Case("6", "an out-of-range length: decode_error", S, {T.CLIENT_HELLO: changed(cipher_suites=())},
         A.DECODE_ERROR, Reason.LENGTH_OUT_OF_RANGE),
]  # fmt: skip


def described(case: Case) -> str:
    return f"{case.receiver.value}-{case.section}-{case.reason.name.lower()}".replace(" ", "")


def run(case: Case) -> Link:
    client: ClientConfig = client_config(**case.client)
    server: ServerConfig = server_config(**case.server)
    link = Link(client, server)
    tamper(link.server if case.receiver is C else link.client, case.changes)
    return link.run()


@pytest.mark.parametrize("case", CASES, ids=described)
def test_receiver_fails_with_the_reason_and_sender_gets_the_alert(case: Case) -> None:
    link = run(case)
    failed, told = link.client_error, link.server_error
    if case.receiver is S:
        failed, told = told, failed
    assert isinstance(failed, TLSError), failed
    assert failed.reason is case.reason, failed
    assert isinstance(told, AlertReceived), told
    assert told.description == case.alert
    receiver = link.client if case.receiver is C else link.server
    # RFC 9846 section 6.2: "both parties MUST immediately close the connection".
    assert not receiver.handshake_complete
    with pytest.raises(type(failed)):
        receiver.write(b"data")


def test_tampering_with_nothing_lets_the_handshake_through() -> None:
    """The harness itself breaks nothing: parsed and encoded again, every message is the same."""
    again: Change = lambda message: bytes(message.encode())  # noqa: E731 -- one expression, used twice
    link = Link(client_config(credentials=(credential(),)), server_config(**ASKING, **HRR_SERVER))
    for connection in (link.client, link.server):
        tamper(connection, dict.fromkeys(T, again))
    link.connect()
    assert link.client.negotiated is not None
    assert link.client.negotiated.server_name == NAME
