"""One test of BoGo, played by this library: connect, shake hands, check, echo every byte inverted, close.

The exit status says how it went: 0, 1 for a failure (whose reason is on standard error in the form `:REASON:`), 89 for
a test that needs what we do not have.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.conformance.bogo.checks import (
    Mismatch,
    check_end,
    check_handshake,
    check_resumption,
    check_session_tls12,
)
from tests.conformance.bogo.configs import Unimplemented, config_for
from tests.conformance.bogo.drivers import Driver, SocketDriver, StepwiseDriver, TransportFailure, connect
from tests.conformance.bogo.flags import UNIMPLEMENTED, Settings, UnknownFlag, parse
from tlsocket import clock, events
from tlsocket.connection import Connection
from tlsocket.errors import TLSError

__all__ = ["main"]

_DECOMPRESSION_FAILURE = 30
_INVERT = bytes(255 - octet for octet in range(256))
_SIZES = (0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769)
"""What `-write-different-record-sizes` writes, one after the other."""


def main(arguments: Sequence[str]) -> int:
    """Play the test that `arguments` describe; returns the exit status."""
    try:
        initial, resume = parse(arguments)
        conn: Connection | None = None
        # Time stands still but for what a test says: the suite compares ages to the millisecond. Each test is a process
        # of its own.
        now = time.time()
        clock.now = lambda: now
        for number in range(initial.resume_count + 1):
            status, conn = play(resume if number else initial, conn)
            if status:
                return status
            now += resume.resumption_delay
    except (UnknownFlag, Unimplemented) as error:
        print(f"unimplemented: {error}", file=sys.stderr)
        return UNIMPLEMENTED
    return 0


def play(settings: Settings, previous: Connection | None) -> tuple[int, Connection]:
    """One connection, which resumes the previous one's session; its exit status, and itself."""
    secrets: list[str] = []
    key_log = secrets.append if settings.export_traffic_secrets else None
    config = config_for(settings, key_log, None if previous is None else previous.config)
    seen: list[events.Event] = []
    conn = Connection(config, server_name=settings.host_name or None, on_event=seen.append)
    offered = None if previous is None or not previous.tickets or settings.server else previous.tickets[-1]
    if offered is not None:
        conn.use_session(offered)
    sock = connect(settings)
    driver: Driver = (StepwiseDriver if settings.use_async else SocketDriver)(conn, sock, settings)
    try:
        status = _exchange(driver, settings, seen, secrets)
        if not status and conn.negotiated is not None:
            check_resumption(conn.negotiated.resumed, settings, is_first=previous is None)
            check_session_tls12(conn, settings, offered, is_first=previous is None)
        return status, conn
    except Mismatch as error:
        print(f"Mismatch: {error}", file=sys.stderr)
        return 1, conn
    finally:
        driver.finish()
        sock.close()


def _exchange(driver: Driver, settings: Settings, seen: list[events.Event], secrets: list[str]) -> int:
    try:
        driver.handshake()
        if not settings.implicit_handshake:
            check_handshake(driver.conn, settings, seen)
        if settings.no_op_extra_handshake or settings.handshake_twice:
            driver.conn.start()
        _talk(driver, settings, secrets)
        check_end(driver.conn, settings, seen)
        _close(driver, settings)
    except TLSError as error:
        try:
            driver.flush()
        except (OSError, TransportFailure):
            # The runner may have gone; the reason below is what counts.
            pass
        print(f":{error.reason.name}: {error}", file=sys.stderr)
        return 1
    except (Mismatch, TransportFailure, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _talk(driver: Driver, settings: Settings, secrets: list[str]) -> None:
    conn = driver.conn
    if settings.export_keying_material:
        context = settings.export_context if settings.use_export_context else None
        driver.write(conn.export_keying_material(settings.export_label, context, settings.export_keying_material))
    if settings.tls_unique:
        driver.write(conn.tls_unique or b"")
    if settings.export_traffic_secrets:
        _write_traffic_secrets(driver, secrets)
    if settings.send_alert:
        conn.writer.queue_fatal_alert(_DECOMPRESSION_FAILURE)
        driver.flush()
        return
    if settings.write_different_record_sizes:
        for size in _SIZES:
            driver.write(b"B" * size)
        return
    if settings.read_with_unfinished_write:
        if not isinstance(driver, StepwiseDriver):
            raise Unimplemented("an unfinished write without -async")
        driver.write_partly(settings.shim_initial_write)
    elif settings.shim_writes_first:
        for _ in range(settings.repeat_shim_initial_write):
            driver.write(settings.shim_initial_write)
    if not settings.shim_shuts_down:
        _echo(driver, settings)


def _write_traffic_secrets(driver: Driver, lines: list[str]) -> None:
    """Length of a secret, the one that we read with, the one that we write with: out of the key log."""
    logged = {label: bytes.fromhex(secret) for label, _, secret in (line.split(" ") for line in lines)}
    ours, theirs = ("SERVER", "CLIENT") if driver.settings.server else ("CLIENT", "SERVER")
    read, write = (logged[f"{end}_TRAFFIC_SECRET_0"] for end in (theirs, ours))
    driver.write(len(read).to_bytes(2, "little") + read + write)


def _echo(driver: Driver, settings: Settings) -> None:
    while True:
        if settings.key_update_before_read:
            driver.conn.update_keys()
            driver.flush()
        data = driver.read(settings.read_size or 512)
        if data is None and settings.check_close_notify:
            raise Mismatch("the stream ended without a close_notify")
        if not data:
            return
        if isinstance(driver, StepwiseDriver):
            driver.write_rest()
        if settings.key_update:
            driver.conn.update_keys()
        driver.write(data.translate(_INVERT))


def _close(driver: Driver, settings: Settings) -> None:
    if not settings.check_close_notify:
        return
    driver.conn.close()
    driver.flush()
    if settings.shim_shuts_down:
        data = driver.read(1)
        if data is None:
            raise Mismatch("the stream ended without a close_notify")
        if data:
            raise Mismatch("application data where a close_notify was to come")
