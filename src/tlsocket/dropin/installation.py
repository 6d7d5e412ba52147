"""`install()` and `uninstall()`: this library in the place of `ssl`, for a whole process, and back again.

The standard library's module is never edited. `sys.modules["ssl"]` is set, so that whoever imports `ssl` from now on
gets ours; and in the globals of modules that are loaded already, each name that *is* the standard library's module, or
one of the classes and functions that ours replaces, is bound to ours. Each binding is recorded, and `uninstall` undoes
exactly those. What names cannot reach (subclasses, default arguments, attributes of classes, objects that exist) is
looked for and reported. Not here: running a program that way from the command line (`tlsocket.cli.run`).
"""

from __future__ import annotations

import gc
import ssl as _stdlib
import sys
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["InstallReport", "Unreached", "UnreachedKind", "install", "uninstall"]

_PACKAGE = __name__.partition(".")[0]
_EXEMPT = ("ssl", "_ssl", _PACKAGE)
_USERS_OF_SSL = ("debugging", "private", "session")
"""Modules of ours that import `ssl` when they are first needed: they are to get the standard library's."""
_PRIVATE = ("_create_default_https_context", "_create_stdlib_context", "_create_unverified_context")


class UnreachedKind(StrEnum):
    """Why something still works with the standard library's `ssl`."""

    SUBCLASS = "subclass"
    """A class derived from one of `ssl`'s."""
    DEFAULT_ARGUMENT = "default argument"
    """A function whose parameter has a class, function or object of `ssl` as its default."""
    CLASS_ATTRIBUTE = "class attribute"
    """A class that keeps one in an attribute."""
    OBJECT = "object"
    """A context, socket or `SSLObject` that exists already."""
    MODULE = "module"
    """A module that imported ours as `ssl` while it was installed (in the report of `uninstall`)."""
    SETTING = "setting"
    """Something that the program had set in the module `ssl`."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """One thing that `install` left as it was."""

    kind: UnreachedKind
    where: str
    """The class, function or attribute by its full name; for objects their class."""
    what: str
    """The name in `ssl` that it holds on to."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.where} (ssl.{self.what})"


@dataclass(frozen=True, slots=True)
class InstallReport:
    """What `install` rebound and what it did not reach, or what `uninstall` gave back and what it did not."""

    rebound: tuple[str, ...]
    """Names as "module.name", `sys.modules['ssl']` not among them."""
    unreached: tuple[Unreached, ...] = ()

    def __str__(self) -> str:
        lines = [f"{len(self.rebound)} names bound anew"]
        return "\n".join([*lines, *(f"not reached: {each}" for each in self.unreached)])


@dataclass(slots=True)
class _Binding:
    """A name that was bound anew."""

    module: ModuleType
    name: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.module.__name__}.{self.name}"


@dataclass(slots=True)
class _State:
    lock: threading.Lock = field(default_factory=threading.Lock)
    installed: bool = False
    bindings: list[_Binding] = field(default_factory=list)


_state = _State()


def install() -> InstallReport:
    """Put this library in the place of `ssl` for the whole process; best before anything else is imported.

    Calling it again reaches what was loaded in the meantime from elsewhere. The report says what still uses `ssl`.
    """
    ours = import_module(_PACKAGE)
    for name in _USERS_OF_SSL:
        import_module(f"{_PACKAGE}.dropin.{name}")
    replacements = _replacements(ours)
    with _state.lock:
        sys.modules["ssl"] = ours
        _state.installed = True
        fresh = _rebind(replacements)
        _state.bindings += fresh
    return InstallReport(tuple(sorted(map(str, fresh))), _find_unreached(replacements))


def uninstall() -> InstallReport:
    """Take `install` back: each name it bound is bound to what it was, unless the program has bound it since.

    Modules imported in between got ours by their own `import ssl` and keep it: the report names them.
    """
    with _state.lock:
        if not _state.installed:
            return InstallReport(())
        ours = import_module(_PACKAGE)
        if sys.modules.get("ssl") is ours:
            sys.modules["ssl"] = _stdlib
        undone = []
        for binding in reversed(_state.bindings):
            namespace = _namespace(binding.module)
            if namespace is not None and namespace.get(binding.name) is binding.new:
                namespace[binding.name] = binding.old
                undone.append(binding)
        _state.bindings.clear()
        _state.installed = False
    kept = tuple(
        Unreached(UnreachedKind.MODULE, f"{module.__name__}.ssl", "the module")
        for module in _loaded_modules()
        if (_namespace(module) or {}).get("ssl") is ours
    )
    return InstallReport(tuple(sorted(map(str, undone))), kept)


