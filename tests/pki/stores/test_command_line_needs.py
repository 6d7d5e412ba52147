"""What the command line asks of stores: which keys are encrypted, which stores there are, what arrives with what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stores import family
from tlsocket.pki.formats.contents import Contents, Item
from tlsocket.pki.stores import CertificateStore, DistrustedCertificate, StoreLocation
from tlsocket.pki.stores.credentials import chain_of
from tlsocket.pki.stores.find import purpose_name, purpose_names


def test_a_store_knows_whether_its_keys_are_encrypted(location: StoreLocation) -> None:
    made = family()
    password = b"needed by the file" if location.kind == "pkcs12" else None
    store = CertificateStore("MY", location, password=password)
    assert not store.keys_encrypted
    if password is None:
        store.use_password(lambda: b"from now on")
    entry = store.add(made.server.certificate, made.server.key)
    assert entry.key_encrypted
    assert store.keys_encrypted == (location.kind != "pkcs12")
    assert entry.private_key()


def test_a_pending_key_counts_too(tmp_path: Path) -> None:
    store = CertificateStore("MY", tmp_path / "stores", password=b"secret")
    store.remember_pending_key(family().server.key)
    assert store.keys_encrypted


def test_what_arrives_for_a_waiting_key_keeps_its_issuers(location: StoreLocation) -> None:
    made = family()
    store = CertificateStore("MY", location, password=b"secret")
    store.remember_pending_key(made.server.key)
    contents = Contents((Item(made.server.certificate), Item(made.intermediate.certificate)))
    (entry,) = store.import_contents([contents], friendly_name="web")
    assert entry.has_private_key
    assert entry.friendly_name == "web"
    if location.kind != "pkcs12":  # which keeps issuers as entries of their own
        assert entry.chain == (made.intermediate.certificate,)


def test_stores_of_a_place_are_named(tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    assert location.existing_stores() == ()
    for name in ("ROOT", "SPC"):
        CertificateStore(name, location).add(family().root.certificate)
    (tmp_path / "stores" / "no store").mkdir()
    (tmp_path / "stores" / "FILE").write_text("")
    assert location.existing_stores() == ("ROOT", "SPC")
    assert StoreLocation.memory().existing_stores() == ()


def test_a_folder_s_own_ca_and_disallowed_hold_for_its_entries(tmp_path: Path) -> None:
    made = family()
    location = StoreLocation.folder(tmp_path / "stores")
    my = CertificateStore("MY", location)
    entry = my.add(made.server.certificate, made.server.key)
    assert chain_of(entry) == (made.server.der,)
    CertificateStore("CA", location).add(made.intermediate.certificate)
    assert chain_of(entry) == (made.server.der, made.intermediate.der)
    assert entry.credentials()[0] == chain_of(entry)
    CertificateStore("DISALLOWED", location).add(made.intermediate.certificate)
    assert chain_of(entry) == (made.server.der,)
    my.distrust(entry)
    with pytest.raises(DistrustedCertificate):
        entry.credentials()


def test_purposes_have_words() -> None:
    assert purpose_names(family().server.certificate) == ("server",)
    assert purpose_names(family().root.certificate) == ()
    assert purpose_name("1.2.3") == "1.2.3"
    assert purpose_name("2.5.29.37.0") == "any"
