"""Each key type, cipher suite and group with each peer, in both roles (RFC 9846 sections 4.3.7, 4.3.9 and B.4).

The peer offers or accepts exactly one suite and one group. As a client we send a key share for our first group only,
so that every cell with another group goes through HelloRetryRequest (section 4.2.4).
"""

from __future__ import annotations

import pytest

from tests.interop.cells import Cell, matrix
from tests.interop.clients import CLIENTS, ClientOptions
from tests.interop.face import Face, Listener, answer, fetch
from tests.interop.materials import NAME, Materials
from tests.interop.servers import SERVERS, Find, ServerOptions

BODY = b"the quick brown fox jumps over the lazy dog\n" * 100


def check_against_server(face: Face, find: Find, materials: Materials, name: str, cell: Cell) -> None:
    with SERVERS[name](find, materials, ServerOptions(cell)) as server:
        context = face.client_context(materials, tls12=cell.suite.tls12)
        with face.connect(context, server.port, server.program) as sock:
            assert sock.version() == cell.version
            cipher = sock.cipher()
            assert cipher is not None
            assert cipher[0] == cell.cipher
            certificate = sock.getpeercert()
            assert certificate is not None
            assert ("DNS", NAME) in certificate["subjectAltName"]
            page = fetch(sock).decode()
        report = server.read_report(page)
    assert report.protocol == cell.version
    assert report.cipher == cell.cipher
    assert report.group in (cell.group.openssl, None)
    assert report.server_name in (NAME, None)


def check_against_client(face: Face, find: Find, materials: Materials, name: str, cell: Cell) -> None:
    curve = cell.group.curve if cell.suite.tls12 else None
    context = face.server_context(materials.servers[cell.key], curve=curve, tls12=cell.suite.tls12)
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS[name](find, materials, listener.port, ClientOptions(cell))
        assert outcome.status == 0, outcome.text
        assert outcome.body == BODY
        facts = listener.result()
    assert facts["version"] == cell.version
    assert facts["cipher"] == cell.cipher
    assert outcome.report.protocol == cell.version
    assert outcome.report.cipher == cell.cipher
    assert outcome.report.group in (cell.group.openssl, None)


@pytest.mark.parametrize(("name", "cell"), matrix(tuple(SERVERS), long=False))
def test_client_against(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_server(face, peer, materials, name, cell)


@pytest.mark.parametrize(("name", "cell"), matrix(tuple(CLIENTS), long=False))
def test_server_against(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_client(face, peer, materials, name, cell)


@pytest.mark.long
@pytest.mark.parametrize(("name", "cell"), matrix(tuple(SERVERS), long=True))
def test_client_against_all(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_server(face, peer, materials, name, cell)


@pytest.mark.long
@pytest.mark.parametrize(("name", "cell"), matrix(tuple(CLIENTS), long=True))
def test_server_against_all(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_client(face, peer, materials, name, cell)


# TLS 1.2


@pytest.mark.parametrize(("name", "cell"), matrix(tuple(SERVERS), long=False, tls12=True))
def test_client_of_tls12_against(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_server(face, peer, materials, name, cell)


@pytest.mark.parametrize(("name", "cell"), matrix(tuple(CLIENTS), long=False, tls12=True))
def test_server_of_tls12_against(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_client(face, peer, materials, name, cell)


@pytest.mark.long
@pytest.mark.parametrize(("name", "cell"), matrix(tuple(SERVERS), long=True, tls12=True))
def test_client_of_tls12_against_all(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_server(face, peer, materials, name, cell)


@pytest.mark.long
@pytest.mark.parametrize(("name", "cell"), matrix(tuple(CLIENTS), long=True, tls12=True))
def test_server_of_tls12_against_all(face: Face, peer: Find, materials: Materials, name: str, cell: Cell) -> None:
    check_against_client(face, peer, materials, name, cell)
