"""`session`, `session_reused`, `num_tickets` and what is ours beside them, with `ssl` at the other end too."""

from __future__ import annotations

import pickle
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import tlsocket
from tests.dropin.support import (
    Background,
    Files,
    client_context,
    connect,
    connected,
    failure,
    server_context,
    tcp_pair,
)
from tlsocket.pki.stores import CertificateStore, StoreLocation

KEY = bytes(range(100, 132))
CERT_REQUIRED, CERT_NONE = ssl.CERT_REQUIRED, ssl.CERT_NONE


def exchange(client: Any, server: Any, session: Any = None, **arguments: Any) -> tuple[Any, bool, bool]:
    """One connection with a word each way: the client's session, and whether either end reused one."""
    with connected(client, server, session=session, **arguments) as (near, far):
        near.sendall(b"ping")
        assert far.recv(4) == b"ping"
        far.sendall(b"pong")
        assert near.recv(4) == b"pong"
        return near.session, near.session_reused, far.session_reused


@pytest.fixture
def peers(files: Files, module: Any, peer_module: Any) -> tuple[Any, Any]:
    """A client of one module and a server of another, TLS 1.3 only."""
    client, server = client_context(module, files), server_context(peer_module, files)
    for context in (client, server):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return client, server


def test_sessions_are_resumed(peers: tuple[Any, Any]) -> None:
    """Ours and the standard library's, in both roles."""
    client, server = peers
    session, *reused = exchange(client, server)
    assert reused == [False, False]
    for _ in range(3):
        session, *reused = exchange(client, server, session)
        assert reused == [True, True]
    assert server.session_stats()["hits"] == client.session_stats()["hits"] == 3


def test_without_a_connection_there_is_no_session(peers: tuple[Any, Any]) -> None:
    client, server = peers
    session, *_ = exchange(client, server)
    with client.wrap_socket(socket.socket(), server_hostname="localhost", session=session) as unconnected:
        assert unconnected.session is None
    near, far = connect(client, server, session=session)
    far.close()
    near.close()
    assert near.session is None


def test_with_client_certificates(peers: tuple[Any, Any], files: Files) -> None:
    client, server = peers
    server.verify_mode = CERT_REQUIRED
    server.load_verify_locations(files.authority)
    client.load_cert_chain(files.client_certificate, files.client_key)
    session, *_ = exchange(client, server)
    with connected(client, server, session=session) as (near, far):
        assert far.session_reused
        assert dict(pair for part in far.getpeercert()["subject"] for pair in part)["commonName"] == "a client"
        assert near.getpeercert()["subjectAltName"]
        assert near.getpeercert(True) == ssl.PEM_cert_to_DER_cert(Path(files.certificate).read_text())


def test_after_a_hello_retry_request(peers: tuple[Any, Any], module: Any, peer_module: Any) -> None:
    client, server = peers
    session, *_ = exchange(client, server)
    if peer_module is tlsocket:
        server.set_groups("secp256r1")
    else:
        server.set_ecdh_curve("prime256v1")
    _, *reused = exchange(client, server, session)
    # What ssl calls a curve is its only group; its first share is of another in both libraries.
    assert reused == [True, True]


