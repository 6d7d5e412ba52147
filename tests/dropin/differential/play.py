"""One script on one pair of modules: which result each call had.

Deterministic by design: one thread makes the calls in turn, over Unix sockets or memory BIOs, where what was written is
there to be read when the call returns. Only where a call has to wait for the other end's (`shake`, `unwrap_both` on
sockets that wait) do two threads run, in lock-step. A call that would wait for ever is not made.

`ssl` gives out one record per read, ours several where they fit (design law 1): a read that more than one record could
answer is repeated until it has what both must give.
"""

from __future__ import annotations

import io
import os
import select
import socket
import ssl
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import replace
from functools import partial
from typing import Any

from tests.dropin.differential.ends import End, Outcome
from tests.dropin.differential.mistakes import CONTEXT_MISTAKES, MISTAKES
from tests.dropin.differential.scripts import Script, Step
from tests.dropin.differential.world import World

__all__ = ["play"]

PATIENCE = 3.0
"""Seconds for calls that wait for the other end; one that takes longer hangs, and is reported as such."""
_SHORT = 0.004
_RECORD = 16384
_ROOM = 50000
"""Bytes that surely fit into a Unix socket, whatever the number of system calls that brought them."""
_KNOWN = ("builtins", "ssl", "_ssl", "socket", "io")
"""Where the classes are that programs catch; ours derive from them."""
_HARMLESS = ("SHUTDOWN_WHILE_IN_INIT", "APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
_INJECTED = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "zeros": bytes(40),
    "letters": b"\x17\x03\x03\x00\x05abcde",
    "alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "record": b"\x17\x03\x03\x00\x30" + bytes(48),
    "plain_data": b"\x17\x03\x03\xff\xff" + bytes(20),
}
_CLEARING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_lazy_pool: ThreadPoolExecutor | None = None


def _pool() -> ThreadPoolExecutor:
    global _lazy_pool
    if _lazy_pool is None:
        _lazy_pool = ThreadPoolExecutor(2, thread_name_prefix="differential")
    return _lazy_pool


def _forget(call: Callable[[], Any] | None = None) -> Any:
    """Empty this thread's queue of OpenSSL errors, and make a call.

    An `unwrap()` of `ssl` that meets an alert may return as if nothing were wrong and leave the error in the queue,
    where the next call of the thread finds it, on whichever connection that is.
    """
    try:
        _CLEARING.set_ciphers("no such cipher suite")
    except ssl.SSLError:
        return None if call is None else call()
    raise AssertionError("OpenSSL has such a cipher suite")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value if len(value) <= 24 else (len(value), zlib.crc32(value))
    return value


