"""The one place where a secret is compared (design law 7): Finished, binders, cookies.

A test walks the syntax tree of the library and finds every comparison that should go through here and does not.
"""

from __future__ import annotations

import hmac

__all__ = ["equal"]


def equal(first: bytes, second: bytes) -> bool:
    """Whether both are the same, in a time that tells nothing of where they differ. Lengths are no secret."""
    return hmac.compare_digest(first, second)