def test_through_memory(peers: tuple[Any, Any]) -> None:
    client, server = peers
    session = None
    for turn in range(3):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        near = client.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
        far = server.wrap_bio(to_server, to_client, server_side=True)
        for end in (near, far, near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
        with pytest.raises(ssl.SSLWantReadError):
            near.read()
        session = near.session
        assert near.session_reused == far.session_reused == (turn > 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_num_tickets(files: Files, module: Any, count: int) -> None:
    """Either client finds as many tickets as the server was told to send, and has a session if that is any."""
    client, server = client_context(module, files), server_context(tlsocket, files)
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    server.num_tickets = count
    assert server.num_tickets == count
    session, *_ = exchange(client, server)
    assert session.has_ticket == (count > 0)


def test_attributes(files: Files, client: Any, server: Any) -> None:
    session, *_ = exchange(client, server)
    assert isinstance(session, ssl.SSLSession)
    assert isinstance(session, tlsocket.SSLSession)
    assert type(session) is tlsocket.SSLSession
    assert len(session.id) == 32
    assert session.time > 1_700_000_000
    assert session.timeout == session.ticket_lifetime_hint == 7200
    assert session.has_ticket
    assert session.id.hex()[:16] in repr(session)
    other, *_ = exchange(client, server)
    assert session == session
    assert session != other
    assert session != 1
    assert len({session, other, session}) == 2
    with pytest.raises(TypeError):
        pickle.dumps(session)
    with pytest.raises(TypeError):
        tlsocket.SSLSession()


def test_before_during_and_after(client: Any, server: Any) -> None:
    server.num_tickets = 0
    with connected(client, server) as (near, far):
        session = near.session
        assert not session.has_ticket
        assert (session.id, session.timeout) == (b"", 0)
        assert session != near.session
        assert not far.session.has_ticket
        with pytest.raises(ValueError, match="no ticket"):
            session.to_bytes()
    plain, other = tcp_pair()
    with plain, other:
        raw = client.wrap_socket(plain, do_handshake_on_connect=False, server_hostname="localhost", session=session)
        with raw:
            assert raw.session is session
            assert raw.session_reused is False
            raw.session = None
            assert raw.session is None


def test_given_to_a_socket_that_connects_later(client: Any, server: Any) -> None:
    session, *_ = exchange(client, server)
    plain, other = tcp_pair()
    background = Background(lambda: server.wrap_socket(other, server_side=True))
    with client.wrap_socket(plain, do_handshake_on_connect=False, server_hostname="localhost") as near:
        near.session = session
        near.do_handshake()
        with background.result() as far:
            assert near.session_reused
            assert far.session_reused


def test_misuse_is_that_of_ssl(files: Files, module: Any) -> None:
    """The same exceptions with the same words."""
    client, server = client_context(module, files), server_context(module, files)
    session, *_ = exchange(client, server)
    near, far = tcp_pair()
    with near, far:
        texts = [
            str(failure(lambda: client_context(module, files).wrap_socket(
                near, server_hostname="localhost", session=session))),
            str(failure(lambda: server.wrap_socket(far, server_side=True, session=session))),
        ]  # fmt: skip
    assert texts == ["Session refers to a different SSLContext.", "session can only be specified in client mode"]
    with connected(client, server) as (near, far):
        assert str(failure(lambda: setattr(near, "session", session))) == "Cannot set session after handshake."
        assert str(failure(lambda: setattr(near, "session", 7))) == "Value is not a SSLSession."


def test_a_session_of_the_standard_library_is_none_of_ours(files: Files, client: Any, server: Any) -> None:
    session, *_ = exchange(client_context(ssl, files), server)
    near, far = tcp_pair()
    with near, far, pytest.raises(TypeError, match="SSLSession"):
        client.wrap_socket(near, server_hostname="localhost", session=session)


# Settings that change in between: never a failure, never a resumption


def test_what_the_client_demands_changes(files: Files, client: Any, server: Any) -> None:
    client.check_hostname = False
    client.verify_mode = CERT_NONE
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1]
    client.verify_mode = CERT_REQUIRED
    _, *reused = exchange(client, server, session)
    assert reused == [False, False]
    client.check_hostname = True
    with connected(client, server, session=session) as (near, _):
        assert not near.session_reused
        assert near.getpeercert()["subjectAltName"]


def check_trust_that_changes(files: Files, client: Any, server: Any, folder: Path) -> None:
    """A session does not outlive a change of the trust on either end, though the context is the same one."""
    from tlsocket.pki.authority import Authority

    other = Authority.create().write(folder / "other.pem")
    server.verify_mode = CERT_REQUIRED
    server.load_verify_locations(files.authority)
    client.load_cert_chain(files.client_certificate, files.client_key)
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1:] == (True, True)
    server.load_verify_locations(other)
    assert exchange(client, server, session)[1:] == (False, False)
    session, *_ = exchange(client, server)
    client.load_verify_locations(other)
    assert exchange(client, server, session)[1:] == (False, False)


