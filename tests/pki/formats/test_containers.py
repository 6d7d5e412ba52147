"""Every form is read back as written, by us and by OpenSSL, GnuTLS and Java; and what hostile or damaged ones get."""

from __future__ import annotations

import base64
import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12 as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.authority import leaf_extensions, make
from tests.support.stores import family
from tlsocket.pki import der
from tlsocket.pki.errors import LoadError, PasswordRequired, PkiError, WrongContent, WrongPassword
from tlsocket.pki.formats import writing
from tlsocket.pki.formats.contents import Contents, Item
from tlsocket.pki.formats.pkcs12 import read_pkcs12
from tlsocket.pki.formats.reading import pem_blocks, read_contents, read_folder
from tlsocket.pki.formats.trusted import decode_oid, encode_oid, split_trusted
from tlsocket.pki.keys import private_key_der, private_key_pem, public_key_info
from tlsocket.pki.names import DistinguishedName

Peer = Callable[[str], str]
SERVER, OTHER, INTERMEDIATE, ROOT = family().server, family().other, family().intermediate, family().root
RSA = make("rsa.example", INTERMEDIATE, leaf_extensions("rsa.example"), key="rsa-2048", serial=9)
ITEMS = [
    Item(SERVER.certificate, SERVER.key, "Ünser server"),
    Item(RSA.certificate, RSA.key, "second"),
    Item(INTERMEDIATE.certificate),
    Item(ROOT.certificate),
]


def run(*command: str | os.PathLike[str], data: bytes | None = None) -> str:
    result = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode("utf-8", "replace")


def ders(contents: Contents) -> set[bytes]:
    return {item.public_bytes(serialization.Encoding.DER) for item in contents.certificates}


def keys_fit(contents: Contents) -> int:
    count = 0
    for item in contents.items:
        if item.key is not None:
            assert public_key_info(item.key.public_key()) == public_key_info(item.certificate.public_key())
            count += 1
    return count


