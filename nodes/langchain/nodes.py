"""LangChain's objects as nodes: any langchain-core Runnable, whatever its kind, with the forms that it has itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import is_not
from typing import TYPE_CHECKING, Any, ClassVar

from anabranch.engine.building import Builder, Place
from anabranch.engine.chunks import Algebra
from anabranch.engine.config import DEFAULT_RECURSION_LIMIT, RunnableConfig
from anabranch.engine.graphs import Source
from anabranch.engine.operators import Operator
from anabranch.nodes.callbacks.run_managers import run_in
from anabranch.nodes.langchain.errors import raise_as_both
from anabranch.nodes.langchain.kinds import kind_of, own_forms, run_by, streams_states
from anabranch.nodes.langchain.relays import relay
from anabranch.nodes.langchain.values import from_langchain_value, to_langchain_value
from anabranch.nodes.langchain.views import chat_view, llm_view, tool_view
from anabranch.nodes.runnables import Runnable
from anabranch.scheduler.closing import AClosing, Closing

if TYPE_CHECKING:
    from pydantic import BaseModel


class LangChainRunnable(Runnable[Any, Any]):
    """An object of LangChain's as a node. It has its name, its type of run, and the forms that it writes itself.

    What it gets are LangChain's messages, prompt values and documents in place of ours; what it gives becomes ours.

    Args:
        runnable: any Runnable of langchain-core's.

    Example:
        >>> from langchain_core.prompts import ChatPromptTemplate as TheirPrompt
        >>> LangChainRunnable(TheirPrompt.from_template("Why {what}?")).invoke({"what": "me"}).to_messages()
        [HumanMessage(content='Why me?')]
    """

    exempt_laws: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("nothing_is_left_after_closing_early", "nothing_is_left_after_cancelling"),
        "LangChain leaves it to the event loop to close its inner generators, some time later",
    )

    def __init__(self, runnable: Any) -> None:
        self.runnable = runnable
        self._seen = run_by(runnable)
        self._kind = kind_of(self._seen)

    def _default_name(self) -> str:
        return str(self._seen.get_name())

    def _keys_needed(self) -> list[str]:
        return list(self._seen.input_variables) if self._kind == "prompt" else []

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """That which the object tells."""
        schema: type[BaseModel] = self.runnable.get_input_schema(config)
        return schema

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """That which the object tells."""
        schema: type[BaseModel] = self.runnable.get_output_schema(config)
        return schema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LangChainRunnable) and self.runnable == other.runnable

    def __hash__(self) -> int:
        return hash((LangChainRunnable, self.get_name()))

    def __repr__(self) -> str:
        return repr(self.runnable)

    # As a step

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        tags = getattr(self._seen, "tags", None) or ()
        return super()._build(builder, source, replace(place, tags=(*place.tags, *tags)))

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        bound = {name: to_langchain_value(value) for name, value in kwargs.items()}
        # The last of a compiled graph's states is what its `invoke` gives.
        chunks = {"stream_mode": "values", **bound} if streams_states(self.runnable) else bound
        makers = {
            "invoke": partial(self._invoke, bound),
            "ainvoke": partial(self._ainvoke, bound),
            "stream": partial(self._stream, chunks),
            "astream": partial(self._astream, chunks),
            "transform": partial(self._transform, chunks),
            "atransform": partial(self._atransform, chunks),
            "batch": partial(self._batch, bound),
            "abatch": partial(self._abatch, bound),
        }
        forms: dict[str, Any] = {form: makers[form] for form in own_forms(self.runnable, self._kind)}
        return Operator(
            name=self.get_name(),
            run_type=self._kind,
            wants_config=True,
            algebra=Algebra.SNAPSHOTS if streams_states(self.runnable) else None,
            metadata=getattr(self._seen, "metadata", None),
            view=self._view(),
            **forms,
        )

    def _view(self) -> Any:
        name, seen = self.get_name(), self._seen
        if self._kind == "tool":
            return tool_view(name, seen.description)
        if self._kind in ("chat_model", "llm"):
            settings = {**seen._identifying_params, "_type": seen._llm_type}
            return (chat_view if self._kind == "chat_model" else llm_view)(name, settings)
        return None

    # Values

    def _invoke(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> Any:
        with _inside(config) as theirs:
            return from_langchain_value(self.runnable.invoke(to_langchain_value(value), theirs, **kwargs))

    async def _ainvoke(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> Any:
        with _inside(config) as theirs:
            return from_langchain_value(await self.runnable.ainvoke(to_langchain_value(value), theirs, **kwargs))

    def _batch(self, kwargs: dict[str, Any], values: list[Any], configs: list[RunnableConfig]) -> list[Any]:
        with ExitStack() as stack:
            theirs = [stack.enter_context(_inside(config)) for config in configs]
            outputs = self.runnable.batch(list(map(to_langchain_value, values)), theirs, **kwargs)
            return list(map(from_langchain_value, outputs))

    async def _abatch(self, kwargs: dict[str, Any], values: list[Any], configs: list[RunnableConfig]) -> list[Any]:
        with ExitStack() as stack:
            theirs = [stack.enter_context(_inside(config)) for config in configs]
            outputs = await self.runnable.abatch(list(map(to_langchain_value, values)), theirs, **kwargs)
            return list(map(from_langchain_value, outputs))

    # Chunks

    def _stream(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> Iterator[Any]:
        given = to_langchain_value(value)
        return _streamed(config, lambda theirs: self.runnable.stream(given, theirs, **kwargs))

    def _astream(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> AsyncIterator[Any]:
        given = to_langchain_value(value)
        return _astreamed(config, lambda theirs: self.runnable.astream(given, theirs, **kwargs))

    def _transform(self, kwargs: dict[str, Any], values: Iterator[Any], config: RunnableConfig) -> Iterator[Any]:
        return _streamed(config, lambda theirs: self.runnable.transform(_present(values), theirs, **kwargs))

    def _atransform(
        self, kwargs: dict[str, Any], values: AsyncIterator[Any], config: RunnableConfig
    ) -> AsyncIterator[Any]:
        return _astreamed(config, lambda theirs: self.runnable.atransform(_Present(values), theirs, **kwargs))


def _streamed(config: RunnableConfig, open_chunks: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """The chunks of an object of LangChain's as ours. Nothing runs before the first is asked for."""
    with _inside(config, is_streamed=True) as theirs:
        chunks = open_chunks(theirs)
        with Closing([chunks]):
            for chunk in chunks:
                yield from_langchain_value(chunk)


