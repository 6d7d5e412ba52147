"""What the scenarios share: equal contexts for both libraries, and certificates made for the run.

Equal work is the point: both sides use TLS 1.3, AES-256-GCM (the suite that the standard library prefers and cannot be
talked out of), X25519 (its first group; ours is a hybrid with ML-KEM, which has a row of its own), an ECDSA P-256
certificate under a root, and a checked host name. Session tickets are left out, but in handshakes, where both send as
many. Nothing is cached between handshakes that `ssl` does not cache too.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["MODULES", "SUITE", "certificates", "contexts", "in_memory_pair"]

SUITE = "TLS_AES_256_GCM_SHA384"

MODULES = {"stdlib": "ssl", "tlsocket": "tlsocket.dropin"}
"""Where a library's contexts are; any other name is that of a module with the interface of `ssl`."""


@cache
def certificates() -> dict[str, str]:
    """File names of a root, and certificates and keys of two servers and a client; TLSOCKET_BENCH shares them."""
    folder = os.environ.get("TLSOCKET_BENCH")
    if folder is None:
        folder = tempfile.mkdtemp(prefix="tlsocket-bench-")
        os.environ["TLSOCKET_BENCH"] = folder
        from tlsocket.pki.authority import Authority

        authority = Authority.create("tlsocket benchmark authority")
        authority.write(Path(folder) / "root.pem")
        authority.issue("localhost").write(folder, "server")
        authority.issue("localhost", key="rsa-2048").write(folder, "rsa")
        authority.issue("client.example", purpose="client").write(folder, "client")
    names = {"root": "root.pem"}
    for stem in ("server", "rsa", "client"):
        names[stem] = f"{stem}.pem"
        names[f"{stem}_key"] = f"{stem}.key"
    return {name: str(Path(folder) / file) for name, file in names.items()}


def contexts(library: str, *, mutual: bool = False, default_groups: bool = False, tickets: int = 0) -> tuple[Any, Any]:
    """A server's and a client's context of one library, set up alike; `default_groups`: ours as they come."""
    ssl: Any = importlib.import_module(MODULES.get(library, library))
    files = certificates()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(files["server"], files["server_key"])
    client.load_verify_locations(files["root"])
    if library in MODULES:
        # rtls cannot be told.
        server.num_tickets = tickets
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if library == "tlsocket":
            context.set_ciphersuites(SUITE)
            if not default_groups:
                context.set_groups("x25519")
    if mutual:
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(files["root"])
        client.load_cert_chain(files["client"], files["client_key"])
    return server, client


def in_memory_pair(library: str, server: Any, client: Any) -> tuple[Any, Any, Any, Any]:
    """Two SSLObjects and the memory BIOs towards the server and towards the client."""
    import ssl

    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    return client_end, server_end, to_server, to_client
