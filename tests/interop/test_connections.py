"""Life after the handshake: bulk data both ways, KeyUpdate by the peer, tickets that arrive, closing by either side.

RFC 9846 sections 4.7.1 (NewSessionTicket), 4.7.3 (KeyUpdate), 6.1 (close_notify). The standard library's `ssl` has
its own exchange in test_stdlib_exchange.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.cells import DEFAULT, SUITES, Cell, Suite
from tests.interop.clients import CLIENTS, ClientOptions, gnutls_arguments
from tests.interop.clients import openssl_arguments as client_arguments
from tests.interop.face import END, Face, Listener, answer, fetch, read_until, say_goodbye
from tests.interop.materials import Materials
from tests.interop.programs import LOOPBACK, WAIT, Program, free_port
from tests.interop.servers import Find, ServerOptions, gnutls_server, nginx
from tests.interop.servers import openssl_arguments as server_arguments
from tests.interop.test_negotiation import messages

MEGABYTE = 1_000_000
BULK = 20 * MEGABYTE
LONG_WAIT = 90.0

SUITE_CELLS = [
    pytest.param(
        Cell(DEFAULT.key, suite, DEFAULT.group), id=suite.gnutls, marks=[] if suite is SUITES[0] else pytest.mark.long
    )
    for suite in SUITES
]
EACH_SUITE = pytest.mark.parametrize("cell", SUITE_CELLS)


def lines(seed: int, size: int = BULK) -> bytes:
    """Random text of `size` bytes in lines, which suits a peer that echoes line by line as well."""
    made = random.Random(seed)
    block = b"".join(made.randbytes(40 + 13 * i).hex().encode() + b"\n" for i in range(400))
    return (block * (size // len(block) + 1))[: size - 1] + b"\n"


@contextlib.contextmanager
def in_background(action: Callable[[], object]) -> Iterator[None]:
    """Run `action` in a thread meanwhile; what it raises is raised at the end."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:  # handed to the test
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(LONG_WAIT)
    assert not thread.is_alive()
    if errors:
        raise errors[0]


