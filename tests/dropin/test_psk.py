"""The PSK callbacks against those of the standard library, which has them since Python 3.13, on the wire.

The peer runs in a process of its own, with a Python that has them; where none is found these tests skip, and those
between two ends of ours remain.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import TIMEOUT, Background, connected, failure, tcp_pair
from tlsocket.dropin.session import client_psk_tls12, server_psks

KEY = bytes(range(32))
CLIENT, SERVER = tlsocket.PROTOCOL_TLS_CLIENT, tlsocket.PROTOCOL_TLS_SERVER


def contexts(
    client_callback: Callable[..., Any] | None,
    server_callback: Callable[..., Any] | None,
    module: Any = tlsocket,
    *,
    tls12: bool = False,
    hint: str | None = None,
) -> tuple[Any, Any]:
    """A client's and a server's context without certificates, of TLS 1.3 only or TLS 1.2 only."""
    client, server = module.SSLContext(CLIENT), module.SSLContext(SERVER)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    for context in (client, server):
        if tls12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("PSK")
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
    client.set_psk_client_callback(client_callback)
    server.set_psk_server_callback(server_callback, hint)
    return client, server


def test_ours_with_ours() -> None:
    asked: list[Any] = []

    def ask_client(hint: str | None) -> tuple[str, bytes]:
        asked.append(hint)
        return "me", KEY

    def ask_server(identity: str | None) -> bytes:
        asked.append(identity)
        return KEY

    client, server = contexts(ask_client, ask_server)
    with connected(client, server) as (near, far):
        near.sendall(b"ping")
        assert far.recv(4) == b"ping"
        assert near.getpeercert() is far.getpeercert() is None
        # As in ssl, where a pre-shared key counts as a session.
        assert near.session_reused
        assert far.session_reused
        assert near.cipher()[0].endswith("SHA256")
    assert asked == [None, "me"]


@pytest.mark.parametrize(
    ("callback", "mistakes"),
    [
        (lambda hint: ("me", b""), 0),
        (lambda hint: (None, KEY), 1),
        (lambda hint: ("", KEY), 1),
        (lambda hint: ("x" * 256, KEY), 1),
        (lambda hint: ("nul\0", KEY), 1),
        (lambda hint: ("me", bytes(513)), 1),
        (lambda hint: None, 1),
        (lambda hint: 1 / 0, 1),
    ],
    ids=["no key", "no identity", "empty identity", "long", "NUL", "long key", "nothing", "exception"],
)
def test_a_client_callback_without_a_key(callback: Any, mistakes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown where it is a mistake, and then the handshake fails, since nothing authenticates the server."""
    shown: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    client, server = contexts(callback, lambda identity: KEY)
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with near, far:
        assert isinstance(failure(lambda: client.wrap_socket(near)), ssl.SSLError)
        background.error()
    assert len(shown) == mistakes


