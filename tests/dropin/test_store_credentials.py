"""`load_cert_chain` with entries of stores, chains completed from CA stores, and DISALLOWED that wins."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

import tlsocket
from tests.support.authority import Made, authority_extensions, key_usage, make
from tests.support.stores import family, isolate
from tlsocket.pki.keys import private_key_pem
from tlsocket.pki.stores import CertificateStore, EntryNotFound, StoreLocation
from tlsocket.pki.stores.credentials import choose_client, choose_server, complete_chain

SERVER, OTHER, INTERMEDIATE, ROOT = family().server, family().other, family().intermediate, family().root
MACHINE, USER = StoreLocation.LOCAL_MACHINE, StoreLocation.CURRENT_USER


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    isolate(monkeypatch, tmp_path_factory.mktemp("places"), (ROOT.certificate,))
    monkeypatch.setattr("tlsocket.pki.keys.private_key_pem.__kwdefaults__", {"pss_only": False, "rounds": 1000})


def files(folder: Path, made: Made) -> tuple[Path, Path]:
    (folder / "cert.pem").write_bytes(made.pem)
    (folder / "key.pem").write_bytes(private_key_pem(made.key))
    return folder / "cert.pem", folder / "key.pem"


def client_sees(server: tlsocket.SSLContext, name: str = "server.example") -> list[bytes]:
    """The chain that a client of OpenSSL verifies, trusting the root only; raises what it raises."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=ROOT.der)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends: list[Any] = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    peer = ends[0]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
        if not ends:
            return [peer.getpeercert(binary_form=True) or b""]
    raise AssertionError("the handshake did not end")


def server_context() -> tlsocket.SSLContext:
    return tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)


@pytest.mark.parametrize("location", [MACHINE, USER, StoreLocation.memory()], ids=["machine", "user", "memory"])
def test_a_server_takes_its_credentials_from_my(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password="pw")
    store.add(SERVER.certificate, SERVER.key, chain=[INTERMEDIATE.certificate])
    context = server_context()
    context.load_cert_chain(choose_server(store, "server.example"))
    assert client_sees(context) == [SERVER.der]


def test_the_password_may_be_given_with_the_entry() -> None:
    CertificateStore("MY", USER, password="pw").add(SERVER.certificate, SERVER.key)
    entry = CertificateStore("MY", USER).resolve("server.example")
    with pytest.raises(ssl.SSLError, match="encrypted"):
        server_context().load_cert_chain(entry)
    with pytest.raises(ssl.SSLError, match="password"):
        server_context().load_cert_chain(entry, password="wrong")
    server_context().load_cert_chain(entry, password="pw")
    server_context().load_cert_chain(entry, password=lambda: "pw")
    with pytest.raises(TypeError):
        server_context().load_cert_chain(entry, "key.pem", "pw")


def test_a_file_without_its_intermediate_is_completed_from_the_ca_stores(tmp_path: Path) -> None:
    cert, key = files(tmp_path, SERVER)
    context = server_context()
    context.load_cert_chain(cert, key)
    with pytest.raises(ssl.SSLCertVerificationError):
        client_sees(context)
    CertificateStore("CA", MACHINE).add(INTERMEDIATE.certificate)
    for source in (cert, SERVER.pem, SERVER.certificate):
        completed = server_context()
        completed.load_cert_chain(source, key)
        assert client_sees(completed) == [SERVER.der]
    # What is complete stays as it is, and a root is never sent.
    CertificateStore("CA", USER).add(ROOT.certificate)
    assert complete_chain([SERVER.der]) == (SERVER.der, INTERMEDIATE.der)
    assert complete_chain([SERVER.der, INTERMEDIATE.der]) == (SERVER.der, INTERMEDIATE.der)
    assert complete_chain([ROOT.der]) == (ROOT.der,)


@pytest.mark.parametrize("location", [MACHINE, USER], ids=str)
@pytest.mark.parametrize("which", [SERVER, INTERMEDIATE], ids=["leaf", "intermediate"])
def test_what_is_disallowed_is_no_credential(which: Made, location: StoreLocation, tmp_path: Path) -> None:
    cert, key = files(tmp_path, SERVER)
    cert.write_bytes(SERVER.pem + INTERMEDIATE.pem)
    store = CertificateStore("MY", USER)
    entry = store.add(SERVER.certificate, SERVER.key, chain=[INTERMEDIATE.certificate])
    server_context().load_cert_chain(cert, key)
    server_context().load_cert_chain(entry)
    CertificateStore("DISALLOWED", location).add(which.certificate)
    for arguments in ((cert, key), (entry,)):
        with pytest.raises(ssl.SSLError, match="DISALLOWED"):
            server_context().load_cert_chain(*arguments)
    CertificateStore("DISALLOWED", location).remove(which.certificate)
    server_context().load_cert_chain(entry)


def test_a_disallowed_intermediate_does_not_complete_a_chain() -> None:
    CertificateStore("CA", MACHINE).add(INTERMEDIATE.certificate)
    assert len(complete_chain([SERVER.der])) == 2
    CertificateStore("DISALLOWED", MACHINE).add(INTERMEDIATE.certificate)
    assert complete_chain([SERVER.der]) == (SERVER.der,)


