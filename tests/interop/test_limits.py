"""Nothing in common: versions, suites and groups; and that exporters and the key log agree with OpenSSL's.

RFC 9846 sections 4.2.1, 4.3.1 and 6.2 for the alerts, 7.5 for exporters; RFC 9850 for the key log.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from tests.interop.cells import DEFAULT, GROUPS, SUITES, Cell
from tests.interop.clients import ClientOptions
from tests.interop.clients import openssl_arguments as client_arguments
from tests.interop.face import END, Face, Listener, answer, fetch, read_until, say_goodbye
from tests.interop.materials import Materials
from tests.interop.programs import LOOPBACK, WAIT, Program, free_port
from tests.interop.servers import Find, ServerOptions, gnutls_priority
from tests.interop.servers import openssl_arguments as server_arguments

BODY = b"in common\n"


def test_the_module_under_test_is_not_the_standard_library(face: Face) -> None:
    """Unless that was asked for, to test the peers."""
    if face.module.__name__ == "ssl":
        pytest.skip("TLSOCKET_INTEROP_FACE=ssl: the peers are tested, not we")
    assert face.module.SSLSocket is not ssl.SSLSocket
    assert face.module.SSLSocket.__module__.startswith("tlsocket.")


@pytest.mark.parametrize("program", ["openssl", "gnutls-serv"])
def test_a_server_of_tls12_only(face: Face, peer: Find, materials: Materials, program: str) -> None:
    """Our ClientHello offers TLS 1.3 only."""
    port, files = free_port(), materials.servers["ecdsa-p256"]
    if program == "openssl":
        arguments = ["s_server", "-accept", f"{LOOPBACK}:{port}", "-tls1_2", "-www"]
        arguments += ["-cert", files.certificate, "-key", files.key]
    else:
        arguments = ["--http", "--port", str(port), "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2"]
        arguments += ["--x509certfile", files.certificate, "--x509keyfile", files.key]
    with Program([peer(program), *arguments]) as server, pytest.raises(ssl.SSLError) as caught:
        face.connect(face.client_context(materials), port, server)
    # GnuTLS looks for a suite first.
    assert caught.value.reason in ("TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE")


@pytest.mark.parametrize("program", ["openssl", "gnutls-cli", "curl"])
def test_a_client_of_tls12_only(face: Face, peer: Find, materials: Materials, program: str) -> None:
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), answer(BODY)) as listener:
        port = str(listener.port)
        arguments = {
            "openssl": ["s_client", "-connect", f"{LOOPBACK}:{port}", "-tls1_2"],
            "gnutls-cli": ["--port", port, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "--insecure", LOOPBACK],
            "curl": ["-sS", "--noproxy", "*", "--insecure", "--tls-max", "1.2", f"https://{LOOPBACK}:{port}/"],
        }[program]
        with Program([peer(program), *arguments]) as client:
            client.close_input()
            assert client.finish() != 0
        assert re.search("protocol version", client.text, re.IGNORECASE), client.describe()
        with pytest.raises(ssl.SSLError) as caught:
            listener.result()
    assert caught.value.reason == "UNSUPPORTED_PROTOCOL"


@pytest.mark.parametrize("what", ["suite", "group"])
def test_a_server_with_nothing_in_common(face: Face, peer: Find, materials: Materials, what: str) -> None:
    context = face.client_context(materials, curve=GROUPS[1].curve)
    cell = Cell(DEFAULT.key, DEFAULT.suite, GROUPS[2])
    if what == "suite":
        if not hasattr(context, "set_ciphersuites"):
            pytest.skip("this `ssl` cannot choose the suites of TLS 1.3")
        context.set_ciphersuites(SUITES[1].iana)
        cell = Cell(DEFAULT.key, DEFAULT.suite, GROUPS[1])
    port = free_port()
    arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-www"]
    with (
        Program(arguments + server_arguments(materials, ServerOptions(cell))) as program,
        pytest.raises(ssl.SSLError) as caught,
    ):
        face.connect(context, port, program)
    assert caught.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize("what", ["suite", "group"])
def test_a_client_with_nothing_in_common(face: Face, peer: Find, materials: Materials, what: str) -> None:
    context = face.server_context(materials.servers["ecdsa-p256"], curve=GROUPS[1].curve)
    cell = Cell(DEFAULT.key, DEFAULT.suite, GROUPS[2])
    if what == "suite":
        if not hasattr(context, "set_ciphersuites"):
            pytest.skip("this `ssl` cannot choose the suites of TLS 1.3")
        context.set_ciphersuites(SUITES[1].iana)
        cell = Cell(DEFAULT.key, DEFAULT.suite, GROUPS[1])
    with Listener(context, answer(BODY)) as listener:
        arguments = client_arguments(materials, listener.port, ClientOptions(cell))
        with Program([peer("openssl"), "s_client", *arguments]) as client:
            client.close_input()
            assert client.finish() != 0
        assert "handshake failure" in client.text
        with pytest.raises(ssl.SSLError) as caught:
            listener.result()
    assert caught.value.reason == ("NO_SHARED_CIPHER" if what == "suite" else "NO_SUITABLE_KEY_SHARE")


def test_a_client_with_gnutls_defaults(face: Face, peer: Find, materials: Materials) -> None:
    """All that it offers of itself, TLS 1.2 and everything we do not know included."""
    with Listener(face.server_context(materials.servers["rsa-2048"]), answer(BODY)) as listener:
        arguments = ["--port", str(listener.port), "--x509cafile", materials.authority, "--priority", "NORMAL"]
        with Program([peer("gnutls-cli"), *arguments, "localhost"]) as client:
            client.write(b"GET / HTTP/1.0" + END)
            assert client.finish() == 0, client.describe()
        assert BODY in bytes(client.output)
        assert listener.result()["version"] == "TLSv1.3"


def test_key_log_agrees_with_openssl_client(face: Face, peer: Find, materials: Materials, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    context = face.server_context(materials.servers["ecdsa-p256"])
    context.keylog_filename = str(ours)
    with Listener(context, answer(BODY)) as listener:
        arguments = ["s_client", "-quiet", "-keylogfile", str(theirs)]
        arguments += client_arguments(materials, listener.port, ClientOptions())
        with Program([peer("openssl"), *arguments]) as client:
            client.write(b"GET / HTTP/1.0" + END)
            client.finish()
        listener.result()
    assert secrets_in(ours) == secrets_in(theirs)
    assert len(secrets_in(ours)) == 5


def test_key_log_agrees_with_openssl_server(face: Face, peer: Find, materials: Materials, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    context = face.client_context(materials)
    context.keylog_filename = str(ours)
    port = free_port()
    arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-www", "-keylogfile", str(theirs)]
    with Program(arguments + server_arguments(materials, ServerOptions())) as program:
        with face.connect(context, port, program) as sock:
            fetch(sock)
        assert secrets_in(ours) == secrets_in(theirs)
    assert len(secrets_in(ours)) == 5


def secrets_in(path: Path) -> set[str]:
    """The lines of a key log."""
    return {line for line in path.read_text().splitlines() if line and not line.startswith("#")}


def test_exporter_agrees_with_gnutls(face: Face, peer: Find, materials: Materials) -> None:
    """tls-exporter (RFC 9266), which gnutls-serv prints."""
    if face.module is ssl:
        pytest.skip("`ssl` has no tls-exporter")
    port, files = free_port(), materials.servers["ecdsa-p256"]
    arguments = [peer("gnutls-serv"), "--echo", "--port", str(port), "--disable-client-cert"]
    arguments += ["--x509certfile", files.certificate, "--x509keyfile", files.key, "--priority", gnutls_priority(None)]
    with Program(arguments) as program:
        with face.connect(face.client_context(materials), port, program) as sock:
            sock.sendall(b"line\n")
            read_until(sock, b"\n")
            binding = sock.get_channel_binding("tls-exporter")
            say_goodbye(sock)
        program.wait_for(rb"'tls-exporter'", timeout=WAIT)
        said = re.search(r"'tls-exporter': ([0-9a-f]{64})", program.text)
    assert said is not None
    assert binding == bytes.fromhex(said[1])
