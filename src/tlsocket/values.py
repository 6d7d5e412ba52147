"""`dataclass`, `field`, `fields` and `replace` of the standard library's `dataclasses`, at a tenth of their price.

The standard library writes and compiles about six methods for each class while its module is imported: half a
millisecond a class, and a first handshake imports ninety. Here all classes share their methods, which go by what is
known of the class (`_Known`), and `__init__` is compiled when the class is first called or looked at: most are not, in
most programs. Nothing is made in advance, since what is made must also be thrown away when the process ends. A type
checker is told that these are the standard library's own, and `dataclasses.fields`, `replace`, `asdict` and
`is_dataclass` take such a class for one of theirs.

Only the options that this library uses are here, and a class without a docstring is not given one. Whatever is not a
plain value (conversion, validation) belongs in the class's own `__post_init__`.
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


class _Known:
    """What is known of a decorated class, which finds it as `__value_class__`.

    What is computed later is computed from the rest: two threads that do it at once do the same.
    """

    __slots__ = ("_fields", "_key", "annotations", "cls", "defaults", "frozen", "kw_only", "names", "slots")

    cls: Any
    """The class; set once it is made."""
    names: frozenset[str]

    def __init__(self, cls: type, *, frozen: bool, slots: bool, kw_only: bool) -> None:
        self.frozen = frozen
        self.slots = slots
        self.kw_only = kw_only
        # Annotations are text in this library (a test sees to it), and none of its class variables hides its kind.
        self.annotations = {k: v for k, v in cls.__annotations__.items() if not v.startswith("ClassVar")}
        namespace = cls.__dict__
        self.defaults = {name: namespace[name] for name in self.annotations if name in namespace}
        self.names = frozenset(self.annotations).union(*(known.names for known in _known_above(cls)))
        self._fields: tuple[_Field, ...] | None = None
        self._key: Callable[[Any], Any] | None = None

    @property
    def fields(self) -> tuple[_Field, ...]:
        """All fields in order, those of the bases first."""
        if self._fields is None:
            inherited = {each.name: each for known in reversed(_known_above(self.cls)) for each in known.fields}
            self._fields = tuple((inherited | {name: self._own_field(name) for name in self.annotations}).values())
        return self._fields

    def _own_field(self, name: str) -> _Field:
        value = self.defaults.get(name, _MISSING)
        if not isinstance(value, _Field):
            value = _Field(value, _MISSING, True, True, True)
        value.name, value.type, value.kw_only = name, self.annotations[name], self.kw_only
        return value

    @property
    def key(self) -> Callable[[Any], Any]:
        """What two values are compared by; a single field goes without its tuple."""
        if self._key is None:
            names = [each.name for each in self.fields if each.compare]
            self._key = attrgetter(*names) if names else lambda value: ()
        return self._key


def _known_above(cls: type) -> list[_Known]:
    return [base.__dict__["__value_class__"] for base in cls.__mro__[1:] if "__value_class__" in base.__dict__]


def _known(value: Any) -> _Known:
    """Of a value, or of a class."""
    found: _Known = value.__value_class__
    return found


def _dataclass(
    *, frozen: bool = False, slots: bool = False, repr: bool = True, eq: bool = True, kw_only: bool = False
) -> Callable[[type[T]], type[T]]:
    """A decorator that turns a class with annotations into one of values."""

    def decorate(cls: type[T]) -> type[T]:
        known = _Known(cls, frozen=frozen, slots=slots, kw_only=kw_only)
        methods = {
            "__value_class__": known,
            "__init__": _UnwrittenInit(known),
            "__replace__": _replace,
            **_COMPUTED,
            **({"__repr__": _repr} if repr else {}),
            **({"__eq__": _eq} if eq else {}),
            **({"__setattr__": _setattr, "__delattr__": _delattr} if frozen else {}),
            **({"__getstate__": _getstate, "__setstate__": _setstate} if frozen and slots else {}),
        }
        # As in the standard library: what a class defines itself stays.
        methods = {name: method for name, method in methods.items() if name not in cls.__dict__}
        if eq and cls.__dict__.get("__hash__") is None:
            methods["__hash__"] = _hash if frozen else None
        known.cls = _with_slots(cls, known, methods) if slots else _with_attributes(cls, known, methods)
        made: type[T] = known.cls
        return made

    return decorate


def _with_attributes(cls: type, known: _Known, methods: dict[str, Any]) -> type:
    for name, default in known.defaults.items():
        # Defaults are to be seen as attributes of the class, as in the standard library.
        if isinstance(default, _Field):
            if default.default is _MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, default.default)
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def _with_slots(cls: type, known: _Known, methods: dict[str, Any]) -> type:
    """The class anew, since slots can only be had when a class is made."""
    taken = {name for base in cls.__mro__[1:] for name in base.__dict__.get("__slots__", ())}
    left_out = {"__dict__", "__weakref__", *known.annotations}  # a default and a slot of one name would collide
    namespace = {name: value for name, value in cls.__dict__.items() if name not in left_out} | methods
    namespace["__slots__"] = tuple(name for name in known.annotations if name not in taken)
    made: type = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    return made


# __init__, the only method that is worth compiling: it is called for every message of every handshake


class _UnwrittenInit:
    """Stands where `__init__` will, and puts it there when somebody first asks for it.

    Two threads that ask at once make two functions that are alike, and the second one stays.
    """

    __slots__ = ("_known",)

    def __init__(self, known: _Known) -> None:
        self._known = known

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        written = _write_init(self._known)
        self._known.cls.__init__ = written
        return written if instance is None else written.__get__(instance, owner)


def _write_init(known: _Known) -> Any:
    cls, fields = known.cls, known.fields
    names: dict[str, Any] = {"_missing": _MISSING}
    statements = []
    for each in fields:
        name = each.name
        value = name
        if each.default_factory is not _MISSING:
            names[f"_factory_{name}"] = each.default_factory
            value = f"_factory_{name}() if {name} is _missing else {name}" if each.init else f"_factory_{name}()"
        elif not each.init:
            if each.default is _MISSING or not known.slots:
                continue  # left to __post_init__, or the attribute of the class is there to be seen
            names[f"_default_{name}"] = each.default
            value = f"_default_{name}"
        if not known.frozen:
            statements.append(f"self.{name} = {value}")
        elif known.slots:
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


# The other methods, the same for all classes


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in _known(self).fields if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    key = _known(self).key
    return key(self) == key(other)


def _hash(self: Any) -> int:
    return hash(_known(self).key(self))


def _setattr(self: Any, name: str, value: object) -> None:
    _refuse_if_frozen(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    _refuse_if_frozen(self, name, "delete")
    object.__delattr__(self, name)


def _refuse_if_frozen(value: Any, name: str, verb: str) -> None:
    """No attribute is set or deleted but those that a subclass without the decorator adds."""
    known = _known(value)
    if type(value) is known.cls or name in known.names:
        from dataclasses import FrozenInstanceError  # here, since that loads `inspect` and much else

        raise FrozenInstanceError(f"cannot {verb} field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in _known(self).fields]


def _setstate(self: Any, state: list[Any]) -> None:
    for each, value in zip(_known(self).fields, state, strict=True):
        object.__setattr__(self, each.name, value)


def _all_fields(value: Any) -> tuple[_Field, ...]:
    """The fields of a class or a value, in order."""
    return _known(value).fields


def _replace(value: T, /, **changes: Any) -> T:
    """A value like this one, but for `changes`."""
    for each in _known(value).fields:
        if not each.init:
            if each.name in changes:
                raise ValueError(f"field {each.name} is declared with init=False: it cannot be replaced")
        elif each.name not in changes:
            changes[each.name] = getattr(value, each.name)
    return type(value)(**changes)


class _Computed:
    """An attribute of every class that is computed when somebody asks for it."""

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[_Known], Any]) -> None:
        self._compute = compute

    def __get__(self, instance: object, owner: type) -> Any:
        return self._compute(_known(owner))


def _match_arguments(known: _Known) -> tuple[str, ...]:
    return tuple(each.name for each in known.fields if each.init and not each.kw_only)


def _standard_twin(known: _Known) -> Any:
    """A class of the standard library's with the same fields."""
    import dataclasses  # as in `_refuse_if_frozen`

    described = []
    for each in known.fields:
        given = {"default": each.default, "default_factory": each.default_factory}
        standard: Any = dataclasses.field(
            init=each.init,
            repr=each.repr,
            compare=each.compare,
            kw_only=each.kw_only,
            **{name: value for name, value in given.items() if value is not _MISSING},
        )
        described.append((each.name, each.type, standard))
    return dataclasses.make_dataclass("Twin", described, frozen=known.frozen)


_COMPUTED = {
    "__match_args__": _Computed(_match_arguments),
    # By these two `dataclasses` knows its classes.
    "__dataclass_fields__": _Computed(lambda known: _standard_twin(known).__dataclass_fields__),
    "__dataclass_params__": _Computed(lambda known: _standard_twin(known).__dataclass_params__),
}


if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, replace
else:
    dataclass, field, fields, replace = _dataclass, _field, _all_fields, _replace
