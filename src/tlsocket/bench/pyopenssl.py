"""pyOpenSSL as a rival in handshakes: the same OpenSSL as `cryptography`'s, so it tells a library's age from design.

It looks here like the contexts of `ssl`, as far as the scenario of handshakes needs it. The work is not quite equal:
pyOpenSSL checks no host name unless told how, and its server sends two tickets. Its groups come from OPENSSL_CONF.
"""

from __future__ import annotations

import importlib
import ssl
from typing import Any

from tlsocket.bench.setting import certificates

__all__ = ["CONFIGURATION", "contexts"]

CONFIGURATION = (
    "openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = groups\n[groups]\nGroups = X25519\n"
)
"""What OPENSSL_CONF must name for the group that all others use."""


def contexts() -> tuple[Any, Any]:
    """A server's and a client's."""
    theirs: Any = importlib.import_module("OpenSSL.SSL")
    files = certificates()
    server, client = theirs.Context(theirs.TLS_SERVER_METHOD), theirs.Context(theirs.TLS_CLIENT_METHOD)
    server.use_certificate_chain_file(files["server"])
    server.use_privatekey_file(files["server_key"])
    client.load_verify_locations(files["root"])
    client.set_verify(theirs.VERIFY_PEER, None)
    for context in (server, client):
        context.set_min_proto_version(theirs.TLS1_3_VERSION)
    return _Context(theirs, server), _Context(theirs, client)


class _Context:
    def __init__(self, theirs: Any, context: Any) -> None:
        self._theirs = theirs
        self._context = context

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server_side: bool = False, server_hostname: str = ""
    ) -> _End:
        connection = self._theirs.Connection(self._context, None)
        if server_side:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
            connection.set_tlsext_host_name(server_hostname.encode("ascii"))
        return _End(self._theirs.WantReadError, connection, incoming, outgoing)


class _End:
    def __init__(self, wants_more: Any, connection: Any, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._wants_more = wants_more
        self._connection = connection
        self._incoming = incoming
        self._outgoing = outgoing

    def do_handshake(self) -> None:
        data = self._incoming.read()
        if data:
            self._connection.bio_write(data)
        try:
            self._connection.do_handshake()
        except self._wants_more:
            raise ssl.SSLWantReadError from None
        finally:
            try:
                self._outgoing.write(self._connection.bio_read(65536))
            except self._wants_more:
                pass
