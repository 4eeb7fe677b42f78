"""Types of values: those of dicts by their keys, any type without the wrappers around it, and as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import EllipsisType, NoneType, UnionType
from typing import Annotated, Any, ForwardRef, Literal, NewType, Union, get_args, get_origin, get_type_hints

MOST_WRAPPERS = 64
"""What is deeper wrapped in aliases may have no end."""

TRANSPARENT = {"Required", "NotRequired", "ReadOnly", "Final", "ClassVar"}
"""Forms, by name since each version of Python has its own, that say nothing of the value."""


class DictType(Mapping[str, Any]):
    """The type of a dict whose keys are known exactly: what a join makes, what a prompt reads.

    An immutable mapping from key to type, in order; two with the same keys and types are equal. As an output
    it has these keys and no other; as an input it needs them all, in any mapping, and ignores others.

    Args:
        types: the type of each key.

    Example:
        >>> RunnableParallel(context=str, question=RunnablePassthrough()).OutputType
        {'context': str, 'question': Any}
        >>> reader = RunnableLambda(str).with_types(input_type=DictType({"context": str, "question": str}))
        >>> RunnableParallel(context=str) | reader
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.EdgeTypeError: 'RunnableParallel<context>' gives {'context': str}, but ...
    """

    __slots__ = ("_hash", "_types")

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = dict(types)
        self._hash: int | None = None
        with suppress(TypeError):  # a type that can't be hashed
            self._hash = hash(frozenset(self._types.items()))

    def __getitem__(self, key: str) -> Any:
        return self._types[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DictType):
            return NotImplemented
        pairs = [(self._types, other._types)]  # nested ones are compared without recursion
        while pairs:
            mine, others = pairs.pop()
            if mine.keys() != others.keys():
                return False
            for key, tp in mine.items():
                if isinstance(tp, DictType) and isinstance(others[key], DictType):
                    if tp is not others[key]:
                        pairs.append((tp._types, others[key]._types))
                elif tp != others[key]:
                    return False
        return True

    def __hash__(self) -> int:
        if self._hash is None:
            raise TypeError("a DictType with a type that can't be hashed")
        return self._hash

    def __reduce__(self) -> tuple[type[DictType], tuple[dict[str, Any]]]:
        return DictType, (self._types,)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {describe_type(tp)}' for key, tp in self.items())}}}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The types under the keys of a dict, which of them are always there, and whether there are no others."""

    types: Mapping[str, Any]
    required: frozenset[str]
    closed: bool


def keys_of(tp: Any) -> Keys | None:
    """The keys of a `DictType` or a `TypedDict`; None for any other type. What can't be resolved is Any."""
    if isinstance(tp, DictType):
        return Keys(tp, frozenset(tp), closed=True)
    tp = get_origin(tp) or tp
    if not (isinstance(tp, type) and dict in tp.__mro__ and hasattr(tp, "__required_keys__")):
        return None
    try:
        hints = get_type_hints(tp, include_extras=True)
    except Exception:
        hints = dict.fromkeys((*tp.__required_keys__, *getattr(tp, "__optional_keys__", ())), Any)
    required = set(tp.__required_keys__)
    for key, hint in hints.items():
        # Where annotations are strings, `__required_keys__` was made without seeing these.
        form = getattr(get_origin(hint), "_name", None)
        if form == "Required":
            required.add(key)
        elif form == "NotRequired":
            required.discard(key)
    return Keys({key: bare(hint) for key, hint in hints.items()}, frozenset(required), closed=False)


def bare(tp: Any) -> Any:
    """A type without `Annotated`, `NewType`, aliases and the like around it."""
    for _ in range(MOST_WRAPPERS):
        origin = get_origin(tp)
        if origin is Annotated or _is_transparent(origin):
            tp = get_args(tp)[0]
        elif isinstance(tp, NewType):
            tp = tp.__supertype__
        elif type(tp).__name__ == "TypeAliasType":  # of typing from Python 3.12 on, or of typing_extensions
            tp = tp.__value__
        else:
            return NoneType if tp is None else tp
    return Any


def _is_transparent(origin: Any) -> bool:
    return getattr(origin, "_name", None) in TRANSPARENT


def union_of(types: Iterable[Any]) -> Any:
    """The type of a value that is of one of some types; Any when one of them is, or when there is none."""
    known = tuple(types)
    return Any if Any in known or not known else Union[known]  # noqa: UP007 (any number of them)


def describe_type(tp: Any) -> str:
    """A short readable name of a type: `int`, `list[str]`, `str | None`, `{'question': str}`."""
    origin, args = get_origin(tp), get_args(tp)
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is Annotated or _is_transparent(origin):
        return describe_type(args[0])
    if origin is Union or origin is UnionType:
        return " | ".join(map(describe_type, args))
    if isinstance(tp, list):  # the parameters of a Callable
        return f"[{', '.join(map(describe_type, tp))}]"
    if origin is not None:
        inner = ", ".join(map(describe_type, args))
        return f"{describe_type(origin)}[{inner}]" if inner else describe_type(origin)
    if tp is None or tp is NoneType:
        return "None"
    if isinstance(tp, ForwardRef | str):
        return str(getattr(tp, "__forward_arg__", tp))
    name = "..." if isinstance(tp, EllipsisType) else getattr(tp, "__name__", None)
    return name if isinstance(name, str) else repr(tp).removeprefix("typing.")
