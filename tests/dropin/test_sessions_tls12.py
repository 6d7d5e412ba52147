"""Sessions of TLS 1.2 as programs meet them, with `ssl` at the other end too: tickets, session ids, settings.

What a session is bound to is tested in `tests/handshake/test_resumption_tls12`; here, that the contexts say it.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import Background, Files, client_context, connected, server_context
from tests.dropin.test_sessions import KEY, check_trust_that_changes, exchange

V12 = ssl.TLSVersion.TLSv1_2
NO_TICKET = ssl.OP_NO_TICKET


def old(*contexts: Any) -> tuple[Any, ...]:
    """Contexts that speak TLS 1.2 and nothing else."""
    for context in contexts:
        context.maximum_version = V12
    return contexts


@pytest.fixture
def peers(files: Files, module: Any, peer_module: Any) -> tuple[Any, Any]:
    """A client of one module and a server of another."""
    return old(client_context(module, files), server_context(peer_module, files))


@pytest.fixture
def pair(client: Any, server: Any) -> tuple[Any, Any]:
    """A client and a server of ours."""
    return old(client, server)


def exchange_and_end(client: Any, server: Any, session: Any = None) -> tuple[Any, bool, bool]:
    """One connection with a close_notify each way: OpenSSL forgets a session that ends otherwise."""
    with connected(client, server, session=session) as (near, far):
        facts = near.session, near.session_reused, far.session_reused
        background = Background(far.unwrap)
        near.unwrap()
        background.result()
        return facts


@pytest.mark.parametrize("without", ["nobody", "server", "client"])
def test_sessions_are_resumed(peers: tuple[Any, Any], without: str) -> None:
    """Ours and the standard library's, in both roles, by ticket and by session id."""
    client, server = peers
    if without != "nobody":
        (server if without == "server" else client).options |= NO_TICKET
    if without == "client" and type(server) is tlsocket.SSLContext:
        # Ours keeps session ids where it is told to, and nowhere else.
        server.options |= NO_TICKET
    session, *reused = exchange_and_end(client, server)
    assert reused == [False, False]
    assert session.has_ticket is (without == "nobody")
    assert session.id
    for _ in range(3):
        session, *reused = exchange_and_end(client, server, session)
        assert reused == [True, True]
    assert server.session_stats()["hits"] == client.session_stats()["hits"] == 3


def test_the_same_session_again_and_again(peers: tuple[Any, Any]) -> None:
    """A session of TLS 1.2 is not used up."""
    client, server = peers
    session, *_ = exchange(client, server)
    assert [exchange(client, server, session)[1:] for _ in range(2)] == [(True, True)] * 2


def test_with_client_certificates(peers: tuple[Any, Any], files: Files) -> None:
    client, server = peers
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(files.authority)
    client.load_cert_chain(files.client_certificate, files.client_key)
    session, *_ = exchange(client, server)
    with connected(client, server, session=session) as (near, far):
        assert far.session_reused
        assert dict(pair for part in far.getpeercert()["subject"] for pair in part)["commonName"] == "a client"
        assert near.getpeercert()["subjectAltName"]
        assert near.version() == "TLSv1.2"
        assert near.get_channel_binding() == far.get_channel_binding()


def test_through_memory(peers: tuple[Any, Any]) -> None:
    client, server = peers
    session = None
    for turn in range(3):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        near = client.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
        far = server.wrap_bio(to_server, to_client, server_side=True)
        for end in (near, far, near, far, near):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
        near.write(b"word")
        assert far.read() == b"word"
        # There at once: in TLS 1.2 a ticket is part of the handshake.
        session = near.session
        assert near.session_reused == far.session_reused == (turn > 0)


def test_a_server_that_could_do_more(files: Files, module: Any, peer_module: Any) -> None:
    """A client of TLS 1.2 only and a server of both; and the other way round."""
    for limited in (0, 1):
        contexts = client_context(module, files), server_context(peer_module, files)
        contexts[limited].maximum_version = V12
        session, *_ = exchange(*contexts)
        assert exchange(*contexts, session)[1:] == (True, True)


