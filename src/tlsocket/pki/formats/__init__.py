"""Containers that hold certificates and keys: read whatever a file turns out to be, written in the form that is asked.

`reading` tells the forms apart, `writing` makes them; one module for each form that `cryptography` does not know or
knows in part. What is done with the content is not known here: see `tlsocket.pki.stores`. Import from the modules;
this file stays empty so that nobody pays for what is seldom used.
"""

from __future__ import annotations

__all__: list[str] = []
