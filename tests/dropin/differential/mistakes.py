"""Calls with wrong types and values, by name: what they raise is compared like any other result."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

__all__ = ["CONTEXT_MISTAKES", "MISTAKES"]

_S, _B = frozenset({"socket"}), frozenset({"socket", "bio"})

MISTAKES: dict[str, tuple[frozenset[str], Callable[[Any], Any]]] = {
    "read(-1)": (_B, lambda tls: tls.read(-1)),
    "read('x')": (_B, lambda tls: tls.read("x")),
    "read(None)": (_B, lambda tls: tls.read(None)),
    "read(1.5)": (_B, lambda tls: tls.read(1.5)),
    "read(5, bytes)": (_B, lambda tls: tls.read(5, b"12345")),
    "read(0)": (_B, lambda tls: tls.read(0)),
    "read(1 << 70)": (_B, lambda tls: tls.read(1 << 70)),
    "write('text')": (_B, lambda tls: tls.write("text")),
    "write(5)": (_B, lambda tls: tls.write(5)),
    "write(None)": (_B, lambda tls: tls.write(None)),
    "write()": (_B, lambda tls: tls.write()),
    "binding": (_B, lambda tls: tls.get_channel_binding("nonsense")),
    "binding(5)": (_B, lambda tls: tls.get_channel_binding(5)),
    "context = 5": (_B, lambda tls: setattr(tls, "context", 5)),
    "session = 5": (_B, lambda tls: setattr(tls, "session", 5)),
    "session_reused = 5": (_B, lambda tls: setattr(tls, "session_reused", 5)),
    "constructor": (_B, lambda tls: ssl.SSLObject() if isinstance(tls, ssl.SSLObject) else type(tls)(tls)),
    "selected_npn_protocol": (_B, lambda tls: None),
    "recv(-1)": (_S, lambda tls: tls.recv(-1)),
    "recv('x')": (_S, lambda tls: tls.recv("x")),
    "recv(1, 5)": (_S, lambda tls: tls.recv(1, socket.MSG_WAITALL)),
    "recv_into(bytes)": (_S, lambda tls: tls.recv_into(b"12345")),
    "recv_into(5)": (_S, lambda tls: tls.recv_into(5)),
    "recv_into(empty)": (_S, lambda tls: tls.recv_into(bytearray())),
    "recv_into(b, -1)": (_S, lambda tls: tls.recv_into(bytearray(5), -1)),
    "recv_into(b, 1, 5)": (_S, lambda tls: tls.recv_into(bytearray(5), 1, socket.MSG_WAITALL)),
    "send('x')": (_S, lambda tls: tls.send("x")),
    "send(None)": (_S, lambda tls: tls.send(None)),
    "send(x, 4)": (_S, lambda tls: tls.send(b"x", socket.MSG_DONTROUTE)),
    "sendall('x')": (_S, lambda tls: tls.sendall("x")),
    "sendall(x, 4)": (_S, lambda tls: tls.sendall(b"x", socket.MSG_DONTROUTE)),
    "sendto": (_S, lambda tls: tls.sendto(b"x", ("127.0.0.1", 9))),
    "recvfrom": (_S, lambda tls: tls.recvfrom(5)),
    "recvfrom_into": (_S, lambda tls: tls.recvfrom_into(bytearray(5))),
    "recvmsg": (_S, lambda tls: tls.recvmsg(5)),
    "recvmsg_into": (_S, lambda tls: tls.recvmsg_into([bytearray(5)])),
    "dup": (_S, lambda tls: tls.dup()),
    "connect": (_S, lambda tls: tls.connect(("127.0.0.1", 9))),
    "connect_ex": (_S, lambda tls: tls.connect_ex(("127.0.0.1", 9))),
    "sendfile(text)": (_S, lambda tls: tls.sendfile("x")),
    "shutdown('x')": (_S, lambda tls: tls.shutdown("x")),
    "shutdown()": (_S, lambda tls: tls.shutdown()),
    "settimeout('x')": (_S, lambda tls: tls.settimeout("x")),
    "settimeout(-1)": (_S, lambda tls: tls.settimeout(-1)),
    "makefile('q')": (_S, lambda tls: tls.makefile("q")),
    "pickle": (_S, lambda tls: tls.__getstate__()),
}
"""Name to the kinds of ends that have the call, and the call."""


def _set(name: str, value: Any) -> Callable[[Any, Any], Any]:
    return lambda module, context: setattr(context, name, value)


def _wrap(**arguments: Any) -> Callable[[Any, Any], Any]:
    def call(module: Any, context: Any) -> None:
        near, far = socket.socketpair()
        with near, far:
            context.wrap_socket(near, do_handshake_on_connect=False, **arguments).close()

    return call


def _wrap_bio(**arguments: Any) -> Callable[[Any, Any], Any]:
    return lambda module, context: type(context.wrap_bio(module.MemoryBIO(), module.MemoryBIO(), **arguments)) and None


CONTEXT_MISTAKES: dict[str, Callable[[Any, Any], Any]] = {
    "verify_mode = 7": _set("verify_mode", 7),
    "verify_mode = 'x'": _set("verify_mode", "x"),
    "verify_mode = None": _set("verify_mode", None),
    "verify_mode = CERT_NONE": _set("verify_mode", ssl.CERT_NONE),
    "verify_flags = 'x'": _set("verify_flags", "x"),
    "options = 'x'": _set("options", "x"),
    "options = -1": _set("options", -1),
    "minimum_version = 5": _set("minimum_version", 5),
    "minimum_version = 'x'": _set("minimum_version", "x"),
    "maximum_version = 5": _set("maximum_version", 5),
    "num_tickets = -1": _set("num_tickets", -1),
    "num_tickets = 'x'": _set("num_tickets", "x"),
    "keylog_filename = 5.5": _set("keylog_filename", 5.5),
    "keylog_filename = folder": _set("keylog_filename", "/"),
    "sni_callback = 5": _set("sni_callback", 5),
    "protocol = 5": _set("protocol", 5),
    "session_stats = 5": _set("security_level", 5),
    "set_ciphers(nonsense)": lambda module, context: context.set_ciphers("^$:,;?*'dorothyx"),
    "set_ciphers(5)": lambda module, context: context.set_ciphers(5),
    "set_ciphers()": lambda module, context: context.set_ciphers(),
    "set_ciphers('')": lambda module, context: context.set_ciphers(""),
    "set_alpn_protocols(long)": lambda module, context: context.set_alpn_protocols(["x" * 256]),
    "set_alpn_protocols(empty)": lambda module, context: context.set_alpn_protocols([""]),
    "set_alpn_protocols(5)": lambda module, context: context.set_alpn_protocols(5),
    "set_alpn_protocols([5])": lambda module, context: context.set_alpn_protocols([None]),
    "set_alpn_protocols(umlaut)": lambda module, context: context.set_alpn_protocols(["\u00e4"]),
    "set_ecdh_curve(nonsense)": lambda module, context: context.set_ecdh_curve("nonsense"),
    "set_ecdh_curve(5)": lambda module, context: context.set_ecdh_curve(5),
    "load_cert_chain(missing)": lambda module, context: context.load_cert_chain("/nonexistent.pem"),
    "load_cert_chain(5)": lambda module, context: context.load_cert_chain(5),
    "load_cert_chain(None)": lambda module, context: context.load_cert_chain(None),
    "load_cert_chain()": lambda module, context: context.load_cert_chain(),
    "load_verify_locations()": lambda module, context: context.load_verify_locations(),
    "load_verify_locations(missing)": lambda module, context: context.load_verify_locations("/nonexistent.pem"),
    "load_verify_locations(cadata='')": lambda module, context: context.load_verify_locations(cadata=""),
    "load_verify_locations(cadata=b'')": lambda module, context: context.load_verify_locations(cadata=b""),
    "load_verify_locations(cadata='x')": lambda module, context: context.load_verify_locations(cadata="x"),
    "load_verify_locations(cadata=b'x')": lambda module, context: context.load_verify_locations(cadata=b"x"),
    "load_verify_locations(cadata=5)": lambda module, context: context.load_verify_locations(cadata=5),
    "load_verify_locations(cadata=umlaut)": lambda module, context: context.load_verify_locations(cadata="\u00e4"),
    "load_verify_locations(5.5)": lambda module, context: context.load_verify_locations(5.5),
    "load_default_certs(5)": lambda module, context: context.load_default_certs(5),
    "load_dh_params(missing)": lambda module, context: context.load_dh_params("/nonexistent.pem"),
    "load_dh_params(None)": lambda module, context: context.load_dh_params(None),
    "wrap: both roles": _wrap(server_side=True, server_hostname="localhost"),
    "wrap: server": _wrap(server_side=True),
    "wrap: no name": _wrap(),
    "wrap: empty name": _wrap(server_hostname=""),
    "wrap: dot": _wrap(server_hostname=".localhost"),
    "wrap: NUL": _wrap(server_hostname="a\0b"),
    "wrap: long label": _wrap(server_hostname="a" * 70 + ".test"),
    "wrap: bytes": _wrap(server_hostname=b"localhost"),
    "wrap: number": _wrap(server_hostname=5),
    "wrap: session": _wrap(server_hostname="localhost", session=5),
    "wrap: keyword": _wrap(nonsense=5),
    "wrap_bio: server": _wrap_bio(server_side=True),
    "wrap_bio: no name": _wrap_bio(),
    "wrap_bio: both": _wrap_bio(server_side=True, server_hostname="localhost"),
    "wrap_bio: dot": _wrap_bio(server_hostname=".x"),
    "wrap_bio: session": _wrap_bio(server_hostname="localhost", session=5),
    "wrap_bio: not BIOs": lambda module, context: context.wrap_bio(5, 6, server_hostname="localhost"),
    "wrap_socket(5)": lambda module, context: context.wrap_socket(5, server_hostname="localhost"),
    "SSLContext('x')": lambda module, context: module.SSLContext("x"),
    "SSLContext(99)": lambda module, context: module.SSLContext(99),
    "create_default_context(5)": lambda module, context: module.create_default_context(5),
    "RAND_bytes(-1)": lambda module, context: module.RAND_bytes(-1),
    "RAND_bytes('x')": lambda module, context: module.RAND_bytes("x"),
    "DER_cert_to_PEM_cert(5)": lambda module, context: module.DER_cert_to_PEM_cert(5),
    "PEM_cert_to_DER_cert('x')": lambda module, context: module.PEM_cert_to_DER_cert("x"),
    "cert_time_to_seconds('x')": lambda module, context: module.cert_time_to_seconds("x"),
    "get_server_certificate(5)": lambda module, context: module.get_server_certificate(5),
}
"""Name to a call with the module and a new client context of it."""