@pytest.mark.parametrize("answer", [b"", b"wrong", None, 7])
def test_a_server_callback_without_the_key(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    client, server = contexts(lambda hint: ("me", KEY), lambda identity: answer)
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with near, far:
        assert isinstance(failure(lambda: client.wrap_socket(near)), ssl.SSLError)
        assert isinstance(background.error(), ssl.SSLError)
    assert len(shown) == (1 if answer == 7 else 0)


def test_a_tickets_bytes_are_no_question_to_the_callback() -> None:
    """Identities that are not text, or longer than OpenSSL's, are not the program's."""
    asked: list[str | None] = []

    def callback(identity: str | None) -> bytes:
        asked.append(identity)
        return b""

    find = server_psks(callback)
    assert find(b"\xff\xfe") is find(b"x" * 256) is find(b"a\0b") is find(b"fine") is None
    assert asked == ["fine"]


# The calls themselves, with the standard library's words


def calls(module: Any) -> list[str]:
    """What each wrong call says."""
    client, server = module.SSLContext(CLIENT), module.SSLContext(SERVER)
    wrong: list[Callable[[], Any]] = [
        lambda: server.set_psk_client_callback(print),
        lambda: client.set_psk_server_callback(print),
        lambda: client.set_psk_client_callback(3),
        lambda: server.set_psk_server_callback(3),
        lambda: server.set_psk_server_callback(print, 3),
        lambda: server.set_psk_server_callback(print, "x" * 300),
    ]
    client.set_psk_client_callback(None)
    server.set_psk_server_callback(None, "hint")
    server.set_psk_server_callback(print, None)
    return [f"{type(error).__name__}: {str(error).split(' (')[0]}" for error in map(failure, wrong)]


SSL_SAYS = [
    "SSLError: Cannot add PSK client callback to a PROTOCOL_TLS_SERVER context",
    "SSLError: Cannot add PSK server callback to a PROTOCOL_TLS_CLIENT context",
    "TypeError: callback must be callable",
    "TypeError: callback must be callable",
    "TypeError: set_psk_server_callback() argument 'identity_hint' must be str or None, not int",
    "ValueError: failed to set identity hint",
]
"""CPython 3.13."""


def test_wrong_calls() -> None:
    assert calls(tlsocket) == SSL_SAYS
    if ssl_has_psk():
        assert calls(ssl) == SSL_SAYS


def ssl_has_psk() -> bool:
    """Whether this Python's own ssl has the callbacks."""
    return bool(getattr(ssl, "HAS_PSK", False))


# The standard library at the other end


@cache
def python_with_psk() -> str | None:
    """A Python whose ssl has the callbacks: this one, one on the path, or one that pyenv installed."""
    found = [sys.executable, *filter(None, (shutil.which(f"python3.{minor}") for minor in range(13, 20)))]
    found += sorted(map(str, Path.home().glob(".pyenv/versions/3.1[3-9]*/bin/python")))
    for candidate in found:
        code = "import ssl, sys; sys.exit(not getattr(ssl, 'HAS_PSK', False))"
        if subprocess.run([candidate, "-c", code], check=False, timeout=TIMEOUT).returncode == 0:
            return candidate
    return None


PEER = """
import socket, ssl, sys
role, port, identity, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], bytes.fromhex(sys.argv[4])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if role == "client" else ssl.PROTOCOL_TLS_SERVER)
old, hint = sys.argv[5] == "TLSv1.2", sys.argv[6] or None
if old:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")
else:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
hints = []
def choose(told):
    hints.append(told)
    return identity or None, key
try:
    if role == "client":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_psk_client_callback(choose)
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20))
        assert hints[-1] == hint, hints
    else:
        context.set_psk_server_callback(lambda name: key if name == (identity or None) else b"", hint)
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_side=True)
    with sock:
        sock.sendall(b"hello from " + role.encode())
        print(sock.recv(100).decode(), sock.session_reused, sock.getpeercert(), flush=True)
except ssl.SSLError as error:
    print("SSLError", error.reason, flush=True)
"""


def with_peer(
    role: str, context: Any, identity: str, key: bytes, version: str = "TLSv1.3", hint: str = ""
) -> tuple[Any, str]:
    """Our end's words or error, and the peer's; the peer connects to us whichever role it has."""
    import socket

    python = python_with_psk()
    if python is None:
        pytest.skip("no Python here whose ssl has PSK callbacks")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        port = str(listener.getsockname()[1])
        arguments = [python, "-c", PEER, role, port, identity, key.hex(), version, hint]
        peer = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            plain, _ = listener.accept()
            plain.settimeout(TIMEOUT)
            try:
                with context.wrap_socket(plain, server_side=role == "client") as sock:
                    sock.sendall(b"hello from ours")
                    ours: Any = sock.recv(100).decode()
                    assert sock.version() == version
            except ssl.SSLError as error:
                ours = error
            output, errors = peer.communicate(timeout=TIMEOUT)
        finally:
            peer.kill()
            peer.communicate()
    assert not errors
    return ours, output.strip()


@pytest.mark.parametrize("identity", ["client-identity", "x", "Gerät-7", "i" * 255])
@pytest.mark.parametrize("key", [KEY, b"k", bytes(range(256))], ids=len)
@pytest.mark.parametrize("role", ["client", "server"])
def test_with_the_standard_library(role: str, identity: str, key: bytes) -> None:
    if role == "client" or len(identity) < 255:
        client, server = contexts(lambda hint: (identity, key), lambda name: key if name == identity else b"")
        ours, theirs = with_peer(role, server if role == "client" else client, identity, key)
        assert ours == f"hello from {role}"
        assert theirs == "hello from ours True None"


@pytest.mark.parametrize("role", ["client", "server"])
def test_with_the_standard_library_and_another_key(role: str) -> None:
    client, server = contexts(lambda hint: ("me", KEY), lambda name: KEY)
    ours, theirs = with_peer(role, server if role == "client" else client, "me", KEY[::-1])
    assert isinstance(ours, ssl.SSLError)
    assert theirs.startswith("SSLError")


@pytest.mark.parametrize("role", ["client", "server"])
def test_with_the_standard_library_and_another_identity(role: str) -> None:
    client, server = contexts(lambda hint: ("me", KEY), lambda name: KEY if name == "me" else b"")
    ours, theirs = with_peer(role, server if role == "client" else client, "somebody else", KEY)
    assert isinstance(ours, ssl.SSLError)
    assert theirs.startswith("SSLError")


# TLS 1.2


@pytest.mark.parametrize("hint", [None, "hint", "ü" * 128])
@pytest.mark.parametrize("identity", [None, "me", "i" * 255])
def test_ours_with_ours_in_tls12(hint: str | None, identity: str | None) -> None:
    asked: list[Any] = []

    def ask_client(hint: str | None) -> tuple[str | None, bytes]:
        asked.append(hint)
        return identity, KEY

    def ask_server(identity: str | None) -> bytes:
        asked.append(identity)
        return KEY

    client, server = contexts(ask_client, ask_server, tls12=True, hint=hint)
    with connected(client, server) as (near, far):
        near.sendall(b"ping")
        assert far.recv(4) == b"ping"
        assert near.getpeercert() is far.getpeercert() is None
        assert near.version() == far.version() == "TLSv1.2"
        assert near.cipher()[0].startswith("ECDHE-PSK-")
        # Here it does not count as a session, as in ssl.
        assert near.session_reused is far.session_reused is False
        assert not near.session.id
    assert asked == [hint, identity]


@pytest.mark.parametrize("hint", ["", "which?"])
@pytest.mark.parametrize("identity", ["", "client-identity", "Gerät-7"])
@pytest.mark.parametrize("role", ["client", "server"])
def test_with_the_standard_library_in_tls12(role: str, identity: str, hint: str) -> None:
    told: list[str | None] = []

    def choose(hint: str | None) -> tuple[str | None, bytes]:
        told.append(hint)
        return identity or None, KEY

    client, server = contexts(
        choose, lambda name: KEY if name == (identity or None) else b"", tls12=True, hint=hint or None
    )
    ours, theirs = with_peer(role, server if role == "client" else client, identity, KEY, "TLSv1.2", hint)
    assert ours == f"hello from {role}"
    assert theirs == "hello from ours False None"
    assert told == ([] if role == "client" else [hint or None])


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(("identity", "key"), [("me", KEY[::-1]), ("somebody else", KEY)], ids=["key", "identity"])
def test_with_the_standard_library_and_another_in_tls12(role: str, identity: str, key: bytes) -> None:
    client, server = contexts(lambda hint: ("me", KEY), lambda name: KEY if name == "me" else b"", tls12=True)
    ours, theirs = with_peer(role, server if role == "client" else client, identity, key, "TLSv1.2")
    assert isinstance(ours, ssl.SSLError)
    assert theirs.startswith("SSLError")
    if role == "client" and identity != "me":
        assert ours.reason == "PSK_IDENTITY_NOT_FOUND"


@pytest.mark.parametrize("hint", [b"\xff\xfe", b"x" * 257])
def test_a_hint_that_is_no_text_is_no_question_to_the_callback(hint: bytes) -> None:
    asked: list[str | None] = []

    def callback(hint: str | None) -> tuple[str, bytes]:
        asked.append(hint)
        return "me", KEY

    choose = client_psk_tls12(callback)
    assert choose(None, hint) is None
    assert choose(None, b"") is not None
    assert asked == [None]


def test_suites_have_to_be_asked_for() -> None:
    """As in ssl, whose default list has none of them: a client without is told so before it sends anything."""
    client, _ = contexts(lambda hint: ("me", KEY), lambda name: KEY, tls12=True)
    assert {entry["name"] for entry in client.get_ciphers() if entry["protocol"] == "TLSv1.2"} >= {
        "ECDHE-PSK-CHACHA20-POLY1305"
    }
    without = tlsocket.SSLContext(CLIENT)
    assert not [entry for entry in without.get_ciphers() if "PSK" in entry["name"]]
    without.check_hostname = False
    without.verify_mode = ssl.CERT_NONE
    without.maximum_version = ssl.TLSVersion.TLSv1_2
    without.set_ciphers("PSK")
    near, far = tcp_pair()
    with near, far:
        error = failure(lambda: without.wrap_socket(near))
    assert isinstance(error, ssl.SSLError)
    assert error.reason == "NO_CIPHERS_AVAILABLE"
