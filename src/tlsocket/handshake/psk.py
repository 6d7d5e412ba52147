"""Pre-shared keys in the handshake: offered, chosen, proven (RFC 9846 sections 4.3.9 and 4.3.11).

A client offers at most one session and any external keys; a server takes the first identity that it knows and whose
bindings hold, and checks that one's binder and no other. Whatever does not fit is passed over in silence and the
handshake is a full one; only a binder that is wrong ends it. Always with an (EC)DHE exchange (psk_dhe_ke).

Not here: what a session is bound to (`sessions`), what a ticket is (`tickets`), where external keys come from (the
configuration).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tlsocket import clock
from tlsocket.config import ClientAuthentication, ClientConfig, Credential, ServerConfig
from tlsocket.crypto.comparison import equal
from tlsocket.crypto.hashes import HashAlgorithm
from tlsocket.crypto.suites import TLS13_SUITES, CipherSuite
from tlsocket.errors import ApiMisuse, PeerIncompatible, PeerMisbehaved, Reason
from tlsocket.extensions import ClientHelloExtensions, OfferedPsks, PskIdentity
from tlsocket.extensions.pre_shared_key import encode_binders, encode_identities
from tlsocket.handshake.machine import Handshake
from tlsocket.handshake.proofs import PreSharedKeyPeer
from tlsocket.handshake.sessions import Session, SessionState, bound_credential
from tlsocket.key_schedule import EarlySecret, ResumptionSecret
from tlsocket.key_schedule.external_psk import PreSharedKey
from tlsocket.registry.extension_types import ExtensionType
from tlsocket.registry.psk_key_exchange_modes import PskKeyExchangeMode
from tlsocket.registry.versions import ProtocolVersion
from tlsocket.transcript import Transcript

__all__ = [
    "Candidate",
    "Offer",
    "accept_choice",
    "add_offers",
    "demand_other_authentication",
    "find_candidate",
    "find_session",
    "offers_of",
    "verify_binder",
]


class Offer:
    """One identity of our ClientHello, with the secrets behind it."""

    __slots__ = ("algorithm", "early_secret", "external", "identity", "session")

    def __init__(
        self, identity: PskIdentity, early_secret: EarlySecret, algorithm: HashAlgorithm, key: PreSharedKey | Session
    ) -> None:
        self.identity = identity
        self.early_secret = early_secret
        self.algorithm = algorithm
        self.external = key if isinstance(key, PreSharedKey) else None
        self.session = key if isinstance(key, Session) else None


# Client


def find_session(config: ClientConfig, given: Session | None, server_name: str | None) -> Session | None:
    """What to resume, of either version: the session that was given, or one of the cache."""
    if given is None and config.session_cache is None:
        return None
    now = clock.now()
    session = given if given is not None and given.usable(config, server_name, now) else None
    if session is None and config.session_cache is not None:
        session = config.session_cache.take(server_name, lambda kept: kept.usable(config, server_name, now))
    return session


def offers_of(config: ClientConfig, session: Session | None, server_name: str | None) -> tuple[Offer, ...]:
    """What to offer: the session, if it is of TLS 1.3, and the external keys."""
    if session is None and config.offer_psks is None:
        return ()
    if config.maximum_version != ProtocolVersion.TLS_1_3:
        return ()
    offers = []
    if session is not None and session.origin.version == ProtocolVersion.TLS_1_3:
        suite = TLS13_SUITES[session.origin.cipher_suite]
        psk = ResumptionSecret(suite, session.origin.secret).psk(session.ticket_nonce)
        identity = PskIdentity(session.ticket, session.obfuscated_age(clock.now()))
        offers.append(Offer(identity, EarlySecret(suite, psk), suite.hash, session))
    if config.offer_psks is not None:
        for key in config.offer_psks(server_name):
            if not key.identity:
                raise ApiMisuse(detail="in TLS 1.3 the identity of a pre-shared key cannot be empty")
            fitting = _suite_with(key.algorithm, config.cipher_suites)
            if fitting is not None:
                # RFC 9846 section 4.3.11: an obfuscated_ticket_age of 0 for external keys.
                offers.append(Offer(PskIdentity(key.identity), EarlySecret(fitting, key.key), key.algorithm, key))
    return tuple(offers)


def _suite_with(algorithm: HashAlgorithm, codes: Sequence[int]) -> CipherSuite | None:
    return next((TLS13_SUITES[code] for code in codes if TLS13_SUITES[code].hash is algorithm), None)


def add_offers(hello: bytes, extensions_at: int, offers: Sequence[Offer], transcript: Transcript) -> bytes:
    """The ClientHello with pre_shared_key as its last extension (RFC 9846 section 4.3.11.2).

    `extensions_at` is where the length of its extensions stands; `transcript` holds what came before this message.
    """
    identities = encode_identities([offer.identity for offer in offers])
    binders_length = 2 + sum([1 + offer.algorithm.digest_size for offer in offers])
    data_length = len(identities) + binders_length
    truncated = bytearray(hello)
    extra = 4 + data_length
    # "The length fields for the message ... are all set as if binders of the correct lengths were present."
    truncated[1:4] = (len(hello) - 4 + extra).to_bytes(3, "big")
    extensions = int.from_bytes(hello[extensions_at : extensions_at + 2], "big") + extra
    truncated[extensions_at : extensions_at + 2] = extensions.to_bytes(2, "big")
    truncated += ExtensionType.PRE_SHARED_KEY.to_bytes(2, "big") + data_length.to_bytes(2, "big") + identities
    partial = bytes(truncated)
    binders = [
        offer.early_secret.binder(
            transcript.digest_with(partial, offer.algorithm),
            external=offer.external is not None,
            imported=offer.external is not None and offer.external.imported,
        )
        for offer in offers
    ]
    return partial + encode_binders(binders)


def accept_choice(
    offers: Sequence[Offer], index: int, suite: CipherSuite, *, key_share: bool
) -> tuple[EarlySecret, PreSharedKeyPeer]:
    """The key that the server chose: its early secret, and who the server is if its Finished is right."""
    # RFC 9846 section 4.3.11: "Clients MUST verify that the server's selected_identity is within the range supplied by
    # the client, that the server selected a cipher suite indicating a Hash associated with the PSK, and that a server
    # "key_share" extension is present if required ... illegal_parameter".
    if index >= len(offers):
        raise PeerMisbehaved(Reason.PSK_NOT_OFFERED, f"number {index} of {len(offers)}")
    offer = offers[index]
    if offer.algorithm is not suite.hash:
        raise PeerMisbehaved(Reason.PSK_HASH_MISMATCH, suite.name)
    if not key_share:
        raise PeerMisbehaved(Reason.PSK_WITHOUT_KEY_SHARE)
    if offer.session is None:
        return offer.early_secret, PreSharedKeyPeer(offer.identity.identity)
    return offer.early_secret, offer.session.origin.peer()


def demand_other_authentication(config: ClientConfig) -> None:
    """The server chose no key. Where keys are all that a client has to go by, it could be anybody's."""
    if (config.offer_psks or config.choose_psk) is not None and config.verifier is None:
        raise PeerIncompatible(Reason.PSK_REQUIRED)


