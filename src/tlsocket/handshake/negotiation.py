"""What a server picks from a client's offer: version, suite, group, application protocol.

RFC 9846 sections 4.2.1 and 4.3.1, RFC 7301. What is different in TLS 1.2 is in `negotiation_tls12`.

Clients of one kind send the same lists again and again, and the answer depends on those lists and the configuration
only, so it is kept with the configuration (4 us per handshake). The cache is bounded by forgetting everything: a peer
that invents offers costs us what it cost before there was a cache.

Not here: the choice of the certificate and its signature scheme (`credentials`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tlsocket.config import ClientConfig, ServerConfig
from tlsocket.crypto.groups import HYBRID_GROUPS
from tlsocket.crypto.suites import TLS13_SUITES, CipherSuite
from tlsocket.errors import PeerIncompatible, PeerMisbehaved, Reason
from tlsocket.messages import ClientHello
from tlsocket.registry import describe
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.named_groups import NamedGroup
from tlsocket.registry.versions import ProtocolVersion

__all__ = [
    "Choice",
    "describe_offers",
    "is_memorable",
    "negotiate",
    "remember",
    "select_application_protocol",
    "select_version",
]

T = TypeVar("T")

_CACHE_SIZE = 128
_LONGEST_LISTS = 1024
"""Elements of a ClientHello's lists, and bytes of its names, that are kept; clients send one or two hundred."""


def remember(config: ClientConfig | ServerConfig, key: Hashable, compute: Callable[[], T]) -> T:
    """`compute()`, or what it gave for the same key and configuration before. Errors are not kept."""
    cache: dict[Any, Any] = config.cache
    found: T | None = cache.get(key)
    if found is None:
        found = compute()
        if len(cache) >= _CACHE_SIZE:
            cache.clear()
        cache[key] = found
    return found


def is_memorable(hello: ClientHello) -> bool:
    """Whether its lists are short enough to be keys of `remember`: else strangers would fill a server's memory."""
    extensions = hello.extensions
    lists: tuple[Sequence[object] | None, ...] = (
        hello.cipher_suites,
        extensions.supported_groups,
        extensions.signature_algorithms,
        extensions.signature_algorithms_cert,
    )
    texts = (*(extensions.alpn or ()), *(extensions.certificate_authorities or ()))
    return sum([len(one) for one in lists if one is not None]) + sum(map(len, texts)) <= _LONGEST_LISTS


@dataclass(frozen=True, slots=True)
class Choice:
    """A server's choice; `share` is the index of the client's key share to use, None to ask for one."""

    cipher_suite: CipherSuite
    group: int
    share: int | None
    common_cipher_suites: tuple[int, ...]
    """What both sides support, in the client's order."""


def negotiate(
    config: ServerConfig, cipher_suites: tuple[int, ...], groups: tuple[int, ...], share_groups: tuple[int, ...]
) -> Choice:
    """Pick from the client's cipher_suites, supported_groups and the groups of its key shares."""
    if len(cipher_suites) + len(groups) > _LONGEST_LISTS:
        return _negotiate(config, cipher_suites, groups, share_groups)
    return remember(
        config,
        (cipher_suites, groups, share_groups),
        lambda: _negotiate(config, cipher_suites, groups, share_groups),
    )


