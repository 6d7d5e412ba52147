"""The `tlsocket` command: thin. It parses arguments, calls the library, and prints.

Only here are `click` and `rich` imported; they come with the extra `cli`. Nothing that another program could want to
call belongs here.
"""

from __future__ import annotations

__all__: list[str] = []
