"""The ledger under several processes and threads, across a fork, on a full disk, damaged or foreign."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.pki.authority.support import distinguished, request, request_pem, run
from tlsocket.pki.authority import CertificateAuthority, LedgerBusy, LedgerDamaged, LedgerUnavailable
from tlsocket.pki.authority import certificate_authority as module
from tlsocket.pki.authority import ledger as ledger_module

ROOT = Path(__file__).resolve().parents[3]

# One process of several: issues, revokes some of its own, makes lists, and tells what it handed out.
WORKER = """
import sys
from tlsocket.pki.authority import CertificateAuthority
base, rounds = sys.argv[1], int(sys.argv[2])
request = sys.stdin.buffer.read()
print("ready", flush=True)
with CertificateAuthority.open(base, "root") as authority:
    for number in range(rounds):
        serial = authority.issue(request).certificate.serial_number
        print("issued", f"{serial:x}", flush=True)
        if number % 3 == 0:
            authority.revoke(serial, "superseded")
            print("revoked", f"{serial:x}", flush=True)
        if number % 5 == 0:
            crl = authority.crl()
            number = next(e.value.crl_number for e in crl.extensions if e.oid.dotted_string == "2.5.29.20")
            print("crl", number, len(crl), flush=True)
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    CertificateAuthority.create(tmp_path, "root", distinguished("Root")).close()
    return tmp_path


@pytest.fixture
def authority(base: Path) -> Iterator[CertificateAuthority]:
    with CertificateAuthority.open(base, "root") as opened:
        yield opened


def work_at_once(base: Path, processes: int, rounds: int, kill: bool = False) -> list[list[str]]:
    """What each of several processes told; with `kill` half of them are killed while they work."""
    pem = request_pem(request())
    started = []
    for _ in range(processes):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(base), str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        started.append(process)
    told = []
    for process in started:
        assert process.stdin is not None
        process.stdin.write(pem)
        process.stdin.close()
        process.stdin = None
    for number, process in enumerate(started):
        assert process.stdout is not None
        if kill and number % 2:
            for _ in range(1 + number * 4):
                process.stdout.readline()
            process.kill()
    for number, process in enumerate(started):
        output, _ = process.communicate(timeout=100)
        assert process.returncode == (-9 if kill and number % 2 else 0)
        told.append(output.decode().splitlines())
    return told


@pytest.mark.parametrize(
    ("processes", "rounds"), [(2, 20), pytest.param(8, 60, marks=pytest.mark.long)]
)  # fmt: skip
def test_processes_never_share_a_serial_or_lose_an_entry(base: Path, processes: int, rounds: int) -> None:
    told = [line.split() for lines in work_at_once(base, processes, rounds) for line in lines]
    issued = [line[1] for line in told if line[0] == "issued"]
    revoked = {line[1] for line in told if line[0] == "revoked"}
    lists = sorted((line for line in told if line[0] == "crl"), key=lambda line: int(line[1]))
    numbers = [int(line[1]) for line in lists]
    assert len(issued) == processes * rounds
    with CertificateAuthority.open(base, "root") as authority:
        authority.check()
        entries = authority.entries()
        assert Counter(f"{entry.serial:x}" for entry in entries) == Counter(issued)
        assert {f"{entry.serial:x}" for entry in entries if entry.revoked_at is not None} == revoked
        # CRL numbers are given once, without a gap; a later list never knows less.
        assert numbers == list(range(1, len(numbers) + 1))
        sizes = [int(line[2]) for line in lists]
        assert sizes == sorted(sizes)
        assert len(authority.crl()) == len(revoked)


def test_processes_that_are_killed_do_not_disturb_the_others(base: Path) -> None:
    told = [line.split() for lines in work_at_once(base, 4, 25, kill=True) for line in lines]
    issued = {line[1] for line in told if line[0] == "issued"}
    with CertificateAuthority.open(base, "root") as authority:
        authority.check()
        entries = {f"{entry.serial:x}" for entry in authority.entries()}
        assert issued <= entries
        # Whoever was killed may have entered what it had no time to tell; no more.
        assert len(entries) >= 2 * 25
        assert {line[1] for line in told if line[0] == "revoked"} <= {
            f"{entry.serial:x}" for entry in authority.entries() if entry.revoked_at is not None
        }


