"""`tlsocket connect --trace` prints a handshake that a person can follow, and `--starttls` gets to it."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cli.conftest import SECONDS, Certificates
from tests.cli.peers import listening
from tests.cli.test_connect import greet, standard_server
from tests.handshake.support import AUTHORITY, NAME, Link, Verifier, client_config, server_config
from tlsocket import events
from tlsocket.cli.transcript import Transcript
from tlsocket.config import ClientAuthentication
from tlsocket.connection import Connection
from tlsocket.key_schedule.external_psk import PreSharedKey
from tlsocket.registry import ContentType

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def test_a_handshake_that_a_person_can_follow(tlsocket: Run, certificates: Certificates) -> None:
    with standard_server(certificates, greet, lambda context: context.set_alpn_protocols(["echo"])) as port:
        done = tlsocket(
            "connect", f"localhost:{port}", "--cafile", certificates.authority, "--alpn", "echo", "--trace", stdin=b""
        )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"welcome\n"
    said = done.stderr.decode()
    position = 0
    for words in (
        "0.0 ms  we send ClientHello, ",
        "cipher_suites: TLS_AES_128_GCM_SHA256, ",
        "legacy_compression_methods: null",
        "extension server_name: localhost",
        "extension ec_point_formats: uncompressed",
        "extension supported_groups: X25519MLKEM768, ",
        "extension application_layer_protocol_negotiation: echo",
        "extension supported_versions: ",
        "extension psk_key_exchange_modes: psk_dhe_ke",
        "extension key_share: X25519MLKEM768 (1216 bytes), x25519 (32 bytes)",
        "they send ServerHello, ",
        "cipher_suite: TLS_AES_256_GCM_SHA384",
        "extension key_share: x25519 (32 bytes)",
        "they send encrypted from here on",
        "they send EncryptedExtensions, ",
        "they send Certificate, ",
        'certificate 0: "CN=localhost"',
        'verified: "CN=cli authority", which is trusted, vouches for it, valid for "localhost"',
        "they send CertificateVerify, ",
        "algorithm: ecdsa_secp256r1_sha256",
        "verified: the peer holds the certificate's key",
        "they send Finished, ",
        "verified: both sides saw the same handshake",
        "we send encrypted from here on",
        "we send Finished, ",
        "we send other keys from here on",
        "they send NewSessionTicket, ",
        "they send close_notify",
    ):
        found = said.find(words, position)
        assert found >= 0, f"{words!r} is not behind {said[:position][-80:]!r} in:\n{said}"
        position = found


def test_tls_1_2_is_told_too(tlsocket: Run, certificates: Certificates) -> None:
    def only_tls_1_2(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    with standard_server(certificates, greet, only_tls_1_2) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.authority, "--trace", stdin=b"")
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert "cannot be read" not in said
    assert "middleboxes" not in said
    for words in (
        "they send ServerHello, ",
        "server_version: TLS 1.2",
        "they send Certificate, ",
        'certificate 0: "CN=localhost"',
        "they send ServerKeyExchange, ",
        "named_curve: x25519",
        "they send ServerHelloDone, ",
        "we send ClientKeyExchange, ",
        "we send change_cipher_spec",
        "we send Finished, ",
        "they send Finished, ",
    ):
        assert words in said, said


def test_a_refusal_is_in_it(tlsocket: Run, certificates: Certificates) -> None:
    with standard_server(certificates, greet) as port:
        done = tlsocket("connect", f"localhost:{port}", "--cafile", certificates.stranger, "--trace", stdin=b"")
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "not verified: refused" in said
    assert "we send alert unknown_ca" in said


def test_what_cannot_be_read_is_shown_as_such() -> None:
    lines: list[str] = []
    transcript = Transcript(lines.append)
    for data in (b"\x02\0\0\x02ab", b"\x08\0\0\x02\0\0", b"\xf0\0\0\0", b"\x0b\0\0\x0c\0\0\0\x08\0\0\x03abc\0\0"):
        transcript.on_event(events.MessageReceived(ContentType.HANDSHAKE, data, 5.0))
    assert "server_hello, 6 bytes, which cannot be read" in lines[0].lower()
    assert "they send EncryptedExtensions, 6 bytes" in lines[1]
    assert "cannot be read" in lines[2]
    assert any('certificate 0: "a certificate that cannot be parsed", 3 bytes' in line for line in lines)


def test_names_modes_and_keys_are_decoded() -> None:
    """What a server that asks says, and what a client that has a key offers: no numbers, no lengths of names."""
    lines: list[str] = []
    transcript = Transcript(lines.append)
    keys = (PreSharedKey(b"device 7", b"k" * 32),)
    for version in (0x0304, 0x0303):
        asking = server_config(
            client_authentication=ClientAuthentication.OPTIONAL,
            certificate_authorities=(AUTHORITY.public_bytes(), b"\x30\3abc"),
        )
        client = client_config(maximum_version=version, verifier=Verifier(), offer_psks=lambda _: keys)
        link = Link(client, asking)
        link.client = Connection(client, server_name=NAME, on_event=transcript.on_event)
        link.connect()
    said = "\n".join(lines)
    for words in (
        "extension psk_key_exchange_modes: psk_dhe_ke",
        "extension pre_shared_key: a key named by 8 bytes",
        'extension certificate_authorities: "CN=test authority", 5 bytes that are no name',
        "legacy_compression_method: null",
        "compression_method: null",
        "certificate_types: ecdsa_sign",
        'certificate_authorities: "CN=test authority", 5 bytes that are no name',
    ):
        assert words in said, said
    assert "device 7" not in said


# STARTTLS

XMPP = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
Dialogue = list[tuple[bytes, bytes]]
DIALOGUES: dict[str, Dialogue] = {
    "smtp": [
        (b"220-hello\r\n220 there\r\n", b"EHLO tlsocket.invalid\r\n"),
        (b"250-here\r\n250-SIZE 1\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
        (b"220 go ahead\r\n", b""),
    ],
    "imap": [
        (b"* OK [CAPABILITY IMAP4rev2 STARTTLS] hello\r\n", b"a1 STARTTLS\r\n"),
        (b"* CAPABILITY x\r\na1 OK begin\r\n", b""),
    ],
    "pop3": [(b"+OK hello\r\n", b"STLS\r\n"), (b"+OK begin\r\n", b"")],
    "ftp": [(b"220 hello\r\n", b"AUTH TLS\r\n"), (b"234 begin\r\n", b"")],
    "postgres": [(b"", b"\0\0\0\x08\x04\xd2\x16\x2f"), (b"S", b"")],
    "xmpp": [
        (b"", b"to='localhost'>"),
        (
            b"<?xml version='1.0'?><stream:stream>" + XMPP,
            b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        ),
        (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
    ],
}
"""What the server says, and with what the client's answer ends."""


