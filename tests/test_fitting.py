"""An edge that certainly can't fit is an error when composing; an unknown type never is."""

# ruff: noqa: UP007, UP044, UP045 (types in each of their spellings)

from __future__ import annotations

import abc
import collections
import io
import timeit
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Sized
from decimal import Decimal
from enum import Enum, IntEnum
from functools import partial, reduce
from pathlib import Path
from typing import (
    IO,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NoReturn,
    NotRequired,
    Optional,
    Protocol,
    SupportsInt,
    TypedDict,
    TypeVar,
    Union,
    runtime_checkable,
)

import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from verbs import one_after_another

from anabranch.engine.fitting import explain_misfit, fits
from anabranch.engine.value_types import DictType, describe_type

T = TypeVar("T")
UserId = NewType("UserId", int)
Alias = typing_extensions.TypeAliasType("Alias", int | str)
Itself = typing_extensions.TypeAliasType("Itself", "Itself")  # type: ignore[misc]


class Animal: ...


class Dog(Animal): ...


class Cat(Animal): ...


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...


class Marker(abc.ABC): ...  # noqa: B024


class Topmost(metaclass=abc.ABCMeta): ...  # noqa: B024


class Below(Topmost): ...


class Square(Shape):
    def area(self) -> float:
        return 1.0


class Speaks(Protocol):
    def speak(self) -> str: ...


@runtime_checkable
class Barks(Protocol):
    def bark(self) -> str: ...


class Model(BaseModel):
    text: str = ""


class Other(BaseModel):
    text: str = ""


class Generically(BaseModel, Generic[T]):
    content: T


class Box(Generic[T]): ...


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = 1
    BLUE = 2


class Level(IntEnum):
    LOW = 1


class Question(TypedDict):
    question: str


class Filed(Question):
    context: NotRequired[list[str]]


class Numbered(TypedDict):
    question: int


class Loose(TypedDict, total=False):
    question: int


class Vague(TypedDict, total=False):
    question: str


class Extended(typing_extensions.TypedDict):
    question: typing_extensions.ReadOnly[str]


class Tree(TypedDict):
    child: Tree


class OtherTree(TypedDict):
    child: OtherTree


class Weird(type):
    def __subclasscheck__(cls, other: type) -> bool:
        raise RuntimeError("weird")


class Odd(metaclass=Weird): ...


class Loosely(Any): ...  # type: ignore[misc]


def nested(depth: int, inner: Any) -> Any:
    return reduce(lambda tp, _: DictType({"inner": tp}), range(depth), inner)


def nested_tuples(depth: int, inner: Any) -> Any:
    return reduce(lambda tp, _: tuple[tp], range(depth), inner)  # type: ignore[valid-type]


def edition() -> type:
    class Doc: ...

    return Doc


