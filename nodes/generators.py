"""Generator functions as runnables that map chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from anabranch.engine.annotations import chunk_types
from anabranch.engine.errors import CompositionError
from anabranch.engine.functions_by_name import FunctionsByName
from anabranch.engine.operators import Operator
from anabranch.engine.signatures import Signature, describe
from anabranch.nodes.calling import called_with
from anabranch.nodes.functions import described
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.nodes.values import Value

T = TypeVar("T")
P = ParamSpec("P")


class RunnableGenerator(Value, FunctionsByName, Runnable[Input, Output]):
    """A generator function from an iterator of chunks to chunks, as a runnable.

    With `invoke` it gets the whole input as its only chunk, and what it yields is added up.

    Args:
        transform: a generator function, or an asynchronous one.
        atransform: an asynchronous form of it, used by the asynchronous verbs.
        name: in traces and errors; by default that of the function.

    Raises:
        CompositionError: a `TypeError`, when it is no generator function, or one that returns a value.

    Example:
        >>> def loud(chunks):
        ...     for chunk in chunks:
        ...         yield chunk.upper()
        >>> list(RunnableGenerator(loud).transform(iter(["a", "b"])))
        ['A', 'B']
    """

    @overload
    def __init__(
        self: RunnableGenerator[Input, T],
        transform: Callable[Concatenate[Iterator[Input], P], Iterator[T]],
        atransform: Callable[Concatenate[AsyncIterator[Input], P], AsyncIterator[T]] | None = None,
        *,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: RunnableGenerator[Input, T],
        transform: Callable[Concatenate[AsyncIterator[Input], P], AsyncIterator[T]],
        *,
        name: str | None = None,
    ) -> None: ...
    def __init__(
        self,
        transform: Callable[..., Any],
        atransform: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        described_generator(transform, _FORMS)
        if atransform is not None:
            described_generator(atransform, ("async_generator",))
        self._transform = transform
        self._atransform = atransform
        self.name = name

    def _default_name(self) -> str:
        return describe(self._transform).name or "RunnableGenerator"

    @property
    def InputType(self) -> Any:
        """From the annotation of the first parameter's elements."""
        return chunk_types(self._transform)[0]

    @property
    def OutputType(self) -> Any:
        """From the annotation of what is yielded."""
        return chunk_types(self._transform)[1]

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        signatures = [(self._transform, describe(self._transform))]
        if self._atransform is not None:
            signatures.append((self._atransform, describe(self._atransform)))
        wants = any(signature.wants_config or signature.wants_run_manager for _, signature in signatures)
        forms: dict[str, Any] = {}
        for func, signature in signatures:
            form = _FORMS[signature.kind]
            forms[form] = called_with(func, signature, kwargs, wants, form)
        return Operator(name=self.get_name(), wants_config=wants, **forms)

    def __repr__(self) -> str:
        return f"RunnableGenerator({self.get_name()})"

    def _made_of(self) -> dict[str, Any]:
        return {"transform": self._transform, "atransform": self._atransform}


_FORMS = {"generator": "transform", "async_generator": "atransform"}


def described_generator(func: Any, kinds: Any) -> Signature:
    """The signature of a generator function of one of some kinds."""
    signature = described(func)
    if signature.kind not in kinds:
        raise CompositionError(
            f"RunnableGenerator takes {' or '.join(_CALLED[kind] for kind in kinds)}, got {func!r:.80}; "
            "a function that returns its result is a RunnableLambda"
        )
    return signature


_CALLED = {"generator": "a generator function (one that yields)", "async_generator": "an asynchronous one"}
