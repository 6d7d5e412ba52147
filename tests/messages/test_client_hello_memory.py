"""A ClientHello of a structure seen before is put together from what was kept, never differently than by parsing."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsocket import messages
from tlsocket.errors import TLSError
from tlsocket.extensions import ClientHelloExtensions, KeyShareEntry, OfferedPsks, PskIdentity
from tlsocket.messages import ClientHello, client_hello
from tlsocket.wire import Reader


def psks(count: int, fill: bytes = b"p") -> OfferedPsks:
    """That many identities, of different lengths, with binders of both hashes."""
    identities = tuple(PskIdentity(fill * (10 + number), 7 * fill[0] + number) for number in range(count))
    return OfferedPsks(identities, tuple(fill * (32 + 16 * (number % 2)) for number in range(count)))



def hello(seed: int, shares: tuple[tuple[int, int], ...] = ((0x001D, 32),), **extensions: object) -> ClientHello:
    """A plausible offer; `seed` fills what differs between two hellos of one client."""
    fill = bytes([seed % 256])
    return ClientHello(
        0x0303,
        fill * 32,
        fill * 32,
        (0x1301, 0x1302),
        extensions=ClientHelloExtensions(
            server_name="localhost",
            supported_versions=(0x0304,),
            supported_groups=(0x001D, 0x0017),
            signature_algorithms=(0x0403, 0x0804),
            key_share=tuple(KeyShareEntry(group, fill * length) for group, length in shares),
            **extensions,  # type: ignore[arg-type]
        ),
    )


def parsed_afresh(raw: bytes) -> ClientHello:
    """What the parser says, without memory."""
    return ClientHello._parse(Reader(raw, 4))


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """Each test begins with nothing kept."""
    client_hello._known.clear()
    client_hello._layouts.clear()


@given(
    first=st.integers(0, 255),
    second=st.integers(0, 255),
    shares=st.lists(st.tuples(st.sampled_from([0x001D, 0x0017, 0x11EC]), st.integers(1, 70)), max_size=3).map(tuple),
)
def test_recalls_what_parsing_gives(first: int, second: int, shares: tuple[tuple[int, int], ...]) -> None:
    """The second of two alike is recalled, with its own random, session id and shares."""
    messages.parse(hello(first, shares).encode())
    raw = hello(second, shares).encode()
    recalled = client_hello._recall(raw)
    assert recalled is not None
    assert recalled == parsed_afresh(raw) == hello(second, shares)
    assert recalled.extensions.present == parsed_afresh(raw).extensions.present


@given(first=st.binary(min_size=1, max_size=1), second=st.binary(min_size=1, max_size=1), count=st.integers(1, 4))
def test_recalls_pre_shared_keys(first: bytes, second: bytes, count: int) -> None:
    """Each hello gets its own identities, ages and binders; the memory holds none."""
    messages.parse(hello(1, psk_key_exchange_modes=(1,), pre_shared_key=psks(count, first)).encode())
    expected = hello(2, psk_key_exchange_modes=(1,), pre_shared_key=psks(count, second))
    recalled = client_hello._recall(expected.encode())
    assert recalled is not None
    assert recalled == parsed_afresh(expected.encode()) == expected
    assert all(kept.extensions.pre_shared_key is None for kept, *_ in client_hello._known.values())


def test_recalls_a_hello_that_asks_for_a_ticket_of_tls12() -> None:
    """An empty session_ticket is the same in every hello; nearly all clients send it."""
    messages.parse(hello(1, session_ticket=b"").encode())
    recalled = client_hello._recall(hello(2, session_ticket=b"").encode())
    assert recalled == hello(2, session_ticket=b"")


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_of_a_hello_with_a_ticket_is_never_overlooked(position: int, value: int) -> None:
    """As above, with pre_shared_key at the end."""
    messages.parse(hello(1, psk_key_exchange_modes=(1,), pre_shared_key=psks(2)).encode())
    raw = bytearray(hello(2, psk_key_exchange_modes=(1,), pre_shared_key=psks(2)).encode())
    raw[4 + position % (len(raw) - 4)] = value
    recalled = client_hello._recall(bytes(raw))
    if recalled is not None:
        assert recalled == parsed_afresh(bytes(raw))


@given(position=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_changed_byte_is_never_overlooked(position: int, change: int) -> None:
    """Whatever byte differs, the result is that of parsing: the same message or the same refusal."""
    messages.parse(hello(1).encode())
    raw = bytearray(hello(2).encode())
    raw[4 + position % (len(raw) - 4)] ^= change
    recalled = client_hello._recall(bytes(raw))
    if recalled is not None:
        assert recalled == parsed_afresh(bytes(raw))


def test_a_strangers_hello_does_not_change_how_others_are_read() -> None:
    """Same lengths, same places, another group: it used to lend its group to every hello that came after it."""
    messages.parse(hello(1).encode())
    messages.parse(hello(2, ((0x1D00, 32),)).encode())
    assert messages.parse(hello(3).encode()) == hello(3)


@given(
    places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3),
    two=st.booleans(),
)
def test_any_hello_in_between_changes_nothing(places: list[tuple[int, int]], two: bool) -> None:
    """A hostile variant of a message is seen; the next honest one is read as without memory."""
    shares = ((0x001D, 32), (0x0017, 65)) if two else ((0x001D, 32),)
    messages.parse(hello(1, shares).encode())
    raw = bytearray(hello(2, shares).encode())
    for position, value in places:
        raw[4 + position % (len(raw) - 4)] = value
    with contextlib.suppress(TLSError):
        messages.parse(bytes(raw))
    assert messages.parse(hello(3, shares).encode()) == hello(3, shares)


@pytest.mark.parametrize(
    "extensions",
    [{"cookie": b"c"}, {"session_ticket": b"t"}, {"unknown": ((0x0A0A, b""),)}, {"pre_shared_key": psks(5)}],
)
def test_keeps_nothing_made_for_one_connection(extensions: dict[str, object]) -> None:
    """Cookies, tickets of TLS 1.2 and what we do not know would fill the memory with what never comes again."""
    messages.parse(hello(1, **extensions).encode())  # type: ignore[arg-type]
    assert not client_hello._known


def test_is_bounded() -> None:
    """A stranger who invents structures does not make it grow."""
    for count in range(300):
        base = hello(1)
        messages.parse(replace(base, cipher_suites=(0x1301, *range(1, 1 + count % 200))).encode())
    assert len(client_hello._known) <= 64
    assert len(client_hello._layouts) <= 64


def test_keeps_nothing_large() -> None:
    """Two kilobytes are enough for any client's offer."""
    messages.parse(replace(hello(1), cipher_suites=tuple(range(2000))).encode())
    assert not client_hello._known