WRITTEN: dict[str, tuple[bytes, int, int]] = {
    "pem": (writing.pem([SERVER.certificate, INTERMEDIATE.certificate]), 2, 0),
    "pem with key": (writing.pem([SERVER.certificate], SERVER.key), 1, 1),
    "pem with encrypted key": (writing.pem([SERVER.certificate], SERVER.key, b"pw"), 1, 1),
    "der": (SERVER.der, 1, 0),
    "der in a row": (SERVER.der + ROOT.der, 2, 0),
    "base64": (base64.encodebytes(SERVER.der), 1, 0),
    "p7b": (writing.pkcs7([SERVER.certificate, INTERMEDIATE.certificate]), 2, 0),
    "p7b as pem": (writing.pkcs7([SERVER.certificate, INTERMEDIATE.certificate], text=True), 2, 0),
    "p12": (writing.pkcs12(ITEMS, b"pw", iterations=1000), 4, 2),
    "java": (writing.java_trust_store(ITEMS, b"pw"), 4, 0),
    "trusted": (writing.trusted_pem(ITEMS), 4, 0),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_what_is_written_is_read(form: str, tmp_path: Path) -> None:
    data, certificates, keys = WRITTEN[form]
    path = tmp_path / "no-telling-name"
    path.write_bytes(data)
    contents = read_contents(path, "pw")
    assert len(contents.items) == certificates
    assert keys_fit(contents) == keys
    assert contents.skipped == ()
    without = read_contents(path, "pw", keys=False)
    assert (ders(without), keys_fit(without)) == (ders(contents), 0)


def test_a_password_is_asked_for_once_and_only_when_needed() -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return "pw"

    read_contents(WRITTEN["pem with key"][0], ask)
    read_contents(WRITTEN["p7b"][0], ask)
    assert asked == []
    read_contents(WRITTEN["p12"][0], ask)
    assert asked == [1]


# --- other programs ---


def test_openssl_reads_our_pkcs12(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "ours.p12"
    path.write_bytes(writing.pkcs12(ITEMS, "pässword".encode()))
    text = run(peer("openssl"), "pkcs12", "-in", path, "-passin", "pass:pässword", "-nodes")
    assert text.count("BEGIN CERTIFICATE") == 4
    assert text.count("END PRIVATE KEY") == 2
    assert "friendlyName: second" in text
    assert ders(read_contents(text.encode())) == ders(read_contents(path, "pässword"))
    run(peer("certtool"), "--p12-info", "--infile", path, "--inder", "--password", "pässword")


@pytest.mark.parametrize("options", [[], ["-legacy"], ["-certpbe", "NONE"], ["-keypbe", "NONE", "-certpbe", "NONE"]])
def test_we_read_openssl_s_pkcs12(options: list[str], peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "all.pem").write_bytes(writing.pem([SERVER.certificate, INTERMEDIATE.certificate], SERVER.key))
    command: list[str | Path] = [
        peer("openssl"),
        "pkcs12",
        "-export",
        "-in",
        tmp_path / "all.pem",
        "-out",
        tmp_path / "theirs.p12",
    ]
    result = subprocess.run(
        [*command, "-name", "given name", "-passout", "pass:pw", *options], capture_output=True, timeout=60
    )
    if result.returncode and "-legacy" in options:
        pytest.skip("this OpenSSL has no legacy provider")
    contents = read_contents(tmp_path / "theirs.p12", "pw")
    assert ders(contents) == {SERVER.der, INTERMEDIATE.der}
    assert keys_fit(contents) == 1
    assert contents.items[0].friendly_name == "given name"
    with pytest.raises(WrongPassword, match=r"theirs\.p12"):
        read_contents(tmp_path / "theirs.p12", "wrong")
    with pytest.raises(PasswordRequired, match=r"theirs\.p12"):
        read_contents(tmp_path / "theirs.p12")


def test_java_reads_our_trust_store_and_we_read_java_s(peer: Peer, tmp_path: Path) -> None:
    keytool = peer("keytool")
    path = tmp_path / "trust.p12"
    path.write_bytes(writing.java_trust_store([Item(ROOT.certificate, None, "Name"), Item(INTERMEDIATE.certificate)]))
    text = run(keytool, "-J-Xshare:auto", "-list", "-v", "-keystore", path, "-storepass", "changeit")
    assert text.count("trustedCertEntry") == 2
    assert "Alias name: name" in text
    # And one with a key, which Java opens as a key store.
    own = tmp_path / "own.p12"
    own.write_bytes(writing.pkcs12(ITEMS, b"changeit"))
    text = run(keytool, "-list", "-keystore", own, "-storepass", "changeit")
    assert text.count("PrivateKeyEntry") == 2
    theirs = tmp_path / "theirs.p12"
    dname = ["-dname", "CN=java.example", "-keyalg", "EC", "-groupname", "secp256r1"]
    for alias in ("first", "second"):
        run(keytool, "-genkeypair", "-alias", alias, *dname, "-keystore", theirs, "-storepass", "changeit")
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    run(keytool, "-importcert", "-noprompt", "-alias", "root", "-file", tmp_path / "root.pem", "-keystore", theirs,
        "-storepass", "changeit")  # fmt: skip
    contents = read_contents(theirs, "changeit")
    assert {item.friendly_name for item in contents.items} == {"first", "second", "root"}
    assert keys_fit(contents) == 2


def test_openssl_reads_our_pkcs7_and_we_read_openssl_s(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "ours.p7b"
    path.write_bytes(WRITTEN["p7b"][0])
    text = run(peer("openssl"), "pkcs7", "-inform", "DER", "-in", path, "-print_certs")
    assert ders(read_contents(text.encode())) == {SERVER.der, INTERMEDIATE.der}
    (tmp_path / "in.pem").write_bytes(ROOT.pem + SERVER.pem)
    for form in ("DER", "PEM"):
        out = tmp_path / f"theirs.{form}"
        run(peer("openssl"), "crl2pkcs7", "-nocrl", "-certfile", tmp_path / "in.pem", "-outform", form, "-out", out)
        assert ders(read_contents(out)) == {ROOT.der, SERVER.der}


def test_openssl_s_trusted_certificates_both_ways(peer: Peer, tmp_path: Path) -> None:
    purposes, refused = ("1.3.6.1.5.5.7.3.1",), ("1.3.6.1.5.5.7.3.4",)
    path = tmp_path / "ours.pem"
    path.write_bytes(writing.trusted_pem([Item(ROOT.certificate, None, "nick", purposes, refused)]))
    text = run(peer("openssl"), "x509", "-in", path, "-noout", "-text")
    assert "Trusted Uses:\n  TLS Web Server Authentication" in text
    assert "Rejected Uses:\n  E-mail Protection" in text
    assert "Alias: nick" in text
    theirs = run(
        peer("openssl"), "x509", "-addtrust", "clientAuth", "-addreject", "1.2.840.113549.1", "-setalias", "them",
        data=ROOT.pem,
    )  # fmt: skip
    (item,) = read_contents(theirs.encode()).items
    assert (item.friendly_name, item.purposes, item.refused_purposes) == (
        "them",
        ("1.3.6.1.5.5.7.3.2",),
        ("1.2.840.113549.1",),
    )


def test_openssl_finds_issuers_in_our_hashed_folder(peer: Peer, tmp_path: Path) -> None:
    folder = tmp_path / "hashed"
    again = make("Test Root", None, [], serial=2)
    paths = writing.write_folder(folder, [ROOT.certificate, again.certificate, ROOT.certificate])
    assert [path.suffix for path in paths] == [".0", ".1", ".0"]
    (tmp_path / "leaf.pem").write_bytes(SERVER.pem)
    (tmp_path / "chain.pem").write_bytes(INTERMEDIATE.pem)
    run(
        peer("openssl"),
        "verify",
        "-no-CAfile",
        "-no-CAstore",
        "-CApath",
        folder,
        "-untrusted",
        tmp_path / "chain.pem",
        tmp_path / "leaf.pem",
    )
    assert ders(read_folder(folder)) == {ROOT.der, again.der}
    plain = writing.write_folder(tmp_path / "plain", [ROOT.certificate], hashed=False)
    assert ders(read_contents(plain[0].parent)) == {ROOT.der}


def test_the_hash_of_a_name_is_openssl_s(peer: Peer) -> None:
    wide = x509.NameAttribute(x509.NameOID.COMMON_NAME, "  Wide   Öpen Space ")
    names = [x509.Name([wide, x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "ÄÖ")])]
    names += [
        DistinguishedName.parse(text).to_x509() for text in ("CN=Simple", "C=DE,OU=a+OU=B,CN=x", "E=A@B.c,DC=Org")
    ]
    for name in names:
        from cryptography.hazmat.primitives import hashes

        key = SERVER.key
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(ROOT.certificate.not_valid_before_utc)
            .not_valid_after(ROOT.certificate.not_valid_after_utc)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        assert run(peer("openssl"), "x509", "-noout", "-hash", data=pem).strip() == writing.subject_hash(name), name


def test_cryptography_agrees_on_pkcs12() -> None:
    theirs = reference.serialize_key_and_certificates(
        b"name", RSA.key, RSA.certificate, [INTERMEDIATE.certificate], serialization.BestAvailableEncryption(b"pw")
    )
    contents = read_contents(theirs, "pw")
    assert (ders(contents), keys_fit(contents)) == ({RSA.der, INTERMEDIATE.der}, 1)
    ours = reference.load_pkcs12(writing.pkcs12(ITEMS[:1], b"pw"), b"pw")
    assert ours.cert is not None
    assert ours.cert.certificate == SERVER.certificate
    java = reference.serialize_java_truststore(
        [reference.PKCS12Certificate(ROOT.certificate, b"alias")], serialization.BestAvailableEncryption(b"pw")
    )
    assert read_contents(java, "pw").items[0].friendly_name == "alias"


def test_a_pkcs12_without_a_password() -> None:
    data = writing.pkcs12([Item(ROOT.certificate)], None)
    assert ders(read_contents(data)) == {ROOT.der}
    with pytest.raises(PasswordRequired):
        writing.pkcs12(ITEMS, None)
    empty = reference.serialize_key_and_certificates(
        None, SERVER.key, SERVER.certificate, None, serialization.NoEncryption()
    )
    assert keys_fit(read_contents(empty)) == 1


# --- bad input ---

BAD = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def test_a_damaged_certificate_among_good_ones_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "mixed.pem"
    cut = b"-----BEGIN CERTIFICATE-----\nMIIB\n"
    path.write_bytes(
        SERVER.pem + BAD + cut + ROOT.pem + b"-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n" + cut
    )
    contents = read_contents(path)
    assert ders(contents) == {SERVER.der, ROOT.der}
    assert len(contents.skipped) == 3
    assert all(item.source == str(path) for item in contents.skipped)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"hello",
        BAD,
        b"-----BEGIN ",
        b"-----BEGIN CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n",
        b"0",
        b"0\x80",
        b"0\x84\xff\xff\xff\xff",
        SERVER.der[:-1],
        WRITTEN["p12"][0][:-1],
        WRITTEN["p12"][0][:60],
        WRITTEN["p7b"][0][:-9],
        b"\x30\x03\x02\x01\x03",
        b"0\x0b\x06\t*\x86H\x86\xf7\r\x01\x07\x02",
    ],
    ids=range(17),  # some hold random keys, and a name must be the same in every process
)
def test_what_holds_nothing_of_use_is_refused_with_its_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(WrongContent) as caught:
        read_contents(path, "pw")
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_a_pkcs12_that_asks_for_endless_rounds_is_refused_at_once() -> None:
    data = writing.pkcs12([Item(ROOT.certificate)], b"pw", iterations=70_000)
    rounds = der.encode_integer(70_000)
    assert data.count(rounds) == 2
    hostile = data.replace(rounds, b"\x02\x03\x7f\xff\xff")
    with pytest.raises(WrongContent, match="rounds"):
        read_contents(hostile, "pw")


