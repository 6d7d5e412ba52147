"""How TLS 1.2 names a curve, and the formats of its points (RFC 8422 sections 5.1.2 and 5.4)."""

from __future__ import annotations

import enum

__all__ = ["ECCurveType", "ECPointFormat"]


class ECCurveType(enum.IntEnum):
    """`ECCurveType` of RFC 8422 section 5.4; the others, for curves spelled out, were never used."""

    NAMED_CURVE = 3


class ECPointFormat(enum.IntEnum):
    """`ECPointFormat` of RFC 8422 section 5.1.2; the compressed formats are deprecated."""

    UNCOMPRESSED = 0