def test_threads_share_one_authority(authority: CertificateAuthority) -> None:
    pem = request_pem(request())
    found: list[int] = []

    def work() -> None:
        found.extend(authority.issue(pem).certificate.serial_number for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == sorted(entry.serial for entry in authority.entries())
    assert len(set(found)) == 40


def in_a_child(authority: CertificateAuthority, pem: bytes) -> None:
    authority.issue(pem)
    authority.revoke(authority.entries()[0])


def test_an_open_authority_survives_a_fork(authority: CertificateAuthority) -> None:
    pem = request_pem(request())
    first = authority.issue(pem).certificate
    process = os.fork()
    if process == 0:
        # Nothing of the test run may go on in the child, the measuring of coverage included.
        try:
            signal.alarm(60)
            in_a_child(authority, pem)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    authority.issue(pem)
    assert len(authority.entries()) == 3
    assert authority.entry(first).revoked_at is not None
    authority.check()


def test_a_serial_that_is_taken_is_not_given_again(
    authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    serials = iter([5, 5, 5, 6])
    monkeypatch.setattr(module, "random_serial", lambda: next(serials))
    assert authority.issue(request()).certificate.serial_number == 5
    assert authority.issue(request()).certificate.serial_number == 6
    assert [entry.serial for entry in authority.entries()] == [5, 6]


def test_a_ledger_that_is_held_is_reported(
    authority: CertificateAuthority, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_BUSY_SECONDS", 0.05)
    authority.close()
    holder = sqlite3.connect(base / "root" / "ledger.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with CertificateAuthority.open(base, "root") as waiting:
        assert waiting.entries() == []  # reading never waits
        with pytest.raises(LedgerBusy, match="look for a process that hangs"):
            waiting.issue(request())
        holder.execute("ROLLBACK")
        holder.close()
        waiting.issue(request())


def test_synchronous_is_full_and_the_log_is_ahead(authority: CertificateAuthority, base: Path) -> None:
    with authority._ledger._use() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    authority.issue(request())
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        assert (base / "root" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (b"", "not the ledger of an authority"),
        (b"hello, I am a text", "damaged"),
        (b"SQLite format 3\0" + b"\xff" * 200, "damaged"),
    ],
)
def test_what_is_no_ledger(base: Path, damage: bytes, problem: str) -> None:
    (base / "root" / "ledger.sqlite").write_bytes(damage)
    with pytest.raises(LedgerDamaged, match=problem):
        CertificateAuthority.open(base, "root")


def test_a_damaged_page_is_found(base: Path) -> None:
    with CertificateAuthority.open(base, "root") as authority:
        for _ in range(30):
            authority.issue(request())
    path = base / "root" / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(content)
    with CertificateAuthority.open(base, "root") as authority:
        with pytest.raises(LedgerDamaged):
            authority.check()


def test_the_ledger_of_another_authority(base: Path) -> None:
    CertificateAuthority.create(base, "other", distinguished("Other")).close()
    (base / "other" / "ledger.sqlite").replace(base / "root" / "ledger.sqlite")
    with pytest.raises(LedgerDamaged, match="of another authority"):
        CertificateAuthority.open(base, "root")


def test_a_ledger_from_the_future(base: Path) -> None:
    with sqlite3.connect(base / "root" / "ledger.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerDamaged, match="version 99"):
        CertificateAuthority.open(base, "root")


def test_a_missing_ledger_is_not_made_anew(base: Path) -> None:
    (base / "root" / "ledger.sqlite").unlink()
    with pytest.raises(LedgerUnavailable, match="missing"):
        CertificateAuthority.open(base, "root")
    assert not (base / "root" / "ledger.sqlite").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_stranger_gets_a_typed_error(base: Path) -> None:
    script = f"""
import os
from tests.pki.authority.support import distinguished
from tlsocket.pki.authority import CertificateAuthority
from tlsocket.pki.errors import PkiError
os.setgid(65534)
os.setuid(65534)
for use in (CertificateAuthority.open, CertificateAuthority.create):
    try:
        use({str(base)!r}, "root", distinguished("A"))
    except PkiError as error:
        print(type(error).__name__)
"""
    assert run(sys.executable, "-c", script, cwd=ROOT).split() == ["FileUnavailable"] * 2


def test_opening_an_authority_imports_sqlite_and_importing_tlsocket_does_not() -> None:
    script = "import sys, tlsocket; print(sorted({'sqlite3', 'cryptography.x509.ocsp'} & set(sys.modules)))"
    assert run(sys.executable, "-c", script, cwd=ROOT).strip() in ("[]", "['cryptography.x509.ocsp']")
    script = "import sys, tlsocket.pki.authority; print('sqlite3' in sys.modules)"
    assert run(sys.executable, "-c", script, cwd=ROOT).strip() == "False"


def test_entries_show_no_bytes(authority: CertificateAuthority) -> None:
    authority.issue(request())
    (entry,) = authority.entries()
    assert "der=" not in repr(entry)
    assert entry.reason is None
    assert isinstance(entry.certificate, x509.Certificate)


def test_ten_thousand_entries_are_listed_and_searched(authority: CertificateAuthority) -> None:
    first = authority.issue(request()).certificate
    with authority._ledger._write() as connection:
        connection.executemany(
            "INSERT INTO certificates SELECT ?, ?, key_hash, subject, profile, not_before, not_after, issued_at,"
            " renews, revoked_at, reason, certificate FROM certificates LIMIT 1",
            [(f"{number:040x}", f"{number:064x}") for number in range(1, 10_000)],
        )
    assert len(authority.entries()) == 10_000
    with authority._ledger._use() as connection:
        for query in ("serial = 'x'", "thumbprint >= 'x' AND thumbprint < 'y'", "key_hash = 'x' AND reason IN ('a')"):
            (plan,) = connection.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM certificates WHERE {query}")
            assert "USING" in plan[3], plan
            assert "INDEX" in plan[3], plan
    assert authority.entry(first).serial == first.serial_number
