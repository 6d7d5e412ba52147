"""Whom to believe: trust anchors, certification paths, and the names a certificate speaks for.

`verifier` is the interface. `anchors` holds the roots with their constraints, `path` builds paths, `checks` and `rules`
judge them under one of the `profiles`, `name_constraints`, `policies` and `service_identity` are parts of that;
`facts` reads certificates, `algorithms` checks signatures, `diagnosis` finds the words for a refusal, and `review` is
what a verify callback sees.
"""

from __future__ import annotations

__all__: list[str] = []
