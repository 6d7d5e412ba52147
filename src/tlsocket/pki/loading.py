"""The `__getattr__` (PEP 562) of a package whose names are loaded when they are first used.

Which names those are, and why they wait, is said in the package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["names_of"]


def names_of(package: str, module_of: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for `package`; `module_of` tells in which of its modules a name is."""

    def load(name: str) -> Any:
        module = module_of.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
