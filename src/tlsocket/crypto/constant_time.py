"""The one place where a value that a peer must not find out byte by byte is compared (design law 7).

Finished, PSK binders, cookies, tickets and the like come here; a test walks the sources and refuses any other way.
What is public (randoms, session ids, certificates) is compared with `==`.
"""

from __future__ import annotations

import hmac

__all__ = ["same_secret"]


def same_secret(ours: bytes, theirs: bytes) -> bool:
    """Whether the two are equal, in a time that says nothing of where they differ."""
    return hmac.compare_digest(ours, theirs)
