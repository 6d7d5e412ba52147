"""TLS 1.2 with peers that we did not write: who is who, data, ends, renegotiation refused, versions, what is derived.

RFC 5246, RFC 5705, RFC 5746, RFC 7507, RFC 7627. Each key, suite and group by itself is in `test_matrix`.
"""

from __future__ import annotations

import functools
import json
import re
import socket
import ssl
from dataclasses import asdict

import pytest

from tests.interop.cells import KEYS, TLS12_DEFAULT, TLS12_SUITES, Cell, Suite
from tests.interop.clients import CLIENTS, ClientOptions
from tests.interop.clients import openssl_arguments as client_arguments
from tests.interop.exchange import Digests, exchange
from tests.interop.face import END, Face, Listener, answer, fetch, read_until, say_goodbye
from tests.interop.materials import CLIENT, Materials
from tests.interop.programs import LOOPBACK, Program, free_port
from tests.interop.servers import SERVERS, Find, ServerOptions, openssl_server, stdlib_peer
from tests.interop.servers import openssl_arguments as server_arguments

BODY = b"only for those who are known\n"
CELL = TLS12_DEFAULT
TOTAL = 20 * 1000**2
LABEL = "EXPORTER-interop"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", SERVERS)
def test_server_accepts_our_client_certificate(
    face: Face, peer: Find, materials: Materials, name: str, key: str
) -> None:
    # An ECDSA client's curve must be among the server's groups, so a cell that has it.
    cell = Cell(key if key.startswith("ecdsa") else CELL.key, CELL.suite, CELL.group)
    options = ServerOptions(cell, clients=materials.authority, require=True)
    with SERVERS[name](peer, materials, options) as server:
        context = face.client_context(materials, credential=materials.clients[key], tls12=True)
        with face.connect(context, server.port, server.program) as sock:
            assert sock.version() == "TLSv1.2"
            page = fetch(sock).decode()
        assert server.read_report(page).client == CLIENT


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", CLIENTS)
def test_we_accept_a_client_certificate(face: Face, peer: Find, materials: Materials, name: str, key: str) -> None:
    credential = materials.servers["ecdsa-p256"]
    context = face.server_context(credential, clients=materials.authority, require=True, tls12=True)
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(CELL, credential=materials.clients[key]))
        assert outcome.status == 0, outcome.text
        assert outcome.body == BODY
        facts = listener.result()
    assert facts["version"] == "TLSv1.2"
    assert ("DNS", CLIENT) in facts["client"]["subjectAltName"]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_without_a_certificate(face: Face, peer: Find, materials: Materials, name: str) -> None:
    """Asked for, it may be declined; required, it may not: handshake_failure, since TLS 1.2 has no better alert."""
    for require in (False, True):
        context = face.server_context(
            materials.servers["ecdsa-p256"], clients=materials.authority, require=require, tls12=True
        )
        with Listener(context, answer(BODY)) as listener:
            outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(CELL))
            assert (outcome.body == BODY) is not require
            if not require:
                assert not listener.result()["client"]
                continue
            with pytest.raises(ssl.SSLError) as caught:
                listener.result()
        assert caught.value.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        assert re.search(r"handshake[ _]failure|handshake failed", outcome.text, re.IGNORECASE), outcome.text


@pytest.mark.parametrize("name", SERVERS)
def test_a_client_refuses_a_foreign_server(face: Face, peer: Find, materials: Materials, name: str) -> None:
    with SERVERS[name](peer, materials, ServerOptions(CELL, credential=materials.foreign_server)) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            face.connect(face.client_context(materials, tls12=True), server.port, server.program)


