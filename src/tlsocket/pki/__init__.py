"""Keys, certificates and trust: the part of `tlsocket` that is of use without a connection.

Nothing below this package knows TLS. `authority` makes certificates, `keys` and `certificates` load and describe
them, `trust` decides whom to believe. Import from the modules; this file stays empty so that `import tlsocket` does
not pay for what a program does not use.
"""

from __future__ import annotations

__all__: list[str] = []
