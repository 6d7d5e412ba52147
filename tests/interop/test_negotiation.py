"""ALPN and server names (RFC 7301, RFC 6066 section 3), HelloRetryRequest with and without cookie, compatibility mode.

What was really sent is read from `openssl`'s own list of messages (-msg), not from our side.
"""

from __future__ import annotations

import re
import ssl
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.interop.cells import DEFAULT, GROUPS, Cell, Group
from tests.interop.clients import CLIENTS, ClientOptions, gnutls_arguments
from tests.interop.clients import openssl_arguments as client_arguments
from tests.interop.face import Face, Listener, answer, fetch, read_until, say_goodbye
from tests.interop.materials import NAME, OTHER_NAME, Materials
from tests.interop.programs import LOOPBACK, Program, free_port
from tests.interop.servers import ROOT, SERVERS, Find, ServerOptions
from tests.interop.servers import openssl_arguments as server_arguments

BODY = b"negotiated\n"
CLIENTS_WITH_ALPN = [name for name in CLIENTS if name != "curl"]


def messages(log: Path) -> list[str]:
    """Messages as (direction, name), e.g. "> ClientHello", from a file that -msgfile wrote.

    ChangeCipherSpec is told by its record header, which is written for both directions.
    """
    found = []
    lines = log.read_text(errors="replace").splitlines()
    for line, following in pairwise(lines):
        handshake = re.match(r"([<>]){3} TLS 1\.\d, Handshake \[length \w+\], (\w+)", line)
        if handshake is not None:
            found.append(f"{handshake[1]} {handshake[2]}")
        elif "RecordHeader" in line and following.strip().startswith("14 "):
            found.append(f"{line[0]} ChangeCipherSpec")
    return found


# ALPN


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "nginx"])
def test_server_selects_one_of_our_protocols(face: Face, peer: Find, materials: Materials, name: str) -> None:
    with SERVERS[name](peer, materials, ServerOptions(alpn=["http/1.1"])) as server:
        context = face.client_context(materials, alpn=["h2", "http/1.1"])
        with face.connect(context, server.port, server.program) as sock:
            assert sock.selected_alpn_protocol() == "http/1.1"
            page = fetch(sock).decode()
        assert server.read_report(page).alpn in ("http/1.1", None)


@pytest.mark.parametrize(("offer", "chosen"), [(["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2")])
def test_nginx_selects_by_its_own_preference(
    face: Face, peer: Find, materials: Materials, offer: list[str], chosen: str
) -> None:
    with SERVERS["nginx"](peer, materials, ServerOptions(alpn=["h2"])) as server:
        context = face.client_context(materials, alpn=offer)
        with face.connect(context, server.port, server.program) as sock:
            assert sock.selected_alpn_protocol() == chosen


def test_server_without_a_common_protocol_refuses(face: Face, peer: Find, materials: Materials) -> None:
    with SERVERS["openssl"](peer, materials, ServerOptions(alpn=["spdy/1"])) as server:
        context = face.client_context(materials, alpn=["h2"])
        with pytest.raises(ssl.SSLError) as caught:
            face.connect(context, server.port, server.program)
    # Python 3.11 has no symbol for this alert in `reason`.
    assert "no application protocol" in str(caught.value)


def test_server_without_alpn_selects_nothing(face: Face, peer: Find, materials: Materials) -> None:
    with SERVERS["stdlib"](peer, materials, ServerOptions()) as server:
        context = face.client_context(materials, alpn=["h2"])
        with face.connect(context, server.port, server.program) as sock:
            assert sock.selected_alpn_protocol() is None
            fetch(sock)


@pytest.mark.parametrize("name", CLIENTS_WITH_ALPN)
def test_we_select_by_our_preference(face: Face, peer: Find, materials: Materials, name: str) -> None:
    context = face.server_context(materials.servers["ecdsa-p256"], alpn=["http/1.1", "h2"])
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(alpn=["h2", "http/1.1"]))
        assert outcome.body == BODY
        assert listener.result()["alpn"] == "http/1.1"
    assert outcome.report.alpn in ("http/1.1", None)


def test_curl_offers_http2_and_takes_http1(face: Face, peer: Find, materials: Materials) -> None:
    context = face.server_context(materials.servers["ecdsa-p256"], alpn=["http/1.1"])
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS["curl"](peer, materials, listener.port, ClientOptions(alpn=["h2"]))
        assert outcome.body == BODY
        assert listener.result()["alpn"] == "http/1.1"
    assert "ALPN: offers h2,http/1.1" in outcome.text
    assert outcome.report.alpn == "http/1.1"


