"""The TLS 1.3 handshake (RFC 9846 section 4), client and server.

`states` and `transitions` say what may happen when; `machine` obeys them; `client_tls13` and `server_tls13` hold one
plain function for each message and for each step of our own; `flight`, `negotiation`, `credentials`, `authentication`
and `proofs` are what those functions use; `post_handshake` is what is left when the handshake is over.

Nothing here does input or output, names an alert, or catches an error: see `tlsocket.connection`.
"""

from __future__ import annotations

__all__: list[str] = []
