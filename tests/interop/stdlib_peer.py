"""`ssl` of the standard library as a peer in a process of its own: serve, fetch, or exchange random data.

Run with `python -m` from the project's folder; loads nothing of ours. Suites and groups come from OPENSSL_CONF (see
`servers`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import ssl
import sys
from dataclasses import asdict
from typing import Any

from tests.interop.exchange import MODES, exchange

LOOPBACK = "127.0.0.1"
WAIT = 20.0


def make_context(arguments: argparse.Namespace, *, server_side: bool) -> ssl.SSLContext:
    """A context as the arguments say: TLS 1.3 only, or TLS 1.2 only."""
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH if server_side else ssl.Purpose.SERVER_AUTH, cafile=arguments.authority
    )
    if arguments.tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(arguments.tls12)
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if arguments.cert:
        context.load_cert_chain(arguments.cert, arguments.key)
    if server_side and arguments.authority:
        context.verify_mode = ssl.CERT_REQUIRED if arguments.require else ssl.CERT_OPTIONAL
    if arguments.alpn:
        context.set_alpn_protocols(arguments.alpn)
    if arguments.no_middlebox:
        context.options &= ~ssl.OP_ENABLE_MIDDLEBOX_COMPAT
    return context


def report(sock: ssl.SSLSocket, names: list[str | None]) -> dict[str, Any]:
    """What the other side's tests want to know (the fields of `Report`)."""
    cipher = sock.cipher()
    certificate = sock.getpeercert() or {}
    pairs: list[Any] = [pair for part in certificate.get("subject", ()) for pair in part]
    subject = [value for key, value in pairs if key == "commonName"]
    return {
        "protocol": sock.version(),
        "cipher": None if cipher is None else cipher[0],
        "alpn": sock.selected_alpn_protocol(),
        "server_name": names[-1] if names else None,
        "client": subject[0] if subject else "",
    }


def read_head(sock: ssl.SSLSocket) -> bytes:
    """Read an HTTP head."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = sock.recv(65536)
        if not data:
            raise EOFError(f"closed after {received!r}")
        received += data
    return received


def serve(arguments: argparse.Namespace) -> int:
    """Answer requests with the report, one connection after the other, until killed."""
    context = make_context(arguments, server_side=True)
    names: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    with socket.create_server((LOOPBACK, arguments.port)) as listener:
        while True:
            raw, _address = listener.accept()
            raw.settimeout(WAIT)
            try:
                with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as sock:
                    read_head(sock)
                    sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(report(sock, names)).encode())
                    with contextlib.suppress(OSError):
                        sock.unwrap()
            except (OSError, EOFError) as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                raw.close()


def fetch(arguments: argparse.Namespace) -> int:
    """GET /; the body goes to standard output, the report to standard error."""
    context = make_context(arguments, server_side=False)
    raw = socket.create_connection((LOOPBACK, arguments.port), timeout=WAIT)
    try:
        with context.wrap_socket(raw, server_hostname=arguments.name, suppress_ragged_eofs=False) as sock:
            print(json.dumps(report(sock, [])), file=sys.stderr, flush=True)
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            received = bytearray()
            while data := sock.recv(65536):
                received += data
            with contextlib.suppress(OSError):
                sock.unwrap()
    except (OSError, EOFError) as error:
        raw.close()
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    sys.stdout.buffer.write(received.partition(b"\r\n\r\n")[2])
    return 0


def swap(arguments: argparse.Namespace) -> int:
    """Exchange random data over one connection, as server or as client; the digests go to standard output."""
    context = make_context(arguments, server_side=arguments.server)
    if arguments.server:
        with socket.create_server((LOOPBACK, arguments.port)) as listener:
            raw, _address = listener.accept()
    else:
        raw = socket.create_connection((LOOPBACK, arguments.port), timeout=WAIT)
    raw.settimeout(WAIT)
    with context.wrap_socket(
        raw,
        server_side=arguments.server,
        server_hostname=None if arguments.server else arguments.name,
        suppress_ragged_eofs=False,
    ) as sock:
        digests = exchange(
            sock, arguments.mode, seed=arguments.seed, total=arguments.total, close_first=not arguments.server
        )
    print(json.dumps(asdict(digests)), flush=True)
    return 0


def main() -> int:
    """Parse the arguments and run the chosen role."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("serve", "fetch", "exchange"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--authority")
    parser.add_argument("--require", action="store_true")
    parser.add_argument("--alpn", action="append")
    parser.add_argument("--name", default="localhost")
    parser.add_argument("--no-middlebox", action="store_true")
    parser.add_argument("--tls12", help="TLS 1.2 only, with these cipher suites")
    parser.add_argument("--server", action="store_true", help="exchange as a server")
    parser.add_argument("--mode", choices=tuple(MODES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--total", type=int, default=0)
    arguments = parser.parse_args()
    return {"serve": serve, "fetch": fetch, "exchange": swap}[arguments.role](arguments)


if __name__ == "__main__":
    sys.exit(main())