def _replacements(ours: Any) -> dict[int, tuple[object, object, str]]:
    """Identity of each thing to be replaced: the thing, what replaces it, and its name in `ssl`.

    Classes and functions that are the same in both modules need no replacement, and constants have no identity.
    """
    found: dict[int, tuple[object, object, str]] = {id(_stdlib): (_stdlib, ours, "")}
    names = [name for name in ours.__all__ if hasattr(_stdlib, name)]
    for name in (*names, *_PRIVATE):
        theirs = getattr(_stdlib, name)
        # Ours is asked for only then: what computes a constant need not be loaded.
        if callable(theirs) and (replacement := getattr(ours, name)) is not theirs:
            found.setdefault(id(theirs), (theirs, replacement, name))
    return found


def _namespace(module: ModuleType) -> dict[str, Any] | None:
    """A module's globals, without waking a module that is to be loaded when it is first used."""
    try:
        found = ModuleType.__getattribute__(module, "__dict__")
    except (AttributeError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _loaded_modules() -> list[ModuleType]:
    modules: dict[int, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        if issubclass(type(module), ModuleType) and not _is_exempt(name):
            modules[id(module)] = module
    return [module for module in modules.values() if module is not _stdlib]


def _is_exempt(name: str) -> bool:
    return name in _EXEMPT or name.startswith(f"{_PACKAGE}.")


def _rebind(replacements: dict[int, tuple[object, object, str]]) -> list[_Binding]:
    bindings = []
    for module in _loaded_modules():
        namespace = _namespace(module)
        if namespace is None or namespace is vars(sys.modules[_PACKAGE]):
            continue
        for name, value in list(namespace.items()):
            entry = replacements.get(id(value))
            if entry is not None and entry[0] is value:
                namespace[name] = entry[1]
                bindings.append(_Binding(module, name, value, entry[1]))
    return bindings


# What names do not reach


def _find_unreached(replacements: dict[int, tuple[object, object, str]]) -> tuple[Unreached, ...]:
    found: list[Unreached] = []
    classes: tuple[type, ...] = (_stdlib.SSLContext, _stdlib.SSLSocket, _stdlib.SSLObject)
    for base in classes:
        found += _subclasses(base)
    for candidate in gc.get_objects():
        kind = type(candidate)
        if kind is FunctionType:
            found += _defaults(candidate, replacements, classes)
        elif issubclass(kind, type):
            found += _attributes(candidate, replacements, classes)
        elif issubclass(kind, classes):
            found.append(Unreached(UnreachedKind.OBJECT, _full_name(kind), _base_of(kind, classes)))
    found += _settings()
    return tuple(sorted(set(found), key=lambda each: (each.kind, each.where, each.what)))


def _subclasses(base: type) -> list[Unreached]:
    found = []
    waiting: list[type] = list(type.__subclasses__(base))
    while waiting:
        derived = waiting.pop()
        waiting += type.__subclasses__(derived)
        found.append(Unreached(UnreachedKind.SUBCLASS, _full_name(derived), base.__name__))
    return found


def _defaults(function: Any, replacements: dict[int, Any], classes: tuple[type, ...]) -> list[Unreached]:
    if _is_exempt(function.__module__ or ""):
        return []
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    where = f"{function.__module__}.{function.__qualname__}"
    return [
        Unreached(UnreachedKind.DEFAULT_ARGUMENT, where, what)
        for what in (_what(value, replacements, classes) for value in values)
        if what is not None
    ]


def _attributes(owner: type, replacements: dict[int, Any], classes: tuple[type, ...]) -> list[Unreached]:
    namespace = type.__getattribute__(owner, "__dict__")
    if _is_exempt(str(namespace.get("__module__") or "")):
        return []
    return [
        Unreached(UnreachedKind.CLASS_ATTRIBUTE, f"{_full_name(owner)}.{name}", what)
        for name, what in [(name, _what(value, replacements, classes)) for name, value in list(namespace.items())]
        if what is not None and isinstance(name, str)
    ]


def _what(value: object, replacements: dict[int, Any], classes: tuple[type, ...]) -> str | None:
    """The name in `ssl` of what `value` is or of what it is made by; None if it has nothing to do with `ssl`."""
    entry = replacements.get(id(value))
    if entry is not None and entry[0] is value:
        return str(entry[2] or "the module")
    return _base_of(type(value), classes) if issubclass(type(value), classes) else None


def _base_of(kind: type, classes: tuple[type, ...]) -> str:
    return next(base.__name__ for base in classes if issubclass(kind, base))


def _settings() -> list[Unreached]:
    """The one name in `ssl` that programs are told to set (PEP 476)."""
    if vars(_stdlib)["_create_default_https_context"] is _stdlib.create_default_context:
        return []
    return [Unreached(UnreachedKind.SETTING, "ssl._create_default_https_context", "_create_default_https_context")]


def _full_name(owner: type) -> str:
    return f"{owner.__module__}.{owner.__qualname__}"
