"""Which of our certificates to show, and with which signature scheme (RFC 9846 section 4.5.1.2).

A credential fits when its key can sign with a scheme that the peer accepts; that is a must. Among those that fit, the
one is best that serves the name asked for, comes from an authority the peer named, and whose chain is signed as the
peer wishes, in this order; then the first configured.

Not here: loading keys and certificates (`tlsocket.dropin`, `tlsocket.pki`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tlsocket.config import ClientConfig, Credential, DecisionKind, Role, ServerConfig
from tlsocket.crypto.certificates import parse_certificate
from tlsocket.errors import PeerIncompatible, Reason, TLSError
from tlsocket.extensions import CertificateRequestExtensions
from tlsocket.handshake.decisions import CertificateDecision
from tlsocket.registry import describe
from tlsocket.registry.signature_schemes import SignatureScheme

__all__ = [
    "Credential",
    "acceptable_schemes",
    "choose_client_credential",
    "credential_decided",
    "best",
    "candidates_for",
    "no_scheme",
    "scheme_for",
    "select_client_credential",
    "select_server_credential",
    "serves_name",
]

# Signature algorithms of certificates (RFC 5280, RFC 4055, RFC 5758, RFC 8410) and the schemes that cover them.
_PSS = frozenset({0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B})
_SCHEMES_OF_OID = {
    "1.2.840.113549.1.1.5": frozenset({0x0201}),
    "1.2.840.10045.4.1": frozenset({0x0203}),
    "1.2.840.113549.1.1.10": _PSS,
    "1.2.840.113549.1.1.11": frozenset({0x0401}),
    "1.2.840.113549.1.1.12": frozenset({0x0501}),
    "1.2.840.113549.1.1.13": frozenset({0x0601}),
    "1.2.840.10045.4.3.2": frozenset({0x0403}),
    "1.2.840.10045.4.3.3": frozenset({0x0503}),
    "1.2.840.10045.4.3.4": frozenset({0x0603}),
    "1.3.101.112": frozenset({0x0807}),
    "1.3.101.113": frozenset({0x0808}),
}
_SHA1 = frozenset({"1.2.840.113549.1.1.5", "1.2.840.10045.4.1"})


def acceptable_schemes(config: ClientConfig | ServerConfig, theirs: tuple[int, ...]) -> tuple[int, ...]:
    """What the peer accepts and we may sign with, in our order where we have one, else all of it in the peer's."""
    ours = config.signing_schemes
    if ours is None:
        return theirs
    return tuple([scheme for scheme in ours if scheme in theirs])


def scheme_for(
    credential: Credential, ours: tuple[int, ...], theirs: tuple[int, ...], *, tls12: bool = False
) -> int | None:
    """The first scheme of `theirs` that the credential's key can sign with and that is among `ours`."""
    usable = credential.tls12_schemes if tls12 else credential.schemes
    return next((scheme for scheme in theirs if scheme in usable and scheme in ours), None)


def serves_name(credential: Credential, server_name: str) -> bool:
    """Whether the credential names the host; a wildcard stands for one whole leftmost label (RFC 9525 section 6.3)."""
    name = server_name.lower()
    _, _, parent = name.partition(".")
    return name in credential.names or (bool(parent) and f"*.{parent}" in credential.names)


def select_server_credential(
    config: ServerConfig,
    *,
    server_name: str | None,
    schemes: tuple[int, ...],
    schemes_cert: tuple[int, ...] | None,
    authorities: tuple[bytes, ...],
) -> tuple[Credential, int]:
    """The credential to authenticate this server with, and the scheme to sign with."""
    usable = acceptable_schemes(config, schemes)
    for candidates in candidates_for(config, server_name):
        found = best(candidates, usable, usable, schemes_cert or schemes, authorities)
        if found is not None:
            return found
    raise no_scheme(config.credentials, schemes)


def candidates_for(config: ServerConfig, server_name: str | None) -> tuple[list[Credential], list[Credential]]:
    """The credentials that serve the name, and those to take where none of them fits."""
    named = [c for c in config.credentials if server_name is not None and serves_name(c, server_name)]
    others = [c for c in config.credentials if c not in named]
    if server_name is not None and config.name_strict and not named:
        others = [c for c in others if not c.names]
        if not others:
            raise PeerIncompatible(Reason.NO_CERTIFICATE_FOR_NAME, server_name)
    return named, others


def select_client_credential(
    credentials: tuple[Credential, ...],
    *,
    ours: tuple[int, ...],
    schemes: tuple[int, ...],
    schemes_cert: tuple[int, ...] | None,
    authorities: tuple[bytes, ...],
) -> tuple[Credential, int] | None:
    """The credential to answer a CertificateRequest with; None: decline."""
    return best(credentials, ours, schemes, schemes_cert, authorities)


