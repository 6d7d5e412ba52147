"""Many writers and readers of one store in processes of their own: nothing is lost, and nobody sees half a change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.authority import Made, leaf_extensions, make
from tests.support.stores import family
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.stores import CertificateStore, StoreLocation, composition
from tlsocket.pki.stores.layers import thumbprint_of


def run_all(tasks: list[Callable[[], None]], seconds: float) -> None:
    """Each task in a child of its own; fail when one fails or when they take too long together."""
    children = []
    for task in tasks:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                composition._shared.clear()
                task()
                status = 0
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(status)
        children.append(child)
    deadline = time.monotonic() + seconds
    failed = 0
    waiting = set(children)
    try:
        while waiting and time.monotonic() < deadline:
            for child in list(waiting):
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    waiting.discard(child)
                    failed += status != 0
            time.sleep(0.01)
    finally:
        for child in waiting:
            os.kill(child, 9)
            os.waitpid(child, 0)
    assert not waiting, f"{len(waiting)} of {len(tasks)} did not end"
    assert failed == 0


def write_pair(location: StoreLocation, one: Made, two: Made, rounds: int) -> None:
    """Add two entries together and take them away again, and end with them there."""
    store = CertificateStore("MY", location)
    pair = [Item(one.certificate, one.key, "pair"), Item(two.certificate, two.key, "pair")]
    for number in range(rounds):
        store.add_range(pair)
        if number < rounds - 1:
            store.remove_range([one.certificate, two.certificate])


def read_pairs(location: StoreLocation, pairs: list[tuple[Made, Made]], stop: Path, pause: float) -> None:
    """Look until told to stop: of each pair both are there or none, and every entry is whole."""
    store = CertificateStore("MY", location)
    names = [{thumbprint_of(one.certificate), thumbprint_of(two.certificate)} for one, two in pairs]
    looks = 0
    generation = 0
    while not stop.exists() or looks == 0:
        found = {entry.thumbprint: entry for entry in store}
        assert store.broken == ()
        assert all(len(pair & found.keys()) in (0, 2) for pair in names), "half a change was seen"
        assert all(entry.has_private_key for entry in found.values())
        if "keep" in {entry.friendly_name for entry in found.values()}:
            assert store.resolve("keep").private_key().sign
        assert store.generation >= generation
        generation = store.generation
        looks += 1
        time.sleep(pause)


def crowd(tmp_path: Path, writers: int, readers: int, rounds: int, seconds: float) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    keep = family().server
    CertificateStore("MY", location).add(keep.certificate, keep.key, friendly_name="keep")
    pairs = [
        (
            make(f"one-{number}.example", family().intermediate, leaf_extensions(), serial=1000 + number),
            make(f"two-{number}.example", family().intermediate, leaf_extensions(), serial=5000 + number),
        )
        for number in range(writers)
    ]
    stop = tmp_path / "stop"

    def last_writer_s_end() -> None:
        store = CertificateStore("MY", location)
        deadline = time.monotonic() + seconds
        while len(store) < 1 + 2 * writers and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.touch()

    def writer(pair: tuple[Made, Made]) -> Callable[[], None]:
        return lambda: write_pair(location, *pair, rounds)

    tasks: list[Callable[[], None]] = [writer(pair) for pair in pairs]
    tasks += [lambda: read_pairs(location, pairs, stop, readers / 1000)] * readers
    # A pair is there for good only after its last round, so the watcher counts what stays.
    run_all([*tasks, last_writer_s_end], seconds + 20)
    composition._shared.clear()
    store = CertificateStore("MY", location)
    assert len(store) == 1 + 2 * writers
    assert all(entry.private_key().sign for entry in store)
    assert store.check() == ()


def test_a_few_writers_and_readers(tmp_path: Path) -> None:
    crowd(tmp_path, writers=4, readers=4, rounds=4, seconds=60)


@pytest.mark.long(sample=False)
@pytest.mark.timeout(600)
def test_two_hundred_writers_and_readers(tmp_path: Path) -> None:
    crowd(tmp_path, writers=100, readers=100, rounds=2, seconds=300)


@pytest.mark.parametrize("kind", ["folder", "pkcs12"])
def test_no_writer_s_entry_is_lost(kind: str, tmp_path: Path) -> None:
    location = (
        StoreLocation.folder(tmp_path / "stores") if kind == "folder" else StoreLocation.pkcs12(tmp_path / "s.p12")
    )
    made = [make(f"{n}.example", family().intermediate, leaf_extensions(), serial=n + 1) for n in range(20)]

    def adder(one: Made) -> Callable[[], None]:
        def add() -> None:
            CertificateStore("MY", location, password="pw" if kind == "pkcs12" else None).add(one.certificate)

        return add

    run_all([adder(one) for one in made], 60)
    assert len(CertificateStore("MY", location, password="pw")) == 20


def test_threads_share_a_store(tmp_path: Path) -> None:
    import threading

    for location in (StoreLocation.folder(tmp_path / "stores"), StoreLocation.memory()):
        store = CertificateStore("CA", location)
        made = [make(f"{number}", None, [], serial=number + 1) for number in range(16)]
        errors: list[BaseException] = []

        def work(one: Made, store: CertificateStore = store, errors: list[BaseException] = errors) -> None:
            try:
                store.add(one.certificate)
                assert one.certificate in store
                list(store)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(one,)) for one in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not errors
        assert len(store) == 16


def test_the_generation_tells_a_running_program_of_a_change_elsewhere(tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    store = CertificateStore("ROOT", location)
    before = store.generation
    assert store.generation == before

    def add_root() -> None:
        CertificateStore("ROOT", location).add(family().root.certificate)

    run_all([add_root], 30)
    assert store.generation > before
    assert family().root.certificate in store
