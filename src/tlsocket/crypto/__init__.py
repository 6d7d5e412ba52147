"""Primitives as TLS names them: suites, groups, signature schemes, HKDF, certificates' keys, randomness.

Together with `tlsocket.pki` the only code that imports `cryptography`. Nothing here knows the order of messages,
which secret becomes which key (`tlsocket.key_schedule`, `tlsocket.record`) or whom to trust (`tlsocket.pki`).
"""

from __future__ import annotations

__all__: list[str] = []