@pytest.mark.parametrize("suite", TLS12_SUITES, ids=lambda suite: suite.gnutls)
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(("ours", "theirs"), [("threads", "turns"), ("selectors", "selectors")])
def test_twenty_megabytes_each_way(
    face: Face, materials: Materials, role: str, ours: str, theirs: str, suite: Suite
) -> None:
    if face.module is ssl and ours == "threads":
        ours = "turns"  # two threads may not share a connection of OpenSSL
    cell = Cell(CELL.key, suite, CELL.group)
    files = materials.servers[cell.key]
    arguments = ["exchange", "--mode", theirs, "--seed", "7", "--total", str(TOTAL)]
    if role == "client":
        port = free_port()
        arguments += ["--server", "--port", str(port), "--cert", files.certificate, "--key", files.key]
        with stdlib_peer(materials, cell, arguments) as program:
            with face.connect(face.client_context(materials, tls12=True), port, program) as sock:
                digests = exchange(sock, ours, seed=70, total=TOTAL, close_first=True)
            assert program.finish() == 0, program.describe()
    else:
        handler = functools.partial(exchange, mode=ours, seed=70, total=TOTAL, close_first=False)
        with Listener(face.server_context(files, tls12=True), handler, timeout=60.0) as listener:
            arguments += ["--port", str(listener.port), "--authority", materials.authority]
            with stdlib_peer(materials, cell, arguments) as program:
                digests = listener.result()
                assert program.finish() == 0, program.describe()
    of_peer = json.loads(bytes(program.output))
    assert asdict(digests) == asdict(Digests(sent=of_peer["received"], received=of_peer["sent"]))


# Ends


@pytest.mark.parametrize("name", CLIENTS)
def test_we_close_and_client_ends(face: Face, peer: Find, materials: Materials, name: str) -> None:
    def handle(sock: ssl.SSLSocket) -> None:
        read_until(sock, END)
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil close_notify")
        say_goodbye(sock)

    with Listener(face.server_context(materials.servers["ecdsa-p256"], tls12=True), handle) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(CELL))
        assert outcome.status == 0, outcome.text
        assert outcome.body == b"until close_notify"
        listener.result()


def test_we_close_and_server_answers(face: Face, peer: Find, materials: Materials) -> None:
    with SERVERS["stdlib"](peer, materials, ServerOptions(CELL)) as server:
        with face.connect(face.client_context(materials, tls12=True), server.port, server.program) as sock:
            fetch(sock)


def test_we_notice_a_killed_server(face: Face, peer: Find, materials: Materials) -> None:
    with openssl_server(peer, materials, ServerOptions(CELL)) as server:
        with face.connect(face.client_context(materials, tls12=True), server.port, server.program) as sock:
            server.program.kill()
            for _ in range(2):
                with pytest.raises(ssl.SSLEOFError):
                    sock.recv(1)


# Renegotiation


def test_a_client_that_asks_to_renegotiate_is_refused(face: Face, peer: Find, materials: Materials) -> None:
    def handle(sock: ssl.SSLSocket) -> bytes:
        return read_until(sock, b"never\n")

    with Listener(face.server_context(materials.servers["ecdsa-p256"], tls12=True), handle) as listener:
        arguments = client_arguments(materials, listener.port, ClientOptions(CELL))
        with Program([peer("openssl"), "s_client", "-legacy_renegotiation", *arguments]) as program:
            program.wait_for(rb"Verify return code: 0")
            program.write(b"R\n")
            program.wait_for(rb"no[_ ]renegotiation")
        with pytest.raises(ssl.SSLError) as caught:
            listener.result()
    assert caught.value.reason == "NO_RENEGOTIATION"


def test_a_server_that_asks_to_renegotiate_is_refused(face: Face, peer: Find, materials: Materials) -> None:
    port = free_port()
    arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}"]
    with Program(arguments + server_arguments(materials, ServerOptions(CELL))) as program:
        with face.connect(face.client_context(materials, tls12=True), port, program) as sock:
            program.wait_for(rb"CIPHER is")
            program.write(b"r\n")
            with pytest.raises(ssl.SSLError) as caught:
                sock.recv(1)
        program.wait_for(rb"no[_ ]renegotiation")
    assert caught.value.reason == "NO_RENEGOTIATION"


