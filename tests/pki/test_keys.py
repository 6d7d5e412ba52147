"""Private keys: what loads, what is refused and with which words, and the match with a certificate."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa, x25519

from tests.support.faults import FailingFileSystem
from tlsocket.pki import files, keys, pkcs8
from tlsocket.pki.authority import Authority
from tlsocket.pki.certificates import load_chain_and_key
from tlsocket.pki.errors import (
    FileUnavailable,
    KeyMismatch,
    LoadError,
    MissingFile,
    PasswordRequired,
    UnsupportedKey,
    WrongContent,
    WrongPassword,
)
from tlsocket.pki.keys import (
    KEY_KINDS,
    check_key_fits,
    describe_key,
    generate_key,
    generate_private_key,
    load_private_key,
    private_key_der,
    private_key_pem,
    public_key_info,
    save_private_key,
)

KINDS = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"]

_FIRST_LINE, *_, _LAST_LINE = private_key_pem(generate_private_key("ed25519")).splitlines()
CUT_OFF = _FIRST_LINE + b"\nAAAA\n"
DAMAGED = CUT_OFF + _LAST_LINE + b"\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


def same(one: keys.PrivateKey, other: keys.PrivateKey) -> bool:
    return public_key_info(one.public_key()) == public_key_info(other.public_key())


@pytest.mark.parametrize("kind", KINDS)
def test_loads_what_it_wrote(kind: str) -> None:
    key = generate_private_key(kind)
    assert same(load_private_key(private_key_pem(key)), key)
    assert same(load_private_key(private_key_pem(key).decode()), key)


@pytest.mark.parametrize("format_", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
@pytest.mark.parametrize("kind", ["ecdsa-p256", "rsa-2048"])
def test_loads_every_form(
    kind: str, encoding: serialization.Encoding, format_: serialization.PrivateFormat, tmp_path: Path
) -> None:
    key = generate_private_key(kind)
    path = tmp_path / "a.key"
    path.write_bytes(key.private_bytes(encoding, format_, serialization.NoEncryption()))
    assert same(load_private_key(path), key)


@pytest.mark.parametrize("password", ["secret", b"secret", bytearray(b"secret"), lambda: "secret", lambda: b"secret"])
@pytest.mark.parametrize("form", ["pkcs8 pem", "pkcs8 der", "traditional"])
def test_opens_an_encrypted_key(password: keys.Password, form: str) -> None:
    key = generate_private_key("ecdsa-p256")
    encoding = serialization.Encoding.DER if form == "pkcs8 der" else serialization.Encoding.PEM
    traditional = form == "traditional"
    format_ = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    data = key.private_bytes(encoding, format_, serialization.BestAvailableEncryption(b"secret"))
    assert same(load_private_key(data, password), key)
    with pytest.raises(WrongPassword, match="does not open with this password"):
        load_private_key(data, "another")
    with pytest.raises(PasswordRequired, match="there is no password"):
        load_private_key(data)


def test_never_answers_a_wrong_password_from_the_cache() -> None:
    data = private_key_pem(generate_private_key("ecdsa-p256"), "secret")
    load_private_key(data, "secret")
    with pytest.raises(WrongPassword):
        load_private_key(data, "secret2")
    with pytest.raises(PasswordRequired):
        load_private_key(data)


def test_does_not_ask_for_a_password_that_is_not_needed() -> None:
    def ask() -> str:
        raise AssertionError("asked")

    load_private_key(private_key_pem(generate_private_key("ed25519")), ask)


def test_refuses_a_password_of_another_type() -> None:
    data = private_key_pem(generate_private_key("ed25519"), "x")
    with pytest.raises(TypeError, match="a password is"):
        load_private_key(data, lambda: 5)  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="1024"):
        load_private_key(data, "x" * 1025)


def test_parses_an_rsa_key_once_and_without_proof() -> None:
    data = private_key_pem(generate_private_key("rsa-2048"))
    start = time.perf_counter()
    key = load_private_key(data)
    assert time.perf_counter() - start < 0.015
    assert load_private_key(data) is key


def test_keeps_few_keys() -> None:
    first = private_key_pem(generate_private_key("ed25519"))
    key = load_private_key(first)
    for _ in range(keys._CACHE_SIZE):
        load_private_key(private_key_pem(generate_private_key("ed25519")))
    assert len(keys._cache) == keys._CACHE_SIZE
    assert load_private_key(first) is not key


def test_names_a_missing_file_and_the_current_folder(tmp_path: Path) -> None:
    path = tmp_path / "absent.key"
    with pytest.raises(MissingFile) as caught:
        load_private_key(path)
    assert isinstance(caught.value, FileNotFoundError)
    assert (caught.value.errno, caught.value.filename) == (2, str(path))
    assert str(path) in str(caught.value)
    assert os.getcwd() in caught.value.remedy


def test_names_a_folder_given_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileUnavailable, match="within that folder") as caught:
        load_private_key(tmp_path)
    assert isinstance(caught.value, OSError)


def test_names_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Not by the file's mode: the tests may run as root, who may read everything.
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FileUnavailable, match="let this user read it") as caught:
        load_private_key(tmp_path / "a.key")
    assert caught.value.errno == 13


def test_refuses_a_path_with_a_null_byte() -> None:
    with pytest.raises(FileUnavailable, match="check the path"):
        load_private_key("a\0b")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"hello\n", "neither PEM nor DER"),
        (CUT_OFF, "END line is missing"),
        (DAMAGED, "cannot be parsed"),
        (b"\x30\x03\x02\x01\x00", "cannot be parsed"),
        (b"\x30", "cannot be parsed"),
    ],
)
def test_says_what_is_wrong_with_the_content(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(content)
    with pytest.raises(WrongContent, match=words) as caught:
        load_private_key(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_says_that_a_certificate_is_no_key(authority: Authority) -> None:
    with pytest.raises(WrongContent, match="only: certificate"):
        load_private_key(authority.pem)


def test_refuses_a_file_too_large_to_be_a_key(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(WrongContent, match="larger"):
        load_private_key(path)


def test_refuses_a_key_that_cannot_sign() -> None:
    key = x25519.X25519PrivateKey.generate()
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(UnsupportedKey, match="X25519 key cannot sign"):
        load_private_key(data)


def test_accepts_the_key_of_its_certificate(authority: Authority) -> None:
    for kind in [*KINDS, "rsa-pss-2048"]:
        issued = authority.issue(key=kind)
        loaded = load_private_key(issued.key_pem())
        check_key_fits(loaded, issued.certificate, key_source="a.key", certificate_source="a.pem")


def test_tells_a_foreign_key_by_both_files(authority: Authority) -> None:
    issued = authority.issue("www.example", key="ecdsa-p256")
    other = generate_private_key("rsa-2048")
    with pytest.raises(KeyMismatch) as caught:
        check_key_fits(other, issued.certificate, key_source="a.key", certificate_source="a.pem")
    for word in ("a.key", "a.pem", "RSA 2048", "ECDSA P-256", "CN=www.example"):
        assert word in str(caught.value)


def key_and_damaged_one() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """A key, and one with the same public half whose signatures do not verify."""
    key = generate_private_key("rsa-2048")
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    damaged = rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d ^ 2, numbers.dmp1 ^ 2, numbers.dmq1, numbers.iqmp, numbers.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)
    return key, damaged


def test_tells_a_damaged_rsa_key(authority: Authority) -> None:
    key, damaged = key_and_damaged_one()
    issued = authority.issue(key=key)
    with pytest.raises(KeyMismatch, match="damaged"):
        check_key_fits(damaged, issued.certificate, key_source="a.key", certificate_source="a.pem")


def test_a_key_proves_itself_once(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts made or reloaded with the same files do not sign again."""
    key = generate_private_key("rsa-2048")
    pem = private_key_pem(key)
    issued = authority.issue(key=key)
    proofs: list[object] = []
    original = keys._prove_rsa_key

    def prove(*arguments: Any) -> None:
        proofs.append(arguments)
        original(*arguments)

    monkeypatch.setattr(keys, "_prove_rsa_key", prove)
    for _ in range(3):
        load_chain_and_key(issued.chain_pem, pem)
    assert len(proofs) == 1
    for _ in range(2):  # an object that was not loaded is nobody's to remember
        check_key_fits(key, issued.certificate, key_source="", certificate_source="")
    assert len(proofs) == 3
    monkeypatch.setattr(keys, "_CACHE_SIZE", 1)
    other = generate_private_key("rsa-2048")
    load_chain_and_key(authority.issue(key=other).chain_pem, private_key_pem(other))
    assert keys._proven.keys() == keys._cache.keys()  # what is not kept is not remembered either


