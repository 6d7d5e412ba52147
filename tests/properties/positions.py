"""Whole handshakes changed at one place: at each position of a flight, or in one message under the right keys.

What the tests of properties share about positions; kinds of damage are in `damage`, what must hold in `wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count

import pytest

from tests.handshake.support import split_messages
from tests.properties.damage import Edit, HookedWriter, edited, in_flight
from tests.properties.wire import SAMPLED, SETUPS, Wire, check_established
from tlsocket.config import Role

each_setup = pytest.mark.parametrize(
    "setup", [pytest.param(name, marks=pytest.mark.long if name in SAMPLED else ()) for name in SETUPS]
)


def lengths_of_flights(setup: str) -> list[tuple[Role, int, int]]:
    """(sender, number, length) of every flight of this handshake; with ECDSA it varies by a few bytes."""
    found: list[tuple[Role, int, int]] = []

    def note(sender: Role, number: int, flight: bytes) -> Iterable[bytes]:
        found.append((sender, number, len(flight)))
        return (flight,)

    Wire(SETUPS[setup](), note).run()
    return found


def every_position(setup: str, change: Callable[[bytes, int], Iterable[bytes]]) -> Iterator[Wire]:
    """One handshake for each byte of each flight, with `change` applied there."""
    for sender, number, length in lengths_of_flights(setup):
        for position in range(length):

            def at_position(flight: bytes, position: int = position) -> Iterable[bytes]:
                return change(flight, min(position, len(flight) - 1))

            yield Wire(SETUPS[setup](), in_flight(sender, number, at_position)).run()


def damaged_messages(target: int, changes: list[Edit], mend: bool) -> Callable[[bytes], Iterable[bytes]]:
    """Applies `changes` to the message with this number; `mend`: its length is corrected, so that its body is read."""
    numbers = count()

    def change(payload: bytes) -> Iterable[bytes]:
        out = b""
        for message in split_messages(payload):
            if next(numbers) == target:
                if mend:
                    body = edited(message[4:], changes)
                    message = message[:1] + len(body).to_bytes(3, "big") + body
                else:
                    message = edited(message, changes)
            out += message
        return (out,) if out else ()

    return change


def run_damaged(setup: str, sender: Role, target: int, changes: list[Edit], mend: bool) -> Wire:
    link = SETUPS[setup]()
    HookedWriter(link.client if sender is Role.CLIENT else link.server, damaged_messages(target, changes, mend))
    return Wire(link).run().settle()


def lengths_of_messages(setup: str) -> dict[Role, list[int]]:
    link = SETUPS[setup]()
    found: dict[Role, list[int]] = {Role.CLIENT: [], Role.SERVER: []}
    for end in (link.client, link.server):

        def note(payload: bytes, role: Role = end.role) -> Iterable[bytes]:
            found[role] += [len(message) for message in split_messages(payload)]
            return (payload,)

        HookedWriter(end, note)
    check_established(Wire(link).run().link)
    return found