def receive(sock: ssl.SSLSocket, size: int) -> bytes:
    """Read `size` bytes."""
    received = bytearray(size)
    view = memoryview(received)
    while view:
        count = sock.recv_into(view)
        if not count:
            raise EOFError(f"closed {len(view)} bytes early")
        view = view[count:]
    return bytes(received)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def openssl_server(
    find: Find, materials: Materials, *arguments: str, options: ServerOptions | None = None
) -> Iterator[tuple[Program, int]]:
    """`openssl s_server` between its connection and its standard input and output.

    `stdbuf`, since what it says of commands would stay in the C library's buffer otherwise.
    """
    port = free_port()
    command = [find("stdbuf"), "--output=0", find("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", *arguments]
    with Program(command + server_arguments(materials, options or ServerOptions())) as program:
        yield program, port


# Bulk


@EACH_SUITE
def test_bulk_with_openssl_server(face: Face, peer: Find, materials: Materials, cell: Cell) -> None:
    ours, theirs = lines(1), lines(2)
    with (
        openssl_server(peer, materials, "-quiet", options=ServerOptions(cell)) as (program, port),
        face.connect(face.client_context(materials), port, program, timeout=LONG_WAIT) as sock,
    ):
        with in_background(lambda: sock.sendall(ours)), in_background(lambda: program.write(theirs)):
            assert digest(receive(sock, BULK)) == digest(theirs)
            received = program.wait_for_output(BULK, timeout=LONG_WAIT)
        say_goodbye(sock)
    assert digest(received) == digest(ours)


@EACH_SUITE
def test_bulk_with_gnutls_server(face: Face, peer: Find, materials: Materials, cell: Cell) -> None:
    ours = lines(3)
    with (
        gnutls_server(peer, materials, ServerOptions(cell), mode="--echo") as server,
        face.connect(face.client_context(materials), server.port, server.program, timeout=LONG_WAIT) as sock,
        in_background(lambda: sock.sendall(ours)),
    ):
        assert digest(receive(sock, BULK)) == digest(ours)


@EACH_SUITE
def test_bulk_with_nginx(face: Face, peer: Find, materials: Materials, tmp_path: Path, cell: Cell) -> None:
    """PUT, then GET what was put."""
    ours = lines(4)
    with nginx(peer, materials, ServerOptions(cell), tmp_path) as server:
        context = face.client_context(materials)
        with face.connect(context, server.port, server.program, timeout=LONG_WAIT) as sock:
            head = f"PUT /files/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BULK}\r\n\r\n"
            sock.sendall(head.encode())
            sock.sendall(ours)
            assert b" 201 " in read_until(sock, END).splitlines()[0]
        assert digest((tmp_path / "files" / "bulk").read_bytes()) == digest(ours)
        with face.connect(context, server.port, server.program, timeout=LONG_WAIT) as sock:
            assert digest(fetch(sock, "/files/bulk")) == digest(ours)


def exchange(ours: bytes, size: int) -> Callable[[ssl.SSLSocket], str]:
    """A handler that sends and receives at the same time, and returns the digest of what came."""

    def handle(sock: ssl.SSLSocket) -> str:
        with in_background(lambda: sock.sendall(ours)):
            received = digest(receive(sock, size))
        say_goodbye(sock)
        return received

    return handle


@EACH_SUITE
def test_bulk_with_openssl_client(face: Face, peer: Find, materials: Materials, cell: Cell) -> None:
    check_bulk_with_client(face, peer, materials, "openssl", cell, BULK)


def test_some_bulk_with_gnutls_client(face: Face, peer: Find, materials: Materials) -> None:
    check_bulk_with_client(face, peer, materials, "gnutls", DEFAULT, BULK // 10)


@pytest.mark.long
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.gnutls)
def test_bulk_with_gnutls_client(face: Face, peer: Find, materials: Materials, suite: Suite) -> None:
    """It reads its standard input in small pieces, and takes its time."""
    check_bulk_with_client(face, peer, materials, "gnutls", Cell(DEFAULT.key, suite, DEFAULT.group), BULK)


def check_bulk_with_client(face: Face, peer: Find, materials: Materials, name: str, cell: Cell, size: int) -> None:
    ours, theirs = lines(5, size), lines(6, size)
    context = face.server_context(materials.servers[cell.key])
    with Listener(context, exchange(ours, size), timeout=LONG_WAIT) as listener:
        options = ClientOptions(cell)
        if name == "openssl":
            arguments = [peer("openssl"), "s_client", "-quiet", *client_arguments(materials, listener.port, options)]
        else:
            log = str(materials.folder / "gnutls-cli-bulk.log")
            arguments = [peer("gnutls-cli"), "--logfile", log, *gnutls_arguments(materials, listener.port, options)]
        with Program(arguments) as program:
            with in_background(lambda: program.write(theirs)):
                received = program.wait_for_output(size, timeout=LONG_WAIT)
            assert listener.result() == digest(theirs)
            assert digest(received) == digest(ours)


@EACH_SUITE
def test_bulk_with_curl(face: Face, peer: Find, materials: Materials, tmp_path: Path, cell: Cell) -> None:
    ours, theirs = lines(7), lines(8)
    upload, download = tmp_path / "upload", tmp_path / "download"
    upload.write_bytes(theirs)

    def handle(sock: ssl.SSLSocket) -> str:
        received = read_until(sock, END).partition(END)[2]
        received += receive(sock, BULK - len(received))
        sock.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {BULK}\r\n\r\n".encode() + ours)
        say_goodbye(sock)
        return digest(received)

    with Listener(face.server_context(materials.servers[cell.key]), handle, timeout=LONG_WAIT) as listener:
        url = f"https://localhost:{listener.port}/"
        arguments = [peer("curl"), "-sS", "--noproxy", "*", "--http1.1", "--cacert", materials.authority, "-4"]
        arguments += ["--tls13-ciphers", cell.suite.iana, "-H", "Expect:", "-T", str(upload), "-o", str(download), url]
        with Program(arguments) as program:
            assert program.finish(timeout=LONG_WAIT) == 0, program.describe()
        assert listener.result() == digest(theirs)
    assert digest(download.read_bytes()) == digest(ours)


# KeyUpdate


def echo(sock: ssl.SSLSocket) -> int:
    """A handler that echoes until the peer's close_notify, which it answers; returns the number of bytes."""
    total = 0
    while data := sock.recv(65536):
        sock.sendall(data)
        total += len(data)
    sock.unwrap()
    return total


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.gnutls)
def test_openssl_client_updates_keys(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, suite: Suite
) -> None:
    """K asks us to update too, k does not; each has to leave both directions intact."""
    log = tmp_path / "messages"
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), echo) as listener:
        arguments = [peer("openssl"), "s_client", "-msg", "-msgfile", str(log)]
        options = ClientOptions(Cell(DEFAULT.key, suite, DEFAULT.group))
        with Program(arguments + client_arguments(materials, listener.port, options)) as program:
            program.write(b"begin-0\n")
            program.wait_for(rb"begin-0\n")
            for number, command in enumerate((b"K", b"k", b"K", b"K", b"k"), 1):
                program.write(command + b"\n")
                program.wait_for(rb"KEYUPDATE\s", times=number)
                program.write(b"after-%d\n" % number)
                program.wait_for(rb"after-%d\n" % number)
            program.write(b"Q\n")
            program.finish()
        assert listener.result() == 6 * len(b"after-1\n")
    said = messages(log)
    assert said.count("> KeyUpdate") == 5
    assert said.count("< KeyUpdate") == 3


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.gnutls)
def test_openssl_server_updates_keys(
    face: Face, peer: Find, materials: Materials, tmp_path: Path, suite: Suite
) -> None:
    log = tmp_path / "messages"
    options = ServerOptions(Cell(DEFAULT.key, suite, DEFAULT.group))
    with openssl_server(peer, materials, "-msg", "-msgfile", str(log), options=options) as (program, port):
        with face.connect(face.client_context(materials), port, program) as sock:
            for number, command in enumerate((b"K", b"k", b"K", b"K", b"k"), 1):
                program.write(command + b"\n")
                program.wait_for(rb"SSL_do_handshake -> 1\s", times=number)
                program.write(b"after-%d\n" % number)
                assert read_until(sock, b"\n") == b"after-%d\n" % number
                sock.sendall(b"before-%d\n" % number)
                program.wait_for(rb"before-%d\n" % number)
            say_goodbye(sock)
        program.kill()
    said = messages(log)
    assert said.count("> KeyUpdate") == 5
    assert said.count("< KeyUpdate") == 3


