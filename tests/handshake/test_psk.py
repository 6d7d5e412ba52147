"""External pre-shared keys, and what hostile or mistaken peers do with pre_shared_key (RFC 9846 section 4.3.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.handshake.support import NAME, Link, Verifier, client_config, server_config, split_messages, tamper
from tests.handshake.test_resumption import RETRIES, Pair, offered, resumed
from tlsocket import events, messages
from tlsocket.config import ClientAuthentication
from tlsocket.connection import Connection
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import AlertReceived, ApiMisuse, PeerIncompatible, PeerMisbehaved, Reason, TLSError
from tlsocket.extensions import OfferedPsks, PskIdentity
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.key_schedule import EarlySecret
from tlsocket.key_schedule.external_psk import PreSharedKey, import_psk
from tlsocket.messages import ClientHello, ServerHello
from tlsocket.registry import AlertDescription as A
from tlsocket.registry import CipherSuiteCode as Suite
from tlsocket.registry import HandshakeType as T
from tlsocket.registry import ProtocolVersion

KEY = PreSharedKey(b"device 1", bytes(range(32)))
OTHER = PreSharedKey(b"device 2", bytes(range(1, 33)))
LONG = PreSharedKey(b"device 3", bytes(range(48)), "sha384")


def client(*keys: PreSharedKey, **changes: Any) -> Any:
    """A client that has these keys."""
    return client_config(offer_psks=lambda name: keys, **changes)


def server(*keys: PreSharedKey, **changes: Any) -> Any:
    """A server that knows these keys and has no certificate, unless `changes` give it one."""
    known = {key.identity: key for key in keys}
    return server_config(**{"find_psk": known.get, "credentials": (), **changes})


def negotiated(link: Link) -> events.Negotiated:
    """Of the client."""
    assert link.client.negotiated is not None
    return link.client.negotiated


# External keys


@pytest.mark.parametrize("key", [KEY, LONG])
def test_a_key_authenticates_both_without_certificates(key: PreSharedKey) -> None:
    link = Link(client(key), server(key)).connect()
    assert negotiated(link).psk_identity == key.identity
    assert link.server.negotiated is not None
    assert link.server.negotiated.psk_identity == key.identity
    assert link.server.negotiated.own_certificates == ()
    assert not negotiated(link).resumed
    assert link.client.peer_certificates == ()
    assert negotiated(link).cipher_suite.hash is key.algorithm


def test_the_key_chooses_the_suite() -> None:
    """RFC 9846 section 4.3.11: external keys "SHOULD influence cipher suite selection"."""
    suites = (Suite.TLS_AES_128_GCM_SHA256, Suite.TLS_AES_256_GCM_SHA384)
    assert negotiated(Link(client(LONG), server(LONG, cipher_suites=suites)).connect()).cipher_suite.code == suites[1]


@pytest.mark.parametrize("changes", RETRIES, ids=["group", "cookie"])
@pytest.mark.parametrize("key", [KEY, LONG])
def test_after_a_hello_retry_request(key: PreSharedKey, changes: dict[str, Any]) -> None:
    link = Link(client(key), server(key, **changes)).connect()
    assert negotiated(link).psk_identity == key.identity


def test_the_first_known_of_several_is_taken() -> None:
    link = Link(client(KEY, LONG, OTHER), server(OTHER)).connect()
    assert offered(link) == 3
    assert negotiated(link).psk_identity == OTHER.identity


def test_a_session_goes_before_a_key() -> None:
    pair = Pair()
    session = pair.session()
    pair.client |= {"offer_psks": lambda name: (KEY,)}
    pair.server |= {"find_psk": {KEY.identity: KEY}.get}
    link = pair.link(session)
    assert offered(link) == 2
    assert resumed(link)


def test_an_unknown_key_means_certificates_if_there_are_any() -> None:
    link = Link(client(KEY, verifier=Verifier()), server_config(find_psk=lambda identity: None)).connect()
    assert negotiated(link).psk_identity is None
    assert link.client.peer_certificates


def test_an_unknown_key_and_no_certificate() -> None:
    link = Link(client(KEY), server(OTHER)).run()
    assert isinstance(link.server_error, PeerIncompatible)
    assert link.server_error.reason is Reason.NO_COMMON_PRE_SHARED_KEY
    assert isinstance(link.client_error, AlertReceived)
    assert link.client_error.description == A.HANDSHAKE_FAILURE


def test_a_server_that_ignores_the_key_is_refused_where_nothing_else_authenticates_it() -> None:
    link = Link(client(KEY), server_config()).run()
    assert isinstance(link.client_error, PeerIncompatible)
    assert link.client_error.reason is Reason.PSK_REQUIRED
    assert isinstance(link.server_error, AlertReceived)


def test_a_wrong_key_is_a_wrong_binder() -> None:
    link = Link(client(replace(KEY, key=bytes(32))), server(KEY)).run()
    assert isinstance(link.server_error, PeerMisbehaved)
    assert link.server_error.reason is Reason.BAD_BINDER
    assert isinstance(link.client_error, AlertReceived)
    assert link.client_error.description == A.DECRYPT_ERROR


def test_a_key_does_not_stand_in_for_a_certificate_that_is_demanded() -> None:
    config = server_config(
        find_psk={KEY.identity: KEY}.get, client_authentication=ClientAuthentication.REQUIRED, verifier=Verifier()
    )
    link = Link(client(KEY, verifier=Verifier()), config).run()
    assert isinstance(link.server_error, PeerMisbehaved)
    assert link.server_error.reason is Reason.CERTIFICATE_REQUIRED


def test_no_tickets_come_of_a_key() -> None:
    """They would outlive it."""
    link = Link(client(KEY), server(KEY, ticket_store=TicketKeys(), send_tickets=2)).connect()
    assert link.client.tickets == ()


def test_a_client_asks_for_keys_by_the_servers_name() -> None:
    asked = []

    def keys(name: str | None) -> tuple[PreSharedKey, ...]:
        asked.append(name)
        return (KEY,)

    Link(client_config(offer_psks=keys), server(KEY)).connect()
    assert asked == [NAME]


def test_a_key_of_a_hash_that_no_suite_has_is_not_offered() -> None:
    config = client(LONG, verifier=Verifier(), cipher_suites=(Suite.TLS_AES_128_GCM_SHA256,))
    assert offered(Link(config, server_config()).connect()) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Link(client(PreSharedKey(b"", b"k"))).client.start(),
        lambda: PreSharedKey(b"i", b""),
        lambda: PreSharedKey(bytes(4097), b"k"),
        lambda: PreSharedKey(b"i", bytes(513)),
        lambda: PreSharedKey(b"i", b"k", "sha512"),
        lambda: import_psk(b"", b"k"),
        lambda: import_psk(b"i", b""),
        lambda: import_psk(b"i", b"k", hash_name="md5"),
    ],
)
def test_nonsense_is_misuse(make: Callable[[], object]) -> None:
    with pytest.raises(ApiMisuse):
        make()


def test_keys_are_not_shown() -> None:
    assert "\\x01\\x02" not in repr(KEY)


# Imported keys (RFC 9258)


def test_imported_keys_authenticate_and_choose_among_themselves() -> None:
    ours, theirs = (import_psk(b"device", b"secret" * 6, context=b"client,server") for _ in range(2))
    for suite in (Suite.TLS_AES_128_GCM_SHA256, Suite.TLS_AES_256_GCM_SHA384):
        link = Link(client(*ours), server(*theirs, cipher_suites=(suite,))).connect()
        assert offered(link) == 2
        assert negotiated(link).cipher_suite.code == suite


def test_selfie_a_context_of_roles_tells_two_peers_with_one_key_apart() -> None:
    """RFC 9257 section 4.1: whoever holds a key for both roles must not be talked into a connection with itself."""
    ours = import_psk(b"device", b"secret" * 6, context=b"client=A,server=B")
    mirrored = import_psk(b"device", b"secret" * 6, context=b"client=B,server=A")
    link = Link(client(*ours), server(*mirrored)).run()
    assert isinstance(link.server_error, PeerIncompatible)


def test_an_imported_key_is_no_external_key_of_the_same_identity() -> None:
    """RFC 9258 section 5.2: the binder has a label of its own."""
    imported = import_psk(b"device", b"secret" * 6)[0]
    plain = PreSharedKey(imported.identity, imported.key)
    link = Link(client(imported), server(plain)).run()
    assert isinstance(link.server_error, PeerMisbehaved)
    assert link.server_error.reason is Reason.BAD_BINDER


# Hostile clients


def psks(change: Callable[[OfferedPsks], OfferedPsks]) -> Any:
    """The ClientHello with another pre_shared_key."""

    def apply(hello: ClientHello) -> bytes:
        offer = hello.extensions.pre_shared_key
        assert offer is not None
        return replace(hello, extensions=replace(hello.extensions, pre_shared_key=change(offer))).encode()

    return apply


def spliced(hello: ClientHello, data: bytes) -> bytes:
    """The ClientHello with `data` for its pre_shared_key."""
    rest = replace(hello.extensions, pre_shared_key=None, unknown=((41, data),))
    return replace(hello, extensions=rest).encode()


def moved(hello: ClientHello) -> bytes:
    """pre_shared_key as the first extension of all."""
    encoded = bytearray(hello.encode())
    offer = hello.extensions.pre_shared_key
    assert offer is not None
    length = 4 + sum(6 + len(identity) for identity, _ in offer.identities) + 2 + offer.binders_length
    extension = encoded[-length:]
    at = 38 + 1 + len(hello.legacy_session_id) + 2 + 2 * len(hello.cipher_suites) + 2 + 2
    return bytes(encoded[:at] + extension + encoded[at:-length])


BINDER = bytes(32)
IDENTITY = b"\0\x07\0\x01x\0\0\0\0"
HOSTILE = {
    "a binder too few": (psks(lambda offer: OfferedPsks((*offer.identities, PskIdentity(b"x")), offer.binders)),
                         A.ILLEGAL_PARAMETER, Reason.PSK_BINDER_COUNT),
    "a binder too many": (psks(lambda offer: OfferedPsks(offer.identities, (*offer.binders, BINDER))),
                          A.ILLEGAL_PARAMETER, Reason.PSK_BINDER_COUNT),
    "a binder of zeros": (psks(lambda offer: OfferedPsks(offer.identities, (BINDER,))),
                          A.DECRYPT_ERROR, Reason.BAD_BINDER),
    "a binder that is longer": (psks(lambda offer: OfferedPsks(offer.identities, (offer.binders[0] + b"\0",))),
                                A.DECRYPT_ERROR, Reason.BAD_BINDER),
    "a binder that is too short": (psks(lambda offer: OfferedPsks(offer.identities, (offer.binders[0][:31],))),
                                   A.DECODE_ERROR, Reason.LENGTH_OUT_OF_RANGE),
    "not the last extension": (moved, A.ILLEGAL_PARAMETER, Reason.PSK_NOT_LAST),
    "no binders": (lambda hello: spliced(hello, IDENTITY + b"\0\0"), A.DECODE_ERROR, Reason.LENGTH_OUT_OF_RANGE),
    "nothing behind the identities": (lambda hello: spliced(hello, IDENTITY), A.DECODE_ERROR, Reason.TRUNCATED_MESSAGE),
    "no identities": (lambda hello: spliced(hello, b"\0\0\0\x21\x20" + BINDER),
                      A.DECODE_ERROR, Reason.LENGTH_OUT_OF_RANGE),
    "an empty identity": (lambda hello: spliced(hello, b"\0\x07\0\0\0\0\0\0\0\0\x21\x20" + BINDER),
                          A.DECODE_ERROR, Reason.LENGTH_OUT_OF_RANGE),
    "an identity without its age": (lambda hello: spliced(hello, b"\0\x07\0\x05xxxxx\0\x21\x20" + BINDER),
                                    A.DECODE_ERROR, Reason.TRUNCATED_MESSAGE),
    "something behind the binders": (lambda hello: spliced(hello, IDENTITY + b"\0\x21\x20" + BINDER + b"\0"),
                                     A.DECODE_ERROR, Reason.TRAILING_DATA),
    "no modes": (lambda hello: replace(hello, extensions=replace(
        hello.extensions, psk_key_exchange_modes=None)).encode(), A.MISSING_EXTENSION, Reason.MISSING_EXTENSION),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("hello", ["first", "second"])
def test_what_hostile_clients_offer(kind: str, hello: str) -> None:
    """RFC 9846 section 4.3.11, each with its alert; in the second ClientHello too."""
    change, alert, reason = HOSTILE[kind]
    link = Link(client(KEY), server(KEY, use_cookie=hello == "second"))
    seen = []

    def apply(message: ClientHello) -> bytes:
        seen.append(message)
        return bytes(message.encode() if hello == "second" and len(seen) == 1 else change(message))

    tamper(link.client, {T.CLIENT_HELLO: apply})
    link.run()
    assert isinstance(link.server_error, TLSError)
    assert link.server_error.reason is reason
    assert isinstance(link.client_error, AlertReceived)
    assert link.client_error.description == alert


def test_only_the_binder_of_the_key_that_is_chosen_is_checked() -> None:
    """RFC 9846 section 4.3.11: servers "SHOULD select a single PSK and validate solely the binder" of it."""
    link = Link(client(KEY, OTHER), server(OTHER))
    tamper(link.client, {T.CLIENT_HELLO: psks(lambda o: OfferedPsks(o.identities, (BINDER, o.binders[1])))})
    link.run()
    # The second binder covers the identities and not the first binder; Finished covers all of it.
    assert isinstance(link.client_error, TLSError)
    assert getattr(link.server_error, "reason", None) is not Reason.BAD_BINDER


def test_a_server_without_keys_or_tickets_passes_over_well_formed_ones() -> None:
    link = Link(client(KEY, verifier=Verifier()), server_config()).connect()
    assert offered(link) == 1


def test_only_psk_ke_is_not_for_us() -> None:
    """There is always a key exchange; a client that wants none gets a full handshake, or none."""
    link = Link(client(KEY), server(KEY))
    tamper(link.client, {T.CLIENT_HELLO: lambda hello: replace(
        hello, extensions=replace(hello.extensions, psk_key_exchange_modes=(0,))).encode()})  # fmt: skip
    link.run()
    assert isinstance(link.server_error, PeerIncompatible)
    assert link.server_error.reason is Reason.NO_COMMON_PRE_SHARED_KEY


def test_no_signature_algorithms_is_fine_with_a_key_and_missing_without() -> None:
    """RFC 9846 section 9.2."""
    for keys, reason in (((KEY,), None), ((OTHER,), Reason.MISSING_EXTENSION)):
        link = Link(client(KEY), server(*keys))
        link.client.start()
        raw = link.client.data_to_send()
        (hello,) = split_messages(raw[5:])
        parsed = messages.parse(hello)
        assert isinstance(parsed, ClientHello)
        # A ClientHello of its own, since the binder covers all of it.
        other = Connection(server(*keys))
        rewritten = rebind(parsed, KEY)
        data = b"\x16\x03\x01" + len(rewritten).to_bytes(2, "big") + rewritten
        if reason is None:
            other.receive_data(data)
            assert other.data_to_send()[5] == T.SERVER_HELLO
            continue
        with pytest.raises(TLSError) as caught:
            other.receive_data(data)
        assert caught.value.reason is reason


def rebind(hello: ClientHello, key: PreSharedKey) -> bytes:
    """The ClientHello without signature_algorithms, with the binder that it then needs."""
    encoded = replace(hello, extensions=replace(hello.extensions, signature_algorithms=None)).encode()
    early = EarlySecret(TLS13_SUITES[0x1301], key.key)
    truncated = encoded[:-35]
    return truncated + b"\0\x21\x20" + early.binder(key.algorithm.digest(truncated), external=True)


# Hostile servers


def selected(**fields: Any) -> Any:
    """The ServerHello with other extensions."""
    return lambda hello: replace(hello, extensions=replace(hello.extensions, **fields)).encode()


@pytest.mark.parametrize(
    ("change", "alert", "reason"),
    [
        (selected(pre_shared_key=1), A.ILLEGAL_PARAMETER, Reason.PSK_NOT_OFFERED),
        (selected(key_share=None), A.ILLEGAL_PARAMETER, Reason.PSK_WITHOUT_KEY_SHARE),
        (lambda hello: replace(hello, cipher_suite=0x1302).encode(), A.ILLEGAL_PARAMETER, Reason.PSK_HASH_MISMATCH),
        (selected(pre_shared_key=None), A.HANDSHAKE_FAILURE, Reason.PSK_REQUIRED),
    ],
)
def test_what_hostile_servers_choose(change: Callable[[ServerHello], bytes], alert: A, reason: Reason) -> None:
    """RFC 9846 section 4.3.11: the range, the hash, the key_share; each an illegal_parameter."""
    link = Link(client(KEY), server(KEY))
    tamper(link.server, {T.SERVER_HELLO: change})
    link.run()
    assert isinstance(link.client_error, TLSError)
    assert link.client_error.reason is reason
    assert isinstance(link.server_error, AlertReceived)
    assert link.server_error.description == alert


def test_a_server_that_chooses_a_key_and_then_sends_certificates() -> None:
    link = Link(client(KEY), server(KEY))

    def with_certificate(message: Any) -> list[bytes]:
        return [message.encode(), messages.Certificate(b"", (messages.CertificateEntry(b"x"),)).encode()]

    tamper(link.server, {T.ENCRYPTED_EXTENSIONS: with_certificate})
    link.run()
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is Reason.UNEXPECTED_MESSAGE


def test_early_data_that_was_not_offered_is_not_accepted() -> None:
    link = Link(client(KEY), server(KEY))
    tamper(link.server, {T.ENCRYPTED_EXTENSIONS: selected(early_data=True)})
    link.run()
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is Reason.UNSOLICITED_EXTENSION


def test_pre_shared_key_in_a_hello_retry_request() -> None:
    link = Link(client(KEY), server(KEY, use_cookie=True))
    tamper(link.server, {T.SERVER_HELLO: selected(unknown=((41, b"\0\0"),))})
    link.run()
    assert isinstance(link.client_error, PeerMisbehaved)
    assert link.client_error.reason is Reason.EXTENSION_NOT_ALLOWED


def test_identities_of_hostile_length_are_bounded() -> None:
    """A thousand identities cost a look at eight of them."""
    asked: list[bytes] = []
    many = tuple(PreSharedKey(b"identity %d" % number, b"k" * 32) for number in range(1000))
    config = server_config(find_psk=asked.append)
    link = Link(client(*many, verifier=Verifier()), config).connect()
    assert offered(link) == 1000
    assert len(asked) == 8


def test_an_offer_that_does_not_fit_is_misuse() -> None:
    many = tuple(PreSharedKey(bytes([65 + number]) * 4096, b"k" * 32) for number in range(17))
    link = Link(client(*many), server(KEY)).run()
    assert isinstance(link.client_error, ApiMisuse)


# TLS 1.2 beside it


def test_a_server_of_tls_1_2_cannot_choose_the_key() -> None:
    """Where the key is all there is, that ends it; where a certificate is verified, the handshake is one of TLS 1.2."""
    old = server_config(maximum_version=ProtocolVersion.TLS_1_2)
    both = {"minimum_version": ProtocolVersion.TLS_1_2}
    link = Link(client(KEY, **both), old).run()
    assert isinstance(link.client_error, PeerIncompatible)
    assert link.client_error.reason is Reason.PSK_REQUIRED
    link = Link(client(KEY, verifier=Verifier(), **both), old).connect()
    assert negotiated(link).version == ProtocolVersion.TLS_1_2


def test_a_client_of_tls_1_2_offers_nothing_of_tls_1_3() -> None:
    pair = Pair()
    session = pair.session()
    pair.client |= {"minimum_version": ProtocolVersion.TLS_1_2, "maximum_version": ProtocolVersion.TLS_1_2}
    pair.server |= {"minimum_version": ProtocolVersion.TLS_1_2}
    link = pair.link(session)
    assert offered(link) == 0
    assert negotiated(link).version == ProtocolVersion.TLS_1_2
    assert not resumed(link)


def test_a_ticket_offered_to_a_server_that_went_back_to_tls_1_2() -> None:
    pair = Pair()
    pair.client |= {"minimum_version": ProtocolVersion.TLS_1_2}
    session = pair.session()
    pair.server |= {"minimum_version": ProtocolVersion.TLS_1_2, "maximum_version": ProtocolVersion.TLS_1_2}
    link = pair.link(session)
    assert negotiated(link).version == ProtocolVersion.TLS_1_2
    assert not resumed(link)