FITTING = [
    (int, int),
    (Any, str),
    (str, Any),
    (object, str),
    (str, object),
    (T, str),
    ("Nowhere", str),
    (NoReturn, str),
    (bool, int),
    (int, bool),
    (int, float),
    (float, int),
    (int, complex),
    (Level, float),
    (Decimal, float),
    (bytes, bytearray),
    (Dog, Animal),
    (Animal, Dog),
    (str | None, str),
    (str, Optional[int | str]),
    (None, str | None),
    (int | list[str], dict[str, int] | list[int]),
    (list[int], list[str]),
    (list, Sequence[int]),
    (str, Sequence[str]),
    (str, Iterable[str]),
    (dict, Mapping[str, Any]),
    (Mapping[str, Any], dict[str, Any]),
    (Iterable[str], str),
    (collections.OrderedDict, dict[str, int]),
    (Iterator[str], Iterable[str]),
    (list[int], Iterable[int]),
    (Path, str | Path),
    (len.__class__, Callable[[str], int]),
    (type[int], type[str]),
    (type[int], Callable[..., Any]),
    (Animal, Sequence[int]),
    (Animal, Shape),
    (Shape, Animal),
    (Square, Shape),
    (str, Marker),
    (str, Topmost),
    (Topmost, str),
    (str, Speaks),
    (Animal, Barks),
    (Animal, SupportsInt),
    (io.StringIO, IO[str]),
    (UserId, int),
    (int, UserId),
    (Alias, str),
    (Itself, str),
    (Annotated[int, "extra"], int),
    (Annotated[int, ["unhashable"]], int),
    (Literal["a", "b"], Literal["b", "c"]),
    (Literal["a"], str),
    (Literal["a", 1], str),
    (str, Literal["a"]),
    (Literal[Colour.RED], Colour),
    (Literal[None], None),
    (tuple[int, str], tuple[int, ...]),
    (tuple[int, str], tuple[float, str]),
    (tuple[int, ...], tuple[int, str]),
    (tuple, tuple[int, str]),
    (tuple[int, str], Sequence[Any]),
    (Point, tuple[int, int]),
    (tuple[int, ...], tuple[int, str, float]),
    (tuple[int, *tuple[str, ...]], tuple[int]),
    (tuple[str], tuple[typing_extensions.Unpack[tuple[int, ...]], str]),
    (Loosely, int),
    (nested(9, int), nested(9, str)),
    (nested_tuples(10, int), nested_tuples(10, str)),
    (Box[int], Box[str]),
    (str, Enum),
    (Generically[int], Generically[Any]),
    (Question, dict[str, Any]),
    (dict[str, Any], Question),
    (Question, Mapping[str, str]),
    (Question, Filed),
    (Filed, Question),
    (Question, Extended),
    (Loose, Vague),
    (Tree, OtherTree),
    (edition(), edition()),
    (Odd, Animal),
    (DictType({"question": str}), dict[str, str]),
    (DictType({"question": str}), Mapping[str, Any]),
    (DictType({"question": str}), Question),
    (DictType({"question": Any, "more": int}), Question),
    (DictType({"question": str}), Filed),
    (DictType({"question": str, "context": list[str]}), Filed),
    (DictType({"question": str, "more": int}), DictType({"question": str})),
    (DictType({"question": DictType({"a": str})}), DictType({"question": dict[str, Any]})),
    (DictType({}), DictType({})),
    (dict[str, Any], DictType({"question": str})),
    (Mapping[str, Any], DictType({"question": str})),
    (collections.UserDict, DictType({"question": str})),
    (Question, DictType({"question": str, "context": str})),
    (Union[DictType({"a": int}), DictType({"b": int})], DictType({"b": int})),
]

MISFITS = [
    (str, int, "str is not int"),
    (int, str, "int is not str"),
    (None, str, "None is not str"),
    (str, None, "str is not None"),
    (str, bytes, "str is not bytes"),
    (bytearray, memoryview, "bytearray is not memoryview"),
    (str, float, "str is not float"),
    (list[int], dict[str, int], "list[int] is not dict[str, int]"),
    (list, Mapping[str, Any], "list is not Mapping[str, Any]"),
    (list[int], Iterator[int], "list[int] is not Iterator[int]"),
    (list, Hashable, "list is not Hashable"),
    (int, Iterable[int], "int is not Iterable[int]"),
    (int, Sized, "int is not Sized"),
    (str, Callable[[str], int], "str is not Callable[[str], int]"),
    (Dog, Cat, "Dog is not Cat"),
    (Square, Animal, "Square is not Animal"),
    (Below, Animal, "Below is not Animal"),
    (Animal, Below, "Animal is not Below"),
    (Model, Other, "Model is not Other"),
    (Model, dict[str, Any], "Model is not dict[str, Any]"),
    (dict[str, Any], Model, "dict[str, Any] is not Model"),
    (Model, Question, "Model is not Question"),
    (Question, Model, "Question is not Model"),
    (Generically[int], Model, "Generically[int] is not Model"),
    (Path, str, "Path is not str"),
    (str | None, int, "str | None is not int"),
    (Optional[str], int | list[int], "str | None is not int | list[int]"),
    (Literal["a"], Literal["b"], "Literal['a'] is not Literal['b']"),
    (Literal[1], Literal[True], "Literal[1] is not Literal[True]"),
    (Literal["a"], int, "Literal['a'] is not int"),
    (int, Literal["a", "b"], "int is not Literal['a', 'b']"),
    (UserId, str, "UserId is not str"),
    (Annotated[int, "extra"], str, "int is not str"),
    (Alias, list[int], "Alias is not list[int]"),
    (tuple[int, str], tuple[int], "tuple[int, str] is not tuple[int]"),
    (tuple[int, str], tuple[str, str], "tuple[int, str] is not tuple[str, str]"),
    (tuple[int, str], list[int], "tuple[int, str] is not list[int]"),
    (type[int], str, "type[int] is not str"),
    (Question, list[str], "Question is not list[str]"),
    (Question, Numbered, "key 'question': str is not int"),
    (Question, Loose, "key 'question': str is not int"),
    (Extended, Numbered, "key 'question': str is not int"),
    (Question, DictType({"question": int}), "key 'question': str is not int"),
    (DictType({"question": str}), Numbered, "key 'question': str is not int"),
    (DictType({"context": str}), Question, "missing key 'question'"),
    (DictType({}), DictType({"b": int, "a": int}), "missing keys 'b', 'a'"),
    (DictType({"question": str, "context": int}), Filed, "key 'context': int is not list[str]"),
    (DictType({"a": str}), list[str], "{'a': str} is not list[str]"),
    (str, DictType({"a": str, "b": Any}), "str is not {'a': str, 'b': Any}"),
    (Model, DictType({"text": str}), "Model is not {'text': str}"),
    (
        DictType({"a": DictType({"b": int})}),
        DictType({"a": DictType({"b": str})}),
        "key 'a': key 'b': int is not str",
    ),
    (nested(8, int), nested(8, str), "key 'inner': " * 8 + "int is not str"),
    (
        nested_tuples(9, int),
        nested_tuples(9, str),
        "tuple[" * 9 + "int" + "]" * 9 + " is not " + "tuple[" * 9 + "str" + "]" * 9,
    ),
    (Union[Question, Extended], Numbered, "Question | Extended is not Numbered"),
    (Question, Union[Numbered, Loose], "Question is not Numbered | Loose"),
    *(
        (DictType({"a": one, "b": int}), DictType({"a": other, "b": str}), "key 'b': int is not str")
        for one, other in (
            *((Any, int), (int, Any), (object, int), (T, int), (int, T), ("Nowhere", int), (int, "Nowhere")),
            *((tuple, tuple[int, str]), (tuple[int, str], tuple), (Speaks, int), (Literal[1], T), (Loosely, int)),
        )
    ),
]


class TestFitting:
    @one_after_another(("output", "input"), FITTING)
    def test_what_might_fit_fits(self, output: Any, input: Any) -> None:
        assert fits(output, input)
        assert explain_misfit(output, input) == ""

    @one_after_another(("output", "input", "reason"), MISFITS)
    def test_what_certainly_does_not_fit_is_explained(self, output: Any, input: Any, reason: str) -> None:
        assert not fits(output, input)
        assert explain_misfit(output, input) == reason

    def test_classes_of_one_name_in_two_modules_are_told_apart(self) -> None:
        one, other = type("Doc", (), {"__module__": "one"}), type("Doc", (), {"__module__": "other"})
        assert explain_misfit(one, other) == "one.Doc is not other.Doc"

    def test_asking_again_takes_less_than_microseconds(self) -> None:
        for pair in [(int, int), (Any, int), (int, Any), (int, float), (Model, DictType({"a": int}))]:
            each = min(timeit.repeat(partial(fits, *pair), number=1000, repeat=5)) / 1000
            assert each < 20e-6, f"{pair}: {each * 1e6:.1f} µs"


# A type that a given value has: from its class outwards, by what typing says. Two of them must always fit.


def widened(value: Any) -> st.SearchStrategy[Any]:
    """Types of a value, as a producer might annotate it."""
    named = st.sampled_from([tp for tp in type(value).__mro__ if tp is not object] + abstract(value))
    found = st.one_of(named, *specific(value))
    return found | st.builds(combined, found, st.sampled_from([str, None, int, list[int], Animal, Question]))


def abstract(value: Any) -> list[Any]:
    """The wider types of a value that are not among its bases."""
    wide: list[Any] = [Any, object, T]
    if isinstance(value, int):
        wide += [float, complex]
    if isinstance(value, float):
        wide += [complex]
    every = [Hashable, Sized, Iterable, Sequence, Mapping, Iterator, Callable]
    return wide + [tp for tp in every if isinstance(value, tp)]  # type: ignore[arg-type]