async def _astreamed(config: RunnableConfig, open_chunks: Callable[[Any], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """See `_streamed`."""
    with _inside(config, is_streamed=True) as theirs:
        chunks = open_chunks(theirs)
        async with AClosing([chunks]):
            async for chunk in chunks:
                yield from_langchain_value(chunk)


def _present(chunks: Iterator[Any]) -> Iterator[Any]:
    """Chunks as LangChain's. None stands for no chunk, and where there is no other, for the value."""
    first = next((chunk for chunk in chunks if chunk is not None), None)
    return map(to_langchain_value, chain((first,), filter(partial(is_not, None), chunks)))


class _Present:
    """The same asynchronously. It holds nothing that must be closed."""

    def __init__(self, chunks: AsyncIterator[Any]) -> None:
        self._chunks = chunks
        self._has_begun = False

    def __aiter__(self) -> _Present:
        return self

    async def __anext__(self) -> Any:
        chunk = None
        while chunk is None:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                if self._has_begun:
                    raise
                break
        self._has_begun = True
        return to_langchain_value(chunk)


@contextmanager
def _inside(config: RunnableConfig, is_streamed: bool = False) -> Iterator[dict[str, Any]]:
    """The config for an object of LangChain's that runs in a step, whose listeners are told of what runs inside it."""
    run = run_in(config)
    told = None if run is None else relay(run, is_streamed)
    try:
        yield translated(config, told)
    except GeneratorExit:
        if told is not None:
            told.close(None)
        raise
    except BaseException as error:
        if told is not None:
            told.close(error)
        raise_as_both(error)
    if told is not None:
        told.close(None)


def translated(config: Mapping[str, Any], told: Any = None) -> dict[str, Any]:
    """A config as LangChain has it, without what it doesn't know and what is at our default. `told` listens."""
    made: dict[str, Any] = {key: config[key] for key in KEYS if config.get(key)}
    if (limit := config.get("recursion_limit")) is not None and limit != DEFAULT_RECURSION_LIMIT:
        made["recursion_limit"] = limit
    if told is not None:
        made |= {"callbacks": [told], "run_id": told.run.id}
    return made


KEYS = ("tags", "metadata", "configurable", "max_concurrency")
"""The keys of a config that both sides know, and that mean the same inside a step."""
