"""The system's own certificates: bundles, folders, OpenSSL's trust settings, what is blocked; Windows by a stand-in.

There is no Windows here: `enumerate_certificates` stands in for that one function of the platform and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.stores import family
from tlsocket.pki.formats import writing
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.stores import (
    CertificateStore,
    Distrust,
    FindType,
    ReadOnlyStore,
    StoreLocation,
    composition,
)
from tlsocket.pki.stores.layers import thumbprint_of
from tlsocket.pki.stores.platform import platform_layer
from tlsocket.pki.trust.anchors import platform_places

ROOT, INTERMEDIATE, SERVER = family().root, family().intermediate, family().server
MACHINE = StoreLocation.LOCAL_MACHINE


def machine(name: str) -> set[bytes]:
    return {entry.der for entry in CertificateStore(name, MACHINE)}


def test_self_issued_ones_are_roots_and_others_intermediates(places: Path) -> None:
    (places / "bundle.pem").write_bytes(ROOT.pem + INTERMEDIATE.pem)
    assert machine("ROOT") == {ROOT.der}
    assert machine("CA") == {INTERMEDIATE.der}
    assert machine("MY") == machine("TRUSTED_PEOPLE") == machine("SPC") == set()


def test_a_changed_bundle_is_seen_by_a_running_program(places: Path) -> None:
    store = CertificateStore("ROOT", MACHINE)
    before = store.generation
    assert len(store) == 1
    (places / "bundle.pem").write_bytes(b"# nothing left\n")
    assert len(store) == 0
    assert store.generation > before
    assert [item.path for item in store.broken] == [str(places / "bundle.pem")]


@pytest.mark.parametrize("hashed", [True, False])
def test_folders_and_openssl_s_trust_settings(hashed: bool, places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = places / "certs"
    writing.write_folder(folder, [ROOT.certificate], hashed=hashed)
    trusted = Item(SERVER.certificate, None, "", ("1.3.6.1.5.5.7.3.1",), ("1.3.6.1.5.5.7.3.4",))
    (folder / "trusted.pem").write_bytes(writing.trusted_pem([trusted]))
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", f"{folder}{os.pathsep}{places / 'absent'}")
    assert machine("ROOT") == {ROOT.der}
    (entry,) = CertificateStore("CA", MACHINE)
    assert entry.allows("1.3.6.1.5.5.7.3.1")
    assert not entry.allows("1.3.6.1.5.5.7.3.4")
    assert not entry.allows("1.3.6.1.5.5.7.3.2")


def test_what_the_system_blocks_is_disallowed(places: Path) -> None:
    assert machine("DISALLOWED") == set()
    (places / "blocked").mkdir()
    (places / "blocked" / "bad-root.pem").write_bytes(ROOT.pem)
    assert machine("DISALLOWED") == {ROOT.der}
    assert ROOT.certificate in Distrust()
    assert CertificateStore("ROOT", MACHINE).anchors().ders() == ()


def test_the_real_system_s_certificates_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    files, folders = platform_places()
    if not files and not folders:
        pytest.skip("this system has no bundle of certificates; on Debian: apt-get install ca-certificates")
    store = CertificateStore("ROOT", MACHINE)
    assert len(store) > 20
    entry = next(iter(store))
    assert store.find(FindType.THUMBPRINT, entry.thumbprint) == (entry,)
    assert store.find(FindType.THUMBPRINT, entry.thumbprint_sha1) == (entry,)
    assert not entry.has_private_key


def windows(name: str) -> Iterable[tuple[bytes, str, bool | Iterable[str]]]:
    """What `ssl.enum_certificates` answers on Windows, by its documentation."""
    if name == "ROOT":
        yield ROOT.der, "x509_asn", True
        yield b"garbage", "x509_asn", True
        yield SERVER.der, "x509_asn", {"1.3.6.1.5.5.7.3.1"}
    elif name == "CA":
        yield writing.pkcs7([INTERMEDIATE.certificate]), "pkcs_7_asn", True
        yield b"", "unknown", True
    elif name == "Disallowed":
        yield ROOT.der, "x509_asn", True
    elif name == "MY":
        raise PermissionError(13, "access denied")
    else:
        raise FileNotFoundError(2, name)


def test_windows_stores_by_a_stand_in_for_its_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = {
        name: platform_layer(name, enumerate_certificates=windows) for name in ("ROOT", "CA", "DISALLOWED", "MY", "SPC")
    }
    monkeypatch.setattr(composition, "platform_layer", layers.get)
    root = CertificateStore("ROOT", MACHINE)
    assert {entry.der for entry in root} == {ROOT.der, SERVER.der}
    assert len(root.broken) == 1
    limited = root.get(thumbprint_of(SERVER.der))
    assert limited is not None
    assert limited.purposes == ("1.3.6.1.5.5.7.3.1",)
    assert machine("CA") == {INTERMEDIATE.der}
    assert ROOT.certificate in Distrust()
    assert ROOT.certificate not in root.anchors()
    for location in (MACHINE, StoreLocation.CURRENT_USER):
        own = CertificateStore("MY", location)
        assert len(own) == 0
        assert len(own.broken) == 1
    assert machine("SPC") == set()
    with pytest.raises(ReadOnlyStore):
        root.remove(ROOT.certificate)
