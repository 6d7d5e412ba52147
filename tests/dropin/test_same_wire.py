"""The same bytes from a peer, to `ssl` and to ours: the same class, number, library and reason, or why not.

`DIFFERENCES` is the whole of it: a difference that is not there fails, and so does one that is there no longer.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tlsocket
from tests.dropin.support import MODULES, Files, client_context, server_context

ALERTS = [(level, number) for level in (1, 2) for number in range(256)]
FIRST_BYTES = {
    "a request": b"GET / HTTP/1.0\r\n\r\n",
    "a request for the head": b"HEAD / HTTP/1.0\r\n\r\n",
    "a form": b"POST / HTTP/1.0\r\n\r\n",
    "an upload": b"PUT / HTTP/1.0\r\n\r\n",
    "a request to a proxy": b"CONNECT a:1 HTTP/1.0\r\n\r\n",
    "another method": b"OPTIONS / HTTP/1.0\r\n\r\n",
    "a response": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a mail server": b"220 mail ESMTP\r\n",
    "a remote shell": b"SSH-2.0-OpenSSH_9\r\n",
    "zeros": bytes(40),
    "ones": b"\xff" * 40,
    "application data": b"\x17\x03\x03\x00\x10" + bytes(16),
    "a record too long": b"\x16\x03\x03\xff\xff" + bytes(100),
    "no content": b"\x16\x03\x03\x00\x00" * 3,
    "a change_cipher_spec": b"\x14\x03\x03\x00\x01\x01",
    "SSL 2 in the version": b"\x16\x02\x00\x00\x04abcd",
    "a ServerHelloDone": b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
    "an empty ServerHello": b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
    "an empty ClientHello": b"\x16\x03\x03\x00\x04\x01\x00\x00\x00",
    "an empty Certificate": b"\x16\x03\x03\x00\x04\x0b\x00\x00\x00",
    "half an alert": b"\x15\x03\x03\x00\x01\x01",
    "a heartbeat": b"\x18\x03\x03\x00\x03\x01\x00\x00",
    "a hello of SSL 2": b"\x80\x2e\x01\x03\x01" + bytes(41),
    "a close_notify": b"\x15\x03\x03\x00\x02\x01\x00",
    "nothing": b"",
    "half a header": b"\x16\x03\x03",
}
BEHIND = ("nothing", "half a header")
"""After these the transport ends."""

_HTTP = "any request says that it is one"
_TYPES = "no record of TLS begins so, whatever comes in it"
_EMPTY = "RFC 9846 section 5.1: a fragment of a handshake message is not empty; OpenSSL waits"
DIFFERENCES = {
    ("client", "another method"): _HTTP,
    ("server", "another method"): _HTTP,
    ("client", "no content"): _EMPTY,
    ("server", "no content"): _EMPTY,
    (
        "client",
        "a change_cipher_spec",
    ): "RFC 9846 section 5: it may come at any time after the ClientHello, and is ignored",
    ("server", "a change_cipher_spec"): "it says which message was not expected",
    ("server", "an empty ClientHello"): "every message with a length that is wrong has the one reason",
    ("server", "half an alert"): "it says what is wrong with the message",
    ("client", "a heartbeat"): _TYPES,
    ("server", "a heartbeat"): _TYPES,
    (
        "server",
        "a hello of SSL 2",
    ): "RFC 9846 appendix E.5: hellos in the form of SSL 2 are refused; OpenSSL reads them",
    ("server", "a close_notify"): "the peer went, and misbehaved in no way; a client gets the same from both",
}


class Said(NamedTuple):
    """What a program can match on."""

    kind: str
    number: int | None
    library: str | None
    reason: str | None


def said(module: Any, role: str, data: bytes, files: Files, *, ends: bool = False) -> Said:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    if role == "server":
        tls = server_context(module, files).wrap_bio(incoming, outgoing, server_side=True)
    else:
        tls = client_context(module, files).wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
    incoming.write(data)
    if ends:
        incoming.write_eof()
    with pytest.raises(ssl.SSLError) as caught:
        tls.do_handshake()
    error = caught.value
    return Said(type(error).__name__, error.errno, getattr(error, "library", None), getattr(error, "reason", None))


def test_manual_has_every_difference() -> None:
    page = (Path(tlsocket.__file__).parent / "manual/differences.md").read_text(encoding="utf-8")
    assert not [why for why in DIFFERENCES.values() if why not in page]


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("what", FIRST_BYTES)
def test_first_bytes_of_a_peer(what: str, role: str, files: Files) -> None:
    theirs, ours = (
        said(module, role, FIRST_BYTES[what], files, ends=what in BEHIND)
        for module in (MODULES["stdlib"], MODULES["ours"])
    )
    if (role, what) in DIFFERENCES:
        assert ours != theirs, "no difference any more: take it off the list"
    else:
        assert ours == theirs


def test_alerts_that_ssl_names_have_the_same_name_here(files: Files) -> None:
    """A number that the interpreter's `ssl` has no name for gets one here, or is told as a number."""
    different = {}
    for level, number in ALERTS:
        record = bytes((21, 3, 3, 0, 2, level, number))
        theirs, ours = (said(module, "client", record, files) for module in (MODULES["stdlib"], MODULES["ours"]))
        if ours != theirs and theirs.reason is not None:
            different[level, number] = (theirs, ours)
    assert set(different) == {
        (2, 90),  # user_canceled is not an end: a close_notify follows (RFC 9846 section 6.1)
        (1, 100),  # no_renegotiation is an answer to nothing, and a warning
    }


def test_text_that_programs_look_for(files: Files) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(MODULES["ours"], files).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    incoming.write(FIRST_BYTES["a response"])
    with pytest.raises(ssl.SSLError, match=r"wrong version number.*plain HTTP"):
        tls.do_handshake()
