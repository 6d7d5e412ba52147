"""Entries in a folder: a PEM file and, where there is one, a PKCS #8 file for each, named by the thumbprint.

`<sha256>.pem` is the certificate with its issuers, `<sha256>.key` its private key, `<sha256 of the public
key>.pending` a key that waits for its certificate. How several of them change at once is `transactions`'s part, what
stands in a PEM file `entry_file`'s. Permissions are here: who may look into the folder, and who may read a key.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tlsocket.pki import files
from tlsocket.pki.certificates import PARSE_ERRORS
from tlsocket.pki.errors import FileUnavailable, MissingFile, NotPrivate
from tlsocket.pki.stores.entry_file import MAXIMUM_SIZE, decode_entry, encode_entry
from tlsocket.pki.stores.errors import ReadOnlyStore
from tlsocket.pki.stores.layers import Broken, Change, Plan, Put, PutPending, Record, Remove, Snapshot
from tlsocket.pki.stores.transactions import Listing, NewFile, TransactionFolder, cannot_write, demand_writable

__all__ = ["FolderLayer"]

_ENTRY_NAME = re.compile(r"([0-9a-f]{64})\.(pem|key|pending)")
_KEY_LIMIT = 256 * 1024
_ATTEMPTS = 20

_FileKey = tuple[int, int, int]


class FolderLayer:
    """One store in a folder. `private`: nobody else may look into it; else its certificates are for all to read."""

    writable = True

    def __init__(self, path: Path, *, private: bool) -> None:
        self.place = str(path)
        self._path = path
        self._private = private
        self._folder = TransactionFolder(self.place)
        # Both are replaced, never changed, so that threads may read through one layer.
        self._known: tuple[tuple[object, ...] | None, Snapshot] = (None, Snapshot({}))
        self._parsed: dict[str, tuple[_FileKey, Record | Broken]] = {}
        self._seen: tuple[int, int | None] = (-1, None)
        self._by_hand = 0

    def exists(self) -> bool:
        """Whether the folder is there."""
        return os.path.lexists(self.place)

    def check_writable(self) -> None:
        """Raise `FileUnavailable` when this user cannot write it, or could not make it."""
        self._check_folder()
        place = self._path
        while not place.exists() and place != place.parent:
            place = place.parent
        demand_writable(place, self.place)

    def generation(self) -> int:
        """Grows with each change, also when a person puts a file there or takes one away."""
        state = self._folder.generation(), self._folder.modified()
        if state != self._seen:
            if state[0] == self._seen[0]:
                self._by_hand += 1
            self._seen = state
        return state[0] + self._by_hand

    def snapshot(self) -> Snapshot:
        """Everything; files that did not change are not read again."""
        stamp = self._folder.stamp()
        known, snapshot = self._known
        if stamp is not None and stamp == known:
            return snapshot
        self._check_folder()
        for attempt in range(_ATTEMPTS):
            listing = self._folder.list()
            read = self._read_all(listing, tolerant=attempt == _ATTEMPTS - 1)
            if read is not None:
                break
        else:  # pragma: no cover - the last attempt is tolerant
            read = Snapshot({})
        self._known = listing.stamp, read
        return read

    def record(self, thumbprint: str) -> Record | None:
        """One entry, of which only its own file is read."""
        stamp = self._folder.stamp()
        known, snapshot = self._known
        # While a change is being made the files alone do not tell the whole truth.
        if stamp is None or stamp[1] or stamp == known:
            return (snapshot if stamp is not None and stamp == known else self.snapshot()).records.get(thumbprint)
        self._check_folder()
        path = os.path.join(self.place, f"{thumbprint}.pem")
        try:
            data, _ = _read_file(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise files.unavailable(path, error, "entry of a certificate store") from None
        try:
            return decode_entry(data, thumbprint, os.path.lexists(os.path.join(self.place, f"{thumbprint}.key")))
        except PARSE_ERRORS:
            return None

    def change(self, plan: Plan) -> None:
        """All or nothing, also when the machine stops."""
        self._make_folder()
        with self._folder.locked():
            snapshot = self.snapshot()
            new, moved, removed = self._steps(plan(snapshot))
            if new or moved or removed:
                self._folder.commit(new, moved, removed)

    def read_key(self, thumbprint: str) -> bytes:
        """The key's file. Raises `NotPrivate` when others can read it, with the command that helps."""
        try:
            return self._read_private(f"{thumbprint}.key")
        except FileUnavailable as error:
            if self._private or error.errno != errno.EACCES or isinstance(error, NotPrivate):
                raise
            remedy = f"have root run: tlsocket store grant {thumbprint[:16]} --group GROUP --location machine"
            raise FileUnavailable(error.source, PermissionError(errno.EACCES, error.strerror), remedy) from None

    def read_pending(self, identifier: str) -> bytes:
        """A waiting key's file."""
        return self._read_private(f"{identifier}.pending")

    def check_folders(self) -> list[Broken]:
        """The folders of a machine's store that nobody but root can look into, though services need to."""
        folders = (self._path.parent.parent, self._path.parent, self._path)
        problem = "nobody but its owner can look into it, so that services do not see what is in there"
        return [
            Broken(str(folder), problem, f"run: chmod 755 {shlex.quote(str(folder))}")
            for folder in folders
            if not self._private and folder.exists() and not folder.stat().st_mode & 0o011
        ]

    def check_key(self, thumbprint: str) -> Broken | None:
        """What is wrong with the permissions of an entry's key, if anything is."""
        path = os.path.join(self.place, f"{thumbprint}.key")
        try:
            files.check_private(path)
        except FileUnavailable as error:
            return Broken(path, error.problem, error.remedy)
        return None

    def grant(self, thumbprint: str, group: int) -> None:
        """Let a group read the key of an entry: 0640, owned by root."""
        path = os.path.join(self.place, f"{thumbprint}.key")
        if self._private:
            raise ReadOnlyStore(
                f"{self.place}: keys of this location are for their owner alone",
                "keep the certificate in the machine's store (--location machine) and grant it there",
            )
        with self._folder.locked():
            try:
                descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
                try:
                    status = os.fstat(descriptor)
                    if status.st_uid != 0:
                        cause = PermissionError(errno.EPERM, "the key does not belong to root")
                        raise NotPrivate(path, cause, f"run: chown root {path}")
                    files.system.permit(descriptor, 0o640, group)
                finally:
                    os.close(descriptor)
            except FileNotFoundError as error:
                raise MissingFile(path, error, "this entry has no private key to grant") from None
            except OSError as error:
                if isinstance(error, FileUnavailable):
                    raise
                raise cannot_write(path, error) from None

    # --- reading ---

    def _read_all(self, listing: Listing, *, tolerant: bool) -> Snapshot | None:
        """None when a file went away meanwhile: then look again."""
        records: dict[str, Record] = {}
        pending: set[str] = set()
        broken: list[Broken] = []
        parsed: dict[str, tuple[_FileKey, Record | Broken]] = {}
        if listing.journal_problem:
            broken.append(Broken(os.path.join(self.place, ".journal"), listing.journal_problem, "remove it"))
        for name, actual in listing.files.items():
            match = _ENTRY_NAME.fullmatch(name)
            if match is None:
                if name.endswith((".pem", ".crt", ".cer", ".der", ".p12", ".pfx")):
                    path = os.path.join(self.place, name)
                    broken.append(Broken(path, "it is not an entry", f"add it with: tlsocket store add {path}"))
                continue
            thumbprint, kind = match.groups()
            if kind == "pending":
                pending.add(thumbprint)
            elif kind == "pem":
                try:
                    found = self._read_entry(name, actual, thumbprint, f"{thumbprint}.key" in listing.files)
                except FileNotFoundError:
                    if tolerant:
                        continue
                    return None
                parsed[name] = found
                if isinstance(found[1], Record):
                    records[thumbprint] = found[1]
                else:
                    broken.append(found[1])
            elif f"{thumbprint}.pem" not in listing.files:
                path = os.path.join(self.place, name)
                broken.append(
                    Broken(path, "a private key without its certificate", "add the certificate, or remove it")
                )
        self._parsed = parsed
        return Snapshot(records, frozenset(pending), tuple(broken))

    def _read_entry(self, name: str, actual: str, thumbprint: str, has_key: bool) -> tuple[_FileKey, Record | Broken]:
        path = os.path.join(self.place, actual)
        kept = self._parsed.get(name)
        if kept is not None:
            status = os.stat(path)
            if kept[0] == (status.st_ino, status.st_mtime_ns, status.st_size):
                record = kept[1]
                if isinstance(record, Record) and record.has_key != has_key:
                    return kept[0], replace(record, has_key=has_key)
                return kept
        try:
            data, key = _read_file(path)
            return key, decode_entry(data, thumbprint, has_key)
        except FileNotFoundError:
            raise
        except OSError as error:
            return (0, 0, 0), Broken(path, (error.strerror or str(error)).lower(), "let this user read it")
        except PARSE_ERRORS as error:
            remedy = "restore it from a backup, or remove it and add the certificate anew"
            return (0, 0, 0), Broken(path, f"it cannot be parsed: {error}", remedy)

    def _read_private(self, name: str) -> bytes:
        path = os.path.join(self.place, name)
        for _ in range(3):
            try:
                return files.read_limited(path, _KEY_LIMIT, what="private key", private=True)
            except MissingFile:
                # A change is being finished, perhaps by nobody any more: then it is still under another name.
                actual = self._folder.list().files.get(name)
                if actual is None:
                    raise
                path = os.path.join(self.place, actual)
        return files.read_limited(path, _KEY_LIMIT, what="private key", private=True)

    # --- writing ---

    def _steps(self, changes: Sequence[Change]) -> tuple[list[NewFile], list[tuple[str, str]], list[str]]:
        new: list[NewFile] = []
        moved: list[tuple[str, str]] = []
        removed: list[str] = []
        public = 0o600 if self._private else 0o644
        for change in changes:
            if isinstance(change, Put):
                record = change.record
                if change.key is not None:
                    new.append(self._key_file(f"{record.thumbprint}.key", change.key))
                elif change.pending:
                    moved.append((f"{change.pending}.pending", f"{record.thumbprint}.key"))
                content = encode_entry(record.certificate, record.der, record.metadata, record.chain)
                new.append(NewFile(f"{record.thumbprint}.pem", content, public))
            elif isinstance(change, Remove):
                removed += [
                    name for name in (f"{change.thumbprint}.pem", f"{change.thumbprint}.key") if self._has(name)
                ]
            elif isinstance(change, PutPending):
                new.append(NewFile(f"{change.identifier}.pending", change.key, 0o600))
            else:
                removed += [name for name in (f"{change.identifier}.pending",) if self._has(name)]
        return new, moved, removed

    def _has(self, name: str) -> bool:
        return os.path.lexists(os.path.join(self.place, name))

    def _key_file(self, name: str, data: bytes) -> NewFile:
        """The new file of a key; one that a group was granted stays granted."""
        try:
            status = os.lstat(os.path.join(self.place, name))
        except OSError:
            return NewFile(name, data, 0o600)
        granted = stat.S_IMODE(status.st_mode) == 0o640 and status.st_uid == 0 and not self._private
        return NewFile(name, data, 0o640, status.st_gid) if granted else NewFile(name, data, 0o600)

    # --- the folder itself ---

    def _mode(self) -> int:
        return 0o700 if self._private else 0o755

    def _check_folder(self) -> None:
        """Refuse a folder that is a link, or that others could have filled."""
        try:
            above = os.lstat(self._path.parent)
        except OSError:
            return
        if not above.st_mode & stat.S_ISVTX:
            # The folder above need not be secret, but whoever can write there can exchange this one (except where, as
            # in /tmp, nobody can move what is another's).
            files.private_folder(self._path.parent, 0o755)
        if os.path.lexists(self._path):
            files.private_folder(self._path, self._mode())

    def _make_folder(self) -> None:
        self._check_folder()
        files.private_folder(self._path, self._mode())


def _read_file(path: str) -> tuple[bytes, _FileKey]:
    """A regular file's content and what tells it from a later one."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if status.st_size > MAXIMUM_SIZE:
            raise OSError(errno.EFBIG, "larger than an entry can be")
        data = b""
        while chunk := os.read(descriptor, status.st_size + 1 - len(data)):
            data += chunk
            if len(data) > status.st_size:
                break
    finally:
        os.close(descriptor)
    return data, (status.st_ino, status.st_mtime_ns, status.st_size)
