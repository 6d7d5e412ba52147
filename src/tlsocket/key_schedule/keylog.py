"""Lines of the key log (RFC 9850), the format of SSLKEYLOGFILE that Wireshark and others read.

The only place where a secret is meant to leave the process. Where the lines go, and whether there are any, is the
application's decision (`key_log` in `tlsocket.config`).
"""

from __future__ import annotations

__all__ = [
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_RANDOM",
    "CLIENT_TRAFFIC_SECRET_0",
    "EARLY_EXPORTER_SECRET",
    "EXPORTER_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_TRAFFIC_SECRET_0",
    "line",
    "traffic_secret_label",
]

# RFC 9850 section 2.1.
CLIENT_EARLY_TRAFFIC_SECRET = "CLIENT_EARLY_TRAFFIC_SECRET"
EARLY_EXPORTER_SECRET = "EARLY_EXPORTER_SECRET"
CLIENT_HANDSHAKE_TRAFFIC_SECRET = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
SERVER_HANDSHAKE_TRAFFIC_SECRET = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC_SECRET_0 = "CLIENT_TRAFFIC_SECRET_0"
SERVER_TRAFFIC_SECRET_0 = "SERVER_TRAFFIC_SECRET_0"
EXPORTER_SECRET = "EXPORTER_SECRET"

# RFC 9850 section 2.2: TLS 1.2.
CLIENT_RANDOM = "CLIENT_RANDOM"


def traffic_secret_label(*, client: bool, generation: int) -> str:
    """The label of an application traffic secret after so many key updates."""
    return f"{'CLIENT' if client else 'SERVER'}_TRAFFIC_SECRET_{generation}"


def line(label: str, client_random: bytes, secret: bytes) -> str:
    """One line, without its line end: label, the ClientHello's random, the secret."""
    return f"{label} {client_random.hex()} {secret.hex()}"
