"""Ticket keys and caches: rotation, fleets, bounds, forks, threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.handshake.test_resumption import Clock
from tests.handshake.test_resumption import time as time
from tlsocket.crypto import randomness
from tlsocket.crypto.sealing import Sealer
from tlsocket.errors import ApiMisuse
from tlsocket.handshake.session_caches import ClientSessionCache, ServerSessionCache
from tlsocket.handshake.sessions import ClientBinding, Session, SessionOrigin
from tlsocket.handshake.tickets import MAXIMUM_KEYS, TicketKeys

FIRST, SECOND, THIRD = (bytes(range(start, start + 32)) for start in (1, 50, 100))
STATE = b"what the server needs to know" * 4


def issued(store: Any, state: bytes = STATE, lifetime: int = 7200) -> bytes:
    """A ticket of `store`."""
    ticket = store.issue(state, lifetime)
    assert isinstance(ticket, bytes)
    return ticket


# Keys of our own


def test_a_ticket_is_opened_and_says_nothing() -> None:
    keys = TicketKeys()
    ticket = issued(keys)
    assert keys.redeem(ticket) == STATE
    assert b"what" not in ticket


def test_two_tickets_of_one_state_differ() -> None:
    """Random nonces, so that forked processes and fleets may share a key."""
    keys = TicketKeys()
    tickets = {issued(keys) for _ in range(100)}
    assert len(tickets) == len({ticket[16:28] for ticket in tickets}) == 100


def test_cve_2020_13777_no_key_is_ever_constant() -> None:
    """GnuTLS sealed with zeros until the first rotation. Two servers share no key that nobody gave them."""
    ticket = issued(TicketKeys())
    assert TicketKeys().redeem(ticket) is None
    assert ticket[:16] != bytes(16)
    assert Sealer(bytes(32)).open(ticket[16:], ticket[:16]) is None


@pytest.mark.parametrize("position", [0, 15, 16, 27, 28, -16, -1])
def test_a_changed_ticket_is_not_opened(position: int) -> None:
    keys = TicketKeys()
    ticket = bytearray(issued(keys))
    ticket[position] ^= 1
    assert keys.redeem(bytes(ticket)) is None
    assert keys.misses == 1


@pytest.mark.parametrize("ticket", [b"", b"x", bytes(16), bytes(44), bytes(60000)])
def test_what_is_no_ticket_is_not_opened(ticket: bytes) -> None:
    keys = TicketKeys()
    issued(keys)
    assert keys.redeem(ticket) is None
    assert keys.redeem(keys._keys[0].name + ticket) is None


def test_keys_rotate_and_overlap(time: Clock) -> None:
    keys = TicketKeys(rotation=100, overlap=50)
    tickets = []
    for number in range(4):
        time.offset = 100.5 * number
        tickets.append(issued(keys, lifetime=50))
    assert len({ticket[:16] for ticket in tickets}) == 4
    # The last one's key is in use, that of the one before may open for as long as its last ticket lives.
    assert [keys.redeem(ticket) is not None for ticket in tickets] == [False, False, True, True]
    assert len(keys._keys) == 2
    time.offset += 160
    assert keys.redeem(tickets[3]) is None


def test_a_key_opens_for_as_long_as_its_tickets_live(time: Clock) -> None:
    keys = TicketKeys(rotation=100, overlap=1)
    ticket = issued(keys, lifetime=1000)
    time.offset = 500
    issued(keys, lifetime=1000)
    assert keys.redeem(ticket) == STATE
    time.offset = 1101
    assert keys.redeem(ticket) is None


# Keys that are given


def test_a_fleet_newest_first() -> None:
    """A machine that was given the new key already, and one that was not yet."""
    before, after = TicketKeys(), TicketKeys()
    before.set_keys([FIRST])
    after.set_keys([SECOND, FIRST])
    old, new = issued(before), issued(after)
    assert after.redeem(old) == after.redeem(new) == STATE
    assert before.redeem(old) == STATE
    assert before.redeem(new) is None
    after.set_keys([SECOND])
    assert after.redeem(old) is None


def test_given_keys_do_not_rotate(time: Clock) -> None:
    keys = TicketKeys(rotation=10, overlap=10)
    keys.set_keys([FIRST])
    ticket = issued(keys)
    time.offset = 1e6
    assert keys.redeem(ticket) == STATE
    assert issued(keys)[:16] == ticket[:16]


def test_back_to_keys_of_our_own() -> None:
    keys = TicketKeys()
    keys.set_keys([FIRST])
    ticket = issued(keys)
    keys.set_keys([])
    assert keys.redeem(ticket) is None
    assert keys.redeem(issued(keys)) == STATE


def test_the_given_secret_is_not_the_key() -> None:
    """Name and key are derived, so neither tells the other."""
    keys = TicketKeys()
    keys.set_keys([FIRST])
    ticket = issued(keys)
    assert Sealer(FIRST).open(ticket[16:], ticket[:16]) is None
    assert ticket[:16] not in FIRST


@pytest.mark.parametrize(
    "keys",
    [[bytes(32)], [b"\xff" * 32], [b"ab" * 16], [b"short"], [FIRST, FIRST[:31]], [os.urandom(32) for _ in range(17)]],
    ids=["CVE-2020-13777 zeros", "ones", "repeating", "short", "second too short", "too many"],
)
def test_bad_keys_are_refused_and_change_nothing(keys: list[bytes]) -> None:
    store = TicketKeys()
    store.set_keys([FIRST])
    ticket = issued(store)
    with pytest.raises(ApiMisuse):
        store.set_keys(keys)
    assert store.redeem(ticket) == STATE
    assert len(keys) <= MAXIMUM_KEYS + 1


# A server's cache


def test_cve_2024_2511_the_cache_does_not_grow_without_bounds() -> None:
    cache = ServerSessionCache(capacity=100)
    tickets = [issued(cache) for _ in range(1000)]
    assert len(cache) == 100
    assert cache.overflows == 900
    assert [cache.redeem(ticket) is not None for ticket in tickets] == [False] * 900 + [True] * 100


def test_a_cached_session_expires(time: Clock) -> None:
    cache = ServerSessionCache()
    ticket = issued(cache, lifetime=60)
    time.offset = 59
    assert cache.redeem(ticket) == STATE
    time.offset = 61
    assert cache.redeem(ticket) is None
    assert (cache.expiries, cache.misses, len(cache)) == (1, 0, 0)
    cache.expired()
    assert cache.expiries == 2


def test_a_cached_session_is_forgotten() -> None:
    cache = ServerSessionCache()
    ticket = issued(cache)
    cache.clear()
    assert cache.redeem(ticket) is None
    assert cache.misses == 1


def test_a_cache_of_nothing_issues_nothing() -> None:
    assert ServerSessionCache(capacity=0).issue(STATE, 60) is None


# A client's cache


def session(name: str | None, ticket: bytes = b"ticket") -> Session:
    """A session with a server of that name."""
    origin = SessionOrigin(
        version=0x0304, cipher_suite=0x1301, server_name=name, alpn=None, signature_scheme=0, peer_certificates=(),
        verified_path=(), authenticated_at=0, binding=ClientBinding(bytes(32)), secret=bytes(32),
    )  # fmt: skip
    return Session(origin, ticket=ticket, lifetime=60, ticket_age_add=0, ticket_nonce=b"", received_at=0)


def always(_: Session) -> bool:
    """Usable."""
    return True


def test_a_client_cache_is_bounded_both_ways() -> None:
    cache = ClientSessionCache(servers=3, tickets=2)
    for number in range(10):
        for ticket in range(5):
            cache.add(session(f"{number}.example", b"%d" % ticket))
    assert len(cache) == 6
    assert cache.take("0.example", always) is None
    newest = [cache.take("9.example", always) for _ in range(3)]
    assert [kept and kept.ticket for kept in newest] == [b"4", b"3", None]


def test_a_server_that_was_met_lately_stays() -> None:
    cache = ClientSessionCache(servers=2)
    for name in ("a.example", "b.example", "a.example", "c.example"):
        cache.add(session(name))
    assert cache.take("b.example", always) is None
    assert cache.take("A.EXAMPLE.", always) is not None


def test_clearing() -> None:
    cache = ClientSessionCache()
    cache.add(session(None))
    cache.clear()
    assert cache.take(None, always) is None


# Threads and forks


@pytest.mark.parametrize("store", [TicketKeys(rotation=0.0), ServerSessionCache(capacity=50)])
def test_threads(store: Any) -> None:
    """Rotating at every ticket, or overflowing: nobody gets a wrong state, and nothing raises."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(200):
                state = b"%d %d" % (number, turn)
                assert store.redeem(issued(store, state)) in (state, None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures


def in_child(work: Callable[[], bytes | None]) -> bytes:
    """What `work` gives in a child process that was forked now."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(sending, work() or b"")
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return data


def test_four_forked_workers_open_each_others_tickets() -> None:
    keys = TicketKeys()
    keys.set_keys([FIRST])
    tickets = [in_child(lambda: issued(keys)) for _ in range(4)]
    assert len(set(tickets)) == 4
    for ticket in tickets:
        assert in_child(partial(keys.redeem, ticket)) == STATE


def test_a_fork_does_not_repeat_a_nonce() -> None:
    """Keys made before the fork are shared by it; two children seal with different nonces all the same."""
    keys = TicketKeys()
    issued(keys)
    nonces = {in_child(lambda: issued(keys))[16:28] for _ in range(5)}
    assert len(nonces) == 5


def test_randomness_has_one_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and the nonce come from there."""
    asked = []

    def counted(count: int) -> bytes:
        asked.append(count)
        return os.urandom(count)

    monkeypatch.setattr("tlsocket.handshake.tickets.random_bytes", counted)
    monkeypatch.setattr("tlsocket.crypto.sealing.random_bytes", counted)
    issued(TicketKeys())
    assert asked == [32, 12]
    assert randomness.random_bytes(3) != randomness.random_bytes(4)
