"""Changes of several files in one folder at once: all of them or none, whenever the machine stops.

A writer holds the folder's lock, writes every new file under a temporary name, and then a journal that says which
names they are to get and which go away. The journal's own renaming is the moment of the change: a reader that finds
it reads the folder as if all was done, and the next writer finishes what a dead one began. Readers never lock. What
tells them that they looked at one moment is the generation: odd while a writer is at work, even when it is done.

A change of a single file needs no journal: renaming is atomic by itself. What the files hold is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

from tlsocket.clock import monotonic
from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki import files
from tlsocket.pki.errors import FileUnavailable, WrongContent
from tlsocket.pki.stores.errors import StoreBusy

__all__ = ["Listing", "NewFile", "TransactionFolder", "cannot_write", "exclusive"]

_LOCK, _GENERATION, _JOURNAL = ".lock", ".generation", ".journal"
_JOURNAL_LIMIT = 64 * 1024 * 1024
_LOCK_PATIENCE = 30.0
_QUEUE_PATIENCE = 600.0
_READ_ATTEMPTS = 400
_NAME = re.compile(r"[0-9a-f]{64}\.(?:pem|key|pending)|\.[0-9a-f]{1,80}\.[a-z]+\.[0-9a-f]{16}\.tmp")

_REMEDIES = {
    errno.ENOSPC: "make room on the disk and try again; nothing was changed",
    errno.EDQUOT: "make room in this user's quota and try again; nothing was changed",
    errno.EROFS: "the file system is read-only: use another location; nothing was changed",
}


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that a transaction writes."""

    name: str
    data: bytes = field(repr=False)
    mode: int
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The folder at one moment: the files that it holds, and where each is at present."""

    files: Mapping[str, str]
    """Name to the name under which it is found: another one while a change is being finished."""
    stamp: tuple[object, ...] | None
    """Equal when nothing changed since; None: it cannot be told, so look again."""
    leftovers: tuple[str, ...] = ()
    journal_problem: str = ""


class TransactionFolder:
    """A folder whose files change together."""

    def __init__(self, path: str) -> None:
        self.path = path

    # --- readers ---

    def generation(self) -> int:
        """How often a writer began or ended; 0 before the first."""
        try:
            with open(os.path.join(self.path, _GENERATION), "rb", buffering=0) as file:
                text = file.read(32) or b""
        except FileNotFoundError:
            return 0
        except PermissionError:
            # Between its making and its permissions, or restored without them: the store itself can be read.
            return 1
        except OSError as error:
            raise files.unavailable(os.path.join(self.path, _GENERATION), error, "store") from None
        # What cannot be read was being written when the machine stopped; odd means: do not rely on it.
        return int(text) if text.strip().isdigit() else 1

    def stamp(self) -> tuple[object, ...] | None:
        """What `Listing.stamp` would be now."""
        generation = self.generation()
        if generation & 1:
            return None
        return generation, self._journal_bytes(), self.modified()

    def list(self) -> Listing:
        """The folder at one moment. Raises `StoreBusy` when writers never leave one."""
        for attempt in range(_READ_ATTEMPTS):
            before = self.generation(), self._journal_bytes()
            modified = self.modified()
            try:
                names = os.listdir(self.path)
            except FileNotFoundError:
                return Listing({}, (0, b"", None))
            except OSError as error:
                raise files.unavailable(self.path, error, "store") from None
            listing = _overlaid(names, before[1])
            if listing is not None and (self.generation(), self._journal_bytes()) == before:
                stamp = None if before[0] & 1 else (*before, modified)
                return Listing(listing.files, stamp, listing.leftovers, listing.journal_problem)
            sleep(min(0.0002 * attempt, 0.02))
        raise StoreBusy(f"{self.path}: writers change it faster than it can be read", "try again later")

    def _journal_bytes(self) -> bytes:
        try:
            with open(os.path.join(self.path, _JOURNAL), "rb", buffering=0) as file:
                return file.read(_JOURNAL_LIMIT) or b""
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise files.unavailable(os.path.join(self.path, _JOURNAL), error, "store") from None

    def modified(self) -> int | None:
        """When a name in the folder last changed: our own writers are told by the generation, a person by this."""
        try:
            return os.stat(self.path).st_mtime_ns
        except OSError:
            return None

    # --- writers ---

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the writers' lock; what a dead writer left is finished or swept first."""
        with exclusive(os.path.join(self.path, _LOCK), self.path, self.generation):
            self._recover()
            yield

    def commit(self, new: Sequence[NewFile], moved: Sequence[tuple[str, str]], removed: Sequence[str]) -> None:
        """Write the new files, rename the moved ones, remove the others: all or nothing. Call it while `locked`."""
        staged: list[tuple[str, str]] = []
        committed = False
        try:
            for file in new:
                temporary = f".{file.name}.{random_bytes(8).hex()}.tmp"
                staged.append((temporary, file.name))
                self._stage(temporary, file)
            renames = [*staged, *moved]
            self._set_generation(self.generation() | 1)
            if len(renames) + len(removed) > 1:
                self._write_journal(renames, removed)
                committed = True
            self._move(renames, removed)
            committed = True
            files.system.synchronise_folder(self.path)
            self._set_generation(self.generation() + 1)
            if len(renames) + len(removed) > 1:
                files.remove_file(os.path.join(self.path, _JOURNAL))
        except OSError as error:
            if committed:
                cause = OSError(error.errno, error.strerror or str(error))
                remedy = "the change is made, and the next one that succeeds will tidy up; check the disk"
                raise FileUnavailable(self.path, cause, remedy) from None
            if isinstance(error, FileUnavailable):
                raise
            raise cannot_write(self.path, error) from None
        finally:
            if not committed:
                for temporary, _ in staged:
                    with contextlib.suppress(OSError):
                        os.unlink(os.path.join(self.path, temporary))
                with contextlib.suppress(OSError):
                    # Nothing was changed, so readers may rely on what they know again.
                    generation = self.generation()
                    if generation & 1 and not self._journal_bytes():
                        self._set_generation(generation + 1)

    def _stage(self, temporary: str, file: NewFile) -> None:
        descriptor = files.system.create(os.path.join(self.path, temporary))
        try:
            _write_all(descriptor, file.data)
            files.system.permit(descriptor, file.mode, file.group)
            files.system.synchronise(descriptor)
        finally:
            os.close(descriptor)

    def _write_journal(self, renames: Sequence[tuple[str, str]], removed: Sequence[str]) -> None:
        content = json.dumps({"format": 1, "rename": renames, "remove": list(removed)}).encode()
        try:
            files.write_atomically(os.path.join(self.path, _JOURNAL), content, mode=0o644)
        except FileUnavailable:
            # It may be there although the last step, that of making its name survive a power cut, failed: then the
            # change has happened for every reader and goes on.
            if not self._journal_bytes():
                raise

    def _move(self, renames: Sequence[tuple[str, str]], removed: Sequence[str]) -> None:
        for source, target in renames:
            with contextlib.suppress(FileNotFoundError):  # done already, by the writer that died
                files.system.rename(os.path.join(self.path, source), os.path.join(self.path, target))
        for name in removed:
            with contextlib.suppress(FileNotFoundError):
                files.system.remove(os.path.join(self.path, name))

    def _recover(self) -> None:
        """Finish what a dead writer had decided, forget what it had not."""
        try:
            journal = self._journal_bytes()
            if journal:
                parsed = _parse_journal(journal)
                if parsed is None:
                    path = os.path.join(self.path, _JOURNAL)
                    raise WrongContent(
                        path, "the record of an unfinished change is damaged", "remove it; that change may be half done"
                    )
                self._move(*parsed)
                files.system.synchronise_folder(self.path)
            generation = self.generation()
            if generation & 1:
                self._set_generation(generation + 1)
            if journal:
                files.remove_file(os.path.join(self.path, _JOURNAL))
            for name in os.listdir(self.path):
                if files.is_temporary(name):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os.path.join(self.path, name))
        except OSError as error:
            if isinstance(error, FileUnavailable):
                raise
            raise cannot_write(self.path, error) from None

    def _set_generation(self, value: int) -> None:
        # In place, and not synchronised: it is for programs that are running, and 21 bytes of one page are written at
        # once. All digits but the last few are equal, so that even half of them would be a number that was valid.
        path = os.path.join(self.path, _GENERATION)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                os.fchmod(descriptor, os.stat(self.path).st_mode & 0o444 | 0o200)
            _write_all(descriptor, b"%020d\n" % value)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def exclusive(path: str, what: str, progress: Callable[[], object]) -> Iterator[None]:
    """Hold the lock that the file `path` stands for; `what` is what it guards, in messages.

    `progress` gives something that changes whenever a writer gets on: a long queue is waited for, a stuck writer not.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        _wait_for_lock(descriptor, what, progress)
        try:
            yield
        finally:
            _unlock(descriptor)
    finally:
        os.close(descriptor)


def demand_writable(folder: Path, place: str) -> None:
    """Raise `FileUnavailable` for `place` when this user cannot write to the folder."""
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = hasattr(os, "ST_RDONLY") and os.statvfs(folder).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise cannot_write(place, OSError(number, os.strerror(number)))


def cannot_write(path: str, error: OSError) -> FileUnavailable:
    """The error for a store that could not be written."""
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = "run as a user who may write there, or use another location; nothing was changed"
    else:
        remedy = _REMEDIES.get(error.errno or 0, "check the folder and the disk; nothing was changed")
    return FileUnavailable(path, error, remedy)


def _overlaid(names: list[str], journal: bytes) -> Listing | None:
    """The files as they are once the journal's change is done; None when they moved while we looked."""
    shown = {name: name for name in names if not name.startswith(".")}
    present = set(names)
    temporary = {name for name in names if files.is_temporary(name)}
    problem = ""
    if journal:
        parsed = _parse_journal(journal)
        if parsed is None:
            problem = "the record of an unfinished change is damaged"
        else:
            renames, removed = parsed
            for source, target in renames:
                shown.pop(source, None)
                temporary.discard(source)
                if source in present:
                    shown[target] = source
                elif target not in present:
                    return None
            for name in removed:
                shown.pop(name, None)
    return Listing(shown, None, tuple(sorted(temporary)), problem)


