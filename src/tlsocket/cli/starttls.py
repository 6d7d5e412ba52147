"""The plaintext that comes before TLS in protocols that upgrade: SMTP, IMAP, POP3, FTP, PostgreSQL, XMPP.

Each function speaks until the server agrees to TLS, and reads not a byte more: what stood behind its answer would be
somebody's in between (CVE-2011-0411). Lines and waits are bounded. Not here: TLS.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable

from tlsocket.cli.output import CommandError

__all__ = ["PORTS", "PROTOCOLS", "upgrade"]

_LONGEST_LINE = 4096
_MOST_LINES = 100
_SSL_REQUEST = struct.pack(">II", 8, 80877103)


def upgrade(plain: socket.socket, protocol: str, name: str) -> None:
    """Ask for TLS on `plain`; CommandError says what the server answered instead of agreeing. `name` is its host."""
    try:
        PROTOCOLS[protocol](plain, name)
    except CommandError:
        raise
    except OSError as error:
        raise CommandError(f"{protocol}: {error}; no answer to the request for TLS") from error


def _line(plain: socket.socket) -> bytes:
    """One line without its end; a byte at a time, so that nothing behind it is taken."""
    line = bytearray()
    while not line.endswith(b"\n"):
        octet = plain.recv(1)
        if not octet:
            raise CommandError("the server ended the connection before TLS")
        line += octet
        if len(line) > _LONGEST_LINE:
            raise CommandError("the server's line does not end; does it speak this protocol?")
    return bytes(line).rstrip(b"\r\n")


def _refused(line: bytes) -> CommandError:
    return CommandError(f"the server does not offer TLS here: {line[:200].decode('ascii', 'backslashreplace')}")


def _reply(plain: socket.socket, expected: bytes) -> None:
    """A reply of SMTP or FTP, which goes on while a hyphen follows its code."""
    for _ in range(_MOST_LINES):
        line = _line(plain)
        if not line.startswith(expected):
            raise _refused(line)
        if line[3:4] != b"-":
            return
    raise CommandError("the server's reply does not end")


def _smtp(plain: socket.socket, name: str) -> None:
    """RFC 3207."""
    _reply(plain, b"220")
    plain.sendall(b"EHLO tlsocket.invalid\r\n")
    _reply(plain, b"250")
    plain.sendall(b"STARTTLS\r\n")
    _reply(plain, b"220")


def _imap(plain: socket.socket, name: str) -> None:
    """RFC 9051 section 6.2.1."""
    greeting = _line(plain)
    if not greeting.startswith(b"* OK"):
        raise _refused(greeting)
    plain.sendall(b"a1 STARTTLS\r\n")
    for _ in range(_MOST_LINES):
        line = _line(plain)
        if line.startswith(b"* "):
            continue
        if line.upper().startswith(b"A1 OK"):
            return
        raise _refused(line)
    raise CommandError("the server's reply does not end")


def _pop3(plain: socket.socket, name: str) -> None:
    """RFC 2595 section 4."""
    for request in (b"", b"STLS\r\n"):
        plain.sendall(request)
        line = _line(plain)
        if not line.startswith(b"+OK"):
            raise _refused(line)


def _ftp(plain: socket.socket, name: str) -> None:
    """RFC 4217."""
    _reply(plain, b"220")
    plain.sendall(b"AUTH TLS\r\n")
    _reply(plain, b"234")


def _postgres(plain: socket.socket, name: str) -> None:
    """SSLRequest of PostgreSQL's protocol: the answer is one byte."""
    plain.sendall(_SSL_REQUEST)
    answer = plain.recv(1)
    if answer != b"S":
        raise _refused(answer or b"nothing")


def _xmpp(plain: socket.socket, name: str) -> None:
    """RFC 6120 section 5.4.2."""
    domain = re.sub(r"[^A-Za-z0-9.:\[\]-]", "", name)
    plain.sendall(
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
        b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + domain.encode("ascii") + b"'>"
    )
    features = _until(plain, b"</stream:features>")
    if b"<starttls" not in features:
        raise _refused(b"its features have no starttls")
    plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    answer = _until(plain, b">")
    if b"<proceed" not in answer:
        raise _refused(answer)


def _until(plain: socket.socket, end: bytes) -> bytes:
    data = bytearray()
    while not data.endswith(end):
        octet = plain.recv(1)
        if not octet or len(data) > 16 * _LONGEST_LINE:
            raise CommandError("the server ended the connection before TLS" if not octet else "too much before TLS")
        data += octet
    return bytes(data)


PROTOCOLS: dict[str, Callable[[socket.socket, str], None]] = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "postgres": _postgres,
    "xmpp": _xmpp,
}
"""By the name that `--starttls` takes."""

PORTS = {"smtp": 587, "imap": 143, "pop3": 110, "ftp": 21, "postgres": 5432, "xmpp": 5222}
"""Where each is found when no port is named."""
