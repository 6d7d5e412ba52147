"""Sealing of what we keep at somebody else's: session tickets (RFC 9846 section 4.7.1, "self-encrypted").

AES-256-GCM under random nonces, so that any number of processes may share a key without speaking to each other. By
NIST SP 800-38D section 8.3 one key is good for 2^32 seals then; whoever keeps the keys replaces them long before.
Records have nonces by number and are sealed elsewhere (`tlsocket._record`). What is sealed, and for how long it is
believed, is not known here.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tlsocket.crypto.randomness import random_bytes

__all__ = ["KEY_LENGTH", "OVERHEAD", "Sealer"]

KEY_LENGTH = 32

_NONCE = 12
_TAG = 16

OVERHEAD = _NONCE + _TAG
"""Bytes that sealing adds."""


class Sealer:
    """Seals and opens under one key. It may be used by several threads at once."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, data: bytes, associated_data: bytes) -> bytes:
        """Nonce, ciphertext and tag."""
        nonce = random_bytes(_NONCE)
        return nonce + self._aead.encrypt(nonce, data, associated_data)

    def open(self, sealed: bytes, associated_data: bytes) -> bytes | None:
        """What was sealed under this key and with the same associated data; None: nothing was."""
        if len(sealed) < OVERHEAD:
            return None
        try:
            return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], associated_data)
        except InvalidTag:
            return None