class Play:
    """A script on its way."""

    def __init__(self, script: Script, client: Any, server: Any, world: World) -> None:
        self.setup, self.world = script.setup, world
        self.client, self.server = End("client", client), End("server", server)
        self.client.peer, self.server.peer = self.server, self.client
        self.bio = self.setup.kind == "bio"
        self.outcomes: list[Outcome] = []
        self.listener: Any = None
        self.sent = 0

    # The ends

    def prepare(self) -> None:
        """Contexts and ends, not connected in the sense of TLS yet."""
        setup, world = self.setup, self.world
        contexts = [world.context(each.module, each.role, setup) for each in (self.client, self.server)]
        session = world.session(contexts[0], contexts[1], setup) if setup.resume else None
        if self.bio:
            for end, context in zip((self.client, self.server), contexts, strict=True):
                arguments = {"server_hostname": setup.name} if end is self.client else {"server_side": True}
                extra = {"session": session} if session is not None and end is self.client else {}
                end.tls = context.wrap_bio(end.incoming, end.outgoing, **arguments, **extra)
            return
        extra = {} if session is None else {"session": session}
        options = {"do_handshake_on_connect": setup.listen, "suppress_ragged_eofs": setup.suppress}
        if setup.listen:
            raw = socket.create_server(("127.0.0.1", 0))
            self.listener = contexts[1].wrap_socket(raw, server_side=True, **options)
            self.listener.settimeout(PATIENCE)
            near = socket.socket()
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            near, far = socket.socketpair()
            self.server.tls = contexts[1].wrap_socket(far, server_side=True, **options)
            self.server.tls.settimeout(self.timeout)
        self.client.tls = contexts[0].wrap_socket(near, server_hostname=setup.name, **options, **extra)
        self.client.tls.settimeout(self.timeout)

    @property
    def timeout(self) -> float | None:
        """The sockets' timeout."""
        return {"nonblocking": 0.0, "timeout": PATIENCE, "blocking": None}[self.setup.kind]

    def close(self) -> None:
        """Close everything that is open."""
        self.client.close()
        self.server.close()
        if self.listener is not None:
            self.listener.close()

    # Results

    def record(self, end: End, name: str, call: Callable[[], Any]) -> Any:
        """Make a call and keep what it had."""
        before = end.failed
        try:
            value = call()
        except Exception as error:
            self.raised(end, name, error, before)
            return None
        self.outcomes.append(Outcome(end.role, name, _plain(value), failed_before=before, early=not end.done))
        return value

    def raised(self, end: End, name: str, error: BaseException, before: bool) -> None:
        """Keep an exception's class, attributes and text."""
        kind = next(each.__qualname__ for each in type(error).__mro__ if each.__module__ in _KNOWN)
        attributes: tuple[Any, ...] = ()
        if isinstance(error, OSError):
            attributes = (error.errno,)
        if isinstance(error, ssl.SSLError):
            names = ("reason", "library", "verify_code", "verify_message")
            attributes += tuple(getattr(error, each, None) for each in names)
            waits = isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError)
            if not waits and getattr(error, "reason", None) not in _HARMLESS:
                end.failed = True
        elif isinstance(error, ConnectionError):
            end.failed = True
        self.outcomes.append(Outcome(end.role, name, None, kind, attributes, str(error), before, not end.done))

    def skip(self, end: End, name: str) -> None:
        """Say that a call was not made, because it would wait for ever."""
        self.outcomes.append(Outcome(end.role, name, "not made"))

    def waits(self, end: End) -> bool:
        """Whether nothing is there that would end a call that waits for the peer."""
        if self.bio or end.tls.fileno() < 0:
            return False
        if end.gone:
            return not select.select([end.tls], [], [], 0.05 if self.setup.listen else 0)[0]
        if end.disturbed:
            return True
        return not end.unread and end.hears_no_end

    def alone(self, end: End, name: str, call: Callable[[], Any], *, waits: bool | None = None) -> Any:
        """A call that the other end does not help with: not for ever, and with a short timeout where it will wait."""
        if self.waits(end) if waits is None else waits:
            limit = end.tls.gettimeout()
            if limit is None or (self.setup.kind == "blocking" and limit != 0.0):
                self.skip(end, name)
                return None
            if limit:
                end.tls.settimeout(_SHORT)
                try:
                    return self.record(end, name, call)
                finally:
                    if end.tls.fileno() >= 0:
                        end.tls.settimeout(limit)
        if self.setup.kind == "blocking" and end.tls.gettimeout() is None and (end.failed or end.peer.failed):
            self.skip(end, name)
            return None
        if not self.bio and end.tls.fileno() >= 0 and end.tls.gettimeout() is None:
            # Nothing says that it waits, but if it does it must come to an end.
            end.tls.settimeout(PATIENCE)
            try:
                return self.record(end, name, call)
            finally:
                if end.tls.fileno() >= 0:
                    end.tls.settimeout(None)
        return self.record(end, name, call)

    def together(self, name: str, calls: dict[str, Callable[[], Any]]) -> None:
        """Calls at both ends that wait for each other, each in a thread; their outcomes in a fixed order."""
        futures: dict[str, Future[Any]] = {role: _pool().submit(_forget, call) for role, call in calls.items()}
        for role, future in futures.items():
            end = self.client if role == "client" else self.server
            before = end.failed
            try:
                value = future.result(PATIENCE * 2)
            except Late:
                self.outcomes.append(Outcome(role, name, "HANGS"))
                for each in (self.client, self.server):
                    if each.tls is not None and each.tls.fileno() >= 0:
                        socket.socket.shutdown(each.tls, socket.SHUT_RDWR)
            except Exception as error:
                self.raised(end, name, error, before)
            else:
                self.outcomes.append(Outcome(role, name, _plain(value)))

    # Steps

    def step(self, step: Step) -> bool:
        """Make a script's call; False where the script cannot go on."""
        end = self.client if step.end == "client" else self.server
        if end.tls is None or (end.gone and step.call not in ("ask", "mistake", "read", "send")):
            return True
        getattr(self, f"do_{step.call}")(end, *step.arguments)
        return not (self.outcomes and self.outcomes[-1].value == "HANGS")

    def do_shake(self, end: End) -> None:
        """The whole handshake at both ends."""
        client, server = self.client, self.server
        if self.setup.listen and server.tls is None:
            self.connect()
        elif client.gone or server.gone or not (self.bio or (client.tls.fileno() >= 0 <= server.tls.fileno())):
            self.skip(end, "shake")
        elif self.bio or (client.tls.gettimeout() == 0.0 and server.tls.gettimeout() == 0.0):
            self.shake_in_turn()
        elif any(e.failed or e.ended or e.done or e.disturbed or e.tls.gettimeout() == 0.0 for e in (client, server)):
            self.skip(end, "shake")
        else:
            self.together("shake", {each.role: each.tls.do_handshake for each in (client, server)})
            client.done = server.done = True

    def connect(self) -> None:
        """`connect()` and `accept()`."""

        def accept() -> None:
            self.server.tls, _ = self.listener.accept()
            self.server.tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small writes wait for an ACK
            self.server.tls.settimeout(self.timeout)

        address = self.listener.getsockname()
        self.together("connect", {"client": lambda: self.client.tls.connect(address), "server": accept})
        self.client.done = self.server.done = True

    def shake_in_turn(self) -> None:
        """Both ends a step each, until neither gets on."""
        last: dict[str, Outcome] = {}
        kept, self.outcomes = self.outcomes, []
        settled: set[str] = set()
        for _ in range(8):
            for each in (self.client, self.server):
                if each.role in settled:
                    continue
                if self.bio:
                    self.deliver(each, "all")
                self.outcomes.clear()
                self.record(each, "shake", each.tls.do_handshake)
                last[each.role] = self.outcomes[-1]
                if "Want" not in last[each.role].error:
                    settled.add(each.role)
        self.outcomes = [*kept, last["client"], last["server"]]
        for each in (self.client, self.server):
            each.done = not last[each.role].error

    def do_handshake(self, end: End) -> None:
        """One call of do_handshake()."""
        if end.done:
            self.record(end, "do_handshake", end.tls.do_handshake)
        else:
            # What the peer has said so far is not counted, so this one may wait in either module.
            self.alone(end, "do_handshake", end.tls.do_handshake, waits=not self.bio)

    def do_send(self, end: End, way: str, size: int) -> None:
        """Send `size` bytes."""
        if not self.bio and (sum(end.peer.unread) + size > _ROOM or not (end.done or end.gone)) and (
            end.tls.gettimeout() != 0.0 or sum(end.peer.unread) + size > _ROOM
        ):
            return self.skip(end, way)
        self.sent += 1
        data = (b"%06d" % self.sent) * (size // 6 + 1)
        before = len(self.outcomes)
        self.record(end, way, lambda: getattr(end.tls, way)(data[:size]))
        if not self.outcomes[before].error and size:
            end.peer.disturbed |= end.gone
            end.peer.unread += [_RECORD] * (size // _RECORD) + ([size % _RECORD] if size % _RECORD else [])
        return None

    def do_read(self, end: End, way: str, size: int) -> None:
        """Read up to `size` bytes."""
        goal = min(size, sum(end.unread)) if len(end.unread) > 1 and size > end.unread[0] else 0
        got = bytearray()
        count = len(self.outcomes)
        while True:
            piece = self.alone(end, way, partial(self.read, end, way, size - len(got)))
            if not piece:
                break
            got += piece
            end.take(len(piece))
            if len(got) >= goal:
                break
        parts = self.outcomes[count:]
        del self.outcomes[count : len(self.outcomes) - 1]
        if len(parts) > 1:
            last = parts[-1]
            self.outcomes[-1] = replace(last, value=_plain(bytes(got)))

    @staticmethod
    def read(end: End, way: str, size: int) -> bytes:
        """One of the ways to read."""
        tls = end.tls
        if way in ("recv", "read"):
            return bytes(getattr(tls, way)(size))
        buffer = bytearray(max(size, 1) + 3)
        if way == "recv_into":
            count = tls.recv_into(memoryview(buffer)[:size])
        elif way == "recv_into_part":
            count = tls.recv_into(buffer, size)
            assert size or count <= len(buffer)
        else:
            count = tls.read(size, buffer)
        return bytes(buffer[:count])

    def do_drain(self, end: End) -> None:
        """Read all that is there."""
        if self.bio:
            self.deliver(end, "all")
        self.do_read(end, "read", sum(end.unread) + 1)

    def do_ask(self, end: End, what: str) -> None:
        """A question that moves no byte."""
        call = getattr(self, f"ask_{what}", None)
        self.record(end, what, (lambda: call(end)) if call else (lambda: getattr(end.tls, what)()))

    def ask_getpeercert_binary(self, end: End) -> Any:
        """The certificate's DER."""
        return end.tls.getpeercert(True)

    def ask_has_session(self, end: End) -> Any:
        """Whether there is a session."""
        return end.tls.session is not None

    def ask_session_reused(self, end: End) -> Any:
        """A property."""
        return end.tls.session_reused

    def ask_server_side(self, end: End) -> Any:
        """A property."""
        return end.tls.server_side

    def ask_server_hostname(self, end: End) -> Any:
        """A property."""
        return end.tls.server_hostname

    def ask_get_verified_chain(self, end: End) -> Any:
        """Public since Python 3.13."""
        return end.tls.get_verified_chain() if sys.version_info >= (3, 13) else None

    def ask_get_unverified_chain(self, end: End) -> Any:
        """Public since Python 3.13."""
        return end.tls.get_unverified_chain() if sys.version_info >= (3, 13) else None

    def ask_tls_unique(self, end: End) -> Any:
        """The binding's length: its value is this connection's."""
        binding = end.tls.get_channel_binding()
        return binding if binding is None else len(binding)

    def ask_class(self, end: End) -> Any:
        """What `isinstance` says."""
        return tuple(isinstance(end.tls, each) for each in (ssl.SSLObject, ssl.SSLSocket, socket.socket))

    def ask_get_channel_binding_nonsense(self, end: End) -> Any:
        """An error."""
        return end.tls.get_channel_binding("nonsense")

    def ask_has_sslobj(self, end: End) -> Any:
        """Where programs look whether TLS is active."""
        return end.tls._sslobj is not None

    def ask_fileno_is_open(self, end: End) -> Any:
        """Whether there is a descriptor."""
        return end.tls.fileno() >= 0

    def ask_type(self, end: End) -> Any:
        """The family and type."""
        return end.tls.type, end.tls.proto

    def ask_getpeername_class(self, end: End) -> Any:
        """The class of the address."""
        return type(end.tls.getpeername()).__name__

    def do_mistake(self, end: End, name: str) -> None:
        """A call with wrong arguments."""
        if not self.bio and not end.done and not end.gone and end.tls.gettimeout() != 0.0:
            return self.skip(end, name)
        limit = None if self.bio or end.tls.fileno() < 0 else end.tls.gettimeout()
        if limit is not None:
            end.tls.settimeout(_SHORT if limit else 0.0)
        elif not self.bio and end.tls.fileno() >= 0:
            end.tls.settimeout(_SHORT)
        try:
            self.record(end, name, lambda: MISTAKES[name][1](end.tls))
            if name == "shutdown('x')":  # `ssl` drops TLS before it looks at the argument
                end.hush()
        finally:
            if not self.bio and end.tls.fileno() >= 0:
                end.tls.settimeout(limit)
        return None

    def do_context(self, end: End, name: str) -> None:
        """The same on a context of its own."""
        context = end.module.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        before = end.failed
        self.record(end, name, lambda: CONTEXT_MISTAKES[name](end.module, context))
        end.failed = before

    def do_deliver(self, end: End, how: str, count: int = 0) -> None:
        """Let an SSLObject have what its peer wrote, or a part of it."""
        if self.bio:
            self.deliver(end, how, count)

    def deliver(self, end: End, how: str, count: int = 0) -> None:
        """The wire of `bio`."""
        end.wire += end.peer.outgoing.read()
        size = {"all": len(end.wire), "few": count, "all_but": max(len(end.wire) - count, 0)}[how]
        if size and not end.closed:
            end.incoming.write(end.wire[:size])
            del end.wire[:size]

    def do_settimeout(self, end: End, limit: float) -> None:
        """Another timeout, the same at both ends, so that they can go on together."""
        if not self.bio and self.setup.kind != "blocking":
            for each in (self.client, self.server):
                if each.tls is not None and not each.gone and each.tls.fileno() >= 0:
                    each.tls.settimeout(limit if limit == 0.0 else PATIENCE)

    def do_unwrap(self, end: End) -> None:
        """One call of unwrap()."""
        if not self.bio and not end.done and end.tls.gettimeout() != 0.0:
            return self.skip(end, "unwrap")
        waits = not self.bio and end.done and (bool(end.unread) or end.hears_no_end)
        result = self.alone(end, "unwrap", lambda: self.unwrap(end), waits=waits)
        if self.outcomes[-1].value != "not made" and end.done:
            end.ended = True
        if result is not None:
            end.gone = True
        return None

    def do_unwrap_both(self, end: End) -> None:
        """unwrap() at both ends."""
        client, server = self.client, self.server
        ends = (client, server)
        if any(each.failed or each.gone or each.ended or not each.done or each.unread for each in ends):
            return self.skip(end, "unwrap_both")
        if self.bio:
            for each in (client, server, client):
                self.deliver(each, "all")
                self.record(each, "unwrap", lambda each=each: self.unwrap(each))  # type: ignore[misc]
        elif client.tls.gettimeout() == 0.0:
            for each in (client, server, client):
                result = self.record(each, "unwrap", lambda each=each: self.unwrap(each))  # type: ignore[misc]
                each.gone = result is not None
        else:
            self.together("unwrap", {each.role: lambda each=each: self.unwrap(each) for each in ends})  # type: ignore[misc]
            client.gone = server.gone = True
        client.ended = server.ended = True
        return None

    def unwrap(self, end: End) -> str:
        """What unwrap() returns, in words."""
        result = end.tls.unwrap()
        return "nothing" if result is None else f"a {'socket' if isinstance(result, socket.socket) else type(result)}"

    def do_end(self, end: End) -> None:
        """An abrupt end: the socket is closed, or the peer's BIO has no more."""
        if self.bio:
            self.deliver(end.peer, "all")
            end.peer.incoming.write_eof()
            end.peer.closed = True
            end.ended = True
        else:
            self.record(end, "close", end.tls.close)
            end.ended = end.gone = True
            end.hushed = False

    def do_inject(self, end: End, what: str) -> None:
        """Foreign bytes from this end, on the wire as they are."""
        self.outcomes.append(Outcome(end.role, "inject", what))
        data = _INJECTED[what]
        if self.bio:
            end.peer.wire += end.outgoing.read() + data
        elif end.tls.fileno() >= 0 and not end.ended and not end.peer.ended:
            try:
                os.write(end.tls.fileno(), data)
            except OSError:
                return  # the peer has hung up
        else:
            return
        end.peer.unread.append(len(data))
        end.peer.disturbed = True

    def do_makefile(self, end: End, way: str) -> None:
        """A file over the socket."""
        if not end.done or end.failed or end.ended:
            return self.skip(end, "makefile")
        if way == "write":
            if sum(end.peer.unread) > 40000:
                return self.skip(end, "makefile")
            # Unbuffered: a writer that keeps what it could not send would try again when it is closed.
            with end.tls.makefile("wb", buffering=0) as file:
                count = self.record(end, "file.write", lambda: file.write(b"a line\n" * 3))
            if count:
                end.peer.unread.append(count)
            return None
        total = sum(end.unread)
        if not total or end.peer.failed:
            return self.skip(end, "makefile")
        with end.tls.makefile("rb", buffering=0 if way == "readinto" else -1) as file:
            if way == "readinto":
                size = min(end.unread[0], 50)
                buffer = bytearray(size)
                self.alone(end, "file.readinto", lambda: (file.readinto(buffer), bytes(buffer)))
                end.take(size)
            elif way == "readline":
                line = self.alone(end, "file.readline", lambda: file.readline(total)) or b""
                if total > len(line):
                    self.alone(end, "file.read", lambda: zlib.crc32(file.read(total - len(line)) or b""))
                end.unread.clear()
            else:
                self.alone(end, "file.read", lambda: zlib.crc32(file.read(total) or b""))
                end.unread.clear()
        return None

    def do_sendfile(self, end: End) -> None:
        """A file in memory."""
        if not end.done or sum(end.peer.unread) > 40000:
            return self.skip(end, "sendfile")
        count = self.record(end, "sendfile", lambda: end.tls.sendfile(io.BytesIO(b"contents" * 10), 8))
        if count:
            end.peer.unread.append(count)
        return None

    def do_detach(self, end: End) -> None:
        """Give the descriptor away."""
        def detach() -> bool:
            number = end.tls.detach()
            os.close(number)
            return bool(number >= 0)

        self.record(end, "detach", detach)
        end.ended = end.gone = True
        end.hushed = False

    def do_shutdown_write(self, end: End) -> None:
        """Half close."""
        self.shutdown(end, socket.SHUT_WR)

    def do_shutdown_both(self, end: End) -> None:
        """Both directions."""
        self.shutdown(end, socket.SHUT_RDWR)

    def do_shutdown_read(self, end: End) -> None:
        """The other half."""
        self.shutdown(end, socket.SHUT_RD)

    def shutdown(self, end: End, how: int) -> None:
        """Of the socket."""
        self.record(end, f"shutdown({how})", lambda: end.tls.shutdown(how))
        if how == socket.SHUT_RD:
            end.hush()
        else:
            end.ended, end.hushed = True, False


def play(script: Script, client: Any, server: Any, world: World) -> list[Outcome]:
    """The outcomes of a script's calls, with these modules at the two ends."""
    run = Play(script, client, server, world)
    _forget()
    try:
        try:
            run.prepare()
        except Exception as error:
            run.raised(run.client, "prepare", error, False)
            return run.outcomes
        for step in script.steps:
            if not run.step(step):
                break
    finally:
        run.close()
    return run.outcomes