@pytest.mark.parametrize("name", CLIENTS_WITH_ALPN)
def test_we_go_on_without_a_common_protocol(face: Face, peer: Find, materials: Materials, name: str) -> None:
    """As `ssl` does, where RFC 7301 section 3.2 would have a server refuse."""
    context = face.server_context(materials.servers["ecdsa-p256"], alpn=["http/1.1"])
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(alpn=["spdy/1"]))
        assert outcome.body == BODY
        assert listener.result()["alpn"] is None


# Server names


def test_server_finds_its_certificate_by_our_name(face: Face, peer: Find, materials: Materials) -> None:
    files, port = materials.other_server, free_port()
    arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-www"]
    arguments += ["-servername", OTHER_NAME, "-cert2", files.certificate, "-key2", files.key]
    with Program(arguments + server_arguments(materials, ServerOptions())) as program:
        for name in (OTHER_NAME, NAME):
            with face.connect(face.client_context(materials), port, program, name=name) as sock:
                certificate = sock.getpeercert()
                assert certificate is not None
                assert ("DNS", name) in certificate["subjectAltName"]
                fetch(sock)


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "openssl"])
def test_an_address_is_not_sent_as_a_name(face: Face, peer: Find, materials: Materials, name: str) -> None:
    with SERVERS[name](peer, materials, ServerOptions()) as server:
        with face.connect(face.client_context(materials), server.port, server.program, name=LOOPBACK) as sock:
            page = fetch(sock).decode()
        assert not server.read_report(page).server_name


@pytest.mark.parametrize("name", CLIENTS)
def test_we_find_our_certificate_by_the_name(face: Face, peer: Find, materials: Materials, name: str) -> None:
    context = face.server_context(materials.servers["ecdsa-p256"])
    other = face.server_context(materials.other_server)
    seen = []

    def choose(sock: ssl.SSLObject, server_name: str, _context: ssl.SSLContext) -> None:
        seen.append(server_name)
        if server_name == OTHER_NAME:
            sock.context = other

    context.sni_callback = choose
    with Listener(context, answer(BODY), connections=2) as listener:
        for asked in (OTHER_NAME, NAME):
            outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(name=asked))
            assert outcome.status == 0, outcome.text
            assert outcome.body == BODY
        listener.results()
    assert seen == [OTHER_NAME, NAME]


# HelloRetryRequest


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.openssl)
def test_server_asks_us_for_another_share(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, group: Group
) -> None:
    """Of our shares this OpenSSL knows X25519; another group costs one more ClientHello, none if we start with it."""
    port, log = free_port(), tmp_path / "messages"
    arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-www", "-msgfile", str(log), "-msg"]
    options = ServerOptions(Cell(DEFAULT.key, DEFAULT.suite, group))
    with Program(arguments + server_arguments(materials, options)) as program:
        for curve in (None, group.curve):
            with face.connect(face.client_context(materials, curve=curve), port, program) as sock:
                fetch(sock)
            program.kill() if curve else None
    assert messages(log).count("< ClientHello") == (2 if group.openssl == "X25519" else 3)


@pytest.mark.parametrize("group", GROUPS[2:], ids=lambda group: group.openssl)
@pytest.mark.parametrize("name", CLIENTS)
def test_we_ask_for_another_share(face: Face, peer: Find, materials: Materials, name: str, group: Group) -> None:
    """No client sends a share for P-384 or P-521 unasked."""
    context = face.server_context(materials.servers["ecdsa-p256"], curve=group.curve)
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions(cell=None))
        assert outcome.status == 0, outcome.text
        assert outcome.body == BODY
        listener.result()
    assert outcome.report.group in (group.openssl, None)


def test_openssl_counts_our_hello_retry_request(face: Face, peer: Find, materials: Materials, tmp_path: Path) -> None:
    log = tmp_path / "messages"
    context = face.server_context(materials.servers["ecdsa-p256"], curve="secp384r1")
    with Listener(context, answer(BODY)) as listener:
        arguments = [peer("openssl"), "s_client", "-quiet", "-msg", "-msgfile", str(log)]
        options = ClientOptions(cell=None)
        with Program(arguments + client_arguments(materials, listener.port, options)) as program:
            program.write(b"GET / HTTP/1.0\r\n\r\n")
            program.finish()
        listener.result()
    said = messages(log)
    assert said.count("> ClientHello") == 2
    assert said.count("< ServerHello") == 2


@pytest.mark.parametrize("curve", [None, "secp521r1"], ids=["X25519", "P-521"])
@pytest.mark.parametrize("compatible", [True, False], ids=["on", "off"])
def test_we_return_the_cookie(
    face: Face, peer: Find, materials: Materials, curve: str | None, compatible: bool
) -> None:
    peer("openssl")  # stands for the library that comes with it
    port, files = free_port(), materials.servers["ecdsa-p256"]
    command = [sys.executable, "-m", "tests.interop.cookie_server", str(port), files.certificate, files.key]
    with (
        Program(command, cwd=ROOT) as program,
        face.connect(
            face.client_context(materials, curve=curve, middlebox_compatibility=compatible), port, program
        ) as sock,
    ):
        sock.sendall(b"with a cookie\n")
        assert read_until(sock, b"\n") == b"with a cookie\n"
        assert sock.recv(1) == b""
        say_goodbye(sock)
        assert program.finish() == 0, program.describe()
        assert bytes(program.output) == b"cookie came back\n"


