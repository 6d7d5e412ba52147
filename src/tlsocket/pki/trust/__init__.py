"""Whom to believe: trust anchors, the verifier of certification paths, and the names a certificate speaks for.

`anchors` holds the roots, `verifier` is the interface, `service_identity` compares names, `diagnosis` finds the words
for a refusal. The verifier stands on `cryptography.x509.verification` for now; a path builder of our own takes its
place behind the same interface.
"""

from __future__ import annotations

__all__: list[str] = []
