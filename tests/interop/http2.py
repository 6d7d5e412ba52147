"""Just enough of an HTTP/2 server (RFC 9113) to answer every GET with one body, for clients that insist on `h2`.

Requests are not decoded (no HPACK): the answer is `:status 200`, entry 8 of HPACK's static table, and the body within
the windows that the client grants. Anything else that a real server does is missing.
"""

from __future__ import annotations

import ssl
import struct

__all__ = ["serve_body"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
SETTINGS_INITIAL_WINDOW_SIZE = 0x4
STATUS_200 = b"\x88"
FRAME = 16384


class _Client:
    """The connection with one client: its frames, its windows and the bodies that are on their way."""

    def __init__(self, sock: ssl.SSLSocket, body: bytes) -> None:
        self._sock = sock
        self._body = body
        self._received = bytearray()
        self._initial_window = 65535
        self._window = 65535
        self._windows: dict[int, int] = {}
        self._sent: dict[int, int] = {}
        self.requests = 0
        self.open = True

    def _take(self, size: int) -> bytes:
        """`size` received bytes, or b"" when the client is gone (curl leaves without close_notify)."""
        while len(self._received) < size:
            try:
                data = self._sock.recv(65536)
            except (ssl.SSLEOFError, ConnectionError):
                return b""
            if not data:
                return b""
            self._received += data
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self._sock.sendall(
            struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
        )

    def start(self) -> None:
        """Preface and settings."""
        if self._take(len(PREFACE)) != PREFACE:
            raise ValueError("not HTTP/2")
        self._send(SETTINGS, 0, 0)

    def read_frame(self) -> None:
        """Take one frame and do what it says."""
        head = self._take(9)
        if not head:
            self.open = False
            return
        kind, flags, stream = head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
        length = int.from_bytes(head[:3], "big")
        payload = self._take(length) if length else b""
        if kind == HEADERS:
            self.requests += 1
            self._windows[stream] = self._windows.get(stream, self._initial_window)
            self._sent[stream] = 0
            self._send(HEADERS, END_HEADERS, stream, STATUS_200)
        elif kind == SETTINGS and not flags & ACK:
            for start in range(0, length, 6):
                name, value = struct.unpack(">HI", payload[start : start + 6])
                if name == SETTINGS_INITIAL_WINDOW_SIZE:
                    self._windows = {key: size + value - self._initial_window for key, size in self._windows.items()}
                    self._initial_window = value
            self._send(SETTINGS, ACK, 0)
        elif kind == WINDOW_UPDATE:
            (more,) = struct.unpack(">I", payload)
            if stream == 0:
                self._window += more
            else:
                self._windows[stream] = self._windows.get(stream, self._initial_window) + more
        elif kind == PING and not flags & ACK:
            self._send(PING, ACK, 0, payload)
        elif kind == RST_STREAM:
            self._sent.pop(stream, None)
        elif kind == GOAWAY:
            self.open = False

    def send_bodies(self) -> None:
        """Send as much of each body as its window and that of the connection allow."""
        for stream in list(self._sent):
            while True:
                start = self._sent[stream]
                size = min(FRAME, len(self._body) - start, self._window, self._windows[stream])
                last = start + size == len(self._body)
                if size <= 0 and not last:
                    break
                self._send(DATA, END_STREAM if last else 0, stream, self._body[start : start + size])
                self._window -= size
                self._windows[stream] -= size
                self._sent[stream] = start + size
                if last:
                    del self._sent[stream]
                    break


def serve_body(sock: ssl.SSLSocket, body: bytes) -> int:
    """Answer every request of this connection with `body` until the client leaves; returns how many there were."""
    client = _Client(sock, body)
    client.start()
    while client.open:
        client.read_frame()
        client.send_bodies()
    return client.requests
