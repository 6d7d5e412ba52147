"""The one door to the time leads to the machine's clocks."""

from __future__ import annotations

import time

import pytest

from tlsocket import clock


def test_now_is_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1234.5)
    assert clock.now() == 1234.5


def test_monotonic_does_not_go_backwards() -> None:
    first = clock.monotonic()
    assert clock.monotonic() >= first
