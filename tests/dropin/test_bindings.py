"""Channel bindings and exporters of TLS 1.3: RFC 9266, RFC 5929 section 4, RFC 9846 section 7.5."""

from __future__ import annotations

import datetime
import hashlib
import shutil
import ssl
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

import tlsocket
from tests.dropin.support import connected
from tests.interop.programs import LOOPBACK, WAIT, Program, dial, free_port

PSS = padding.PSS(padding.MGF1(hashes.SHA384()), 48)


def self_signed(issuer_key: Any, algorithm: Any, **how: Any) -> tuple[x509.Certificate, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "binding authority")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(issuer_key, algorithm, **how), key


def ecdsa() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_2048() -> Any:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: self_signed(ecdsa(), hashes.SHA256()), "sha256"),
        (lambda: self_signed(ecdsa(), hashes.SHA384()), "sha384"),
        (lambda: self_signed(ecdsa(), hashes.SHA512()), "sha512"),
        (lambda: self_signed(rsa_2048(), hashes.SHA256()), "sha256"),
        (lambda: self_signed(rsa_2048(), hashes.SHA384(), rsa_padding=PSS), "sha384"),
        (lambda: self_signed(ed25519.Ed25519PrivateKey.generate(), None), None),
    ],
    ids=["ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512", "rsa-sha256", "rsa-pss-sha384", "ed25519"],
)
def test_tls_server_end_point_is_the_certificates_hash(make: Any, expected: str | None) -> None:
    certificate, key = make()
    server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    with connected(client, server) as (near, far):
        der = near.getpeercert(True)
        value = near.get_channel_binding("tls-server-end-point")
        assert value == far.get_channel_binding("tls-server-end-point")
        assert value == (None if expected is None else hashlib.new(expected, der).digest())


def test_tls_exporter_is_the_exporter_of_its_label(client: Any, server: Any) -> None:
    with connected(client, server) as (near, far):
        first = near.get_channel_binding("tls-exporter")
        assert first == far.export_keying_material("EXPORTER-Channel-Binding", 32, b"")
        near.update_keys(request_peer=True)
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        assert near.get_channel_binding("tls-exporter") == far.get_channel_binding("tls-exporter") == first
    with connected(client, server) as (near, _):
        assert near.get_channel_binding("tls-exporter") != first


@pytest.mark.parametrize(("label", "length"), [("x" * 250, 32), ("label", 255 * 48 + 1), ("label", 1 << 20)])
def test_what_no_exporter_can_take(client: Any, server: Any, label: str, length: int) -> None:
    with connected(client, server) as (near, _):
        with pytest.raises(ValueError, match=r"bytes|bits"):
            near.export_keying_material(label, length)
        assert len(near.export_keying_material("label", 255)) == 255


def test_exporter_agrees_with_openssl(client: Any, files: Any) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed (Debian package openssl)")
    port = free_port()
    arguments = [openssl, "s_server", "-accept", f"{LOOPBACK}:{port}", "-cert", files.certificate, "-key", files.key]
    arguments += ["-tls1_3", "-keymatexport", "EXPERIMENTAL label", "-keymatexportlen", "48"]
    with Program(arguments) as program:
        raw = dial(port, program, timeout=WAIT)
        with client.wrap_socket(raw, server_hostname="localhost") as sock:
            ours = sock.export_keying_material("EXPERIMENTAL label", 48).hex().upper()
            program.wait_for(rb"Keying material: [0-9A-F]{96}", timeout=WAIT)
            assert f"Keying material: {ours}" in program.text