# Versions


@pytest.mark.parametrize("name", SERVERS)
def test_a_client_that_can_do_more(face: Face, peer: Find, materials: Materials, name: str) -> None:
    """One ClientHello for both versions; the server picks the older one, which has nothing to do with a downgrade."""
    with SERVERS[name](peer, materials, ServerOptions(CELL)) as server:
        context = face.module.create_default_context(cafile=materials.authority)
        with face.connect(context, server.port, server.program) as sock:
            assert sock.version() == "TLSv1.2"
            fetch(sock)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_server_that_can_do_more(face: Face, peer: Find, materials: Materials, name: str) -> None:
    """Its random carries the sentinel, which a client that offers TLS 1.2 only must not mind."""
    context = face.module.create_default_context(face.module.Purpose.CLIENT_AUTH)
    files = materials.servers["ecdsa-p256"]
    context.load_cert_chain(files.certificate, files.key)
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(CELL))
        assert outcome.body == BODY, outcome.text
        assert listener.result()["version"] == "TLSv1.2"


def test_a_needless_fallback_is_refused(face: Face, peer: Find, materials: Materials) -> None:
    """RFC 7507 section 3."""
    context = face.module.create_default_context(face.module.Purpose.CLIENT_AUTH)
    files = materials.servers["ecdsa-p256"]
    context.load_cert_chain(files.certificate, files.key)
    with Listener(context, answer(BODY)) as listener:
        arguments = client_arguments(materials, listener.port, ClientOptions(CELL))
        with Program([peer("openssl"), "s_client", "-fallback_scsv", *arguments]) as program:
            program.close_input()
            assert program.finish() != 0
            assert "inappropriate fallback" in program.text
        with pytest.raises(ssl.SSLError) as caught:
            listener.result()
    assert caught.value.reason == "INAPPROPRIATE_FALLBACK"


# What is derived


def test_exporter_and_tls_unique_are_those_of_openssl(face: Face, peer: Find, materials: Materials) -> None:
    def handle(sock: ssl.SSLSocket) -> tuple[bytes, bytes | None]:
        exported = sock.export_keying_material(LABEL, 20) if hasattr(sock, "export_keying_material") else b""
        unique = sock.get_channel_binding("tls-unique")
        sock.sendall(b"done\n")
        say_goodbye(sock)
        return exported, unique

    with Listener(face.server_context(materials.servers["ecdsa-p256"], tls12=True), handle) as listener:
        arguments = client_arguments(materials, listener.port, ClientOptions(CELL))
        log = materials.folder / f"session-{listener.port}.pem"
        arguments += ["-keymatexport", LABEL, "-keymatexportlen", "20", "-sess_out", str(log)]
        with Program([peer("openssl"), "s_client", *arguments]) as program:
            program.finish()
            text = program.text
        exported, unique = listener.result()
    if exported:
        match = re.search(r"Keying material: ([0-9A-F]+)", text)
        assert match is not None, text
        assert exported.hex().upper() == match[1]
    assert re.search(r"Extended master secret: yes", text), text
    assert unique is not None
    assert len(unique) == 12


def test_tls_unique_is_that_of_the_standard_library(face: Face, materials: Materials) -> None:
    def handle(sock: ssl.SSLSocket) -> bytes | None:
        read_until(sock, b"\n")
        unique = sock.get_channel_binding("tls-unique")
        say_goodbye(sock)
        return unique

    theirs = ssl.create_default_context(cafile=materials.authority)
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    with Listener(face.server_context(materials.servers["rsa-2048"], tls12=True), handle) as listener:
        with socket.create_connection((LOOPBACK, listener.port), timeout=20) as raw:
            with theirs.wrap_socket(raw, server_hostname="localhost") as sock:
                expected = sock.get_channel_binding("tls-unique")
                assert sock.cipher() == ("ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128) or face.module is ssl
                sock.sendall(b"\n")
                assert sock.recv(1) == b""
        assert listener.result() == expected