def _negotiate(
    config: ServerConfig, cipher_suites: tuple[int, ...], groups: tuple[int, ...], share_groups: tuple[int, ...]
) -> Choice:
    _check_shares(groups, share_groups)
    first, second = config.cipher_suites, cipher_suites
    if not config.prefer_server_order:
        first, second = second, first
    suite = next((code for code in first if code in second), None)
    if suite is None:
        raise PeerIncompatible(
            Reason.NO_COMMON_CIPHER_SUITE, describe_offers(CipherSuiteCode, cipher_suites, config.cipher_suites)
        )
    common = [group for group in config.groups if group in groups]
    if not common:
        raise PeerIncompatible(Reason.NO_COMMON_GROUP, describe_offers(NamedGroup, groups, config.groups))
    # Of the common groups one with a share, in our order, since that saves a round trip. But a hybrid that we prefer is
    # worth the round trip: what is recorded today would be read when there are quantum computers.
    if common[0] in HYBRID_GROUPS:
        common = [group for group in common if group in HYBRID_GROUPS]
    group = next((group for group in common if group in share_groups), None)
    suites = tuple(code for code in cipher_suites if code in config.cipher_suites)
    if group is None:
        return Choice(TLS13_SUITES[suite], common[0], None, suites)
    return Choice(TLS13_SUITES[suite], group, share_groups.index(group), suites)


def _check_shares(groups: tuple[int, ...], share_groups: tuple[int, ...]) -> None:
    # RFC 9846 section 4.3.8: each share is for a group of supported_groups, in the same order, and no group has two.
    # "Servers MAY check for violations of these rules and abort the handshake with an illegal_parameter alert."
    if len(set(share_groups)) != len(share_groups):
        raise PeerMisbehaved(Reason.DUPLICATE_KEY_SHARE)
    with_share = set(share_groups)
    if [group for group in groups if group in with_share] != list(share_groups):
        raise PeerMisbehaved(Reason.KEY_SHARE_ORDER)


def select_version(config: ServerConfig, hello: ClientHello, only: int | None = None) -> int:
    """The highest version common to both; `only`: that one and no other.

    RFC 9846 section 4.3.1: supported_versions alone counts where it is there, and `legacy_version` where it is not.
    PeerIncompatible without a common version, and for a client that repeats itself with a lower one without need
    (RFC 7507 section 3).
    """
    offered = hello.extensions.supported_versions
    highest = config.maximum_version if only is None else only
    if offered is not None and highest == _TLS_1_3 and _TLS_1_3 in offered:
        return _TLS_1_3
    # Appendix E.2: without supported_versions TLS 1.2 is the highest that may be chosen, whatever the field says.
    offers_tls12 = hello.legacy_version >= _TLS_1_2 if offered is None else _TLS_1_2 in offered
    # RFC 7507 section 3: whether or not we speak the version that the client fell back to.
    fell_back = only is None and (highest > _TLS_1_2 or not offers_tls12)
    if fell_back and CipherSuiteCode.TLS_FALLBACK_SCSV in hello.cipher_suites:
        raise PeerIncompatible(Reason.INAPPROPRIATE_FALLBACK)
    if offers_tls12 and only is None and config.minimum_version == _TLS_1_2:
        return _TLS_1_2
    versions = (hello.legacy_version,) if offered is None else offered
    raise PeerIncompatible(
        Reason.UNSUPPORTED_VERSION,
        describe_offers(ProtocolVersion, versions, config.versions if only is None else (only,)),
    )


_TLS_1_2 = ProtocolVersion.TLS_1_2.value
_TLS_1_3 = ProtocolVersion.TLS_1_3.value


def describe_offers(registry: Any, theirs: tuple[int, ...], ours: tuple[int, ...]) -> str:
    """Both sides' offers, for an error."""

    def names(codes: tuple[int, ...]) -> str:
        return ", ".join(describe(registry, code) for code in codes[:16]) or "nothing"

    return f"they offer {names(theirs)}; we support {names(ours)}"


def select_application_protocol(config: ServerConfig, offered: tuple[bytes, ...] | None) -> bytes | None:
    """Our most preferred protocol among those offered (RFC 7301 section 3.2); None: none is spoken of."""
    if not offered or not config.alpn_protocols:
        return None
    for protocol in config.alpn_protocols:
        if protocol in offered:
            return protocol
    if config.alpn_strict:
        raise PeerIncompatible(
            Reason.NO_COMMON_APPLICATION_PROTOCOL, f"they offer {offered[:16]}; we support {config.alpn_protocols}"
        )
    return None
