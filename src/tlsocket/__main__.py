"""`python -m tlsocket`: the `tlsocket` command. Nothing else belongs here."""

from __future__ import annotations

import sys

from tlsocket.cli.__main__ import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
