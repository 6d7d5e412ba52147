"""Sessions resumed with peers that we did not write, in both roles and both versions.

RFC 9846 sections 2.2, 4.3.11 and 4.7.1; RFC 5077. With every suite, after a HelloRetryRequest, and of sessions in which
the client had authenticated too; in TLS 1.2 by session id too. External keys with the tools that take them on the
command line.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.interop.cells import DEFAULT, GROUPS, SUITES, TLS12_DEFAULT, TLS12_SUITES, Cell
from tests.interop.clients import ClientOptions, gnutls_arguments, openssl_arguments
from tests.interop.face import END, Face, Listener, read_until, say_goodbye
from tests.interop.materials import CLIENT, Materials
from tests.interop.programs import LOOPBACK, WAIT, Program, dial, free_port
from tests.interop.servers import SERVERS, Find, Server, ServerOptions, gnutls_priority, openssl_report
from tests.interop.servers import openssl_arguments as server_arguments

# The hello of our client has shares of X25519 alone and beside ML-KEM, so P-256 alone takes a HelloRetryRequest.
CELLS = [
    *(Cell(DEFAULT.key, suite, DEFAULT.group) for suite in SUITES),
    Cell(DEFAULT.key, DEFAULT.suite, GROUPS[1]),
    *(Cell(TLS12_DEFAULT.key, suite, TLS12_DEFAULT.group) for suite in TLS12_SUITES),
]
DEFAULTS = [DEFAULT, TLS12_DEFAULT]
BODY = b"again\n"
KEY = bytes(range(32))


# Our client


def visit(face: Face, context: ssl.SSLContext, server: Server, session: Any = None) -> tuple[Any, bool, str]:
    """GET a page: the session after it, whether one was reused, and the page."""
    raw = dial(server.port, server.program)
    with context.wrap_socket(raw, server_hostname="localhost", session=session) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        page = read_until(sock, END)
        while data := sock.recv(65536):
            page += data
        reused = bool(sock.session_reused)
        session = sock.session
        say_goodbye(sock)
    return session, reused, page.decode()


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("name", ["openssl", "gnutls", "nginx"])
def test_our_client_resumes(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    with SERVERS[name](peer, materials, ServerOptions(cell)) as server:
        context = face.client_context(materials, tls12=cell.suite.tls12)
        session, reused, _ = visit(face, context, server)
        assert not reused
        assert session.has_ticket
        for _ in range(2):
            session, reused, page = visit(face, context, server, session)
            assert reused
        if name == "openssl":
            assert f"Reused, {cell.version}" in page


@pytest.mark.parametrize("cell", DEFAULTS, ids=str)
@pytest.mark.parametrize("name", ["openssl", "nginx"])
def test_our_client_resumes_what_its_certificate_opened(
    face: Face, peer: Find, materials: Materials, name: str, cell: Cell
) -> None:
    """gnutls-serv asks for the certificate each time."""
    options = ServerOptions(cell, clients=materials.authority, require=True)
    with SERVERS[name](peer, materials, options) as server:
        credential = materials.clients[cell.key]
        context = face.client_context(materials, credential=credential, tls12=cell.suite.tls12)
        session, *_ = visit(face, context, server)
        _, reused, page = visit(face, context, server, session)
        assert reused
        assert server.read_report(page).client == CLIENT


@pytest.mark.parametrize("cell", DEFAULTS, ids=str)
def test_our_client_and_a_server_that_forgot(face: Face, peer: Find, materials: Materials, cell: Cell) -> None:
    """The ticket of a server that ended means nothing to the next one, which shakes hands in full."""
    context = face.client_context(materials, tls12=cell.suite.tls12)
    with SERVERS["openssl"](peer, materials, ServerOptions(cell)) as server:
        session, *_ = visit(face, context, server)
    with SERVERS["openssl"](peer, materials, ServerOptions(cell)) as server:
        _, reused, page = visit(face, context, server, session)
    assert not reused
    assert f"New, {cell.version}" in page


def test_our_client_and_the_session_ids_of_openssl(face: Face, peer: Find, materials: Materials) -> None:
    """A server of TLS 1.2 without tickets keeps sessions itself."""
    context = face.client_context(materials, tls12=True)
    port = free_port()
    command = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-www", "-no_ticket"]
    command += [each for each in server_arguments(materials, ServerOptions(TLS12_DEFAULT)) if each != "-no_cache"]
    with Program(command) as program:
        server = Server(program, port, openssl_report)
        session, reused, _ = visit(face, context, server)
        assert not reused
        assert session.id
        assert not session.has_ticket
        session, reused, page = visit(face, context, server, session)
    assert reused
    assert "Reused, TLSv1.2" in page


# Our server


def serve(sock: ssl.SSLSocket) -> tuple[bool, Any]:
    """Answer one request."""
    read_until(sock, END)
    sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
    facts = bool(sock.session_reused), sock.getpeercert()
    say_goodbye(sock)
    return facts


def ask(program: Program) -> str:
    """Send the request and wait for the client's end; all that it said."""
    program.write(b"GET / HTTP/1.0\r\n\r\n")
    assert program.finish(timeout=WAIT) == 0, program.text
    assert BODY in bytes(program.output)
    return program.text


