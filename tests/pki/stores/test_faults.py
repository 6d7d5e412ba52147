"""Whatever step a change dies at, by a kill or a full disk, the store is as it was before or as it was to be.

The steps are the system calls of `tlsocket.pki.files.FileSystem`; a kill is a real SIGKILL of a child process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faults import FailingFileSystem, KillingFileSystem
from tests.support.stores import family
from tlsocket.pki import files
from tlsocket.pki.errors import FileUnavailable
from tlsocket.pki.formats import writing
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.stores import CertificateStore, StoreLocation, composition

State = tuple[frozenset[tuple[str, str, bool, int]], tuple[str, ...]]


def container() -> bytes:
    """A PKCS #12 with two keys, their chain and a certificate besides."""
    one, two = family().server, family().other
    return writing.pkcs12(
        [
            Item(one.certificate, one.key, "one"),
            Item(two.certificate, two.key, "two"),
            Item(family().intermediate.certificate),
            Item(family().root.certificate),
        ],
        b"pw",
        iterations=1,
    )


CONTENT = container()


def add(store: CertificateStore) -> None:
    store.add(family().server.certificate, family().server.key, chain=[family().intermediate.certificate])


def add_waiting(store: CertificateStore) -> None:
    store.add(family().other.certificate)


def remember(store: CertificateStore) -> None:
    store.remember_pending_key(family().server.key)


def remove(store: CertificateStore) -> None:
    store.remove(family().intermediate.certificate)


def remove_several(store: CertificateStore) -> None:
    store.remove_range(list(store))


def update(store: CertificateStore) -> None:
    store.update(family().intermediate.certificate, friendly_name="changed")


def import_all(store: CertificateStore) -> None:
    store.import_from(CONTENT, "pw")


CHANGES = (add, add_waiting, remember, remove, remove_several, update, import_all)
Change = Callable[[CertificateStore], None]


def prepare(location: StoreLocation) -> None:
    """A store with an entry without a key, one with a key, and a key that waits for `other`."""
    store = CertificateStore("MY", location, password="pw")
    store.add(family().intermediate.certificate, friendly_name="first")
    store.add(family().root.certificate, family().root.key)
    store.remember_pending_key(family().other.key)


def state(location: StoreLocation) -> State:
    """What a program that opens the store now sees; every key must open."""
    composition._shared.clear()
    store = CertificateStore("MY", location, password="pw")
    assert store.broken == ()
    entries = list(store)
    for entry in entries:
        if entry.has_private_key:
            assert entry.private_key().sign
    for name in store.pending_keys():
        assert store.pending_key(name).sign
    return (
        frozenset((one.thumbprint, one.friendly_name, one.has_private_key, len(one.chain)) for one in entries),
        store.pending_keys(),
    )


def place(kind: str, folder: Path) -> StoreLocation:
    folder.mkdir()
    return StoreLocation.folder(folder / "stores") if kind == "folder" else StoreLocation.pkcs12(folder / "store.p12")


def expected(change: Change, location: StoreLocation) -> tuple[State, State]:
    prepare(location)
    before = state(location)
    change(CertificateStore("MY", location, password="pw"))
    after = state(location)
    assert before != after
    return before, after


def killed_at(step: int, change: Change, location: StoreLocation) -> bool:
    """Make the change in a child that is killed before that step; whether there was such a step."""
    child = os.fork()
    if child == 0:
        try:
            files.system = KillingFileSystem(step)
            change(CertificateStore("MY", location, password="pw"))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("kind", ["folder", "pkcs12"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_writer_killed_at_any_step_leaves_before_or_after(change: Change, kind: str, tmp_path: Path) -> None:
    before, after = expected(change, place(kind, tmp_path / "model"))
    seen = []
    for step in range(1, 200):
        location = place(kind, tmp_path / f"step-{step}")
        prepare(location)
        if not killed_at(step, change, location):
            break
        seen.append(state(location))
        assert seen[-1] in (before, after), f"killed before step {step}"
        # The next writer tidies up and is not disturbed.
        store = CertificateStore("MY", location, password="pw")
        store.add(family().intermediate.certificate, friendly_name="tidy")
        assert {(one[0], one[2]) for one in state(location)[0]} >= {
            (one[0], one[2]) for one in seen[-1][0] if one[1] not in ("first", "changed")
        }
        if kind == "folder":
            assert not [name for name in os.listdir(store.place) if files.is_temporary(name) or name == ".journal"]
    else:
        pytest.fail("the change never ended")
    assert before in seen
    assert len(seen) >= 4


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("kind", ["folder", "pkcs12"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_step_that_fails_loses_nothing(
    change: Change, kind: str, error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = expected(change, place(kind, tmp_path / "model"))
    refused = 0
    for step in range(1, 200):
        location = place(kind, tmp_path / f"step-{step}")
        prepare(location)
        failing = FailingFileSystem(step, error)
        monkeypatch.setattr(files, "system", failing)
        failure: FileUnavailable | None = None
        try:
            change(CertificateStore("MY", location, password="pw"))
        except FileUnavailable as caught:
            failure = caught
        finally:
            monkeypatch.setattr(files, "system", files.FileSystem())
        found = state(location)
        assert found in (before, after), f"step {step} ({failing.steps[-1]})"
        if failure is not None:
            refused += 1
            assert str(tmp_path) in str(failure)
            assert failure.remedy
            if "nothing was changed" in failure.remedy:
                assert found == before, f"step {step} ({failing.steps[-1]}): {failure}"
        if not failing.reached:
            break
        # The same change succeeds once the disk has room again.
        if state(location) == before:
            change(CertificateStore("MY", location, password="pw"))
        assert state(location) == after
    else:
        pytest.fail("the change never ended")
    assert refused >= 4


def test_a_reader_sees_the_whole_change_that_a_dead_writer_left_in_its_journal(tmp_path: Path) -> None:
    """Between the journal and its end every step shows the state after, to a reader that was there before too."""
    location = StoreLocation.folder(tmp_path / "stores")
    before, after = expected(import_all, place("folder", tmp_path / "model"))
    prepare(location)
    reader = CertificateStore("MY", location, password="pw")
    assert len(reader) == 2
    steps = 0
    for step in range(1, 200):
        other = place("folder", tmp_path / f"step-{step}")
        prepare(other)
        watcher = CertificateStore("MY", other, password="pw")
        count = len(watcher)
        if not killed_at(step, import_all, other):
            break
        journal = (Path(watcher.place) / ".journal").exists()
        assert len(watcher) == (len(after[0]) if journal else count) or state(other) == after
        steps += journal
    assert steps > 3
    assert before


def test_a_damaged_journal_is_reported_and_stops_writers_only(tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    prepare(location)
    store = CertificateStore("MY", location, password="pw")
    for content in (b"{", b'{"format": 1, "rename": [["../../x", "y"]], "remove": []}', b"[" * 100_000):
        (Path(store.place) / ".journal").write_bytes(content)
        assert len(store) == 2
        assert [item.path.endswith(".journal") for item in store.broken] == [True]
        with pytest.raises(ValueError, match=r"\.journal"):
            store.add(family().server.certificate)
    (Path(store.place) / ".journal").unlink()
    store.add(family().server.certificate)


def test_a_damaged_counter_only_costs_time(tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    prepare(location)
    store = CertificateStore("MY", location, password="pw")
    for content in (b"", b"garbage", b"0" * 500):
        (Path(store.place) / ".generation").write_bytes(content)
        assert len(store) == 2
        store.update(family().intermediate.certificate, friendly_name=str(content[:3]))
        assert {entry.friendly_name for entry in store} == {"", str(content[:3])}
