"""The secrets of TLS: their derivation, exporters and the key log (RFC 9846 section 7, RFC 9850).

Bytes in, bytes out: nothing here knows a message or a record. The one place that turns a traffic secret into a key
in use is `tlsocket.record`.
"""

from __future__ import annotations

from tlsocket.key_schedule.secrets import (
    ApplicationSecrets,
    EarlySecret,
    ExporterSecret,
    HandshakeSecret,
    MainSecret,
    ResumptionSecret,
    TrafficSecret,
)

__all__ = [
    "ApplicationSecrets",
    "EarlySecret",
    "ExporterSecret",
    "HandshakeSecret",
    "MainSecret",
    "ResumptionSecret",
    "TrafficSecret",
]
