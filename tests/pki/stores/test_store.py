"""A store adds, finds, updates and removes the same way at every location (MISSION rows 14 to 17)."""

from __future__ import annotations

import datetime

import pytest

from tests.support.authority import authority_extensions, leaf_extensions, make
from tests.support.stores import family
from tlsocket import clock
from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import KeyMismatch, PasswordRequired, WrongPassword
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.keys import public_key_info
from tlsocket.pki.stores import (
    AmbiguousEntry,
    CertificateStore,
    EntryNotFound,
    FindType,
    MissingStore,
    OpenMode,
    ReadOnlyStore,
    StoreError,
    StoreLocation,
    StoreName,
)

PASSWORD = "secret words"


def test_an_entry_is_added_listed_changed_and_removed(location: StoreLocation) -> None:
    with CertificateStore(StoreName.MY, location, password=PASSWORD) as store:
        assert list(store) == []
        before = store.generation
        entry = store.add(family().server.certificate, family().server.key, friendly_name="Mine: öne -----BEGIN")
        assert store.generation > before
        assert [item.thumbprint for item in store] == [entry.thumbprint]
        assert len(store) == 1
        assert family().server.certificate in store
        assert family().server.der in store
        assert entry.thumbprint.upper() in store
        assert family().other.certificate not in store
        assert entry.friendly_name == "Mine: öne -----BEGIN"
        assert entry.has_private_key
        assert not entry.inherited
        assert entry.added_by
        assert entry.added_at is not None
        assert abs(entry.added_at.timestamp() - clock.now()) < 60
        assert public_key_info(entry.private_key().public_key()) == public_key_info(family().server.key.public_key())
        # Another object, as another program has it, sees the same.
        again = CertificateStore(StoreName.MY, location, password=PASSWORD)
        assert list(again) == [entry]
        assert next(iter(again)).friendly_name == entry.friendly_name
        changed = again.update(entry, friendly_name="new", purposes=["1.3.6.1.5.5.7.3.1"])
        assert (changed.friendly_name, changed.added_at) == ("new", entry.added_at)
        assert changed.allows("1.3.6.1.5.5.7.3.1")
        assert not changed.allows("1.3.6.1.5.5.7.3.2")
        assert next(iter(store)).purposes == ("1.3.6.1.5.5.7.3.1",)
        assert store.update(entry, purposes=None).purposes is None
        store.remove(entry)
        assert len(again) == 0
        assert store.get(entry.thumbprint) is None
        assert store.broken == ()
        with pytest.raises(EntryNotFound):
            store.remove(entry)


