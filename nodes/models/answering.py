"""How a model answers: by the best of the methods that its class writes, of which one is enough.

A *form* is a method that a class may write: `_generate`, `_stream`, `_agenerate`, `_astream`. Some classes derive a
form from another method that is simpler to write (`_call`): it is there when that method is. A whole answer is what
`_generate` gives, or else the pieces of `_stream` added up; pieces are those of `_stream`, or else the whole as one.

A *result* is all that a form gave for one question: a `ChatResult`, or an `LLMResult` of one prompt. Its *candidates*
are what stands in a cache; its *output* is what the model gives.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from anabranch.engine.chunks import Accumulator
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError
from anabranch.engine.operators import Operator
from anabranch.nodes.caching import Kept
from anabranch.nodes.callbacks.model_runs import AsyncModelRunManager, ModelRunManager, ModelView, note_result
from anabranch.nodes.callbacks.run_managers import takes_run_manager
from anabranch.nodes.models.caches import GLOBAL
from anabranch.scheduler.closing import AClosing, Closing

FORMS = ("_generate", "_stream", "_agenerate", "_astream")

Method = TypeVar("Method", bound=Callable[..., Any])


def unwritten(method: Method) -> Method:
    """Mark a method that a subclass may write."""
    method.stands_for = None  # type: ignore[attr-defined]
    return method


def derived_from(name: str) -> Callable[[Method], Method]:
    """Mark a form that is there when another method is written."""

    def mark(method: Method) -> Method:
        method.stands_for = name  # type: ignore[attr-defined]
        return method

    return mark


def given_to(
    method: Callable[..., Any], stop: list[str] | None, run_manager: Any, kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a method from which a form is derived: as for a form, `stop` only where there is any."""
    given = kwargs if stop is None else {**kwargs, "stop": stop}
    return {**given, "run_manager": run_manager} if takes_run_manager(method) else given


class Labelling(Protocol):
    """The pieces of one answer, as they pass by."""

    def label(self, generation: Any) -> Any:
        """The chunk of a piece."""

    def ending(self) -> Iterator[Any]:
        """What follows the last piece."""

    def result(self, total: Any) -> Any:
        """The whole, of the chunks added up."""


