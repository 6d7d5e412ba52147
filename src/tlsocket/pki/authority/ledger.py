"""The ledger: every certificate that an authority issued, whether it is revoked, and every CRL, in one SQLite file.

How nothing is lost. The journal is a write-ahead log and `synchronous` is FULL: a commit returns when the log has
reached the disk, and a process that dies before leaves a tail that the next one ignores. Each change is one
transaction, begun with BEGIN IMMEDIATE, so that of two processes one waits. The serial is the primary key: a second
certificate with it cannot be entered. What leaves the authority (a certificate, a CRL) is what a transaction has
committed before; the order is the caller's duty, and `add` and `add_revocation_list` return only after the commit.

A connection to SQLite must not cross a fork, so it is remembered with its process and opened anew in a child.
No certificate is made here and nothing is signed. `sqlite3` is imported when a ledger is opened: 3 ms that
`import tlsocket` does not pay.
"""

from __future__ import annotations

import datetime
import enum
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509

from tlsocket.pki.authority.refusals import (
    LedgerBusy,
    LedgerDamaged,
    LedgerUnavailable,
    NotInLedger,
    RevocationRefused,
)

if TYPE_CHECKING:
    import sqlite3

__all__ = ["EntryState", "Ledger", "LedgerEntry", "serial_text"]

# "tlsl": tells our file from any other SQLite database (`file ledger.sqlite` shows it).
_APPLICATION_ID = 0x746C736C
_SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0

# STRICT tables: a value of the wrong type is an error, not a surprise. Serials are 40 hex digits, as SQLite's
# integers end at 64 bits. Times are seconds since 1970.
_SCHEMA = """
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE certificates (
    serial TEXT PRIMARY KEY CHECK (length(serial) = 40),
    thumbprint TEXT NOT NULL UNIQUE CHECK (length(thumbprint) = 64),
    key_hash TEXT NOT NULL CHECK (length(key_hash) = 64),
    subject TEXT NOT NULL,
    profile TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    renews TEXT REFERENCES certificates (serial),
    revoked_at INTEGER,
    reason TEXT,
    certificate BLOB NOT NULL,
    CHECK ((revoked_at IS NULL) = (reason IS NULL))
) STRICT;
CREATE INDEX certificates_by_key ON certificates (key_hash);
CREATE INDEX certificates_revoked ON certificates (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE TABLE revocation_lists (
    number INTEGER PRIMARY KEY,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    list BLOB NOT NULL
) STRICT;
"""

_COLUMNS = (
    "serial, thumbprint, key_hash, subject, profile, not_before, not_after, issued_at, renews, revoked_at, reason,"
    " certificate"
)


def serial_text(serial: int) -> str:
    """A serial number as the ledger's key: 40 lower-case hex digits (20 octets, RFC 5280 section 4.1.2.2)."""
    return f"{serial:040x}"


class EntryState(enum.Enum):
    """What an authority says of a certificate that it issued."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    HELD = "held"
    """Revoked with the reason certificateHold, which alone can be taken back."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One certificate of an authority. Times are seconds since 1970."""

    serial: int
    thumbprint: str
    """SHA-256 of the DER in lower-case hex."""
    key_hash: str
    """SHA-256 of the SubjectPublicKeyInfo in lower-case hex."""
    subject: str
    """RFC 4514 text, or the first alternative name of a certificate without a subject."""
    profile: str
    not_before: int
    not_after: int
    issued_at: int
    renews: int | None
    """The serial number of the certificate that this one replaces."""
    revoked_at: int | None
    reason: x509.ReasonFlags | None
    der: bytes = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_der_x509_certificate(self.der)

    def state(self, now: float) -> EntryState:
        """Its state at `now`; revocation outweighs expiry."""
        if self.revoked_at is not None:
            return EntryState.HELD if self.reason is x509.ReasonFlags.certificate_hold else EntryState.REVOKED
        return EntryState.EXPIRED if now > self.not_after else EntryState.VALID