# Middlebox compatibility (RFC 9846 section E.4)


@pytest.mark.parametrize("compatible", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("name", SERVERS)
def test_compatibility_mode_of_server(
    face: Face, peer: Find, materials: Materials, name: str, compatible: bool
) -> None:
    with SERVERS[name](peer, materials, ServerOptions(middlebox_compatibility=compatible)) as server:
        for ours in (True, False):
            context = face.client_context(materials, middlebox_compatibility=ours)
            with face.connect(context, server.port, server.program) as sock:
                fetch(sock)


@pytest.mark.parametrize("compatible", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "curl"])
def test_compatibility_mode_of_client(
    face: Face, peer: Find, materials: Materials, name: str, compatible: bool
) -> None:
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), answer(BODY)) as listener:
        options = ClientOptions(middlebox_compatibility=compatible)
        outcome = CLIENTS[name](peer, materials, listener.port, options)
        assert outcome.body == BODY
        listener.result()


@pytest.mark.parametrize("compatible", [True, False], ids=["on", "off"])
def test_we_send_change_cipher_spec_as_client(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, compatible: bool
) -> None:
    port, log = free_port(), tmp_path / "messages"
    arguments = [peer("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-www", "-msgfile", str(log), "-msg"]
    with Program(arguments + server_arguments(materials, ServerOptions())) as program:
        context = face.client_context(materials, middlebox_compatibility=compatible)
        with face.connect(context, port, program) as sock:
            fetch(sock)
        program.kill()
    assert messages(log).count("< ChangeCipherSpec") == compatible


@pytest.mark.parametrize("compatible", [True, False], ids=["on", "off"])
def test_we_send_change_cipher_spec_as_server(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, compatible: bool
) -> None:
    log = tmp_path / "messages"
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), answer(BODY)) as listener:
        arguments = [peer("openssl"), "s_client", "-quiet", "-msg", "-msgfile", str(log)]
        options = ClientOptions(middlebox_compatibility=compatible)
        with Program(arguments + client_arguments(materials, listener.port, options)) as program:
            program.write(b"GET / HTTP/1.0\r\n\r\n")
            program.finish()
        listener.result()
    assert messages(log).count("> ChangeCipherSpec") == compatible
    if face.module is not ssl:  # OpenSSL's server sends its own whatever the client says
        assert messages(log).count("< ChangeCipherSpec") == compatible


# Sizes of records (RFC 6066 section 4, RFC 8449)


@pytest.mark.parametrize("length", [512, 4096])
def test_openssl_asks_for_short_fragments(face: Face, peer: Find, materials: Materials, length: int) -> None:
    if face.module.__name__ != "tlsocket":
        pytest.skip("only our side can say what was agreed on")
    sizes: list[int] = []

    def handler(sock: Any) -> None:
        sizes.append(sock._conn.writer.max_fragment)
        answer(BODY)(sock)

    context = face.server_context(materials.servers["ecdsa-p256"])
    with Listener(context, handler) as listener:
        options = ClientOptions(cell=None)
        arguments = [peer("openssl"), "s_client", "-quiet", "-maxfraglen", str(length)]
        with Program(arguments + client_arguments(materials, listener.port, options)) as program:
            program.write(b"GET / HTTP/1.0\r\n\r\n")
            program.finish()
            assert bytes(program.output).endswith(BODY)
        listener.result()
    assert sizes == [length]


def test_gnutls_asks_for_small_records(face: Face, peer: Find, materials: Materials) -> None:
    if face.module.__name__ != "tlsocket":
        pytest.skip("only our side can say what was agreed on")
    sizes: list[int] = []

    def handler(sock: Any) -> None:
        sizes.append(sock._conn.writer.max_fragment)
        answer(BODY)(sock)

    context = face.server_context(materials.servers["ecdsa-p256"])
    with Listener(context, handler) as listener:
        arguments = [peer("gnutls-cli"), "--recordsize", "512", "--logfile", str(materials.folder / "recordsize.log")]
        arguments += gnutls_arguments(materials, listener.port, ClientOptions(cell=None))
        with Program(arguments) as program:
            program.write(b"GET / HTTP/1.0\r\n\r\n")
            program.finish()
            assert bytes(program.output).endswith(BODY)
        listener.result()
    # GnuTLS counts the content; RFC 8449 counts the type too.
    assert sizes == [512]
