"""`request`, `ca`, `show` and `verify`: the rules of the command line, and what bad input gets."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tl(tmp_path: Path) -> Run:
    """The command in a folder and with stores of the test's own; `status` is what it has to exit with."""
    here = tmp_path / "here"
    here.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TLSOCKET_")}
    environment.pop("INVOCATION_ID", None)
    environment |= {"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}

    def call(
        *arguments: str, status: int = 0, stdin: str = "", blocks: int | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        # No file can grow beyond so many KiB: a disk that is full for all but the smallest.
        small = [] if blocks is None else ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "bash"]
        # Coverage's own file has no room there either, and it says so on standard error.
        unmeasured = {"COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"} if small else set()
        done = subprocess.run(
            [*small, sys.executable, "-m", "tlsocket", *arguments],
            cwd=here,
            env={name: value for name, value in {**environment, **variables}.items() if name not in unmeasured},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        if status and status != 2:
            assert done.stderr.startswith("tlsocket: ") or not done.stderr
        return done

    return call


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


def items(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    said = json.loads(done.stdout)
    assert said["schema"] == "tlsocket/1"
    found = said["items"]
    assert isinstance(found, list)
    return found


def authority(tl: Run, *more: str) -> None:
    tl("ca", "create", "home", "--subject", "CN=Home", "-o", "home.pem", *more)


def test_a_request_keeps_its_key_and_the_certificate_finds_it(tl: Run, here: Path) -> None:
    authority(tl)
    tl("request", "new", "--subject", "CN=a.example", "--san", "dns:a.example", "-o", "a.csr")
    # Authorities send PEM, DER or PKCS #7; openssl judges the request.
    subprocess.run(["openssl", "req", "-in", "a.csr", "-verify", "-noout"], cwd=here, check=True, capture_output=True)
    tl("ca", "issue", "a.csr", "--ca", "home", "-o", "a.pem")
    subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", "a.pem", "-out", "a.p7b"], cwd=here, check=True)
    tl("store", "add", "a.p7b")
    (entry,) = items(tl("store", "list", "--json"))
    assert entry["has_private_key"]


def test_nothing_is_overwritten_without_force(tl: Run, here: Path) -> None:
    authority(tl)
    (here / "a.csr").write_text("mine")
    arguments = ["request", "new", "--subject", "CN=a", "--san", "dns:a.example", "-o", "a.csr"]
    assert "--force" in tl(*arguments, status=1).stderr
    assert (here / "a.csr").read_text() == "mine"
    tl(*arguments, "--force")
    tl("ca", "issue", "a.csr", "--ca", "home", "-o", "a.csr", status=1)
    assert len(items(tl("ca", "list", "--ca", "home", "--json"))) == 0, "nothing is issued that has no place to go"


def test_a_request_goes_through_pipes(tl: Run) -> None:
    authority(tl)
    asked = tl("request", "new", "--subject", "CN=a", "--san", "dns:a.example", "-o", "-")
    assert asked.stdout.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    issued = tl("ca", "issue", "-", "--ca", "home", stdin=asked.stdout)
    assert issued.stdout.startswith("-----BEGIN CERTIFICATE-----")
    assert "issued under the profile server" in issued.stderr


def test_an_encrypted_authority_asks_for_its_password(tl: Run, here: Path, tmp_path: Path) -> None:
    (here / "password").write_text("correct horse\n")
    authority(tl, "--password-file", "password")
    key = tmp_path / "data" / "tlsocket" / "authorities" / "home" / "authority.key"
    assert b"ENCRYPTED" in key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    tl("request", "new", "--subject", "CN=a", "--san", "dns:a.example", "-o", "a.csr")
    assert "--password-file" in tl("ca", "issue", "a.csr", "--ca", "home", status=2).stderr
    (here / "wrong").write_text("wrong\n")
    assert "password" in tl("ca", "issue", "a.csr", "--ca", "home", "--password-file", "wrong", status=1).stderr
    tl("ca", "issue", "a.csr", "--ca", "home", "-o", "a.pem", TLSOCKET_PASSWORD_FILE="password")
    # The ledger is no secret of the key's.
    tl("ca", "revoke", "a", "--ca", "home", "--reason", "superseded")
    (entry,) = items(tl("ca", "list", "--ca", "home", "--json"))
    assert (entry["state"], entry["reason"]) == ("revoked", "superseded")
    assert entry["revoked_at"].endswith("Z")


def test_an_intermediate_below_a_root(tl: Run, here: Path) -> None:
    authority(tl)
    tl("ca", "create", "office", "--subject", "CN=Office", "--parent", "home")
    tl("request", "new", "--subject", "CN=a", "--san", "dns:a.example", "--ca", "office", "-o", "a.pem")
    chain = x509.load_pem_x509_certificates((here / "a.pem").read_bytes())
    assert [certificate.subject.rfc4514_string() for certificate in chain] == ["CN=a", "CN=Office"]
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", "home.pem", "-untrusted", "a.pem", "a.pem"],
        cwd=here, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "verdict: good" in tl("verify", "a.pem", "--host", "a.example").stdout


def test_names_that_fit_several_certificates_are_listed(tl: Run) -> None:
    authority(tl)
    arguments = ["request", "new", "--subject", "CN=a", "--san", "dns:a.example", "--ca", "home"]
    tl(*arguments, "-o", "one.pem")
    tl(*arguments, "-o", "two.pem")
    ambiguous = tl("ca", "revoke", "a.example", "--ca", "home", "--reason", "superseded", status=2)
    assert len(ambiguous.stderr.splitlines()) == 3
    prefix = ambiguous.stderr.splitlines()[1].split()[0]
    tl("ca", "revoke", prefix, "--ca", "home", "--reason", "superseded")
    # Now only one of them still counts.
    tl("ca", "renew", "a.example", "--ca", "home", "-o", "three.pem")
    serial = items(tl("show", "three.pem", "--json"))[0]["serial"]
    tl("ca", "revoke", serial, "--ca", "home", "--reason", "superseded")
    tl("ca", "revoke", serial, "--ca", "home", "--reason", "superseded", status=1)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["request", "new"], 2, "--subject"),
        (["request", "new", "--subject", "CN=a,,C=DE"], 2, "column"),
        (["request", "new", "--subject", "CN=a", "--san", "host:a"], 2, "dns:"),
        (["request", "new", "--subject", "CN=a", "--key", "rsa-512"], 2, "ecdsa-p256"),
        (["request", "new", "--subject", "CN=a", "--with-key"], 2, "--ca"),
        (["request", "new", "--subject", "CN=a", "--ca", "nobody"], 1, "create"),
        (["request", "show", "missing.csr"], 3, "missing.csr"),
        (["request", "show", "garbage"], 3, "garbage"),
        (["ca", "issue", "garbage", "--ca", "home"], 3, "garbage"),
        (["ca", "list", "--ca", "nobody"], 1, "nobody"),
        (["ca", "revoke", "x", "--ca", "home"], 2, "--reason"),
        (["ca", "revoke", "x", "--ca", "home", "--reason", "boredom"], 2, "keyCompromise"),
        (["ca", "revoke", "x", "--ca", "home", "--reason", "superseded"], 1, "ca list"),
        (["ca", "ocsp", "garbage", "--ca", "home"], 2, "-o"),
        (["ca", "create", "home", "--subject", "CN=Home"], 1, "home"),
        (["ca", "create", "../x", "--subject", "CN=Home"], None, "x"),
        (["ca", "list", "--location", "file.p12"], 3, "folder"),
        (["show", "missing"], 3, "HOST:PORT"),
        (["show", "garbage"], 3, "garbage"),
        (["show", "empty"], 3, "empty"),
        (["show", "127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["verify", "missing"], 3, "missing"),
        (["verify", "garbage"], 3, "garbage"),
        (["verify", "home.pem", "--roots", "home.pem", "--store", "ROOT"], 2, "exclude"),
        (["verify", "home.pem", "--at", "yesterday"], 2, "2027"),
        (["verify", "home.pem", "--crl", "garbage"], 3, "garbage"),
        (["verify", "home.pem", "--ocsp", "garbage"], 3, "OCSP"),
        (["verify", "home.pem", "--host", "no host"], 1, "no host"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_that_says_what_to_do(
    arguments: list[str], status: int | None, words: str, here: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from tlsocket.cli.root import run

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "garbage").write_bytes(b"\x30\x82\xff\xff garbage")
    (here / "empty").touch()
    assert run(["ca", "create", "home", "--subject", "CN=Home", "-o", "home.pem"]) == 0
    capsys.readouterr()
    before = sorted(path.name for path in here.iterdir())
    got = run(arguments)
    said = capsys.readouterr()
    assert got == status if status is not None else got in (1, 2), said.err
    assert words in said.err
    if got != 2:
        assert said.err.count("\n") == 1
    assert sorted(path.name for path in here.iterdir()) == before


def test_show_knows_what_is_in_a_file(tl: Run, here: Path) -> None:
    authority(tl)
    arguments = ["--subject", "CN=a", "--san", "dns:a.example", "--ca", "home", "--with-key"]
    tl("request", "new", *arguments, "-o", "a.pem")
    tl("request", "new", "--subject", "CN=b", "--san", "dns:b.example", "-o", "b.csr")
    tl("ca", "crl", "--ca", "home", "-o", "home.crl")
    (here / "secret").write_text("secret\n")
    for command in (
        "openssl x509 -in home.pem -outform DER -out home.der",
        "openssl req -in b.csr -outform DER -out b.der",
        "openssl crl -in home.crl -outform DER -out crl.der",
        "openssl pkcs12 -export -in a.pem -out a.p12 -passout file:secret",
        "openssl pkey -in a.pem -out key.der -outform DER",
        "openssl pkey -in a.pem -aes256 -passout file:secret -out key.pem",
        "openssl pkey -in a.pem -pubout -out public.pem",
        "openssl crl2pkcs7 -nocrl -certfile home.pem -outform DER -out home.p7b",
    ):
        subprocess.run(command.split(), cwd=here, check=True, capture_output=True)

    def kinds(*command: str) -> list[str]:
        return [item["type"] for item in items(tl("show", *command, "--json"))]

    assert kinds("a.pem") == ["private key", "certificate"]
    assert kinds("home.der") == kinds("home.p7b") == ["certificate"]
    assert kinds("b.der") == kinds("b.csr") == ["request"]
    assert kinds("crl.der") == kinds("home.crl") == ["revocation list"]
    assert kinds("key.der") == kinds("key.pem") == ["private key"]
    assert kinds("public.pem") == ["public key"]
    assert kinds("a.p12", "--password-file", "secret") == ["certificate"]
    assert "with its private key" in tl("show", "a.p12", "--password-file", "secret").stdout
    assert "encrypted" in tl("show", "key.pem").stdout
    assert "ECDSA P-256" in tl("show", "key.pem", "--password-file", "secret").stdout
    assert "password" in tl("show", "a.p12", status=2).stderr
    (here / "wrong").write_text("wrong\n")
    assert "a.p12" in tl("show", "a.p12", "--password-file", "wrong", status=1).stderr
    # No part of a private key is shown.
    private = (here / "a.pem").read_text().partition("-----END")[0].splitlines()[1]
    assert private not in tl("show", "a.pem").stdout

    whole = (here / "home.pem").read_text()
    (here / "mixed.pem").write_text(whole[:200] + "\n" + whole)
    done = tl("show", "mixed.pem", status=1)
    assert "cut off" in done.stdout
    assert "CN=Home" in done.stdout


def test_no_room_for_a_ledger_is_an_input_output_error_and_leaves_nothing(tl: Run, tmp_path: Path) -> None:
    done = tl("ca", "create", "home", "--subject", "CN=Home", blocks=8, status=3)
    assert done.stderr.count("\n") == 1
    assert "nothing was changed" in done.stderr
    assert os.listdir(tmp_path / "data" / "tlsocket" / "authorities") == []
    tl("ca", "create", "home", "--subject", "CN=Home")


def test_a_request_with_a_wrong_signature(tl: Run, here: Path) -> None:
    tl("request", "new", "--subject", "CN=a", "--san", "dns:a.example", "-o", "a.csr")
    data = bytearray(x509.load_pem_x509_csr((here / "a.csr").read_bytes()).public_bytes(Encoding.DER))
    data[-1] ^= 1
    (here / "bad.csr").write_bytes(data)
    assert "wrong" in tl("request", "show", "bad.csr", status=1).stdout
    assert items(tl("request", "show", "bad.csr", "--json", status=1))[0]["signature_valid"] is False
    authority(tl)
    assert "not signed" in tl("ca", "issue", "bad.csr", "--ca", "home", status=1).stderr


def test_verify_tells_programs_the_reason(tl: Run) -> None:
    authority(tl)
    arguments = ["--subject", "CN=a", "--san", "dns:a.example", "--ca", "home"]
    tl("request", "new", *arguments, "-o", "a.pem")
    (good,) = items(tl("verify", "a.pem", "--host", "a.example", "--json"))
    assert (good["verdict"], len(good["path"]), good["verify_code"]) == ("good", 2, 0)
    for more, reason, code in (
        (["--host", "b.example"], "hostname_mismatch", 62),
        (["--at", "2090-01-01"], "expired", 10),
        (["--at", "2000-01-01T00:00:00Z"], "not_yet_valid", 9),
        (["--purpose", "client"], "invalid_purpose", 26),
        (["--store", "TRUSTED_PEOPLE"], "unknown_issuer", 20),
    ):
        (item,) = items(tl("verify", "a.pem", *more, "--json", status=1))
        assert (item["verdict"], item["reason"], item["verify_code"]) == ("refused", reason, code)
        assert item["remedy"]
    for profile in ("strict", "openssl", "webpki"):
        tl("verify", "a.pem", "--profile", profile)
    tl("store", "distrust", "Home", "--store", "ROOT")
    (item,) = items(tl("verify", "a.pem", "--json", status=1))
    assert item["reason"] == "distrusted"


def test_ocsp_is_accepted_by_openssl_and_by_verify(tl: Run, here: Path) -> None:
    authority(tl)
    tl("request", "new", "--subject", "CN=a", "--san", "dns:a.example", "--ca", "home", "-o", "a.pem")
    make = "openssl ocsp -issuer home.pem -cert a.pem -reqout a.request -no_nonce"
    subprocess.run(make.split(), cwd=here, check=True, capture_output=True)
    tl("ca", "ocsp", "a.request", "--ca", "home", "-o", "a.ocsp")
    judge = "openssl ocsp -issuer home.pem -cert a.pem -respin a.ocsp -CAfile home.pem -no_nonce"
    done = subprocess.run(judge.split(), cwd=here, capture_output=True, text=True, check=True)
    assert "a.pem: good" in done.stdout
    tl("verify", "a.pem", "--ocsp", "a.ocsp")
    tl("ca", "revoke", "a", "--ca", "home", "--reason", "keyCompromise")
    tl("ca", "ocsp", "a.request", "--ca", "home", "-o", "a.ocsp", "--force")
    assert "revoked" in tl("verify", "a.pem", "--ocsp", "a.ocsp", status=1).stdout
