"""Generator functions as runnables that map chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import cached_property
from typing import Any

from anabranch.engine.operators import Operator
from anabranch.engine.signatures import Signature, chunk_types, describe
from anabranch.nodes.functions import called_with
from anabranch.nodes.runnables import Input, Output, Runnable


class RunnableGenerator(Runnable[Input, Output]):
    """A generator function from an iterator of chunks to chunks, as a runnable.

    With `invoke` it gets the whole input as its only chunk, and what it yields is added up.

    Args:
        transform: a generator function, or an asynchronous one.
        atransform: an asynchronous form of it, used by the asynchronous verbs.
        name: in traces and errors; by default that of the function.

    Raises:
        TypeError: when it is no generator function.
    """

    def __init__(
        self,
        transform: Callable[[Iterator[Input]], Iterator[Output]] | Callable[[AsyncIterator[Input]], AsyncIterator[Output]],
        atransform: Callable[[AsyncIterator[Input]], AsyncIterator[Output]] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        for func, kinds in ((transform, _FORMS.keys()), (atransform, {"async_generator"})):
            if func is not None and (not callable(func) or describe(func).kind not in kinds):
                raise TypeError(
                    f"RunnableGenerator takes a generator function (one that yields), got {func!r:.80}; "
                    "a function that returns its result is a RunnableLambda"
                )
        self._transform = transform
        self._atransform = atransform
        self.name = name

    @cached_property
    def _signature(self) -> Signature:
        return describe(self._transform)

    def _default_name(self) -> str:
        return self._signature.name or "RunnableGenerator"

    @property
    def InputType(self) -> Any:
        """From the annotation of the first parameter's elements."""
        return chunk_types(self._transform)[0]

    @property
    def OutputType(self) -> Any:
        """From the annotation of what is yielded."""
        return chunk_types(self._transform)[1]

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        signatures: list[tuple[Callable[..., Any], Signature]] = [(self._transform, self._signature)]
        if self._atransform is not None:
            signatures.append((self._atransform, describe(self._atransform)))
        wants = any(signature.wants_config or signature.wants_run_manager for _, signature in signatures)
        forms: dict[str, Any] = {
            _FORMS[signature.kind]: called_with(func, signature, kwargs, wants) for func, signature in signatures
        }
        return Operator(name=self.get_name(), wants_config=wants, **forms)

    def __repr__(self) -> str:
        return f"RunnableGenerator({self.get_name()})"


_FORMS = {"generator": "transform", "async_generator": "atransform"}