def test_adding_again_keeps_what_is_not_said_anew(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    first = store.add(family().server.certificate, family().server.key, friendly_name="name")
    second = store.add(family().server.certificate)
    assert (second.friendly_name, second.added_at, second.has_private_key) == ("name", first.added_at, True)
    assert len(store) == 1


def test_archived_entries_are_shown_only_when_asked_for(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    entry = store.add(family().server.certificate, archived=True)
    assert len(store) == 0
    assert store.find(FindType.THUMBPRINT, entry.thumbprint) == ()
    assert store.get(entry.thumbprint) == entry
    everything = CertificateStore("MY", location, OpenMode.INCLUDE_ARCHIVED, password=PASSWORD)
    assert list(everything) == [entry]
    assert everything.find(FindType.DNS_NAME, "server.example") == (entry,)
    store.update(entry, archived=False)
    assert len(store) == 1


def test_a_key_that_waits_is_joined_by_its_certificate(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    name = store.remember_pending_key(family().server.key)
    assert store.pending_keys() == (name,)
    assert public_key_info(store.pending_key(name).public_key()) == public_key_info(family().server.key.public_key())
    assert len(store) == 0
    other = store.add(family().other.certificate)
    assert not other.has_private_key
    entry = CertificateStore("MY", location, password=PASSWORD).add(family().server.certificate)
    assert entry.has_private_key
    assert entry.private_key(PASSWORD).sign
    assert store.pending_keys() == ()
    forgotten = store.remember_pending_key(family().other.key)
    store.forget_pending_key(forgotten)
    assert store.pending_keys() == ()
    with pytest.raises(EntryNotFound):
        store.pending_key(forgotten)


def test_a_renewal_finds_the_key_of_the_entry_before_it(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    store.add(family().server.certificate, family().server.key)
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    old = family().server.certificate
    renewed = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(99)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc + datetime.timedelta(days=30))
        .sign(family().intermediate.key, hashes.SHA256())
    )
    entry = store.add(renewed)
    assert entry.has_private_key
    assert entry.private_key().sign
    assert len(store) == 2


def test_a_key_of_another_certificate_is_refused(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    with pytest.raises(KeyMismatch):
        store.add(family().server.certificate, family().other.key)
    assert len(store) == 0


def test_a_range_is_added_whole_or_not_at_all(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    with pytest.raises(KeyMismatch):
        store.add_range([family().root.certificate, Item(family().server.certificate, family().other.key)])
    assert len(store) == 0
    added = store.add_range([family().root.certificate, Item(family().server.certificate, family().server.key)])
    assert set(added) == set(store)
    with pytest.raises(EntryNotFound):
        store.remove_range([*added, family().other.certificate])
    assert len(store) == 2
    store.remove_range(added)
    assert len(store) == 0


def test_a_person_s_words_mean_one_entry(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    server = store.add(family().server.certificate, friendly_name="web")
    other = store.add(family().other.certificate, friendly_name="twice")
    assert store.resolve(server.thumbprint[:8]) == server
    assert store.resolve(server.thumbprint.upper()) == server
    assert store.resolve("WEB") == server
    assert store.resolve("host.wild.example") == server
    assert store.resolve("other.example") == other
    store.update(server, friendly_name="twice")
    with pytest.raises(AmbiguousEntry) as caught:
        store.resolve("twice")
    assert len(caught.value.candidates) == 2
    with pytest.raises(EntryNotFound):
        store.resolve("nobody")
    with pytest.raises(EntryNotFound):
        store.resolve(server.thumbprint[:7])


def test_distrust_wins_at_every_location_and_can_be_taken_back(location: StoreLocation) -> None:
    store = CertificateStore("ROOT", location, password=PASSWORD, inherit=False)
    entry = store.add(family().root.certificate)
    assert len(store.anchors()) == 1
    assert store.find(FindType.SUBJECT_NAME, "test root", valid_only=True) == (entry,)
    store.distrust(entry)
    assert len(store.anchors()) == 0
    assert store.find(FindType.SUBJECT_NAME, "test root", valid_only=True) == ()
    assert store.find(FindType.SUBJECT_NAME, "test root") == (entry,)
    store.trust(entry)
    assert len(store.anchors()) == 1


@pytest.mark.parametrize("name", ["CA", "ROOT", "TRUSTED_PEOPLE", "DISALLOWED"])
def test_keys_are_kept_in_my_and_in_stores_of_one_s_own(name: str, location: StoreLocation) -> None:
    store = CertificateStore(name, location, password=PASSWORD)
    with pytest.raises(StoreError, match="MY"):
        store.add(family().server.certificate, family().server.key)
    with pytest.raises(StoreError, match="MY"):
        store.remember_pending_key(family().server.key)
    assert (
        CertificateStore("Spare", location, password=PASSWORD)
        .add(family().server.certificate, family().server.key)
        .has_private_key
    )


def test_spc_entries_are_for_code_signing() -> None:
    entry = CertificateStore("spc", StoreLocation.MEMORY).add(family().server.certificate)
    assert entry.store_name == "SPC"
    assert entry.allows("1.3.6.1.5.5.7.3.3")
    assert not entry.allows("1.3.6.1.5.5.7.3.1")


def test_open_modes(location: StoreLocation) -> None:
    if location.kind != "memory":
        with pytest.raises(MissingStore):
            CertificateStore("MY", location, OpenMode.EXISTING_ONLY, password=PASSWORD)
    writing = CertificateStore("MY", location, OpenMode.READ_WRITE, password=PASSWORD)
    writing.add(family().server.certificate)
    reading = CertificateStore("MY", location, OpenMode.READ_ONLY | OpenMode.EXISTING_ONLY, password=PASSWORD)
    assert len(reading) == 1
    for change in (
        lambda: reading.add(family().other.certificate),
        lambda: reading.remove(family().server.certificate),
        lambda: reading.remember_pending_key(family().other.key),
        lambda: reading.update(family().server.certificate, friendly_name="x"),
    ):
        with pytest.raises(ReadOnlyStore):
            change()


def test_keys_are_encrypted_when_the_store_has_a_password(location: StoreLocation) -> None:
    entry = CertificateStore("MY", location, password=PASSWORD).add(family().server.certificate, family().server.key)
    without = CertificateStore("MY", location)
    if location.kind == "pkcs12":
        # Such a file does not even show its certificates.
        with pytest.raises(PasswordRequired):
            list(without)
        with pytest.raises(WrongPassword):
            list(CertificateStore("MY", location, password="wrong"))
        return
    assert list(without) == [entry]
    found = next(iter(without))
    with pytest.raises(PasswordRequired):
        found.private_key()
    with pytest.raises(WrongPassword):
        found.private_key("wrong")
    assert found.private_key(PASSWORD).sign
    assert found.private_key(lambda: PASSWORD).sign
    # A plain key beside encrypted ones, or one under another password, would be a trap.
    with pytest.raises(PasswordRequired):
        without.add(family().other.certificate, family().other.key)
    with pytest.raises(WrongPassword):
        CertificateStore("MY", location, password="other").add(family().other.certificate, family().other.key)
    assert len(without) == 1


def test_the_user_inherits_the_machine_s_stores_but_not_my() -> None:
    for name in ("CA", "ROOT", "TRUSTED_PEOPLE", "DISALLOWED", "SPC", "MY"):
        CertificateStore(name, StoreLocation.LOCAL_MACHINE).add(family().other.certificate)
        user = CertificateStore(name, StoreLocation.CURRENT_USER)
        found = user.get(family().other.certificate)
        if name == "MY":
            assert found is None
            continue
        assert found is not None
        assert found.inherited
        with pytest.raises(ReadOnlyStore):
            user.remove(found)
        with pytest.raises(ReadOnlyStore):
            user.update(found, friendly_name="x")
        assert CertificateStore(name, StoreLocation.CURRENT_USER, inherit=False).get(family().other.certificate) is None
        user.add(family().other.certificate, friendly_name="own")
        assert [entry.friendly_name for entry in user if entry == found] == ["own"]


def test_the_machine_shows_the_system_s_own_as_read_only() -> None:
    root = CertificateStore("ROOT", StoreLocation.LOCAL_MACHINE)
    found = root.get(family().root.certificate)
    assert found is not None
    assert found.inherited
    assert found.added_by == "the system"
    with pytest.raises(ReadOnlyStore, match="system"):
        root.remove(found)
    assert family().root.certificate in CertificateStore("ROOT", StoreLocation.CURRENT_USER)
    assert family().root.certificate not in CertificateStore("CA", StoreLocation.LOCAL_MACHINE)


def test_disallowed_of_the_machine_holds_for_the_user_and_for_memory() -> None:
    CertificateStore("DISALLOWED", StoreLocation.LOCAL_MACHINE).add(family().root.certificate)
    for location in (StoreLocation.CURRENT_USER, StoreLocation.LOCAL_MACHINE, StoreLocation.memory()):
        store = CertificateStore("ROOT", location)
        store.add(family().root.certificate)
        assert family().root.certificate not in store.anchors()
        assert store.find(FindType.SUBJECT_NAME, "Test Root", valid_only=True) == ()


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 64, "\0", "é", ".hidden"])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(StoreError):
        CertificateStore(name, StoreLocation.MEMORY)


def test_stores_in_memory_go_with_their_objects_unless_they_share_a_place() -> None:
    CertificateStore("MY", StoreLocation.MEMORY).add(family().server.certificate)
    assert len(CertificateStore("MY", StoreLocation.MEMORY)) == 0
    place = StoreLocation.memory()
    CertificateStore("MY", place).add(family().server.certificate)
    assert len(CertificateStore("MY", place)) == 1
    assert len(CertificateStore("CA", place)) == 0
    assert place != StoreLocation.memory()
    alone = CertificateStore("ROOT", StoreLocation.MEMORY)
    alone.add(family().root.certificate)
    with pytest.raises(StoreError):
        alone.distrust(family().root.certificate)


def test_a_clock_before_the_certificates_finds_nothing_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    store = CertificateStore("ROOT", StoreLocation.MEMORY)
    store.add(family().root.certificate)
    monkeypatch.setattr(clock, "now", lambda: 0.0)
    assert store.find(FindType.SUBJECT_NAME, "root", valid_only=True) == ()
    assert len(store.find(FindType.TIME_NOT_YET_VALID)) == 1
    assert store.add(family().intermediate.certificate).added_at == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def test_a_chain_is_kept_with_its_entry(location: StoreLocation) -> None:
    store = CertificateStore("MY", location, password=PASSWORD)
    server, intermediate = family().server, family().intermediate
    entry = store.add(server.certificate, server.key, chain=[intermediate.certificate])
    chain, key = entry.credentials()
    assert chain == (server.der, intermediate.der)
    assert key.sign
    if location.kind != "pkcs12":
        assert store.resolve("server.example").chain == (intermediate.certificate,)


def test_secrets_do_not_show() -> None:
    store = CertificateStore("MY", StoreLocation.MEMORY, password=PASSWORD)
    entry = store.add(family().server.certificate, family().server.key)
    for thing in (store, entry, entry.item(with_key=True), store._own.snapshot()):
        assert PASSWORD not in repr(thing)
        assert "PRIVATE" not in repr(thing)
    store.close()
    with pytest.raises(PasswordRequired):
        entry.private_key()


def test_a_certificate_of_an_unknown_kind_of_key_is_kept(location: StoreLocation) -> None:
    # Nothing about a key that cannot be used stops a certificate from being listed.
    odd = make("odd", None, [*authority_extensions(), *leaf_extensions()[2:]])
    store = CertificateStore("CA", location, password=PASSWORD)
    assert store.add(odd.certificate) in store


def test_anchors_know_purposes_and_what_is_distrusted() -> None:
    store = CertificateStore("ROOT", StoreLocation.memory())
    store.add(family().root.certificate, purposes=["1.3.6.1.5.5.7.3.1"])
    store.add(family().other.certificate)
    store.distrust(family().intermediate.certificate)
    anchors = store.anchors()
    constraints = anchors.constraints_of(family().root.der)
    assert constraints is not None
    assert constraints.purposes == frozenset({Purpose.SERVER})
    assert anchors.constraints_of(family().other.der) is None
    assert anchors.is_distrusted(family().intermediate.der)
