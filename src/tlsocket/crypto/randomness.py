"""The one door to random bytes (RFC 9846 appendix C.1, random number generation and seeding).

Everything unpredictable that we make ourselves comes from here, so that a test can replace one function and an
auditor read one. Ephemeral private keys are made inside `cryptography`, from OpenSSL's own generator.
"""

from __future__ import annotations

import os

__all__ = ["random_bytes"]


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's generator, which survives a fork without reseeding."""
    return os.urandom(count)
