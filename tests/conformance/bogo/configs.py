"""From a test's settings to a configuration of ours: credentials, verification, versions, groups, ALPN."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.conformance.bogo.flags import CredentialFiles, Settings
from tlsocket.config import (
    Budgets,
    ClientAuthentication,
    ClientConfig,
    Credential,
    DecisionKind,
    Role,
    ServerConfig,
    VerifiedPath,
)
from tlsocket.crypto.certificates import certificate_public_key, parse_certificate
from tlsocket.crypto.groups import SUPPORTED_GROUPS
from tlsocket.crypto.signatures import DEFAULT_SIGNATURE_SCHEMES, LocalSigner
from tlsocket.crypto.suites import DEFAULT_TLS12_SUITES, PSK_SUITES, TLS12_SUITES
from tlsocket.errors import ApplicationRefusal, CertificateReason, CertificateRejected
from tlsocket.handshake.session_caches import ServerSessionCache
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.key_schedule.external_psk import PreSharedKey, import_psk
from tlsocket.pki.keys import load_private_key
from tlsocket.registry.alerts import AlertDescription
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["SESSION_IDS", "Unimplemented", "config_for", "der_chain", "imported_keys", "verdict"]


class Unimplemented(Exception):
    """The settings ask for something that we do not have; the argument says what."""


def der_chain(path: str) -> tuple[bytes, ...]:
    """The certificates of a PEM file, leaf first."""
    found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


@cache
def _credential(cert_file: str, key_file: str, signing_prefs: tuple[int, ...]) -> Credential:
    chain = der_chain(cert_file)
    public_key = certificate_public_key(parse_certificate(chain[0]))
    credential = Credential(chain, LocalSigner(load_private_key(Path(key_file)), public_key))
    if signing_prefs:
        for kind in ("schemes", "tls12_schemes"):
            usable = tuple(scheme for scheme in signing_prefs if scheme in getattr(credential, kind))
            object.__setattr__(credential, kind, usable)
    return credential


def credential_for(files: CredentialFiles) -> Credential:
    """A credential of ours from the runner's files."""
    return _credential(files.cert_file, files.key_file, tuple(files.signing_prefs))


def credentials_for(settings: Settings) -> tuple[Credential, ...]:
    """All credentials, in order of preference: those added one by one, and last the one of the old flags."""
    found = [credential_for(files) for files in settings.credentials if not files.psk_importer_key]
    if settings.legacy.cert_file:
        found.append(credential_for(settings.legacy))
    return tuple(found)


def imported_keys(files: CredentialFiles) -> tuple[PreSharedKey, ...]:
    """The keys that are imported from an external one; none where the credential is a certificate."""
    if not files.psk_importer_key:
        return ()
    return import_psk(
        files.psk_importer_identity,
        files.psk_importer_key,
        context=files.psk_importer_context,
        hash_name="sha384" if files.psk_importer_sha384 else "sha256",
    )


@dataclass(frozen=True)
class _Offered:
    """The pre-shared keys of a client, for `ClientConfig.offer_psks`."""

    keys: tuple[PreSharedKey, ...]

    def __call__(self, server_name: str | None) -> tuple[PreSharedKey, ...]:
        return self.keys


@dataclass(frozen=True)
class _Known:
    """The pre-shared keys of a server, for `ServerConfig.find_psk`."""

    keys: tuple[PreSharedKey, ...]

    def __call__(self, identity: bytes) -> PreSharedKey | None:
        return next((key for key in self.keys if key.identity == identity), None)


@dataclass(frozen=True)
class _Chosen:
    """The pre-shared key of a client of TLS 1.2, for `ClientConfig.choose_psk`: its identity is the hint too."""

    key: PreSharedKey

    def __call__(self, server_name: str | None, hint: bytes) -> PreSharedKey | None:
        return self.key if hint == self.key.identity else None


def verdict(settings: Settings, certificates: Sequence[bytes]) -> VerifiedPath:
    """What a verifier would say."""
    if not settings.verify_fail:
        return VerifiedPath(tuple(certificates))
    if settings.use_async:
        raise CertificateRejected(CertificateReason.OTHER)
    # The tests without -async check the alert, which is the callback's choice: the two kinds choose differently.
    alert = AlertDescription.CERTIFICATE_UNKNOWN
    if not settings.use_custom_verify_callback:
        alert = AlertDescription.HANDSHAKE_FAILURE
    raise ApplicationRefusal(alert, "the verifier refuses")


class _Verifier:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # What a verdict hangs on, so that the sessions of one connection are good for the next.
        self.policy_id = repr((settings.verify_fail, settings.use_async, settings.use_custom_verify_callback)).encode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Verifier) and other.policy_id == self.policy_id

    def __hash__(self) -> int:
        return hash(self.policy_id)

    def verify(
        self, certificates: Sequence[bytes], *, server_name: str | None, role_of_peer: Role, now: float
    ) -> VerifiedPath:
        """See `PeerVerifier`."""
        return verdict(self._settings, certificates)


def _versions(settings: Settings) -> dict[str, int]:
    # The runner believes that TLS 1.0 and 1.1 are there; what we refuse is for the rules to say.
    lowest = max(settings.min_version, ProtocolVersion.TLS_1_2)
    highest = settings.max_version or ProtocolVersion.TLS_1_3
    if settings.no_tls12:
        lowest = max(lowest, ProtocolVersion.TLS_1_3)
    if settings.no_tls13:
        highest = min(highest, ProtocolVersion.TLS_1_2)
    return {"minimum_version": int(lowest), "maximum_version": int(highest)}


