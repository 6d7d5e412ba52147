"""What is played: a seed makes a script, which is a setup of two ends and the calls that are made on them in turn.

A script is data and prints as Python. Nothing here touches a socket (`play`), and nothing knows what the calls should
answer: the standard library says that (`compare`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tests.dropin.differential.mistakes import CONTEXT_MISTAKES, MISTAKES

__all__ = ["ENDS", "Script", "Setup", "Step", "generate", "shrink"]

ENDS = ("client", "server")


@dataclass(frozen=True)
class Setup:
    """The two ends. Every default is the ordinary case, which is what shrinking goes back to."""

    kind: str = "nonblocking"
    """"nonblocking", "timeout", "blocking": sockets; "bio": `SSLObject`s between memory BIOs."""
    listen: bool = False
    """Connect by `connect()` and `accept()`, handshake included; else a pair of connected sockets."""
    versions: tuple[str, str] = ("any", "any")
    """Of the client and the server: "any", "1.2" or "1.3"."""
    certificate: str = "good"
    """The server's: "good", "expired", "early", "self-signed", "untrusted", "purpose", "chain" or "rsa"."""
    name: str | None = "localhost"
    """What the client asks for."""
    verify: str = "full"
    """The client's: "full", "chain" (no name) or "none"."""
    ask: str = "none"
    """Whether the server asks for a client's certificate: "none", "optional" or "required"."""
    client_certificate: str = "none"
    """The client's: "none", "good", "expired" or "untrusted"."""
    alpn: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    ciphers: tuple[str, str] = ("", "")
    """Cipher strings for TLS 1.2; empty: the defaults."""
    sni: str = ""
    """The server's `sni_callback`: none, "none" (goes on), "alert", "raises" or "nonsense"."""
    suppress: bool = True
    """`suppress_ragged_eofs`."""
    ignore_eof: bool = False
    """OP_IGNORE_UNEXPECTED_EOF on both."""
    resume: bool = False
    """Whether the client brings the session of an earlier connection."""


@dataclass(frozen=True)
class Step:
    """A call at one end."""

    end: str
    call: str
    arguments: tuple[object, ...] = ()

    def __repr__(self) -> str:
        return f"Step({self.end!r}, {self.call!r}{f', {self.arguments!r}' if self.arguments else ''})"


@dataclass(frozen=True)
class Script:
    """What is played on every pair of modules alike."""

    seed: int
    setup: Setup
    steps: tuple[Step, ...] = field(default=())

    def __str__(self) -> str:
        changed = {
            each.name: getattr(self.setup, each.name)
            for each in fields(Setup)
            if getattr(self.setup, each.name) != each.default
        }
        setup = ", ".join(f"{name}={value!r}" for name, value in changed.items())
        steps = "".join(f"        {step!r},\n" for step in self.steps)
        return f"Script(\n    {self.seed},\n    Setup({setup}),\n    (\n{steps}    ),\n)"


_SIZES = (0, 1, 2, 5, 17, 100, 1000, 4096, 16383, 16384, 16385, 20000)
_QUESTIONS = (
    "version", "cipher", "getpeercert", "getpeercert_binary", "selected_alpn_protocol", "compression", "pending",
    "session_reused", "server_side", "server_hostname", "shared_ciphers", "has_session", "get_verified_chain",
    "get_unverified_chain", "tls_unique", "class", "get_channel_binding_nonsense",
)  # fmt: skip
_SOCKET_QUESTIONS = ("gettimeout", "has_sslobj", "fileno_is_open", "type", "getpeername_class")


def _setup(rng: random.Random) -> Setup:
    setup = Setup(kind=rng.choice(("nonblocking", "nonblocking", "nonblocking", "bio", "bio", "timeout", "blocking")))
    setup = replace(setup, versions=rng.choice((("any", "any"), ("any", "any"), ("1.2", "any"), ("any", "1.2"))))
    if setup.kind in ("timeout", "blocking"):
        setup = replace(setup, listen=rng.random() < 0.3)
    if rng.random() < 0.25:
        setup = replace(setup, suppress=False)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        setup = _oddity(setup, rng)
    return setup


def _oddity(setup: Setup, rng: random.Random) -> Setup:
    what = rng.randrange(11)
    if what == 0:
        kinds = ("expired", "early", "self-signed", "untrusted", "purpose", "chain", "rsa")
        return replace(setup, certificate=rng.choice(kinds))
    if what == 1:
        names = ("other.test", "127.0.0.1", "127.0.0.2", "LOCALHOST", "a.wild.test", "a.b.wild.test")
        return replace(setup, name=rng.choice(names))
    if what == 2:
        verify = rng.choice(("chain", "none"))
        return replace(setup, verify=verify, name=rng.choice(("localhost", None, "other.test")))
    if what in (3, 4):
        certificate = rng.choice(("none", "good", "expired", "untrusted"))
        return replace(setup, ask=rng.choice(("optional", "required")), client_certificate=certificate)
    if what == 5:
        lists: tuple[tuple[str, ...], ...] = ((), ("h2", "http/1.1"), ("http/1.1",), ("http/1.1", "h2"), ("other",))
        return replace(setup, alpn=(rng.choice(lists), rng.choice(lists)))
    if what == 6:
        return replace(setup, versions=rng.choice((("1.2", "1.3"), ("1.3", "1.2"), ("1.3", "1.3"), ("1.2", "1.2"))))
    if what == 7:
        strings = ("", "ECDHE+AESGCM", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                   "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256")  # fmt: skip
        return replace(setup, ciphers=(rng.choice(strings), rng.choice(strings)), versions=("1.2", "any"))
    if what == 8:
        return replace(setup, sni=rng.choice(("none", "alert", "raises", "nonsense")))
    if what == 9:
        return replace(setup, ignore_eof=True)
    return replace(setup, resume=True)


