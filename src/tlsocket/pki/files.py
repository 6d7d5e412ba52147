"""Files that hold keys and certificates: written whole or not at all, private from the first byte, read bounded.

Every file that `tlsocket.pki` writes goes through `write_atomically`: a temporary file in the same folder, `fsync`,
`rename`, `fsync` of the folder, so that a crash or a full disk at any moment leaves the file as it was or as it was to
be. The system calls are methods of `FileSystem`; `system` is the module's only way to them, so that a test can put one
there that fails, or kills the process, at any step.

What the files hold is not known here. SQLite writes its own files (`tlsocket.pki.authority`).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki.errors import FileUnavailable, MissingFile, NotPrivate, WrongContent

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "DEFAULT_LIMIT",
    "FileSystem",
    "check_private",
    "is_temporary",
    "private_folder",
    "read_limited",
    "remove_file",
    "remove_leftovers",
    "unavailable",
    "write_atomically",
]

DEFAULT_LIMIT = 16 * 1024 * 1024
"""How many bytes of a file are read at most when the caller names no limit."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_TEMPORARY_SUFFIX = ".tmp"

_WRITE_REMEDIES = {
    errno.ENOSPC: "make room on the disk and try again; nothing was changed",
    errno.EDQUOT: "make room in this user's quota and try again; nothing was changed",
    errno.EROFS: "the file system is read-only: write elsewhere, or remount it; nothing was changed",
    errno.EACCES: "let this user write in its folder, or run as one who may; nothing was changed",
    errno.EPERM: "let this user write in its folder, or run as one who may; nothing was changed",
    errno.ENOENT: "make its folder first, or check the path",
    errno.ENOTDIR: "a part of the path is a file: check the path",
    errno.EISDIR: "a folder has this name: choose another name",
    errno.EEXIST: "a file with this name is there already: choose another name, or remove it",
}


