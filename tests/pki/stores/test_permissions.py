"""Who can read what: modes of files and folders, keys that are too open, links, other users, `grant`."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.stores import family
from tlsocket.pki.authority import CertificateAuthority
from tlsocket.pki.errors import FileUnavailable, NotPrivate
from tlsocket.pki.stores import (
    CertificateStore,
    EntryNotFound,
    OpenMode,
    ReadOnlyStore,
    StoreError,
    StoreLocation,
    composition,
)
from tlsocket.pki.stores import locations as places_module

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes another user")


def modes(folder: str) -> dict[str, int]:
    return {name: stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in os.listdir(folder)}


def as_user(name: str, task: Callable[[], object]) -> str:
    """Run `task` in a child with that user's id; its result or error as text."""
    account = pwd.getpwnam(name)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            composition._shared.clear()
            text = str(task())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_of_the_user_s_and_of_the_machine_s_files(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        for location, folder_mode, certificate_mode in (
            (StoreLocation.CURRENT_USER, 0o700, 0o600),
            (StoreLocation.folder(tmp_path / "stores"), 0o700, 0o600),
            (StoreLocation.LOCAL_MACHINE, 0o755, 0o644),
        ):
            store = CertificateStore("MY", location)
            store.add(family().server.certificate, family().server.key)
            store.remember_pending_key(family().other.key)
            assert stat.S_IMODE(os.stat(store.place).st_mode) == folder_mode
            assert stat.S_IMODE(os.stat(os.path.dirname(store.place)).st_mode) == folder_mode
            found = modes(store.place)
            assert {name.rpartition(".")[2]: mode for name, mode in found.items() if not name.startswith(".")} == {
                "pem": certificate_mode,
                "key": 0o600,
                "pending": 0o600,
            }
            # Whoever can read the certificates can also see that they changed.
            assert found[".generation"] & 0o044 == certificate_mode & 0o044
    finally:
        os.umask(before)


@pytest.mark.parametrize("first", ["authority", "store"])
def test_a_machine_s_authority_does_not_shut_services_out_of_its_stores(first: str) -> None:
    """The folder above both is made by whichever comes first; authorities are root's alone in either case."""
    machine = StoreLocation.LOCAL_MACHINE
    authorities = machine.authorities()
    assert authorities is not None
    if first == "store":
        CertificateStore("ROOT", machine).add(family().root.certificate)
    with CertificateAuthority.create(authorities, "house", "CN=House") as made:
        CertificateStore("ROOT", machine).add(made.certificate)
    assert modes(str(authorities.parent)) == {"authorities": 0o700, "stores": 0o755}
    assert stat.S_IMODE(authorities.parent.stat().st_mode) == 0o755
    assert CertificateStore("ROOT", machine).check() == ()


def test_a_machine_s_folder_that_services_cannot_look_into_is_reported() -> None:
    store = CertificateStore("ROOT", StoreLocation.LOCAL_MACHINE)
    store.add(family().root.certificate)
    folder = Path(store.place).parent.parent
    folder.chmod(0o700)
    (problem,) = store.check()
    assert (problem.path, problem.remedy) == (str(folder), f"run: chmod 755 {folder}")
    folder.chmod(0o750)
    assert store.check() == ()
    user = CertificateStore("ROOT", StoreLocation.CURRENT_USER, inherit=False)
    user.add(family().root.certificate)
    assert user.check() == ()


@pytest.mark.parametrize(("flag", "problem"), [(os.ST_RDONLY, "read-only"), (0, "permission denied")])
@pytest.mark.parametrize("place", ["stores", "file.p12"])
def test_a_read_only_file_system_is_called_that(
    flag: int, problem: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flag))
    with pytest.raises(FileUnavailable, match=problem):
        CertificateStore("MY", tmp_path / place, OpenMode.READ_WRITE)


def test_a_key_that_others_can_read_is_refused_with_the_command_that_helps() -> None:
    store = CertificateStore("MY", StoreLocation.CURRENT_USER)
    entry = store.add(family().server.certificate, family().server.key)
    key = Path(store.place) / f"{entry.thumbprint}.key"
    key.chmod(0o644)
    with pytest.raises(NotPrivate, match=f"chmod 6[04]0 .*{entry.thumbprint}.key"):
        entry.private_key()
    assert [item.path for item in store.check()] == [str(key)]
    # The certificate is still there for all who do not need the key.
    assert list(store) == [entry]
    key.chmod(0o600)
    assert entry.private_key().sign
    assert store.check() == ()


@pytest.mark.parametrize("part", ["store", "above"])
def test_a_folder_that_is_a_link_is_refused(part: str, tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "MY").mkdir(parents=True, mode=0o700)
    if part == "above":
        (tmp_path / "stores").symlink_to(elsewhere)
    else:
        (tmp_path / "stores").mkdir(mode=0o700)
        (tmp_path / "stores" / "MY").symlink_to(elsewhere / "MY")
    store = CertificateStore("MY", location)
    with pytest.raises(FileUnavailable, match="symbolic link"):
        list(store)
    with pytest.raises(FileUnavailable, match="symbolic link"):
        store.add(family().server.certificate)
    assert os.listdir(elsewhere / "MY") == []


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    location = StoreLocation.folder(tmp_path / "stores")
    CertificateStore("ROOT", location).add(family().root.certificate)
    composition._shared.clear()
    (tmp_path / "stores" / "ROOT").chmod(0o777)
    with pytest.raises(NotPrivate, match="chmod 700"):
        list(CertificateStore("ROOT", location))