@pytest.mark.parametrize("mutual", [False, True], ids=["server", "mutual"])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_openssl_client_resumes(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, cell: Cell, mutual: bool
) -> None:
    clients = materials.authority if mutual else None
    tls12 = cell.suite.tls12
    context = face.server_context(materials.servers[DEFAULT.key], clients=clients, require=mutual, tls12=tls12)
    options = ClientOptions(cell, credential=materials.clients[DEFAULT.key] if mutual else None)
    saved = tmp_path / "session.pem"
    said, facts = [], []
    for number in range(2):
        with Listener(context, serve) as listener:
            command = [peer("openssl"), "s_client", "-ign_eof", *openssl_arguments(materials, listener.port, options)]
            command += ["-sess_in", str(saved)] if number else ["-sess_out", str(saved)]
            with Program(command) as program:
                said.append(ask(program))
            facts.append(listener.result())
    assert [reused for reused, _ in facts] == [False, True]
    assert f"New, {cell.version}" in said[0]
    assert f"Reused, {cell.version}" in said[1]
    if mutual:
        assert ("DNS", CLIENT) in facts[1][1]["subjectAltName"]


@pytest.mark.parametrize("by", ["ticket", "session id"])
def test_openssl_client_reconnects(face: Face, peer: Find, materials: Materials, by: str) -> None:
    """`s_client -reconnect`: six connections of TLS 1.2, all but the first of the same session."""
    context = face.server_context(materials.servers[TLS12_DEFAULT.key], tls12=True)
    if by == "session id":
        context.options |= ssl.OP_NO_TICKET
    reused: list[bool] = []

    def handle(sock: ssl.SSLSocket) -> None:
        reused.append(bool(sock.session_reused))
        say_goodbye(sock)

    with Listener(context, handle, connections=6) as listener:
        arguments = openssl_arguments(materials, listener.port, ClientOptions(TLS12_DEFAULT))
        with Program([peer("openssl"), "s_client", "-reconnect", *arguments]) as program:
            program.close_input()
            assert program.finish(timeout=WAIT) == 0, program.text
        listener.results()
    assert reused == [False] + [True] * 5
    assert program.text.count("Reused, TLSv1.2") == 5


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_gnutls_client_resumes(face: Face, peer: Find, materials: Materials, tmp_path: Path, cell: Cell) -> None:
    """`gnutls-cli --resume` connects twice by itself, and waits for the tickets of the first connection."""
    context = face.server_context(materials.servers[DEFAULT.key], tls12=cell.suite.tls12)
    reused: list[bool] = []

    def either(sock: ssl.SSLSocket) -> None:
        reused.append(bool(sock.session_reused))
        if sock.session_reused:
            serve(sock)
        else:
            sock.sendall(b"first\n")
            say_goodbye(sock)

    with Listener(context, either, connections=2) as listener:
        options = ClientOptions(cell)
        log = tmp_path / "log"
        command = [peer("gnutls-cli"), "--logfile", str(log), "--resume", "--waitresumption"]
        with Program(command + gnutls_arguments(materials, listener.port, options)) as program:
            program.write(b"GET / HTTP/1.0\r\n\r\n")
            assert program.finish(timeout=WAIT) == 0, program.text
    assert reused == [False, True]
    assert "This is a resumed session" in log.read_text()


# External keys


def psk_contexts(identity: str, *, tls12: bool = False, hints: list[str | None] | None = None) -> tuple[Any, Any]:
    """A client's and a server's context without certificates, by our own callbacks; in TLS 1.2 with a hint."""

    def choose(hint: str | None) -> tuple[str, bytes]:
        if hints is not None:
            hints.append(hint)
        return identity, KEY

    client = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = tlsocket.CERT_NONE
    client.set_psk_client_callback(choose)
    server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
    server.set_psk_server_callback(lambda name: KEY if name == identity else b"", "our hint")
    if tls12:
        for context in (client, server):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("PSK")
    return client, server


@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite.iana.endswith("SHA256")], ids=str)
def test_openssl_server_knows_our_key(peer: Find, suite: Any) -> None:
    client, _ = psk_contexts("our device")
    port = free_port()
    command = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-tls1_3", "-nocert", "-quiet"]
    command += ["-psk", KEY.hex(), "-psk_identity", "our device", "-ciphersuites", suite.iana]
    with Program(command) as program, dial(port, program) as raw, client.wrap_socket(raw) as sock:
        assert sock.cipher()[0] == suite.iana
        assert sock.getpeercert() is None
        sock.sendall(b"a question\n")
        program.wait_for(rb"a question\n")
        program.write(b"an answer\n")
        assert read_until(sock, b"\n") == b"an answer\n"


