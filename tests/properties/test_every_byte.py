"""What is done to handshakes at every byte: cut there, cut off there, a bit flipped there.

In a file of its own because it takes the longest, and the tests of one file run in one process. Random changes are in
`test_handshakes`.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.properties.damage import Edit, cut_off
from tests.properties.positions import each_setup, every_position, lengths_of_flights, lengths_of_messages, run_damaged
from tests.properties.wire import SETUPS, Wire, check_established
from tlsocket.errors import Truncated


@each_setup
def test_split_at_every_byte(setup: str) -> None:
    for wire in every_position(setup, lambda flight, position: (flight[:position], flight[position:])):
        assert not wire.errors
        check_established(wire.link)


def flipped(flight: bytes, position: int, bit: int) -> Iterable[bytes]:
    return (flight[:position] + bytes([flight[position] ^ 1 << bit]) + flight[position + 1 :],)


def test_a_bit_of_every_byte_flipped() -> None:
    whole = failed = 0
    for wire in every_position("plain", lambda flight, position: flipped(flight, position, position % 8)):
        wire.settle()
        whole += wire.whole
        failed += not wire.whole
    # Only the low byte of the legacy versions of plaintext records has no meaning.
    assert failed > 800
    assert whole <= 5


@pytest.mark.long
@pytest.mark.parametrize("bit", range(8))
@each_setup
def test_every_bit_of_every_byte_flipped(setup: str, bit: int) -> None:
    for wire in every_position(setup, lambda flight, position: flipped(flight, position, bit)):
        wire.settle()


@each_setup
def test_truncation_at_every_byte(setup: str) -> None:
    for sender, number, length in lengths_of_flights(setup):
        for position in range(length):
            wire = Wire(SETUPS[setup](), cut_off(sender, number, position)).run().settle()
            assert wire.errors
            assert all(isinstance(error, Truncated) for error in wire.errors.values())


@pytest.mark.long
@pytest.mark.parametrize("bit", range(8))
@each_setup
def test_every_byte_of_every_message(setup: str, bit: int) -> None:
    for sender, messages in lengths_of_messages(setup).items():
        for target, length in enumerate(messages):
            for position in range(length):
                run_damaged(setup, sender, target, [Edit("flip", position / length, bit, b"")], False)
