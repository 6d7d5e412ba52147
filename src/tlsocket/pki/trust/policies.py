"""Certificate policies (RFC 5280 section 6.1), looked at only when a caller asks for some.

The algorithm is that of RFC 9618, which keeps one node per policy and level where RFC 5280 grows a tree that a hostile
chain can make exponential. Qualifiers are not looked at. An initial explicit policy is required, since a caller who
names policies wants one of them to hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from tlsocket.pki import der
from tlsocket.pki.certificates import subject_text
from tlsocket.pki.errors import Problem, Refusal
from tlsocket.pki.trust import facts as f
from tlsocket.pki.trust.facts import CertificateFacts

__all__ = ["policy_problem"]

_ANY = "2.5.29.32.0"
_MAXIMUM = 256
_Origins = dict[str, frozenset[str]]
"""A policy as it is called at this level of the path, to what it was called just below the anchor."""


def policy_problem(path: Sequence[CertificateFacts], wanted: frozenset[str]) -> Problem | None:
    """None when one of the wanted policies holds from the anchor down to the leaf."""
    leaf = path[0]
    subject = subject_text(leaf.certificate)
    try:
        held = _held(path)
    except (der.DerError, IndexError, ValueError):
        detail = f"a certificate in the chain of {subject} has certificate policies that cannot be read"
        return Problem(Refusal.POLICY, 0, subject, detail, "have it issued anew", "", 42, leaf.der)
    if _ANY in held or (_ANY in wanted and held) or held & wanted:
        return None
    detail = f"the chain of {subject} holds no certificate policy that is asked for ({', '.join(sorted(wanted))})"
    detail += f"; it holds {', '.join(sorted(held)[:8])}" if held else "; it holds none"
    return Problem(Refusal.POLICY, 0, subject, detail, "have it issued under one of these policies", "", 43, leaf.der)


def _held(path: Sequence[CertificateFacts]) -> frozenset[str]:
    """The policies, as called below the anchor, that hold for the whole path."""
    expected: _Origins = {_ANY: frozenset({_ANY})}
    inhibit_any = policy_mapping = len(path) + 1
    for depth in range(max(len(path) - 2, 0), -1, -1):
        facts = path[depth]
        self_issued = depth > 0 and facts.self_issued
        state = _level(_policies(facts), expected, inhibit_any > 0 or self_issued)
        if not state or depth == 0:
            return frozenset().union(*state.values()) if state else frozenset()
        expected = _mapped(state, _mappings(facts), policy_mapping > 0)
        if not self_issued:
            inhibit_any = max(inhibit_any - 1, 0)
            policy_mapping = max(policy_mapping - 1, 0)
        policy_mapping = min(policy_mapping, _mapping_limit(facts, policy_mapping))
        found = facts.extensions.get(f.INHIBIT_ANY_POLICY)
        if found is not None:
            inhibit_any = min(inhibit_any, int.from_bytes(der.split(found[1])[1], "big"))
    return frozenset()


def _level(policies: frozenset[str], expected: _Origins, any_allowed: bool) -> _Origins:
    """RFC 9618 section 5.3 (d): the policies of this certificate that go on from the level above."""
    state: _Origins = {}
    everything = expected.get(_ANY)
    for policy in policies - {_ANY}:
        if policy in expected:
            state[policy] = expected[policy]
        elif everything is not None:
            state[policy] = frozenset({policy}) if _ANY in everything else everything
    if _ANY in policies and any_allowed:
        for policy, origins in expected.items():
            state.setdefault(policy, origins)
    return state


def _mapped(state: _Origins, mappings: list[tuple[str, str]], allowed: bool) -> _Origins:
    """RFC 9618 section 5.4 (b): what the next certificate may call these policies."""
    sources = {source for source, _ in mappings}
    expected = {policy: origins for policy, origins in state.items() if policy not in sources}
    if not allowed:
        return expected
    for source, target in mappings:
        origins = state.get(source)
        if origins is None and _ANY in state:
            origins = frozenset({source}) if _ANY in state[_ANY] else state[_ANY]
        if origins is not None:
            expected[target] = expected.get(target, frozenset()) | origins
    return expected


def _policies(facts: CertificateFacts) -> frozenset[str]:
    found = facts.extensions.get(f.CERTIFICATE_POLICIES)
    if found is None:
        return frozenset()
    items = der.elements(der.split(found[1])[1])
    if len(items) > _MAXIMUM:
        raise ValueError("too many policies")
    return frozenset(f.dotted(der.split(der.split(item)[1])[1]) for item in items)


def _mappings(facts: CertificateFacts) -> list[tuple[str, str]]:
    found = facts.extensions.get(f.POLICY_MAPPINGS)
    if found is None:
        return []
    items = der.elements(der.split(found[1])[1])
    if len(items) > _MAXIMUM:
        raise ValueError("too many policy mappings")
    pairs = []
    for item in items:
        _, source, rest = der.split(der.split(item)[1])
        pairs.append((f.dotted(source), f.dotted(der.split(rest)[1])))
    return pairs


def _mapping_limit(facts: CertificateFacts, limit: int) -> int:
    found = facts.extensions.get(f.POLICY_CONSTRAINTS)
    if found is not None:
        for item in der.elements(der.split(found[1])[1]):
            if item[0] == 0x81:
                return int.from_bytes(der.split(item)[1], "big")
    return limit
