"""`dataclass`, `field`, `fields` and `replace` of the standard library's `dataclasses`, at a tenth of their price.

The standard library writes and compiles about six methods for each class while its module is imported: half a
millisecond a class, and a first handshake imports ninety. Here a class gets its methods as closures, which cost a few
microseconds, and `__init__` is compiled when the class is first called (or looked at): most are not, in most programs.
A type checker is told that these are the standard library's own, and `dataclasses.fields`, `replace`, `asdict` and
`is_dataclass` take such a class for one of theirs.

Only the options that this library uses are here, and no field may be mutable by default. Whatever is not a plain value
(conversion, validation) belongs in the class's own `__post_init__`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass", "field", "fields", "replace"]

T = TypeVar("T")

_MISSING: Any = object()
_FIELDS = "__value_fields__"


class _Field:
    """What is known of one field; the meaning of each attribute is that of `dataclasses.field`."""

    __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "name", "repr", "type")

    name: str
    type: str
    kw_only: bool

    def __init__(self, default: Any, default_factory: Any, init: bool, repr: bool, compare: bool) -> None:
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare


def _field(
    *,
    default: Any = _MISSING,
    default_factory: Any = _MISSING,
    init: bool = True,
    repr: bool = True,
    compare: bool = True,
) -> Any:
    """A field that is more than a name, a type and a default."""
    return _Field(default, default_factory, init, repr, compare)


def _dataclass(
    *, frozen: bool = False, slots: bool = False, repr: bool = True, eq: bool = True, kw_only: bool = False
) -> Callable[[type[T]], type[T]]:
    """A decorator that turns a class with annotations into one of values."""

    def decorate(cls: type[T]) -> type[T]:
        own = _own_fields(cls, kw_only)
        inherited = {each.name: each for base in reversed(cls.__mro__[1:]) for each in base.__dict__.get(_FIELDS, ())}
        fields = tuple({**inherited, **own}.values())
        if slots:
            cls = _with_slots(cls, own)
        setattr(cls, _FIELDS, fields)
        for name, value in _methods(cls, fields, frozen=frozen, slots=slots, repr=repr, eq=eq).items():
            # As in the standard library: what a class defines itself stays.
            if name not in cls.__dict__:
                setattr(cls, name, value)
        if eq and cls.__dict__.get("__hash__") is None:
            cls.__hash__ = _hash(fields) if frozen else None  # type: ignore[assignment, method-assign]
        return cls

    return decorate


def _own_fields(cls: type, kw_only: bool) -> dict[str, _Field]:
    """The fields of the class itself; defaults stay behind as attributes, as in the standard library."""
    found = {}
    for name, annotation in cls.__annotations__.items():
        # Annotations are text in this library (a test sees to it), and none of its class variables hides its kind.
        if annotation.startswith("ClassVar"):
            continue
        value = cls.__dict__.get(name, _MISSING)
        if not isinstance(value, _Field):
            value = _Field(value, _MISSING, True, True, True)
        elif value.default is _MISSING:
            delattr(cls, name)
        else:
            setattr(cls, name, value.default)
        value.name, value.type, value.kw_only = name, annotation, kw_only
        found[name] = value
    return found


def _with_slots(cls: type[T], own: dict[str, _Field]) -> type[T]:
    """The class anew, since slots can only be had when a class is made."""
    taken = {name for base in cls.__mro__[1:] for name in base.__dict__.get("__slots__", ())}
    # A default and a slot of one name would collide.
    namespace = {k: v for k, v in cls.__dict__.items() if k not in own and k not in ("__dict__", "__weakref__")}
    namespace["__slots__"] = tuple(name for name in own if name not in taken)
    metaclass: Any = type(cls)
    made: type[T] = metaclass(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    return made


def _methods(
    cls: type, fields: tuple[_Field, ...], *, frozen: bool, slots: bool, repr: bool, eq: bool
) -> dict[str, Any]:
    methods: dict[str, Any] = {
        "__init__": _UnwrittenInit(cls, fields, frozen=frozen, slots=slots),
        "__match_args__": tuple(each.name for each in fields if each.init and not each.kw_only),
        "__replace__": _replace,
        "__dataclass_fields__": _StandardForm("__dataclass_fields__", fields, frozen),
        "__dataclass_params__": _StandardForm("__dataclass_params__", fields, frozen),
    }
    if repr:
        methods["__repr__"] = _repr
    if eq:
        methods["__eq__"] = _eq(fields)
    if frozen:
        methods |= _guards(cls, frozenset(each.name for each in fields))
        if slots:
            methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
    return methods


# __init__, the only method that is worth compiling: it is called for every message of every handshake


class _UnwrittenInit:
    """Stands where `__init__` will, and puts it there when somebody first asks for it.

    Two threads that ask at once make two functions that are alike, and the second one stays.
    """

    __slots__ = ("_cls", "_fields", "_frozen", "_slots")

    def __init__(self, cls: type, fields: tuple[_Field, ...], *, frozen: bool, slots: bool) -> None:
        self._cls = cls
        self._fields = fields
        self._frozen = frozen
        self._slots = slots

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        written = _write_init(self._cls, self._fields, frozen=self._frozen, slots=self._slots)
        self._cls.__init__ = written  # type: ignore[misc]
        return written if instance is None else written.__get__(instance, owner)


def _write_init(cls: type, fields: tuple[_Field, ...], *, frozen: bool, slots: bool) -> Any:
    names: dict[str, Any] = {"_missing": _MISSING}
    statements = []
    for each in fields:
        name = each.name
        value = name
        if each.default_factory is not _MISSING:
            names[f"_factory_{name}"] = each.default_factory
            value = f"_factory_{name}() if {name} is _missing else {name}" if each.init else f"_factory_{name}()"
        elif not each.init:
            if each.default is _MISSING or not slots:
                continue  # left to __post_init__, or the attribute of the class is there to be seen
            names[f"_default_{name}"] = each.default
            value = f"_default_{name}"
        if not frozen:
            statements.append(f"self.{name} = {value}")
        elif slots:
            # Past our own __setattr__, and a third quicker than object.__setattr__.
            names[f"_set_{name}"] = getattr(cls, name).__set__
            statements.append(f"_set_{name}(self, {value})")
        else:
            names["_set"] = object.__setattr__
            statements.append(f"_set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        statements.append("self.__post_init__()")
    head = ", ".join(["self", *_parameters(fields, names)])
    body = "\n  ".join(statements or ["pass"])
    source = f"def make({', '.join(names)}):\n def __init__({head}):\n  {body}\n return __init__"
    made: dict[str, Any] = {}
    exec(source, vars(sys.modules[cls.__module__]), made)
    written = made["make"](**names)
    written.__qualname__ = f"{cls.__qualname__}.__init__"
    written.__annotations__ = {each.name: each.type for each in fields if each.init} | {"return": None}
    return written


def _parameters(fields: tuple[_Field, ...], names: dict[str, Any]) -> list[str]:
    """The parameters in order; their defaults are added to `names`."""
    positional: list[str] = []
    keyword: list[str] = []
    for each in fields:
        if not each.init:
            continue
        text = each.name
        if each.default is not _MISSING:
            names[f"_default_{each.name}"] = each.default
            text += f"=_default_{each.name}"
        elif each.default_factory is not _MISSING:
            text += "=_missing"
        (keyword if each.kw_only else positional).append(text)
    return [*positional, "*", *keyword] if keyword else positional


# The other methods


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in _fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _key(fields: tuple[_Field, ...]) -> Callable[[Any], Any]:
    """What two values are compared by; a single field goes without its tuple."""
    names = [each.name for each in fields if each.compare]
    return attrgetter(*names) if names else lambda value: ()


def _eq(fields: tuple[_Field, ...]) -> Callable[[Any, object], Any]:
    key = _key(fields)

    def __eq__(self: Any, other: object) -> Any:
        return key(self) == key(other) if type(other) is type(self) else NotImplemented

    return __eq__


def _hash(fields: tuple[_Field, ...]) -> Callable[[Any], int]:
    key = _key(fields)

    def __hash__(self: Any) -> int:
        return hash(key(self))

    return __hash__


def _guards(cls: Any, names: frozenset[str]) -> dict[str, Any]:
    """No attribute is set or deleted, except those that a subclass without the decorator adds."""

    def __setattr__(self: Any, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise _frozen(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise _frozen(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _frozen(text: str) -> AttributeError:
    from dataclasses import FrozenInstanceError  # here, since that loads `inspect` and much else

    return FrozenInstanceError(text)


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in _fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for each, value in zip(_fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


def _fields(value: Any) -> tuple[_Field, ...]:
    """The fields of a class or a value, in order."""
    found: tuple[_Field, ...] = getattr(value, _FIELDS)
    return found


def _replace(value: T, /, **changes: Any) -> T:
    """A value like this one, but for `changes`."""
    for each in _fields(value):
        if not each.init:
            if each.name in changes:
                raise ValueError(f"field {each.name} is declared with init=False: it cannot be replaced")
        elif each.name not in changes:
            changes[each.name] = getattr(value, each.name)
    return type(value)(**changes)


class _StandardForm:
    """An attribute by which `dataclasses` knows its classes, made when somebody asks for it."""

    __slots__ = ("_fields", "_frozen", "_name")

    def __init__(self, name: str, fields: tuple[_Field, ...], frozen: bool) -> None:
        self._name = name
        self._fields = fields
        self._frozen = frozen

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        import dataclasses  # as in `_frozen`

        twin = dataclasses.make_dataclass(
            "Twin", [(each.name, each.type, _standard_field(each)) for each in self._fields], frozen=self._frozen
        )
        return getattr(twin, self._name)


def _standard_field(each: _Field) -> Any:
    import dataclasses  # as in `_frozen`

    given = {"default": each.default, "default_factory": each.default_factory}
    return dataclasses.field(
        init=each.init,
        repr=each.repr,
        compare=each.compare,
        kw_only=each.kw_only,
        **{name: value for name, value in given.items() if value is not _MISSING},
    )


if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, replace
else:
    dataclass, field, fields, replace = _dataclass, _field, _fields, _replace