def test_an_entry_without_a_key_is_no_credential() -> None:
    entry = CertificateStore("MY", USER).add(SERVER.certificate)
    with pytest.raises(ssl.SSLError, match="no private key"):
        server_context().load_cert_chain(entry)


def test_a_client_is_chosen_by_the_authorities_that_the_server_names() -> None:
    store = CertificateStore("MY", StoreLocation.memory())
    usages = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False), (key_usage(), True)]
    short = make("short", INTERMEDIATE, usages, serial=5)
    longer = make("longer", INTERMEDIATE, usages, serial=6, days=60)
    elsewhere = make("elsewhere", None, usages, serial=7, days=900)
    store.add(SERVER.certificate, SERVER.key)
    with pytest.raises(EntryNotFound):
        choose_client(store)
    for made in (short, longer, elsewhere):
        assert isinstance(made.key, ec.EllipticCurvePrivateKey)
        store.add(made.certificate, made.key, chain=[INTERMEDIATE.certificate] if made is not elsewhere else [])
    root, intermediate = ROOT.certificate.subject.public_bytes(), INTERMEDIATE.certificate.subject.public_bytes()
    assert choose_client(store).der == elsewhere.der
    assert choose_client(store, [root]).der == longer.der
    assert choose_client(store, [intermediate]).der == longer.der
    store.distrust(longer.certificate)
    assert choose_client(store, [root]).der == short.der
    with pytest.raises(EntryNotFound):
        choose_client(store, [SERVER.certificate.subject.public_bytes()])
    with pytest.raises(EntryNotFound):
        choose_server(store, "nobody.example")


def test_a_machine_without_stores_loads_none_of_this(tmp_path: Path) -> None:
    import subprocess
    import sys

    cert, key = files(tmp_path, SERVER)
    code = (
        "import sys, tlsocket; import tlsocket.pki.stores.locations as l; l.MACHINE_FOLDER='/nonexistent';"
        "context = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER); context.load_cert_chain(*sys.argv[1:]);"
        "print('tlsocket.pki.stores.store' in sys.modules)"
    )
    import os

    result = subprocess.run(
        [sys.executable, "-c", code, str(cert), str(key)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "none")},
    )
    assert result.stdout.strip() == "False", result.stderr


def test_a_service_without_a_home_uses_the_machine_s_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/nonexistent")
    own = make("Own Root", None, [], serial=3)
    CertificateStore("ROOT", MACHINE).add(own.certificate)
    CertificateStore("CA", MACHINE).add(INTERMEDIATE.certificate)
    CertificateStore("MY", MACHINE).add(SERVER.certificate, SERVER.key)
    context = server_context()
    context.load_default_certs(tlsocket.Purpose.CLIENT_AUTH)
    assert context.cert_store_stats()["x509"] == 2
    context.load_cert_chain(CertificateStore("MY").resolve("server.example"))
    assert client_sees(context) == [SERVER.der]
    CertificateStore("DISALLOWED", MACHINE).add(SERVER.certificate)
    with pytest.raises(ssl.SSLError, match="DISALLOWED"):
        server_context().load_cert_chain(CertificateStore("MY").resolve("server.example"))


def test_a_client_answers_out_of_a_store(tmp_path: Path) -> None:
    """By the authorities that the server names; whoever has none that fits sends none."""
    usages = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False), (key_usage(), True)]
    other_root = make("another root", None, authority_extensions())
    third_root = make("a third root", None, authority_extensions())
    mine, theirs = make("mine", INTERMEDIATE, usages, serial=8), make("theirs", other_root, usages, serial=9, days=90)
    store = CertificateStore("MY", StoreLocation.memory())
    store.add(mine.certificate, mine.key, chain=[INTERMEDIATE.certificate])
    store.add(theirs.certificate, theirs.key)
    cert, key = files(tmp_path, SERVER)
    cert.write_bytes(SERVER.pem + INTERMEDIATE.pem)
    client = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=ROOT.der)
    client.use_client_store(store)
    for authority, expected in ((ROOT, mine), (other_root, theirs), (third_root, None)):
        server = server_context()
        server.load_cert_chain(cert, key)
        server.verify_mode = ssl.CERT_OPTIONAL
        server.load_verify_locations(cadata=authority.der)
        assert server_sees(client, server) == (None if expected is None else expected.der)
    store.remove(mine.certificate)
    server = server_context()
    server.load_cert_chain(cert, key)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=ROOT.der)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        server_sees(client, server)


def server_sees(client: tlsocket.SSLContext, server: tlsocket.SSLContext) -> bytes | None:
    """The certificate that a server verified, if one came. Ours, since `ssl` names no authorities."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client.wrap_bio(to_client, to_server, server_hostname="server.example")
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    waiting: list[Any] = [client_end, server_end]
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
        if not waiting:
            certificate = server_end.getpeercert(binary_form=True)
            assert not isinstance(certificate, dict)
            return certificate
    raise AssertionError("the handshake did not end")
