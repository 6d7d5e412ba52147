"""The version, in its one place: packaging, package and command line read it here; nothing else belongs here."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0.dev0"