def test_cve_2025_68121_trust_changes(files: Files, client: Any, server: Any, tmp_path: Path) -> None:
    check_trust_that_changes(files, client, server, tmp_path)


@pytest.mark.parametrize("end", ["client", "server"])
def test_what_is_distrusted_is_not_resumed(
    files: Files, client: Any, server: Any, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 8: the contexts are the same, and so is the session; only the DISALLOWED store says otherwise since."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    server.verify_mode = CERT_REQUIRED
    server.load_verify_locations(files.authority)
    client.load_cert_chain(files.client_certificate, files.client_key)
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1:] == (True, True)
    peer = files.certificate if end == "client" else files.client_certificate
    with CertificateStore("DISALLOWED", StoreLocation.CURRENT_USER) as store:
        store.add(x509.load_pem_x509_certificate(Path(peer).read_bytes()))
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with near, pytest.raises(ssl.SSLError, match="certificate"):
        with client.wrap_socket(near, server_hostname="localhost", session=session) as sock:
            sock.recv(1)  # the server's refusal comes behind our Finished
    assert isinstance(background.error(), ssl.SSLError)


@pytest.mark.parametrize(
    "change",
    [
        lambda context: setattr(context, "verify_flags", context.verify_flags ^ ssl.VERIFY_X509_STRICT),
        lambda context: setattr(context, "verify_callback", lambda review: None),
    ],
    ids=["verify_flags", "verify_callback"],
)
def test_the_policy_changes(client: Any, server: Any, change: Any) -> None:
    """What is asked of a path, and who has a say in it."""
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1:] == (True, True)
    change(client)
    assert exchange(client, server, session)[1:] == (False, False)
    # Under the new policy it goes on as before, since the context is the same.
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1:] == (True, True)


def test_a_certificate_may_be_asked_for_after_a_resumed_handshake(files: Files, client: Any, server: Any) -> None:
    """RFC 9846 section 4.7.2: what was proved that way is proved anew on each connection."""
    server.post_handshake_auth = client.post_handshake_auth = True
    server.verify_mode = CERT_REQUIRED
    server.load_verify_locations(files.authority)
    client.load_cert_chain(files.client_certificate, files.client_key)
    session = None
    for turn in range(2):
        with connected(client, server, session=session) as (near, far):
            far.sendall(b"x")
            assert near.recv(1) == b"x"
            session = near.session
            assert near.session_reused == (turn > 0)
            assert far.getpeercert() is None
            far.verify_client_post_handshake()
            far.sendall(b"y")
            assert near.recv(1) == b"y"
            near.sendall(b"z")
            assert far.recv(1) == b"z"
            assert far.getpeercert()["subject"]


def test_cve_2025_23419_virtual_hosts(files: Files, client: Any) -> None:
    """A host that asks for nothing, one that demands a certificate, one `sni_callback`: no ticket of the first opens
    the second."""
    open_host, closed_host = server_context(tlsocket, files), server_context(tlsocket, files)
    for context in (open_host, closed_host):
        context.set_ticket_keys([KEY])
    closed_host.verify_mode = CERT_REQUIRED
    closed_host.load_verify_locations(files.authority)
    front = server_context(tlsocket, files)
    front.set_ticket_keys([KEY])
    hosts = {"localhost": open_host}

    def choose(sock: Any, name: str, context: Any) -> None:
        sock.context = hosts[name]

    front.sni_callback = choose
    session, *_ = exchange(client, front)
    assert exchange(client, front, session)[1]
    hosts["localhost"] = closed_host
    plain, other = tcp_pair()
    with plain, other:
        background = Background(lambda: front.wrap_socket(other, server_side=True))
        with client.wrap_socket(plain, server_hostname="localhost", session=session) as near:
            # A certificate was demanded, and the client has none: the server refuses after the client's Finished.
            error = background.error()
            assert isinstance(error, ssl.SSLError)
            assert not near.session_reused
    client.load_cert_chain(files.client_certificate, files.client_key)
    assert exchange(client, front, session)[1:] == (False, False)


# Ours: bytes, keys, caches


