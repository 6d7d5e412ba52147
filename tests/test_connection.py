"""`Connection` as a sans-IO object: data, ends, alerts, and handshakes with the standard library's `ssl`."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.handshake.support import NAME, Link, client_config, credential, server_config
from tlsocket import events
from tlsocket.config import Budgets, ClientAuthentication, ClientConfig, Credential, ServerConfig
from tlsocket.connection import Connection
from tlsocket.crypto.groups import CLASSICAL_GROUPS
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import AlertReceived, ApiMisuse, PeerMisbehaved, Reason, TLSError, Truncated
from tlsocket.registry import AlertDescription, ContentType

# Data


@pytest.mark.parametrize("size", [1, 16384, 16385, 100_000])
def test_data_of_any_size(size: int) -> None:
    link = Link().connect()
    data = bytes(range(256)) * (size // 256 + 1)
    assert link.client.write(data[:size]) == size
    link.server.receive_data(link.client.data_to_send())
    received = b""
    while chunk := link.server.read(10_000):
        received += chunk
    assert received == data[:size]
    assert link.server.read() is None


def test_data_in_the_flight_of_the_clients_finished() -> None:
    link = Link()
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    link.client.receive_data(link.server.data_to_send())
    link.client.write(b"at once")
    link.server.receive_data(link.client.data_to_send())
    assert link.server.handshake_complete
    assert link.server.read() == b"at once"


# Ends


def test_close_notify_ends_one_direction_only() -> None:
    link = Link().connect()
    link.client.write(b"last words")
    link.client.close()
    link.client.close()
    link.server.receive_data(link.client.data_to_send())
    assert link.server.read() == b"last words"
    assert link.server.read() == b""
    assert link.server.read() == b""
    link.server.write(b"answer")
    link.server.close()
    link.client.receive_data(link.server.data_to_send())
    assert link.client.read() == b"answer"
    assert link.client.read() == b""
    assert events.CloseNotifySent() in link.client_events
    assert events.CloseNotifyReceived() in link.server_events


def test_nothing_is_written_after_close() -> None:
    link = Link().connect()
    link.client.close()
    with pytest.raises(ApiMisuse) as caught:
        link.client.write(b"more")
    assert caught.value.reason is Reason.CONNECTION_CLOSED


def test_truncation_is_an_error_behind_the_data() -> None:
    link = Link().connect()
    link.client.write(b"data")
    link.server.receive_data(link.client.data_to_send())
    link.server.receive_eof()
    assert link.server.read() == b"data"
    with pytest.raises(Truncated):
        link.server.read()
    with pytest.raises(Truncated):
        link.server.read()


def test_end_of_stream_behind_close_notify_is_no_error() -> None:
    link = Link().connect()
    link.client.close()
    link.server.receive_data(link.client.data_to_send())
    link.server.receive_eof()
    assert link.server.read() == b""


def test_discard_forgets_everything() -> None:
    link = Link().connect()
    link.client.discard()
    assert link.client.data_to_send() == b""
    with pytest.raises(ApiMisuse):
        link.client.write(b"x")
    with pytest.raises(ApiMisuse):
        link.client.export_keying_material(b"x", None, 16)


# Alerts


@pytest.mark.parametrize("description", [10, 40, 70, 100, 200])
@pytest.mark.parametrize("level", [1, 2])
def test_every_alert_but_two_is_fatal_whatever_its_level(description: int, level: int) -> None:
    # RFC 9846 section 6: "MUST be treated as error alerts ... regardless of the AlertLevel", unknown ones too.
    link = Link().connect()
    link.server.writer.queue(ContentType.ALERT, bytes([level, description]))
    with pytest.raises(AlertReceived) as caught:
        link.client.receive_data(link.server.data_to_send())
    assert caught.value.description == description
    assert link.client_events[-1] == events.AlertReceived(level, description)
    # RFC 9846 section 6.2: nothing is sent in answer.
    assert link.client.data_to_send() == b""
    with pytest.raises(AlertReceived):
        link.client.write(b"x")


def test_user_canceled_is_followed_by_close_notify() -> None:
    # RFC 9846 section 6.1: "continue to read data from the peer until a close_notify is received".
    link = Link().connect()
    link.server.writer.queue(ContentType.ALERT, bytes([1, AlertDescription.USER_CANCELED]))
    link.server.write(b"data")
    link.server.close()
    link.client.receive_data(link.server.data_to_send())
    assert link.client.read() == b"data"
    assert link.client.read() == b""


def test_warnings_have_a_budget() -> None:
    link = Link(client_config(budgets=Budgets(warnings=2))).connect()
    for _ in range(3):
        link.server.writer.queue(ContentType.ALERT, bytes([1, AlertDescription.USER_CANCELED]))
    with pytest.raises(PeerMisbehaved) as caught:
        link.client.receive_data(link.server.data_to_send())
    assert caught.value.reason is Reason.TOO_MANY_WARNING_ALERTS


def test_plaintext_alert_of_a_client_without_keys_is_understood() -> None:
    link = Link()
    link.client.start()
    link.server.receive_data(link.client.data_to_send())
    with pytest.raises(AlertReceived) as caught:
        link.server.receive_data(b"\x15\x03\x03\x00\x02\x02\x28")
    assert caught.value.description == AlertDescription.HANDSHAKE_FAILURE


def test_garbage_is_answered_with_an_alert() -> None:
    server = Connection(server_config())
    with pytest.raises(TLSError):
        server.receive_data(b"GET / HTTP/1.1\r\n\r\n")
    assert server.data_to_send() == b"\x15\x03\x03\x00\x02\x02\x0a"


def test_a_listener_that_raises_ends_the_connection() -> None:
    def listener(event: events.Event) -> None:
        if isinstance(event, events.ServerHelloReceived):
            raise RuntimeError("no more")

    client = Connection(client_config(), server_name=NAME, on_event=listener)
    server = Connection(server_config())
    client.start()
    server.receive_data(client.data_to_send())
    with pytest.raises(RuntimeError):
        client.receive_data(server.data_to_send())
    with pytest.raises(AlertReceived) as caught:
        server.receive_data(client.data_to_send())
    assert caught.value.description == AlertDescription.INTERNAL_ERROR


@pytest.mark.parametrize("position", range(0, 2000, 61))
def test_a_flipped_bit_is_a_typed_error(position: int) -> None:
    link = Link()
    link.client.start()
    hello = bytearray(link.client.data_to_send())
    hello[position % len(hello)] ^= 1 << position % 8
    try:
        link.server.receive_data(bytes(hello))
        flight = bytearray(link.server.data_to_send())
        if flight:
            flight[position % len(flight)] ^= 0x10
            link.client.receive_data(bytes(flight))
            link.server.receive_data(link.client.data_to_send())
    except TLSError:
        pass
    assert not (link.client.handshake_complete and link.server.handshake_complete)


# Threads


def test_key_updates_from_both_threads_keep_their_keys() -> None:
    """One thread reads requests and queues answers while the other writes data and updates of its own."""
    link = Link(server=server_config(budgets=Budgets(key_updates=10_000))).connect()
    wire: list[bytes] = []
    requests: list[bytes] = []
    for _ in range(200):
        link.client.writer.queue_key_update(b"\x18\x00\x00\x01\x01", link.client._post._sending.advance)  # type: ignore[union-attr]
        requests.append(link.client.data_to_send())

    def read() -> None:
        for request in requests:
            link.server.receive_data(request)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(400):
        if number % 3 == 0:
            link.server.update_keys()
        link.server.write(b"%04d" % number)
        wire.append(link.server.data_to_send())
    reader.join(30)
    assert not reader.is_alive()
    wire.append(link.server.data_to_send())
    link.client.config = client_config()
    received = b""
    for data in wire:
        link.client.receive_data(data)
        while chunk := link.client.read():
            received += chunk
    assert received == b"".join(b"%04d" % number for number in range(400))


# The standard library's ssl


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Credential], Path]:
    """A file with the private key and the chain of a credential."""
    folder = tmp_path_factory.mktemp("pem")

    def write(which: Credential) -> Path:
        path = folder / f"{id(which)}.pem"
        if not path.exists():
            key = which.signer._private.private_bytes(  # type: ignore[attr-defined]
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
            chain = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in which.certificate_chain]
            path.write_bytes(b"".join([key, *chain]))
        return path

    return write


class Stdlib:
    """The standard library's end of a wire."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server_side, server_hostname=None if server_side else NAME
        )

    def handshake_with(self, connection: Connection) -> None:
        """To the end of both handshakes, and data both ways."""
        connection.start()
        done = False
        for _ in range(10):
            if not done:
                try:
                    self.object.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    pass
            if data := self.outgoing.read():
                connection.receive_data(data)
            if data := connection.data_to_send():
                self.incoming.write(data)
            if done and connection.handshake_complete:
                break
        connection.write(b"ours")
        self.incoming.write(connection.data_to_send())
        assert self.object.read() == b"ours"
        self.object.write(b"theirs")
        connection.receive_data(self.outgoing.read())
        assert connection.read() == b"theirs"