def test_many_openings_without_an_end_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" * 300_000)
    with pytest.raises(WrongContent):
        read_contents(path)
    assert len(list(pem_blocks(b"-----BEGIN A-----\n" * 100_000 + b"-----END B-----\n" * 3))) <= 100_000


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_bytes_raise_only_errors_of_ours(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([form[0] for form in WRITTEN.values()]))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read_contents(bytes(changed) if bytes(changed[:1]) in (b"0", b"-") else b"\n" + changed, "pw")
        except LoadError:
            pass


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_only_errors_of_ours(content: bytes) -> None:
    for data in (
        b"0" + content,
        b"-----BEGIN CERTIFICATE-----\n" + content,
        b"\x30\x82\x00\x80\x02\x01\x03\x30" + content,
    ):
        try:
            read_contents(data, "pw")
        except PkiError:
            pass
        try:
            split_trusted(content)
        except der.DerError:
            pass


@given(st.lists(st.integers(0, 1 << 70), max_size=8), st.integers(0, 2), st.integers(0, 39))
def test_object_identifiers_survive(arcs: list[int], first: int, second: int) -> None:
    dotted = ".".join(map(str, (first, second, *arcs)))
    assert decode_oid(encode_oid(dotted)) == dotted


@pytest.mark.parametrize("text", ["", "1", "3.1", "1.40", "1.-2", "a.b", "1..2", "1.2.", "9" * 5000])
def test_what_is_no_object_identifier(text: str) -> None:
    with pytest.raises(der.DerError):
        encode_oid(text)


