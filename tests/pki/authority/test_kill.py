"""An authority whose process is killed, or whose disk is full, at any system call: as before, or as after.

A process is stopped with SIGKILL on entering each of the system calls that one left alone makes, from opening the
authority to closing it: these are all the states that a kill can leave behind.
(Power cuts are another matter: for them counts that the log is synchronised before anything leaves, tested here too.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.pki.authority.support import distinguished, request, request_pem
from tests.pki.authority.victims import Outcome, Victims
from tlsocket.pki.authority import CertificateAuthority, RequestRefused

Peer = Callable[[str], str]

# What changes files: SQLite's writes and our own. The short run kills at each of these, the long one at every call.
WRITING_CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,unlink,rename,link,linkat,mkdir,fchmod"
PARTS = 14
"""The long test is cut so that a sample of it is spread evenly: part k kills at calls k, k + PARTS, ..."""


@pytest.fixture(scope="module")
def victims(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    with Victims.start(peer, tmp_path_factory.mktemp("victims")) as started:
        yield started


class Bench:
    """An authority, and what must hold of it after each process that was killed."""

    def __init__(self, victims: Victims, base: Path, operation: str) -> None:
        self.victims = victims
        self.base = base
        self.operation = operation
        self.trials = 0
        CertificateAuthority.create(base, "root", distinguished("Root")).close()

    def trial(self, calls: str, inject: str | None = None) -> Outcome:
        """One process, and the judgement."""
        self.trials += 1
        task = {"operation": self.operation, "base": str(self.base), "name": f"n{self.trials}"}
        with CertificateAuthority.open(self.base, "root") as authority:
            if self.operation == "issue":
                task["request"] = request_pem(request()).decode()
            elif self.operation in ("revoke", "crl"):
                task["which"] = f"{authority.issue(request()).certificate.serial_number:x}"
            before = authority.entries()
            number = crl_number(authority.latest_crl())
        outcome = self.victims.run(task, calls=calls, inject=inject)
        assert outcome.status in (0, -9), outcome
        with CertificateAuthority.open(self.base, "root") as authority:
            authority.check()
            getattr(self, f"judge_{self.operation}")(authority, task, before, number, outcome)
            # And it goes on working.
            authority.issue(request())
        assert not list(self.base.glob("root/*.tmp"))
        return outcome

    @staticmethod
    def judge_issue(
        authority: CertificateAuthority, _task: dict[str, str], before: list[object], _number: int, outcome: Outcome
    ) -> None:
        after = authority.entries()
        assert after[: len(before)] == before
        new = after[len(before) :]
        assert len(new) <= 1
        for entry in new:
            entry.certificate.verify_directly_issued_by(authority.certificate)
            assert entry.serial == entry.certificate.serial_number
        if outcome.result is not None:
            assert [entry.der for entry in new] == [outcome.result]
        if outcome.refused:
            assert not new

    @staticmethod
    def judge_revoke(
        authority: CertificateAuthority, task: dict[str, str], before: list[object], _number: int, outcome: Outcome
    ) -> None:
        entry = authority.entry(task["which"])
        assert (entry.revoked_at is None) == (entry.reason is None)
        if outcome.result is not None:
            assert entry.reason is x509.ReasonFlags.superseded
        if outcome.refused:
            assert entry.reason is None
        after = authority.entries()
        assert after[:-1] == before[:-1]
        assert after[-1].der == entry.der
        listed = authority.crl().get_revoked_certificate_by_serial_number(entry.serial)
        assert (listed is None) == (entry.reason is None)

    @staticmethod
    def judge_crl(
        authority: CertificateAuthority, _task: dict[str, str], before: list[object], number: int, outcome: Outcome
    ) -> None:
        assert authority.entries() == before
        latest = authority.latest_crl()
        assert crl_number(latest) in (number, number + 1)
        if outcome.result is not None:
            assert latest == x509.load_der_x509_crl(outcome.result)
        assert crl_number(authority.crl()) == crl_number(latest) + 1

    def judge_create(
        self,
        authority: CertificateAuthority,
        task: dict[str, str],
        before: list[object],
        _number: int,
        outcome: Outcome,
    ) -> None:
        name = task["name"]
        names = CertificateAuthority.names(self.base)
        new = authority.entries()[len(before) :]
        assert len(new) <= 1
        if outcome.result is not None:
            assert name in names
        if name in names:
            with CertificateAuthority.open(self.base, name) as made:
                made.check()
                assert made.certificate == new[0].certificate
                made.issue(request())
        else:
            CertificateAuthority.create(self.base, name, distinguished(name), parent=authority).close()
        left = [path.name for path in self.base.iterdir() if not path.name.startswith((".", name))]
        assert sorted(left) == sorted(set(names) - {name})
        assert not list(self.base.glob(f".{name}.*")), "what was left behind is swept by the next maker"


def crl_number(crl: x509.CertificateRevocationList | None) -> int:
    if crl is None:
        return 0
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def kill_points(bench: Bench, calls: str) -> list[tuple[str, int]]:
    """Every system call of a process that is left alone, as (name, how many of this name so far).

    `strace` counts each name for itself, so this is how a moment is told to it.
    """
    outcome = bench.trial(calls)
    assert outcome.closed
    assert outcome.result is not None
    counts: dict[str, int] = {}
    points = []
    for line in outcome.trace:
        match = re.match(r"\d+ +(\w+)\(", line)
        if match and match[1] not in ("exit_group", "restart_syscall"):
            counts[match[1]] = counts.get(match[1], 0) + 1
            points.append((match[1], counts[match[1]]))
    return points


def kill_at(bench: Bench, points: list[tuple[str, int]]) -> None:
    killed = [bench.trial(name, f"signal=SIGKILL:when={number}").killed for name, number in points]
    # Two runs need not make quite the same calls (a page more or less in the log), but almost.
    assert sum(killed) >= 0.9 * len(points), list(zip(points, killed, strict=True))


@pytest.mark.parametrize(
    ("operation", "least"), [("issue", 15), ("revoke", 12), ("crl", 10), ("create", 50)], ids=lambda value: str(value)
)
def test_killed_at_each_call_that_writes(victims: Victims, tmp_path: Path, operation: str, least: int) -> None:
    bench = Bench(victims, tmp_path / "authorities", operation)
    points = kill_points(bench, WRITING_CALLS)
    assert len(points) >= least
    kill_at(bench, points)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("operation", ["issue", "revoke", "crl", "create"])
def test_killed_at_any_call(victims: Victims, tmp_path: Path, operation: str, part: int) -> None:
    bench = Bench(victims, tmp_path / "authorities", operation)
    points = kill_points(bench, "all")
    assert len(points) >= 100
    kill_at(bench, points[part::PARTS])


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("operation", ["issue", "revoke", "crl"])
def test_the_disk_fails_at_each_write(victims: Victims, tmp_path: Path, operation: str, error: str) -> None:
    bench = Bench(victims, tmp_path / "authorities", operation)
    refused = 0
    for number in range(1, 100):
        outcome = bench.trial("pwrite64", f"error={error}:when={number}")
        if outcome.refused:
            refused += 1
            assert outcome.refused.startswith("LedgerUnavailable"), outcome.refused
            assert outcome.result is None
            assert str(tmp_path) in outcome.refused
        elif not any("INJECTED" in line for line in outcome.trace):
            break
    else:
        raise AssertionError("no end")
    assert refused >= 2


def test_nothing_leaves_before_the_log_is_on_the_disk(victims: Victims, tmp_path: Path) -> None:
    """The order that a power cut needs: the log written, then synchronised, then the certificate handed out."""
    for operation in ("issue", "revoke", "crl"):
        bench = Bench(victims, tmp_path / operation, operation)
        with CertificateAuthority.open(bench.base, "root") as authority:
            which = f"{authority.issue(request()).certificate.serial_number:x}"
        task = {"operation": operation, "base": str(bench.base), "which": which}
        task["request"] = request_pem(request()).decode()
        trace = victims.run(task, calls="write,pwrite64,fdatasync,fsync").trace
        written = [i for i, line in enumerate(trace) if "pwrite64" in line and "ledger.sqlite-wal" in line]
        synchronised = [i for i, line in enumerate(trace) if "sync(" in line and "ledger.sqlite-wal" in line]
        (handed_out,) = [i for i, line in enumerate(trace) if " write(1" in line and '"result' in line]
        assert written
        assert max(i for i in written if i < handed_out) < max(i for i in synchronised if i < handed_out)
        assert written[-1] < handed_out


def test_a_refused_request_writes_nothing(victims: Victims, tmp_path: Path) -> None:
    bench = Bench(victims, tmp_path / "authorities", "issue")
    weak = request_pem(request(key="rsa-1024")).decode()
    outcome = victims.run({"operation": "issue", "base": str(bench.base), "request": weak}, calls="pwrite64,fdatasync")
    assert outcome.refused.startswith(RequestRefused.__name__)
    assert not [line for line in outcome.trace if "pwrite64(" in line and "sqlite" in line and "-shm" not in line]