def test_links_in_a_store_are_not_written_through(tmp_path: Path) -> None:
    store = CertificateStore("MY", StoreLocation.folder(tmp_path / "stores"))
    entry = store.add(family().server.certificate)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    path = Path(store.place) / f"{entry.thumbprint}.pem"
    path.unlink()
    path.symlink_to(victim)
    assert len(store.broken) == 1
    store.add(family().server.certificate)
    assert victim.read_text() == "untouched"
    assert not path.is_symlink()


@as_root
def test_a_service_reads_the_machine_s_key_once_it_is_granted(places: Path) -> None:
    for folder in (places, *places.parents):
        if folder.stat().st_uid == 0 and folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    store = CertificateStore("MY", StoreLocation.LOCAL_MACHINE)
    entry = store.add(family().server.certificate, family().server.key)
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name

    def read() -> str:
        found = CertificateStore("MY", StoreLocation.LOCAL_MACHINE).resolve("server.example")
        return f"listed, key {found.private_key().__class__.__name__}"

    def list_them() -> int:
        return len(CertificateStore("MY", StoreLocation.LOCAL_MACHINE))

    assert as_user("nobody", list_them) == "1"
    refused = as_user("nobody", read)
    assert refused.startswith("FileUnavailable")
    assert f"tlsocket store grant {entry.thumbprint[:16]} --group" in refused
    store.grant(entry, group)
    status = os.stat(os.path.join(store.place, f"{entry.thumbprint}.key"))
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert status.st_uid == 0
    assert as_user("nobody", read).startswith("listed, key")
    # A grant outlives a change of the entry and the same key added again.
    store.update(entry, friendly_name="served")
    store.add(family().server.certificate, family().server.key)
    assert as_user("nobody", read).startswith("listed, key")
    # Another user, without that group, is still refused.
    assert as_user("daemon", read).startswith("FileUnavailable")
    assert store.check() == ()
    # And nobody who is not root writes there.
    other = family().other.certificate

    def write() -> str:
        store = CertificateStore("MY", StoreLocation.LOCAL_MACHINE)
        return str(store.add(other))

    def open_for_writing() -> str:
        return str(CertificateStore("MY", StoreLocation.LOCAL_MACHINE, OpenMode.READ_WRITE))

    assert "permission denied" in as_user("nobody", write)
    assert "permission denied" in as_user("nobody", open_for_writing)
    assert as_user("nobody", list_them) == "1"


@as_root
def test_a_counter_that_cannot_be_read_does_not_hide_the_store(places: Path) -> None:
    for folder in (places, *places.parents):
        if folder.stat().st_uid == 0 and folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    store = CertificateStore("MY", StoreLocation.LOCAL_MACHINE)
    store.add(family().server.certificate)
    os.chmod(os.path.join(store.place, ".generation"), 0o600)
    assert as_user("nobody", lambda: len(CertificateStore("MY", StoreLocation.LOCAL_MACHINE))) == "1"


@as_root
def test_a_user_without_a_home_gets_the_machine_s_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name in ("INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)

    def location() -> str:
        return str(StoreLocation.for_this_process())

    def user_store() -> str:
        return str(CertificateStore("MY", StoreLocation.CURRENT_USER))

    assert as_user("nobody", location) == "machine"
    assert as_user("nobody", user_store).startswith("StoreError")
    assert "LOCAL_MACHINE" in as_user("nobody", user_store)


def test_what_cannot_be_granted(tmp_path: Path) -> None:
    folder = CertificateStore("MY", StoreLocation.folder(tmp_path / "stores"))
    entry = folder.add(family().server.certificate, family().server.key)
    with pytest.raises(ReadOnlyStore, match="machine"):
        folder.grant(entry, 0)
    memory = CertificateStore("MY", StoreLocation.MEMORY)
    with pytest.raises(ReadOnlyStore):
        memory.grant(memory.add(family().server.certificate, family().server.key), 0)
    machine = CertificateStore("MY", StoreLocation.LOCAL_MACHINE)
    without = machine.add(family().other.certificate)
    with pytest.raises(EntryNotFound):
        machine.grant(without, 0)
    with_key = machine.add(family().server.certificate, family().server.key)
    with pytest.raises(StoreError, match="no group"):
        machine.grant(with_key, "no-such-group-here")


def test_where_stores_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert StoreLocation.CURRENT_USER.base() == home / ".local" / "share" / "tlsocket" / "stores"
    assert StoreLocation.for_this_process() == StoreLocation.CURRENT_USER
    monkeypatch.setenv("INVOCATION_ID", "0" * 32)
    assert StoreLocation.for_this_process() == StoreLocation.LOCAL_MACHINE
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert StoreLocation.for_this_process() == StoreLocation.CURRENT_USER
    for missing in ("/nonexistent", "/", "relative", str(tmp_path / "file")):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("HOME", missing)
        assert StoreLocation.for_this_process() == StoreLocation.LOCAL_MACHINE
    assert StoreLocation.parse("user") == StoreLocation.CURRENT_USER
    assert StoreLocation.parse("machine") == StoreLocation.LOCAL_MACHINE
    assert StoreLocation.parse(str(tmp_path / "a.p12")).kind == "pkcs12"
    assert StoreLocation.parse(tmp_path).kind == "folder"
    assert StoreLocation.parse(StoreLocation.MEMORY) is StoreLocation.MEMORY
    with pytest.raises(StoreError):
        StoreLocation.parse("")
    monkeypatch.setattr(places_module, "MACHINE_FOLDER", "/etc/tlsocket")
    assert str(StoreLocation.LOCAL_MACHINE.base()) == "/etc/tlsocket/stores"
