"""Certificates whose serial numbers RFC 5280 section 4.1.2.2 forbids, which OpenSSL takes and people have."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tlsocket.pki import der
from tlsocket.pki.authority import self_signed
from tlsocket.pki.authority.signing import sign_bytes

PROGRAM = """
import socket, sys, threading
import tlsocket
import {module} as ssl
certificate, key = sys.argv[1:]
client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
client.load_verify_locations(certificate)
server.load_cert_chain(certificate, key)
near, far = socket.socketpair()
near.settimeout(20)
far.settimeout(20)
def serve():
    with server.wrap_socket(far, server_side=True) as connection:
        connection.sendall(b"x")
        connection.recv(1)
thread = threading.Thread(target=serve)
thread.start()
with client.wrap_socket(near, server_hostname="localhost") as connection:
    print(connection.recv(1), connection.getpeercert()["serialNumber"])
thread.join()
print(len(client.get_ca_certs()), client.cert_store_stats()["x509"])
"""


def with_serial_number(folder: Path, content: bytes) -> tuple[str, str]:
    """Paths of a self-signed certificate with these bytes as its serial number, and of its key."""
    issued = self_signed(["localhost"])
    fields = der.elements(der.split(issued.certificate.tbs_certificate_bytes)[1])
    # TBSCertificate (RFC 5280 section 4.1): version, serialNumber, signature, ...
    fields[1] = der.encode(0x02, content)
    body = der.encode(der.SEQUENCE, *fields)
    bits = der.encode(0x03, b"\x00", sign_bytes(issued.private_key, body))
    certificate, key = issued.write(folder)
    Path(certificate).write_text(ssl.DER_cert_to_PEM_cert(der.encode(der.SEQUENCE, body, fields[2], bits)))
    return certificate, key


@pytest.mark.parametrize(("content", "shown"), [(b"\x00", "00"), (b"\xfb", "-05"), (b"\xff\x00", "-0100")])
def test_are_taken_and_told_as_by_ssl_without_a_warning(tmp_path: Path, content: bytes, shown: str) -> None:
    paths = with_serial_number(tmp_path, content)
    for module in ("ssl", "tlsocket"):
        for options in ([], ["-W", "error"]):
            command = [sys.executable, *options, "-c", PROGRAM.format(module=module), *paths]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (done.stdout, done.stderr) == (f"b'x' {shown}\n0 1\n", "")
