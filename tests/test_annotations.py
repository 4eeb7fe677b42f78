"""Annotations that are no text, that can't be read, or that name what stands elsewhere."""

import operator
from abc import ABCMeta
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from inspect import Parameter, Signature
from typing import Annotated, Any, Generic, TypeVar

import pytest

from anabranch.engine.annotations import chunk_types, input_type, output_type, parameter_types, returned_type
from anabranch.engine.operators import Composable
from anabranch.engine.signatures import describe

T = TypeVar("T")


class Local: ...


class Node(Composable, Generic[T]): ...


class Registered(Composable, metaclass=ABCMeta): ...


class Foreign:
    """Is callable by code that isn't Python's, and says itself what it takes."""

    __call__: Callable[..., Any] = operator.itemgetter(0)

    def __init__(self, signature: Any) -> None:
        self.__signature__ = signature


def signature(annotation: Any, returned: Any = Signature.empty) -> Signature:
    parameter = Parameter("x", Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
    return Signature([parameter], return_annotation=returned)


def several(first: int, second: "Local", *rest: Annotated[str, "extra"], key: list[int] = [], bare=None) -> Local:  # type: ignore[no-untyped-def]  # noqa: B006
    return second


def absent(first: int, second: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


def test_types_that_stand_as_they_are_are_taken() -> None:
    def plain(x: int) -> str:
        return str(x)

    def unhashable(x: Annotated[int, []]) -> Annotated[str, []]:
        return str(x)

    def nothing(x: None) -> None: ...

    assert (input_type(plain), output_type(plain)) == (int, str)
    assert (input_type(unhashable), output_type(unhashable)) == (Annotated[int, []], Annotated[str, []])
    assert (input_type(nothing), output_type(nothing)) == (type(None), type(None))


def test_the_types_of_all_parameters_are_known_by_their_names() -> None:
    assert (
        parameter_types(several)
        == parameter_types(several, strict=True)
        == {
            "first": int,
            "second": Local,
            "rest": Annotated[str, "extra"],
            "key": list[int],
            "bare": Any,
        }
    )
    assert parameter_types(lambda: None) == {}


def test_what_is_nowhere_is_anything_unless_that_is_an_error() -> None:
    assert parameter_types(absent) == {"first": int, "second": Any}
    with pytest.raises(NameError, match="Nowhere"):
        parameter_types(absent, strict=True)


def test_of_something_that_does_not_say_how_it_is_called_nothing_is_known() -> None:
    unknown = Foreign("no signature")
    assert parameter_types(unknown) == parameter_types(unknown, strict=True) == {}
    assert (input_type(unknown), returned_type(unknown), output_type(unknown)) == (Any, Any, Any)
    assert describe(unknown).takes_input


def test_names_in_quotes_are_looked_up_among_those_of_python_where_there_is_no_module() -> None:
    foreign = Foreign(signature("int", "list[str]"))
    assert (input_type(foreign), output_type(foreign)) == (int, list[str])
    assert input_type(Foreign(signature("Local"))) is Any


def test_a_parameter_of_its_own_hides_what_bears_its_name() -> None:
    def generic(x: "Local") -> "list[Local]":
        return [x]

    own = TypeVar("Local")  # type: ignore[misc]
    assert input_type(generic) is Local
    generic.__type_params__ = (own,)  # type: ignore[attr-defined, unused-ignore]
    assert input_type(generic) is own
    assert output_type(generic) == list[own]  # type: ignore[valid-type]


def test_chunks_are_of_streams_only() -> None:
    def listed(x: list[int]) -> list[str]:
        return []

    def half(x: Iterator[int]) -> list[str]:
        return []

    def asynchronous(x: AsyncIterable[int]) -> AsyncGenerator[str, None]:
        raise NotImplementedError

    assert chunk_types(asynchronous) == (int, str)
    assert chunk_types(listed) == (Any, Any)
    assert chunk_types(half) == (int, Any)


def test_what_is_composable_is_so_whatever_its_class_is_made_of() -> None:
    def generic(x: int) -> Node[int]:
        return Node()

    def registered(x: int) -> Registered:
        return Registered()

    def listed(x: int) -> list[Node[int]]:
        return []

    assert output_type(generic) is Any
    assert output_type(registered) is Any
    assert output_type(listed) == list[Node[int]]