def test_a_refused_message_is_not_kept() -> None:
    """Bytes behind the last extension."""
    raw = bytearray(hello(1).encode() + b"x")
    raw[3] += 1
    with pytest.raises(TLSError):
        messages.parse(bytes(raw))
    assert not client_hello._known


def test_one_client_does_not_decide_how_another_is_read() -> None:
    """Two offers of one length, their shares in different places: each is read by its own structure."""
    plain, wide = ((0x001D, 32), (0x0017, 65)), ((0x0017, 65), (0x001D, 32))
    first, second = hello(1, plain).encode(), hello(1, wide).encode()
    assert len(first) == len(second)
    for raw in (first, second, first, second):
        messages.parse(raw)
        recalled = client_hello._recall(raw)
        assert recalled is not None
        assert recalled == parsed_afresh(raw)
    recalled = client_hello._recall(first)
    assert recalled is None or recalled == parsed_afresh(first)


def test_bytes_kept_under_one_layout_are_not_read_under_another() -> None:
    """The places of the shares belong to what was kept, not only to the lengths that two hellos have in common."""
    raw = hello(1).encode()
    messages.parse(raw)
    (key,) = client_hello._layouts
    layout = client_hello._layouts[key]
    ((group, start, end),) = layout.shares
    # The same bytes around the cut, though the cut is elsewhere.
    moved = layout._replace(
        shares=((group, start - 4, end - 4),),
        constant=itemgetter(slice(6), slice(38, 39), slice(layout.session_id_end, start - 4), slice(end - 4, None)),
    )
    client_hello._layouts[key] = moved
    crafted = raw[: start - 4] + raw[start:end] + raw[start - 4 : start] + raw[end:]
    client_hello._known[moved.constant(crafted)] = client_hello._known[layout.constant(raw)]
    assert client_hello._recall(crafted) is None
