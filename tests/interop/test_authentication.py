"""Who is who: client certificates asked for, required, answered, declined and wrong; servers that must be refused.

RFC 9846 sections 4.4.2 (CertificateRequest), 4.5 (authentication messages) and 6.2 (the alerts). A client learns of
its refusal only when it reads, since its handshake is over with its own Finished.
"""

from __future__ import annotations

import re
import ssl

import pytest

from tests.interop.cells import KEYS
from tests.interop.clients import CLIENTS, ClientOptions
from tests.interop.face import END, Face, Listener, answer, fetch, read_until
from tests.interop.materials import CLIENT, OTHER_NAME, Files, Materials
from tests.interop.servers import SERVERS, Find, ServerOptions

BODY = b"only for those who are known\n"
REFUSALS = pytest.mark.parametrize(
    ("choice", "require"),
    [
        pytest.param("declined", True, id="declined-required"),
        pytest.param("wrong", True, id="wrong-required"),
        pytest.param("wrong", False, id="wrong-optional"),
    ],
)

ALERTS_WITHOUT_CERTIFICATE = {"TLSV13_ALERT_CERTIFICATE_REQUIRED"}
# The second is GnuTLS's: gnutls-serv refuses in its own callback.
ALERTS_FOR_UNKNOWN_ISSUER = {"TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_ACCESS_DENIED"}


def credential_of(materials: Materials, choice: str) -> Files | None:
    return materials.foreign_client if choice == "wrong" else None


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", SERVERS)
def test_server_accepts_our_client_certificate(
    face: Face, peer: Find, materials: Materials, name: str, key: str
) -> None:
    options = ServerOptions(clients=materials.authority, require=True)
    with SERVERS[name](peer, materials, options) as server:
        context = face.client_context(materials, credential=materials.clients[key])
        with face.connect(context, server.port, server.program) as sock:
            page = fetch(sock).decode()
        assert server.read_report(page).client == CLIENT


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", CLIENTS)
def test_we_accept_a_client_certificate(face: Face, peer: Find, materials: Materials, name: str, key: str) -> None:
    context = face.server_context(materials.servers["ecdsa-p256"], clients=materials.authority, require=True)
    with Listener(context, answer(BODY)) as listener:
        options = ClientOptions(credential=materials.clients[key])
        outcome = CLIENTS[name](peer, materials, listener.port, options)
        assert outcome.status == 0, outcome.text
        assert outcome.body == BODY
        assert ("DNS", CLIENT) in listener.result()["client"]["subjectAltName"]


@pytest.mark.parametrize("name", SERVERS)
def test_server_that_asks_goes_on_without_our_certificate(
    face: Face, peer: Find, materials: Materials, name: str
) -> None:
    with SERVERS[name](peer, materials, ServerOptions(clients=materials.authority)) as server:
        with face.connect(face.client_context(materials), server.port, server.program) as sock:
            page = fetch(sock).decode()
        assert server.read_report(page).client == ""


@pytest.mark.parametrize("name", CLIENTS)
def test_we_ask_and_go_on_without_a_certificate(face: Face, peer: Find, materials: Materials, name: str) -> None:
    context = face.server_context(materials.servers["ecdsa-p256"], clients=materials.authority)
    with Listener(context, answer(BODY)) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions())
        assert outcome.body == BODY
        assert not listener.result()["client"]


@REFUSALS
@pytest.mark.parametrize("name", SERVERS)
def test_server_refuses_us(face: Face, peer: Find, materials: Materials, name: str, choice: str, require: bool) -> None:
    options = ServerOptions(clients=materials.authority, require=require)
    with SERVERS[name](peer, materials, options) as server:
        context = face.client_context(materials, credential=credential_of(materials, choice))
        with face.connect(context, server.port, server.program) as sock:
            if name == "nginx":  # completes the handshake and refuses with HTTP
                sock.sendall(b"GET / HTTP/1.0" + END)
                assert b" 400 " in read_until(sock, END).splitlines()[0]
                return
            with pytest.raises(ssl.SSLError) as caught:
                sock.recv(1)
        allowed = ALERTS_WITHOUT_CERTIFICATE if choice == "declined" else ALERTS_FOR_UNKNOWN_ISSUER
        assert caught.value.reason in allowed


@REFUSALS
@pytest.mark.parametrize("name", CLIENTS)
def test_we_refuse_a_client(
    face: Face, peer: Find, materials: Materials, name: str, choice: str, require: bool
) -> None:
    context = face.server_context(materials.servers["ecdsa-p256"], clients=materials.authority, require=require)
    with Listener(context, answer(BODY)) as listener:
        options = ClientOptions(credential=credential_of(materials, choice))
        outcome = CLIENTS[name](peer, materials, listener.port, options)
        with pytest.raises(ssl.SSLError) as caught:
            listener.result()
    assert BODY not in outcome.body
    if choice == "declined":
        assert caught.value.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        said = r"certificate required|certificate_required|CERTIFICATE_REQUIRED|Certificate is required"
    else:
        assert caught.value.reason == "CERTIFICATE_VERIFY_FAILED"
        said = r"unknown ca|UNKNOWN_CA|CA is unknown"
    assert re.search(said, outcome.text), outcome.text


@pytest.mark.parametrize("fault", ["foreign", "name"])
@pytest.mark.parametrize("name", SERVERS)
def test_we_refuse_a_server(face: Face, peer: Find, materials: Materials, name: str, fault: str) -> None:
    options = ServerOptions(credential=materials.foreign_server if fault == "foreign" else materials.other_server)
    with SERVERS[name](peer, materials, options) as server, pytest.raises(ssl.SSLCertVerificationError) as caught:
        face.connect(face.client_context(materials), server.port, server.program)
    # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY and X509_V_ERR_HOSTNAME_MISMATCH
    assert caught.value.verify_code == (20 if fault == "foreign" else 62)


@pytest.mark.parametrize("fault", ["foreign", "name"])
@pytest.mark.parametrize("name", CLIENTS)
def test_client_refuses_us(face: Face, peer: Find, materials: Materials, name: str, fault: str) -> None:
    files = materials.foreign_server if fault == "foreign" else materials.other_server
    with Listener(face.server_context(files), answer(BODY)) as listener:
        outcome = CLIENTS[name](peer, materials, listener.port, ClientOptions())
        assert outcome.status != 0
        assert BODY not in outcome.body
        # An alert of the client's choice; gnutls-cli and curl look at the name after the handshake and just leave.
        with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
            listener.result()


@pytest.mark.parametrize("name", SERVERS)
def test_wrong_name_is_fine_where_it_is_not_checked(face: Face, peer: Find, materials: Materials, name: str) -> None:
    context = face.client_context(materials)
    context.check_hostname = False
    with (
        SERVERS[name](peer, materials, ServerOptions(credential=materials.other_server)) as server,
        face.connect(context, server.port, server.program) as sock,
    ):
        certificate = sock.getpeercert()
        assert certificate is not None
        assert ("DNS", OTHER_NAME) in certificate["subjectAltName"]
        fetch(sock)
