"""TLS for asyncio over a transport of our own. Re-exports only; no code belongs here.

`create_connection`, `create_server`, `open_connection`, `start_server` and `start_tls` stand for asyncio's functions of
the same names. `enable(loop)`, `LoopMixin`, `new_event_loop` and `run` are for programs and libraries that call the
loop's own methods. Works with asyncio's selector loops and with uvloop.
"""

from __future__ import annotations

from tlsocket.aio.connections import (
    create_connection,
    create_server,
    create_unix_connection,
    create_unix_server,
    sendfile,
    start_tls,
)
from tlsocket.aio.loops import LoopMixin, enable, new_event_loop, run
from tlsocket.aio.protocol import TLSProtocol
from tlsocket.aio.streams import StreamWriter, open_connection, start_server
from tlsocket.aio.transport import TLSTransport

__all__ = [
    "LoopMixin",
    "StreamWriter",
    "TLSProtocol",
    "TLSTransport",
    "create_connection",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "enable",
    "new_event_loop",
    "open_connection",
    "run",
    "sendfile",
    "start_server",
    "start_tls",
]
