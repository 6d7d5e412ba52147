"""The key schedule of TLS 1.3 as typed stages (RFC 9846 sections 7.1 to 7.5, 4.5.3, 4.7.1).

    EarlySecret -> HandshakeSecret -> MainSecret        the left side of the diagram in section 7.1
        |               |                 |
        v               v                 v
    TrafficSecret   TrafficSecret x 2  ApplicationSecrets, ResumptionSecret

A stage is spent when the next one is made of it, and forgets its secret ("Once all the values which are to be derived
from a given secret have been computed, that secret SHOULD be erased"). Python cannot overwrite bytes objects;
dropping them early is what it can do. Values under one secret are derived together where that is cheaper
(`tlsocket.crypto.hkdf`). No `repr` here shows a secret. What a secret is used for is decided elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from tlsocket.crypto.hashes import HashAlgorithm
from tlsocket.crypto.hkdf import (
    HmacState,
    expand_label,
    expand_one,
    expand_three,
    expand_two,
    extract,
    hkdf_label,
    hmac,
    hmac_final,
    hmac_state,
    hmac_with,
)
from tlsocket.crypto.suites import CipherSuite
from tlsocket.errors import ApiMisuse, InternalError, Reason
from tlsocket.key_schedule.labels import LABELS, Labels

__all__ = [
    "ApplicationSecrets",
    "EarlySecret",
    "ExporterSecret",
    "HandshakeSecret",
    "HandshakeTrafficSecret",
    "MainSecret",
    "ResumptionSecret",
    "TrafficSecret",
]


def _spent(stage: object) -> NoReturn:
    raise InternalError(Reason.INTERNAL, f"{type(stage).__name__} is spent")


class TrafficSecret:
    """A `[sender]_*_traffic_secret`: what the keys of one direction and one epoch come from."""

    __slots__ = ("secret", "suite")

    def __init__(self, suite: CipherSuite, secret: bytes) -> None:
        self.suite = suite
        self.secret = secret
        """For the key log only; keys come from `key_and_iv`."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.suite.name}>"

    def key_and_iv(self) -> tuple[bytes, bytes]:
        """`[sender]_write_key` and `[sender]_write_iv` (RFC 9846 section 7.3)."""
        suite = self.suite
        labels = LABELS[suite.code]
        key, iv = expand_two(suite.hash, self.secret, labels.key, labels.iv)
        return key[: suite.key_length], iv[: suite.iv_length]

    def verify_data(self, transcript_hash: bytes) -> bytes:
        """`Finished.verify_data` of the side whose secret this is (RFC 9846 section 4.5.3).

        Under a handshake traffic secret in the handshake; under an application traffic secret after it
        (post-handshake authentication).
        """
        suite = self.suite
        finished_key = expand_one(suite.hash, self.secret, LABELS[suite.code].finished)
        return hmac(suite.hash, finished_key, transcript_hash)

    def next(self) -> TrafficSecret:
        """`application_traffic_secret_N+1` (RFC 9846 section 7.2)."""
        suite = self.suite
        return TrafficSecret(suite, expand_one(suite.hash, self.secret, LABELS[suite.code].traffic_upd))


class HandshakeTrafficSecret(TrafficSecret):
    """A `[sender]_handshake_traffic_secret`: always used for a key and for a Finished, so derived for both at once."""

    __slots__ = ("_finished_key",)

    def __init__(self, suite: CipherSuite, secret: bytes) -> None:
        self.suite = suite
        self.secret = secret
        self._finished_key: bytes | None = None

    def key_and_iv(self) -> tuple[bytes, bytes]:
        """`[sender]_write_key` and `[sender]_write_iv` (RFC 9846 section 7.3)."""
        suite = self.suite
        labels = LABELS[suite.code]
        key, iv, self._finished_key = expand_three(suite.hash, self.secret, labels.key, labels.iv, labels.finished)
        return key[: suite.key_length], iv[: suite.iv_length]

    def verify_data(self, transcript_hash: bytes) -> bytes:
        """`Finished.verify_data` of the side whose secret this is (RFC 9846 section 4.5.3)."""
        finished_key = self._finished_key
        if finished_key is None:
            return super().verify_data(transcript_hash)
        return hmac(self.suite.hash, finished_key, transcript_hash)

    def next(self) -> TrafficSecret:
        """There is none: only application traffic secrets are updated (RFC 9846 section 7.2)."""
        raise InternalError(Reason.INTERNAL, "a handshake traffic secret has no successor")