def test_num_tickets_is_for_tls13(peers: tuple[Any, Any]) -> None:
    """The documentation of `ssl`: "has no impact on TLS 1.0 to 1.2 connections"."""
    client, server = peers
    server.num_tickets = 0
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1:] == (True, True)


def test_but_without_any_of_either_nothing_is_resumed(pair: tuple[Any, Any]) -> None:
    client, server = pair
    server.num_tickets = 0
    server.options |= NO_TICKET
    session, *_ = exchange(client, server)
    assert not session.id
    assert exchange(client, server, session)[1:] == (False, False)


def test_attributes(pair: tuple[Any, Any]) -> None:
    client, server = pair
    by_ticket, *_ = exchange(client, server)
    assert len(by_ticket.id) == 32
    assert by_ticket.has_ticket
    assert by_ticket.timeout == by_ticket.ticket_lifetime_hint == 7200
    server.options |= NO_TICKET
    by_id, *_ = exchange(client, server)
    assert len(by_id.id) == 32
    assert not by_id.has_ticket
    assert (by_id.timeout, by_id.ticket_lifetime_hint) == (7200, 0)
    assert by_id != by_ticket
    assert by_id.id.hex()[:16] in repr(by_id)
    with connected(client, server, session=by_id) as (near, far):
        assert near.session == by_id
        assert far.session.id == b""
        # No key exchange, no group.
        assert near.group() is far.group() is None


def test_bytes_for_another_process(pair: tuple[Any, Any], files: Files) -> None:
    client, server = pair
    for options in (0, NO_TICKET):
        server.options |= options
        session, *_ = exchange(client, server)
        again = tlsocket.SSLSession.from_bytes(session.to_bytes())
        assert again == session
        (other,) = old(client_context(tlsocket, files))
        assert exchange(other, server, again)[1:] == (True, True)
        other.set_alpn_protocols(["h2"])
        assert exchange(other, server, again)[1:] == (False, False)


def test_the_client_cache(pair: tuple[Any, Any]) -> None:
    client, server = pair
    for options in (0, NO_TICKET):
        server.options |= options
        client.client_session_cache = False
        client.client_session_cache = True
        assert [exchange(client, server)[1] for _ in range(4)] == [False, True, True, True]
        assert client.session_stats()["number"] == 1


def test_ticket_keys_of_a_fleet(pair: tuple[Any, Any], files: Files) -> None:
    client, first = pair
    second, third = old(server_context(tlsocket, files), server_context(tlsocket, files))
    for machine in (first, second):
        machine.set_ticket_keys([KEY])
    session, *_ = exchange(client, first)
    assert exchange(client, second, session)[1:] == (True, True)
    assert exchange(client, third, session)[1:] == (False, False)
    assert third.session_stats()["misses"] == 1


def test_the_server_cache_has_figures(pair: tuple[Any, Any]) -> None:
    client, server = pair
    server.options |= NO_TICKET
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1:] == (True, True)
    assert server.session_stats()["number"] == 1
    server._server_sessions.capacity = 1
    exchange(client, server)
    stats = server.session_stats()
    assert (stats["number"], stats["cache_full"]) == (1, 1)
    assert exchange(client, server, session)[1:] == (False, False)


def test_cve_2025_68121_trust_changes(pair: tuple[Any, Any], files: Files, tmp_path: Path) -> None:
    check_trust_that_changes(files, *pair, tmp_path)


def test_cve_2025_23419_virtual_hosts(pair: tuple[Any, Any], files: Files) -> None:
    """A host that asks for nothing and one that demands a certificate, behind one `sni_callback` and one key."""
    client, front = pair
    open_host, closed_host = old(server_context(tlsocket, files), server_context(tlsocket, files))
    for context in (open_host, closed_host, front):
        context.set_ticket_keys([KEY])
    closed_host.verify_mode = ssl.CERT_REQUIRED
    closed_host.load_verify_locations(files.authority)
    hosts = {"localhost": open_host}

    def choose(sock: Any, name: str, context: Any) -> None:
        sock.context = hosts[name]

    front.sni_callback = choose
    session, *_ = exchange(client, front)
    assert exchange(client, front, session)[1]
    hosts["localhost"] = closed_host
    client.load_cert_chain(files.client_certificate, files.client_key)
    assert exchange(client, front, session)[1:] == (False, False)
