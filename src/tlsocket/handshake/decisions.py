"""Decisions that a handshake may wait for: a certificate, a signature, a verdict.

A handler that needs one returns `Suspended`; the application finds the `Decision` in `Connection.suspended` and answers
with `Connection.resume`. Any of them may be answered with an exception instead, which refuses. Not here: how the
handshake goes on (the handlers), and decisions taken without asking (`credentials`, `authentication`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from tlsocket.config import Credential, DecisionKind, Role, ServerConfig, VerifiedPath
from tlsocket.handshake.states import State
from tlsocket.messages import ClientHello

__all__ = ["CertificateDecision", "Decision", "SignatureDecision", "Suspended", "VerdictDecision"]


@dataclass(frozen=True, slots=True)
class CertificateDecision:
    """With which credential to authenticate.

    A server is asked after the ClientHello and may answer with a `Credential`, a whole `ServerConfig` to go on with,
    or None (choose from the configuration). A client is asked after the CertificateRequest and may answer with a
    `Credential` or None (decline).
    """

    kind: ClassVar[DecisionKind] = DecisionKind.CERTIFICATE

    @property
    def answers(self) -> tuple[type, ...]:
        """Types of a legal answer, beside an exception."""
        none = type(None)
        return (Credential, none) if self.role is Role.CLIENT else (Credential, ServerConfig, none)

    role: Role
    server_name: str | None
    signature_schemes: tuple[int, ...]
    certificate_authorities: tuple[bytes, ...]
    alpn_protocols: tuple[bytes, ...] = ()
    cipher_suites: tuple[int, ...] = ()
    """What the client offered; empty when we are the client."""
    client_hello: ClientHello | None = None
    """All that the client offered; None when we are the client."""


@dataclass(frozen=True, slots=True)
class SignatureDecision:
    """The signature of our CertificateVerify, by a key held elsewhere. The answer is the signature's bytes."""

    kind: ClassVar[DecisionKind] = DecisionKind.SIGNATURE
    answers: ClassVar[tuple[type, ...]] = (bytes,)

    scheme: int
    data: bytes
    credential: Credential


@dataclass(frozen=True, slots=True)
class VerdictDecision:
    """Whether the peer's certificate list is acceptable.

    The answer is a `VerifiedPath`, or None to accept without one; an exception refuses.
    """

    kind: ClassVar[DecisionKind] = DecisionKind.VERDICT
    answers: ClassVar[tuple[type, ...]] = (VerifiedPath, type(None))

    role_of_peer: Role
    certificates: tuple[bytes, ...]
    server_name: str | None


Decision: TypeAlias = CertificateDecision | SignatureDecision | VerdictDecision


@dataclass(frozen=True, slots=True)
class Suspended:
    """What a handler returns instead of a state: wait for `decision`, then call `resume(handshake, answer)`."""

    decision: Decision
    resume: Callable[[Any, Any], State | Suspended]
    """Called with an answer of one of the types in `decision.answers`."""
