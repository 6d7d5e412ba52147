"""Protocol versions on the wire (RFC 9846 section 4.2.2).

The spellings that `ssl` uses ("TLSv1.3") are not here: `tlsocket.dropin` has them.
"""

from __future__ import annotations

from tlsocket.registry.code_point import CodePoint

__all__ = ["ProtocolVersion"]


class ProtocolVersion(CodePoint):
    """`ProtocolVersion`; those below TLS 1.2 are known only to be named in an error."""

    SSL_3_0 = 0x0300
    TLS_1_0 = 0x0301
    TLS_1_1 = 0x0302
    TLS_1_2 = 0x0303
    TLS_1_3 = 0x0304

    @property
    def spelling(self) -> str:
        """As the documents write it: "TLS 1.3"."""
        protocol, major, minor = self.name.split("_")
        return f"{protocol} {major}.{minor}"
