"""Every scenario with `ssl` and with tlsocket in turn: bulk, round trips, full handshakes, memory."""

from __future__ import annotations

import pytest

from benchmarks.conftest import ROUNDS, Measure

LIBRARIES = ("stdlib", "tlsocket")
# The first parameter varies fastest in the order that runs: stdlib, tlsocket, stdlib, tlsocket, ...
alternating = [pytest.param(library, id=f"{turn}-{library}") for turn in range(ROUNDS) for library in LIBRARIES]


@pytest.mark.parametrize("library", alternating)
@pytest.mark.parametrize("write", [1 << 20, 1 << 16], ids=["1MiB", "64KiB"])
def test_bulk(measure: Measure, library: str, write: int) -> None:
    """One stream, `sendall` of 1 MiB and of 64 KiB."""
    title = f"bulk over loopback, `sendall` of {write >> 10} KiB"
    figures = measure(title, "bulk", library, write=write, total=2 << 30, small_options={"total": 4 << 20})
    assert figures["GB/s"] > 0


@pytest.mark.parametrize("library", alternating)
@pytest.mark.parametrize("size", [64, 1024, 8192])
def test_round_trip(measure: Measure, library: str, size: int) -> None:
    """Request and answer of one size."""
    title = f"round trip of {size} bytes, added to TCP's"
    figures = measure(title, "round_trips", library, size=size, small_options={"count": 20})
    assert figures["us"] > 0


@pytest.mark.parametrize("library", alternating)
@pytest.mark.parametrize("mutual", [False, True], ids=["server", "mutual"])
def test_full_handshake(measure: Measure, library: str, mutual: bool) -> None:
    """ECDSA P-256, X25519, in memory, with and without a client certificate; two tickets, as both libraries send."""
    title = "full handshake, ECDSA P-256, X25519, two tickets" + (", client certificate" if mutual else "")
    figures = measure(title, "handshakes", library, mutual=mutual, small_options={"count": 5})
    assert figures["us client"] > 0


@pytest.mark.parametrize("library", alternating)
def test_full_handshake_without_tickets(measure: Measure, library: str) -> None:
    """The same where the server sends no tickets."""
    title = "full handshake, ECDSA P-256, X25519, no tickets"
    figures = measure(title, "handshakes", library, tickets=0, small_options={"count": 5})
    assert figures.keys() == {"us client", "us server"}


@pytest.mark.parametrize("library", alternating)
def test_full_handshake_with_default_groups(measure: Measure, library: str) -> None:
    """X25519MLKEM768 with an X25519 share beside it, against what `ssl` does of itself: X25519."""
    title = "full handshake, ECDSA P-256, two tickets, our default groups (X25519MLKEM768) against X25519"
    figures = measure(title, "handshakes", library, default_groups=True, small_options={"count": 5})
    assert figures["us client"] > 0


@pytest.mark.parametrize("library", alternating)
@pytest.mark.parametrize("mutual", [False, True], ids=["server", "mutual"])
def test_resumption(measure: Measure, library: str, mutual: bool) -> None:
    """A session resumed with X25519, in memory; one new ticket each time, as both libraries do."""
    title = "resumed handshake, X25519, one ticket" + (", of a session with a client certificate" if mutual else "")
    figures = measure(title, "resumption", library, mutual=mutual, small_options={"count": 5})
    assert figures["us client"] > 0


@pytest.mark.parametrize("library", alternating)
@pytest.mark.parametrize("threads", [2, 4])
def test_threads(measure: Measure, library: str, threads: int) -> None:
    """Full handshakes in several threads at once, on however many processors there are."""
    title = f"full handshakes in {threads} threads"
    figures = measure(title, "threads", library, threads=threads, small_options={"count": 5})
    assert figures["per second"] > 0


@pytest.mark.parametrize("library", alternating)
def test_credentials(measure: Measure, library: str) -> None:
    """A certificate and an RSA key loaded into a context, for the first time in a process and again."""
    figures = measure("certificate and RSA-2048 key", "credentials", library, small_options={})
    assert figures["ms first"] > 0


@pytest.mark.parametrize("library", alternating)
def test_idle_memory(measure: Measure, library: str) -> None:
    """Resident memory of an idle connection."""
    figures = measure("idle connection", "memory", library, small_options={"count": 20})
    assert figures.keys() == {"bytes client", "bytes server"}


@pytest.mark.parametrize("library", alternating)
def test_churn(measure: Measure, library: str) -> None:
    """Connections to an asyncio server that come, carry 1 kB each way and go, one after the other."""
    figures = measure("new asyncio connections", "churn", library, seconds=20, small_options={"seconds": 0.1})
    assert figures["per second"] > 0


@pytest.mark.parametrize("library", alternating)
def test_idle_asyncio(measure: Measure, library: str) -> None:
    """Resident memory of an idle asyncio connection of a server, over that of plain TCP."""
    figures = measure("idle asyncio connection, over TCP", "idle", library, count=2000, small_options={"count": 20})
    assert figures.keys() == {"kB over TCP"}


@pytest.mark.parametrize("library", alternating)
@pytest.mark.parametrize("length", [2, 3])
def test_chain(measure: Measure, library: str, length: int) -> None:
    """An ECDSA chain, certificates parsed afresh; in the column of `ssl` stands cryptography's own verifier."""
    title = f"chain of {length} certificates, parsed afresh (cryptography's verifier in the place of `ssl`)"
    figures = measure(title, "chains", library, length=length, small_options={"count": 20})
    assert figures["us"] > 0


@pytest.mark.parametrize("library", alternating)
def test_trust(measure: Measure, library: str) -> None:
    """The platform's authorities, loaded for the first and for a second context."""
    figures = measure("the platform's authorities", "trust", library, small_options={})
    assert figures["ms first"] > 0


@pytest.mark.parametrize("library", alternating)
def test_start(measure: Measure, library: str) -> None:
    """The import, a context and the first handshake of a process, beyond what a bare interpreter costs."""
    figures = measure("start of a process, processor time", "start", library, small_options={"count": 1})
    assert figures.keys() == {"ms import", "ms context", "ms handshake"}


@pytest.mark.parametrize("library", alternating)
def test_asyncio_bulk(measure: Measure, library: str) -> None:
    """One stream through asyncio's transports, `write` of 256 KiB: `tlsocket.aio` beside asyncio with `ssl`."""
    figures = measure("asyncio bulk", "asyncio_streams", library, small_options={"total": 4 << 20})
    assert figures["GB/s"] > 0


@pytest.mark.parametrize("library", alternating)
def test_asyncio_echo(measure: Measure, library: str) -> None:
    """Round trips of 64 bytes on one loop."""
    figures = measure(
        "asyncio echo of 64 bytes", "asyncio_streams", library, work="echo", small_options={"work": "echo", "count": 20}
    )
    assert figures["CPU us"] > 0