def _mistake(rng: random.Random, end: str, kind: str) -> Step:
    if rng.random() < 0.3:
        return Step(end, "context", (rng.choice(tuple(CONTEXT_MISTAKES)),))
    names = [name for name, (kinds, _) in MISTAKES.items() if ("bio" if kind == "bio" else "socket") in kinds]
    return Step(end, "mistake", (rng.choice(names),))


def _question(rng: random.Random, end: str, kind: str) -> Step:
    return Step(end, "ask", (rng.choice(_QUESTIONS if kind == "bio" else _QUESTIONS + _SOCKET_QUESTIONS),))


def _beginning(setup: Setup, rng: random.Random) -> Iterator[Step]:
    if rng.random() < 0.1:
        yield _question(rng, rng.choice(ENDS), setup.kind)
    if setup.listen or rng.random() < 0.75:
        yield Step("client", "shake")
        return
    kind = setup.kind
    for _ in range(rng.randrange(1, 6)):
        yield _early(rng.choice(ENDS), kind, rng)
    if rng.random() < 0.6:
        yield Step("client", "shake")


def _early(end: str, kind: str, rng: random.Random) -> Step:
    early: tuple[Callable[[], Step], ...] = (
        lambda: Step(end, "handshake"),
        lambda: Step(end, "handshake"),
        lambda: _question(rng, end, kind),
        lambda: Step(end, "read", ("read", rng.choice(_SIZES))),
        lambda: Step(end, "send", ("write", rng.choice(_SIZES))),
        lambda: Step(end, "unwrap"),
        lambda: Step(end, "end"),
        lambda: Step(end, "inject", (rng.choice(("http", "ssh", "zeros", "alert", "letters")),)),
        lambda: Step(end, "deliver", _delivery(rng)),
    )
    return rng.choice(early)()


def _delivery(rng: random.Random) -> tuple[object, ...]:
    return rng.choice((("all",), ("all",), ("few", rng.randrange(1, 5)), ("all_but", rng.randrange(1, 17))))


def _step(setup: Setup, rng: random.Random) -> Step:
    end, bio = rng.choice(ENDS), setup.kind == "bio"
    roll = rng.random()
    if roll < 0.25:
        return Step(end, "send", (rng.choice(("write",) if bio else ("send", "write", "sendall")), rng.choice(_SIZES)))
    if roll < 0.50:
        ways = ("read", "read_buffer") if bio else ("recv", "recv_into", "read", "read_buffer", "recv_into_part")
        return Step(end, "read", (rng.choice(ways), rng.choice(_SIZES)))
    if roll < 0.58:
        return _question(rng, end, setup.kind)
    if roll < 0.68:
        return _mistake(rng, end, setup.kind)
    if roll < 0.76:
        return Step(end, "deliver", _delivery(rng)) if bio else Step(end, "settimeout", (rng.choice((0.0, 0.004)),))
    if roll < 0.83:
        return Step(end, "unwrap")
    if roll < 0.86:
        return Step(end, "unwrap_both")
    if roll < 0.88:
        return Step(end, "end")
    if roll < 0.90:
        return Step(end, "inject", (rng.choice(("zeros", "alert", "letters", "record", "plain_data")),))
    if roll < 0.92:
        return Step(end, "handshake")
    if roll < 0.94 or bio:
        return Step(end, "drain")
    if roll < 0.96:
        return Step(end, "makefile", (rng.choice(("read", "readline", "write", "readinto")),))
    return Step(end, rng.choice(("shutdown_write", "shutdown_both", "shutdown_read", "detach", "sendfile")))


def generate(seed: int) -> Script:
    """The script of a seed: always the same one."""
    rng = random.Random(seed)
    setup = _setup(rng)
    steps = [*_beginning(setup, rng), *(_step(setup, rng) for _ in range(rng.randrange(1, 12)))]
    return Script(seed, setup, tuple(steps))


def shrink(script: Script, fails: Callable[[Script], bool], tries: int = 200) -> Script:
    """A smaller script that still fails: fewer steps, then an ordinary setup."""
    changed = True
    while changed and tries > 0:
        changed = False
        for smaller in _smaller(script):
            tries -= 1
            if fails(smaller):
                script, changed = smaller, True
                break
            if tries <= 0:
                break
    return script


def _smaller(script: Script) -> Iterator[Script]:
    count = len(script.steps)
    for size in (count // 2, count // 4, 1):
        if size:
            for start in range(count - size, -1, -1):
                yield replace(script, steps=script.steps[:start] + script.steps[start + size :])
    for each in fields(Setup):
        if getattr(script.setup, each.name) != each.default and (each.name != "kind" or not script.setup.listen):
            plain: dict[str, Any] = {each.name: each.default}
            yield replace(script, setup=replace(script.setup, **plain))