def stdlib_server(pem: Callable[[Credential], Path], which: Credential) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem(which))
    context.set_alpn_protocols(["h2"])
    return context


def stdlib_client(pem: Callable[[Credential], Path], which: Credential) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(pem(which))
    context.set_alpn_protocols(["h2"])
    return context


OURS_CLIENT: list[ClientConfig] = [
    *(ClientConfig(groups=(group,)) for group in CLASSICAL_GROUPS),
    *(ClientConfig(cipher_suites=(suite,)) for suite in TLS13_SUITES),
    ClientConfig(key_share_groups=()),
    ClientConfig(middlebox_compatibility=False),
    ClientConfig(alpn_protocols=(b"x", b"h2")),
]


@pytest.mark.parametrize("config", OURS_CLIENT)
def test_our_client_and_the_standard_library(config: ClientConfig, pem: Callable[[Credential], Path]) -> None:
    peer = Stdlib(stdlib_server(pem, credential()), server_side=True)
    connection = Connection(config, server_name=NAME)
    peer.handshake_with(connection)
    assert connection.negotiated is not None
    cipher = peer.object.cipher()
    assert cipher is not None
    assert cipher[0] == connection.negotiated.cipher_suite.openssl_name
    assert connection.negotiated.alpn == (b"h2" if config.alpn_protocols else None)
    assert len(connection.tickets) == 2


