"""Containers into stores and out of files on disk that other programs read; what damaged and hostile ones get."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.stores import family
from tlsocket.pki.errors import LoadError, PasswordRequired, WrongContent, WrongPassword
from tlsocket.pki.formats import writing
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.keys import private_key_pem
from tlsocket.pki.stores import CertificateStore, StoreBusy, StoreLocation, composition, transactions
from tlsocket.pki.stores.entry_file import MAXIMUM_SIZE

Peer = Callable[[str], str]
SERVER, OTHER, INTERMEDIATE, ROOT = family().server, family().other, family().intermediate, family().root
BUNDLE = writing.pkcs12(
    [
        Item(SERVER.certificate, SERVER.key, "web"),
        Item(INTERMEDIATE.certificate),
        Item(ROOT.certificate),
        Item(OTHER.certificate),
    ],
    b"pw",
    iterations=1000,
)


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    return CertificateStore("MY", StoreLocation.folder(tmp_path / "stores"))


def test_a_pkcs12_brings_key_chain_and_name(store: CertificateStore, tmp_path: Path) -> None:
    path = tmp_path / "bundle.p12"
    path.write_bytes(BUNDLE)
    entries = store.import_from(path, "pw")
    # The issuers stay with the certificate that has the key, also for the other one's sake: nothing is twice.
    assert {entry.der for entry in entries} == {SERVER.der, OTHER.der}
    web = store.resolve("web")
    assert web.has_private_key
    assert web.chain == (INTERMEDIATE.certificate, ROOT.certificate)
    # A root is kept for whoever exports the entry, and never sent.
    assert web.credentials()[0] == (SERVER.der, INTERMEDIATE.der)
    with pytest.raises(WrongPassword, match=r"bundle\.p12"):
        store.import_from(path, "wrong")
    with pytest.raises(PasswordRequired, match=r"bundle\.p12"):
        store.import_from(path)


def test_certificates_of_others_go_one_by_one(tmp_path: Path) -> None:
    store = CertificateStore("CA", StoreLocation.folder(tmp_path / "stores"))
    assert len(store.import_from(BUNDLE, "pw")) == 4
    assert not any(entry.has_private_key for entry in store)


def test_a_name_is_given_to_the_certificate_with_the_key(store: CertificateStore) -> None:
    store.import_from(writing.pem([INTERMEDIATE.certificate, SERVER.certificate], SERVER.key), friendly_name="given")
    assert store.resolve("given").der == SERVER.der


def test_a_key_alone_waits_for_its_certificate(store: CertificateStore) -> None:
    assert store.import_from(private_key_pem(SERVER.key)) == ()
    assert len(store.pending_keys()) == 1
    assert store.add(SERVER.certificate).has_private_key


def test_damaged_certificates_are_left_out_and_the_rest_comes_in(store: CertificateStore) -> None:
    bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert len(store.import_from(bad + SERVER.pem + bad)) == 1
    with pytest.raises(WrongContent):
        store.import_from(bad)


def test_openssl_gnutls_and_java_read_the_files_on_disk(peer: Peer, tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    store = CertificateStore("MY", location, password="pw")
    hard = 'a "name"\n-----BEGIN CERTIFICATE----- ü'
    entry = store.add(SERVER.certificate, SERVER.key, friendly_name=hard, chain=[INTERMEDIATE.certificate])
    assert CertificateStore("MY", location).resolve(hard).friendly_name == hard
    pem, key = (os.path.join(store.place, f"{entry.thumbprint}.{kind}") for kind in ("pem", "key"))
    root = tmp_path / "root.pem"
    root.write_bytes(ROOT.pem)

    def run(*command: str) -> str:
        result = subprocess.run(command, capture_output=True, timeout=60, text=True)
        assert result.returncode == 0, result.stderr
        return result.stdout

    openssl = peer("openssl")
    assert (
        run(openssl, "x509", "-in", pem, "-noout", "-fingerprint", "-sha256")
        .strip()
        .replace(":", "")
        .lower()
        .endswith(entry.thumbprint)
    )
    assert "OK" in run(openssl, "verify", "-CAfile", str(root), "-untrusted", pem, pem)
    public = run(openssl, "x509", "-in", pem, "-noout", "-pubkey")
    assert run(openssl, "pkey", "-in", key, "-passin", "pass:pw", "-pubout") == public
    assert Path(key).read_bytes().startswith(b"-----BEGIN ENCRYPTED")
    assert "server.example" in run(peer("certtool"), "--certificate-info", "--infile", pem)
    assert "server.example" in run(peer("keytool"), "-printcert", "-file", pem)
    import ssl

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pem, key, "pw")


def test_a_broken_entry_among_good_ones_is_reported(store: CertificateStore) -> None:
    good = store.add(SERVER.certificate)
    folder = Path(store.place)
    cases = {
        "a" * 64: b"",
        "b" * 64: SERVER.pem,
        "c" * 64: b"-----BEGIN CERTIFICATE-----\nMIIB",
        "d" * 64: b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        "e" * 64: b"\xff\xfe",
        "f" * 64: b"x" * (MAXIMUM_SIZE + 1),
    }
    for name, content in cases.items():
        (folder / f"{name}.pem").write_bytes(content)
    (folder / ("1" * 64 + ".pem")).mkdir()
    os.mkfifo(folder / ("2" * 64 + ".pem"))
    (folder / "hand-made.pem").write_bytes(OTHER.pem)
    (folder / ("3" * 64 + ".key")).write_bytes(b"")
    (folder / "notes.txt").write_text("not ours")
    path = folder / f"{good.thumbprint}.pem"
    for number, head in enumerate(
        (
            b"purposes: 5\n",
            b"archived: []\n",
            b'added-at: "x"\n',
            b"friendly-name: {\n",
            b"purposes: " + b"[" * 100_000 + b"\n",
        )
    ):
        (folder / f"{number:064}.pem").write_bytes(head + path.read_bytes())
    assert list(store) == [good]
    assert len(store.broken) == len(cases) + 9
    assert all(item.problem and item.remedy and item.path.startswith(str(folder)) for item in store.broken)
    # A person can get rid of one by its name, and everything else goes on.
    store.remove("a" * 64)
    assert len(store.broken) == len(cases) + 8
    store.add(OTHER.certificate)
    assert len(store) == 2


def test_a_file_put_there_by_hand_is_seen_by_a_running_program(store: CertificateStore) -> None:
    first = store.add(SERVER.certificate)
    second = CertificateStore("MY", StoreLocation.folder(store.place + "-other")).add(OTHER.certificate)
    content = (Path(second.place) / f"{second.thumbprint}.pem").read_bytes()
    before = store.generation
    (Path(store.place) / f"{second.thumbprint}.pem").write_bytes(content)
    assert store.generation > before
    assert set(store) == {first, second}


def test_a_damaged_file_in_disallowed_still_distrusts(tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    store = CertificateStore("ROOT", location)
    entry = store.add(ROOT.certificate)
    bad = store.distrust(entry)
    (Path(bad.place) / f"{bad.thumbprint}.pem").write_bytes(b"damaged")
    composition._shared.clear()
    assert len(store.anchors()) == 0


def test_a_writer_that_hangs_is_named(store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(SERVER.certificate)
    monkeypatch.setattr(transactions, "_LOCK_PATIENCE", 0.05)
    lock = os.path.join(store.place, ".lock")
    with transactions.exclusive(lock, "x", int), pytest.raises(StoreBusy, match=r"stores.*MY"):
        CertificateStore("MY", StoreLocation.folder(Path(store.place).parent)).add(OTHER.certificate)
    store.add(OTHER.certificate)


@pytest.mark.parametrize("content", [b"", b"garbage", BUNDLE[:-1], BUNDLE[:100], SERVER.der])
def test_a_damaged_pkcs12_store_is_a_typed_error_and_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "store.p12"
    path.write_bytes(content)
    store = CertificateStore("MY", StoreLocation.pkcs12(path), password="pw")
    with pytest.raises(LoadError, match=r"store\.p12"):
        list(store)
    with pytest.raises(LoadError, match=r"store\.p12"):
        store.add(OTHER.certificate)
    assert path.read_bytes() == content


def test_a_pkcs12_store_is_one_that_openssl_and_java_read_and_write(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "store.p12"
    (tmp_path / "in.pem").write_bytes(writing.pem([SERVER.certificate, INTERMEDIATE.certificate], SERVER.key))
    command: list[str | Path] = [
        peer("openssl"),
        "pkcs12",
        "-export",
        "-in",
        tmp_path / "in.pem",
        "-out",
        path,
        "-passout",
        "pass:pw",
    ]
    subprocess.run(command, check=True, timeout=60)
    store = CertificateStore("MY", StoreLocation.parse(path), password="pw")
    assert {entry.der for entry in store} == {SERVER.der, INTERMEDIATE.der}
    chain, _ = store.resolve("server.example").credentials()
    assert chain == (SERVER.der, INTERMEDIATE.der)
    store.add(OTHER.certificate, OTHER.key, friendly_name="second")
    listed = subprocess.run(
        [peer("keytool"), "-list", "-keystore", path, "-storepass", "pw"], capture_output=True, text=True, timeout=60
    )
    assert listed.stdout.count("PrivateKeyEntry") == 2, listed.stdout + listed.stderr
    text = subprocess.run(
        [peer("openssl"), "pkcs12", "-in", path, "-passin", "pass:pw", "-nodes"],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert text.count("END PRIVATE KEY") == 2


def test_a_pkcs12_store_without_a_password_takes_no_keys(tmp_path: Path) -> None:
    store = CertificateStore("ROOT", StoreLocation.pkcs12(tmp_path / "roots.p12"))
    store.add(ROOT.certificate, friendly_name="root", purposes=["1.3.6.1.5.5.7.3.1"])
    again = CertificateStore("ROOT", StoreLocation.pkcs12(tmp_path / "roots.p12")).resolve("root")
    assert (again.purposes, again.der) == (("1.3.6.1.5.5.7.3.1",), ROOT.der)
    with pytest.raises(PasswordRequired):
        CertificateStore("MY", StoreLocation.pkcs12(tmp_path / "my.p12")).add(SERVER.certificate, SERVER.key)