class Answering:
    """The part of a model that answers. Whoever inherits it says what questions and answers are."""

    RUN_TYPE: ClassVar[str]

    if TYPE_CHECKING:  # which a runnable has
        cache: Any
        disable_streaming: Any

        def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str: ...
        def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]: ...

    # What a kind of model says

    def _asked(self, input: Any) -> Any:
        """The question in an input."""
        raise NotImplementedError

    def _posed(self, asked: Any) -> Any:
        """The question as `_generate` takes it."""
        return asked

    def _prompt_key(self, asked: Any) -> str:
        """The question as it stands in a cache."""
        raise NotImplementedError

    def _candidates(self, result: Any) -> Sequence[Any]:
        """The candidate answers of a result."""
        raise NotImplementedError

    def _output(self, result: Any) -> Any:
        """What the model gives, of a result."""
        raise NotImplementedError

    def _chunk_of_result(self, result: Any) -> Any:
        """The same as one chunk."""
        raise NotImplementedError

    def _from_cache(self, found: Sequence[Any]) -> Any:
        """The result whose candidates stood in a cache."""
        raise NotImplementedError

    def _labelled(self, result: Any) -> Any:
        """The same result, each candidate with an id if such answers have one."""
        return result

    def _results(self, kwargs: dict[str, Any], inputs: list[Any], configs: list[RunnableConfig]) -> list[Any]:
        """The result of each of many inputs, where a model takes many at once."""
        raise NotImplementedError

    async def _aresults(self, kwargs: dict[str, Any], inputs: list[Any], configs: list[RunnableConfig]) -> list[Any]:
        """The same without blocking."""
        raise NotImplementedError

    def _labelling(self) -> Labelling:
        """For the pieces of one answer."""
        raise NotImplementedError

    def _view(self, kwargs: dict[str, Any]) -> ModelView:
        """How handlers see it."""
        raise NotImplementedError

    def _kept(self, kwargs: dict[str, Any], asked: Any) -> Kept | None:
        """Where an answer is kept, if it is."""
        raise NotImplementedError

    # Forms

    def _has_form(self, name: str) -> bool:
        """Whether a method is written, or one that it is derived from."""
        method = getattr(type(self), name)
        while (other := getattr(method, "stands_for", "")) != "":
            if other is None:
                return False
            method = getattr(type(self), other)
        return True

    def _takes_run_manager(self, form: str) -> bool:
        if not self._has_form(form):
            return False
        method = getattr(type(self), form)
        return takes_run_manager(getattr(type(self), getattr(method, "stands_for", None) or form))

    def _streams(self, form: str, kwargs: dict[str, Any]) -> bool:
        """Whether there is a form that streams, and it is to be used."""
        disabled = self.disable_streaming
        if disabled and (disabled is True or kwargs.get("tools")):
            return False
        return self._has_form(form)

    def _given(
        self, form: str, kwargs: dict[str, Any], config: RunnableConfig | None, is_streamed: bool = False
    ) -> dict[str, Any]:
        """The arguments of a form, with its view of the run if it takes one."""
        if config is None or not self._takes_run_manager(form):
            return kwargs
        manager = AsyncModelRunManager if form in ("_agenerate", "_astream") else ModelRunManager
        return {"run_manager": manager(config, is_streamed), **kwargs}

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        """The step of the model."""
        has = self._has_form
        sync, asynchronous = has("_generate") or has("_stream"), has("_agenerate") or has("_astream")
        if not sync and not asynchronous:
            raise CompositionError(
                f"{self.get_name()} has no form to run; write _generate, _stream, _agenerate or _astream"
            )

        def form(wanted: bool, run: Callable[..., Any]) -> Any:
            return partial(run, kwargs) if wanted else None

        return Operator(
            name=self.get_name(),
            run_type=self.RUN_TYPE,
            invoke=form(sync, self._answer),
            ainvoke=form(asynchronous, self._aanswer),
            stream=form(sync, self._pieces),
            # Streaming in a thread is better than not streaming on the loop.
            astream=form(has("_astream") or (has("_agenerate") and not has("_stream")), self._apieces),
            wants_config=any(map(self._takes_run_manager, FORMS)),
            metadata=self._get_ls_params(**kwargs),
            view=self._view(kwargs),
        )

    # Whole answers

    def _answer(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None = None) -> Any:
        return self._output(self._result(kwargs, input, config))

    async def _aanswer(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None = None) -> Any:
        return self._output(await self._aresult(kwargs, input, config))

    def _result(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None = None) -> Any:
        made = partial(self._made, kwargs, input, config)
        kept = self._kept_for(kwargs, input)
        result = made() if kept is None else kept.answer(made)
        note_result(self, result)
        return result

    async def _aresult(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None = None) -> Any:
        made = partial(self._amade, kwargs, input, config)
        kept = self._kept_for(kwargs, input)
        result = await (made() if kept is None else kept.aanswer(made))
        note_result(self, result)
        return result

    def _kept_for(self, kwargs: dict[str, Any], input: Any) -> Kept | None:
        """Where the answer to an input is kept; None, without a look at the input, when there is no cache."""
        if self.cache is None and GLOBAL.cache is None:
            return None
        return self._kept(kwargs, self._asked(input))

    def _made(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None) -> Any:
        if self._has_form("_generate"):
            given = self._given("_generate", kwargs, config)
            return self._generate(self._posed(self._asked(input)), **given)  # type: ignore[attr-defined]
        total, answer = Accumulator(where=self.get_name()), self._labelling()
        with closing(self._made_pieces(kwargs, input, config, answer, is_streamed=False)) as chunks:
            for chunk in chunks:
                total.push(chunk)
        return answer.result(total.value)

    async def _amade(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None) -> Any:
        if self._has_form("_agenerate"):
            given = self._given("_agenerate", kwargs, config)
            return await self._agenerate(self._posed(self._asked(input)), **given)  # type: ignore[attr-defined]
        total, answer = Accumulator(where=self.get_name()), self._labelling()
        async with aclosing(self._made_apieces(kwargs, input, config, answer, is_streamed=False)) as chunks:
            async for chunk in chunks:
                total.push(chunk)
        return answer.result(total.value)

    # Pieces. The generators that make them are handed on as they are: nothing stands between them and their reader.

    def _pieces(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None = None) -> Iterator[Any]:
        if not self._streams("_stream", kwargs):
            return self._one_piece(kwargs, input, config)
        if self.cache is None and GLOBAL.cache is None:
            return self._made_pieces(kwargs, input, config, self._labelling())
        return self._kept_pieces(kwargs, input, config)

    def _apieces(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None = None) -> AsyncIterator[Any]:
        if not self._streams("_astream", kwargs):
            return self._one_apiece(kwargs, input, config)
        if self.cache is None and GLOBAL.cache is None:
            return self._made_apieces(kwargs, input, config, self._labelling())
        return self._kept_apieces(kwargs, input, config)

    def _one_piece(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None) -> Iterator[Any]:
        yield self._chunk_of_result(self._result(kwargs, input, config))

    async def _one_apiece(
        self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        yield self._chunk_of_result(await self._aresult(kwargs, input, config))

    def _kept_pieces(self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None) -> Iterator[Any]:
        answer, kept = self._labelling(), self._kept_for(kwargs, input)
        made = partial(self._made_pieces, kwargs, input, config, answer)
        yield from made() if kept is None else kept.pieces(made, answer.result)

    async def _kept_apieces(
        self, kwargs: dict[str, Any], input: Any, config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        answer, kept = self._labelling(), self._kept_for(kwargs, input)
        made = partial(self._made_apieces, kwargs, input, config, answer)
        async with aclosing(made() if kept is None else kept.apieces(made, answer.result)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _made_pieces(
        self,
        kwargs: dict[str, Any],
        input: Any,
        config: RunnableConfig | None,
        answer: Labelling,
        is_streamed: bool = True,
    ) -> Generator[Any, None, None]:
        given = self._given("_stream", kwargs, config, is_streamed)
        chunks = self._stream(self._asked(input), **given)  # type: ignore[attr-defined]
        with Closing([chunks]):
            for chunk in chunks:
                yield answer.label(chunk)
        yield from answer.ending()

    async def _made_apieces(
        self,
        kwargs: dict[str, Any],
        input: Any,
        config: RunnableConfig | None,
        answer: Labelling,
        is_streamed: bool = True,
    ) -> AsyncGenerator[Any, None]:
        given = self._given("_astream", kwargs, config, is_streamed)
        chunks = self._astream(self._asked(input), **given)  # type: ignore[attr-defined]
        async with AClosing([chunks]):
            async for chunk in chunks:
                yield answer.label(chunk)
        for ending in answer.ending():
            yield ending