class Ledger:
    """An open ledger file. One object may be used by several threads; one file by several processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        # Connections of a parent process: closing them here could upset the parent's, so they stay.
        self._inherited: list[sqlite3.Connection] = []

    @classmethod
    def create(cls, path: Path, settings: dict[str, str]) -> Ledger:
        """A new, empty ledger in a file of mode 0600 that must not be there yet."""
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise _unavailable(path, error.strerror or str(error)) from error
        ledger = cls(path)
        with ledger._use() as connection:
            ledger._prepare(connection)
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            connection.execute("COMMIT")
        return ledger

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The ledger in a file that is there."""
        ledger = cls(path)
        if not os.path.isfile(path):
            raise LedgerUnavailable(str(path), "the ledger is missing", "restore the authority's folder from a backup")
        with ledger._use() as connection:
            ledger._prepare(connection)
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            ledger.close()
            raise LedgerDamaged(str(path), "not the ledger of an authority", "restore it from a backup")
        if version != _SCHEMA_VERSION:
            ledger.close()
            raise LedgerDamaged(
                str(path), f"a ledger of version {version}, which this program does not know", "use a newer tlsocket"
            )
        return ledger

    def close(self) -> None:
        """Close the file; a later use opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    # -- reading ------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, str]:
        """What was said when the authority was made."""
        with self._use() as connection:
            return dict(connection.execute("SELECT name, value FROM settings"))

    def entries(self) -> list[LedgerEntry]:
        """Every certificate, the oldest first."""
        return self._select("ORDER BY issued_at, rowid")

    def find(self, serial: int) -> LedgerEntry | None:
        """The certificate with this serial number."""
        if not 0 <= serial < 1 << 160:
            return None
        found = self._select("WHERE serial = ?", serial_text(serial))
        return found[0] if found else None

    def find_by_prefix(self, prefix: str) -> list[LedgerEntry]:
        """Those whose thumbprint starts with these hex digits, at most ten."""
        low = prefix.lower()
        return self._select("WHERE thumbprint >= ? AND thumbprint < ? ORDER BY thumbprint LIMIT 10", low, low + "g")

    def is_key_compromised(self, key_hash: str) -> bool:
        """Whether a certificate with this key was revoked because the key, or its authority's, was compromised."""
        compromised = (x509.ReasonFlags.key_compromise.name, x509.ReasonFlags.ca_compromise.name)
        with self._use() as connection:
            row = connection.execute(
                "SELECT 1 FROM certificates WHERE key_hash = ? AND reason IN (?, ?)", (key_hash, *compromised)
            ).fetchone()
        return row is not None

    def latest_revocation_list(self) -> bytes | None:
        """The DER of the CRL with the highest number."""
        with self._use() as connection:
            row = connection.execute("SELECT list FROM revocation_lists ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else bytes(row[0])

    def check(self) -> None:
        """Raise `LedgerDamaged` unless SQLite finds the whole file in order."""
        with self._use() as connection:
            rows = connection.execute("PRAGMA integrity_check").fetchall()
            rows += connection.execute("PRAGMA foreign_key_check").fetchall()
        if rows != [("ok",)]:
            raise LedgerDamaged(str(self._path), f"damaged: {rows[0][0]}", "restore it from a backup")

    # -- writing ------------------------------------------------------------------------------------------------

    def add(self, entry: LedgerEntry) -> bool:
        """Enter a new certificate; on return it is on the disk. False, and no change, if its serial is taken."""
        values = (
            serial_text(entry.serial),
            entry.thumbprint,
            entry.key_hash,
            entry.subject,
            entry.profile,
            entry.not_before,
            entry.not_after,
            entry.issued_at,
            None if entry.renews is None else serial_text(entry.renews),
            entry.der,
        )
        with self._write() as connection:
            if connection.execute("SELECT 1 FROM certificates WHERE serial = ?", values[:1]).fetchone():
                return False
            connection.execute(
                f"INSERT INTO certificates ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)", values
            )
        return True

    def revoke(self, serial: int, reason: x509.ReasonFlags, at: int) -> LedgerEntry:
        """Mark as revoked; on return that is on the disk. A held certificate may be revoked for good."""
        with self._write() as connection:
            entry = self._known(connection, serial)
            held = entry.reason is x509.ReasonFlags.certificate_hold
            if entry.revoked_at is not None and (not held or reason is x509.ReasonFlags.certificate_hold):
                date = datetime.datetime.fromtimestamp(entry.revoked_at, datetime.UTC)
                raise RevocationRefused(
                    f"certificate {serial:x} has been revoked since {date:%Y-%m-%d %H:%M:%S} UTC"
                    f" ({entry.reason.value if entry.reason else 'unspecified'})",
                    "it needs no second revocation",
                )
            # RFC 5280 section 5.3.1: the date stays that of the hold, from which on the certificate was not good.
            since = at if entry.revoked_at is None else entry.revoked_at
            connection.execute(
                "UPDATE certificates SET revoked_at = ?, reason = ? WHERE serial = ?",
                (since, reason.name, serial_text(serial)),
            )
            return self._known(connection, serial)

    def release(self, serial: int) -> LedgerEntry:
        """Take back a hold; on return that is on the disk."""
        with self._write() as connection:
            entry = self._known(connection, serial)
            if entry.reason is not x509.ReasonFlags.certificate_hold:
                raise RevocationRefused(
                    f"certificate {serial:x} is not on hold", "only the reason certificateHold can be taken back"
                )
            connection.execute(
                "UPDATE certificates SET revoked_at = NULL, reason = NULL WHERE serial = ?", (serial_text(serial),)
            )
            return self._known(connection, serial)

    def add_revocation_list(
        self,
        this_update: int,
        next_update: int,
        make: Callable[[int, list[LedgerEntry]], bytes],
    ) -> bytes:
        """Number, make and enter the next CRL; on return it is on the disk. `make(number, revoked)` signs it.

        Signing happens within the transaction, so that of two lists the one with the higher number knows more.
        """
        with self._write() as connection:
            row = connection.execute(
                "SELECT number, this_update FROM revocation_lists ORDER BY number DESC LIMIT 1"
            ).fetchone()
            number, previous = (row[0] + 1, row[1]) if row else (1, 0)
            # RFC 5280 section 3.3: an entry stays until one list has shown it after the certificate expired.
            revoked = self._rows(
                connection,
                "WHERE revoked_at IS NOT NULL AND not_after >= ? ORDER BY revoked_at, serial",
                min(previous, this_update),
            )
            made = make(number, revoked)
            connection.execute(
                "INSERT INTO revocation_lists VALUES (?, ?, ?, ?)", (number, this_update, next_update, made)
            )
        return made

    # -- the connection -----------------------------------------------------------------------------------------

    def _known(self, connection: sqlite3.Connection, serial: int) -> LedgerEntry:
        found = self._rows(connection, "WHERE serial = ?", serial_text(serial)) if 0 <= serial < 1 << 160 else []
        if not found:
            raise NotInLedger(
                f"this authority has issued no certificate with the serial number {serial:x}",
                "list what it has issued, or ask the authority that the certificate names as its issuer",
            )
        return found[0]

    def _select(self, clause: str, *values: object) -> list[LedgerEntry]:
        with self._use() as connection:
            return self._rows(connection, clause, *values)

    def _rows(self, connection: sqlite3.Connection, clause: str, *values: object) -> list[LedgerEntry]:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM certificates {clause}", values)
        try:
            return [_entry(row) for row in rows]
        except (KeyError, ValueError, TypeError) as error:
            raise LedgerDamaged(str(self._path), f"an entry cannot be read: {error}", "restore a backup") from error

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone; SQLite's errors come out as ours."""
        import sqlite3

        with self._lock:
            try:
                yield self._connected()
            except sqlite3.Error as error:
                raise self._translated(error) from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed when the block ends, undone when it raises."""
        with self._use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                # Also after a COMMIT that failed, which leaves the transaction open; SQLite itself undoes some.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _connected(self) -> sqlite3.Connection:
        import sqlite3

        if self._connection is not None and self._process != os.getpid():
            self._inherited.append(self._connection)
            self._connection = None
        if self._connection is None:
            connection = sqlite3.connect(
                # mode=rw: never made by accident, as by a name mistyped.
                f"{self._path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection, self._process = connection, os.getpid()
            for pragma in (
                "synchronous = FULL",
                "foreign_keys = ON",
                "trusted_schema = OFF",
                # macOS: fsync alone does not reach the medium there.
                "fullfsync = ON",
                "checkpoint_fullfsync = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise LedgerUnavailable(
                str(self._path), "no write-ahead log is possible here", "keep the authority on a local disk"
            )

    def _translated(self, error: sqlite3.Error) -> LedgerUnavailable | LedgerDamaged:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return LedgerBusy(
                str(self._path),
                f"another process has held the ledger for {_BUSY_SECONDS:.0f} seconds",
                "look for a process that hangs, then try again",
            )
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH")):
            return LedgerDamaged(str(self._path), f"damaged: {error}", "restore it from a backup")
        return _unavailable(self._path, str(error))


def _unavailable(path: Path, problem: str) -> LedgerUnavailable:
    remedy = "nothing was changed: see that the disk has room and that this user may write there, then try again"
    return LedgerUnavailable(str(path), problem, remedy)


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    return LedgerEntry(
        serial=int(row[0], 16),
        thumbprint=row[1],
        key_hash=row[2],
        subject=row[3],
        profile=row[4],
        not_before=row[5],
        not_after=row[6],
        issued_at=row[7],
        renews=None if row[8] is None else int(row[8], 16),
        revoked_at=row[9],
        reason=None if row[10] is None else x509.ReasonFlags[row[10]],
        der=bytes(row[11]),
    )