# Server


class Candidate:
    """An identity that we know, and whose bindings hold; whether the client has the key is not known yet."""

    __slots__ = ("algorithm", "credential", "early_secret", "external", "index", "state", "suite")

    def __init__(
        self, index: int, suite: CipherSuite, key: PreSharedKey | SessionState, credential: Credential | None = None
    ) -> None:
        self.index = index
        self.suite = suite
        """That of the handshake, or for an external key another one, with the key's hash."""
        self.credential = credential
        """What we authenticated with in the handshake that is resumed."""
        self.algorithm = suite.hash
        self.external = key if isinstance(key, PreSharedKey) else None
        self.state = key if isinstance(key, SessionState) else None
        self.early_secret = EarlySecret(suite, key.key if isinstance(key, PreSharedKey) else _psk_of(suite, key))


def _psk_of(suite: CipherSuite, state: SessionState) -> bytes:
    return ResumptionSecret(suite, state.secret).psk(state.ticket_nonce)


def find_candidate(
    config: ServerConfig,
    extensions: ClientHelloExtensions,
    *,
    suite: CipherSuite,
    common_suites: Sequence[int],
    alpn: bytes | None,
    credentials: Sequence[Credential],
) -> Candidate | None:
    """The first identity that we know and that fits what was negotiated; None: the handshake is a full one.

    `credentials` are those that a full handshake would authenticate us with. For an external key the suite may be
    another of `common_suites`: RFC 9846 section 4.3.11, external keys "SHOULD influence cipher suite selection".
    """
    offered, modes = extensions.pre_shared_key, extensions.psk_key_exchange_modes
    if offered is None or modes is None or PskKeyExchangeMode.PSK_DHE_KE not in modes:
        return None
    store, find_psk = config.ticket_store, config.find_psk
    for index, (identity, _) in enumerate(offered.identities[: config.budgets.psk_identities]):
        if store is not None:
            sealed = store.redeem(identity)
            state = None if sealed is None else SessionState.decode(sealed)
            if state is not None:
                credential = _resumable(config, state, extensions.server_name, suite, alpn, credentials)
                if credential is not None:
                    return Candidate(index, suite, state, credential)
                continue
        # A client that must show a certificate is not let in with a key instead.
        if find_psk is not None and config.client_authentication is not ClientAuthentication.REQUIRED:
            key = find_psk(identity)
            if key is not None:
                chosen = suite if suite.hash is key.algorithm else _suite_with(key.algorithm, common_suites)
                if chosen is not None:
                    return Candidate(index, chosen, key)
    return None


def _resumable(
    config: ServerConfig,
    state: SessionState,
    server_name: str | None,
    suite: CipherSuite,
    alpn: bytes | None,
    credentials: Sequence[Credential],
) -> Credential | None:
    """The credential of a ticket, if everything that it is bound to holds here and now (design law 8)."""
    now = clock.now()
    if not state.alive(now):
        if config.ticket_store is not None:
            config.ticket_store.expired()
        return None
    known = TLS13_SUITES.get(state.cipher_suite)
    if state.version != ProtocolVersion.TLS_1_3 or known is None or known.hash is not suite.hash:
        return None
    return bound_credential(config, state, server_name, alpn, credentials, now)


def verify_binder(hs: Handshake[Any], candidate: Candidate, offered: OfferedPsks, hello: bytes) -> PreSharedKeyPeer:
    """The candidate's binder over the ClientHello, which is not in the transcript yet: the client has the key.

    RFC 9846 section 4.3.11: "Prior to accepting PSK key establishment, the server MUST validate the corresponding
    binder value".
    """
    truncated = hello[: -offered.binders_length]
    external = candidate.external
    expected = candidate.early_secret.binder(
        hs.transcript.digest_with(truncated, candidate.algorithm),
        external=external is not None,
        imported=external is not None and external.imported,
    )
    if not equal(expected, offered.binders[candidate.index]):
        raise PeerMisbehaved(Reason.BAD_BINDER)
    state = candidate.state
    if state is None:
        return PreSharedKeyPeer(None if external is None else external.identity)
    return state.peer()