@contextmanager
def upgrading_server(certificates: Certificates, dialogue: Dialogue) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)

    def serve(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        plain.settimeout(SECONDS)
        with plain:
            try:
                for words, answer in dialogue:
                    plain.sendall(words)
                    heard = b""
                    while not heard.endswith(answer):
                        piece = plain.recv(1)
                        if not piece:
                            return
                        heard += piece
                with context.wrap_socket(plain, server_side=True) as secure:
                    greet(secure)
            except OSError:
                pass

    with listening(serve) as port:
        yield port


@pytest.mark.parametrize("protocol", DIALOGUES)
def test_starttls(protocol: str, tlsocket: Run, certificates: Certificates) -> None:
    with upgrading_server(certificates, DIALOGUES[protocol]) as port:
        done = tlsocket(
            "connect", f"localhost:{port}", "--cafile", certificates.authority, "--starttls", protocol, stdin=b""
        )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"welcome\n"


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("smtp", b"554 go away\r\n"),
        ("imap", b"* BYE\r\n"),
        ("pop3", b"-ERR no\r\n"),
        ("ftp", b"500 what\r\n"),
        ("postgres", b"N"),
        ("xmpp", b"<stream:features></stream:features>"),
        ("smtp", b"220 " + b"x" * 5000),
        ("smtp", b"220-x\r\n" * 200),
    ],
)
def test_a_server_without_starttls(protocol: str, answer: bytes, tlsocket: Run, certificates: Certificates) -> None:
    with upgrading_server(certificates, [(answer, b"never")]) as port:
        done = tlsocket(
            "connect", f"localhost:{port}", "--cafile", certificates.authority, "--starttls", protocol, stdin=b""
        )
    assert done.returncode == 3, done.stderr.decode()
    assert len(done.stderr.decode().splitlines()) == 1
    assert "Traceback" not in done.stderr.decode()


def test_bytes_behind_the_agreement_are_not_taken_for_tls(tlsocket: Run, certificates: Certificates) -> None:
    dialogue = [*DIALOGUES["pop3"][:-1], (b"+OK begin\r\n+OK injected\r\n", b"")]
    with upgrading_server(certificates, dialogue) as port:
        done = tlsocket(
            "connect", f"localhost:{port}", "--cafile", certificates.authority, "--starttls", "pop3", stdin=b""
        )
    assert done.returncode == 1
    assert done.stdout == b""
