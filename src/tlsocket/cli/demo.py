"""`tlsocket demo`: an authority and certificates in memory, a server and a client, nine steps, resumption, the speed.

What is told comes from the connections' own events (`tlsocket.cli.narration`); what is measured, from two other
processes (`tlsocket.bench.bulk`). This module sets the stage and nothing more.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

import tlsocket as ssl
from tlsocket import clock
from tlsocket.bench.bulk import BulkResult, measure
from tlsocket.cli.narration import REFUSALS, STEPS, Narrator
from tlsocket.cli.output import DONE, REFUSED, common, console, examples
from tlsocket.config import Role
from tlsocket.errors import CertificateReason, CertificateRejected, Reason, TLSError
from tlsocket.pki.authority import Authority, Purpose

__all__ = ["demo"]

NAME = "demo.example"
WAIT_SECONDS = 10.0
SIZE = 1 << 30
GREETING = b"hello, this travels encrypted"
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A server's and a client's context, and the name that the client asks for."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    server_name: str
    props: str
    """What was made in memory, in words."""


@dataclass(slots=True)
class Outcome:
    """How each side ended: None is well."""

    errors: dict[Role, BaseException] = field(default_factory=dict)
    received: dict[Role, bytes] = field(default_factory=dict)


EXPECTED = {
    "untrusted": (Role.CLIENT, CertificateReason.UNKNOWN_ISSUER),
    "name": (Role.CLIENT, CertificateReason.HOSTNAME_MISMATCH),
    "expired": (Role.CLIENT, CertificateReason.EXPIRED),
    "client": (Role.SERVER, CertificateReason.UNKNOWN_ISSUER),
    "protocol": (Role.SERVER, Reason.NO_COMMON_CIPHER_SUITE),
}
"""Which side must refuse, and why."""


def set_stage(folder: str, mutual: bool, fail: str | None) -> Stage:
    """Make the authority and the certificates, with the one flaw that `fail` asks for."""
    authority = Authority.create("demo authority")
    stranger = Authority.create("an authority nobody knows")
    props = [f'an authority "demo authority", and a certificate for "{NAME}" from it']
    issuer = stranger if fail == "untrusted" else authority
    now = clock.now()
    start, end = (now - 40 * DAY, now - 10 * DAY) if fail == "expired" else (None, None)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*issuer.issue(NAME, not_before=start, not_after=end).write(folder, "server"))
    client = ssl.create_default_context(cadata=authority.pem.decode("ascii"))
    client.client_session_cache = True
    if fail == "untrusted":
        props = [f'an authority "demo authority"; the certificate for "{NAME}" comes from another one']
    elif fail == "expired":
        props = [f'an authority "demo authority", and a certificate for "{NAME}" that expired ten days ago']
    if mutual or fail == "client":
        issuer = stranger if fail == "client" else authority
        certificate = issuer.issue("someone@demo.example", purpose=Purpose.CLIENT, common_name="someone")
        client.load_cert_chain(*certificate.write(folder, "client"))
        server.load_verify_locations(cadata=authority.pem.decode("ascii"))
        server.verify_mode = ssl.CERT_REQUIRED
        props.append('a client certificate for "someone"' + (" from another authority" if fail == "client" else ""))
    if fail == "protocol":
        server.set_ciphersuites("TLS_AES_256_GCM_SHA384")
        client.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256")
        props.append("two sides without a cipher suite in common")
    return Stage(server, client, "other.example" if fail == "name" else NAME, "; ".join(props))


def play(stage: Stage, narrator: Narrator) -> Outcome:
    """Run both sides over a loopback connection, each in a thread, until both have ended."""
    outcome = Outcome()
    stage.server.on_event = narrator.listener(Role.SERVER)
    stage.client.on_event = narrator.listener(Role.CLIENT)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_SECONDS)
        threads = [
            threading.Thread(target=act, args=(Role.SERVER, outcome, serve_once, stage, listener)),
            threading.Thread(target=act, args=(Role.CLIENT, outcome, connect_once, stage, listener)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return outcome


def act(
    side: Role,
    outcome: Outcome,
    part: Callable[[Stage, socket.socket], bytes],
    stage: Stage,
    listener: socket.socket,
) -> None:
    """One side in its thread; how it ended goes into `outcome`."""
    try:
        outcome.received[side] = part(stage, listener)
    except Exception as error:
        outcome.errors[side] = error


def serve_once(stage: Stage, listener: socket.socket) -> bytes:
    """Accept one connection, send back what comes, close when the client does."""
    plain, _ = listener.accept()
    plain.settimeout(WAIT_SECONDS)
    with stage.server.wrap_socket(plain, server_side=True) as secure:
        received = secure.recv(1024)
        secure.sendall(received)
        secure.recv(1)  # nothing: the client closes first
        secure.unwrap().close()
    return received


def connect_once(stage: Stage, listener: socket.socket) -> bytes:
    """Connect, send a greeting, take it back, close."""
    plain = socket.create_connection(listener.getsockname(), timeout=WAIT_SECONDS)
    with stage.client.wrap_socket(plain, server_hostname=stage.server_name) as secure:
        secure.sendall(GREETING)
        received = secure.recv(1024)
        secure.unwrap().close()
    return received


@click.command(epilog=examples("tlsocket demo --mutual --no-speed", "tlsocket demo --fail expired"))
@click.option("--mutual", is_flag=True, help="The server asks the client for a certificate too.")
@click.option(
    "--fail", type=click.Choice(sorted(EXPECTED)), help="Show one refusal, with its error in words on both sides."
)
@click.option("--no-speed", is_flag=True, help="Leave out the transfer of 1 GiB at the end.")
@common
def demo(mutual: bool, fail: str | None, no_speed: bool) -> int:
    """Tell a handshake in nine steps as it happens between a server and a client, then one that resumes its session.

    At the end the speed is measured. With --fail the handshake must be refused: the exit status is 0 when the right
    side refused for the right reason.
    """
    out = console()
    with tempfile.TemporaryDirectory(prefix="tlsocket-demo-") as folder:
        stage = set_stage(folder, mutual, fail)
        out.print(f"Made for this run: {stage.props}.\n")
        narrator = Narrator(out)
        outcome = play(stage, narrator)
        out.print()
        if fail is not None:
            return judge_refusal(out, fail, narrator, outcome)
        if not judge_exchange(out, outcome):
            return REFUSED
        untold(out, narrator)
        if not show_resumption(out, stage):
            return REFUSED
    if not no_speed:
        show_speed(out)
    return DONE


def judge_exchange(out: Console, outcome: Outcome) -> bool:
    """Say whether each side read what the other one wrote."""
    if outcome.errors or outcome.received != {Role.SERVER: GREETING, Role.CLIENT: GREETING}:
        for side, error in outcome.errors.items():
            out.print(f"The {side.value} failed: {error}")
        return False
    out.print(f'Both sides read "{GREETING.decode()}" as it was sent.')
    return True


def show_resumption(out: Console, stage: Stage) -> bool:
    """Connect once more: the client kept a ticket. Whether both sides say that the session was resumed."""
    out.print("\nThe same client connects once more, and has a session to resume:\n")
    narrator = Narrator(out)
    outcome = play(stage, narrator)
    out.print()
    if not judge_exchange(out, outcome):
        return False
    if narrator.resumed != set(Role):
        out.print("The session was not resumed, as it should have been.")
        return False
    out.print("The session was resumed: what the first handshake proved holds.")
    return True


def untold(out: Console, narrator: Narrator) -> None:
    """Which steps did not happen in this run, and what shows them."""
    if 3 not in narrator.seen:
        out.print(f"Step 3 did not happen: {STEPS[3]}, and this one did not (--mutual).")
    shown = {5: "--fail protocol", 6: "--fail untrusted, name or expired", 7: "--fail client"}
    for step in REFUSALS:
        if step not in narrator.seen:
            out.print(f"Step {step} did not happen: {STEPS[step]} ({shown[step]}).")


def judge_refusal(out: Console, fail: str, narrator: Narrator, outcome: Outcome) -> int:
    """Say how both sides saw the refusal; done when the right side refused for the right reason."""
    for side in (Role.SERVER, Role.CLIENT):
        error = outcome.errors.get(side)
        out.print(f"The {side.value}'s error: {error if error is not None else 'none'}")
    side, reason = EXPECTED[fail]
    refusals = [error for refuser, error in narrator.errors if refuser is side]
    if not refusals or reason not in reasons(refusals[0]) or len(outcome.errors) != len(Role):
        out.print("This is not the refusal that was to be shown.")
        return REFUSED
    out.print(f"As it should: the {side.value} refused: {reason.value}.")
    return DONE


def reasons(error: BaseException) -> set[object]:
    """The typed reasons that an error carries."""
    found: set[object] = set()
    if isinstance(error, TLSError):
        found.add(error.reason)
    if isinstance(error, CertificateRejected):
        found.add(error.certificate_reason)
    return found


def show_progress(progress: Progress, task: TaskID, done: int) -> None:
    """Move the bar."""
    progress.update(task, completed=done)


def show_speed(out: Console) -> None:
    """Move 1 GiB over loopback between two processes, with this library and with `ssl`, and compare."""
    out.print("\nNow 1 GiB over loopback, from one process to another:")
    results: dict[str, BulkResult] = {}
    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        for library in ("ssl", "tlsocket"):
            task = progress.add_task(library, total=SIZE)
            results[library] = measure(library, SIZE, progress=partial(show_progress, progress, task))
    ours, theirs = results["tlsocket"], results["ssl"]
    table = Table("", "GB/s", "processor s/GB", "suite")
    for result in (theirs, ours):
        gigabytes = result.size / 1e9
        table.add_row(result.library, f"{result.rate / 1e9:.2f}", f"{result.cpu_seconds / gigabytes:.2f}", result.suite)
    out.print(table)
    out.print(f"tlsocket moved {ours.rate / theirs.rate:.2f} times as much per second as ssl.")
