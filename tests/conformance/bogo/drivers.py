"""Two ways of moving the bytes of a connection, so that a suite tests both of ours.

`SocketDriver` does what `SSLSocket` does: the record layer reads and writes the descriptor itself. `StepwiseDriver` is
for the tests that BoringSSL runs with `-async`: no descriptor, bytes fed one at a time, every decision suspended.
"""

from __future__ import annotations

import socket
import time

from tests.conformance.bogo.configs import verdict
from tests.conformance.bogo.flags import Settings
from tlsocket.config import Role
from tlsocket.connection import Connection
from tlsocket.errors import ApplicationRefusal, TLSError, Truncated
from tlsocket.handshake.decisions import CertificateDecision, SignatureDecision
from tlsocket.record import CLOSED, STOPPED, TRUNCATED

__all__ = ["Driver", "SocketDriver", "StepwiseDriver", "TransportFailure"]

TIMEOUT = 20.0
_HANDSHAKE_FAILURE, _INTERNAL_ERROR = 40, 80


class TransportFailure(Exception):
    """A system call failed or took too long."""


class Driver:
    """A connection on a connected socket."""

    def __init__(self, conn: Connection, sock: socket.socket, settings: Settings) -> None:
        self.conn = conn
        self.sock = sock
        self.settings = settings

    def handshake(self) -> None:
        """Shake hands. Raises TLSError."""
        raise NotImplementedError

    def read(self, size: int) -> bytes | None:
        """Up to `size` bytes, b"" after close_notify, None when the stream ended without one."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        raise NotImplementedError

    def flush(self) -> None:
        """Send what waits to be sent."""
        raise NotImplementedError

    def decide(self) -> None:
        """Answer the decision that the handshake waits for, as the flags say."""
        decision, settings = self.conn.suspended, self.settings
        answer: object = None
        if isinstance(decision, CertificateDecision):
            if settings.fail_early_callback and decision.role is Role.SERVER:
                answer = ApplicationRefusal(_HANDSHAKE_FAILURE, "the early callback refuses")
            elif settings.fail_ddos_callback and decision.role is Role.SERVER:
                answer = ApplicationRefusal(_INTERNAL_ERROR, "the load is too high")
            elif settings.fail_cert_callback:
                answer = ApplicationRefusal(_INTERNAL_ERROR, "the certificate callback refuses")
            else:
                answer = self._choose(decision)
        elif isinstance(decision, SignatureDecision):
            answer = decision.credential.signer.sign(decision.scheme, decision.data)
        elif decision is not None:
            try:
                answer = verdict(settings, decision.certificates) if self.conn.config.verifier else None
            except TLSError as error:
                answer = error
        self.conn.resume(answer)

    def _choose(self, decision: CertificateDecision) -> object:
        # None lets a server choose from its configuration; a client that answers None declines.
        if decision.role is Role.SERVER:
            return None
        return next(
            (c for c in self.conn.config.credentials if set(c.schemes) & set(decision.signature_schemes)),
            None,
        )

    def finish(self) -> None:
        """Half-close and wait for the runner to do the same, so that what we sent last is not lost."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(2.0)
            while self.sock.recv(65536):
                pass
        except OSError:
            # The runner is gone, which is as good.
            pass


class SocketDriver(Driver):
    """As `SSLSocket` does it."""

    def handshake(self) -> None:
        conn = self.conn
        conn.start()
        while True:
            self.flush()
            if conn.handshake_complete:
                return
            if conn.suspended is not None:
                self.decide()
                continue
            outcome = conn.reader.pull(self.sock, TIMEOUT, conn)
            if outcome in (TRUNCATED, CLOSED):
                raise conn.on_failure(Truncated())
            if outcome != STOPPED:
                raise TransportFailure(f"pull: {outcome}")

    def flush(self) -> None:
        outcome = self.conn.writer.flush(self.sock, TIMEOUT)
        if outcome < 0:
            raise TransportFailure(f"flush: {outcome}")

    def read(self, size: int) -> bytes | None:
        while True:
            got = self.conn.reader.recv(self.sock, size, TIMEOUT, self.conn)
            if isinstance(got, bytes):
                return got
            if got == TRUNCATED:
                return None
            if got != STOPPED:
                raise TransportFailure(f"recv: {got}")
            self.flush()

    def write(self, data: bytes) -> None:
        sent = 0
        while True:
            count = self.conn.writer.send(self.sock, data[sent:], TIMEOUT, self.conn)
            if count < 0:
                raise TransportFailure(f"send: {count}")
            sent += count
            if sent >= len(data):
                return


class StepwiseDriver(Driver):
    """Without a descriptor, one byte at a time; after the handshake, what the reader answers waits for a write."""

    def __init__(self, conn: Connection, sock: socket.socket, settings: Settings) -> None:
        super().__init__(conn, sock, settings)
        self._input = b""
        self._position = 0
        self._held = b""

    def handshake(self) -> None:
        conn = self.conn
        conn.start()
        while not conn.handshake_complete:
            if conn.suspended is not None:
                self.decide()
            elif not self._feed():
                conn.receive_eof()
        self.flush()

    def flush(self) -> None:
        if self._held:
            return
        data = self.conn.data_to_send()
        if data:
            self.sock.settimeout(TIMEOUT)
            self.sock.sendall(data)

    def _feed(self) -> bool:
        if self._position == len(self._input):
            if not self.conn.handshake_complete:
                self.flush()
            self.sock.settimeout(TIMEOUT)
            self._input, self._position = self.sock.recv(16384), 0
            if not self._input:
                return False
        self._position += 1
        self.conn.receive_data(self._input[self._position - 1 : self._position])
        return True

    def read(self, size: int) -> bytes | None:
        while True:
            try:
                got = self.conn.read(size)
            except Truncated:
                return None
            if got is not None:
                return got
            if not self._feed():
                self.conn.receive_eof()

    def write(self, data: bytes) -> None:
        self.conn.write(data)
        self.flush()

    def write_partly(self, data: bytes) -> None:
        """Seal `data` and let one byte of it through; nothing more is sent until `write_rest`."""
        self.conn.write(data)
        sealed = self.conn.data_to_send()
        self.sock.settimeout(TIMEOUT)
        self.sock.sendall(sealed[:1])
        self._held = sealed[1:]

    def write_rest(self) -> None:
        """Send what `write_partly` kept back, if it did, and what has come up since."""
        rest, self._held = self._held, b""
        self.sock.settimeout(TIMEOUT)
        self.sock.sendall(rest)
        self.flush()


def connect(settings: Settings) -> socket.socket:
    """A socket to the runner that has said which test it is for."""
    address = ("::1" if settings.ipv6 else "127.0.0.1", settings.port)
    deadline = time.monotonic() + TIMEOUT
    sock = socket.create_connection(address, timeout=max(deadline - time.monotonic(), 1.0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(settings.shim_id.to_bytes(8, "little"))
    return sock