def _protocols(wire: bytes) -> tuple[bytes, ...]:
    found = []
    while wire:
        found.append(wire[1 : 1 + wire[0]])
        wire = wire[1 + wire[0] :]
    return tuple(found)


def names_of(listed: str) -> tuple[bytes, ...]:
    """DER names from the runner's comma-separated hexadecimal."""
    if listed in ("", "<NULL>", "<EMPTY>"):
        return ()
    return tuple(bytes.fromhex(name) for name in listed.split(","))


def _suites(listed: str) -> tuple[int, ...]:
    """Those of a list of BoringSSL's that we have, in its order; groups of equal preference lose their equality."""
    names = {suite.name: code for code, suite in TLS12_SUITES.items()}
    return tuple(names[name] for name in re.split(r"[][:|]+", listed) if name in names)


def _groups(codes: Sequence[int]) -> tuple[int, ...]:
    unknown = [code for code in codes if code not in SUPPORTED_GROUPS]
    if unknown:
        raise Unimplemented(f"group {unknown[0]:#06x}")
    return tuple(codes)


def config_for(
    settings: Settings,
    key_log: Callable[[str], None] | None = None,
    previous: ClientConfig | ServerConfig | None = None,
) -> ClientConfig | ServerConfig:
    """The configuration of one connection, the previous one's where nothing differs. Raises Unimplemented."""
    made = _config_for(settings, key_log)
    if type(previous) is type(made) and all(
        getattr(made, f.name) == getattr(previous, f.name) for f in fields(made) if f.init
    ):
        return previous
    return made


# One for all connections of a test, as one context of BoringSSL's has them.
_TICKET_KEYS = TicketKeys()
SESSION_IDS = ServerSessionCache()


def _config_for(settings: Settings, key_log: Callable[[str], None] | None) -> ClientConfig | ServerConfig:
    verifies = settings.verify_peer or settings.require_any_client_certificate
    common: dict[str, Any] = {
        **_versions(settings),
        "key_log": key_log,
        "groups": _groups(settings.curves) or SUPPORTED_GROUPS,
        "credentials": credentials_for(settings),
        "verifier": _Verifier(settings) if verifies else None,
        "certificate_authorities": names_of(settings.use_client_ca_list),
        "suspend_for": frozenset(DecisionKind) if settings.use_async else frozenset(),
    }
    if settings.verify_prefs:
        # Also schemes that we do not have: a peer that takes us at our word must be refused all the same.
        # BoringSSL gives numbers from 0xff00 on to what has no code point, and does not send them.
        common["signature_schemes"] = tuple(scheme for scheme in settings.verify_prefs if scheme < 0xFF00)
        common["signing_schemes"] = DEFAULT_SIGNATURE_SCHEMES
    # A test sends 51 certificates, another one more early data than 16 KiB; our own limits are others.
    common["budgets"] = Budgets(
        certificates=64, handshake_message=settings.max_cert_list or 128 * 1024, early_data_skipped=16384
    )
    refuses = settings.fail_early_callback or settings.fail_cert_callback or settings.install_ddos_callback
    if not settings.use_async and refuses:
        common["suspend_for"] = frozenset({DecisionKind.CERTIFICATE})
    if settings.cipher:
        common["tls12_cipher_suites"] = _suites(settings.cipher)
        if not common["tls12_cipher_suites"]:
            raise Unimplemented(f"cipher list {settings.cipher}")
    keys = tuple(key for files in settings.credentials for key in imported_keys(files))
    plain = PreSharedKey(settings.psk_identity.encode(), settings.psk.encode()) if settings.psk else None
    if plain is not None and not settings.cipher:
        common["tls12_cipher_suites"] = (*DEFAULT_TLS12_SUITES, *PSK_SUITES)
    if settings.server:
        known = keys if plain is None else (*keys, plain)
        hint = settings.psk_identity.encode()
        return ServerConfig(
            **common, **_of_server(settings), find_psk=_Known(known) if known else None, psk_identity_hint=hint
        )
    shares = settings.key_shares
    return ClientConfig(
        **common,
        check_name=False,
        require_secure_renegotiation=settings.no_legacy_server_connect,
        send_fallback_scsv=settings.fallback_scsv,
        alpn_protocols=_protocols(settings.advertise_alpn),
        key_share_groups=None if shares is None else _groups(shares),
        offer_psks=_Offered(keys) if keys else None,
        choose_psk=None if plain is None else _Chosen(plain),
        tls12_tickets=not settings.no_ticket,
    )


def _of_server(settings: Settings) -> dict[str, Any]:
    authentication = ClientAuthentication.NONE
    if settings.require_any_client_certificate:
        authentication = ClientAuthentication.REQUIRED
    elif settings.verify_peer:
        authentication = ClientAuthentication.OPTIONAL
    protocols: tuple[bytes, ...] = ()
    if settings.reject_alpn:
        protocols = (b"none that a client offers",)
    elif settings.select_alpn and not settings.decline_alpn:
        protocols = (settings.select_alpn,)
    return {
        "ticket_store": None if settings.no_ticket else _TICKET_KEYS,
        "send_tickets": 0 if settings.no_ticket else 2,
        "tls12_tickets": not settings.no_ticket,
        "session_ids": SESSION_IDS,
        "client_authentication": authentication,
        "alpn_protocols": protocols,
        "prefer_server_order": settings.server_preference or bool(settings.cipher),
    }