def test_bytes_for_another_process(files: Files, client: Any, server: Any) -> None:
    """Another context with the same trust and settings resumes it; one with others does not."""
    session, *_ = exchange(client, server)
    data = session.to_bytes()
    again = tlsocket.SSLSession.from_bytes(bytearray(data))
    assert again == session
    assert exchange(client_context(tlsocket, files), server, again)[1:] == (True, True)
    alike = client_context(tlsocket, files)
    alike.set_alpn_protocols(["h2"])
    assert exchange(alike, server, again)[1:] == (False, False)


@pytest.mark.parametrize("data", [b"", b"x", bytes(300), b"\1" * 300])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="to_bytes"):
        tlsocket.SSLSession.from_bytes(data)


def test_ticket_keys_of_a_fleet(files: Files, client: Any) -> None:
    machines = [server_context(tlsocket, files) for _ in range(3)]
    for machine in machines[:2]:
        machine.set_ticket_keys([KEY])
    session, *_ = exchange(client, machines[0])
    assert exchange(client, machines[1], session)[1:] == (True, True)
    assert exchange(client, machines[2], session)[1:] == (False, False)
    machines[2].set_ticket_keys([bytes(range(50, 82)), KEY])
    assert exchange(client, machines[2], session)[1:] == (True, True)
    machines[1].set_ticket_keys([bytes(range(50, 82))])
    assert exchange(client, machines[1], session)[1:] == (False, False)
    assert machines[1].session_stats()["misses"] == 1


@pytest.mark.parametrize(
    ("keys", "error"),
    [([bytes(32)], ValueError), ([b"short"], ValueError), (KEY, TypeError), ("text" * 8, TypeError), ([7], TypeError)],
)
def test_bad_ticket_keys(server: Any, client: Any, keys: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        server.set_ticket_keys(keys)
    with pytest.raises(ValueError, match="TLS_CLIENT"):
        client.set_ticket_keys([KEY])


def test_the_client_cache_is_off_and_one_line_turns_it_on(client: Any, server: Any) -> None:
    assert client.client_session_cache is None
    for _ in range(2):
        assert not exchange(client, server)[1]
    client.client_session_cache = True
    assert [exchange(client, server)[1] for _ in range(3)] == [False, True, True]
    cache = client.client_session_cache
    assert client.session_stats()["number"] == len(cache) > 0
    client.client_session_cache = cache
    assert client.client_session_cache is cache
    client.client_session_cache = False
    assert client.client_session_cache is None
    assert not exchange(client, server)[1]
    with pytest.raises(TypeError):
        client.client_session_cache = 7
    with pytest.raises(ValueError, match="TLS_SERVER"):
        server.client_session_cache = True


def test_op_no_ticket_keeps_sessions_in_memory(files: Files, module: Any, server: Any) -> None:
    """As in OpenSSL: the tickets are names then, and the cache has figures."""
    client = client_context(module, files)
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    server.options |= tlsocket.OP_NO_TICKET
    session, *_ = exchange(client, server)
    assert exchange(client, server, session)[1:] == (True, True)
    stats = server.session_stats()
    assert stats["number"] == 3
    assert stats["hits"] == 1
    server._server_sessions.capacity = 2
    exchange(client, server)
    assert server.session_stats()["cache_full"] == 2


def test_a_client_that_leaves_without_its_tickets_does_no_harm(client: Any, server: Any) -> None:
    """The server's handshake is over when the client's Finished is in; that its tickets find nobody is no failure."""
    for _ in range(5):
        near, far = tcp_pair()
        background = Background(partial(server.wrap_socket, far, server_side=True))
        ours = client.wrap_socket(near, server_hostname="localhost")
        ours.sendall(b"all there is")
        ours.close()
        with background.result() as theirs:
            try:
                assert theirs.recv(100) == b"all there is"
            except ConnectionResetError:
                pass  # a reset may overtake what was sent, as with ssl


def test_a_server_cannot_offer_and_a_client_cannot_issue(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="server context"):
        client.num_tickets = 1
    with connected(client, server) as (_, far), pytest.raises(ValueError, match="server-side"):
        far.session = far.session
