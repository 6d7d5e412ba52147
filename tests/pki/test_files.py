"""Files are written whole or not at all whatever fails when, private from the start, and read within bounds."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.faults import FailingFileSystem
from tlsocket.pki import files
from tlsocket.pki.errors import FileUnavailable, MissingFile, NotPrivate, WrongContent
from tlsocket.pki.files import (
    check_private,
    is_temporary,
    private_folder,
    read_limited,
    remove_file,
    remove_leftovers,
    write_atomically,
)

ROOT = Path(__file__).resolve().parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("wanted", [0o600, 0o640, 0o644])
def test_writes_with_the_mode_that_was_asked_whatever_the_umask(tmp_path: Path, wanted: int) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file", b"content", mode=wanted)
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == b"content"
    assert mode(tmp_path / "file") == wanted
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_private_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Watching(files.FileSystem):
        def write(self, descriptor: int, data: memoryview) -> int:
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
            return super().write(descriptor, data[:3])

    monkeypatch.setattr(files, "system", Watching())
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "file", b"ten bytes!", mode=0o644)
    finally:
        os.umask(before)
    assert seen == [0o600] * 4, "short writes are continued, and nobody else may read meanwhile"
    assert (tmp_path / "file").read_bytes() == b"ten bytes!"


def test_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


def test_does_not_replace_when_told_so(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"first", replace=False)
    with pytest.raises(FileUnavailable, match="choose another name") as caught:
        write_atomically(tmp_path / "file", b"second", replace=False)
    assert caught.value.errno == errno.EEXIST
    assert (tmp_path / "file").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("replace", [True, False])
def test_a_failure_at_any_step_leaves_the_file_as_it_was_or_as_it_was_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, replace: bool
) -> None:
    path = tmp_path / "file"
    outcomes = []
    for at in range(1, 20):
        path.unlink(missing_ok=True)
        old = b"old" if replace else None
        if old is not None:
            path.write_bytes(old)
        machine = FailingFileSystem(at, error)
        monkeypatch.setattr(files, "system", machine)
        failures: list[FileUnavailable] = []
        try:
            write_atomically(path, b"new content", replace=replace)
        except FileUnavailable as failure:
            failures.append(failure)
        monkeypatch.undo()
        assert [(failure.errno, failure.filename) for failure in failures] == [(error, str(path))] * machine.reached
        found = path.read_bytes() if path.exists() else None
        assert found in (old, b"new content"), machine.steps
        assert os.listdir(tmp_path) == (["file"] if found is not None else [])
        outcomes.append((machine.steps[-1], found == b"new content"))
        if not machine.reached:
            break
    done = "rename" if replace else "link"
    assert [step for step, whole in outcomes if not whole] == ["create", "write", "permit", "synchronise", done]
    assert outcomes[-1][1]


KILLED_WRITER = """
import sys
from tests.support.faults import KillingFileSystem
from tlsocket.pki import files
files.system = KillingFileSystem(int(sys.argv[2]))
files.write_atomically(sys.argv[1], b"new content")
"""


def test_a_kill_at_any_step_leaves_the_file_as_it_was_or_as_it_was_to_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    killed = []
    for at in range(1, 20):
        path.write_bytes(b"old")
        command = [sys.executable, "-c", KILLED_WRITER, str(path), str(at)]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        status = subprocess.run(command, env=environment, timeout=60, check=False).returncode
        content = path.read_bytes()
        assert content in (b"old", b"new content")
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed.append(content)
    assert killed == [b"old"] * 5 + [b"new content"]
    left = [name for name in os.listdir(tmp_path) if name != "file"]
    assert left
    assert all(is_temporary(name) for name in left)
    assert all(mode(tmp_path / name) == 0o600 for name in left)
    assert remove_leftovers(tmp_path, older_than=0.0) == 0
    assert remove_leftovers(tmp_path, older_than=path.stat().st_mtime + 60) == len(left)
    assert os.listdir(tmp_path) == ["file"]


def test_sweeping_a_folder_that_is_gone_removes_nothing(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "gone", older_than=1e12) == 0


@pytest.mark.parametrize(
    ("path", "number"),
    [("no/such/folder/file", errno.ENOENT), ("plain/file", errno.ENOTDIR), ("folder", errno.EISDIR)],
)
def test_where_nothing_can_be_written_the_error_names_the_file(tmp_path: Path, path: str, number: int) -> None:
    (tmp_path / "plain").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileUnavailable) as caught:
        write_atomically(tmp_path / path, b"content")
    assert caught.value.errno == number
    assert caught.value.filename == str(tmp_path / path)
    assert caught.value.remedy
    assert sorted(os.listdir(tmp_path)) == ["folder", "plain"]


def test_a_null_in_a_path_is_a_typed_error() -> None:
    with pytest.raises(FileUnavailable):
        write_atomically("a\0b", b"content")
    with pytest.raises(FileUnavailable):
        read_limited("a\0b")
    with pytest.raises(FileUnavailable):
        remove_file("a\0b")
    with pytest.raises(FileUnavailable):
        private_folder("a\0b")
    with pytest.raises(FileUnavailable):
        check_private("a\0b")


def test_removes_and_says_what_is_missing(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"content")
    remove_file(tmp_path / "file")
    assert os.listdir(tmp_path) == []
    remove_file(tmp_path / "file", missing_ok=True)
    with pytest.raises(MissingFile):
        remove_file(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileUnavailable):
        remove_file(tmp_path / "folder")


def test_reads_up_to_the_limit_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_limited(tmp_path / "file", 10) == b"0123456789"
    with pytest.raises(WrongContent, match="larger than a book can be"):
        read_limited(tmp_path / "file", 9, what="book")


def test_reads_no_pipe_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileUnavailable, match="not a regular file"):
        read_limited(tmp_path / "pipe")
    with pytest.raises(FileUnavailable, match="within that folder"):
        read_limited(tmp_path)
    with pytest.raises(MissingFile):
        read_limited(tmp_path / "gone")


def test_reads_a_device_when_told_to() -> None:
    assert read_limited(os.devnull, regular=False) == b""


@pytest.mark.parametrize("wrong", [0o644, 0o660, 0o602, 0o604])
def test_a_private_file_that_others_can_use_is_refused_with_the_command_to_run(tmp_path: Path, wrong: int) -> None:
    path = tmp_path / "my key"
    path.write_bytes(b"secret")
    path.chmod(wrong)
    with pytest.raises(NotPrivate) as caught:
        read_limited(path, private=True)
    command = caught.value.remedy.removeprefix("run: ")
    assert subprocess.run(command, shell=True, timeout=10, check=False).returncode == 0
    assert read_limited(path, private=True) == b"secret"
    check_private(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of root")
def test_a_machine_key_may_be_read_by_one_group(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"secret", mode=0o640, group=12)
    assert path.stat().st_gid == 12
    assert read_limited(path, private=True) == b"secret"
    path.chmod(0o644)
    with pytest.raises(NotPrivate, match="chmod 640"):
        check_private(path)


def test_a_folder_is_made_private_and_its_parents_too(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert mode(folder) == mode(folder.parent) == 0o700
    assert private_folder(folder) == folder
    assert mode(private_folder(tmp_path / "c", 0o755)) == 0o755


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileUnavailable, match="a symbolic link to") as caught:
        private_folder(tmp_path / "folder")
    assert caught.value.errno == errno.ELOOP
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileUnavailable, match="a symbolic link to"):
        private_folder(tmp_path / "dangling")


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileUnavailable) as caught:
        private_folder(tmp_path / "file")
    assert caught.value.errno == errno.ENOTDIR
    with pytest.raises(FileUnavailable):
        private_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("has", "wanted", "verb"), [(0o755, 0o700, "look into"), (0o770, 0o700, "write in"), (0o777, 0o755, "write in")]
)
def test_a_folder_that_is_too_open_is_refused_with_the_command_to_run(
    tmp_path: Path, has: int, wanted: int, verb: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(has)
    with pytest.raises(NotPrivate, match=f"other users can {verb}") as caught:
        private_folder(folder, wanted)
    subprocess.run(caught.value.remedy.removeprefix("run: "), shell=True, timeout=10, check=True)
    assert private_folder(folder, wanted) == folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(0o700)
    os.chown(folder, 1234, 1234)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(NotPrivate, match="belongs to another user"):
        private_folder(folder)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES])
def test_a_folder_that_cannot_be_made_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    monkeypatch.setattr(files, "system", FailingFileSystem(1, error))
    with pytest.raises(FileUnavailable) as caught:
        private_folder(tmp_path / "folder")
    assert caught.value.errno == error


def test_a_folder_that_may_be_written_and_not_read_takes_files(tmp_path: Path) -> None:
    script = "import os; from tlsocket.pki.files import write_atomically\n"
    script += "os.getuid() or os.setuid(65534)\nwrite_atomically('file', b'x')"
    tmp_path.chmod(0o333)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    tmp_path.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["file"]