class ExporterSecret:
    """`exporter_secret` or `early_exporter_secret` (RFC 9846 section 7.5)."""

    __slots__ = ("_algorithm", "secret")

    def __init__(self, algorithm: HashAlgorithm, secret: bytes) -> None:
        self._algorithm = algorithm
        self.secret = secret
        """For the key log only; use `export`."""

    def __repr__(self) -> str:
        return f"<ExporterSecret {self._algorithm.name}>"

    def export(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """TLS-Exporter(label, context_value, key_length). No context is the same as an empty one.

        ApiMisuse for a label or a length that HKDF cannot take.
        """
        algorithm = self._algorithm
        context_hash = algorithm.digest(context) if context else algorithm.empty_digest
        try:
            secret = expand_label(algorithm, self.secret, label, algorithm.empty_digest, algorithm.digest_size)
            return expand_label(algorithm, secret, b"exporter", context_hash, length)
        except ValueError as error:
            raise ApiMisuse(Reason.API_MISUSE, str(error)) from None


class ApplicationSecrets(NamedTuple):
    """What comes of the transcript up to the server's Finished."""

    client: TrafficSecret
    """`client_application_traffic_secret_0`"""
    server: TrafficSecret
    """`server_application_traffic_secret_0`"""
    exporter: ExporterSecret
    """`exporter_secret`"""


class ResumptionSecret:
    """`resumption_secret`: what the PSKs of session tickets come from (RFC 9846 section 4.7.1)."""

    __slots__ = ("secret", "suite")

    def __init__(self, suite: CipherSuite, secret: bytes) -> None:
        self.suite = suite
        self.secret = secret
        """For storage; use `psk`."""

    def __repr__(self) -> str:
        return f"<ResumptionSecret {self.suite.name}>"

    def psk(self, ticket_nonce: bytes) -> bytes:
        """The PSK of the ticket with this nonce. Derive it when the ticket is used, not when it comes."""
        algorithm = self.suite.hash
        info = LABELS[self.suite.code].resumption.get(ticket_nonce)
        if info is None:
            info = hkdf_label(algorithm.digest_size, b"resumption", ticket_nonce, first_block=True)
        return expand_one(algorithm, self.secret, info)


class MainSecret:
    """`Main Secret` of RFC 9846 section 7.1 ("master" in the label strings)."""

    __slots__ = ("_secret", "_state", "_suite")

    def __init__(self, suite: CipherSuite, secret: bytes) -> None:
        self._suite = suite
        self._secret: bytes | None = secret
        self._state: HmacState | None = None

    def __repr__(self) -> str:
        return f"<MainSecret {self._suite.name}>"

    def application_secrets(self, transcript_hash: bytes, *, resumable: bool = True) -> ApplicationSecrets:
        """The secrets of `ClientHello...server Finished`; unless `resumable`, they are the last ones."""
        secret = self._secret
        if secret is None:
            _spent(self)
        self._secret = None
        suite = self._suite
        labels = LABELS[suite.code]
        context = transcript_hash + b"\x01"
        infos = labels.c_ap_traffic + context, labels.s_ap_traffic + context, labels.exp_master + context
        if resumable:
            # A fourth value will come of it, so the HMAC state is kept and not the secret.
            state = self._state = hmac_state(suite.hash, secret)
            client, server, exporter = (hmac_with(state, info) for info in infos)
        else:
            client, server, exporter = expand_three(suite.hash, secret, *infos)
        return ApplicationSecrets(
            TrafficSecret(suite, client), TrafficSecret(suite, server), ExporterSecret(suite.hash, exporter)
        )

    def resumption_secret(self, transcript_hash: bytes) -> ResumptionSecret:
        """The secret of `ClientHello...client Finished`; the last one, so the main secret is spent."""
        state, secret = self._state, self._secret
        self._state = self._secret = None
        suite = self._suite
        info = LABELS[suite.code].res_master + transcript_hash + b"\x01"
        if state is not None:
            return ResumptionSecret(suite, hmac_final(state, info))
        if secret is None:
            _spent(self)
        return ResumptionSecret(suite, expand_one(suite.hash, secret, info))


class HandshakeSecret:
    """`Handshake Secret` of RFC 9846 section 7.1."""

    __slots__ = ("_derived", "_secret", "_suite")

    def __init__(self, suite: CipherSuite, secret: bytes) -> None:
        self._suite = suite
        self._secret: bytes | None = secret
        self._derived: bytes | None = None

    def __repr__(self) -> str:
        return f"<HandshakeSecret {self._suite.name}>"

    def traffic_secrets(self, transcript_hash: bytes) -> tuple[HandshakeTrafficSecret, HandshakeTrafficSecret]:
        """The client's and the server's handshake traffic secret, of `ClientHello...ServerHello`."""
        secret = self._secret
        if secret is None:
            _spent(self)
        # The salt of the next stage comes of the same secret: derived here, a third cheaper than later on its own.
        self._secret = None
        suite = self._suite
        labels = LABELS[suite.code]
        context = transcript_hash + b"\x01"
        client, server, self._derived = expand_three(
            suite.hash, secret, labels.c_hs_traffic + context, labels.s_hs_traffic + context, labels.derived
        )
        return HandshakeTrafficSecret(suite, client), HandshakeTrafficSecret(suite, server)

    def main(self) -> MainSecret:
        """The next stage; to be called after `traffic_secrets`."""
        derived = self._derived
        if derived is None:
            _spent(self)
        self._derived = None
        suite = self._suite
        return MainSecret(suite, extract(suite.hash, derived, suite.hash.zeros))


class EarlySecret:
    """`Early Secret` of RFC 9846 section 7.1: of a PSK, or of nothing."""

    __slots__ = ("_labels", "_salt", "_secret", "_spent", "_suite")

    def __init__(self, suite: CipherSuite, psk: bytes | None = None) -> None:
        self._suite = suite
        self._labels: Labels = LABELS[suite.code]
        self._spent = False
        # Without a PSK it is a constant, and so is all that comes of it: `Labels.handshake_salt`.
        self._secret = None if psk is None else extract(suite.hash, b"", psk)
        self._salt: bytes | None = None

    def __repr__(self) -> str:
        return f"<EarlySecret {self._suite.name}>"

    def handshake(self, shared_secret: bytes | None, suite: CipherSuite | None = None) -> HandshakeSecret:
        """The next stage, with the (EC)DHE shared secret; None: there is none (psk_ke).

        `suite` is the one negotiated, where it is not the one that the PSK came with; the hash must be the same.
        """
        if self._spent:
            _spent(self)
        self._spent = True
        algorithm = self._suite.hash
        if suite is None:
            suite = self._suite
        elif suite.hash is not algorithm:
            raise InternalError(Reason.INTERNAL, "a PSK belongs to one hash function")
        input_keying_material = algorithm.zeros if shared_secret is None else shared_secret
        secret, salt = self._secret, self._salt
        if secret is None:
            return HandshakeSecret(suite, hmac_with(self._labels.handshake_salt, input_keying_material))
        self._secret = self._salt = None
        if salt is None:
            salt = expand_one(algorithm, secret, self._labels.derived)
        return HandshakeSecret(suite, extract(algorithm, salt, input_keying_material))

    def binder(self, truncated_hash: bytes, *, external: bool = False, imported: bool = False) -> bytes:
        """The PskBinderEntry (RFC 9846 section 4.3.11.2) over the hash of the truncated ClientHello.

        `external` for a key provisioned outside of TLS, `imported` for one that came through the importer
        (RFC 9258 section 5.2), neither for that of a ticket.
        """
        secret = self._psk_secret()
        algorithm = self._suite.hash
        labels = self._labels
        info = labels.imp_binder if imported else labels.ext_binder if external else labels.res_binder
        # The salt of the next stage comes of the same secret, and is wanted whenever the binder is right.
        binder_key, self._salt = expand_two(algorithm, secret, info, labels.derived)
        return hmac(algorithm, expand_one(algorithm, binder_key, labels.finished), truncated_hash)

    def early_traffic_secret(self, transcript_hash: bytes) -> TrafficSecret:
        """`client_early_traffic_secret`, of the ClientHello."""
        info = self._labels.c_e_traffic + transcript_hash + b"\x01"
        return TrafficSecret(self._suite, expand_one(self._suite.hash, self._psk_secret(), info))

    def early_exporter_secret(self, transcript_hash: bytes) -> ExporterSecret:
        """`early_exporter_secret`, of the ClientHello."""
        info = self._labels.e_exp_master + transcript_hash + b"\x01"
        return ExporterSecret(self._suite.hash, expand_one(self._suite.hash, self._psk_secret(), info))

    def _psk_secret(self) -> bytes:
        secret = self._secret
        if secret is None:
            if self._spent:
                _spent(self)
            raise InternalError(Reason.INTERNAL, "an early secret without a PSK protects nothing")
        return secret
