"""The values that RFC 8701 reserves so that peers get used to ignoring what they do not know.

We treat them as any other unknown value; only what prints a list for people may want to tell them apart.
"""

from __future__ import annotations

__all__ = ["is_grease"]


def is_grease(value: int) -> bool:
    """True for a 16-bit GREASE value: 0x0A0A, 0x1A1A ... 0xFAFA (RFC 8701 section 2)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF
