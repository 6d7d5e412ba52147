"""Our `dataclass` makes what the standard library's makes: each class of the library beside its twin, each method."""

# A decorator that comes as an argument tells a type checker nothing of what it makes.
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import tlsocket
from tlsocket import values
from tlsocket.values import dataclass, field, fields, replace

SOURCE = Path(tlsocket.__file__).parent
OURS = "from tlsocket.values import"
USERS = sorted(
    ".".join(("tlsocket", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in SOURCE.rglob("*.py")
    if OURS in path.read_text(encoding="utf-8")
)


def made_by_us(module: types.ModuleType) -> Iterator[type]:
    for found in vars(module).values():
        if isinstance(found, type) and found.__module__ == module.__name__ and "__value_class__" in vars(found):
            yield found


@pytest.fixture
def twin_of(request: pytest.FixtureRequest) -> Callable[[types.ModuleType], types.ModuleType]:
    """The same module with the standard library's decorator in the place of ours."""

    def make(module: types.ModuleType) -> types.ModuleType:
        assert module.__file__ is not None
        text = Path(module.__file__).read_text(encoding="utf-8").replace(OURS, "from dataclasses import")
        twin = types.ModuleType(f"{module.__name__}_of_the_standard_library")
        twin.__package__ = module.__package__
        sys.modules[twin.__name__] = twin
        request.addfinalizer(lambda: sys.modules.pop(twin.__name__, None))
        exec(compile(text, twin.__name__, "exec"), vars(twin))
        return twin

    return make


def parameters(kind: type) -> list[tuple[str, object, bool]]:
    found = inspect.signature(kind).parameters.values()
    return [(each.name, each.kind, each.default is inspect.Parameter.empty) for each in found]


def described(kind: Any) -> list[tuple[object, ...]]:
    return [
        (each.name, each.type, each.init, each.repr, each.compare, each.kw_only, type(each.default).__name__)
        for each in dataclasses.fields(kind)
    ]


@pytest.mark.parametrize("name", USERS)
def test_every_class_is_as_the_standard_library_would_have_made_it(
    name: str, twin_of: Callable[[types.ModuleType], types.ModuleType]
) -> None:
    module = importlib.import_module(name)
    twins = vars(twin_of(module))
    for ours in made_by_us(module):
        theirs = twins[ours.__name__]
        assert dataclasses.is_dataclass(ours)
        assert described(ours) == described(theirs)
        assert parameters(ours) == parameters(theirs)
        assert vars(ours).get("__slots__") == vars(theirs).get("__slots__")
        for attribute in ("__match_args__", "__qualname__"):
            assert getattr(ours, attribute) == getattr(theirs, attribute)
        for method in ("__init__", "__repr__", "__eq__", "__setattr__", "__delattr__", "__getstate__", "__setstate__"):
            assert (method in vars(ours)) == (method in vars(theirs)), method
        assert (ours.__hash__ is None) == (theirs.__hash__ is None)
        assert (ours.__hash__ is object.__hash__) == (theirs.__hash__ is object.__hash__)
        assert typing.cast("Any", ours).__dataclass_params__.frozen == theirs.__dataclass_params__.frozen


def test_classes_are_found() -> None:
    assert sum(1 for name in USERS for _ in made_by_us(importlib.import_module(name))) > 100


# Behaviour. To a type checker both decorators are the standard library's.


def both(test: Callable[[Any], None]) -> Callable[[Any], None]:
    decorate: Callable[[Callable[[Any], None]], Callable[[Any], None]] = pytest.mark.parametrize(
        "made_by", [values, dataclasses], ids=["ours", "theirs"]
    )
    return decorate(test)


@dataclass(frozen=True, slots=True)
class Point:
    """Module level, so that it can be pickled."""

    x: int
    y: int = 2
    secret: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True)
class Named:
    """Without slots."""

    name: str
    kinds: ClassVar[int] = 3
    parts: list[int] = field(default_factory=list)


@both
def test_defaults_factories_and_what_is_set_afterwards(made_by: Any) -> None:
    @made_by.dataclass(frozen=True, slots=True, kw_only=True)
    class Base:
        size: int = 3
        made: list[int] = made_by.field(default_factory=lambda: [1], init=False)
        kind: str = made_by.field(default="plain", init=False)
        twice: int = made_by.field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "twice", 2 * self.size)

    @made_by.dataclass(frozen=True, slots=True, kw_only=True)
    class Derived(Base):
        """A subclass."""

        name: str
        given: list[int] = made_by.field(default_factory=list)

    value = Derived(name="x", size=4)
    assert (value.size, value.made, value.kind, value.twice, value.given) == (4, [1], "plain", 8, [])
    assert value.made is not Derived(name="y").made
    assert "__dict__" not in dir(value)
    with pytest.raises(TypeError, match="name"):
        Derived()
    with pytest.raises(TypeError, match="positional"):
        Derived("x")


@both
def test_representation_equality_and_hash(made_by: Any) -> None:
    @made_by.dataclass(frozen=True, slots=True)
    class Pair:
        """Two."""

        first: object
        hidden: int = made_by.field(default=0, repr=False, compare=False)

    @made_by.dataclass(frozen=True, slots=True)
    class Other:
        """Alike."""

        first: object
        hidden: int = 0

    @made_by.dataclass()
    class Changing:
        """Not frozen."""

        first: Any

    name = "test_representation_equality_and_hash.<locals>."
    assert repr(Pair(1, 5)) == f"{name}Pair(first=1)"
    assert Pair(1, 5) == Pair(1, 6)
    assert Pair(1) != Pair(2)
    assert Pair(1) != Other(1)
    assert hash(Pair("a", 1)) == hash(Pair("a", 2))
    assert len({Pair(1), Pair(1), Pair(2)}) == 2
    circle = Changing(None)
    circle.first = circle
    assert repr(circle) == f"{name}Changing(first=...)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(circle)


@both
def test_nothing_of_a_frozen_value_changes(made_by: Any) -> None:
    @made_by.dataclass(frozen=True)
    class Fixed:
        """Frozen."""

        x: int

    class Looser(Fixed):
        y: int

    value = Fixed(1)
    for attribute in ("x", "y"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{attribute}'"):
            setattr(value, attribute, 2)
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete field '{attribute}'"):
            delattr(value, attribute)
    looser = Looser(1)
    looser.y = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        looser.x = 2
    assert (looser.x, looser.y) == (1, 2)
    del looser.y
    assert not hasattr(looser, "y")


@both
def test_what_a_class_defines_itself_stays(made_by: Any) -> None:
    @made_by.dataclass(frozen=True, slots=True)
    class Own:
        """With methods of its own."""

        x: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert repr(Own(1)) == "own"
    assert Own(1) == Own(2)
    assert hash(Own(1)) == 7


@pytest.mark.parametrize("value", [Point(1, secret=b"s"), Named("n", [1, 2])], ids=repr)
def test_copies_and_pickles_are_equal(value: Any) -> None:
    for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value)), replace(value)):
        assert twin == value
        assert twin is not value
        assert [getattr(twin, each.name) for each in dataclasses.fields(twin)] == [
            getattr(value, each.name) for each in dataclasses.fields(value)
        ]


def test_the_standard_librarys_functions_take_our_values() -> None:
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2, "secret": b""}
    assert dataclasses.replace(Point(1), y=5) == replace(Point(1), y=5) == Point(1, 5)
    assert [each.name for each in fields(Named)] == [each.name for each in dataclasses.fields(Named)]
    assert typing.get_type_hints(Point.__init__) == {"x": int, "y": int, "secret": bytes, "return": type(None)}
    assert inspect.signature(Point).parameters["y"].default == 2
    match Point(3, 4):
        case Point(x, y):
            assert (x, y) == (3, 4)


def test_a_field_that_is_computed_is_not_replaced() -> None:
    @dataclass(frozen=True, slots=True)
    class Computed:
        """Computes."""

        x: int
        y: int = field(default=1, init=False)

    with pytest.raises(ValueError, match="y is declared with init=False"):
        replace(Computed(1), y=3)
    assert replace(Computed(1), x=3).x == 3


def test_two_threads_may_make_the_first_values() -> None:
    for _ in range(20):

        @dataclass(frozen=True, slots=True)
        class Fresh:
            """Nobody has called it."""

            x: int
            y: int = 5

        made: list[Any] = []
        gate = threading.Barrier(4)

        def make(kind: Any = Fresh, made: list[Any] = made, gate: threading.Barrier = gate) -> None:
            gate.wait(timeout=20)
            made.append(kind(1))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert [(value.x, value.y) for value in made] == [(1, 5)] * 4


def test_the_standard_librarys_decorator_derives_from_ours() -> None:
    @dataclasses.dataclass(frozen=True)
    class Solid(Point):
        """One dimension more."""

        z: int = 3

    assert repr(Solid(1)).endswith("Solid(x=1, y=2, z=3)")
    assert dataclasses.replace(Solid(1), z=4) == Solid(1, z=4) != Solid(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Solid(1), "x", 2)  # noqa: B010  # a type checker sees through the plain form