@pytest.mark.parametrize(
    "changes",
    [
        *({"groups": (group,)} for group in CLASSICAL_GROUPS),
        *({"cipher_suites": (suite,)} for suite in TLS13_SUITES),
        {"use_cookie": True},
        {"use_cookie": True, "groups": CLASSICAL_GROUPS[-1:]},
        {"alpn_protocols": (b"h2",)},
    ],
)
def test_the_standard_library_and_our_server(changes: dict[str, object], pem: Callable[[Credential], Path]) -> None:
    peer = Stdlib(stdlib_client(pem, credential()), server_side=False)
    connection = Connection(server_config(**changes))
    peer.handshake_with(connection)
    assert peer.object.selected_alpn_protocol() == ("h2" if "alpn_protocols" in changes else None)
    assert connection.negotiated is not None
    assert connection.negotiated.server_name == NAME


@pytest.mark.parametrize("key", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "ed25519"])
def test_client_certificates_of_the_standard_library(key: str, pem: Callable[[Credential], Path]) -> None:
    peer = Stdlib(stdlib_client(pem, credential(key)), server_side=False)
    config: ServerConfig = server_config(
        credentials=(credential(key),), client_authentication=ClientAuthentication.REQUIRED
    )
    connection = Connection(config)
    peer.handshake_with(connection)
    assert connection.peer_certificates == credential(key).certificate_chain


def test_closing_with_the_standard_library(pem: Callable[[Credential], Path]) -> None:
    peer = Stdlib(stdlib_server(pem, credential()), server_side=True)
    connection = Connection(ClientConfig(), server_name=NAME)
    peer.handshake_with(connection)
    connection.close()
    peer.incoming.write(connection.data_to_send())
    assert peer.object.read() == b""
    peer.object.unwrap()
    connection.receive_data(peer.outgoing.read())
    assert connection.read() == b""
