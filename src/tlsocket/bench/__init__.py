"""The comparison with `ssl` and others: scenarios, how they are run in turn, and which figures are musts.

Each scenario is a module with a function `run(library, **options)` that returns figures, and is run in a process of its
own. Tables, options and pictures for people are the command's (`tlsocket.cli.bench`); `benchmarks/` runs the same ones
under pytest. No code belongs here.
"""

from __future__ import annotations

__all__: list[str] = []