class _Client(Protocol):
    """A client that was asked for its certificate, in the handshake or after it."""

    config: ClientConfig
    server_name: str | None
    credential: Credential | None
    signature_scheme: int

    def asks(self, kind: DecisionKind) -> bool: ...


def choose_client_credential(hs: _Client, asked: CertificateRequestExtensions) -> CertificateDecision | None:
    """Settle on the credential for a CertificateRequest, or return the decision that brings it."""
    config = hs.config
    theirs, authorities = asked.signature_algorithms or (), asked.certificate_authorities or ()
    if hs.asks(DecisionKind.CERTIFICATE):
        return CertificateDecision(Role.CLIENT, hs.server_name, theirs, authorities)
    usable = acceptable_schemes(config, theirs)
    found = select_client_credential(
        config.credentials,
        ours=usable,
        schemes=usable,
        schemes_cert=asked.signature_algorithms_cert or theirs,
        authorities=authorities,
    )
    if found is not None:
        hs.credential, hs.signature_scheme = found
    return None


def credential_decided(hs: _Client, answer: Credential | None, asked: CertificateRequestExtensions) -> None:
    """The application has answered; None declines."""
    if answer is None:
        return
    usable = acceptable_schemes(hs.config, asked.signature_algorithms or ())
    scheme = scheme_for(answer, usable, usable)
    if scheme is None:
        raise PeerIncompatible(Reason.NO_COMMON_SIGNATURE_SCHEME, "the chosen credential cannot sign for this server")
    hs.credential, hs.signature_scheme = answer, scheme


def best(
    candidates: Iterable[Credential],
    ours: tuple[int, ...],
    schemes: tuple[int, ...],
    schemes_cert: tuple[int, ...] | None,
    authorities: tuple[bytes, ...],
    *,
    tls12: bool = False,
) -> tuple[Credential, int] | None:
    """The best of the candidates that fit, with the scheme to sign with; None: none fits."""
    fitting = [
        (credential, scheme)
        for credential in candidates
        if (scheme := scheme_for(credential, ours, schemes, tls12=tls12)) is not None
        and _chain_has_no_unwanted_sha1(credential, schemes_cert or schemes)
    ]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    return min(
        fitting,
        # min keeps the first of equals. Not fitting an authority or a chain's algorithm is a blemish only
        # (RFC 9846 section 4.5.1.2: SHOULD).
        key=lambda pair: (
            not _from_authority(pair[0], authorities),
            not _chain_signed_with(pair[0], schemes_cert or schemes),
        ),
    )


def _chain_oids(credential: Credential) -> list[str]:
    certificates = [parse_certificate(der) for der in credential.certificate_chain]
    # The signature of a self-signed certificate is not validated and does not count.
    return [c.signature_algorithm_oid.dotted_string for c in certificates if c.issuer != c.subject]


def _chain_signed_with(credential: Credential, schemes: tuple[int, ...]) -> bool:
    wanted = frozenset(schemes)
    return all(wanted & _SCHEMES_OF_OID.get(oid, frozenset()) for oid in _chain_oids(credential))


def _chain_has_no_unwanted_sha1(credential: Credential, schemes: tuple[int, ...]) -> bool:
    # RFC 9846 section 4.5.1.2: a fallback chain "MUST NOT use the deprecated SHA-1 hash, unless the client
    # specifically advertises that it is willing to accept SHA-1".
    return all(oid not in _SHA1 or not _SCHEMES_OF_OID[oid].isdisjoint(schemes) for oid in _chain_oids(credential))


def _from_authority(credential: Credential, authorities: tuple[bytes, ...]) -> bool:
    return not authorities or any(
        parse_certificate(der).issuer.public_bytes() in authorities for der in credential.certificate_chain
    )


def no_scheme(credentials: tuple[Credential, ...], schemes: tuple[int, ...]) -> TLSError:
    """The error that names what the peer accepts and what our keys can do."""

    def names(codes: Iterable[int]) -> str:
        return ", ".join(describe(SignatureScheme, code) for code in codes) or "nothing"

    if not credentials:
        return PeerIncompatible(Reason.NO_COMMON_SIGNATURE_SCHEME, "no certificate is configured")
    ours = dict.fromkeys(scheme for credential in credentials for scheme in credential.schemes)
    return PeerIncompatible(
        Reason.NO_COMMON_SIGNATURE_SCHEME, f"they offer {names(schemes[:32])}; our keys can do {names(ours)}"
    )