class FileSystem:
    """The system calls of this module, each a step at which a test can let the machine fail."""

    def create(self, path: str) -> int:
        """A new file, readable by its owner only; never an existing one, never through a link."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _CLOSE_ON_EXEC | _BINARY, 0o600)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Some of `data`; how many bytes it was."""
        return os.write(descriptor, data)

    def permit(self, descriptor: int, mode: int, group: int | None) -> None:
        """The final permissions, whatever the umask; the group first, as changing it may clear bits of the mode."""
        if group is not None:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)

    def synchronise(self, descriptor: int) -> None:
        """Onto the disk (macOS: through the drive's own cache too)."""
        try:
            import fcntl

            full = getattr(fcntl, "F_FULLFSYNC", None)
        except ImportError:
            full = None
        if full is None:
            os.fsync(descriptor)
        else:
            fcntl.fcntl(descriptor, full)

    def rename(self, source: str, target: str) -> None:
        """Put `source` in the place of `target`, at once."""
        os.replace(source, target)

    def link(self, source: str, target: str) -> None:
        """Give `source` the name `target`, unless something has it."""
        os.link(source, target, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Take the name away."""
        os.unlink(path)

    def make_folder(self, path: str, mode: int) -> None:
        """One new folder."""
        os.mkdir(path, mode)

    def synchronise_folder(self, path: str) -> None:
        """The names in a folder onto the disk."""
        try:
            descriptor = os.open(path, os.O_RDONLY | _CLOSE_ON_EXEC)
        except PermissionError:
            # A folder may be writable and not readable; then its names cannot be synchronised.
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


system = FileSystem()
"""What makes the system calls; tests replace it."""


def write_atomically(
    path: str | os.PathLike[str], data: bytes, *, mode: int = 0o600, group: int | None = None, replace: bool = True
) -> None:
    """Write a file whole or not at all; `mode` holds whatever the umask, and until then only the owner can read it.

    A symbolic link at `path` is replaced, not followed. With `replace=False` an existing file is an error (EEXIST).
    Raises `FileUnavailable`; then `path` is as it was. (One exception: when the last step fails, that of making the
    new name survive a power cut, the file is written and the error says so.)
    """
    target = os.fspath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:40]}.{random_bytes(8).hex()}{_TEMPORARY_SUFFIX}")
    made = False
    try:
        descriptor = system.create(temporary)
        made = True
        try:
            _write_all(descriptor, data)
            system.permit(descriptor, mode, group)
            system.synchronise(descriptor)
        finally:
            os.close(descriptor)
        if replace:
            system.rename(temporary, target)
        else:
            system.link(temporary, target)
            _forget(temporary)
        made = False
    except (OSError, ValueError) as error:
        raise _write_error(target, error) from None
    finally:
        if made:
            _forget(temporary)
    _synchronise_folder(folder, target)


def remove_file(path: str | os.PathLike[str], *, missing_ok: bool = False) -> None:
    """Remove a file for good. Raises `FileUnavailable` (`MissingFile` when it is not there, unless that is fine)."""
    target = os.fspath(path)
    try:
        system.remove(target)
    except FileNotFoundError as error:
        if missing_ok:
            return
        raise MissingFile(target, error, "check the path") from None
    except (OSError, ValueError) as error:
        raise _write_error(target, error) from None
    _synchronise_folder(os.path.dirname(target), target)


def read_limited(
    path: str | os.PathLike[str],
    limit: int = DEFAULT_LIMIT,
    *,
    what: str = "file",
    private: bool = False,
    regular: bool = True,
) -> bytes:
    """The whole content of a file of at most `limit` bytes; `what` says in messages what it should hold.

    With `private`, a file that others may read is refused (`NotPrivate`, see `check_private`): the check is made on the
    opened file, so nobody can change it in between. With `regular=False` pipes and devices are read too.
    Raises `FileUnavailable`, or `WrongContent` when the file is larger.
    """
    name = os.fspath(path)
    try:
        # A pipe without a writer would hold us at the opening; what is not a regular file is told apart behind it.
        descriptor = os.open(name, os.O_RDONLY | _CLOSE_ON_EXEC | _BINARY | (os.O_NONBLOCK if regular else 0))
        with open(descriptor, "rb", buffering=0) as file:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if regular and not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            if private:
                _refuse_if_readable_by_others(name, status)
            data = _read_at_most(file.fileno(), limit)
    except (OSError, ValueError) as error:
        if isinstance(error, FileUnavailable):
            raise
        raise unavailable(name, error, what) from None
    if len(data) > limit:
        raise WrongContent(name, f"larger than a {what} can be", f"give the path of a {what} in PEM or DER")
    return data


def check_private(path: str | os.PathLike[str]) -> None:
    """Raise `NotPrivate` when anyone but the owner (or, of root's files, one group) may read or write the file."""
    name = os.fspath(path)
    try:
        status = os.stat(name)
    except (OSError, ValueError) as error:
        raise unavailable(name, error, "private key") from None
    _refuse_if_readable_by_others(name, status)


def private_folder(path: str | os.PathLike[str], mode: int = 0o700) -> Path:
    """The folder, made with `mode` if it is not there (the folders above it too), and safe to keep keys in.

    Refused are a symbolic link, something that is no folder, a folder of another user (root's is fine), and one that
    lets others write though `mode` does not, or read when `mode` is private. Raises `FileUnavailable`, `NotPrivate`.
    """
    from pathlib import Path  # only who writes needs it, and most programs read

    folder = Path(path)
    try:
        try:
            status = os.lstat(folder)
        except FileNotFoundError:
            _make_folders(folder, mode)
            status = os.lstat(folder)
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(folder)
            cause = OSError(errno.ELOOP, f"a symbolic link to {target}")
            raise FileUnavailable(str(folder), cause, "name the folder itself: keys are not kept behind a link")
        if not stat.S_ISDIR(status.st_mode):
            cause = OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            raise FileUnavailable(str(folder), cause, "choose another folder, or move the file")
    except (OSError, ValueError) as error:
        if isinstance(error, FileUnavailable):
            raise
        raise _write_error(str(folder), error) from None
    _refuse_foreign_folder(str(folder), status, mode)
    return folder


def is_temporary(name: str) -> bool:
    """True for the name of a file that `write_atomically` has not finished, or never will."""
    return name.startswith(".") and name.endswith(_TEMPORARY_SUFFIX)


def remove_leftovers(folder: str | os.PathLike[str], *, older_than: float) -> int:
    """Remove what killed writers left behind: temporary files last changed before `older_than` (seconds since 1970).

    Returns how many; what cannot be removed stays. Call it while holding the folder's writer lock, if it has one.
    """
    removed = 0
    try:
        names = [name for name in os.listdir(folder) if is_temporary(name)]
    except OSError:
        return 0
    for name in names:
        path = os.path.join(os.fspath(folder), name)
        try:
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_mtime < older_than:
                os.unlink(path)
                removed += 1
        except OSError:
            # Another process was quicker, or it is not ours to remove.
            continue
    return removed


def unavailable(path: str, error: OSError | ValueError, what: str) -> FileUnavailable:
    """The error for a file that could not be read."""
    if isinstance(error, FileNotFoundError):
        return MissingFile(path, error, f"check the path of the {what} (the current folder is {_here()})")
    if isinstance(error, IsADirectoryError):
        return FileUnavailable(path, error, f"give the path of the {what} within that folder")
    if isinstance(error, PermissionError):
        return FileUnavailable(path, error, f"let this user read it, or run as one who may; it should hold the {what}")
    cause = error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
    return FileUnavailable(path, cause, f"check the path of the {what}")


def _write_all(descriptor: int, data: bytes) -> None:
    with memoryview(data) as view:
        position = 0
        while position < len(view):
            written = system.write(descriptor, view[position:])
            if written <= 0:
                raise OSError(errno.EIO, "nothing could be written")
            position += written


def _read_at_most(descriptor: int, limit: int) -> bytes:
    chunks = []
    left = limit + 1
    while left > 0:
        chunk = os.read(descriptor, min(left, 1 << 20))
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _make_folders(folder: Path, mode: int) -> None:
    missing = [folder]
    for parent in folder.parents:
        if parent.exists():
            break
        missing.append(parent)
    for path in reversed(missing):
        try:
            system.make_folder(str(path), mode)
        except FileExistsError:
            # Another process made it; the caller looks at what is there now.
            continue
        # The umask may have taken bits that the caller asked for; the mode given never adds more than asked.
        os.chmod(path, mode)
        system.synchronise_folder(str(path.parent))


def _refuse_foreign_folder(name: str, status: os.stat_result, mode: int) -> None:
    if not hasattr(os, "geteuid"):
        return
    if status.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        cause = PermissionError(errno.EPERM, "the folder belongs to another user")
        raise NotPrivate(name, cause, "choose a folder of this user's own")
    excess = stat.S_IMODE(status.st_mode) & ~mode & (0o077 if mode & 0o077 == 0 else 0o022)
    if excess:
        verb = "write in" if excess & 0o022 else "look into"
        cause = PermissionError(errno.EPERM, f"other users can {verb} the folder")
        raise NotPrivate(name, cause, f"run: chmod {mode:o} {_quoted(name)}")


def _refuse_if_readable_by_others(name: str, status: os.stat_result) -> None:
    # A service that is not root reads the machine's key through its group: 0640 root:GROUP is private too.
    allowed = 0o740 if status.st_uid == 0 else 0o700
    mode = status.st_mode & 0o777
    if hasattr(os, "geteuid") and mode & ~allowed:
        cause = PermissionError(errno.EPERM, f"other users can use this private file (mode {mode:04o})")
        wanted = "640" if status.st_uid == 0 and status.st_gid and mode & 0o040 else "600"
        raise NotPrivate(name, cause, f"run: chmod {wanted} {_quoted(name)}")


def _synchronise_folder(folder: str, target: str) -> None:
    try:
        system.synchronise_folder(folder or ".")
    except OSError as error:
        remedy = "the change was made, but may not survive a power cut: check the disk"
        raise FileUnavailable(target, error, remedy) from None


def _write_error(path: str, error: OSError | ValueError) -> FileUnavailable:
    cause = error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
    remedy = _WRITE_REMEDIES.get(cause.errno or 0, "check the path and the disk; nothing was changed")
    return FileUnavailable(path, cause, remedy)


def _forget(temporary: str) -> None:
    try:
        os.unlink(temporary)
    except OSError:
        # It is the failure before this one that counts; `remove_leftovers` sweeps later.
        pass


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "gone"
