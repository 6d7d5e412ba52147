"""Trust anchors: every source, bad certificates among good ones, and the platform's set shared and refreshed."""

from __future__ import annotations

import os
import subprocess
import timeit
from collections.abc import Callable
from pathlib import Path

import pytest

from tlsocket.pki.authority import Authority
from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import FileUnavailable, MissingFile, VerificationFailed, WrongContent
from tlsocket.pki.trust import anchors as module
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.verifier import Verifier

BAD = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def pair() -> tuple[Authority, Authority]:
    return Authority.create("one"), Authority.create("two")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(module, "_platform", None)


def test_loads_from_a_file_bytes_text_and_der(pair: tuple[Authority, Authority], tmp_path: Path) -> None:
    one, two = pair
    path = tmp_path / "ca.pem"
    path.write_bytes(one.pem + two.pem)
    for source in (path, str(path), path.read_bytes(), path.read_text(), one.der + two.der):
        loaded = TrustAnchors.load(source)
        assert loaded.ders() == (one.der, two.der)
        assert one.certificate in loaded
        assert two.der in loaded


def test_leaves_out_what_cannot_be_read(pair: tuple[Authority, Authority]) -> None:
    loaded = TrustAnchors.load(pair[0].pem + BAD + pair[1].pem)
    assert len(loaded) == 2
    assert [skipped.why for skipped in loaded.skipped] == ["certificate number 2 cannot be parsed"]


@pytest.mark.parametrize("content", [b"", b"hello\n", BAD, b"\x30\x82\x01\x00"])
def test_refuses_a_file_without_any(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(WrongContent) as caught:
        TrustAnchors.load(path)
    assert str(path) in str(caught.value)


def test_heeds_openssl_s_trusted_form(
    pair: tuple[Authority, Authority], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    (tmp_path / "ca.pem").write_bytes(pair[0].pem)
    for option, purposes, rejected in (
        ("-addtrust", frozenset({Purpose.CLIENT}), frozenset()),
        ("-addreject", None, frozenset({Purpose.CLIENT})),
    ):
        command = [peer("openssl"), "x509", "-in", "ca.pem", "-trustout", option, "clientAuth", "-out", "trusted.pem"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)
        loaded = TrustAnchors.load((tmp_path / "trusted.pem").read_bytes() + pair[1].pem)
        assert set(loaded.ders()) == {pair[0].der, pair[1].der}
        constraints = loaded.constraints_of(pair[0].der)
        assert constraints is not None
        assert (constraints.purposes, constraints.rejected_purposes) == (purposes, rejected)
        assert loaded.constraints_of(pair[1].der) is None
        assert loaded.generation != TrustAnchors.load(pair[0].pem + pair[1].pem).generation
    text = BAD.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE")
    loaded = TrustAnchors.load(text + pair[1].pem)
    assert [skipped.why for skipped in loaded.skipped] == ["a TRUSTED CERTIFICATE block in it cannot be parsed"]


def test_names_missing_places(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"absent\.pem"):
        TrustAnchors.load(tmp_path / "absent.pem")
    with pytest.raises(FileUnavailable, match="absent"):
        TrustAnchors.load_folder(tmp_path / "absent")


def test_loads_a_folder_whatever_the_names(pair: tuple[Authority, Authority], tmp_path: Path) -> None:
    one, two = pair
    (tmp_path / "1a2b3c4d.0").write_bytes(one.pem)
    (tmp_path / "two.der").write_bytes(two.der)
    (tmp_path / "again.pem").write_bytes(one.pem)
    (tmp_path / "README").write_text("not a certificate")
    (tmp_path / "bad.pem").write_bytes(BAD)
    (tmp_path / "dangling.pem").symlink_to(tmp_path / "nowhere")
    loaded = TrustAnchors.load_folder(tmp_path)
    assert set(loaded.ders()) == {one.der, two.der}
    assert [Path(skipped.source).name for skipped in loaded.skipped] == ["bad.pem"]


def test_union_has_both_and_its_generation_tells_contents(pair: tuple[Authority, Authority]) -> None:
    one, two = (TrustAnchors([authority.certificate]) for authority in pair)
    both = one | two
    assert len(both) == 2
    assert both.generation == (two | one).generation
    assert len({one.generation, two.generation, both.generation, TrustAnchors().generation}) == 4
    assert (one | TrustAnchors()) is one
    assert (TrustAnchors() | one) is one


def test_platform_reads_what_the_environment_names(
    pair: tuple[Authority, Authority], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    one.write(tmp_path / "one.pem")
    folder = tmp_path / "folder"
    folder.mkdir()
    two.write(folder / "two.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "one.pem"))
    assert TrustAnchors.platform().ders() == (one.der,)
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'absent'}{os.pathsep}{folder}")
    loaded = TrustAnchors.platform()
    assert loaded.ders() == (one.der, two.der)
    assert "absent" in loaded.skipped[0].source


def test_platform_is_shared_and_read_anew_when_changed(
    pair: tuple[Authority, Authority], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bundle.pem"
    pair[0].write(path)
    monkeypatch.setattr(module, "PLATFORM_FILES", (str(tmp_path / "absent"), str(path)))
    first = TrustAnchors.platform()
    assert TrustAnchors.platform() is first
    assert min(timeit.repeat(TrustAnchors.platform, number=10)) / 10 < 0.0001
    path.write_bytes(pair[0].pem + pair[1].pem)
    assert len(TrustAnchors.platform()) == 2
    assert len(first) == 1


def test_platform_falls_back_to_folders(
    pair: tuple[Authority, Authority], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair[0].write(tmp_path / "ca.pem")
    monkeypatch.setattr(module, "PLATFORM_FILES", ())
    monkeypatch.setattr(module, "PLATFORM_FOLDERS", (str(tmp_path),))
    assert TrustAnchors.platform().ders() == (pair[0].der,)


def test_empty_platform_is_told_at_verification(
    pair: tuple[Authority, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLATFORM_FILES", ())
    monkeypatch.setattr(module, "PLATFORM_FOLDERS", ())
    found = TrustAnchors.platform()
    assert not found
    with pytest.raises(VerificationFailed, match=r"there are none.*ca-certificates"):
        Verifier(found).verify_server(pair[0].issue("a.example").chain, "a.example", 1.9e9)


def test_repr_tells_number_and_origin(pair: tuple[Authority, Authority]) -> None:
    assert repr(TrustAnchors([pair[0].certificate], origin="here")) == "<TrustAnchors 1 from here>"
