"""Proofs that a handshake must hold before it may be CONNECTED (design law 6).

Each is made by the function in `authentication`, `authentication_tls12`, `psk` or `resumption_tls12` that did the check
(of a resumed session by way of `sessions`, which knows who its peer was), and each is demanded as an argument by the
step that relies on it: a handshake that skipped a check does not type-check.
"""

from __future__ import annotations

from typing import NamedTuple

from tlsocket.crypto.certificates import PublicKey

__all__ = [
    "AnonymousPeer",
    "AuthenticatedPeer",
    "CertificateAccepted",
    "FinishedValid",
    "PreSharedKeyPeer",
    "SignatureValid",
]


class CertificateAccepted(NamedTuple):
    """The peer's certificate list was accepted: by the verifier, by the application, or because none was configured."""

    certificates: tuple[bytes, ...]
    path: tuple[bytes, ...]
    public_key: PublicKey


class SignatureValid(NamedTuple):
    """The peer's CertificateVerify is right (RFC 9846 section 4.5.2)."""

    scheme: int


class AuthenticatedPeer(NamedTuple):
    """The peer has a certificate that was accepted and holds its key."""

    certificate: CertificateAccepted
    signature: SignatureValid


class PreSharedKeyPeer(NamedTuple):
    """The peer has a key that both were given, or that came of a handshake in which it had authenticated.

    Its binder was right (a client's), or it chose a key that we offered and its Finished will show that it has it (a
    server's): RFC 9846 section 4.3.11. In TLS 1.2 the Finished shows it of either.
    """

    external_identity: bytes | None
    """Of an external key; None: a session was resumed, and what follows is that session's."""
    certificates: tuple[bytes, ...] = ()
    path: tuple[bytes, ...] = ()
    signature_scheme: int | None = None
    authenticated_at: float = 0.0
    """When that handshake was."""


class AnonymousPeer:
    """A client that was not asked for a certificate, or was allowed to decline."""

    __slots__ = ()


class FinishedValid:
    """The peer's Finished is right (RFC 9846 section 4.5.3)."""

    __slots__ = ()
