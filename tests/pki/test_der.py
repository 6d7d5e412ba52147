"""The little DER that we read and write ourselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsocket.pki import der


@given(st.integers(0, 255), st.binary(max_size=300), st.binary(max_size=3))
def test_split_undoes_encode(tag: int, content: bytes, rest: bytes) -> None:
    assert der.split(der.encode(tag, content) + rest) == (tag, content, rest)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_elements_undoes_joining(contents: list[bytes]) -> None:
    encoded = [der.encode(der.OCTET_STRING, content) for content in contents]
    assert der.elements(b"".join(encoded)) == encoded


def test_writes_long_lengths() -> None:
    assert der.encode(4, b"x" * 70000)[:5] == b"\x04\x83\x01\x11\x70"


@pytest.mark.parametrize("data", ["", "30", "3001", "3081", "30817f", "30820001", "3080", "30850000000001", "308200ff"])
def test_rejects_what_is_not_der(data: str) -> None:
    with pytest.raises(der.DerError):
        der.split(bytes.fromhex(data))
