"""What the registries share: an enumeration whose members know their spelling in the standard, and `describe`.

The registries themselves are the modules beside this one.
"""

from __future__ import annotations

import enum

__all__ = ["CodePoint", "describe"]


class CodePoint(enum.IntEnum):
    """A value of an IANA registry. It is an `int`, and equals the plain number that came from a peer."""

    @property
    def spelling(self) -> str:
        """The name as the registry spells it."""
        return self.name.lower()


def describe(registry: type[enum.IntEnum], value: int) -> str:
    """`value` for people: its name as the registry spells it, or its number in hexadecimal.

    >>> describe(NamedGroup, 0x001D), describe(NamedGroup, 0x4A4A)
    ('x25519', '0x4a4a')
    """
    try:
        member = registry(value)
    except ValueError:
        digits = 2 if all(known < 0x100 for known in registry) else 4
        return f"0x{value:0{digits}x}"
    return member.spelling if isinstance(member, CodePoint) else member.name.lower()