def test_keys_without_certificates_are_found(tmp_path: Path) -> None:
    for data in (private_key_pem(SERVER.key), private_key_der(SERVER.key), private_key_der(SERVER.key, "pw", rounds=9)):
        contents = read_contents(data, "pw")
        assert len(contents.keys) == 1
        assert contents.items == ()


def test_a_folder_with_everything_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(SERVER.pem + BAD)
    (tmp_path / "b.der").write_bytes(SERVER.der)
    (tmp_path / "README").write_text("words")
    (tmp_path / "c.p12").write_bytes(WRITTEN["p12"][0])
    (tmp_path / "bad.pem").write_bytes(BAD)
    (tmp_path / ".hidden").write_bytes(ROOT.pem)
    (tmp_path / "sub").mkdir()
    contents = read_folder(tmp_path, "pw", keys=True)
    assert ders(contents) == {SERVER.der, RSA.der, INTERMEDIATE.der, ROOT.der}
    assert keys_fit(contents) == 2
    assert sorted(Path(item.source).name for item in contents.skipped) == ["a.pem", "bad.pem"]
    with pytest.raises(LoadError, match="absent"):
        read_folder(tmp_path / "absent")


def test_bags_are_read_however_they_are_nested() -> None:
    bags = read_pkcs12(WRITTEN["p12"][0], b"pw", "x")
    assert sum(bag.key is not None for bag in bags) == 2
    assert sum(bag.certificate is not None for bag in bags) == 4