def combined(tp: Any, other: Any) -> Any:
    return Annotated[Union[other, tp], "extra"]


def specific(value: Any) -> Iterator[st.SearchStrategy[Any]]:
    """Types that tell more of a value than its class does."""
    match value:
        case None | int() | str() | bytes() | Enum() if not isinstance(value, Level):
            yield st.builds(lambda other: Literal[other, value], st.sampled_from(["a", 0, None]))
        case Point():
            return
        case tuple():
            yield st.tuples(*map(widened, value)).map(lambda tps: tuple[tps or ((),)])  # type: ignore[misc]
            yield st.just(tuple[Any, ...])
        case list():
            yield st.sampled_from([list[int], list[str]]) if not value else st.just(list[Any])
        case dict():
            yield st.fixed_dictionaries({key: widened(each) for key, each in value.items()}).map(DictType)
            yield st.fixed_dictionaries({key: widened(each) for key, each in value.items()}).map(
                lambda types: TypedDict("Made", types)  # type: ignore[operator]
            )
            yield st.fixed_dictionaries({}, optional={key: widened(each) for key, each in value.items()}).map(
                lambda types: TypedDict("Made", {**types, "absent": int}, total=False)  # type: ignore[operator]
            )


def narrowed(tp: Any) -> Any:
    """A keyed type as a consumer might ask for it: with fewer keys than there are."""
    return DictType(dict(list(tp.items())[1:])) if isinstance(tp, DictType) else tp


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.sampled_from([Dog(), Square(), Model(), Point(1, 2), *Colour, *Level, len, iter([]), range(3), {1}])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b", "question"]), inner, max_size=2)
    ),
    max_leaves=4,
)


class TestSoundness:
    @given(st.data(), values)
    def test_two_types_of_one_value_always_fit(self, data: st.DataObject, value: Any) -> None:
        output, input = data.draw(widened(value)), narrowed(data.draw(widened(value)))
        assert fits(output, input), explain_misfit(output, input)

    @given(st.data(), values, values)
    def test_it_tells_why_exactly_when_it_does_not_fit(self, data: st.DataObject, one: Any, other: Any) -> None:
        output, input = data.draw(widened(one)), data.draw(widened(other))
        assert fits(output, input) == (explain_misfit(output, input) == "")

    @given(st.data(), values, values)
    def test_a_union_fits_when_a_member_does(self, data: st.DataObject, one: Any, other: Any) -> None:
        first, second, input = (data.draw(widened(value)) for value in (one, other, other))
        union = Union[first, second]  # type: ignore[valid-type]
        assert fits(union, input) == (fits(first, input) or fits(second, input))


class TestDescribingTypes:
    @one_after_another(
        ("tp", "name"),
        [
            (int, "int"),
            (Any, "Any"),
            (None, "None"),
            (type(None), "None"),
            (list[str], "list[str]"),
            (dict[str, list[int]], "dict[str, list[int]]"),
            (Optional[str], "str | None"),
            (str | None, "str | None"),
            (tuple[int, ...], "tuple[int, ...]"),
            (Callable[[int, str], None], "Callable[[int, str], None]"),
            (Callable[..., int], "Callable[..., int]"),
            (Iterator[str], "Iterator[str]"),
            (type[int], "type[int]"),
            (Annotated[int, "extra"], "int"),
            (Literal["a", 1], "Literal['a', 1]"),
            (UserId, "UserId"),
            (T, "T"),
            ("Forward", "Forward"),
            (list["Forward"], "list[Forward]"),  # type: ignore[name-defined]  # noqa: F821
            (Optional["Forward"], "Forward | None"),  # noqa: F821
            (Question, "Question"),
            (Model, "Model"),
            (Box[int], "Box[int]"),
            (DictType({"context": str, "question": Any}), "{'context': str, 'question': Any}"),
            (list[Any], "list[Any]"),
        ],
    )
    def test_a_type_has_a_short_readable_name(self, tp: Any, name: str) -> None:
        assert describe_type(tp) == name