def test_gnutls_client_updates_keys(face: Face, peer: Find, materials: Materials, tmp_path: Path) -> None:
    """^rekey^ is for its own keys and ours, ^rekey1^ for its own alone."""
    log = tmp_path / "log"
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), echo) as listener:
        arguments = [peer("gnutls-cli"), "--inline-commands", "--logfile", str(log)]
        with Program([*arguments, *gnutls_arguments(materials, listener.port, ClientOptions())]) as program:
            program.write(b"begin\n")
            program.wait_for(rb"begin\n")
            for number, command in enumerate((b"^rekey^", b"^rekey1^", b"^rekey^"), 1):
                program.write(command + b"\n")
                program.write(b"after-%d\n" % number)
                program.wait_for(rb"after-%d\n" % number)
            program.close_input()
            assert program.finish() == 0, program.describe()
        assert listener.result() == len(b"begin\n") + 3 * len(b"after-1\n")
    assert log.read_text().count("Rekey was completed") == 3


# Tickets


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_tickets_arrive_before_data(face: Face, peer: Find, materials: Materials, tmp_path: Path, count: int) -> None:
    log = tmp_path / "messages"
    arguments = ["-num_tickets", str(count), "-msg", "-msgfile", str(log), "-quiet"]
    with (
        openssl_server(peer, materials, *arguments) as (program, port),
        face.connect(face.client_context(materials), port, program) as sock,
    ):
        sock.sendall(b"a question\n")
        program.wait_for(rb"a question\n")
        program.write(b"an answer\n")
        assert read_until(sock, b"\n") == b"an answer\n"
        say_goodbye(sock)
    assert messages(log).count("> NewSessionTicket") == count


def test_tickets_alone_are_no_data(face: Face, peer: Find, materials: Materials) -> None:
    """A readable socket may hold a ticket only: a non-blocking read then would block, and loses nothing."""
    with (
        openssl_server(peer, materials, "-quiet") as (program, port),
        face.connect(face.client_context(materials), port, program) as sock,
    ):
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(WAIT)
        program.write(b"data\n")
        assert read_until(sock, b"\n") == b"data\n"


# Closing


def test_we_close_and_openssl_server_answers(face: Face, peer: Find, materials: Materials) -> None:
    with openssl_server(peer, materials) as (program, port):
        with face.connect(face.client_context(materials), port, program) as sock:
            raw = sock.unwrap()
            raw.close()
        program.wait_for(rb"CONNECTION CLOSED")


def test_we_close_and_gnutls_server_answers(face: Face, peer: Find, materials: Materials) -> None:
    with (
        gnutls_server(peer, materials, ServerOptions(), mode="--echo") as server,
        face.connect(face.client_context(materials), server.port, server.program) as sock,
    ):
        sock.sendall(b"line\n")
        assert read_until(sock, b"\n") == b"line\n"
        sock.unwrap().close()


