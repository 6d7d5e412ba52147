"""What a server of TLS 1.2 picks from a client's offer: suite, group and certificate, which hang together.

In TLS 1.2 the cipher suite names the kind of certificate (RFC 5246 section 7.4.2), or a pre-shared key (RFC 5489), so a
suite is chosen with a credential that fits it. As in `negotiation`, the answer is kept with the configuration. Not
here: the version, which is chosen before, and the application protocol, which has the rules of TLS 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlsocket.config import ClientAuthentication, Credential, ServerConfig
from tlsocket.crypto.certificates import curve_of
from tlsocket.crypto.suites import TLS12_SUITES, Tls12CipherSuite
from tlsocket.errors import PeerIncompatible, Reason
from tlsocket.handshake.credentials import acceptable_schemes, best, candidates_for, no_scheme, scheme_for
from tlsocket.handshake.negotiation import describe_offers, is_memorable, remember
from tlsocket.messages import ClientHello
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.named_groups import NamedGroup

__all__ = ["TLS12_GROUPS", "Tls12Choice", "demanded_of_client", "negotiate_tls12"]

TLS12_GROUPS = frozenset(
    int(group)
    for group in (
        NamedGroup.SECP256R1,
        NamedGroup.SECP384R1,
        NamedGroup.SECP521R1,
        NamedGroup.X25519,
        NamedGroup.X448,
    )
)
"""The groups of RFC 8422: hybrids are for TLS 1.3 only."""

# RFC 8422 section 4: a client may leave supported_groups out, and the server is free to choose.
_WITHOUT_GROUPS = (int(NamedGroup.SECP256R1),)


@dataclass(frozen=True, slots=True)
class Tls12Choice:
    """A server's choice."""

    cipher_suite: Tls12CipherSuite
    group: int
    credential: Credential | None
    """None: a pre-shared key takes its place."""
    signature_scheme: int
    common_cipher_suites: tuple[int, ...]
    """What both sides support, in the client's order."""


def negotiate_tls12(config: ServerConfig, hello: ClientHello, decided: Credential | None) -> Tls12Choice:
    """Pick from a ClientHello; `decided` is the credential that the application chose, if it did."""
    extensions = hello.extensions
    if not is_memorable(hello):
        return _negotiate(config, hello, decided)
    key = (
        "tls12",
        hello.cipher_suites,
        extensions.supported_groups,
        extensions.server_name,
        extensions.signature_algorithms,
        extensions.signature_algorithms_cert,
        extensions.certificate_authorities,
        decided,
    )
    return remember(config, key, lambda: _negotiate(config, hello, decided))


def _negotiate(config: ServerConfig, hello: ClientHello, decided: Credential | None) -> Tls12Choice:
    theirs, ours = hello.cipher_suites, _enabled(config)
    common = tuple(code for code in theirs if code in ours)
    if not common:
        raise PeerIncompatible(Reason.NO_COMMON_CIPHER_SUITE, describe_offers(CipherSuiteCode, theirs, ours))
    group = _group(config, hello)
    suites = [TLS12_SUITES[c] for c in (ours if config.prefer_server_order else common) if c in common]
    schemes = hello.extensions.signature_algorithms
    if schemes is None:
        if suites[0].authentication is None:
            return Tls12Choice(suites[0], group, None, 0, common)
        # RFC 5246 section 7.4.1.4.1 would have it mean SHA-1, which RFC 9155 forbids.
        raise PeerIncompatible(Reason.NO_COMMON_SIGNATURE_SCHEME, "they name none, which stands for SHA-1")
    groups = candidates_for(config, hello.extensions.server_name) if decided is None else ([decided],)
    for candidates in [each for each in groups if each] or [[]]:
        for suite in suites:
            if suite.authentication is None and decided is None:
                return Tls12Choice(suite, group, None, 0, common)
            found = _credential(config, hello, schemes, [c for c in candidates if c.kind is suite.authentication])
            if found is not None:
                return Tls12Choice(suite, group, *found, common)
    usable_schemes = acceptable_schemes(config, schemes)
    if decided is not None and scheme_for(decided, usable_schemes, usable_schemes, tls12=True) is None:
        raise PeerIncompatible(Reason.NO_COMMON_SIGNATURE_SCHEME, "the chosen credential cannot sign for this client")
    if not config.credentials and config.find_psk is not None:
        raise PeerIncompatible(Reason.NO_COMMON_PRE_SHARED_KEY)
    usable = [c for c in config.credentials if any(c.kind is suite.authentication for suite in suites)]
    if usable or not config.credentials:
        raise no_scheme(config.credentials, schemes)
    kinds = ", ".join(sorted({credential.kind.name for credential in config.credentials}))
    raise PeerIncompatible(
        Reason.NO_COMMON_CIPHER_SUITE,
        f"our certificates are for suites with {kinds}; {describe_offers(CipherSuiteCode, theirs, ours)}",
    )


def _enabled(config: ServerConfig) -> tuple[int, ...]:
    """Our cipher suites, without those of ECDHE_PSK where no pre-shared key may authenticate a client."""
    # A client that must show a certificate is not let in with a key instead.
    if config.find_psk is not None and demanded_of_client(config) is not ClientAuthentication.REQUIRED:
        return config.tls12_cipher_suites
    return tuple([code for code in config.tls12_cipher_suites if TLS12_SUITES[code].authentication is not None])


def demanded_of_client(config: ServerConfig) -> ClientAuthentication:
    """Whether a client is asked for its certificate.

    TLS 1.2 cannot ask later, so what is demanded after a handshake of TLS 1.3 is demanded here at once.
    """
    if config.client_authentication is ClientAuthentication.REQUIRED:
        return ClientAuthentication.REQUIRED
    if config.post_handshake_authentication is not ClientAuthentication.NONE:
        return config.post_handshake_authentication
    return config.client_authentication


def _group(config: ServerConfig, hello: ClientHello) -> int:
    offered = hello.extensions.supported_groups or _WITHOUT_GROUPS
    group = next((group for group in config.groups if group in TLS12_GROUPS and group in offered), None)
    if group is None:
        raise PeerIncompatible(Reason.NO_COMMON_GROUP, describe_offers(NamedGroup, offered, config.groups))
    return group


def _credential(
    config: ServerConfig, hello: ClientHello, schemes: tuple[int, ...], candidates: list[Credential]
) -> tuple[Credential, int] | None:
    extensions = hello.extensions
    groups = extensions.supported_groups
    # RFC 8422 section 5.1.1: the client's groups limit the curve of an ECDSA certificate too.
    fitting = [c for c in candidates if groups is None or curve_of(c.signer.public_key()) in (None, *groups)]
    usable = acceptable_schemes(config, schemes)
    return best(
        fitting,
        usable,
        usable,
        extensions.signature_algorithms_cert or schemes,
        extensions.certificate_authorities or (),
        tls12=True,
    )