def test_a_damaged_key_is_refused_each_time(authority: Authority) -> None:
    key, damaged = key_and_damaged_one()
    issued, pem = authority.issue(key=key), private_key_pem(damaged)
    for _ in range(2):
        with pytest.raises(KeyMismatch, match="damaged"):
            load_chain_and_key(issued.chain_pem, pem)


def test_openssl_takes_the_key_of_a_pss_certificate(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue(key="rsa-pss-2048").write(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    assert (os.stat(key).st_mode & 0o777) == 0o600


def test_encrypts_a_pss_key_too() -> None:
    key = generate_private_key("rsa-2048")
    assert same(load_private_key(private_key_pem(key, "x", pss_only=True), "x"), key)


@pytest.mark.parametrize("kind", [*KEY_KINDS[:5], "rsa-2056", "RSA-2048", "Ed25519"])
def test_generates_every_kind_of_key(kind: str) -> None:
    words = describe_key(generate_key(kind).public_key())
    assert words.lower().replace(" ", "-").replace("p-", "p") == kind.lower()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("rsa-1024", "2048 to 4096 bits"),
        ("rsa-8192", "2048 to 4096 bits"),
        ("rsa-2049", "no such kind"),
        ("rsa-pss-2048", "no such kind"),
        ("dsa", "use one of ecdsa-p256"),
        ("", "no such kind"),
    ],
)
def test_generates_no_weak_key_and_names_the_kinds(spec: str, words: str) -> None:
    with pytest.raises(UnsupportedKey, match=words):
        generate_key(spec)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("password", [None, "pässword", b"\xff\x00bytes"])