def _parse_journal(data: bytes) -> tuple[list[tuple[str, str]], list[str]] | None:
    try:
        content = json.loads(data)
        renames = [(source, target) for source, target in content["rename"]]
        removed = list(content["remove"])
        sound = content["format"] == 1 and all(
            isinstance(name, str) and _NAME.fullmatch(name) for pair in (*renames, removed) for name in pair
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (renames, removed) if sound else None


def _write_all(descriptor: int, data: bytes) -> None:
    with memoryview(data) as view:
        position = 0
        while position < len(view):
            written = files.system.write(descriptor, view[position:])
            if written <= 0:
                raise OSError(errno.EIO, "nothing could be written")
            position += written


def _wait_for_lock(descriptor: int, path: str, progress: Callable[[], object]) -> None:
    started = monotonic()
    deadline = started + _LOCK_PATIENCE
    seen = progress()
    pause = 0.0005
    while not _try_lock(descriptor):
        if monotonic() > deadline:
            now = progress()
            if now != seen and monotonic() < started + _QUEUE_PATIENCE:
                seen, deadline = now, monotonic() + _LOCK_PATIENCE
                continue
            raise StoreBusy(
                f"{path}: another program has held it for {monotonic() - started:.0f} seconds",
                "find it (fuser, lsof) and end it, or try again later",
            )
        # Uneven pauses, so that two hundred waiting writers do not knock in step.
        sleep(pause * (1 + random_bytes(1)[0] / 256))
        pause = min(pause * 1.3, 0.02)


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise FileUnavailable("the store's lock", error, "check that its file system supports locks") from None
        return True

    def _unlock(descriptor: int) -> None:
        # Explicitly: a child forked meanwhile holds the same open file, and closing ours would not free it.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
