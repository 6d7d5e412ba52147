"""What client and server of TLS 1.2 know alike, and the hand-over to them.

A handshake begins as one of TLS 1.3 (`machine`), since both versions have one ClientHello. When the other one is
chosen, `Tls12Handshake.adopt` takes what is known so far, and the connection goes on with it.
"""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from tlsocket import record
from tlsocket.config import ClientConfig, Role, ServerConfig
from tlsocket.crypto.suites import Tls12CipherSuite
from tlsocket.errors import InternalError, PeerMisbehaved, Reason
from tlsocket.events import HandshakeCompleted, Negotiated
from tlsocket.handshake.machine import Handshake, Outcome
from tlsocket.handshake.post_handshake import Tls12PostHandshake
from tlsocket.handshake.proofs import AnonymousPeer, AuthenticatedPeer, FinishedValid, PreSharedKeyPeer
from tlsocket.handshake.sessions import Session
from tlsocket.handshake.states import State
from tlsocket.key_schedule import keylog
from tlsocket.key_schedule.tls12 import KeyBlock, MainSecret12
from tlsocket.messages import tls12
from tlsocket.registry.content_types import ContentType
from tlsocket.registry.versions import ProtocolVersion
from tlsocket.transcript import KeepingTranscript

__all__ = ["Tls12Handshake"]

C = TypeVar("C", ClientConfig, ServerConfig)


class Tls12Handshake(Handshake[C]):
    """What both roles keep until a handshake of TLS 1.2 is over."""

    __slots__ = ("extended", "key_block", "main_secret12", "server_random", "tls12_suite", "tls_unique")

    transcript: KeepingTranscript
    server_random: bytes
    extended: bool
    """Whether both sides do the extended main secret (RFC 7627)."""
    tls12_suite: Tls12CipherSuite | None
    main_secret12: MainSecret12 | None
    key_block: KeyBlock | None
    tls_unique: bytes
    """The first Finished (RFC 5929 section 3.1): the client's, or in an abbreviated handshake the server's."""

    version: ClassVar[int] = ProtocolVersion.TLS_1_2.value

    @classmethod
    def adopt(cls, predecessor: Handshake[C]) -> Self:
        """The handshake that goes on where `predecessor` stops, from now on its successor."""
        reader = predecessor.reader
        if reader.change_cipher_specs:
            # RFC 9846 section 5 has it dropped until the version is known; in TLS 1.2 it came before its time.
            raise PeerMisbehaved(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC, "before the version was known")
        reader.change_cipher_spec_allowed = False
        reader.change_cipher_spec_reported = True
        hs = cls(predecessor.config, reader, predecessor.writer, predecessor.on_event, predecessor.server_name)
        hs.transcript = KeepingTranscript.of(predecessor.transcript)
        hs.parsers = tls12.PARSERS
        hs.client_random = predecessor.client_random
        hs.server_random = b""
        hs.extended = False
        hs.tls12_suite = None
        hs.main_secret12 = None
        hs.key_block = None
        hs.tls_unique = b""
        hs.take_budgets(predecessor)
        predecessor.successor = hs
        return hs

    def use_suite(self, suite: Tls12CipherSuite) -> None:
        """The cipher suite is agreed on; one of ECDHE_PSK has a key exchange of another form."""
        self.tls12_suite = self.suite = suite
        if suite.authentication is None:
            self.parsers = tls12.PSK_PARSERS

    def takes_warning(self, _description: int) -> bool:
        """In TLS 1.2 a warning alert does not end the connection (RFC 5246 section 7.2).

        Not even one that section 7.2.2 calls always fatal: the level is what BoringSSL and OpenSSL go by.
        """
        return True

    def derive_main_secret(self, preliminary_secret: bytes) -> None:
        """The main secret and the keys, once ClientKeyExchange is in the transcript (RFC 5246 section 8.1)."""
        suite = self.tls12_suite
        if suite is None:
            raise InternalError(detail="no cipher suite")
        self.use_main_secret(
            MainSecret12.derive(
                suite,
                preliminary_secret,
                self.client_random,
                self.server_random,
                self.transcript.digest() if self.extended else None,
            )
        )

    def use_main_secret(self, secret: MainSecret12) -> None:
        """Take this main secret, of this handshake or of the session that it resumes, and derive the keys."""
        self.main_secret12 = secret
        self.key_block = secret.key_block()
        if self.config.key_log is not None:
            self._log(keylog.CLIENT_RANDOM, secret.secret)

    def change_receive_key(self) -> None:
        """The peer's change_cipher_spec came: everything after it is under its key."""
        if self.key_block is None:
            raise InternalError(detail="no keys")
        key = self.key_block.server if self.role is Role.CLIENT else self.key_block.client
        self.reader.set_key(record.protection_for_tls12(key))
        self.reader.change_cipher_spec_reported = False

    def queue_send_key(self) -> None:
        """Our change_cipher_spec: everything behind it is under our key."""
        if self.key_block is None:
            raise InternalError(detail="no keys")
        self.writer.queue(ContentType.CHANGE_CIPHER_SPEC, b"\x01")
        key = self.key_block.client if self.role is Role.CLIENT else self.key_block.server
        self.writer.queue_key(record.protection_for_tls12(key))

    def complete_tls12(
        self,
        peer: AuthenticatedPeer | PreSharedKeyPeer | AnonymousPeer,
        _finished: FinishedValid,
        session: Session | None = None,
    ) -> State:
        """Both Finished messages were exchanged, and here are the proofs: application data may flow.

        `session` is what a client may resume from now on.
        """
        suite, secret = self.tls12_suite, self.main_secret12
        if suite is None or secret is None:
            raise InternalError(detail="the key schedule is not complete")
        negotiated = Negotiated(
            version=ProtocolVersion.TLS_1_2,
            cipher_suite=suite,
            group=self.group,
            signature_scheme=self.peer_signature_scheme,
            own_signature_scheme=self.own_signature_scheme,
            own_certificates=() if self.credential is None else self.credential.certificate_chain,
            common_cipher_suites=self.common_cipher_suites,
            alpn=self.alpn,
            server_name=self.server_name,
            resumed=isinstance(peer, PreSharedKeyPeer) and peer.external_identity is None,
            psk_identity=peer.external_identity if isinstance(peer, PreSharedKeyPeer) else None,
        )
        post_handshake = Tls12PostHandshake(
            role=self.role,
            exporter=secret,
            tls_unique=self.tls_unique if secret.extended else None,
            session=session,
        )
        self.outcome = Outcome(negotiated, post_handshake)
        self.reader.open_application()
        self.writer.open_application()
        if self.on_event is not None:
            self.on_event(HandshakeCompleted(self.role, negotiated))
        return self.connected_state