def test_other_programs_and_we_read_what_is_saved(
    kind: str, password: str | bytes | None, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    key = generate_private_key(kind)
    path = tmp_path / "key.pem"
    save_private_key(path, key, password)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert same(load_private_key(path, password), key)
    assert same(load_private_key(private_key_der(key, password, rounds=1000), password), key)
    secret = password.encode() if isinstance(password, str) else password
    theirs = serialization.load_pem_private_key(path.read_bytes(), secret)
    assert public_key_info(theirs.public_key()) == public_key_info(key.public_key())
    if secret is not None and b"\x00" in secret:
        return  # Passwords of programs end at the zero.
    word = tmp_path / "password"
    word.write_bytes(secret or b"unused")
    command = [peer("openssl"), "pkey", "-in", str(path), "-passin", f"file:{word}", "-pubout", "-outform", "DER"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert done.stdout == public_key_info(key.public_key())


@pytest.mark.parametrize("kind", ["ecdsa-p256", "rsa-2048", "ed25519"])
def test_gnutls_opens_what_we_encrypt(kind: str, tmp_path: Path, peer: Callable[[str], str]) -> None:
    save_private_key(tmp_path / "key.pem", generate_private_key(kind), "secret")
    command = [peer("certtool"), "--load-privkey", "key.pem", "--password", "secret", "--pubkey-info"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "BEGIN PUBLIC KEY" in done.stdout


def test_an_encrypted_key_hides_the_key_and_asks_for_many_rounds() -> None:
    key = generate_private_key("ecdsa-p256")
    written = private_key_der(key, "secret")
    assert pkcs8.rounds_asked(written) == pkcs8.DEFAULT_ROUNDS == 600_000
    assert private_key_der(key)[40:60] not in written
    assert private_key_der(key, "secret", rounds=1000) != private_key_der(key, "secret", rounds=1000), "salted"
    with pytest.raises(WrongPassword):
        load_private_key(written, "Secret")


@pytest.mark.parametrize(("password", "rounds"), [("", 1000), (2000 * "x", 1000), ("x", 0), ("x", 10**9)])
def test_a_password_or_a_count_that_makes_no_sense_is_refused(password: str, rounds: int) -> None:
    with pytest.raises(ValueError):
        private_key_der(generate_private_key("ed25519"), password, rounds=rounds)


@pytest.mark.parametrize("pem", [True, False])
def test_a_file_that_asks_for_endless_rounds_is_refused_at_once(pem: bool) -> None:
    written = private_key_der(generate_private_key("ed25519"), "secret", rounds=0x100001)
    hostile = written.replace(b"\x02\x03\x10\x00\x01", b"\x02\x03\x7f\xff\xff").replace(
        b"\x02\x03\x7f\xff\xff", b"\x02\x03\x98\x96\x81"
    )
    assert hostile != written
    content = keys._pem("ENCRYPTED PRIVATE KEY", hostile) if pem else hostile
    with pytest.raises(WrongContent, match="asks for 10000001 rounds"):
        load_private_key(content, "secret")


def test_no_password_is_in_an_error() -> None:
    written = private_key_pem(generate_private_key("ed25519"), "correct horse", rounds=1000)
    with pytest.raises(WrongPassword) as caught:
        load_private_key(written, "battery staple")
    error: BaseException | None = caught.value
    while error is not None:
        assert "battery" not in f"{error} {error!r} {error.args}"
        error = error.__cause__ or error.__context__


def test_a_key_is_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.pem"
    key, other = generate_private_key("ed25519"), generate_private_key("ed25519")
    save_private_key(path, key)
    for at in (2, 3, 4, 5):
        monkeypatch.setattr(files, "system", FailingFileSystem(at))
        with pytest.raises(FileUnavailable, match="make room"):
            save_private_key(path, other)
        monkeypatch.undo()
        assert same(load_private_key(path), key)
    with pytest.raises(FileUnavailable):
        save_private_key(path, other, replace=False)


def test_names_the_kinds_of_key_it_can_make() -> None:
    with pytest.raises(ValueError, match="use one of ecdsa-p256"):
        generate_private_key("dsa")


@pytest.mark.parametrize(
    ("kind", "words"), [("ecdsa-p384", "ECDSA P-384"), ("ed25519", "Ed25519"), ("rsa-1024", "RSA 1024")]
)
def test_describes_a_key(kind: str, words: str) -> None:
    assert describe_key(generate_private_key(kind).public_key()) == words


def test_every_load_error_names_its_source() -> None:
    with pytest.raises(LoadError) as caught:
        load_private_key(b"-----BEGIN nothing\n")
    assert caught.value.source == "the private key given as bytes"


def test_describes_strange_keys() -> None:
    assert describe_key(x25519.X25519PrivateKey.generate().public_key()) == "X25519"
    with pytest.raises(TypeError, match="can sign"):
        public_key_info(x25519.X25519PrivateKey.generate().public_key())