@pytest.mark.parametrize("key", [KEY, KEY[::-1]], ids=["right", "wrong"])
def test_openssl_client_has_our_key(peer: Find, key: bytes) -> None:
    _, server = psk_contexts("our device")
    with Listener(server, serve) as listener:
        command = [peer("openssl"), "s_client", "-connect", f"{LOOPBACK}:{listener.port}", "-tls1_3", "-ign_eof"]
        command += ["-psk", key.hex(), "-psk_identity", "our device"]
        with Program(command) as program:
            if key == KEY:
                assert "Reused, TLSv1.3" in ask(program)
                assert listener.result() == (True, None)
            else:
                assert program.finish(timeout=WAIT) != 0
                with pytest.raises(ssl.SSLError, match="binder"):
                    listener.result()


def test_gnutls_server_knows_our_key(peer: Find, tmp_path: Path) -> None:
    """GnuTLS's keys are of SHA-256 as well."""
    client, _ = psk_contexts("device")
    (tmp_path / "keys").write_text(f"device:{KEY.hex()}\n")
    port = free_port()
    command = [peer("gnutls-serv"), "--echo", "--port", str(port), "--pskpasswd", str(tmp_path / "keys")]
    command += ["--priority", gnutls_priority(None) + ":+ECDHE-PSK:+DHE-PSK:+PSK", "--disable-client-cert"]
    with Program(command) as program, dial(port, program) as raw, client.wrap_socket(raw) as sock:
        assert sock.getpeercert() is None
        sock.sendall(b"an echo\n")
        assert read_until(sock, b"\n") == b"an echo\n"


# In TLS 1.2 (RFC 5489). Of our suites both have the one with ChaCha20-Poly1305, and neither those of RFC 8442.

PSK_SUITE = "ECDHE-PSK-CHACHA20-POLY1305"
GNUTLS_PSK = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"


@pytest.mark.parametrize("hint", ["", "their hint"])
def test_openssl_server_knows_our_key_in_tls12(peer: Find, hint: str) -> None:
    hints: list[str | None] = []
    client, _ = psk_contexts("our device", tls12=True, hints=hints)
    port = free_port()
    command = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-tls1_2", "-nocert", "-quiet"]
    command += ["-psk", KEY.hex(), "-psk_identity", "our device", "-cipher", PSK_SUITE]
    command += ["-psk_hint", hint] if hint else []
    with Program(command) as program, dial(port, program) as raw, client.wrap_socket(raw) as sock:
        assert sock.cipher() == (PSK_SUITE, "TLSv1.2", 256)
        assert sock.getpeercert() is None
        sock.sendall(b"a question\n")
        program.wait_for(rb"a question\n")
        program.write(b"an answer\n")
        assert read_until(sock, b"\n") == b"an answer\n"
        # It sends a ticket, and we keep none: it would outlive the key.
        assert not sock.session.id
    assert hints == [hint or None]


@pytest.mark.parametrize("key", [KEY, KEY[::-1]], ids=["right", "wrong"])
def test_openssl_client_has_our_key_in_tls12(peer: Find, key: bytes) -> None:
    _, server = psk_contexts("our device", tls12=True)
    with Listener(server, serve) as listener:
        command = [peer("openssl"), "s_client", "-connect", f"{LOOPBACK}:{listener.port}", "-tls1_2", "-ign_eof"]
        command += ["-psk", key.hex(), "-psk_identity", "our device", "-cipher", PSK_SUITE]
        with Program(command) as program:
            if key == KEY:
                said = ask(program)
                assert f"New, TLSv1.2, Cipher is {PSK_SUITE}" in said
                assert "PSK identity hint: our hint" in said
                assert listener.result() == (False, None)
            else:
                assert program.finish(timeout=WAIT) != 0
                with pytest.raises(ssl.SSLError) as caught:
                    listener.result()
                assert caught.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"


def test_gnutls_server_knows_our_key_in_tls12(peer: Find, tmp_path: Path) -> None:
    hints: list[str | None] = []
    client, _ = psk_contexts("device", tls12=True, hints=hints)
    (tmp_path / "keys").write_text(f"device:{KEY.hex()}\n")
    port = free_port()
    command = [peer("gnutls-serv"), "--echo", "--port", str(port), "--pskpasswd", str(tmp_path / "keys")]
    command += ["--pskhint", "their hint", "--priority", GNUTLS_PSK, "--disable-client-cert"]
    with Program(command) as program, dial(port, program) as raw, client.wrap_socket(raw) as sock:
        assert sock.cipher()[0] == PSK_SUITE
        sock.sendall(b"an echo\n")
        assert read_until(sock, b"\n") == b"an echo\n"
    assert hints == ["their hint"]


def test_gnutls_client_has_our_key_in_tls12(peer: Find) -> None:
    """The handshake only: gnutls-cli 3.7 crashes when it is to describe such a connection, with OpenSSL too."""
    _, server = psk_contexts("device", tls12=True)
    with Listener(server, lambda sock: sock.cipher()) as listener:
        command = [peer("gnutls-cli"), "--port", str(listener.port), "--pskusername", "device", "--pskkey", KEY.hex()]
        with Program([*command, "--priority", GNUTLS_PSK, LOOPBACK]) as program:
            assert listener.result() == (PSK_SUITE, "TLSv1.2", 256)
            program.finish(timeout=WAIT)
