"""`_msg_callback` and `on_event`: what passes is told, with the enumerations of `ssl`; nothing keeps anything alive."""

from __future__ import annotations

import gc
import ssl
import weakref
from typing import Any

import pytest

from tests.dropin.support import Background, Files, connected, tcp_pair
from tlsocket import events
from tlsocket.pki.authority import Authority

HANDSHAKE, ALERT = ssl._TLSContentType.HANDSHAKE, ssl._TLSContentType.ALERT  # type: ignore[attr-defined]
MESSAGE, ALERTS = ssl._TLSMessageType, ssl._TLSAlertType  # type: ignore[attr-defined]
TLS_1_3 = ssl.TLSVersion.TLSv1_3


def test_messages_of_a_handshake(client: Any, server: Any) -> None:
    told: dict[str, list[tuple[Any, ...]]] = {"client": [], "server": []}

    def listener(side: str) -> Any:
        def callback(conn: Any, direction: str, version: Any, content_type: Any, msg_type: Any, data: bytes) -> None:
            assert isinstance(conn, ssl.SSLSocket)
            assert isinstance(data, bytes)
            told[side].append((direction, version, content_type, msg_type))

        return callback

    client._msg_callback, server._msg_callback = listener("client"), listener("server")
    assert client._msg_callback is not None
    with connected(client, server) as (near, far):
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        near.shutdown(1)
        assert far.recv(1) == b""
    flight = [MESSAGE.ENCRYPTED_EXTENSIONS, MESSAGE.CERTIFICATE, MESSAGE.CERTIFICATE_VERIFY, MESSAGE.FINISHED]
    assert [kind for direction, _, content, kind in told["client"] if (direction, content) == ("read", HANDSHAKE)] == [
        MESSAGE.SERVER_HELLO,
        *flight,
    ]
    assert ("write", ssl.TLSVersion.TLSv1_2, HANDSHAKE, MESSAGE.CLIENT_HELLO) in told["client"]
    assert ("write", TLS_1_3, HANDSHAKE, MESSAGE.FINISHED) in told["client"]
    assert ("write", TLS_1_3, ALERT, ALERTS.CLOSE_NOTIFY) in told["client"]
    assert ("read", TLS_1_3, ALERT, ALERTS.CLOSE_NOTIFY) in told["server"]
    assert any(content == 20 for _, _, content, _ in told["client"])
    sent = [kind for direction, _, content, kind in told["server"] if (direction, content) == ("write", HANDSHAKE)]
    # The tickets come behind the handshake, when the client has finished.
    assert sent == [MESSAGE.SERVER_HELLO, *flight, MESSAGE.NEWSESSION_TICKET, MESSAGE.NEWSESSION_TICKET]


def test_alerts(files: Files, client: Any) -> None:
    import tlsocket
    from tests.dropin.support import server_context

    told: list[tuple[Any, ...]] = []
    server = server_context(tlsocket, files)
    stranger = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    stranger.load_verify_locations(cadata=Authority.create().pem.decode())
    server._msg_callback = lambda conn, *what: told.append(what)
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with near, pytest.raises(ssl.SSLCertVerificationError):
        stranger.wrap_socket(near, server_hostname="localhost")
    assert isinstance(background.error(), ssl.SSLError)
    [alert] = [what for what in told if what[2] == ALERT]
    assert alert == ("read", TLS_1_3, ALERT, ALERTS.UNKNOWN_CA, b"\x02\x30")


def test_callbacks_are_callable(client: Any) -> None:
    with pytest.raises(TypeError, match="is not callable"):
        client._msg_callback = object()
    client._msg_callback = None
    assert client._msg_callback is None


def test_events_come_in_time_order_and_without_secrets(client: Any, server: Any) -> None:
    told: list[Any] = []
    client.on_event = told.append
    with connected(client, server) as (near, far):
        near.update_keys(request_peer=True)
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        far.sendall(b"y")
        assert near.recv(1) == b"y"
    times = [event.at for event in told if hasattr(event, "at")]
    assert times == sorted(times)
    assert sum(isinstance(event, events.KeysInstalled) and event.sending for event in told) == 3
    assert sum(isinstance(event, events.KeysInstalled) and not event.sending for event in told) == 3
    assert all("data=" not in repr(event) for event in told)


def test_a_listener_keeps_no_connection_alive(client: Any, server: Any) -> None:
    client._msg_callback = lambda *what: None
    gc.disable()
    try:
        with connected(client, server) as (near, _):
            kept = weakref.ref(near._conn)
        del near
        assert kept() is None
    finally:
        gc.enable()