def test_openssl_server_closes(face: Face, peer: Find, materials: Materials) -> None:
    """`-rev` closes in good order when it reads CLOSE; the command Q would just leave."""
    with (
        openssl_server(peer, materials, "-rev") as (program, port),
        face.connect(face.client_context(materials), port, program) as sock,
    ):
        sock.sendall(b"forwards\n")
        assert read_until(sock, b"\n") == b"sdrawrof\n"
        sock.sendall(b"CLOSE\n")
        assert sock.recv(1) == b""
        assert sock.recv(1) == b""
        with contextlib.suppress(ConnectionError):  # it may be gone when our close_notify comes
            sock.unwrap().close()


@pytest.mark.parametrize("name", ["openssl", "gnutls", "curl", "stdlib"])
def test_we_close_and_client_ends(face: Face, peer: Find, materials: Materials, name: str) -> None:
    """Each ends well when our close_notify comes, whether or not it knew the length."""

    def handle(sock: ssl.SSLSocket) -> None:
        read_until(sock, END)
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil close_notify")
        say_goodbye(sock)

    with Listener(face.server_context(materials.servers["ecdsa-p256"]), handle) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions())
        assert outcome.status == 0, outcome.text
        assert outcome.body == b"until close_notify"
        listener.result()


@pytest.mark.parametrize("name", ["openssl", "gnutls", "stdlib"])  # curl forgives it where there is no length
def test_client_notices_that_we_did_not_say_goodbye(face: Face, peer: Find, materials: Materials, name: str) -> None:
    def handle(sock: ssl.SSLSocket) -> None:
        read_until(sock, END)
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\ncut of")
        sock.close()

    with Listener(face.server_context(materials.servers["ecdsa-p256"]), handle) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions())
        listener.result()
    assert outcome.status != 0, outcome.text


@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_client_closes(face: Face, peer: Find, materials: Materials, tmp_path: Path, name: str) -> None:
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), echo) as listener:
        if name == "openssl":
            arguments = [peer("openssl"), "s_client", *client_arguments(materials, listener.port, ClientOptions())]
        else:
            arguments = [peer("gnutls-cli"), "--logfile", str(tmp_path / "log")]
            arguments += gnutls_arguments(materials, listener.port, ClientOptions())
        with Program(arguments) as program:
            program.write(b"line\n")
            program.wait_for(rb"line\n")
            if name == "openssl":
                program.write(b"Q\n")
            else:
                program.close_input()
            program.finish()
        # `unwrap` in the handler may find the peer gone, which is not the peer's close_notify missing.
        with contextlib.suppress(ConnectionError):
            assert listener.result() == len(b"line\n")


@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_we_notice_a_killed_client(face: Face, peer: Find, materials: Materials, tmp_path: Path, name: str) -> None:
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), echo) as listener:
        if name == "openssl":
            arguments = [peer("openssl"), "s_client", *client_arguments(materials, listener.port, ClientOptions())]
        else:
            arguments = [peer("gnutls-cli"), "--logfile", str(tmp_path / "log")]
            arguments += gnutls_arguments(materials, listener.port, ClientOptions())
        with Program(arguments) as program:
            program.write(b"line\n")
            program.wait_for(rb"line\n")
            program.kill()
        with pytest.raises(ssl.SSLEOFError):
            listener.result()


def test_we_notice_a_killed_server(face: Face, peer: Find, materials: Materials) -> None:
    with (
        openssl_server(peer, materials, "-quiet") as (program, port),
        face.connect(face.client_context(materials), port, program) as sock,
    ):
        sock.sendall(b"line\n")
        program.wait_for(rb"line\n")
        program.write(b"answer\n")
        assert read_until(sock, b"\n") == b"answer\n"
        program.kill()
        for _ in range(2):
            with pytest.raises(ssl.SSLEOFError):
                sock.recv(1)


def test_answer_is_complete_when_the_peer_reads_slowly(face: Face, peer: Find, materials: Materials) -> None:
    body = lines(9, 3 * MEGABYTE)
    with Listener(face.server_context(materials.servers["ecdsa-p256"]), answer(body)) as listener:
        arguments = [peer("curl"), "-sS", "--noproxy", "*", "--http1.1", "--cacert", materials.authority, "-4"]
        arguments += ["--limit-rate", "2M", f"https://localhost:{listener.port}/"]
        with Program(arguments) as program:
            assert program.finish() == 0, program.describe()
        assert digest(bytes(program.output)) == digest(body)
        listener.result()
